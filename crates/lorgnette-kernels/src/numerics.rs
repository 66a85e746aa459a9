//! Number formats smaller than float32: options and conversions.

use std::fmt;
use std::str::FromStr;

use crate::Level;

/// The number formats in which convolutions and fully connected layers may compute and store
/// weights, and how quantised operations round. The default is float32 throughout; everything else
/// is less exact and is used only on request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NumericOptions {
    /// Precision of products.
    pub compute: Precision,
    /// Storage format of the weights of layers with few pixels.
    pub weight_storage: WeightFormat,
    /// Rounding of quantised operations.
    pub epilogue: IntegerEpilogue,
}

/// How quantised operations round results to 8 bits. Sums of products are exact in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IntegerEpilogue {
    /// As TensorFlow Lite's reference kernels: fixed-point factors, two roundings.
    #[default]
    TfLite,
    /// As XNNPACK on x86, with which LiteRT computes by default there: float32 factors, halves to
    /// even. Operations that XNNPACK does not have are as in [`IntegerEpilogue::TfLite`].
    Xnnpack,
}

/// The precision of products. Sums are always float32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Float32 inputs and weights; at [`Level::Amx`] also split into sums of two bf16, which is
    /// nearly as exact.
    #[default]
    Float32,
    /// Inputs and weights rounded to bf16 wherever that is estimated to be faster, with AMX tiles
    /// if available. The CPU must have AVX-512 BF16 or Arm's BF16.
    Bf16,
    /// As [`Precision::Bf16`], but only for layers whose time it is estimated to reduce by a
    /// quarter; float32 where the CPU has neither. Results therefore depend on the CPU.
    Auto,
}

/// The storage format of weights of memory-bound layers: those of at most three output pixels an
/// image, such as fully connected layers. Weights are converted to float32 in registers; the
/// arithmetic is float32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WeightFormat {
    /// float32: 4 bytes.
    #[default]
    Float32,
    /// bf16, the upper half of a float32: 2 bytes, 8 bits of precision, no overflow.
    Bf16,
    /// IEEE 754 half precision: 2 bytes, 11 bits of precision, up to 65,504.
    F16,
    /// Integers from −127 to 127 with a scale for each output channel: 1 byte.
    Int8,
}

impl Precision {
    /// All precisions.
    pub const ALL: [Self; 3] = [Self::Float32, Self::Bf16, Self::Auto];

    /// Returns the name that options use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Bf16 => "bf16",
            Self::Auto => "auto",
        }
    }

    /// True if this CPU can compute in this precision at a level.
    pub fn is_available(self, level: Level) -> bool {
        self != Self::Bf16 || level.multiplies_bf16()
    }
}

impl WeightFormat {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::Float32, Self::Bf16, Self::F16, Self::Int8];

    /// Returns the name that options use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        }
    }
}

impl IntegerEpilogue {
    /// All epilogues.
    pub const ALL: [Self; 2] = [Self::TfLite, Self::Xnnpack];

    /// Returns the name that options use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TfLite => "tflite",
            Self::Xnnpack => "xnnpack",
        }
    }
}

/// True if this CPU multiplies pairs of bf16 at any level.
pub fn has_bf16() -> bool {
    Level::ALL.into_iter().any(Level::multiplies_bf16)
}

/// Implements names and their parsing.
macro_rules! named {
    ($format:ident, $what:literal) => {
        impl fmt::Display for $format {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl FromStr for $format {
            type Err = UnknownFormat;

            fn from_str(name: &str) -> Result<Self, UnknownFormat> {
                let found = Self::ALL.into_iter().find(|format| format.name() == name);
                found.ok_or_else(|| {
                    let names = Self::ALL.map(Self::name).join(", ");
                    UnknownFormat(format!("unknown {} '{name}': expected one of {names}", $what))
                })
            }
        }
    };
}

named!(Precision, "precision");
named!(WeightFormat, "format of weights");
named!(IntegerEpilogue, "epilogue");

/// The error for an unknown name of a [`Precision`], a [`WeightFormat`] or an [`IntegerEpilogue`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFormat(String);

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UnknownFormat {}

/// Returns the nearest bf16's bits, ties to even; NaN stays NaN.
#[inline(always)]
pub fn f32_to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7FFF + ((bits >> 16) & 1)) >> 16;
    (if x.is_nan() { (bits >> 16) | 0x40 } else { rounded }) as u16
}

