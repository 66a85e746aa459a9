//! The register tile: `ROWS` output pixels by `VECS` vectors of output channels, all sums in registers.
//!
//! For each tap and input channel, the tile loads the weights of its output channels once, and for each pixel spreads one
//! input value over a vector and multiplies and adds. An output value's products are added one after the other, so the
//! result does not depend on which tile it falls into.

use std::marker::PhantomData;
use std::ops::Range;

use super::rows::{Origin, Rows};
use super::weight::Weight;
use super::{Conv, pack, panel_width};
use crate::blocks::Shared;
use crate::conv::Residual;
use crate::simd::{Kernel, Simd};
use crate::{Clamp, Elements, Map};

/// What all tiles of a convolution share.
pub(super) struct Job<'a> {
    /// Rows and columns of the window, as `rows` sees it.
    pub(super) taps: [usize; 2],
    /// Values under a tap.
    pub(super) depth: usize,
    pub(super) packed: &'a [f32],
    /// Weights from panel to panel.
    panel_len: usize,
    channels: usize,
    /// What an output channel's sums are multiplied by.
    pub(super) scale: Option<&'a [f32]>,
    bias: Option<&'a [f32]>,
    residual: Option<Residual<'a>>,
    clamp: Clamp,
    output: Shared<'a>,
    /// Where the output lies.
    map: Map,
}

impl<'a> Job<'a> {
    /// The job, what is left of the call being its input and its scratch.
    pub(super) fn new<S: Simd>(conv: Conv<'a>) -> (Self, &'a [f32], &'a mut [f32]) {
        let Conv { shape, input, packed, bias, residual, clamp, output, scratch } = conv;
        let job = Self {
            taps: shape.window.kernel,
            depth: shape.input.channels,
            packed,
            panel_len: pack::panel_len::<S>(shape),
            channels: shape.output.channels,
            scale: None,
            bias,
            residual,
            clamp,
            output: Shared::new(output),
            map: shape.output,
        };
        (job, input, scratch)
    }

    /// How many panels there are.
    pub(super) fn panels<S: Simd>(&self) -> usize {
        self.channels.div_ceil(panel_width::<S>())
    }

    /// Computes `count` pixels (at most [`Simd::TILE_ROWS`]) of a panel. `turn` counts the tiles that have used the panel
    /// just before this one: each brings a part of the next panel into cache.
    pub(super) fn tile<S: Simd, W: Weight>(
        &self,
        rows: &dyn Rows,
        pixel: usize,
        count: usize,
        panel: usize,
        turn: usize,
    ) {
        let next = self.packed.as_ptr().cast::<W>().wrapping_add((panel + 1) * self.panel_len);
        let ahead = next.cast::<f32>().wrapping_add(turn * self.share::<S>());
        let place = Place { pixel, panel, ahead };
        if self.channels - panel * panel_width::<S>() > S::LANES {
            self.any_rows::<S, W, 2>(rows, count, place);
        } else {
            self.any_rows::<S, W, 1>(rows, count, place);
        }
    }

    /// The floats of the next panel that one tile prefetches.
    fn share<S: Simd>(&self) -> usize {
        self.taps[0] * self.taps[1] * (self.depth / UNROLL) * PREFETCHES * LINE
    }

    fn any_rows<S: Simd, W: Weight, const VECS: usize>(&self, rows: &dyn Rows, count: usize, place: Place) {
        /// Calls the tile of as many rows as there are pixels; those too large for the level are never compiled.
        macro_rules! choose {
            ($($n:literal)*) => {
                match count {
                    $($n if $n <= S::TILE_ROWS => S::dispatch(Tile::<W, $n, VECS>::new(self, rows, place)),)*
                    _ => unreachable!("a tile has at most {} rows", S::TILE_ROWS),
                }
            };
        }
        choose!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }

