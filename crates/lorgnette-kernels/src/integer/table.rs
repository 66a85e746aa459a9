//! Functions of one 8-bit value, as tables of their 256 results.

#[cfg(target_arch = "x86_64")]
mod vbmi;

use super::chunks::for_chunks;
use super::fixed_point::{
    divide_by_power_of_two, doubling_high_product_16, rounding_doubling_high_product_16,
    times_power_of_two_16,
};
use super::{Byte, Multiplier, OutputRange};
use crate::ThreadPool;

/// The scale and the zero point of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The real number of one step.
    pub scale: f32,
    /// The stored value that stands for zero.
    pub zero_point: i32,
}

/// A function of one 8-bit value.
#[derive(Clone, PartialEq, Eq)]
pub struct ByteTable {
    /// The result's bits for each value's bits.
    results: Box<[u8; 256]>,
}

impl ByteTable {
    /// Returns the table of a function of stored values.
    fn new<T: Byte, U: Byte>(function: impl Fn(i32) -> U) -> Self {
        let mut results = Box::new([0; 256]);
        for stored in T::MIN..=T::MAX {
            results[usize::from(stored as u8)] = function(stored).widen() as u8;
        }
        Self { results }
    }

    /// Returns the change to another scale, zero point or type.
    pub fn requantize<T: Byte, U: Byte>(input: Scale, scale: f32, range: OutputRange) -> Self {
        let factor = Multiplier::from_real(f64::from(input.scale) / f64::from(scale));
        Self::new::<T, U>(|stored| range.store(factor.apply(stored - input.zero_point)))
    }

    /// Returns the change to another scale or zero point as XNNPACK rounds it, with factors of
    /// 1/256 and halves upward: of values at or above zero, and of those below. `None` for factors
    /// that XNNPACK does not take.
    pub fn xnnpack_scale<T: Byte>(
        input: Scale,
        factors: [f32; 2],
        range: OutputRange,
    ) -> Option<Self> {
        const BITS: i32 = 8;
        const HALF: i32 = 1 << (BITS - 1);
        const ONE: f32 = 256.0;
        const MAX_FACTOR: f32 = 128.0;
        if !factors.iter().all(|factor| (1.0 / ONE..=MAX_FACTOR).contains(factor)) {
            return None;
        }
        let [above, below] = factors.map(|factor| (ONE * factor).round_ties_even() as i32);
        Some(Self::new::<T, T>(|stored| {
            let value = stored - input.zero_point;
            let factor = if value >= 0 { above } else { below };
            range.store((value * factor + HALF) >> BITS)
        }))
    }

    /// Returns the change to another scale and zero point that a part of a concatenation takes,
    /// which is computed in float32.
    pub fn join<T: Byte>(input: Scale, output: Scale) -> Self {
        if input == output {
            return Self::new::<T, T>(T::narrow);
        }
        let scale = input.scale * (1.0 / output.scale);
        let bias = -(input.zero_point as f32) * scale;
        Self::new::<T, T>(|stored| {
            let value = (stored as f32 * scale + bias).round() as i32;
            T::narrow(value.saturating_add(output.zero_point).clamp(T::MIN, T::MAX))
        })
    }

    /// Returns a function of real numbers.
    pub fn function<T: Byte>(function: impl Fn(f32) -> f32, input: Scale, output: Scale) -> Self {
        let inverse_scale = 1.0 / output.scale;
        Self::new::<T, T>(|stored| {
            let value = input.scale * (stored - input.zero_point) as f32;
            let rounded = (function(value) * inverse_scale).round() + output.zero_point as f32;
            T::narrow((rounded as i32).clamp(T::MIN, T::MAX))
        })
    }

    /// Returns `x` where it is positive, else its product with a slope that is not negative.
    pub fn leaky_relu<T: Byte>(slope: f32, input: Scale, output: Scale) -> Self {
        // In float32, as TensorFlow Lite computes them.
        let positive = Multiplier::from_real(f64::from(input.scale / output.scale));
        let negative = Multiplier::from_real(f64::from(input.scale * slope / output.scale));
        let range = OutputRange::new::<T>(output.zero_point);
        Self::new::<T, T>(|stored| {
            let value = stored - input.zero_point;
            range.store(if value >= 0 { positive.apply(value) } else { negative.apply(value) })
        })
    }

    /// Returns `x · relu6(x + 3) / 6`, in fixed-point numbers of 16 bits.
    pub fn hard_swish<T: Byte>(input: Scale, output: Scale) -> Self {
        let fine_scale = (1.0 / 128.0) * input.scale;
        let to_output = Multiplier::from_real(f64::from(fine_scale / output.scale));
        // Three is the largest number of the gate, whose scale is its range over 2¹⁵.
        let to_gate = Multiplier::from_real(f64::from(fine_scale / (3.0 / 32768.0)));
        Self::new::<T, T>(|stored| {
            let fine = ((stored - input.zero_point) * 128) as i16;
            let value = rounding_doubling_high_product_16(fine, to_output.mantissa_16());
            let shift = to_gate.shift;
            let mut gate = times_power_of_two_16(fine, (shift - 1).max(0));
            gate = rounding_doubling_high_product_16(gate, to_gate.mantissa_16());
            gate = times_power_of_two_16(gate, i32::from(shift > 0));
            gate = divide_by_power_of_two(i32::from(gate), (-shift).max(0)) as i16;
            // From −1 … 1 to 0 … 1.
            let gate = ((i32::from(gate) + (1 << 15)) >> 1) as i16;
            let product = doubling_high_product_16(gate, value);
            let result = divide_by_power_of_two(i32::from(product), (-to_output.shift).max(0));
            T::narrow((result + output.zero_point).clamp(T::MIN, T::MAX))
        })
    }

    /// Looks each value up.
    ///
    /// # Panics
    /// If there are fewer values than results.
    pub fn run(&self, input: &[u8], output: &mut [u8], pool: &ThreadPool) {
        #[cfg(target_arch = "x86_64")]
        let has_permutations = vbmi::is_available();
        for_chunks(output, 1, pool, &|range, chunk| {
            let input = &input[range];
            #[cfg(target_arch = "x86_64")]
            if has_permutations {
                // SAFETY: the CPU has the instructions.
                return unsafe { vbmi::look_up(&self.results, input, chunk) };
            }
            for (to, from) in chunk.iter_mut().zip(input) {
                *to = self.results[usize::from(*from)];
            }
        });
    }
}

impl std::fmt::Debug for ByteTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ByteTable")
    }
}
