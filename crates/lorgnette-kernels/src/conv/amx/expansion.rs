//! The ways in which numbers are bf16.

use crate::conv::{ConvShape, FLOAT32};
use crate::numerics::{bf16_to_f32, f32_to_bf16};
use crate::simd::{Factors, PixelConversion, Sums, Tiles};
use crate::{NumericOptions, Precision, WeightFormat};

/// The most bf16 a number becomes.
pub(super) const MAX_TERMS: usize = 3;

/// A way to make bf16 of numbers.
pub(in crate::conv) trait Bf16Expansion {
    /// What the kernel and its arithmetic are called.
    const NAME: &'static str;
    /// What its layout is called.
    const LAYOUT: &'static str;
    /// What it rounds.
    const NUMERICS: NumericOptions;
    /// How many bf16 a number becomes.
    const TERMS: usize;
    /// What a block's sums cost for each 32 input channels, in vector multiplications; 2048 are as
    /// many products. With a prototype on an Intel Xeon with AMX (Sapphire Rapids), large layers
    /// ran about ten times as fast as by multiply-add when rounded, and four times when split in
    /// two: 23 for each product of tiles, and 30 for each load of one. Split in three has not been
    /// measured, but has 24 products and 14 loads.
    const STEP_COST: f64;
    /// What putting one vector of inputs into this form costs.
    const CONVERT_COST: f64;

    /// Whether it is exact enough for a shape.
    fn fits(shape: &ConvShape) -> bool;
    /// Puts pixels into this form.
    fn convert(pixels: PixelConversion<'_>);
    /// A weight in this form, as many parts as it has.
    fn weight(weight: f32) -> [u16; MAX_TERMS];
    /// The sums of a block.
    ///
    /// # Safety
    /// Behind each tap, the pixels of a block can be read, of all steps, and weights for each tap
    /// and step.
    unsafe fn multiply(factors: Factors<'_>, tiles: &Tiles, sums: &mut Sums);
}

/// Numbers rounded to bf16.
pub(in crate::conv) struct Bf16;

/// Numbers as the sum of two bf16: seventeen of float32's twenty-four bits, one of them in the
/// second one's sign.
///
/// Not for windows of one tap. In networks that are made of those, such as MobileNet V2 and V3,
/// whose layers hand on errors and add their own, answers would be further off than float32's may
/// be.
pub(in crate::conv) struct Bf16x2;

/// Numbers as the sum of three bf16, which is all of a float32.
pub(in crate::conv) struct Bf16x3;

impl Bf16Expansion for Bf16 {
    const NAME: &'static str = "amx bf16";
    const LAYOUT: &'static str = "tiles of bf16";
    const NUMERICS: NumericOptions =
        NumericOptions { compute: Precision::Bf16, weight_storage: WeightFormat::Float32 };
    const TERMS: usize = 1;
    const STEP_COST: f64 = 210.0;
    const CONVERT_COST: f64 = 3.0;

    fn fits(_: &ConvShape) -> bool {
        true
    }

    fn convert(pixels: PixelConversion<'_>) {
        pixels.round();
    }

    fn weight(weight: f32) -> [u16; MAX_TERMS] {
        [f32_to_bf16(weight), 0, 0]
    }

    unsafe fn multiply(factors: Factors<'_>, tiles: &Tiles, sums: &mut Sums) {
        // SAFETY: what the caller vouches for is the same.
        unsafe { factors.multiply(tiles, sums) }
    }
}

impl Bf16Expansion for Bf16x2 {
    const NAME: &'static str = "amx bf16x2";
    const LAYOUT: &'static str = "tiles of two bf16";
    const NUMERICS: NumericOptions = FLOAT32;
    const TERMS: usize = 2;
    const STEP_COST: f64 = 520.0;
    const CONVERT_COST: f64 = 5.0;

    fn fits(shape: &ConvShape) -> bool {
        shape.taps() > 1
    }

    fn convert(pixels: PixelConversion<'_>) {
        pixels.split::<2>();
    }

    fn weight(weight: f32) -> [u16; MAX_TERMS] {
        let [upper, middle, _] = split(weight);
        [upper, middle, 0]
    }

    unsafe fn multiply(factors: Factors<'_>, tiles: &Tiles, sums: &mut Sums) {
        // SAFETY: what the caller vouches for is the same.
        unsafe { factors.multiply_bf16x2(tiles, sums) }
    }
}

impl Bf16Expansion for Bf16x3 {
    const NAME: &'static str = "amx bf16x3";
    const LAYOUT: &'static str = "tiles of three bf16";
    const NUMERICS: NumericOptions = FLOAT32;
    const TERMS: usize = 3;
    const STEP_COST: f64 = 970.0;
    const CONVERT_COST: f64 = 7.0;

    fn fits(_: &ConvShape) -> bool {
        true
    }

    fn convert(pixels: PixelConversion<'_>) {
        pixels.split::<3>();
    }

    fn weight(weight: f32) -> [u16; MAX_TERMS] {
        split(weight)
    }

    unsafe fn multiply(factors: Factors<'_>, tiles: &Tiles, sums: &mut Sums) {
        // SAFETY: what the caller vouches for is the same.
        unsafe { factors.multiply_bf16x3(tiles, sums) }
    }
}

/// A weight as the sum of bf16, largest first. What is not finite is the first alone, and what only
/// rounding would make infinite is cut off instead, so that [`super::recompute`] finds the weight
/// again.
fn split(weight: f32) -> [u16; MAX_TERMS] {
    let rounded = f32_to_bf16(weight);
    if !weight.is_finite() {
        return [rounded, 0, 0];
    }
    let upper =
        if bf16_to_f32(rounded).is_finite() { rounded } else { (weight.to_bits() >> 16) as u16 };
    let left = weight - bf16_to_f32(upper);
    let middle = f32_to_bf16(left);
    [upper, middle, f32_to_bf16(left - bf16_to_f32(middle))]
}
