//! The register tile: `ROWS` output pixels by `VECS` vectors of output channels, mostly those of a
//! panel, with all sums in registers.
//!
//! For each tap and input channel, the tile loads the weights of its output channels once; for each
//! pixel it broadcasts one input value and multiplies and adds. Each output value's products are
//! added in one order, so the result does not depend on the tile it belongs to.

use std::marker::PhantomData;
use std::ops::Range;

use super::epilogue::Epilogue;
use super::rows::{PixelOrigins, Rows, Tap};
use super::weight::Weight;
use super::{Conv, pack, panel_width};
use crate::blocks::SharedSlice;
use crate::isa::CACHE_LINE;
use crate::simd::{MAX_TILE_ROWS, Simd, SimdOp};

/// The data that all tiles of a convolution share.
pub(super) struct Job<'a> {
    /// Rows and columns of the window, as `rows` counts them.
    pub(super) taps: [usize; 2],
    /// Values under a tap.
    pub(super) depth: usize,
    pub(super) packed: &'a [f32],
    /// Weights from panel to panel.
    panel_len: usize,
    pub(super) epilogue: Epilogue<'a>,
}

impl<'a> Job<'a> {
    /// Returns the job, the input and the scratch of a call.
    pub(super) fn new<S: Simd>(conv: Conv<'a>) -> (Self, &'a [f32], &'a mut [f32]) {
        let Conv { shape, input, packed, bias, residual, clamp, output, scratch } = conv;
        let job = Self {
            taps: shape.window.kernel,
            depth: shape.input.channels,
            packed,
            panel_len: pack::panel_len::<S>(shape),
            epilogue: Epilogue {
                scale: None,
                bias,
                residual,
                clamp,
                output: SharedSlice::new(output),
                layout: shape.output,
            },
        };
        (job, input, scratch)
    }

    /// Returns the number of panels.
    pub(super) fn panels<S: Simd>(&self) -> usize {
        self.epilogue.layout.channels.div_ceil(panel_width::<S>())
    }

    /// Returns the bytes of a panel.
    pub(super) fn panel_bytes<W: Weight>(&self) -> usize {
        self.panel_len * size_of::<W>()
    }

    /// Computes the pixels in `inputs` for one panel. `turn` counts the tiles that used the panel
    /// before; each prefetches a part of the next panel.
    #[inline(always)]
    pub(super) fn tile<S: Simd, W: Weight>(
        &self,
        simd: S,
        inputs: &Inputs<'_>,
        panel: usize,
        turn: usize,
    ) {
        let next = self.packed.as_ptr().cast::<W>().wrapping_add((panel + 1) * self.panel_len);
        let ahead = next.cast::<f32>().wrapping_add(turn * self.prefetch_share::<S>());
        let position = TilePosition { pixel: inputs.pixel, panel, ahead };
        match vectors_of_panel::<S>(self.epilogue.layout.channels, panel) {
            1 => self.dispatch_rows::<S, W, 1>(simd, inputs, position),
            4 if const { S::PANEL_VECTORS == 4 } => {
                self.dispatch_rows::<S, W, 4>(simd, inputs, position);
            }
            _ => self.dispatch_rows::<S, W, 2>(simd, inputs, position),
        }
    }

    /// Returns the words of the next panel that one tile prefetches.
    fn prefetch_share<S: Simd>(&self) -> usize {
        self.taps[0] * self.taps[1] * (self.depth / UNROLL) * PREFETCHES * CACHE_LINE
    }

    #[inline(always)]
    fn dispatch_rows<S: Simd, W: Weight, const VECS: usize>(
        &self,
        simd: S,
        inputs: &Inputs<'_>,
        position: TilePosition,
    ) {
        /// Calls the tile with the number of rows. Tiles too large for the level are not compiled,
        /// which takes a `const` block: what a comparison of constants excludes is left out only
        /// after it was compiled.
        macro_rules! choose {
            ($($n:literal)*) => {
                match inputs.origins.len() {
                    $($n if const { $n <= S::TILE_ROWS } => {
                        simd.call(Tile::<W, $n, VECS>::new(self, inputs, position));
                    })*
                    rows => panic!("a tile of {rows} rows does not fit the registers"),
                }
            };
        }
        choose!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }

