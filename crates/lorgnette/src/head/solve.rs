//! The default: one layer by L-BFGS on all examples at once, with the penalty that was
//! [chosen](super::choose).
//!
//! The penalty draws the layer to what could be said without features: weights to zero, biases to
//! the logarithms of how frequent classes are. A bias counts as the weight of one more feature,
//! which is 1 of every photo. Features are not centred, for that would make free biases of all
//! weights together. scikit-learn leaves biases free, yet they end near zero, for it stops before
//! they move; `bench/against_scikit_learn.py` shows what each is worth.
//!
//! Many validation photos also say which epoch is the best, and when to stop. Of a few, that would
//! be chance: then the training goes on to where the penalty leads.

use std::collections::VecDeque;
use std::time::Instant;

use super::choose::{Chosen, Led, choose, set_tried};
use super::examples::{Examples, Scaling};
use super::layers::{DenseLayer, Layers};
use super::lbfgs::Descent;
use super::objective::{Criterion, Measured, Objective};
use super::parts;
use super::state::State;
use super::{ClassWeights, HeadError, Task, Trained, Tried, Watch};
use crate::judge::Epoch;

/// A penalised loss that falls by a smaller share than this has arrived.
const ARRIVED: f64 = 1e-6;
/// A validation loss that falls by a smaller share than this is not worth waiting for more;
const NOTABLE: f64 = 0.02;
/// nor is one that falls by a smaller share than this of what it was before anything was learned.
const SLIGHT: f64 = 1e-4;
/// With fewer validation photos, the best epoch is chance.
const ENOUGH: usize = 500;

pub(super) fn train(
    task: &Task<'_>,
    from: Option<State>,
    watch: &mut dyn Watch,
) -> Result<Trained, HeadError> {
    Ok(Solving::new(task).train(&from.unwrap_or_default(), watch))
}

/// A task, its examples scaled.
pub(super) struct Solving<'a> {
    pub(super) task: &'a Task<'a>,
    scaling: Scaling,
    pub(super) training: Examples,
    pub(super) validation: Examples,
    criterion: Criterion,
    plain: Criterion,
    /// What is said without features.
    pub(super) origin: Vec<f64>,
    /// How many examples are so many that a part of them is trained on first.
    pub(super) part: usize,
}

impl<'a> Solving<'a> {
    pub(super) fn new(task: &'a Task<'a>) -> Self {
        let scaling = Scaling::of(task.training).without_shift();
        let plain = Criterion {
            classes: task.classes,
            answer: task.options.answer,
            smoothing: 0.0,
            weights: None,
        };
        let balanced = task.options.class_weights == ClassWeights::Balanced;
        let weights = balanced.then(|| task.training.balanced_weights(task.classes));
        let criterion =
            Criterion { smoothing: task.options.label_smoothing, weights, ..plain.clone() };
        let scaled = |examples| scaling.apply(examples, task.pool);
        let (training, validation) = (scaled(task.training), scaled(task.validation));
        let mut origin = vec![0.0; training.width() * task.classes];
        origin.extend(criterion.constant_scores(&training));
        let part = parts::first_size(origin.len());
        Self { task, scaling, training, validation, criterion, plain, origin, part }
    }

    /// Chooses the penalty if there is none, and trains with it.
    pub(super) fn train(&self, from: &State, watch: &mut dyn Watch) -> Trained {
        match self.task.options.penalty {
            Some(penalty) => self.solve((penalty, Vec::new(), None), from, watch),
            None => match choose(self, from, watch) {
                Chosen::Penalty(penalty, tried, led) => {
                    self.solve((penalty, tried, led), from, watch)
                }
                Chosen::Interrupted(place, tried) => self.interrupted(&place, tried),
            },
        }
    }

    /// Whether validation photos are so many that they can choose alone.
    pub(super) fn has_enough_validation(&self) -> bool {
        self.validation.len() >= ENOUGH
    }

