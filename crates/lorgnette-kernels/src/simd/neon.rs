//! Vectors of Arm's Advanced SIMD (NEON).

pub(crate) mod matrix;
pub(crate) mod tile;

use std::arch::aarch64::*;

use super::{Simd, SimdOp};
use crate::Level;

/// Vectors of four floats.
///
/// Every 64-bit Arm CPU has these instructions, and the compiler may use them anywhere: there is
/// nothing to detect.
#[derive(Clone, Copy)]
pub(crate) struct Neon;

/// Defines methods that are one or two intrinsics each.
macro_rules! intrinsics {
    ($($name:ident($($argument:ident),*) = $call:expr;)*) => {
        $(#[inline(always)]
        fn $name(self, $($argument: Self::F),*) -> Self::F {
            // SAFETY: the module is compiled only where NEON is on for the whole program.
            unsafe { $call }
        })*
    };
}

impl Simd for Neon {
    const LEVEL: Level = Level::Neon;
    const HAS_LANE_PRODUCTS: bool = true;
    type F = float32x4_t;

    fn dispatch<K: SimdOp>(kernel: K) {
        kernel.run(Self);
    }

    #[inline(always)]
    fn call<K: SimdOp>(self, kernel: K) {
        #[inline(never)]
        fn not_inlined<K: SimdOp>(kernel: K) {
            kernel.run(Neon);
        }
        not_inlined(kernel);
    }

    intrinsics! {
        add(a, b) = vaddq_f32(a, b);
        sub(a, b) = vsubq_f32(a, b);
        mul(a, b) = vmulq_f32(a, b);
        mul_add(a, b, c) = vfmaq_f32(c, a, b);
        // Not `vmaxq_f32` and `vminq_f32`, which give NaN if either is NaN.
        max(a, b) = vbslq_f32(vcgtq_f32(a, b), a, b);
        min(a, b) = vbslq_f32(vcltq_f32(a, b), a, b);
        nan_or(a, b) = vbslq_f32(vceqq_f32(a, a), b, a);
    }

    #[inline(always)]
    fn mul_add_lane<const LANE: i32>(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // SAFETY: NEON is on.
        unsafe { vfmaq_laneq_f32::<LANE>(c, a, b) }
    }

    #[inline(always)]
    fn clamp(self, low: Self::F, high: Self::F, x: Self::F) -> Self::F {
        // Here NaN is to stay NaN, as these instructions leave it.
        // SAFETY: NEON is on.
        unsafe { vminq_f32(vmaxq_f32(x, low), high) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        // SAFETY: NEON is on.
        unsafe { vdupq_n_f32(x) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::F {
        // SAFETY: caller guarantees the floats; no alignment is needed.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn load_partial(self, from: *const f32, count: usize) -> Self::F {
        // SAFETY: caller guarantees `count` floats, and no others are read.
        unsafe {
            let zero = vdupq_n_f32(0.0);
            match count {
                0 => zero,
                1 => vld1q_lane_f32::<0>(from, zero),
                2 => vcombine_f32(vld1_f32(from), vget_low_f32(zero)),
                3 => {
                    let pair = vcombine_f32(vld1_f32(from), vget_low_f32(zero));
                    vld1q_lane_f32::<2>(from.add(2), pair)
                }
                _ => vld1q_f32(from),
            }
        }
    }

    #[inline(always)]
    unsafe fn load_bf16(self, from: *const u16) -> Self::F {
        // SAFETY: caller guarantees the numbers; no alignment is needed.
        unsafe { vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(from))) }
    }

    #[inline(always)]
    unsafe fn store_partial_bf16(self, to: *mut u16, value: Self::F, count: usize) {
        // SAFETY: NEON is on; caller guarantees the numbers.
        unsafe {
            let halves = round_to_bf16(value);
            if count == Self::LANES {
                return vst1_u16(to, halves);
            }
            let mut lanes = [0; Self::LANES];
            vst1_u16(lanes.as_mut_ptr(), halves);
            lanes[count..].fill(0);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, count.next_multiple_of(2));
        }
    }

