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
    assert!(operands.iter().all(|values| values.len() == output.len()), "a pair for each result");
    let limits = Limits::new::<T>(add.range);
    let [a, b] = operands.map(bytemuck::cast_slice);
    let output = bytemuck::cast_slice_mut(output);
    // The summand of the larger scale has a factor of one half; it is the first one here.
    let is_plain = |scale: FineScale| scale.low == 0 && scale.shift == 0;
    let swaps = !is_plain(add.inputs[0]) && is_plain(add.inputs[1]);
    let args = Args { add, factors: &factors, limits, first: usize::from(swaps) };
    let pairs = if swaps { Pairs { first: b, second: a } } else { Pairs { first: a, second: b } };
    // SAFETY: the CPU has the instructions.
    unsafe {
        match (is_plain(add.inputs[args.first]), Rounding::one_shift(limits)) {
            (true, Rounding::PositiveOneShift) => {
                add_blocks::<{ Rounding::PositiveOneShift as u8 }, true>(args, pairs, output);
            }
            (true, _) => add_blocks::<{ Rounding::OneShift as u8 }, true>(args, pairs, output),
            (false, _) => add_blocks::<{ Rounding::OneShift as u8 }, false>(args, pairs, output),
        }
    }
    true
}

#[derive(Clone, Copy)]
struct Args<'a> {
    add: &'a IntegerAdd,
    factors: &'a VectorFactors,
    limits: Limits,
    /// The operand that is called the first here.
    first: usize,
}

/// Summands, as many of each.
#[derive(Clone, Copy)]
struct Pairs<'a> {
    first: &'a [u8],
    second: &'a [u8],
}

/// A summand's [`FineScale`] in all lanes.
#[derive(Clone, Copy)]
struct Summand {
    zero_point: __m512i,
    high: __m512i,
    low: __m512i,
    half: __m512i,
    ties: __m512i,
    shift: __m128i,
}

/// The constants of all blocks.
struct Constants<const ROUNDING: u8> {
    first: Summand,
    second: Summand,
    rescale: Rescale<ROUNDING>,
    limits: Limits,
    /// From fours of each vector to those of the first, the second and so on.
    order: __m512i,
    /// True if the first summand is subtracted from the second, or the second from the first.
    negates: [bool; 2],
}

impl Summand {
    #[target_feature(enable = "avx512f")]
    fn new(add: &IntegerAdd, operand: usize) -> Self {
        let FineScale { high, low, half, ties, shift } = add.inputs[operand];
        Self {
            zero_point: _mm512_set1_epi32(add.zero_points[operand]),
            high: _mm512_set1_epi32(high),
            low: _mm512_set1_epi32(low),
            half: _mm512_set1_epi32(half),
            ties: _mm512_set1_epi32(ties),
            shift: _mm_cvtsi32_si128(shift),
        }
    }

    /// Does what [`FineScale::apply`] does; `PLAIN` where the scale has no lower part and no shift.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn scaled<const PLAIN: bool>(&self, values: __m512i) -> __m512i {
        let x = _mm512_sub_epi32(values, self.zero_point);
        let high = _mm512_mullo_epi32(x, self.high);
        if PLAIN {
            return high;
        }
        let below = _mm512_mullo_epi32(x, self.low);
        let below = _mm512_add_epi32(below, _mm512_set1_epi32(1 << (FineScale::LOW_BITS - 1)));
        let below = _mm512_srai_epi32::<{ FineScale::LOW_BITS.cast_unsigned() }>(below);
        let product = _mm512_add_epi32(high, below);
        let ties = _mm512_and_si512(_mm512_srai_epi32::<31>(product), self.ties);
        let rounded = _mm512_add_epi32(_mm512_add_epi32(product, self.half), ties);
        _mm512_sra_epi32(rounded, self.shift)
    }
}

/// Adds all pairs.
///
/// # Safety
/// Caller guarantees the instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn add_blocks<const ROUNDING: u8, const PLAIN: bool>(
    args: Args<'_>,
    pairs: Pairs<'_>,
    output: &mut [u8],
) {
    let Args { add, factors, limits, first } = args;
    let subtracts = add.sign < 0;
    let constants = Constants {
        first: Summand::new(add, first),
        second: Summand::new(add, 1 - first),
        rescale: Rescale::<ROUNDING>::load(factors),
        limits,
        order: _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
        negates: [subtracts && first == 1, subtracts && first == 0],
    };
    let whole = output.len() / BLOCK * BLOCK;
    for at in (0..whole).step_by(BLOCK) {
        let (a, b) =
            (pairs.first.as_ptr().wrapping_add(at), pairs.second.as_ptr().wrapping_add(at));
        // SAFETY: the slices have a block from here on.
        unsafe {
            let results = add_block::<ROUNDING, PLAIN>(&constants, a, b);
            _mm512_storeu_si512(output.as_mut_ptr().wrapping_add(at).cast(), results);
        }
    }
    let (mut a, mut b, mut last) = ([0; BLOCK], [0; BLOCK], [0u8; BLOCK]);
    let rest = output.len() - whole;
    if rest > 0 {
        a[..rest].copy_from_slice(&pairs.first[whole..]);
        b[..rest].copy_from_slice(&pairs.second[whole..]);
        // SAFETY: the arrays are a block.
        unsafe {
            let results = add_block::<ROUNDING, PLAIN>(&constants, a.as_ptr(), b.as_ptr());
            _mm512_storeu_si512(last.as_mut_ptr().cast(), results);
        }
        output[whole..].copy_from_slice(&last[..rest]);
    }
}

/// Adds a block of pairs.
///
/// # Safety
/// Caller guarantees a block at each address.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
#[inline]
unsafe fn add_block<const ROUNDING: u8, const PLAIN: bool>(
    constants: &Constants<ROUNDING>,
    a: *const u8,
    b: *const u8,
) -> __m512i {
    /// Adds the vector of pairs that begins with one.
    macro_rules! add {
        ($at:expr) => {{
            // SAFETY: caller guarantees a block.
            let (a, b) = unsafe {
                (
                    _mm_loadu_si128(a.wrapping_add($at).cast()),
                    _mm_loadu_si128(b.wrapping_add($at).cast()),
                )
            };
            let is_signed = constants.limits.is_signed;
            let a = constants.first.scaled::<PLAIN>(widen(a, is_signed));
            let b = constants.second.scaled::<false>(widen(b, is_signed));
            let sums = match constants.negates {
                [true, _] => _mm512_sub_epi32(b, a),
                [_, true] => _mm512_sub_epi32(a, b),
                _ => _mm512_add_epi32(a, b),
            };
            constants.rescale.apply(sums, constants.limits)
        }};
    }
    let results = [add!(0), add!(LANES), add!(2 * LANES), add!(3 * LANES)];
    _mm512_permutexvar_epi32(constants.order, narrow(results, constants.limits))
}

/// Returns 16 bytes as 32-bit integers.
#[target_feature(enable = "avx512f")]
#[inline]
fn widen(bytes: __m128i, is_signed: bool) -> __m512i {
    if is_signed { _mm512_cvtepi8_epi32(bytes) } else { _mm512_cvtepu8_epi32(bytes) }
}