    fn objective<'o>(&'o self, examples: &'o Examples, criterion: &'o Criterion) -> Objective<'o> {
        Objective { examples, criterion, level: self.task.level, pool: self.task.pool }
    }

    fn validated(&self, place: &[f64]) -> Measured {
        self.objective(&self.validation, &self.plain).measure(&narrowed(place))
    }

    /// The penalised loss and its gradient; `measured` is what was measured last.
    pub(super) fn function<'f>(
        &'f self,
        examples: &'f Examples,
        penalty: f64,
        measured: &'f mut Measured,
    ) -> impl FnMut(&[f64]) -> (f64, Vec<f64>) + 'f {
        let objective = self.objective(examples, &self.criterion);
        move |place: &[f64]| {
            let (found, mut gradient) = objective.gradient(&narrowed(place));
            let mut squares = 0.0;
            for ((g, w), origin) in gradient.iter_mut().zip(place).zip(&self.origin) {
                squares += (w - origin).powi(2);
                *g += penalty * (w - origin);
            }
            *measured = Measured { loss: found.loss + 0.5 * penalty * squares, ..found };
            (measured.loss, gradient)
        }
    }

    /// Trains with a penalty, from what is said without features, or from where parts of very many
    /// examples lead.
    fn solve(
        &self,
        (penalty, tried, led): (f64, Vec<Tried>, Option<Led>),
        from: &State,
        watch: &mut dyn Watch,
    ) -> Trained {
        let mut measured = Measured::default();
        let mut run = Run::from(from);
        let mut interrupted = false;
        let mut started = Instant::now();
        let mut descent = match descent_of(from, "") {
            Some(descent) => descent,
            None => match parts::begun(self, penalty, led, watch) {
                Some(descent) => descent,
                None => return self.interrupted(&self.origin, tried),
            },
        };
        if run.best.is_empty() {
            run.best.clone_from(&descent.place);
        }
        let slight = SLIGHT * self.validated(&self.origin).loss;
        while !run.arrived && run.epochs.len() < self.task.options.epochs {
            if !watch.goes_on() {
                interrupted = true;
                break;
            }
            let before = descent.value;
            let moved = descent.step(&mut self.function(&self.training, penalty, &mut measured));
            if !moved {
                break;
            }
            let validation = self.validated(&descent.place);
            let epoch = Epoch {
                epoch: run.epochs.len() + 1,
                seconds: started.elapsed().as_secs_f64(),
                training_accuracy: measured.accuracy,
                training_loss: measured.loss,
                validation_accuracy: validation.accuracy,
                validation_loss: validation.loss,
            };
            started = Instant::now();
            run.note(epoch, &descent.place, self.has_enough_validation());
            let stale = self.has_enough_validation()
                && run.waited(slight) >= self.task.options.patience.max(1);
            run.arrived = stale || before - descent.value < ARRIVED * before.abs();
            watch.epoch(&epoch);
            watch.stands(&|| self.solving_state(&tried, &descent, &run));
        }
        let layers = self.layers(&run.best);
        let Run { epochs, best_epoch, .. } = run;
        Trained { layers, epochs, best_epoch, penalty: Some(penalty), tried, interrupted }
    }

    fn solving_state(&self, tried: &[Tried], descent: &Descent, run: &Run) -> State {
        let mut state = State { epochs: run.epochs.clone(), ..State::default() };
        set_tried(&mut state, tried);
        set_descent(&mut state, "", descent);
        state.arrays.insert("best".into(), run.best.clone());
        state.set("best_epoch", run.best_epoch as f64);
        state.set("best_loss", run.best_loss);
        state.set("arrived", f64::from(u8::from(run.arrived)));
        state
    }

    fn interrupted(&self, place: &[f64], tried: Vec<Tried>) -> Trained {
        let (layers, epochs) = (self.layers(place), Vec::new());
        Trained { layers, epochs, best_epoch: 0, penalty: None, tried, interrupted: true }
    }

    /// The layer of a place, for features as they are.
    fn layers(&self, place: &[f64]) -> Layers {
        let Layers { last, .. } = self.scaled_layers(place);
        Layers { hidden: None, last: last.unscaled(&self.scaling) }
    }

    /// The layer of a place, for scaled features.
    pub(super) fn scaled_layers(&self, place: &[f64]) -> Layers {
        let (weights, biases) = place.split_at(self.training.width() * self.task.classes);
        Layers {
            hidden: None,
            last: DenseLayer { weights: narrowed(weights), biases: narrowed(biases) },
        }
    }
}

/// The epochs so far, and the best of them.
#[derive(Debug)]
struct Run {
    epochs: Vec<Epoch>,
    best: Vec<f64>,
    best_epoch: usize,
    best_loss: f64,
    arrived: bool,
}

impl Run {
    fn from(state: &State) -> Self {
        Self {
            epochs: state.epochs.clone(),
            best: state.arrays.get("best").cloned().unwrap_or_default(),
            best_epoch: state.number("best_epoch").unwrap_or(0.0) as usize,
            best_loss: state.number("best_loss").unwrap_or(f64::INFINITY),
            arrived: state.number("arrived") == Some(1.0),
        }
    }

    /// Epochs since validation got notably better, and by more than what is `slight`.
    fn waited(&self, slight: f64) -> usize {
        let (mut least, mut waited) = (f64::INFINITY, 0);
        for epoch in &self.epochs {
            waited += 1;
            if epoch.validation_loss < ((1.0 - NOTABLE) * least).min(least - slight) {
                (least, waited) = (epoch.validation_loss, 0);
            }
        }
        waited
    }

    /// Notes an epoch; the best one is kept, or the last.
    fn note(&mut self, epoch: Epoch, place: &[f64], keeps_best: bool) {
        self.epochs.push(epoch);
        if !keeps_best || epoch.validation_loss < self.best_loss {
            self.best.clear();
            self.best.extend_from_slice(place);
            (self.best_epoch, self.best_loss) = (epoch.epoch, epoch.validation_loss);
        }
    }
}

/// Writes a descent to a state, its names begun as `name`.
pub(super) fn set_descent(state: &mut State, name: &str, descent: &Descent) {
    state.arrays.insert(format!("{name}place"), descent.place.clone());
    state.arrays.insert(format!("{name}gradient"), descent.gradient.clone());
    state.set(&format!("{name}value"), descent.value);
    state.set(&format!("{name}pairs"), descent.pairs.len() as f64);
    for (number, (step, change)) in descent.pairs.iter().enumerate() {
        state.arrays.insert(format!("{name}step {number}"), step.clone());
        state.arrays.insert(format!("{name}change {number}"), change.clone());
    }
}

/// The descent that was written so.
pub(super) fn descent_of(state: &State, name: &str) -> Option<Descent> {
    let array = |of: &str| state.arrays.get(&format!("{name}{of}")).cloned();
    let number = |of: &str| state.number(&format!("{name}{of}"));
    let pair = |number: usize| {
        Some((array(&format!("step {number}"))?, array(&format!("change {number}"))?))
    };
    Some(Descent {
        place: array("place")?,
        value: number("value")?,
        gradient: array("gradient")?,
        pairs: (0..number("pairs")? as usize).map(pair).collect::<Option<VecDeque<_>>>()?,
    })
}

fn narrowed(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}
