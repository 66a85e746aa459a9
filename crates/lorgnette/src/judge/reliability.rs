//! Whether a probability means what it says: of photos said to be something with a probability of
//! 0.8, eight in ten should be.

use super::{Scored, Share};

/// As many bins as in Guo et al., "On calibration of modern neural networks" (2017), figures 1 and
/// 4, have at most; fewer where there are few photos.
const BINS: usize = 15;
/// Fewer photos than this a bin say little.
const PHOTOS_A_BIN: usize = 20;
const FEWEST_BINS: usize = 5;

/// Photos by the probability of their most probable class.
#[derive(Clone, Debug, PartialEq)]
pub struct Reliability {
    /// Equally wide, from 0 to 1.
    pub bins: Vec<Bin>,
}

/// The photos whose most probable class is about so probable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// From this probability, which belongs to the bin before it (0 to the first).
    pub from: f64,
    /// To this one, which belongs to the bin.
    pub to: f64,
    /// How many photos are right.
    pub right: Share,
    /// The mean probability of their most probable classes; not a number if there are no photos.
    pub confidence: f64,
}

impl Reliability {
    pub(crate) fn new(scored: &[Scored]) -> Self {
        let count = (scored.len() / PHOTOS_A_BIN).clamp(FEWEST_BINS, BINS);
        let bin = |index: usize| {
            let (from, to) = (index as f64 / count as f64, (index + 1) as f64 / count as f64);
            let inside = |said: &&Scored| place(said.confidence(), count) == index;
            let right = Share::of(scored.iter().filter(inside).map(Scored::is_right));
            let sum: f64 =
                scored.iter().filter(inside).map(|said| f64::from(said.confidence())).sum();
            Bin { from, to, right, confidence: sum / right.of as f64 }
        };
        Self { bins: (0..count).map(bin).collect() }
    }

    /// The expected calibration error: how far accuracy and probability are apart, from 0 to 1, the
    /// mean over photos.
    #[must_use]
    pub fn expected_error(&self) -> f64 {
        let photos: usize = self.bins.iter().map(|bin| bin.right.of).sum();
        let gaps = self
            .bins
            .iter()
            .filter(|bin| bin.right.of > 0)
            .map(|bin| bin.gap().abs() * bin.right.of as f64);
        gaps.sum::<f64>() / photos as f64
    }
}

impl Bin {
    /// How much more probable the model says it is than it is; negative if it is too modest.
    #[must_use]
    pub fn gap(&self) -> f64 {
        self.confidence - self.right.value()
    }
}

/// The bin of a probability: bin `i` holds those above `i / count`, up to and with `(i + 1) /
/// count`.
fn place(probability: f32, count: usize) -> usize {
    let place = (probability * count as f32).ceil() as usize;
    place.saturating_sub(1).min(count - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(confidence: f32, right: bool) -> Scored {
        let truth = vec![usize::from(!right)];
        Scored { photo: "a".into(), truth, probabilities: vec![confidence, 0.0] }
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
        let scored: Vec<Scored> =
            (0..10).flat_map(|i| [said(0.9, i < 8), said(0.5, i < 5)]).collect();
        let reliability = Reliability::new(&scored);
        assert!((reliability.expected_error() - 0.05).abs() < 1e-6);
        assert_eq!(reliability.bins.len(), FEWEST_BINS);
        assert_eq!(
            reliability.bins.iter().map(|bin| bin.right.of).collect::<Vec<_>>(),
            [0, 0, 10, 0, 10]
        );
    }
}
