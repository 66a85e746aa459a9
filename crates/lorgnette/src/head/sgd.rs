//! Stochastic gradient descent: the recipes of the tutorial and of `retrain.py`, and Adam for a
//! hidden layer.

use std::time::Instant;

use super::checkpoint::Checkpoint;
use super::examples::{Examples, Scaling};
use super::layers::{DenseLayer, Layers};
use super::matmul::{PackedMatrix, Product, transpose};
use super::objective::{Criterion, Measured};
use super::watcher::Watcher;
use super::{HeadError, Recipe, TrainOptions, Trained, TrainingTask};
use crate::metrics::Epoch;
use crate::random::Random;
use lorgnette_net::head::OutputKind;

/// Settings of a recipe, with the options applied.
#[derive(Clone, Copy, Debug)]
struct Settings {
    steps: usize,
    batch: usize,
    rate: f64,
    /// Factor of the learning rate, and the number of steps after which it is applied again.
    decay: Option<(f64, usize)>,
    adam: bool,
    initial: Initial,
    sampling: BatchSampling,
    penalty: f64,
    /// Number of steps between two evaluations on all examples.
    evaluate_every: usize,
    /// Whether training stops early and keeps the best epoch; else it keeps the last.
    keeps_best: bool,
}

/// Distribution of initial weights; biases are zero.
#[derive(Clone, Copy, Debug)]
enum Initial {
    /// Uniform between ±√(6/(inputs + outputs)) (Glorot and Bengio 2010, equation 16).
    Xavier,
    /// Normal with this standard deviation, truncated at two standard deviations.
    Normal(f64),
}

/// Sampling of batches.
#[derive(Clone, Copy, Debug)]
enum BatchSampling {
    /// Epochs over all examples, shuffled each time.
    Epochs,
    /// A random class, then a random example of it.
    ByClass,
}

/// `λ·n` of a hidden layer's penalty.
const HIDDEN_STRENGTH: f64 = 1.0;
/// `retrain.py` evaluates every ten steps.
const MIN_EVALUATE_EVERY: usize = 10;

impl Settings {
    fn new(options: &TrainOptions, examples: usize) -> Self {
        let batch = |usual: usize| options.batch.unwrap_or(usual);
        let an_epoch = |batch: usize| examples.div_ceil(batch.min(examples).max(1));
        let settings = match options.recipe {
            Recipe::Tutorial => Self {
                steps: 5000,
                batch: batch(128),
                rate: 0.01,
                decay: Some((0.9, 500)),
                adam: false,
                initial: Initial::Xavier,
                sampling: BatchSampling::Epochs,
                penalty: 0.0,
                evaluate_every: an_epoch(batch(128)).max(MIN_EVALUATE_EVERY),
                keeps_best: false,
            },
            Recipe::Retrain => Self {
                steps: 4000,
                batch: batch(100),
                rate: 0.01,
                decay: None,
                adam: false,
                initial: Initial::Normal(0.001),
                sampling: BatchSampling::ByClass,
                penalty: 0.0,
                evaluate_every: an_epoch(batch(100)).max(MIN_EVALUATE_EVERY),
                keeps_best: false,
            },
            Recipe::Default => Self {
                steps: an_epoch(batch(128)) * options.epochs,
                batch: batch(128),
                rate: 1e-3,
                decay: None,
                adam: true,
                initial: Initial::Xavier,
                sampling: BatchSampling::Epochs,
                penalty: HIDDEN_STRENGTH / examples.max(1) as f64,
                evaluate_every: an_epoch(batch(128)),
                keeps_best: true,
            },
        };
        Self {
            steps: options.steps.unwrap_or(settings.steps),
            rate: options.rate.unwrap_or(settings.rate),
            penalty: options.penalty.unwrap_or(settings.penalty),
            batch: settings.batch.min(examples),
            ..settings
        }
    }

    fn rate_at(&self, step: usize) -> f64 {
        self.decay
            .map_or(self.rate, |(factor, every)| self.rate * factor.powi((step / every) as i32))
    }
}

