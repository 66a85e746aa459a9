//! Conversion of pixels for tiles: rounded to bf16, or split into several terms.

use std::arch::x86_64::*;

use super::{Avx512, Avx512Bf16};
use crate::simd::Simd;

const LANES: usize = Avx512::LANES;

/// Pixels to convert.
pub(crate) struct PixelConversion<'a> {
    /// The values from the first pixel on.
    pub(crate) input: &'a [f32],
    /// Words from pixel to pixel.
    pub(crate) stride: usize,
    /// Words of a pixel.
    pub(crate) channels: usize,
    /// The output, which determines the number of pixels.
    pub(crate) output: &'a mut [f32],
    /// Words from pixel to pixel of the output.
    pub(crate) step: usize,
}

impl PixelConversion<'_> {
    /// Copies values that are already pairs of bf16, padded with zeros to a whole vector.
    pub(crate) fn copy(self) {
        let Self { input, stride, channels, output, step } = self;
        for (pixel, output) in output.chunks_exact_mut(step).enumerate() {
            let (pairs, rest) = output[..channels.next_multiple_of(LANES)].split_at_mut(channels);
            pairs.copy_from_slice(&input[pixel * stride..][..channels]);
            rest.fill(0.0);
        }
    }

    /// Rounds values to nearest even, 32 to a vector of pairs, padded with zeros. NaN stays NaN;
    /// magnitudes below 2^-126 become zero.
    pub(crate) fn round(self) {
        #[target_feature(enable = "avx512f,avx512bf16")]
        fn with_features(pixels: PixelConversion<'_>) {
            pixels.each_two_vectors(1, |[first, second], output| {
                Avx512(()).store_slice(output, _mm512_castsi512_ps(pairs(first, second)));
            });
        }
        assert!(Avx512Bf16::is_available(), "this CPU does not have AVX-512 BF16");
        // SAFETY: the CPU has the features, as just asserted.
        unsafe { with_features(self) }
    }

    /// Splits values into sums of `TERMS` bf16. Each 32 values become a vector of pairs of their
    /// upper terms, which are the rounded values, one of the rounded remainders, and so on. A value
    /// that is not finite has a term that is not.
    pub(crate) fn split<const TERMS: usize>(self) {
        #[target_feature(enable = "avx512f,avx512bf16")]
        fn with_features<const TERMS: usize>(pixels: PixelConversion<'_>) {
            pixels.each_two_vectors(TERMS, |[mut first, mut second], output| {
                for output in output.chunks_exact_mut(LANES).take(TERMS) {
                    let term = pairs(first, second);
                    first = _mm512_sub_ps(first, widened(_mm512_castsi512_si256(term)));
                    second = _mm512_sub_ps(second, widened(_mm512_extracti64x4_epi64::<1>(term)));
                    Avx512(()).store_slice(output, _mm512_castsi512_ps(term));
                }
            });
        }
        assert!(Avx512Bf16::is_available(), "this CPU does not have AVX-512 BF16");
        // SAFETY: the CPU has the features, as just asserted.
        unsafe { with_features::<TERMS>(self) }
    }

    /// Calls `convert` with each two vectors of a pixel's values, zeros beyond the last, and
    /// `vectors` vectors of the output.
    #[inline(always)]
    fn each_two_vectors(self, vectors: usize, mut convert: impl FnMut([__m512; 2], &mut [f32])) {
        let Self { input, stride, channels, output, step } = self;
        // The calling functions have the features that the token stands for.
        let simd = Avx512(());
        for (pixel, output) in output.chunks_exact_mut(step).enumerate() {
            let input = &input[pixel * stride..][..channels];
            for (input, output) in
                input.chunks(2 * LANES).zip(output.chunks_exact_mut(vectors * LANES))
            {
                let (first, second) = input.split_at(input.len().min(LANES));
                convert([simd.load_slice(first), simd.load_slice(second)], output);
            }
        }
    }
}

/// Rounds values as [`PixelConversion::round`] does, to as many bf16 at any place.
///
/// # Panics
/// If the slices' lengths differ, or this CPU does not have AVX-512 BF16.
pub(crate) fn round_row(input: &[f32], output: &mut [u16]) {
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn with_features(input: &[f32], output: &mut [u16]) {
        let simd = Avx512(());
        for (input, output) in input.chunks(2 * LANES).zip(output.chunks_mut(2 * LANES)) {
            let (first, second) = input.split_at(input.len().min(LANES));
            let pairs = pairs(simd.load_slice(first), simd.load_slice(second));
            // SAFETY: both types are 64 bytes for which all bits are valid.
            let values = unsafe { std::mem::transmute::<__m512i, [u16; 2 * LANES]>(pairs) };
            output.copy_from_slice(&values[..output.len()]);
        }
    }
    assert!(Avx512Bf16::is_available(), "this CPU does not have AVX-512 BF16");
    assert_eq!(input.len(), output.len(), "as many values");
    // SAFETY: the CPU has the features, as just asserted.
    unsafe { with_features(input, output) }
}

/// Rounds two vectors to one of pairs.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn pairs(first: __m512, second: __m512) -> __m512i {
    // SAFETY: both types are 64 bytes for which all bits are valid.
    unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first)) }
}

/// Converts a vector of bf16 to float32.
#[target_feature(enable = "avx512f")]
#[inline]
fn widened(halves: __m256i) -> __m512 {
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves)))
}
