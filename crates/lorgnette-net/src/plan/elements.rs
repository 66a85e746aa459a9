//! What values are kept as between layers: float32, or bf16 where precision allows it and readers want it.
//!
//! A reader's wish depends on the reader alone, never on what else reads the value or is fetched, so neither do answers. A
//! value is kept as bf16 if all its readers wish so and its own kernel can write it; if only some do, they read a copy.

use lorgnette_kernels::{ConvShape, Elements, Formats, Level, MOST_NARROWED, PoolKind, Precision};

use super::layout::channel_offsets;
use crate::graph::evaluate::{conv_window, rows};
use crate::graph::op::{Conv, Op};
use crate::graph::shape::Shaped;
use crate::graph::{Node, NodeId};

/// What a plan's kernels want.
pub(super) struct Wanted<'a> {
    pub(super) shaped: &'a Shaped,
    pub(super) level: Level,
    pub(super) formats: Formats,
}

impl Wanted<'_> {
    /// What a node, itself kept as `own`, wants its input number `i` as.
    pub(super) fn of_input(&self, id: NodeId, node: &Node, i: usize, own: Elements) -> Elements {
        let input = node.inputs[i];
        if self.formats.precision == Precision::Float32 || !self.is_picture(input) {
            return Elements::Float32;
        }
        let by_all = if self.formats.precision == Precision::Bf16 { Elements::Bf16 } else { Elements::Float32 };
        match &node.op {
            Op::Conv2d(conv) if i == 0 => self.of_conv(id, node, conv),
            // The other branch of a residual unit.
            Op::Conv2d(_) if i == 2 => by_all,
            // Depthwise convolutions could, but each of their few products then carries the rounding: of the five best classes of the
            // embedded network on 101 photos, 77 stay in place of 88.
            Op::Pool(pool) if pool.kind == PoolKind::Average => by_all,
            Op::Affine(_) | Op::Unary(_) if self.is_narrow(id) => by_all,
            Op::Binary(..) if i < 2 && self.is_narrow(id) && self.is_of_equals(id, node) => by_all,
            // These only move values, or limit them, and may as well do it after they are rounded as before.
            Op::Pool(_) | Op::Concat => own,
            Op::Clamp(clamp) if self.is_narrow(id) && [clamp.low, clamp.high].into_iter().all(is_bf16) => own,
            _ => Elements::Float32,
        }
    }

    /// What each node's value is kept as if it has a place of its own; as a part of a concatenation it is kept as that is.
    pub(super) fn of_all(&self) -> Vec<Elements> {
        let nodes: Vec<(NodeId, &Node)> = self.shaped.graph.iter().collect();
        let mut kept = vec![Elements::Float32; nodes.len()];
        // Whether some reader takes float32, and whether some takes bf16.
        let mut read_as = [vec![false; nodes.len()], vec![false; nodes.len()]];
        let outputs = self.shaped.graph.outputs();
        outputs.iter().for_each(|id| read_as[Elements::Float32 as usize][id.index()] = true);
        for (id, node) in nodes.into_iter().rev() {
            let [float32, bf16] = [Elements::Float32, Elements::Bf16].map(|e| read_as[e as usize][id.index()]);
            let own =
                if bf16 && !float32 && self.can_be_written(id, node) { Elements::Bf16 } else { Elements::Float32 };
            kept[id.index()] = own;
            for (i, input) in node.inputs.iter().enumerate() {
                read_as[self.of_input(id, node, i, own) as usize][input.index()] = true;
            }
        }
        kept
    }

    /// Whether the kernel of a node can write bf16.
    pub(super) fn can_be_written(&self, id: NodeId, node: &Node) -> bool {
        let writes = match &node.op {
            Op::Concat => self.joins_pairs(id, node),
            Op::Conv2d(_) | Op::Pool(_) => true,
            Op::Affine(_) | Op::Clamp(_) | Op::Unary(_) => self.is_narrow(id),
            Op::Binary(..) => self.is_narrow(id) && self.is_of_equals(id, node),
            Op::DepthwiseConv2d(_) => self.is_plain_depthwise(node),
            _ => false,
        };
        writes && self.is_picture(id)
    }

    fn of_conv(&self, id: NodeId, node: &Node, conv: &Conv) -> Elements {
        let [input, filter] = [0, 1].map(|i| self.shaped.fact(node.inputs[i]));
        // What is wrong with a convolution is said where its kernel is chosen.
        let Ok(window) = conv_window(conv, &input.shape, &filter.shape) else { return Elements::Float32 };
        let shape = ConvShape { input: rows(&input.shape), output: rows(&self.shaped.fact(id).shape), window };
        lorgnette_kernels::reads_elements(&shape, self.level, self.formats)
    }

    /// Whether a depthwise convolution has one window for each channel, as those have whose kernels write bf16.
    fn is_plain_depthwise(&self, node: &Node) -> bool {
        self.shaped.fact(node.inputs[1]).shape[3] == 1
    }

    /// Whether a pixel's values are as few as kernels take that work on them one by one.
    fn is_narrow(&self, id: NodeId) -> bool {
        self.shaped.fact(id).channels() <= MOST_NARROWED
    }

    /// Whether both operands have the result's shape.
    fn is_of_equals(&self, id: NodeId, node: &Node) -> bool {
        node.inputs[..2].iter().all(|&input| self.shaped.fact(input).shape == self.shaped.fact(id).shape)
    }

    /// Whether every part of a concatenation begins with the first of a pair.
    fn joins_pairs(&self, id: NodeId, node: &Node) -> bool {
        let even = |offset: &usize| offset.is_multiple_of(2);
        channel_offsets(self.shaped, id, node).is_some_and(|offsets| offsets.iter().all(even))
    }

    fn is_picture(&self, id: NodeId) -> bool {
        self.shaped.fact(id).shape.len() == 4 && !self.shaped.graph.is_stored(id)
    }
}

/// Whether a number, or none at all, is one of bf16.
fn is_bf16(x: f32) -> bool {
    x.to_bits() & 0xFFFF == 0
}
