//! Functions of pairs of elements, with broadcasting.

use std::ops::Range;

use crate::blocks::{
    MOST_NARROWED, assert_alike, assert_float32, copy_pixels, for_blocks, place, stretches, through_float32,
};
use crate::simd::{Kernel, Simd};
use crate::{Binary, Clamp, Elements, Level, Map, Pool};

/// One side of a [`binary`] operation. Along each of batch, height, width and channels it has the output's size, or 1,
/// and then its value counts for all.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
    /// The values.
    pub values: &'a [f32],
    /// Where they lie.
    pub map: Map,
}

impl Operand<'_> {
    fn is_like(&self, output: &Map) -> bool {
        Map { stride: output.stride, ..self.map } == *output
    }

    fn check(&self, output: &Map) {
        let sizes = |map: &Map| [map.batch, map.height, map.width, map.channels];
        let whole = |(own, size)| own == size || (own == 1 && self.map.elements == Elements::Float32);
        let fits = sizes(&self.map).into_iter().zip(sizes(output)).all(whole);
        assert!(fits, "an operand of shape {:?} does not broadcast to {:?}", self.map, output);
    }

    /// The operand's part for an output pixel.
    #[inline(always)]
    pub(crate) fn at(&self, output: &Map, pixel: usize) -> &[f32] {
        let coordinate = |size: usize, at: usize| if size == 1 { 0 } else { at };
        let (row, x) = (pixel / output.width, pixel % output.width);
        let (n, y) = (row / output.height, row % output.height);
        let map = &self.map;
        let row = coordinate(map.batch, n) * map.height + coordinate(map.height, y);
        &self.values[place(map, row * map.width + coordinate(map.width, x))]
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
    out_map: &Map,
    output: &mut [f32],
    pool: &Pool,
) {
    a.check(out_map);
    b.check(out_map);
    let float32 = [a.map, b.map, *out_map].iter().all(|map| map.elements == Elements::Float32);
    if !float32 {
        // The second operand's values may be float32 and broadcast.
        assert_alike(&a.map, out_map);
    }
    for_blocks(out_map, 1, output, pool, &|pixels, part| {
        if float32 {
            spread(&a, out_map, pixels.clone(), part);
            return level.dispatch(Pixels { op, b, clamp, map: out_map, pixels, values: part });
        }
        through_float32(&a.map, a.values, pixels, (out_map, part), |pixels, map, values| {
            with_float32(&b, pixels, map, values, &mut |b, map, pixels, values| {
                level.dispatch(Pixels { op, b, clamp, map, pixels, values });
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
    map: &Map,
    values: &mut [f32],
    pool: &Pool,
) {
    b.check(map);
    assert_float32(map);
    assert_float32(&b.map);
    for_blocks(map, 1, values, pool, &|pixels, part| {
        level.dispatch(Pixels { op, b, clamp, map, pixels, values: part });
    });
}

/// What is done with a second operand, where results lie, their pixels, and the first operand's values, which become them.
type Change<'a> = &'a mut dyn FnMut(Operand<'_>, &Map, Range<usize>, &mut [f32]);

/// Calls `change` with an operand's values as float32, a number of pixels of it at a time, and those they belong to.
fn with_float32(b: &Operand<'_>, pixels: Range<usize>, map: &Map, values: &mut [f32], change: Change<'_>) {
    if b.map.elements == Elements::Float32 {
        return change(*b, map, pixels, values);
    }
    let mut room = [0.0; MOST_NARROWED];
    let at_once = MOST_NARROWED / map.channels;
    for first in pixels.clone().step_by(at_once) {
        let some = first..pixels.end.min(first + at_once);
        let dense = Map::dense(1, 1, some.len(), map.channels);
        copy_pixels(&b.map, b.values, some.clone(), &dense, &mut room);
        let values = &mut values[(first - pixels.start) * map.stride..];
        let own = Map { stride: map.stride, ..dense };
        change(Operand { values: &room, map: dense }, &own, 0..some.len(), values);
    }
}

/// Writes an operand's values for some output pixels.
fn spread(operand: &Operand<'_>, map: &Map, pixels: Range<usize>, part: &mut [f32]) {
    if operand.is_like(map) {
        return copy_pixels(&operand.map, operand.values, pixels, map, part);
    }
    for (i, pixel) in pixels.enumerate() {
        let row = &mut part[place(map, i)];
        match operand.at(map, pixel) {
            [value] => row.fill(*value),
            values => row.copy_from_slice(values),
        }
    }
}

struct Pixels<'a> {
    op: Binary,
    b: Operand<'a>,
    clamp: Clamp,
    map: &'a Map,
    pixels: Range<usize>,
    /// Holds the left operand, then the result.
    values: &'a mut [f32],
}

impl Kernel for Pixels<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let op = self.op;
        /// Gives each of the named functions its own loop, which the compiler vectorises.
        macro_rules! own_loops {
            ($($name:ident)*) => {
                match op {
                    $(Binary::$name => self.each(|a, b| Binary::$name.apply(a, b)),)*
                    _ => self.each(|a, b| op.apply(a, b)),
                }
            };
        }
        own_loops!(Add Sub Mul Div Maximum Minimum SquaredDifference);
    }
}

impl Pixels<'_> {
    #[inline(always)]
    fn each(self, f: impl Fn(f32, f32) -> f32 + Copy) {
        let Self { b, clamp, map, pixels, values, .. } = self;
        let f = move |x: &mut f32, y: f32| *x = clamp.apply(f(*x, y));
        if b.is_like(map) && b.map.stride == map.stride {
            for stretch in stretches(map, pixels.len()) {
                let from = pixels.start * map.stride + stretch.start;
                let right = &b.values[from..from + stretch.len()];
                values[stretch].iter_mut().zip(right).for_each(|(x, y)| f(x, *y));
            }
            return;
        }
        for (i, pixel) in pixels.enumerate() {
            let row = &mut values[place(map, i)];
            match b.at(map, pixel) {
                [y] => row.iter_mut().for_each(|x| f(x, *y)),
                right => row.iter_mut().zip(right).for_each(|(x, y)| f(x, *y)),
            }
        }
    }
}
