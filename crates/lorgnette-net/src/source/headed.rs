//! A network whose classification layer is replaced by a head.

use std::sync::Arc;

use super::{Source, node_name};
use crate::error::{Error, Result};
use crate::export;
use crate::graph::{Graph, NodeId, Op, Value};
use crate::head::{HEAD_ANSWER, HEAD_LOGITS, Head};
use crate::import::Ports;
use crate::tensor::{DType, Tensor};

/// A network up to its features, and a head on them.
#[derive(Debug)]
pub(crate) struct Headed {
    base: Arc<Source>,
    head: Head,
    /// Dimensions of the features.
    rank: usize,
    ports: Ports,
}

impl Headed {
    /// `base`, whose ports these are, with a head on features of that shape.
    pub(crate) fn new(base: Arc<Source>, ports: &Ports, head: Head, features: &[usize]) -> Result<Self> {
        head.check()?;
        let channels = features.last().copied().unwrap_or_default();
        if !matches!(features.len(), 2 | 4) || channels != head.inputs() {
            let (name, inputs) = (&head.features, head.inputs());
            return Err(Error::Input(format!(
                "a head of {inputs} inputs does not fit the end point '{name}' of shape {features:?}"
            )));
        }
        let ports = Ports {
            input: ports.input.clone(),
            logits: HEAD_LOGITS.into(),
            probabilities: Some(HEAD_ANSWER.into()),
            features: Some(head.features.clone()),
        };
        let headed = Self { base, head, rank: features.len(), ports };
        headed.check_names()?;
        Ok(headed)
    }

    /// The base may be a retrained network itself, and its features those of its own hidden layer.
    fn check_names(&self) -> Result<()> {
        let beneath = self.base.graph(&[], &[], &[&self.head.features])?.pruned();
        let taken = |name: &&str| beneath.nodes().iter().any(|node| node.name == *name);
        match self.own_names().find(taken) {
            None => Ok(()),
            Some(name) => Err(Error::Input(format!(
                "the network has a node '{name}' of its own: take its features from an end point before that"
            ))),
        }
    }

    /// The network beneath.
    pub(crate) fn base(&self) -> &Source {
        &self.base
    }

    /// Where the picture goes in, and the answers of the head; or of another node.
    pub(super) fn ports(&self, output: Option<&str>) -> Result<Ports> {
        let Some(name) = output else { return Ok(self.ports.clone()) };
        self.graph(&[], &[], &[name])?;
        Ok(Ports { logits: name.to_owned(), probabilities: None, ..self.ports.clone() })
    }

    /// The graph that computes `fetches`: the base's up to what they need of it, and the head's nodes.
    pub(super) fn graph(
        &self,
        feeds: &[(&str, &[usize])],
        settings: &[(&str, Tensor)],
        fetches: &[&str],
    ) -> Result<Graph> {
        let own: Vec<&str> = self.own_names().collect();
        let is_own = |name: &str| own.contains(&node_name(name));
        let mut of_base: Vec<&str> = fetches.iter().copied().filter(|name| !is_own(name)).collect();
        if of_base.len() == fetches.len() {
            return self.base.graph(feeds, settings, fetches);
        }
        of_base.push(&self.head.features);
        let mut graph = self.base.graph(feeds, settings, &of_base)?;
        let mut found = graph.outputs().to_vec();
        let features = found.pop().ok_or_else(|| Error::Input("a graph without outputs".into()))?;
        let before = graph.nodes().len();
        self.head.attach(&mut graph, features, self.rank);
        let added: Vec<(NodeId, String)> =
            graph.iter().skip(before).map(|(id, node)| (id, node.name.clone())).collect();
        let mut found = found.into_iter();
        let of_fetch = |name: &&str| match added.iter().find(|(_, own)| own == node_name(name)) {
            Some((id, _)) => Some(*id),
            None => found.next(),
        };
        let outputs = fetches.iter().filter_map(of_fetch).collect();
        graph.set_outputs(outputs);
        Ok(graph)
    }

    /// The nodes of a frozen graph.
    pub(super) fn frozen(&self, fetches: &[&str], size: [usize; 2]) -> Result<Vec<export::Node>> {
        let own: Vec<&str> = self.own_names().collect();
        let of_base = fetches.iter().copied().filter(|name| !own.contains(&node_name(name)));
        let of_base: Vec<&str> = of_base.chain([self.head.features.as_str()]).collect();
        let mut nodes = self.base.frozen(&of_base, size)?;
        let features = match &*self.base {
            Source::Zoo(rebuilt) => rebuilt.name_at(&self.head.features, size)?,
            _ => self.head.features.clone(),
        };
        nodes.extend(export::drawn(&self.alone(features), size)?.into_iter().skip(1));
        Ok(nodes)
    }

    /// The base's variables and the head's.
    pub(super) fn variables(&self) -> Result<Vec<(String, Value)>> {
        let mut variables = self.base.variables(&[&self.head.features])?;
        let own = self.head.variables().into_iter();
        variables.extend(own.map(|(name, tensor)| (name.to_owned(), Value::Here(tensor.clone()))));
        variables.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(variables)
    }

    /// The value of a variable or constant.
    pub(super) fn value(&self, name: &str) -> Result<Option<Value>> {
        match self.head.variables().into_iter().find(|(own, _)| *own == name) {
            Some((_, tensor)) => Ok(Some(Value::Here(tensor.clone()))),
            None => self.base.value(name),
        }
    }

    /// The names of all nodes.
    pub(super) fn names<'a>(&'a self) -> impl Iterator<Item = &'a str> {
        self.base.names().chain(self.own_names().map(|name| -> &'a str { name }))
    }

    /// The names of the head's nodes that compute something, and of its variables.
    fn own_names(&self) -> impl Iterator<Item = &'static str> + use<'_> {
        let hidden = ["final_training_ops/hidden/add", "final_training_ops/hidden/Relu"];
        let hidden = hidden.into_iter().filter(|_| self.head.hidden.is_some());
        let mean = ["final_training_ops/mean"].into_iter().filter(|_| self.rank == 4);
        let variables = self.head.variables().into_iter().map(|(name, _)| name);
        mean.chain(hidden).chain(variables).chain([HEAD_LOGITS, HEAD_ANSWER])
    }

    /// The head's nodes behind one that stands for the features, and is called so.
    fn alone(&self, features: String) -> Graph {
        let mut graph = Graph::new();
        let op = Op::Input { dtype: DType::F32, shape: None };
        let features = graph.add(features, op, &[]);
        self.head.attach(&mut graph, features, self.rank);
        graph
    }
}
