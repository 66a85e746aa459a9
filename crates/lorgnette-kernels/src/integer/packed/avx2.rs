//! Kernels of AVX2. Bytes are widened to 16 bits, whose products are added in pairs to 32 bits;
//! the instruction for products of bytes saturates.

use std::arch::x86_64::*;

use super::gemm::{Epilogue, PANEL, QUAD, Sums, Tile};
use crate::integer::Multiplier;
use crate::integer::contraction::nearest_even;

/// Pixels of the largest tile: eight vectors of sums, and as many for factors and products.
pub(super) const TILE_ROWS: usize = 2;
/// Channels whose sums are computed together.
const CHANNELS: usize = 16;

/// Computes the sums of a tile of `rows` pixels and stores its results.
///
/// # Safety
/// Caller guarantees the instructions, and that the pointers are valid as their fields say.
pub(super) unsafe fn tile(tile: &mut Tile<'_>, rows: usize, epilogue: &Epilogue<'_>) {
    for first in (0..epilogue.channels.len()).step_by(CHANNELS) {
        // SAFETY: caller guarantees it.
        unsafe {
            match rows {
                1 => multiply::<1>(tile, first),
                2 => multiply::<2>(tile, first),
                rows => panic!("a tile of {rows} rows does not fit the registers"),
            }
        }
    }
    // SAFETY: caller guarantees it.
    unsafe { store(tile.sums, rows, epilogue) };
}

/// Adds the products of `ROWS` pixels with 16 channels of a panel, which are its channels from
/// `first` on.
///
/// # Safety
/// As for `tile`.
#[target_feature(enable = "avx2")]
#[allow(clippy::needless_range_loop, reason = "constant indices become registers")]
unsafe fn multiply<const ROWS: usize>(tile: &mut Tile<'_>, first: usize) {
    let Tile { rows, row_stride, weights, quads, .. } = *tile;
    let weights = weights.wrapping_add(first * QUAD);
    // A vector has two sums of each of four channels: of a quad's first and last two products.
    let mut vectors = [[_mm256_setzero_si256(); 4]; ROWS];
    for quad in 0..quads {
        let mut values = [_mm256_setzero_si256(); ROWS];
        for r in 0..ROWS {
            // SAFETY: caller guarantees `quads` fours of bytes in each of the rows.
            let value = unsafe {
                rows.wrapping_add(r * row_stride + quad * QUAD).cast::<i32>().read_unaligned()
            };
            values[r] = _mm256_cvtepu8_epi16(_mm_set1_epi32(value));
        }
        let weights = weights.wrapping_add(quad * PANEL * QUAD);
        for v in 0..4 {
            // SAFETY: caller guarantees a panel of `quads` rows, and 64 bytes from `weights` on.
            let bytes = unsafe { _mm_loadu_si128(weights.wrapping_add(16 * v).cast()) };
            let channels = _mm256_cvtepi8_epi16(bytes);
            for r in 0..ROWS {
                let products = _mm256_madd_epi16(values[r], channels);
                vectors[r][v] = _mm256_add_epi32(vectors[r][v], products);
            }
        }
    }
    for r in 0..ROWS {
        for pair in 0..2 {
            let both = _mm256_hadd_epi32(vectors[r][2 * pair], vectors[r][2 * pair + 1]);
            let in_order = _mm256_permute4x64_epi64::<0b11_01_10_00>(both);
            let to = &mut tile.sums.0[r][first + 8 * pair..][..8];
            // SAFETY: the slice has a vector's values.
            unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), in_order) };
        }
    }
}

/// Stores the results of a tile's sums.
///
/// # Safety
/// As for `tile`.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn store(sums: &Sums, rows: usize, epilogue: &Epilogue<'_>) {
    let Epilogue { factors, channels, limits, filter_zero, row_sums, .. } = epilogue;
    for (row, sums) in sums.0[..rows].iter().enumerate() {
        let of_zeros = row_sums.get(row).map_or(0, |sum| filter_zero.wrapping_mul(*sum));
        let mut results = [0; PANEL];
        let constants = &factors.constants[channels.clone()];
        if factors.floats.is_empty() {
            let mantissas = &factors.mantissas[channels.clone()];
            let left = &factors.left[channels.clone()];
            let shifts = left.iter().zip(&factors.right[channels.clone()]);
            let parameters = constants.iter().zip(mantissas).zip(shifts);
            for ((to, sum), ((constant, &mantissa), (left, right))) in
                results.iter_mut().zip(sums).zip(parameters)
            {
                let factor = Multiplier { mantissa, shift: left - right };
                let sum = sum.wrapping_add(constant.wrapping_sub(of_zeros));
                *to = limits.store(factor.apply(sum));
            }
        } else {
            let parameters = constants.iter().zip(&factors.floats[channels.clone()]);
            for ((to, sum), (constant, &factor)) in results.iter_mut().zip(sums).zip(parameters) {
                let sum = sum.wrapping_add(constant.wrapping_sub(of_zeros));
                *to = limits.store(nearest_even(sum, factor));
            }
        }
        let to = epilogue.output.wrapping_add(row * epilogue.output_stride);
        // SAFETY: caller guarantees the results' places.
        unsafe { std::ptr::copy_nonoverlapping(results.as_ptr(), to, channels.len()) };
    }
}
