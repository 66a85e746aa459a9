//! Global average pooling.

use crate::blocks::{assert_float32, for_blocks};
use crate::simd::{Simd, SimdOp};
use crate::{ImageLayout, Level, ThreadPool};

/// Computes the mean of each channel over rows and columns: from `layout` to `[batch][channels]`,
/// dense.
pub fn global_average_pool(
    level: Level,
    layout: &ImageLayout,
    input: &[f32],
    output: &mut [f32],
    pool: &ThreadPool,
) {
    assert_float32(layout);
    for_blocks(
        &ImageLayout::dense(layout.batch, 1, 1, layout.channels),
        1,
        output,
        pool,
        &|images, chunk| {
            for (n, means) in images.zip(chunk.chunks_exact_mut(layout.channels)) {
                level.dispatch(Image {
                    layout,
                    input: &input[n * layout.height * layout.width * layout.word_stride()..],
                    means,
                });
            }
        },
    );
}

struct Image<'a> {
    layout: &'a ImageLayout,
    input: &'a [f32],
    means: &'a mut [f32],
}

/// Channels whose sums are in registers.
const GROUP: usize = 64;

impl SimdOp for Image<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { layout, input, means } = self;
        let pixel_count = (layout.height * layout.width) as f32;
        for (group, means) in means.chunks_mut(GROUP).enumerate() {
            let mut sums = [0.0; GROUP];
            for y in 0..layout.height {
                // Sums of rows first: fewer roundings than one long sum.
                let mut row = [0.0; GROUP];
                for x in 0..layout.width {
                    let at = (y * layout.width + x) * layout.word_stride() + group * GROUP;
                    add(&mut row, &input[at..at + means.len()]);
                }
                add(&mut sums, &row);
            }
            means.iter_mut().zip(sums).for_each(|(mean, sum)| *mean = sum / pixel_count);
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
