//! Scores of each cell: of every class, or of the best classes where all would take too much
//! memory.

use bytemuck::allocation::try_zeroed_vec;
use lorgnette_kernels::ThreadPool;
use lorgnette_net::scores::{Ranked, top_k_into};

use crate::error::{Error, Result};
use crate::parallel::for_each_part;

/// Number of best classes per cell that are listed when all scores are stored.
const TOP_K_WITH_ALL: usize = 8;
/// Number of best classes per cell that are stored when not all are.
const TOP_K_ALONE: usize = 16;
/// Cells that a thread computes at a time.
pub(super) const BAND_CELLS: usize = 256;

/// A class and its logit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ClassScore {
    pub(super) class: u32,
    pub(super) logit: f32,
}

/// The scores of all cells, row by row.
#[derive(Clone, Debug)]
pub(super) struct Scores {
    classes: usize,
    /// Number of classes listed for each cell.
    k: usize,
    /// Best classes of each cell, best first; ties by index.
    best: Vec<ClassScore>,
    /// Log-sum-exp of each cell's scores, the normaliser of softmax.
    log_sum_exp: Vec<f32>,
    /// All scores, if they are stored.
    all: Option<Vec<f32>>,
}

impl Scores {
    /// Allocates the scores of `cells`: of all `classes` if they take at most `limit` bytes. Until
    /// a cell is set, its probabilities are 0.
    ///
    /// # Errors
    /// If memory is insufficient.
    pub(super) fn new(cells: usize, classes: usize, limit: u64) -> Result<Self> {
        let bytes = cells as u64 * classes as u64 * size_of::<f32>() as u64;
        let stores_all = bytes <= limit;
        let k = if stores_all { TOP_K_WITH_ALL } else { TOP_K_ALONE }.min(classes);
        let none = ClassScore { class: 0, logit: f32::NEG_INFINITY };
        let all = stores_all.then(|| try_zeroed(cells * classes)).transpose()?;
        Ok(Self {
            classes,
            k,
            best: try_filled(cells * k, none)?,
            log_sum_exp: try_filled(cells, f32::INFINITY)?,
            all,
        })
    }

    /// Stores the scores of each cell for which `compute` returns true; it writes one for each
    /// class. The cells are distributed among the threads of `pool`.
    pub(super) fn fill(
        &mut self,
        pool: &ThreadPool,
        compute: impl Fn(usize, &mut [f32]) -> bool + Sync,
    ) {
        let (classes, k) = (self.classes, self.k);
        let mut all = self.all.as_mut().map(|all| all.chunks_mut(BAND_CELLS * classes));
        let bands =
            self.best.chunks_mut(BAND_CELLS * k).zip(self.log_sum_exp.chunks_mut(BAND_CELLS)).map(
                |(best, log_sum_exp)| (best, log_sum_exp, all.as_mut().and_then(Iterator::next)),
            );
        for_each_part(pool, bands, |band, (best, log_sum_exps, all)| {
            let mut logits = vec![0.0; classes];
            for (at, log_sum_exp_of) in log_sum_exps.iter_mut().enumerate() {
                if !compute(band * BAND_CELLS + at, &mut logits) {
                    continue;
                }
                let mut ranked = [Ranked::default(); TOP_K_ALONE];
                top_k_into(&logits, &mut ranked[..k]);
                for (score, Ranked { index, score: logit }) in
                    best[at * k..].iter_mut().zip(&ranked[..k])
                {
                    *score = ClassScore { class: *index as u32, logit: *logit };
                }
                *log_sum_exp_of = log_sum_exp(logits.iter().copied());
                if let Some(all) = all {
                    all[at * classes..][..classes].copy_from_slice(&logits);
                }
            }
        });
    }

    pub(super) fn classes(&self) -> usize {
        self.classes
    }

    pub(super) fn cells(&self) -> usize {
        self.log_sum_exp.len()
    }

    /// A cell's best classes, best first.
    pub(super) fn best(&self, cell: usize) -> &[ClassScore] {
        &self.best[cell * self.k..][..self.k]
    }

    /// All scores, cell by cell; `None` where only the best are stored.
    pub(super) fn all(&self) -> Option<&[f32]> {
        self.all.as_deref()
    }

    /// A class's logit. Where only the best are stored, other classes get the lowest of these.
    pub(super) fn logit(&self, cell: usize, class: usize) -> f32 {
        if let Some(all) = &self.all {
            return all[cell * self.classes + class];
        }
        let best = self.best(cell);
        let stored = best.iter().find(|score| score.class as usize == class);
        stored.or(best.last()).map_or(f32::NEG_INFINITY, |score| score.logit)
    }

    /// A class's probability; 0 where only the best are stored and this is not among them.
    pub(super) fn probability(&self, cell: usize, class: usize) -> f32 {
        let is_stored = || self.best(cell).iter().any(|score| score.class as usize == class);
        if self.all.is_none() && !is_stored() {
            return 0.0;
        }
        (self.logit(cell, class) - self.log_sum_exp[cell]).exp()
    }

    /// The logarithm of the sum of a cell's exponentiated scores: how much evidence it has for any
    /// class.
    pub(super) fn log_sum_exp(&self, cell: usize) -> f32 {
        self.log_sum_exp[cell]
    }

