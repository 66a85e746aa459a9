//! A training as host languages ask for it.

use std::path::PathBuf;

use super::{Event, Existing, TrainError, Trainer, TrainerOptions, TrainingFolder, TrainingResult};
use crate::dataset::{Dataset, Listing, ListingOptions};
use crate::features::Extractor;
use crate::head::{OutputKind, Recipe};
use crate::model_ref::ModelRef;
use crate::model_store::ModelStore;
use crate::opened_model::OpenedModel;
use crate::picture::OpenOptions;
use crate::watch::Watch;

/// A training on an open model, with the options that host languages have.
#[derive(Clone, Debug)]
pub struct TrainingRequest {
    /// Folder or list of photos.
    pub photos: PathBuf,
    /// Folder of the model and the report.
    pub out: PathBuf,
    /// Whether `out` may have files in it.
    pub existing: Existing,
    /// Whether photos may have several classes.
    pub multi_label: bool,
    /// Recipe.
    pub recipe: Recipe,
    /// Number of steps; `None` for the recipe's.
    pub steps: Option<usize>,
    /// Seed of splits and of the training.
    pub seed: u64,
    /// Share of photos for validation, in percent.
    pub validation_percentage: f64,
    /// Share of photos for the test, in percent.
    pub test_percentage: f64,
    /// End point whose values are the features; `None` for what the classification layer reads.
    pub end_point: Option<String>,
    /// File of cached features; `None` for that in the model store, or without one in `out`.
    pub cache: Option<PathBuf>,
}

impl TrainingRequest {
    /// Trains a head on the photos, and writes the model and its report. `watch` counts photos.
    ///
    /// # Errors
    /// [`TrainError::Trained`] if the model has a head already; as [`Trainer::run`].
    pub fn run(&self, base: &OpenedModel, watch: &Watch) -> Result<TrainingResult, TrainError> {
        let model = base.model();
        if matches!(base.model_ref(), ModelRef::File(_)) && model.card().is_some() {
            return Err(TrainError::Trained { name: model.name().to_owned() });
        }
        let options = self.trainer_options(base)?;
        let dataset = self.dataset(options.threads, watch)?;
        let extractor =
            Extractor::new(model.clone(), self.end_point.as_deref(), OpenOptions::default())?;
        Trainer::new(dataset, extractor, options).run(&mut |event: &Event<'_>| {
            if let Event::Extraction(extraction) = event {
                watch.set(crate::Progress { done: extraction.done, total: extraction.total });
            }
            watch.flow()
        })
    }

    fn trainer_options(&self, base: &OpenedModel) -> Result<TrainerOptions, TrainError> {
        let mut options = TrainerOptions::new(TrainingFolder::open(&self.out, self.existing)?);
        options.base = base.model_ref().clone();
        options.model = base.options().clone();
        options.threads = base.model().threads();
        let shared_cache = || Some(ModelStore::from_env()?.folder().join("features.cache"));
        if let Some(cache) = self.cache.clone().or_else(shared_cache) {
            options.cache = cache;
        }
        options.split.validation = self.validation_percentage;
        options.split.test = self.test_percentage;
        options.split.seed = self.seed;
        options.head.recipe = self.recipe;
        options.head.steps = self.steps;
        options.head.seed = self.seed;
        if self.multi_label {
            options.head.answer = OutputKind::Sigmoid;
        }
        Ok(options)
    }

    /// Reads the photos, in the order of their digests: nothing depends on where they lie.
    fn dataset(&self, threads: usize, watch: &Watch) -> Result<Dataset, TrainError> {
        let listing = ListingOptions { multi_label: self.multi_label, ..Default::default() };
        let listing = Listing::open(&self.photos, &listing)?;
        let mut dataset = Dataset::read(listing, threads, &mut watch.counted())?;
        dataset.examples.sort_by_key(|example| example.digest);
        Ok(dataset)
    }
}
