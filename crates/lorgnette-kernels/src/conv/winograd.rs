//! Winograd's convolutions: fewer multiplications for windows of stride 1.
//!
//! An image is divided into tiles of a few outputs. A tile's inputs are transformed to values at
//! some points ([`transform`], along rows and columns), and so is each filter when it is packed. At
//! each point, the values of all tiles times those of all filters are a matrix product, and the
//! outputs follow from the products of all points. F(4×4, 3×3) does 36 multiplications where the
//! definition does 144.
//!
//! ```text
//! input ─▶ values [point][tile][input channel] ─▶ products [point][tile][output channel] ─▶ output
//!                        packed filter ─▲                                bias, residual, clamp ─▲
//! ```
//! Values and products stay in cache: either each thread computes a block of tiles from input to
//! output, or, with a large filter or few tiles, all threads share a block's values and each
//! computes its own output channels.
//!
//! Each output's sums have one order, so its bits depend on its tile's inputs alone. A value that
//! is not finite spoils a whole tile; such a tile is computed again by the definition
//! ([`recompute`]).

mod gemm;
mod grid;
mod recompute;
mod transform;
mod weights;

use std::marker::PhantomData;
use std::ops::Range;

use self::gemm::Gemm;
use self::grid::TileGrid;
use self::recompute::Recompute;
pub(super) use self::transform::{F11, F23, F25, F27, F43, F47};
use self::transform::{MAX_OUTPUTS, MAX_POINTS, Transform1d};
use self::weights::points;
use super::epilogue::Epilogue;
use super::tile::vectors_of_panel;
use super::{Algorithm, Conv, ConvKernel, ConvShape, ErrorClass, panel_width, with_weight_loads};
use crate::blocks::{SharedSlice, chunk};
use crate::isa::CACHE_LINE;
use crate::simd::{Simd, SimdOp};
use crate::{PackedLayout, ThreadPool, WeightFormat};

pub(super) const fn kernel<S: Simd, V: Transform1d, H: Transform1d>(
    name: &'static str,
) -> ConvKernel {
    ConvKernel {
        name,
        level: S::LEVEL,
        numerics: super::FLOAT32,
        algorithm: Algorithm { name, error_class: ErrorClass::F32, products: products::<V, H> },
        layout: PackedLayout::new(name, WeightFormat::Float32),
        fits: fits::<V, H>,
        cost: cost::<S, V, H>,
        packed_len: weights::packed_len::<S, V, H>,
        scan_weights: None,
        pack_rows: weights::pack_rows::<S, V, H>,
        row_block: row_block::<S, V, H>,
        scratch_len: |shape, threads| Schedule::new::<S, V, H>(shape, threads).scratch_len(threads),
        run: run::<S, V, H>,
    }
}

/// Counts a product for each point of each tile and pair of channels.
fn products<V: Transform1d, H: Transform1d>(shape: &ConvShape) -> u64 {
    let pairs = shape.input.channels * shape.output.channels;
    (TileGrid::new::<V, H>(shape).len() * points::<V, H>() * pairs) as u64
}

fn fits<V: Transform1d, H: Transform1d>(shape: &ConvShape) -> bool {
    let window = &shape.window;
    window.kernel == [V::TAPS, H::TAPS]
        && window.stride == [1, 1]
        && !shape.output.is_empty()
        && !shape.input.is_empty()
}

/// See [`ConvKernel::row_block`]. A block has whole rows of tiles. A large filter is better read
/// once for all threads, and dilated taps see rows of all blocks.
fn row_block<S: Simd, V: Transform1d, H: Transform1d>(shape: &ConvShape) -> Option<usize> {
    let small = weights::packed_len::<S, V, H>(shape) * size_of::<f32>() <= LARGE_FILTER;
    (small && shape.window.dilation == [1, 1]).then_some(V::OUTPUTS)
}

/// Cost of transforming one vector of values or outputs at each point, with its loads and stores.
const TRANSFORM_COST: f64 = 12.0;
/// Cost of a multiplication relative to one in a direct convolution: sums are shorter and go
/// through memory.
const PRODUCT_COST: f64 = 1.15;

