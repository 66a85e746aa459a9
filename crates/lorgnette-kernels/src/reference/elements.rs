//! Kernels that work element by element, or within a pixel, by their definition.

use super::{at, coordinates};
use crate::{Affine, Binary, Clamp, Lrn, Map, Operand, Pad, Unary};

/// `output = clamp(input · scale[channel] + shift[channel])`
pub fn affine(affine: Affine<'_>) {
    let Affine { map_in, input, scale, shift, clamp, map_out, output } = affine;
    for place @ [.., c] in coordinates(&map_in) {
        let scale = scale.map_or(1.0, |scale| scale[c]);
        let shift = shift.map_or(0.0, |shift| shift[c]);
        output[at(&map_out, place)] = clamp.apply(input[at(&map_in, place)] * scale + shift);
    }
}

/// `output = op(input)`
pub fn unary(op: Unary, map_in: &Map, input: &[f32], map_out: &Map, output: &mut [f32]) {
    for place in coordinates(map_in) {
        output[at(map_out, place)] = op.apply(input[at(map_in, place)]);
    }
}

/// `output = clamp(op(a, b))`, operands of size 1 along an axis counting for all of it.
pub fn binary(op: Binary, a: Operand<'_>, b: Operand<'_>, clamp: Clamp, out_map: &Map, output: &mut [f32]) {
    for place @ [n, y, x, c] in coordinates(out_map) {
        let value = |operand: &Operand<'_>| {
            let Map { batch, height, width, channels, .. } = operand.map;
            let own = |size: usize, at: usize| if size == 1 { 0 } else { at };
            operand.values[at(&operand.map, [own(batch, n), own(height, y), own(width, x), own(channels, c)])]
        };
        output[at(out_map, place)] = clamp.apply(op.apply(value(&a), value(&b)));
    }
}

/// The softmax of each row of a dense matrix, or its logarithm.
pub fn softmax(rows: usize, columns: usize, input: &[f32], output: &mut [f32], log: bool) {
    for row in 0..rows {
        let place = row * columns..(row + 1) * columns;
        let values = &input[place.clone()];
        let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let shifted = || values.iter().map(|&x| f64::from(x) - f64::from(largest));
        let sum: f64 = shifted().map(f64::exp).sum();
        for (y, x) in output[place].iter_mut().zip(shifted()) {
            *y = if log { x - sum.ln() } else { x.exp() / sum } as f32;
        }
    }
}

/// `x / (bias + alpha · Σ x²)^beta`, the sum over the channels at most `depth_radius` away.
pub fn lrn(lrn: Lrn, map_in: &Map, input: &[f32], map_out: &Map, output: &mut [f32]) {
    for place @ [n, y, x, c] in coordinates(map_in) {
        let near = c.saturating_sub(lrn.depth_radius)..(c + lrn.depth_radius + 1).min(map_in.channels);
        let value = |c| f64::from(input[at(map_in, [n, y, x, c])]);
        let squares: f64 = near.map(|c| value(c) * value(c)).sum();
        let divisor = (f64::from(lrn.bias) + f64::from(lrn.alpha) * squares).powf(f64::from(lrn.beta));
        output[at(map_out, place)] = (value(c) / divisor) as f32;
    }
}

/// Copies pixels to where another map of the same shape has them.
pub fn copy_map(map_in: &Map, input: &[f32], map_out: &Map, output: &mut [f32]) {
    for place in coordinates(map_in) {
        output[at(map_out, place)] = input[at(map_in, place)];
    }
}

/// Surrounds a map with a constant.
pub fn pad(pad: &Pad, map_in: &Map, input: &[f32], map_out: &Map, output: &mut [f32]) {
    for place in coordinates(map_out) {
        output[at(map_out, place)] = pad.value;
    }
    for [n, y, x, c] in coordinates(map_in) {
        let place = [n, y + pad.around.top, x + pad.around.left, c + pad.channels[0]];
        output[at(map_out, place)] = input[at(map_in, [n, y, x, c])];
    }
}
