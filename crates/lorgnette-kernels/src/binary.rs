//! Functions of pairs of elements, with broadcasting.

use std::ops::Range;

use crate::blocks::{
    MAX_BF16_ELEMENTWISE_CHANNELS, assert_float32, assert_same_shape, contiguous_runs, copy_pixels,
    for_blocks, pixel_range, via_f32,
};
use crate::simd::{Simd, SimdOp};
use crate::{Binary, Clamp, ImageLayout, ImagePair, Level, StorageType, ThreadPool};

/// One operand of a [`binary`] operation. Along each of batch, height, width and channels it has
/// the output's size, or 1 and is broadcast.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
    /// The values.
    pub values: &'a [f32],
    /// Their layout.
    pub layout: ImageLayout,
}

impl Operand<'_> {
    fn is_like(&self, output: &ImageLayout) -> bool {
        ImageLayout { stride: output.stride, ..self.layout } == *output
    }

    /// Panics unless each size is the output's, or 1 in a float32 operand.
    fn check(&self, output: &ImageLayout) {
        let is_float32 = self.layout.storage == StorageType::Float32;
        let fits = sizes(&self.layout)
            .into_iter()
            .zip(sizes(output))
            .all(|(own, size)| own == size || (own == 1 && is_float32));
        assert!(fits, "an operand of shape {:?} does not broadcast to {:?}", self.layout, output);
    }

    /// Returns the operand's values for an output pixel.
    #[inline(always)]
    pub(crate) fn at(&self, output: &ImageLayout, pixel: usize) -> &[f32] {
        let (row, x) = (pixel / output.width, pixel % output.width);
        let (n, y) = (row / output.height, row % output.height);
        let layout = &self.layout;
        let row =
            broadcast_index(layout.batch, n) * layout.height + broadcast_index(layout.height, y);
        &self.values[pixel_range(layout, row * layout.width + broadcast_index(layout.width, x))]
    }
}

/// Returns an index along an axis of an operand: 0 if the axis has size 1.
#[inline(always)]
fn broadcast_index(size: usize, at: usize) -> usize {
    if size == 1 { 0 } else { at }
}

fn sizes(layout: &ImageLayout) -> [usize; 4] {
    [layout.batch, layout.height, layout.width, layout.channels]
}

/// One run of a binary operation: `output = clamp(op(a, b))`.
#[derive(Debug)]
pub struct BinaryOp<'a> {
    /// The function.
    pub op: Binary,
    /// The left operand.
    pub a: Operand<'a>,
    /// The right operand.
    pub b: Operand<'a>,
    /// The range results are limited to.
    pub clamp: Clamp,
    /// The output's layout.
    pub output_layout: ImageLayout,
    /// The output's values.
    pub output: &'a mut [f32],
}

/// One run of a binary operation in place: `values = clamp(op(values, b))`.
#[derive(Debug)]
pub struct BinaryInPlace<'a> {
    /// The function.
    pub op: Binary,
    /// The right operand.
    pub b: Operand<'a>,
    /// The range results are limited to.
    pub clamp: Clamp,
    /// The layout of the values.
    pub layout: ImageLayout,
    /// The left operand's values, overwritten by the results.
    pub values: &'a mut [f32],
}

/// Applies a function to each pair of elements, with broadcasting.
pub fn binary(level: Level, binary: BinaryOp<'_>, pool: &ThreadPool) {
    let BinaryOp { op, a, b, clamp, output_layout, output } = binary;
    a.check(&output_layout);
    b.check(&output_layout);
    let float32 = [a.layout, b.layout, output_layout]
        .iter()
        .all(|layout| layout.storage == StorageType::Float32);
    if !float32 {
        // The right operand's values may still be float32 and broadcast.
        assert_same_shape(&a.layout, &output_layout);
    }
    for_blocks(&output_layout, 1, output, pool, &|pixels, chunk| {
        if float32 {
            let layout = &output_layout;
            broadcast(&a, layout, pixels.clone(), chunk);
            return level.dispatch(Pixels { op, b, clamp, layout, pixels, values: chunk });
        }
        let images = ImagePair::new(&a.layout, a.values, &output_layout, chunk);
        via_f32(images, pixels, |pixels, layout, values| {
            let task = Pixels { op, b, clamp, layout, pixels, values };
            with_f32_operand(task, |task| level.dispatch(task));
        });
    });
}

/// Applies a function to each pair of elements, in place of the left operand.
pub fn binary_in_place(level: Level, binary: BinaryInPlace<'_>, pool: &ThreadPool) {
    let BinaryInPlace { op, b, clamp, layout, values } = binary;
    b.check(&layout);
    assert_float32(&layout);
    assert_float32(&b.layout);
    for_blocks(&layout, 1, values, pool, &|pixels, chunk| {
        level.dispatch(Pixels { op, b, clamp, layout: &layout, pixels, values: chunk });
    });
}

/// Runs a task whose right operand may be bf16: in blocks of pixels, for which it becomes float32.
fn with_f32_operand(task: Pixels<'_>, run: impl Fn(Pixels<'_>)) {
    let Pixels { op, b, clamp, layout, pixels, values } = task;
    if b.layout.storage == StorageType::Float32 {
        return run(Pixels { op, b, clamp, layout, pixels, values });
    }
    let mut buffer = [0.0; MAX_BF16_ELEMENTWISE_CHANNELS];
    let block_pixels = MAX_BF16_ELEMENTWISE_CHANNELS / layout.channels;
    for first in pixels.clone().step_by(block_pixels) {
        let block = first..pixels.end.min(first + block_pixels);
        let dense = ImageLayout::dense(1, 1, block.len(), layout.channels);
        copy_pixels(&b.layout, b.values, block.clone(), &dense, &mut buffer);
        run(Pixels {
            op,
            b: Operand { values: &buffer, layout: dense },
            clamp,
            layout: &ImageLayout { stride: layout.stride, ..dense },
            pixels: 0..block.len(),
            values: &mut values[(first - pixels.start) * layout.word_stride()..],
        });
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

/// Some pixels of the output.
struct Pixels<'a> {
    op: Binary,
    b: Operand<'a>,
    clamp: Clamp,
    layout: &'a ImageLayout,
    pixels: Range<usize>,
    /// The left operand's values, replaced by the results.
    values: &'a mut [f32],
}

impl SimdOp for Pixels<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let op = self.op;
        /// Compiles a loop for each of these functions, which the compiler vectorises.
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
