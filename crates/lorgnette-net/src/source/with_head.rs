//! A network whose classification layer is replaced by a head.

use std::path::Path;
use std::sync::Arc;

use super::{ModelFormat, ModelSource, node_name};
use crate::error::{Error, Result};
use crate::export;
use crate::graph::quantized::{Quantized, Scale};
use crate::graph::shape::Fact;
use crate::graph::{Graph, NodeId, Op, TensorOrLazy};
use crate::head::{HEAD_ANSWER, HEAD_LOGITS, Head};
use crate::import::{Decoding, Signature};
use crate::proto::{ListValue, Value, attribute};
use crate::tensor::{DType, Tensor};
use crate::zoo::Architecture;

/// A base network up to its features, and a head on them.
#[derive(Debug)]
pub(crate) struct WithHead {
    base: Arc<ModelSource>,
    head: Head,
    /// The rank of the features.
    rank: usize,
    /// The scale and the type of features that are quantised.
    quantization: Option<(Scale, DType)>,
    signature: Signature,
}

impl WithHead {
    /// Puts a head on the features of `base`, which are of this kind.
    pub(crate) fn new(
        base: Arc<ModelSource>,
        signature: &Signature,
        head: Head,
        features: &Fact,
    ) -> Result<Self> {
        head.check()?;
        let shape = features.shape.as_slice();
        let channels = shape.last().copied().unwrap_or_default();
        if !matches!(shape.len(), 2 | 4) || channels != head.inputs() {
            let (name, inputs) = (&head.features, head.inputs());
            return Err(Error::Input(format!(
                "a head of {inputs} inputs does not fit the end point '{name}' of shape {shape:?}"
            )));
        }
        let signature = Signature {
            input: signature.input.clone(),
            logits: HEAD_LOGITS.into(),
            probabilities: Some(HEAD_ANSWER.into()),
            features: Some(head.features.clone()),
            chooses_class: false,
            bounded_by: None,
        };
        let rank = shape.len();
        let quantization = features.quantization.map(|scale| (scale, features.dtype));
        let with_head = Self { base, head, rank, quantization, signature };
        with_head.check_names()?;
        Ok(with_head)
    }

    /// Returns the head.
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// Returns true if the base is a graph whose variables are in a checkpoint.
    pub(crate) fn reads_checkpoint(&self) -> bool {
        matches!(&*self.base, ModelSource::Graph(def) if def.has_variables())
    }

    /// Returns the network beneath the head.
    pub(crate) fn base(&self) -> &ModelSource {
        &self.base
    }

    /// Checks that the head's names are free. The base may be a retrained network with a hidden
    /// layer of its own.
    fn check_names(&self) -> Result<()> {
        let base_graph = self.base.graph(&[], &[], &[&self.head.features])?.pruned();
        match self
            .head_node_names()
            .find(|name: &&str| base_graph.nodes().iter().any(|node| node.name == *name))
        {
            None => Ok(()),
            Some(name) => Err(Error::Input(format!(
                "the network has a node '{name}' of its own: take its features from an end point \
                 before that"
            ))),
        }
    }

    /// Iterates over the names of the head's computing nodes and of its variables.
    fn head_node_names(&self) -> impl Iterator<Item = &'static str> + use<'_> {
        let hidden = ["final_training_ops/hidden/add", "final_training_ops/hidden/Relu"];
        let hidden = hidden.into_iter().filter(|_| self.head.hidden.is_some());
        let mean = ["final_training_ops/mean"].into_iter().filter(|_| self.rank == 4);
        let variables = self.head.variables().into_iter().map(|(name, _)| name);
        let real = [REAL_FEATURES].into_iter().filter(|_| self.quantization.is_some());
        real.chain(mean).chain(hidden).chain(variables).chain([HEAD_LOGITS, HEAD_ANSWER])
    }

    /// Returns the head as a graph whose input stands for the features and has their name.
    fn head_graph(&self, features: String) -> Graph {
        let mut graph = Graph::new();
        let op = Op::Input { dtype: DType::F32, shape: None };
        let features = graph.add(features, op, &[]);
        self.head.attach(&mut graph, features, self.rank);
        graph
    }
}

/// The node with the real numbers of quantised features.
const REAL_FEATURES: &str = "final_training_ops/real_features";

/// Returns the node as a graph is written with it.
fn real_features(features: String, scale: Scale, dtype: DType) -> export::Node {
    let Scale { scale, zero_point } = scale;
    let zero_points = ListValue { i: vec![zero_point.into()], ..ListValue::default() };
    let attributes = [
        (
            attribute::INPUT_SCALES,
            Value::List(ListValue { f: vec![scale], ..ListValue::default() }),
        ),
        (attribute::INPUT_ZERO_POINTS, Value::List(zero_points)),
        (attribute::SCALE, Value::F(scale)),
        (attribute::ZERO_POINT, Value::I(zero_point.into())),
        (attribute::TYPE, Value::Type(dtype.tensorflow())),
    ];
    export::node(REAL_FEATURES, "LiteDequantize", vec![features], &attributes)
}

