//! Weights that stay in their file until something needs them.

use std::fmt::Debug;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use lorgnette_kernels::Pool;

use crate::checksum::Checksum;
use crate::error::{Error, Result};
use crate::file::Mapped;
use crate::tensor::{DType, Tensor};

/// A tensor whose type and shape are known, and where its elements are.
#[derive(Clone, Debug)]
pub struct Stored {
    dtype: DType,
    shape: Vec<usize>,
    contents: Arc<dyn Contents>,
}

/// Where a tensor's elements can be had.
pub trait Contents: Debug + Send + Sync {
    /// The tensor, verified.
    ///
    /// # Errors
    /// If it is damaged or cannot be read.
    fn read(&self) -> Result<Tensor>;

    /// Where its elements lie, if as they are and in one piece.
    ///
    /// # Errors
    /// If that place cannot be.
    fn extent(&self) -> Result<Option<Extent>> {
        Ok(None)
    }
}

impl Stored {
    /// A tensor of `dtype` and `shape`, as `contents` must have it.
    pub fn new(dtype: DType, shape: Vec<usize>, contents: Arc<dyn Contents>) -> Self {
        Self { dtype, shape, contents }
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
        let tensor = self.contents.read()?;
        if (tensor.dtype(), tensor.shape()) != (self.dtype, self.shape.as_slice()) {
            let (found, wanted) = (tensor.shape(), &self.shape);
            return Err(Error::Input(format!(
                "weights of shape {found:?} where {wanted:?} were noted: the file has changed"
            )));
        }
        Ok(tensor)
    }

    /// Where the elements lie in a file, if they are float32 there, in one piece.
    ///
    /// # Errors
    /// If that place cannot be.
    pub(crate) fn extent(&self) -> Result<Option<Extent>> {
        let bytes = self.len() * DType::F32.size();
        let fits = |extent: &Extent| self.dtype == DType::F32 && extent.values.len() == bytes;
        Ok(self.contents.extent()?.filter(fits))
    }
}

/// Little-endian elements in a mapped file, not yet verified.
#[derive(Clone, Debug)]
pub struct Extent {
    /// The file.
    pub(crate) file: Mapped,
    /// The elements.
    pub(crate) values: Bytes,
    /// What they are verified by, if the file has that.
    pub(crate) check: Option<Check>,
}

/// A checksum over a tensor's elements, and perhaps a few bytes around them.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    /// What it is of; the elements are part of it.
    pub(crate) bytes: Bytes,
    /// Masked, as it is stored.
    pub(crate) stored: u32,
    /// Whose damage it is, for the message.
    pub(crate) path: PathBuf,
    /// Whose damage it is, for the message.
    pub(crate) variable: String,
}

impl Extent {
    /// Calls `visit` with ranges of the elements' bytes, about `piece` long but for the last, each a multiple of
    /// `unit`. All of it is then verified, and its memory given back piece by piece: at no time is more of it in
    /// memory than one piece.
    ///
    /// # Errors
    /// [`Error::Variable`] if the checksum is wrong; what was visited is then worth nothing.
    pub(crate) fn in_pieces(
        &self,
        piece: usize,
        unit: usize,
        pool: &Pool,
        mut visit: impl FnMut(Range<usize>),
    ) -> Result<()> {
        let piece = (piece / unit).max(1) * unit;
        let mut checking = self.check.as_ref().map(Checking::new);
        let mut start = 0;
        while start < self.values.len() {
            let range = start..self.values.len().min(start + piece);
            if let Some(checking) = &mut checking {
                checking.go_on_to(&self.values[range.clone()], pool);
            }
            visit(range.clone());
            self.file.release(&self.values[range.clone()]);
            start = range.end;
        }
        checking.map_or(Ok(()), |checking| checking.finish(pool))
    }
}

/// A checksum under way.
struct Checking<'a> {
    check: &'a Check,
    sum: Checksum,
    done: usize,
}

impl<'a> Checking<'a> {
    fn new(check: &'a Check) -> Self {
        Self { check, sum: Checksum::default(), done: 0 }
    }

    /// Adds what lies before the end of `part`, a slice of the bytes.
    fn go_on_to(&mut self, part: &[u8], pool: &Pool) {
        let end = part.as_ptr() as usize + part.len() - self.check.bytes.as_ptr() as usize;
        self.sum.add(&self.check.bytes[self.done..end], pool);
        self.done = end;
    }

    fn finish(mut self, pool: &Pool) -> Result<()> {
        let Check { bytes, stored, path, variable } = self.check;
        self.sum.add(&bytes[self.done..], pool);
        let wrong = |what| Error::Variable { path: path.clone(), name: variable.clone(), what };
        self.sum.compare(*stored).map_err(wrong)
    }
}
