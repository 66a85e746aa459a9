//! The nodes that every way from the picture to the scores goes through.

use std::collections::BinaryHeap;

use crate::graph::NodeId;
use crate::graph::op::Op;
use crate::graph::shape::Shaped;

/// A network's spine, and where a picture of any size can be fed.
#[derive(Debug)]
pub(super) struct Spine {
    /// For each node, whether every way goes through it.
    pub(super) on: Vec<bool>,
    /// The picture; behind its resize to one size, if the graph does that.
    pub(super) start: Option<NodeId>,
    /// For each node, whether it depends on `start`.
    pub(super) behind_start: Vec<bool>,
}

impl Spine {
    /// The spine of a network with one output.
    pub(super) fn of(shaped: &Shaped) -> Self {
        let nodes = shaped.graph.nodes();
        let inputs = |id: NodeId| matches!(nodes[id.index()].op, Op::Input { .. });
        let alive = reach(shaped, inputs);
        let on = dominators(shaped, &alive);
        let starts = |id: &NodeId| on[id.index()] && matches!(nodes[id.index()].op, Op::Input { .. } | Op::Resize(_));
        let start = shaped.graph.ids().filter(starts).last();
        let behind_start = reach(shaped, |id| Some(id) == start);
        Self { on, start, behind_start }
    }
}

/// For each node, whether it is, or depends on, one that `is_root`.
fn reach(shaped: &Shaped, is_root: impl Fn(NodeId) -> bool) -> Vec<bool> {
    let mut reached = vec![false; shaped.graph.nodes().len()];
    for (id, node) in shaped.graph.iter() {
        reached[id.index()] = is_root(id) || node.inputs.iter().any(|input| reached[input.index()]);
    }
    reached
}

/// Walks from the output to the picture, always the node furthest along first: where no other waits, all ways meet.
fn dominators(shaped: &Shaped, alive: &[bool]) -> Vec<bool> {
    let mut on = vec![false; alive.len()];
    let mut waiting: BinaryHeap<NodeId> = shaped.graph.outputs().iter().copied().collect();
    while let Some(id) = waiting.pop() {
        while waiting.peek() == Some(&id) {
            waiting.pop();
        }
        on[id.index()] = waiting.is_empty();
        waiting.extend(shaped.graph.node(id).inputs.iter().filter(|input| alive[input.index()]));
    }
    on
}
