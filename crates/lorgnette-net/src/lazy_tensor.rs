//! Weights that stay in their file until they are needed.

use std::fmt::Debug;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use lorgnette_kernels::ThreadPool;

use crate::checksum::Checksum;
use crate::error::{Error, Result};
use crate::file::MappedFile;
use crate::tensor::{DType, Tensor, elements};

/// A tensor of known type and shape, and the source of its elements.
#[derive(Clone, Debug)]
pub struct LazyTensor {
    dtype: DType,
    shape: Vec<usize>,
    source: Arc<dyn TensorSource>,
}

/// The source of a tensor's elements.
pub trait TensorSource: Debug + Send + Sync {
    /// Reads and verifies the tensor.
    ///
    /// # Errors
    /// If it is damaged or cannot be read.
    fn read(&self) -> Result<Tensor>;

    /// Returns the elements' range in their file, if they are contiguous and need no conversion.
    ///
    /// # Errors
    /// If the range is invalid.
    fn byte_range(&self) -> Result<Option<ByteRange>> {
        Ok(None)
    }
}

impl LazyTensor {
    /// Creates a tensor of `dtype` and `shape`, as `source` must deliver it.
    pub fn new(dtype: DType, shape: Vec<usize>, source: Arc<dyn TensorSource>) -> Self {
        Self { dtype, shape, source }
    }

    /// Returns the element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Returns the length of each dimension.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Returns true if there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the same elements under another shape; `None` if that has another number of them.
    pub(crate) fn reshaped(&self, shape: Vec<usize>) -> Option<Self> {
        let has_same_len = elements(&shape) == elements(&self.shape);
        let source = Reshaped { original: self.clone(), shape: shape.clone() };
        has_same_len.then(|| Self::new(self.dtype, shape, Arc::new(source)))
    }

    /// Reads and verifies the tensor.
    ///
    /// # Errors
    /// If it is damaged or cannot be read; if its type or shape differ.
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

    /// Returns the elements' range in their file, if they are contiguous float32.
    ///
    /// # Errors
    /// If the range is invalid.
    pub(crate) fn byte_range(&self) -> Result<Option<ByteRange>> {
        let bytes = self.len() * DType::F32.size();
        Ok(self.source.byte_range()?.filter(|byte_range: &ByteRange| {
            self.dtype == DType::F32 && byte_range.values.len() == bytes
        }))
    }
}

/// A tensor under another shape.
#[derive(Debug)]
struct Reshaped {
    original: LazyTensor,
    shape: Vec<usize>,
}

impl TensorSource for Reshaped {
    fn read(&self) -> Result<Tensor> {
        let tensor = self.original.read()?;
        Tensor::from_shared(tensor.dtype(), self.shape.clone(), tensor.shared_bytes().clone())
            .ok_or_else(|| Error::Input(format!("weights that are not of shape {:?}", self.shape)))
    }

    fn byte_range(&self) -> Result<Option<ByteRange>> {
        self.original.source.byte_range()
    }
}

/// Little-endian elements in a mapped file, not yet verified.
#[derive(Clone, Debug)]
pub struct ByteRange {
    /// The file.
    pub(crate) file: MappedFile,
    /// The elements.
    pub(crate) values: Bytes,
    /// The checksum of the elements, if the file has one.
    pub(crate) check: Option<StoredChecksum>,
}

/// A checksum of a tensor's elements and possibly a few bytes around them.
#[derive(Clone, Debug)]
pub(crate) struct StoredChecksum {
    /// The bytes that it covers, including the elements.
    pub(crate) bytes: Bytes,
    /// The masked checksum, as it is stored.
    pub(crate) stored: u32,
    /// The file, for messages.
    pub(crate) path: PathBuf,
    /// The variable, for messages.
    pub(crate) variable: String,
}

impl ByteRange {
    /// Calls `visit` with consecutive ranges of the elements' bytes. A range has about `piece`
    /// bytes, and a multiple of `unit`. The bytes are verified and their memory is released piece
    /// by piece: at most one piece is in memory at a time.
    ///
    /// # Errors
    /// [`Error::Variable`] if the checksum is wrong, [`Error::Format`] if the file was written to
    /// meanwhile; the visited data is then invalid.
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
        verifier.map_or(Ok(()), |verifier| verifier.finish(pool))?;
        self.file.check_unchanged()
    }
}

/// A checksum that is being computed.
struct Verifier<'a> {
    check: &'a StoredChecksum,
    sum: Checksum,
    verified: usize,
}

impl<'a> Verifier<'a> {
    fn new(check: &'a StoredChecksum) -> Self {
        Self { check, sum: Checksum::default(), verified: 0 }
    }

    /// Adds the bytes up to the end of `part`, a slice of the bytes.
    fn update_to(&mut self, part: &[u8], pool: &ThreadPool) {
        let end = part.as_ptr() as usize + part.len() - self.check.bytes.as_ptr() as usize;
        self.sum.add(&self.check.bytes[self.verified..end], pool);
        self.verified = end;
    }

    fn finish(mut self, pool: &ThreadPool) -> Result<()> {
        let StoredChecksum { bytes, stored, path, variable } = self.check;
        self.sum.add(&bytes[self.verified..], pool);
        self.sum.compare(*stored).map_err(|what| Error::Variable {
            path: path.clone(),
            name: variable.clone(),
            what,
        })
    }
}
