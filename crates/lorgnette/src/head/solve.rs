//! The default: one layer by L-BFGS on all examples at once, its penalty chosen on validation.
//!
//! Penalties are tried from strong to weak, each from where the last one ended, until validation twice gets worse. The
//! best one then trains from zero, and the epoch that does best on validation is kept. Of very many examples, penalties
//! are tried on a part, at the same `λ·n`.

use std::collections::VecDeque;
use std::time::Instant;

use super::examples::{Examples, Scaling};
use super::layers::{DenseLayer, Layers};
use super::lbfgs::Descent;
use super::objective::{Criterion, Measured, Objective};
use super::random::Random;
use super::state::State;
use super::{ClassWeights, HeadError, Task, Trained, Watch};
use crate::judge::Epoch;

/// The penalties that are tried, as `λ·n`: for features of mean square deviation 1, the inverse of scikit-learn's `C`.
const CANDIDATES: [f64; 11] = [3000.0, 1000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03];
/// Weaker penalties are not tried after so many that did worse than the best.
const WORSE: usize = 2;
/// Products of a pass through the examples that penalties are tried on, at most.
const TRIED_PRODUCTS: usize = 1 << 31;
/// Fewer examples than this say too little.
const TRIED_LEAST: usize = 2048;
/// Iterations for each penalty that is tried.
const TRIED_EPOCHS: usize = 40;
/// A penalised loss that falls by a smaller share than this has arrived; while trying, and at last.
const ARRIVED_TRYING: f64 = 1e-4;
const ARRIVED: f64 = 1e-6;

pub(super) fn train(task: &Task<'_>, from: Option<State>, watch: &mut dyn Watch) -> Result<Trained, HeadError> {
    let solving = Solving::new(task);
    let from = from.unwrap_or_default();
    let (penalty, tried) = match task.options.penalty {
        Some(penalty) => (penalty, Vec::new()),
        None => match solving.choose(&from, watch) {
            Chosen::Penalty(penalty, tried) => (penalty, tried),
            Chosen::Interrupted(place, tried) => return Ok(solving.interrupted(&place, tried)),
        },
    };
    Ok(solving.solve(penalty, tried, &from, watch))
}

struct Solving<'a> {
    task: &'a Task<'a>,
    scaling: Scaling,
    training: Examples,
    validation: Examples,
    criterion: Criterion,
    plain: Criterion,
}

enum Chosen {
    /// And each that was tried, with its validation loss.
    Penalty(f64, Vec<(f64, f64)>),
    /// Where it was then.
    Interrupted(Vec<f64>, Vec<(f64, f64)>),
}

impl<'a> Solving<'a> {
    fn new(task: &'a Task<'a>) -> Self {
        let scaling = Scaling::of(task.training);
        let plain = Criterion { classes: task.classes, answer: task.options.answer, smoothing: 0.0, weights: None };
        let balanced = task.options.class_weights == ClassWeights::Balanced;
        let weights = balanced.then(|| task.training.balanced_weights(task.classes));
        let criterion = Criterion { smoothing: task.options.label_smoothing, weights, ..plain.clone() };
        let scaled = |examples| scaling.apply(examples, task.pool);
        let (training, validation) = (scaled(task.training), scaled(task.validation));
        Self { task, scaling, training, validation, criterion, plain }
    }

    fn parameters(&self) -> usize {
        (self.training.width() + 1) * self.task.classes
    }

