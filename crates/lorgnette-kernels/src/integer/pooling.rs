//! Pools of 8-bit values, which keep their scale.

use super::chunks::for_chunks;
use super::{Byte, OutputRange};
use crate::ThreadPool;
use crate::shape::Window;

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
    fn covered(&self, place: [usize; 2], d: usize) -> std::ops::Range<usize> {
        let Window { kernel, stride, padding, .. } = self.window;
        let start = place[d] * stride[d];
        let before = if d == 0 { padding.top } else { padding.left };
        let end = (start + kernel[d]).saturating_sub(before).min(self.input_shape[d + 1]);
        start.saturating_sub(before)..end
    }

    /// Folds the values of each window and stores the results.
    fn fold<T: Byte>(&self, input: &[T], output: &mut [T], pool: &ThreadPool, fold: &impl Fold) {
        let [_, rows, columns, channels] = self.output_shape;
        let [_, height, width, _] = self.input_shape;
        assert_eq!(input.len(), self.input_shape.iter().product(), "the input's shape");
        assert_eq!(output.len(), self.output_shape.iter().product(), "the output's shape");
        for_chunks(output, channels, pool, &|pixels, output| {
            for (pixel, output) in pixels.zip(output.chunks_exact_mut(channels)) {
                let n = pixel / (rows * columns);
                let place = [pixel / columns % rows, pixel % columns];
                let (down, across) = (self.covered(place, 0), self.covered(place, 1));
                let count = (down.len() * across.len()) as i32;
                for (channel, to) in output.iter_mut().enumerate() {
                    let mut value = fold.first::<T>();
                    for y in down.clone() {
                        for x in across.clone() {
                            let from = ((n * height + y) * width + x) * channels + channel;
                            value = fold.add(value, input[from].widen());
                        }
                    }
                    let value = fold.finish(value, count);
                    *to = T::narrow(value.max(self.range.low).min(self.range.high));
                }
            }
        });
    }
}

/// How the values of a window become one.
trait Fold: Sync {
    /// The result of no values.
    fn first<T: Byte>(&self) -> i32;
    /// Adds a value.
    fn add(&self, result: i32, value: i32) -> i32;
    /// The final result of `count` values.
    fn finish(&self, result: i32, count: i32) -> i32;
}

struct Mean;

impl Fold for Mean {
    fn first<T: Byte>(&self) -> i32 {
        0
    }

    fn add(&self, sum: i32, value: i32) -> i32 {
        sum + value
    }

    fn finish(&self, sum: i32, count: i32) -> i32 {
        let half = if sum > 0 { count / 2 } else { -(count / 2) };
        (sum + half).checked_div(count).unwrap_or(0)
    }
}

struct Max;

impl Fold for Max {
    fn first<T: Byte>(&self) -> i32 {
        T::MIN
    }

    fn add(&self, largest: i32, value: i32) -> i32 {
        largest.max(value)
    }

    fn finish(&self, largest: i32, _: i32) -> i32 {
        largest
    }
}

/// Computes the mean of each window, halves away from zero; 0 where it covers nothing.
///
/// # Panics
/// If slices are not as long as shapes say.
pub fn average_pool<T: Byte>(
    shape: &IntegerPool,
    input: &[T],
    output: &mut [T],
    pool: &ThreadPool,
) {
    shape.fold(input, output, pool, &Mean);
}

/// Computes the largest value of each window.
///
/// # Panics
/// If slices are not as long as shapes say.
pub fn max_pool<T: Byte>(shape: &IntegerPool, input: &[T], output: &mut [T], pool: &ThreadPool) {
    shape.fold(input, output, pool, &Max);
}
