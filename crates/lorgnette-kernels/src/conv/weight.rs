//! The forms in which a tile can read its weights.

use crate::simd::Simd;

/// A weight as it lies in memory.
pub(super) trait Weight: Copy + 'static {
    /// The vector of the weights at `from`.
    ///
    /// # Safety
    /// As many weights as a vector has lanes can be read at `from`.
    unsafe fn load<S: Simd>(simd: S, from: *const Self) -> S::F;
}

/// The bits of a bf16.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Bf16(u16);

/// The bits of an f16.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct F16(u16);

/// Weights that a vector is loaded from by a method of its own.
macro_rules! weight {
    ($storage:ty, $load:ident) => {
        impl Weight for $storage {
            #[inline(always)]
            unsafe fn load<S: Simd>(simd: S, from: *const Self) -> S::F {
                // SAFETY: the caller vouches for the weights.
                unsafe { simd.$load(from.cast()) }
            }
        }
    };
}

weight!(f32, load);
weight!(Bf16, load_bf16);
weight!(F16, load_f16);
weight!(i8, load_i8);
