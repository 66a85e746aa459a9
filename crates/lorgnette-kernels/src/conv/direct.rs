//! Convolution without gathering (implicit GEMM): each tap of each pixel is read in place.

use std::marker::PhantomData;

use super::rows::{ImplicitIm2col, Rows, StridedRows};
use super::task_grid::{TaskGrid, Work};
use super::tile::{Inputs, Job};
use super::weight::Weight;
use super::{ConvKernel, ConvShape, pack};
use crate::simd::{Simd, SimdOp};
use crate::{PackedLayout, ThreadPool, WeightFormat};

pub(super) const fn kernel<S: Simd>() -> ConvKernel {
    ConvKernel {
        name: "direct",
        level: S::LEVEL,
        numerics: super::FLOAT32,
        algorithm: super::DIRECT,
        layout: PackedLayout::new("panels", WeightFormat::Float32),
        fits: |_| true,
        cost: super::direct_cost::<S>,
        packed_len: pack::packed_len::<S>,
        scan_weights: None,
        pack_rows: pack::pack_rows::<S>,
        row_block: |_| Some(1),
        scratch_len: |shape, _| zeros(shape),
        run: |conv, pool| {
            conv.check(pack::packed_len::<S>(conv.shape));
            let shape = conv.shape;
            let (job, input, scratch) = Job::new::<S>(conv);
            run::<S, f32>(&job, shape, input, scratch, pool);
        },
    }
}

/// Returns the number of zeros that stand for a pixel of the padding.
pub(super) fn zeros(shape: &ConvShape) -> usize {
    shape.input.channels
}

/// Computes a job with weights of any storage type; `scratch` has [`zeros`] words.
pub(super) fn run<S: Simd, W: Weight>(
    job: &Job<'_>,
    shape: &ConvShape,
    input: &[f32],
    scratch: &mut [f32],
    pool: &ThreadPool,
) {
    if shape.window.is_pointwise() {
        let rows = StridedRows::new(
            input,
            shape.input.stride,
            shape.input.channels,
            shape.output.pixels(),
        );
        tiles::<S, W>(job, &rows, shape, pool);
    } else {
        let zeros = &mut scratch[..zeros(shape)];
        zeros.fill(0.0);
        tiles::<S, W>(job, &ImplicitIm2col::new(shape, input, zeros), shape, pool);
    }
}

fn tiles<S: Simd, W: Weight>(job: &Job<'_>, rows: &dyn Rows, shape: &ConvShape, pool: &ThreadPool) {
    // Neighbouring windows share pixels unless the stride exceeds the window.
    let new_pixels = (shape.window.stride[0] * shape.window.stride[1]).min(shape.taps());
    let work = Work {
        pixels: shape.output.pixels(),
        panels: job.panels::<S>(),
        pixel_bytes: new_pixels * shape.input.channels * size_of::<f32>(),
        panel_bytes: pack::panel_len::<S>(shape) * size_of::<W>(),
    };
    let task_grid = TaskGrid::new(work, S::TILE_ROWS, pool.threads());
    pool.run(task_grid.tasks(), &|_, index| {
        S::dispatch(Task::<W> { job, rows, task_grid: &task_grid, index, weights: PhantomData });
    });
}

/// Bytes of weights that stay in a core's L2 together with their tiles' inputs and outputs.
const L2_WEIGHT_BYTES: usize = 128 << 10;

/// Some tiles of some panels.
struct Task<'a, W> {
    job: &'a Job<'a>,
    rows: &'a dyn Rows,
    task_grid: &'a TaskGrid,
    index: usize,
    weights: PhantomData<W>,
}

impl<W: Weight> SimdOp for Task<'_, W> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { job, rows, task_grid, index, .. } = self;
        let (tiles, panels) = task_grid.task(index);
        let mut inputs = Inputs::new(rows);
        // For a tile of few products, finding its inputs and loading them into L1 takes as long as
        // the products: small weights are applied panel by panel to each tile. Of larger weights,
        // each panel is loaded once for all tiles.
        if panels.len() * job.panel_bytes::<W>() <= L2_WEIGHT_BYTES {
            for tile in tiles {
                inputs.find(job, task_grid.pixels(tile));
                for panel in panels.clone() {
                    job.tile::<S, W>(simd, &inputs, panel, 0);
                }
            }
        } else {
            for panel in panels {
                for (turn, tile) in tiles.clone().enumerate() {
                    inputs.find(job, task_grid.pixels(tile));
                    job.tile::<S, W>(simd, &inputs, panel, turn);
                }
            }
        }
    }
}
