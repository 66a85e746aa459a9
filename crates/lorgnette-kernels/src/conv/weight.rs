//! Storage types of a tile's weights.

use crate::simd::Simd;

/// A weight's storage type.
pub(super) trait Weight: Copy + 'static {
    /// True if weights are stored as they are multiplied.
    const IS_FLOAT32: bool = false;

    /// Loads a vector of weights as float32.
    ///
    /// # Safety
    /// Caller guarantees a weight for each lane at `from`.
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

/// Implements [`Weight`] by a method of [`Simd`].
macro_rules! weight {
    ($storage:ty, $load:ident $(, $is_float32:literal)?) => {
        impl Weight for $storage {
            $(const IS_FLOAT32: bool = $is_float32;)?

            #[inline(always)]
            unsafe fn load<S: Simd>(simd: S, from: *const Self) -> S::F {
                // SAFETY: caller guarantees the weights.
                unsafe { simd.$load(from.cast()) }
            }
        }
    };
}

weight!(f32, load, true);
weight!(Bf16, load_bf16);
weight!(F16, load_f16);
weight!(i8, load_i8);
