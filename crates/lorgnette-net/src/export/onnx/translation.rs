//! The state of a translation: nodes and weights so far, and the names of values.

use super::Source;
use super::emit::{Operator, Setting};
use super::weights::{Content, Weights};
use crate::graph::{Node, NodeId};
use crate::onnx::proto::{NodeProto, ValueInfoProto};

/// The names of a value; none before it is computed or read.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) plain: Option<String>,
    /// The value with channels before rows and columns; only of four dimensions.
    pub(super) first: Option<String>,
}

/// A translation in progress.
pub(super) struct Translation<'a> {
    pub(super) source: Source<'a>,
    pub(super) names: Vec<Names>,
    pub(super) nodes: Vec<NodeProto>,
    pub(super) weights: Vec<Weights>,
    pub(super) inputs: Vec<ValueInfoProto>,
}

impl<'a> Translation<'a> {
    pub(super) fn node(&self, id: NodeId) -> &'a Node {
        self.source.one.graph.node(id)
    }

    pub(super) fn name(&self, id: NodeId) -> String {
        self.node(id).name.clone()
    }

    /// Returns a value's shape at batch size 1.
    pub(super) fn shape(&self, id: NodeId) -> &'a [usize] {
        &self.source.one.fact(id).shape
    }

    /// Returns a value's shape; `None` stands for lengths that depend on the batch.
    pub(super) fn lengths(&self, id: NodeId) -> Vec<Option<usize>> {
        let one = self.shape(id);
        let two = self.source.two.map_or(one, |two| &two.fact(id).shape);
        one.iter().zip(two).map(|(&one, &two)| (one == two).then_some(one)).collect()
    }

    /// Returns the integers of a constant.
    pub(super) fn numbers(&self, id: NodeId) -> Result<Vec<i64>, String> {
        let constant =
            self.source.one.graph.constant_of(id).ok_or("a parameter is computed, not constant")?;
        if self.source.two.is_some_and(|two| {
            two.graph.constant_of(id).is_none_or(|two| two.bytes() != constant.bytes())
        }) {
            return Err("a parameter depends on the batch".into());
        }
        Ok(constant.to_i64())
    }

    pub(super) fn emit(&mut self, node: NodeProto) {
        self.nodes.push(node);
    }

    /// Adds a node whose result is the value `id` in TensorFlow's layout.
    pub(super) fn give(
        &mut self,
        id: NodeId,
        operator: &str,
        inputs: Vec<String>,
        settings: Vec<(&str, Setting)>,
    ) {
        let name = self.name(id);
        self.compute(id, &name, Operator { name: operator, inputs, settings });
        self.names[id.index()].plain = Some(name);
    }

    /// Adds a node whose result is the value `id`, channels first.
    pub(super) fn give_first(
        &mut self,
        id: NodeId,
        operator: &str,
        inputs: Vec<String>,
        settings: Vec<(&str, Setting)>,
    ) {
        let name = self.first_name(id);
        self.compute(id, &name, Operator { name: operator, inputs, settings });
        self.names[id.index()].first = Some(name);
    }

    /// Adds a node whose result, rounded to 8-bit integers if the value `id` is stored so, has a
    /// name.
    fn compute(&mut self, id: NodeId, name: &str, operator: Operator<'_>) {
        if self.source.one.fact(id).quantization.is_none() {
            return self.emit(operator.node(name));
        }
        let real = format!("{name}/real");
        self.emit(operator.node(&real));
        self.rounded(id, real, name);
    }

    /// Adds a node whose result is the value `id` in either layout.
    pub(super) fn give_as(
        &mut self,
        first: bool,
        id: NodeId,
        operator: &str,
        inputs: Vec<String>,
        settings: Vec<(&str, Setting)>,
    ) {
        match first {
            true => self.give_first(id, operator, inputs, settings),
            false => self.give(id, operator, inputs, settings),
        }
    }

    /// Adds a constant for an operator and returns its name.
    pub(super) fn floats(
        &mut self,
        id: NodeId,
        what: &str,
        shape: Vec<usize>,
        values: Vec<f32>,
    ) -> String {
        self.weight(id, what, shape, Content::Floats(values))
    }

    pub(super) fn integers(&mut self, id: NodeId, what: &str, values: Vec<i64>) -> String {
        self.weight(id, what, vec![values.len()], Content::Integers(values))
    }

    pub(super) fn weight(
        &mut self,
        id: NodeId,
        what: &str,
        shape: Vec<usize>,
        content: Content,
    ) -> String {
        let name = format!("{}/{what}", self.name(id));
        self.weights.push(Weights { name: name.clone(), shape, content });
        name
    }

    /// Returns the name of a node's result, channels first.
    pub(super) fn first_name(&self, id: NodeId) -> String {
        format!("{}/NCHW", self.name(id))
    }
}
