//! Depthwise convolution of one window a channel: a vector of channels of several neighbouring
//! output columns at a time.

use std::ops::Range;

use super::{Depthwise, DepthwiseKernel, DepthwiseShape, pack_rows, packed_len};
use crate::blocks::for_blocks;
use crate::simd::{Simd, SimdOp};
use crate::{PackedLayout, ThreadPool, WeightFormat};

pub(super) const fn kernel<S: Simd>() -> DepthwiseKernel {
    DepthwiseKernel {
        name: "columns",
        level: S::LEVEL,
        layout: PackedLayout::new("hwc", WeightFormat::Float32),
        fits: |shape| shape.multiplier == 1 && S::is_available(),
        packed_len,
        pack_rows,
        run: run::<S>,
    }
}

fn run<S: Simd>(depthwise: Depthwise<'_>, pool: &ThreadPool) {
    let shape = depthwise.shape;
    assert_eq!(shape.multiplier, 1, "this kernel computes one window a channel");
    depthwise.check(packed_len(shape));
    let Depthwise { input, packed, bias, clamp, output, .. } = depthwise;
    let call = Call { shape, input, packed, bias, clamp };
    let width = shape.output.width;
    for_blocks(&shape.output, width, output, pool, &|pixels, chunk| {
        S::dispatch(Rows {
            call: &call,
            rows: pixels.start / width..pixels.end / width,
            output: chunk,
        });
    });
}

struct Call<'a> {
    shape: &'a DepthwiseShape,
    input: &'a [f32],
    packed: &'a [f32],
    bias: Option<&'a [f32]>,
    clamp: crate::Clamp,
}

/// Some output rows, counted over all images.
struct Rows<'a> {
    call: &'a Call<'a>,
    rows: Range<usize>,
    output: &'a mut [f32],
}

impl SimdOp for Rows<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { call, rows, output } = self;
        let layout = &call.shape.output;
        let inside = call.shape.window.interior_columns(call.shape.input.width, layout.width);
        for (i, row) in rows.enumerate() {
            let output = &mut output[i * layout.width * layout.word_stride()..];
            let row = Row::new(call, row);
            let all = 0..call.shape.window.kernel[1];
            for x in (0..inside.start).chain(inside.end..layout.width) {
                row.columns::<S, 1>(
                    simd,
                    x,
                    call.shape.window.valid_taps(1, call.shape.input.width, x),
                    output,
                );
            }
            let mut x = inside.start;
            // With more columns, a wide window with a stride would not fit the registers.
            let eight = call.shape.window.stride[1] == 1 || call.shape.window.kernel[1] <= 3;
            while eight && x + 8 <= inside.end {
                row.columns::<S, 8>(simd, x, all.clone(), output);
                x += 8;
            }
            while x + 4 <= inside.end {
                row.columns::<S, 4>(simd, x, all.clone(), output);
                x += 4;
            }
            if x + 2 <= inside.end {
                row.columns::<S, 2>(simd, x, all.clone(), output);
                x += 2;
            }
            if x < inside.end {
                row.columns::<S, 1>(simd, x, all, output);
            }
        }
    }
}

/// One output row.
struct Row<'a> {
    call: &'a Call<'a>,
    /// Rows of the window inside the image.
    ky: Range<usize>,
    /// The input row under tap 0; valid for taps in `ky`.
    y: isize,
}

impl<'a> Row<'a> {
    #[inline(always)]
    fn new(call: &'a Call<'a>, row: usize) -> Self {
        let DepthwiseShape { input, output, window, .. } = call.shape;
        let (n, oy) = (row / output.height, row % output.height);
        let y = (n * input.height + oy * window.stride[0]) as isize - window.padding.top as isize;
        Self { call, ky: window.valid_taps(0, input.height, oy), y }
    }

    /// Computes `COLUMNS` output columns from `x` on, with the window's columns `kx`, which are all
    /// inside the image.
    #[inline(always)]
    fn columns<S: Simd, const COLUMNS: usize>(
        &self,
        simd: S,
        x: usize,
        kx: Range<usize>,
        output: &mut [f32],
    ) {
        let layout = &self.call.shape.output;
        let mut channel = 0;
        while channel < layout.channels {
            let count = S::LANES.min(layout.channels - channel);
            let block = ColumnBlock { x, channel, count };
            let sums = if count == S::LANES {
                self.output_values::<S, COLUMNS, true>(simd, block, kx.clone())
            } else {
                self.output_values::<S, COLUMNS, false>(simd, block, kx.clone())
            };
            for (i, sum) in sums.into_iter().enumerate() {
                let at = (x + i) * layout.word_stride() + layout.storage.words(channel);
                let output = &mut output[at..at + layout.storage.words(count)];
                // SAFETY: the slice has room for `count` values.
                unsafe { simd.store_typed(layout.storage, output.as_mut_ptr(), sum, count) };
            }
            channel += S::LANES;
        }
    }

