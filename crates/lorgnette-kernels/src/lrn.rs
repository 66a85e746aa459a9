//! Local response normalisation (Krizhevsky et al. 2012), across channels.

use crate::blocks::{assert_same_shape, for_blocks, pixel_range};
use crate::{ImagePair, Level, ThreadPool};

/// The parameters, by TensorFlow's names: `x / (bias + alpha · Σ x²)^beta`, the sum over the
/// channels at most `depth_radius` away.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lrn {
    /// Channels to each side.
    pub depth_radius: usize,
    /// The summand that keeps the divisor from zero.
    pub bias: f32,
    /// The weight of the squares.
    pub alpha: f32,
    /// The exponent.
    pub beta: f32,
}

/// Normalises each value by its neighbours in the same pixel. Both layouts have the same pixels and
/// channels.
pub fn lrn(_: Level, lrn: Lrn, images: ImagePair<'_>, pool: &ThreadPool) {
    let ImagePair { input_layout, input, output_layout, output } = images;
    assert_same_shape(&input_layout, &output_layout);
    for_blocks(&output_layout, 1, output, pool, &|pixels, chunk| {
        for (i, pixel) in pixels.enumerate() {
            lrn.pixel(
                &input[pixel_range(&input_layout, pixel)],
                &mut chunk[pixel_range(&output_layout, i)],
            );
        }
    });
}

impl Lrn {
    fn pixel(self, input: &[f32], output: &mut [f32]) {
        for (c, (x, y)) in input.iter().zip(output).enumerate() {
            let near =
                c.saturating_sub(self.depth_radius)..(c + self.depth_radius + 1).min(input.len());
            let squares: f32 = input[near].iter().map(|x| x * x).sum();
            *y = x * self.power(self.bias + self.alpha * squares);
        }
    }

    /// Returns `x^−beta`, without a call for the usual exponents.
    fn power(self, x: f32) -> f32 {
        if self.beta == 0.75 {
            1.0 / (x.sqrt() * x.sqrt().sqrt())
        } else if self.beta == 0.5 {
            1.0 / x.sqrt()
        } else {
            x.powf(-self.beta)
        }
    }
}
