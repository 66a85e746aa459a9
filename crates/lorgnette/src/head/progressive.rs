//! Warm starts on growing samples of very many examples.
//!
//! Penalties are tried on the first sample, and the final training starts on each sample in turn.
//! The minimum on a sample is near the minimum on all examples, and an iteration is cheaper.

use super::examples::Examples;
use super::lbfgs::{Function, Lbfgs};
use super::lbfgs_trainer::LbfgsTrainer;
use super::objective::Measured;
use super::select_penalty::WarmStart;
use super::watcher::Watcher;
use crate::random::Random;

/// Maximum number of products of a pass through the first sample.
const MAX_FIRST_PRODUCTS: usize = 1 << 31;
/// Minimum size of the first sample.
const MIN_FIRST: usize = 2048;
/// Ratio of the sizes of consecutive samples; each contains the one before.
const GROWTH: usize = 4;
/// Maximum number of iterations on a sample.
const MAX_ITERATIONS: usize = 40;
/// Relative decrease of the loss below which a larger sample follows.
const CONVERGED: f64 = 3e-3;

/// Returns the first sample; `None` with few examples.
pub(super) fn first(trainer: &LbfgsTrainer<'_>) -> Option<Examples> {
    (trainer.training.len() > trainer.part)
        .then(|| trainer.training.select(&permutation(trainer)[..trainer.part]))
}

/// Returns the size of the first sample for a layer of `parameters` weights and biases.
pub(super) fn first_size(parameters: usize) -> usize {
    (MAX_FIRST_PRODUCTS / parameters.max(1)).max(MIN_FIRST)
}

/// Returns the state of L-BFGS on all examples after a training on growing samples, from a warm
/// start on the first; `None` if cancelled.
pub(super) fn initial_descent(
    trainer: &LbfgsTrainer<'_>,
    penalty: f64,
    mut warm_start: Option<WarmStart>,
    watcher: &mut Watcher<'_>,
) -> Option<Lbfgs> {
    let count = trainer.training.len();
    let permutation = permutation(trainer);
    let sizes = std::iter::successors(Some(trainer.part), |size| size.checked_mul(GROWTH));
    for size in sizes.take_while(|&size| size < count) {
        let examples = trainer.training.select(&permutation[..size]);
        // `λ·n` stays the same.
        let penalty = penalty * count as f64 / size as f64;
        let mut measured = Measured::default();
        let mut function = trainer.function(&examples, penalty, &mut measured);
        let mut descent = from(trainer, warm_start, penalty, &mut function);
        for _ in 0..MAX_ITERATIONS {
            if !watcher.should_continue() {
                return None;
            }
            let before = descent.value;
            if !descent.step(&mut function) || before - descent.value < CONVERGED * before.abs() {
                break;
            }
        }
        warm_start = Some(WarmStart { descent, penalty });
    }
    let mut measured = Measured::default();
    Some(from(
        trainer,
        warm_start,
        penalty,
        &mut trainer.function(&trainer.training, penalty, &mut measured),
    ))
}

fn from(
    trainer: &LbfgsTrainer<'_>,
    warm_start: Option<WarmStart>,
    penalty: f64,
    function: &mut Function<'_>,
) -> Lbfgs {
    match warm_start {
        Some(warm_start) => warm_start.descent.with_penalty(penalty - warm_start.penalty, function),
        None => Lbfgs::from(trainer.origin.clone(), function),
    }
}

fn permutation(trainer: &LbfgsTrainer<'_>) -> Vec<usize> {
    Random::at(trainer.task.options.seed, u64::MAX).permutation(trainer.training.len())
}

#[cfg(test)]
mod tests {
    use lorgnette_kernels::{Level, ThreadPool};

    use super::super::{Checkpoint, TrainOptions, Trained, TrainingTask};
    use super::*;
    use crate::head::{Event, HeadObserver};
    use crate::observer::Observer;
    use std::ops::ControlFlow;

    /// Examples of three classes that differ in a third of the features.
    fn examples(count: usize) -> Examples {
        let mut random = Random::at(7, count as u64);
        let mut value = |row: usize, feature: usize| {
            random.unit() as f32 - 0.5 + if feature % 3 == row % 3 { 0.4 } else { 0.0 }
        };
        let features = (0..count * 12).map(|i| value(i / 12, i % 12)).collect();
        Examples::new(12, features, (0..count).map(|row| vec![row % 3]).collect())
    }

    /// Cancels after a number of iterations, and keeps the last checkpoint.
    struct Stopper(usize, Checkpoint);

    impl Observer<Event<'_>> for Stopper {
        fn event(&mut self, event: &Event<'_>) -> ControlFlow<()> {
            match event {
                Event::Checkpoint(checkpoint) => self.1 = checkpoint(),
                Event::Iteration => self.0 = self.0.saturating_sub(1),
                _ => {}
            }
            if self.0 > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        }
    }

    /// With parts of 32, 128 and 512 examples before all of them.
    fn trained(
        validation: usize,
        threads: usize,
        from: &Checkpoint,
        observer: &mut HeadObserver<'_>,
    ) -> Trained {
        let (training, validation, pool) =
            (examples(1500), examples(validation), ThreadPool::new(threads));
        let (options, level) =
            (TrainOptions { epochs: 12, ..TrainOptions::default() }, Level::best());
        let task = TrainingTask {
            training: &training,
            validation: &validation,
            classes: 3,
            options: &options,
            pool: &pool,
            level,
        };
        let mut trainer = LbfgsTrainer::new(&task);
        trainer.part = 32;
        trainer.train(from, &mut Watcher::new(observer))
    }

    #[test]
    fn parts_lead_there_however_often_it_is_stopped() {
        for validation in [90, 600] {
            let whole = trained(validation, 2, &Checkpoint::default(), &mut ());
            let best = whole.epochs[whole.best_epoch - 1];
            assert!(best.validation_accuracy > 0.8 && whole.epochs.len() <= 12, "{best:?}");
            assert!(
                whole.tried.iter().all(|tried| tried.temperature.is_some() == (validation < 500))
            );
            for after in [1, 2, 4, 8, 9, 12, 16, 24, 32, 48, 64, 80] {
                let mut stopper = Stopper(after, Checkpoint::default());
                trained(validation, 1, &Checkpoint::default(), &mut stopper);
                let resumed = trained(validation, 1, &stopper.1, &mut ());
                assert_eq!(resumed.layers, whole.layers, "stopped after {after}");
            }
        }
    }
}
