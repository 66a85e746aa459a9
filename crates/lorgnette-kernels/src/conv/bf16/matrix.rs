//! The convolution of values rounded to bf16 on Arm: one instruction multiplies four input channels
//! of two pixels by those of two output channels.
//!
//! The input is rounded as for products of pairs. Weights are packed `[panel of output
//! channels][tap][four input channels][output channel of the panel]`, zeros where a tap's channels
//! are no multiple of four.

use std::arch::aarch64::{
    float32x4_t, vreinterpretq_f32_f64, vreinterpretq_f64_f32, vzip1q_f64, vzip2q_f64,
};
use std::ops::Range;

use super::{input_is_bf16, paired_shape, round_input, rounding_cost};
use crate::conv::pack::{Source, in_panels};
use crate::conv::rows::{ImplicitIm2col, PixelOrigins, Rows, StridedRows, Tap};
use crate::conv::task_grid::{TaskGrid, Work};
use crate::conv::tile::Job;
use crate::conv::{
    Algorithm, Conv, ConvKernel, ConvShape, FLOAT32, Filter, direct, direct_cost, panel_width,
};
use crate::numerics::f32_to_bf16;
use crate::simd::neon::matrix::{COLUMN_PAIRS, MAX_ROW_PAIRS, PairSums, add_bf16};
use crate::simd::{MAX_LANES, MAX_TILE_ROWS, Neon, Simd};
use crate::{Level, NumericOptions, PackedLayout, Precision, ThreadPool, WeightFormat};

/// Input channels of one product of matrices.
const QUAD: usize = 4;
/// Words of four input channels of a panel.
const QUAD_WORDS: usize = QUAD / 2 * PANEL;
/// The bytes of them.
const QUAD_BYTES: usize = QUAD_WORDS * size_of::<f32>();
/// Output channels of a panel.
const PANEL: usize = panel_width::<Neon>();
/// Vectors of a panel.
const VECS: usize = Neon::PANEL_VECTORS;
/// Pixels of the largest tile.
const TILE_ROWS: usize = 2 * MAX_ROW_PAIRS;

const _: () = assert!(PANEL == 2 * COLUMN_PAIRS && TILE_ROWS <= MAX_TILE_ROWS);

/// Cost relative to products of pairs: half as many instructions, of which two thirds multiply.
const COST_RATIO: f64 = 0.64;

pub(in crate::conv) const fn kernel() -> ConvKernel {
    ConvKernel {
        name: "bf16",
        level: Level::Neon,
        numerics: NumericOptions { compute: Precision::Bf16, ..FLOAT32 },
        algorithm: Algorithm::direct("bf16"),
        layout: PackedLayout::new("quads of bf16", WeightFormat::Bf16),
        fits: |_| true,
        cost: |shape| {
            COST_RATIO * direct_cost::<Neon>(&paired_shape(shape)) + rounding_cost::<Neon>(shape)
        },
        packed_len,
        scan_weights: None,
        pack_rows,
        row_block: |_| Some(1),
        scratch_len: |shape, _| {
            let pairs = paired_shape(shape);
            let rounded = if input_is_bf16(shape) { 0 } else { pairs.input.len() };
            direct::zeros(&pairs) + rounded
        },
        run,
    }
}

/// Returns the quads of a tap.
fn quads(shape: &ConvShape) -> usize {
    shape.input.channels.div_ceil(QUAD)
}

/// Returns the words of one panel.
fn panel_len(shape: &ConvShape) -> usize {
    shape.taps() * quads(shape) * QUAD_WORDS
}

fn packed_len(shape: &ConvShape) -> usize {
    shape.output.channels.div_ceil(PANEL) * panel_len(shape)
}

fn pack_rows(
    shape: &ConvShape,
    filter: &Filter<'_>,
    rows: Range<usize>,
    packed: &mut [f32],
    pool: &ThreadPool,
) {
    let channels = shape.input.channels;
    let source = Source::for_conv(filter, shape);
    let packed = &mut packed[..packed_len(shape)];
    in_panels(packed, panel_len(shape), rows, pool, &|panel, k, values| {
        let (tap, channel) = (k / channels, k % channels);
        let first = (tap * quads(shape) + channel / QUAD) * QUAD_WORDS;
        let quads = values[first..first + QUAD_WORDS].chunks_exact_mut(QUAD / 2);
        for (words, weight) in quads.zip(source.row(k, panel, PANEL)) {
            let half = u32::from(f32_to_bf16(weight));
            match channel % QUAD {
                0 => words.copy_from_slice(&[f32::from_bits(half), 0.0]),
                2 => words[1] = f32::from_bits(half),
                // The first element of a pair comes before the second.
                odd => words[odd / 2] = f32::from_bits(words[odd / 2].to_bits() | half << 16),
            }
        }
    });
}

fn run(conv: Conv<'_>, pool: &ThreadPool) {
    let shape = conv.shape;
    assert!(Level::Neon.multiplies_bf16(), "this CPU does not multiply matrices of bf16");
    let pairs = paired_shape(shape);
    let Conv { input, scratch, .. } = conv;
    let (zeros, scratch) = scratch.split_at_mut(direct::zeros(&pairs));
    zeros.fill(0.0);
    let input = match input_is_bf16(shape) {
        true => input,
        false => round_input(&shape.input, input, scratch, pool),
    };
    let conv = Conv { shape: &pairs, input, scratch: &mut [], ..conv };
    conv.check(packed_len(shape));
    let (job, input, _) = Job::new::<Neon>(conv);
    if pairs.window.is_pointwise() {
        let (layout, pixels) = (&pairs.input, pairs.output.pixels());
        let rows = StridedRows::new(input, layout.stride, layout.channels, pixels);
        tiles(&job, &rows, shape, pool);
    } else {
        tiles(&job, &ImplicitIm2col::new(&pairs, input, zeros), shape, pool);
    }
}

