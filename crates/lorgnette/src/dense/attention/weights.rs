//! The weights of the scales of a pyramid at a place.

use super::features::{FEATURES, Features};

/// The scales, in steps from one, whose features its score depends on, and how much on each.
/// `oracle/scale_attention.py` learns these numbers and the next.
const BY_FEATURES: [(isize, [f32; FEATURES]); 3] = [
    (-1, [0.467, -0.068, -0.268, -1.188, -3.872, 0.387, 0.260, 0.075, 0.068, 0.067, -0.035, 0.101]),
    (0, [-0.179, -0.599, 0.117, 0.742, -0.155, 0.649, 0.018, 0.049, 0.081, 0.070, -0.065, -0.446]),
    (
        1,
        [0.255, -0.340, -0.400, 0.030, -0.537, -0.001, -0.104, -0.054, 0.015, 0.061, -0.046, 0.302],
    ),
];
/// The same by whether there are such scales.
const BY_PRESENCE: [(isize, f32); 4] = [(-2, 0.164), (-1, -0.592), (1, 0.295), (2, 0.138)];
/// The share of the largest weight below which one is 0, as it would change little.
const MIN_SHARE: f32 = 0.02;

/// The weight of each scale, together 1, from the features of the cell of each at a place: a
/// softmax of their scores.
pub(super) fn of_scales(features: &[&Features]) -> Vec<f32> {
    let mut weights: Vec<f32> = (0..features.len()).map(|scale| score(features, scale)).collect();
    let highest = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for weight in &mut weights {
        let share = (*weight - highest).exp();
        *weight = if share >= MIN_SHARE { share } else { 0.0 };
    }
    let sum: f32 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

fn score(features: &[&Features], scale: usize) -> f32 {
    let at = |step: isize| features.get(scale.checked_add_signed(step)?);
    let by_features = BY_FEATURES.iter().filter_map(|(step, factors)| {
        let products = factors.iter().zip(at(*step)?.iter()).map(|(factor, value)| factor * value);
        Some(products.sum::<f32>())
    });
    let by_presence = BY_PRESENCE.iter().filter(|(step, _)| at(*step).is_some());
    by_features.sum::<f32>() + by_presence.map(|(_, factor)| factor).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cell whose best class has a probability, surroundings that are as sure, and more evidence
    /// than they have.
    fn cell(probability: f32, around: f32, evidence: f32) -> Features {
        let mut features = [0.0; FEATURES];
        features[0] = probability;
        features[1..6].fill(around);
        features[6..11].fill(evidence);
        features[11] = probability;
        features
    }

    #[test]
    fn weights_are_shares() {
        for count in 1..12 {
            let cells: Vec<Features> =
                (0..count).map(|at| cell(0.1 * at as f32, 0.3, at as f32)).collect();
            let weights = of_scales(&cells.iter().collect::<Vec<_>>());
            assert_eq!(weights.len(), count);
            assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{weights:?}");
            assert!(weights.iter().all(|&weight| weight >= 0.0), "{weights:?}");
        }
    }

    #[test]
    fn scales_that_are_sure_where_their_surroundings_are_not_count_more() {
        let (texture, thing) = (cell(0.5, 0.5, 0.0), cell(0.9, 0.2, 3.0));
        let weights = of_scales(&[&texture, &texture, &thing, &thing, &thing, &texture, &texture]);
        // The scale after them is next to what they show, and counts too.
        assert!(weights[2..6].iter().sum::<f32>() > 0.75, "{weights:?}");
    }
}