    /// Computes `ROWS` pixels of the panels that `VECS` vectors are, reading weights at memory
    /// speed.
    pub(super) fn gemv_tile<S: Simd, W: Weight, const ROWS: usize, const VECS: usize>(
        &self,
        rows: &dyn Rows,
        panel: usize,
    ) {
        let mut inputs = Inputs::new(rows);
        inputs.find(self, 0..ROWS);
        // Its own weights: a tile of one panel prefetches nothing that is not there yet.
        let weights = self.packed.as_ptr().cast::<W>().wrapping_add(panel * self.panel_len);
        let position = TilePosition { pixel: 0, panel, ahead: weights.cast() };
        S::dispatch(Tile::<W, ROWS, VECS>::new(self, &inputs, position));
    }
}

/// Returns the vectors of a tile for a panel's output channels: 1, 2, or 4.
pub(super) fn vectors_of_panel<S: Simd>(channels: usize, panel: usize) -> usize {
    let vectors = (channels - panel * panel_width::<S>()).div_ceil(S::LANES);
    vectors.next_power_of_two().min(S::PANEL_VECTORS)
}

/// A tile's position.
#[derive(Clone, Copy)]
struct TilePosition {
    /// The first output pixel.
    pixel: usize,
    /// The first panel.
    panel: usize,
    /// Address to prefetch.
    ahead: *const f32,
}

/// Pointers to the inputs of some pixels, which all panels share.
pub(super) struct Inputs<'a> {
    rows: &'a dyn Rows,
    /// The first pixel.
    pixel: usize,
    origins: PixelOrigins,
    /// Pointers for the first taps.
    first: TapPointers,
}

/// Pointers to the values under some taps of a tile's pixels.
type TapPointers = [[*const f32; MAX_TILE_ROWS]; MAX_CACHED_TAPS];

impl<'a> Inputs<'a> {
    /// Returns inputs of no pixels.
    pub(super) fn new(rows: &'a dyn Rows) -> Self {
        Self { rows, pixel: 0, origins: PixelOrigins::default(), first: NULL_TAPS }
    }

    /// Finds the inputs of 1 to [`Simd::TILE_ROWS`] pixels.
    pub(super) fn find(&mut self, job: &Job<'_>, pixels: Range<usize>) {
        self.pixel = pixels.start;
        self.rows.locate(pixels, &mut self.origins);
        find_taps(self.rows, job, &self.origins, 0, &mut self.first);
    }
}

/// Finds the inputs under the taps from number `first` on, as many as `inputs` holds.
fn find_taps(
    rows: &dyn Rows,
    job: &Job<'_>,
    origins: &PixelOrigins,
    first: usize,
    inputs: &mut TapPointers,
) {
    let taps = job.taps[0] * job.taps[1];
    for (tap, inputs) in (first..taps).zip(inputs) {
        let tap = Tap { y: tap / job.taps[1], x: tap % job.taps[1] };
        rows.tap_pointers(origins, tap, &mut inputs[..origins.len()]);
    }
}

const NULL_TAPS: TapPointers = [[std::ptr::null(); MAX_TILE_ROWS]; MAX_CACHED_TAPS];

struct Tile<'a, W, const ROWS: usize, const VECS: usize> {
    job: &'a Job<'a>,
    inputs: &'a Inputs<'a>,
    position: TilePosition,
    weights: PhantomData<W>,
}

impl<'a, W, const ROWS: usize, const VECS: usize> Tile<'a, W, ROWS, VECS> {
    fn new(job: &'a Job<'a>, inputs: &'a Inputs<'a>, position: TilePosition) -> Self {
        Self { job, inputs, position, weights: PhantomData }
    }
}

