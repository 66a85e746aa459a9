//! Convolution of very few output pixels (GEMV), such as a fully connected layer for one image.
//! Each weight is used so few times that reading the weights takes all the time.

use super::rows::ImplicitIm2col;
use super::tile::Job;
use super::weight::Weight;
use super::{ConvKernel, ConvShape, direct, pack};
use crate::blocks::chunk;
use crate::simd::Simd;
use crate::{PackedLayout, ThreadPool, WeightFormat, isa};

/// Maximum number of pixels for which memory is the limit.
pub(super) const MAX_PIXELS: usize = 3;

pub(super) const fn kernel<S: Simd>() -> ConvKernel {
    ConvKernel {
        name: "stream",
        level: S::LEVEL,
        numerics: super::FLOAT32,
        algorithm: super::DIRECT,
        layout: PackedLayout::new("panels", WeightFormat::Float32),
        fits: |shape| (1..=MAX_PIXELS).contains(&shape.output.pixels()),
        cost: super::direct_cost::<S>,
        packed_len: pack::packed_len::<S>,
        scan_weights: None,
        pack_rows: pack::pack_rows::<S>,
        row_block: |_| None,
        scratch_len: |shape, _| direct::zeros(shape),
        run: |conv, pool| {
            conv.check(pack::packed_len::<S>(conv.shape));
            let shape = conv.shape;
            let (job, input, scratch) = Job::new::<S>(conv);
            run::<S, f32>(&job, shape, input, scratch, pool);
        },
    }
}

/// Tasks per thread.
const TASKS_PER_THREAD: usize = 8;

/// Computes a job with weights of any storage type; `scratch` has [`direct::zeros`] words.
pub(super) fn run<S: Simd, W: Weight>(
    job: &Job<'_>,
    shape: &ConvShape,
    input: &[f32],
    scratch: &mut [f32],
    pool: &ThreadPool,
) {
    let zeros = &mut scratch[..direct::zeros(shape)];
    zeros.fill(0.0);
    let rows = ImplicitIm2col::new(shape, input, zeros);
    let (pixels, panels) = (shape.output.pixels(), job.panels::<S>());
    if pixels == 0 {
        return;
    }
    // Several panels at once: independent sums hide the latency of additions, independent streams
    // that of memory. Float32 weights of one pixel are so many bytes that two sums suffice, and
    // some CPUs read one stream faster. The order of additions is the same.
    let is_one_stream =
        W::IS_FLOAT32 && pixels == 1 && S::PANEL_VECTORS == 2 && isa::reads_one_stream_faster();
    let panels_per_call = if pixels == 1 { 8 } else { 4 } / S::PANEL_VECTORS;
    let tasks = panels.div_ceil(panels_per_call).min(pool.threads() * TASKS_PER_THREAD);
    pool.run(tasks, &|_, index| {
        let panels = chunk(panels, tasks, index);
        let mut panel = panels.start;
        while !is_one_stream && panel + panels_per_call <= panels.end {
            match pixels {
                1 => job.gemv_tile::<S, W, 1, 8>(&rows, panel),
                2 => job.gemv_tile::<S, W, 2, 4>(&rows, panel),
                _ => job.gemv_tile::<S, W, 3, 4>(&rows, panel),
            }
            panel += panels_per_call;
        }
        for panel in panel..panels.end {
            // A constant, so that only one of the two is compiled.
            if const { S::PANEL_VECTORS == 2 } {
                match pixels {
                    1 => job.gemv_tile::<S, W, 1, 2>(&rows, panel),
                    2 => job.gemv_tile::<S, W, 2, 2>(&rows, panel),
                    _ => job.gemv_tile::<S, W, 3, 2>(&rows, panel),
                }
            } else {
                match pixels {
                    1 => job.gemv_tile::<S, W, 1, 4>(&rows, panel),
                    2 => job.gemv_tile::<S, W, 2, 4>(&rows, panel),
                    _ => job.gemv_tile::<S, W, 3, 4>(&rows, panel),
                }
            }
        }
    });
}
