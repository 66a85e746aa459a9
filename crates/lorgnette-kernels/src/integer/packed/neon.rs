//! Kernels of NEON. Products of bytes are added four at a time (SDOT), or eight at a time as
//! matrices of two pixels by two output channels (SMMLA, USMMLA).
//!
//! SDOT multiplies signed bytes alone. Of matrices there are products of signed and of unsigned
//! pixels, so that both kinds are multiplied as they are stored.

use std::arch::aarch64::*;

use super::channel_factors::ChannelFactors;
use super::gemm::{Epilogue, MAX_GROUP, PANEL, QUAD, Sums, Tile};
use crate::simd::neon::matrix::{COLUMN_PAIRS, MAX_ROW_PAIRS, PairSums, add_signed, add_unsigned};
use crate::simd::neon::tile::add_bytes;

/// Pixels of the largest tile of dot products.
pub(super) const DOT_ROWS: usize = 5;
/// Pixels of the largest tile of products of matrices.
pub(super) const MATRIX_ROWS: usize = 2 * MAX_ROW_PAIRS;
/// Channels whose sums are computed together.
const CHANNELS: usize = 16;
/// Fours of products for which a vector has a pixel's values.
const QUADS_OF_VECTOR: usize = 4;
/// 32-bit lanes of a vector.
const LANES: usize = 4;

const _: () = assert!(CHANNELS == 2 * COLUMN_PAIRS);

/// True if this CPU has SDOT (Cortex-A55 and A76, Neoverse N1, Apple M1 and later).
pub(super) fn has_dot_products() -> bool {
    std::arch::is_aarch64_feature_detected!("dotprod")
}

/// True if this CPU has SMMLA and USMMLA (Neoverse V1 and N2, Cortex-A510 and A710, Apple M2 and
/// later).
pub(super) fn multiplies_matrices() -> bool {
    std::arch::is_aarch64_feature_detected!("i8mm")
}

/// Computes the sums of a tile of `rows` pixels by dot products and stores its results.
///
/// # Safety
/// Caller guarantees the instructions, and that the pointers are valid as their fields say.
pub(super) unsafe fn dot_tile(tile: &mut Tile<'_>, rows: usize, epilogue: &Epilogue<'_>) {
    for first in (0..epilogue.channels.len()).step_by(CHANNELS) {
        // SAFETY: caller guarantees it.
        unsafe {
            match rows {
                1 => add_dot_products::<1>(tile, first),
                2 => add_dot_products::<2>(tile, first),
                3 => add_dot_products::<3>(tile, first),
                4 => add_dot_products::<4>(tile, first),
                5 => add_dot_products::<5>(tile, first),
                rows => panic!("a tile of {rows} rows does not fit the registers"),
            }
        }
    }
    // SAFETY: caller guarantees it.
    unsafe { store(tile.sums, rows, epilogue) };
}

