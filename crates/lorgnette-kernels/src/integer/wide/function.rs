//! Functions of one value that scale it.

use crate::integer::chunks::for_chunks;
use crate::integer::{Multiplier, OutputRange, Stored};
use crate::simd::{Simd, SimdOp};
use crate::{Level, ThreadPool};

/// The change of stored values to another scale, zero point or type, by a factor for values at or
/// above zero and one for those below.
#[derive(Clone, Copy, Debug)]
pub struct WideFunction {
    zero_point: i32,
    above: Multiplier,
    below: Multiplier,
    range: OutputRange,
}

impl WideFunction {
    /// Returns the change of values with this zero point by one factor.
    pub fn scale(zero_point: i32, factor: f64, range: OutputRange) -> Self {
        let factor = Multiplier::from_real(factor);
        Self { zero_point, above: factor, below: factor, range }
    }

    /// Returns the same change with another factor for values below zero.
    #[must_use]
    pub fn with_slope(self, factor: f64) -> Self {
        Self { below: Multiplier::from_real(factor), ..self }
    }

    /// Computes all values.
    ///
    /// # Panics
    /// If there are fewer values than results.
    pub fn run<T: Stored, U: Stored>(
        &self,
        level: Level,
        input: &[T],
        output: &mut [U],
        pool: &ThreadPool,
    ) {
        for_chunks(output, 1, pool, &|items, output| {
            level.dispatch(Values { function: self, input: &input[items], output });
        });
    }
}

/// Some values.
struct Values<'a, T, U> {
    function: &'a WideFunction,
    input: &'a [T],
    output: &'a mut [U],
}

impl<T: Stored, U: Stored> SimdOp for Values<'_, T, U> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let WideFunction { zero_point, above, below, range } = *self.function;
        for (to, from) in self.output.iter_mut().zip(self.input) {
            let value = from.widen() - zero_point;
            let value = if value >= 0 { above.apply(value) } else { below.apply(value) };
            *to = range.store(value);
        }
    }
}
