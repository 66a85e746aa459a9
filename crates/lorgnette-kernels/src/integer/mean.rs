//! Means over dimensions.

use super::chunks::for_chunks;
use super::table::Scale;
use super::{Multiplier, OutputRange, Stored};
use crate::simd::{Simd, SimdOp};
use crate::{Level, ThreadPool};

/// The values of each mean.
#[derive(Clone, Debug)]
pub struct MeanSources {
    /// For each result the indices of its values; empty where `inner` says them.
    table: Vec<u32>,
    /// The number of indices.
    len: usize,
    /// The number of neighbouring results whose values are neighbours too, `inner` apart from one
    /// to the next: as of means over rows and columns, where it is the channels.
    inner: Option<usize>,
}

impl MeanSources {
    /// Returns the sources of results of `count` values each.
    pub fn new(table: Vec<u32>, count: usize) -> Self {
        let inner = match table[..] {
            [first, second, ..] if count > 1 => second.saturating_sub(first) as usize,
            _ => 1,
        };
        let is_regular = |inner: usize| {
            let place = |i: usize| {
                let (result, value) = (i / count, i % count);
                result / inner * inner * count + value * inner + result % inner
            };
            inner > 0 && table.iter().enumerate().all(|(i, &source)| source as usize == place(i))
        };
        let inner = (count > 0 && is_regular(inner)).then_some(inner);
        let len = table.len();
        Self { table: if inner.is_some() { Vec::new() } else { table }, len, inner }
    }
}

/// Neighbouring results whose sums are computed together.
const BLOCK: usize = 64;

/// Sums of blocks of neighbouring values.
struct Sums<'a, T> {
    mean: &'a IntegerMean,
    /// The first value of the first result.
    input: &'a [T],
    /// Values from one of a sum to the next.
    inner: usize,
    output: &'a mut [T],
}

impl<T: Stored> SimdOp for Sums<'_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (block, output) in self.output.chunks_mut(BLOCK).enumerate() {
            let mut sums = [0; BLOCK];
            for i in 0..self.mean.count {
                let values = &self.input[i * self.inner + block * BLOCK..][..output.len()];
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum += value.widen();
                }
            }
            for (to, sum) in output.iter_mut().zip(sums) {
                *to = self.mean.result(sum);
            }
        }
    }
}

/// A mean whose output may have another scale than its input.
#[derive(Clone, Copy, Debug)]
pub struct IntegerMean {
    /// From a sum's distance from zero to the output.
    factor: Multiplier,
    /// The zero point, as often as there are values in a sum.
    zero_sum: i32,
    count: usize,
    range: OutputRange,
    /// The factor as XNNPACK has it, where results are rounded as it does.
    float: Option<f32>,
}

impl IntegerMean {
    /// Returns the mean of `count` values.
    ///
    /// # Panics
    /// If there are none, or more than 2²³.
    pub fn new(count: usize, input: Scale, output_scale: f32, range: OutputRange) -> Self {
        assert!((1..=1 << 23).contains(&count), "a mean of {count} values");
        let ratio = Multiplier::from_real(f64::from(input.scale) / f64::from(output_scale));
        // The division is part of the factor, which keeps as many bits as it can.
        let shift = (count.ilog2() as i32).min(31 + ratio.shift).max(0);
        let mantissa = ((i64::from(ratio.mantissa) << shift) / count as i64) as i32;
        Self {
            factor: Multiplier { mantissa, shift: ratio.shift - shift },
            zero_sum: input.zero_point * count as i32,
            count,
            range,
            float: None,
        }
    }

    /// Returns the same mean as XNNPACK rounds it: in float32 and after the zero point is added,
    /// halves to even.
    #[must_use]
    pub fn with_xnnpack_rounding(self, input_scale: f32, output_scale: f32) -> Self {
        Self { float: Some(input_scale / output_scale / self.count as f32), ..self }
    }

    /// Returns the mean of values of this sum.
    #[inline(always)]
    fn result<T: Stored>(&self, sum: i32) -> T {
        let sum = sum - self.zero_sum;
        let Some(factor) = self.float else { return self.range.store(self.factor.apply(sum)) };
        let value = sum as f32 * factor + self.range.zero_point as f32;
        let value = value.round_ties_even() as i32;
        T::narrow(value.max(self.range.low).min(self.range.high))
    }

    /// Computes the means of the values that `sources` list, `count` for each result.
    ///
    /// # Panics
    /// If `sources` has another length, or an index beyond the input.
    pub fn run<T: Stored>(
        &self,
        level: Level,
        sources: &MeanSources,
        input: &[T],
        output: &mut [T],
        pool: &ThreadPool,
    ) {
        let MeanSources { table, len, inner } = sources;
        assert_eq!(*len, output.len() * self.count, "the sources of a mean");
        for_chunks(output, 1, pool, &|range, chunk| {
            if let Some(inner) = *inner {
                let (mut first, mut chunk) = (range.start, chunk);
                while !chunk.is_empty() {
                    let (outer, at) = (first / inner, first % inner);
                    let (output, rest) = chunk.split_at_mut(chunk.len().min(inner - at));
                    first += output.len();
                    let input = &input[outer * inner * self.count + at..];
                    level.dispatch(Sums { mean: self, input, inner, output });
                    chunk = rest;
                }
                return;
            }
            for (index, to) in range.zip(chunk) {
                let sources = &table[index * self.count..][..self.count];
                let sum: i32 = sources.iter().map(|&from| input[from as usize].widen()).sum();
                *to = self.result(sum);
            }
        });
    }
}
