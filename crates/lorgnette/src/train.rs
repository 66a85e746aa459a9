//! Training from a dataset to a model's folder with its report.
//!
//! ```text
//! Dataset ─▶ features ─▶ splits ─▶ (cross-validation) ─▶ head ─▶ calibration ─▶ model ─▶ report
//! ```
//! [`Trainer`] joins the steps of [`crate::dataset`], [`crate::features`], [`crate::head`],
//! [`crate::metrics`], [`crate::trained`] and [`crate::report`].

mod error;
mod event;
mod fit;
mod folder;
mod folds;
mod previous;
mod report;
mod request;
mod samples;
mod tables;

use std::path::PathBuf;

use serde::Serialize;

use crate::dataset::{Dataset, Split, SplitOptions};
use crate::features::{AugmentationOptions, Extractor, FeatureCache};
use crate::head::TrainOptions;
use crate::metrics::Evaluation;
use crate::model::ModelOptions;
use crate::model_ref::ModelRef;
use crate::photos::PassedOver;
use crate::picture::OpenOptions;
use crate::trained::{self, Card, TrainedModel};

pub use error::TrainError;
pub use event::{Event, Stage, TrainObserver};
pub use folder::{CHECKPOINT, Existing, LEFT_OUT, TrainingFolder};
pub use previous::PreviousModel;
pub use request::TrainingRequest;

use samples::Samples;

/// Options of a [`Trainer`].
#[derive(Debug)]
#[non_exhaustive]
pub struct TrainerOptions {
    /// Folder of the model and the report.
    pub folder: TrainingFolder,
    /// The base network.
    pub base: ModelRef,
    /// The options that the base network was opened with.
    pub model: ModelOptions,
    /// File of cached features.
    pub cache: PathBuf,
    /// Number of threads that compute features.
    pub threads: usize,
    /// How the dataset is split.
    pub split: SplitOptions,
    /// How the head is trained.
    pub head: TrainOptions,
    /// Augmented copies of training photos.
    pub augmentation: AugmentationOptions,
    /// Share of correct validation predictions that may be rejected, from 0 to 1.
    pub rejected_share: f64,
    /// Number of folds of a cross-validation before the training; `None` for no cross-validation.
    pub folds: Option<usize>,
    /// How photos of the report are opened.
    pub open: OpenOptions,
    /// Whether TensorBoard's projector gets the features and thumbnails of all photos.
    pub projector: bool,
}

impl TrainerOptions {
    /// Returns the default recipe on the embedded network, with a cache in the model's folder.
    #[must_use]
    pub fn new(folder: TrainingFolder) -> Self {
        let cache = folder.path().join("features.cache");
        Self {
            folder,
            base: ModelRef::Embedded,
            model: ModelOptions::default(),
            cache,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            split: SplitOptions::default(),
            head: TrainOptions::default(),
            augmentation: AugmentationOptions::default(),
            rejected_share: 0.05,
            folds: None,
            open: OpenOptions::default(),
            projector: false,
        }
    }
}

/// Trains a head on a dataset and writes the model and its report.
#[derive(Debug)]
pub struct Trainer {
    dataset: Dataset,
    extractor: Extractor,
    options: TrainerOptions,
}

impl Trainer {
    /// Joins a dataset, a feature extractor and options.
    #[must_use]
    pub fn new(dataset: Dataset, extractor: Extractor, options: TrainerOptions) -> Self {
        Self { dataset, extractor, options }
    }

