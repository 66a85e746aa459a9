//! Pools of stored values, which keep their scale.

use std::ops::Range;

use super::chunks::for_chunks;
use super::{OutputRange, Stored};
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
    fn fold<T: Stored>(
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

impl<T: Stored, F: Fold> SimdOp for Pixels<'_, T, F> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { shape, input, pixels, output, fold } = self;
        let [_, rows, columns, channels] = shape.output_shape;
        let [_, height, width, _] = shape.input_shape;
        for (pixel, output) in pixels.zip(output.chunks_exact_mut(channels)) {
            let n = pixel / (rows * columns);
            let place = [pixel / columns % rows, pixel % columns];
            let covered =
                Covered { down: shape.covered(place, 0), across: shape.covered(place, 1) };
            let image = n * height * width * channels;
            let values = |channel: usize| Values { input, first: image + channel, width, channels };
            if channels < BLOCK {
                values(0).fold_part(&covered, output, shape.range, fold);
                continue;
            }
            for block in 0..channels.div_ceil(BLOCK) {
                // The last block may have channels of the one before.
                let first = (block * BLOCK).min(channels - BLOCK);
                let output = output[first..].first_chunk_mut().expect("a whole block");
                values(first).fold_block(&covered, output, shape.range, fold);
            }
        }
    }
}

/// The rows and columns that a window covers.
struct Covered {
    down: Range<usize>,
    across: Range<usize>,
}

/// An image, from its value of a block's first channel on.
struct Values<'a, T> {
    input: &'a [T],
    first: usize,
    width: usize,
    channels: usize,
}

impl<T: Stored> Values<'_, T> {
    /// Folds a block of channels of a window. Loops of a constant length become vectors.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "a zip is not always inlined here")]
    fn fold_block<F: Fold>(
        &self,
        covered: &Covered,
        output: &mut [T; BLOCK],
        range: OutputRange,
        fold: &F,
    ) {
        let mut values = [fold.first::<T>(); BLOCK];
        for from in self.pixels(covered) {
            let from: &[T; BLOCK] = from.first_chunk().expect("a whole block");
            for i in 0..BLOCK {
                values[i] = fold.add(values[i], from[i]);
            }
        }
        fold.finish(&mut values, covered.down.len() * covered.across.len());
        for i in 0..BLOCK {
            output[i] = T::narrow(fold.result::<T>(values[i]).max(range.low).min(range.high));
        }
    }

    /// Folds as many channels of a window as there are results, less than a block.
    #[inline(always)]
    fn fold_part<F: Fold>(
        &self,
        covered: &Covered,
        output: &mut [T],
        range: OutputRange,
        fold: &F,
    ) {
        let mut values = [fold.first::<T>(); BLOCK];
        for from in self.pixels(covered) {
            for (value, from) in values.iter_mut().zip(&from[..output.len()]) {
                *value = fold.add(*value, *from);
            }
        }
        fold.finish(&mut values, covered.down.len() * covered.across.len());
        for (to, value) in output.iter_mut().zip(values) {
            *to = T::narrow(fold.result::<T>(value).max(range.low).min(range.high));
        }
    }

    /// Returns the values from the first channel on of each pixel of a window.
    #[inline(always)]
    fn pixels(&self, covered: &Covered) -> impl Iterator<Item = &[T]> {
        let across = covered.across.clone();
        covered.down.clone().flat_map(move |y| {
            across
                .clone()
                .map(move |x| &self.input[self.first + (y * self.width + x) * self.channels..])
        })
    }
}

/// How the values of a window become one.
trait Fold: Sync {
    /// The result for the values so far.
    type Partial<T: Stored>: Copy;
    /// Returns the partial result of no values.
    fn first<T: Stored>(&self) -> Self::Partial<T>;
    /// Adds a value.
    fn add<T: Stored>(&self, partial: Self::Partial<T>, value: T) -> Self::Partial<T>;
    /// Makes the partial results of `count` values each final.
    fn finish<T: Stored>(&self, partial: &mut [Self::Partial<T>; BLOCK], count: usize);
    /// Returns a final result.
    fn result<T: Stored>(&self, partial: Self::Partial<T>) -> i32;
}

