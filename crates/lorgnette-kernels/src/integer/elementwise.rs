//! Sums, differences and products of two stored values.

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
mod avx512;

use super::chunks::for_chunks;
use super::contraction::nearest_even;
use super::{Multiplier, OutputRange, Stored};
use crate::simd::{Simd, SimdOp};
use crate::{Level, ThreadPool};

/// Bits that summands are shifted by, so that their scales are met more exactly.
const ADD_SHIFT: i32 = 20;

/// An operand, and how its values become those of the result.
#[derive(Clone, Copy, Debug)]
pub struct IntegerOperand<'a, T> {
    /// Its values.
    pub values: &'a [T],
    /// For each result the index of its value; none if the operand has the result's shape.
    pub sources: Option<&'a [u32]>,
}

impl<T: Stored> IntegerOperand<'_, T> {
    #[inline(always)]
    fn at(&self, index: usize) -> i32 {
        self.values[self.sources.map_or(index, |sources| sources[index] as usize)].widen()
    }
}

/// A function of two stored values.
pub trait IntegerBinary: Sync {
    /// Returns the stored result for two stored values.
    fn apply<T: Stored>(&self, a: i32, b: i32) -> T;

    /// Computes the results of as many pairs with instructions of the level that the compiler does
    /// not find; returns false if it has none.
    fn apply_all<T: Stored>(&self, _: Level, _: [&[T]; 2], _: &mut [T]) -> bool {
        false
    }
}

/// An addition or a subtraction of values of different scales.
#[derive(Clone, Copy, Debug)]
pub struct IntegerAdd {
    zero_points: [i32; 2],
    inputs: [FineScale; 2],
    output: OneShift,
    /// The output's factor.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "for AVX-512"))]
    factor: Multiplier,
    range: OutputRange,
    /// −1 for a subtraction.
    sign: i32,
}

/// The scale of a summand: what [`Multiplier::apply`] does with `2²⁰ · x` for a difference of two
/// 8-bit values and a factor up to one half, in 32 bits.
#[derive(Clone, Copy, Debug)]
struct FineScale {
    /// The mantissa in two parts, of which the lower has `31 − ADD_SHIFT` bits.
    high: i32,
    low: i32,
    /// Rounds the shift.
    half: i32,
    /// All bits where a half of a negative number is rounded downward: unless nothing is shifted.
    ties: i32,
    shift: i32,
}

impl FineScale {
    const LOW_BITS: i32 = 31 - ADD_SHIFT;

    fn new(factor: Multiplier) -> Self {
        let shift = (-factor.shift).max(0);
        Self {
            high: factor.mantissa >> Self::LOW_BITS,
            low: factor.mantissa & ((1 << Self::LOW_BITS) - 1),
            half: if shift == 0 { 0 } else { 1 << (shift - 1) },
            ties: if shift == 0 { 0 } else { -1 },
            shift,
        }
    }

    #[inline(always)]
    fn apply(self, x: i32) -> i32 {
        let below = (x * self.low + (1 << (Self::LOW_BITS - 1))) >> Self::LOW_BITS;
        let product = x * self.high + below;
        (product + self.half + ((product >> 31) & self.ties)) >> self.shift
    }
}

/// [`Multiplier::apply`] with one addition and one shift.
#[derive(Clone, Copy, Debug)]
struct OneShift {
    mantissa: i32,
    left: i32,
    /// Rounds both shifts.
    half: i64,
    ties: i32,
    shift: i32,
}

impl OneShift {
    fn new(factor: Multiplier) -> Self {
        let shift = (-factor.shift).max(0);
        let half_of_shift = if shift == 0 { 0 } else { 1i64 << (30 + shift) };
        Self {
            mantissa: factor.mantissa,
            left: factor.shift.max(0),
            half: half_of_shift + (1 << 30),
            ties: if shift == 0 { 0 } else { -1 },
            shift: 31 + shift,
        }
    }

    #[inline(always)]
    fn apply(self, x: i32) -> i32 {
        let x = x.wrapping_mul(1 << self.left);
        let product = i64::from(x) * i64::from(self.mantissa) + self.half;
        ((product + (i64::from((x >> 31) & self.ties) << 31)) >> self.shift) as i32
    }
}

