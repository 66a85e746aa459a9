//! Training of a classification head on precomputed features.
//!
//! ```text
//! features, classes ─▶ Examples ─▶ train ─▶ Layers ─▶ Calibration ─▶ a model
//!                                  a Recipe: Default (L-BFGS, penalty chosen on validation),
//!                                  Tutorial and Retrain (gradient descent, as TensorFlow does it)
//! ```
//! Everything is deterministic for a seed. Results depend neither on the number of threads nor on
//! interruptions, to the last bit.
//!
//! ```
//! use lorgnette::head::{Examples, OutputKind, TrainOptions, TrainingTask, train};
//! use lorgnette::kernels::{Level, ThreadPool};
//!
//! // Two features of each photo, and its class.
//! let features = vec![0.9, 0.1, 0.8, 0.0, 0.1, 0.7, 0.2, 0.9];
//! let training = Examples::new(2, features, vec![vec![0], vec![0], vec![1], vec![1]]);
//! let validation = Examples::new(2, vec![0.7, 0.2, 0.1, 0.8], vec![vec![0], vec![1]]);
//! let (pool, options) = (ThreadPool::new(1), TrainOptions::default());
//! let task = TrainingTask {
//!     training: &training,
//!     validation: &validation,
//!     classes: 2,
//!     options: &options,
//!     pool: &pool,
//!     level: Level::best(),
//! };
//! let trained = train(&task, None, &mut ())?;
//! let (layers, output) = (trained.layers, OutputKind::Softmax);
//! let predicted = layers.probabilities(&validation, output, Level::best(), &pool);
//! assert!(predicted[0][0] > 0.5 && predicted[1][1] > 0.5);
//! # Ok::<_, lorgnette::head::HeadError>(())
//! ```

mod calibration;
mod checkpoint;
mod examples;
mod layers;
mod lbfgs;
mod lbfgs_trainer;
mod matmul;
mod objective;
mod out_of_fold;
mod progressive;
mod select_penalty;
mod sgd;
mod watcher;

use std::fmt;
use std::str::FromStr;

use lorgnette_kernels::{Level, ThreadPool};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::dataset::Digest;
use crate::metrics::Epoch;

pub use calibration::{Calibration, ScoredExamples};
pub use checkpoint::Checkpoint;
pub use examples::Examples;
pub use layers::{DenseLayer, Layers, probabilities};
pub use lorgnette_net::head::OutputKind;
use objective::Criterion;
pub use out_of_fold::out_of_fold_scores;
use watcher::Watcher;
pub use watcher::{Event, HeadObserver};

/// Training recipe of a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recipe {
    /// Softmax regression by L-BFGS, its L2 penalty selected on held-out photos; Adam with a hidden
    /// layer. Training stops early and keeps the epoch with the lowest validation loss. With few
    /// validation photos it runs to convergence.
    #[default]
    Default,
    /// The tutorial's recipe: gradient descent, batches of 128 from reshuffled epochs, rate 0.01 ×
    /// 0.9 every 500 steps, Xavier's initial weights (Glorot and Bengio 2010), no penalty; the last
    /// step is kept.
    Tutorial,
    /// `retrain.py`'s recipe: gradient descent at rate 0.01, 4000 batches of 100, each drawn class
    /// by class; initial weights from a normal distribution of deviation 0.001, cut off at two
    /// deviations; the last step is kept.
    Retrain,
}

impl Recipe {
    /// Every recipe.
    pub const ALL: [Self; 3] = [Self::Default, Self::Tutorial, Self::Retrain];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Tutorial => "tutorial",
            Self::Retrain => "retrain",
        }
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Recipe {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|recipe| recipe.name() == name);
        found.ok_or_else(|| {
            format!("{name:?} is no recipe: choose one of default, tutorial, retrain")
        })
    }
}

/// Weights of classes in the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassWeights {
    /// Every photo has the same weight.
    #[default]
    None,
    /// Every class has the same total weight.
    Balanced,
}

