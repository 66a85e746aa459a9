//! Calibration of probabilities, and rejection of photos of no known class.

use lorgnette_net::head::OutputKind;
use serde::{Deserialize, Serialize};

use super::layers::probabilities;

/// Calibration of a head on validation photos.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Temperature: the divisor of scores with which probabilities match the accuracy (Guo and
    /// others 2017, "On calibration of modern neural networks").
    pub temperature: f64,
    /// Mean cross entropy of validation photos before the division, in nats.
    pub loss_before: f64,
    /// Mean cross entropy after the division, in nats.
    pub loss_after: f64,
    /// Threshold of the largest probability, below which a photo is rejected as of no known class.
    /// `None` with too few correct validation predictions.
    #[serde(rename = "unknown_below")]
    pub rejection_threshold: Option<f32>,
}

/// Minimum number of validation photos for a temperature.
const MIN_EXAMPLES: usize = 100;
/// Minimum number of correct predictions for a threshold.
const MIN_CORRECT: usize = 20;
/// Range of temperatures.
const MIN_TEMPERATURE: f64 = 0.05;
const MAX_TEMPERATURE: f64 = 20.0;
/// Least probability of a loss: an impossible answer costs 28 nats.
const MIN_PROBABILITY: f64 = 1e-12;

/// Scores of examples whose classes are known.
#[derive(Clone, Copy, Debug)]
pub struct ScoredExamples<'a> {
    /// Scores, `[examples][classes]`.
    pub scores: &'a [f32],
    /// The classes of each example.
    pub truth: &'a [Vec<usize>],
    /// Number of classes.
    pub classes: usize,
    /// How scores become probabilities.
    pub answer: OutputKind,
}

impl Calibration {
    /// Fits temperature and threshold. `rejected_share` is the share of correct predictions that
    /// may be rejected, from 0 to 1.
    #[must_use]
    pub fn fit(examples: ScoredExamples<'_>, rejected_share: f64) -> Self {
        Self::for_temperature(examples, examples.temperature(), rejected_share)
    }

    /// As [`fit`](Self::fit), with a given temperature; 1 leaves scores as they are.
    #[must_use]
    pub fn for_temperature(
        examples: ScoredExamples<'_>,
        temperature: f64,
        rejected_share: f64,
    ) -> Self {
        Self {
            temperature,
            loss_before: examples.mean_loss(1.0),
            loss_after: examples.mean_loss(temperature),
            rejection_threshold: examples.threshold(temperature, rejected_share),
        }
    }
}

impl ScoredExamples<'_> {
    /// Returns the cross entropy of each example, in nats; with several labels, the mean over
    /// classes.
    pub(super) fn losses(&self, temperature: f64) -> Vec<f64> {
        let rows = self.scores.chunks_exact(self.classes);
        rows.zip(self.truth).map(|(scores, truth)| self.loss(scores, truth, temperature)).collect()
    }

    fn loss(&self, scores: &[f32], truth: &[usize], temperature: f64) -> f64 {
        let found = at(scores, self.answer, temperature);
        match self.answer {
            OutputKind::Softmax => {
                let sum: f64 = truth.iter().map(|&class| log_loss(f64::from(found[class]))).sum();
                sum / truth.len() as f64
            }
            OutputKind::Sigmoid => {
                let of_class = |(class, &p): (usize, &f32)| {
                    let p = f64::from(p);
                    log_loss(if truth.contains(&class) { p } else { 1.0 - p })
                };
                found.iter().enumerate().map(of_class).sum::<f64>() / self.classes as f64
            }
        }
    }

    fn mean_loss(&self, temperature: f64) -> f64 {
        self.losses(temperature).iter().sum::<f64>() / self.truth.len().max(1) as f64
    }

    /// Returns the temperature with the lowest loss; 1 with too few examples.
    pub(super) fn temperature(&self) -> f64 {
        match self.truth.len() < MIN_EXAMPLES {
            true => 1.0,
            false => best_temperature(|temperature| self.mean_loss(temperature)),
        }
    }

    /// Returns the confidence that all but a share of the correct predictions reach.
    fn threshold(&self, temperature: f64, rejected_share: f64) -> Option<f32> {
        let mut right: Vec<f32> = Vec::new();
        for (scores, truth) in self.scores.chunks_exact(self.classes).zip(self.truth) {
            let found = at(scores, self.answer, temperature);
            let best = (0..self.classes)
                .fold(0, |best, class| if found[class] > found[best] { class } else { best });
            if truth.contains(&best) {
                right.push(found[best]);
            }
        }
        right.sort_by(f32::total_cmp);
        let rejected = (right.len() as f64 * rejected_share) as usize;
        (right.len() >= MIN_CORRECT).then(|| right[rejected.min(right.len() - 1)])
    }
}

fn at(scores: &[f32], answer: OutputKind, temperature: f64) -> Vec<f32> {
    let with_temperature: Vec<f32> =
        scores.iter().map(|&z| (f64::from(z) / temperature) as f32).collect();
    probabilities(&with_temperature, answer)
}

fn log_loss(probability: f64) -> f64 {
    -probability.max(MIN_PROBABILITY).ln()
}

/// Minimises the loss by golden-section search over the logarithm of the temperature.
fn best_temperature(loss: impl Fn(f64) -> f64) -> f64 {
    // Four digits.
    const SECTIONS: usize = 26;
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let at = |point: f64| (point, loss(point.exp()));
    let (mut low, mut high) = (MIN_TEMPERATURE.ln(), MAX_TEMPERATURE.ln());
    let (mut left, mut right) = (at(high - golden * (high - low)), at(low + golden * (high - low)));
    for _ in 0..SECTIONS {
        // One of the two inner points is reused.
        if left.1 < right.1 {
            (high, right) = (right.0, left);
            left = at(high - golden * (high - low));
        } else {
            (low, left) = (left.0, right);
            right = at(low + golden * (high - low));
        }
    }
    ((low + high) / 2.0).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(scores: &[f32], truth: &[Vec<usize>]) -> Calibration {
        let answer = OutputKind::Softmax;
        Calibration::fit(ScoredExamples { scores, truth, classes: 2, answer }, 0.05)
    }

    /// Photos that are right as often as a temperature of 2 says.
    #[test]
    fn the_temperature_that_was_used_is_found() {
        let (mut scores, mut truth) = (Vec::new(), Vec::new());
        for i in 0..4000 {
            let gap = (i % 40) as f32 / 4.0;
            let right = 1.0 / (1.0 + (-gap / 2.0).exp());
            scores.extend([gap, 0.0]);
            truth.push(vec![usize::from((i / 40) as f32 / 100.0 >= right)]);
        }
        let found = fit(&scores, &truth);
        assert!((found.temperature - 2.0).abs() < 0.1, "{found:?}");
        assert!(found.loss_after < found.loss_before);
        let threshold = found.rejection_threshold.unwrap();
        assert!((0.5..0.7).contains(&threshold), "{threshold}");
    }

    #[test]
    fn few_photos_say_nothing() {
        let found = fit(&[1.0, 0.0], &[vec![0]]);
        assert_eq!((found.temperature, found.rejection_threshold), (1.0, None));
    }
}
