//! Real factors as integers.

use super::fixed_point::{divide_by_power_of_two, doubling_high_product};

/// A real factor as a 31-bit fraction and a power of two: `mantissa / 2³¹ · 2^shift`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multiplier {
    /// From 2³⁰ to 2³¹ − 1, or 0.
    pub mantissa: i32,
    /// From −31 to 30.
    pub shift: i32,
}

impl Multiplier {
    /// Returns the multiplier nearest to a factor that is not negative and below 2³⁰.
    ///
    /// Factors below 2⁻³² become zero.
    ///
    /// # Panics
    /// If the factor is negative, not finite or too large.
    pub fn from_real(factor: f64) -> Self {
        assert!((0.0..f64::from(1 << 30)).contains(&factor), "a factor of {factor}");
        if factor == 0.0 {
            return Self { mantissa: 0, shift: 0 };
        }
        let (fraction, mut shift) = fraction_and_exponent(factor);
        let mut mantissa = (fraction * f64::from(1u32 << 31)).round() as i64;
        if mantissa == 1 << 31 {
            mantissa /= 2;
            shift += 1;
        }
        if shift < -31 {
            Self { mantissa: 0, shift: 0 }
        } else {
            Self { mantissa: mantissa as i32, shift }
        }
    }

    /// Returns the factor from sums to outputs, of a convolution with int8 filters of a scale for
    /// each output channel.
    pub fn for_channel(input_scale: f32, filter_scale: f32, output_scale: f32) -> Self {
        let product = f64::from(input_scale) * f64::from(filter_scale);
        Self::from_real(product / f64::from(output_scale))
    }

    /// Returns the factor from sums to outputs, of a uint8 convolution or a fully connected layer
    /// with one scale for all weights. TensorFlow Lite rounds the product of the scales here.
    pub fn for_tensor(input_scale: f32, filter_scale: f32, output_scale: f32) -> Self {
        Self::from_real(f64::from(input_scale * filter_scale) / f64::from(output_scale))
    }

    /// Returns a sum of 64 bits times the factor, whose mantissa is rounded to 15 bits, halves
    /// upward, as TensorFlow Lite's reference kernels do. `x` is below 2⁴⁷ in magnitude and the
    /// factor below 2⁷; what is beyond wraps.
    #[inline(always)]
    pub fn apply_wide(self, x: i64) -> i32 {
        /// Mantissas from here on have no 15 bits above them.
        const LIMIT: i32 = 0x7FFF_0000;
        let mantissa =
            if self.mantissa < LIMIT { (self.mantissa + (1 << 15)) >> 16 } else { 0x7FFF };
        let shift = (15 - self.shift).clamp(1, 62);
        let product = x.wrapping_mul(i64::from(mantissa)).wrapping_add(1 << (shift - 1));
        (product >> shift) as i32
    }

    /// Returns the mantissa rounded to 15 bits.
    pub(super) fn mantissa_16(self) -> i16 {
        const HALF: i32 = 1 << 15;
        (self.mantissa.saturating_add(HALF) >> 16) as i16
    }

    /// Returns `x` times the factor, rounded twice, as TensorFlow Lite's reference kernels do: the
    /// product with the mantissa, halves upward, and then what is shifted to the right, halves away
    /// from zero. `x · 2^shift` wraps if it does not fit.
    #[inline(always)]
    pub fn apply(self, x: i32) -> i32 {
        let left = x.wrapping_mul(1 << self.shift.max(0));
        divide_by_power_of_two(doubling_high_product(left, self.mantissa), (-self.shift).max(0))
    }
}

/// A positive number as a fraction from ½ up to 1 and a power of two.
fn fraction_and_exponent(number: f64) -> (f64, i32) {
    const EXPONENT_BITS: u64 = 0x7FF << 52;
    const HALF: u64 = 1022 << 52;
    // Subnormal numbers are scaled into the normal ones first.
    let (number, added) =
        if number < f64::MIN_POSITIVE { (number * 2f64.powi(54), 54) } else { (number, 0) };
    let bits = number.to_bits();
    let exponent = ((bits & EXPONENT_BITS) >> 52) as i32 - 1022 - added;
    (f64::from_bits(bits & !EXPONENT_BITS | HALF), exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_fractions_of_31_bits() {
        assert_eq!(Multiplier::from_real(1.0), Multiplier { mantissa: 1 << 30, shift: 1 });
        assert_eq!(Multiplier::from_real(0.25), Multiplier { mantissa: 1 << 30, shift: -1 });
        assert_eq!(Multiplier::from_real(0.0).apply(7), 0);
        assert_eq!(Multiplier::from_real(1e-30).apply(i32::MAX), 0);
        // 1 − 2⁻³³ rounds up to one.
        let almost_one = Multiplier::from_real(1.0 - 2f64.powi(-33));
        assert_eq!(almost_one, Multiplier { mantissa: 1 << 30, shift: 1 });
    }

    #[test]
    fn the_two_roundings_differ_from_one() {
        // 1.5 − 2⁻³¹ · something: the first rounding makes a half of what is less, the second
        // rounds it away from zero.
        let multiplier = Multiplier { mantissa: (1 << 30) + (1 << 29) - 1, shift: -1 };
        let exact = |x: i32| {
            f64::from(x) * f64::from(multiplier.mantissa) / 2f64.powi(31)
                * 2f64.powi(multiplier.shift)
        };
        assert!(exact(4) < 1.5);
        assert_eq!(multiplier.apply(4), 2);
        assert_eq!(Multiplier::from_real(0.5).apply(-3), -1);
        assert_eq!(Multiplier::from_real(0.25).apply(-6), -2);
        assert_eq!(Multiplier::from_real(0.5).apply(5), 3);
    }
}
