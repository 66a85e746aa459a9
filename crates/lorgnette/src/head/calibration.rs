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

impl Calibration {
    /// Fits temperature and threshold to scores, a row of `classes` for each of `truth`.
    /// `rejected_share` is the share of correct predictions that may be rejected, from 0 to 1.
    #[must_use]
    pub fn fit(
        scores: &[f32],
        truth: &[Vec<usize>],
        classes: usize,
        answer: OutputKind,
        rejected_share: f64,
    ) -> Self {
        let temperature = temperature(scores, truth, classes, answer);
        Self::for_temperature(temperature, scores, truth, classes, (answer, rejected_share))
    }

    /// As [`fit`](Self::fit), with a given temperature; 1 leaves scores as they are.
    #[must_use]
    pub fn for_temperature(
        temperature: f64,
        scores: &[f32],
        truth: &[Vec<usize>],
        classes: usize,
        (answer, rejected_share): (OutputKind, f64),
    ) -> Self {
        let loss = |temperature: f64| mean_loss(scores, truth, classes, answer, temperature);
        let rejection_threshold =
            threshold(scores, truth, classes, answer, temperature, rejected_share);
        Self {
            temperature,
            loss_before: loss(1.0),
            loss_after: loss(temperature),
            rejection_threshold,
        }
    }
}

fn at(scores: &[f32], answer: OutputKind, temperature: f64) -> Vec<f32> {
    let with_temperature: Vec<f32> =
        scores.iter().map(|&z| (f64::from(z) / temperature) as f32).collect();
    probabilities(&with_temperature, answer)
}

/// Returns the cross entropy of each example, in nats; with several labels, the mean over classes.
pub(super) fn losses(
    scores: &[f32],
    truth: &[Vec<usize>],
    classes: usize,
    answer: OutputKind,
    temperature: f64,
) -> Vec<f64> {
    const MIN_EXAMPLES: f64 = 1e-12;
    let log = |p: f64| -p.max(MIN_EXAMPLES).ln();
    let of_one = |(scores, truth): (&[f32], &Vec<usize>)| -> f64 {
        let found = at(scores, answer, temperature);
        match answer {
            OutputKind::Softmax => {
                truth.iter().map(|&class| log(f64::from(found[class]))).sum::<f64>()
                    / truth.len() as f64
            }
            OutputKind::Sigmoid => {
                let one = |(class, &p): (usize, &f32)| {
                    let p = f64::from(p);
                    log(if truth.contains(&class) { p } else { 1.0 - p })
                };
                found.iter().enumerate().map(one).sum::<f64>() / classes as f64
            }
        }
    };
    scores.chunks_exact(classes).zip(truth).map(of_one).collect()
}

fn mean_loss(
    scores: &[f32],
    truth: &[Vec<usize>],
    classes: usize,
    answer: OutputKind,
    temperature: f64,
) -> f64 {
    losses(scores, truth, classes, answer, temperature).iter().sum::<f64>()
        / truth.len().max(1) as f64
}

/// Returns the temperature with the lowest loss; 1 with too few examples.
pub(super) fn temperature(
    scores: &[f32],
    truth: &[Vec<usize>],
    classes: usize,
    answer: OutputKind,
) -> f64 {
    match truth.len() < MIN_EXAMPLES {
        true => 1.0,
        false => {
            best_temperature(|temperature| mean_loss(scores, truth, classes, answer, temperature))
        }
    }
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

/// Returns the confidence that all but a share of the correct predictions reach.
fn threshold(
    scores: &[f32],
    truth: &[Vec<usize>],
    classes: usize,
    answer: OutputKind,
    temperature: f64,
    rejected_share: f64,
) -> Option<f32> {
    let mut right: Vec<f32> = Vec::new();
    for (scores, truth) in scores.chunks_exact(classes).zip(truth) {
        let found = at(scores, answer, temperature);
        let best = (0..classes)
            .fold(0, |best, class| if found[class] > found[best] { class } else { best });
        if truth.contains(&best) {
            right.push(found[best]);
        }
    }
    right.sort_by(f32::total_cmp);
    (right.len() >= MIN_CORRECT)
        .then(|| right[((right.len() as f64 * rejected_share) as usize).min(right.len() - 1)])
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let found = Calibration::fit(&scores, &truth, 2, OutputKind::Softmax, 0.05);
        assert!((found.temperature - 2.0).abs() < 0.1, "{found:?}");
        assert!(found.loss_after < found.loss_before);
        let threshold = found.rejection_threshold.unwrap();
        assert!((0.5..0.7).contains(&threshold), "{threshold}");
    }

    #[test]
    fn few_photos_say_nothing() {
        let found = Calibration::fit(&[1.0, 0.0], &[vec![0]], 2, OutputKind::Softmax, 0.05);
        assert_eq!((found.temperature, found.rejection_threshold), (1.0, None));
    }
}