    /// Runs the training.
    ///
    /// Features and checkpoints survive a cancelled training: running it again with
    /// [`Existing::Resume`] continues it, with the same result to the last bit. A training that is
    /// cancelled while the head is trained still writes the model it has.
    ///
    /// # Errors
    /// [`TrainError::Cancelled`] if the observer cancels before the head is trained; any other
    /// [`TrainError`] if a step fails.
    pub fn run(mut self, observer: &mut TrainObserver<'_>) -> Result<TrainingResult, TrainError> {
        let mut cache = FeatureCache::open(&self.options.cache)?;
        let extracted = samples::extract(
            &self.dataset,
            &self.extractor,
            &mut cache,
            self.options.threads,
            observer,
        )?;
        let features = samples::drop_unusable(&mut self.dataset, extracted)?;
        let folder = self.options.folder.path();
        if !TrainedModel::is_in(folder) {
            // Whatever comes of the training. A model that is there keeps its own.
            let path = folder.join(LEFT_OUT);
            trained::replace(&path, &tables::left_out(&path, &self.dataset)?)?;
        }
        event::send(observer, &Event::Usable(&self.dataset))?;
        let splits = self.dataset.split(&self.options.split)?;
        event::send(observer, &Event::Split { dataset: &self.dataset, splits: &splits })?;
        let samples = Samples { dataset: &self.dataset, splits: &splits, features: &features };
        let copies = samples::extract_copies(
            &samples,
            &self.options,
            &self.extractor,
            &mut cache,
            observer,
        )?;
        drop(cache);
        event::send(observer, &Event::Finished(Stage::Features))?;
        let run = fit::Run {
            samples,
            copies: &copies,
            extractor: &self.extractor,
            options: &self.options,
        };
        let mut table_of_folds = None;
        if let Some(folds) = self.options.folds {
            table_of_folds = Some(folds::cross_validate(&run, folds, observer)?);
            event::send(observer, &Event::Finished(Stage::CrossValidation))?;
        }
        let fitted = run.fit(observer)?;
        // A cancelled training still writes the model it has.
        let _ = observer.event(&Event::Finished(Stage::Head));
        report::write(&run, &fitted, table_of_folds.as_deref(), observer)
    }
}

/// Outcome of a training.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TrainingResult {
    /// The trained model.
    pub model: TrainedModel,
    /// Evaluations of the splits, in the order of [`Split::ALL`].
    pub evaluations: [Evaluation; 3],
    /// Whether photos were left out that could not be used.
    pub has_unusable_photos: bool,
    /// Whether the observer stopped the training of the head.
    pub interrupted: bool,
    /// Files and folders that are no photos, or were left out.
    pub passed_over: PassedOver,
    /// Notes about the dataset, such as how labels are counted.
    pub notes: Vec<String>,
}

impl TrainingResult {
    /// The evaluation of a split.
    #[must_use]
    pub fn evaluation(&self, split: Split) -> &Evaluation {
        &self.evaluations[split as usize]
    }

    /// Returns the result as it is written as JSON; `model` is the name of the folder.
    #[must_use]
    pub fn summary<'a>(&'a self, model: &'a str) -> TrainingSummary<'a> {
        let card = &self.model.card;
        TrainingSummary {
            model,
            classes: &card.classes,
            photos: card.data.photos,
            left_out: card.data.left_out,
            metrics: &card.metrics,
            test_interval: self.evaluation(Split::Test).accuracy().interval(),
            penalty: card.training.penalty,
            epochs: card.training.epochs,
            unknown_below: rejection_threshold(card),
            passed_over: &self.passed_over,
            notes: &self.notes,
        }
    }
}

fn rejection_threshold(card: &Card) -> Option<f32> {
    card.calibration.and_then(|calibration| calibration.rejection_threshold)
}

/// JSON of a training's outcome.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct TrainingSummary<'a> {
    /// Folder of the model.
    pub model: &'a str,
    /// Names of the classes, in the order of the outputs.
    pub classes: &'a [String],
    /// Number of photos of each split.
    pub photos: crate::trained::SplitCounts,
    /// Number of photos that were left out.
    pub left_out: usize,
    /// Metrics by name, such as `test_accuracy`.
    pub metrics: &'a std::collections::BTreeMap<String, f64>,
    /// 95 % confidence interval of the test accuracy.
    pub test_interval: [f64; 2],
    /// L2 penalty.
    pub penalty: Option<f64>,
    /// Number of epochs.
    pub epochs: usize,
    /// Probability below which a photo is of no known class.
    pub unknown_below: Option<f32>,
    /// Files and folders that are no photos, or were left out.
    pub passed_over: &'a PassedOver,
    /// Notes about the dataset, such as how labels are counted.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub notes: &'a [String],
}
