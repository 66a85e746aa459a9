//! A network of the zoo, built from its checkpoint.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{ModelFormat, node_name, with_ema};
use crate::error::{Error, Result, display_shape, display_variables};
use crate::export;
use crate::graph::Graph;
use crate::graph::TensorOrLazy;
use crate::head::Head;
use crate::import::{InputCandidate, Signature};
use crate::options::LoadOptions;
use crate::tensor::{DType, Tensor};
use crate::weights::{Variable, Variables, Weights};
use crate::zoo::{self, Architecture, ZooGraph, ZooOptions};

/// A network of the zoo, built from its variables.
#[derive(Debug)]
pub(crate) struct ZooModel {
    pub(crate) net: &'static Architecture,
    /// The common prefix of the checkpoint's files.
    pub(crate) file: PathBuf,
    variables: Arc<dyn Variables + Send + Sync>,
    options: ZooOptions,
    /// The network for images of the published size.
    pub(crate) zoo_graph: ZooGraph,
    /// Names of the checkpoint's variables that no layer takes, sorted.
    unused: Vec<String>,
    /// The head that the checkpoint has for a network without classification layer.
    head: Option<Head>,
}

impl ZooModel {
    /// Recognises the network of the weights, or takes the one that `options` name. Returns `None`
    /// if no network fits.
    pub(super) fn recognise(
        path: &Path,
        weights: &Arc<Weights>,
        options: &LoadOptions,
    ) -> Result<Option<Self>> {
        let net = match &options.net {
            Some(name) => Some(zoo::find(name)?),
            None => zoo::recognise(weights.tensor_shapes()),
        };
        let variables = with_ema(weights.clone(), options);
        net.map(|net| {
            let zoo_model = Self::new(net, weights.prefix(), variables, &options.zoo)
                .map_err(|error| with_path(error, path))?;
            zoo_model.with_rest(weights)
        })
        .transpose()
    }

    /// Adds what the checkpoint has beside the layers' variables: a head, and variables of nothing
    /// that is known.
    fn with_rest(mut self, weights: &Weights) -> Result<Self> {
        if self.zoo_graph.logits.is_none() {
            self.head = Head::in_checkpoint(weights, &self.zoo_graph.features)?;
        }
        let layers = self.zoo_graph.variables.iter().map(|&id| self.zoo_graph.graph.node(id));
        let mut taken: HashSet<&str> = layers.map(|node| node.name.as_str()).collect();
        taken.extend(self.head.iter().flat_map(Head::variables).map(|(name, _)| name));
        let names = weights.variables().iter().map(Variable::name);
        let is_unused = |name: &&str| !taken.contains(*name) && !is_of_training(name);
        self.unused = names.filter(is_unused).map(str::to_owned).collect();
        Ok(self)
    }

    /// Returns the names of the checkpoint's variables that no layer takes.
    pub(crate) fn unused(&self) -> &[String] {
        &self.unused
    }

    /// Returns the head that the checkpoint has for a network without classification layer.
    pub(crate) fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// Builds `net` from these variables.
    pub(crate) fn new(
        net: &'static Architecture,
        file: &Path,
        variables: Arc<dyn Variables + Send + Sync>,
        options: &ZooOptions,
    ) -> Result<Self> {
        let options = ZooOptions { create_aux_logits: false, ..options.clone() };
        let (zoo_graph, options) = build(net, &*variables, options)?;
        let (file, unused, head) = (file.into(), Vec::new(), None);
        Ok(Self { net, file, variables, options, zoo_graph, unused, head })
    }

    /// Returns the options that the network is built with.
    pub(crate) fn options(&self) -> &ZooOptions {
        &self.options
    }

    /// Returns the name that a node or an end point has in the network for images of `size`.
    pub(super) fn node_name_at(&self, name: &str, size: [usize; 2]) -> Result<String> {
        let graph = self.graph_for(&[name], size)?;
        Ok(graph
            .outputs()
            .first()
            .map_or_else(|| name.to_owned(), |&id| graph.node(id).name.clone()))
    }

    fn graph_for(&self, fetches: &[&str], [height, width]: [usize; 2]) -> Result<Graph> {
        self.graph(
            &[(self.zoo_graph.input.as_str(), &[1, height, width, self.net.channels])],
            &[],
            fetches,
        )
    }

    /// Returns the variables, sorted by name.
    pub(crate) fn sorted_variables(&self) -> Vec<(String, TensorOrLazy)> {
        let nodes = self.zoo_graph.variables.iter().map(|&id| self.zoo_graph.graph.node(id));
        let values =
            nodes.filter_map(|node| Some((node.name.clone(), TensorOrLazy::from_op(&node.op)?)));
        values.collect::<BTreeMap<_, _>>().into_iter().collect()
    }
}

impl ModelFormat for ZooModel {
    fn file(&self) -> &Path {
        &self.file
    }

    fn graph(
        &self,
        feeds: &[(&str, &[usize])],
        settings: &[(&str, Tensor)],
        fetches: &[&str],
    ) -> Result<Graph> {
        let zoo_graph = match feeds {
            // Windows shrink with small images, and some heads grow with large ones.
            &[(input, &[_, height, width, _])]
                if node_name(input) == self.zoo_graph.input
                    && [height, width] != [self.net.side; 2] =>
            {
                let options = ZooOptions { size: Some([height, width]), ..self.options.clone() };
                &self.net.build(&*self.variables, &options)?
            }
            _ => &self.zoo_graph,
        };
        // The name of a pool over the whole map may contain its size.
        let is_renamed = |name: &str| {
            node_name(name) == self.zoo_graph.features && zoo_graph.node(name).is_err()
        };
        let fetches: Vec<&str> = fetches
            .iter()
            .map(|&name| if is_renamed(name) { zoo_graph.features.as_str() } else { name })
            .collect();
        let fed_nodes: Vec<_> = feeds
            .iter()
            .map(|(name, _)| Ok((zoo_graph.node(name)?, None)))
            .collect::<Result<_>>()?;
        let set_nodes =
            settings.iter().map(|(name, value)| Ok((zoo_graph.node(name)?, Some(value.clone()))));
        let set_nodes: Vec<_> = set_nodes.collect::<Result<_>>()?;
        zoo_graph.fetching(&fetches, &[fed_nodes, set_nodes].concat())
    }

