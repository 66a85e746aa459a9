//! Rounding of real numbers to 8 bits of a range that they have themselves: how TensorFlow Lite
//! computes where the weights alone are integers.

use super::DynamicRange;

/// The steps of a range.
#[derive(Clone, Copy, Debug)]
struct Steps {
    scale: f32,
    zero_point: i32,
    lowest: i32,
}

impl DynamicRange {
    /// Rounds `input`, whose values have ranges by rows of `row`, into `output`.
    ///
    /// # Panics
    /// If there are fewer results than values.
    pub(super) fn run(self, row: usize, input: &[f32], output: &mut [f32]) {
        for (input, output) in input.chunks(row.max(1)).zip(output.chunks_mut(row.max(1))) {
            let steps = if self.is_symmetric { symmetric(input) } else { asymmetric(input) };
            let Steps { scale, zero_point, lowest } = steps;
            let inverse = 1.0 / scale;
            for (rounded, real) in output.iter_mut().zip(input) {
                let stored = (zero_point as f32 + real * inverse).round();
                let stored = stored.clamp(lowest as f32, HIGHEST as f32);
                *rounded = scale * (stored - zero_point as f32);
            }
        }
    }
}

const LOWEST: i32 = -128;
const HIGHEST: i32 = 127;
/// The steps of numbers that are all zero.
const OF_ZEROS: Steps = Steps { scale: 1.0, zero_point: 0, lowest: LOWEST };

/// Returns the smallest and the largest number, and zero.
fn range(values: &[f32]) -> (f64, f64) {
    let low = values.iter().copied().fold(0f32, f32::min);
    let high = values.iter().copied().fold(0f32, f32::max);
    (f64::from(low), f64::from(high))
}

/// Returns the steps from the smallest to the largest number; zero is one of them.
fn asymmetric(values: &[f32]) -> Steps {
    let (low, high) = range(values);
    if low == high || !(high - low).is_finite() {
        return OF_ZEROS;
    }
    let (lowest, highest) = (f64::from(LOWEST), f64::from(HIGHEST));
    let scale = (high - low) / (highest - lowest);
    let (from_low, from_high) = (lowest - low / scale, highest - high / scale);
    // The end that is computed with the smaller error.
    let is_low = lowest.abs() + (low / scale).abs() < highest.abs() + (high / scale).abs();
    let zero_point = if is_low { from_low } else { from_high }.clamp(lowest, highest).round();
    Steps { scale: scale as f32, zero_point: zero_point as i32, lowest: LOWEST }
}

/// Returns the steps to the largest magnitude on both sides of zero.
fn symmetric(values: &[f32]) -> Steps {
    let (low, high) = range(values);
    let magnitude = high.max(-low) as f32;
    if magnitude == 0.0 || !magnitude.is_finite() {
        return OF_ZEROS;
    }
    Steps { scale: magnitude / HIGHEST as f32, zero_point: 0, lowest: -HIGHEST }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(is_symmetric: bool, row: usize, input: &[f32]) -> Vec<f32> {
        let mut output = vec![f32::NAN; input.len()];
        DynamicRange { is_symmetric, row: None }.run(row, input, &mut output);
        output
    }

    #[test]
    fn each_row_has_a_range_of_its_own() {
        let input = [-1.0, 0.3, 1.55, 0.0, 100.0, 255.0];
        assert_eq!(rounded(false, 3, &input)[3..], [0.0, 100.0, 255.0]);
        let first = rounded(false, 3, &input);
        let step = 2.55f32 / 255.0;
        for (rounded, real) in first.iter().zip(&input[..3]) {
            assert!((rounded - real).abs() <= step / 2.0 + 1e-6, "{rounded} and {real}");
        }
        assert_eq!(
            rounded(true, 6, &[-127.0, 63.4, 0.0, 0.4, -0.6, 12.0])[1..5],
            [63.0, 0.0, 0.0, -1.0]
        );
    }

    #[test]
    fn zeros_stay_zeros() {
        assert_eq!(rounded(false, 2, &[0.0; 4]), [0.0; 4]);
        assert_eq!(rounded(true, 2, &[0.0; 4]), [0.0; 4]);
    }
}
