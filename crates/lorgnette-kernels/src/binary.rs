//! Functions of pairs of elements, with broadcasting.

use std::ops::Range;

use crate::blocks::{
    MAX_BF16_ELEMENTWISE_CHANNELS, assert_float32, assert_same_shape, contiguous_runs, copy_pixels,
    for_blocks, pixel_range, via_f32,
};
use crate::simd::{Simd, SimdOp};
use crate::{Binary, Clamp, ImageLayout, Level, StorageType, ThreadPool};

/// One side of a [`binary`] operation. Along each of batch, height, width and channels it has the
/// output's size, or 1, and then its value counts for all.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
    /// The values.
    pub values: &'a [f32],
    /// Where they lie.
    pub layout: ImageLayout,
}

impl Operand<'_> {
    fn is_like(&self, output: &ImageLayout) -> bool {
        ImageLayout { stride: output.stride, ..self.layout } == *output
    }

    fn check(&self, output: &ImageLayout) {
        let sizes =
            |layout: &ImageLayout| [layout.batch, layout.height, layout.width, layout.channels];
        let broadcasts =
            |(own, size)| own == size || (own == 1 && self.layout.storage == StorageType::Float32);
        let fits = sizes(&self.layout).into_iter().zip(sizes(output)).all(broadcasts);
        assert!(fits, "an operand of shape {:?} does not broadcast to {:?}", self.layout, output);
    }

    /// The operand's part for an output pixel.
    #[inline(always)]
    pub(crate) fn at(&self, output: &ImageLayout, pixel: usize) -> &[f32] {
        let coordinate = |size: usize, at: usize| if size == 1 { 0 } else { at };
        let (row, x) = (pixel / output.width, pixel % output.width);
        let (n, y) = (row / output.height, row % output.height);
        let layout = &self.layout;
        let row = coordinate(layout.batch, n) * layout.height + coordinate(layout.height, y);
        &self.values[pixel_range(layout, row * layout.width + coordinate(layout.width, x))]
    }
}

/// `output = clamp(op(a, b))`
#[expect(clippy::too_many_arguments, reason = "two operands, a result and what to do with them")]
pub fn binary(
    level: Level,
    op: Binary,
    a: Operand<'_>,
    b: Operand<'_>,
    clamp: Clamp,
    output_layout: &ImageLayout,
    output: &mut [f32],
    pool: &ThreadPool,
) {
    a.check(output_layout);
    b.check(output_layout);
    let float32 = [a.layout, b.layout, *output_layout]
        .iter()
        .all(|layout| layout.storage == StorageType::Float32);
    if !float32 {
        // The second operand's values may be float32 and broadcast.
        assert_same_shape(&a.layout, output_layout);
    }
    for_blocks(output_layout, 1, output, pool, &|pixels, chunk| {
        if float32 {
            broadcast(&a, output_layout, pixels.clone(), chunk);
            return level.dispatch(Pixels {
                op,
                b,
                clamp,
                layout: output_layout,
                pixels,
                values: chunk,
            });
        }
        via_f32(&a.layout, a.values, pixels, (output_layout, chunk), |pixels, layout, values| {
            with_f32_operand(&b, pixels, layout, values, &mut |b, layout, pixels, values| {
                level.dispatch(Pixels { op, b, clamp, layout, pixels, values });
            });
        });
    });
}

/// `values = clamp(op(values, b))`
pub fn binary_in_place(
    level: Level,
    op: Binary,
    b: Operand<'_>,
    clamp: Clamp,
    layout: &ImageLayout,
    values: &mut [f32],
    pool: &ThreadPool,
) {
    b.check(layout);
    assert_float32(layout);
    assert_float32(&b.layout);
    for_blocks(layout, 1, values, pool, &|pixels, chunk| {
        level.dispatch(Pixels { op, b, clamp, layout, pixels, values: chunk });
    });
}

/// What is done with a second operand, where results lie, their pixels, and the first operand's
/// values, which become them.
type BinaryCallback<'a> = &'a mut dyn FnMut(Operand<'_>, &ImageLayout, Range<usize>, &mut [f32]);

/// Calls `transform` with an operand's values as float32, a number of pixels of it at a time, and
/// those they belong to.
fn with_f32_operand(
    b: &Operand<'_>,
    pixels: Range<usize>,
    layout: &ImageLayout,
    values: &mut [f32],
    transform: BinaryCallback<'_>,
) {
    if b.layout.storage == StorageType::Float32 {
        return transform(*b, layout, pixels, values);
    }
    let mut buffer = [0.0; MAX_BF16_ELEMENTWISE_CHANNELS];
    let block_pixels = MAX_BF16_ELEMENTWISE_CHANNELS / layout.channels;
    for first in pixels.clone().step_by(block_pixels) {
        let block = first..pixels.end.min(first + block_pixels);
        let dense = ImageLayout::dense(1, 1, block.len(), layout.channels);
        copy_pixels(&b.layout, b.values, block.clone(), &dense, &mut buffer);
        let values = &mut values[(first - pixels.start) * layout.stride..];
        let own = ImageLayout { stride: layout.stride, ..dense };
        transform(Operand { values: &buffer, layout: dense }, &own, 0..block.len(), values);
    }
}

/// Writes an operand's values for some output pixels.
fn broadcast(operand: &Operand<'_>, layout: &ImageLayout, pixels: Range<usize>, chunk: &mut [f32]) {
    if operand.is_like(layout) {
        return copy_pixels(&operand.layout, operand.values, pixels, layout, chunk);
    }
    for (i, pixel) in pixels.enumerate() {
        let row = &mut chunk[pixel_range(layout, i)];
        match operand.at(layout, pixel) {
            [value] => row.fill(*value),
            values => row.copy_from_slice(values),
        }
    }
}

struct Pixels<'a> {
    op: Binary,
    b: Operand<'a>,
    clamp: Clamp,
    layout: &'a ImageLayout,
    pixels: Range<usize>,
    /// Holds the left operand, then the result.
    values: &'a mut [f32],
}

impl SimdOp for Pixels<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let op = self.op;
        /// Gives each of the named functions its own loop, which the compiler vectorises.
        macro_rules! own_loops {
            ($($name:ident)*) => {
                match op {
                    $(Binary::$name => self.apply_each(|a, b| Binary::$name.apply(a, b)),)*
                    _ => self.apply_each(|a, b| op.apply(a, b)),
                }
            };
        }
        own_loops!(Add Sub Mul Div Maximum Minimum SquaredDifference);
    }
}

impl Pixels<'_> {
    #[inline(always)]
    fn apply_each(self, f: impl Fn(f32, f32) -> f32 + Copy) {
        let Self { b, clamp, layout, pixels, values, .. } = self;
        let f = move |x: &mut f32, y: f32| *x = clamp.apply(f(*x, y));
        if b.is_like(layout) && b.layout.stride == layout.stride {
            for run in contiguous_runs(layout, pixels.len()) {
                let from = pixels.start * layout.stride + run.start;
                let right = &b.values[from..from + run.len()];
                values[run].iter_mut().zip(right).for_each(|(x, y)| f(x, *y));
            }
            return;
        }
        for (i, pixel) in pixels.enumerate() {
            let row = &mut values[pixel_range(layout, i)];
            match b.at(layout, pixel) {
                [y] => row.iter_mut().for_each(|x| f(x, *y)),
                right => row.iter_mut().zip(right).for_each(|(x, y)| f(x, *y)),
            }
        }
    }
}
