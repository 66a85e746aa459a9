//! Convolutions whose filters are packed for vector instructions, with the bytes of
//! [`convolve`](super::convolve) and [`convolve_depthwise`](super::convolve_depthwise).
//!
//! The instructions of x86-64 multiply unsigned by signed bytes. So int8 activations are taken 128
//! higher with their zero point. Those of Arm's dot products multiply signed bytes, and uint8
//! activations are taken 128 lower; products of matrices are of either. uint8 weights are stored
//! as their distances from the zero point where these fit int8, else 128 lower; the distances of a
//! depthwise filter are sums of two int8 where they do not fit one. The zero points are folded:
//!
//! ```text
//! Σ (a − za)(w − zw) = Σ a·w − zw · Σ a − za · Σ w + depth · za · zw
//! ```
//!
//! The last two terms are constants of an output channel. The second is zero for int8 weights and
//! for distances; otherwise `Σ a` is computed once for a pixel. All arithmetic wraps, so the order
//! is free.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx_vnni;
pub(super) mod channel_factors;
mod depthwise;
mod gemm;
#[cfg(target_arch = "aarch64")]
mod neon;
mod rows;
#[cfg(target_arch = "x86_64")]
pub(super) mod vnni;

pub use depthwise::PackedDepthwise;
pub use gemm::{PackedConv, SharedPanels};

use super::{Byte, OutputRange, Stored};
use crate::Level;

/// The instructions of a packed convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instructions {
    /// Products of 16-bit integers, added in pairs.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Products of bytes, added four at a time to a 32-bit integer, in 256 bits.
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    /// The same in 512 bits.
    #[cfg(target_arch = "x86_64")]
    Vnni,
    /// Products of tiles: 64 bytes of sixteen pixels by those of sixteen output channels. Single
    /// pixels and depthwise convolutions are multiplied as by `Vnni`.
    #[cfg(target_arch = "x86_64")]
    Amx,
    /// Products of signed bytes, added four at a time to a 32-bit integer.
    #[cfg(target_arch = "aarch64")]
    NeonDot,
    /// Products of matrices: eight bytes of two pixels by those of two output channels.
    #[cfg(target_arch = "aarch64")]
    NeonMatrix,
}

impl Instructions {
    /// Returns the best ones of a level; `None` where the compiler's vectors are best.
    #[cfg(target_arch = "x86_64")]
    fn for_level(level: Level) -> Option<Self> {
        match level {
            Level::Amx if level.is_available() && amx::is_available() => Some(Self::Amx),
            Level::Avx512 | Level::Amx if level.is_available() && vnni::is_available() => {
                Some(Self::Vnni)
            }
            Level::Avx2 | Level::Avx512 | Level::Amx if level.is_available() => {
                Some(if avx_vnni::is_available() { Self::AvxVnni } else { Self::Avx2 })
            }
            _ => None,
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn for_level(level: Level) -> Option<Self> {
        match level {
            Level::Neon if neon::multiplies_matrices() => Some(Self::NeonMatrix),
            Level::Neon if neon::has_dot_products() => Some(Self::NeonDot),
            _ => None,
        }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn for_level(_: Level) -> Option<Self> {
        None
    }

    /// True if activations are multiplied as signed bytes, given whether they are stored so.
    #[cfg_attr(not(target_arch = "aarch64"), expect(unused_variables, reason = "all are unsigned"))]
    fn takes_signed(self, is_signed: bool) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 | Self::AvxVnni | Self::Vnni | Self::Amx => false,
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => true,
            #[cfg(target_arch = "aarch64")]
            Self::NeonMatrix => is_signed,
        }
    }

    /// Returns the neighbouring products of an output channel that are added by one instruction.
    fn group_len(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 | Self::AvxVnni | Self::Vnni | Self::Amx => gemm::QUAD,
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => gemm::QUAD,
            #[cfg(target_arch = "aarch64")]
            Self::NeonMatrix => gemm::MAX_GROUP,
        }
    }