pub(super) fn train(
    task: &TrainingTask<'_>,
    from: Option<Checkpoint>,
    watcher: &mut Watcher<'_>,
) -> Result<Trained, HeadError> {
    let settings = Settings::new(task.options, task.training.len());
    // The other recipes take unscaled features.
    let scaling = (task.options.recipe == Recipe::Default).then(|| Scaling::fit(task.training));
    let scaled = |examples: &Examples| {
        scaling.as_ref().map_or_else(|| examples.clone(), |s| s.apply(examples, task.pool))
    };
    let (training, validation) = (scaled(task.training), scaled(task.validation));
    let (criterion, plain) = (task.training_criterion(), task.plain_criterion());
    let mut descent = GradientDescent::new(task, settings, &training, &criterion);
    if let Some(state) = from {
        descent.resume(&state);
    } else {
        watcher.start(&descent.layers());
    }
    let interrupted = descent.run(&validation, &plain, watcher)?;
    let GradientDescent { run, network, .. } = descent;
    let kept = if settings.keeps_best && !run.best.is_empty() {
        network.layers(&run.best)
    } else {
        network.layers(&network.values)
    };
    let layers = match (&scaling, kept) {
        (None, layers) => layers,
        (Some(scaling), Layers { hidden: Some(hidden), last }) => {
            Layers { hidden: Some(hidden.unscaled(scaling)), last }
        }
        (Some(scaling), Layers { hidden: None, last }) => {
            Layers { hidden: None, last: last.unscaled(scaling) }
        }
    };
    let best_epoch = if settings.keeps_best { run.best_epoch } else { run.epochs.len() };
    let penalty = Some(settings.penalty).filter(|&penalty| penalty > 0.0);
    Ok(Trained { layers, epochs: run.epochs, best_epoch, penalty, tried: Vec::new(), interrupted })
}

/// All parameters in one vector: weights, then biases, of each layer.
struct Network {
    /// Number of inputs of each layer, then of outputs.
    sizes: Vec<usize>,
    values: Vec<f32>,
}

impl Network {
    fn new(sizes: Vec<usize>, initial: Initial, seed: u64) -> Self {
        let mut random = Random::at(seed, u64::MAX - 1);
        let mut values = Vec::new();
        for pair in sizes.windows(2) {
            let reach = (6.0 / (pair[0] + pair[1]) as f64).sqrt();
            values.extend((0..pair[0] * pair[1]).map(|_| match initial {
                Initial::Xavier => ((2.0 * random.unit() - 1.0) * reach) as f32,
                Initial::Normal(deviation) => (random.truncated_normal() * deviation) as f32,
            }));
            values.resize(values.len() + pair[1], 0.0);
        }
        Self { sizes, values }
    }

    /// Returns the ranges of each layer's weights and biases.
    fn places(&self) -> Vec<[std::ops::Range<usize>; 2]> {
        let mut start = 0;
        let point = |pair: &[usize]| {
            let (middle, end) = (start + pair[0] * pair[1], start + (pair[0] + 1) * pair[1]);
            let point = [start..middle, middle..end];
            start = end;
            point
        };
        self.sizes.windows(2).map(point).collect()
    }

    fn layers(&self, values: &[f32]) -> Layers {
        let layer = |[weights, biases]: [std::ops::Range<usize>; 2]| DenseLayer {
            weights: values[weights].to_vec(),
            biases: values[biases].to_vec(),
        };
        let mut layers: Vec<DenseLayer> = self.places().into_iter().map(layer).collect();
        let last = layers.pop().expect("a last layer");
        Layers { hidden: layers.pop(), last }
    }
}

/// The epochs so far, and the best of them.
#[derive(Default)]
struct TrainingRun {
    epochs: Vec<Epoch>,
    best: Vec<f32>,
    best_epoch: usize,
    best_loss: f64,
}

