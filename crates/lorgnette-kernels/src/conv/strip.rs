//! Convolution of few channels, such as photos have: a tile takes a whole row of taps, a strip, for one. In NHWC a strip is
//! contiguous, so it is read where it lies; only windows that reach beyond the picture's left or right edge are gathered first.

use std::ops::Range;

use super::rows::{Origin, Rows, is_inside, locate};
use super::split::Split;
use super::tile::Job;
use super::{Conv, ConvKernel, ConvShape, pack};
use crate::Pool;
use crate::blocks::Shared;
use crate::simd::{MOST_TILE_ROWS, Simd};

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
        let patches = unsafe { scratch.part(worker * len..(worker + 1) * len) };
        for tile in split.task(index).0 {
            let pixels = split.pixels(tile);
            let strips = Strips::new(shape, [input, zeros], pixels.clone(), patches);
            for panel in 0..job.panels::<S>() {
                job.tile::<S, f32>(&strips, pixels.start, pixels.len(), panel, 0);
            }
        }
    });
}

/// The strips that the windows of a tile see.
struct Strips<'a> {
    shape: &'a ConvShape,
    input: &'a [f32],
    zeros: &'a [f32],
    origins: [Origin; MOST_TILE_ROWS],
    /// Whether a pixel's strips lie in the picture from end to end.
    whole: [bool; MOST_TILE_ROWS],
    /// What the windows of the other pixels see.
    patches: &'a [f32],
}

impl<'a> Strips<'a> {
    fn new(shape: &'a ConvShape, [input, zeros]: [&'a [f32]; 2], pixels: Range<usize>, patches: &'a mut [f32]) -> Self {
        assert!(input.len() >= shape.input.len() && zeros.len() >= strip_len(shape));
        let (mut origins, mut whole) = ([Origin::default(); MOST_TILE_ROWS], [false; MOST_TILE_ROWS]);
        let located = &mut origins[..pixels.len()];
        locate(shape, pixels.start, located);
        let each = located.iter().zip(&mut whole).zip(patches.chunks_exact_mut(shape.depth()));
        for ((origin, whole), patch) in each {
            *whole = is_whole(shape, *origin);
            if !*whole {
                taps(shape, input, *origin, patch);
            }
        }
        Self { shape, input, zeros, origins, whole, patches }
    }
}

// SAFETY: `under` gives a strip of the picture after checking that it lies there, or as many zeros, or a strip of a patch.
unsafe impl Rows for Strips<'_> {
    fn locate(&self, _: usize, origins: &mut [Origin]) {
        origins.copy_from_slice(&self.origins[..origins.len()]);
    }

    fn under(&self, origins: &[Origin], [ky, _]: [usize; 2], inputs: &mut [*const f32]) {
        let ConvShape { input: map, window, .. } = self.shape;
        let y = ky * window.dilation[0];
        let under = self.input.as_ptr().wrapping_add(y * map.width * map.stride);
        let patched = self.patches.as_ptr().wrapping_add(ky * strip_len(self.shape));
        for (i, (input, origin)) in inputs.iter_mut().zip(origins).enumerate() {
            *input = match (self.whole[i], is_inside(origin.y, y, map.height)) {
                (true, true) => under.wrapping_offset(origin.offset),
                (true, false) => self.zeros.as_ptr(),
                (false, _) => patched.wrapping_add(i * self.shape.depth()),
            };
        }
    }
}

/// Whether a window's strips lie in the picture from end to end, and in one piece.
fn is_whole(shape: &ConvShape, origin: Origin) -> bool {
    let ConvShape { input: map, window, .. } = shape;
    let solid = window.dilation[1] == 1 && map.stride == map.channels;
    solid && origin.x >= 0 && is_inside(origin.x, window.kernel[1] - 1, map.width)
}

/// Tap by tap, where the window is not wholly in the picture.
fn taps(shape: &ConvShape, input: &[f32], origin: Origin, patch: &mut [f32]) {
    let ConvShape { input: map, window, .. } = shape;
    for (tap, values) in patch.chunks_exact_mut(map.channels).enumerate().take(shape.taps()) {
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
