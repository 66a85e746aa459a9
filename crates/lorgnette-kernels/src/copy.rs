//! Moving values: parts of concatenations, and padding.

use crate::blocks::{assert_alike, copy_pixels, for_blocks, place};
use crate::formats::to_bf16_or_zero;
use crate::{Elements, Level, Map, Padding, Pool};

/// Copies pixels to where another map of the same shape has them, such as a part of a concatenation.
pub fn copy_map(_: Level, map_in: &Map, input: &[f32], map_out: &Map, output: &mut [f32], pool: &Pool) {
    assert_alike(map_in, map_out);
    for_blocks(map_out, 1, output, pool, &|pixels, part| copy_pixels(map_in, input, pixels, map_out, part));
}

/// What to put around a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pad {
    /// Rows and columns.
    pub around: Padding,
    /// Channels before and after.
    pub channels: [usize; 2],
    /// What they are filled with.
    pub value: f32,
}

impl Pad {
    /// The input's pixel under an output pixel, if there is one.
    pub(crate) fn under(&self, map_in: &Map, map_out: &Map, pixel: usize) -> Option<usize> {
        let (row, x) = (pixel / map_out.width, pixel % map_out.width);
        let (n, y) = (row / map_out.height, row % map_out.height);
        let y = y.checked_sub(self.around.top).filter(|&y| y < map_in.height)?;
        let x = x.checked_sub(self.around.left).filter(|&x| x < map_in.width)?;
        Some((n * map_in.height + y) * map_in.width + x)
    }
}

/// Surrounds a map with a constant: the output is larger by what [`Pad`] says.
pub fn pad(_: Level, pad: &Pad, map_in: &Map, input: &[f32], map_out: &Map, output: &mut [f32], pool: &Pool) {
    let grown = Map {
        batch: map_in.batch,
        height: map_in.height + pad.around.top + pad.around.bottom,
        width: map_in.width + pad.around.left + pad.around.right,
        channels: map_in.channels + pad.channels[0] + pad.channels[1],
        stride: 0,
        elements: map_out.elements,
    };
    assert_alike(&grown, map_out);
    // What a pixel of the constant is made of, and the last of it.
    let (value, last) = match map_out.elements {
        Elements::Float32 => (pad.value, pad.value),
        Elements::Bf16 => {
            assert_eq!(pad.channels, [0, 0], "this kernel adds no channels of bf16");
            let half = u32::from(to_bf16_or_zero(pad.value));
            let both = half << 16 | half;
            let last = if map_out.channels.is_multiple_of(2) { both } else { half };
            (f32::from_bits(both), f32::from_bits(last))
        }
    };
    for_blocks(map_out, 1, output, pool, &|pixels, part| {
        for (i, pixel) in pixels.enumerate() {
            let row = &mut part[place(map_out, i)];
            row.fill(value);
            row[map_out.floats() - 1] = last;
            if let Some(from) = pad.under(map_in, map_out, pixel) {
                let inside = Map { channels: map_in.channels, ..*map_out };
                copy_pixels(map_in, input, from..from + 1, &inside, &mut row[pad.channels[0]..]);
            }
        }
    });
}
