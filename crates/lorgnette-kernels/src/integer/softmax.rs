//! Softmax in fixed-point numbers.

use super::chunks::for_chunks;
use super::fixed_point::{
    divide_by_power_of_two, doubling_high_product, exp_of_negative, reciprocal_of_one_plus,
};
use super::{Byte, Multiplier};
use crate::ThreadPool;

/// Bits before the point of the differences that are exponentiated.
const DIFFERENCE_BITS: i32 = 5;
/// Bits that a number of 32 bits can be shifted by.
const MAX_EXPONENT: i32 = 31;
/// Bits before the point of sums of exponentials.
const SUM_BITS: i32 = 12;

/// A softmax whose output has the scale 1/256 and the type's smallest value as its zero point.
#[derive(Clone, Copy, Debug)]
pub struct IntegerSoftmax {
    factor: Multiplier,
    /// Differences from the largest value below this count as nothing.
    min_difference: i32,
}

impl IntegerSoftmax {
    /// Returns the softmax of `beta` times values of that scale.
    ///
    /// # Panics
    /// If their product is not positive.
    pub fn new(scale: f32, beta: f32) -> Self {
        let exact = f64::from(beta) * f64::from(scale) * f64::from(1 << (31 - DIFFERENCE_BITS));
        let factor = from_capped(exact);
        let largest =
            f64::from((1 << DIFFERENCE_BITS) - 1) * f64::from(1 << (31 - DIFFERENCE_BITS));
        let radius = (largest / 2f64.powi(factor.shift)).floor();
        Self { factor, min_difference: -(radius as i32) }
    }

    /// Computes the softmax of each row of `columns` values.
    pub fn run<T: Byte>(&self, columns: usize, input: &[T], output: &mut [T], pool: &ThreadPool) {
        for_chunks(output, columns, pool, &|rows, output| {
            let input = &input[rows.start * columns..rows.end * columns];
            for (row, to) in input.chunks_exact(columns).zip(output.chunks_exact_mut(columns)) {
                self.row(row, to);
            }
        });
    }

    fn row<T: Byte>(&self, row: &[T], output: &mut [T]) {
        let largest = row.iter().map(|x| x.widen()).fold(T::MIN, i32::max);
        let exponential = |x: &T| {
            let difference = x.widen() - largest;
            (difference >= self.min_difference).then(|| exp_of_negative(self.scaled(difference)))
        };
        let terms = row.iter().filter_map(exponential);
        let sum =
            terms.fold(0i32, |sum, term| sum.wrapping_add(divide_by_power_of_two(term, SUM_BITS)));
        let headroom = sum.leading_zeros();
        let above_one = (sum.cast_unsigned().wrapping_shl(headroom)).wrapping_sub(1 << 31);
        let reciprocal = reciprocal_of_one_plus(above_one.cast_signed());
        let exponent = SUM_BITS - headroom as i32 + 31 - 8;
        for (to, x) in output.iter_mut().zip(row) {
            // Beyond 31 bits, of more than 500 values that are nearly equal, all shares are less
            // than half a step.
            let term = exponential(x).filter(|_| exponent <= MAX_EXPONENT);
            let share = term.map_or(0, |term| {
                divide_by_power_of_two(doubling_high_product(reciprocal, term), exponent)
            });
            *to = T::narrow((share + T::MIN).clamp(T::MIN, T::MAX));
        }
    }

    /// A difference with as many bits before the point as exponentials take.
    fn scaled(&self, difference: i32) -> i32 {
        doubling_high_product(difference.wrapping_mul(1 << self.factor.shift), self.factor.mantissa)
    }
}

/// The multiplier of a factor above one; beyond 2³¹ − 1 all differences count as nothing.
fn from_capped(factor: f64) -> Multiplier {
    let capped = factor.min(f64::from(u32::MAX / 2));
    assert!(capped > 1.0, "a softmax of values of the scale {factor}");
    let halved = Multiplier::from_real(capped / 4.0);
    Multiplier { shift: halved.shift + 2, ..halved }
}