    /// Asks for the cache lines that a tile's results go to, and for those of its residual.
    #[inline(always)]
    fn ask_for_output<S: Simd, const ROWS: usize, const VECS: usize>(&self, simd: S, place: Place) {
        let channel = place.panel * panel_width::<S>();
        for r in 0..ROWS {
            let pixel = place.pixel + r;
            let first = pixel * self.map.stride + self.map.elements.floats(channel);
            for line in 0..self.map.elements.floats(VECS * S::LANES).div_ceil(LINE) {
                simd.prefetch_to_write(self.output.start().wrapping_add(first + line * LINE));
            }
            let Some(residual) = self.residual else { continue };
            let first = pixel * residual.stride + residual.elements.floats(channel);
            for line in 0..residual.elements.floats(VECS * S::LANES).div_ceil(LINE) {
                simd.prefetch(residual.values.as_ptr().wrapping_add(first + line * LINE));
            }
        }
    }

    /// Adds bias and residual to the sums of a pixel and a panel, limits them and writes them.
    #[inline(always)]
    pub(super) fn finish_pixel<S: Simd>(&self, simd: S, pixel: usize, panel: usize, sums: [S::F; 2]) {
        finish(simd, self, Place { pixel, panel, ahead: std::ptr::null() }, [sums]);
    }

    /// Computes `ROWS` pixels of `VECS / 2` panels, reading weights at memory speed.
    pub(super) fn wide<S: Simd, W: Weight, const ROWS: usize, const VECS: usize>(&self, rows: &dyn Rows, panel: usize) {
        let place = Place { pixel: 0, panel, ahead: std::ptr::null() };
        S::dispatch(Tile::<W, ROWS, VECS>::new(self, rows, place));
    }
}

/// Which tile.
#[derive(Clone, Copy)]
struct Place {
    /// The first output pixel.
    pixel: usize,
    /// The first panel.
    panel: usize,
    /// What to bring into cache meanwhile.
    ahead: *const f32,
}

struct Tile<'a, W, const ROWS: usize, const VECS: usize> {
    job: &'a Job<'a>,
    rows: &'a dyn Rows,
    place: Place,
    weights: PhantomData<W>,
}

impl<'a, W, const ROWS: usize, const VECS: usize> Tile<'a, W, ROWS, VECS> {
    fn new(job: &'a Job<'a>, rows: &'a dyn Rows, place: Place) -> Self {
        Self { job, rows, place, weights: PhantomData }
    }
}

/// Input channels of one turn of the loop: enough to keep its bookkeeping small.
const UNROLL: usize = 4;
/// Taps whose inputs are found together: finding them is a call, which empties the registers.
const TAPS: usize = 9;
/// Cache lines of the next panel prefetched in a turn.
const PREFETCHES: usize = 2;
/// Floats of a cache line.
const LINE: usize = 16;
/// How far ahead in its own panels a tile that streams weights prefetches, in input channels.
const AHEAD: usize = 24;

impl<W: Weight, const ROWS: usize, const VECS: usize> Kernel for Tile<'_, W, ROWS, VECS> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { job, rows, place, .. } = self;
        let mut origins = [Origin::default(); ROWS];
        rows.locate(place.pixel, &mut origins);
        let mut inputs = [[std::ptr::null(); ROWS]; TAPS];
        let taps = job.taps[0] * job.taps[1];
        let mut first = 0;
        // The first taps are found before there are sums, which would be put into memory for a call and taken from there again.
        find(rows, job, &origins, first, &mut inputs);
        // Stores to lines that are elsewhere are made one after the other; asked for now, they are here at the end.
        job.ask_for_output::<S, ROWS, VECS>(simd, place);
        let mut walk = Walk::<W, VECS>::new(job, place);
        let mut sums = [[simd.splat(0.0); VECS]; ROWS];
        loop {
            for inputs in &inputs[..TAPS.min(taps - first)] {
                // SAFETY: `rows` vouches for `depth` floats under each tap, and the panels hold a row of weights for
                // each tap and input channel (`Conv::check`).
                unsafe { walk.tap(simd, inputs, job.depth, &mut sums) };
            }
            first += TAPS;
            if first >= taps {
                break;
            }
            find(rows, job, &origins, first, &mut inputs);
        }
        finish(simd, job, place, sums);
    }
}

/// Finds the inputs under the taps from number `first` on, as many as there is room for.
#[inline(always)]
fn find<const ROWS: usize>(
    rows: &dyn Rows,
    job: &Job<'_>,
    origins: &[Origin; ROWS],
    first: usize,
    inputs: &mut [[*const f32; ROWS]; TAPS],
) {
    let taps = job.taps[0] * job.taps[1];
    for (tap, inputs) in (first..taps).zip(inputs) {
        rows.under(origins, [tap / job.taps[1], tap % job.taps[1]], inputs);
    }
}

