//! The storage types that kernels prefer for their inputs: float32, or bf16 where the precision
//! allows it.
//!
//! The type that a reader prefers depends on the reader alone, not on other readers or on what is
//! fetched; therefore answers do not either.

use lorgnette_kernels::{
    ConvShape, Level, MAX_BF16_ELEMENTWISE_CHANNELS, NumericOptions, PoolKind, Precision,
    StorageType,
};

use super::concatenation::channel_offsets;
use crate::graph::evaluate::{conv_window, rows};
use crate::graph::op::{Conv, Op};
use crate::graph::shape::TypedGraph;
use crate::graph::{Node, NodeId};

/// The storage types that a plan's kernels prefer.
pub(super) struct StoragePreference<'a> {
    pub(super) typed: &'a TypedGraph,
    pub(super) level: Level,
    pub(super) numerics: NumericOptions,
}

impl StoragePreference<'_> {
    /// The storage type that a node prefers for its input `i`, given its own.
    pub(super) fn for_input(
        &self,
        id: NodeId,
        node: &Node,
        i: usize,
        own: StorageType,
    ) -> StorageType {
        let input = node.inputs[i];
        let is_quantized = self.typed.fact(input).quantization.is_some();
        if self.numerics.compute == Precision::Float32 || !self.is_image(input) || is_quantized {
            return StorageType::Float32;
        }
        let default_type = if self.numerics.compute == Precision::Bf16 {
            StorageType::Bf16
        } else {
            StorageType::Float32
        };
        match &node.op {
            Op::Conv2d(conv) if i == 0 => self.for_conv(id, node, conv),
            // The shortcut of a residual unit.
            Op::Conv2d(_) if i == 2 => default_type,
            // Depthwise convolutions stay float32: rounding the inputs of their few products
            // changes answers more. Of the top five classes of the embedded network on 101 photos,
            // 77 remain instead of 88.
            Op::Pool(pool) if pool.kind == PoolKind::Average => default_type,
            Op::Affine(_) | Op::Unary(_) if self.fits_bf16_buffer(id) => default_type,
            Op::Binary(..)
                if i < 2 && self.fits_bf16_buffer(id) && self.has_equal_operands(id, node) =>
            {
                default_type
            }
            // These only move or clamp values, which commutes with rounding.
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

    /// True if the kernel of a node can write bf16.
    pub(super) fn can_write_bf16(&self, id: NodeId, node: &Node) -> bool {
        let writes = match &node.op {
            Op::Concat => self.joins_at_even_offsets(id, node),
            Op::Conv2d(_) | Op::Pool(_) => true,
            Op::Affine(_) | Op::Clamp(_) | Op::Unary(_) => self.fits_bf16_buffer(id),
            Op::Binary(..) => self.fits_bf16_buffer(id) && self.has_equal_operands(id, node),
            Op::DepthwiseConv2d(_) => self.is_plain_depthwise(node),
            _ => false,
        };
        writes && self.is_image(id) && self.typed.fact(id).quantization.is_none()
    }

    fn for_conv(&self, id: NodeId, node: &Node, conv: &Conv) -> StorageType {
        let [input, filter] = [0, 1].map(|i| self.typed.fact(node.inputs[i]));
        // Errors in a convolution are reported where its kernel is chosen.
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

    /// True if a depthwise convolution has one filter for each channel; only such kernels write
    /// bf16.
    fn is_plain_depthwise(&self, node: &Node) -> bool {
        self.typed.fact(node.inputs[1]).shape[3] == 1
    }

    /// True if the channels of a pixel fit the buffer of elementwise bf16 kernels.
    fn fits_bf16_buffer(&self, id: NodeId) -> bool {
        self.typed.fact(id).channels() <= MAX_BF16_ELEMENTWISE_CHANNELS
    }

    /// True if both operands have the result's shape.
    fn has_equal_operands(&self, id: NodeId, node: &Node) -> bool {
        node.inputs[..2]
            .iter()
            .all(|&input| self.typed.fact(input).shape == self.typed.fact(id).shape)
    }

    /// True if every part of a concatenation begins at an even channel.
    fn joins_at_even_offsets(&self, id: NodeId, node: &Node) -> bool {
        let even = |offset: &usize| offset.is_multiple_of(2);
        channel_offsets(self.typed, id, node).is_some_and(|offsets| offsets.iter().all(even))
    }

    fn is_image(&self, id: NodeId) -> bool {
        self.typed.fact(id).shape.len() == 4 && !self.typed.graph.is_stored(id)
    }
}

/// True if a number is exact in bf16; NaN may be.
fn is_exact_in_bf16(x: f32) -> bool {
    x.to_bits() & 0xFFFF == 0
}