impl ModelFormat for WithHead {
    fn file(&self) -> &Path {
        self.base.file()
    }

    // The base's input and the head's outputs, or `output` in place of them.
    fn signature(&self, _input: Option<&str>, output: Option<&str>) -> Result<Signature> {
        let Some(name) = output else { return Ok(self.signature.clone()) };
        self.graph(&[], &[], &[name])?;
        Ok(Signature { logits: name.to_owned(), probabilities: None, ..self.signature.clone() })
    }

    // The needed part of the base and the head's nodes.
    fn graph(
        &self,
        feeds: &[(&str, &[usize])],
        settings: &[(&str, Tensor)],
        fetches: &[&str],
    ) -> Result<Graph> {
        let head_names: Vec<&str> = self.head_node_names().collect();
        let is_head_node = |name: &str| head_names.contains(&node_name(name));
        let mut base_fetches: Vec<&str> =
            fetches.iter().copied().filter(|name| !is_head_node(name)).collect();
        if base_fetches.len() == fetches.len() {
            return self.base.graph(feeds, settings, fetches);
        }
        base_fetches.push(&self.head.features);
        let mut graph = self.base.graph(feeds, settings, &base_fetches)?;
        let mut base_outputs = graph.outputs().to_vec();
        let features =
            base_outputs.pop().ok_or_else(|| Error::Input("a graph without outputs".into()))?;
        let before = graph.nodes().len();
        let features = match self.quantization {
            None => features,
            Some((scale, dtype)) => {
                let op = Op::Quantized(Box::new(Quantized::dequantize(scale, dtype)));
                graph.add(REAL_FEATURES, op, &[features])
            }
        };
        self.head.attach(&mut graph, features, self.rank);
        let head_nodes: Vec<(NodeId, String)> =
            graph.iter().skip(before).map(|(id, node)| (id, node.name.clone())).collect();
        let mut base_outputs = base_outputs.into_iter();
        let outputs = fetches
            .iter()
            .filter_map(|name: &&str| {
                match head_nodes.iter().find(|(_, own)| own == node_name(name)) {
                    Some((id, _)) => Some(*id),
                    None => base_outputs.next(),
                }
            })
            .collect();
        graph.set_outputs(outputs);
        Ok(graph)
    }

    fn frozen(&self, fetches: &[&str], size: [usize; 2]) -> Result<Vec<export::Node>> {
        let head_names: Vec<&str> = self.head_node_names().collect();
        let base_fetches =
            fetches.iter().copied().filter(|name| !head_names.contains(&node_name(name)));
        let base_fetches: Vec<&str> = base_fetches.chain([self.head.features.as_str()]).collect();
        let mut nodes = self.base.frozen(&base_fetches, size)?;
        let features = match &*self.base {
            ModelSource::Zoo(zoo_model) => zoo_model.node_name_at(&self.head.features, size)?,
            _ => self.head.features.clone(),
        };
        let features = match self.quantization {
            None => features,
            Some((scale, dtype)) => {
                nodes.push(real_features(features, scale, dtype));
                REAL_FEATURES.to_owned()
            }
        };
        nodes.extend(export::to_graph_def(&self.head_graph(features), size)?.into_iter().skip(1));
        Ok(nodes)
    }

    fn variables(&self, _fetches: &[&str]) -> Result<Vec<(String, TensorOrLazy)>> {
        let mut variables = self.base.variables(&[&self.head.features])?;
        let head_variables = self.head.variables().into_iter();
        variables.extend(
            head_variables
                .map(|(name, tensor)| (name.to_owned(), TensorOrLazy::Tensor(tensor.clone()))),
        );
        variables.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(variables)
    }

    fn value(&self, name: &str) -> Result<Option<TensorOrLazy>> {
        match self.head.variables().into_iter().find(|(own, _)| *own == name) {
            Some((_, tensor)) => Ok(Some(TensorOrLazy::Tensor(tensor.clone()))),
            None => self.base.value(name),
        }
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        let head_names = self.head_node_names().map(|name| -> &str { name });
        Box::new(self.base.names().chain(head_names))
    }

    fn nodes_for_display(
        &self,
        fetches: &[&str],
        size: [usize; 2],
    ) -> Result<(Vec<export::Node>, Vec<String>)> {
        let variables = self.variables(fetches).unwrap_or_default();
        let names = variables.into_iter().map(|(name, _)| name).collect();
        Ok((self.frozen(fetches, size)?, names))
    }

    fn net(&self) -> Option<&'static Architecture> {
        self.base.net()
    }

    fn decoder(&self, name: &str) -> Option<&str> {
        self.base.decoder(name)
    }

    fn decoding(&self, name: &str) -> Result<Option<Decoding>> {
        self.base.decoding(name)
    }
}
