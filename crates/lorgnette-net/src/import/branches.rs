//! Switch and Merge of a condition that is constant, such as `is_training`. The branch not taken is
//! dead, and so are its readers up to the Merge.

use crate::graph::op::Op;
use crate::graph::{Graph, NodeId};

/// The state of a node's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Branch {
    /// In a branch that is never taken.
    Dead,
    /// The value of this node.
    Node(NodeId),
    /// Live, but not imported as a value.
    Opaque,
}

/// Returns the two outputs of a Switch (false, true), or `None` if its condition is not constant.
pub(super) fn switch(graph: &Graph, data: Branch, condition: Branch) -> Option<[Branch; 2]> {
    let (Branch::Node(condition), true) = (condition, data != Branch::Dead) else {
        return if data == Branch::Dead || condition == Branch::Dead {
            Some([Branch::Dead; 2])
        } else {
            None
        };
    };
    Some(if truth(graph, condition)? { [Branch::Dead, data] } else { [data, Branch::Dead] })
}

/// Returns the live input of a Merge.
pub(super) fn merge(inputs: impl IntoIterator<Item = Branch>) -> Branch {
    inputs.into_iter().find(|branch| *branch != Branch::Dead).unwrap_or(Branch::Dead)
}

/// Returns a condition's value if it is constant.
fn truth(graph: &Graph, id: NodeId) -> Option<bool> {
    const MAX_DEPTH: usize = 64;
    number(graph, id, MAX_DEPTH).map(|value| value != 0.0)
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
