//! Pools of 8-bit values, which keep their scale.

use std::ops::Range;

use super::chunks::for_chunks;
use super::{Byte, OutputRange};
use crate::shape::Window;
use crate::simd::{Simd, SimdOp};
use crate::{Level, ThreadPool};

/// The geometry of a pool.
#[derive(Clone, Copy, Debug)]
pub struct IntegerPool {
    /// `[batch, rows, columns, channels]`.
    pub input_shape: [usize; 4],
    /// `[batch, rows, columns, channels]`.
    pub output_shape: [usize; 4],
    /// How the window moves; what is around the picture does not count.
    pub window: Window,
    /// How results are stored. The zero point is the input's and takes no part.
    pub range: OutputRange,
}

impl IntegerPool {
    /// The parts of rows and columns that a window of the output covers.
    fn covered(&self, place: [usize; 2], d: usize) -> Range<usize> {
        let Window { kernel, stride, padding, .. } = self.window;
        let start = place[d] * stride[d];
        let before = if d == 0 { padding.top } else { padding.left };
        let end = (start + kernel[d]).saturating_sub(before).min(self.input_shape[d + 1]);
        start.saturating_sub(before)..end
    }

    /// Folds the values of each window and stores the results.
    fn fold<T: Byte>(
        &self,
        level: Level,
        input: &[T],
        output: &mut [T],
        pool: &ThreadPool,
        fold: &impl Fold,
    ) {
        assert_eq!(input.len(), self.input_shape.iter().product(), "the input's shape");
        assert_eq!(output.len(), self.output_shape.iter().product(), "the output's shape");
        for_chunks(output, self.output_shape[3], pool, &|pixels, output| {
            level.dispatch(Pixels { shape: self, input, pixels, output, fold });
        });
    }
}

/// Channels whose windows are folded together.
const BLOCK: usize = 64;

/// Some pixels of the output.
struct Pixels<'a, T, F> {
    shape: &'a IntegerPool,
    input: &'a [T],
    pixels: Range<usize>,
    output: &'a mut [T],
    fold: &'a F,
}

impl<T: Byte, F: Fold> SimdOp for Pixels<'_, T, F> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { shape, input, pixels, output, fold } = self;
        let [_, rows, columns, channels] = shape.output_shape;
        let [_, height, width, _] = shape.input_shape;
        for (pixel, output) in pixels.zip(output.chunks_exact_mut(channels)) {
            let n = pixel / (rows * columns);
            let place = [pixel / columns % rows, pixel % columns];
            let (down, across) = (shape.covered(place, 0), shape.covered(place, 1));
            let count = down.len() * across.len();
            for (block, output) in output.chunks_mut(BLOCK).enumerate() {
                let mut values = [fold.first::<T>(); BLOCK];
                for y in down.clone() {
                    for x in across.clone() {
                        let from = ((n * height + y) * width + x) * channels + block * BLOCK;
                        let from = &input[from..from + output.len()];
                        for (value, from) in values.iter_mut().zip(from) {
                            *value = fold.add(*value, from.widen());
                        }
                    }
                }
                fold.finish(&mut values, count);
                for (to, value) in output.iter_mut().zip(values) {
                    *to = T::narrow(value.max(shape.range.low).min(shape.range.high));
                }
            }
        }
    }
}

/// How the values of a window become one.
trait Fold: Sync {
    /// The result of no values.
    fn first<T: Byte>(&self) -> i32;
    /// Adds a value.
    fn add(&self, result: i32, value: i32) -> i32;
    /// Makes results final, each of `count` values.
    fn finish(&self, results: &mut [i32; BLOCK], count: usize);
}

struct Mean;

impl Fold for Mean {
    fn first<T: Byte>(&self) -> i32 {
        0
    }

    #[inline(always)]
    fn add(&self, sum: i32, value: i32) -> i32 {
        sum + value
    }

    #[inline(always)]
    fn finish(&self, sums: &mut [i32; BLOCK], count: usize) {
        /// Values whose sum, with half their number, float32 has exactly; then truncating a
        /// quotient of float32 is an integer division.
        const MAX_EXACT: usize = 1 << 16;
        let half = (count / 2) as i32;
        for sum in sums {
            let rounded = *sum + if *sum > 0 { half } else { -half };
            *sum = match count {
                0 => 0,
                1..=MAX_EXACT => (rounded as f32 / count as f32) as i32,
                _ => rounded / count as i32,
            };
        }
    }
}

struct Max;

impl Fold for Max {
    fn first<T: Byte>(&self) -> i32 {
        T::MIN
    }

    #[inline(always)]
    fn add(&self, largest: i32, value: i32) -> i32 {
        largest.max(value)
    }

    fn finish(&self, _: &mut [i32; BLOCK], _: usize) {}
}

/// Computes the mean of each window, halves away from zero; 0 where it covers nothing.
///
/// # Panics
/// If slices are not as long as shapes say.
pub fn average_pool<T: Byte>(
    level: Level,
    shape: &IntegerPool,
    input: &[T],
    output: &mut [T],
    pool: &ThreadPool,
) {
    shape.fold(level, input, output, pool, &Mean);
}

/// Computes the largest value of each window.
///
/// # Panics
/// If slices are not as long as shapes say.
pub fn max_pool<T: Byte>(
    level: Level,
    shape: &IntegerPool,
    input: &[T],
    output: &mut [T],
    pool: &ThreadPool,
) {
    shape.fold(level, input, output, pool, &Max);
}
