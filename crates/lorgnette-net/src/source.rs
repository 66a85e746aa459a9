//! What a network is made from: a graph, frozen or with a checkpoint, or a network of the zoo and
//! its checkpoint.
//!
//! ```text
//! what people pass ─▶ unpacked, told apart (form) ─┬─▶ a graph (GraphDef), its variables from a checkpoint
//!                                                  └─▶ a checkpoint, its network rebuilt (rebuilt)
//! any of these, and a classification layer of one's own (headed)
//! ```

mod file_kind;
mod with_head;
mod zoo_model;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::file_kind::FileKind;
pub(crate) use self::with_head::WithHead;
pub(crate) use self::zoo_model::ZooModel;
use crate::error::{Error, Result};
use crate::export;
use crate::graph::Graph;
use crate::graph::TensorOrLazy;
use crate::import::{GraphDef, Signature};
use crate::onnx::OnnxModel;
use crate::options::LoadOptions;
use crate::tensor::Tensor;
use crate::weights::{PreferEma, Variables, Weights, archive};
use crate::zoo::Architecture;

/// A file of weights, opened.
#[derive(Debug)]
pub(crate) enum ModelSource {
    Graph(GraphDef),
    Onnx(Box<OnnxModel>),
    Zoo(Box<ZooModel>),
    WithHead(Box<WithHead>),
}

impl ModelSource {
    /// Opens a graph, or whatever path of a checkpoint people pass, or an archive or a folder of
    /// these.
    pub(crate) fn open(path: &Path, options: &LoadOptions) -> Result<Self> {
        match archive::split(path)? {
            None => Self::open_here(path, options),
            Some((archive, inner)) => {
                let folder = unpack(&archive, options)?;
                Self::open_here(&folder.join(inner), options)
                    .map_err(|error| archive::rewrite_paths(error, &folder, &archive))
            }
        }
    }

    fn open_here(path: &Path, options: &LoadOptions) -> Result<Self> {
        match file_kind::file_kind(path)? {
            // Whoever names a network, or how it is built, means a checkpoint's.
            FileKind::Graph(graph) if options.net.is_none() => open_graph(&graph, options),
            FileKind::Meta(meta) if options.net.is_none() => open_meta(&meta, options),
            FileKind::Onnx(model) => {
                check_no_zoo_options(options)?;
                Ok(Self::Onnx(Box::new(OnnxModel::open(&model)?)))
            }
            _ => open_checkpoint(path, options),
        }
    }

    /// The graph that computes `fetches` from `feeds` of these shapes; `settings` are fed values
    /// that are constants.
    pub(crate) fn graph(
        &self,
        feeds: &[(&str, &[usize])],
        settings: &[(&str, Tensor)],
        fetches: &[&str],
    ) -> Result<Graph> {
        match self {
            Self::Graph(def) => {
                let names: Vec<&str> = feeds.iter().map(|feed| feed.0).collect();
                def.graph(&names, settings, fetches)
            }
            Self::Onnx(model) => model.graph(feeds, settings, fetches),
            Self::Zoo(zoo_model) => zoo_model.graph(feeds, settings, fetches),
            Self::WithHead(with_head) => with_head.graph(feeds, settings, fetches),
        }
    }

    pub(crate) fn signature(&self, input: Option<&str>, output: Option<&str>) -> Result<Signature> {
        match self {
            Self::Graph(def) => def.signature(input, output),
            Self::Onnx(model) => model.signature(input, output),
            Self::Zoo(zoo_model) => zoo_model.signature(input, output),
            Self::WithHead(with_head) => with_head.signature(output),
        }
    }

    /// The nodes of a frozen graph that computes `fetches` of pictures of `size`.
    pub(crate) fn frozen(&self, fetches: &[&str], size: [usize; 2]) -> Result<Vec<export::Node>> {
        match self {
            Self::Graph(def) => export::frozen(def, fetches),
            Self::Onnx(model) => onnx_as_graph_def(model, fetches, size),
            Self::Zoo(zoo_model) => zoo_model.frozen(fetches, size),
            Self::WithHead(with_head) => with_head.frozen(fetches, size),
        }
    }

    /// All nodes of a graph, or those of a network of the zoo, for people to look at, and which of
    /// them are variables.
    pub(crate) fn nodes_for_display(
        &self,
        fetches: &[&str],
        size: [usize; 2],
    ) -> Result<(Vec<export::Node>, Vec<String>)> {
        match self {
            Self::Graph(def) => Ok((
                def.nodes()
                    .iter()
                    .map(|def| export::Node { def: def.clone(), value: None })
                    .collect(),
                Vec::new(),
            )),
            Self::Onnx(model) => Ok((model.nodes_for_display(), Vec::new())),
            Self::Zoo(zoo_model) => {
                let variables = zoo_model.variables().into_iter().map(|(name, _)| name).collect();
                Ok((zoo_model.frozen(fetches, size)?, variables))
            }
            Self::WithHead(with_head) => {
                let variables = with_head
                    .variables()
                    .unwrap_or_default()
                    .into_iter()
                    .map(|(name, _)| name)
                    .collect();
                Ok((with_head.frozen(fetches, size)?, variables))
            }
        }
    }

    /// The variables by name, in its order.
    pub(crate) fn variables(&self, fetches: &[&str]) -> Result<Vec<(String, TensorOrLazy)>> {
        match self {
            Self::Graph(def) => export::variables(def, fetches),
            Self::Onnx(model) => model.variables(fetches),
            Self::Zoo(zoo_model) => Ok(zoo_model.variables()),
            Self::WithHead(with_head) => with_head.variables(),
        }
    }