    fn frozen(&self, fetches: &[&str], size: [usize; 2]) -> Result<Vec<export::Node>> {
        export::to_graph_def(&self.graph_for(fetches, size)?, size)
    }

    fn signature(&self, input: Option<&str>, output: Option<&str>) -> Result<Signature> {
        let zoo_graph = &self.zoo_graph;
        let input = match input {
            Some(name) => self.zoo_graph.graph.node(zoo_graph.node(name)?).name.clone(),
            None => zoo_graph.input.clone(),
        };
        let (logits, probabilities) = match (output, &zoo_graph.logits) {
            (Some(name), _) => (name.to_owned(), None),
            (None, Some(logits)) => (logits.clone(), zoo_graph.probabilities.clone()),
            (None, None) => (zoo_graph.features.clone(), None),
        };
        let shape = Some(vec![None, None, None, Some(self.net.channels)]);
        let input = InputCandidate {
            name: input,
            dtype: DType::F32,
            shape,
            takes_decoded_image: false,
            quantization: None,
        };
        Ok(Signature {
            input,
            logits,
            probabilities,
            features: Some(zoo_graph.features.clone()),
            chooses_class: false,
            bounded_by: None,
        })
    }

    fn nodes_for_display(
        &self,
        fetches: &[&str],
        size: [usize; 2],
    ) -> Result<(Vec<export::Node>, Vec<String>)> {
        let variables = self.sorted_variables().into_iter().map(|(name, _)| name).collect();
        Ok((self.frozen(fetches, size)?, variables))
    }

    fn variables(&self, _fetches: &[&str]) -> Result<Vec<(String, TensorOrLazy)>> {
        Ok(self.sorted_variables())
    }

    fn value(&self, name: &str) -> Result<Option<TensorOrLazy>> {
        let mut variables = self.sorted_variables().into_iter();
        Ok(variables.find(|(other, _)| other == name).map(|(_, value)| value))
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.zoo_graph.graph.nodes().iter().map(|node| node.name.as_str()))
    }

    fn net(&self) -> Option<&'static Architecture> {
        Some(self.net)
    }

    fn end_points(&self) -> Option<Vec<String>> {
        Some(self.zoo_graph.end_points.iter().map(|(name, _)| name.clone()).collect())
    }
}

/// Returns true for variables that training alone reads: steps, optimisers' slots, averages, and
/// the auxiliary heads.
fn is_of_training(name: &str) -> bool {
    const SLOTS: [&str; 12] = [
        "ExponentialMovingAverage",
        "Momentum",
        "RMSProp",
        "RMSProp_1",
        "RMSProp_2",
        "Adam",
        "Adam_1",
        "Adagrad",
        "Adadelta",
        "Adadelta_1",
        "Ftrl",
        "Ftrl_1",
    ];
    const COUNTERS: [&str; 5] = [
        "global_step",
        "beta1_power",
        "beta2_power",
        "save_counter",
        "_CHECKPOINTABLE_OBJECT_GRAPH",
    ];
    let last = name.rsplit('/').next().unwrap_or(name);
    SLOTS.contains(&last)
        || COUNTERS.contains(&last)
        || name.split('/').any(|scope| scope == "AuxLogits" || scope.starts_with("aux_"))
}

/// Builds the network, and returns the options it was built with: a file without the last layer
/// gives a feature extractor.
fn build(
    net: &'static Architecture,
    variables: &dyn Variables,
    options: ZooOptions,
) -> Result<(ZooGraph, ZooOptions)> {
    match net.build(variables, &options) {
        Err(missing @ Error::Missing { .. }) if options.num_classes.is_none() => {
            let headless = ZooOptions { num_classes: Some(0), ..options };
            net.build(variables, &headless)
                .map_err(|_| missing)
                .map(|zoo_graph| (zoo_graph, headless))
        }
        zoo_graph => zoo_graph.map(|zoo_graph| (zoo_graph, options)),
    }
}

/// Adds the file to an error about a variable.
fn with_path(error: Error, path: &Path) -> Error {
    let Error::Missing { name, wanted, nearest } = error else { return error };
    let mut what = format!("is not there, and is needed in shape {}", display_shape(&wanted));
    if !nearest.is_empty() {
        what += &format!("; the nearest are {}", display_variables(&nearest).join(", "));
    }
    Error::Variable { path: path.into(), name, what }
}

/// Returns the error for a checkpoint of an unknown network.
pub(super) fn unrecognised(path: &Path, weights: &Weights) -> Error {
    const MAX_SHOWN: usize = 3;
    let names: Vec<&str> = weights.variables().iter().take(MAX_SHOWN).map(Variable::name).collect();
    let what = format!(
        "a checkpoint of {} variables ({}, …), but of no network known here: give the graph (.meta \
         or .pb) in its folder",
        weights.variables().len(),
        names.join(", ")
    );
    Error::UnknownArchitecture { path: path.into(), what }
}
