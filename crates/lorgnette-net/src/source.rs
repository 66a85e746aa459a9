//! What a network is made from: a graph, frozen or with a checkpoint, or a network of the zoo and its checkpoint.
//!
//! ```text
//! what people pass ─▶ unpacked, told apart (form) ─┬─▶ a graph (GraphDef), its variables from a checkpoint
//!                                                  └─▶ a checkpoint, its network rebuilt (rebuilt)
//! any of these, and a classification layer of one's own (headed)
//! ```

mod form;
mod headed;
mod rebuilt;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::form::Form;
pub(crate) use self::headed::Headed;
pub(crate) use self::rebuilt::Rebuilt;
use crate::error::{Error, Result};
use crate::export;
use crate::graph::Graph;
use crate::graph::Value;
use crate::import::{GraphDef, Ports};
use crate::options::Options;
use crate::tensor::Tensor;
use crate::weights::{Shadowed, Variables, Weights, archive};
use crate::zoo::Net;

/// A file of weights, opened.
#[derive(Debug)]
pub(crate) enum Source {
    Graph(GraphDef),
    Zoo(Box<Rebuilt>),
    Headed(Box<Headed>),
}

impl Source {
    /// Opens a graph, or whatever path of a checkpoint people pass, or an archive or a folder of these.
    pub(crate) fn open(path: &Path, options: &Options) -> Result<Self> {
        match archive::split(path)? {
            None => Self::open_here(path, options),
            Some((archive, inner)) => {
                let folder = unpacked(&archive, options)?;
                Self::open_here(&folder.join(inner), options)
                    .map_err(|error| archive::shown_within(error, &folder, &archive))
            }
        }
    }

    fn open_here(path: &Path, options: &Options) -> Result<Self> {
        match form::form(path)? {
            // Whoever names a network, or how it is built, means a checkpoint's.
            Form::Graph(graph) if options.net.is_none() => open_graph(&graph, options),
            Form::Meta(meta) if options.net.is_none() => open_meta(&meta, options),
            _ => open_checkpoint(path, options),
        }
    }

    /// The graph that computes `fetches` from `feeds` of these shapes; `settings` are fed values that are constants.
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
            Self::Zoo(rebuilt) => rebuilt.graph(feeds, settings, fetches),
            Self::Headed(headed) => headed.graph(feeds, settings, fetches),
        }
    }

    pub(crate) fn ports(&self, input: Option<&str>, output: Option<&str>) -> Result<Ports> {
        match self {
            Self::Graph(def) => def.ports(input, output),
            Self::Zoo(rebuilt) => rebuilt.ports(input, output),
            Self::Headed(headed) => headed.ports(output),
        }
    }

    /// The nodes of a frozen graph that computes `fetches` of pictures of `size`.
    pub(crate) fn frozen(&self, fetches: &[&str], size: [usize; 2]) -> Result<Vec<export::Node>> {
        match self {
            Self::Graph(def) => export::frozen(def, fetches),
            Self::Zoo(rebuilt) => rebuilt.frozen(fetches, size),
            Self::Headed(headed) => headed.frozen(fetches, size),
        }
    }

    /// All nodes of a graph, or those of a network of the zoo, for people to look at, and which of them are variables.
    pub(crate) fn pictured(&self, fetches: &[&str], size: [usize; 2]) -> Result<(Vec<export::Node>, Vec<String>)> {
        match self {
            Self::Graph(def) => {
                Ok((def.nodes().iter().map(|def| export::Node { def: def.clone(), value: None }).collect(), Vec::new()))
            }
            Self::Zoo(rebuilt) => {
                let variables = rebuilt.variables().into_iter().map(|(name, _)| name).collect();
                Ok((rebuilt.frozen(fetches, size)?, variables))
            }
            Self::Headed(headed) => {
                let variables = headed.variables().unwrap_or_default().into_iter().map(|(name, _)| name).collect();
                Ok((headed.frozen(fetches, size)?, variables))
            }
        }
    }

    /// The variables by name, in its order.
    pub(crate) fn variables(&self, fetches: &[&str]) -> Result<Vec<(String, Value)>> {
        match self {
            Self::Graph(def) => export::variables(def, fetches),
            Self::Zoo(rebuilt) => Ok(rebuilt.variables()),
            Self::Headed(headed) => headed.variables(),
        }
    }

    /// The value of a variable, or of a constant of a graph; `None` if there is none of that name.
    pub(crate) fn value(&self, name: &str) -> Result<Option<Value>> {
        match self {
            Self::Zoo(rebuilt) => {
                Ok(rebuilt.variables().into_iter().find(|(known, _)| known == name).map(|found| found.1))
            }
            Self::Headed(headed) => headed.value(name),
            Self::Graph(def) => def.nodes().iter().find(|node| node.name == name).map_or(Ok(None), |node| {
                Ok(def.variable(node).transpose()?.or_else(|| def.constant(node).map(Value::Here)))
            }),
        }
    }

    /// The graph's file, or what the names of the checkpoint's files begin with.
    pub(crate) fn file(&self) -> &Path {
        match self {
            Self::Graph(def) => def.path(),
            Self::Zoo(rebuilt) => &rebuilt.file,
            Self::Headed(headed) => headed.base().file(),
        }
    }

    /// The network of the zoo that it is, or that is beneath its head.
    pub(crate) fn net(&self) -> Option<&'static Net> {
        match self {
            Self::Graph(_) => None,
            Self::Zoo(rebuilt) => Some(rebuilt.net),
            Self::Headed(headed) => headed.base().net(),
        }
    }

    /// The node that decodes photos, where `name` is it or what it reads.
    pub(crate) fn decoder(&self, name: &str) -> Option<&str> {
        match self {
            Self::Graph(def) => def.decoder(name),
            Self::Zoo(_) => None,
            Self::Headed(headed) => headed.base().decoder(name),
        }
    }

    /// The end points that TF-Slim names, of a network of the zoo.
    pub(crate) fn end_points(&self) -> Option<Vec<String>> {
        match self {
            Self::Zoo(rebuilt) => Some(rebuilt.built.end_points.iter().map(|(name, _)| name.clone()).collect()),
            Self::Graph(_) | Self::Headed(_) => None,
        }
    }

    /// The names of all nodes.
    pub(crate) fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Graph(def) => Box::new(def.names()),
            Self::Zoo(rebuilt) => Box::new(rebuilt.names()),
            Self::Headed(headed) => Box::new(headed.names()),
        }
    }
}

