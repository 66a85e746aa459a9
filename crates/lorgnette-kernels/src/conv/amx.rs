//! Convolution on AMX tiles. A block of 32 pixels by 32 output channels is four tiles of sums; each
//! instruction adds the products of 16 pixels, 32 input channels and 16 output channels.
//!
//! A tile's rows must be equally far apart in memory, which the pixels under a tap are not at the
//! end of an image row. So the input is first converted into [`Planes`], with its padding: there
//! the pixels under a tap, for all output pixels in order, are equally far apart. Slightly more
//! sums are computed than there are pixels; those between rows are dropped.
//!
//! Values become bf16 in one of three ways ([`expansion`]): rounded; split into a sum of two, with
//! three products for each original one and an error in the last bits of float32; or split into a
//! sum of three, with six products and no loss. For split values, a pixel's sums are recomputed
//! ([`recompute`]) if they are not finite, or all so small that numbers below the tiles' range may
//! matter.

mod expansion;
mod pack;
mod planes;
mod recompute;
mod taps;

use std::ops::Range;

use self::expansion::Bf16Expansion;
pub(super) use self::expansion::{Bf16, Bf16Rows, Bf16x2, Bf16x3};
use self::planes::{Planes, RowBlock};
use self::recompute::{OutputPixel, Recompute, needs_recompute};
use super::task_grid::{TaskGrid, Work};
use super::tile::Job;
use super::{Algorithm, Conv, ConvKernel, ConvShape, ErrorClass, with_weight_loads};
use crate::simd::{Avx512Bf16, BLOCK_COLUMNS, BLOCK_ROWS, Factors, Simd, SimdOp, Sums, Tiles};
use crate::{Level, PackedLayout, StorageType, ThreadPool, WeightFormat};

pub(super) const fn kernel<P: Bf16Expansion>() -> ConvKernel {
    ConvKernel {
        name: P::NAME,
        level: Level::Amx,
        numerics: P::NUMERICS,
        algorithm: algorithm::<P>(),
        layout: PackedLayout::new(P::LAYOUT, WeightFormat::Bf16),
        fits: |shape| {
            P::fits(shape)
                && !shape.input.is_empty()
                && !shape.output.is_empty()
                && Planes::new::<P>(shape).offsets_fit_u32()
        },
        cost: cost::<P>,
        row_block: |_| Some(1),
        packed_len: pack::packed_len::<P>,
        scan_weights: None,
        pack_rows: pack::pack_rows::<P>,
        scratch_len: |shape, _| Planes::new::<P>(shape).scratch_len(),
        run: run::<P>,
    }
}

/// Products of the larger terms count: one of a single term, three of two terms, six of three.
const fn algorithm<P: Bf16Expansion>() -> Algorithm {
    let error_class = if P::TERMS == 2 { ErrorClass::SplitBf16 } else { ErrorClass::F32 };
    Algorithm {
        name: P::NAME,
        error_class,
        products: |shape| shape.products() * (P::TERMS * (P::TERMS + 1) / 2) as u64,
    }
}

/// Cost of copying one vector of 32 bf16 inputs into planes.
const COPY_COST: f64 = 1.5;

/// See [`ConvKernel::cost`].
fn cost<P: Bf16Expansion>(shape: &ConvShape) -> f64 {
    let vectors = |channels: usize| channels.div_ceil(Avx512Bf16::LANES);
    let planes = Planes::new::<P>(shape);
    let blocks = planes.positions(shape.output.height).div_ceil(BLOCK_ROWS) * pack::panels(shape);
    let products = P::STEP_COST * (blocks * planes.taps.count() * planes.taps.steps()) as f64;
    let fill = if shape.input.storage == StorageType::Bf16 { COPY_COST } else { P::CONVERT_COST };
    let convert_cost = fill * planes.converted_vectors() as f64;
    let store_cost =
        P::STORE_COST * (shape.output.pixels() * vectors(shape.output.channels)) as f64;
    convert_cost
        + store_cost
        + with_weight_loads::<Avx512Bf16>(products, pack::packed_len::<P>(shape))
}

fn run<P: Bf16Expansion>(conv: Conv<'_>, pool: &ThreadPool) {
    let shape = conv.shape;
    let planes = Planes::new::<P>(shape);
    let in_words = ConvShape { input: shape.input.as_words(), ..*shape };
    let conv = Conv { shape: &in_words, ..conv };
    conv.check(pack::packed_len::<P>(shape));
    let (job, input, scratch) = Job::new::<Avx512Bf16>(conv);
    let (taps, values) = scratch[..planes.scratch_len()].split_at_mut(planes.taps_len());
    let values = bytemuck::cast_slice_mut(values);
    for row_block in planes.row_blocks() {
        let taps = planes.offsets(&row_block, taps);
        planes.fill::<P>(&row_block, input, values, pool);
        let product = Product {
            job: &job,
            shape,
            planes: &planes,
            row_block: &row_block,
            input,
            taps,
            values,
        };
        product.run::<P>(pool);
    }
}

/// The sums of a block: tiles are stored faster if no row of theirs is in two cache lines.
#[repr(align(64))]
struct BlockSums(Sums);

/// The products of one block of rows.
struct Product<'a> {
    job: &'a Job<'a>,
    shape: &'a ConvShape,
    planes: &'a Planes,
    row_block: &'a RowBlock,
    input: &'a [f32],
    taps: &'a [u32],
    values: &'a [u16],
}

