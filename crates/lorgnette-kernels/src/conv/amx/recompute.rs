//! A pixel's sums by their definition, in double precision, for those that tiles cannot be trusted
//! with: sums that are not finite, because parts of an infinite number are not and a number near
//! the largest may be rounded to infinity; and sums so small that the numbers they are made of may
//! be too small for tiles, which take them for zero. Slow and obvious; such numbers mean that
//! something has gone wrong already.

use super::pack;
use super::planes::Planes;
use crate::simd::BLOCK_COLUMNS;

/// Sums below this may have lost what counts: tiles take numbers below 2^-126 for zero, and the
/// least number that has both its halves is 2^-110; whatever they were multiplied by is less than
/// 2^40.
const TINY: f32 = 1.0 / (1_u64 << 60) as f32;

/// What a pixel's sums with one panel are computed from.
pub(super) struct Recompute<'a> {
    pub(super) planes: &'a Planes,
    pub(super) input: &'a [f32],
    /// The weights, as they were packed.
    pub(super) panel: &'a [f32],
    /// How many bf16 a weight is.
    pub(super) terms: usize,
    /// Input tiles of each tap.
    pub(super) steps: usize,
}

/// Whether tiles cannot be trusted with a pixel's sums.
#[inline(always)]
pub(super) fn needs_recompute(sums: &[f32]) -> bool {
    let (mut finite, mut tiny) = (true, true);
    for sum in sums {
        finite &= sum.is_finite();
        tiny &= sum.abs() < TINY;
    }
    tiny || !finite
}

impl Recompute<'_> {
    /// Computes the sums of output pixel `(image, y, x)`, unless they are zeros of nothing but
    /// zeros.
    pub(super) fn sums(&self, pixel: [usize; 3], sums: &mut [f32; BLOCK_COLUMNS]) {
        let all_zero = |(_, values): (usize, &[f32])| values.iter().all(|&value| value == 0.0);
        if sums.iter().all(|sum| sum.is_finite()) && self.window(pixel).all(all_zero) {
            return;
        }
        let mut exact = [0.0_f64; BLOCK_COLUMNS];
        for (tap, values) in self.window(pixel) {
            for (channel, value) in values.iter().enumerate() {
                for (column, sum) in exact.iter_mut().enumerate() {
                    *sum += f64::from(*value) * f64::from(self.weight(tap, channel, column));
                }
            }
        }
        *sums = exact.map(|sum| sum as f32);
    }

    /// The taps that lie in the picture, and the values under them.
    fn window(&self, [image, y, x]: [usize; 3]) -> impl Iterator<Item = (usize, &[f32])> {
        let Planes { input: layout, window, .. } = self.planes;
        let rows = window.valid_taps(0, layout.height, y);
        rows.flat_map(move |ky| window.valid_taps(1, layout.width, x).map(move |kx| [ky, kx])).map(
            move |[ky, kx]| {
                let (row, column) = (window.input_index(0, y, ky), window.input_index(1, x, kx));
                let pixel = (image * layout.height + row) * layout.width + column;
                (
                    ky * window.kernel[1] + kx,
                    &self.input[pixel * layout.stride..][..layout.channels],
                )
            },
        )
    }

    fn weight(&self, tap: usize, channel: usize, column: usize) -> f32 {
        pack::weight(self.panel, self.terms, tap * self.steps, [channel, column])
    }
}
