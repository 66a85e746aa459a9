//! Pooling: the largest value or the mean of each window.

use crate::blocks::for_blocks;
use crate::simd::{Kernel, Simd};
use crate::{Level, Map, Pool, Window};

/// What a pool takes of each window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// The largest value. A NaN is larger than all.
    Max,
    /// The mean of the values inside the picture; padding does not count, as in TensorFlow.
    Average,
}

/// The geometry of a pool. Input and output have the same channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolShape {
    /// What is read.
    pub input: Map,
    /// What is written.
    pub output: Map,
    /// How the window moves. Each window sees at least one pixel of the picture.
    pub window: Window,
    /// What it takes.
    pub kind: PoolKind,
}

/// Pools each channel.
pub fn pool_window(level: Level, shape: &PoolShape, input: &[f32], output: &mut [f32], pool: &Pool) {
    assert_eq!(shape.input.channels, shape.output.channels, "a pool keeps channels");
    assert_eq!(shape.input.batch, shape.output.batch, "a pool keeps the number of pictures");
    let width = shape.output.width;
    for_blocks(&shape.output, width, output, pool, &|pixels, part| {
        for (i, row) in (pixels.start / width..pixels.end / width).enumerate() {
            let output = &mut part[i * width * shape.output.stride..];
            level.dispatch(Row { shape, input, row, output });
        }
    });
}

/// An output row, counted over all pictures.
struct Row<'a> {
    shape: &'a PoolShape,
    input: &'a [f32],
    row: usize,
    output: &'a mut [f32],
}

impl Kernel for Row<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match self.shape.kind {
            PoolKind::Max => {
                let larger = |a, b| simd.nan_or(a, simd.max(a, b));
                self.reduce(simd, f32::NEG_INFINITY, larger, |_| 1.0);
            }
            PoolKind::Average => self.reduce(simd, 0.0, |a, b| simd.add(a, b), |count| 1.0 / count as f32),
        }
    }
}

impl Row<'_> {
    /// Folds each window with `f` and multiplies by `factor` of the number of its values.
    #[inline(always)]
    fn reduce<S: Simd>(self, simd: S, start: f32, f: impl Fn(S::F, S::F) -> S::F, factor: impl Fn(usize) -> f32) {
        let PoolShape { input: map, output, window, .. } = self.shape;
        let (n, oy) = (self.row / output.height, self.row % output.height);
        let ky = window.taps_inside(0, map.height, oy);
        for ox in 0..output.width {
            let kx = window.taps_inside(1, map.width, ox);
            let factor = simd.splat(factor(ky.len() * kx.len()));
            for channel in (0..map.channels).step_by(S::LANES) {
                let count = S::LANES.min(map.channels - channel);
                let mut value = simd.splat(start);
                for ky in ky.clone() {
                    let row = (n * map.height + window.under(0, oy, ky)) * map.width;
                    for kx in kx.clone() {
                        let at = (row + window.under(1, ox, kx)) * map.stride + map.elements.floats(channel);
                        let input = &self.input[at..at + map.elements.floats(count)];
                        // SAFETY: the slice has `count` values.
                        value = f(value, unsafe { simd.load_elements(map.elements, input.as_ptr(), count) });
                    }
                }
                let at = ox * output.stride + output.elements.floats(channel);
                let to = &mut self.output[at..at + output.elements.floats(count)];
                // SAFETY: the slice has room for `count` values.
                unsafe { simd.store_elements(output.elements, to.as_mut_ptr(), simd.mul(value, factor), count) };
            }
        }
    }
}