/// See [`ConvKernel::cost`].
fn cost<S: Simd, V: Transform1d, H: Transform1d>(shape: &ConvShape) -> f64 {
    let vectors = |channels: usize| channels.div_ceil(S::LANES) as f64;
    let (inputs, outputs) = (shape.input.channels, shape.output.channels);
    let values = (TileGrid::new::<V, H>(shape).per_image() * points::<V, H>()) as f64;
    let transforms = TRANSFORM_COST * values * (vectors(inputs) + vectors(outputs));
    let products = PRODUCT_COST * values * inputs as f64 * vectors(outputs);
    transforms + with_weight_loads::<S>(products, points::<V, H>() * inputs * outputs)
}

/// The division of the work.
struct Schedule {
    /// Number of tiles.
    tiles: usize,
    /// Number of blocks of tiles.
    blocks: usize,
    /// True if all threads work on one block.
    cooperative: bool,
    /// Words from one tile's values to the next one's.
    values_stride: usize,
    /// Words from one point's values to the next one's.
    values_plane: usize,
    /// Words from one point's products to the next one's.
    products_plane: usize,
    points: usize,
    zeros: usize,
}

/// Maximum bytes of a thread's block of values in its L2 (1 MiB on Zen 4), which the filter passes
/// through as well.
const VALUES_BYTES: usize = 320 << 10;
/// Tiles of a thread's block where its cache allows: enough that the filter, which is read for each
/// block, is read no faster than the shared cache delivers it.
const BLOCK: usize = 28;
/// Minimum tiles of a block; with fewer, a panel is used too rarely.
const SMALL_BLOCK: usize = 14;
/// Tiles of a block that all threads share.
const SHARED_BLOCK: usize = 112;
/// Bytes of a filter that is too large to be read for each small block.
const LARGE_FILTER: usize = 8 << 20;

impl Schedule {
    fn new<S: Simd, V: Transform1d, H: Transform1d>(shape: &ConvShape, threads: usize) -> Self {
        let (tiles, points) = (TileGrid::new::<V, H>(shape).len(), points::<V, H>());
        let values_stride =
            pad_stride(shape.input.channels.next_multiple_of(S::LANES), CONFLICT_STRIDE);
        let fitting = VALUES_BYTES / (points * values_stride * size_of::<f32>());
        let block = fitting.clamp(SMALL_BLOCK, BLOCK * 36 / points.min(36));
        let filter = weights::packed_len::<S, V, H>(shape) * size_of::<f32>();
        let cooperative = (threads > 1 && tiles < threads * SMALL_BLOCK) || filter > LARGE_FILTER;
        let blocks = match cooperative {
            true => tiles.div_ceil(SHARED_BLOCK * 36 / points.min(36)),
            // The same number for each thread.
            false => tiles.div_ceil(block).next_multiple_of(threads).min(tiles),
        };
        let max_tiles = tiles.div_ceil(blocks.max(1));
        Self {
            tiles,
            blocks,
            cooperative,
            values_stride,
            values_plane: pad_stride(max_tiles * values_stride, 1),
            products_plane: pad_stride(max_tiles * panel_width::<S>(), 1),
            points,
            zeros: shape.input.channels.next_multiple_of(CACHE_LINE),
        }
    }

    /// Returns the words of a block's values.
    fn values_len(&self) -> usize {
        self.points * self.values_plane
    }

    /// Returns the words of a block's products with one panel.
    fn products_len(&self) -> usize {
        self.points * self.products_plane
    }

    fn scratch_len(&self, threads: usize) -> usize {
        let values = if self.cooperative { 1 } else { threads };
        self.zeros + values * self.values_len() + threads * self.products_len()
    }

    /// Returns a block's tiles.
    fn block(&self, index: usize) -> Range<usize> {
        chunk(self.tiles, self.blocks, index)
    }
}

/// Words from which a stride that is a multiple of a large power of two maps to few cache sets.
pub(super) const CONFLICT_STRIDE: usize = 256;

/// Returns a stride of at least `len` words: an odd number of cache lines if `len` is at least
/// `large`.
pub(super) fn pad_stride(len: usize, large: usize) -> usize {
    let lines = len.div_ceil(CACHE_LINE);
    if len >= large { (lines | 1) * CACHE_LINE } else { lines * CACHE_LINE }
}

/// The data that all threads share.
struct Job<'a, V, H> {
    shape: &'a ConvShape,
    grid: TileGrid<'a>,
    schedule: Schedule,
    input: &'a [f32],
    zeros: &'a [f32],
    packed: &'a [f32],
    epilogue: Epilogue<'a>,
    transforms: PhantomData<(V, H)>,
}