struct Mean;

impl Fold for Mean {
    type Partial<T: Stored> = i32;

    #[inline(always)]
    fn first<T: Stored>(&self) -> i32 {
        0
    }

    #[inline(always)]
    fn add<T: Stored>(&self, sum: i32, value: T) -> i32 {
        sum + value.widen()
    }

    #[inline(always)]
    fn finish<T: Stored>(&self, sums: &mut [i32; BLOCK], count: usize) {
        /// Sums, with half the number of their values, whose quotients are far enough from the
        /// next integer: a half is added to them, and what float32 rounds is less than that.
        const EXACT: usize = 1 << 21;
        let max_exact = EXACT / (T::MAX - T::MIN + 1) as usize;
        let half = (count / 2) as i32;
        for sum in sums.iter_mut() {
            *sum += if *sum > 0 { half } else { -half };
        }
        match count {
            0 => *sums = [0; BLOCK],
            _ if count <= max_exact => {
                let factor = 1.0 / count as f32;
                for sum in sums {
                    let sum_as_float = *sum as f32;
                    let quotient = (sum_as_float + 0.5f32.copysign(sum_as_float)) * factor;
                    // SAFETY: it is within the range of 16 bits.
                    *sum = unsafe { quotient.to_int_unchecked() };
                }
            }
            _ => sums.iter_mut().for_each(|sum| *sum /= count as i32),
        }
    }

    #[inline(always)]
    fn result<T: Stored>(&self, mean: i32) -> i32 {
        mean
    }
}

struct Max;

impl Fold for Max {
    type Partial<T: Stored> = T;

    #[inline(always)]
    fn first<T: Stored>(&self) -> T {
        T::narrow(T::MIN)
    }

    #[inline(always)]
    fn add<T: Stored>(&self, largest: T, value: T) -> T {
        largest.max(value)
    }

    #[inline(always)]
    fn finish<T: Stored>(&self, _: &mut [T; BLOCK], _: usize) {}

    #[inline(always)]
    fn result<T: Stored>(&self, largest: T) -> i32 {
        largest.widen()
    }
}

/// Computes the mean of each window, halves away from zero; 0 where it covers nothing.
///
/// # Panics
/// If slices are not as long as shapes say.
pub fn average_pool<T: Stored>(
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
pub fn max_pool<T: Stored>(
    level: Level,
    shape: &IntegerPool,
    input: &[T],
    output: &mut [T],
    pool: &ThreadPool,
) {
    shape.fold(level, input, output, pool, &Max);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the means of sums on both sides of every integer, and at the limits.
    fn check<T: Stored>(count: usize) {
        let half = count as i32 / 2;
        let (least, most) = (T::MIN * count as i32, T::MAX * count as i32);
        let sums = (T::MIN..=T::MAX).flat_map(|mean| {
            [-1, 0, 1].map(|away| (mean * count as i32 + half + away).clamp(least, most))
        });
        let sums: Vec<i32> = sums.collect();
        for sums in sums.chunks(BLOCK) {
            let mut means = [0; BLOCK];
            means[..sums.len()].copy_from_slice(sums);
            Mean.finish::<T>(&mut means, count);
            for (mean, sum) in means.iter().zip(sums) {
                let rounded = if *sum > 0 { sum + half } else { sum - half };
                assert_eq!(*mean, rounded / count as i32, "{sum} of {count} values");
            }
        }
    }

    #[test]
    fn means_are_rounded_divisions() {
        for count in (1..=70).chain([500, 1023, 4099, 8191, 8192, 8193, 20_000]) {
            check::<i8>(count);
            check::<u8>(count);
        }
        (1..=40).for_each(check::<i16>);
    }
}
