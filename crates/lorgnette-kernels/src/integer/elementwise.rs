//! Sums, differences and products of two 8-bit values.

use std::ops::Range;

use super::chunks::for_chunks;
use super::{Byte, Multiplier, OutputRange};
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

impl<T: Byte> IntegerOperand<'_, T> {
    #[inline(always)]
    fn at(&self, index: usize) -> i32 {
        self.values[self.sources.map_or(index, |sources| sources[index] as usize)].widen()
    }
}

/// A function of two 8-bit values.
pub trait IntegerBinary: Sync {
    /// Returns the stored result for two stored values.
    fn apply<T: Byte>(&self, a: i32, b: i32) -> T;
}

/// An addition or a subtraction of values of different scales.
#[derive(Clone, Copy, Debug)]
pub struct IntegerAdd {
    zero_points: [i32; 2],
    inputs: [Multiplier; 2],
    output: Multiplier,
    range: OutputRange,
    /// −1 for a subtraction.
    sign: i32,
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
            inputs: scales.map(|scale| Multiplier::from_real(f64::from(scale) / twice_largest)),
            output: Multiplier::from_real(output),
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
    fn apply<T: Byte>(&self, a: i32, b: i32) -> T {
        let scaled = |i: usize, value: i32| {
            self.inputs[i].apply((value - self.zero_points[i]) * (1 << ADD_SHIFT))
        };
        self.range.store(self.output.apply(scaled(0, a) + self.sign * scaled(1, b)))
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
    fn apply<T: Byte>(&self, a: i32, b: i32) -> T {
        let product = (a - self.zero_points[0]) * (b - self.zero_points[1]);
        self.range.store(self.output.apply(product))
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
    fn apply<T: Byte>(&self, a: i32, b: i32) -> T {
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

impl<T: Byte, F: IntegerBinary> SimdOp for Pairs<'_, T, F> {
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
pub fn integer_binary<T: Byte>(
    level: Level,
    function: &impl IntegerBinary,
    operands: [IntegerOperand<'_, T>; 2],
    output: &mut [T],
    pool: &ThreadPool,
) {
    for_chunks(output, 1, pool, &|range, output| {
        level.dispatch(Pairs { function, operands, range, output });
    });
}
