//! What a network is made from: a frozen graph, or a network of the zoo and a checkpoint with its weights.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::import::{Candidate, GraphDef, Ports};
use crate::network::Options;
use crate::tensor::{DType, Tensor};
use crate::weights::{Variable, Weights, archive};
use crate::zoo::{self, Built, Net, Shadowed, Variables, ZooOptions};

/// A file of weights, opened.
#[derive(Debug)]
pub(crate) enum Source {
    Frozen(GraphDef),
    Zoo(Box<Rebuilt>),
}

/// A network of the zoo, built from a checkpoint.
#[derive(Debug)]
pub(crate) struct Rebuilt {
    pub(crate) net: &'static Net,
    weights: Arc<Weights>,
    averages: bool,
    /// Built for pictures of the published size.
    built: Built,
}

impl Source {
    /// Opens a frozen graph, or whatever path of a checkpoint people pass.
    pub(crate) fn open(path: &Path, options: &Options) -> Result<Self> {
        if is_checkpoint(path)? {
            Ok(Self::Zoo(Box::new(Rebuilt::open(path, options)?)))
        } else {
            GraphDef::open(path).map(Self::Frozen)
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
            Self::Frozen(def) => {
                let names: Vec<&str> = feeds.iter().map(|feed| feed.0).collect();
                def.graph(&names, settings, fetches)
            }
            Self::Zoo(rebuilt) => rebuilt.graph(feeds, settings, fetches),
        }
    }

    pub(crate) fn ports(&self, input: Option<&str>, output: Option<&str>) -> Result<Ports> {
        match self {
            Self::Frozen(def) => def.ports(input, output),
            Self::Zoo(rebuilt) => rebuilt.ports(input, output),
        }
    }

    /// The names of all nodes.
    pub(crate) fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Frozen(def) => Box::new(def.names()),
            Self::Zoo(rebuilt) => Box::new(rebuilt.built.graph.nodes().iter().map(|node| node.name.as_str())),
        }
    }
}

/// Whether a path leads to a checkpoint and not to a graph.
fn is_checkpoint(path: &Path) -> Result<bool> {
    const SSTABLE_MAGIC: [u8; 8] = 0xdb47_7524_8b80_fb57_u64.to_le_bytes();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // A prefix is no file itself; a checkpoint's other names tell, whatever is in them.
    if !path.is_file() || name.ends_with(".index") || name.contains(".data-") || archive::split(path)?.is_some() {
        return Ok(true);
    }
    Ok(crate::file::map(path)?.ends_with(&SSTABLE_MAGIC))
}

impl Rebuilt {
    fn open(path: &Path, options: &Options) -> Result<Self> {
        let weights = match &options.cache {
            Some(cache) => Weights::open_archived(path, cache)?,
            None => Weights::open(path)?,
        };
        let net = match &options.net {
            Some(name) => zoo::find(name)?,
            None => zoo::recognise(weights.tensor_shapes()).ok_or_else(|| unrecognised(path, &weights))?,
        };
        let averages = options.averages;
        let weights = Arc::new(weights);
        let built = build(net, &weights, averages, None)?;
        Ok(Self { net, weights, averages, built })
    }

    fn graph(&self, feeds: &[(&str, &[usize])], settings: &[(&str, Tensor)], fetches: &[&str]) -> Result<Graph> {
        let built = match feeds {
            // Windows shrink with small pictures, and some heads grow with large ones.
            &[(input, &[_, height, width, _])]
                if node_name(input) == self.built.input && [height, width] != [self.net.side; 2] =>
            {
                &build(self.net, &self.weights, self.averages, Some([height, width]))?
            }
            _ => &self.built,
        };
        let fed: Vec<_> = feeds.iter().map(|(name, _)| Ok((built.node(name)?, None))).collect::<Result<_>>()?;
        let set = settings.iter().map(|(name, value)| Ok((built.node(name)?, Some(value.clone()))));
        let set: Vec<_> = set.collect::<Result<_>>()?;
        built.fetching(fetches, &[fed, set].concat())
    }

    fn ports(&self, input: Option<&str>, output: Option<&str>) -> Result<Ports> {
        let built = &self.built;
        let input = match input {
            Some(name) => self.built.graph.node(built.node(name)?).name.clone(),
            None => built.input.clone(),
        };
        let (logits, probabilities) = match (output, &built.logits) {
            (Some(name), _) => (name.to_owned(), None),
            (None, Some(logits)) => (logits.clone(), built.probabilities.clone()),
            (None, None) => (built.features.clone(), None),
        };
        let shape = Some(vec![None, None, None, Some(self.net.channels)]);
        let input = Candidate { name: input, dtype: DType::F32, shape, decodes: false };
        Ok(Ports { input, logits, probabilities, features: Some(built.features.clone()) })
    }
}

fn build(net: &'static Net, weights: &Arc<Weights>, averages: bool, size: Option<[usize; 2]>) -> Result<Built> {
    let options = ZooOptions { size, create_aux_logits: false, ..ZooOptions::default() };
    let shadowed = Shadowed(weights);
    let variables: &dyn Variables = if averages { &shadowed } else { weights };
    match net.build(variables, &options) {
        // A file without the last layer is one of features.
        Err(Error::Unknown { .. }) => {
            let headless = ZooOptions { num_classes: Some(0), ..options.clone() };
            net.build(variables, &headless).or_else(|_| net.build(variables, &options))
        }
        built => built,
    }
}

fn unrecognised(path: &Path, weights: &Weights) -> Error {
    const SHOWN: usize = 3;
    let names: Vec<&str> = weights.variables().iter().take(SHOWN).map(Variable::name).collect();
    let what = format!(
        "a checkpoint of {} variables ({}, …), but of no network known here; name one with --net",
        weights.variables().len(),
        names.join(", ")
    );
    Error::Format { path: path.into(), what }
}

/// The node of a tensor name: `name:0` is the first output of `name`.
pub(crate) fn node_name(tensor: &str) -> &str {
    tensor.strip_suffix(":0").unwrap_or(tensor)
}
