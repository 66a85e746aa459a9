//! Training on a folder of photos, and evaluation of models.

use std::ops::ControlFlow;
use std::path::PathBuf;

use lorgnette::dataset::{Dataset, Listing, ListingOptions, Split};
use lorgnette::evaluate::{EvaluateError, Evaluator, EvaluatorOptions, Event as EvaluationEvent};
use lorgnette::features::Extractor;
use lorgnette::head::{OutputKind, Recipe};
use lorgnette::picture::OpenOptions;
use lorgnette::train::{Event, Existing, Trainer, TrainerOptions, TrainingFolder};
use lorgnette::{ModelRef, ModelStore, Progress};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::{LorgnetteError, OrRaise as _, wrong_value};
use crate::model::{Model, json};
use crate::work::{Watch, interruptible};

/// Options of a training; items of a dictionary.
#[derive(Debug, FromPyObject)]
pub(crate) struct TrainArguments {
    #[pyo3(item)]
    photos: PathBuf,
    #[pyo3(item)]
    out: PathBuf,
    #[pyo3(item)]
    multi_label: bool,
    #[pyo3(item)]
    recipe: String,
    #[pyo3(item)]
    steps: Option<usize>,
    #[pyo3(item)]
    seed: u64,
    #[pyo3(item)]
    validation_percentage: f64,
    #[pyo3(item)]
    test_percentage: f64,
    #[pyo3(item)]
    end_point: Option<String>,
    #[pyo3(item)]
    resume: bool,
    #[pyo3(item)]
    overwrite: bool,
    #[pyo3(item)]
    cache: Option<PathBuf>,
}

/// Trains a classification layer on photos of classes, and writes the model to a folder. `progress`
/// is called with numbers of photos. Returns the summary, and of each of training, validation and
/// test the evaluation, as JSON.
#[pyfunction]
pub(crate) fn train(
    py: Python<'_>,
    arguments: TrainArguments,
    model: &Model,
    progress: Option<Py<PyAny>>,
) -> PyResult<(String, [String; 3])> {
    if matches!(model.model_ref(), ModelRef::File(_)) && model.inner().card().is_some() {
        return Err(LorgnetteError::new_err(format!(
            "{}: it is trained already: train on the network that it was made from",
            model.inner().name()
        )));
    }
    interruptible(py, progress.as_ref(), |watch| {
        let options = arguments.trainer_options(model)?;
        let dataset = arguments.dataset(options.threads, watch)?;
        let end_point = arguments.end_point.as_deref();
        let extractor =
            Extractor::new(model.inner().clone(), end_point, OpenOptions::default()).or_raise()?;
        let trainer = Trainer::new(dataset, extractor, options);
        let result = trainer.run(&mut |event: &Event<'_>| {
            if let Event::Extraction(extraction) = event {
                watch.set(extraction.done, extraction.total);
            }
            watch.flow()
        });
        let result = result.or_raise()?;
        let summary = json(&result.summary(&arguments.out.display().to_string()));
        Ok((summary, Split::ALL.map(|split| json(&result.evaluation(split).summary(0)))))
    })
}

/// Evaluates a model on photos of classes. `split` keeps the photos that the model's training used
/// so. Returns the figures as JSON, and a line for each photo that was left out.
#[pyfunction]
pub(crate) fn evaluate(
    py: Python<'_>,
    model: &Model,
    photos: PathBuf,
    options: (Option<String>, bool, bool),
    progress: Option<Py<PyAny>>,
) -> PyResult<(String, Vec<String>)> {
    let (split, multi_label, reduced) = options;
    let mut options = EvaluatorOptions::default();
    options.split = split.as_deref().map(parse_split).transpose()?;
    options.open.min_decode_size = if reduced { model.inner().min_decode_size() } else { None };
    if let ModelRef::File(folder) = model.model_ref() {
        options.folder = Some(folder.clone());
    }
    interruptible(py, progress.as_ref(), |watch| {
        let listing = ListingOptions { multi_label, ..ListingOptions::default() };
        let listing = Listing::open(&photos, &listing).or_raise()?;
        let evaluator = Evaluator::new(model.inner().clone(), options).or_raise()?;
        let mut left_out = Vec::new();
        let result = evaluator
            .run(listing, &mut |event: &EvaluationEvent<'_>| observe(event, watch, &mut left_out));
        match result {
            Ok(result) => Ok((json(&result.summary()), left_out)),
            Err(EvaluateError::NothingScored) => Err(LorgnetteError::new_err(format!(
                "{}: {}",
                photos.display(),
                EvaluateError::NothingScored
            ))),
            Err(error) => Err(error).or_raise(),
        }
    })
}

fn observe(
    event: &EvaluationEvent<'_>,
    watch: &Watch,
    left_out: &mut Vec<String>,
) -> ControlFlow<()> {
    match event {
        EvaluationEvent::Scored { error, progress, .. } => {
            left_out.extend(error.map(|error| crate::error::message(error)));
            watch.set(progress.done, progress.total);
        }
        EvaluationEvent::Unmatched { error, photos } => {
            left_out.push(format!("{error} ({photos} photos)"));
        }
        EvaluationEvent::Listed(listing) => {
            left_out.extend(listing.rejected.iter().map(|rejected| rejected.message.clone()));
        }
        _ => {}
    }
    watch.flow()
}

fn parse_split(name: &str) -> PyResult<Split> {
    let found = Split::ALL.into_iter().find(|split| split.name() == name);
    found.ok_or_else(|| {
        let names = Split::ALL.map(Split::name).join(", ");
        PyValueError::new_err(format!("{name:?} is no split: choose one of {names}"))
    })
}

impl TrainArguments {
    fn trainer_options(&self, model: &Model) -> PyResult<TrainerOptions> {
        let existing = match (self.resume, self.overwrite) {
            (true, _) => Existing::Resume,
            (false, true) => Existing::Overwrite,
            (false, false) => Existing::Refuse,
        };
        let folder = TrainingFolder::open(&self.out, existing).or_raise()?;
        let mut options = TrainerOptions::new(folder);
        options.base = model.model_ref().clone();
        options.model = model.options().clone();
        options.threads = model.inner().threads();
        let shared_cache = || Some(ModelStore::from_env()?.folder().join("features.cache"));
        if let Some(cache) = self.cache.clone().or_else(shared_cache) {
            options.cache = cache;
        }
        options.split.validation = self.validation_percentage;
        options.split.test = self.test_percentage;
        options.split.seed = self.seed;
        options.head.recipe = self.recipe.parse::<Recipe>().map_err(wrong_value)?;
        options.head.steps = self.steps;
        options.head.seed = self.seed;
        if self.multi_label {
            options.head.answer = OutputKind::Sigmoid;
        }
        Ok(options)
    }

    /// Reads the photos, in the order of their digests: nothing depends on where they lie.
    fn dataset(&self, threads: usize, watch: &Watch) -> PyResult<Dataset> {
        let listing = ListingOptions { multi_label: self.multi_label, ..Default::default() };
        let listing = Listing::open(&self.photos, &listing).or_raise()?;
        let mut dataset = Dataset::read(listing, threads, &mut |progress: &Progress| {
            watch.set(progress.done, progress.total);
            watch.flow()
        })
        .or_raise()?;
        dataset.examples.sort_by_key(|example| example.digest);
        Ok(dataset)
    }
}
