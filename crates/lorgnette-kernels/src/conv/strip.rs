//! Convolution of few channels: what the windows of a tile see is gathered first, and the tile takes all taps as one. In
//! NHWC a row of taps is contiguous, so gathering is a few copies.

use std::ops::Range;

use super::rows::{Origin, Rows, is_inside, locate};
use super::split::Split;
use super::tile::Job;
use super::{Conv, ConvKernel, ConvShape, pack};
use crate::Pool;
use crate::blocks::Shared;
use crate::simd::{Kernel, MOST_TILE_ROWS, Simd};

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
        scratch_len: |shape, threads| threads * patches_len::<S>(shape),
        run: run::<S>,
    }
}

/// Floats of a strip, a row of taps.
fn strip_len(shape: &ConvShape) -> usize {
    shape.window.kernel[1] * shape.input.channels
}

/// Floats of the patches of one tile: what each of its windows sees, and room for copying a little more than that.
pub(super) fn patches_len<S: Simd>(shape: &ConvShape) -> usize {
    // A whole number of cache lines, so that workers do not share one.
    (S::TILE_ROWS * shape.depth() + S::LANES).next_multiple_of(16)
}

fn run<S: Simd>(conv: Conv<'_>, pool: &Pool) {
    conv.check(pack::packed_len::<S>(conv.shape));
    let shape = conv.shape;
    let (mut job, input, scratch) = Job::new::<S>(conv);
    (job.taps, job.depth) = ([1, 1], shape.depth());
    tiles::<S>(&job, shape, input, (scratch, patches_len::<S>(shape)), pool, |depth, _, patches| Patches {
        depth,
        patches,
    });
}

/// Computes a job for which all taps are one. Each worker has so many floats of the scratch; `rows` makes of a tile's
/// patches, and the room behind them, what the tile reads.
pub(super) fn tiles<S: Simd>(
    job: &Job<'_>,
    shape: &ConvShape,
    input: &[f32],
    (scratch, len): (&mut [f32], usize),
    pool: &Pool,
    rows: impl for<'a> Fn(usize, usize, &'a mut [f32]) -> Patches<'a> + Sync,
) {
    let pixel_bytes = shape.depth() * size_of::<f32>();
    let split = Split::new([shape.output.pixels(), 1], [pixel_bytes, 0], S::TILE_ROWS, pool.threads());
    let scratch = Shared::new(scratch);
    pool.run(split.tasks(), &|worker, index| {
        // SAFETY: each worker has its own patches.
        let patches = unsafe { scratch.part(worker * len..(worker + 1) * len) };
        for tile in split.task(index).0 {
            let pixels = split.pixels(tile);
            S::dispatch(Gather { shape, input, pixels: pixels.clone(), patches });
            let rows = rows(shape.depth(), pixels.len(), patches);
            for panel in 0..job.panels::<S>() {
                job.tile::<S, f32>(&rows, pixels.start, pixels.len(), panel, 0);
            }
        }
    });
}

/// What each window of a tile sees, one after the other.
pub(super) struct Patches<'a> {
    pub(super) depth: usize,
    pub(super) patches: &'a [f32],
}

// SAFETY: `under` gives a slice of `depth` floats.
unsafe impl Rows for Patches<'_> {
    fn locate(&self, _: usize, _: &mut [Origin]) {}

    fn under(&self, _: &[Origin], _: [usize; 2], inputs: &mut [*const f32]) {
        for (input, patch) in inputs.iter_mut().zip(self.patches.chunks_exact(self.depth)) {
            *input = patch.as_ptr();
        }
    }
}

/// Copies what the windows of some output pixels see, zeros in the padding.
struct Gather<'a> {
    shape: &'a ConvShape,
    input: &'a [f32],
    pixels: Range<usize>,
    patches: &'a mut [f32],
}

impl Kernel for Gather<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { shape, input, pixels, patches } = self;
        let mut origins = [Origin::default(); MOST_TILE_ROWS];
        let origins = &mut origins[..pixels.len()];
        locate(shape, pixels.start, origins);
        for (i, origin) in origins.iter().enumerate() {
            // Strips are copied by whole vectors from first to last: what is too much is overwritten by the next one.
            let patch = &mut patches[i * shape.depth()..];
            if is_whole(shape, *origin) {
                strips(simd, shape, input, *origin, patch);
            } else {
                taps(shape, input, *origin, patch);
            }
        }
    }
}

/// Whether a window's strips lie in the picture from end to end, and in one piece.
fn is_whole(shape: &ConvShape, origin: Origin) -> bool {
    let ConvShape { input: map, window, .. } = shape;
    let solid = window.dilation[1] == 1 && map.stride == map.channels;
    solid && origin.x >= 0 && is_inside(origin.x, window.kernel[1] - 1, map.width)
}

#[inline(always)]
fn strips<S: Simd>(simd: S, shape: &ConvShape, input: &[f32], origin: Origin, patch: &mut [f32]) {
    let ConvShape { input: map, window, .. } = shape;
    let len = strip_len(shape);
    for ky in 0..window.kernel[0] {
        let (y, to) = (ky * window.dilation[0], ky * len);
        let inside = is_inside(origin.y, y, map.height);
        let from = if inside { origin.offset.wrapping_add_unsigned(y * map.width * map.stride) as usize } else { 0 };
        let from = &input[from..from + len];
        for at in (0..len).step_by(S::LANES) {
            let value = if inside { simd.load_slice(&from[at..]) } else { simd.splat(0.0) };
            simd.store_slice(&mut patch[to + at..], value);
        }
    }
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
