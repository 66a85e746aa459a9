//! Values made half as wide, and float32 again.

#[cfg(target_arch = "x86_64")]
use crate::simd::Avx512Bf16;
use crate::simd::{Kernel, Portable, Simd};

/// Rounds values to bf16, two to a float, a zero beside the last of an odd number. Numbers below 2^-126 become zero.
pub(crate) fn narrow(values: &[f32], halves: &mut [f32]) {
    assert_eq!(halves.len(), values.len().div_ceil(2), "two values take a float's place");
    dispatch(Narrow { values, halves });
}

/// As [`narrow`], pixel by pixel of so many values.
pub(crate) fn narrow_pixels(values: &[f32], channels: usize, halves: &mut [f32]) {
    let pixels = values.len() / channels;
    assert_eq!(halves.len(), pixels * channels.div_ceil(2), "two values take a float's place");
    dispatch(NarrowPixels { values, channels, halves });
}

/// Makes float32 of bf16.
pub(crate) fn widen(halves: &[f32], values: &mut [f32]) {
    assert_eq!(halves.len(), values.len().div_ceil(2), "two values take a float's place");
    dispatch(Widen { halves, values });
}

/// With the CPU's own instruction where it has one; all levels give the same bits.
fn dispatch(kernel: impl Kernel) {
    #[cfg(target_arch = "x86_64")]
    if Avx512Bf16::is_available() {
        return Avx512Bf16::dispatch(kernel);
    }
    Portable::dispatch(kernel);
}

struct Narrow<'a> {
    values: &'a [f32],
    halves: &'a mut [f32],
}

impl Kernel for Narrow<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (values, halves) in self.values.chunks(S::LANES).zip(self.halves.chunks_mut(S::LANES / 2)) {
            let vector = simd.load_slice(values);
            // SAFETY: the halves are as many as the values, which the caller has seen to.
            unsafe { simd.store_first_bf16(halves.as_mut_ptr().cast(), vector, values.len().min(S::LANES)) };
        }
    }
}

struct NarrowPixels<'a> {
    values: &'a [f32],
    channels: usize,
    halves: &'a mut [f32],
}

impl Kernel for NarrowPixels<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { mut values, channels, mut halves } = self;
        if channels == 3 {
            // Photos: some pixels at once, because a write of three numbers takes as long as one of a whole vector.
            let pixels = S::LANES / 4;
            let whole = values.len().saturating_sub(S::LANES - 3 * pixels) / (3 * pixels);
            for i in 0..whole {
                let vector = simd.spread_threes(simd.load_slice(&values[i * 3 * pixels..][..S::LANES]));
                // SAFETY: four halves to a pixel, which the caller has seen to.
                unsafe { simd.store_first_bf16(halves[i * 2 * pixels..].as_mut_ptr().cast(), vector, S::LANES) };
            }
            (values, halves) = (&values[whole * 3 * pixels..], &mut halves[whole * 2 * pixels..]);
        }
        let pixels = values.chunks_exact(channels).zip(halves.chunks_exact_mut(channels.div_ceil(2)));
        for (values, halves) in pixels {
            Narrow { values, halves }.run(simd);
        }
    }
}

struct Widen<'a> {
    halves: &'a [f32],
    values: &'a mut [f32],
}

impl Kernel for Widen<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (halves, values) in self.halves.chunks(S::LANES / 2).zip(self.values.chunks_mut(S::LANES)) {
            // SAFETY: the halves are as many as the values, which the caller has seen to.
            let vector = unsafe { simd.load_some_bf16(halves.as_ptr().cast(), values.len()) };
            simd.store_slice(values, vector);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;
    use crate::formats::{from_bf16, to_bf16_or_zero};

    /// Every kind of number: normal, subnormal, infinite, none at all.
    fn numbers() -> Vec<f32> {
        let spread = (0..=u32::MAX / 65_521).map(|i| f32::from_bits(i * 65_521));
        let ends = [0.0, -0.0, f32::NAN, f32::INFINITY, f32::MIN_POSITIVE, f32::MAX, 1e-40, -1e-40, 1.003_906_3];
        spread.chain(ends).collect()
    }

    #[test]
    fn every_level_rounds_as_the_definition() {
        for level in Level::available() {
            let numbers = numbers();
            for values in numbers.chunks(31) {
                let mut halves = vec![f32::NAN; values.len().div_ceil(2)];
                level.dispatch(Narrow { values, halves: &mut halves });
                let found = halves.iter().flat_map(|x| [x.to_bits() as u16, (x.to_bits() >> 16) as u16]);
                let wanted = values.iter().map(|&x| to_bf16_or_zero(x)).chain([0]);
                assert!(found.zip(wanted).all(|(found, wanted)| found == wanted), "{level}");
            }
        }
    }

    #[test]
    fn pixels_have_their_own_pairs() {
        let numbers = numbers();
        let cases = [(1, 40), (3, 0), (3, 1), (3, 5), (3, 41), (3, 1000), (5, 12)];
        for (level, (channels, pixels)) in Level::available().iter().flat_map(|level| cases.map(|case| (level, case))) {
            let values = &numbers[3000..][..channels * pixels];
            let pairs = channels.div_ceil(2);
            let (mut found, mut wanted) = (vec![f32::NAN; pairs * pixels], vec![f32::NAN; pairs * pixels]);
            level.dispatch(NarrowPixels { values, channels, halves: &mut found });
            for (values, halves) in values.chunks(channels).zip(wanted.chunks_mut(pairs)) {
                level.dispatch(Narrow { values, halves });
            }
            let bits = |halves: &[f32]| halves.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&found), bits(&wanted), "{level}, {pixels} pixels of {channels}");
        }
    }

    #[test]
    fn there_and_back() {
        let numbers = numbers();
        for count in [1_usize, 2, 15, 16, 17, 33, 1000] {
            let mut halves = vec![f32::NAN; count.div_ceil(2)];
            let mut values = vec![0.0; count];
            narrow(&numbers[7000..][..count], &mut halves);
            widen(&halves, &mut values);
            let wanted = numbers[7000..].iter().map(|&x| from_bf16(to_bf16_or_zero(x)));
            assert!(values.iter().zip(wanted).all(|(found, wanted)| found.to_bits() == wanted.to_bits()));
        }
    }
}
