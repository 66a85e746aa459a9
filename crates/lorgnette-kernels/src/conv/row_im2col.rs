//! Convolution of few channels, such as a photo's: a tile treats a whole row of taps as one. In
//! NHWC that row is contiguous and read in place; only windows beyond the image's left or right
//! edge are gathered first.

use std::ops::Range;

use super::rows::{PixelOrigin, PixelOrigins, Rows, Tap, is_inside, locate};
use super::task_grid::{TaskGrid, Work};
use super::tile::{Inputs, Job};
use super::{Conv, ConvKernel, ConvShape, pack};
use crate::blocks::SharedSlice;
use crate::simd::{Simd, SimdOp};
use crate::{PackedLayout, ThreadPool, WeightFormat};

/// Maximum number of channels; with more, single taps are long enough.
pub(super) const MAX_CHANNELS: usize = 8;

pub(super) const fn kernel<S: Simd>() -> ConvKernel {
    ConvKernel {
        name: "strip",
        level: S::LEVEL,
        numerics: super::FLOAT32,
        algorithm: super::DIRECT,
        layout: PackedLayout::new("panels", WeightFormat::Float32),
        fits: |shape| shape.taps() > 1 && shape.input.channels <= MAX_CHANNELS,
        cost: super::direct_cost::<S>,
        packed_len: pack::packed_len::<S>,
        scan_weights: None,
        pack_rows: pack::pack_rows::<S>,
        row_block: |_| Some(1),
        scratch_len: |shape, threads| zeros_len(shape) + threads * patches_len::<S>(shape),
        run: run::<S>,
    }
}

/// Returns the words of a row of taps.
fn row_len(shape: &ConvShape) -> usize {
    shape.window.kernel[1] * shape.input.channels
}

/// Returns the words of one tile's patches: the input of each of its windows.
fn patches_len<S: Simd>(shape: &ConvShape) -> usize {
    // A multiple of a cache line, so that threads do not share one.
    (S::TILE_ROWS * shape.depth()).next_multiple_of(16)
}

/// Returns the words of the zeros that rows of taps above and below the image are read from.
fn zeros_len(shape: &ConvShape) -> usize {
    row_len(shape).next_multiple_of(16)
}

fn run<S: Simd>(conv: Conv<'_>, pool: &ThreadPool) {
    conv.check(pack::packed_len::<S>(conv.shape));
    let shape = conv.shape;
    let (mut job, input, scratch) = Job::new::<S>(conv);
    (job.taps, job.depth) = ([shape.window.kernel[0], 1], row_len(shape));
    let (zeros, scratch) = scratch.split_at_mut(zeros_len(shape));
    zeros.fill(0.0);
    let work = Work {
        pixels: shape.output.pixels(),
        panels: 1,
        pixel_bytes: shape.depth() * size_of::<f32>(),
        panel_bytes: 0,
    };
    let task_grid = TaskGrid::new(work, S::TILE_ROWS, pool.threads());
    let (scratch, len) = (SharedSlice::new(scratch), patches_len::<S>(shape));
    pool.run(task_grid.tasks(), &|worker, index| {
        // SAFETY: each worker has its own patches.
        let patches =
            SharedSlice::new(unsafe { scratch.slice_mut(worker * len..(worker + 1) * len) });
        let im2col_rows = Im2colRows::new(shape, input, zeros, patches);
        S::dispatch(Task {
            job: &job,
            im2col_rows: &im2col_rows,
            tiles: task_grid.task(index).0,
            task_grid: &task_grid,
        });
    });
}

/// Some tiles of all panels.
struct Task<'a> {
    job: &'a Job<'a>,
    im2col_rows: &'a Im2colRows<'a>,
    tiles: Range<usize>,
    task_grid: &'a TaskGrid,
}

impl SimdOp for Task<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { job, im2col_rows, tiles, task_grid } = self;
        let mut inputs = Inputs::new(im2col_rows);
        for tile in tiles {
            inputs.find(job, task_grid.pixels(tile));
            for panel in 0..job.panels::<S>() {
                job.tile::<S, f32>(simd, &inputs, panel, 0);
            }
        }
    }
}

/// The rows of taps under the windows.
struct Im2colRows<'a> {
    shape: &'a ConvShape,
    input: &'a [f32],
    zeros: &'a [f32],
    /// Gathered rows of taps, for the windows of a tile that reach beyond the image.
    patches: SharedSlice<'a>,
}

impl<'a> Im2colRows<'a> {
    fn new(
        shape: &'a ConvShape,
        input: &'a [f32],
        zeros: &'a [f32],
        patches: SharedSlice<'a>,
    ) -> Self {
        assert!(input.len() >= shape.input.len() && zeros.len() >= row_len(shape));
        Self { shape, input, zeros, patches }
    }

    /// Gathers a row of taps of pixel `i` of a tile, tap by tap.
    fn gather_row(&self, i: usize, origin: PixelOrigin, ky: usize) -> *const f32 {
        let ConvShape { input: layout, window, .. } = self.shape;
        let first = i * self.shape.depth() + ky * row_len(self.shape);
        // SAFETY: no other thread has this worker's patches, and each pixel of a tile has its own
        // patch.
        let patch = unsafe { self.patches.slice_mut(first..first + row_len(self.shape)) };
        let y = ky * window.dilation[0];
        for (kx, values) in patch.chunks_exact_mut(layout.channels).enumerate() {
            let x = kx * window.dilation[1];
            if is_inside(origin.x, x, layout.width) {
                let at = origin.offset.wrapping_add_unsigned((y * layout.width + x) * layout.stride)
                    as usize;
                values.copy_from_slice(&self.input[at..at + layout.channels]);
            } else {
                values.fill(0.0);
            }
        }
        patch.as_ptr()
    }
}

// SAFETY: `tap_pointers` gives a row of taps after checking that it is inside the image, or the
// same number of zeros, or a row of a patch.
unsafe impl Rows for Im2colRows<'_> {
    fn locate(&self, pixels: Range<usize>, origins: &mut PixelOrigins) {
        locate(self.shape, pixels, origins);
    }

    fn tap_pointers(&self, origins: &PixelOrigins, tap: Tap, inputs: &mut [*const f32]) {
        let ConvShape { input: layout, window, .. } = self.shape;
        let y = tap.y * window.dilation[0];
        let base = self.input.as_ptr().wrapping_add(y * layout.width * layout.stride);
        let is_in_image = |origin: PixelOrigin| is_inside(origin.y, y, layout.height);
        origins.find(
            base,
            |origin| is_in_image(origin) && is_contiguous(self.shape, origin),
            |i, origin| match is_in_image(origin) {
                true => self.gather_row(i, origin, tap.y),
                false => self.zeros.as_ptr(),
            },
            inputs,
        );
    }
}

/// True if a window's rows of taps are contiguous and inside the image from left to right.
fn is_contiguous(shape: &ConvShape, origin: PixelOrigin) -> bool {
    let ConvShape { input: layout, window, .. } = shape;
    let solid = window.dilation[1] == 1 && layout.stride == layout.channels;
    solid && origin.x >= 0 && is_inside(origin.x, window.kernel[1] - 1, layout.width)
}
