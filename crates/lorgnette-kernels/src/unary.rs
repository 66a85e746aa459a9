//! Functions of each element.

use crate::blocks::{assert_float32, assert_same_shape, contiguous_runs, for_blocks, via_f32};
use crate::exponential::{exp, exp_m1, sigmoid, tanh};
use crate::simd::{Simd, SimdOp};
use crate::{ImageLayout, ImagePair, Level, ThreadPool, Unary};

/// Computes `output = op(input)`; both layouts have the same pixels and channels.
pub fn unary(level: Level, op: Unary, images: ImagePair<'_>, pool: &ThreadPool) {
    let ImagePair { input_layout, input, output_layout, output } = images;
    assert_same_shape(&input_layout, &output_layout);
    for_blocks(&output_layout, 1, output, pool, &|pixels, chunk| {
        let images = ImagePair::new(&input_layout, input, &output_layout, chunk);
        via_f32(images, pixels, |pixels, layout, values| {
            contiguous_runs(layout, pixels.len())
                .for_each(|run| level.dispatch(Values { op, values: &mut values[run] }));
        });
    });
}

/// Computes `values = op(values)`.
pub fn unary_in_place(
    level: Level,
    op: Unary,
    layout: &ImageLayout,
    values: &mut [f32],
    pool: &ThreadPool,
) {
    assert_float32(layout);
    for_blocks(layout, 1, values, pool, &|pixels, chunk| {
        contiguous_runs(layout, pixels.len())
            .for_each(|run| level.dispatch(Values { op, values: &mut chunk[run] }));
    });
}

struct Values<'a> {
    op: Unary,
    values: &'a mut [f32],
}

impl SimdOp for Values<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { op, values } = self;
        /// Compiles a loop for each of these functions, which the compiler vectorises.
        macro_rules! own_loops {
            ($($name:ident)*) => {
                match op {
                    Unary::Exp => apply_each(values, exp),
                    Unary::Sigmoid => apply_each(values, sigmoid),
                    Unary::Tanh => apply_each(values, tanh),
                    Unary::Elu => apply_each(values, elu),
                    Unary::Selu => apply_each(values, selu),
                    Unary::LeakyRelu(slope) => {
                        apply_each(values, |x| Unary::LeakyRelu(slope).apply(x))
                    }
                    $(Unary::$name => apply_each(values, |x| Unary::$name.apply(x)),)*
                    // The others are calls in any case.
                    _ => apply_each(values, |x| op.apply(x)),
                }
            };
        }
        own_loops!(Abs Neg Reciprocal Rsqrt Sqrt Square Softsign HardSwish);
    }
}

#[inline(always)]
fn apply_each(values: &mut [f32], f: impl Fn(f32) -> f32) {
    for x in values {
        *x = f(*x);
    }
}

#[inline(always)]
fn elu(x: f32) -> f32 {
    if x > 0.0 { x } else { exp_m1(x) }
}

#[inline(always)]
fn selu(x: f32) -> f32 {
    Unary::SELU_SCALE * if x > 0.0 { x } else { Unary::SELU_ALPHA * elu(x) }
}
