//! Convolution of few channels, such as photos have: a tile takes a whole row of taps, a strip, for one. In NHWC a strip is
//! contiguous, so it is read where it lies; only windows that reach beyond the picture's left or right edge are gathered first.

use std::ops::Range;

use super::rows::{Origin, Origins, Rows, is_inside, locate};
use super::split::Split;
use super::tile::{Inputs, Job};
use super::{Conv, ConvKernel, ConvShape, pack};
use crate::Pool;
use crate::blocks::Shared;
use crate::simd::{Kernel, Simd};

/// Beyond so many channels, single taps are long enough.
pub(super) const MOST_CHANNELS: usize = 8;

pub(super) const fn kernel<S: Simd>() -> ConvKernel {
    ConvKernel {
        name: "strip",
        level: S::LEVEL,
        formats: super::FLOAT32,
        arithmetic: super::DEFINITION,
        layout: "panels",
        fits: |shape| shape.taps() > 1 && shape.input.channels <= MOST_CHANNELS,
        cost: super::cost_of_definition::<S>,
        packed_len: pack::packed_len::<S>,
        survey_rows: None,
        pack_rows: pack::pack_rows::<S>,
        band: |_| Some(1),
        scratch_len: |shape, threads| zeros_len(shape) + threads * patches_len::<S>(shape),
        run: run::<S>,
    }
}

/// Floats of a strip, a row of taps.
fn strip_len(shape: &ConvShape) -> usize {
    shape.window.kernel[1] * shape.input.channels
}

/// Floats of the patches of one tile: what each of its windows sees.
fn patches_len<S: Simd>(shape: &ConvShape) -> usize {
    // A whole number of cache lines, so that workers do not share one.
    (S::TILE_ROWS * shape.depth()).next_multiple_of(16)
}

/// Floats of the zeros that strips above and below the picture are read from.
fn zeros_len(shape: &ConvShape) -> usize {
    strip_len(shape).next_multiple_of(16)
}

fn run<S: Simd>(conv: Conv<'_>, pool: &Pool) {
    conv.check(pack::packed_len::<S>(conv.shape));
    let shape = conv.shape;
    let (mut job, input, scratch) = Job::new::<S>(conv);
    (job.taps, job.depth) = ([shape.window.kernel[0], 1], strip_len(shape));
    let (zeros, scratch) = scratch.split_at_mut(zeros_len(shape));
    zeros.fill(0.0);
    let pixel_bytes = shape.depth() * size_of::<f32>();
    let split = Split::new([shape.output.pixels(), 1], [pixel_bytes, 0], S::TILE_ROWS, pool.threads());
    let (scratch, len) = (Shared::new(scratch), patches_len::<S>(shape));
    pool.run(split.tasks(), &|worker, index| {
        // SAFETY: each worker has its own patches.
        let patches = Shared::new(unsafe { scratch.part(worker * len..(worker + 1) * len) });
        let strips = Strips::new(shape, [input, zeros], patches);
        S::dispatch(Task { job: &job, strips: &strips, tiles: split.task(index).0, split: &split });
    });
}

/// Some tiles of all panels.
struct Task<'a> {
    job: &'a Job<'a>,
    strips: &'a Strips<'a>,
    tiles: Range<usize>,
    split: &'a Split,
}

impl Kernel for Task<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { job, strips, tiles, split } = self;
        let mut inputs = Inputs::new(strips);
        for tile in tiles {
            inputs.find(job, split.pixels(tile));
            for panel in 0..job.panels::<S>() {
                job.tile::<S, f32>(simd, &inputs, panel, 0);
            }
        }
    }
}

/// The strips that windows see.
struct Strips<'a> {
    shape: &'a ConvShape,
    input: &'a [f32],
    zeros: &'a [f32],
    /// What those windows of a tile see that are not whole.
    patches: Shared<'a>,
}

impl<'a> Strips<'a> {
    fn new(shape: &'a ConvShape, [input, zeros]: [&'a [f32]; 2], patches: Shared<'a>) -> Self {
        assert!(input.len() >= shape.input.len() && zeros.len() >= strip_len(shape));
        Self { shape, input, zeros, patches }
    }

    /// Gathers a strip of pixel `i` of a tile, tap by tap.
    fn gathered(&self, i: usize, origin: Origin, ky: usize) -> *const f32 {
        let ConvShape { input: map, window, .. } = self.shape;
        let first = i * self.shape.depth() + ky * strip_len(self.shape);
        // SAFETY: nobody else has this worker's patches, and a tile's pixels have a patch each.
        let patch = unsafe { self.patches.part(first..first + strip_len(self.shape)) };
        let y = ky * window.dilation[0];
        for (kx, values) in patch.chunks_exact_mut(map.channels).enumerate() {
            let x = kx * window.dilation[1];
            if is_inside(origin.x, x, map.width) {
                let at = origin.offset.wrapping_add_unsigned((y * map.width + x) * map.stride) as usize;
                values.copy_from_slice(&self.input[at..at + map.channels]);
            } else {
                values.fill(0.0);
            }
        }
        patch.as_ptr()
    }
}

// SAFETY: `under` gives a strip of the picture after checking that it lies there, or as many zeros, or a strip of a patch.
unsafe impl Rows for Strips<'_> {
    fn locate(&self, pixels: Range<usize>, origins: &mut Origins) {
        locate(self.shape, pixels, origins);
    }

    fn under(&self, origins: &Origins, [ky, _]: [usize; 2], inputs: &mut [*const f32]) {
        let ConvShape { input: map, window, .. } = self.shape;
        let y = ky * window.dilation[0];
        let ahead = self.input.as_ptr().wrapping_add(y * map.width * map.stride);
        let is_row = |origin: Origin| is_inside(origin.y, y, map.height);
        let here = |origin: Origin| is_row(origin) && is_whole(self.shape, origin);
        let elsewhere = |i: usize, origin: Origin| match is_row(origin) {
            true => self.gathered(i, origin, ky),
            false => self.zeros.as_ptr(),
        };
        origins.find(ahead, here, elsewhere, inputs);
    }
}

/// Whether a window's strips lie between the picture's edges, and in one piece.
fn is_whole(shape: &ConvShape, origin: Origin) -> bool {
    let ConvShape { input: map, window, .. } = shape;
    let solid = window.dilation[1] == 1 && map.stride == map.channels;
    solid && origin.x >= 0 && is_inside(origin.x, window.kernel[1] - 1, map.width)
}
