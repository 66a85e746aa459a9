//! Means over dimensions.

use super::chunks::for_chunks;
use super::table::Scale;
use super::{Byte, Multiplier, OutputRange};
use crate::ThreadPool;

/// A mean whose output may have another scale than its input.
#[derive(Clone, Copy, Debug)]
pub struct IntegerMean {
    /// From a sum's distance from zero to the output.
    factor: Multiplier,
    /// The zero point, as often as there are values in a sum.
    zero_sum: i32,
    count: usize,
    range: OutputRange,
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
        }
    }

    /// Computes the means of the values that `sources` list, `count` for each result.
    ///
    /// # Panics
    /// If `sources` has another length, or an index beyond the input.
    pub fn run<T: Byte>(&self, sources: &[u32], input: &[T], output: &mut [T], pool: &ThreadPool) {
        assert_eq!(sources.len(), output.len() * self.count, "the sources of a mean");
        for_chunks(output, 1, pool, &|range, chunk| {
            for (index, to) in range.zip(chunk) {
                let sources = &sources[index * self.count..][..self.count];
                let sum: i32 = sources.iter().map(|&from| input[from as usize].widen()).sum();
                *to = self.range.store(self.factor.apply(sum - self.zero_sum));
            }
        });
    }
}
