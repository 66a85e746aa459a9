//! Vectors of AVX2 with FMA, and of AVX-512.

use std::arch::x86_64::*;

use super::{Simd, SimdOp};
use crate::Level;

/// Vectors of eight floats.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

/// Vectors of sixteen floats.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

/// Defines a level's entry points, the only place where its features are enabled and its token is
/// constructed.
macro_rules! target_feature_entry {
    ($token:ident, $features:literal) => {
        fn dispatch<K: SimdOp>(kernel: K) {
            #[target_feature(enable = $features)]
            fn with_features<K: SimdOp>(kernel: K) {
                kernel.run($token(()));
            }
            assert!(Self::is_available(), "this CPU does not have {}", stringify!($token));
            // SAFETY: the CPU has the features, as just asserted.
            unsafe { with_features(kernel) }
        }

        #[inline(always)]
        fn call<K: SimdOp>(self, kernel: K) {
            #[target_feature(enable = $features)]
            #[inline(never)]
            fn not_inlined<K: SimdOp>(kernel: K) {
                kernel.run($token(()));
            }
            // SAFETY: `self` exists only where the CPU has the features.
            unsafe { not_inlined(kernel) }
        }
    };
}

/// Defines a function for `sums[v] + from[k] · weights[v]` as instructions in a fixed order. The
/// compiler would load the values of several steps at once, for which a tile has no registers, and
/// spill them to the stack, at a fifth of the tile's time.
macro_rules! add_two_products {
    ($features:literal, $instruction:literal) => {
        /// # Safety
        /// Caller guarantees a value at `from + k`.
        #[target_feature(enable = $features)]
        #[inline]
        unsafe fn add_two_products(
            from: *const f32,
            k: usize,
            weights: [__m512; 2],
            sums: [__m512; 2],
        ) -> [__m512; 2] {
            let [mut first, mut second] = sums;
            // The output needs a variable to have a type; `_` would make the assembler fail.
            let _x: __m512;
            // SAFETY: one value is read, which caller guarantees.
            unsafe {
                std::arch::asm!(
                    "vbroadcastss {x}, dword ptr [{from} + 4 * {k}]",
                    concat!($instruction, " {first}, {x}, {a}"),
                    concat!($instruction, " {second}, {x}, {b}"),
                    from = in(reg) from,
                    k = in(reg) k,
                    x = out(zmm_reg) _x,
                    a = in(zmm_reg) weights[0],
                    b = in(zmm_reg) weights[1],
                    first = inout(zmm_reg) first,
                    second = inout(zmm_reg) second,
                    options(readonly, nostack, preserves_flags),
                );
            }
            [first, second]
        }
    };
}

mod amx;
mod bf16;
mod pixel_conversion;

pub(crate) use amx::{
    BLOCK_COLUMNS, BLOCK_ROWS, ByteFactors, ByteSums, Factors, Sums, TILE_BYTES, TILE_DEPTH,
    TILE_FLOATS, Tiles,
};
pub(crate) use bf16::Avx512Bf16;
pub(crate) use pixel_conversion::{PixelConversion, round_row};

/// Defines methods that are one intrinsic each.
macro_rules! intrinsics {
    ($($name:ident($($argument:ident),*) = $call:expr;)*) => {
        $(#[inline(always)]
        fn $name(self, $($argument: Self::F),*) -> Self::F {
            // SAFETY: the intrinsic needs the level's features, and `self` exists only where the
            // CPU has them.
            unsafe { $call }
        })*
    };
}

/// A mask of eight lanes whose first `count` are on, at [8 - count..].
static LANE_MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

impl Avx2 {
    #[inline(always)]
    fn mask_for(self, count: usize) -> __m256i {
        let mask = &LANE_MASKS[8 - count..][..8];
        // SAFETY: eight numbers are read from a slice of eight; `self` proves the CPU has AVX.
        unsafe { _mm256_loadu_si256(mask.as_ptr().cast()) }
    }
}