impl IntegerAdd {
    /// Returns the addition of inputs of these scales and zero points.
    pub fn new(
        scales: [f32; 2],
        zero_points: [i32; 2],
        output_scale: f32,
        range: OutputRange,
    ) -> Self {
        let twice_largest = 2.0 * f64::from(scales[0].max(scales[1]));
        let output = twice_largest / (f64::from(1 << ADD_SHIFT) * f64::from(output_scale));
        Self {
            zero_points,
            inputs: scales.map(|scale| {
                FineScale::new(Multiplier::from_real(f64::from(scale) / twice_largest))
            }),
            output: OneShift::new(Multiplier::from_real(output)),
            factor: Multiplier::from_real(output),
            range,
            sign: 1,
        }
    }

    /// Returns the subtraction of the second input.
    #[must_use]
    pub fn subtracting(self) -> Self {
        Self { sign: -1, ..self }
    }
}

impl IntegerBinary for IntegerAdd {
    #[inline(always)]
    fn apply<T: Stored>(&self, a: i32, b: i32) -> T {
        let a = self.inputs[0].apply(a - self.zero_points[0]);
        let b = self.inputs[1].apply(b - self.zero_points[1]);
        self.range.store(self.output.apply(a + self.sign * b))
    }

    #[cfg(target_arch = "x86_64")]
    fn apply_all<T: Stored>(&self, level: Level, operands: [&[T]; 2], output: &mut [T]) -> bool {
        avx512::add(self, level, operands, output)
    }
}

/// A multiplication of values of different scales.
#[derive(Clone, Copy, Debug)]
pub struct IntegerMul {
    zero_points: [i32; 2],
    output: Multiplier,
    range: OutputRange,
}

impl IntegerMul {
    /// Returns the multiplication of inputs of these scales and zero points.
    pub fn new(
        scales: [f32; 2],
        zero_points: [i32; 2],
        output_scale: f32,
        range: OutputRange,
    ) -> Self {
        // In float32, as TensorFlow Lite computes it.
        let factor = scales[0] * scales[1] / output_scale;
        Self { zero_points, output: Multiplier::from_real(f64::from(factor)), range }
    }
}

impl IntegerBinary for IntegerMul {
    #[inline(always)]
    fn apply<T: Stored>(&self, a: i32, b: i32) -> T {
        let product = (a - self.zero_points[0]) * (b - self.zero_points[1]);
        self.range.store(self.output.apply(product))
    }
}

/// An addition or a subtraction as XNNPACK rounds it: factors of 21 bits, one shift, halves upward.
#[derive(Clone, Copy, Debug)]
pub struct XnnpackAdd {
    factors: [i32; 2],
    /// The zero points' share of the sum, and half of the part that is shifted out.
    bias: i32,
    shift: i32,
    range: OutputRange,
}

impl XnnpackAdd {
    /// Returns the sum of inputs of these scales and zero points; a negative scale subtracts.
    /// `None` for scales that XNNPACK does not take.
    pub fn new(
        scales: [f32; 2],
        zero_points: [i32; 2],
        output_scale: f32,
        range: OutputRange,
    ) -> Option<Self> {
        /// Bits of the larger factor, without its highest one.
        const FACTOR_BITS: i32 = 20;
        const MIN_RATIO: f32 = 1.0 / 1024.0;
        const MAX_RATIO: f32 = 256.0;
        let [a, b] = scales.map(|scale| scale / output_scale);
        if ![a, b].iter().all(|ratio| (MIN_RATIO..MAX_RATIO).contains(&ratio.abs())) {
            return None;
        }
        let exponent = (a.abs().max(b.abs()).to_bits() >> 23) as i32 - 127;
        let shift = FACTOR_BITS - exponent;
        let factors =
            [a, b].map(|ratio| (f64::from(ratio) * f64::from(1 << shift)).round_ties_even() as i32);
        let of_zeros = factors[0] * zero_points[0] + factors[1] * zero_points[1];
        Some(Self { factors, bias: (1 << (shift - 1)) - of_zeros, shift, range })
    }
}

impl IntegerBinary for XnnpackAdd {
    #[inline(always)]
    fn apply<T: Stored>(&self, a: i32, b: i32) -> T {
        let sum = self.bias + a * self.factors[0] + b * self.factors[1];
        self.range.store(sum >> self.shift)
    }
}

/// A multiplication as XNNPACK rounds it: in float32, halves to even.
#[derive(Clone, Copy, Debug)]
pub struct XnnpackMul {
    zero_points: [i32; 2],
    factor: f32,
    range: OutputRange,
}

