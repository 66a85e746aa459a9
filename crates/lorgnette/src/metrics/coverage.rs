//! Selective prediction: coverage and accuracy at a confidence threshold.

use super::{Proportion, ScoredPhoto};

/// Coverage and accuracy at a confidence threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    /// Threshold of the largest probability.
    pub at_least: f32,
    /// Photos at or above the threshold.
    pub answered: Proportion,
    /// Correct predictions among these.
    pub correct: Proportion,
}

impl Coverage {
    /// Counts photos at a threshold.
    #[must_use]
    pub fn at_least(probability: f32, scored: &[ScoredPhoto]) -> Self {
        let is_answered = |predicted: &ScoredPhoto| predicted.confidence() >= probability;
        Self {
            at_least: probability,
            answered: Proportion::total(scored.iter().map(is_answered)),
            correct: Proportion::total(
                scored
                    .iter()
                    .filter(|predicted| is_answered(predicted))
                    .map(ScoredPhoto::is_correct),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_unsure_does_not_count() {
        let predicted = |truth: usize, sure: f32| ScoredPhoto {
            photo: "a".into(),
            truth: vec![truth],
            probabilities: vec![sure, 1.0 - sure],
        };
        let scored = [predicted(0, 0.9), predicted(1, 0.6), predicted(1, 0.8)];
        let found = Coverage::at_least(0.8, &scored);
        assert_eq!(
            (found.answered, found.correct),
            (Proportion { correct: 2, total: 3 }, Proportion { correct: 1, total: 2 })
        );
    }
}
