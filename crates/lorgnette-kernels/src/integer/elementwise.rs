//! Sums and products of two 8-bit values, changes of scale, and functions by table.

use super::{Byte, Multiplier, OutputRange};

/// Bits that summands are shifted by, so that their scales are met more exactly.
const ADD_SHIFT: i32 = 20;

/// An addition of values of different scales.
#[derive(Clone, Copy, Debug)]
pub struct IntegerAdd {
    zero_points: [i32; 2],
    inputs: [Multiplier; 2],
    output: Multiplier,
    range: OutputRange,
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
        }
    }

    fn apply<T: Byte>(&self, values: [T; 2]) -> T {
        let scaled = |i: usize| {
            self.inputs[i].apply((values[i].widen() - self.zero_points[i]) * (1 << ADD_SHIFT))
        };
        self.range.store(self.output.apply(scaled(0) + scaled(1)))
    }
}

/// Adds two tensors of one shape.
pub fn add<T: Byte>(how: &IntegerAdd, a: &[T], b: &[T], output: &mut [T]) {
    for ((to, &a), &b) in output.iter_mut().zip(a).zip(b) {
        *to = how.apply([a, b]);
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

/// Multiplies two tensors of one shape.
pub fn multiply<T: Byte>(how: &IntegerMul, a: &[T], b: &[T], output: &mut [T]) {
    for ((to, a), b) in output.iter_mut().zip(a).zip(b) {
        let product = (a.widen() - how.zero_points[0]) * (b.widen() - how.zero_points[1]);
        *to = how.range.store(how.output.apply(product));
    }
}

/// Stores values in another scale, zero point or type; `factor` is the input's scale over the
/// output's.
pub fn requantize<T: Byte, U: Byte>(
    factor: Multiplier,
    zero_point: i32,
    range: OutputRange,
    input: &[T],
    output: &mut [U],
) {
    for (to, from) in output.iter_mut().zip(input) {
        *to = range.store(factor.apply(from.widen() - zero_point));
    }
}

/// Returns the values of a function for all 256 inputs, from the type's smallest on.
///
/// `input` and `output` are scales and zero points.
pub fn table_of<T: Byte>(
    function: impl Fn(f32) -> f32,
    input: (f32, i32),
    output: (f32, i32),
) -> [T; 256] {
    let inverse_scale = 1.0 / output.0;
    std::array::from_fn(|i| {
        let value = input.0 * (T::MIN + i as i32 - input.1) as f32;
        let stored = (function(value) * inverse_scale).round() + output.1 as f32;
        T::narrow((stored as i32).clamp(T::MIN, T::MAX))
    })
}

/// Looks each value up in a table of [`table_of`].
pub fn table<T: Byte>(table: &[T; 256], input: &[T], output: &mut [T]) {
    for (to, from) in output.iter_mut().zip(input) {
        *to = table[(from.widen() - T::MIN) as usize];
    }
}
