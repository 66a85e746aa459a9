//! Convolution without gathering: each tap of each pixel is read where it lies.

use super::rows::{Even, Rows, Windowed};
use super::split::Split;
use super::tile::Job;
use super::weight::Weight;
use super::{ConvKernel, ConvShape, pack};
use crate::Pool;
use crate::simd::Simd;

pub(super) const fn kernel<S: Simd>() -> ConvKernel {
    ConvKernel {
        name: "direct",
        level: S::LEVEL,
        formats: super::FLOAT32,
        arithmetic: super::DEFINITION,
        layout: "panels",
        fits: |_| true,
        cost: super::cost_of_definition::<S>,
        packed_len: pack::packed_len::<S>,
        survey_rows: None,
        pack_rows: pack::pack_rows::<S>,
        band: |_| Some(1),
        scratch_len: |shape, _| zeros(shape),
        run: |conv, pool| {
            conv.check(pack::packed_len::<S>(conv.shape));
            let shape = conv.shape;
            let (job, input, scratch) = Job::new::<S>(conv);
            run::<S, f32>(&job, shape, input, scratch, pool);
        },
    }
}

/// How many zeros the padding is read from.
pub(super) fn zeros(shape: &ConvShape) -> usize {
    shape.input.channels
}

/// Computes a job whose weights are of any form; `scratch` has as many floats as [`zeros`].
pub(super) fn run<S: Simd, W: Weight>(
    job: &Job<'_>,
    shape: &ConvShape,
    input: &[f32],
    scratch: &mut [f32],
    pool: &Pool,
) {
    if shape.window.is_point() {
        let rows = Even::new(input, shape.input.stride, shape.input.channels, shape.output.pixels());
        tiles::<S, W>(job, &rows, shape, pool);
    } else {
        let zeros = &mut scratch[..zeros(shape)];
        zeros.fill(0.0);
        tiles::<S, W>(job, &Windowed::new(shape, input, zeros), shape, pool);
    }
}

fn tiles<S: Simd, W: Weight>(job: &Job<'_>, rows: &dyn Rows, shape: &ConvShape, pool: &Pool) {
    // Neighbouring windows share what they see, unless they step over it.
    let seen = (shape.window.stride[0] * shape.window.stride[1]).min(shape.taps());
    let pixel_bytes = seen * shape.input.channels * size_of::<f32>();
    let panel_bytes = pack::panel_len::<S>(shape) * size_of::<W>();
    let counts = [shape.output.pixels(), job.panels::<S>()];
    let split = Split::new(counts, [pixel_bytes, panel_bytes], S::TILE_ROWS, pool.threads());
    pool.run(split.tasks(), &|_, index| {
        let (tiles, panels) = split.task(index);
        for panel in panels {
            for (turn, tile) in tiles.clone().enumerate() {
                let pixels = split.pixels(tile);
                job.tile::<S, W>(rows, pixels.start, pixels.len(), panel, turn);
            }
        }
    });
}