impl Product<'_> {
    fn run<P: Bf16Expansion>(&self, pool: &ThreadPool) {
        let (positions, panels) =
            (self.planes.positions(self.row_block.rows.len()), pack::panels(self.shape));
        let work = Work {
            pixels: positions,
            panels,
            pixel_bytes: self.planes.step * size_of::<u16>(),
            panel_bytes: pack::panel_len(self.planes.taps, P::TERMS) * size_of::<f32>(),
        };
        let tasks = TaskGrid::new(work, BLOCK_ROWS, pool.threads());
        pool.run(tasks.tasks(), &|_, index| {
            let tiles = Tiles::configure();
            let mut sums = BlockSums([0.0; BLOCK_ROWS * BLOCK_COLUMNS]);
            let (blocks, panels) = tasks.task(index);
            for panel in panels {
                for (turn, block) in blocks.clone().enumerate() {
                    let positions = tasks.pixels(block);
                    self.multiply::<P>(&tiles, positions.start, panel, turn, &mut sums.0);
                    Avx512Bf16::dispatch(StoreBlock {
                        product: self,
                        positions,
                        panel,
                        sums: &mut sums.0,
                        terms: P::TERMS,
                    });
                }
            }
        });
    }

    /// Computes the sums of the block of pixels that begins at a position. `turn` counts the blocks
    /// that used the panel before.
    fn multiply<P: Bf16Expansion>(
        &self,
        tiles: &Tiles,
        position: usize,
        panel: usize,
        turn: usize,
        sums: &mut Sums,
    ) {
        let taps = self.planes.taps;
        let panel_len = pack::panel_len(taps, P::TERMS);
        let weights = &self.job.packed[panel * panel_len..][..panel_len];
        // Each block prefetches an eighth of the next panel.
        let ahead =
            weights.as_ptr().wrapping_add(panel_len + turn * (panel_len / PREFETCHING_BLOCKS));
        let last = position + BLOCK_ROWS - 1 + self.planes.max_tap_offset(self.row_block);
        assert!(
            last * self.planes.step + self.planes.read_len <= self.values.len(),
            "a block has more pixels than there are"
        );
        let factors = Factors {
            pixels: self.values[position * self.planes.step..].as_ptr().cast(),
            pixel_bytes: self.planes.step * size_of::<u16>(),
            taps: self.taps,
            steps: taps.steps(),
            weights: weights.as_ptr(),
            ahead,
        };
        // SAFETY: the last pixel under any tap is among the values, as asserted; a panel has
        // weights for each tap and step.
        unsafe { P::multiply(factors, tiles, sums) };
    }
}

/// Number of blocks that together prefetch the next panel; see [`Factors`].
const PREFETCHING_BLOCKS: usize = 8;

/// Writes a block's sums to the output.
struct StoreBlock<'a> {
    product: &'a Product<'a>,
    positions: Range<usize>,
    panel: usize,
    sums: &'a mut Sums,
    /// Terms of each value.
    terms: usize,
}

/// Pixels whose results are stored together.
const STORED_ROWS: usize = 4;

impl SimdOp for StoreBlock<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { product, positions, panel, sums, terms } = self;
        let Product { job, planes, row_block, .. } = product;
        let (mut y, mut x) = (positions.start / planes.columns, positions.start % planes.columns);
        let mut sums = &mut sums.as_chunks_mut().0[..positions.len()];
        while !sums.is_empty() {
            // Up to the end of the row; behind the last output pixel, sums are dropped.
            let (row, rest) = sums.split_at_mut(sums.len().min(planes.columns - x));
            let count = row.len().min(planes.output.width.saturating_sub(x));
            let first = OutputPixel { image: row_block.image, y: row_block.rows.start + y, x };
            product.make_exact(first, panel, terms, &mut row[..count]);
            let mut pixel =
                (first.image * planes.output.height + first.y) * planes.output.width + x;
            let (tiles, single) = row[..count].as_chunks::<STORED_ROWS>();
            for tile in tiles {
                let sums = tile.each_ref().map(|sums| load_sums(simd, sums));
                job.epilogue.store_tile(simd, pixel, panel, sums);
                pixel += STORED_ROWS;
            }
            for sums in single {
                job.epilogue.store_tile(simd, pixel, panel, [load_sums(simd, sums)]);
                pixel += 1;
            }
            (sums, x, y) = (rest, 0, y + 1);
        }
    }
}

/// Loads the sums of a pixel.
#[inline(always)]
fn load_sums<S: Simd>(simd: S, sums: &[f32; BLOCK_COLUMNS]) -> [S::F; 2] {
    let (first, second) = sums.split_at(S::LANES);
    [simd.load_slice(first), simd.load_slice(second)]
}

impl Product<'_> {
    /// Recomputes the sums of neighbouring pixels, from `first` on, that may not be exact.
    #[inline(always)]
    fn make_exact(
        &self,
        first: OutputPixel,
        panel: usize,
        terms: usize,
        row: &mut [[f32; BLOCK_COLUMNS]],
    ) {
        if terms == 1 && !self.planes.reads_rows {
            return;
        }
        for (sums, x) in row.iter_mut().zip(first.x..) {
            // With one term, only numbers that are none count: those of pixels beyond the window's.
            if needs_recompute(sums, terms > 1) {
                self.recompute(OutputPixel { x, ..first }, panel, terms, sums);
            }
        }
    }

    /// Computes the sums of a pixel and a panel without tiles; weights have `terms` terms.
    #[cold]
    fn recompute(
        &self,
        pixel: OutputPixel,
        panel: usize,
        terms: usize,
        sums: &mut [f32; BLOCK_COLUMNS],
    ) {
        let panel_len = pack::panel_len(self.planes.taps, terms);
        let panel = &self.job.packed[panel * panel_len..][..panel_len];
        Recompute { planes: self.planes, input: self.input, panel, terms }.sums(pixel, sums);
    }
}
