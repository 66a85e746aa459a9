//! The variables of TensorFlow's checkpoints: names and shapes at once, contents when they are
//! asked for.
//!
//! ```text
//! what people pass ─▶ its files (locate) ─▶ table of keys (table) ─┬─▶ V1: tensor_slices ─┬─▶ whole tensors (slice)
//! an archive ─▶ a folder of the cache (archive) ─┘                 └─▶ V2: bundle ────────┘
//! ```
//!
//! # Memory
//! Files are mapped. A variable whose bytes lie in one piece, uncompressed and little-endian, is a
//! slice of the map and takes nothing. Damaged and hostile files are held to the same bounds as
//! sound ones, because nothing is set aside before the bytes that justify it have been seen:
//!
//! | what | takes at most |
//! |---|---|
//! | a variable in slices, or big-endian, or in a V1 file of floats | its own bytes, and an eighth while slices are joined |
//! | integers and half floats of a V1 file, which are packed as varints | 8 times the bytes they take in the file |
//! | anything in a block compressed by snappy | 22 times the block besides, and with it the factors above |
//! | opening | 256 times the blocks of names, a few times as a rule: names share their beginnings in the file |

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

/// A checkpoint: what variables it has, and the means to read them.
///
/// Reading takes `&self`: several threads may read at once.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    prefix: PathBuf,
    /// Sorted by name.
    variables: Vec<Variable>,
    contents: TableReader,
}

/// Where the contents are; each format keeps its own note of every variable, in the variables'
/// order.
#[derive(Debug)]
enum TableReader {
    V1(TensorSlices),
    V2(Bundle),
}

/// What a checkpoint says of a variable without its contents.
#[derive(Clone, Debug)]
pub struct Variable {
    name: String,
    shape: Vec<usize>,
    element: Element,
}

impl Variable {
    /// The name, as TensorFlow has it: `vgg_16/conv1/conv1_1/weights`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The length of each dimension; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The type of the elements; `None` for those that Lorgnette does not compute with (text,
    /// complex numbers).
    pub fn dtype(&self) -> Option<DType> {
        self.element.dtype()
    }

    /// TensorFlow's name of the type: `float32`, `complex64`, …
    pub fn type_name(&self) -> String {
        self.element.to_string()
    }
}

impl Weights {
    /// Opens a checkpoint of either format by any path that people pass: a prefix, a `.ckpt`,
    /// `.index` or `.data-…` file, a V1 file of whatever name, a folder with a `checkpoint` file or
    /// with exactly one checkpoint.
    ///
    /// # Errors
    /// If there is no checkpoint, or there are several, or its table of names is damaged; the
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

    /// Opens whatever [`open`](Self::open) takes, and archives (`.tar.gz`, `.tgz`, `.tar`, `.zip`)
    /// of it.
    ///
    /// An archive is unpacked once, into a folder of `cache`, and found there the next time; see
    /// [`archive`]. Where it holds several checkpoints, a path may go on within it:
    /// `v3-large.tgz/ema/model-540000`.
    ///
    /// # Errors
    /// As [`open`](Self::open); and for archives that are damaged, hostile or too large.
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

    /// The path that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the files' names begin with, as a saver was given it.
    pub(crate) fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// 1 for a file of tensor slices, 2 for a bundle of an index and shards.
    pub fn version(&self) -> u32 {
        match self.contents {
            TableReader::V1(_) => 1,
            TableReader::V2(_) => 2,
        }
    }

    /// All variables, by name.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// Names and shapes, by name.
    pub fn tensor_shapes(&self) -> impl ExactSizeIterator<Item = (&str, &[usize])> {
        self.variables.iter().map(|variable| (variable.name(), variable.shape()))
    }

    /// Whether there is a variable of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// The variable of this name, without its contents.
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.position(name).map(|at| &self.variables[at])
    }

    /// Reads a variable and verifies its checksum.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the nearest names for a name that is not there; [`Error::Variable`]
    /// for one that is damaged, or of a type that Lorgnette does not compute with.
    pub fn get(&self, name: &str) -> Result<Tensor> {
        let at = self.position(name).ok_or_else(|| Error::Unknown {
            kind: "variable",
            name: name.into(),
            nearest: nearest(name, self.variables.iter().map(Variable::name)),
        })?;
        self.read(at)
    }

    /// Reads all variables, one after the other, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Variable, Result<Tensor>)> {
        self.variables.iter().enumerate().map(|(at, variable)| (variable, self.read(at)))
    }

    /// The variable of that name, to be read when its contents are needed.
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
        Tensor::from_bytes(dtype, variable.shape.clone(), bytes).ok_or_else(|| {
            self.refused(&variable.name, format!("has {found} bytes, not those of its shape"))
        })
    }

    fn refused(&self, name: &str, what: String) -> Error {
        variable_error(&self.path, name, what)
    }
}

/// The contents of a checkpoint's variable.
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

/// An [`Error::Variable`].
fn variable_error(path: &Path, name: &str, what: impl Into<String>) -> Error {
    Error::Variable { path: path.into(), name: name.into(), what: what.into() }
}

/// An [`Error::Format`].
fn format_error(path: &Path, what: impl Into<String>) -> Error {
    Error::Format { path: path.into(), what: what.into() }
}
