//! The vector type that SIMD kernels are generic over, and their entry points.
//!
//! A kernel is a value that implements [`SimdOp`]: its fields are its arguments, and `run` is
//! generic over the [`Simd`] of a level. [`Simd::dispatch`] calls it from a function compiled for
//! that level, into which everything marked `#[inline(always)]` is inlined. The compiler also
//! vectorises plain loops in such a kernel for the level.

#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::numerics::{bf16_to_f32, f32_to_bf16_ftz};
use crate::{Level, StorageType};

pub(crate) use crate::isa::{MAX_LANES, MAX_TILE_ROWS};

#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use portable::Portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) use wasm::Simd128;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{
    Avx2, Avx512, Avx512Bf16, BLOCK_COLUMNS, BLOCK_ROWS, ByteFactors, ByteSums, Factors,
    PixelConversion, Sums, TILE_BYTES, TILE_DEPTH, TILE_FLOATS, Tiles, round_row,
};

/// A kernel that runs at any level.
pub(crate) trait SimdOp {
    /// Runs the kernel. Must be `#[inline(always)]`, as must everything it calls that uses vectors.
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
            #[cfg(target_arch = "aarch64")]
            Self::Neon => Neon::dispatch(kernel),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128 => Simd128::dispatch(kernel),
            // The levels of other architectures than the one it is compiled for.
            _ => panic!("this CPU does not have {self}"),
        }
    }
}

