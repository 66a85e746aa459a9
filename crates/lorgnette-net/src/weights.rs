//! The variables of TensorFlow checkpoints: names and shapes when opened, contents on demand.
//!
//! ```text
//! path ─▶ files (locate) ───────────┬─▶ table (table) ─┬─▶ V1: tensor_slices ─┬─▶ tensors (slice)
//! archive ─▶ cache folder (archive) ┘                  └─▶ V2: bundle ────────┘
//! ```
//!
//! # Memory
//! Files are mapped. A variable that is contiguous, uncompressed and little-endian is a slice of
//! the map and takes no memory. The bounds hold for damaged and hostile files too, because memory
//! is allocated only after the bytes that justify it have been read:
//!
//! | data | memory at most |
//! |---|---|
//! | a variable in slices, a big-endian variable, or floats of a V1 file | its own size, plus an
//! eighth while slices are joined |
//! | integers and half floats of a V1 file, which are packed as varints | 8 times their size in the
//! file |
//! | a block compressed by snappy | 22 times the block, in addition to the factors above |
//! | opening | 256 times the blocks of names, usually a few times: names share prefixes in the file
//! |

pub mod archive;
mod bundle;
mod element;
mod locate;
mod ordered_code;
mod proto;
mod slice;
mod state;
mod table;
mod tensor_slices;
mod values;
mod variables;
mod varint;
mod write;

pub use variables::{PreferEma, Variables, fits, missing, wrong_shape};
pub(crate) use write::write_bundle;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::lazy_tensor::{self, ByteRange, LazyTensor};
use crate::names::nearest;
use crate::tensor::{DType, Tensor};

use self::archive::Cache;
use self::bundle::Bundle;
use self::element::Element;
use self::locate::Files;
use self::tensor_slices::TensorSlices;

/// An open checkpoint.
///
/// Reading takes `&self`; several threads may read at once.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    prefix: PathBuf,
    /// Sorted by name.
    variables: Vec<Variable>,
    contents: TableReader,
}

/// The reader of the contents; each format keeps an entry for every variable, in the variables'
/// order.
#[derive(Debug)]
enum TableReader {
    V1(TensorSlices),
    V2(Bundle),
}

/// The description of a variable, without its content.
#[derive(Clone, Debug)]
pub struct Variable {
    name: String,
    shape: Vec<usize>,
    element: Element,
}

impl Variable {
    /// Returns the variable's name in TensorFlow: `vgg_16/conv1/conv1_1/weights`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the length of each dimension; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the element type; `None` for types that Lorgnette does not compute with (text,
    /// complex numbers).
    pub fn dtype(&self) -> Option<DType> {
        self.element.dtype()
    }

    /// Returns TensorFlow's name of the type: `float32`, `complex64`, …
    pub fn type_name(&self) -> String {
        self.element.to_string()
    }
}

