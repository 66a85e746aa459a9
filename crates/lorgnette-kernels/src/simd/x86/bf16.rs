//! AVX-512 with BF16: the vectors of AVX-512, and products of pairs of bf16.

use std::arch::x86_64::*;

use super::{Avx512, mask_for};
use crate::simd::{Simd, SimdOp};
use crate::{Level, numerics};

/// Vectors of sixteen floats, or of sixteen pairs of bf16 in [`Simd::add_product`].
#[derive(Clone, Copy)]
pub(crate) struct Avx512Bf16(());

/// Defines methods that are those of AVX-512.
macro_rules! as_avx512 {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        $(#[inline(always)]
        fn $name(self, $($argument: $type),*) -> $result {
            Avx512(()).$name($($argument),*)
        })*
    };
    ($(unsafe $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        $(#[inline(always)]
        unsafe fn $name(self, $($argument: $type),*) -> $result {
            // SAFETY: caller guarantees the same.
            unsafe { Avx512(()).$name($($argument),*) }
        })*
    };
}

add_two_products!("avx512f,avx512bf16", "vdpbf16ps");

/// Returns the mask of 16-bit lanes whose first `count` (at most 32) are on.
#[inline(always)]
fn wide_mask_for(count: usize) -> __mmask32 {
    ((1_u64 << count) - 1) as __mmask32
}

impl Simd for Avx512Bf16 {
    const LEVEL: Level = Level::Avx512;
    const HAS_BF16_ROUNDING: bool = true;
    type F = __m512;

    fn is_available() -> bool {
        numerics::has_bf16()
    }

    target_feature_entry!(
        Avx512Bf16,
        "avx2,fma,f16c,avx512f,avx512vl,avx512dq,avx512bw,avx512bf16"
    );

    #[inline(always)]
    fn add_product(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // SAFETY: `self` proves the CPU has AVX-512 BF16; the types of `a` and `b` are 64 bytes for
        // which all bits are valid.
        unsafe {
            let a = std::mem::transmute::<__m512, __m512bh>(a);
            let b = std::mem::transmute::<__m512, __m512bh>(b);
            _mm512_dpbf16_ps(c, a, b)
        }
    }

    #[inline(always)]
    unsafe fn add_two_products(
        self,
        from: *const f32,
        k: usize,
        weights: [Self::F; 2],
        sums: [Self::F; 2],
    ) -> [Self::F; 2] {
        // SAFETY: caller guarantees the float; `self` proves the CPU has the instructions.
        unsafe { add_two_products(from, k, weights, sums) }
    }

    #[inline(always)]
    unsafe fn store_partial_bf16(self, to: *mut u16, value: Self::F, count: usize) {
        // SAFETY: caller guarantees the numbers of the mask, and `self` proves the CPU has the
        // instructions; both types are 32 bytes for which all bits are valid.
        unsafe {
            let rounded = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(value));
            if count == Self::LANES {
                _mm256_storeu_si256(to.cast(), rounded);
            } else {
                let rounded = _mm256_maskz_mov_epi16(mask_for(count), rounded);
                _mm256_mask_storeu_epi16(to.cast(), mask_for(count.next_multiple_of(2)), rounded);
            }
        }
    }

    #[inline(always)]
    unsafe fn store_partial_pair_bf16(self, to: *mut u16, values: [Self::F; 2], count: usize) {
        // SAFETY: caller guarantees the numbers of the mask, and `self` proves the CPU has the
        // instructions; both types are 64 bytes for which all bits are valid.
        unsafe {
            let rounded =
                std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(values[1], values[0]));
            if count == 2 * Self::LANES {
                _mm512_storeu_si512(to.cast(), rounded);
            } else {
                let rounded = _mm512_maskz_mov_epi16(wide_mask_for(count), rounded);
                _mm512_mask_storeu_epi16(
                    to.cast(),
                    wide_mask_for(count.next_multiple_of(2)),
                    rounded,
                );
            }
        }
    }

    as_avx512! {
        splat(x: f32) -> Self::F;
        add(a: Self::F, b: Self::F) -> Self::F;
        sub(a: Self::F, b: Self::F) -> Self::F;
        mul(a: Self::F, b: Self::F) -> Self::F;
        mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
        max(a: Self::F, b: Self::F) -> Self::F;
        min(a: Self::F, b: Self::F) -> Self::F;
        nan_or(a: Self::F, b: Self::F) -> Self::F;
        expand_rgb_to_rgbx(a: Self::F) -> Self::F;
        has_nan(a: Self::F) -> bool;
        prefetch(address: *const f32) -> ();
        prefetch_write(address: *const f32) -> ();
    }

    as_avx512! {
        unsafe load(from: *const f32) -> Self::F;
        unsafe load_partial(from: *const f32, count: usize) -> Self::F;
        unsafe load_bf16(from: *const u16) -> Self::F;
        unsafe load_partial_bf16(from: *const u16, count: usize) -> Self::F;
        unsafe load_f16(from: *const u16) -> Self::F;
        unsafe load_i8(from: *const i8) -> Self::F;
        unsafe store(to: *mut f32, value: Self::F) -> ();
        unsafe store_partial(to: *mut f32, value: Self::F, count: usize) -> ();
    }
}
