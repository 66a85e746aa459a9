//! Values at the border of the integers, and values that only move.

use super::Stored;
use super::chunks::for_chunks;
use super::table::Scale;
use crate::blocks::{SharedSlice, chunk};
use crate::fallback::FILL;
use crate::simd::{Simd, SimdOp};
use crate::{Level, ThreadPool};

/// Some real numbers to be stored.
struct Quantize<'a, T> {
    to: Scale,
    input: &'a [f32],
    output: &'a mut [T],
}

impl<T: Stored> SimdOp for Quantize<'_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Scale { scale, zero_point } = self.to;
        for (stored, real) in self.output.iter_mut().zip(self.input) {
            let value = nearest(real / scale) + zero_point;
            *stored = T::narrow(value.max(T::MIN).min(T::MAX));
        }
    }
}

/// Returns the nearest integer, halves away from zero, or what is beyond 16 bits in its place; 0
/// for NaN.
#[inline(always)]
fn nearest(x: f32) -> i32 {
    /// The largest float32 below a half: what is just below a half must not reach one.
    const ALMOST_HALF: f32 = 0.499_999_97;
    let x = limited(x);
    // SAFETY: it is within the limits, which 32 bits have.
    unsafe { (x + ALMOST_HALF.copysign(x)).to_int_unchecked() }
}

/// Returns a number, or what is beyond 16 bits in its place; 0 for NaN.
#[inline(always)]
fn limited(x: f32) -> f32 {
    const BEYOND: f32 = 1e6;
    if x.is_nan() { 0.0 } else { x.clamp(-BEYOND, BEYOND) }
}

/// Some real numbers to be stored as XNNPACK rounds them.
struct QuantizeToEven<'a, T> {
    to: Scale,
    input: &'a [f32],
    output: &'a mut [T],
}

impl<T: Stored> SimdOp for QuantizeToEven<'_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let factor = 1.0 / self.to.scale;
        for (stored, real) in self.output.iter_mut().zip(self.input) {
            let value = limited(real * factor).round_ties_even();
            // SAFETY: it is within the limits, which 32 bits have.
            let value: i32 = unsafe { value.to_int_unchecked() };
            *stored = T::narrow((value + self.to.zero_point).max(T::MIN).min(T::MAX));
        }
    }
}

/// Some stored values to be made real.
struct Dequantize<'a, T> {
    from: Scale,
    input: &'a [T],
    output: &'a mut [f32],
}

impl<T: Stored> SimdOp for Dequantize<'_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (real, stored) in self.output.iter_mut().zip(self.input) {
            *real = self.from.scale * (stored.widen() - self.from.zero_point) as f32;
        }
    }
}

/// Stores real numbers: the nearest steps, halves away from zero, within the type's range.
///
/// # Panics
/// If there are fewer numbers than results.
pub fn quantize<T: Stored>(
    level: Level,
    to: Scale,
    input: &[f32],
    output: &mut [T],
    pool: &ThreadPool,
) {
    for_chunks(output, 1, pool, &|items, output| {
        level.dispatch(Quantize { to, input: &input[items], output });
    });
}

/// Stores real numbers as XNNPACK does: times the inverse of the scale, halves to even.
///
/// # Panics
/// If there are fewer numbers than results.
pub fn quantize_to_even<T: Stored>(
    level: Level,
    to: Scale,
    input: &[f32],
    output: &mut [T],
    pool: &ThreadPool,
) {
    for_chunks(output, 1, pool, &|items, output| {
        level.dispatch(QuantizeToEven { to, input: &input[items], output });
    });
}

/// Returns to real numbers: `scale · (stored − zero_point)`.
///
/// # Panics
/// If there are fewer values than results.
pub fn dequantize<T: Stored>(
    level: Level,
    from: Scale,
    input: &[T],
    output: &mut [f32],
    pool: &ThreadPool,
) {
    for_chunks(output, 1, pool, &|items, output| {
        level.dispatch(Dequantize { from, input: &input[items], output });
    });
}

/// A movement of bytes: for each run of the output, its place in the input.
#[derive(Clone, Debug)]
pub struct ByteGather {
    /// Bytes of a run.
    pub run: usize,
    /// The index of each run's first byte; [`FILL`] for a run of `fill`.
    pub sources: Vec<u32>,
    /// The bytes where there is no source, in turn.
    pub fill: [u8; 2],
}

impl ByteGather {
    /// Copies the runs.
    ///
    /// # Panics
    /// If a source is beyond the input.
    pub fn run(&self, input: &[u8], output: &mut [u8], pool: &ThreadPool) {
        for_chunks(output, self.run, pool, &|items, chunk| {
            let (mut sources, mut rest) = (&self.sources[items], chunk);
            while let Some(&source) = sources.first() {
                let runs = self.runs_together(sources);
                let (to, behind) = rest.split_at_mut(runs * self.run);
                match source {
                    FILL => {
                        to.iter_mut().zip(self.fill.iter().cycle()).for_each(|(to, x)| *to = *x);
                    }
                    source => to.copy_from_slice(&input[source as usize..][..to.len()]),
                }
                (sources, rest) = (&sources[runs..], behind);
            }
        });
    }

    /// Returns the number of runs, from the first one on, that are one in the input too. A fill
    /// whose two bytes differ begins anew with each run.
    fn runs_together(&self, sources: &[u32]) -> usize {
        let step = self.run as u32;
        let is_one_byte = self.fill[0] == self.fill[1] || self.run.is_multiple_of(2);
        let is_next = |pair: &[u32]| match pair {
            [FILL, second] => *second == FILL && is_one_byte,
            [first, second] => first.checked_add(step) == Some(*second) && *second != FILL,
            _ => false,
        };
        1 + sources.windows(2).take_while(|pair| is_next(pair)).count()
    }
}

/// Copies rows of `row` bytes to places that are `stride` bytes apart; the output may end after the
/// last row.
///
/// # Panics
/// If the output is shorter than that, or rows overlap.
pub fn copy_rows(row: usize, stride: usize, input: &[u8], output: &mut [u8], pool: &ThreadPool) {
    /// Bytes of a task: enough to be worth one.
    const TASK_BYTES: usize = 32 << 10;
    assert!(row > 0 && row <= stride, "rows of {row} bytes, {stride} apart");
    let rows = input.len() / row;
    let tasks = input.len().div_ceil(TASK_BYTES).next_multiple_of(pool.threads()).min(rows);
    let output = SharedSlice::new(output);
    pool.run(tasks, &|_, index| {
        for i in chunk(rows, tasks, index) {
            // SAFETY: rows do not overlap, and each is in one task.
            let to = unsafe { output.slice_mut(i * stride..i * stride + row) };
            to.copy_from_slice(&input[i * row..][..row]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_is_round() {
        for x in [0.0, 0.5, 1.5, 2.5, 0.499_999_97, 65_535.5, f32::NAN, 1e-30, 0.999_999_94] {
            assert_eq!(nearest(x), x.round() as i32, "{x}");
            assert_eq!(nearest(-x), (-x).round() as i32, "-{x}");
        }
        assert_eq!([nearest(3e9), nearest(f32::NEG_INFINITY)], [1_000_000, -1_000_000]);
    }
}
