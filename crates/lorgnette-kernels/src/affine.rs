//! A factor and a summand for each channel: batch normalisation that no convolution could absorb.

use crate::blocks::{assert_alike, assert_float32, for_blocks, place, stretches, through_float32};
use crate::simd::{Kernel, Simd};
use crate::{Clamp, Level, Map, Pool};

/// `output = clamp(input · scale[channel] + shift[channel])`
#[derive(Debug)]
pub struct Affine<'a> {
    /// Where the input's values lie.
    pub map_in: Map,
    /// The input.
    pub input: &'a [f32],
    /// A factor for each channel.
    pub scale: Option<&'a [f32]>,
    /// A summand for each channel.
    pub shift: Option<&'a [f32]>,
    /// The range results are limited to.
    pub clamp: Clamp,
    /// Where the output's values lie: the input's pixels and channels.
    pub map_out: Map,
    /// The output.
    pub output: &'a mut [f32],
}

/// As [`Affine`], changing values where they are.
#[derive(Debug)]
pub struct AffineInPlace<'a> {
    /// Where the values lie.
    pub map: Map,
    /// A factor for each channel.
    pub scale: Option<&'a [f32]>,
    /// A summand for each channel.
    pub shift: Option<&'a [f32]>,
    /// The range results are limited to.
    pub clamp: Clamp,
    /// The values.
    pub values: &'a mut [f32],
}

/// Scales and shifts each channel.
pub fn affine(level: Level, affine: Affine<'_>, pool: &Pool) {
    let Affine { map_in, input, scale, shift, clamp, map_out, output } = affine;
    assert_alike(&map_in, &map_out);
    for_blocks(&map_out, 1, output, pool, &|pixels, part| {
        through_float32(&map_in, input, pixels, (&map_out, part), |pixels, map, values| {
            level.dispatch(Pixels { map, count: pixels.len(), scale, shift, clamp, values });
        });
    });
}

/// Scales and shifts each channel in place.
pub fn affine_in_place(level: Level, affine: AffineInPlace<'_>, pool: &Pool) {
    let AffineInPlace { map, scale, shift, clamp, values } = affine;
    assert_float32(&map);
    for_blocks(&map, 1, values, pool, &|pixels, part| {
        level.dispatch(Pixels { map: &map, count: pixels.len(), scale, shift, clamp, values: part });
    });
}

struct Pixels<'a> {
    map: &'a Map,
    count: usize,
    scale: Option<&'a [f32]>,
    shift: Option<&'a [f32]>,
    clamp: Clamp,
    values: &'a mut [f32],
}

impl Kernel for Pixels<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { map, count, scale, shift, clamp, values } = self;
        let rows = 0..count;
        match (scale, shift) {
            (Some(scale), Some(shift)) => {
                let (scale, shift) = (&scale[..map.channels], &shift[..map.channels]);
                for i in rows {
                    for ((x, scale), shift) in values[place(map, i)].iter_mut().zip(scale).zip(shift) {
                        *x = clamp.apply(*x * scale + shift);
                    }
                }
            }
            (Some(scale), None) => {
                for i in rows {
                    for (x, scale) in values[place(map, i)].iter_mut().zip(&scale[..map.channels]) {
                        *x = clamp.apply(*x * scale);
                    }
                }
            }
            (None, Some(shift)) => {
                for i in rows {
                    for (x, shift) in values[place(map, i)].iter_mut().zip(&shift[..map.channels]) {
                        *x = clamp.apply(*x + shift);
                    }
                }
            }
            (None, None) => {
                for stretch in stretches(map, count) {
                    values[stretch].iter_mut().for_each(|x| *x = clamp.apply(*x));
                }
            }
        }
    }
}
