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
            let fits = call.shape.window.stride[1] == 1 || call.shape.window.kernel[1] <= 3;
            while const { S::DEPTHWISE_COLUMNS >= 8 } && fits && x + 8 <= inside.end {
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
        let window = &self.call.shape.window;
        // The common windows have unrolled loops.
        let unrolled = COLUMNS > 1 && window.dilation[1] == 1;
        let columns = Columns { row: self, x, kx, output };
        match (window.kernel[1], window.stride[1]) {
            (3, 1) if unrolled => columns.run::<S, COLUMNS, 3, 1>(simd),
            (3, 2) if unrolled => columns.run::<S, COLUMNS, 3, 2>(simd),
            (5, 1) if unrolled => columns.run::<S, COLUMNS, 5, 1>(simd),
            (5, 2) if unrolled && COLUMNS <= 4 => columns.run::<S, COLUMNS, 5, 2>(simd),
            (7, 1) if unrolled => columns.run::<S, COLUMNS, 7, 1>(simd),
            (7, 2) if unrolled && COLUMNS <= 4 => columns.run::<S, COLUMNS, 7, 2>(simd),
            _ => columns.run::<S, COLUMNS, 0, 0>(simd),
        }
    }

    /// The first row of the window that is inside the image, from its column `kx` on.
    #[inline(always)]
    fn first_window_row(&self, x: usize, kx: usize, channel: usize) -> WindowRow {
        let Call { shape, input, packed, .. } = self.call;
        let DepthwiseShape { input: image, output, window, .. } = shape;
        let ky = self.ky.start;
        let y = self.y + (ky * window.dilation[0]) as isize;
        let x = (x * window.stride[1] + kx * window.dilation[1]) as isize;
        let pixel = y * image.width as isize + x - window.padding.left as isize;
        let from = input.as_ptr().wrapping_offset(pixel * image.word_stride() as isize);
        let tap = ky * window.kernel[1] + kx;
        let weights = packed.as_ptr().wrapping_add(tap * output.channels);
        WindowRow { from: from.wrapping_add(channel), weights: weights.wrapping_add(channel) }
    }
}

/// Some output columns of a row.
struct Columns<'a, 'b> {
    row: &'a Row<'a>,
    /// The first one.
    x: usize,
    /// Columns of the window that are inside the image.
    kx: Range<usize>,
    output: &'b mut [f32],
}

impl Columns<'_, '_> {
    /// Computes `COLUMNS` columns with a window of `TAPS` contiguous columns, `STRIDE` apart; with
    /// any other one if they are 0.
    #[inline(always)]
    fn run<S: Simd, const COLUMNS: usize, const TAPS: usize, const STRIDE: usize>(self, simd: S) {
        let Self { row, x, kx, output } = self;
        let channels = row.call.shape.output.channels;
        let whole = channels / S::LANES * S::LANES;
        if whole > 0 {
            let columns = Columns { row, x, kx: kx.clone(), output: &mut *output };
            let channels = 0..whole;
            simd.call(ColumnVectors::<COLUMNS, TAPS, STRIDE, true> { columns, channels });
        }
        if whole < channels {
            let columns = Columns { row, x, kx, output };
            let channels = whole..channels;
            simd.call(ColumnVectors::<COLUMNS, TAPS, STRIDE, false> { columns, channels });
        }
    }
}

/// Some channels of output columns: whole vectors, or a part of one.
struct ColumnVectors<
    'a,
    'b,
    const COLUMNS: usize,
    const TAPS: usize,
    const STRIDE: usize,
    const WHOLE: bool,
> {
    columns: Columns<'a, 'b>,
    channels: Range<usize>,
}

impl<const COLUMNS: usize, const TAPS: usize, const STRIDE: usize, const WHOLE: bool> SimdOp
    for ColumnVectors<'_, '_, COLUMNS, TAPS, STRIDE, WHOLE>
{
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { columns: Columns { row, x, kx, output }, channels } = self;
        let Call { shape, bias, clamp, .. } = row.call;
        let (steps, layout) = (Steps::new(shape), &shape.output);
        let (storage, stride, rows) = (layout.storage, layout.word_stride(), row.ky.len());
        let (low, high) = (simd.splat(clamp.low), simd.splat(clamp.high));
        let mut window_row = row.first_window_row(x, kx.start, channels.start);
        let end = (x + COLUMNS - 1) * stride + storage.words(channels.end);
        assert!(output.len() >= end, "columns of an output that is too short");
        let first = x * stride + storage.words(channels.start);
        let mut to = output.as_mut_ptr().wrapping_add(first);
        let mut channel = channels.start;
        while channel < channels.end {
            let count = if WHOLE { S::LANES } else { channels.len() };
            let vector = Vector::<WHOLE> { count };
            // In bounds: the taps are the kernel's, their pixels are inside the image for all
            // columns (`valid_taps`, `interior_columns`), and `Depthwise::check` found their
            // channels in the slices.
            let sums = if TAPS > 0 {
                vector.sums_unrolled::<S, COLUMNS, TAPS, STRIDE>(simd, &steps, window_row, rows)
            } else {
                vector.sums::<S, COLUMNS>(simd, &steps, window_row, [rows, kx.len()])
            };
            let of_vector = channel..channel + count;
            let bias = bias.map_or(simd.splat(0.0), |bias| simd.load_slice(&bias[of_vector]));
            let mut column = to;
            for sum in sums {
                let value = simd.clamp(low, high, simd.add(sum, bias));
                // SAFETY: the output has room for all columns and channels, as asserted above.
                unsafe { simd.store_typed(storage, column, value, count) };
                column = column.wrapping_add(stride);
            }
            to = to.wrapping_add(storage.words(count));
            window_row = window_row.moved(S::LANES, S::LANES);
            channel += count;
        }
    }
}