/// Computes the sums of `ROWS` pixels with 16 channels of a panel, which are its channels from
/// `first` on.
///
/// # Safety
/// As for `dot_tile`.
#[target_feature(enable = "neon,dotprod")]
unsafe fn add_dot_products<const ROWS: usize>(tile: &mut Tile<'_>, first: usize) {
    let Tile { rows, row_stride, weights, quads, .. } = *tile;
    let weights = weights.cast::<u8>().wrapping_add(first * QUAD);
    let inputs: [_; ROWS] = std::array::from_fn(|r| rows.wrapping_add(r * row_stride));
    let mut vectors = [[vdupq_n_s32(0); CHANNELS / LANES]; ROWS];
    let (groups, rest) = (quads / QUADS_OF_VECTOR, quads % QUADS_OF_VECTOR);
    if groups > 0 {
        // SAFETY: caller guarantees `quads` fours of bytes in each of the rows, and a panel of
        // `quads` rows.
        unsafe { add_bytes(&inputs, weights, groups, &mut vectors) };
    }
    if rest > 0 {
        let done = groups * QUADS_OF_VECTOR;
        let mut values = [[0; QUADS_OF_VECTOR * QUAD]; ROWS];
        let mut channels = [[0u8; PANEL * QUAD]; QUADS_OF_VECTOR];
        // SAFETY: as above, of the last `rest` fours.
        unsafe {
            for (input, values) in inputs.iter().zip(&mut values) {
                let from = input.wrapping_add(done * QUAD);
                std::ptr::copy_nonoverlapping(from, values.as_mut_ptr(), rest * QUAD);
            }
            for (quad, channels) in channels.iter_mut().enumerate().take(rest) {
                let from = weights.wrapping_add((done + quad) * PANEL * QUAD);
                std::ptr::copy_nonoverlapping(from, channels.as_mut_ptr(), CHANNELS * QUAD);
            }
            let values = values.each_ref().map(|values| values.as_ptr());
            add_bytes(&values, channels.as_ptr().cast(), 1, &mut vectors);
        }
    }
    for (sums, vectors) in tile.sums.0.iter_mut().zip(&vectors) {
        store_lanes(&mut sums[first..][..CHANNELS], vectors);
    }
}

/// Computes the sums of a tile of `rows` pixels by products of matrices and stores its results.
///
/// # Safety
/// Caller guarantees the instructions, and that the pointers are valid as their fields say.
pub(super) unsafe fn matrix_tile(
    tile: &mut Tile<'_>,
    rows: usize,
    is_signed: bool,
    epilogue: &Epilogue<'_>,
) {
    assert!((1..=MATRIX_ROWS).contains(&rows), "a tile's rows");
    for first in (0..epilogue.channels.len()).step_by(CHANNELS) {
        // SAFETY: caller guarantees it.
        unsafe { add_matrix_products(tile, first, rows, is_signed) };
    }
    // SAFETY: caller guarantees it.
    unsafe { store(tile.sums, rows, epilogue) };
}

/// Computes the sums of `rows` pixels with 16 channels of a panel, which are its channels from
/// `first` on.
///
/// # Safety
/// As for `matrix_tile`.
#[target_feature(enable = "neon,i8mm")]
unsafe fn add_matrix_products(tile: &mut Tile<'_>, first: usize, rows: usize, is_signed: bool) {
    let Tile { rows: input, row_stride, weights, quads, .. } = *tile;
    let weights = weights.cast::<u8>().wrapping_add(first * MAX_GROUP);
    let groups = quads * QUAD / MAX_GROUP;
    // The last pixel again, where a pair lacks one.
    let inputs: [_; MATRIX_ROWS] =
        std::array::from_fn(|r| input.wrapping_add(r.min(rows - 1) * row_stride));
    let mut pairs = [[vdupq_n_s32(0); COLUMN_PAIRS]; MAX_ROW_PAIRS];
    // SAFETY: caller guarantees `groups` times eight bytes in each of the rows, and a panel of as
    // many rows.
    unsafe {
        match is_signed {
            true => add_signed(&inputs, weights, groups, rows, &mut pairs),
            false => add_unsigned(&inputs, weights, groups, rows, &mut pairs),
        }
    }
    for (sums, pair) in tile.sums.0.chunks_exact_mut(2).zip(&pairs) {
        let [upper, lower] = rows_of(pair);
        store_lanes(&mut sums[0][first..][..CHANNELS], &upper);
        store_lanes(&mut sums[1][first..][..CHANNELS], &lower);
    }
}

/// Returns the sums of each of two pixels.
#[target_feature(enable = "neon")]
#[inline]
fn rows_of(pair: &PairSums<int32x4_t>) -> [[int32x4_t; CHANNELS / LANES]; 2] {
    let mut rows = [[vdupq_n_s32(0); CHANNELS / LANES]; 2];
    for v in 0..CHANNELS / LANES {
        let low = vreinterpretq_s64_s32(pair[2 * v]);
        let high = vreinterpretq_s64_s32(pair[2 * v + 1]);
        rows[0][v] = vreinterpretq_s32_s64(vzip1q_s64(low, high));
        rows[1][v] = vreinterpretq_s32_s64(vzip2q_s64(low, high));
    }
    rows
}

