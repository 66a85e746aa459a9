//! Conversion of slices between float32 and bf16.

#[cfg(target_arch = "x86_64")]
use crate::simd::Avx512Bf16;
#[cfg(target_arch = "aarch64")]
use crate::simd::Neon;
#[cfg(not(target_arch = "aarch64"))]
use crate::simd::Portable;
use crate::simd::{Simd, SimdOp};

/// Rounds values to bf16, two to a word; an odd last one is paired with zero. Magnitudes below
/// 2^-126 become zero.
pub(crate) fn f32_to_bf16_slice(values: &[f32], words: &mut [f32]) {
    assert_eq!(words.len(), values.len().div_ceil(2), "two values take a float's place");
    dispatch(F32ToBf16 { values, words });
}

/// Rounds pixels of `channels` values to bf16, each with pairs of its own.
pub(crate) fn f32_pixels_to_bf16(values: &[f32], channels: usize, words: &mut [f32]) {
    let pixels = values.len() / channels;
    assert_eq!(words.len(), pixels * channels.div_ceil(2), "two values take a float's place");
    dispatch(F32PixelsToBf16 { values, channels, words });
}

/// Converts bf16 to float32.
pub(crate) fn bf16_to_f32_slice(words: &[f32], values: &mut [f32]) {
    assert_eq!(words.len(), values.len().div_ceil(2), "two values take a float's place");
    dispatch(Bf16ToF32 { words, values });
}

/// Runs a kernel with the CPU's rounding instruction where it has one. All levels give the same
/// bits.
fn dispatch(kernel: impl SimdOp) {
    #[cfg(target_arch = "x86_64")]
    if Avx512Bf16::is_available() {
        return Avx512Bf16::dispatch(kernel);
    }
    #[cfg(target_arch = "aarch64")]
    Neon::dispatch(kernel);
    #[cfg(not(target_arch = "aarch64"))]
    Portable::dispatch(kernel);
}

struct F32ToBf16<'a> {
    values: &'a [f32],
    words: &'a mut [f32],
}

impl SimdOp for F32ToBf16<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (values, words) in self.values.chunks(S::LANES).zip(self.words.chunks_mut(S::LANES / 2))
        {
            let vector = simd.load_slice(values);
            // SAFETY: there is half a word for each value, as the caller asserts.
            unsafe {
                simd.store_partial_bf16(
                    words.as_mut_ptr().cast(),
                    vector,
                    values.len().min(S::LANES),
                );
            };
        }
    }
}

struct F32PixelsToBf16<'a> {
    values: &'a [f32],
    channels: usize,
    words: &'a mut [f32],
}

impl SimdOp for F32PixelsToBf16<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { mut values, channels, mut words } = self;
        if channels == 3 {
            // Photos: several pixels at once, because storing three numbers takes as long as
            // storing a whole vector.
            let pixels = S::LANES / 4;
            let full_vectors = values.len().saturating_sub(S::LANES - 3 * pixels) / (3 * pixels);
            for i in 0..full_vectors {
                let vector =
                    simd.expand_rgb_to_rgbx(simd.load_slice(&values[i * 3 * pixels..][..S::LANES]));
                // SAFETY: each pixel has two words, as the caller asserts.
                unsafe {
                    simd.store_partial_bf16(
                        words[i * 2 * pixels..].as_mut_ptr().cast(),
                        vector,
                        S::LANES,
                    );
                };
            }
            (values, words) =
                (&values[full_vectors * 3 * pixels..], &mut words[full_vectors * 2 * pixels..]);
        }
        let pixels =
            values.chunks_exact(channels).zip(words.chunks_exact_mut(channels.div_ceil(2)));
        for (values, words) in pixels {
            F32ToBf16 { values, words }.run(simd);
        }
    }
}

struct Bf16ToF32<'a> {
    words: &'a [f32],
    values: &'a mut [f32],
}

impl SimdOp for Bf16ToF32<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (words, values) in self.words.chunks(S::LANES / 2).zip(self.values.chunks_mut(S::LANES))
        {
            // SAFETY: there is half a word for each value, as the caller asserts.
            let vector = unsafe { simd.load_upto_bf16(words.as_ptr().cast(), values.len()) };
            simd.store_slice(values, vector);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;
    use crate::numerics::{bf16_to_f32, f32_to_bf16_ftz};

    /// Normal and subnormal numbers, zeros, infinities and NaN.
    fn numbers() -> Vec<f32> {
        let samples = (0..=u32::MAX / 65_521).map(|i| f32::from_bits(i * 65_521));
        let ends = [
            0.0,
            -0.0,
            f32::NAN,
            f32::INFINITY,
            f32::MIN_POSITIVE,
            f32::MAX,
            1e-40,
            -1e-40,
            1.003_906_3,
        ];
        samples.chain(ends).collect()
    }

    #[test]
    fn every_level_rounds_as_the_definition() {
        for level in Level::available() {
            let numbers = numbers();
            for values in numbers.chunks(31) {
                let mut words = vec![f32::NAN; values.len().div_ceil(2)];
                level.dispatch(F32ToBf16 { values, words: &mut words });
                let actual =
                    words.iter().flat_map(|x| [x.to_bits() as u16, (x.to_bits() >> 16) as u16]);
                let expected = values.iter().map(|&x| f32_to_bf16_ftz(x)).chain([0]);
                assert!(
                    actual.zip(expected).all(|(actual, expected)| actual == expected),
                    "{level}"
                );
            }
        }
    }

    #[test]
    fn pixels_have_their_own_pairs() {
        let numbers = numbers();
        let cases = [(1, 40), (3, 0), (3, 1), (3, 5), (3, 41), (3, 1000), (5, 12)];
        for (level, (channels, pixels)) in
            Level::available().iter().flat_map(|level| cases.map(|case| (level, case)))
        {
            let values = &numbers[3000..][..channels * pixels];
            let pairs = channels.div_ceil(2);
            let (mut actual, mut expected) =
                (vec![f32::NAN; pairs * pixels], vec![f32::NAN; pairs * pixels]);
            level.dispatch(F32PixelsToBf16 { values, channels, words: &mut actual });
            for (values, words) in values.chunks(channels).zip(expected.chunks_mut(pairs)) {
                level.dispatch(F32ToBf16 { values, words });
            }
            let bits = |words: &[f32]| words.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&actual), bits(&expected), "{level}, {pixels} pixels of {channels}");
        }
    }

    #[test]
    fn bf16_round_trip() {
        let numbers = numbers();
        for count in [1_usize, 2, 15, 16, 17, 33, 1000] {
            let mut words = vec![f32::NAN; count.div_ceil(2)];
            let mut values = vec![0.0; count];
            f32_to_bf16_slice(&numbers[7000..][..count], &mut words);
            bf16_to_f32_slice(&words, &mut values);
            let expected = numbers[7000..].iter().map(|&x| bf16_to_f32(f32_to_bf16_ftz(x)));
            assert!(
                values
                    .iter()
                    .zip(expected)
                    .all(|(actual, expected)| actual.to_bits() == expected.to_bits())
            );
        }
    }
}
