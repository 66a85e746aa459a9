//! The default recipe: one layer by full-batch L-BFGS, with the
//! [selected penalty](super::select_penalty).
//!
//! The penalty draws weights to zero and biases to the logarithms of class frequencies. A bias
//! counts as the weight of a constant feature of 1. Features are not centred, because centring
//! would let weights act as biases without a penalty. scikit-learn leaves biases free, yet they end
//! near zero, for it stops before they move; `bench/against_scikit_learn.py` shows what each is
//! worth.
//!
//! With many validation photos, training stops early and keeps the best epoch. With few, it runs to
//! convergence.

use std::collections::VecDeque;
use std::time::Instant;

use super::checkpoint::Checkpoint;
use super::examples::{Examples, Scaling};
use super::layers::{DenseLayer, Layers};
use super::lbfgs::Lbfgs;
use super::objective::{Criterion, Measured, Objective};
use super::progressive;
use super::select_penalty::{Chosen, WarmStart, choose, write_trials};
use super::watcher::Watcher;
use super::{HeadError, PenaltyTrial, Trained, TrainingTask};
use crate::metrics::Epoch;

/// Relative decrease of the penalised loss below which the training has converged.
const CONVERGED: f64 = 1e-6;
/// Relative decrease of the validation loss that counts as an improvement.
const MIN_RELATIVE_GAIN: f64 = 0.02;
/// Decrease that counts, as a share of the validation loss of constant scores.
const MIN_ABSOLUTE_GAIN: f64 = 1e-4;
/// Minimum number of validation photos for early stopping.
const MIN_VALIDATION: usize = 500;

pub(super) fn train(
    task: &TrainingTask<'_>,
    from: Option<Checkpoint>,
    watcher: &mut Watcher<'_>,
) -> Result<Trained, HeadError> {
    Ok(LbfgsTrainer::new(task).train(&from.unwrap_or_default(), watcher))
}

/// A penalty to train with, how it was chosen, and the point to begin at.
struct Start {
    penalty: f64,
    tried: Vec<PenaltyTrial>,
    warm_start: Option<WarmStart>,
}

/// A task with scaled examples.
pub(super) struct LbfgsTrainer<'a> {
    pub(super) task: &'a TrainingTask<'a>,
    scaling: Scaling,
    pub(super) training: Examples,
    pub(super) validation: Examples,
    criterion: Criterion,
    plain: Criterion,
    /// Weights and biases of constant scores.
    pub(super) origin: Vec<f64>,
    /// Size of the first sample; fewer examples are trained on at once.
    pub(super) part: usize,
}

impl<'a> LbfgsTrainer<'a> {
    pub(super) fn new(task: &'a TrainingTask<'a>) -> Self {
        let scaling = Scaling::fit(task.training).without_shift();
        let (criterion, plain) = (task.training_criterion(), task.plain_criterion());
        let scaled = |examples| scaling.apply(examples, task.pool);
        let (training, validation) = (scaled(task.training), scaled(task.validation));
        let mut origin = vec![0.0; training.width() * task.classes];
        origin.extend(criterion.constant_scores(&training));
        let part = progressive::first_size(origin.len());
        Self { task, scaling, training, validation, criterion, plain, origin, part }
    }

    /// Selects the penalty unless it is given, and trains.
    pub(super) fn train(&self, from: &Checkpoint, watcher: &mut Watcher<'_>) -> Trained {
        match self.task.options.penalty {
            Some(penalty) => {
                let start = Start { penalty, tried: Vec::new(), warm_start: None };
                self.solve(start, from, watcher)
            }
            None => match choose(self, from, watcher) {
                Chosen::Penalty(penalty, tried, warm_start) => {
                    self.solve(Start { penalty, tried, warm_start }, from, watcher)
                }
                Chosen::Interrupted(point, tried) => self.interrupted(&point, tried),
            },
        }
    }