/// Input channels of one loop iteration: enough to keep its overhead small.
const UNROLL: usize = 4;
/// Taps whose inputs are found before the tile begins. Finding more is a call from within the tile,
/// which spills the registers.
const MAX_CACHED_TAPS: usize = 9;
/// Cache lines of the next panel prefetched in an iteration.
const PREFETCHES: usize = 2;
/// Prefetch distance of a GEMV tile in its own panels, in input channels.
const PREFETCH_DISTANCE: usize = 24;

impl<W: Weight, const ROWS: usize, const VECS: usize> SimdOp for Tile<'_, W, ROWS, VECS> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { job, inputs, position, .. } = self;
        assert!(inputs.origins.len() == ROWS, "the inputs are those of another tile");
        // Stores that miss the cache are made one after the other; prefetched now, their lines are
        // in L1 at the end.
        job.epilogue.prefetch::<S, ROWS, VECS>(simd, position.pixel, position.panel);
        let mut cursor = WeightCursor::<W, VECS>::new::<S>(job, position);
        let mut sums = [[simd.splat(0.0); VECS]; ROWS];
        let taps = job.taps[0] * job.taps[1];
        // More pointers are initialised only if needed: that takes as long as a short tile's
        // epilogue.
        let (mut pointers, mut more_pointers);
        pointers = &inputs.first;
        for first in (0..taps).step_by(MAX_CACHED_TAPS) {
            if first > 0 {
                more_pointers = NULL_TAPS;
                find_taps(inputs.rows, job, &inputs.origins, first, &mut more_pointers);
                pointers = &more_pointers;
            }
            for inputs in &pointers[..MAX_CACHED_TAPS.min(taps - first)] {
                let inputs = inputs
                    .first_chunk()
                    .expect("a tile has at most as many rows as there is room for");
                // SAFETY: `rows` guarantees `depth` words under each tap, and the panels hold a row
                // of weights for each tap and input channel (`Conv::check`).
                unsafe { cursor.tap(simd, inputs, job.depth, &mut sums) };
            }
        }
        job.epilogue.store_tile(simd, position.pixel, position.panel, sums);
    }
}

/// The position in the weights of one tile.
struct WeightCursor<W, const VECS: usize> {
    /// The next weights of the first panel.
    weights: *const W,
    /// Weights from panel to panel.
    panel_len: usize,
    ahead: *const f32,
}

impl<W: Weight, const VECS: usize> WeightCursor<W, VECS> {
    #[inline(always)]
    fn new<S: Simd>(job: &Job<'_>, position: TilePosition) -> Self {
        let available = size_of_val(job.packed) / size_of::<W>();
        let last = position.panel + VECS.div_ceil(S::PANEL_VECTORS);
        assert!(available >= last * job.panel_len, "a tile has more panels than there are");
        let weights = job.packed.as_ptr().cast::<W>().wrapping_add(position.panel * job.panel_len);
        Self { weights, panel_len: job.panel_len, ahead: position.ahead }
    }

    /// Adds the products of one tap.
    ///
    /// # Safety
    /// Caller guarantees `depth` words at each of `inputs`, and as many rows of weights in each
    /// panel.
    #[inline(always)]
    unsafe fn tap<S: Simd, const ROWS: usize>(
        &mut self,
        simd: S,
        inputs: &[*const f32; ROWS],
        depth: usize,
        sums: &mut [[S::F; VECS]; ROWS],
    ) {
        let unrolled_depth = depth / UNROLL * UNROLL;
        let mut k = 0;
        if W::IS_FLOAT32 {
            // SAFETY: caller guarantees inputs and weights.
            k = unsafe { simd.add_tile_products(inputs, self.weights.cast(), depth, sums) };
            self.weights = self.weights.wrapping_add(k * panel_width::<S>());
        }
        while k < unrolled_depth {
            if VECS <= S::PANEL_VECTORS {
                for line in 0..PREFETCHES {
                    simd.prefetch(self.ahead.wrapping_add(line * CACHE_LINE));
                }
                self.ahead = self.ahead.wrapping_add(PREFETCHES * CACHE_LINE);
            }
            // SAFETY: `k + UNROLL` is at most `depth`.
            unsafe { self.steps(simd, inputs, k, sums) };
            self.weights = self.weights.wrapping_add(UNROLL * panel_width::<S>());
            k += UNROLL;
        }
        while k < depth {
            // SAFETY: `k` is less than `depth`.
            unsafe { self.step(simd, inputs, k, 0, sums) };
            self.weights = self.weights.wrapping_add(panel_width::<S>());
            k += 1;
        }
    }