/// Distances in words.
#[derive(Clone, Copy)]
struct Steps {
    /// Between neighbouring pixels.
    pixel: usize,
    /// Between the pixels of two output columns, of two taps, and of two rows of a window.
    column: usize,
    tap: usize,
    row: usize,
    /// Between the weights of two taps, and of two rows of a window.
    weight: usize,
    weight_row: usize,
}

impl Steps {
    #[inline(always)]
    fn new(shape: &DepthwiseShape) -> Self {
        let DepthwiseShape { input, output, window, .. } = shape;
        let pixel = input.word_stride();
        Self {
            pixel,
            column: window.stride[1] * pixel,
            tap: window.dilation[1] * pixel,
            row: window.dilation[0] * input.width * pixel,
            weight: output.channels,
            weight_row: window.kernel[1] * output.channels,
        }
    }
}

/// A row of the window over the image.
#[derive(Clone, Copy)]
struct WindowRow {
    /// The values under its first column, of the first output column.
    from: *const f32,
    weights: *const f32,
}

impl WindowRow {
    /// Returns pointers so many words further on.
    #[inline(always)]
    fn moved(self, values: usize, weights: usize) -> Self {
        Self { from: self.from.wrapping_add(values), weights: self.weights.wrapping_add(weights) }
    }
}

/// A vector of channels, or a part of one.
#[derive(Clone, Copy)]
struct Vector<const WHOLE: bool> {
    /// Channels.
    count: usize,
}

impl<const WHOLE: bool> Vector<WHOLE> {
    /// Returns the sums over some rows and columns of a window, of `COLUMNS` output columns.
    #[inline(always)]
    fn sums<S: Simd, const COLUMNS: usize>(
        self,
        simd: S,
        steps: &Steps,
        mut row: WindowRow,
        [rows, columns]: [usize; 2],
    ) -> [S::F; COLUMNS] {
        let mut sums = [simd.splat(0.0); COLUMNS];
        for _ in 0..rows {
            let mut tap = row;
            for _ in 0..columns {
                let weights = self.load(simd, tap.weights);
                let mut from = tap.from;
                for sum in &mut sums {
                    *sum = simd.mul_add(self.load(simd, from), weights, *sum);
                    from = from.wrapping_add(steps.column);
                }
                tap = tap.moved(steps.tap, steps.weight);
            }
            row = row.moved(steps.row, steps.weight_row);
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
    fn sums_unrolled<S: Simd, const COLUMNS: usize, const TAPS: usize, const STRIDE: usize>(
        self,
        simd: S,
        steps: &Steps,
        mut row: WindowRow,
        rows: usize,
    ) -> [S::F; COLUMNS] {
        let mut sums = [simd.splat(0.0); COLUMNS];
        for _ in 0..rows {
            let mut values = [simd.splat(0.0); MAX_INPUT_COLUMNS];
            for i in 0..(COLUMNS - 1) * STRIDE + TAPS {
                values[i] = self.load(simd, row.from.wrapping_add(i * steps.pixel));
            }
            for kx in 0..TAPS {
                let weights = self.load(simd, row.weights.wrapping_add(kx * steps.weight));
                for i in 0..COLUMNS {
                    sums[i] = simd.mul_add(values[i * STRIDE + kx], weights, sums[i]);
                }
            }
            row = row.moved(steps.row, steps.weight_row);
        }
        sums
    }

    /// Loads the channels.
    #[inline(always)]
    fn load<S: Simd>(self, simd: S, from: *const f32) -> S::F {
        // SAFETY: callers guarantee `count` values, which are a vector if `WHOLE`.
        unsafe { if WHOLE { simd.load(from) } else { simd.load_partial(from, self.count) } }
    }
}

/// Maximum input columns of a block: eight windows of three columns with stride 2.
const MAX_INPUT_COLUMNS: usize = 17;
