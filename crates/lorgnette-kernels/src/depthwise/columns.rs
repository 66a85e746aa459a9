//! Depthwise convolution of one window a channel: a vector of channels of several neighbouring output columns at a time.

use std::ops::Range;

use super::{Depthwise, DepthwiseKernel, DepthwiseShape, pack_rows, packed_len};
use crate::Pool;
use crate::blocks::for_blocks;
use crate::simd::{Kernel, Simd};

pub(super) const fn kernel<S: Simd>() -> DepthwiseKernel {
    DepthwiseKernel {
        name: "columns",
        level: S::LEVEL,
        layout: "hwc",
        fits: |shape| shape.multiplier == 1,
        packed_len,
        pack_rows,
        run: run::<S>,
    }
}

fn run<S: Simd>(depthwise: Depthwise<'_>, pool: &Pool) {
    let shape = depthwise.shape;
    assert_eq!(shape.multiplier, 1, "this kernel computes one window a channel");
    depthwise.check(packed_len(shape));
    let Depthwise { input, packed, bias, clamp, output, .. } = depthwise;
    let call = Call { shape, input, packed, bias, clamp };
    let width = shape.output.width;
    for_blocks(&shape.output, width, output, pool, &|pixels, part| {
        let rows = pixels.start / width..pixels.end / width;
        S::dispatch(Rows { call: &call, rows, output: part });
    });
}

struct Call<'a> {
    shape: &'a DepthwiseShape,
    input: &'a [f32],
    packed: &'a [f32],
    bias: Option<&'a [f32]>,
    clamp: crate::Clamp,
}

/// Some output rows, counted over all pictures.
struct Rows<'a> {
    call: &'a Call<'a>,
    rows: Range<usize>,
    output: &'a mut [f32],
}

impl Kernel for Rows<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { call, rows, output } = self;
        let map = &call.shape.output;
        let inside = inside(call.shape);
        for (i, row) in rows.enumerate() {
            let output = &mut output[i * map.width * map.stride..];
            let row = Row::new(call, row);
            let all = 0..call.shape.window.kernel[1];
            for x in (0..inside.start).chain(inside.end..map.width) {
                row.columns::<S, 1>(simd, x, call.shape.window.taps_inside(1, call.shape.input.width, x), output);
            }
            let mut x = inside.start;
            while x + 8 <= inside.end {
                row.columns::<S, 8>(simd, x, all.clone(), output);
                x += 8;
            }
            if x + 4 <= inside.end {
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

/// The output columns whose windows lie inside the picture from left to right.
fn inside(shape: &DepthwiseShape) -> Range<usize> {
    let window = &shape.window;
    let reach = (window.kernel[1] - 1) * window.dilation[1];
    let start = window.padding.left.div_ceil(window.stride[1]).min(shape.output.width);
    // The last column whose last tap is still in the picture, plus one.
    let end = match (shape.input.width + window.padding.left).checked_sub(reach + 1) {
        Some(last) => last / window.stride[1] + 1,
        None => 0,
    };
    start..end.clamp(start, shape.output.width)
}

/// One output row.
struct Row<'a> {
    call: &'a Call<'a>,
    /// Rows of the window that lie inside the picture.
    ky: Range<usize>,
    /// The input row under tap 0; meaningful for taps in `ky`.
    y: isize,
}

impl<'a> Row<'a> {
    #[inline(always)]
    fn new(call: &'a Call<'a>, row: usize) -> Self {
        let DepthwiseShape { input, output, window, .. } = call.shape;
        let (n, oy) = (row / output.height, row % output.height);
        let y = (n * input.height + oy * window.stride[0]) as isize - window.padding.top as isize;
        Self { call, ky: window.taps_inside(0, input.height, oy), y }
    }

    /// Computes `COLUMNS` output columns from `x` on, with the window's columns `kx`, all inside the picture.
    #[inline(always)]
    fn columns<S: Simd, const COLUMNS: usize>(&self, simd: S, x: usize, kx: Range<usize>, output: &mut [f32]) {
        let map = &self.call.shape.output;
        let mut channel = 0;
        while channel < map.channels {
            let count = S::LANES.min(map.channels - channel);
            let sums = if count == S::LANES {
                self.sums::<S, COLUMNS, true>(simd, x, kx.clone(), channel, count)
            } else {
                self.sums::<S, COLUMNS, false>(simd, x, kx.clone(), channel, count)
            };
            for (i, sum) in sums.into_iter().enumerate() {
                let at = (x + i) * map.stride + channel;
                simd.store_slice(&mut output[at..at + count], sum);
            }
            channel += S::LANES;
        }
    }

    /// The finished values of `COLUMNS` columns by `count` channels, a whole vector of them if `WHOLE`.
    #[inline(always)]
    fn sums<S: Simd, const COLUMNS: usize, const WHOLE: bool>(
        &self,
        simd: S,
        x: usize,
        kx: Range<usize>,
        channel: usize,
        count: usize,
    ) -> [S::F; COLUMNS] {
        let Call { shape, input, packed, bias, clamp } = self.call;
        let (map, window) = (&shape.input, &shape.window);
        // SAFETY: of `load`'s callers below: `count` floats can be read, and if `WHOLE` they are a vector.
        let load = |from: *const f32| unsafe { if WHOLE { simd.load(from) } else { simd.load_first(from, count) } };
        let mut sums = [simd.splat(0.0); COLUMNS];
        let left = (x * window.stride[1]) as isize - window.padding.left as isize;
        for ky in self.ky.clone() {
            let y = self.y + (ky * window.dilation[0]) as isize;
            for kx in kx.clone() {
                // Both are in bounds: the tap is one of the kernel's, and its pixels lie in the picture for all columns,
                // as `taps_inside` and `inside` saw to, whose channels `Depthwise::check` has found in the slices.
                let weights = load(packed.as_ptr().wrapping_add((ky * window.kernel[1] + kx) * map.channels + channel));
                let pixel = y * map.width as isize + left + (kx * window.dilation[1]) as isize;
                let from = input.as_ptr().wrapping_offset(pixel * map.stride as isize).wrapping_add(channel);
                for (i, sum) in sums.iter_mut().enumerate() {
                    let value = load(from.wrapping_add(i * window.stride[1] * map.stride));
                    *sum = simd.mul_add(value, weights, *sum);
                }
            }
        }
        let (low, high) = (simd.splat(clamp.low), simd.splat(clamp.high));
        let bias = bias.map_or(simd.splat(0.0), |bias| simd.load_slice(&bias[channel..channel + count]));
        for sum in &mut sums {
            *sum = simd.clamp(low, high, simd.add(*sum, bias));
        }
        sums
    }
}
