//! From vectors of sums to vectors of bytes.

use std::arch::x86_64::*;

use super::super::Limits;
use super::super::channel_factors::{ChannelFactors, VectorFactors};
use super::LANES;

/// How sums become results. All give the same bytes where they may be used.
#[repr(u8)]
#[derive(Clone, Copy)]
pub(in crate::integer) enum Rounding {
    /// Products are rounded and shifted twice, for any factor.
    TwoShifts,
    /// Products are rounded and shifted once.
    OneShift,
    /// The same, where all negative results become the lower limit, so that it does not matter how
    /// their halves are rounded.
    PositiveOneShift,
    /// Sums are multiplied in float32 and rounded once, halves to even.
    NearestEven,
}

impl Rounding {
    /// Returns the cheapest one that factors and limits allow.
    pub(super) fn new(factors: &ChannelFactors, limits: Limits) -> Self {
        if !factors.floats.is_empty() {
            Self::NearestEven
        } else if !factors.has_one_shift {
            Self::TwoShifts
        } else {
            Self::one_shift(limits)
        }
    }

    /// Returns the cheapest way to round once.
    pub(in crate::integer) fn one_shift(limits: Limits) -> Self {
        if limits.low >= 0 { Self::PositiveOneShift } else { Self::OneShift }
    }
}

/// The factors of one vector of channels; `ROUNDING` is a [`Rounding`].
#[derive(Clone, Copy)]
pub(in crate::integer) struct Rescale<const ROUNDING: u8> {
    /// Mantissas, or float32.
    mantissas: __m512i,
    /// Of each pair of channels, the second one's mantissa.
    odd_mantissas: __m512i,
    /// Added to products, of channels of even and of odd index.
    rounding: [__m512i; 2],
    /// The bits of shifts, or of those to the left and those to the right.
    shifts: [__m512i; 2],
}

impl<const ROUNDING: u8> Rescale<ROUNDING> {
    /// Loads the factors of a vector.
    #[target_feature(enable = "avx512f")]
    #[inline]
    pub(in crate::integer) fn load(vector: &VectorFactors) -> Self {
        // SAFETY: each field has a vector's values.
        unsafe {
            Self {
                mantissas: _mm512_loadu_si512(vector.factors.as_ptr().cast()),
                odd_mantissas: _mm512_loadu_si512(vector.odd_factors.as_ptr().cast()),
                rounding: [
                    _mm512_loadu_si512(vector.rounding[0].as_ptr().cast()),
                    _mm512_loadu_si512(vector.rounding[1].as_ptr().cast()),
                ],
                shifts: [
                    _mm512_loadu_si512(vector.shifts[0].as_ptr().cast()),
                    _mm512_loadu_si512(vector.shifts[1].as_ptr().cast()),
                ],
            }
        }
    }

    /// Rescales sums as [`Multiplier::apply`](crate::integer::Multiplier::apply) does, and adds the
    /// zero point.
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    pub(in crate::integer) fn apply(&self, sums: __m512i, limits: Limits) -> __m512i {
        if ROUNDING == Rounding::TwoShifts as u8 {
            return self.apply_two_shifts(sums, limits);
        }
        if ROUNDING == Rounding::NearestEven as u8 {
            return self.apply_float32(sums, limits);
        }
        let odd_sums = _mm512_srli_epi64::<32>(sums);
        let even = Self::round(_mm512_mul_epi32(sums, self.mantissas), self.rounding[0]);
        let odd = Self::round(_mm512_mul_epi32(odd_sums, self.odd_mantissas), self.rounding[1]);
        let [even, odd] = [_mm512_castsi512_ps(even), _mm512_castsi512_ps(odd)];
        let high = _mm512_castps_si512(_mm512_mask_movehdup_ps(odd, 0x5555, even));
        _mm512_srav_epi32(high, self.shifts[0])
    }

    /// Rounds as XNNPACK does.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn apply_float32(&self, sums: __m512i, limits: Limits) -> __m512i {
        let values = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_castsi512_ps(self.mantissas));
        // Limits are integers, so they may be applied first; after them, every integer is small.
        let values = _mm512_max_ps(values, _mm512_set1_ps(limits.low as f32));
        let values = _mm512_min_ps(values, _mm512_set1_ps(limits.high as f32));
        let values = _mm512_cvtps_epi32(values);
        _mm512_add_epi32(values, _mm512_set1_epi32(limits.zero_point))
    }

    /// Adds what rounds a product when it is shifted.
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    fn round(products: __m512i, rounding: __m512i) -> __m512i {
        let rounded = _mm512_add_epi64(products, rounding);
        if ROUNDING == Rounding::PositiveOneShift as u8 {
            return rounded;
        }
        let is_negative = _mm512_movepi64_mask(products);
        _mm512_mask_sub_epi64(rounded, is_negative, rounded, _mm512_set1_epi64(1 << 31))
    }

    /// Rounds as the definition says.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn apply_two_shifts(&self, sums: __m512i, limits: Limits) -> __m512i {
        let [left, right] = self.shifts;
        let half = _mm512_set1_epi64(1 << 30);
        let one = _mm512_set1_epi32(1);
        let sums = _mm512_sllv_epi32(sums, left);
        let even = _mm512_add_epi64(_mm512_mul_epi32(sums, self.mantissas), half);
        let odd = _mm512_mul_epi32(_mm512_srli_epi64::<32>(sums), self.odd_mantissas);
        let odd = _mm512_add_epi64(odd, half);
        let products = _mm512_mask_blend_epi32(
            0xAAAA,
            _mm512_srli_epi64::<31>(even),
            _mm512_slli_epi64::<1>(odd),
        );
        let mask = _mm512_sub_epi32(_mm512_sllv_epi32(one, right), one);
        let threshold =
            _mm512_add_epi32(_mm512_srli_epi32::<1>(mask), _mm512_srli_epi32::<31>(products));
        let rounds_up = _mm512_cmpgt_epi32_mask(_mm512_and_si512(products, mask), threshold);
        let quotient = _mm512_srav_epi32(products, right);
        let values = _mm512_mask_add_epi32(quotient, rounds_up, quotient, one);
        // Before the zero point is added, which could overflow.
        let values = _mm512_max_epi32(values, _mm512_set1_epi32(limits.low));
        let values = _mm512_min_epi32(values, _mm512_set1_epi32(limits.high));
        _mm512_add_epi32(values, _mm512_set1_epi32(limits.zero_point))
    }
}

/// Narrows four vectors of results to bytes and limits them. A quarter of the bytes has a quarter
/// of each vector, in their order.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
pub(in crate::integer) fn narrow(results: [__m512i; 4], limits: Limits) -> __m512i {
    let [a, b, c, d] = results;
    let (low, high) = (_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
    let lowest = _mm512_set1_epi8((limits.low + limits.zero_point) as i8);
    let highest = _mm512_set1_epi8((limits.high + limits.zero_point) as i8);
    if limits.is_signed {
        let bytes = _mm512_max_epi8(_mm512_packs_epi16(low, high), lowest);
        _mm512_min_epi8(bytes, highest)
    } else {
        let bytes = _mm512_max_epu8(_mm512_packus_epi16(low, high), lowest);
        _mm512_min_epu8(bytes, highest)
    }
}

/// Loads a vector of 32-bit integers.
#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn load(values: &[i32]) -> __m512i {
    // SAFETY: the slice has a vector's values.
    unsafe { _mm512_loadu_si512(values[..LANES].as_ptr().cast()) }
}
