//! Kernels of AVX-512 VNNI, whose products of bytes are added four at a time.

mod depthwise;
mod pending;
pub(in crate::integer) mod rescale;

use std::arch::x86_64::*;

use super::gemm::{Epilogue, MAX_TILE_ROWS, PANEL, QUAD, Tile};
pub(super) use depthwise::{depthwise_columns, depthwise_pixel};
pub(super) use pending::Pending;
use pending::{rescale_pixel, store_pixel};
use rescale::{Rescale, Rounding, narrow};

/// 32-bit lanes of a vector.
const LANES: usize = 16;
/// Vectors of a panel.
const VECTORS: usize = PANEL / LANES;
/// Distance to the weights that are brought to L1, in bytes.
const PREFETCH_DISTANCE: usize = 1024;

/// True if this CPU has the instructions of the kernels here.
pub(in crate::integer) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
}

/// Computes the sums of a tile of `rows` pixels and stores the results that are pending. Its own
/// become pending if they can wait, else they are stored too.
///
/// # Safety
/// Caller guarantees the instructions, and that the pointers are valid as their fields say. The
/// sums are not those that are pending.
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
            choose!(2, 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
        } else {
            choose!(1, 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
        }
        let sums = &tile.sums.0[..rows];
        let waits = tile.pending.as_deref_mut().is_some_and(|pending| pending.take(sums, epilogue));
        if !waits {
            store_results(sums, epilogue);
        }
    }
}

/// Stores the results of the sums of some pixels.
///
/// # Safety
/// As for `tile`.
pub(super) unsafe fn store_results(sums: &[[i32; PANEL]], epilogue: &Epilogue<'_>) {
    // SAFETY: caller guarantees it.
    unsafe {
        match Rounding::new(epilogue.factors, epilogue.limits) {
            Rounding::TwoShifts => {
                store::<{ Rounding::TwoShifts as u8 }>(sums, epilogue);
            }
            Rounding::OneShift => {
                store::<{ Rounding::OneShift as u8 }>(sums, epilogue);
            }
            Rounding::PositiveOneShift => {
                store::<{ Rounding::PositiveOneShift as u8 }>(sums, epilogue);
            }
            Rounding::NearestEven => {
                store::<{ Rounding::NearestEven as u8 }>(sums, epilogue);
            }
        }
    }
}

/// Rows that share a pointer: the address of an instruction has room for one and two strides.
const ROWS_OF_POINTER: usize = 3;