/// Options of a training. `None` stands for the recipe's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainOptions {
    /// The recipe.
    pub recipe: Recipe,
    /// Softmax for one class per photo, sigmoid for several.
    #[serde(with = "answer_name")]
    pub answer: OutputKind,
    /// Seed of initial weights and batches.
    pub seed: u64,
    /// Number of units of a hidden layer with ReLU.
    pub hidden: Option<usize>,
    /// Weights of classes in the loss.
    pub class_weights: ClassWeights,
    /// Label smoothing, from 0 to less than 1 (Szegedy and others 2015, "Rethinking the Inception
    /// architecture", section 7).
    pub label_smoothing: f64,
    /// L2 penalty `λ/2·|w|²`, added to the mean loss, for features divided by their common standard
    /// deviation. The default recipe selects it on validation. Without a hidden layer it also
    /// draws biases towards the logarithms of class frequencies.
    pub penalty: Option<f64>,
    /// Number of steps, for recipes with batches.
    pub steps: Option<usize>,
    /// Batch size.
    pub batch: Option<usize>,
    /// The learning rate.
    pub rate: Option<f64>,
    /// Maximum number of epochs.
    pub epochs: usize,
    /// Epochs without a lower validation loss after which the default recipe stops.
    pub patience: usize,
}

impl Default for TrainOptions {
    /// The default recipe, one class a photo, seed 0.
    fn default() -> Self {
        Self {
            recipe: Recipe::Default,
            answer: OutputKind::Softmax,
            seed: 0,
            hidden: None,
            class_weights: ClassWeights::None,
            label_smoothing: 0.0,
            penalty: None,
            steps: None,
            batch: None,
            rate: None,
            epochs: 200,
            patience: 10,
        }
    }
}

/// Names of output kinds in files.
mod answer_name {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::OutputKind;

    pub(super) fn serialize<S: Serializer>(
        answer: &OutputKind,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match answer {
            OutputKind::Softmax => "softmax",
            OutputKind::Sigmoid => "sigmoid",
        })
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<OutputKind, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "softmax" => Ok(OutputKind::Softmax),
            "sigmoid" => Ok(OutputKind::Sigmoid),
            other => {
                Err(serde::de::Error::custom(format!("'{other}' is neither softmax nor sigmoid")))
            }
        }
    }
}

/// Data and resources of a training.
#[derive(Debug)]
pub struct TrainingTask<'a> {
    /// Examples that weights are fitted to.
    pub training: &'a Examples,
    /// Examples that settings are selected on.
    pub validation: &'a Examples,
    /// Number of classes.
    pub classes: usize,
    /// Options.
    pub options: &'a TrainOptions,
    /// Thread pool.
    pub pool: &'a ThreadPool,
    /// Instruction set level.
    pub level: Level,
}

impl TrainingTask<'_> {
    /// Whether a pass through the examples, or through a batch, is too short to share.
    fn fits_one_thread(&self) -> bool {
        let by_batches = self.options.recipe != Recipe::Default || self.options.hidden.is_some();
        let most = if by_batches { self.options.batch.unwrap_or(128) } else { usize::MAX };
        let units = self.options.hidden.unwrap_or(self.classes);
        self.training.len().min(most) * self.training.width() * units < MIN_PARALLEL_PRODUCTS
    }

    /// The criterion that validation is measured by: neither smoothed nor weighted.
    fn plain_criterion(&self) -> Criterion {
        let Self { classes, options, .. } = *self;
        Criterion { classes, answer: options.answer, smoothing: 0.0, weights: None }
    }

    /// The criterion that training lowers.
    fn training_criterion(&self) -> Criterion {
        let balanced = self.options.class_weights == ClassWeights::Balanced;
        Criterion {
            smoothing: self.options.label_smoothing,
            weights: balanced.then(|| self.training.balanced_weights(self.classes)),
            ..self.plain_criterion()
        }
    }

    /// Returns the SHA-256 of everything that the result depends on. A checkpoint is valid for a
    /// task with the same digest only.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut digest = Sha256::new();
        digest.update(serde_json::to_vec(self.options).expect("numbers and names can be written"));
        digest.update(format!("{} {}", self.classes, self.level));
        for examples in [self.training, self.validation] {
            digest.update(format!("{} {:?}", examples.width(), examples.truth()));
            digest.update(bytemuck::cast_slice::<f32, u8>(examples.features()));
        }
        Digest(digest.finalize().into())
    }
}