fn run<S: Simd, V: Transform1d, H: Transform1d>(conv: Conv<'_>, pool: &ThreadPool) {
    conv.check(weights::packed_len::<S, V, H>(conv.shape));
    assert!(
        fits::<V, H>(conv.shape),
        "this kernel computes windows of its own size that step by one"
    );
    let Conv { shape, input, packed, bias, residual, clamp, output, scratch } = conv;
    let schedule = Schedule::new::<S, V, H>(shape, pool.threads());
    let (zeros, scratch) =
        scratch[..schedule.scratch_len(pool.threads())].split_at_mut(schedule.zeros);
    zeros.fill(0.0);
    let job = Job::<V, H> {
        shape,
        grid: TileGrid::new::<V, H>(shape),
        schedule,
        input,
        zeros,
        packed,
        epilogue: Epilogue {
            scale: None,
            bias,
            residual,
            clamp,
            output: SharedSlice::new(output),
            layout: shape.output,
        },
        transforms: PhantomData,
    };
    if job.schedule.cooperative {
        run_cooperative::<S, V, H>(&job, scratch, pool);
    } else {
        run_independent::<S, V, H>(&job, scratch, pool);
    }
}

/// Each thread computes blocks from input to output.
fn run_independent<S: Simd, V: Transform1d, H: Transform1d>(
    job: &Job<'_, V, H>,
    scratch: &mut [f32],
    pool: &ThreadPool,
) {
    let (values_len, products_len) = (job.schedule.values_len(), job.schedule.products_len());
    let scratch = SharedSlice::new(scratch);
    pool.run(job.schedule.blocks, &|worker, index| {
        let worker_len = values_len + products_len;
        // SAFETY: each worker has its own range.
        let (values, products) =
            unsafe { scratch.slice_mut(worker * worker_len..(worker + 1) * worker_len) }
                .split_at_mut(values_len);
        let tiles = job.schedule.block(index);
        let panels = 0..job.panels::<S>();
        let values = SharedSlice::new(values);
        S::dispatch(TransformInputs { job, block: &tiles, tiles: tiles.clone(), values: &values });
        S::dispatch(MultiplyPanels { job, block: &tiles, values: &values, products, panels });
    });
}

/// All threads compute one block after the other: each transforms some tiles, then multiplies some
/// panels.
fn run_cooperative<S: Simd, V: Transform1d, H: Transform1d>(
    job: &Job<'_, V, H>,
    scratch: &mut [f32],
    pool: &ThreadPool,
) {
    let (values, products) = scratch.split_at_mut(job.schedule.values_len());
    let (values, products, len) =
        (SharedSlice::new(values), SharedSlice::new(products), job.schedule.products_len());
    for index in 0..job.schedule.blocks {
        let block = job.schedule.block(index);
        let tasks = block.len().min(4 * pool.threads());
        pool.run(tasks, &|_, task| {
            let chunk = chunk(block.len(), tasks, task);
            let tiles = block.start + chunk.start..block.start + chunk.end;
            S::dispatch(TransformInputs { job, block: &block, tiles, values: &values });
        });
        pool.run(job.panels::<S>(), &|worker, panel| {
            // SAFETY: each worker has its own range.
            let products = unsafe { products.slice_mut(worker * len..(worker + 1) * len) };
            S::dispatch(MultiplyPanels {
                job,
                block: &block,
                values: &values,
                products,
                panels: panel..panel + 1,
            });
        });
    }
}

impl<V: Transform1d, H: Transform1d> Job<'_, V, H> {
    fn panels<S: Simd>(&self) -> usize {
        self.shape.output.channels.div_ceil(panel_width::<S>())
    }
}

/// Computes the values of some tiles of a block.
struct TransformInputs<'a, V, H> {
    job: &'a Job<'a, V, H>,
    block: &'a Range<usize>,
    tiles: Range<usize>,
    /// The block's values.
    values: &'a SharedSlice<'a>,
}