    /// Whether validation photos suffice for early stopping and selection.
    pub(super) fn validates_alone(&self) -> bool {
        self.validation.len() >= MIN_VALIDATION
    }

    fn objective<'o>(&'o self, examples: &'o Examples, criterion: &'o Criterion) -> Objective<'o> {
        Objective { examples, criterion, level: self.task.level, pool: self.task.pool }
    }

    fn validated(&self, point: &[f64]) -> Measured {
        self.objective(&self.validation, &self.plain).measure(&to_f32(point))
    }

    /// Returns the penalised loss with its gradient as a function; `measured` receives the last
    /// evaluation.
    pub(super) fn function<'f>(
        &'f self,
        examples: &'f Examples,
        penalty: f64,
        measured: &'f mut Measured,
    ) -> impl FnMut(&[f64]) -> (f64, Vec<f64>) + 'f {
        let objective = self.objective(examples, &self.criterion);
        move |point: &[f64]| {
            let (found, mut gradient) = objective.gradient(&to_f32(point));
            let mut squares = 0.0;
            for ((g, w), origin) in gradient.iter_mut().zip(point).zip(&self.origin) {
                squares += (w - origin).powi(2);
                *g += penalty * (w - origin);
            }
            *measured = Measured { loss: found.loss + 0.5 * penalty * squares, ..found };
            (measured.loss, gradient)
        }
    }

    /// Trains with a penalty, from constant scores or from a warm start on samples.
    fn solve(&self, start: Start, from: &Checkpoint, watcher: &mut Watcher<'_>) -> Trained {
        let Start { penalty, tried, warm_start } = start;
        let mut measured = Measured::default();
        let mut run = TrainingRun::from(from);
        let mut interrupted = false;
        let mut started = Instant::now();
        let mut descent = match read_descent(from, "") {
            Some(descent) => descent,
            None => match progressive::initial_descent(self, penalty, warm_start, watcher) {
                Some(descent) => descent,
                None => return self.interrupted(&self.origin, tried),
            },
        };
        if run.best.is_empty() {
            run.best.clone_from(&descent.point);
        }
        let min_gain = MIN_ABSOLUTE_GAIN * self.validated(&self.origin).loss;
        while !run.converged && run.epochs.len() < self.task.options.epochs {
            if !watcher.should_continue() {
                interrupted = true;
                break;
            }
            let before = descent.value;
            let moved = descent.step(&mut self.function(&self.training, penalty, &mut measured));
            if !moved {
                break;
            }
            let validation = self.validated(&descent.point);
            let epoch = Epoch {
                epoch: run.epochs.len() + 1,
                seconds: started.elapsed().as_secs_f64(),
                training_accuracy: measured.accuracy,
                training_loss: measured.loss,
                validation_accuracy: validation.accuracy,
                validation_loss: validation.loss,
            };
            started = Instant::now();
            run.record(epoch, &descent.point, self.validates_alone());
            let stale = self.validates_alone()
                && run.epochs_without_gain(min_gain) >= self.task.options.patience.max(1);
            run.converged = stale || before - descent.value < CONVERGED * before.abs();
            watcher.epoch(&epoch);
            watcher.checkpoint(&|| self.solving_state(&tried, &descent, &run));
        }
        let layers = self.layers(&run.best);
        let TrainingRun { epochs, best_epoch, .. } = run;
        Trained { layers, epochs, best_epoch, penalty: Some(penalty), tried, interrupted }
    }

    fn solving_state(
        &self,
        tried: &[PenaltyTrial],
        descent: &Lbfgs,
        run: &TrainingRun,
    ) -> Checkpoint {
        let mut state = Checkpoint { epochs: run.epochs.clone(), ..Checkpoint::default() };
        write_trials(&mut state, tried);
        write_descent(&mut state, "", descent);
        state.arrays.insert("best".into(), run.best.clone());
        state.set("best_epoch", run.best_epoch as f64);
        state.set("best_loss", run.best_loss);
        state.set("arrived", f64::from(u8::from(run.converged)));
        state
    }

    fn interrupted(&self, point: &[f64], tried: Vec<PenaltyTrial>) -> Trained {
        let (layers, epochs) = (self.layers(point), Vec::new());
        Trained { layers, epochs, best_epoch: 0, penalty: None, tried, interrupted: true }
    }

    /// Returns the layer for unscaled features.
    fn layers(&self, point: &[f64]) -> Layers {
        let Layers { last, .. } = self.scaled_layers(point);
        Layers { hidden: None, last: last.unscaled(&self.scaling) }
    }

    /// Returns the layer for scaled features.
    pub(super) fn scaled_layers(&self, point: &[f64]) -> Layers {
        let (weights, biases) = point.split_at(self.training.width() * self.task.classes);
        Layers {
            hidden: None,
            last: DenseLayer { weights: to_f32(weights), biases: to_f32(biases) },
        }
    }
}

