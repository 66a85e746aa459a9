//! Depthwise convolutions, 64 channels at a time.
//!
//! The bytes of four taps are brought together, so that one instruction adds their products.

use std::arch::x86_64::*;

use super::super::channel_factors::ChannelFactors;
use super::super::depthwise::{
    BLOCK, COLUMN_ROWS, ColumnArgs, DepthwiseParameters, MAX_COLUMN_PIXELS, TAP_GROUP,
};
use super::LANES;
use super::rescale::{Rescale, Rounding, load, narrow};

/// Vectors of the sums of a block.
const VECTORS: usize = BLOCK / LANES;

/// The sums of a block of neighbouring pixels.
type PixelSums = [[i32; BLOCK]; MAX_COLUMN_PIXELS];

/// Brings the bytes of four vectors together in fours.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn interleave(x: [__m512i; TAP_GROUP]) -> [__m512i; VECTORS] {
    let (low, high) = (_mm512_unpacklo_epi8(x[0], x[1]), _mm512_unpackhi_epi8(x[0], x[1]));
    let (low2, high2) = (_mm512_unpacklo_epi8(x[2], x[3]), _mm512_unpackhi_epi8(x[2], x[3]));
    [
        _mm512_unpacklo_epi16(low, low2),
        _mm512_unpackhi_epi16(low, low2),
        _mm512_unpacklo_epi16(high, high2),
        _mm512_unpackhi_epi16(high, high2),
    ]
}

/// Loads a block's first channels, unsigned.
///
/// # Safety
/// Caller guarantees the bytes of the mask.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
unsafe fn load_channels(from: *const u8, mask: __mmask64, flip: __m512i) -> __m512i {
    // SAFETY: caller guarantees the bytes.
    _mm512_xor_si512(unsafe { _mm512_maskz_loadu_epi8(mask, from.cast()) }, flip)
}

/// Computes a pixel from the values at each of its taps, in whole groups.
///
/// # Safety
/// Caller guarantees the instructions, that there are a pixel's channels at each tap, and that
/// weights and output have all channels.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
#[allow(clippy::needless_range_loop, reason = "constant indices become registers")]
pub(in super::super) unsafe fn depthwise_pixel(
    parameters: &DepthwiseParameters<'_>,
    taps: &[*const u8],
    output: *mut u8,
) {
    let DepthwiseParameters { weights, weight_sets, factors, channels, flip, .. } = *parameters;
    let groups = taps.len() / TAP_GROUP;
    let flip = _mm512_set1_epi8(flip.cast_signed());
    let mut sums_of_block: PixelSums = [[0; BLOCK]; MAX_COLUMN_PIXELS];
    for first in (0..channels).step_by(BLOCK) {
        let mask = u64::MAX >> (BLOCK - (channels - first).min(BLOCK));
        let mut weights = weights.wrapping_add(first * groups * TAP_GROUP * weight_sets);
        let mut sums = load_constants(factors, first);
        for taps in taps.chunks_exact(TAP_GROUP) {
            let mut x = [_mm512_setzero_si512(); TAP_GROUP];
            for t in 0..TAP_GROUP {
                // SAFETY: caller guarantees a pixel's channels at each tap.
                x[t] = unsafe { load_channels(taps[t].wrapping_add(first), mask, flip) };
            }
            let values = interleave(x);
            for _ in 0..weight_sets {
                // SAFETY: caller guarantees four vectors of weights for each group of taps.
                sums = unsafe { add_products(sums, values, weights) };
                weights = weights.wrapping_add(BLOCK * TAP_GROUP);
            }
        }
        // SAFETY: caller guarantees the pixel's results.
        unsafe {
            store_sums(&mut sums_of_block[0], sums);
            store(parameters, first, &sums_of_block[..1], output);
        }
    }
}

/// Loads what is added to the sums of a block.
#[target_feature(enable = "avx512f")]
#[inline]
#[allow(clippy::needless_range_loop, reason = "constant indices become registers")]
fn load_constants(factors: &ChannelFactors, first: usize) -> [__m512i; VECTORS] {
    let mut constants = [_mm512_setzero_si512(); VECTORS];
    for j in 0..VECTORS {
        constants[j] = load(&factors.constants[first + j * LANES..]);
    }
    constants
}

/// Adds the products of a group of taps.
///
/// # Safety
/// Caller guarantees four vectors of weights.
#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
#[allow(clippy::needless_range_loop, reason = "constant indices become registers")]
unsafe fn add_products(
    mut sums: [__m512i; VECTORS],
    values: [__m512i; VECTORS],
    weights: *const i8,
) -> [__m512i; VECTORS] {
    for j in 0..VECTORS {
        // SAFETY: caller guarantees the weights.
        let weights = unsafe { _mm512_loadu_si512(weights.wrapping_add(64 * j).cast()) };
        sums[j] = _mm512_dpbusd_epi32(sums[j], values[j], weights);
    }
    sums
}

#[target_feature(enable = "avx512f")]
#[inline]
#[allow(clippy::needless_range_loop, reason = "constant indices become registers")]
fn store_sums(to: &mut [i32; BLOCK], sums: [__m512i; VECTORS]) {
    for j in 0..VECTORS {
        let to = to[j * LANES..][..LANES].as_mut_ptr();
        // SAFETY: the slice has a vector's values.
        unsafe { _mm512_storeu_si512(to.cast(), sums[j]) };
    }
}

