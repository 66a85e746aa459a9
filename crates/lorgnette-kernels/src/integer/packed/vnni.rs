//! Kernels of AVX-512 VNNI, whose products of bytes are added four at a time.

use std::arch::x86_64::*;

use super::Limits;
use super::channel_factors::ChannelFactors;
use super::depthwise::{BLOCK, DepthwisePixel, TAP_GROUP};
use super::gemm::{Epilogue, MAX_TILE_ROWS, PANEL, QUAD, Sums, Tile};

/// 32-bit lanes of a vector.
const LANES: usize = 16;

/// True if this CPU has the instructions of the kernels here.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
}

/// Computes the sums of a tile of `rows` pixels and stores its results.
///
/// # Safety
/// Caller guarantees the instructions, and that the pointers are valid as their fields say.
pub(super) unsafe fn tile(tile: &mut Tile<'_>, rows: usize, epilogue: &Epilogue<'_>) {
    /// Calls the function for the number of rows.
    macro_rules! choose {
        ($vecs:literal, $($n:literal)*) => {
            match rows {
                $($n => multiply::<$n, $vecs>(tile.rows, tile.row_stride, tile.weights, tile.quads, tile.sums),)*
                rows => panic!("a tile of {rows} rows does not fit the registers"),
            }
        };
    }
    // SAFETY: caller guarantees it.
    unsafe {
        if epilogue.channels.len() > LANES {
            choose!(2, 1 2 3 4 5 6 7 8 9 10 11 12);
        } else {
            choose!(1, 1 2 3 4 5 6 7 8 9 10 11 12);
        }
        store(tile.sums, rows, epilogue);
    }
}

/// Rows that share a pointer: the address of an instruction has room for one and two strides.
const ROWS_OF_POINTER: usize = 3;

/// Adds the products of `ROWS` pixels with `VECS` vectors of a panel's channels.
///
/// # Safety
/// As for `tile`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[allow(clippy::needless_range_loop, reason = "constant indices become registers")]
unsafe fn multiply<const ROWS: usize, const VECS: usize>(
    rows: *const u8,
    row_stride: usize,
    mut weights: *const i8,
    quads: usize,
    sums: &mut Sums,
) {
    let mut vectors = [[_mm512_setzero_si512(); VECS]; ROWS];
    let mut pointers = [rows; MAX_TILE_ROWS.div_ceil(ROWS_OF_POINTER)];
    for i in 1..ROWS.div_ceil(ROWS_OF_POINTER) {
        pointers[i] = rows.wrapping_add(i * ROWS_OF_POINTER * row_stride);
    }
    for _ in 0..quads {
        let mut channels = [_mm512_setzero_si512(); VECS];
        for v in 0..VECS {
            // SAFETY: caller guarantees a panel of `quads` rows of 128 bytes.
            channels[v] = unsafe { _mm512_loadu_si512(weights.wrapping_add(64 * v).cast()) };
        }
        for r in 0..ROWS {
            let from = pointers[r / ROWS_OF_POINTER];
            // SAFETY: caller guarantees `quads` fours of bytes in each of the rows.
            unsafe {
                match r % ROWS_OF_POINTER {
                    0 => add_products::<VECS, 0>(from, row_stride, &channels, &mut vectors[r]),
                    1 => add_products::<VECS, 1>(from, row_stride, &channels, &mut vectors[r]),
                    _ => add_products::<VECS, 2>(from, row_stride, &channels, &mut vectors[r]),
                }
            }
        }
        for i in 0..ROWS.div_ceil(ROWS_OF_POINTER) {
            pointers[i] = pointers[i].wrapping_add(QUAD);
        }
        weights = weights.wrapping_add(PANEL * QUAD);
    }
    for r in 0..ROWS {
        for v in 0..VECS {
            let to = sums.0[r].as_mut_ptr().wrapping_add(v * LANES);
            // SAFETY: a row of sums has two vectors.
            unsafe { _mm512_storeu_si512(to.cast(), vectors[r][v]) };
        }
    }
}

