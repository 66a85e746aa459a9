//! Class scores: probabilities and logits from the values of a network's outputs.

use lorgnette_net::import::Signature;
use lorgnette_net::scores::softmax;

use crate::error::{Error, Result};

/// The outputs that scores are read from: the logits, and the probabilities if the graph has them.
pub(crate) fn score_names(signature: &Signature) -> Vec<&str> {
    let Signature { logits, probabilities, .. } = signature;
    match probabilities {
        Some(probabilities) if probabilities == logits => vec![logits],
        Some(probabilities) => vec![logits, probabilities],
        None => vec![logits],
    }
}

/// Checks the values of an output. Every answer comes from values that were checked here.
///
/// A logit may be negative infinity, the logarithm of a probability of 0, if others are not.
///
/// # Errors
/// [`Error::NotFinite`].
pub(crate) fn check_finite(
    model: &str,
    output: &str,
    values: &[f32],
    is_logits: bool,
) -> Result<()> {
    let mut all = values.iter();
    let is_valid = match is_logits {
        false => all.all(|value| value.is_finite()),
        true => {
            all.all(|&value| value < f32::INFINITY)
                && (values.is_empty() || values.iter().any(|value| value.is_finite()))
        }
    };
    if is_valid {
        return Ok(());
    }
    Err(Error::NotFinite { model: model.into(), output: output.into() })
}

/// Probability and logit of each class.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClassScores {
    pub(crate) probabilities: Vec<f32>,
    /// The scores before softmax; the logarithms of the probabilities where the graph has no such
    /// scores for the same classes.
    pub(crate) logits: Vec<f32>,
}

impl ClassScores {
    /// Reads the values of [`score_names`].
    ///
    /// One score for two classes is the probability of the second, or its logit. Values that are
    /// probabilities are taken as they are, even if the graph does not show how it made them.
    pub(crate) fn new(signature: &Signature, values: &[&[f32]], classes: usize) -> Self {
        let (first, last) = (values[0], values[values.len() - 1]);
        let scores = match &signature.probabilities {
            Some(_) => Self::from_probabilities(last, Some(first).filter(|_| values.len() > 1)),
            None if first.len() == 1 => {
                let probability = 1.0 / (1.0 + (-f64::from(first[0])).exp());
                Self { probabilities: vec![probability as f32], logits: first.to_vec() }
            }
            None if is_distribution(first) => Self::from_probabilities(first, None),
            None => Self { probabilities: softmax(first), logits: first.to_vec() },
        };
        if classes == 2 { scores.of_two_classes() } else { scores }
    }

    fn from_probabilities(probabilities: &[f32], logits: Option<&[f32]>) -> Self {
        let logits = logits.filter(|logits| logits.len() == probabilities.len());
        let logits = logits.map_or_else(
            || probabilities.iter().map(|probability| probability.ln()).collect(),
            <[f32]>::to_vec,
        );
        Self { probabilities: probabilities.to_vec(), logits }
    }

    fn of_two_classes(self) -> Self {
        match (self.probabilities.as_slice(), self.logits.as_slice()) {
            (&[probability], &[logit]) => Self {
                probabilities: vec![1.0 - probability, probability],
                logits: vec![0.0, logit],
            },
            _ => self,
        }
    }
}

/// True for two or more values from 0 to 1 with the sum 1.
fn is_distribution(values: &[f32]) -> bool {
    /// The sum of a thousand probabilities in float16 is this far off.
    const TOLERANCE: f64 = 2e-3;
    let sum: f64 = values.iter().map(|&value| f64::from(value)).sum();
    values.len() > 1
        && values.iter().all(|value| (0.0..=1.0).contains(value))
        && (sum - 1.0).abs() <= TOLERANCE
}

#[cfg(test)]
mod tests {
    use lorgnette_net::DType;
    use lorgnette_net::import::InputCandidate;

    use super::*;

    fn signature(probabilities: Option<&str>) -> Signature {
        let input = InputCandidate {
            name: "input".into(),
            dtype: DType::F32,
            shape: None,
            takes_decoded_image: false,
            quantization: None,
        };
        Signature {
            input,
            logits: "logits".into(),
            probabilities: probabilities.map(str::to_owned),
            features: None,
            chooses_class: false,
            bounded_by: None,
        }
    }

    #[test]
    fn probabilities_are_not_softmaxed_again() {
        let probabilities = [0.9, 0.06, 0.04];
        let known = signature(Some("probabilities"));
        assert_eq!(score_names(&known), ["logits", "probabilities"]);
        let scores = ClassScores::new(&known, &[&[3.0, 0.3, 0.0], &probabilities], 3);
        assert_eq!((&scores.probabilities[..], scores.logits[0]), (&probabilities[..], 3.0));
        // Another number of classes than scores before the softmax.
        let scores = ClassScores::new(&known, &[&[3.0, 0.3, 0.0, 1.0], &probabilities], 3);
        assert_eq!(scores.logits[0], 0.9f32.ln());
        // Probabilities of unknown origin.
        let scores = ClassScores::new(&signature(None), &[&probabilities], 3);
        assert_eq!(scores.probabilities, probabilities);
        let logits = ClassScores::new(&signature(None), &[&[0.9, 0.06, 0.05]], 3);
        assert!(logits.probabilities[0] < 0.6);
        assert_eq!(score_names(&signature(Some("logits"))), ["logits"]);
    }

    #[test]
    fn values_that_are_not_finite_are_no_answers() {
        let check = |values: &[f32], is_logits| check_finite("m", "o", values, is_logits).is_ok();
        let infinity = f32::INFINITY;
        for values in [&[1.0, f32::NAN][..], &[infinity, 0.0], &[-infinity, -infinity]] {
            assert!(!check(values, true) && !check(values, false), "{values:?}");
        }
        assert!(check(&[-infinity, 0.0], true) && !check(&[-infinity, 0.0], false));
        assert!(check(&[], true) && check(&[1.0, -2.0], false));
    }

    #[test]
    fn one_score_is_that_of_the_second_of_two_classes() {
        let sigmoid = signature(Some("sigmoid"));
        let scores = ClassScores::new(&sigmoid, &[&[2.0], &[0.875]], 2);
        assert_eq!(scores.probabilities, [0.125, 0.875]);
        assert_eq!(scores.logits, [0.0, 2.0]);
        assert_eq!(ClassScores::new(&sigmoid, &[&[2.0], &[0.875]], 1).probabilities, [0.875]);
        let logit = ClassScores::new(&signature(None), &[&[0.0]], 2);
        assert_eq!(logit.probabilities, [0.5, 0.5]);
    }
}