    /// The value of a variable, or of a constant of a graph; `None` if there is none of that name.
    pub(crate) fn value(&self, name: &str) -> Result<Option<TensorOrLazy>> {
        match self {
            Self::Zoo(zoo_model) => Ok(zoo_model
                .variables()
                .into_iter()
                .find(|(other, _)| other == name)
                .map(|found| found.1)),
            Self::WithHead(with_head) => with_head.value(name),
            Self::Onnx(model) => Ok(model.value(name)),
            Self::Graph(def) => {
                def.nodes().iter().find(|node| node.name == name).map_or(Ok(None), |node| {
                    Ok(def
                        .variable(node)
                        .transpose()?
                        .or_else(|| def.constant(node).map(TensorOrLazy::Tensor)))
                })
            }
        }
    }

    /// The graph's file, or what the names of the checkpoint's files begin with.
    pub(crate) fn file(&self) -> &Path {
        match self {
            Self::Graph(def) => def.path(),
            Self::Onnx(model) => model.path(),
            Self::Zoo(zoo_model) => &zoo_model.file,
            Self::WithHead(with_head) => with_head.base().file(),
        }
    }

    /// The network of the zoo that it is, or that is beneath its head.
    pub(crate) fn net(&self) -> Option<&'static Architecture> {
        match self {
            Self::Graph(_) | Self::Onnx(_) => None,
            Self::Zoo(zoo_model) => Some(zoo_model.net),
            Self::WithHead(with_head) => with_head.base().net(),
        }
    }

    /// The node that decodes photos, where `name` is it or what it reads.
    pub(crate) fn decoder(&self, name: &str) -> Option<&str> {
        match self {
            Self::Graph(def) => def.decoder(name),
            Self::Zoo(_) | Self::Onnx(_) => None,
            Self::WithHead(with_head) => with_head.base().decoder(name),
        }
    }

    /// The end points that TF-Slim names, of a network of the zoo.
    pub(crate) fn end_points(&self) -> Option<Vec<String>> {
        match self {
            Self::Zoo(zoo_model) => {
                Some(zoo_model.zoo_graph.end_points.iter().map(|(name, _)| name.clone()).collect())
            }
            Self::Graph(_) | Self::Onnx(_) | Self::WithHead(_) => None,
        }
    }

    /// The names of all nodes.
    pub(crate) fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Graph(def) => Box::new(def.names()),
            Self::Onnx(model) => Box::new(model.names()),
            Self::Zoo(zoo_model) => Box::new(zoo_model.names()),
            Self::WithHead(with_head) => Box::new(with_head.names()),
        }
    }
}

/// An ONNX model as TensorFlow's nodes, for pictures of `size`.
fn onnx_as_graph_def(
    model: &OnnxModel,
    fetches: &[&str],
    [height, width]: [usize; 2],
) -> Result<Vec<export::Node>> {
    let input = model.signature(None, None)?.input;
    let channels = input.shape.and_then(|shape| shape.last().copied().flatten()).unwrap_or(3);
    let graph = model.graph(&[(&input.name, &[1, height, width, channels])], &[], fetches)?;
    export::to_graph_def(&graph, [height, width])
}

/// A checkpoint's network: of the zoo, or as the graph beside it says.
fn open_checkpoint(path: &Path, options: &LoadOptions) -> Result<ModelSource> {
    let weights = Arc::new(Weights::open(path)?);
    match ZooModel::recognise(path, &weights, options)? {
        Some(zoo_model) => Ok(ModelSource::Zoo(Box::new(zoo_model))),
        None => match file_kind::graph_beside(path)? {
            Some(FileKind::Meta(meta)) => Ok(ModelSource::Graph(
                GraphDef::open_meta(&meta)?.with_variables(with_ema(weights, options)),
            )),
            Some(FileKind::Graph(graph)) => Ok(ModelSource::Graph(
                GraphDef::open(&graph)?.with_variables(with_ema(weights, options)),
            )),
            _ => Err(zoo_model::unrecognised(path, &weights)),
        },
    }
}

/// Says so if there are options for a network that is not rebuilt: a graph is as it is.
pub(crate) fn check_no_zoo_options(options: &LoadOptions) -> Result<()> {
    match options.zoo.written().first() {
        None => Ok(()),
        Some(option) => Err(Error::Input(format!(
            "{option} is an option of networks that are rebuilt from a checkpoint; this is a graph, which is as it is"
        ))),
    }
}

/// A graph, with the checkpoint that is named or lies beside it if it has variables.
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
        // Those that are needed are refused when they are; perhaps none is.
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

/// The only checkpoint in a graph's folder, if there is one.
fn weights_beside(graph: &Path) -> Result<Option<Weights>> {
    let folder =
        graph.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match Weights::open(folder) {
        Ok(weights) => Ok(Some(weights)),
        Err(Error::Format { path, .. }) if path == folder => Ok(None),
        Err(Error::Ambiguous { candidates, .. }) => Err(Error::Ambiguous {
            what: format!(
                "{}: its variables are in one of these; name it with --checkpoint",
                graph.display()
            ),
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
    let no_cache = || {
        Error::Format {
        path: archive.into(),
        what: "an archive, and there is no folder to unpack it to: set LORGNETTE_HOME, or unpack it yourself".into(),
    }
    };
    archive::Cache::new(options.cache.as_ref().ok_or_else(no_cache)?).unpack(archive)
}

/// The variables, or where they have them and `options` want it, their moving averages.
fn with_ema(weights: Arc<Weights>, options: &LoadOptions) -> Arc<dyn Variables + Send + Sync> {
    if options.use_ema { Arc::new(PreferEma(weights)) } else { Arc::new(weights) }
}

/// The node of a tensor name: `name:0` is the first output of `name`.
pub(crate) fn node_name(tensor: &str) -> &str {
    tensor.strip_suffix(":0").unwrap_or(tensor)
}