/// Adds the products of four values, `STRIDES` strides behind `from`, with vectors of channels.
///
/// Instructions in a fixed order: the compiler would load the values of all rows at once, for which
/// a tile has no registers.
///
/// # Safety
/// Caller guarantees the four values.
#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
unsafe fn add_products<const VECS: usize, const STRIDES: usize>(
    from: *const u8,
    stride: usize,
    weights: &[__m512i; VECS],
    sums: &mut [__m512i; VECS],
) {
    /// Loads the values, and adds the products with one or two vectors.
    macro_rules! products {
        ($address:literal) => {{
            // The output needs a variable to have a type.
            let _x: __m512i;
            let mut second = sums[VECS - 1];
            if VECS == 2 {
                // SAFETY: four bytes are read, which caller guarantees.
                unsafe {
                    std::arch::asm!(
                        concat!("vpbroadcastd {x}, dword ptr ", $address),
                        "vpdpbusd {first}, {x}, {a}",
                        "vpdpbusd {second}, {x}, {b}",
                        "/* {stride} */",
                        from = in(reg) from,
                        stride = in(reg) stride,
                        x = out(zmm_reg) _x,
                        a = in(zmm_reg) weights[0],
                        b = in(zmm_reg) weights[VECS - 1],
                        first = inout(zmm_reg) sums[0],
                        second = inout(zmm_reg) second,
                        options(readonly, nostack, preserves_flags),
                    );
                }
                sums[VECS - 1] = second;
            } else {
                // SAFETY: as above.
                unsafe {
                    std::arch::asm!(
                        concat!("vpbroadcastd {x}, dword ptr ", $address),
                        "vpdpbusd {first}, {x}, {a}",
                        "/* {stride} */",
                        from = in(reg) from,
                        stride = in(reg) stride,
                        x = out(zmm_reg) _x,
                        a = in(zmm_reg) weights[0],
                        first = inout(zmm_reg) sums[0],
                        options(readonly, nostack, preserves_flags),
                    );
                }
            }
        }};
    }
    match STRIDES {
        0 => products!("[{from}]"),
        1 => products!("[{from} + {stride}]"),
        _ => products!("[{from} + 2*{stride}]"),
    }
}

/// The factors of one vector of channels.
#[derive(Clone, Copy)]
struct Factors {
    constant: __m512i,
    mantissa: __m512i,
    left: __m512i,
    right: __m512i,
}

impl Factors {
    /// Loads the factors of the channels that are stored from `first` on.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn load(factors: &ChannelFactors, first: usize) -> Self {
        let load = |values: &[i32]| {
            let values = &values[first..][..LANES];
            // SAFETY: the slice has a vector's values.
            unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
        };
        Self {
            constant: load(&factors.constants),
            mantissa: load(&factors.mantissas),
            left: load(&factors.left),
            right: load(&factors.right),
        }
    }

    /// Rescales sums as [`Multiplier::apply`](crate::integer::Multiplier::apply) does.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn rescale(&self, sums: __m512i) -> __m512i {
        let half = _mm512_set1_epi64(1 << 30);
        let one = _mm512_set1_epi32(1);
        let sums = _mm512_sllv_epi32(sums, self.left);
        let even = _mm512_add_epi64(_mm512_mul_epi32(sums, self.mantissa), half);
        let odd =
            _mm512_mul_epi32(_mm512_srli_epi64::<32>(sums), _mm512_srli_epi64::<32>(self.mantissa));
        let odd = _mm512_add_epi64(odd, half);
        let products = _mm512_mask_blend_epi32(
            0xAAAA,
            _mm512_srli_epi64::<31>(even),
            _mm512_slli_epi64::<1>(odd),
        );
        let mask = _mm512_sub_epi32(_mm512_sllv_epi32(one, self.right), one);
        let threshold =
            _mm512_add_epi32(_mm512_srli_epi32::<1>(mask), _mm512_srli_epi32::<31>(products));
        let rounds_up = _mm512_cmpgt_epi32_mask(_mm512_and_si512(products, mask), threshold);
        let quotient = _mm512_srav_epi32(products, self.right);
        _mm512_mask_add_epi32(quotient, rounds_up, quotient, one)
    }
}

impl Limits {
    /// Limits rescaled values and adds the zero point.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn apply(self, values: __m512i) -> __m512i {
        let values = _mm512_max_epi32(values, _mm512_set1_epi32(self.low));
        let values = _mm512_min_epi32(values, _mm512_set1_epi32(self.high));
        _mm512_add_epi32(values, _mm512_set1_epi32(self.zero_point))
    }
}

