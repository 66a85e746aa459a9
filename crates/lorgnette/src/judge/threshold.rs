//! What a model is worth that may say "I do not know".

use super::{Scored, Share};

/// What is left if a model answers only where its most probable class is probable enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answered {
    /// The least probability it answers with.
    pub at_least: f32,
    /// The photos it answers for, of all.
    pub answered: Share,
    /// The photos it is right about, of those.
    pub right: Share,
}

impl Answered {
    /// Counts the photos that a model answers for if it does only with a probability of at least so
    /// much.
    #[must_use]
    pub fn at_least(probability: f32, scored: &[Scored]) -> Self {
        let is_answered = |said: &Scored| said.confidence() >= probability;
        Self {
            at_least: probability,
            answered: Share::of(scored.iter().map(is_answered)),
            right: Share::of(scored.iter().filter(|said| is_answered(said)).map(Scored::is_right)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_unsure_does_not_count() {
        let said = |truth: usize, sure: f32| Scored {
            photo: "a".into(),
            truth: vec![truth],
            probabilities: vec![sure, 1.0 - sure],
        };
        let scored = [said(0, 0.9), said(1, 0.6), said(1, 0.8)];
        let found = Answered::at_least(0.8, &scored);
        assert_eq!(
            (found.answered, found.right),
            (Share { right: 2, of: 3 }, Share { right: 1, of: 2 })
        );
    }
}