/// A penalty and its held-out loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PenaltyTrial {
    /// The penalty `λ`.
    pub penalty: f64,
    /// Mean cross entropy of held-out examples, in nats.
    pub loss: f64,
    /// Standard error of the mean.
    pub error: f64,
    /// Temperature that calibrates the held-out scores. `None` if only validation examples were
    /// held out: these calibrate the final head.
    pub temperature: Option<f64>,
}

/// A trained head.
#[derive(Clone, Debug)]
pub struct Trained {
    /// Layers for unscaled features.
    pub layers: Layers,
    /// Metrics of each epoch.
    pub epochs: Vec<Epoch>,
    /// Epoch of the weights, from 1.
    pub best_epoch: usize,
    /// L2 penalty.
    pub penalty: Option<f64>,
    /// All penalties that were tried.
    pub tried: Vec<PenaltyTrial>,
    /// Whether the observer cancelled.
    pub interrupted: bool,
}

impl Trained {
    /// Returns the temperature found by the cross-validation that selected the penalty, if any.
    #[must_use]
    pub fn temperature(&self) -> Option<f64> {
        self.tried.iter().find(|tried| Some(tried.penalty) == self.penalty)?.temperature
    }
}

/// Error of a training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The loss is not finite.
    #[error(
        "the training diverged at step {step} (its loss is not finite): lower the learning rate, \
         which was {rate}"
    )]
    Diverged {
        /// Number of the step.
        step: usize,
        /// Learning rate of the step.
        rate: f64,
    },
    /// The options are invalid.
    #[error("{0}")]
    Settings(String),
}

/// Trains a head, from the start or from a checkpoint.
///
/// # Errors
/// [`HeadError`].
pub fn train(
    task: &TrainingTask<'_>,
    from: Option<Checkpoint>,
    observer: &mut HeadObserver<'_>,
) -> Result<Trained, HeadError> {
    check(task)?;
    let watcher = &mut Watcher::new(observer);
    let single = ThreadPool::new(1);
    let task =
        &TrainingTask { pool: if task.fits_one_thread() { &single } else { task.pool }, ..*task };
    let trained = match (task.options.recipe, task.options.hidden) {
        (Recipe::Default, None) => lbfgs_trainer::train(task, from, watcher),
        _ => sgd::train(task, from, watcher),
    }?;
    if !trained.layers.is_finite() {
        let what = "the training diverged (its weights are not finite): lower the learning rate, \
                    or look for photos whose features are extreme";
        return Err(HeadError::Settings(what.into()));
    }
    Ok(trained)
}

/// Maximum units of a hidden layer, of photos in a batch.
const MAX_UNITS: usize = 1 << 16;
const MAX_BATCH: usize = 1 << 20;

/// Number of products below which a second thread does not pay.
const MIN_PARALLEL_PRODUCTS: usize = 1 << 22;

fn check(task: &TrainingTask<'_>) -> Result<(), HeadError> {
    let TrainOptions { recipe, hidden, label_smoothing, penalty, rate, batch, steps, .. } =
        task.options;
    let invalid = |what: &str| Err(HeadError::Settings(what.into()));
    if task.training.is_empty() || task.validation.is_empty() {
        return invalid("there are no training examples or no validation examples");
    }
    let takes_batches = *recipe != Recipe::Default || hidden.is_some();
    if !takes_batches && (steps.is_some() || batch.is_some() || rate.is_some()) {
        return invalid(
            "the numbers of steps and of photos in a batch and the learning rate are for recipes \
             with batches: the recipes tutorial and retrain, or a hidden layer",
        );
    }
    if !(0.0..1.0).contains(label_smoothing) {
        return invalid("the label smoothing must be at least 0 and less than 1");
    }
    if *hidden == Some(0) || *batch == Some(0) {
        return invalid("a hidden layer and a batch have at least one element");
    }
    if hidden.is_some_and(|units| units > MAX_UNITS) {
        return invalid("a hidden layer has at most 65,536 units");
    }
    if batch.is_some_and(|photos| photos > MAX_BATCH) {
        return invalid("a batch has at most 1,048,576 photos");
    }
    if penalty.is_some_and(|penalty| !(penalty >= 0.0 && penalty.is_finite())) {
        return invalid("the penalty must be 0 or more");
    }
    if rate.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
        return invalid("the learning rate must be more than 0");
    }
    Ok(())
}
