//! Pools by their definition.

use super::conv::taps;
use super::{at, coordinates};
use crate::{Map, PoolKind, PoolShape};

/// The largest value or the mean of each window; padding does not count.
pub fn pool_window(shape: &PoolShape, input: &[f32], output: &mut [f32]) {
    for place @ [n, oy, ox, c] in coordinates(&shape.output) {
        let seen = taps(&shape.input, &shape.window, [oy, ox]);
        let values: Vec<f32> = seen.map(|(_, [y, x])| input[at(&shape.input, [n, y, x, c])]).collect();
        output[at(&shape.output, place)] = match shape.kind {
            PoolKind::Max => largest(&values),
            PoolKind::Average => mean(&values),
        };
    }
}

/// The mean of each channel over rows and columns, `[batch][channels]`.
pub fn mean_hw(map: &Map, input: &[f32], output: &mut [f32]) {
    for n in 0..map.batch {
        for c in 0..map.channels {
            let pixels = (0..map.height).flat_map(|y| (0..map.width).map(move |x| [n, y, x, c]));
            let values: Vec<f32> = pixels.map(|place| input[at(map, place)]).collect();
            output[n * map.channels + c] = mean(&values);
        }
    }
}

fn mean(values: &[f32]) -> f32 {
    (values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64) as f32
}

fn largest(values: &[f32]) -> f32 {
    if values.iter().any(|x| x.is_nan()) { f32::NAN } else { values.iter().copied().fold(f32::NEG_INFINITY, f32::max) }
}