/// Adds the products of `ROWS` pixels with `VECS` vectors of a panel's channels.
///
/// # Safety
/// As for `tile`.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
#[allow(clippy::needless_range_loop, reason = "constant indices become registers")]
unsafe fn multiply<const ROWS: usize, const VECS: usize>(tile: &mut Tile<'_>) {
    let Tile { rows, row_stride, mut weights, quads, constants, .. } = *tile;
    let mut vectors = [[_mm512_setzero_si512(); VECS]; ROWS];
    for v in 0..VECS {
        // SAFETY: caller guarantees a panel's constants.
        let constants = unsafe { _mm512_loadu_si512(constants.wrapping_add(v * LANES).cast()) };
        for r in 0..ROWS {
            vectors[r][v] = constants;
        }
    }
    let mut pointers = [rows; MAX_TILE_ROWS.div_ceil(ROWS_OF_POINTER)];
    for i in 1..ROWS.div_ceil(ROWS_OF_POINTER) {
        pointers[i] = rows.wrapping_add(i * ROWS_OF_POINTER * row_stride);
    }
    let mut waiting = tile.pending.as_deref_mut().filter(|pending| pending.rows > 0);
    for _ in 0..quads {
        let mut channels = [_mm512_setzero_si512(); VECS];
        for v in 0..VECS {
            // SAFETY: caller guarantees a panel of `quads` rows of 128 bytes.
            channels[v] = unsafe { _mm512_loadu_si512(weights.wrapping_add(64 * v).cast()) };
            let next = weights.wrapping_add(PREFETCH_DISTANCE + 64 * v);
            _mm_prefetch::<_MM_HINT_T0>(next);
        }
        for i in 0..ROWS.div_ceil(ROWS_OF_POINTER) {
            let (from, first) = (pointers[i], i * ROWS_OF_POINTER);
            // SAFETY: caller guarantees `quads` fours of bytes in each of the rows.
            unsafe {
                vectors[first] = add_row::<0, VECS>(from, row_stride, &channels, vectors[first]);
                if first + 1 < ROWS {
                    vectors[first + 1] =
                        add_row::<1, VECS>(from, row_stride, &channels, vectors[first + 1]);
                }
                if first + 2 < ROWS {
                    vectors[first + 2] =
                        add_row::<2, VECS>(from, row_stride, &channels, vectors[first + 2]);
                }
            }
        }
        for i in 0..ROWS.div_ceil(ROWS_OF_POINTER) {
            pointers[i] = pointers[i].wrapping_add(QUAD);
        }
        weights = weights.wrapping_add(PANEL * QUAD);
        if let Some(pending) = &mut waiting {
            store_pixel!(pending);
            if pending.rows == 0 {
                waiting = None;
            }
        }
    }
    if let Some(pending) = waiting {
        // SAFETY: the function has the instructions.
        unsafe { pending.finish() };
    }
    for r in 0..ROWS {
        for v in 0..VECS {
            let to = tile.sums.0[r].as_mut_ptr().wrapping_add(v * LANES);
            // SAFETY: a row of sums has two vectors.
            unsafe { _mm512_storeu_si512(to.cast(), vectors[r][v]) };
        }
    }
}

/// Adds the products of four values of row `ROW` with vectors of channels.
///
/// Two vectors are instructions in a fixed order: the compiler would load the values of all rows at
/// once, for which a tile has no registers.
///
/// # Safety
/// Caller guarantees the four values, `ROW` times `stride` bytes behind the pointer.
#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
#[allow(clippy::needless_range_loop, reason = "constant indices become registers")]
unsafe fn add_row<const ROW: usize, const VECS: usize>(
    from: *const u8,
    stride: usize,
    weights: &[__m512i; VECS],
    mut sums: [__m512i; VECS],
) -> [__m512i; VECS] {
    if VECS != 2 {
        let from = from.wrapping_add(ROW * stride).cast::<i32>();
        // SAFETY: caller guarantees the values.
        let value = _mm512_set1_epi32(unsafe { from.read_unaligned() });
        for v in 0..VECS {
            sums[v] = _mm512_dpbusd_epi32(sums[v], value, weights[v]);
        }
        return sums;
    }
    let [mut a_sums, mut b_sums] = [sums[0], sums[VECS - 1]];
    // The output needs a variable to have a type.
    let _x: __m512i;
    /// The instructions, with an address.
    macro_rules! add {
        ($address:literal $(, $operand:ident)?) => {
            std::arch::asm!(
                concat!("vpbroadcastd {x}, dword ptr [", $address, "]"),
                "vpdpbusd {a_sums}, {x}, {a}",
                "vpdpbusd {b_sums}, {x}, {b}",
                from = in(reg) from,
                $($operand = in(reg) $operand,)?
                x = out(zmm_reg) _x,
                a = in(zmm_reg) weights[0],
                b = in(zmm_reg) weights[VECS - 1],
                a_sums = inout(zmm_reg) a_sums,
                b_sums = inout(zmm_reg) b_sums,
                options(readonly, nostack, preserves_flags),
            )
        };
    }
    // SAFETY: four bytes of the row are read, which caller guarantees.
    unsafe {
        match ROW {
            0 => add!("{from}"),
            1 => add!("{from} + {stride}", stride),
            _ => add!("{from} + 2*{stride}", stride),
        }
    }
    sums[0] = a_sums;
    sums[VECS - 1] = b_sums;
    sums
}