impl Simd for Avx2 {
    const LEVEL: Level = Level::Avx2;
    type F = __m256;

    target_feature_entry!(Avx2, "avx2,fma,f16c");

    intrinsics! {
        add(a, b) = _mm256_add_ps(a, b);
        sub(a, b) = _mm256_sub_ps(a, b);
        mul(a, b) = _mm256_mul_ps(a, b);
        mul_add(a, b, c) = _mm256_fmadd_ps(a, b, c);
        max(a, b) = _mm256_max_ps(a, b);
        min(a, b) = _mm256_min_ps(a, b);
        nan_or(a, b) = _mm256_blendv_ps(b, a, _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a));
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        // SAFETY: `self` proves the CPU has AVX.
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::F {
        // SAFETY: caller guarantees the floats; `self` proves the CPU has the instructions.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_partial(self, from: *const f32, count: usize) -> Self::F {
        // SAFETY: caller guarantees `count` floats, and no others are touched; `self` proves the
        // CPU has the instructions.
        unsafe { _mm256_maskload_ps(from, self.mask_for(count)) }
    }

    #[inline(always)]
    unsafe fn load_bf16(self, from: *const u16) -> Self::F {
        // SAFETY: caller guarantees the numbers; `self` proves the CPU has the instructions.
        unsafe {
            let bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits))
        }
    }

    #[inline(always)]
    unsafe fn load_f16(self, from: *const u16) -> Self::F {
        // SAFETY: caller guarantees the numbers; `self` proves the CPU has the instructions.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }

    #[inline(always)]
    unsafe fn load_i8(self, from: *const i8) -> Self::F {
        // SAFETY: caller guarantees the numbers; `self` proves the CPU has the instructions.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: Self::F) {
        // SAFETY: caller guarantees the floats; `self` proves the CPU has the instructions.
        unsafe { _mm256_storeu_ps(to, value) };
    }

    #[inline(always)]
    unsafe fn store_partial(self, to: *mut f32, value: Self::F, count: usize) {
        // SAFETY: caller guarantees `count` floats, and no others are touched; `self` proves the
        // CPU has the instructions.
        unsafe { _mm256_maskstore_ps(to, self.mask_for(count), value) };
    }

    #[inline(always)]
    fn has_nan(self, a: Self::F) -> bool {
        // SAFETY: `self` proves the CPU has AVX.
        unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_UNORD_Q>(a, a)) != 0 }
    }

    #[inline(always)]
    fn prefetch(self, address: *const f32) {
        // SAFETY: a hint; no address can make it fault.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) };
    }

    #[inline(always)]
    fn prefetch_write(self, address: *const f32) {
        prefetch_write(address);
    }
}

/// Prefetches for writing, by inline assembly: the compiler makes an ordinary prefetch of the
/// intrinsic unless the feature PRFCHW is on. CPUs without it, older than AVX2, execute the
/// instruction as a no-op.
#[inline(always)]
fn prefetch_write(address: *const f32) {
    // SAFETY: a hint; no address can make it fault, and it changes nothing that a program can
    // observe.
    unsafe {
        std::arch::asm!(
            "prefetchw [{}]",
            in(reg) address.addr(),
            options(nomem, nostack, preserves_flags),
        );
    };
}

add_two_products!("avx512f", "vfmadd231ps");

/// Rounds to the nearest bf16, ties to even, without the instruction for it; magnitudes below
/// 2^-126 become zero.
#[target_feature(enable = "avx512f")]
#[inline]
fn round_to_bf16(value: __m512) -> __m256i {
    let bits = _mm512_castps_si512(value);
    let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
    let rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
    let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(value, value);
    let rounded = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x40_0000));
    let magnitude = _mm512_and_si512(bits, _mm512_set1_epi32(i32::MAX));
    let tiny = _mm512_cmplt_epi32_mask(magnitude, _mm512_set1_epi32(0x80_0000));
    let rounded = _mm512_mask_and_epi32(rounded, tiny, bits, _mm512_set1_epi32(i32::MIN));
    _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(rounded))
}

