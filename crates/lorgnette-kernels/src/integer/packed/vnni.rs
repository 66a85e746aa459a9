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
                $($n => multiply::<$n, $vecs>(tile),)*
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
unsafe fn multiply<const ROWS: usize, const VECS: usize>(tile: &mut Tile<'_>) {
    let Tile { rows, row_stride, mut weights, quads, .. } = *tile;
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
        for i in 0..ROWS / ROWS_OF_POINTER {
            let first = i * ROWS_OF_POINTER;
            let sums = [vectors[first], vectors[first + 1], vectors[first + 2]];
            // SAFETY: caller guarantees `quads` fours of bytes in each of the rows.
            let sums = unsafe { add_three_rows(pointers[i], row_stride, &channels, sums) };
            vectors[first] = sums[0];
            vectors[first + 1] = sums[1];
            vectors[first + 2] = sums[2];
        }
        for r in ROWS / ROWS_OF_POINTER * ROWS_OF_POINTER..ROWS {
            let from = pointers[r / ROWS_OF_POINTER];
            let from = from.wrapping_add(r % ROWS_OF_POINTER * row_stride);
            // SAFETY: as above.
            vectors[r] = unsafe { add_row(from, &channels, vectors[r]) };
        }
        for i in 0..ROWS.div_ceil(ROWS_OF_POINTER) {
            pointers[i] = pointers[i].wrapping_add(QUAD);
        }
        weights = weights.wrapping_add(PANEL * QUAD);
    }
    for r in 0..ROWS {
        for v in 0..VECS {
            let to = tile.sums.0[r].as_mut_ptr().wrapping_add(v * LANES);
            // SAFETY: a row of sums has two vectors.
            unsafe { _mm512_storeu_si512(to.cast(), vectors[r][v]) };
        }
    }
}

/// Adds the products of four values of a row with vectors of channels.
///
/// # Safety
/// Caller guarantees the four values.
#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
#[allow(clippy::needless_range_loop, reason = "constant indices become registers")]
unsafe fn add_row<const VECS: usize>(
    from: *const u8,
    weights: &[__m512i; VECS],
    mut sums: [__m512i; VECS],
) -> [__m512i; VECS] {
    // SAFETY: caller guarantees the values.
    let value = _mm512_set1_epi32(unsafe { from.cast::<i32>().read_unaligned() });
    for v in 0..VECS {
        sums[v] = _mm512_dpbusd_epi32(sums[v], value, weights[v]);
    }
    sums
}

/// Adds the products of four values of each of three rows with vectors of channels.
///
/// Two vectors are instructions in a fixed order: the compiler would load the values of all rows at
/// once, for which a tile has no registers.
///
/// # Safety
/// Caller guarantees the four values of the rows, which are `stride` bytes apart.
#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
unsafe fn add_three_rows<const VECS: usize>(
    from: *const u8,
    stride: usize,
    weights: &[__m512i; VECS],
    mut sums: [[__m512i; VECS]; ROWS_OF_POINTER],
) -> [[__m512i; VECS]; ROWS_OF_POINTER] {
    if VECS != 2 {
        for (r, sums) in sums.iter_mut().enumerate() {
            // SAFETY: caller guarantees the values.
            *sums = unsafe { add_row(from.wrapping_add(r * stride), weights, *sums) };
        }
        return sums;
    }
    let [mut a0, mut b0] = [sums[0][0], sums[0][VECS - 1]];
    let [mut a1, mut b1] = [sums[1][0], sums[1][VECS - 1]];
    let [mut a2, mut b2] = [sums[2][0], sums[2][VECS - 1]];
    // The output needs a variable to have a type.
    let _x: __m512i;
    // SAFETY: four bytes of each row are read, which caller guarantees.
    unsafe {
        std::arch::asm!(
            "vpbroadcastd {x}, dword ptr [{from}]",
            "vpdpbusd {a0}, {x}, {a}",
            "vpdpbusd {b0}, {x}, {b}",
            "vpbroadcastd {x}, dword ptr [{from} + {stride}]",
            "vpdpbusd {a1}, {x}, {a}",
            "vpdpbusd {b1}, {x}, {b}",
            "vpbroadcastd {x}, dword ptr [{from} + 2*{stride}]",
            "vpdpbusd {a2}, {x}, {a}",
            "vpdpbusd {b2}, {x}, {b}",
            from = in(reg) from,
            stride = in(reg) stride,
            x = out(zmm_reg) _x,
            a = in(zmm_reg) weights[0],
            b = in(zmm_reg) weights[VECS - 1],
            a0 = inout(zmm_reg) a0,
            b0 = inout(zmm_reg) b0,
            a1 = inout(zmm_reg) a1,
            b1 = inout(zmm_reg) b1,
            a2 = inout(zmm_reg) a2,
            b2 = inout(zmm_reg) b2,
            options(readonly, nostack, preserves_flags),
        );
    }
    for (sums, [a, b]) in sums.iter_mut().zip([[a0, b0], [a1, b1], [a2, b2]]) {
        sums[0] = a;
        sums[VECS - 1] = b;
    }
    sums
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