    /// Returns the bytes of which a pixel's values are multiplied as a whole; zeros fill them up.
    fn row_unit(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => amx::ROW_UNIT,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 | Self::AvxVnni | Self::Vnni => self.group_len(),
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot | Self::NeonMatrix => self.group_len(),
        }
    }
}

/// The zero points of a convolution, after the change to activations as they are multiplied and
/// signed weights.
#[derive(Clone, Copy, Debug)]
struct ZeroPoints {
    /// From 0 to 255, or from −128 to 127 if activations are multiplied as signed bytes.
    input: i32,
    /// True if activations are multiplied as signed bytes.
    #[cfg_attr(not(target_arch = "aarch64"), expect(dead_code, reason = "false there"))]
    is_signed: bool,
    /// The filter's zero point after the change, from −128 to 127.
    filter: i32,
    /// The bits in which a stored activation differs from the one that is multiplied.
    flip: u8,
    /// Subtracted from a stored weight.
    filter_offset: i32,
}

impl ZeroPoints {
    /// Returns the zero points of integers of one type; `None` if they are beyond it.
    ///
    /// Weights whose distances from their zero point fit int8 become these, and no zero point is
    /// left.
    fn new<T: Byte>(
        instructions: Instructions,
        input: i32,
        filter: i32,
        weights: &[T],
    ) -> Option<Self> {
        let is_near = |weight: &T| i8::try_from(weight.widen() - filter).is_ok();
        let is_zero_free = weights.iter().all(is_near);
        let filter_offset = if is_zero_free { filter } else { Self::middle::<T>() };
        Self::with_offset::<T>(instructions, input, filter, filter_offset)
    }

    /// Returns the zero points where `filter_offset` is subtracted from weights; `None` if they are
    /// beyond their type, or no filter is packed with that offset.
    fn with_offset<T: Byte>(
        instructions: Instructions,
        input: i32,
        filter: i32,
        filter_offset: i32,
    ) -> Option<Self> {
        let range = T::MIN..=T::MAX;
        let is_offset = [filter, Self::middle::<T>()].contains(&filter_offset);
        if !range.contains(&input) || !range.contains(&filter) || !is_offset {
            return None;
        }
        let is_signed = instructions.takes_signed(T::MIN < 0);
        Some(Self {
            input: input - T::MIN - if is_signed { 128 } else { 0 },
            is_signed,
            filter: filter - filter_offset,
            flip: if is_signed == (T::MIN < 0) { 0 } else { 0x80 },
            filter_offset,
        })
    }

    /// The offset of weights of a type that makes all of them int8.
    fn middle<T: Byte>() -> i32 {
        if T::MIN < 0 { 0 } else { 128 }
    }

    /// Returns the constant of an output channel with weights of this sum.
    fn constant(self, bias: i32, weight_sum: i32, depth: usize) -> i32 {
        let of_zeros = (depth as i32).wrapping_mul(self.input * self.filter);
        bias.wrapping_sub(self.input.wrapping_mul(weight_sum)).wrapping_add(of_zeros)
    }
}

/// How results are limited and stored, as vector kernels compute it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Limits of the value before the zero point is added.
    low: i32,
    high: i32,
    zero_point: i32,
    /// Whether results are int8.
    pub(super) is_signed: bool,
}

impl Limits {
    pub(super) fn new<T: Stored>(range: OutputRange) -> Self {
        let OutputRange { zero_point, low, high } = range;
        let (low, high) = (low.saturating_sub(zero_point), high.saturating_sub(zero_point));
        Self { low, high, zero_point, is_signed: T::MIN < 0 }
    }

    /// Returns a value's low byte as it is stored.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn store(self, value: i32) -> u8 {
        value.max(self.low).min(self.high).wrapping_add(self.zero_point) as u8
    }
}
