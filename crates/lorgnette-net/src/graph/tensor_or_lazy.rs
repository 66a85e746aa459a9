//! The stored value of a node.

use lorgnette_kernels::ThreadPool;

use super::op::Op;
use crate::error::Result;
use crate::lazy_tensor::LazyTensor;
use crate::tensor::{DType, Tensor};

/// A tensor in memory or in its file.
#[derive(Clone, Debug)]
pub(crate) enum TensorOrLazy {
    Tensor(Tensor),
    Lazy(LazyTensor),
}

impl TensorOrLazy {
    /// Returns the value if the node's value is in the weights file.
    pub(crate) fn from_op(op: &Op) -> Option<Self> {
        match op {
            Op::Const(tensor) => Some(Self::Tensor(tensor.clone())),
            Op::Variable(lazy) => Some(Self::Lazy(lazy.clone())),
            _ => None,
        }
    }

    pub(crate) fn dtype(&self) -> DType {
        match self {
            Self::Tensor(tensor) => tensor.dtype(),
            Self::Lazy(lazy) => lazy.dtype(),
        }
    }

    pub(crate) fn shape(&self) -> &[usize] {
        match self {
            Self::Tensor(tensor) => tensor.shape(),
            Self::Lazy(lazy) => lazy.shape(),
        }
    }

    /// Returns the size of the elements in bytes.
    pub(crate) fn byte_len(&self) -> usize {
        self.shape().iter().product::<usize>() * self.dtype().size()
    }

    /// Returns the tensor, reading it if necessary.
    pub(crate) fn tensor(&self) -> Result<Tensor> {
        match self {
            Self::Tensor(tensor) => Ok(tensor.clone()),
            Self::Lazy(lazy) => lazy.read(),
        }
    }

    /// Calls `write` with the little-endian elements in order, large tensors piece by piece.
    pub(crate) fn each_piece(
        &self,
        pool: &ThreadPool,
        mut write: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        const PIECE: usize = 8 << 20;
        let byte_range = if let Self::Lazy(lazy) = self { lazy.byte_range()? } else { None };
        let Some(byte_range) = byte_range else { return write(self.tensor()?.bytes()) };
        let mut written = Ok(());
        byte_range.in_pieces(PIECE, 1, pool, |piece| {
            if written.is_ok() {
                written = write(&byte_range.values[piece]);
            }
        })?;
        written
    }
}
