//! Reordering weights for the tile: `[panel of output channels][tap][input channel][channel of the panel]`, so that a
//! tile reads its weights from front to back. The last panel is filled up with zeros.

use super::{ConvShape, Filter, panel_width};
use crate::simd::Simd;

/// The products of one output value.
pub(super) fn depth(shape: &ConvShape) -> usize {
    shape.taps() * shape.input.channels
}

/// Floats of one panel.
pub(super) fn panel_len<S: Simd>(shape: &ConvShape) -> usize {
    depth(shape) * panel_width::<S>()
}

pub(super) fn packed_len<S: Simd>(shape: &ConvShape) -> usize {
    shape.output.channels.div_ceil(panel_width::<S>()) * panel_len::<S>(shape)
}

pub(super) fn pack<S: Simd>(shape: &ConvShape, filter: &Filter<'_>, packed: &mut [f32]) {
    let width = panel_width::<S>();
    let (depth, panel_len) = (depth(shape), panel_len::<S>(shape));
    let packed = &mut packed[..packed_len::<S>(shape)];
    let source = Source::new(filter, depth, shape.output.channels);
    // Rows outside, panels inside: the file is read once, from front to back.
    for k in 0..depth {
        for (panel, values) in packed.chunks_exact_mut(panel_len).enumerate() {
            source.copy(k, panel * width, &mut values[k * width..][..width]);
        }
    }
}

/// Copies weights in the file's order, scaled: the layout of the reference kernels, `[depth][channels]`.
pub(crate) fn plain(depth: usize, channels: usize, filter: &Filter<'_>, packed: &mut [f32]) {
    let source = Source::new(filter, depth, channels);
    for (k, row) in packed[..depth * channels].chunks_exact_mut(channels).enumerate() {
        source.copy(k, 0, row);
    }
}

/// The matrix `[depth][channels]` that a filter is.
pub(crate) struct Source<'a> {
    bytes: &'a [u8],
    scale: Option<&'a [f32]>,
    channels: usize,
    /// Bytes from row to row, and from channel to channel.
    steps: [usize; 2],
}

impl<'a> Source<'a> {
    pub(crate) fn new(filter: &Filter<'a>, depth: usize, channels: usize) -> Self {
        assert_eq!(filter.bytes.len(), depth * channels * size_of::<f32>(), "a filter's size is not that of its shape");
        assert!(filter.scale.is_none_or(|scale| scale.len() >= channels), "a filter's scale is too short");
        let steps = if filter.transposed { [4, 4 * depth] } else { [4 * channels, 4] };
        Self { bytes: filter.bytes, scale: filter.scale, channels, steps }
    }

    /// Row `k` from channel `first` on, zeros where there are no more channels.
    pub(crate) fn copy(&self, k: usize, first: usize, to: &mut [f32]) {
        let count = to.len().min(self.channels - first);
        let (values, rest) = to.split_at_mut(count);
        let bytes = &self.bytes[k * self.steps[0] + first * self.steps[1]..];
        if self.steps[1] == 4 {
            for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(4)) {
                *value = float(bytes);
            }
        } else {
            for (value, bytes) in values.iter_mut().zip(bytes.chunks(self.steps[1])) {
                *value = float(&bytes[..4]);
            }
        }
        if let Some(scale) = self.scale {
            values.iter_mut().zip(&scale[first..]).for_each(|(value, scale)| *value *= scale);
        }
        rest.fill(0.0);
    }
}

fn float(bytes: &[u8]) -> f32 {
    f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
