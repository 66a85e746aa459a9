//! The arithmetic of quantised networks, byte for byte as TensorFlow Lite's reference kernels have
//! it: `real = scale · (stored − zero_point)`, exact int32 sums, and a rounding back to 8 bits.
//!
//! Sums are exact and so do not depend on their order; all rounding of them is in [`Multiplier`].
//! [`convolve`] and [`convolve_depthwise`] are the reference of [`PackedConv`] and
//! [`PackedDepthwise`]. Activations of 16 bits have kernels of their own where their sums take 64.

mod chunks;
mod contraction;
mod dynamic_range;
mod elementwise;
mod fixed_point;
mod mean;
mod movement;
mod multiplier;
#[cfg_attr(
    not(target_arch = "x86_64"),
    allow(dead_code, unused_variables, unused_imports, reason = "only x86 has instructions yet")
)]
mod packed;
mod pooling;
mod resize;
mod softmax;
mod table;
mod wide;

use bytemuck::Pod;

pub use contraction::{
    IntegerConv, IntegerConvShape, IntegerFilter, Rescaling, convolve, convolve_depthwise,
};
pub use dynamic_range::DynamicRounding;
pub(crate) use dynamic_range::Steps;
pub use elementwise::{
    IntegerAdd, IntegerBinary, IntegerMul, IntegerOperand, IntegerPrelu, XnnpackAdd, XnnpackMul,
    integer_binary,
};
pub use mean::{IntegerMean, MeanSources};
pub use movement::{ByteGather, copy_rows, dequantize, quantize, quantize_to_even};
pub use multiplier::Multiplier;
pub use packed::{PackedConv, PackedDepthwise, SharedPanels};
pub use pooling::{IntegerPool, average_pool, max_pool};
pub use resize::IntegerResize;
pub use softmax::IntegerSoftmax;
pub use table::{ByteTable, Scale};
pub use wide::{
    ShiftedAdd, Sigmoid, WideAdd, WideBias, WideConv, WideFactors, WideFilter, WideFunction,
    WideSoftmax,
};

/// An integer that stands for a real number.
pub trait Stored: Pod + Ord + Send + Sync {
    /// The smallest.
    const MIN: i32;
    /// The largest.
    const MAX: i32;

    /// The number itself.
    fn widen(self) -> i32;

    /// The number with these low bits.
    fn narrow(value: i32) -> Self;
}

/// An 8-bit integer, signed or not.
pub trait Byte: Stored {
    /// The number's distance from a zero point of 8 bits.
    fn centered(self, zero_point: i16) -> i16;
}

/// Implements [`Stored`] for a type.
macro_rules! stored {
    ($type:ty) => {
        impl Stored for $type {
            const MIN: i32 = <$type>::MIN as i32;
            const MAX: i32 = <$type>::MAX as i32;

            #[inline(always)]
            fn widen(self) -> i32 {
                i32::from(self)
            }

            #[inline(always)]
            fn narrow(value: i32) -> Self {
                value as Self
            }
        }
    };
}

stored!(i8);
stored!(u8);
stored!(i16);

impl Byte for i8 {
    #[inline(always)]
    fn centered(self, zero_point: i16) -> i16 {
        i16::from(self).wrapping_sub(zero_point)
    }
}

impl Byte for u8 {
    #[inline(always)]
    fn centered(self, zero_point: i16) -> i16 {
        i16::from(self).wrapping_sub(zero_point)
    }
}

/// How an output is stored: its zero point, and what its activation leaves of the type's range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputRange {
    /// The integer that stands for zero.
    pub zero_point: i32,
    /// The smallest stored value.
    pub low: i32,
    /// The largest stored value.
    pub high: i32,
}

impl OutputRange {
    /// The type's whole range.
    pub fn new<T: Stored>(zero_point: i32) -> Self {
        Self { zero_point, low: T::MIN, high: T::MAX }
    }

    /// The range that an activation between the real numbers `low` and `high` leaves.
    #[must_use]
    pub fn with_activation(self, scale: f32, low: f32, high: f32) -> Self {
        let stored = |real: f32| self.zero_point.saturating_add((real / scale).round() as i32);
        Self {
            low: if low > f32::NEG_INFINITY { self.low.max(stored(low)) } else { self.low },
            high: if high < f32::INFINITY { self.high.min(stored(high)) } else { self.high },
            ..self
        }
    }

    /// True if all limits are values of the type.
    fn is_of<T: Stored>(self) -> bool {
        let values = T::MIN..=T::MAX;
        self.low <= self.high && values.contains(&self.low) && values.contains(&self.high)
    }

    /// A rescaled sum as it is stored.
    #[inline(always)]
    fn store<T: Stored>(self, value: i32) -> T {
        T::narrow(value.saturating_add(self.zero_point).max(self.low).min(self.high))
    }
}
