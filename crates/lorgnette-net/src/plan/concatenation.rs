//! Concatenations along channels, whose parts can be written directly to their places.

use crate::graph::rearrange::axis;
use crate::graph::shape::TypedGraph;
use crate::graph::{Node, NodeId};

/// The channel offset of each part of a concatenation, if it joins channels.
pub(super) fn channel_offsets(typed: &TypedGraph, id: NodeId, node: &Node) -> Option<Vec<usize>> {
    let (at, parts) = node.inputs.split_last()?;
    let rank = typed.fact(id).shape.len();
    let at = axis(*typed.graph.constant_of(*at)?.to_i64().first()?, rank).ok()?;
    let begin = |sum: &mut usize, part: &NodeId| {
        let offset = *sum;
        *sum += typed.fact(*part).channels();
        Some(offset)
    };
    (at + 1 == rank).then(|| parts.iter().scan(0, begin).collect())
}
