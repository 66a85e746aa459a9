//! Additions with AVX-512, 64 pairs at a time.

use std::arch::x86_64::*;

use super::{FineScale, IntegerAdd};
use crate::Level;
use crate::integer::Stored;
use crate::integer::packed::Limits;
use crate::integer::packed::channel_factors::VectorFactors;
use crate::integer::packed::vnni;
use crate::integer::packed::vnni::rescale::{Rescale, Rounding, narrow};

/// Pairs of a block.
const BLOCK: usize = 64;
/// 32-bit lanes of a vector.
const LANES: usize = 16;

/// Adds pairs; returns false if the level or the scales have no instructions for it.
pub(super) fn add<T: Stored>(
    add: &IntegerAdd,
    level: Level,
    operands: [&[T]; 2],
    output: &mut [T],
) -> bool {
    let has_instructions = matches!(level, Level::Avx512 | Level::Amx) && vnni::is_available();
    if !has_instructions || size_of::<T>() != 1 || !add.range.is_of::<T>() {
        return false;
    }
    let Some(factors) = VectorFactors::uniform(add.factor, add.range.zero_point) else {
        return false;
    };
    let args = Args { add, factors: &factors, limits: Limits::new::<T>(add.range) };
    let [a, b] = operands.map(bytemuck::cast_slice);
    let output = bytemuck::cast_slice_mut(output);
    // SAFETY: the CPU has the instructions.
    unsafe {
        match Rounding::one_shift(args.limits) {
            Rounding::PositiveOneShift => {
                add_blocks::<{ Rounding::PositiveOneShift as u8 }>(args, a, b, output);
            }
            _ => add_blocks::<{ Rounding::OneShift as u8 }>(args, a, b, output),
        }
    }
    true
}

#[derive(Clone, Copy)]
struct Args<'a> {
    add: &'a IntegerAdd,
    factors: &'a VectorFactors,
    limits: Limits,
}

/// # Safety
/// Caller guarantees the instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn add_blocks<const ROUNDING: u8>(args: Args<'_>, a: &[u8], b: &[u8], output: &mut [u8]) {
    let rescale = Rescale::<ROUNDING>::load(args.factors);
    let blocks = a.chunks(BLOCK).zip(b.chunks(BLOCK)).zip(output.chunks_mut(BLOCK));
    for ((mut a, mut b), output) in blocks {
        let (mut last_a, mut last_b, mut last) = ([0; BLOCK], [0; BLOCK], [0; BLOCK]);
        if output.len() < BLOCK {
            last_a[..a.len()].copy_from_slice(a);
            last_b[..b.len()].copy_from_slice(b);
            (a, b) = (&last_a, &last_b);
        }
        let sums = add_block(args, rescale, a, b);
        let to = if output.len() < BLOCK { &mut last[..] } else { &mut *output };
        // SAFETY: it is a block.
        unsafe { _mm512_storeu_si512(to[..BLOCK].as_mut_ptr().cast(), sums) };
        if output.len() < BLOCK {
            output.copy_from_slice(&last[..output.len()]);
        }
    }
}

/// Adds a block of pairs.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
#[inline]
#[allow(clippy::needless_range_loop, reason = "constant indices become registers")]
fn add_block<const ROUNDING: u8>(
    args: Args<'_>,
    rescale: Rescale<ROUNDING>,
    a: &[u8],
    b: &[u8],
) -> __m512i {
    let Args { add, limits, .. } = args;
    let mut results = [_mm512_setzero_si512(); BLOCK / LANES];
    for i in 0..BLOCK / LANES {
        let (a, b) = (&a[i * LANES..][..LANES], &b[i * LANES..][..LANES]);
        let a = scaled(widen(a, limits.is_signed), add.zero_points[0], add.inputs[0]);
        let b = scaled(widen(b, limits.is_signed), add.zero_points[1], add.inputs[1]);
        let sums = if add.sign < 0 { _mm512_sub_epi32(a, b) } else { _mm512_add_epi32(a, b) };
        results[i] = rescale.apply(sums, limits);
    }
    let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_permutexvar_epi32(order, narrow(results, limits))
}

/// Loads 16 bytes as 32-bit integers.
#[target_feature(enable = "avx512f")]
#[inline]
fn widen(bytes: &[u8], is_signed: bool) -> __m512i {
    // SAFETY: the slice has 16 bytes.
    let bytes = unsafe { _mm_loadu_si128(bytes[..LANES].as_ptr().cast()) };
    if is_signed { _mm512_cvtepi8_epi32(bytes) } else { _mm512_cvtepu8_epi32(bytes) }
}

/// Does what [`FineScale::apply`] does.
#[target_feature(enable = "avx512f")]
#[inline]
fn scaled(values: __m512i, zero_point: i32, scale: FineScale) -> __m512i {
    let x = _mm512_sub_epi32(values, _mm512_set1_epi32(zero_point));
    // The input of the larger scale has a factor of one half.
    if scale.low == 0 && scale.shift == 0 {
        return _mm512_mullo_epi32(x, _mm512_set1_epi32(scale.high));
    }
    let below = _mm512_mullo_epi32(x, _mm512_set1_epi32(scale.low));
    let below = _mm512_add_epi32(below, _mm512_set1_epi32(1 << (FineScale::LOW_BITS - 1)));
    let below = _mm512_srai_epi32::<{ FineScale::LOW_BITS.cast_unsigned() }>(below);
    let high = _mm512_mullo_epi32(x, _mm512_set1_epi32(scale.high));
    let product = _mm512_add_epi32(high, below);
    let ties = _mm512_and_si512(_mm512_srai_epi32::<31>(product), _mm512_set1_epi32(scale.ties));
    let rounded = _mm512_add_epi32(product, _mm512_set1_epi32(scale.half));
    let rounded = _mm512_add_epi32(rounded, ties);
    _mm512_sra_epi32(rounded, _mm_cvtsi32_si128(scale.shift))
}
