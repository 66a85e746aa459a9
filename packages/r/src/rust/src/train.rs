//! Training on a folder of photos, and evaluation of models.

use std::path::PathBuf;

use lorgnette::dataset::Split;
use lorgnette::evaluate::EvaluationRequest;
use lorgnette::train::{Existing, TrainingRequest};
use savvy::{savvy, FunctionSexp, ListSexp, OwnedListSexp, OwnedStringSexp, Sexp};

use crate::answers::{columns, take_array, to_r, value, Field, Kind, NAME};
use crate::error::{Failure, OrFail as _};
use crate::model::Model;
use crate::options::Options;
use crate::work::interruptible;

/// Columns of the figures of classes.
const CLASSES: [Field; 5] = [
    NAME,
    Field::new("support", "/support", Kind::Whole),
    Field::new("precision", "/precision", Kind::Number),
    Field::new("recall", "/recall", Kind::Number),
    Field::new("f1", "/f1", Kind::Number),
];

/// Trains a classification layer on photos of classes, and writes the model to a folder. `progress`
/// is called with numbers of photos. Returns the summary, and the evaluations of training,
/// validation and test.
/// @noRd
#[savvy]
fn train_model(
    model: &Model,
    options: ListSexp,
    progress: Option<FunctionSexp>,
) -> savvy::Result<Sexp> {
    let request = request(&Options::new(options))?;
    let (summary, evaluations) = interruptible(progress.as_ref(), |watch| {
        let result = request.run(model.opened(), watch).or_fail()?;
        let summary = value(&result.summary(&request.out.display().to_string()));
        Ok((summary, Split::ALL.map(|split| value(&result.evaluation(split).summary(0)))))
    })?;
    let mut list = OwnedListSexp::new(4, true)?;
    list.set_value(0, to_r(&summary)?)?;
    list.set_name(0, "summary")?;
    for (index, (split, evaluation)) in Split::ALL.into_iter().zip(evaluations).enumerate() {
        list.set_value(index + 1, evaluation_to_r(evaluation)?)?;
        list.set_name(index + 1, split.name())?;
    }
    Ok(list.into())
}

/// Evaluates a model on photos of classes. Returns the figures, and a line for each photo that was
/// left out.
/// @noRd
#[savvy]
fn evaluate_model(
    model: &Model,
    photos: &str,
    options: ListSexp,
    progress: Option<FunctionSexp>,
) -> savvy::Result<Sexp> {
    let options = Options::new(options);
    let request = EvaluationRequest {
        photos: photos.into(),
        split: options.parsed("split")?,
        multi_label: options.flag("multi_label")?,
        reduced: options.flag("reduced")?,
    };
    let (evaluation, left_out) = interruptible(progress.as_ref(), |watch| {
        let (result, left_out) = request.run(model.opened(), watch).or_fail()?;
        Ok((value(&result.summary()), left_out))
    })?;
    let mut list = OwnedListSexp::new(2, true)?;
    list.set_value(0, evaluation_to_r(evaluation)?)?;
    list.set_name(0, "evaluation")?;
    list.set_value(1, OwnedStringSexp::try_from_slice(left_out)?)?;
    list.set_name(1, "left_out")?;
    Ok(list.into())
}

/// An evaluation: its figures, and the data frame `by_class`.
fn evaluation_to_r(mut evaluation: serde_json::Value) -> savvy::Result<Sexp> {
    let classes = take_array(&mut evaluation, "class_figures");
    let mut list = OwnedListSexp::new(2, true)?;
    list.set_value(0, to_r(&evaluation)?)?;
    list.set_name(0, "figures")?;
    list.set_value(1, columns(&classes, &CLASSES)?)?;
    list.set_name(1, "by_class")?;
    Ok(list.into())
}

/// Reads the options of a training.
fn request(options: &Options) -> savvy::Result<TrainingRequest> {
    let path = |name| -> savvy::Result<PathBuf> {
        let path = options.text(name)?;
        Ok(path.ok_or_else(|| Failure::new(format!("{name} is missing")))?.into())
    };
    let existing = match (options.flag("resume")?, options.flag("overwrite")?) {
        (true, _) => Existing::Resume,
        (false, true) => Existing::Overwrite,
        (false, false) => Existing::Refuse,
    };
    Ok(TrainingRequest {
        photos: path("photos")?,
        out: path("out")?,
        multi_label: options.flag("multi_label")?,
        recipe: options.parsed("recipe")?.unwrap_or_default(),
        steps: options.count("steps")?,
        seed: options.count("seed")?.unwrap_or(0) as u64,
        validation_percentage: options.number("validation_percentage")?.unwrap_or(10.0),
        test_percentage: options.number("test_percentage")?.unwrap_or(10.0),
        end_point: options.text("end_point")?.map(str::to_owned),
        existing,
        cache: options.text("cache")?.map(PathBuf::from),
    })
}
