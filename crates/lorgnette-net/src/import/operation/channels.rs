//! The number of channels of a value, as far as the operations before it tell.

use crate::graph::op::Op;
use crate::graph::{Graph, NodeId};

/// Operations in a row that are followed at most.
const MAX_STEPS: usize = 64;
/// Concatenations within concatenations that are followed at most. Each branches, so that more
/// would take long.
const MAX_CONCATENATIONS: usize = 2;

/// Returns the last dimension of a value; `None` if the operations before it do not tell.
pub(super) fn of(graph: &Graph, id: NodeId) -> Option<usize> {
    within(graph, id, MAX_CONCATENATIONS)
}

/// As [`of`], through at most `depth` concatenations.
fn within(graph: &Graph, id: NodeId, depth: usize) -> Option<usize> {
    let mut id = id;
    for _ in 0..MAX_STEPS {
        let node = graph.node(id);
        let input = |i: usize| node.inputs.get(i).copied();
        id = match &node.op {
            Op::Input { shape, .. } => return *shape.as_ref()?.last()?,
            Op::Conv2d(_) => return graph.stored_shape(input(1)?)?.last().copied(),
            Op::DepthwiseConv2d(_) => match *graph.stored_shape(input(1)?)? {
                [.., channels, multiplier] => return channels.checked_mul(multiplier),
                _ => return None,
            },
            Op::Concat => {
                let depth = depth.checked_sub(1)?;
                let (&axis, parts) = node.inputs.split_last()?;
                if !matches!(graph.constant_of(axis)?.to_i64()[..], [3 | -1]) {
                    return None;
                }
                return parts.iter().map(|&part| within(graph, part, depth)).sum();
            }
            // The other operand may be a number for each channel.
            Op::Binary(..) => *node.inputs.iter().find(|&&input| !graph.is_stored(input))?,
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
