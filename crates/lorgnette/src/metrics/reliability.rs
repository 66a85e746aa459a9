//! Reliability diagram: of predictions with a probability of 0.8, 80 % should be correct.

use super::{Proportion, ScoredPhoto};

/// As many bins as in Guo et al., "On calibration of modern neural networks" (2017), figures 1 and
/// 4, have at most; fewer where there are few photos.
const MAX_BINS: usize = 15;
/// Number of photos for each bin.
const PHOTOS_PER_BIN: usize = 20;
const MIN_BINS: usize = 5;

/// Photos by the probability of their most probable class.
#[derive(Clone, Debug, PartialEq)]
pub struct Reliability {
    /// Equally wide, from 0 to 1.
    pub bins: Vec<Bin>,
}

/// Photos with a confidence in a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Lower bound, exclusive (inclusive at 0).
    pub from: f64,
    /// Upper bound, inclusive.
    pub to: f64,
    /// Correct predictions.
    pub correct: Proportion,
    /// Mean confidence; NaN without photos.
    pub confidence: f64,
}

impl Reliability {
    pub(crate) fn new(scored: &[ScoredPhoto]) -> Self {
        let count = (scored.len() / PHOTOS_PER_BIN).clamp(MIN_BINS, MAX_BINS);
        let bin = |index: usize| {
            let (from, to) = (index as f64 / count as f64, (index + 1) as f64 / count as f64);
            let inside = |predicted: &&ScoredPhoto| place(predicted.confidence(), count) == index;
            let correct =
                Proportion::total(scored.iter().filter(inside).map(ScoredPhoto::is_correct));
            let sum: f64 = scored
                .iter()
                .filter(inside)
                .map(|predicted| f64::from(predicted.confidence()))
                .sum();
            Bin { from, to, correct, confidence: sum / correct.total as f64 }
        };
        Self { bins: (0..count).map(bin).collect() }
    }

    /// Expected calibration error: mean absolute difference of accuracy and confidence over photos,
    /// from 0 to 1.
    #[must_use]
    pub fn expected_calibration_error(&self) -> f64 {
        let photos: usize = self.bins.iter().map(|bin| bin.correct.total).sum();
        let gaps = self
            .bins
            .iter()
            .filter(|bin| bin.correct.total > 0)
            .map(|bin| bin.gap().abs() * bin.correct.total as f64);
        gaps.sum::<f64>() / photos as f64
    }
}

impl Bin {
    /// Confidence minus accuracy; positive if overconfident.
    #[must_use]
    pub fn gap(&self) -> f64 {
        self.confidence - self.correct.value()
    }
}

/// Returns the bin of a probability: bin `i` holds those above `i / count`, up to and with `(i + 1)
/// / count`.
fn place(probability: f32, count: usize) -> usize {
    let place = (probability * count as f32).ceil() as usize;
    place.saturating_sub(1).min(count - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predicted(confidence: f32, correct: bool) -> ScoredPhoto {
        let truth = vec![usize::from(!correct)];
        ScoredPhoto { photo: "a".into(), truth, probabilities: vec![confidence, 0.0] }
    }

    #[test]
    fn a_probability_is_in_the_bin_that_ends_with_it() {
        assert_eq!(
            [0.0, 0.2, 0.200_001, 1.0].map(|probability| place(probability, 5)),
            [0, 0, 1, 4]
        );
    }

    #[test]
    fn the_error_is_the_mean_gap() {
        // Ten photos at 0.9, eight right; ten at 0.5, five right: (0.1 · 10 + 0 · 10) / 20.
        let scored: Vec<ScoredPhoto> =
            (0..10).flat_map(|i| [predicted(0.9, i < 8), predicted(0.5, i < 5)]).collect();
        let reliability = Reliability::new(&scored);
        assert!((reliability.expected_calibration_error() - 0.05).abs() < 1e-6);
        assert_eq!(reliability.bins.len(), MIN_BINS);
        assert_eq!(
            reliability.bins.iter().map(|bin| bin.correct.total).collect::<Vec<_>>(),
            [0, 0, 10, 0, 10]
        );
    }
}
