//! The vector every hand-shaped kernel is written over, and the one door through which a kernel
//! enters a CPU level.
//!
//! A kernel is a value that implements [`SimdOp`]: its fields are its arguments, and `run` is
//! generic over the [`Simd`] of a level. [`Simd::dispatch`] calls it from a function compiled for
//! that level, into which everything marked `#[inline(always)]` melts. Plain loops in such a kernel
//! are vectorised by the compiler for the level too.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::numerics::{bf16_to_f32, f32_to_bf16_ftz};
use crate::{Level, StorageType};

pub(crate) use crate::isa::{MAX_LANES, MAX_TILE_ROWS};

pub(crate) use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{
    Avx2, Avx512, Avx512Bf16, BLOCK_COLUMNS, BLOCK_ROWS, Factors, PixelConversion, Sums,
    TILE_DEPTH, TILE_FLOATS, Tiles,
};

/// Something to run at a CPU level.
pub(crate) trait SimdOp {
    /// Does the work. Must be `#[inline(always)]`, as must all it calls that uses vectors.
    fn run<S: Simd>(self, simd: S);
}

impl Level {
    /// Runs a kernel at this level.
    ///
    /// # Panics
    /// If the CPU does not have the level.
    pub(crate) fn dispatch<K: SimdOp>(self, kernel: K) {
        match self.base_isa() {
            Self::Portable => Portable::dispatch(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2::dispatch(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Amx => Avx512::dispatch(kernel),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 | Self::Amx => panic!("this CPU does not have {self}"),
        }
    }
}

/// Vectors of float32 at one CPU level. A value of the type is proof that the CPU has the level.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// The level.
    const LEVEL: Level;
    /// Floats in a vector.
    const LANES: usize = Self::LEVEL.isa().lanes;
    /// Pixels of the largest register tile, at most [`MAX_TILE_ROWS`]: times two vectors, with two
    /// for weights and one for the input, they must fit the registers.
    const TILE_ROWS: usize = Self::LEVEL.isa().tile_rows;
    /// Whether it has an instruction that rounds vectors to bf16.
    const HAS_BF16_ROUNDING: bool = false;
    /// A vector.
    type F: Copy;

    /// Whether the CPU has what the vectors need.
    fn is_available() -> bool {
        Self::LEVEL.is_available()
    }

    /// Runs a kernel compiled for this level. Panics if the CPU does not have it.
    fn dispatch<K: SimdOp>(kernel: K);

    /// Runs a kernel as a function of its own, from within another kernel: one whose registers
    /// should be its own.
    fn call<K: SimdOp>(self, kernel: K);

    /// `x` in every lane.
    fn splat(self, x: f32) -> Self::F;
    /// The vector at `from`.
    ///
    /// # Safety
    /// `LANES` floats can be read at `from`.
    unsafe fn load(self, from: *const f32) -> Self::F;
    /// The first `count` lanes from `from`, zeros in the others.
    ///
    /// # Safety
    /// `count` floats can be read at `from`, and `count` is at most `LANES`.
    unsafe fn load_partial(self, from: *const f32, count: usize) -> Self::F;
    /// The vector of the bf16 at `from`.
    ///
    /// # Safety
    /// `LANES` bf16 can be read at `from`.
    unsafe fn load_bf16(self, from: *const u16) -> Self::F;
    /// The first `count` lanes from the bf16 at `from`, zeros in the others.
    ///
    /// # Safety
    /// `count` bf16 can be read at `from`, and `count` is at most `LANES`.
    #[inline(always)]
    unsafe fn load_partial_bf16(self, from: *const u16, count: usize) -> Self::F {
        let mut lanes = [0.0; MAX_LANES];
        for (i, lane) in lanes.iter_mut().enumerate().take(count) {
            // SAFETY: the caller vouches for `count` of them.
            *lane = bf16_to_f32(unsafe { from.add(i).read_unaligned() });
        }
        self.load_slice(&lanes[..Self::LANES])
    }
    /// Rounds the first `count` lanes to bf16 and writes them to `to`, and a zero beside the last
    /// if they are odd. Numbers below 2^-126 become zero.
    ///
    /// # Safety
    /// `count` bf16, or one more if that is odd, can be written at `to`, and `count` is at most
    /// `LANES`.
    #[inline(always)]
    unsafe fn store_partial_bf16(self, to: *mut u16, value: Self::F, count: usize) {
        let mut lanes = [0.0; MAX_LANES];
        self.store_slice(&mut lanes[..Self::LANES], value);
        for (i, lane) in lanes.into_iter().enumerate().take(count.next_multiple_of(2)) {
            let bits = if i < count { f32_to_bf16_ftz(lane) } else { 0 };
            // SAFETY: the caller vouches for them.
            unsafe { to.add(i).write_unaligned(bits) };
        }
    }
    /// Rounds two vectors to bf16 and writes the first `count` of their numbers to `to`, one
    /// vector's behind the other's, and a zero beside the last if they are odd.
    ///
    /// # Safety
    /// As for `store_partial_bf16`, and `count` is at least `LANES` and at most twice that.
    #[inline(always)]
    unsafe fn store_partial_pair_bf16(self, to: *mut u16, values: [Self::F; 2], count: usize) {
        // SAFETY: the caller vouches for them.
        unsafe {
            self.store_partial_bf16(to, values[0], Self::LANES);
            self.store_partial_bf16(to.add(Self::LANES), values[1], count - Self::LANES);
        }
    }
    /// The vector of the f16 at `from`.
    ///
    /// # Safety
    /// `LANES` f16 can be read at `from`.
    unsafe fn load_f16(self, from: *const u16) -> Self::F;
    /// The vector of the whole numbers at `from`.
    ///
    /// # Safety
    /// `LANES` numbers can be read at `from`.
    unsafe fn load_i8(self, from: *const i8) -> Self::F;
    /// Writes a vector to `to`.
    ///
    /// # Safety
    /// `LANES` floats can be written at `to`.
    unsafe fn store(self, to: *mut f32, value: Self::F);
    /// Writes the first `count` lanes to `to`.
    ///
    /// # Safety
    /// `count` floats can be written at `to`, and `count` is at most `LANES`.
    unsafe fn store_partial(self, to: *mut f32, value: Self::F, count: usize);
    /// `a + b`
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a − b`
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a · b`
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a · b + c`, with one rounding where the level can.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `a · b + c`, the product being that of pairs where lanes hold pairs of smaller numbers.
    #[inline(always)]
    fn add_product(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        self.mul_add(a, b, c)
    }
    /// Adds the products of one value and some vectors: `sums[v] += from[k] · weights[v]` by
    /// `add_product`, a step of a tile's loop. That `k` comes by itself saves an addition for each
    /// row: the sooner a tile's instructions are through, the sooner those of the next one begin
    /// beside its last.
    ///
    /// # Safety
    /// A float can be read at `from + k`.
    #[inline(always)]
    unsafe fn add_products<const VECS: usize>(
        self,
        from: *const f32,
        k: usize,
        weights: &[Self::F; VECS],
        sums: &mut [Self::F; VECS],
    ) {
        if VECS == 2 {
            // SAFETY: the caller vouches for the float.
            [sums[0], sums[1]] = unsafe {
                self.add_two_products(from, k, [weights[0], weights[1]], [sums[0], sums[1]])
            };
            return;
        }
        // SAFETY: the caller vouches for it.
        let x = self.splat(unsafe { *from.wrapping_add(k) });
        for v in 0..VECS {
            sums[v] = self.add_product(x, weights[v], sums[v]);
        }
    }
    /// The same of two vectors, as most tiles have; a level for which the compiler does it badly
    /// has its own.
    ///
    /// # Safety
    /// A float can be read at `from + k`.
    #[inline(always)]
    unsafe fn add_two_products(
        self,
        from: *const f32,
        k: usize,
        weights: [Self::F; 2],
        sums: [Self::F; 2],
    ) -> [Self::F; 2] {
        // SAFETY: the caller vouches for it.
        let x = self.splat(unsafe { *from.wrapping_add(k) });
        [self.add_product(x, weights[0], sums[0]), self.add_product(x, weights[1], sums[1])]
    }
    /// As many threes of a vector's first lanes as fit, with a zero behind each.
    #[inline(always)]
    fn expand_rgb_to_rgbx(self, a: Self::F) -> Self::F {
        let (mut from, mut to) = ([0.0; MAX_LANES], [0.0; MAX_LANES]);
        self.store_slice(&mut from[..Self::LANES], a);
        for (i, to) in to.iter_mut().enumerate().take(Self::LANES) {
            *to = if i % 4 < 3 { from[i / 4 * 3 + i % 4] } else { 0.0 };
        }
        self.load_slice(&to[..Self::LANES])
    }
    /// The larger one; `b` if either is a NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// The smaller one; `b` if either is a NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a` where it is a NaN, else `b`.
    fn nan_or(self, a: Self::F, b: Self::F) -> Self::F;
    /// Whether any lane is a NaN.
    fn has_nan(self, a: Self::F) -> bool;
    /// Asks for the cache line of an address, which need not be valid, to be brought into L2.
    fn prefetch(self, address: *const f32);
    /// Asks for the cache line of an address, which need not be valid, to be brought into L1 as
    /// this core's own.
    fn prefetch_write(self, address: *const f32);

    /// The first `count` lanes from `from`, by the quicker instruction if they are all.
    ///
    /// # Safety
    /// As for `load_partial`.
    #[inline(always)]
    unsafe fn load_upto(self, from: *const f32, count: usize) -> Self::F {
        // SAFETY: the caller vouches for it.
        unsafe {
            if count == Self::LANES { self.load(from) } else { self.load_partial(from, count) }
        }
    }

    /// The first `count` lanes from the bf16 at `from`, by the quicker instruction if they are all.
    ///
    /// # Safety
    /// As for `load_partial_bf16`.
    #[inline(always)]
    unsafe fn load_upto_bf16(self, from: *const u16, count: usize) -> Self::F {
        // SAFETY: the caller vouches for it.
        unsafe {
            if count == Self::LANES {
                self.load_bf16(from)
            } else {
                self.load_partial_bf16(from, count)
            }
        }
    }

    /// Writes the first `count` lanes, by the quicker instruction if they are all.
    ///
    /// # Safety
    /// As for `store_partial`.
    #[inline(always)]
    unsafe fn store_upto(self, to: *mut f32, value: Self::F, count: usize) {
        // SAFETY: the caller vouches for it.
        unsafe {
            if count == Self::LANES {
                self.store(to, value)
            } else {
                self.store_partial(to, value, count)
            }
        }
    }

    /// The first `count` lanes from elements of either kind that begin at `from`.
    ///
    /// # Safety
    /// `count` elements can be read at `from`, and `count` is at most `LANES`.
    #[inline(always)]
    unsafe fn load_typed(self, storage: StorageType, from: *const f32, count: usize) -> Self::F {
        // SAFETY: the caller vouches for it.
        unsafe {
            match storage {
                StorageType::Float32 => self.load_upto(from, count),
                StorageType::Bf16 => self.load_upto_bf16(from.cast(), count),
            }
        }
    }

    /// Writes the first `count` lanes as elements of either kind, a zero beside the last of an odd
    /// number of bf16.
    ///
    /// # Safety
    /// The floats that `count` elements take can be written at `to`, and `count` is at most
    /// `LANES`.
    #[inline(always)]
    unsafe fn store_typed(self, storage: StorageType, to: *mut f32, value: Self::F, count: usize) {
        // SAFETY: the caller vouches for it.
        unsafe {
            match storage {
                StorageType::Float32 => self.store_upto(to, value, count),
                StorageType::Bf16 => self.store_partial_bf16(to.cast(), value, count),
            }
        }
    }

    /// The vector at the start of a slice, zeros beyond its end.
    #[inline(always)]
    fn load_slice(self, from: &[f32]) -> Self::F {
        // SAFETY: as many floats are read as the slice has, at most.
        unsafe {
            if from.len() >= Self::LANES {
                self.load(from.as_ptr())
            } else {
                self.load_partial(from.as_ptr(), from.len())
            }
        }
    }

    /// Writes a vector, or as much as fits, to the start of a slice.
    #[inline(always)]
    fn store_slice(self, to: &mut [f32], value: Self::F) {
        // SAFETY: as many floats are written as the slice has, at most.
        unsafe {
            if to.len() >= Self::LANES {
                self.store(to.as_mut_ptr(), value);
            } else {
                self.store_partial(to.as_mut_ptr(), value, to.len());
            }
        }
    }

    /// The vector limited to a range; a NaN stays a NaN.
    #[inline(always)]
    fn clamp(self, low: Self::F, high: Self::F, x: Self::F) -> Self::F {
        self.min(high, self.max(low, x))
    }
}
