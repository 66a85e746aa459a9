//! Resizing by its definition: here in float32, because TensorFlow's roundings are part of it.

use super::{at, coordinates};
use crate::{Map, Resize};

/// Interpolates between the four nearest pixels.
pub fn resize_bilinear(resize: Resize, map_in: &Map, input: &[f32], map_out: &Map, output: &mut [f32]) {
    for place @ [n, y, x, c] in coordinates(map_out) {
        let (above, below, down) = resize.between(map_in.height, map_out.height, y);
        let (left, right, along) = resize.between(map_in.width, map_out.width, x);
        let value = |y, x| input[at(map_in, [n, y, x, c])];
        let top = value(above, left) + (value(above, right) - value(above, left)) * along;
        let bottom = value(below, left) + (value(below, right) - value(below, left)) * along;
        output[at(map_out, place)] = top + (bottom - top) * down;
    }
}

/// Takes the nearest pixel.
pub fn resize_nearest(resize: Resize, map_in: &Map, input: &[f32], map_out: &Map, output: &mut [f32]) {
    for place @ [n, y, x, c] in coordinates(map_out) {
        let y = resize.nearest(map_in.height, map_out.height, y);
        let x = resize.nearest(map_in.width, map_out.width, x);
        output[at(map_out, place)] = input[at(map_in, [n, y, x, c])];
    }
}
