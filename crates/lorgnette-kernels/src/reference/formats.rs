//! Numbers as smaller formats have them, made float32 again.

use crate::formats::{from_bf16, from_f16, to_bf16, to_f16};
use crate::{Formats, Precision, WeightFormat};

/// A convolution's input as it is multiplied.
pub fn multiplied(values: &mut [f32], precision: Precision) {
    if precision == Precision::Bf16 {
        values.iter_mut().for_each(|x| *x = from_bf16(to_bf16(*x)));
    }
}

/// Weights, `[depth][channels]`, as they are kept and multiplied.
pub fn kept(weights: &mut [f32], channels: usize, formats: Formats) {
    match formats.weights {
        WeightFormat::Float32 => multiplied(weights, formats.precision),
        WeightFormat::Bf16 => weights.iter_mut().for_each(|x| *x = from_bf16(to_bf16(*x))),
        WeightFormat::F16 => weights.iter_mut().for_each(|x| *x = from_f16(to_f16(*x))),
        WeightFormat::Int8 => (0..channels).for_each(|channel| quantise(weights, channels, channel)),
    }
}

/// Makes a channel's weights multiples of a 127th of the largest magnitude.
fn quantise(weights: &mut [f32], channels: usize, channel: usize) {
    let of_channel = || (channel..weights.len()).step_by(channels);
    let finite = of_channel().all(|at| weights[at].is_finite());
    let largest = of_channel().map(|at| weights[at].abs()).fold(0.0, f32::max);
    let unit = if finite { largest / 127.0 } else { f32::NAN };
    for at in of_channel() {
        let count = if largest == 0.0 { 0.0 } else { (f64::from(weights[at]) / f64::from(unit)).round_ties_even() };
        weights[at] = (count * f64::from(unit)) as f32;
    }
}
