//! Convolutions whose filters are packed for vector instructions, with the bytes of
//! [`convolve`](super::convolve) and [`convolve_depthwise`](super::convolve_depthwise).
//!
//! The instructions multiply unsigned by signed bytes. So int8 activations are stored 128 higher
//! and uint8 weights 128 lower, with their zero points, and the zero points are folded:
//!
//! ```text
//! Σ (a − za)(w − zw) = Σ a·w − zw · Σ a − za · Σ w + depth · za · zw
//! ```
//!
//! The last two terms are constants of an output channel. The second is zero for int8 weights;
//! otherwise `Σ a` is computed once for a pixel. All arithmetic wraps, so the order is free.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod channel_factors;
mod depthwise;
mod gemm;
#[cfg(target_arch = "x86_64")]
mod vnni;

pub use depthwise::PackedDepthwise;
pub use gemm::PackedConv;

use super::{Byte, OutputRange};
use crate::Level;

/// The instructions of a packed convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instructions {
    /// Products of 16-bit integers, added in pairs.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Products of bytes, added four at a time to a 32-bit integer.
    #[cfg(target_arch = "x86_64")]
    Vnni,
}

impl Instructions {
    /// Returns the best ones of a level; `None` where the compiler's vectors are best.
    #[cfg(target_arch = "x86_64")]
    fn for_level(level: Level) -> Option<Self> {
        match level {
            Level::Avx512 | Level::Amx if level.is_available() && vnni::is_available() => {
                Some(Self::Vnni)
            }
            Level::Avx2 | Level::Avx512 | Level::Amx if level.is_available() => Some(Self::Avx2),
            _ => None,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn for_level(_: Level) -> Option<Self> {
        None
    }
}

/// The zero points of a convolution, after the change to unsigned activations and signed weights.
#[derive(Clone, Copy, Debug)]
struct ZeroPoints {
    /// From 0 to 255.
    input: i32,
    /// From −128 to 127.
    filter: i32,
    /// The bits in which a stored activation differs from the unsigned one.
    flip: u8,
    /// The bits in which a stored weight differs from the signed one.
    filter_flip: u8,
}

impl ZeroPoints {
    /// Returns the zero points of integers of one type; `None` if they are beyond it.
    fn new<T: Byte>(input: i32, filter: i32) -> Option<Self> {
        let range = T::MIN..=T::MAX;
        let (flip, filter_flip) = if T::MIN < 0 { (0x80, 0) } else { (0, 0x80) };
        (range.contains(&input) && range.contains(&filter)).then(|| Self {
            input: input - T::MIN,
            filter: filter - if T::MIN < 0 { 0 } else { 128 },
            flip,
            filter_flip,
        })
    }

    /// Returns the constant of an output channel with weights of this sum.
    fn constant(self, bias: i32, weight_sum: i32, depth: usize) -> i32 {
        let of_zeros = (depth as i32).wrapping_mul(self.input * self.filter);
        bias.wrapping_sub(self.input.wrapping_mul(weight_sum)).wrapping_add(of_zeros)
    }
}

/// How results are limited and stored, as vector kernels compute it.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Limits of the value before the zero point is added.
    low: i32,
    high: i32,
    zero_point: i32,
}

impl Limits {
    fn new(range: OutputRange) -> Self {
        let OutputRange { zero_point, low, high } = range;
        let (low, high) = (low.saturating_sub(zero_point), high.saturating_sub(zero_point));
        Self { low, high, zero_point }
    }

    /// Returns a value's low byte as it is stored.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn store(self, value: i32) -> u8 {
        value.max(self.low).min(self.high).wrapping_add(self.zero_point) as u8
    }
}
