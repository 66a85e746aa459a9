//! Pooling by its definition.

use super::conv::taps;
use super::{coordinates, value_index};
use crate::{ImageLayout, PoolKind, PoolShape};

/// Computes the largest value or the mean of each window; padding does not count.
pub fn pool_window(shape: &PoolShape, input: &[f32], output: &mut [f32]) {
    for coords @ [n, oy, ox, c] in coordinates(&shape.output) {
        let seen = taps(&shape.input, &shape.window, [oy, ox]);
        let values: Vec<f32> =
            seen.map(|(_, [y, x])| input[value_index(&shape.input, [n, y, x, c])]).collect();
        output[value_index(&shape.output, coords)] = match shape.kind {
            PoolKind::Max => largest(&values),
            PoolKind::Average => mean(&values),
        };
    }
}

/// Computes the mean of each channel over rows and columns, `[batch][channels]`.
pub fn global_average_pool(layout: &ImageLayout, input: &[f32], output: &mut [f32]) {
    for n in 0..layout.batch {
        for c in 0..layout.channels {
            let pixels =
                (0..layout.height).flat_map(|y| (0..layout.width).map(move |x| [n, y, x, c]));
            let values: Vec<f32> =
                pixels.map(|coords| input[value_index(layout, coords)]).collect();
            output[n * layout.channels + c] = mean(&values);
        }
    }
}

fn mean(values: &[f32]) -> f32 {
    (values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64) as f32
}

fn largest(values: &[f32]) -> f32 {
    if values.iter().any(|x| x.is_nan()) {
        f32::NAN
    } else {
        values.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }
}
