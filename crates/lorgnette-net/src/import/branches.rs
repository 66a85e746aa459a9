//! Switch and Merge of a condition that is settled when the graph is read, as `is_training` is: the branch that is not
//! taken is dead, and everything that reads it is, up to the Merge.

use lorgnette_kernels::Binary;

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
    let node = graph.node(id);
    let input = |i: usize| truth(graph, *node.inputs.get(i)?);
    match &node.op {
        Op::Const(value) => value.to_i64().first().map(|&v| v != 0),
        Op::Identity => input(0),
        Op::Binary(Binary::LogicalAnd, _) => Some(input(0)? && input(1)?),
        Op::Binary(Binary::LogicalOr, _) => Some(input(0)? || input(1)?),
        Op::Binary(Binary::Equal, _) => Some(input(0)? == input(1)?),
        Op::Binary(Binary::NotEqual, _) => Some(input(0)? != input(1)?),
        _ => None,
    }
}