/// A checkpoint's network: of the zoo, or as the graph beside it says.
fn open_checkpoint(path: &Path, options: &Options) -> Result<Source> {
    let weights = Arc::new(Weights::open(path)?);
    match Rebuilt::recognise(path, &weights, options)? {
        Some(rebuilt) => Ok(Source::Zoo(Box::new(rebuilt))),
        None => match form::graph_of(path)? {
            Some(Form::Meta(meta)) => {
                Ok(Source::Graph(GraphDef::open_meta(&meta)?.with_variables(best(weights, options))))
            }
            Some(Form::Graph(graph)) => {
                Ok(Source::Graph(GraphDef::open(&graph)?.with_variables(best(weights, options))))
            }
            _ => Err(rebuilt::unrecognised(path, &weights)),
        },
    }
}

/// Says so if there are options for a network that is not rebuilt: a graph is as it is.
pub(crate) fn check_no_zoo_options(options: &Options) -> Result<()> {
    match options.zoo.written().first() {
        None => Ok(()),
        Some(option) => Err(Error::Input(format!(
            "{option} is an option of networks that are rebuilt from a checkpoint; this is a graph, which is as it is"
        ))),
    }
}

/// A graph, with the checkpoint that is named or lies beside it if it has variables.
fn open_graph(path: &Path, options: &Options) -> Result<Source> {
    check_no_zoo_options(options)?;
    let graph = GraphDef::open(path)?;
    if !graph.has_variables() {
        return Ok(Source::Graph(graph));
    }
    let weights = match &options.checkpoint {
        Some(checkpoint) => Some(open_weights(checkpoint, options)?),
        None => weights_beside(path)?,
    };
    Ok(Source::Graph(match weights {
        Some(weights) => graph.with_variables(best(Arc::new(weights), options)),
        // Those that are needed are refused when they are; perhaps none is.
        None => graph,
    }))
}

fn open_meta(path: &Path, options: &Options) -> Result<Source> {
    check_no_zoo_options(options)?;
    let weights = match &options.checkpoint {
        Some(checkpoint) => open_weights(checkpoint, options)?,
        None => Weights::open(path)?,
    };
    Ok(Source::Graph(GraphDef::open_meta(path)?.with_variables(best(Arc::new(weights), options))))
}

/// The only checkpoint in a graph's folder, if there is one.
fn weights_beside(graph: &Path) -> Result<Option<Weights>> {
    let folder = graph.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match Weights::open(folder) {
        Ok(weights) => Ok(Some(weights)),
        Err(Error::Format { path, .. }) if path == folder => Ok(None),
        Err(Error::Ambiguous { candidates, .. }) => Err(Error::Ambiguous {
            what: format!("{}: its variables are in one of these; name it with --checkpoint", graph.display()),
            candidates,
        }),
        Err(error) => Err(error),
    }
}

fn open_weights(path: &Path, options: &Options) -> Result<Weights> {
    match &options.cache {
        Some(cache) => Weights::open_archived(path, cache),
        None => Weights::open(path),
    }
}

fn unpacked(archive: &Path, options: &Options) -> Result<PathBuf> {
    let no_cache = || Error::Format {
        path: archive.into(),
        what: "an archive, and there is no folder to unpack it to: set LORGNETTE_HOME, or unpack it yourself".into(),
    };
    archive::Cache::new(options.cache.as_ref().ok_or_else(no_cache)?).unpack(archive)
}

/// The variables, or where they have them and `options` want it, their moving averages.
fn best(weights: Arc<Weights>, options: &Options) -> Arc<dyn Variables + Send + Sync> {
    if options.averages { Arc::new(Shadowed(weights)) } else { Arc::new(weights) }
}

/// The node of a tensor name: `name:0` is the first output of `name`.
pub(crate) fn node_name(tensor: &str) -> &str {
    tensor.strip_suffix(":0").unwrap_or(tensor)
}