/// Epochs so far, and the best of them.
#[derive(Debug)]
struct TrainingRun {
    epochs: Vec<Epoch>,
    best: Vec<f64>,
    best_epoch: usize,
    best_loss: f64,
    converged: bool,
}

impl TrainingRun {
    fn from(state: &Checkpoint) -> Self {
        Self {
            epochs: state.epochs.clone(),
            best: state.arrays.get("best").cloned().unwrap_or_default(),
            best_epoch: state.number("best_epoch").unwrap_or(0.0) as usize,
            best_loss: state.number("best_loss").unwrap_or(f64::INFINITY),
            converged: state.number("arrived") == Some(1.0),
        }
    }

    /// Returns the number of epochs since the validation loss last improved by at least `min_gain`.
    fn epochs_without_gain(&self, min_gain: f64) -> usize {
        let (mut least, mut epochs_without_gain) = (f64::INFINITY, 0);
        for epoch in &self.epochs {
            epochs_without_gain += 1;
            if epoch.validation_loss < ((1.0 - MIN_RELATIVE_GAIN) * least).min(least - min_gain) {
                (least, epochs_without_gain) = (epoch.validation_loss, 0);
            }
        }
        epochs_without_gain
    }

    /// Appends an epoch, and keeps its point if it is the best or `keeps_best` is false.
    fn record(&mut self, epoch: Epoch, point: &[f64], keeps_best: bool) {
        self.epochs.push(epoch);
        if !keeps_best || epoch.validation_loss < self.best_loss {
            self.best.clear();
            self.best.extend_from_slice(point);
            (self.best_epoch, self.best_loss) = (epoch.epoch, epoch.validation_loss);
        }
    }
}

/// Writes the state of L-BFGS to a checkpoint, with `name` as a prefix.
pub(super) fn write_descent(state: &mut Checkpoint, name: &str, descent: &Lbfgs) {
    state.arrays.insert(format!("{name}place"), descent.point.clone());
    state.arrays.insert(format!("{name}gradient"), descent.gradient.clone());
    state.set(&format!("{name}value"), descent.value);
    state.set(&format!("{name}pairs"), descent.pairs.len() as f64);
    for (number, (step, change)) in descent.pairs.iter().enumerate() {
        state.arrays.insert(format!("{name}step {number}"), step.clone());
        state.arrays.insert(format!("{name}change {number}"), change.clone());
    }
}

/// Reads the state of L-BFGS from a checkpoint.
pub(super) fn read_descent(state: &Checkpoint, name: &str) -> Option<Lbfgs> {
    let array = |of: &str| state.arrays.get(&format!("{name}{of}")).cloned();
    let number = |of: &str| state.number(&format!("{name}{of}"));
    let pair = |number: usize| {
        Some((array(&format!("step {number}"))?, array(&format!("change {number}"))?))
    };
    Some(Lbfgs {
        point: array("place")?,
        value: number("value")?,
        gradient: array("gradient")?,
        pairs: (0..number("pairs")? as usize).map(pair).collect::<Option<VecDeque<_>>>()?,
    })
}

fn to_f32(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}