impl<V: Transform1d, H: Transform1d> SimdOp for TransformInputs<'_, V, H> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { job, block, tiles, values } = self;
        for tile in tiles {
            let offsets = job.grid.inputs(job.grid.tile_coords(tile));
            let mut inputs = [[job.zeros.as_ptr(); MAX_POINTS]; MAX_POINTS];
            for (offsets, inputs) in offsets.iter().zip(&mut inputs).take(V::POINTS) {
                for (offset, input) in offsets.iter().zip(inputs).take(H::POINTS) {
                    if let Some(offset) = offset {
                        *input = job.input[*offset..*offset + job.shape.input.channels].as_ptr();
                    }
                }
            }
            let to = (tile - block.start) * job.schedule.values_stride;
            let mut channel = 0;
            while channel < job.shape.input.channels {
                let count = S::LANES.min(job.shape.input.channels - channel);
                let channels = channel..channel + count;
                // SAFETY: the channels can be read at each of `inputs`, which point to slices of
                // all channels or to as many zeros. No other thread writes this tile's values.
                unsafe {
                    if count == S::LANES {
                        job.tile::<S, true>(simd, &inputs, channels, values, to + channel);
                    } else {
                        job.tile::<S, false>(simd, &inputs, channels, values, to + channel);
                    }
                }
                channel += S::LANES;
            }
        }
    }
}

impl<V: Transform1d, H: Transform1d> Job<'_, V, H> {
    /// Computes the values of some channels of a tile, a whole vector if `FULL_VECTOR`.
    ///
    /// # Safety
    /// Caller guarantees that `channels` can be read at each of `inputs`, and that no other thread
    /// uses the values that are written.
    #[inline(always)]
    unsafe fn tile<S: Simd, const FULL_VECTOR: bool>(
        &self,
        simd: S,
        inputs: &[[*const f32; MAX_POINTS]; MAX_POINTS],
        channels: Range<usize>,
        values: &SharedSlice<'_>,
        to: usize,
    ) {
        // Prefetched now, the lines to write to are in L1 at the end.
        for point in 0..V::POINTS * H::POINTS {
            simd.prefetch_write(
                values.as_ptr().wrapping_add(point * self.schedule.values_plane + to),
            );
        }
        let mut columns = [[simd.splat(0.0); MAX_POINTS]; MAX_POINTS];
        for x in 0..H::POINTS {
            let mut column = [simd.splat(0.0); MAX_POINTS];
            for y in 0..V::POINTS {
                let from = inputs[y][x].wrapping_add(channels.start);
                // SAFETY: caller guarantees the channels.
                column[y] = unsafe {
                    if FULL_VECTOR {
                        simd.load(from)
                    } else {
                        simd.load_partial(from, channels.len())
                    }
                };
            }
            columns[x] = V::transform_input(simd, column);
        }
        for y in 0..V::POINTS {
            let mut row = [simd.splat(0.0); MAX_POINTS];
            for x in 0..H::POINTS {
                row[x] = columns[x][y];
            }
            let row = H::transform_input(simd, row);
            for x in 0..H::POINTS {
                let at = (y * H::POINTS + x) * self.schedule.values_plane + to;
                // SAFETY: caller guarantees that no other thread uses them.
                let value = unsafe { values.slice_mut(at..at + S::LANES) };
                // SAFETY: the slice has a vector.
                unsafe { simd.store(value.as_mut_ptr(), row[x]) };
            }
        }
    }
}

/// Computes the outputs of some panels of a block.
struct MultiplyPanels<'a, V, H> {
    job: &'a Job<'a, V, H>,
    block: &'a Range<usize>,
    /// The block's values.
    values: &'a SharedSlice<'a>,
    /// Scratch for the products with one panel.
    products: &'a mut [f32],
    panels: Range<usize>,
}

impl<V: Transform1d, H: Transform1d> SimdOp for MultiplyPanels<'_, V, H> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { job, block, values, products, panels } = self;
        // SAFETY: all threads only read the values now.
        let values = unsafe { values.slice(0..job.schedule.values_len()) };
        assert!(products.len() >= job.schedule.products_len(), "room for products is missing");
        for panel in panels {
            let channels = job.shape.output.channels - panel * panel_width::<S>();
            match vectors_of_panel::<S>(job.shape.output.channels, panel) {
                1 => job.multiply::<S, 1>(simd, block.len(), values, panel, products),
                4 if const { S::PANEL_VECTORS == 4 } => {
                    job.multiply::<S, 4>(simd, block.len(), values, panel, products);
                }
                _ => job.multiply::<S, 2>(simd, block.len(), values, panel, products),
            }
            for tile in block.clone() {
                for v in 0..channels.div_ceil(S::LANES).min(S::PANEL_VECTORS) {
                    let from = (tile - block.start) * panel_width::<S>() + v * S::LANES;
                    job.outputs(simd, tile, &products[from..], panel, v);
                }
            }
        }
    }
}