/// Returns the mask whose first `count` (at most 16) lanes are on.
#[inline(always)]
fn mask_for(count: usize) -> __mmask16 {
    ((1_u32 << count) - 1) as __mmask16
}

impl Simd for Avx512 {
    const LEVEL: Level = Level::Avx512;
    type F = __m512;

    target_feature_entry!(Avx512, "avx2,fma,avx512f,avx512vl,avx512dq,avx512bw");

    intrinsics! {
        add(a, b) = _mm512_add_ps(a, b);
        sub(a, b) = _mm512_sub_ps(a, b);
        mul(a, b) = _mm512_mul_ps(a, b);
        mul_add(a, b, c) = _mm512_fmadd_ps(a, b, c);
        max(a, b) = _mm512_max_ps(a, b);
        min(a, b) = _mm512_min_ps(a, b);
        nan_or(a, b) = _mm512_mask_mov_ps(b, _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a), a);
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        // SAFETY: `self` proves the CPU has AVX-512.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    fn expand_rgb_to_rgbx(self, a: Self::F) -> Self::F {
        // SAFETY: `self` proves the CPU has AVX-512.
        unsafe { _mm512_maskz_expand_ps(0x7777, a) }
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
    unsafe fn load(self, from: *const f32) -> Self::F {
        // SAFETY: caller guarantees the floats; `self` proves the CPU has the instructions.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_partial(self, from: *const f32, count: usize) -> Self::F {
        // SAFETY: caller guarantees `count` floats, and no others are touched; `self` proves the
        // CPU has the instructions.
        unsafe { _mm512_maskz_loadu_ps(mask_for(count), from) }
    }

    #[inline(always)]
    unsafe fn load_bf16(self, from: *const u16) -> Self::F {
        // SAFETY: caller guarantees the numbers; `self` proves the CPU has the instructions.
        unsafe {
            let bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits))
        }
    }

    #[inline(always)]
    unsafe fn load_partial_bf16(self, from: *const u16, count: usize) -> Self::F {
        // SAFETY: caller guarantees `count` numbers, and no others are touched; `self` proves the
        // CPU has the instructions.
        unsafe {
            let bits =
                _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask_for(count), from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits))
        }
    }

    #[inline(always)]
    unsafe fn store_partial_bf16(self, to: *mut u16, value: Self::F, count: usize) {
        // SAFETY: caller guarantees the numbers of the mask; `self` proves the CPU has the
        // instructions.
        unsafe {
            let rounded = _mm256_maskz_mov_epi16(mask_for(count), round_to_bf16(value));
            _mm256_mask_storeu_epi16(to.cast(), mask_for(count.next_multiple_of(2)), rounded);
        }
    }

    #[inline(always)]
    unsafe fn load_f16(self, from: *const u16) -> Self::F {
        // SAFETY: caller guarantees the numbers; `self` proves the CPU has the instructions.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn load_i8(self, from: *const i8) -> Self::F {
        // SAFETY: caller guarantees the numbers; `self` proves the CPU has the instructions.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: Self::F) {
        // SAFETY: caller guarantees the floats; `self` proves the CPU has the instructions.
        unsafe { _mm512_storeu_ps(to, value) };
    }

    #[inline(always)]
    unsafe fn store_partial(self, to: *mut f32, value: Self::F, count: usize) {
        // SAFETY: caller guarantees `count` floats, and no others are touched; `self` proves the
        // CPU has the instructions.
        unsafe { _mm512_mask_storeu_ps(to, mask_for(count), value) };
    }

    #[inline(always)]
    fn has_nan(self, a: Self::F) -> bool {
        // SAFETY: `self` proves the CPU has AVX-512.
        unsafe { _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a) != 0 }
    }

    #[inline(always)]
    fn prefetch(self, address: *const f32) {
        // SAFETY: a hint; no address can make it fault.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) };
    }

    #[inline(always)]
    fn prefetch_write(self, address: *const f32) {
        prefetch_write(address);
    }
}
