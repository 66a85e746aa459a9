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

    /// Returns the input coordinate of output coordinate `at`, of which interpolation takes the
    /// pixels around.
    fn source(self, from: usize, to: usize, at: usize) -> f32 {
        let scale = self.scale(from, to);
        if self.half_pixel_centers { (at as f32 + 0.5) * scale - 0.5 } else { at as f32 * scale }
    }

    /// Returns the two input coordinates around output coordinate `at`, and the distance from the
    /// first.
    pub fn between(self, from: usize, to: usize, at: usize) -> (usize, usize, f32) {
        let source = self.source(from, to, at);
        let floor = source.floor();
        let lower = (floor.max(0.0) as usize).min(from - 1);
        let upper = (source.ceil().max(0.0) as usize).min(from - 1);
        (lower, upper, source - floor)
    }

    /// Returns the four input coordinates around output coordinate `at`, and their weights: those
    /// of Keys ("Cubic convolution interpolation for digital image processing", 1981) with a = −0.5
    /// if pixel centres are at half-integers, where coordinates beyond the edge have no weight;
    /// else with a = −0.75 and the edge repeated.
    pub fn cubic(self, from: usize, to: usize, at: usize) -> CubicTaps {
        let source = self.source(from, to, at);
        let floor = source.floor();
        // TensorFlow looks the weights up in a table of so many distances.
        let distance = ((source - floor) * CUBIC_STEPS).round_ties_even() / CUBIC_STEPS;
        let a = if self.half_pixel_centers { -0.5 } else { -0.75 };
        let mut weights = [1.0 + distance, distance, 1.0 - distance, 2.0 - distance]
            .map(|distance| cubic_weight(f64::from(distance), a));
        let places = [-1.0, 0.0, 1.0, 2.0].map(|step| floor + step);
        let within = |place: f32| place.max(0.0).min((from - 1) as f32);
        if self.half_pixel_centers {
            for (weight, place) in weights.iter_mut().zip(places) {
                *weight = if within(place) == place { *weight } else { 0.0 };
            }
            let sum: f32 = weights.iter().sum();
            if sum.abs() >= 1000.0 * f32::MIN_POSITIVE {
                weights = weights.map(|weight| weight * (1.0 / sum));
            }
        }
        CubicTaps { at: places.map(|place| within(place) as usize), weights }
    }

    /// Returns true if no distance of a bicubic interpolation is rounded.
    pub fn has_exact_cubic(self, from: usize, to: usize) -> bool {
        let scale = self.scale(from, to);
        let shift = if self.half_pixel_centers { 0.5 * scale - 0.5 } else { 0.0 };
        [scale, shift].iter().all(|number| (number * CUBIC_STEPS).fract() == 0.0)
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

/// Number of distances between two pixels for which cubic weights differ.
const CUBIC_STEPS: f32 = 1024.0;

/// Returns the weight of a pixel at a distance from 0 to 2.
fn cubic_weight(distance: f64, a: f64) -> f32 {
    let x = distance;
    if x <= 1.0 {
        (((a + 2.0) * x - (a + 3.0)) * x * x + 1.0) as f32
    } else {
        (((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a) as f32
    }
}

/// Four pixels along one axis, and their weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CubicTaps {
    /// The coordinates, within the image.
    pub at: [usize; 4],
    /// The weight of each.
    pub weights: [f32; 4],
}

impl CubicTaps {
    /// Returns the weighted sum of the values at the four coordinates.
    #[inline(always)]
    pub fn combine(&self, values: [f32; 4]) -> f32 {
        let [a, b, c, d] = self.weights;
        values[0] * a + values[1] * b + values[2] * c + values[3] * d
    }
}

/// A row of the result, and the images that it is of.
struct ImageRow<'a> {
    resize: Resize,
    input_layout: &'a ImageLayout,
    input: &'a [f32],
    output_layout: &'a ImageLayout,
    /// Counted over all images.
    row: usize,
    output: &'a mut [f32],
}

/// Calls `task` for each row of the result.
fn for_rows(
    resize: Resize,
    images: ImagePair<'_>,
    pool: &ThreadPool,
    task: &(dyn Fn(ImageRow<'_>) + Sync),
) {
    let ImagePair { input_layout, input, output_layout, output } = images;
    check(&input_layout, &output_layout);
    let width = output_layout.width;
    for_blocks(&output_layout, width, output, pool, &|pixels, chunk| {
        for (i, row) in (pixels.start / width..pixels.end / width).enumerate() {
            let output = &mut chunk[i * width * output_layout.word_stride()..];
            let (input_layout, output_layout) = (&input_layout, &output_layout);
            task(ImageRow { resize, input_layout, input, output_layout, row, output });
        }
    });
}

/// Interpolates between the sixteen nearest pixels (TensorFlow's `ResizeBicubic`).
pub fn resize_bicubic(level: Level, resize: Resize, images: ImagePair<'_>, pool: &ThreadPool) {
    for_rows(resize, images, pool, &|row| level.dispatch(BicubicRow(row)));
}

struct BicubicRow<'a>(ImageRow<'a>);

impl SimdOp for BicubicRow<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let ImageRow { resize, input_layout, input, output_layout, row, output } = self.0;
        let (n, y) = (row / output_layout.height, row % output_layout.height);
        let rows = resize.cubic(input_layout.height, output_layout.height, y);
        let pixel = |row: usize, x: usize| {
            let y = n * input_layout.height + rows.at[row];
            &input[pixel_range(input_layout, y * input_layout.width + x)]
        };
        for x in 0..output_layout.width {
            let columns = resize.cubic(input_layout.width, output_layout.width, x);
            let output = &mut output[pixel_range(output_layout, x)];
            output.fill(0.0);
            for (tap, weight) in columns.at.into_iter().zip(columns.weights) {
                let above = pixel(0, tap).iter().zip(pixel(1, tap));
                let below = pixel(2, tap).iter().zip(pixel(3, tap));
                for ((value, above), below) in output.iter_mut().zip(above).zip(below) {
                    *value += rows.combine([*above.0, *above.1, *below.0, *below.1]) * weight;
                }
            }
        }
    }
}

/// Interpolates between the four nearest pixels (TensorFlow's `ResizeBilinear`).
pub fn resize_bilinear(level: Level, resize: Resize, images: ImagePair<'_>, pool: &ThreadPool) {
    for_rows(resize, images, pool, &|row| level.dispatch(BilinearRow(row)));
}

struct BilinearRow<'a>(ImageRow<'a>);

impl SimdOp for BilinearRow<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let ImageRow { resize, input_layout, input, output_layout, row, output } = self.0;
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