    fn objective<'o>(&'o self, examples: &'o Examples, criterion: &'o Criterion) -> Objective<'o> {
        Objective { examples, criterion, level: self.task.level, pool: self.task.pool }
    }

    fn validated(&self, place: &[f64]) -> Measured {
        self.objective(&self.validation, &self.plain).measure(&narrowed(place))
    }

    /// The penalised loss and its gradient; `measured` is what was measured last.
    fn function<'f>(
        &'f self,
        examples: &'f Examples,
        penalty: f64,
        measured: &'f mut Measured,
    ) -> impl FnMut(&[f64]) -> (f64, Vec<f64>) + 'f {
        let objective = self.objective(examples, &self.criterion);
        let weights = self.training.width() * self.task.classes;
        move |place: &[f64]| {
            let (found, mut gradient) = objective.gradient(&narrowed(place));
            let squares: f64 = place[..weights].iter().map(|w| w * w).sum();
            gradient.iter_mut().zip(&place[..weights]).for_each(|(g, w)| *g += penalty * w);
            *measured = Measured { loss: found.loss + 0.5 * penalty * squares, ..found };
            (measured.loss, gradient)
        }
    }

    /// The penalty that does best on validation.
    fn choose(&self, from: &State, watch: &mut dyn Watch) -> Chosen {
        let part = self.part();
        let examples = part.as_ref().unwrap_or(&self.training);
        let mut tried = pairs(from.arrays.get("tried"));
        let mut place = from.arrays.get("tried_place").cloned().unwrap_or_else(|| vec![0.0; self.parameters()]);
        for strength in CANDIDATES.into_iter().skip(tried.len()) {
            if enough(&tried) {
                break;
            }
            if !watch.goes_on() {
                return Chosen::Interrupted(place, tried);
            }
            place = self.tried(examples, strength / examples.len() as f64, place);
            let penalty = strength / self.training.len() as f64;
            tried.push((penalty, self.validated(&place).loss));
            watch.tried(penalty, tried[tried.len() - 1].1);
            watch.stands(&|| self.trying_state(&place, &tried));
        }
        Chosen::Penalty(tried[best(&tried)].0, tried)
    }

    /// Where one penalty leads, from where another one led.
    fn tried(&self, examples: &Examples, penalty: f64, place: Vec<f64>) -> Vec<f64> {
        let mut measured = Measured::default();
        let mut function = self.function(examples, penalty, &mut measured);
        let mut descent = Descent::from(place, &mut function);
        for _ in 0..TRIED_EPOCHS {
            let before = descent.value;
            if !descent.step(&mut function) || before - descent.value < ARRIVED_TRYING * before.abs() {
                break;
            }
        }
        descent.place
    }

    /// A part of very many examples.
    fn part(&self) -> Option<Examples> {
        let most = (TRIED_PRODUCTS / self.parameters().max(1)).max(TRIED_LEAST);
        let count = self.training.len();
        (count > most).then(|| {
            let mut order = Random::at(self.task.options.seed, u64::MAX).order(count);
            order.truncate(most);
            self.training.picked(&order)
        })
    }

    fn trying_state(&self, place: &[f64], tried: &[(f64, f64)]) -> State {
        let mut state = State::default();
        state.arrays.insert("tried_place".into(), place.to_vec());
        state.arrays.insert("tried".into(), flat(tried));
        state
    }

    /// Trains with a penalty, from zero.
    fn solve(&self, penalty: f64, tried: Vec<(f64, f64)>, from: &State, watch: &mut dyn Watch) -> Trained {
        let mut measured = Measured::default();
        let mut run = Run::from(from);
        let mut interrupted = false;
        let mut started = Instant::now();
        let mut descent = {
            let mut function = self.function(&self.training, penalty, &mut measured);
            descent_of(from).unwrap_or_else(|| Descent::from(vec![0.0; self.parameters()], &mut function))
        };
        if run.best.is_empty() {
            run.best.clone_from(&descent.place);
        }
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
            run.note(epoch, &descent.place);
            let stale = run.epochs.len() - run.best_epoch >= self.task.options.patience.max(1);
            run.arrived = stale || before - descent.value < ARRIVED * before.abs();
            watch.epoch(&epoch);
            watch.stands(&|| self.solving_state(&tried, &descent, &run));
        }
        let layers = self.layers(&run.best);
        let Run { epochs, best_epoch, .. } = run;
        Trained { layers, epochs, best_epoch, penalty: Some(penalty), tried, interrupted }
    }

    fn solving_state(&self, tried: &[(f64, f64)], descent: &Descent, run: &Run) -> State {
        let mut state = State { epochs: run.epochs.clone(), ..State::default() };
        state.arrays.insert("tried".into(), flat(tried));
        state.arrays.insert("place".into(), descent.place.clone());
        state.arrays.insert("gradient".into(), descent.gradient.clone());
        state.arrays.insert("best".into(), run.best.clone());
        state.set("value", descent.value);
        state.set("best_epoch", run.best_epoch as f64);
        state.set("best_loss", run.best_loss);
        state.set("arrived", f64::from(u8::from(run.arrived)));
        state.set("pairs", descent.pairs.len() as f64);
        for (number, (step, change)) in descent.pairs.iter().enumerate() {
            state.arrays.insert(format!("step {number}"), step.clone());
            state.arrays.insert(format!("change {number}"), change.clone());
        }
        state
    }

    fn interrupted(&self, place: &[f64], tried: Vec<(f64, f64)>) -> Trained {
        let (layers, epochs) = (self.layers(place), Vec::new());
        Trained { layers, epochs, best_epoch: 0, penalty: None, tried, interrupted: true }
    }

    fn layers(&self, place: &[f64]) -> Layers {
        let (weights, biases) = place.split_at(self.training.width() * self.task.classes);
        let layer = DenseLayer { weights: narrowed(weights), biases: narrowed(biases) };
        Layers { hidden: None, last: layer.unscaled(&self.scaling) }
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

    fn note(&mut self, epoch: Epoch, place: &[f64]) {
        self.epochs.push(epoch);
        if epoch.validation_loss < self.best_loss {
            self.best.clear();
            self.best.extend_from_slice(place);
            (self.best_epoch, self.best_loss) = (epoch.epoch, epoch.validation_loss);
        }
    }
}

fn descent_of(state: &State) -> Option<Descent> {
    let array = |name: &str| state.arrays.get(name).cloned();
    let pair = |number: usize| Some((array(&format!("step {number}"))?, array(&format!("change {number}"))?));
    Some(Descent {
        place: array("place")?,
        value: state.number("value")?,
        gradient: array("gradient")?,
        pairs: (0..state.number("pairs")? as usize).map(pair).collect::<Option<VecDeque<_>>>()?,
    })
}

fn best(tried: &[(f64, f64)]) -> usize {
    let better = |best: usize, at: usize| if tried[at].1 < tried[best].1 { at } else { best };
    (1..tried.len()).fold(0, better)
}

fn enough(tried: &[(f64, f64)]) -> bool {
    !tried.is_empty() && tried.len() - 1 - best(tried) >= WORSE
}

fn pairs(flat: Option<&Vec<f64>>) -> Vec<(f64, f64)> {
    flat.map(|flat| flat.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()).unwrap_or_default()
}

fn flat(pairs: &[(f64, f64)]) -> Vec<f64> {
    pairs.iter().flat_map(|&(a, b)| [a, b]).collect()
}

fn narrowed(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}