/// Copies bytes with some bits changed.
///
/// # Safety
/// Caller guarantees AVX-512 F and BW in the function into which it is inlined, and the bytes.
#[inline(always)]
pub(super) unsafe fn copy_flipped(from: *const u8, to: *mut u8, len: usize, flip: u8) {
    // SAFETY: caller guarantees it.
    unsafe {
        let flip = _mm512_set1_epi8(flip.cast_signed());
        let mut at = 0;
        while at + 64 <= len {
            let bytes = _mm512_loadu_si512(from.wrapping_add(at).cast());
            _mm512_storeu_si512(to.wrapping_add(at).cast(), _mm512_xor_si512(bytes, flip));
            at += 64;
        }
        if at < len {
            let mask = u64::MAX >> (64 - (len - at));
            let bytes = _mm512_maskz_loadu_epi8(mask, from.wrapping_add(at).cast());
            let bytes = _mm512_xor_si512(bytes, flip);
            _mm512_mask_storeu_epi8(to.wrapping_add(at).cast(), mask, bytes);
        }
    }
}

/// Returns the sum of unsigned bytes.
///
/// # Safety
/// Caller guarantees the instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) unsafe fn sum(values: &[u8]) -> i32 {
    let ones = _mm512_set1_epi8(1);
    let mut sums = _mm512_setzero_si512();
    for block in values.chunks(64) {
        let mask = u64::MAX >> (64 - block.len());
        // SAFETY: only the block's bytes are read.
        let bytes = unsafe { _mm512_maskz_loadu_epi8(mask, block.as_ptr().cast()) };
        sums = _mm512_dpbusd_epi32(sums, bytes, ones);
    }
    _mm512_reduce_add_epi32(sums)
}

/// Stores the results of a tile's sums, two rows at a time.
///
/// # Safety
/// As for `tile`.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
#[allow(clippy::needless_range_loop, reason = "constant indices become registers")]
unsafe fn store<const ROUNDING: u8>(sums: &[[i32; PANEL]], epilogue: &Epilogue<'_>) {
    let Epilogue { factors, channels, limits, filter_zero, row_sums, .. } = epilogue;
    let rows = sums.len();
    let vectors = &factors.vectors[channels.start / LANES..][..VECTORS];
    let rescale = [Rescale::<ROUNDING>::load(&vectors[0]), Rescale::load(&vectors[1])];
    let mask = ((1u64 << channels.len()) - 1) as __mmask32;
    // From fours of channels of two vectors of two rows to those of one row, then the other.
    let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    for first in (0..rows).step_by(2) {
        let pair = [first, (first + 1).min(rows - 1)];
        let mut results = [[_mm512_setzero_si512(); VECTORS]; 2];
        for i in 0..2 {
            let row = pair[i];
            let of_zeros = row_sums.get(row).map_or(0, |sum| filter_zero.wrapping_mul(*sum));
            for v in 0..VECTORS {
                let sums = &sums[row][v * LANES..][..LANES];
                // SAFETY: the slice has a vector's values.
                let sums = unsafe { _mm512_loadu_si512(sums.as_ptr().cast()) };
                let sums = match row_sums.is_empty() {
                    true => sums,
                    false => _mm512_sub_epi32(sums, _mm512_set1_epi32(of_zeros)),
                };
                results[i][v] = rescale[v].apply(sums, *limits);
            }
        }
        let [[a, b], [c, d]] = results;
        let bytes = narrow([a, b, c, d], *limits);
        let bytes = _mm512_permutexvar_epi32(order, bytes);
        let halves = [_mm512_castsi512_si256(bytes), _mm512_extracti64x4_epi64::<1>(bytes)];
        for i in 0..2 {
            let to = epilogue.output.wrapping_add(pair[i] * epilogue.output_stride);
            // The last row of an odd number is stored twice, with the same values.
            // SAFETY: caller guarantees the results' places.
            unsafe {
                if channels.len() == PANEL {
                    _mm256_storeu_si256(to.cast(), halves[i]);
                } else {
                    _mm256_mask_storeu_epi8(to.cast(), mask, halves[i]);
                }
            }
        }
    }
}
