//! Pools of 8-bit values, which keep their scale.

use super::{Byte, OutputRange};
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

    /// Folds the values of each window, from `first` on, and stores what `finish` makes of it and
    /// their number.
    fn fold<T: Byte>(
        &self,
        input: &[T],
        output: &mut [T],
        first: i32,
        fold: impl Fn(i32, i32) -> i32,
        finish: impl Fn(i32, i32) -> i32,
    ) {
        let [batch, rows, columns, channels] = self.output_shape;
        let [_, height, width, _] = self.input_shape;
        assert_eq!(input.len(), self.input_shape.iter().product(), "the input's shape");
        assert_eq!(output.len(), self.output_shape.iter().product(), "the output's shape");
        let mut results = output.iter_mut();
        for pixel in 0..batch * rows * columns {
            let (n, place) = (pixel / (rows * columns), [pixel / columns % rows, pixel % columns]);
            let (down, across) = (self.covered(place, 0), self.covered(place, 1));
            let count = (down.len() * across.len()) as i32;
            for channel in 0..channels {
                let mut value = first;
                for y in down.clone() {
                    for x in across.clone() {
                        let from = ((n * height + y) * width + x) * channels + channel;
                        value = fold(value, input[from].widen());
                    }
                }
                let value = finish(value, count).max(self.range.low).min(self.range.high);
                if let Some(to) = results.next() {
                    *to = T::narrow(value);
                }
            }
        }
    }
}

/// The mean of each window, halves away from zero.
///
/// # Panics
/// If slices are not as long as shapes say, or a window covers nothing.
pub fn average_pool<T: Byte>(pool: &IntegerPool, input: &[T], output: &mut [T]) {
    let mean = |sum: i32, count: i32| {
        let half = if sum > 0 { count / 2 } else { -(count / 2) };
        (sum + half) / count
    };
    pool.fold(input, output, 0, |sum, value| sum + value, mean);
}

/// The largest value of each window.
///
/// # Panics
/// If slices are not as long as shapes say.
pub fn max_pool<T: Byte>(pool: &IntegerPool, input: &[T], output: &mut [T]) {
    pool.fold(input, output, T::MIN, i32::max, |value, _| value);
}
