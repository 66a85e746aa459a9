//! Rounding to a range that the values have themselves.

use crate::integer::{DynamicRounding, Steps};

/// Rounds each row of `input` to the steps of its range.
///
/// # Panics
/// If there are fewer results than values.
pub fn round_to_dynamic_range(how: DynamicRounding, input: &[f32], output: &mut [f32]) {
    let row = how.row.max(1);
    for (input, output) in input.chunks(row).zip(output.chunks_mut(row)) {
        let low = input.iter().copied().fold(0f32, f32::min);
        let high = input.iter().copied().fold(0f32, f32::max);
        let Steps { scale, zero_point, lowest } = Steps::new(how.is_symmetric, [low, high]);
        let inverse = 1.0 / scale;
        for (rounded, real) in output.iter_mut().zip(input) {
            let step = (zero_point as f32 + real * inverse).round();
            let step = step.clamp(lowest as f32, Steps::HIGHEST as f32);
            // An integer: its zero has no sign.
            let value = scale * (step as i32 - zero_point) as f32;
            *rounded = if real.is_nan() { f32::NAN } else { value };
        }
    }
}
