//! Rounding of float32 values to smaller formats and back.

use crate::numerics::{bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16};
use crate::{NumericOptions, Precision, WeightFormat};

/// Rounds a convolution's input to the precision in which it is multiplied.
pub fn round_input(values: &mut [f32], precision: Precision) {
    if precision == Precision::Bf16 {
        values.iter_mut().for_each(|x| *x = bf16_to_f32(f32_to_bf16(*x)));
    }
}

/// Rounds weights, `[depth][channels]`, to the format in which they are stored and multiplied.
pub fn round_weights(weights: &mut [f32], channels: usize, numerics: NumericOptions) {
    match numerics.weight_storage {
        WeightFormat::Float32 => round_input(weights, numerics.compute),
        WeightFormat::Bf16 => weights.iter_mut().for_each(|x| *x = bf16_to_f32(f32_to_bf16(*x))),
        WeightFormat::F16 => weights.iter_mut().for_each(|x| *x = f16_to_f32(f32_to_f16(*x))),
        WeightFormat::Int8 => {
            (0..channels).for_each(|channel| quantise(weights, channels, channel));
        }
    }
}

/// Rounds a channel's weights to multiples of a 127th of the largest magnitude.
fn quantise(weights: &mut [f32], channels: usize, channel: usize) {
    let channel_indices = || (channel..weights.len()).step_by(channels);
    let finite = channel_indices().all(|at| weights[at].is_finite());
    let largest = channel_indices().map(|at| weights[at].abs()).fold(0.0, f32::max);
    let unit = if finite { largest / 127.0 } else { f32::NAN };
    for at in channel_indices() {
        let count = if largest == 0.0 {
            0.0
        } else {
            (f64::from(weights[at]) / f64::from(unit)).round_ties_even()
        };
        weights[at] = (count * f64::from(unit)) as f32;
    }
}