/// Vectors of float32 at one level. A value of the type proves that the CPU has the level.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// The level.
    const LEVEL: Level;
    /// Float32 values of a vector.
    const LANES: usize = Self::LEVEL.isa().lanes;
    /// Vectors of a panel; see [`Isa::panel_vectors`](crate::Isa::panel_vectors).
    const PANEL_VECTORS: usize = Self::LEVEL.isa().panel_vectors;
    /// Pixels of the largest register tile; see [`Isa::tile_rows`](crate::Isa::tile_rows).
    const TILE_ROWS: usize = Self::LEVEL.isa().tile_rows;
    /// True if an instruction rounds vectors to bf16.
    const HAS_BF16_ROUNDING: bool = false;
    /// True if an instruction multiplies by a lane of a vector. A tile then loads the input values
    /// of several steps at once.
    const HAS_LANE_PRODUCTS: bool = false;
    /// Neighbouring windows that a depthwise convolution computes at a time, at most: 8 or 4.
    const DEPTHWISE_COLUMNS: usize = 8;
    /// A vector.
    type F: Copy;

    /// True if the CPU has the instructions.
    fn is_available() -> bool {
        Self::LEVEL.is_available()
    }

    /// Runs a kernel compiled for this level. Panics if the CPU does not have the level.
    fn dispatch<K: SimdOp>(kernel: K);

    /// Runs a kernel as a separate function, from within another kernel, so that it gets all
    /// registers.
    fn call<K: SimdOp>(self, kernel: K);

    /// Returns `x` in every lane.
    fn splat(self, x: f32) -> Self::F;
    /// Loads a vector.
    ///
    /// # Safety
    /// Caller guarantees `LANES` values at `from`.
    unsafe fn load(self, from: *const f32) -> Self::F;
    /// Loads the first `count` lanes, zeros in the others.
    ///
    /// # Safety
    /// Caller guarantees `count` values at `from`, and `count` at most `LANES`.
    unsafe fn load_partial(self, from: *const f32, count: usize) -> Self::F;
    /// Loads a vector of bf16.
    ///
    /// # Safety
    /// Caller guarantees `LANES` bf16 at `from`.
    unsafe fn load_bf16(self, from: *const u16) -> Self::F;
    /// Loads the first `count` lanes from bf16, zeros in the others.
    ///
    /// # Safety
    /// Caller guarantees `count` bf16 at `from`, and `count` at most `LANES`.
    #[inline(always)]
    unsafe fn load_partial_bf16(self, from: *const u16, count: usize) -> Self::F {
        let mut lanes = [0.0; MAX_LANES];
        for (i, lane) in lanes.iter_mut().enumerate().take(count) {
            // SAFETY: caller guarantees `count` of them.
            *lane = bf16_to_f32(unsafe { from.add(i).read_unaligned() });
        }
        self.load_slice(&lanes[..Self::LANES])
    }
    /// Rounds the first `count` lanes to bf16 and stores them; an odd last one is paired with zero.
    /// Magnitudes below 2^-126 become zero.
    ///
    /// # Safety
    /// Caller guarantees `count` bf16 at `to`, or one more if `count` is odd, and `count` at most
    /// `LANES`.
    #[inline(always)]
    unsafe fn store_partial_bf16(self, to: *mut u16, value: Self::F, count: usize) {
        let mut lanes = [0.0; MAX_LANES];
        self.store_slice(&mut lanes[..Self::LANES], value);
        for (i, lane) in lanes.into_iter().enumerate().take(count.next_multiple_of(2)) {
            let bits = if i < count { f32_to_bf16_ftz(lane) } else { 0 };
            // SAFETY: caller guarantees it.
            unsafe { to.add(i).write_unaligned(bits) };
        }
    }
    /// Rounds two vectors to bf16 and stores the first `count` values, those of one vector after
    /// the other's; an odd last one is paired with zero.
    ///
    /// # Safety
    /// As for `store_partial_bf16`, and `count` is at least `LANES` and at most twice that.
    #[inline(always)]
    unsafe fn store_partial_pair_bf16(self, to: *mut u16, values: [Self::F; 2], count: usize) {
        // SAFETY: caller guarantees it.
        unsafe {
            self.store_partial_bf16(to, values[0], Self::LANES);
            self.store_partial_bf16(to.add(Self::LANES), values[1], count - Self::LANES);
        }
    }
    /// Loads a vector of f16.
    ///
    /// # Safety
    /// Caller guarantees `LANES` f16 at `from`.
    unsafe fn load_f16(self, from: *const u16) -> Self::F;
    /// Loads a vector of 8-bit integers.
    ///
    /// # Safety
    /// Caller guarantees `LANES` integers at `from`.
    unsafe fn load_i8(self, from: *const i8) -> Self::F;
    /// Stores a vector.
    ///
    /// # Safety
    /// Caller guarantees `LANES` values at `to`.
    unsafe fn store(self, to: *mut f32, value: Self::F);
    /// Stores the first `count` lanes.
    ///
    /// # Safety
    /// Caller guarantees `count` values at `to`, and `count` at most `LANES`.
    unsafe fn store_partial(self, to: *mut f32, value: Self::F, count: usize);
    /// Returns `a + b`.
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// Returns `a − b`.
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// Returns `a · b`.
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// Returns `a · b + c`, with one rounding where the level can.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// Returns `a · b[LANE] + c`, rounded as by `mul_add`.
    #[inline(always)]
    fn mul_add_lane<const LANE: i32>(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        let mut lanes = [0.0; MAX_LANES];
        self.store_slice(&mut lanes[..Self::LANES], b);
        self.mul_add(a, self.splat(lanes[LANE as usize]), c)
    }
    /// Returns `a · b + c`; where lanes hold pairs of bf16, the product is that of pairs.
    #[inline(always)]
    fn add_product(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        self.mul_add(a, b, c)
    }
    /// Adds the products of one value and some vectors: `sums[v] += from[k] · weights[v]` by
    /// `add_product`, one step of a tile's loop. `k` is an argument of its own to save an addition
    /// for each row: the sooner a tile's instructions are issued, the sooner those of the next tile
    /// overlap its last ones.
    ///
    /// # Safety
    /// Caller guarantees a value at `from + k`.
    #[inline(always)]
    unsafe fn add_products<const VECS: usize>(
        self,
        from: *const f32,
        k: usize,
        weights: &[Self::F; VECS],
        sums: &mut [Self::F; VECS],
    ) {
        if VECS == 2 {
            // SAFETY: caller guarantees the float.
            [sums[0], sums[1]] = unsafe {
                self.add_two_products(from, k, [weights[0], weights[1]], [sums[0], sums[1]])
            };
            return;
        }
        // SAFETY: caller guarantees it.
        let x = self.splat(unsafe { *from.wrapping_add(k) });
        for v in 0..VECS {
            sums[v] = self.add_product(x, weights[v], sums[v]);
        }
    }
    /// Does the same for two vectors, as in most tiles. A level for which the compiler does it
    /// badly overrides it.
    ///
    /// # Safety
    /// Caller guarantees a value at `from + k`.
    #[inline(always)]
    unsafe fn add_two_products(
        self,
        from: *const f32,
        k: usize,
        weights: [Self::F; 2],
        sums: [Self::F; 2],
    ) -> [Self::F; 2] {
        // SAFETY: caller guarantees it.
        let x = self.splat(unsafe { *from.wrapping_add(k) });
        [self.add_product(x, weights[0], sums[0]), self.add_product(x, weights[1], sums[1])]
    }
    /// Adds a large tile's products with the first of `depth` input channels, `sums[r][v] +=
    /// inputs[r][k] · weights[k][v]`, and returns how many they are. A level does it for the tiles
    /// for which it has instructions in a fixed order; others return 0.
    ///
    /// # Safety
    /// Caller guarantees `depth` values at each of `inputs`, and as many rows of a panel's width at
    /// `weights`.
    #[inline(always)]
    unsafe fn add_tile_products<const ROWS: usize, const VECS: usize>(
        self,
        _inputs: &[*const f32; ROWS],
        _weights: *const f32,
        _depth: usize,
        _sums: &mut [[Self::F; VECS]; ROWS],
    ) -> usize {
        0
    }
    /// Expands groups of three of the first lanes to groups of four, with a zero after each.
    #[inline(always)]
    fn expand_rgb_to_rgbx(self, a: Self::F) -> Self::F {
        let (mut from, mut to) = ([0.0; MAX_LANES], [0.0; MAX_LANES]);
        self.store_slice(&mut from[..Self::LANES], a);
        for (i, to) in to.iter_mut().enumerate().take(Self::LANES) {
            *to = if i % 4 < 3 { from[i / 4 * 3 + i % 4] } else { 0.0 };
        }
        self.load_slice(&to[..Self::LANES])
    }
    /// Returns the larger one; `b` if either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// Returns the smaller one; `b` if either is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// Returns `a` where it is NaN, else `b`.
    fn nan_or(self, a: Self::F, b: Self::F) -> Self::F;
    /// True if any lane is NaN.
    fn has_nan(self, a: Self::F) -> bool;
    /// Prefetches the cache line of an address into L2. The address need not be valid.
    fn prefetch(self, address: *const f32);
    /// Prefetches the cache line of an address into L1 for writing. The address need not be valid.
    fn prefetch_write(self, address: *const f32);

    /// Loads the first `count` lanes, with the faster instruction if they are all.
    ///
    /// # Safety
    /// As for `load_partial`.
    #[inline(always)]
    unsafe fn load_upto(self, from: *const f32, count: usize) -> Self::F {
        // SAFETY: caller guarantees it.
        unsafe {
            if count == Self::LANES { self.load(from) } else { self.load_partial(from, count) }
        }
    }

    /// Loads the first `count` lanes from bf16, with the faster instruction if they are all.
    ///
    /// # Safety
    /// As for `load_partial_bf16`.
    #[inline(always)]
    unsafe fn load_upto_bf16(self, from: *const u16, count: usize) -> Self::F {
        // SAFETY: caller guarantees it.
        unsafe {
            if count == Self::LANES {
                self.load_bf16(from)
            } else {
                self.load_partial_bf16(from, count)
            }
        }
    }

    /// Stores the first `count` lanes, with the faster instruction if they are all.
    ///
    /// # Safety
    /// As for `store_partial`.
    #[inline(always)]
    unsafe fn store_upto(self, to: *mut f32, value: Self::F, count: usize) {
        // SAFETY: caller guarantees it.
        unsafe {
            if count == Self::LANES {
                self.store(to, value);
            } else {
                self.store_partial(to, value, count);
            }
        }
    }

    /// Loads the first `count` lanes from values of a storage type.
    ///
    /// # Safety
    /// Caller guarantees `count` values at `from`, and `count` at most `LANES`.
    #[inline(always)]
    unsafe fn load_typed(self, storage: StorageType, from: *const f32, count: usize) -> Self::F {
        // SAFETY: caller guarantees it.
        unsafe {
            match storage {
                StorageType::Float32 => self.load_upto(from, count),
                StorageType::Bf16 => self.load_upto_bf16(from.cast(), count),
            }
        }
    }

    /// Stores the first `count` lanes as values of a storage type; an odd last bf16 is paired with
    /// zero.
    ///
    /// # Safety
    /// Caller guarantees the words of `count` values at `to`, and `count` at most `LANES`.
    #[inline(always)]
    unsafe fn store_typed(self, storage: StorageType, to: *mut f32, value: Self::F, count: usize) {
        // SAFETY: caller guarantees it.
        unsafe {
            match storage {
                StorageType::Float32 => self.store_upto(to, value, count),
                StorageType::Bf16 => self.store_partial_bf16(to.cast(), value, count),
            }
        }
    }

    /// Loads a vector from the start of a slice, zeros beyond its end.
    #[inline(always)]
    fn load_slice(self, from: &[f32]) -> Self::F {
        // SAFETY: no more values are read than the slice has.
        unsafe {
            if from.len() >= Self::LANES {
                self.load(from.as_ptr())
            } else {
                self.load_partial(from.as_ptr(), from.len())
            }
        }
    }

    /// Stores a vector, or as much as fits, to the start of a slice.
    #[inline(always)]
    fn store_slice(self, to: &mut [f32], value: Self::F) {
        // SAFETY: no more values are written than the slice has.
        unsafe {
            if to.len() >= Self::LANES {
                self.store(to.as_mut_ptr(), value);
            } else {
                self.store_partial(to.as_mut_ptr(), value, to.len());
            }
        }
    }

    /// Returns the vector limited to a range; NaN stays NaN.
    #[inline(always)]
    fn clamp(self, low: Self::F, high: Self::F, x: Self::F) -> Self::F {
        self.min(high, self.max(low, x))
    }
}