struct GradientDescent<'a> {
    task: &'a TrainingTask<'a>,
    settings: Settings,
    training: &'a Examples,
    criterion: &'a Criterion,
    network: Network,
    /// Adam's moments of the gradient (Kingma and Ba 2015, algorithm 1).
    moments: [Vec<f32>; 2],
    step: usize,
    run: TrainingRun,
    /// Examples of each class.
    members: Vec<Vec<usize>>,
    /// Number and permutation of the current epoch.
    permutation: Option<(usize, Vec<usize>)>,
}

impl<'a> GradientDescent<'a> {
    fn new(
        task: &'a TrainingTask<'a>,
        settings: Settings,
        training: &'a Examples,
        criterion: &'a Criterion,
    ) -> Self {
        let sizes = [Some(training.width()), task.options.hidden, Some(task.classes)]
            .into_iter()
            .flatten()
            .collect();
        let network = Network::new(sizes, settings.initial, task.options.seed);
        let count = if settings.adam { network.values.len() } else { 0 };
        let mut members = vec![Vec::new(); task.classes];
        for (number, truth) in training.truth().iter().enumerate() {
            truth.iter().for_each(|&class| members[class].push(number));
        }
        members.retain(|members| !members.is_empty());
        let moments = [vec![0.0; count], vec![0.0; count]];
        let run = TrainingRun { best_loss: f64::INFINITY, ..TrainingRun::default() };
        Self {
            task,
            settings,
            training,
            criterion,
            network,
            moments,
            step: 0,
            run,
            members,
            permutation: None,
        }
    }

    fn layers(&self) -> Layers {
        self.network.layers(&self.network.values)
    }

    /// Runs all steps. Returns whether the observer cancelled.
    fn run(
        &mut self,
        validation: &Examples,
        plain: &Criterion,
        watcher: &mut Watcher<'_>,
    ) -> Result<bool, HeadError> {
        let mut started = Instant::now();
        while self.step < self.settings.steps && !self.is_stale() {
            if !watcher.should_continue() {
                return Ok(true);
            }
            let batch = self.batch();
            let loss = self.descend(&batch);
            if !loss.is_finite() {
                return Err(HeadError::Diverged {
                    step: self.step,
                    rate: self.settings.rate_at(self.step),
                });
            }
            watcher.step(self.step, &batch, loss);
            self.step += 1;
            if self.step.is_multiple_of(self.settings.evaluate_every)
                || self.step == self.settings.steps
            {
                self.evaluate(validation, plain, started.elapsed().as_secs_f64());
                started = Instant::now();
                watcher.epoch(self.run.epochs.last().expect("just noted"));
                watcher.checkpoint(&|| self.state());
            }
        }
        Ok(false)
    }

    fn is_stale(&self) -> bool {
        let since = self.run.epochs.len() - self.run.best_epoch;
        self.settings.keeps_best
            && !self.run.epochs.is_empty()
            && since >= self.task.options.patience.max(1)
    }

    /// Returns the indices of the next batch.
    fn batch(&mut self) -> Vec<usize> {
        let (count, seed) = (self.training.len(), self.task.options.seed);
        match self.settings.sampling {
            BatchSampling::ByClass => {
                let mut random = Random::at(seed, self.step as u64);
                let mut one = || {
                    let class = &self.members[random.below(self.members.len())];
                    class[random.below(class.len())]
                };
                (0..self.settings.batch).map(|_| one()).collect()
            }
            BatchSampling::Epochs => {
                let batches = count.div_ceil(self.settings.batch);
                let (epoch, within) = (self.step / batches, self.step % batches);
                if self.permutation.as_ref().is_none_or(|(known, _)| *known != epoch) {
                    self.permutation =
                        Some((epoch, Random::at(seed, epoch as u64).permutation(count)));
                }
                let permutation =
                    self.permutation.as_ref().map_or(&[][..], |(_, permutation)| permutation);
                permutation
                    [within * self.settings.batch..count.min((within + 1) * self.settings.batch)]
                    .to_vec()
            }
        }
    }

