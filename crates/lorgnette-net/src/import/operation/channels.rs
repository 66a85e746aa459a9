//! The number of channels of a value, as far as the operations before it tell.

use crate::graph::op::Op;
use crate::graph::{Graph, NodeId};

/// Operations that are followed at most.
const MAX_STEPS: usize = 64;

/// Returns the last dimension of a value; `None` if the operations before it do not tell.
pub(super) fn of(graph: &Graph, id: NodeId) -> Option<usize> {
    let mut id = id;
    for _ in 0..MAX_STEPS {
        let node = graph.node(id);
        let input = |i: usize| node.inputs.get(i).copied();
        id = match &node.op {
            Op::Input { shape, .. } => return *shape.as_ref()?.last()?,
            Op::Conv2d(_) => return stored_shape(graph, input(1)?)?.last().copied(),
            Op::DepthwiseConv2d(_) => match stored_shape(graph, input(1)?)?[..] {
                [.., channels, multiplier] => return channels.checked_mul(multiplier),
                _ => return None,
            },
            Op::Concat => {
                let (&axis, parts) = node.inputs.split_last()?;
                let axis = graph.constant_of(axis)?.to_i64();
                return matches!(axis[..], [3 | -1]).then(|| sum(graph, parts)).flatten();
            }
            // The other operand may be a number for each channel.
            Op::Binary(..) => match input(0)? {
                first if graph.is_stored(first) => input(1)?,
                first => first,
            },
            Op::Identity
            | Op::Cast(_)
            | Op::Unary(_)
            | Op::Clamp(_)
            | Op::BatchNorm { .. }
            | Op::Pool(_)
            | Op::Lrn(_)
            | Op::Pad(_)
            | Op::Resize(_)
            | Op::ResizeBicubic(_) => input(0)?,
            _ => return None,
        };
    }
    None
}

/// The channels of a concatenation, if each part has those of a convolution right before it.
fn sum(graph: &Graph, parts: &[NodeId]) -> Option<usize> {
    let channels = |&part: &NodeId| {
        let mut id = part;
        for _ in 0..MAX_STEPS {
            let node = graph.node(id);
            id = match &node.op {
                Op::Conv2d(_) => return stored_shape(graph, *node.inputs.get(1)?)?.last().copied(),
                Op::Identity | Op::Unary(_) | Op::Clamp(_) | Op::BatchNorm { .. } | Op::Pool(_) => {
                    *node.inputs.first()?
                }
                Op::Binary(..) => *node.inputs.iter().find(|&&input| !graph.is_stored(input))?,
                _ => return None,
            };
        }
        None
    };
    parts.iter().map(channels).sum()
}

fn stored_shape(graph: &Graph, id: NodeId) -> Option<Vec<usize>> {
    match &graph.node(id).op {
        Op::Const(tensor) => Some(tensor.shape().to_vec()),
        Op::Variable(lazy) => Some(lazy.shape().to_vec()),
        _ => None,
    }
}