/// Stores the vectors of a row.
#[target_feature(enable = "neon")]
#[inline]
fn store_lanes(to: &mut [i32], vectors: &[int32x4_t]) {
    for (to, vector) in to.chunks_exact_mut(LANES).zip(vectors) {
        // SAFETY: the slice has a vector's values.
        unsafe { vst1q_s32(to.as_mut_ptr(), *vector) };
    }
}

/// Loads the vector of a slice's first values.
#[target_feature(enable = "neon")]
#[inline]
fn load(values: &[i32]) -> int32x4_t {
    assert!(values.len() >= LANES, "a vector's values");
    // SAFETY: the slice has a vector's values.
    unsafe { vld1q_s32(values.as_ptr()) }
}

/// Stores the results of a tile's sums.
///
/// # Safety
/// As for `dot_tile`.
#[target_feature(enable = "neon")]
unsafe fn store(sums: &Sums, rows: usize, epilogue: &Epilogue<'_>) {
    let Epilogue { factors, channels, limits, filter_zero, row_sums, .. } = epilogue;
    let (low, high) = (vdupq_n_s32(limits.low), vdupq_n_s32(limits.high));
    let zero_point = vdupq_n_s32(limits.zero_point);
    for (row, sums) in sums.0[..rows].iter().enumerate() {
        let of_zeros = row_sums.get(row).map_or(0, |sum| filter_zero.wrapping_mul(*sum));
        let mut results = [0; PANEL];
        for (block, results) in results.chunks_exact_mut(2 * LANES).enumerate() {
            let mut halves = [vdup_n_s16(0); 2];
            for (half, to) in halves.iter_mut().enumerate() {
                let first = (2 * block + half) * LANES;
                let at = channels.start + first;
                let constants = vsubq_s32(load(&factors.constants[at..]), vdupq_n_s32(of_zeros));
                let sum = vaddq_s32(load(&sums[first..]), constants);
                let scaled = match factors.floats.is_empty() {
                    true => round_twice(sum, factors, at),
                    false => {
                        // SAFETY: the slice has a vector's values.
                        let factor = unsafe { vld1q_f32(factors.floats[at..][..LANES].as_ptr()) };
                        vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(sum), factor))
                    }
                };
                let limited = vminq_s32(vmaxq_s32(scaled, low), high);
                *to = vmovn_s32(vaddq_s32(limited, zero_point));
            }
            let bytes = vmovn_s16(vcombine_s16(halves[0], halves[1]));
            // SAFETY: the slice has eight bytes.
            unsafe { vst1_u8(results.as_mut_ptr(), vreinterpret_u8_s8(bytes)) };
        }
        let to = epilogue.output.wrapping_add(row * epilogue.output_stride);
        // SAFETY: caller guarantees the results' places.
        unsafe { std::ptr::copy_nonoverlapping(results.as_ptr(), to, channels.len()) };
    }
}

/// Returns sums times the factors from channel `at` on, as
/// [`Multiplier::apply`](crate::integer::Multiplier::apply) does.
#[target_feature(enable = "neon")]
#[inline]
fn round_twice(sums: int32x4_t, factors: &ChannelFactors, at: usize) -> int32x4_t {
    let sums = vshlq_s32(sums, load(&factors.left[at..]));
    let products = vqrdmulhq_s32(sums, load(&factors.mantissas[at..]));
    // Shifts to the right are negative. Halves are rounded upward, so one is taken from negative
    // numbers.
    let shift = vnegq_s32(load(&factors.right[at..]));
    let is_negative = vshrq_n_s32::<31>(vandq_s32(products, shift));
    vrshlq_s32(vqaddq_s32(products, is_negative), shift)
}