    /// Takes a step. Returns the batch's mean loss before it.
    fn descend(&mut self, batch: &[usize]) -> f64 {
        let examples = self.training.select(batch);
        let (measured, mut gradient) = self.gradient(&examples);
        let penalty = self.settings.penalty as f32;
        if penalty > 0.0 {
            for [weights, _] in self.network.places() {
                let values = self.network.values[weights.clone()].iter();
                gradient[weights].iter_mut().zip(values).for_each(|(g, w)| *g += penalty * w);
            }
        }
        let rate = self.settings.rate_at(self.step);
        match self.settings.adam {
            true => self.adam(&gradient, rate),
            false => self
                .network
                .values
                .iter_mut()
                .zip(&gradient)
                .for_each(|(w, g)| *w -= rate as f32 * g),
        }
        measured.loss
    }

    fn adam(&mut self, gradient: &[f32], rate: f64) {
        const DECAY: [f64; 2] = [0.9, 0.999];
        const EPSILON: f32 = 1e-8;
        let power = i32::try_from(self.step + 1).unwrap_or(i32::MAX);
        let unbiased = DECAY.map(|decay| 1.0 - decay.powi(power));
        let rate = (rate * unbiased[1].sqrt() / unbiased[0]) as f32;
        let [first, second] = DECAY.map(|decay| decay as f32);
        let [macro_averages, squares] = &mut self.moments;
        let moments = macro_averages.iter_mut().zip(squares);
        for ((w, &g), (mean, square)) in self.network.values.iter_mut().zip(gradient).zip(moments) {
            *mean = first * *mean + (1.0 - first) * g;
            *square = second * *square + (1.0 - second) * g * g;
            *w -= rate * *mean / (square.sqrt() + EPSILON);
        }
    }

    /// Returns the mean loss of examples and its gradient.
    fn gradient(&self, examples: &Examples) -> (Measured, Vec<f32>) {
        let (count, task, values) = (examples.len(), self.task, &self.network.values);
        let places = self.network.places();
        // Inputs of each layer, and the scores.
        let mut read = vec![examples.features().to_vec()];
        for (at, [weights, biases]) in places.iter().enumerate() {
            let sizes = [self.network.sizes[at], self.network.sizes[at + 1]];
            let packed =
                PackedMatrix::new(&values[weights.clone()], sizes, false, task.level, task.pool);
            let mut out = vec![0.0; count * sizes[1]];
            let sum = Product {
                left: &read[at],
                rows: count,
                bias: Some(&values[biases.clone()]),
                addend: None,
            };
            packed.multiply(&sum, &mut out, task.pool);
            if at + 1 < places.len() {
                out.iter_mut().for_each(|value| *value = value.max(0.0));
            }
            read.push(out);
        }
        let mut residuals = read.pop().unwrap_or_default();
        let measured = self.metrics(examples, &mut residuals);
        let mut gradient = vec![0.0; values.len()];
        for (at, [weights, biases]) in places.iter().enumerate().rev() {
            let [inputs, outputs] = [self.network.sizes[at], self.network.sizes[at + 1]];
            let mut transposed_rows = vec![0.0; count * inputs];
            transpose(&read[at], count, inputs, &mut transposed_rows);
            let packed =
                PackedMatrix::new(&residuals, [count, outputs], false, task.level, task.pool);
            let sum = Product { left: &transposed_rows, rows: inputs, bias: None, addend: None };
            packed.multiply(&sum, &mut gradient[weights.clone()], task.pool);
            for row in residuals.chunks_exact(outputs) {
                gradient[biases.clone()].iter_mut().zip(row).for_each(|(sum, r)| *sum += r);
            }
            if at > 0 {
                let packed = PackedMatrix::new(
                    &values[weights.clone()],
                    [outputs, inputs],
                    true,
                    task.level,
                    task.pool,
                );
                let mut before = vec![0.0; count * inputs];
                let sum = Product { left: &residuals, rows: count, bias: None, addend: None };
                packed.multiply(&sum, &mut before, task.pool);
                // The gradient of ReLU is zero where its output is.
                before
                    .iter_mut()
                    .zip(&read[at])
                    .filter(|(_, x)| **x <= 0.0)
                    .for_each(|(b, _)| *b = 0.0);
                residuals = before;
            }
        }
        (measured, gradient)
    }