impl XnnpackMul {
    /// Returns the product of inputs of these scales and zero points. `None` for scales that
    /// XNNPACK does not take.
    pub fn new(
        scales: [f32; 2],
        zero_points: [i32; 2],
        output_scale: f32,
        range: OutputRange,
    ) -> Option<Self> {
        const MIN_FACTOR: f32 = 1.0 / 65536.0;
        const MAX_FACTOR: f32 = 256.0;
        let factor = scales[0] * scales[1] / output_scale;
        let is_known = (MIN_FACTOR..MAX_FACTOR).contains(&factor);
        is_known.then_some(Self { zero_points, factor, range })
    }
}

impl IntegerBinary for XnnpackMul {
    #[inline(always)]
    fn apply<T: Stored>(&self, a: i32, b: i32) -> T {
        let product = (a - self.zero_points[0]) * (b - self.zero_points[1]);
        self.range.store(nearest_even(product, self.factor))
    }
}

/// A value where it is positive, else its product with another of its own scale.
#[derive(Clone, Copy, Debug)]
pub struct IntegerPrelu {
    zero_points: [i32; 2],
    positive: Multiplier,
    negative: Multiplier,
    range: OutputRange,
}

impl IntegerPrelu {
    /// Returns the function of inputs of these scales and zero points; the second is the slope.
    pub fn new(
        scales: [f32; 2],
        zero_points: [i32; 2],
        output_scale: f32,
        range: OutputRange,
    ) -> Self {
        // In float32, as TensorFlow Lite computes it.
        let positive = Multiplier::from_real(f64::from(scales[0] / output_scale));
        let negative = Multiplier::from_real(f64::from(scales[0] * scales[1] / output_scale));
        Self { zero_points, positive, negative, range }
    }
}

impl IntegerBinary for IntegerPrelu {
    #[inline(always)]
    fn apply<T: Stored>(&self, a: i32, b: i32) -> T {
        let (value, slope) = (a - self.zero_points[0], b - self.zero_points[1]);
        self.range.store(if value >= 0 {
            self.positive.apply(value)
        } else {
            self.negative.apply(value * slope)
        })
    }
}

/// Some results of a function of two values.
struct Pairs<'a, T, F> {
    function: &'a F,
    operands: [IntegerOperand<'a, T>; 2],
    range: Range<usize>,
    output: &'a mut [T],
}

impl<T: Stored, F: IntegerBinary> SimdOp for Pairs<'_, T, F> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { function, operands: [a, b], range, output } = self;
        if let (None, None) = (a.sources, b.sources) {
            let (a, b) = (&a.values[range.clone()], &b.values[range]);
            for ((to, a), b) in output.iter_mut().zip(a).zip(b) {
                *to = function.apply(a.widen(), b.widen());
            }
            return;
        }
        for (index, to) in range.zip(output) {
            *to = function.apply(a.at(index), b.at(index));
        }
    }
}

/// Applies a function to each pair of values.
///
/// # Panics
/// If an operand has fewer values than the output, or than its sources say.
pub fn integer_binary<T: Stored>(
    level: Level,
    function: &impl IntegerBinary,
    operands: [IntegerOperand<'_, T>; 2],
    output: &mut [T],
    pool: &ThreadPool,
) {
    for_chunks(output, 1, pool, &|range, output| {
        if let [
            IntegerOperand { values: a, sources: None },
            IntegerOperand { values: b, sources: None },
        ] = operands
        {
            let operands = [&a[range.clone()], &b[range.clone()]];
            if function.apply_all(level, operands, output) {
                return;
            }
        }
        level.dispatch(Pairs { function, operands, range, output });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_of_an_addition_are_multipliers() {
        for i in 0..4000u32 {
            let fraction = 0.5 + f64::from(i.wrapping_mul(2_654_435_769)) / 2f64.powi(33);
            let factor = fraction * 2f64.powi(-(i as i32 % 20));
            let multiplier = Multiplier::from_real(factor / 2.0);
            for x in -255..=255 {
                let wanted = multiplier.apply(x * (1 << ADD_SHIFT));
                assert_eq!(FineScale::new(multiplier).apply(x), wanted, "{x} · {factor}");
            }
            for multiplier in [multiplier, Multiplier::from_real(factor * 1e4)] {
                for x in [0, 1, -1, 1 << 20, -(1 << 20), 123_456_789, -123_456_789, 3 << 19] {
                    for x in x - 3..=x + 3 {
                        let found = OneShift::new(multiplier).apply(x);
                        assert_eq!(found, multiplier.apply(x), "{x} · {multiplier:?}");
                    }
                }
            }
        }
    }
}
