//! Switch and Merge of a condition that is settled when the graph is read, as `is_training` is: the branch that is not
//! taken is dead, and everything that reads it is, up to the Merge.

use crate::graph::op::Op;
use crate::graph::{Graph, NodeId};

/// What one output of a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// In a branch that is never taken.
    Dead,
    /// This node's value.
    Node(NodeId),
    /// Live, but not a value that was imported.
    Opaque,
}

/// The two outputs of a Switch (false, true), or `None` if its condition is not settled.
pub(super) fn switch(graph: &Graph, data: Slot, condition: Slot) -> Option<[Slot; 2]> {
    let (Slot::Node(condition), true) = (condition, data != Slot::Dead) else {
        return if data == Slot::Dead || condition == Slot::Dead { Some([Slot::Dead; 2]) } else { None };
    };
    Some(if truth(graph, condition)? { [Slot::Dead, data] } else { [data, Slot::Dead] })
}

/// The live one of a Merge's inputs.
pub(super) fn merge(inputs: impl IntoIterator<Item = Slot>) -> Slot {
    inputs.into_iter().find(|slot| *slot != Slot::Dead).unwrap_or(Slot::Dead)
}

/// Whether a condition is true, if constants alone decide.
fn truth(graph: &Graph, id: NodeId) -> Option<bool> {
    const DEEPEST: usize = 64;
    number(graph, id, DEEPEST).map(|value| value != 0.0)
}

fn number(graph: &Graph, id: NodeId, depth: usize) -> Option<f32> {
    let node = graph.node(id);
    let input = |i: usize| number(graph, *node.inputs.get(i)?, depth.checked_sub(1)?);
    match &node.op {
        Op::Const(value) if value.len() == 1 => value.to_f32().first().copied(),
        Op::Identity | Op::Cast(_) => input(0),
        Op::Binary(op, clamp) => Some(clamp.apply(op.apply(input(0)?, input(1)?))),
        _ => None,
    }
}