    /// Returns the output values of a block, a whole vector of channels if `FULL_VECTOR`.
    #[inline(always)]
    fn output_values<S: Simd, const COLUMNS: usize, const FULL_VECTOR: bool>(
        &self,
        simd: S,
        block: ColumnBlock,
        kx: Range<usize>,
    ) -> [S::F; COLUMNS] {
        let window = &self.call.shape.window;
        // The common windows have unrolled loops.
        let unrolled = COLUMNS > 1 && window.dilation[1] == 1;
        let mut sums = match (window.kernel[1], window.stride[1]) {
            (3, 1) if unrolled => self.sums_unrolled::<S, COLUMNS, 3, 1, FULL_VECTOR>(simd, block),
            (3, 2) if unrolled => self.sums_unrolled::<S, COLUMNS, 3, 2, FULL_VECTOR>(simd, block),
            (5, 1) if unrolled => self.sums_unrolled::<S, COLUMNS, 5, 1, FULL_VECTOR>(simd, block),
            (5, 2) if unrolled && COLUMNS <= 4 => {
                self.sums_unrolled::<S, COLUMNS, 5, 2, FULL_VECTOR>(simd, block)
            }
            (7, 1) if unrolled => self.sums_unrolled::<S, COLUMNS, 7, 1, FULL_VECTOR>(simd, block),
            (7, 2) if unrolled && COLUMNS <= 4 => {
                self.sums_unrolled::<S, COLUMNS, 7, 2, FULL_VECTOR>(simd, block)
            }
            _ => self.sums::<S, COLUMNS, FULL_VECTOR>(simd, block, kx),
        };
        let Call { bias, clamp, .. } = self.call;
        let (low, high) = (simd.splat(clamp.low), simd.splat(clamp.high));
        let (channel, count) = (block.channel, block.count);
        let bias =
            bias.map_or(simd.splat(0.0), |bias| simd.load_slice(&bias[channel..channel + count]));
        for sum in &mut sums {
            *sum = simd.clamp(low, high, simd.add(*sum, bias));
        }
        sums
    }

    /// Returns the sums over the window's columns `kx`.
    #[inline(always)]
    fn sums<S: Simd, const COLUMNS: usize, const FULL_VECTOR: bool>(
        &self,
        simd: S,
        block: ColumnBlock,
        kx: Range<usize>,
    ) -> [S::F; COLUMNS] {
        let window = &self.call.shape.window;
        let step = window.stride[1] * self.call.shape.input.word_stride();
        let mut sums = [simd.splat(0.0); COLUMNS];
        for ky in self.ky.clone() {
            for kx in kx.clone() {
                // Both are in bounds: the tap is one of the kernel's, its pixels are inside the
                // image for all columns (`valid_taps`, `interior_columns`), and `Depthwise::check`
                // found their channels in the slices.
                let weights = block.load::<S, FULL_VECTOR>(simd, self.weights(block, ky, kx));
                let from = self.pixel(block, ky, kx * window.dilation[1]);
                for (i, sum) in sums.iter_mut().enumerate() {
                    let value = block.load::<S, FULL_VECTOR>(simd, from.wrapping_add(i * step));
                    *sum = simd.mul_add(value, weights, *sum);
                }
            }
        }
        sums
    }

    /// Returns the same sums, added in the same order, of a window of `TAPS` contiguous columns.
    /// Input columns that several windows see are loaded once.
    #[inline(always)]
    #[expect(
        clippy::needless_range_loop,
        reason = "constant indices become registers; iterators became memory"
    )]
    fn sums_unrolled<
        S: Simd,
        const COLUMNS: usize,
        const TAPS: usize,
        const STRIDE: usize,
        const FULL_VECTOR: bool,
    >(
        &self,
        simd: S,
        block: ColumnBlock,
    ) -> [S::F; COLUMNS] {
        let step = self.call.shape.input.word_stride();
        let mut sums = [simd.splat(0.0); COLUMNS];
        for ky in self.ky.clone() {
            // In bounds, as in `sums`.
            let from = self.pixel(block, ky, 0);
            let mut values = [simd.splat(0.0); MAX_INPUT_COLUMNS];
            for i in 0..(COLUMNS - 1) * STRIDE + TAPS {
                values[i] = block.load::<S, FULL_VECTOR>(simd, from.wrapping_add(i * step));
            }
            for kx in 0..TAPS {
                let weights = block.load::<S, FULL_VECTOR>(simd, self.weights(block, ky, kx));
                for i in 0..COLUMNS {
                    sums[i] = simd.mul_add(values[i * STRIDE + kx], weights, sums[i]);
                }
            }
        }
        sums
    }

    /// Returns a pointer to a tap's weights.
    #[inline(always)]
    fn weights(&self, block: ColumnBlock, ky: usize, kx: usize) -> *const f32 {
        let DepthwiseShape { output, window, .. } = self.call.shape;
        let at = (ky * window.kernel[1] + kx) * output.channels + block.channel;
        self.call.packed.as_ptr().wrapping_add(at)
    }

    /// Returns a pointer to the values under the first column's window in row `ky`, `column` pixels
    /// from its left edge.
    #[inline(always)]
    fn pixel(&self, block: ColumnBlock, ky: usize, column: usize) -> *const f32 {
        let DepthwiseShape { input, window, .. } = self.call.shape;
        let y = self.y + (ky * window.dilation[0]) as isize;
        let x = (block.x * window.stride[1] + column) as isize - window.padding.left as isize;
        let pixel = y * input.width as isize + x;
        self.call
            .input
            .as_ptr()
            .wrapping_offset(pixel * input.word_stride() as isize)
            .wrapping_add(block.channel)
    }
}

/// Maximum input columns of a block: eight windows of three columns with stride 2.
const MAX_INPUT_COLUMNS: usize = 17;

/// Some channels of an output column and those to its right.
#[derive(Clone, Copy)]
struct ColumnBlock {
    x: usize,
    channel: usize,
    /// Channels, at most a vector.
    count: usize,
}

impl ColumnBlock {
    /// Loads the channels, a whole vector if `FULL_VECTOR`.
    #[inline(always)]
    fn load<S: Simd, const FULL_VECTOR: bool>(self, simd: S, from: *const f32) -> S::F {
        // SAFETY: callers guarantee `count` values, which are a vector if `FULL_VECTOR`.
        unsafe { if FULL_VECTOR { simd.load(from) } else { simd.load_partial(from, self.count) } }
    }
}
