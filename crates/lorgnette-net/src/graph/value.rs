//! The value of a node that is in the weights file.

use lorgnette_kernels::Pool;

use super::op::Op;
use crate::error::Result;
use crate::stored::Stored;
use crate::tensor::{DType, Tensor};

/// A tensor, here or in its file.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Here(Tensor),
    Stored(Stored),
}

impl Value {
    /// The value of a node that is in the weights file.
    pub(crate) fn of(op: &Op) -> Option<Self> {
        match op {
            Op::Const(tensor) => Some(Self::Here(tensor.clone())),
            Op::Variable(stored) => Some(Self::Stored(stored.clone())),
            _ => None,
        }
    }

    pub(crate) fn dtype(&self) -> DType {
        match self {
            Self::Here(tensor) => tensor.dtype(),
            Self::Stored(stored) => stored.dtype(),
        }
    }

    pub(crate) fn shape(&self) -> &[usize] {
        match self {
            Self::Here(tensor) => tensor.shape(),
            Self::Stored(stored) => stored.shape(),
        }
    }

    /// How many bytes the elements take.
    pub(crate) fn byte_len(&self) -> usize {
        self.shape().iter().product::<usize>() * self.dtype().size()
    }

    /// The tensor, read if it is not here.
    pub(crate) fn tensor(&self) -> Result<Tensor> {
        match self {
            Self::Here(tensor) => Ok(tensor.clone()),
            Self::Stored(stored) => stored.read(),
        }
    }

    /// Calls `write` with the little-endian elements, in order; large ones piece by piece.
    pub(crate) fn each_piece(&self, pool: &Pool, mut write: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        const PIECE: usize = 8 << 20;
        let extent = if let Self::Stored(stored) = self { stored.extent()? } else { None };
        let Some(extent) = extent else { return write(self.tensor()?.bytes()) };
        let mut written = Ok(());
        extent.in_pieces(PIECE, 1, pool, |piece| {
            if written.is_ok() {
                written = write(&extent.values[piece]);
            }
        })?;
        written
    }
}