/// Computes neighbouring pixels under windows of three rows and three columns: each column's bytes
/// are brought together once for all windows that it is in.
///
/// # Safety
/// As for [`depthwise_pixel`], for each pointer of the columns and each of the pixels.
pub(in super::super) unsafe fn depthwise_columns(
    parameters: &DepthwiseParameters<'_>,
    args: ColumnArgs<'_>,
    output: *mut u8,
) {
    /// Calls the function for stride, pixels and sets of weights.
    macro_rules! choose {
        ($($stride:literal $pixels:literal $sets:literal),*) => {
            match (args.stride, args.pixels, parameters.weight_sets) {
                $(($stride, $pixels, $sets) => {
                    columns::<$stride, $pixels, $sets>(parameters, args.columns, output);
                })*
                other => panic!("no kernel of columns for {other:?}"),
            }
        };
    }
    // SAFETY: caller guarantees it.
    unsafe {
        choose!(
            1 1 1, 1 2 1, 1 4 1, 1 1 2, 1 2 2, 1 4 2, 2 1 1, 2 2 1, 2 4 1, 2 1 2, 2 2 2, 2 4 2
        );
    }
}

/// Computes `PIXELS` pixels.
///
/// # Safety
/// As for [`depthwise_columns`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
#[allow(clippy::needless_range_loop, reason = "constant indices become registers")]
unsafe fn columns<const STRIDE: usize, const PIXELS: usize, const SETS: usize>(
    parameters: &DepthwiseParameters<'_>,
    columns: &[[*const u8; COLUMN_ROWS]],
    output: *mut u8,
) {
    let DepthwiseParameters { weights, factors, channels, flip, .. } = *parameters;
    let columns = &columns[..(PIXELS - 1) * STRIDE + COLUMN_ROWS];
    let flip = _mm512_set1_epi8(flip.cast_signed());
    let mut sums_of_block: PixelSums = [[0; BLOCK]; MAX_COLUMN_PIXELS];
    for first in (0..channels).step_by(BLOCK) {
        let mask = u64::MAX >> (BLOCK - (channels - first).min(BLOCK));
        let weights = weights.wrapping_add(first * COLUMN_ROWS * TAP_GROUP * SETS);
        let mut sums = [load_constants(factors, first); PIXELS];
        for c in 0..(PIXELS - 1) * STRIDE + COLUMN_ROWS {
            let mut x = [_mm512_setzero_si512(); TAP_GROUP];
            for row in 0..COLUMN_ROWS {
                // SAFETY: caller guarantees a pixel's channels at each row.
                x[row] = unsafe { load_channels(columns[c][row].wrapping_add(first), mask, flip) };
            }
            // The fourth byte has a weight of zero.
            x[COLUMN_ROWS] = x[COLUMN_ROWS - 1];
            let values = interleave(x);
            for p in 0..PIXELS {
                // The column's place in the pixel's window.
                let tap = c.wrapping_sub(p * STRIDE);
                if tap >= COLUMN_ROWS {
                    continue;
                }
                for set in 0..SETS {
                    let at = (tap * SETS + set) * BLOCK * TAP_GROUP;
                    // SAFETY: caller guarantees four vectors of weights for each column.
                    sums[p] = unsafe { add_products(sums[p], values, weights.wrapping_add(at)) };
                }
            }
        }
        for p in 0..PIXELS {
            store_sums(&mut sums_of_block[p], sums[p]);
        }
        // SAFETY: caller guarantees the pixels' results.
        unsafe { store(parameters, first, &sums_of_block[..PIXELS], output) };
    }
}

/// Stores the results of the block of channels from `first` on, of some pixels.
///
/// # Safety
/// Caller guarantees the pixels' results.
unsafe fn store(
    parameters: &DepthwiseParameters<'_>,
    first: usize,
    sums: &[[i32; BLOCK]],
    output: *mut u8,
) {
    // SAFETY: caller guarantees it.
    unsafe {
        match Rounding::new(parameters.factors, parameters.limits) {
            Rounding::TwoShifts => {
                store_as::<{ Rounding::TwoShifts as u8 }>(parameters, first, sums, output);
            }
            Rounding::OneShift => {
                store_as::<{ Rounding::OneShift as u8 }>(parameters, first, sums, output);
            }
            Rounding::PositiveOneShift => {
                store_as::<{ Rounding::PositiveOneShift as u8 }>(parameters, first, sums, output);
            }
            Rounding::NearestEven => {
                store_as::<{ Rounding::NearestEven as u8 }>(parameters, first, sums, output);
            }
        }
    }
}

/// # Safety
/// As for [`store`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
#[allow(clippy::needless_range_loop, reason = "constant indices become registers")]
unsafe fn store_as<const ROUNDING: u8>(
    parameters: &DepthwiseParameters<'_>,
    first: usize,
    sums: &[[i32; BLOCK]],
    output: *mut u8,
) {
    let DepthwiseParameters { factors, limits, channels, .. } = *parameters;
    let mask = u64::MAX >> (BLOCK - (channels - first).min(BLOCK));
    let vectors = &factors.vectors[first / LANES..][..VECTORS];
    for (pixel, sums) in sums.iter().enumerate() {
        let mut results = [_mm512_setzero_si512(); VECTORS];
        for j in 0..VECTORS {
            let sums = load(&sums[j * LANES..]);
            results[j] = Rescale::<ROUNDING>::load(&vectors[j]).apply(sums, limits);
        }
        let bytes = narrow(results, limits);
        let to = output.wrapping_add(pixel * channels + first);
        // SAFETY: caller guarantees the pixel's results.
        unsafe {
            if mask == u64::MAX {
                _mm512_storeu_si512(to.cast(), bytes);
            } else {
                _mm512_mask_storeu_epi8(to.cast(), mask, bytes);
            }
        }
    }
}
