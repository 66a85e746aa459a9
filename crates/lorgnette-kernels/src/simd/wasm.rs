//! Vectors of WebAssembly's fixed-width SIMD.

use std::arch::wasm32::*;

use super::{Simd, SimdOp};
use crate::Level;
use crate::numerics::f16_to_f32;

/// Vectors of four floats.
///
/// A module either contains these instructions or does not: an engine without them refuses the
/// whole module, so there is nothing to detect at run time.
#[derive(Clone, Copy)]
pub(crate) struct Simd128;

const LANES: usize = Simd128::LANES;

impl Simd for Simd128 {
    const LEVEL: Level = Level::Simd128;
    // Engines load all inputs of a row of windows before they multiply: those of eight windows, and
    // their sums, would be more than registers.
    const DEPTHWISE_COLUMNS: usize = 4;
    type F = v128;

    fn dispatch<K: SimdOp>(kernel: K) {
        kernel.run(Self);
    }

    #[inline(always)]
    fn call<K: SimdOp>(self, kernel: K) {
        #[inline(never)]
        fn not_inlined<K: SimdOp>(kernel: K) {
            kernel.run(Simd128);
        }
        not_inlined(kernel);
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        f32x4_splat(x)
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::F {
        // SAFETY: caller guarantees the floats; no alignment is assumed.
        unsafe { v128_load(from.cast()) }
    }

    #[inline(always)]
    unsafe fn load_partial(self, from: *const f32, count: usize) -> Self::F {
        // SAFETY: caller guarantees `count` floats, and no others are read.
        unsafe {
            match count {
                0 => f32x4_splat(0.0),
                1 => v128_load32_zero(from.cast()),
                2 => v128_load64_zero(from.cast()),
                3 => v128_load32_lane::<2>(v128_load64_zero(from.cast()), from.add(2).cast()),
                _ => v128_load(from.cast()),
            }
        }
    }

    #[inline(always)]
    unsafe fn load_bf16(self, from: *const u16) -> Self::F {
        // SAFETY: caller guarantees the numbers; no alignment is assumed.
        i32x4_shl(unsafe { u32x4_load_extend_u16x4(from) }, 16)
    }

    #[inline(always)]
    unsafe fn load_f16(self, from: *const u16) -> Self::F {
        // SAFETY: caller guarantees the numbers; no alignment is assumed.
        let bits = unsafe { from.cast::<[u16; LANES]>().read_unaligned() };
        let [a, b, c, d] = bits.map(f16_to_f32);
        f32x4(a, b, c, d)
    }

    #[inline(always)]
    unsafe fn load_i8(self, from: *const i8) -> Self::F {
        // SAFETY: caller guarantees the numbers; no alignment is assumed.
        let bytes = i32x4_splat(unsafe { from.cast::<i32>().read_unaligned() });
        f32x4_convert_i32x4(i32x4_extend_low_i16x8(i16x8_extend_low_i8x16(bytes)))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: Self::F) {
        // SAFETY: caller guarantees the floats; no alignment is assumed.
        unsafe { v128_store(to.cast(), value) };
    }

    #[inline(always)]
    unsafe fn store_partial(self, to: *mut f32, value: Self::F, count: usize) {
        // SAFETY: caller guarantees `count` floats, and no others are written.
        unsafe {
            match count {
                0 => {}
                1 => v128_store32_lane::<0>(value, to.cast()),
                2 => v128_store64_lane::<0>(value, to.cast()),
                3 => {
                    v128_store64_lane::<0>(value, to.cast());
                    v128_store32_lane::<2>(value, to.add(2).cast());
                }
                _ => v128_store(to.cast(), value),
            }
        }
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        f32x4_add(a, b)
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        f32x4_sub(a, b)
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        f32x4_mul(a, b)
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // One rounding, if the CPU has the instruction; not all browsers have relaxed SIMD.
        #[cfg(target_feature = "relaxed-simd")]
        return f32x4_relaxed_madd(a, b, c);
        #[cfg(not(target_feature = "relaxed-simd"))]
        f32x4_add(f32x4_mul(a, b), c)
    }

    #[inline(always)]
    unsafe fn add_tile_products<const ROWS: usize, const VECS: usize>(
        self,
        inputs: &[*const f32; ROWS],
        weights: *const f32,
        depth: usize,
        sums: &mut [[Self::F; VECS]; ROWS],
    ) -> usize {
        if VECS != Self::PANEL_VECTORS {
            return 0;
        }
        let (mut inputs, mut weights, mut left) = (*inputs, weights, depth);
        // The condition between two channels keeps their instructions apart. LLVM would order those
        // of several channels by sums, as WebAssembly has no registers, and engines, which keep
        // that order, would spill the inputs of all of them.
        // SAFETY: caller guarantees inputs and weights; `left` channels of them remain.
        unsafe {
            while left > 0 {
                self.add_channel(0, &inputs, weights, sums);
                if left == 1 {
                    break;
                }
                self.add_channel(1, &inputs, weights, sums);
                if left == 2 {
                    break;
                }
                self.add_channel(2, &inputs, weights, sums);
                if left == 3 {
                    break;
                }
                self.add_channel(3, &inputs, weights, sums);
                left -= 4;
                if left == 0 {
                    break;
                }
                for input in &mut inputs {
                    *input = input.add(4);
                }
                weights = weights.add(4 * VECS * LANES);
            }
        }
        depth
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        // `b < a ? a : b`.
        f32x4_pmax(b, a)
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        // `a < b ? a : b`.
        f32x4_pmin(b, a)
    }

    #[inline(always)]
    fn nan_or(self, a: Self::F, b: Self::F) -> Self::F {
        v128_bitselect(a, b, f32x4_ne(a, a))
    }

    #[inline(always)]
    fn has_nan(self, a: Self::F) -> bool {
        v128_any_true(f32x4_ne(a, a))
    }

    #[inline(always)]
    fn prefetch(self, _address: *const f32) {}

    #[inline(always)]
    fn prefetch_write(self, _address: *const f32) {}
}

impl Simd128 {
    /// Adds the products of input channel `k` to the sums of a tile.
    ///
    /// # Safety
    /// Caller guarantees a value `k` after each of `inputs`, and that row of weights.
    #[inline(always)]
    #[expect(
        clippy::needless_range_loop,
        reason = "constant indices become registers; iterators became memory"
    )]
    unsafe fn add_channel<const ROWS: usize, const VECS: usize>(
        self,
        k: usize,
        inputs: &[*const f32; ROWS],
        weights: *const f32,
        sums: &mut [[v128; VECS]; ROWS],
    ) {
        // Additions that do not wrap become offsets in the instructions that load.
        // SAFETY: caller guarantees the values.
        unsafe {
            let mut factors = [f32x4_splat(0.0); VECS];
            for v in 0..VECS {
                factors[v] = v128_load(weights.add((k * VECS + v) * LANES).cast());
            }
            for r in 0..ROWS {
                let value = v128_load32_splat(inputs[r].add(k).cast());
                for v in 0..VECS {
                    sums[r][v] = self.mul_add(value, factors[v], sums[r][v]);
                }
            }
        }
    }
}
