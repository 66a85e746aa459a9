//! Kernels of AVX-VNNI: the products of AVX-512 VNNI in vectors of 256 bits, for CPUs without
//! AVX-512.

use std::arch::x86_64::*;

use super::avx2;
use super::gemm::{Epilogue, PANEL, QUAD, Tile};

/// Pixels of the largest tile: twelve vectors of sums, one of values and those of weights.
pub(super) const TILE_ROWS: usize = 3;
/// Vectors of a panel.
const VECTORS: usize = 4;
/// 32-bit lanes of a vector.
const LANES: usize = PANEL / VECTORS;

/// True if this CPU has the instructions of the kernels here.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni")
}

/// Computes the sums of a tile of `rows` pixels and stores its results.
///
/// # Safety
/// Caller guarantees the instructions, and that the pointers are valid as their fields say.
pub(super) unsafe fn tile(tile: &mut Tile<'_>, rows: usize, epilogue: &Epilogue<'_>) {
    // SAFETY: caller guarantees it.
    unsafe {
        match rows {
            1 => multiply::<1>(tile),
            2 => multiply::<2>(tile),
            3 => multiply::<3>(tile),
            rows => panic!("a tile of {rows} rows does not fit the registers"),
        }
        avx2::store(tile.sums, rows, epilogue);
    }
}

/// Defines a function that adds the products of `ROWS` pixels with a panel's channels, from an
/// instruction and its features.
macro_rules! define_multiply {
    ($name:ident, $features:literal, $dot:ident) => {
        #[target_feature(enable = $features)]
        #[allow(clippy::needless_range_loop, reason = "constant indices become registers")]
        unsafe fn $name<const ROWS: usize>(tile: &mut Tile<'_>) {
            let Tile { rows, row_stride, weights, quads, .. } = *tile;
            let mut vectors = [[_mm256_setzero_si256(); VECTORS]; ROWS];
            for quad in 0..quads {
                let weights = weights.wrapping_add(quad * PANEL * QUAD);
                for r in 0..ROWS {
                    let from = rows.wrapping_add(r * row_stride + quad * QUAD).cast::<i32>();
                    // SAFETY: caller guarantees `quads` fours of bytes in each of the rows.
                    let values = _mm256_set1_epi32(unsafe { from.read_unaligned() });
                    for v in 0..VECTORS {
                        let weights = weights.wrapping_add(v * LANES * QUAD).cast();
                        // SAFETY: caller guarantees a panel of `quads` rows of 128 bytes.
                        let weights = unsafe { _mm256_loadu_si256(weights) };
                        vectors[r][v] = $dot(vectors[r][v], values, weights);
                    }
                }
            }
            for r in 0..ROWS {
                for v in 0..VECTORS {
                    let to = &mut tile.sums.0[r][v * LANES..][..LANES];
                    // SAFETY: the slice has a vector's values.
                    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), vectors[r][v]) };
                }
            }
        }
    };
}

define_multiply!(multiply, "avx2,avxvnni", _mm256_dpbusd_avx_epi32);

#[cfg(test)]
mod tests {
    use super::super::gemm::{MAX_TILE_ROWS, Sums};
    use super::*;

    // The same instruction as AVX-512 encodes it, which more CPUs have.
    define_multiply!(multiply_avx512, "avx2,avx512vnni,avx512vl", _mm256_dpbusd_epi32);

    const QUADS: usize = 37;

    /// Compares the sums of a tile of three pixels with those of the definition.
    fn check(multiply: unsafe fn(&mut Tile<'_>)) {
        let rows: Vec<u8> = (0..TILE_ROWS * QUADS * QUAD).map(|i| (i * 89 + 7) as u8).collect();
        let weights: Vec<i8> = (0..PANEL * QUADS * QUAD).map(|i| (i * 151 + 3) as i8).collect();
        let mut sums = Sums([[0; PANEL]; MAX_TILE_ROWS]);
        let mut tile = Tile {
            rows: rows.as_ptr(),
            row_stride: QUADS * QUAD,
            weights: weights.as_ptr(),
            constants: std::ptr::null(),
            quads: QUADS,
            sums: &mut sums,
            first_row: 0,
            block_rows: TILE_ROWS,
            registers: None,
            pending: None,
        };
        // SAFETY: the slices have as many rows and columns as the fields say.
        unsafe { multiply(&mut tile) };
        let wanted = |row: usize, channel: usize| -> i32 {
            let product = |i: usize| {
                let weight = weights[(i / QUAD * PANEL + channel) * QUAD + i % QUAD];
                i32::from(rows[row * QUADS * QUAD + i]) * i32::from(weight)
            };
            (0..QUADS * QUAD).map(product).sum()
        };
        for (row, sums) in sums.0[..TILE_ROWS].iter().enumerate() {
            for (channel, &sum) in sums.iter().enumerate() {
                assert_eq!(sum, wanted(row, channel), "row {row}, channel {channel}");
            }
        }
    }

    #[test]
    fn sums_are_those_of_the_definition() {
        if is_available() {
            check(multiply::<TILE_ROWS>);
        }
        if is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512vl") {
            check(multiply_avx512::<TILE_ROWS>);
        } else if !is_available() {
            println!("not tried: this CPU has no products of bytes in 256 bits");
        }
    }
}
