//! What a network says of each cell: a score for every class, or for the best of them where all
//! would be too many.

use crate::error::{Error, Result};

/// The best classes of each cell that are at hand at once, whatever else is kept.
const AT_HAND: usize = 8;
/// The best classes of each cell that are kept where not all can be.
const KEPT: usize = 16;

/// A class and its score before softmax.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scored {
    pub(super) class: u32,
    pub(super) logit: f32,
}

/// The scores of all cells, row by row.
#[derive(Clone, Debug)]
pub(super) struct Scores {
    classes: usize,
    /// How many of each cell's best classes are listed.
    listed: usize,
    /// Each cell's best classes, best first; of equal ones the first.
    best: Vec<Scored>,
    /// The logarithm of the sum of the powers of all scores: what softmax divides by.
    log_sum: Vec<f32>,
    /// All scores, where they are kept.
    all: Option<Vec<f32>>,
}

impl Scores {
    /// Room for the scores of `cells`: for all `classes` if they take no more bytes than `limit`.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub(super) fn new(cells: usize, classes: usize, limit: u64) -> Result<Self> {
        let bytes = cells as u64 * classes as u64 * size_of::<f32>() as u64;
        let keeps_all = bytes <= limit;
        let listed = if keeps_all { AT_HAND } else { KEPT }.min(classes);
        let none = Scored { class: 0, logit: f32::NEG_INFINITY };
        let all = keeps_all.then(|| reserved(cells * classes, 0.0)).transpose()?;
        Ok(Self {
            classes,
            listed,
            best: reserved(cells * listed, none)?,
            log_sum: reserved(cells, 0.0)?,
            all,
        })
    }

    /// Takes a cell's scores, one for each class.
    pub(super) fn set(&mut self, cell: usize, logits: &[f32]) {
        list_best(logits, &mut self.best[cell * self.listed..][..self.listed]);
        self.log_sum[cell] = log_sum(logits);
        if let Some(all) = &mut self.all {
            all[cell * self.classes..][..self.classes].copy_from_slice(logits);
        }
    }

    pub(super) fn classes(&self) -> usize {
        self.classes
    }

    pub(super) fn cells(&self) -> usize {
        self.log_sum.len()
    }

    /// A cell's best classes, best first.
    pub(super) fn best(&self, cell: usize) -> &[Scored] {
        &self.best[cell * self.listed..][..self.listed]
    }

    /// Every score, cell by cell; `None` where only the best were kept.
    pub(super) fn all(&self) -> Option<&[f32]> {
        self.all.as_deref()
    }

    /// A class's score. Where only the best were kept, the others have the least of these.
    pub(super) fn logit(&self, cell: usize, class: usize) -> f32 {
        if let Some(all) = &self.all {
            return all[cell * self.classes + class];
        }
        let best = self.best(cell);
        let kept = best.iter().find(|scored| scored.class as usize == class);
        kept.or(best.last()).map_or(f32::NEG_INFINITY, |scored| scored.logit)
    }

    /// A class's probability; 0 where only the best were kept, and it is none of them.
    pub(super) fn probability(&self, cell: usize, class: usize) -> f32 {
        let is_kept = || self.best(cell).iter().any(|scored| scored.class as usize == class);
        if self.all.is_none() && !is_kept() {
            return 0.0;
        }
        (self.logit(cell, class) - self.log_sum[cell]).exp()
    }

    /// Adds each class's probability, times `weight`.
    pub(super) fn add_probabilities(&self, cell: usize, weight: f32, sums: &mut [f32]) {
        let log_sum = self.log_sum[cell];
        match &self.all {
            Some(all) => {
                let logits = &all[cell * self.classes..][..self.classes];
                sums.iter_mut()
                    .zip(logits)
                    .for_each(|(sum, logit)| *sum += weight * (logit - log_sum).exp());
            }
            None => {
                for scored in self.best(cell) {
                    sums[scored.class as usize] += weight * (scored.logit - log_sum).exp();
                }
            }
        }
    }
}

fn reserved<T: Clone>(len: usize, value: T) -> Result<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(len).map_err(|_| {
        let needed = (len * size_of::<T>()) as u64;
        Error::from(lorgnette_net::Error::Memory {
            what: "the scores of a map".into(),
            needed,
            limit: 0,
        })
    })?;
    values.resize(len, value);
    Ok(values)
}

/// The highest scores, highest first; of equal ones the first class. What is not a number is never
/// among them, unless there are no others.
fn list_best(logits: &[f32], best: &mut [Scored]) {
    best.fill(Scored { class: 0, logit: f32::NEG_INFINITY });
    for (class, &logit) in logits.iter().enumerate() {
        // False for what is not a number, too.
        if logit > best[best.len() - 1].logit {
            let at = best.partition_point(|scored| scored.logit >= logit);
            best[at..].rotate_right(1);
            best[at] = Scored { class: class as u32, logit };
        }
    }
}

fn log_sum(logits: &[f32]) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
    (f64::from(largest) + sum.ln()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(limit: u64) -> Scores {
        let mut scores = Scores::new(2, 40, limit).unwrap();
        let logits: Vec<f32> = (0..40u32).map(|class| (class * 17 % 40) as f32 / 4.0).collect();
        scores.set(0, &logits);
        scores.set(1, &[1.0; 40]);
        scores
    }

    #[test]
    fn the_best_come_first_and_equal_ones_in_their_order() {
        let scores = scores(u64::MAX);
        let classes = |cell: usize| {
            scores.best(cell).iter().map(|scored| scored.class as usize).collect::<Vec<_>>()
        };
        let place = |value: usize| (0..40).find(|class| class * 17 % 40 == value).unwrap();
        assert_eq!(classes(0), (32..40).rev().map(place).collect::<Vec<_>>());
        assert_eq!(classes(1), (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn probabilities_are_those_of_softmax() {
        let scores = scores(u64::MAX);
        let sum: f32 = (0..40).map(|class| scores.probability(0, class)).sum();
        assert!((sum - 1.0).abs() < 1e-5 && (scores.probability(1, 7) - 1.0 / 40.0).abs() < 1e-7);
        let mut sums = vec![0.0; 40];
        scores.add_probabilities(0, 0.5, &mut sums);
        assert!((sums[3] - 0.5 * scores.probability(0, 3)).abs() < 1e-7);
    }

    #[test]
    fn where_not_all_fit_the_best_are_the_same() {
        let (whole, short) = (scores(u64::MAX), scores(0));
        assert!(short.all().is_none());
        assert_eq!(whole.best(0), &short.best(0)[..whole.best(0).len()]);
        let best = whole.best(0)[0].class as usize;
        assert_eq!(whole.probability(0, best), short.probability(0, best));
        let worst = (0..40).find(|class| class * 17 % 40 == 0).unwrap();
        assert_eq!(short.probability(0, worst), 0.0);
        assert!(short.logit(0, worst) >= whole.logit(0, worst));
    }

    #[test]
    fn what_is_no_number_is_not_the_best() {
        let mut scores = Scores::new(1, 3, u64::MAX).unwrap();
        scores.set(0, &[f32::NAN, 1.0, 2.0]);
        assert_eq!(scores.best(0)[0].class, 2);
    }
}