    /// Returns the loss of scores, which become residuals: the gradient of the mean loss.
    fn metrics(&self, examples: &Examples, scores: &mut [f32]) -> Measured {
        let classes = self.task.classes;
        let (mut loss, mut right, mut total) = (0.0, 0, 0.0);
        for (scores, truth) in scores.chunks_exact_mut(classes).zip(examples.truth()) {
            let weight = self.criterion.weight(truth);
            let found = super::layers::probabilities(scores, OutputKind::Softmax);
            let (one, is_correct) = self.criterion.metrics(truth, scores, &found);
            loss += weight * one;
            total += weight;
            right += usize::from(is_correct);
            scores.iter_mut().for_each(|residual| *residual *= weight as f32);
        }
        scores.iter_mut().for_each(|residual| *residual /= total as f32);
        Measured { loss: loss / total, accuracy: right as f64 / examples.len().max(1) as f64 }
    }

    /// Returns loss and accuracy of examples.
    fn measure(&self, examples: &Examples, criterion: &Criterion) -> Measured {
        let scores = self.layers().scores(examples.features(), self.task.level, self.task.pool);
        let (mut loss, mut right, mut total) = (0.0, 0, 0.0);
        let mut own = scores;
        for (scores, truth) in own.chunks_exact_mut(self.task.classes).zip(examples.truth()) {
            let found = super::layers::probabilities(scores, OutputKind::Softmax);
            let weight = criterion.weight(truth);
            let (one, is_correct) = criterion.metrics(truth, scores, &found);
            loss += weight * one;
            total += weight;
            right += usize::from(is_correct);
        }
        Measured { loss: loss / total, accuracy: right as f64 / examples.len().max(1) as f64 }
    }

    /// Evaluates on all examples, and keeps the best parameters.
    fn evaluate(&mut self, validation: &Examples, plain: &Criterion, seconds: f64) {
        let (training, validation) =
            (self.measure(self.training, self.criterion), self.measure(validation, plain));
        let weights = self
            .network
            .places()
            .into_iter()
            .flat_map(|[weights, _]| &self.network.values[weights]);
        let squares: f64 = weights.map(|&w| f64::from(w) * f64::from(w)).sum();
        let epoch = Epoch {
            epoch: self.run.epochs.len() + 1,
            seconds,
            training_accuracy: training.accuracy,
            training_loss: training.loss + 0.5 * self.settings.penalty * squares,
            validation_accuracy: validation.accuracy,
            validation_loss: validation.loss,
        };
        self.run.epochs.push(epoch);
        if validation.loss < self.run.best_loss {
            self.run.best.clone_from(&self.network.values);
            (self.run.best_epoch, self.run.best_loss) = (epoch.epoch, validation.loss);
        }
    }

    fn state(&self) -> Checkpoint {
        let mut state = Checkpoint { epochs: self.run.epochs.clone(), ..Checkpoint::default() };
        state.set("step", self.step as f64);
        state.set("best_epoch", self.run.best_epoch as f64);
        state.set("best_loss", self.run.best_loss);
        state.set_floats("values", &self.network.values);
        state.set_floats("best", &self.run.best);
        state.set_floats("means", &self.moments[0]);
        state.set_floats("squares", &self.moments[1]);
        state
    }

    fn resume(&mut self, state: &Checkpoint) {
        let Some(values) =
            state.floats("values").filter(|values| values.len() == self.network.values.len())
        else {
            return;
        };
        self.network.values = values;
        self.step = state.number("step").unwrap_or(0.0) as usize;
        self.moments = ["means", "squares"].map(|name| state.floats(name).unwrap_or_default());
        self.run = TrainingRun {
            epochs: state.epochs.clone(),
            best: state.floats("best").unwrap_or_default(),
            best_epoch: state.number("best_epoch").unwrap_or(0.0) as usize,
            best_loss: state.number("best_loss").unwrap_or(f64::INFINITY),
        };
    }
}
