//! The mean over a picture: global average pooling.

use crate::blocks::{assert_float32, for_blocks};
use crate::simd::{Kernel, Simd};
use crate::{Level, Map, Pool};

/// The mean of each channel over rows and columns: from `map` to `[batch][channels]`, dense.
pub fn mean_hw(level: Level, map: &Map, input: &[f32], output: &mut [f32], pool: &Pool) {
    assert_float32(map);
    for_blocks(&Map::dense(map.batch, 1, 1, map.channels), 1, output, pool, &|pictures, part| {
        for (n, means) in pictures.zip(part.chunks_exact_mut(map.channels)) {
            level.dispatch(Picture { map, input: &input[n * map.height * map.width * map.stride..], means });
        }
    });
}

struct Picture<'a> {
    map: &'a Map,
    input: &'a [f32],
    means: &'a mut [f32],
}

/// Channels whose sums are kept in registers.
const GROUP: usize = 64;

impl Kernel for Picture<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { map, input, means } = self;
        let share = (map.height * map.width) as f32;
        for (group, means) in means.chunks_mut(GROUP).enumerate() {
            let mut sums = [0.0; GROUP];
            for y in 0..map.height {
                // Sums of rows first: fewer roundings than one long sum.
                let mut row = [0.0; GROUP];
                for x in 0..map.width {
                    let at = (y * map.width + x) * map.stride + group * GROUP;
                    add(&mut row, &input[at..at + means.len()]);
                }
                add(&mut sums, &row);
            }
            means.iter_mut().zip(sums).for_each(|(mean, sum)| *mean = sum / share);
        }
    }
}

#[inline(always)]
fn add(sums: &mut [f32; GROUP], values: &[f32]) {
    match <&[f32; GROUP]>::try_from(values) {
        Ok(values) => sums.iter_mut().zip(values).for_each(|(sum, x)| *sum += x),
        Err(_) => sums.iter_mut().zip(values).for_each(|(sum, x)| *sum += x),
    }
}