    /// The same of some classes; `None` if the cell is not set, or not all scores are stored.
    pub(super) fn log_sum_exp_of(&self, cell: usize, classes: &[usize]) -> Option<f32> {
        let all = self.all.as_ref().filter(|_| self.log_sum_exp[cell].is_finite())?;
        let scores = &all[cell * self.classes..][..self.classes];
        Some(log_sum_exp(classes.iter().map(|&class| scores[class])))
    }

    /// The standard deviation of a cell's scores over the classes, as the root of its mean square
    /// over the cells; `None` if not every cell is set, or not all scores are stored.
    pub(super) fn spread(&self) -> Option<f32> {
        let all = self.all.as_ref()?;
        if self.log_sum_exp.iter().any(|sum| !sum.is_finite()) {
            return None;
        }
        let variance = |scores: &[f32]| {
            let count = scores.len() as f64;
            let mean = scores.iter().map(|&score| f64::from(score)).sum::<f64>() / count;
            let square = |&score: &f32| (f64::from(score) - mean).powi(2);
            scores.iter().map(square).sum::<f64>() / count
        };
        let sum: f64 = all.chunks_exact(self.classes).map(variance).sum();
        Some((sum / self.cells() as f64).sqrt() as f32)
    }

    /// The probability of a cell's best class.
    pub(super) fn best_probability(&self, cell: usize) -> f32 {
        (self.best(cell)[0].logit - self.log_sum_exp[cell]).exp()
    }

    /// Adds `weight` times each class's probability to `sums`.
    pub(super) fn add_probabilities(&self, cell: usize, weight: f32, sums: &mut [f32]) {
        let log_sum_exp = self.log_sum_exp[cell];
        match &self.all {
            Some(all) => {
                let logits = &all[cell * self.classes..][..self.classes];
                sums.iter_mut()
                    .zip(logits)
                    .for_each(|(sum, logit)| *sum += weight * (logit - log_sum_exp).exp());
            }
            None => {
                for score in self.best(cell) {
                    sums[score.class as usize] += weight * (score.logit - log_sum_exp).exp();
                }
            }
        }
    }
}

fn try_filled<T: Clone>(len: usize, value: T) -> Result<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(len).map_err(|_| out_of_memory(len * size_of::<T>()))?;
    values.resize(len, value);
    Ok(values)
}

/// Zeros that the system clears when they are first written to.
fn try_zeroed(len: usize) -> Result<Vec<f32>> {
    try_zeroed_vec(len).map_err(|()| out_of_memory(len * size_of::<f32>()))
}

fn out_of_memory(needed: usize) -> Error {
    let (what, needed) = ("the scores of a map".into(), needed as u64);
    lorgnette_net::Error::Memory { what, needed, limit: 0 }.into()
}

fn log_sum_exp(logits: impl Iterator<Item = f32> + Clone) -> f32 {
    let max_logit = logits.clone().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.map(|logit| f64::from((logit - max_logit).exp())).sum();
    (f64::from(max_logit) + sum.ln()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(limit: u64) -> Scores {
        let mut scores = Scores::new(2, 40, limit).unwrap();
        let logits: Vec<f32> = (0..40u32).map(|class| (class * 17 % 40) as f32 / 4.0).collect();
        scores.fill(&ThreadPool::new(2), |cell, out| {
            out.copy_from_slice(if cell == 0 { &logits } else { &[1.0; 40] });
            true
        });
        scores
    }

    #[test]
    fn the_best_come_first_and_equal_ones_in_their_order() {
        let scores = scores(u64::MAX);
        let classes = |cell: usize| {
            scores.best(cell).iter().map(|score| score.class as usize).collect::<Vec<_>>()
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
        let (complete, short) = (scores(u64::MAX), scores(0));
        assert!(short.all().is_none());
        assert_eq!(complete.best(0), &short.best(0)[..complete.best(0).len()]);
        let best = complete.best(0)[0].class as usize;
        assert_eq!(complete.probability(0, best), short.probability(0, best));
        let worst = (0..40).find(|class| class * 17 % 40 == 0).unwrap();
        assert_eq!(short.probability(0, worst), 0.0);
        assert!(short.logit(0, worst) >= complete.logit(0, worst));
    }

    #[test]
    fn a_cell_that_is_not_set_has_no_probability() {
        for limit in [0, u64::MAX] {
            let scores = Scores::new(1, 40, limit).unwrap();
            assert_eq!((scores.best_probability(0), scores.probability(0, 3)), (0.0, 0.0));
            let mut sums = vec![0.0; 40];
            scores.add_probabilities(0, 1.0, &mut sums);
            assert_eq!(sums, [0.0; 40]);
        }
    }

    #[test]
    fn nan_is_never_the_best() {
        let mut scores = Scores::new(1, 3, u64::MAX).unwrap();
        scores.fill(&ThreadPool::new(1), |_, out| {
            out.copy_from_slice(&[f32::NAN, 1.0, 2.0]);
            true
        });
        assert_eq!(scores.best(0)[0].class, 2);
    }
}