    /// Adds the products of `UNROLL` input channels from `k` on.
    ///
    /// # Safety
    /// As for `tap`, with `k + UNROLL` at most `depth`.
    #[inline(always)]
    unsafe fn steps<S: Simd, const ROWS: usize>(
        &self,
        simd: S,
        inputs: &[*const f32; ROWS],
        k: usize,
        sums: &mut [[S::F; VECS]; ROWS],
    ) {
        if S::HAS_LANE_PRODUCTS {
            let mut values = [simd.splat(0.0); ROWS];
            for (value, input) in values.iter_mut().zip(inputs) {
                // SAFETY: a vector is as long as the steps are many, and caller guarantees those.
                *value = unsafe { simd.load(input.wrapping_add(k)) };
            }
            // SAFETY: caller guarantees the weights.
            unsafe {
                self.lane_step::<S, ROWS, 0>(simd, &values, sums);
                self.lane_step::<S, ROWS, 1>(simd, &values, sums);
                self.lane_step::<S, ROWS, 2>(simd, &values, sums);
                self.lane_step::<S, ROWS, 3>(simd, &values, sums);
            }
            return;
        }
        for step in 0..UNROLL {
            // SAFETY: caller guarantees inputs and weights.
            unsafe { self.step(simd, inputs, k + step, step, sums) };
        }
    }

    /// Adds the products of the input channel in one lane of `values`.
    ///
    /// # Safety
    /// As for `steps`.
    #[inline(always)]
    unsafe fn lane_step<S: Simd, const ROWS: usize, const LANE: i32>(
        &self,
        simd: S,
        values: &[S::F; ROWS],
        sums: &mut [[S::F; VECS]; ROWS],
    ) {
        // SAFETY: caller guarantees the weights.
        let weights = unsafe { self.load_weights(simd, LANE as usize) };
        for r in 0..ROWS {
            for v in 0..VECS {
                sums[r][v] = simd.mul_add_lane::<LANE>(weights[v], values[r], sums[r][v]);
            }
        }
    }

    /// Adds the products of input channel `k`, whose weights are `row` rows further on.
    ///
    /// # Safety
    /// As for `tap`, with `k` less than `depth`.
    #[inline(always)]
    unsafe fn step<S: Simd, const ROWS: usize>(
        &self,
        simd: S,
        inputs: &[*const f32; ROWS],
        k: usize,
        row: usize,
        sums: &mut [[S::F; VECS]; ROWS],
    ) {
        // SAFETY: caller guarantees the weights.
        let weights = unsafe { self.load_weights(simd, row) };
        for r in 0..ROWS {
            // SAFETY: caller guarantees the input.
            unsafe { simd.add_products(inputs[r], k, &weights, &mut sums[r]) };
        }
    }

    /// Loads the weights of a step, `row` rows further on.
    ///
    /// # Safety
    /// Caller guarantees the weights.
    #[inline(always)]
    #[expect(
        clippy::needless_range_loop,
        reason = "constant indices become registers; iterators became memory"
    )]
    unsafe fn load_weights<S: Simd>(&self, simd: S, row: usize) -> [S::F; VECS] {
        let mut weights = [simd.splat(0.0); VECS];
        for v in 0..VECS {
            let at = self
                .weights
                .wrapping_add(v / S::PANEL_VECTORS * self.panel_len)
                .wrapping_add(v % S::PANEL_VECTORS * S::LANES + row * panel_width::<S>());
            if VECS > S::PANEL_VECTORS {
                simd.prefetch(at.wrapping_add(PREFETCH_DISTANCE * panel_width::<S>()).cast());
            }
            // SAFETY: caller guarantees the weights.
            weights[v] = unsafe { W::load(simd, at) };
        }
        weights
    }
}
