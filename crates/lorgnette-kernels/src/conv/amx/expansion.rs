//! Expansions of float32 values into bf16 terms.

use super::taps::Taps;
use crate::conv::{ConvShape, FLOAT32};
use crate::numerics::{bf16_to_f32, f32_to_bf16};
use crate::simd::{Factors, PixelConversion, Sums, Tiles};
use crate::{NumericOptions, Precision};

/// Maximum number of terms.
pub(super) const MAX_TERMS: usize = 3;

/// An expansion of float32 values into bf16 terms.
pub(in crate::conv) trait Bf16Expansion {
    /// Name of the kernel and of its algorithm.
    const NAME: &'static str;
    /// Name of its layout.
    const LAYOUT: &'static str;
    /// Numeric options of the kernel.
    const NUMERICS: NumericOptions;
    /// Terms of a value.
    const TERMS: usize;
    /// True if a row of the window is one tap; see [`Taps`](super::taps::Taps).
    const READS_ROWS: bool = false;
    /// Cost of a block's sums for each 32 input channels; 2048 vector multiplications are the same
    /// number of products. This and the costs below are fitted to the 184 layers of seven networks
    /// on an Intel Xeon with AMX, so that the kernels chosen take 1.002 times as long together as
    /// the fastest.
    const STEP_COST: f64;
    /// Cost of converting one vector of 32 inputs.
    const CONVERT_COST: f64;
    /// Cost of checking a vector of sums, and moving it from its tile to the output.
    const STORE_COST: f64;

    /// True if it is exact enough for a shape.
    fn fits(shape: &ConvShape) -> bool;
    /// Converts pixels.
    fn convert(pixels: PixelConversion<'_>);
    /// Returns a weight's terms, zeros beyond `TERMS`.
    fn weight(weight: f32) -> [u16; MAX_TERMS];
    /// Computes the sums of a block.
    ///
    /// # Safety
    /// Caller guarantees that the pixels of a block can be read behind each tap, for all steps, and
    /// weights for each tap and step.
    unsafe fn multiply(factors: Factors<'_>, tiles: &Tiles, sums: &mut Sums);
}

/// Values rounded to bf16.
pub(in crate::conv) struct Bf16;

/// Values rounded to bf16, of pixels that are read a row of the window at a time.
pub(in crate::conv) struct Bf16Rows;

/// Values as the sum of two bf16: 17 of float32's 24 bits of precision, one of them in the second
/// term's sign.
///
/// Not for pointwise windows: in networks made of those, such as MobileNet V2 and V3, errors
/// accumulate over layers beyond the tolerance for float32.
pub(in crate::conv) struct Bf16x2;

/// Values as the sum of three bf16, which represents a float32 exactly.
pub(in crate::conv) struct Bf16x3;

impl Bf16Expansion for Bf16 {
    const NAME: &'static str = "amx bf16";
    const LAYOUT: &'static str = "tiles of bf16";
    const NUMERICS: NumericOptions =
        NumericOptions { compute: Precision::Bf16, ..crate::conv::FLOAT32 };
    const TERMS: usize = 1;
    const STEP_COST: f64 = 210.0;
    const CONVERT_COST: f64 = 3.0;
    const STORE_COST: f64 = 6.0;

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
        // SAFETY: caller guarantees the same.
        unsafe { factors.multiply(tiles, sums) }
    }
}

impl Bf16Expansion for Bf16Rows {
    const NAME: &'static str = "amx bf16 rows";
    const LAYOUT: &'static str = "tiles of bf16, of rows of the window";
    const NUMERICS: NumericOptions = Bf16::NUMERICS;
    const TERMS: usize = 1;
    const READS_ROWS: bool = true;
    const STEP_COST: f64 = Bf16::STEP_COST;
    const CONVERT_COST: f64 = Bf16::CONVERT_COST;
    const STORE_COST: f64 = Bf16::STORE_COST;

    fn fits(shape: &ConvShape) -> bool {
        let saves = Taps::new::<Self>(shape).steps() < shape.window.kernel[1];
        saves && shape.window.dilation[1] == 1
    }

    fn convert(pixels: PixelConversion<'_>) {
        Bf16::convert(pixels);
    }

    fn weight(weight: f32) -> [u16; MAX_TERMS] {
        Bf16::weight(weight)
    }

    unsafe fn multiply(factors: Factors<'_>, tiles: &Tiles, sums: &mut Sums) {
        // SAFETY: caller guarantees the same.
        unsafe { Bf16::multiply(factors, tiles, sums) }
    }
}

impl Bf16Expansion for Bf16x2 {
    const NAME: &'static str = "amx bf16x2";
    const LAYOUT: &'static str = "tiles of two bf16";
    const NUMERICS: NumericOptions = FLOAT32;
    const TERMS: usize = 2;
    const STEP_COST: f64 = 570.0;
    const CONVERT_COST: f64 = 5.0;
    const STORE_COST: f64 = 12.0;

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
        // SAFETY: caller guarantees the same.
        unsafe { factors.multiply_bf16x2(tiles, sums) }
    }
}

impl Bf16Expansion for Bf16x3 {
    const NAME: &'static str = "amx bf16x3";
    const LAYOUT: &'static str = "tiles of three bf16";
    const NUMERICS: NumericOptions = FLOAT32;
    const TERMS: usize = 3;
    const STEP_COST: f64 = 1070.0;
    const CONVERT_COST: f64 = 30.0;
    const STORE_COST: f64 = 12.0;

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
        // SAFETY: caller guarantees the same.
        unsafe { factors.multiply_bf16x3(tiles, sums) }
    }
}

/// Splits a weight into terms, largest first. A weight that is not finite is the first term alone.
/// One that would only round to infinity is truncated instead, so that [`super::recompute`]
/// recovers the weight.
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