    #[inline(always)]
    unsafe fn load_f16(self, from: *const u16) -> Self::F {
        let value: float32x4_t;
        // SAFETY: caller guarantees the numbers; no alignment is needed. The conversion is one of
        // the base instructions, not of the extension for arithmetic on f16.
        unsafe {
            let bits = vld1_u16(from);
            std::arch::asm!(
                "fcvtl {value:v}.4s, {bits:v}.4h",
                value = lateout(vreg) value,
                bits = in(vreg) bits,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        value
    }

    #[inline(always)]
    unsafe fn load_i8(self, from: *const i8) -> Self::F {
        // SAFETY: caller guarantees the numbers; no alignment is assumed.
        unsafe {
            let bytes = vcreate_s8(u64::from(from.cast::<u32>().read_unaligned()));
            vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes))))
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: Self::F) {
        // SAFETY: caller guarantees the floats; no alignment is needed.
        unsafe { vst1q_f32(to, value) };
    }

    #[inline(always)]
    unsafe fn store_partial(self, to: *mut f32, value: Self::F, count: usize) {
        // SAFETY: caller guarantees `count` floats, and no others are written.
        unsafe {
            match count {
                0 => {}
                1 => vst1q_lane_f32::<0>(to, value),
                2 => vst1_f32(to, vget_low_f32(value)),
                3 => {
                    vst1_f32(to, vget_low_f32(value));
                    vst1q_lane_f32::<2>(to.add(2), value);
                }
                _ => vst1q_f32(to, value),
            }
        }
    }

    #[inline(always)]
    unsafe fn add_tile_products<const ROWS: usize, const VECS: usize>(
        self,
        inputs: &[*const f32; ROWS],
        weights: *const f32,
        depth: usize,
        sums: &mut [[Self::F; VECS]; ROWS],
    ) -> usize {
        let groups = depth / Self::LANES;
        if VECS != 4 || ROWS > Self::TILE_ROWS || groups == 0 {
            return 0;
        }
        // SAFETY: caller guarantees inputs and weights. The pointers' types are the arguments' own,
        // as `VECS` is 4.
        unsafe {
            let inputs = &*std::ptr::from_ref(inputs).cast::<[*const u8; ROWS]>();
            let sums = &mut *std::ptr::from_mut(sums).cast::<[[Self::F; 4]; ROWS]>();
            tile::add_floats(inputs, weights.cast(), groups, sums);
        }
        groups * Self::LANES
    }

    #[inline(always)]
    fn has_nan(self, a: Self::F) -> bool {
        // SAFETY: NEON is on.
        unsafe { vminvq_u32(vceqq_f32(a, a)) == 0 }
    }

    #[inline(always)]
    fn prefetch(self, address: *const f32) {
        // SAFETY: a hint; no address can make it fault.
        unsafe {
            std::arch::asm!(
                "prfm pldl2keep, [{}]",
                in(reg) address.addr(),
                options(nomem, nostack, preserves_flags),
            );
        }
    }

    #[inline(always)]
    fn prefetch_write(self, address: *const f32) {
        // SAFETY: a hint; no address can make it fault, and it changes nothing that a program can
        // observe.
        unsafe {
            std::arch::asm!(
                "prfm pstl1keep, [{}]",
                in(reg) address.addr(),
                options(nomem, nostack, preserves_flags),
            );
        }
    }
}

/// Rounds to the nearest bf16, ties to even; magnitudes below 2^-126 become zero, which they do not
/// by the instruction of CPUs with BF16.
#[inline(always)]
fn round_to_bf16(value: float32x4_t) -> uint16x4_t {
    // SAFETY: NEON is on.
    unsafe {
        let bits = vreinterpretq_u32_f32(value);
        let odd = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
        let rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7FFF)));
        let quiet = vorrq_u32(bits, vdupq_n_u32(0x40_0000));
        let rounded = vbslq_u32(vceqq_f32(value, value), rounded, quiet);
        let magnitude = vandq_u32(bits, vdupq_n_u32(0x7FFF_FFFF));
        let sign = vandq_u32(bits, vdupq_n_u32(0x8000_0000));
        let is_tiny = vcltq_u32(magnitude, vdupq_n_u32(0x80_0000));
        vshrn_n_u32::<16>(vbslq_u32(is_tiny, sign, rounded))
    }
}
