//! A network of the zoo, rebuilt from its checkpoint.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{best, node_name};
use crate::error::{Error, Result, shown_shape, shown_variables};
use crate::export;
use crate::graph::Graph;
use crate::graph::Value;
use crate::import::{Candidate, Ports};
use crate::options::Options;
use crate::tensor::{DType, Tensor};
use crate::weights::{Variable, Variables, Weights};
use crate::zoo::{self, Built, Net, ZooOptions};

/// A network of the zoo, built from its variables.
#[derive(Debug)]
pub(crate) struct Rebuilt {
    pub(crate) net: &'static Net,
    /// What the names of the checkpoint's files begin with.
    pub(crate) file: PathBuf,
    variables: Arc<dyn Variables + Send + Sync>,
    options: ZooOptions,
    /// Built for pictures of the published size.
    pub(crate) built: Built,
}

impl Rebuilt {
    /// The network whose weights these are, or the one that `options` name; `None` if nobody knows.
    pub(super) fn recognise(path: &Path, weights: &Arc<Weights>, options: &Options) -> Result<Option<Self>> {
        let net = match &options.net {
            Some(name) => Some(zoo::find(name)?),
            None => zoo::recognise(weights.tensor_shapes()),
        };
        let variables = best(weights.clone(), options);
        let new = |net| Self::new(net, weights.prefix(), variables, &options.zoo).map_err(|error| in_file(error, path));
        net.map(new).transpose()
    }

    /// `net` of these variables.
    pub(crate) fn new(
        net: &'static Net,
        file: &Path,
        variables: Arc<dyn Variables + Send + Sync>,
        options: &ZooOptions,
    ) -> Result<Self> {
        let options = ZooOptions { create_aux_logits: false, ..options.clone() };
        let (built, options) = build(net, &*variables, options)?;
        Ok(Self { net, file: file.into(), variables, options, built })
    }

    /// How it is built.
    pub(crate) fn options(&self) -> &ZooOptions {
        &self.options
    }

    pub(super) fn graph(
        &self,
        feeds: &[(&str, &[usize])],
        settings: &[(&str, Tensor)],
        fetches: &[&str],
    ) -> Result<Graph> {
        let built = match feeds {
            // Windows shrink with small pictures, and some heads grow with large ones.
            &[(input, &[_, height, width, _])]
                if node_name(input) == self.built.input && [height, width] != [self.net.side; 2] =>
            {
                let options = ZooOptions { size: Some([height, width]), ..self.options.clone() };
                &self.net.build(&*self.variables, &options)?
            }
            _ => &self.built,
        };
        // The name of a pool over all places may have their number in it.
        let is_gone = |name: &str| node_name(name) == self.built.features && built.node(name).is_err();
        let fetches: Vec<&str> =
            fetches.iter().map(|&name| if is_gone(name) { built.features.as_str() } else { name }).collect();
        let fed: Vec<_> = feeds.iter().map(|(name, _)| Ok((built.node(name)?, None))).collect::<Result<_>>()?;
        let set = settings.iter().map(|(name, value)| Ok((built.node(name)?, Some(value.clone()))));
        let set: Vec<_> = set.collect::<Result<_>>()?;
        built.fetching(&fetches, &[fed, set].concat())
    }

    pub(super) fn frozen(&self, fetches: &[&str], size: [usize; 2]) -> Result<Vec<export::Node>> {
        export::drawn(&self.sized(fetches, size)?, size)
    }

    /// The name that a node, or the node of an end point, has in the network for pictures of that size.
    pub(super) fn name_at(&self, name: &str, size: [usize; 2]) -> Result<String> {
        let graph = self.sized(&[name], size)?;
        Ok(graph.outputs().first().map_or_else(|| name.to_owned(), |&id| graph.node(id).name.clone()))
    }

    fn sized(&self, fetches: &[&str], [height, width]: [usize; 2]) -> Result<Graph> {
        self.graph(&[(self.built.input.as_str(), &[1, height, width, self.net.channels])], &[], fetches)
    }

    /// The variables by name, in its order.
    pub(crate) fn variables(&self) -> Vec<(String, Value)> {
        let nodes = self.built.variables.iter().map(|&id| self.built.graph.node(id));
        let values = nodes.filter_map(|node| Some((node.name.clone(), Value::of(&node.op)?)));
        values.collect::<BTreeMap<_, _>>().into_iter().collect()
    }

    pub(super) fn ports(&self, input: Option<&str>, output: Option<&str>) -> Result<Ports> {
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

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.built.graph.nodes().iter().map(|node| node.name.as_str())
    }
}

/// The network, and the options it could be built with: a file without the last layer is one of features.
fn build(net: &'static Net, variables: &dyn Variables, options: ZooOptions) -> Result<(Built, ZooOptions)> {
    match net.build(variables, &options) {
        Err(missing @ Error::Missing { .. }) if options.num_classes.is_none() => {
            let headless = ZooOptions { num_classes: Some(0), ..options };
            net.build(variables, &headless).map_err(|_| missing).map(|built| (built, headless))
        }
        built => built.map(|built| (built, options)),
    }
}

/// An error about a variable, with the file that should have had it.
fn in_file(error: Error, path: &Path) -> Error {
    let Error::Missing { name, wanted, nearest } = error else { return error };
    let mut what = format!("is not there, and is needed in shape {}", shown_shape(&wanted));
    if !nearest.is_empty() {
        what += &format!("; the nearest are {}", shown_variables(&nearest).join(", "));
    }
    Error::Variable { path: path.into(), name, what }
}

/// The error for a checkpoint of which nobody knows the network.
pub(super) fn unrecognised(path: &Path, weights: &Weights) -> Error {
    const SHOWN: usize = 3;
    let names: Vec<&str> = weights.variables().iter().take(SHOWN).map(Variable::name).collect();
    let what = format!(
        "a checkpoint of {} variables ({}, …), but of no network known here: name one with --net, or give the graph (.meta \
         or .pb) beside it",
        weights.variables().len(),
        names.join(", ")
    );
    Error::Format { path: path.into(), what }
}
