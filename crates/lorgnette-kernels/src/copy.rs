//! Copies between layouts, and padding.

use crate::blocks::{assert_same_shape, copy_pixels, for_blocks, pixel_range};
use crate::numerics::f32_to_bf16_ftz;
use crate::{ImageLayout, ImagePair, Level, Padding, StorageType, ThreadPool};

/// Copies pixels to another layout of the same shape, such as a part of a concatenation.
pub fn copy_strided(_: Level, images: ImagePair<'_>, pool: &ThreadPool) {
    let ImagePair { input_layout, input, output_layout, output } = images;
    assert_same_shape(&input_layout, &output_layout);
    for_blocks(&output_layout, 1, output, pool, &|pixels, chunk| {
        copy_pixels(&input_layout, input, pixels, &output_layout, chunk);
    });
}

/// The padding of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pad {
    /// Rows and columns of padding.
    pub around: Padding,
    /// Channels of padding before and after.
    pub channels: [usize; 2],
    /// The padding's value.
    pub value: f32,
}

impl Pad {
    /// Returns the input pixel at an output pixel, if it is not padding.
    pub(crate) fn input_pixel(
        &self,
        input_layout: &ImageLayout,
        output_layout: &ImageLayout,
        pixel: usize,
    ) -> Option<usize> {
        let (row, x) = (pixel / output_layout.width, pixel % output_layout.width);
        let (n, y) = (row / output_layout.height, row % output_layout.height);
        let y = y.checked_sub(self.around.top).filter(|&y| y < input_layout.height)?;
        let x = x.checked_sub(self.around.left).filter(|&x| x < input_layout.width)?;
        Some((n * input_layout.height + y) * input_layout.width + x)
    }
}

/// Surrounds an image with a constant; the output is larger by [`Pad`].
pub fn pad(_: Level, pad: &Pad, images: ImagePair<'_>, pool: &ThreadPool) {
    let ImagePair { input_layout, input, output_layout, output } = images;
    let padded_layout = ImageLayout {
        batch: input_layout.batch,
        height: input_layout.height + pad.around.top + pad.around.bottom,
        width: input_layout.width + pad.around.left + pad.around.right,
        channels: input_layout.channels + pad.channels[0] + pad.channels[1],
        stride: 0,
        storage: output_layout.storage,
    };
    assert_same_shape(&padded_layout, &output_layout);
    // The words of a pixel of the constant, and its last word.
    let (value, last) = match output_layout.storage {
        StorageType::Float32 => (pad.value, pad.value),
        StorageType::Bf16 => {
            assert_eq!(pad.channels, [0, 0], "this kernel adds no channels of bf16");
            let half = u32::from(f32_to_bf16_ftz(pad.value));
            let both = half << 16 | half;
            let last = if output_layout.channels.is_multiple_of(2) { both } else { half };
            (f32::from_bits(both), f32::from_bits(last))
        }
    };
    for_blocks(&output_layout, 1, output, pool, &|pixels, chunk| {
        for (i, pixel) in pixels.enumerate() {
            let row = &mut chunk[pixel_range(&output_layout, i)];
            row.fill(value);
            row[output_layout.words() - 1] = last;
            if let Some(from) = pad.input_pixel(&input_layout, &output_layout, pixel) {
                let inside = ImageLayout { channels: input_layout.channels, ..output_layout };
                let row = &mut row[pad.channels[0]..];
                copy_pixels(&input_layout, input, from..from + 1, &inside, row);
            }
        }
    });
}
