//! Weights that stay in their file until something needs them.

use std::fmt::Debug;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use lorgnette_kernels::ThreadPool;

use crate::checksum::Checksum;
use crate::error::{Error, Result};
use crate::file::MappedFile;
use crate::tensor::{DType, Tensor};

/// A tensor whose type and shape are known, and where its elements are.
#[derive(Clone, Debug)]
pub struct LazyTensor {
    dtype: DType,
    shape: Vec<usize>,
    source: Arc<dyn TensorSource>,
}

/// Where a tensor's elements can be had.
pub trait TensorSource: Debug + Send + Sync {
    /// The tensor, verified.
    ///
    /// # Errors
    /// If it is damaged or cannot be read.
    fn read(&self) -> Result<Tensor>;

    /// Where its elements lie, if as they are and in one piece.
    ///
    /// # Errors
    /// If that place cannot be.
    fn byte_range(&self) -> Result<Option<ByteRange>> {
        Ok(None)
    }
}

impl LazyTensor {
    /// A tensor of `dtype` and `shape`, as `source` must have it.
    pub fn new(dtype: DType, shape: Vec<usize>, source: Arc<dyn TensorSource>) -> Self {
        Self { dtype, shape, source }
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The length of each dimension.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads and verifies all of it.
    ///
    /// # Errors
    /// If it is damaged or cannot be read, or what is read is something else.
    pub fn read(&self) -> Result<Tensor> {
        let tensor = self.source.read()?;
        if (tensor.dtype(), tensor.shape()) != (self.dtype, self.shape.as_slice()) {
            let (actual, expected) = (tensor.shape(), &self.shape);
            return Err(Error::Input(format!(
                "weights of shape {actual:?} where {expected:?} were noted: the file has changed"
            )));
        }
        Ok(tensor)
    }

    /// Where the elements lie in a file, if they are float32 there, in one piece.
    ///
    /// # Errors
    /// If that place cannot be.
    pub(crate) fn byte_range(&self) -> Result<Option<ByteRange>> {
        let bytes = self.len() * DType::F32.size();
        let fits =
            |byte_range: &ByteRange| self.dtype == DType::F32 && byte_range.values.len() == bytes;
        Ok(self.source.byte_range()?.filter(fits))
    }
}

/// Little-endian elements in a mapped file, not yet verified.
#[derive(Clone, Debug)]
pub struct ByteRange {
    /// The file.
    pub(crate) file: MappedFile,
    /// The elements.
    pub(crate) values: Bytes,
    /// What they are verified by, if the file has that.
    pub(crate) check: Option<StoredChecksum>,
}

/// A checksum over a tensor's elements, and perhaps a few bytes around them.
#[derive(Clone, Debug)]
pub(crate) struct StoredChecksum {
    /// What it is of; the elements are part of it.
    pub(crate) bytes: Bytes,
    /// Masked, as it is stored.
    pub(crate) stored: u32,
    /// Whose damage it is, for the message.
    pub(crate) path: PathBuf,
    /// Whose damage it is, for the message.
    pub(crate) variable: String,
}

impl ByteRange {
    /// Calls `visit` with ranges of the elements' bytes, about `piece` long but for the last, each
    /// a multiple of `unit`. All of it is then verified, and its memory given back piece by piece:
    /// at no time is more of it in memory than one piece.
    ///
    /// # Errors
    /// [`Error::Variable`] if the checksum is wrong; what was visited is then worth nothing.
    pub(crate) fn in_pieces(
        &self,
        piece: usize,
        unit: usize,
        pool: &ThreadPool,
        mut visit: impl FnMut(Range<usize>),
    ) -> Result<()> {
        let piece = (piece / unit).max(1) * unit;
        let mut verifier = self.check.as_ref().map(Verifier::new);
        let mut start = 0;
        while start < self.values.len() {
            let range = start..self.values.len().min(start + piece);
            if let Some(verifier) = &mut verifier {
                verifier.update_to(&self.values[range.clone()], pool);
            }
            visit(range.clone());
            self.file.release(&self.values[range.clone()]);
            start = range.end;
        }
        verifier.map_or(Ok(()), |verifier| verifier.finish(pool))
    }
}

/// A checksum under way.
struct Verifier<'a> {
    check: &'a StoredChecksum,
    sum: Checksum,
    verified: usize,
}

impl<'a> Verifier<'a> {
    fn new(check: &'a StoredChecksum) -> Self {
        Self { check, sum: Checksum::default(), verified: 0 }
    }

    /// Adds what lies before the end of `part`, a slice of the bytes.
    fn update_to(&mut self, part: &[u8], pool: &ThreadPool) {
        let end = part.as_ptr() as usize + part.len() - self.check.bytes.as_ptr() as usize;
        self.sum.add(&self.check.bytes[self.verified..end], pool);
        self.verified = end;
    }

    fn finish(mut self, pool: &ThreadPool) -> Result<()> {
        let StoredChecksum { bytes, stored, path, variable } = self.check;
        self.sum.add(&bytes[self.verified..], pool);
        let wrong = |what| Error::Variable { path: path.clone(), name: variable.clone(), what };
        self.sum.compare(*stored).map_err(wrong)
    }
}
