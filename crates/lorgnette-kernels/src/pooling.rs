//! Pooling: the largest value or the mean of each window.

use crate::blocks::for_blocks;
use crate::simd::{Simd, SimdOp};
use crate::{ImageLayout, Level, ThreadPool, Window};

/// The function of each window's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// The largest value; NaN if any value is.
    Max,
    /// The mean of the values inside the image; padding does not count, as in TensorFlow.
    Average,
}

/// The geometry of a pooling. Input and output have the same channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolShape {
    /// The input's layout.
    pub input: ImageLayout,
    /// The output's layout.
    pub output: ImageLayout,
    /// The window. Each position sees at least one pixel of the image.
    pub window: Window,
    /// The function.
    pub kind: PoolKind,
}

/// Pools each channel.
pub fn pool_window(
    level: Level,
    shape: &PoolShape,
    input: &[f32],
    output: &mut [f32],
    pool: &ThreadPool,
) {
    assert_eq!(shape.input.channels, shape.output.channels, "a pool keeps channels");
    assert_eq!(shape.input.batch, shape.output.batch, "a pool keeps the batch size");
    let width = shape.output.width;
    for_blocks(&shape.output, width, output, pool, &|pixels, chunk| {
        for (i, row) in (pixels.start / width..pixels.end / width).enumerate() {
            let output = &mut chunk[i * width * shape.output.word_stride()..];
            level.dispatch(Row { shape, input, row, output });
        }
    });
}

/// An output row, counted over all images.
struct Row<'a> {
    shape: &'a PoolShape,
    input: &'a [f32],
    row: usize,
    output: &'a mut [f32],
}

/// Output columns whose windows are folded together: each operation waits for the one before it,
/// and those of other columns fill the time.
const COLUMNS: usize = 4;

impl SimdOp for Row<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let PoolShape { input, output, window, .. } = self.shape;
        let inside = window.interior_columns(input.width, output.width);
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
    /// Pools `N` columns from `x` on, whose windows have the same columns inside the image.
    #[inline(always)]
    fn columns<S: Simd, const N: usize>(&mut self, simd: S, x: usize) {
        match self.shape.kind {
            PoolKind::Max => {
                let start = f32::NEG_INFINITY;
                self.fold::<S, N>(simd, x, start, |a, b| simd.nan_or(a, simd.max(a, b)), |_| 1.0);
            }
            PoolKind::Average => {
                self.fold::<S, N>(simd, x, 0.0, |a, b| simd.add(a, b), |count| 1.0 / count as f32);
            }
        }
    }

    /// Folds each window with `f` and multiplies by `factor` of the number of values.
    #[inline(always)]
    #[expect(
        clippy::needless_range_loop,
        reason = "constant indices become registers; iterators became memory"
    )]
    fn fold<S: Simd, const N: usize>(
        &mut self,
        simd: S,
        x: usize,
        start: f32,
        f: impl Fn(S::F, S::F) -> S::F,
        factor: impl Fn(usize) -> f32,
    ) {
        let PoolShape { input: layout, output, window, .. } = self.shape;
        let (n, oy) = (self.row / output.height, self.row % output.height);
        let (ky, kx) =
            (window.valid_taps(0, layout.height, oy), window.valid_taps(1, layout.width, x));
        let (step, factor) =
            (window.stride[1] * layout.word_stride(), simd.splat(factor(ky.len() * kx.len())));
        for channel in (0..layout.channels).step_by(S::LANES) {
            let count = S::LANES.min(layout.channels - channel);
            let words = layout.storage.words(count);
            let mut values = [simd.splat(start); N];
            for ky in ky.clone() {
                let row = (n * layout.height + window.input_index(0, oy, ky)) * layout.width;
                for kx in kx.clone() {
                    let at = (row + window.input_index(1, x, kx)) * layout.word_stride()
                        + layout.storage.words(channel);
                    let from = &self.input[at..at + (N - 1) * step + words];
                    for i in 0..N {
                        let from = &from[i * step..i * step + words];
                        // SAFETY: the slice has `count` values.
                        let value =
                            unsafe { simd.load_typed(layout.storage, from.as_ptr(), count) };
                        values[i] = f(values[i], value);
                    }
                }
            }
            for i in 0..N {
                let at = (x + i) * output.word_stride() + output.storage.words(channel);
                let to = &mut self.output[at..at + output.storage.words(count)];
                // SAFETY: the slice has room for `count` values.
                unsafe {
                    simd.store_typed(
                        output.storage,
                        to.as_mut_ptr(),
                        simd.mul(values[i], factor),
                        count,
                    );
                };
            }
        }
    }
}
