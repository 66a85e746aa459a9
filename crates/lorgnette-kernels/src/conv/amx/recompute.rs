//! A pixel's sums by their definition, in float64, where tiles are not exact enough. Sums that are
//! not finite: terms of an infinite value are not finite, and a value near the maximum may round to
//! infinity. Very small sums: values below the tiles' range count as zero. Both are rare, so the
//! code is simple and slow.

use super::pack;
use super::planes::Planes;
use crate::numerics::{bf16_to_f32, f32_to_bf16};
use crate::simd::BLOCK_COLUMNS;

/// Sums below this may be inexact: tiles take numbers below 2^-126 for zero, and the least number
/// with both terms is 2^-110, multiplied by less than 2^40.
const TINY: f32 = 1.0 / (1_u64 << 60) as f32;

/// The inputs of a pixel's sums with one panel.
pub(super) struct Recompute<'a> {
    pub(super) planes: &'a Planes,
    pub(super) input: &'a [f32],
    /// The packed weights.
    pub(super) panel: &'a [f32],
    /// Terms of a weight.
    pub(super) terms: usize,
}

/// The coordinates of an output pixel.
#[derive(Clone, Copy)]
pub(super) struct OutputPixel {
    pub(super) image: usize,
    pub(super) y: usize,
    pub(super) x: usize,
}

/// True if a pixel's sums must be recomputed: if they are not finite, or `if_tiny` and all are very
/// small.
#[inline(always)]
pub(super) fn needs_recompute(sums: &[f32; BLOCK_COLUMNS], if_tiny: bool) -> bool {
    let (mut finite, mut tiny) = (true, if_tiny);
    for sum in sums {
        finite &= sum.is_finite();
        tiny &= sum.abs() < TINY;
    }
    tiny || !finite
}

impl Recompute<'_> {
    /// Computes the sums of output pixel `(image, y, x)`, unless they are zero because its inputs
    /// are zero.
    pub(super) fn sums(&self, pixel: OutputPixel, sums: &mut [f32; BLOCK_COLUMNS]) {
        if sums.iter().all(|sum| sum.is_finite())
            && self.window(pixel).flat_map(|(_, values)| values).all(|&value| value == 0.0)
        {
            return;
        }
        let mut exact = [0.0_f64; BLOCK_COLUMNS];
        for (tap, values) in self.window(pixel) {
            for (channel, value) in values.iter().enumerate() {
                let value = f64::from(self.as_multiplied(*value));
                for (column, sum) in exact.iter_mut().enumerate() {
                    *sum += value * f64::from(self.weight(tap, channel, column));
                }
            }
        }
        *sums = exact.map(|sum| sum as f32);
    }

    /// Returns the taps inside the image and the values under them.
    fn window(&self, pixel: OutputPixel) -> impl Iterator<Item = (usize, &[f32])> {
        let OutputPixel { image, y, x } = pixel;
        let Planes { input: layout, window, .. } = self.planes;
        let rows = window.valid_taps(0, layout.height, y);
        rows.flat_map(move |ky| window.valid_taps(1, layout.width, x).map(move |kx| [ky, kx])).map(
            move |[ky, kx]| {
                let (row, column) = (window.input_index(0, y, ky), window.input_index(1, x, kx));
                let pixel = (image * layout.height + row) * layout.width + column;
                (
                    ky * window.kernel[1] + kx,
                    &self.input[pixel * layout.word_stride()..][..layout.channels],
                )
            },
        )
    }

    /// Returns a value as tiles multiply it: rounded if it has one term.
    fn as_multiplied(&self, value: f32) -> f32 {
        if self.terms == 1 { bf16_to_f32(f32_to_bf16(value)) } else { value }
    }

    /// Returns a weight of one of the window's taps.
    fn weight(&self, tap: usize, channel: usize, column: usize) -> f32 {
        let taps = self.planes.taps;
        let k = tap * self.planes.input.channels + channel;
        let (tap, channel) = (k / taps.channels, k % taps.channels);
        pack::weight(self.panel, self.terms, tap * taps.steps(), channel, column)
    }
}
