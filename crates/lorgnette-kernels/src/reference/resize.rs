//! Resizing by its definition: here in float32, because TensorFlow's roundings are part of it.

use super::{coordinates, value_index};
use crate::{ImageLayout, Resize};

/// Interpolates between the four nearest pixels.
pub fn resize_bilinear(
    resize: Resize,
    input_layout: &ImageLayout,
    input: &[f32],
    output_layout: &ImageLayout,
    output: &mut [f32],
) {
    for coords @ [n, y, x, c] in coordinates(output_layout) {
        let (above, below, down) = resize.between(input_layout.height, output_layout.height, y);
        let (left, right, along) = resize.between(input_layout.width, output_layout.width, x);
        let value = |y, x| input[value_index(input_layout, [n, y, x, c])];
        let top = value(above, left) + (value(above, right) - value(above, left)) * along;
        let bottom = value(below, left) + (value(below, right) - value(below, left)) * along;
        output[value_index(output_layout, coords)] = top + (bottom - top) * down;
    }
}

/// Interpolates between the sixteen nearest pixels.
pub fn resize_bicubic(
    resize: Resize,
    input_layout: &ImageLayout,
    input: &[f32],
    output_layout: &ImageLayout,
    output: &mut [f32],
) {
    for coords @ [n, y, x, c] in coordinates(output_layout) {
        let rows = resize.cubic(input_layout.height, output_layout.height, y);
        let columns = resize.cubic(input_layout.width, output_layout.width, x);
        let value = |y, x| input[value_index(input_layout, [n, y, x, c])];
        let column = |x| rows.combine([0, 1, 2, 3].map(|tap| value(rows.at[tap], x)));
        output[value_index(output_layout, coords)] = columns.combine(columns.at.map(column));
    }
}

/// Takes the nearest pixel.
pub fn resize_nearest(
    resize: Resize,
    input_layout: &ImageLayout,
    input: &[f32],
    output_layout: &ImageLayout,
    output: &mut [f32],
) {
    for coords @ [n, y, x, c] in coordinates(output_layout) {
        let y = resize.nearest(input_layout.height, output_layout.height, y);
        let x = resize.nearest(input_layout.width, output_layout.width, x);
        output[value_index(output_layout, coords)] = input[value_index(input_layout, [n, y, x, c])];
    }
}
