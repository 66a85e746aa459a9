//! The two ways in which numbers are bf16.

use crate::conv::FLOAT32;
use crate::formats::{from_bf16, to_bf16};
use crate::simd::{Factors, Pixels, Sums, Tiles};
use crate::{Formats, Precision, WeightFormat};

/// A way to make bf16 of numbers.
pub(in crate::conv) trait Parts {
    /// What the kernel and its arithmetic are called.
    const NAME: &'static str;
    /// What its layout is called.
    const LAYOUT: &'static str;
    /// What it rounds.
    const FORMATS: Formats;
    /// How many bf16 a number becomes.
    const COUNT: usize;
    /// What a block's sums cost for each 32 input channels, in vector multiplications. Of an Intel Xeon with AMX (Sapphire
    /// Rapids) it was measured, with a prototype, that large layers run about ten times as fast as by multiply-add when
    /// rounded, and four times when split; a block is 2048 vector multiplications.
    const STEP: f64;
    /// What putting one vector of inputs into this form costs.
    const FILL: f64;

    /// Puts pixels into this form.
    fn put(pixels: Pixels<'_>);
    /// A weight in this form, the second half being for those that have one.
    fn halves(weight: f32) -> [u16; 2];
    /// The sums of a block.
    ///
    /// # Safety
    /// Behind each tap, the pixels of a block can be read, of all steps, and weights for each tap and step.
    unsafe fn multiply(factors: Factors<'_>, tiles: &Tiles, sums: &mut Sums);
}

/// Numbers rounded to bf16.
pub(in crate::conv) struct Rounded;

/// Numbers as the sum of two bf16: sixteen bits of float32's twenty-four.
pub(in crate::conv) struct Split;

impl Parts for Rounded {
    const NAME: &'static str = "amx bf16";
    const LAYOUT: &'static str = "tiles of bf16";
    const FORMATS: Formats = Formats { precision: Precision::Bf16, weights: WeightFormat::Float32 };
    const COUNT: usize = 1;
    const STEP: f64 = 205.0;
    const FILL: f64 = 3.0;

    fn put(pixels: Pixels<'_>) {
        pixels.round();
    }

    fn halves(weight: f32) -> [u16; 2] {
        [to_bf16(weight), 0]
    }

    unsafe fn multiply(factors: Factors<'_>, tiles: &Tiles, sums: &mut Sums) {
        // SAFETY: what the caller vouches for is the same.
        unsafe { factors.multiply(tiles, sums) }
    }
}

impl Parts for Split {
    const NAME: &'static str = "amx bf16x2";
    const LAYOUT: &'static str = "tiles of two bf16";
    const FORMATS: Formats = FLOAT32;
    const COUNT: usize = 2;
    const STEP: f64 = 520.0;
    const FILL: f64 = 5.0;

    fn put(pixels: Pixels<'_>) {
        pixels.split();
    }

    /// The sum of both is the weight, but for its last bits. What is not finite has no lower half, and what only rounding
    /// would make infinite is cut off instead, so that [`super::anew`] finds the weight again.
    fn halves(weight: f32) -> [u16; 2] {
        let rounded = to_bf16(weight);
        if !weight.is_finite() {
            return [rounded, 0];
        }
        let upper = if from_bf16(rounded).is_finite() { rounded } else { (weight.to_bits() >> 16) as u16 };
        [upper, to_bf16(weight - from_bf16(upper))]
    }

    unsafe fn multiply(factors: Factors<'_>, tiles: &Tiles, sums: &mut Sums) {
        // SAFETY: what the caller vouches for is the same.
        unsafe { factors.multiply_split(tiles, sums) }
    }
}
