//! Convolution of few channels: what the windows of a tile see is gathered first, and the tile takes all taps as one. In
//! NHWC a row of taps is contiguous, so gathering is a few copies.

use std::ops::Range;

use super::rows::{Origin, Rows, locate};
use super::split::Split;
use super::tile::Job;
use super::{Conv, ConvKernel, ConvShape, pack};
use crate::blocks::Shared;
use crate::simd::{Kernel, MOST_TILE_ROWS, Simd};
use crate::{Elements, Pool};

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
        scratch_len: |shape, threads| threads * patches_len::<S>(shape),
        run: run::<S>,
    }
}

/// Floats of the patches of one tile: what each of its windows sees, and room for copying a vector more than that.
pub(super) fn patches_len<S: Simd>(shape: &ConvShape) -> usize {
    // A whole number of cache lines, so that workers do not share one.
    (S::TILE_ROWS * shape.depth() + S::LANES).next_multiple_of(16)
}

fn run<S: Simd>(conv: Conv<'_>, pool: &Pool) {
    conv.check(pack::packed_len::<S>(conv.shape));
    let shape = conv.shape;
    let (mut job, input, scratch) = Job::new::<S>(conv);
    (job.taps, job.depth) = ([1, 1], shape.depth());
    tiles::<S>(&job, shape, Elements::Float32, input, scratch, pool);
}

/// Computes a job for which all taps are one, and what they see is gathered as such elements.
pub(super) fn tiles<S: Simd>(
    job: &Job<'_>,
    shape: &ConvShape,
    elements: Elements,
    input: &[f32],
    scratch: &mut [f32],
    pool: &Pool,
) {
    let (depth, len) = (elements.floats(shape.depth()), patches_len::<S>(shape));
    let pixel_bytes = shape.depth() * size_of::<f32>();
    let split = Split::new(shape.output.pixels(), S::TILE_ROWS, pixel_bytes, 1, pool.threads());
    let scratch = Shared::new(scratch);
    pool.run(split.tasks(), &|worker, index| {
        // SAFETY: each worker has its own patches.
        let patches = unsafe { scratch.part(worker * len..(worker + 1) * len) };
        for tile in split.task(index).0 {
            let pixels = split.pixels(tile);
            S::dispatch(Gather { shape, input, pixels: pixels.clone(), patches, elements });
            let rows = Patches { depth, patches };
            for panel in 0..job.panels::<S>() {
                job.tile::<S, f32>(&rows, pixels.start, pixels.len(), panel, 0);
            }
        }
    });
}

/// What each window of a tile sees, one after the other.
struct Patches<'a> {
    depth: usize,
    patches: &'a [f32],
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
    /// What the patches are made of.
    elements: Elements,
}

impl Kernel for Gather<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { shape, input, pixels, patches, elements } = self;
        let mut origins = [Origin::default(); MOST_TILE_ROWS];
        let origins = &mut origins[..pixels.len()];
        locate(shape, pixels.start, origins);
        let step = elements.floats(shape.depth());
        for (i, origin) in origins.iter().enumerate() {
            let mut patch = Patch { values: &mut patches[i * step..], elements };
            patch.gather(simd, shape, input, *origin);
        }
    }
}

/// What one window sees, and what comes behind it.
struct Patch<'a> {
    values: &'a mut [f32],
    elements: Elements,
}

impl Patch<'_> {
    /// Copies what a window sees in pieces, as few as there are; all taps of a row are one where they touch, as they do in NHWC.
    #[inline(always)]
    fn gather<S: Simd>(&mut self, simd: S, shape: &ConvShape, input: &[f32], origin: Origin) {
        let ConvShape { input: map, window, .. } = shape;
        let [rows, columns] = window.kernel;
        let at_once = if window.dilation[1] == 1 && map.is_dense() { columns } else { 1 };
        let mut to = 0;
        for y in 0..rows {
            let row = origin.y + (y * window.dilation[0]) as isize;
            for x in (0..columns).step_by(at_once) {
                let column = origin.x + (x * window.dilation[1]) as isize;
                // Those before the picture, and those in it.
                let before = (-column).clamp(0, at_once as isize) as usize;
                let inside = (map.width as isize - column).clamp(before as isize, at_once as isize) as usize - before;
                let inside = if (0..map.height as isize).contains(&row) { inside } else { 0 };
                let [before, inside] = [before, inside].map(|taps| taps * map.channels);
                let all = at_once * map.channels;
                self.zeros(simd, to, before);
                if inside > 0 {
                    let pixel = (row - origin.y) * map.width as isize + (column - origin.x).max(-origin.x);
                    let first = (origin.offset + pixel * map.stride as isize) as usize;
                    self.put(simd, to + before, &input[first..first + inside]);
                }
                self.zeros(simd, to + before + inside, all - before - inside);
                to += all;
            }
        }
        // The other half of the last one, if they are odd.
        if self.elements == Elements::Bf16 {
            self.zeros(simd, to, 1);
        }
    }

    /// Puts values at place number `to`, by whole vectors: what is too much is overwritten by the next ones.
    #[inline(always)]
    fn put<S: Simd>(&mut self, simd: S, to: usize, values: &[f32]) {
        for from in (0..values.len()).step_by(S::LANES) {
            self.store(simd, to + from, simd.load_slice(&values[from..]));
        }
    }

    #[inline(always)]
    fn zeros<S: Simd>(&mut self, simd: S, to: usize, count: usize) {
        for from in (0..count).step_by(S::LANES) {
            self.store(simd, to + from, simd.splat(0.0));
        }
    }

    #[inline(always)]
    fn store<S: Simd>(&mut self, simd: S, to: usize, value: S::F) {
        match self.elements {
            Elements::Float32 => simd.store_slice(&mut self.values[to..], value),
            Elements::Bf16 => {
                // There is always room for a vector of halves behind what a window sees.
                let room = &mut self.values[to / 2..][..S::LANES / 2 + 1];
                // SAFETY: a vector of halves lies in the room, whichever half it begins with.
                unsafe { simd.store_first_bf16(room.as_mut_ptr().cast::<u16>().add(to % 2), value, S::LANES) };
            }
        }
    }
}