/// The way through the weights of one tile.
struct Walk<W, const VECS: usize> {
    /// Where the next weights of the first panel lie.
    weights: *const W,
    /// Weights from panel to panel.
    panel_len: usize,
    ahead: *const f32,
}

impl<W: Weight, const VECS: usize> Walk<W, VECS> {
    #[inline(always)]
    fn new(job: &Job<'_>, place: Place) -> Self {
        let there = size_of_val(job.packed) / size_of::<W>();
        let last = place.panel + VECS.div_ceil(2);
        assert!(there >= last * job.panel_len, "a tile has more panels than there are");
        let weights = job.packed.as_ptr().cast::<W>().wrapping_add(place.panel * job.panel_len);
        Self { weights, panel_len: job.panel_len, ahead: place.ahead }
    }

    /// Adds the products of one tap.
    ///
    /// # Safety
    /// `depth` floats can be read at each of `inputs`, and rows of weights in each panel.
    #[inline(always)]
    unsafe fn tap<S: Simd, const ROWS: usize>(
        &mut self,
        simd: S,
        inputs: &[*const f32; ROWS],
        depth: usize,
        sums: &mut [[S::F; VECS]; ROWS],
    ) {
        let whole = depth / UNROLL * UNROLL;
        let mut k = 0;
        while k < whole {
            if VECS <= 2 {
                for line in 0..PREFETCHES {
                    simd.prefetch(self.ahead.wrapping_add(line * LINE));
                }
                self.ahead = self.ahead.wrapping_add(PREFETCHES * LINE);
            }
            for step in 0..UNROLL {
                // SAFETY: `k + step` is less than `depth`.
                unsafe { self.step(simd, inputs, k + step, step, sums) };
            }
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

    /// Adds the products of input channel `k`, whose weights lie `row` rows on.
    ///
    /// # Safety
    /// As for `tap`, with `k` less than `depth`.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "constant indices become registers; iterators became memory")]
    unsafe fn step<S: Simd, const ROWS: usize>(
        &self,
        simd: S,
        inputs: &[*const f32; ROWS],
        k: usize,
        row: usize,
        sums: &mut [[S::F; VECS]; ROWS],
    ) {
        let mut weights = [simd.splat(0.0); VECS];
        for v in 0..VECS {
            let at = self.weights.wrapping_add(v / 2 * self.panel_len + v % 2 * S::LANES + row * panel_width::<S>());
            if VECS > 2 {
                simd.prefetch(at.wrapping_add(AHEAD * panel_width::<S>()).cast());
            }
            // SAFETY: the caller vouches for the weights.
            weights[v] = unsafe { W::load(simd, at) };
        }
        for r in 0..ROWS {
            // SAFETY: the caller vouches for the input.
            unsafe { simd.add_products_of(inputs[r].wrapping_add(k), &weights, &mut sums[r]) };
        }
    }
}

/// Adds bias and residual to a tile's sums, limits them and writes them.
#[inline(always)]
fn finish<S: Simd, const ROWS: usize, const VECS: usize>(
    simd: S,
    job: &Job<'_>,
    place: Place,
    sums: [[S::F; VECS]; ROWS],
) {
    let first = place.panel * panel_width::<S>();
    let end = Ending { job, pixel: place.pixel };
    let mut values = sums;
    for v in 0..VECS {
        let channel = first + v * S::LANES;
        if channel < job.channels {
            let column = end.column(simd, channel, column_of(&values, v));
            for r in 0..ROWS {
                values[r][v] = column[r];
            }
        }
    }
    for v in (0..VECS).step_by(2) {
        let channel = first + v * S::LANES;
        let halves = job.map.elements == Elements::Bf16;
        // Two vectors of halves make one, which is quicker to write.
        if halves && v + 1 < VECS && channel + 2 * S::LANES <= job.channels {
            end.store_two(simd, channel, column_of(&values, v), column_of(&values, v + 1));
            continue;
        }
        for v in v..VECS.min(v + 2) {
            let channel = first + v * S::LANES;
            if channel < job.channels {
                end.store(simd, channel, column_of(&values, v));
            }
        }
    }
}

/// One vector of each row.
#[inline(always)]
fn column_of<F: Copy, const ROWS: usize, const VECS: usize>(values: &[[F; VECS]; ROWS], v: usize) -> [F; ROWS] {
    let mut column = [values[0][v]; ROWS];
    for r in 0..ROWS {
        column[r] = values[r][v];
    }
    column
}

/// What becomes of a tile's sums. Its loops are short and over registers alone, so that the compiler leaves them there.
struct Ending<'a> {
    job: &'a Job<'a>,
    /// The first row's pixel.
    pixel: usize,
}

#[expect(clippy::needless_range_loop, reason = "constant indices become registers; iterators became memory")]
impl Ending<'_> {
    /// The channels of a vector from `channel` on.
    #[inline(always)]
    fn count<S: Simd>(&self, channel: usize) -> usize {
        S::LANES.min(self.job.channels - channel)
    }

