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

/// Output columns whose windows are folded side by side: each value waits for the one before it, and others fill the time.
const COLUMNS: usize = 4;

impl Kernel for Row<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let PoolShape { input, output, window, .. } = self.shape;
        let inside = window.columns_inside(input.width, output.width);
        let mut x = 0;
        while x < output.width {
            if inside.start <= x && x + COLUMNS <= inside.end {
                self.columns::<S, COLUMNS>(simd, x);
                x += COLUMNS;
            } else {
                self.columns::<S, 1>(simd, x);
                x += 1;
            }
        }
    }
}

impl Row<'_> {
    /// Pools `N` columns from `x` on, whose windows have the same columns inside the picture.
    #[inline(always)]
    fn columns<S: Simd, const N: usize>(&mut self, simd: S, x: usize) {
        match self.shape.kind {
            PoolKind::Max => {
                let larger = |a, b| simd.nan_or(a, simd.max(a, b));
                self.fold::<S, N>(simd, x, f32::NEG_INFINITY, larger, |_| 1.0);
            }
            PoolKind::Average => self.fold::<S, N>(simd, x, 0.0, |a, b| simd.add(a, b), |count| 1.0 / count as f32),
        }
    }

    /// Folds each window with `f` and multiplies by `factor` of the number of its values.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "constant indices become registers; iterators became memory")]
    fn fold<S: Simd, const N: usize>(
        &mut self,
        simd: S,
        x: usize,
        start: f32,
        f: impl Fn(S::F, S::F) -> S::F,
        factor: impl Fn(usize) -> f32,
    ) {
        let PoolShape { input: map, output, window, .. } = self.shape;
        let (n, oy) = (self.row / output.height, self.row % output.height);
        let (ky, kx) = (window.taps_inside(0, map.height, oy), window.taps_inside(1, map.width, x));
        let (step, factor) = (window.stride[1] * map.stride, simd.splat(factor(ky.len() * kx.len())));
        for channel in (0..map.channels).step_by(S::LANES) {
            let count = S::LANES.min(map.channels - channel);
            let floats = map.elements.floats(count);
            let mut values = [simd.splat(start); N];
            for ky in ky.clone() {
                let row = (n * map.height + window.under(0, oy, ky)) * map.width;
                for kx in kx.clone() {
                    let at = (row + window.under(1, x, kx)) * map.stride + map.elements.floats(channel);
                    let from = &self.input[at..at + (N - 1) * step + floats];
                    for i in 0..N {
                        let from = &from[i * step..i * step + floats];
                        // SAFETY: the slice has `count` values.
                        let value = unsafe { simd.load_elements(map.elements, from.as_ptr(), count) };
                        values[i] = f(values[i], value);
                    }
                }
            }
            for i in 0..N {
                let at = (x + i) * output.stride + output.elements.floats(channel);
                let to = &mut self.output[at..at + output.elements.floats(count)];
                // SAFETY: the slice has room for `count` values.
                unsafe { simd.store_elements(output.elements, to.as_mut_ptr(), simd.mul(values[i], factor), count) };
            }
        }
    }
}
