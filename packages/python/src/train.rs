//! Training on a folder of photos, and evaluation of models.

use std::path::PathBuf;

use lorgnette::dataset::Split;
use lorgnette::evaluate::EvaluationRequest;
use lorgnette::train::{Existing, TrainingRequest};
use pyo3::prelude::*;

use crate::error::OrRaise as _;
use crate::model::{Model, json, parse};
use crate::work::interruptible;

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
    let request = arguments.request()?;
    interruptible(py, progress.as_ref(), |watch| {
        let result = request.run(model.opened(), watch).or_raise()?;
        let summary = json(&result.summary(&request.out.display().to_string()));
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
    let split = split.as_deref().map(parse).transpose()?;
    let request = EvaluationRequest { photos, split, multi_label, reduced };
    interruptible(py, progress.as_ref(), |watch| {
        let (result, left_out) = request.run(model.opened(), watch).or_raise()?;
        Ok((json(&result.summary()), left_out))
    })
}

impl TrainArguments {
    fn request(self) -> PyResult<TrainingRequest> {
        let existing = match (self.resume, self.overwrite) {
            (true, _) => Existing::Resume,
            (false, true) => Existing::Overwrite,
            (false, false) => Existing::Refuse,
        };
        Ok(TrainingRequest {
            photos: self.photos,
            out: self.out,
            existing,
            multi_label: self.multi_label,
            recipe: parse(&self.recipe)?,
            steps: self.steps,
            seed: self.seed,
            validation_percentage: self.validation_percentage,
            test_percentage: self.test_percentage,
            end_point: self.end_point,
            cache: self.cache,
        })
    }
}