/// As [`f32_to_bf16`], but magnitudes below 2^-126 become zero, as by the CPU's instruction. This
/// is how layers store bf16.
#[inline(always)]
pub fn f32_to_bf16_ftz(x: f32) -> u16 {
    f32_to_bf16(if x.abs() < f32::MIN_POSITIVE { 0.0_f32.copysign(x) } else { x })
}

/// Converts a bf16's bits to float32.
#[inline(always)]
pub fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// Difference of the exponent biases of float32 (127) and f16 (15).
const F16_BIAS: u32 = 127 - 15;

/// Returns the nearest f16's bits, ties to even. Values out of range become infinite; NaN stays
/// NaN.
#[inline(always)]
pub fn f32_to_f16(x: f32) -> u16 {
    const INFINITE: u32 = 0x7C00;
    let (sign, magnitude) = ((x.to_bits() >> 16) & 0x8000, x.abs());
    let bits = magnitude.to_bits();
    let half = if x.is_nan() {
        INFINITE | 0x200
    } else if magnitude < f32::from_bits((F16_BIAS + 1) << 23) {
        // Below f16's normal numbers, representable numbers are multiples of 2^-24; adding 0.5
        // rounds to these.
        (magnitude + 0.5).to_bits() - 0.5_f32.to_bits()
    } else {
        let rounded = bits + 0xFFF + ((bits >> 13) & 1);
        ((rounded >> 13) - (F16_BIAS << 10)).min(INFINITE)
    };
    (sign | half) as u16
}

/// Converts an f16's bits to float32.
#[inline(always)]
pub fn f16_to_f32(bits: u16) -> f32 {
    let bits = u32::from(bits);
    // The digits in place, with an exponent that is 112 too small; the product also normalises
    // subnormal numbers.
    let scaled = f32::from_bits((bits & 0x7FFF) << 13) * f32::from_bits((127 + F16_BIAS) << 23);
    let infinite = if bits & 0x7C00 == 0x7C00 { 0x7F80_0000 } else { 0 };
    f32::from_bits(scaled.to_bits() | infinite | ((bits & 0x8000) << 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for precision in Precision::ALL {
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        for weights in WeightFormat::ALL {
            assert_eq!(weights.to_string().parse(), Ok(weights));
        }
        assert!("bf61".parse::<Precision>().unwrap_err().to_string().contains("auto"));
    }

    /// All numbers of a small format are unchanged by conversion to float32 and back.
    #[test]
    fn small_formats_round_trip() {
        for bits in 0..=u16::MAX {
            if !bf16_to_f32(bits).is_nan() {
                assert_eq!(f32_to_bf16(bf16_to_f32(bits)), bits);
            }
            if !f16_to_f32(bits).is_nan() {
                assert_eq!(f32_to_f16(f16_to_f32(bits)), bits, "{}", f16_to_f32(bits));
            }
        }
        assert!(
            bf16_to_f32(f32_to_bf16(f32::NAN)).is_nan()
                && f16_to_f32(f32_to_f16(f32::NAN)).is_nan()
        );
        assert!(bf16_to_f32(f32_to_bf16(f32::from_bits(0x7F80_0001))).is_nan());
    }

    /// Between neighbours, the nearer one is taken, and the even one of two equally near.
    #[test]
    fn rounds_to_the_nearest() {
        let check = |to: fn(f32) -> u16, from: fn(u16) -> f32| {
            for low in (0..0x7BFF_u16).step_by(7) {
                let (a, b) = (from(low), from(low + 1));
                let middle = ((f64::from(a) + f64::from(b)) / 2.0) as f32;
                assert_eq!(to(middle), low + (low & 1), "{middle}");
                assert_eq!(to(f32::from_bits(middle.to_bits() - 1)), low, "below {middle}");
                assert_eq!(to(f32::from_bits(middle.to_bits() + 1)), low + 1, "above {middle}");
                assert_eq!(to(-a), low | 0x8000);
            }
        };
        check(f32_to_f16, f16_to_f32);
        check(f32_to_bf16, bf16_to_f32);
        let ends = [
            (65504.0, 0x7BFF),
            (65519.9, 0x7BFF),
            (65520.0, 0x7C00),
            (1e30, 0x7C00),
            (f32::INFINITY, 0x7C00),
        ];
        ends.into_iter().for_each(|(x, bits)| assert_eq!(f32_to_f16(x), bits, "{x}"));
        assert_eq!(f32_to_bf16(f32::MAX), f32_to_bf16(f32::INFINITY));
    }
}
