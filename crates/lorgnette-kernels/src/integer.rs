//! The arithmetic of quantised networks, byte for byte as TensorFlow Lite's reference kernels have
//! it: `real = scale · (stored − zero_point)`, exact int32 sums, and a rounding back to 8 bits.
//!
//! These are reference implementations, which define what faster kernels must give. Sums are exact
//! and so do not depend on their order; all rounding of them is in [`Multiplier`].

mod contraction;
mod elementwise;
mod fixed_point;
mod multiplier;
mod pooling;
mod softmax;

pub use contraction::{IntegerConv, IntegerFilter, convolve, convolve_depthwise};
pub use elementwise::{IntegerAdd, IntegerMul, add, multiply, requantize, table, table_of};
pub use multiplier::Multiplier;
pub use pooling::{IntegerPool, average_pool, max_pool};
pub use softmax::IntegerSoftmax;

/// An 8-bit integer, signed or not.
pub trait Byte: Copy {
    /// The smallest.
    const MIN: i32;
    /// The largest.
    const MAX: i32;

    /// The number itself.
    fn widen(self) -> i32;

    /// The number with these low 8 bits.
    fn narrow(value: i32) -> Self;
}

impl Byte for i8 {
    const MIN: i32 = -128;
    const MAX: i32 = 127;

    fn widen(self) -> i32 {
        i32::from(self)
    }

    fn narrow(value: i32) -> Self {
        value as Self
    }
}

impl Byte for u8 {
    const MIN: i32 = 0;
    const MAX: i32 = 255;

    fn widen(self) -> i32 {
        i32::from(self)
    }

    fn narrow(value: i32) -> Self {
        value as Self
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
    pub fn new<T: Byte>(zero_point: i32) -> Self {
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

    /// A rescaled sum as it is stored.
    fn store<T: Byte>(self, value: i32) -> T {
        T::narrow(value.saturating_add(self.zero_point).max(self.low).min(self.high))
    }
}
