//! Convolution of few channels: in NHWC a row of the window's taps is contiguous, so the tile takes it as one, longer tap.
//! Only what windows at the picture's left and right edges see is gathered first.

use super::rows::{Origin, Rows, is_inside, locate};
use super::split::Split;
use super::tile::Job;
use super::{Conv, ConvKernel, ConvShape, pack};
use crate::Pool;
use crate::blocks::Shared;
use crate::simd::{MOST_TILE_ROWS, Simd};

/// Beyond so many channels, single taps are long enough.
const MOST_CHANNELS: usize = 8;

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
        scratch_len: |shape, threads| strip_len(shape) + threads * patches_len::<S>(shape),
        run: run::<S>,
    }
}

/// Floats of a strip, a row of taps.
fn strip_len(shape: &ConvShape) -> usize {
    shape.window.kernel[1] * shape.input.channels
}

/// Floats of the patches of one tile: all its strips, should all its windows be at an edge.
fn patches_len<S: Simd>(shape: &ConvShape) -> usize {
    // A whole number of cache lines, so that workers do not share one.
    (S::TILE_ROWS * shape.depth()).next_multiple_of(16)
}

fn run<S: Simd>(conv: Conv<'_>, pool: &Pool) {
    conv.check(pack::packed_len::<S>(conv.shape));
    let shape = conv.shape;
    let (mut job, input, scratch) = Job::new::<S>(conv);
    (job.taps, job.depth) = ([shape.window.kernel[0], 1], strip_len(shape));
    let (zeros, scratch) = scratch.split_at_mut(strip_len(shape));
    zeros.fill(0.0);
    let pixel_bytes = shape.depth() * size_of::<f32>();
    let split = Split::new(shape.output.pixels(), S::TILE_ROWS, pixel_bytes, 1, pool.threads());
    let (zeros, scratch, len) = (&*zeros, Shared::new(scratch), patches_len::<S>(shape));
    pool.run(split.tasks(), &|worker, index| {
        // SAFETY: each worker has its own patches.
        let patches = unsafe { scratch.part(worker * len..(worker + 1) * len) };
        for tile in split.task(index).0 {
            let pixels = split.pixels(tile);
            let strips = Strips::new(shape, input, zeros, pixels.start, pixels.len(), patches);
            for panel in 0..job.panels::<S>() {
                job.tile::<S, f32>(&strips, pixels.start, pixels.len(), panel, 0);
            }
        }
    });
}

/// The strips under the windows of one tile.
struct Strips<'a> {
    shape: &'a ConvShape,
    input: &'a [f32],
    zeros: &'a [f32],
    /// A patch for each pixel at an edge.
    patches: &'a [f32],
    origins: [Origin; MOST_TILE_ROWS],
}

impl<'a> Strips<'a> {
    fn new(
        shape: &'a ConvShape,
        input: &'a [f32],
        zeros: &'a [f32],
        pixel: usize,
        count: usize,
        patches: &'a mut [f32],
    ) -> Self {
        let mut origins = [Origin::default(); MOST_TILE_ROWS];
        locate(shape, pixel, &mut origins[..count]);
        for (origin, patch) in origins[..count].iter().zip(patches.chunks_exact_mut(shape.depth())) {
            if !is_whole(shape, *origin) {
                gather(shape, input, *origin, patch);
            }
        }
        Self { shape, input, zeros, patches, origins }
    }
}

/// Whether a window's strips lie in the picture from end to end, and in one piece.
fn is_whole(shape: &ConvShape, origin: Origin) -> bool {
    let ConvShape { input: map, window, .. } = shape;
    let solid = window.dilation[1] == 1 && map.stride == map.channels;
    solid && origin.x >= 0 && is_inside(origin.x, window.kernel[1] - 1, map.width)
}

// SAFETY: `under` gives a strip of the picture after checking that all of it lies inside, or a strip's worth of zeros, or
// of a gathered patch.
unsafe impl Rows for Strips<'_> {
    fn locate(&self, _: usize, origins: &mut [Origin]) {
        origins.copy_from_slice(&self.origins[..origins.len()]);
    }

    fn under(&self, origins: &[Origin], [ky, _]: [usize; 2], inputs: &mut [*const f32]) {
        let ConvShape { input: map, window, .. } = self.shape;
        let (y, len) = (ky * window.dilation[0], strip_len(self.shape));
        for (i, (input, origin)) in inputs.iter_mut().zip(origins).enumerate() {
            *input = if !is_whole(self.shape, *origin) {
                self.patches[i * self.shape.depth() + ky * len..][..len].as_ptr()
            } else if is_inside(origin.y, y, map.height) {
                let at = origin.offset.wrapping_add_unsigned(y * map.width * map.stride);
                self.input.as_ptr().wrapping_offset(at)
            } else {
                self.zeros.as_ptr()
            };
        }
    }
}

/// Copies what a window sees, zeros in the padding.
fn gather(shape: &ConvShape, input: &[f32], origin: Origin, patch: &mut [f32]) {
    let ConvShape { input: map, window, .. } = shape;
    for (tap, values) in patch.chunks_exact_mut(map.channels).enumerate() {
        let y = tap / window.kernel[1] * window.dilation[0];
        let x = tap % window.kernel[1] * window.dilation[1];
        if is_inside(origin.y, y, map.height) && is_inside(origin.x, x, map.width) {
            let at = origin.offset.wrapping_add_unsigned((y * map.width + x) * map.stride) as usize;
            values.copy_from_slice(&input[at..at + map.channels]);
        } else {
            values.fill(0.0);
        }
    }
}
