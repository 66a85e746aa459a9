//! Resizing of images, bit-exact to TensorFlow.

use crate::blocks::{for_blocks, pixel_range};
use crate::simd::{Simd, SimdOp};
use crate::{ImageLayout, ImagePair, Level, ThreadPool};

/// The mapping from output to input coordinates, by TensorFlow's flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Resize {
    /// True if the centres of the corner pixels of input and output coincide.
    pub align_corners: bool,
    /// True if pixel centres are at half-integers.
    pub half_pixel_centers: bool,
}

impl Resize {
    /// Returns input pixels per output pixel along one axis.
    fn scale(self, from: usize, to: usize) -> f32 {
        if self.align_corners && to > 1 {
            (from - 1) as f32 / (to - 1) as f32
        } else {
            from as f32 / to as f32
        }
    }

    /// Returns the two input coordinates around output coordinate `at`, and the distance from the
    /// first.
    pub fn between(self, from: usize, to: usize, at: usize) -> (usize, usize, f32) {
        let scale = self.scale(from, to);
        let source = if self.half_pixel_centers {
            (at as f32 + 0.5) * scale - 0.5
        } else {
            at as f32 * scale
        };
        let floor = source.floor();
        let lower = (floor.max(0.0) as usize).min(from - 1);
        let upper = (source.ceil().max(0.0) as usize).min(from - 1);
        (lower, upper, source - floor)
    }

    /// Returns the input coordinate nearest to output coordinate `at`.
    pub fn nearest(self, from: usize, to: usize, at: usize) -> usize {
        let scale = self.scale(from, to);
        let source =
            if self.half_pixel_centers { (at as f32 + 0.5) * scale } else { at as f32 * scale };
        let source = if self.align_corners { source.round() } else { source.floor() };
        (source as usize).min(from - 1)
    }
}

/// Interpolates between the four nearest pixels (TensorFlow's `ResizeBilinear`).
pub fn resize_bilinear(level: Level, resize: Resize, images: ImagePair<'_>, pool: &ThreadPool) {
    let ImagePair { input_layout, input, output_layout, output } = images;
    check(&input_layout, &output_layout);
    let width = output_layout.width;
    for_blocks(&output_layout, width, output, pool, &|pixels, chunk| {
        for (i, row) in (pixels.start / width..pixels.end / width).enumerate() {
            let output = &mut chunk[i * width * output_layout.word_stride()..];
            let (input_layout, output_layout) = (&input_layout, &output_layout);
            level.dispatch(BilinearRow { resize, input_layout, input, output_layout, row, output });
        }
    });
}

struct BilinearRow<'a> {
    resize: Resize,
    input_layout: &'a ImageLayout,
    input: &'a [f32],
    output_layout: &'a ImageLayout,
    /// Counted over all images.
    row: usize,
    output: &'a mut [f32],
}

impl SimdOp for BilinearRow<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { resize, input_layout, input, output_layout, row, output } = self;
        let (n, y) = (row / output_layout.height, row % output_layout.height);
        let (above, below, down) = resize.between(input_layout.height, output_layout.height, y);
        let at = |y, x| {
            &input
                [pixel_range(input_layout, (n * input_layout.height + y) * input_layout.width + x)]
        };
        for x in 0..output_layout.width {
            let (left, right, along) = resize.between(input_layout.width, output_layout.width, x);
            let tops = at(above, left).iter().zip(at(above, right));
            let bottoms = at(below, left).iter().zip(at(below, right));
            for ((value, top), bottom) in
                output[pixel_range(output_layout, x)].iter_mut().zip(tops).zip(bottoms)
            {
                let top = top.0 + (top.1 - top.0) * along;
                let bottom = bottom.0 + (bottom.1 - bottom.0) * along;
                *value = top + (bottom - top) * down;
            }
        }
    }
}

/// Takes the nearest pixel (TensorFlow's `ResizeNearestNeighbor`).
pub fn resize_nearest(_: Level, resize: Resize, images: ImagePair<'_>, pool: &ThreadPool) {
    let ImagePair { input_layout, input, output_layout, output } = images;
    check(&input_layout, &output_layout);
    for_blocks(&output_layout, 1, output, pool, &|pixels, chunk| {
        for (i, pixel) in pixels.enumerate() {
            let (row, x) = (pixel / output_layout.width, pixel % output_layout.width);
            let (n, y) = (row / output_layout.height, row % output_layout.height);
            let y = resize.nearest(input_layout.height, output_layout.height, y);
            let x = resize.nearest(input_layout.width, output_layout.width, x);
            let from =
                pixel_range(&input_layout, (n * input_layout.height + y) * input_layout.width + x);
            chunk[pixel_range(&output_layout, i)].copy_from_slice(&input[from]);
        }
    });
}

pub(crate) fn check(input_layout: &ImageLayout, output_layout: &ImageLayout) {
    assert_eq!(
        (input_layout.batch, input_layout.channels),
        (output_layout.batch, output_layout.channels),
        "resizing keeps batch and channels"
    );
    assert!(!input_layout.is_empty(), "there is nothing to resize");
}
