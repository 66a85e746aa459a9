//! The sources of networks: a graph, frozen or with a checkpoint, an ONNX model, or a network of
//! the zoo and its checkpoint.
//!
//! ```text
//! path ─▶ unpacked, kind detected (file_kind) ─┬─▶ GraphDef, with variables from a checkpoint
//!                                              ├─▶ SavedModel, Keras: the same, own names
//!                                              ├─▶ ONNX model (onnx_model)
//!                                              └─▶ checkpoint, network rebuilt (zoo_model)
//! any of these and a new classification layer (with_head)
//! ```

mod file_kind;
mod graph_def;
mod onnx_model;
mod with_head;
mod zoo_model;

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::file_kind::FileKind;
pub(crate) use self::with_head::WithHead;
pub(crate) use self::zoo_model::ZooModel;
use crate::error::{Choice, Error, Result};
use crate::export;
use crate::graph::Graph;
use crate::graph::TensorOrLazy;
use crate::import::{Decoding, GraphDef, Signature};
use crate::keras;
use crate::onnx::OnnxModel;
use crate::options::LoadOptions;
use crate::saved_model;
use crate::tensor::Tensor;
use crate::weights::{PreferEma, Variables, Weights, archive};
use crate::zoo::Architecture;

/// An open model.
#[derive(Debug)]
pub(crate) enum ModelSource {
    Graph(GraphDef),
    Onnx(Box<OnnxModel>),
    Zoo(Box<ZooModel>),
    WithHead(Box<WithHead>),
}

impl ModelSource {
    /// Returns the network of the zoo that it is, or that is beneath its head.
    pub(crate) fn zoo_model(&self) -> Option<&ZooModel> {
        match self {
            Self::Zoo(zoo_model) => Some(zoo_model),
            Self::WithHead(with_head) => with_head.base().zoo_model(),
            Self::Graph(_) | Self::Onnx(_) => None,
        }
    }

    /// Opens a graph, a SavedModel, a Keras model, a checkpoint by any of its paths, an ONNX model,
    /// or an archive or a folder of these.
    pub(crate) fn open(path: &Path, options: &LoadOptions) -> Result<Self> {
        match archive::split(path)? {
            // A .keras file is an archive that is read in place.
            Some((archive, inner)) if inner.as_os_str().is_empty() && keras::is_in(&archive)? => {
                Self::open_here(path, options)
            }
            None => Self::open_here(path, options),
            Some((archive, inner)) => {
                let folder = unpack(&archive, options)?;
                Self::open_here(&folder.join(inner), options)
                    .map_err(|error| archive::rewrite_paths(error, &folder, &archive))
            }
        }
    }

    fn open_here(path: &Path, options: &LoadOptions) -> Result<Self> {
        let kind = file_kind::file_kind(path)?;
        check_signature(&kind, options)?;
        match kind {
            // A named architecture is built from a checkpoint, not read from a graph.
            FileKind::Graph(graph) if options.net.is_none() => open_graph(&graph, options),
            FileKind::Meta(meta) if options.net.is_none() => open_meta(&meta, options),
            FileKind::SavedModel(file) if options.net.is_none() => {
                check_no_zoo_options(options)?;
                Ok(Self::Graph(saved_model::open(&file, options.signature.as_deref())?))
            }
            FileKind::Keras(file) => {
                check_no_zoo_options(options)?;
                Ok(Self::Graph(keras::open(&file)?))
            }
            FileKind::Onnx(model) => {
                check_no_zoo_options(options)?;
                Ok(Self::Onnx(Box::new(OnnxModel::open(&model)?)))
            }
            FileKind::Checkpoint(Some(weights)) => open_checkpoint(path, weights, options),
            _ => open_checkpoint(path, Arc::new(Weights::open(path)?), options),
        }
    }
}

impl Deref for ModelSource {
    type Target = dyn ModelFormat;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Graph(def) => def,
            Self::Onnx(model) => &**model,
            Self::Zoo(zoo_model) => &**zoo_model,
            Self::WithHead(with_head) => &**with_head,
        }
    }
}

/// The operations that every kind of model supports.
pub(crate) trait ModelFormat {
    /// Returns the graph's file, or the common prefix of the checkpoint's files.
    fn file(&self) -> &Path;

    /// Returns the graph that computes `fetches` from `feeds` of these shapes. `settings` are fed
    /// values that become constants.
    fn graph(
        &self,
        feeds: &[(&str, &[usize])],
        settings: &[(&str, Tensor)],
        fetches: &[&str],
    ) -> Result<Graph>;

    /// Returns the image input and the outputs; `input` and `output` override the search.
    fn signature(&self, input: Option<&str>, output: Option<&str>) -> Result<Signature>;

    /// Returns the nodes of a frozen graph that computes `fetches` for images of `size`.
    fn frozen(&self, fetches: &[&str], size: [usize; 2]) -> Result<Vec<export::Node>>;

    /// Returns the nodes to display, and the names of those that are variables. A network of the
    /// zoo has only the nodes that `fetches` need.
    fn nodes_for_display(
        &self,
        fetches: &[&str],
        size: [usize; 2],
    ) -> Result<(Vec<export::Node>, Vec<String>)>;

    /// Returns the variables, sorted by name.
    fn variables(&self, fetches: &[&str]) -> Result<Vec<(String, TensorOrLazy)>>;