impl<V: Transform1d, H: Transform1d> Job<'_, V, H> {
    /// Multiplies a block's values with a panel at every point.
    #[inline(always)]
    fn multiply<S: Simd, const VECS: usize>(
        &self,
        simd: S,
        tiles: usize,
        values: &[f32],
        panel: usize,
        products: &mut [f32],
    ) {
        let (depth, schedule) = (self.shape.input.channels, &self.schedule);
        let len = depth * panel_width::<S>();
        for point in 0..schedule.points {
            let a = &values[point * schedule.values_plane..][..tiles * schedule.values_stride];
            let b = &self.packed[(panel * schedule.points + point) * len..][..len];
            let c = &mut products[point * schedule.products_plane..][..tiles * panel_width::<S>()];
            let (a, a_stride, b, c) =
                (a.as_ptr(), schedule.values_stride, b.as_ptr(), c.as_mut_ptr());
            // SAFETY: the slices have these lengths; a tile's stride is no shorter than its
            // channels.
            unsafe { Gemm { a, a_stride, b, c, rows: tiles, depth }.run::<S, VECS>(simd) };
        }
    }

    /// Computes one tile's outputs of a vector of channels from its products.
    #[inline(always)]
    fn outputs<S: Simd>(&self, simd: S, tile: usize, products: &[f32], panel: usize, v: usize) {
        let channel = panel * panel_width::<S>() + v * S::LANES;
        let pixels = self.grid.pixels(self.grid.tile_coords(tile));
        for pixel in pixels.iter().flatten().flatten() {
            let at =
                pixel * self.shape.output.word_stride() + self.shape.output.storage.words(channel);
            simd.prefetch_write(self.epilogue.output.as_ptr().wrapping_add(at));
        }
        let mut columns = [[simd.splat(0.0); MAX_OUTPUTS]; MAX_POINTS];
        for x in 0..H::POINTS {
            let mut column = [simd.splat(0.0); MAX_POINTS];
            for y in 0..V::POINTS {
                let at = (y * H::POINTS + x) * self.schedule.products_plane;
                let gemm = &products[at..at + S::LANES];
                // SAFETY: the slice has a vector.
                column[y] = unsafe { simd.load(gemm.as_ptr()) };
            }
            columns[x] = V::transform_output(simd, column);
        }
        let mut outputs = [[simd.splat(0.0); MAX_OUTPUTS]; MAX_OUTPUTS];
        // Zero times a value that is not finite is NaN.
        let mut check = simd.splat(0.0);
        for y in 0..V::OUTPUTS {
            let mut row = [simd.splat(0.0); MAX_POINTS];
            for x in 0..H::POINTS {
                row[x] = columns[x][y];
            }
            outputs[y] = H::transform_output(simd, row);
            for x in 0..H::OUTPUTS {
                check = simd.mul_add(outputs[y][x], simd.splat(0.0), check);
            }
        }
        if simd.has_nan(check) {
            outputs = self.recompute(simd, tile, panel, v);
        }
        let epilogue = self.epilogue.vector(simd, channel);
        for y in 0..V::OUTPUTS {
            for x in 0..H::OUTPUTS {
                if let Some(pixel) = pixels[y][x] {
                    epilogue.store(simd, pixel, outputs[y][x]);
                }
            }
        }
    }

    /// Computes by the definition the outputs of a tile with values that are not finite.
    fn recompute<S: Simd>(
        &self,
        simd: S,
        tile: usize,
        panel: usize,
        v: usize,
    ) -> [[S::F; MAX_OUTPUTS]; MAX_OUTPUTS] {
        let panel_len = weights::panel_len::<S, V, H>(self.shape);
        let offsets = self.grid.inputs(self.grid.tile_coords(tile));
        let panel = &self.packed[panel * panel_len..][v * S::LANES..panel_len];
        let recompute = Recompute {
            inputs: self.input,
            offsets: &offsets,
            channels: self.shape.input.channels,
            panel,
            width: panel_width::<S>(),
        };
        let found = recompute.outputs::<V, H>(S::LANES);
        found.map(|row| row.map(|lanes| simd.load_slice(&lanes[..S::LANES])))
    }
}
