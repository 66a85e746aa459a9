//! A network as a list of nodes in topological order.

pub(crate) mod answer;
pub mod evaluate;
pub(crate) mod input_arithmetic;
pub mod op;
pub mod quantized;
pub mod rearrange;
pub(crate) mod resample;
pub mod shape;
pub mod shape_inference;
mod tensor_or_lazy;

pub use op::Op;
pub(crate) use tensor_or_lazy::TensorOrLazy;

use crate::tensor::{DType, Tensor};

/// The index of a node in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// Returns the index into [`Graph::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One operation on the results of earlier nodes.
#[derive(Clone, Debug)]
pub struct Node {
    /// The node's name in the weights file, with scopes separated by `/`. Outputs other than the
    /// first have `:1`, `:2` … appended.
    pub name: String,
    /// The operation.
    pub op: Op,
    /// The nodes whose results it reads.
    pub inputs: Vec<NodeId>,
}

/// A network.
///
/// Invariants: a node's inputs precede it; names are unique among nodes that an output needs.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    outputs: Vec<NodeId>,
}

impl Graph {
    /// Creates an empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a node.
    ///
    /// # Panics
    /// If an input does not precede it.
    pub fn add(&mut self, name: impl Into<String>, op: Op, inputs: &[NodeId]) -> NodeId {
        let id = NodeId(u32::try_from(self.nodes.len()).expect("fewer than 2³² nodes"));
        assert!(inputs.iter().all(|input| *input < id), "inputs come first");
        self.nodes.push(Node { name: name.into(), op, inputs: inputs.to_vec() });
        id
    }

    /// Appends a constant.
    pub fn constant(&mut self, name: impl Into<String>, tensor: Tensor) -> NodeId {
        self.add(name, Op::Const(tensor), &[])
    }

    /// Sets the nodes whose results are fetched, in this order.
    pub fn set_outputs(&mut self, outputs: Vec<NodeId>) {
        self.outputs = outputs;
    }

    /// Returns the nodes whose results are fetched.
    pub fn outputs(&self) -> &[NodeId] {
        &self.outputs
    }

    /// Returns all nodes, in topological order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Returns a node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Returns a node to be modified. Its inputs must stay before it.
    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.index()]
    }

    /// Redirects a node's reads of `from` to `to`, which must precede it. Returns whether there
    /// were any.
    pub(crate) fn redirect_reader(&mut self, reader: NodeId, from: NodeId, to: NodeId) -> bool {
        redirect(&mut self.nodes[reader.index()].inputs, from, to)
    }

    /// Redirects the outputs that are `from` to `to`.
    pub(crate) fn redirect_outputs(&mut self, from: NodeId, to: NodeId) {
        redirect(&mut self.outputs, from, to);
    }

    /// Replaces a node by an input of unspecified shape, or by a constant.
    pub(crate) fn feed(&mut self, id: NodeId, value: Option<Tensor>) {
        let node = self.node_mut(id);
        if !matches!(node.op, Op::Input { .. }) || value.is_some() {
            node.op = value.map_or(Op::Input { dtype: DType::F32, shape: None }, Op::Const);
            node.inputs.clear();
        }
    }

    /// Iterates over the indices of all nodes.
    pub(crate) fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// Iterates over all nodes with their indices.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(index, node)| (NodeId(index as u32), node))
    }

    /// Returns the node's value if it is a constant.
    pub fn constant_of(&self, id: NodeId) -> Option<&Tensor> {
        match &self.node(id).op {
            Op::Const(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// Returns true if the node's value is in the weights file: a constant, or a variable yet to be
    /// read.
    pub fn is_stored(&self, id: NodeId) -> bool {
        matches!(self.node(id).op, Op::Const(_) | Op::Variable(_))
    }

    /// Returns the shape of a value that [is stored](Self::is_stored).
    pub fn stored_shape(&self, id: NodeId) -> Option<&[usize]> {
        match &self.node(id).op {
            Op::Const(tensor) => Some(tensor.shape()),
            Op::Variable(lazy) => Some(lazy.shape()),
            _ => None,
        }
    }

    /// Returns the graph without the nodes that no output needs.
    pub fn pruned(&self) -> Self {
        let needed = self.needed();
        let mut pruned = Self::new();
        let mut moved = vec![None; self.nodes.len()];
        for (id, node) in self.iter().filter(|(id, _)| needed[id.index()]) {
            let inputs: Vec<_> =
                node.inputs.iter().filter_map(|input| moved[input.index()]).collect();
            moved[id.index()] = Some(pruned.add(node.name.clone(), node.op.clone(), &inputs));
        }
        pruned.outputs = self.outputs.iter().filter_map(|id| moved[id.index()]).collect();
        pruned
    }

    /// Returns, for each node, whether an output needs it.
    pub(crate) fn needed(&self) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        let mut waiting = self.outputs.clone();
        while let Some(id) = waiting.pop() {
            if !std::mem::replace(&mut needed[id.index()], true) {
                waiting.extend(&self.node(id).inputs);
            }
        }
        needed
    }

    /// Returns, for each node, how often its result is read, by other nodes and as an output.
    pub fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.nodes.len()];
        for id in self.nodes.iter().flat_map(|node| &node.inputs).chain(&self.outputs) {
            uses[id.index()] += 1;
        }
        uses
    }
}

/// Replaces `from` by `to`; returns whether it was there.
fn redirect(ids: &mut [NodeId], from: NodeId, to: NodeId) -> bool {
    let mut found = false;
    for id in ids.iter_mut().filter(|id| **id == from) {
        *id = to;
        found = true;
    }
    found
}
