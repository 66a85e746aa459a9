//! Reordering of weights for the tile: `[panel of output channels][tap][input channel][channel of
//! the panel]`, so that a tile reads its weights from front to back. The last panel is padded with
//! zeros.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::{ConvShape, Filter, panel_width};
use crate::ThreadPool;
use crate::simd::{MAX_LANES, Simd};

/// Rows of the filter that a task copies to one panel before the next panel. Their cache lines of
/// the file stay in the core's cache until all panels that share them have copied them.
const ROWS_AT_ONCE: usize = 64;

/// Returns the words of one panel.
pub(super) fn panel_len<S: Simd>(shape: &ConvShape) -> usize {
    shape.depth() * panel_width::<S>()
}

pub(super) fn packed_len<S: Simd>(shape: &ConvShape) -> usize {
    shape.output.channels.div_ceil(panel_width::<S>()) * panel_len::<S>(shape)
}

pub(super) fn pack_rows<S: Simd>(
    shape: &ConvShape,
    filter: &Filter<'_>,
    rows: Range<usize>,
    packed: &mut [f32],
    pool: &ThreadPool,
) {
    let width = panel_width::<S>();
    let source = Source::for_conv(filter, shape);
    in_panels(
        &mut packed[..packed_len::<S>(shape)],
        panel_len::<S>(shape),
        rows,
        pool,
        &|panel, k, values| {
            source.copy(k, panel * width, &mut values[k * width..][..width]);
        },
    );
}

/// Calls `copy(panel, row, words of the panel)` for each row of each panel; rows of a panel in
/// order.
pub(super) fn in_panels<F: Fn(usize, usize, &mut [f32]) + Sync>(
    packed: &mut [f32],
    panel_len: usize,
    rows: Range<usize>,
    pool: &ThreadPool,
    copy: &F,
) {
    let panels: Vec<_> = packed.chunks_exact_mut(panel_len.max(1)).map(Mutex::new).collect();
    let tasks = pool.threads().min(panels.len());
    pool.run(tasks, &|_, task| {
        let panel_range = crate::blocks::chunk(panels.len(), tasks, task);
        for first in rows.clone().step_by(ROWS_AT_ONCE) {
            for panel in panel_range.clone() {
                let mut values = panels[panel].lock().unwrap_or_else(PoisonError::into_inner);
                for k in first..rows.end.min(first + ROWS_AT_ONCE) {
                    copy(panel, k, &mut values);
                }
            }
        }
    });
}

/// Copies weights in the file's order and scales them: the layout of the reference kernels,
/// `[depth][channels]`.
pub(crate) fn plain(
    depth: usize,
    channels: usize,
    filter: &Filter<'_>,
    rows: Range<usize>,
    packed: &mut [f32],
) {
    let source = Source::new(filter, depth, channels);
    for k in rows {
        source.copy(k, 0, &mut packed[k * channels..][..channels]);
    }
}

/// Maximum output channels of a panel, at any level.
pub(super) const MAX_PANEL_WIDTH: usize = 2 * MAX_LANES;

/// A filter as a matrix `[depth][channels]`.
pub(crate) struct Source<'a> {
    bytes: &'a [u8],
    scale: Option<&'a [f32]>,
    channels: usize,
    /// Bytes from row to row, and from channel to channel.
    steps: [usize; 2],
}

impl<'a> Source<'a> {
    pub(crate) fn new(filter: &Filter<'a>, depth: usize, channels: usize) -> Self {
        assert_eq!(
            filter.bytes.len(),
            depth * channels * size_of::<f32>(),
            "a filter's size is not that of its shape"
        );
        assert!(
            filter.scale.is_none_or(|scale| scale.len() >= channels),
            "a filter's scale is too short"
        );
        let steps = if filter.transposed { [4, 4 * depth] } else { [4 * channels, 4] };
        Self { bytes: filter.bytes, scale: filter.scale, channels, steps }
    }

    /// Returns the matrix of a convolution's filter.
    pub(crate) fn for_conv(filter: &Filter<'a>, shape: &ConvShape) -> Self {
        Self::new(filter, shape.depth(), shape.output.channels)
    }

    /// Returns row `k` of a panel of `width` output channels, padded with zeros.
    pub(super) fn row(&self, k: usize, panel: usize, width: usize) -> [f32; MAX_PANEL_WIDTH] {
        let mut row = [0.0; MAX_PANEL_WIDTH];
        self.copy(k, panel * width, &mut row[..width]);
        row
    }

    /// Copies row `k` from channel `first` on, padded with zeros.
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