    /// From the first row's value to the last row's one of some channels; between are those of other tiles.
    #[inline(always)]
    fn span(&self, rows: usize, channels: Range<usize>, stride: usize, elements: Elements) -> Range<usize> {
        let first = self.pixel * stride + elements.floats(channels.start);
        first..first + (rows - 1) * stride + elements.floats(channels.len())
    }

    /// The sums of a vector of channels, finished.
    #[inline(always)]
    fn column<S: Simd, const ROWS: usize>(&self, simd: S, channel: usize, mut values: [S::F; ROWS]) -> [S::F; ROWS] {
        let job = self.job;
        let channels = channel..channel + self.count::<S>(channel);
        let bias = match job.bias {
            Some(bias) => simd.load_slice(&bias[channels.clone()]),
            None => simd.splat(0.0),
        };
        match job.scale {
            Some(scale) => {
                let scale = simd.load_slice(&scale[channels.clone()]);
                for r in 0..ROWS {
                    values[r] = simd.mul_add(values[r], scale, bias);
                }
            }
            None => {
                for r in 0..ROWS {
                    values[r] = simd.add(values[r], bias);
                }
            }
        }
        if let Some(Residual { values: others, stride, elements }) = job.residual {
            let count = channels.len();
            let others = others[self.span(ROWS, channels, stride, elements)].as_ptr();
            for r in 0..ROWS {
                // SAFETY: the row's `count` values lie in the span.
                let other = unsafe { simd.load_elements(elements, others.wrapping_add(r * stride), count) };
                values[r] = simd.add(values[r], other);
            }
        }
        let (low, high) = (simd.splat(job.clamp.low), simd.splat(job.clamp.high));
        for r in 0..ROWS {
            values[r] = simd.clamp(low, high, values[r]);
        }
        values
    }

    /// Writes a vector of channels of each row.
    #[inline(always)]
    fn store<S: Simd, const ROWS: usize>(&self, simd: S, channel: usize, values: [S::F; ROWS]) {
        let Map { stride, elements, .. } = self.job.map;
        let count = self.count::<S>(channel);
        let output = self.job.output.pointer(self.span(ROWS, channel..channel + count, stride, elements));
        for r in 0..ROWS {
            // SAFETY: the row's `count` values lie in the span, and no other tile has them.
            unsafe { simd.store_elements(elements, output.wrapping_add(r * stride), values[r], count) };
        }
    }

    /// Writes two vectors of channels of each row as bf16.
    #[inline(always)]
    fn store_two<S: Simd, const ROWS: usize>(
        &self,
        simd: S,
        channel: usize,
        first: [S::F; ROWS],
        second: [S::F; ROWS],
    ) {
        let stride = self.job.map.stride;
        let channels = channel..channel + 2 * S::LANES;
        let output = self.job.output.pointer(self.span(ROWS, channels, stride, Elements::Bf16));
        for r in 0..ROWS {
            // SAFETY: both vectors of the row lie in the span, and no other tile has them.
            unsafe { simd.store_two_bf16(output.wrapping_add(r * stride).cast(), [first[r], second[r]]) };
        }
    }
}
