//! The nodes that every path from the picture to the scores passes.

use std::collections::BinaryHeap;

use crate::graph::NodeId;
use crate::graph::op::Op;
use crate::graph::shape::TypedGraph;

/// A network's main path, and the node where a picture of any size can be fed.
#[derive(Debug)]
pub(super) struct MainPath {
    /// For each node, whether every path passes it.
    pub(super) on: Vec<bool>,
    /// The picture, after the resize to one size if the graph has one.
    pub(super) start: Option<NodeId>,
    /// For each node, whether it depends on `start`.
    pub(super) after_input: Vec<bool>,
}

impl MainPath {
    /// The main path of a network with one output.
    pub(super) fn new(typed: &TypedGraph) -> Self {
        let nodes = typed.graph.nodes();
        let inputs = |id: NodeId| matches!(nodes[id.index()].op, Op::Input { .. });
        let reachable = reachable_from(typed, inputs);
        let on = dominators(typed, &reachable);
        let is_start = |id: &NodeId| {
            let op = &nodes[id.index()].op;
            let is_picture = matches!(
                op,
                Op::Input { .. } | Op::Resize(_) | Op::ResizeBicubic(_) | Op::Resample(_)
            );
            on[id.index()] && is_picture
        };
        let start = typed.graph.ids().filter(is_start).last();
        let after_input = reachable_from(typed, |id| Some(id) == start);
        Self { on, start, after_input }
    }
}

/// Returns for each node whether it is a root or depends on one.
fn reachable_from(typed: &TypedGraph, is_root: impl Fn(NodeId) -> bool) -> Vec<bool> {
    let mut reached = vec![false; typed.graph.nodes().len()];
    for (id, node) in typed.graph.iter() {
        reached[id.index()] = is_root(id) || node.inputs.iter().any(|input| reached[input.index()]);
    }
    reached
}

/// Visits nodes from the output to the picture, latest first. All paths meet at a node if no other
/// is pending.
fn dominators(typed: &TypedGraph, reachable: &[bool]) -> Vec<bool> {
    let mut on = vec![false; reachable.len()];
    let mut waiting: BinaryHeap<NodeId> = typed.graph.outputs().iter().copied().collect();
    while let Some(id) = waiting.pop() {
        while waiting.peek() == Some(&id) {
            waiting.pop();
        }
        on[id.index()] = waiting.is_empty();
        waiting.extend(typed.graph.node(id).inputs.iter().filter(|input| reachable[input.index()]));
    }
    on
}