    /// Returns the value of a variable or constant; `None` if it does not exist.
    fn value(&self, name: &str) -> Result<Option<TensorOrLazy>>;

    /// Iterates over the names of all nodes.
    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_>;

    /// Returns the architecture in the zoo, of the model or of the base of its head.
    fn net(&self) -> Option<&'static Architecture> {
        None
    }

    /// Returns the image-decoding node that `name` is or reads.
    fn decoder(&self, _name: &str) -> Option<&str> {
        None
    }

    /// Returns what the decoding node `name` makes of a picture; `None` if it decodes none.
    fn decoding(&self, _name: &str) -> Result<Option<Decoding>> {
        Ok(None)
    }

    /// Returns TF-Slim's end points, if it is a network of the zoo.
    fn end_points(&self) -> Option<Vec<String>> {
        None
    }
}

/// Opens a checkpoint's network: one of the zoo, or the graph that belongs to it.
fn open_checkpoint(
    path: &Path,
    weights: Arc<Weights>,
    options: &LoadOptions,
) -> Result<ModelSource> {
    if let Some(zoo_model) = ZooModel::recognise(path, &weights, options)? {
        return Ok(ModelSource::Zoo(Box::new(zoo_model)));
    }
    let graph = match file_kind::graph_beside(path, &weights)? {
        Some(FileKind::Meta(meta)) => GraphDef::open_meta(&meta)?,
        Some(FileKind::Graph(graph)) => GraphDef::open(&graph)?,
        _ => return Err(zoo_model::unrecognised(path, &weights)),
    };
    Ok(ModelSource::Graph(graph.with_variables(with_ema(weights, options))))
}

/// Refuses options of rebuilt networks: a graph cannot be built differently.
pub(crate) fn check_no_zoo_options(options: &LoadOptions) -> Result<()> {
    match options.zoo.written().first() {
        None => Ok(()),
        Some(option) => Err(Error::Input(format!(
            "{option} is an option of networks that are rebuilt from a checkpoint; this is a \
             graph, which is as it is"
        ))),
    }
}

/// Refuses a signature for a model that has none.
fn check_signature(kind: &FileKind, options: &LoadOptions) -> Result<()> {
    match &options.signature {
        Some(name) if !matches!(kind, FileKind::SavedModel(_)) => Err(Error::Input(format!(
            "the signature '{name}' is given, and only SavedModels have signatures"
        ))),
        _ => Ok(()),
    }
}

/// Opens a graph. If it has variables, they come from the given checkpoint or the one in its
/// folder.
fn open_graph(path: &Path, options: &LoadOptions) -> Result<ModelSource> {
    check_no_zoo_options(options)?;
    let graph = GraphDef::open(path)?;
    if !graph.has_variables() {
        return Ok(ModelSource::Graph(graph));
    }
    let weights = match &options.checkpoint {
        Some(checkpoint) => Some(open_weights(checkpoint, options)?),
        None => weights_beside(path)?,
    };
    Ok(ModelSource::Graph(match weights {
        Some(weights) => graph.with_variables(with_ema(Arc::new(weights), options)),
        // A needed variable is an error later; perhaps none is needed.
        None => graph,
    }))
}

fn open_meta(path: &Path, options: &LoadOptions) -> Result<ModelSource> {
    check_no_zoo_options(options)?;
    let weights = match &options.checkpoint {
        Some(checkpoint) => open_weights(checkpoint, options)?,
        None => Weights::open(path)?,
    };
    Ok(ModelSource::Graph(
        GraphDef::open_meta(path)?.with_variables(with_ema(Arc::new(weights), options)),
    ))
}

/// Opens the only checkpoint in a graph's folder, if there is one.
fn weights_beside(graph: &Path) -> Result<Option<Weights>> {
    let folder =
        graph.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match Weights::open(folder) {
        Ok(weights) => Ok(Some(weights)),
        Err(Error::Format { path, .. }) if path == folder => Ok(None),
        Err(Error::Ambiguous { candidates, .. }) => Err(Error::Ambiguous {
            choice: Choice::Checkpoint,
            what: format!("{}: its variables are in one of these", graph.display()),
            candidates,
        }),
        Err(error) => Err(error),
    }
}

fn open_weights(path: &Path, options: &LoadOptions) -> Result<Weights> {
    match &options.cache {
        Some(cache) => Weights::open_archived(path, cache),
        None => Weights::open(path),
    }
}

fn unpack(archive: &Path, options: &LoadOptions) -> Result<PathBuf> {
    let no_cache = || Error::NoCache { path: archive.into() };
    let folder =
        archive::Cache::new(options.cache.as_ref().ok_or_else(no_cache)?).unpack(archive)?;
    if folder.is_dir() {
        return Ok(folder);
    }
    let what = "an archive without files: get another copy of it".into();
    Err(Error::Format { path: archive.into(), what })
}

/// Returns the variables, replaced by their moving averages if those exist and `options` ask for
/// it.
fn with_ema(weights: Arc<Weights>, options: &LoadOptions) -> Arc<dyn Variables + Send + Sync> {
    if options.use_ema { Arc::new(PreferEma(weights)) } else { Arc::new(weights) }
}

/// Returns the node of a tensor name: `name:0` is the first output of `name`.
pub(crate) fn node_name(tensor: &str) -> &str {
    tensor.strip_suffix(":0").unwrap_or(tensor)
}
