//! Sums and differences of two values.

use crate::integer::elementwise::IntegerBinary;
use crate::integer::fixed_point::divide_by_power_of_two;
use crate::integer::{Multiplier, OutputRange, Stored};

/// An addition or a subtraction of values of different scales.
#[derive(Clone, Copy, Debug)]
pub struct WideAdd {
    inputs: [Multiplier; 2],
    output: Multiplier,
    range: OutputRange,
    /// −1 for a subtraction.
    sign: i32,
}

/// Bits that summands are shifted by, so that their scales are met more exactly.
const SHIFT: i32 = 15;

impl WideAdd {
    /// Returns the addition of inputs of these scales.
    pub fn new(scales: [f32; 2], output_scale: f32, range: OutputRange) -> Self {
        let twice_largest = 2.0 * f64::from(scales[0].max(scales[1]));
        let output = twice_largest / (f64::from(1 << SHIFT) * f64::from(output_scale));
        Self {
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

    /// Returns a summand in the scale of sums.
    #[inline(always)]
    fn summand(&self, input: usize, x: i32) -> i32 {
        self.inputs[input].apply(x.wrapping_mul(1 << SHIFT))
    }
}

impl IntegerBinary for WideAdd {
    #[inline(always)]
    fn apply<T: Stored>(&self, a: i32, b: i32) -> T {
        let sum = self.summand(0, a).wrapping_add(self.sign * self.summand(1, b));
        self.range.store(self.output.apply(sum))
    }
}

/// An addition or a subtraction of values whose scales are powers of two and whose zero points are
/// 0, as TensorFlow Lite computes where the file says so: the finer summand is shifted.
#[derive(Clone, Copy, Debug)]
pub struct ShiftedAdd {
    /// Bits that the summands are shifted by to the right.
    shifts: [i32; 2],
    range: OutputRange,
    /// −1 for a subtraction.
    sign: i32,
}

impl ShiftedAdd {
    /// Returns the addition of inputs of these scales; `None` if a scale is no power of two, or
    /// neither input has that of the output, or one's is larger.
    pub fn new(scales: [f32; 2], output_scale: f32, range: OutputRange) -> Option<Self> {
        let shift = |scale: f32| {
            let shift = exponent(output_scale)? - exponent(scale)?;
            (0..=31).contains(&shift).then_some(shift)
        };
        let shifts = [shift(scales[0])?, shift(scales[1])?];
        shifts.contains(&0).then_some(Self { shifts, range, sign: 1 })
    }

    /// Returns the subtraction of the second input.
    #[must_use]
    pub fn subtracting(self) -> Self {
        Self { sign: -1, ..self }
    }
}

/// Returns the exponent of a power of two.
fn exponent(scale: f32) -> Option<i32> {
    const FRACTION: u32 = (1 << 23) - 1;
    let is_power = scale.is_normal() && scale > 0.0 && scale.to_bits() & FRACTION == 0;
    is_power.then_some((scale.to_bits() >> 23) as i32 - 127)
}

impl IntegerBinary for ShiftedAdd {
    #[inline(always)]
    fn apply<T: Stored>(&self, a: i32, b: i32) -> T {
        let a = divide_by_power_of_two(a, self.shifts[0]);
        let b = divide_by_power_of_two(b, self.shifts[1]);
        let sum = (a + self.sign * b).max(T::MIN).min(T::MAX);
        T::narrow(sum.max(self.range.low).min(self.range.high))
    }
}