fn tiles(job: &Job<'_>, rows: &dyn Rows, shape: &ConvShape, pool: &ThreadPool) {
    let new_pixels = (shape.window.stride[0] * shape.window.stride[1]).min(shape.taps());
    let work = Work {
        pixels: shape.output.pixels(),
        panels: job.panels::<Neon>(),
        pixel_bytes: new_pixels * shape.input.channels * size_of::<u16>(),
        panel_bytes: panel_len(shape) * size_of::<f32>(),
    };
    let task_grid = TaskGrid::new(work, TILE_ROWS, pool.threads());
    let matrix = Matrix { job, rows, panel_len: panel_len(shape) };
    pool.run(task_grid.tasks(), &|_, index| {
        let (tiles, panels) = task_grid.task(index);
        for panel in panels {
            for tile in tiles.clone() {
                matrix.tile(task_grid.pixels(tile), panel);
            }
        }
    });
}

/// The data that all tiles share.
struct Matrix<'a> {
    job: &'a Job<'a>,
    rows: &'a dyn Rows,
    /// Words from panel to panel.
    panel_len: usize,
}

impl Matrix<'_> {
    /// Computes some pixels of one panel.
    fn tile(&self, pixels: Range<usize>, panel: usize) {
        let mut origins = PixelOrigins::default();
        self.rows.locate(pixels.clone(), &mut origins);
        let weights = &self.job.packed[panel * self.panel_len..][..self.panel_len];
        // SAFETY: `run` asserted that the CPU has the instructions, and the weights are a panel's.
        let sums = unsafe { self.multiply(&origins, weights) };
        let channel = panel * PANEL;
        let sums = &sums.as_flattened()[..pixels.len() * VECS];
        self.job.epilogue.store_spilled(Neon, pixels.start, channel, VECS, sums);
    }

    /// Returns the sums of a tile: vectors of channels of each pixel.
    ///
    /// # Safety
    /// Caller guarantees the instructions, and a panel of weights.
    #[target_feature(enable = "neon,bf16")]
    unsafe fn multiply(
        &self,
        origins: &PixelOrigins,
        weights: &[f32],
    ) -> [[[f32; MAX_LANES]; VECS]; TILE_ROWS] {
        let Job { taps, depth, .. } = *self.job;
        let mut weights = weights.as_ptr().cast::<u8>();
        let mut sums = [[Neon.splat(0.0); COLUMN_PAIRS]; MAX_ROW_PAIRS];
        let mut inputs = [std::ptr::null(); TILE_ROWS];
        for tap in 0..taps[0] * taps[1] {
            let tap = Tap { y: tap / taps[1], x: tap % taps[1] };
            self.rows.tap_pointers(origins, tap, &mut inputs[..origins.len()]);
            // Rows that a pair lacks are not stored.
            let first = inputs[0];
            inputs[origins.len()..].fill(first);
            let (quads, count) = (depth / 2, origins.len());
            let bytes = inputs.map(<*const f32>::cast);
            // SAFETY: `rows` guarantees `depth` words at each pointer, caller the weights.
            unsafe { add_bf16(&bytes, weights, quads, count, &mut sums) };
            weights = weights.wrapping_add(quads * QUAD_BYTES);
            if !depth.is_multiple_of(2) {
                let mut last = [[0.0; QUAD / 2]; TILE_ROWS];
                for (last, input) in last.iter_mut().zip(&inputs) {
                    // SAFETY: the last of the words at each pointer.
                    last[0] = unsafe { *input.wrapping_add(depth - 1) };
                }
                let last = last.each_ref().map(|words| words.as_ptr().cast());
                // SAFETY: there are two words for each row, caller guarantees the weights.
                unsafe { add_bf16(&last, weights, 1, count, &mut sums) };
                weights = weights.wrapping_add(QUAD_BYTES);
            }
        }
        rows_of(&sums)
    }
}

/// Returns the vectors of channels of each pixel.
#[target_feature(enable = "neon")]
#[inline]
fn rows_of(sums: &[PairSums<float32x4_t>; MAX_ROW_PAIRS]) -> [[[f32; MAX_LANES]; VECS]; TILE_ROWS] {
    let mut rows = [[[0.0; MAX_LANES]; VECS]; TILE_ROWS];
    for (pair, rows) in sums.iter().zip(rows.chunks_exact_mut(2)) {
        for v in 0..VECS {
            let low = vreinterpretq_f64_f32(pair[2 * v]);
            let high = vreinterpretq_f64_f32(pair[2 * v + 1]);
            let [first, second] = [vzip1q_f64(low, high), vzip2q_f64(low, high)];
            Neon.store_slice(&mut rows[0][v][..Neon::LANES], vreinterpretq_f32_f64(first));
            Neon.store_slice(&mut rows[1][v][..Neon::LANES], vreinterpretq_f32_f64(second));
        }
    }
    rows
}