impl Weights {
    /// Opens a checkpoint of either format by any of its paths: a prefix, a `.ckpt`, `.index` or
    /// `.data-…` file, a V1 file of any name, a folder with a `checkpoint` file or with exactly one
    /// checkpoint.
    ///
    /// # Errors
    /// If there is no checkpoint, if there are several, or if the table of names is damaged; the
    /// message says which.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let files = locate::locate(path)?;
        let prefix = files.prefix();
        let (variables, contents) = match files {
            Files::TensorSlices(files) => {
                TensorSlices::open(files).map(|(v, c)| (v, TableReader::V1(c)))?
            }
            Files::Bundle { index, prefix } => {
                Bundle::open(index, &prefix).map(|(v, c)| (v, TableReader::V2(c)))?
            }
        };
        Ok(Self { path: path.into(), prefix, variables, contents })
    }

    /// Opens everything that [`open`](Self::open) takes, and archives of it (`.tar.gz`, `.tgz`,
    /// `.tar`, `.zip`).
    ///
    /// An archive is unpacked once into a folder of `cache` and reused; see [`archive`]. If it
    /// contains several checkpoints, the path may continue inside it:
    /// `v3-large.tgz/ema/model-540000`.
    ///
    /// # Errors
    /// As for [`open`](Self::open); also if an archive is damaged, hostile or too large.
    pub fn open_archived(path: impl AsRef<Path>, cache: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let Some((archive, inner)) = archive::split(path)? else {
            return Self::open(path);
        };
        let folder = Cache::new(cache.as_ref()).unpack(&archive)?;
        let mut weights = Self::open(folder.join(inner))
            .map_err(|error| archive::rewrite_paths(error, &folder, &archive))?;
        weights.path = path.into();
        Ok(weights)
    }

    /// Returns the path that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the common prefix of the files, as it was given to the saver.
    pub(crate) fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// Returns the format: 1 for tensor slices, 2 for a bundle of an index and shards.
    pub fn version(&self) -> u32 {
        match self.contents {
            TableReader::V1(_) => 1,
            TableReader::V2(_) => 2,
        }
    }

    /// Returns all variables, sorted by name.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// Iterates over names and shapes, sorted by name.
    pub fn tensor_shapes(&self) -> impl ExactSizeIterator<Item = (&str, &[usize])> {
        self.variables.iter().map(|variable| (variable.name(), variable.shape()))
    }

    /// Returns true if the variable exists.
    pub fn contains(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// Returns the description of a variable.
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.position(name).map(|at| &self.variables[at])
    }

    /// Reads a variable and verifies its checksum.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the nearest names if the variable does not exist;
    /// [`Error::Variable`] if it is damaged or of a type that Lorgnette does not compute with.
    pub fn get(&self, name: &str) -> Result<Tensor> {
        let at = self.position(name).ok_or_else(|| Error::Unknown {
            kind: "variable",
            name: name.into(),
            nearest: nearest(name, self.variables.iter().map(Variable::name)),
        })?;
        self.read(at)
    }

    /// Reads all variables one by one, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Variable, Result<Tensor>)> {
        self.variables.iter().enumerate().map(|(at, variable)| (variable, self.read(at)))
    }

    /// Returns a variable that is read when its content is needed.
    pub(crate) fn lazy(self: &Arc<Self>, name: &str) -> Option<LazyTensor> {
        let at = self.position(name)?;
        let variable = &self.variables[at];
        let contents = Arc::new(CheckpointTensor { weights: self.clone(), at });
        Some(LazyTensor::new(variable.dtype()?, variable.shape.clone(), contents))
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.variables.binary_search_by(|variable| variable.name.as_str().cmp(name)).ok()
    }

    fn read(&self, at: usize) -> Result<Tensor> {
        let variable = &self.variables[at];
        let Some(dtype) = variable.dtype() else {
            return Err(self.refused(
                &variable.name,
                format!("is of type {}, which cannot be computed with", variable.element),
            ));
        };
        let bytes = match &self.contents {
            TableReader::V1(slices) => slices.read(at, variable, dtype)?,
            TableReader::V2(bundle) => bundle.read(at, variable, dtype)?,
        };
        let found = bytes.len();
        Tensor::from_shared(dtype, variable.shape.clone(), bytes).ok_or_else(|| {
            self.refused(&variable.name, format!("has {found} bytes, not those of its shape"))
        })
    }

    fn refused(&self, name: &str, what: String) -> Error {
        variable_error(&self.path, name, what)
    }
}

/// The content of a variable in a checkpoint.
#[derive(Debug)]
struct CheckpointTensor {
    weights: Arc<Weights>,
    at: usize,
}

impl lazy_tensor::TensorSource for CheckpointTensor {
    fn read(&self) -> Result<Tensor> {
        self.weights.read(self.at)
    }

    fn byte_range(&self) -> Result<Option<ByteRange>> {
        let variable = &self.weights.variables[self.at];
        match &self.weights.contents {
            TableReader::V1(slices) => Ok(slices.byte_range(self.at, variable)),
            TableReader::V2(bundle) => {
                bundle.byte_range(self.at, variable, variable.dtype().unwrap_or(DType::F32))
            }
        }
    }
}

/// Returns an [`Error::Variable`].
fn variable_error(path: &Path, name: &str, what: impl Into<String>) -> Error {
    Error::Variable { path: path.into(), name: name.into(), what: what.into() }
}

/// Returns an [`Error::Format`].
fn format_error(path: &Path, what: impl Into<String>) -> Error {
    Error::Format { path: path.into(), what: what.into() }
}
