//! Functions of each element.

use crate::blocks::{assert_alike, assert_float32, for_blocks, stretches, through_float32};
use crate::exponential::{exp, exp_m1, sigmoid, tanh};
use crate::simd::{Kernel, Simd};
use crate::{Level, Map, Pool, Unary};

/// `output = op(input)`; both maps have the same pixels and channels.
pub fn unary(level: Level, op: Unary, map_in: &Map, input: &[f32], map_out: &Map, output: &mut [f32], pool: &Pool) {
    assert_alike(map_in, map_out);
    for_blocks(map_out, 1, output, pool, &|pixels, part| {
        through_float32(map_in, input, pixels, (map_out, part), |pixels, map, values| {
            let change = |stretch| level.dispatch(Values { op, values: &mut values[stretch] });
            stretches(map, pixels.len()).for_each(change);
        });
    });
}

/// `values = op(values)`
pub fn unary_in_place(level: Level, op: Unary, map: &Map, values: &mut [f32], pool: &Pool) {
    assert_float32(map);
    for_blocks(map, 1, values, pool, &|pixels, part| {
        stretches(map, pixels.len()).for_each(|stretch| level.dispatch(Values { op, values: &mut part[stretch] }));
    });
}

struct Values<'a> {
    op: Unary,
    values: &'a mut [f32],
}

impl Kernel for Values<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { op, values } = self;
        /// Gives each of the named functions its own loop, which the compiler vectorises.
        macro_rules! own_loops {
            ($($name:ident)*) => {
                match op {
                    Unary::Exp => each(values, exp),
                    Unary::Sigmoid => each(values, sigmoid),
                    Unary::Tanh => each(values, tanh),
                    Unary::Elu => each(values, elu),
                    Unary::Selu => each(values, |x| Unary::SELU_SCALE * if x > 0.0 { x } else { Unary::SELU_ALPHA * elu(x) }),
                    Unary::LeakyRelu(slope) => each(values, |x| Unary::LeakyRelu(slope).apply(x)),
                    $(Unary::$name => each(values, |x| Unary::$name.apply(x)),)*
                    // The others are calls anyway.
                    _ => each(values, |x| op.apply(x)),
                }
            };
        }
        own_loops!(Abs Neg Reciprocal Rsqrt Sqrt Square Softsign HardSwish);
    }
}

#[inline(always)]
fn each(values: &mut [f32], f: impl Fn(f32) -> f32) {
    for x in values {
        *x = f(*x);
    }
}

#[inline(always)]
fn elu(x: f32) -> f32 {
    if x > 0.0 { x } else { exp_m1(x) }
}
