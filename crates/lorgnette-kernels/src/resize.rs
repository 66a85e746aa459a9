//! Pictures and maps of another size, with TensorFlow's arithmetic, to the last bit.

use crate::blocks::{for_blocks, place};
use crate::simd::{Kernel, Simd};
use crate::{Level, Map, Pool};

/// Where an output pixel looks in the input, by TensorFlow's flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Resize {
    /// The centres of the corner pixels of input and output coincide.
    pub align_corners: bool,
    /// Pixels have their centres at halves.
    pub half_pixel_centers: bool,
}

impl Resize {
    /// Input pixels for each output pixel, along one axis.
    fn scale(self, from: usize, to: usize) -> f32 {
        if self.align_corners && to > 1 { (from - 1) as f32 / (to - 1) as f32 } else { from as f32 / to as f32 }
    }

    /// Between which two input coordinates output coordinate `at` lies, and how far from the first.
    pub(crate) fn between(self, from: usize, to: usize, at: usize) -> (usize, usize, f32) {
        let scale = self.scale(from, to);
        let source = if self.half_pixel_centers { (at as f32 + 0.5) * scale - 0.5 } else { at as f32 * scale };
        let floor = source.floor();
        let lower = (floor.max(0.0) as usize).min(from - 1);
        let upper = (source.ceil().max(0.0) as usize).min(from - 1);
        (lower, upper, source - floor)
    }

    /// The input coordinate nearest to output coordinate `at`.
    pub(crate) fn nearest(self, from: usize, to: usize, at: usize) -> usize {
        let scale = self.scale(from, to);
        let source = if self.half_pixel_centers { (at as f32 + 0.5) * scale } else { at as f32 * scale };
        let source = if self.align_corners { source.round() } else { source.floor() };
        (source as usize).min(from - 1)
    }
}

/// Interpolates between the four nearest pixels (TensorFlow's `ResizeBilinear`).
pub fn resize_bilinear(
    level: Level,
    resize: Resize,
    map_in: &Map,
    input: &[f32],
    map_out: &Map,
    output: &mut [f32],
    pool: &Pool,
) {
    check(map_in, map_out);
    let width = map_out.width;
    for_blocks(map_out, width, output, pool, &|pixels, part| {
        for (i, row) in (pixels.start / width..pixels.end / width).enumerate() {
            let output = &mut part[i * width * map_out.stride..];
            level.dispatch(BilinearRow { resize, map_in, input, map_out, row, output });
        }
    });
}

struct BilinearRow<'a> {
    resize: Resize,
    map_in: &'a Map,
    input: &'a [f32],
    map_out: &'a Map,
    /// Counted over all pictures.
    row: usize,
    output: &'a mut [f32],
}

impl Kernel for BilinearRow<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { resize, map_in, input, map_out, row, output } = self;
        let (n, y) = (row / map_out.height, row % map_out.height);
        let (above, below, down) = resize.between(map_in.height, map_out.height, y);
        let at = |y, x| &input[place(map_in, (n * map_in.height + y) * map_in.width + x)];
        for x in 0..map_out.width {
            let (left, right, along) = resize.between(map_in.width, map_out.width, x);
            let tops = at(above, left).iter().zip(at(above, right));
            let bottoms = at(below, left).iter().zip(at(below, right));
            for ((value, top), bottom) in output[place(map_out, x)].iter_mut().zip(tops).zip(bottoms) {
                let top = top.0 + (top.1 - top.0) * along;
                let bottom = bottom.0 + (bottom.1 - bottom.0) * along;
                *value = top + (bottom - top) * down;
            }
        }
    }
}

/// Takes the nearest pixel (TensorFlow's `ResizeNearestNeighbor`).
pub fn resize_nearest(
    _: Level,
    resize: Resize,
    map_in: &Map,
    input: &[f32],
    map_out: &Map,
    output: &mut [f32],
    pool: &Pool,
) {
    check(map_in, map_out);
    for_blocks(map_out, 1, output, pool, &|pixels, part| {
        for (i, pixel) in pixels.enumerate() {
            let (row, x) = (pixel / map_out.width, pixel % map_out.width);
            let (n, y) = (row / map_out.height, row % map_out.height);
            let y = resize.nearest(map_in.height, map_out.height, y);
            let x = resize.nearest(map_in.width, map_out.width, x);
            let from = place(map_in, (n * map_in.height + y) * map_in.width + x);
            part[place(map_out, i)].copy_from_slice(&input[from]);
        }
    });
}

pub(crate) fn check(map_in: &Map, map_out: &Map) {
    assert_eq!((map_in.batch, map_in.channels), (map_out.batch, map_out.channels), "resizing keeps batch and channels");
    assert!(!map_in.is_empty(), "there is nothing to resize");
}
