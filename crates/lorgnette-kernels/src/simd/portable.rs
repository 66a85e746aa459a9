//! Vectors in plain Rust, which compile to instructions of every CPU of the architecture.

use super::{Simd, SimdOp};
use crate::Level;
use crate::numerics::{bf16_to_f32, f16_to_f32};

/// Vectors of four floats.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

const LANES: usize = Portable::LANES;

#[inline(always)]
fn zip(a: [f32; LANES], b: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

impl Simd for Portable {
    const LEVEL: Level = Level::Portable;
    type F = [f32; LANES];

    fn dispatch<K: SimdOp>(kernel: K) {
        kernel.run(Self);
    }

    #[inline(always)]
    fn call<K: SimdOp>(self, kernel: K) {
        #[inline(never)]
        fn not_inlined<K: SimdOp>(kernel: K) {
            kernel.run(Portable);
        }
        not_inlined(kernel);
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; LANES]
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::F {
        // SAFETY: caller guarantees the floats; no alignment is assumed.
        unsafe { from.cast::<Self::F>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_partial(self, from: *const f32, count: usize) -> Self::F {
        let mut value = [0.0; LANES];
        for (i, lane) in value.iter_mut().enumerate().take(count) {
            // SAFETY: caller guarantees `count` floats.
            *lane = unsafe { from.add(i).read() };
        }
        value
    }

    #[inline(always)]
    unsafe fn load_bf16(self, from: *const u16) -> Self::F {
        // SAFETY: caller guarantees the numbers; no alignment is assumed.
        let bits = unsafe { from.cast::<[u16; LANES]>().read_unaligned() };
        bits.map(bf16_to_f32)
    }

    #[inline(always)]
    unsafe fn load_f16(self, from: *const u16) -> Self::F {
        // SAFETY: caller guarantees the numbers; no alignment is assumed.
        let bits = unsafe { from.cast::<[u16; LANES]>().read_unaligned() };
        bits.map(f16_to_f32)
    }

    #[inline(always)]
    unsafe fn load_i8(self, from: *const i8) -> Self::F {
        // SAFETY: caller guarantees the numbers; no alignment is assumed.
        unsafe { from.cast::<[i8; LANES]>().read_unaligned() }.map(f32::from)
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: Self::F) {
        // SAFETY: caller guarantees the floats; no alignment is assumed.
        unsafe { to.cast::<Self::F>().write_unaligned(value) };
    }

    #[inline(always)]
    unsafe fn store_partial(self, to: *mut f32, value: Self::F, count: usize) {
        for (i, lane) in value.into_iter().enumerate().take(count) {
            // SAFETY: caller guarantees `count` floats.
            unsafe { to.add(i).write(lane) };
        }
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // Not `f32::mul_add`, which is a function call where the CPU has no such instruction.
        self.add(self.mul(a, b), c)
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn nan_or(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| if a.is_nan() { a } else { b })
    }

    #[inline(always)]
    fn has_nan(self, a: Self::F) -> bool {
        a.iter().any(|x| x.is_nan())
    }

    #[inline(always)]
    fn prefetch(self, _address: *const f32) {}

    #[inline(always)]
    fn prefetch_write(self, _address: *const f32) {}
}
