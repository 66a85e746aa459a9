//! What a model is worth that may say "I do not know".

use super::{Proportion, ScoredPhoto};

/// What is left if a model answers only where its most probable class is probable enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    /// The least probability it answers with.
    pub at_least: f32,
    /// The photos it answers for, of all.
    pub answered: Proportion,
    /// The photos it is right about, of those.
    pub correct: Proportion,
}

impl Coverage {
    /// Counts the photos that a model answers for if it does only with a probability of at least so
    /// much.
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
