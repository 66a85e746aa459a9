//! What values are kept as between layers: float32, or bf16 where precision allows it and readers
//! want it.
//!
//! A reader's wish depends on the reader alone, never on what else reads the value or is fetched,
//! so neither do answers. A value is kept as bf16 if all its readers wish so and its own kernel can
//! write it; if only some do, they read a copy.

use lorgnette_kernels::{
    ConvShape, Level, MAX_BF16_ELEMENTWISE_CHANNELS, NumericOptions, PoolKind, Precision,
    StorageType,
};

use super::layout::channel_offsets;
use crate::graph::evaluate::{conv_window, rows};
use crate::graph::op::{Conv, Op};
use crate::graph::shape::TypedGraph;
use crate::graph::{Node, NodeId};

/// What a plan's kernels want.
pub(super) struct StoragePreference<'a> {
    pub(super) typed: &'a TypedGraph,
    pub(super) level: Level,
    pub(super) numerics: NumericOptions,
}

impl StoragePreference<'_> {
    /// What a node, itself kept as `own`, wants its input number `i` as.
    pub(super) fn for_input(
        &self,
        id: NodeId,
        node: &Node,
        i: usize,
        own: StorageType,
    ) -> StorageType {
        let input = node.inputs[i];
        if self.numerics.compute == Precision::Float32 || !self.is_image(input) {
            return StorageType::Float32;
        }
        let default_type = if self.numerics.compute == Precision::Bf16 {
            StorageType::Bf16
        } else {
            StorageType::Float32
        };
        match &node.op {
            Op::Conv2d(conv) if i == 0 => self.for_conv(id, node, conv),
            // The other branch of a residual unit.
            Op::Conv2d(_) if i == 2 => default_type,
            // Depthwise convolutions could, but each of their few products then carries the
            // rounding: of the five best classes of the embedded network on 101 photos, 77 stay in
            // place of 88.
            Op::Pool(pool) if pool.kind == PoolKind::Average => default_type,
            Op::Affine(_) | Op::Unary(_) if self.fits_bf16_buffer(id) => default_type,
            Op::Binary(..)
                if i < 2 && self.fits_bf16_buffer(id) && self.has_equal_operands(id, node) =>
            {
                default_type
            }
            // These only move values, or limit them, and may as well do it after they are rounded
            // as before.
            Op::Pool(_) | Op::Concat => own,
            Op::Clamp(clamp)
                if self.fits_bf16_buffer(id)
                    && [clamp.low, clamp.high].into_iter().all(is_exact_in_bf16) =>
            {
                own
            }
            _ => StorageType::Float32,
        }
    }

    /// What each node's value is kept as if it has a place of its own; as a part of a concatenation
    /// it is kept as that is.
    pub(super) fn for_all(&self) -> Vec<StorageType> {
        let nodes: Vec<(NodeId, &Node)> = self.typed.graph.iter().collect();
        let mut storage_types = vec![StorageType::Float32; nodes.len()];
        // Whether some reader takes float32, and whether some takes bf16.
        let mut read_as = [vec![false; nodes.len()], vec![false; nodes.len()]];
        let outputs = self.typed.graph.outputs();
        outputs.iter().for_each(|id| read_as[StorageType::Float32 as usize][id.index()] = true);
        for (id, node) in nodes.into_iter().rev() {
            let [float32, bf16] =
                [StorageType::Float32, StorageType::Bf16].map(|e| read_as[e as usize][id.index()]);
            let own = if bf16 && !float32 && self.can_write_bf16(id, node) {
                StorageType::Bf16
            } else {
                StorageType::Float32
            };
            storage_types[id.index()] = own;
            for (i, input) in node.inputs.iter().enumerate() {
                read_as[self.for_input(id, node, i, own) as usize][input.index()] = true;
            }
        }
        storage_types
    }

    /// Whether the kernel of a node can write bf16.
    pub(super) fn can_write_bf16(&self, id: NodeId, node: &Node) -> bool {
        let writes = match &node.op {
            Op::Concat => self.joins_at_even_offsets(id, node),
            Op::Conv2d(_) | Op::Pool(_) => true,
            Op::Affine(_) | Op::Clamp(_) | Op::Unary(_) => self.fits_bf16_buffer(id),
            Op::Binary(..) => self.fits_bf16_buffer(id) && self.has_equal_operands(id, node),
            Op::DepthwiseConv2d(_) => self.is_plain_depthwise(node),
            _ => false,
        };
        writes && self.is_image(id)
    }

    fn for_conv(&self, id: NodeId, node: &Node, conv: &Conv) -> StorageType {
        let [input, filter] = [0, 1].map(|i| self.typed.fact(node.inputs[i]));
        // What is wrong with a convolution is said where its kernel is chosen.
        let Ok(window) = conv_window(conv, &input.shape, &filter.shape) else {
            return StorageType::Float32;
        };
        let shape = ConvShape {
            input: rows(&input.shape),
            output: rows(&self.typed.fact(id).shape),
            window,
        };
        lorgnette_kernels::preferred_input_storage(&shape, self.level, self.numerics)
    }

    /// Whether a depthwise convolution has one window for each channel, as those have whose kernels
    /// write bf16.
    fn is_plain_depthwise(&self, node: &Node) -> bool {
        self.typed.fact(node.inputs[1]).shape[3] == 1
    }

    /// Whether a pixel's values are as few as kernels take that work on them one by one.
    fn fits_bf16_buffer(&self, id: NodeId) -> bool {
        self.typed.fact(id).channels() <= MAX_BF16_ELEMENTWISE_CHANNELS
    }

    /// Whether both operands have the result's shape.
    fn has_equal_operands(&self, id: NodeId, node: &Node) -> bool {
        node.inputs[..2]
            .iter()
            .all(|&input| self.typed.fact(input).shape == self.typed.fact(id).shape)
    }

    /// Whether every part of a concatenation begins with the first of a pair.
    fn joins_at_even_offsets(&self, id: NodeId, node: &Node) -> bool {
        let even = |offset: &usize| offset.is_multiple_of(2);
        channel_offsets(self.typed, id, node).is_some_and(|offsets| offsets.iter().all(even))
    }

    fn is_image(&self, id: NodeId) -> bool {
        self.typed.fact(id).shape.len() == 4 && !self.typed.graph.is_stored(id)
    }
}

/// Whether a number, or none at all, is one of bf16.
fn is_exact_in_bf16(x: f32) -> bool {
    x.to_bits() & 0xFFFF == 0
}
