//! A labelled photo with predicted probabilities.

use std::path::PathBuf;

/// Probability from which a label is predicted in multi-label models.
const LABEL_THRESHOLD: f32 = 0.5;

/// A photo, its true classes and its predicted probabilities.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredPhoto {
    /// The photo's file.
    pub photo: PathBuf,
    /// Its true classes, as indices into the probabilities: one, or several where photos have
    /// several labels.
    pub truth: Vec<usize>,
    /// Probability of each class, from 0 to 1. Their sum is 1 except in multi-label models.
    pub probabilities: Vec<f32>,
}

impl ScoredPhoto {
    /// Returns the most probable class, the first of equals.
    ///
    /// # Panics
    /// If there are no classes.
    #[must_use]
    pub fn predicted_class(&self) -> usize {
        let better =
            |best: usize, class: usize| if self.rank_before(class, best) { class } else { best };
        (1..self.probabilities.len()).fold(0, better)
    }

    /// The probability of the most probable class; 0 for NaN.
    #[must_use]
    pub fn confidence(&self) -> f32 {
        self.probability(self.predicted_class())
    }

    /// The probability of a class; 0 for NaN.
    #[must_use]
    pub fn probability(&self, class: usize) -> f32 {
        self.probabilities
            .get(class)
            .copied()
            .filter(|probability| !probability.is_nan())
            .unwrap_or(0.0)
    }

    /// Whether the most probable class is a true class.
    #[must_use]
    pub fn is_correct(&self) -> bool {
        self.truth.contains(&self.predicted_class())
    }

    /// Returns the number of classes before the first true one: 0 if the prediction is correct.
    #[must_use]
    pub fn rank(&self) -> usize {
        let before = |truth: &usize| {
            (0..self.probabilities.len()).filter(|&class| self.rank_before(class, *truth)).count()
        };
        self.truth.iter().map(before).min().unwrap_or(self.probabilities.len())
    }

    /// Returns the predicted labels of a multi-label model: classes with a probability of at least
    /// 0.5.
    pub(crate) fn predicted(&self) -> impl Iterator<Item = usize> {
        (0..self.probabilities.len()).filter(|&class| self.probability(class) >= LABEL_THRESHOLD)
    }

    fn rank_before(&self, class: usize, second: usize) -> bool {
        let (a, b) = (self.probability(class), self.probability(second));
        a > b || (a == b && class < second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(truth: &[usize], probabilities: &[f32]) -> ScoredPhoto {
        ScoredPhoto {
            photo: "a.jpg".into(),
            truth: truth.into(),
            probabilities: probabilities.into(),
        }
    }

    #[test]
    fn the_first_of_equals_is_the_guess() {
        assert_eq!(scored(&[0], &[0.2, 0.4, 0.4]).predicted_class(), 1);
        assert_eq!(scored(&[0], &[f32::NAN, 0.0, 0.1]).predicted_class(), 2);
        assert_eq!(scored(&[0], &[f32::NAN]).confidence(), 0.0);
    }

    #[test]
    fn the_rank_is_that_of_the_best_true_class() {
        assert_eq!(scored(&[0], &[0.2, 0.5, 0.3]).rank(), 2);
        assert_eq!(scored(&[0, 2], &[0.2, 0.5, 0.3]).rank(), 1);
        assert_eq!(scored(&[1], &[0.5, 0.5]).rank(), 1);
    }
}
