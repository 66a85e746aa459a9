//! Probabilities from scores, and the best few of them.

/// A score and its position among all of them, which for class scores is the class.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ranked {
    /// The position of the score.
    pub index: usize,
    /// The score.
    pub score: f32,
}

/// Returns `exp(x) / sum(exp(x))` for each logit, computed in f64 after the maximum is subtracted,
/// so that no power overflows.
#[must_use]
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|&logit| f64::from(logit - max).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| (power / sum) as f32).collect()
}

/// Returns the `k` highest scores, or all if there are fewer, highest first. Equal scores come in
/// the order of their positions; NaN ranks with negative infinity.
#[must_use]
pub fn top_k(scores: &[f32], k: usize) -> Vec<Ranked> {
    let mut best = vec![Ranked::default(); k.min(scores.len())];
    top_k_into(scores, &mut best);
    best
}

/// Writes the highest scores, as [`top_k`] orders them, to `best`. Allocates nothing.
///
/// # Panics
/// If `best` is longer than `scores`.
pub fn top_k_into(scores: &[f32], best: &mut [Ranked]) {
    rank_into(scores, best, |a, b| without_nan(scores[a]) > without_nan(scores[b]));
}

/// Writes the highest scores by `is_above`, which compares two positions, to `best`; those of which
/// neither is above come in the order of their positions. Allocates nothing.
fn rank_into(scores: &[f32], best: &mut [Ranked], is_above: impl Fn(usize, usize) -> bool) {
    assert!(best.len() <= scores.len(), "{} of {} scores", best.len(), scores.len());
    let mut filled = 0;
    for (index, &score) in scores.iter().enumerate() {
        if filled == best.len() {
            if !best.last().is_some_and(|last| is_above(index, last.index)) {
                continue;
            }
        } else {
            filled += 1;
        }
        let rank = best[..filled - 1].partition_point(|ranked| !is_above(index, ranked.index));
        best[rank..filled].rotate_right(1);
        best[rank] = Ranked { index, score };
    }
}

/// Returns the `k` highest scores as [`top_k`] does, but equal ones in the order of other scores of
/// the same classes. Probabilities of 8 bits are often equal where the scores before them are not.
///
/// # Panics
/// If there are not as many of both.
#[must_use]
pub fn top_k_with_ties(scores: &[f32], ties: &[f32], k: usize) -> Vec<Ranked> {
    assert_eq!(scores.len(), ties.len(), "scores of the same classes");
    let is_above = |a: usize, b: usize| {
        let pair = |values: &[f32]| (without_nan(values[a]), without_nan(values[b]));
        let ((score, other), (tie, other_tie)) = (pair(scores), pair(ties));
        score > other || score == other && tie > other_tie
    };
    let mut best = vec![Ranked::default(); k.min(scores.len())];
    rank_into(scores, &mut best, is_above);
    best
}

fn without_nan(score: f32) -> f32 {
    if score.is_nan() { f32::NEG_INFINITY } else { score }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(scores: &[f32], k: usize) -> Vec<usize> {
        top_k(scores, k).iter().map(|ranked| ranked.index).collect()
    }

    #[test]
    fn the_highest_come_first_and_equal_ones_by_position() {
        let scores = [0.5, 2.0, 1.0, 2.0, -1.0];
        assert_eq!(indices(&scores, 3), [1, 3, 2]);
        assert_eq!(indices(&scores, 9), [1, 3, 2, 0, 4]);
        assert!(indices(&scores, 0).is_empty());
        assert!(indices(&[], 3).is_empty());
    }

    #[test]
    fn equal_scores_are_in_the_order_of_others() {
        let order = |scores: &[f32], ties: &[f32], k: usize| -> Vec<usize> {
            top_k_with_ties(scores, ties, k).iter().map(|ranked| ranked.index).collect()
        };
        let scores = [0.0, 0.5, 0.0, -0.0, 0.5, f32::NAN];
        let ties = [1.0, 2.0, 3.0, 2.0, 2.0, 9.0];
        assert_eq!(order(&scores, &ties, 9), [1, 4, 2, 3, 0, 5]);
        assert_eq!(order(&scores, &ties, 3), [1, 4, 2]);
        let scores: Vec<f32> = (0..500u32).map(|i| (i * 7919 % 83) as f32).collect();
        for k in [0, 1, 5, 100, 500] {
            let same = top_k_with_ties(&scores, &vec![0.0; 500], k);
            assert_eq!(same, top_k(&scores, k));
        }
    }

    #[test]
    fn nan_is_never_above_a_number() {
        assert_eq!(indices(&[f32::NAN, 1.0, f32::NAN, 2.0], 3), [3, 1, 0]);
    }

    #[test]
    fn the_first_few_are_those_of_a_sort() {
        let scores: Vec<f32> = (0..500u32).map(|i| (i * 7919 % 83) as f32).collect();
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        for k in [1, 5, 100, 500] {
            assert_eq!(indices(&scores, k), order[..k]);
        }
    }

    #[test]
    fn probabilities_sum_to_one_however_large_the_logits() {
        let probabilities = softmax(&[1000.0, 1001.0, -1e30]);
        assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!((probabilities[1] / probabilities[0] - std::f32::consts::E).abs() < 1e-5);
    }
}