/// Stores the results of a tile's sums.
///
/// # Safety
/// As for `tile`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn store(sums: &Sums, rows: usize, epilogue: &Epilogue<'_>) {
    let Epilogue { factors, channels, limits, filter_zero, row_sums, .. } = epilogue;
    assert!(rows <= MAX_TILE_ROWS, "a tile's rows");
    for first in channels.clone().step_by(LANES) {
        let count = (channels.end - first).min(LANES);
        let mask = ((1u32 << count) - 1) as __mmask16;
        let (at, vector) = (first - channels.start, Factors::load(factors, first));
        for (row, sums) in sums.0[..rows].iter().enumerate() {
            // SAFETY: a row of sums has two vectors.
            let sums = unsafe { _mm512_loadu_si512(sums[at..][..LANES].as_ptr().cast()) };
            let of_zeros = row_sums.get(row).map_or(0, |sum| filter_zero.wrapping_mul(*sum));
            let constant = _mm512_sub_epi32(vector.constant, _mm512_set1_epi32(of_zeros));
            let values = limits.apply(vector.rescale(_mm512_add_epi32(sums, constant)));
            let to = epilogue.output.wrapping_add(row * epilogue.output_stride + at);
            // SAFETY: caller guarantees the results' places.
            unsafe { _mm_mask_storeu_epi8(to.cast(), mask, _mm512_cvtepi32_epi8(values)) };
        }
    }
}

/// Computes a pixel of a depthwise convolution.
///
/// # Safety
/// Caller guarantees the instructions, and that the pointers are valid as their fields say.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[allow(clippy::needless_range_loop, reason = "constant indices become registers")]
pub(super) unsafe fn depthwise(pixel: &DepthwisePixel<'_>, output: *mut u8) {
    let DepthwisePixel { taps, weights, factors, channels, zeros, limits, is_signed } = *pixel;
    let groups = taps.len() / TAP_GROUP;
    let flip = _mm512_set1_epi8(zeros.flip.cast_signed());
    let ones = _mm512_set1_epi8(1);
    for first in (0..channels).step_by(BLOCK) {
        let count = (channels - first).min(BLOCK);
        let mask = u64::MAX >> (BLOCK - count);
        let mut sums = [_mm512_setzero_si512(); 4];
        let mut of_values = [_mm512_setzero_si512(); 4];
        let weights = weights.wrapping_add(first * groups * TAP_GROUP);
        for (group, taps) in taps.chunks_exact(TAP_GROUP).enumerate() {
            let mut x = [_mm512_setzero_si512(); TAP_GROUP];
            for t in 0..TAP_GROUP {
                // SAFETY: caller guarantees a pixel's channels at each tap.
                let values =
                    unsafe { _mm512_maskz_loadu_epi8(mask, taps[t].wrapping_add(first).cast()) };
                x[t] = _mm512_xor_si512(values, flip);
            }
            let (low, high) = (_mm512_unpacklo_epi8(x[0], x[1]), _mm512_unpackhi_epi8(x[0], x[1]));
            let (low2, high2) =
                (_mm512_unpacklo_epi8(x[2], x[3]), _mm512_unpackhi_epi8(x[2], x[3]));
            let values = [
                _mm512_unpacklo_epi16(low, low2),
                _mm512_unpackhi_epi16(low, low2),
                _mm512_unpacklo_epi16(high, high2),
                _mm512_unpackhi_epi16(high, high2),
            ];
            for j in 0..4 {
                // SAFETY: caller guarantees four vectors of weights for each group of taps.
                let weights = unsafe {
                    _mm512_loadu_si512(weights.wrapping_add((group * 4 + j) * 64).cast())
                };
                sums[j] = _mm512_dpbusd_epi32(sums[j], values[j], weights);
                if zeros.filter != 0 {
                    of_values[j] = _mm512_dpbusd_epi32(of_values[j], values[j], ones);
                }
            }
        }
        let mut results = [_mm512_setzero_si512(); 4];
        for j in 0..4 {
            let vector = Factors::load(factors, first + j * LANES);
            let mut sum = _mm512_add_epi32(sums[j], vector.constant);
            if zeros.filter != 0 {
                let of_zeros = _mm512_mullo_epi32(of_values[j], _mm512_set1_epi32(zeros.filter));
                sum = _mm512_sub_epi32(sum, of_zeros);
            }
            results[j] = limits.apply(vector.rescale(sum));
        }
        let low = _mm512_packs_epi32(results[0], results[1]);
        let high = _mm512_packs_epi32(results[2], results[3]);
        let bytes = match is_signed {
            true => _mm512_packs_epi16(low, high),
            false => _mm512_packus_epi16(low, high),
        };
        // SAFETY: caller guarantees the pixel's results.
        unsafe { _mm512_mask_storeu_epi8(output.wrapping_add(first).cast(), mask, bytes) };
    }
}
