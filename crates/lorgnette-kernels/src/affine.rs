//! Scaling and shifting of channels, such as a batch normalisation that no convolution absorbed.

use crate::blocks::{
    assert_float32, assert_same_shape, contiguous_runs, for_blocks, pixel_range, via_f32,
};
use crate::simd::{Simd, SimdOp};
use crate::{Clamp, ImageLayout, ImagePair, Level, ThreadPool};

/// One run: `output = clamp(input · scale[channel] + shift[channel])`.
#[derive(Debug)]
pub struct Affine<'a> {
    /// The input's layout.
    pub input_layout: ImageLayout,
    /// The input's values.
    pub input: &'a [f32],
    /// A factor for each channel.
    pub scale: Option<&'a [f32]>,
    /// A shift for each channel.
    pub shift: Option<&'a [f32]>,
    /// The range results are limited to.
    pub clamp: Clamp,
    /// The output's layout, with the input's pixels and channels.
    pub output_layout: ImageLayout,
    /// The output's values.
    pub output: &'a mut [f32],
}

/// One run in place, otherwise as [`Affine`].
#[derive(Debug)]
pub struct AffineInPlace<'a> {
    /// The layout of the values.
    pub layout: ImageLayout,
    /// A factor for each channel.
    pub scale: Option<&'a [f32]>,
    /// A shift for each channel.
    pub shift: Option<&'a [f32]>,
    /// The range results are limited to.
    pub clamp: Clamp,
    /// The values.
    pub values: &'a mut [f32],
}

/// Scales and shifts each channel.
pub fn affine(level: Level, affine: Affine<'_>, pool: &ThreadPool) {
    let Affine { input_layout, input, scale, shift, clamp, output_layout, output } = affine;
    assert_same_shape(&input_layout, &output_layout);
    for_blocks(&output_layout, 1, output, pool, &|pixels, chunk| {
        let images = ImagePair::new(&input_layout, input, &output_layout, chunk);
        via_f32(images, pixels, |pixels, layout, values| {
            level.dispatch(Pixels { layout, count: pixels.len(), scale, shift, clamp, values });
        });
    });
}

/// Scales and shifts each channel in place.
pub fn affine_in_place(level: Level, affine: AffineInPlace<'_>, pool: &ThreadPool) {
    let AffineInPlace { layout, scale, shift, clamp, values } = affine;
    assert_float32(&layout);
    for_blocks(&layout, 1, values, pool, &|pixels, chunk| {
        level.dispatch(Pixels {
            layout: &layout,
            count: pixels.len(),
            scale,
            shift,
            clamp,
            values: chunk,
        });
    });
}

struct Pixels<'a> {
    layout: &'a ImageLayout,
    count: usize,
    scale: Option<&'a [f32]>,
    shift: Option<&'a [f32]>,
    clamp: Clamp,
    values: &'a mut [f32],
}

impl SimdOp for Pixels<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { layout, count, scale, shift, clamp, values } = self;
        let rows = 0..count;
        match (scale, shift) {
            (Some(scale), Some(shift)) => {
                let (scale, shift) = (&scale[..layout.channels], &shift[..layout.channels]);
                for i in rows {
                    for ((x, scale), shift) in
                        values[pixel_range(layout, i)].iter_mut().zip(scale).zip(shift)
                    {
                        *x = clamp.apply(*x * scale + shift);
                    }
                }
            }
            (Some(scale), None) => {
                for i in rows {
                    for (x, scale) in
                        values[pixel_range(layout, i)].iter_mut().zip(&scale[..layout.channels])
                    {
                        *x = clamp.apply(*x * scale);
                    }
                }
            }
            (None, Some(shift)) => {
                for i in rows {
                    for (x, shift) in
                        values[pixel_range(layout, i)].iter_mut().zip(&shift[..layout.channels])
                    {
                        *x = clamp.apply(*x + shift);
                    }
                }
            }
            (None, None) => {
                for run in contiguous_runs(layout, count) {
                    values[run].iter_mut().for_each(|x| *x = clamp.apply(*x));
                }
            }
        }
    }
}
