//! Elementwise kernels, and those within a pixel, by their definition.

use super::{coordinates, value_index};
use crate::{Affine, BinaryOp, ImageLayout, Lrn, Operand, Pad, Unary};

/// `output = clamp(input · scale[channel] + shift[channel])`
pub fn affine(affine: Affine<'_>) {
    let Affine { input_layout, input, scale, shift, clamp, output_layout, output } = affine;
    for coords @ [.., c] in coordinates(&input_layout) {
        let scale = scale.map_or(1.0, |scale| scale[c]);
        let shift = shift.map_or(0.0, |shift| shift[c]);
        output[value_index(&output_layout, coords)] =
            clamp.apply(input[value_index(&input_layout, coords)] * scale + shift);
    }
}

/// `output = op(input)`
pub fn unary(
    op: Unary,
    input_layout: &ImageLayout,
    input: &[f32],
    output_layout: &ImageLayout,
    output: &mut [f32],
) {
    for coords in coordinates(input_layout) {
        output[value_index(output_layout, coords)] =
            op.apply(input[value_index(input_layout, coords)]);
    }
}

/// `output = clamp(op(a, b))`; an operand of size 1 along an axis counts for all of it.
pub fn binary(binary: BinaryOp<'_>) {
    let BinaryOp { op, a, b, clamp, output_layout, output } = binary;
    for coords in coordinates(&output_layout) {
        output[value_index(&output_layout, coords)] =
            clamp.apply(op.apply(operand_value(&a, coords), operand_value(&b, coords)));
    }
}

fn operand_value(operand: &Operand<'_>, coords: [usize; 4]) -> f32 {
    let ImageLayout { batch, height, width, channels, .. } = operand.layout;
    let sizes = [batch, height, width, channels];
    let coords = std::array::from_fn(|axis| if sizes[axis] == 1 { 0 } else { coords[axis] });
    operand.values[value_index(&operand.layout, coords)]
}

/// Computes the softmax of each row of a dense matrix, or its logarithm.
pub fn softmax(rows: usize, columns: usize, input: &[f32], output: &mut [f32], log: bool) {
    for row in 0..rows {
        let range = row * columns..(row + 1) * columns;
        let values = &input[range.clone()];
        let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let shifted = || values.iter().map(|&x| f64::from(x) - f64::from(largest));
        let sum: f64 = shifted().map(f64::exp).sum();
        for (y, x) in output[range].iter_mut().zip(shifted()) {
            *y = if log { x - sum.ln() } else { x.exp() / sum } as f32;
        }
    }
}

/// `x / (bias + alpha · Σ x²)^beta`, the sum over the channels at most `depth_radius` away.
pub fn lrn(
    lrn: Lrn,
    input_layout: &ImageLayout,
    input: &[f32],
    output_layout: &ImageLayout,
    output: &mut [f32],
) {
    for coords @ [n, y, x, c] in coordinates(input_layout) {
        let near = c.saturating_sub(lrn.depth_radius)
            ..(c + lrn.depth_radius + 1).min(input_layout.channels);
        let value = |c| f64::from(input[value_index(input_layout, [n, y, x, c])]);
        let squares: f64 = near.map(|c| value(c) * value(c)).sum();
        let divisor =
            (f64::from(lrn.bias) + f64::from(lrn.alpha) * squares).powf(f64::from(lrn.beta));
        output[value_index(output_layout, coords)] = (value(c) / divisor) as f32;
    }
}

/// Copies pixels to another layout of the same shape.
pub fn copy_strided(
    input_layout: &ImageLayout,
    input: &[f32],
    output_layout: &ImageLayout,
    output: &mut [f32],
) {
    for coords in coordinates(input_layout) {
        output[value_index(output_layout, coords)] = input[value_index(input_layout, coords)];
    }
}

/// Surrounds an image with a constant.
pub fn pad(
    pad: &Pad,
    input_layout: &ImageLayout,
    input: &[f32],
    output_layout: &ImageLayout,
    output: &mut [f32],
) {
    for coords in coordinates(output_layout) {
        output[value_index(output_layout, coords)] = pad.value;
    }
    for [n, y, x, c] in coordinates(input_layout) {
        let coords = [n, y + pad.around.top, x + pad.around.left, c + pad.channels[0]];
        output[value_index(output_layout, coords)] = input[value_index(input_layout, [n, y, x, c])];
    }
}
