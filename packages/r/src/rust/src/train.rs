//! Training on a folder of photos, and evaluation of models.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use lorgnette::dataset::{Dataset, Listing, ListingOptions, Split};
use lorgnette::evaluate::{EvaluateError, Evaluator, EvaluatorOptions, Event as EvaluationEvent};
use lorgnette::features::Extractor;
use lorgnette::head::{OutputKind, Recipe};
use lorgnette::picture::OpenOptions;
use lorgnette::train::{Event, Existing, Trainer, TrainerOptions, TrainingFolder};
use lorgnette::{ModelRef, ModelStore, Progress};
use savvy::{savvy, FunctionSexp, ListSexp, OwnedListSexp, OwnedStringSexp, Sexp};

use crate::answers::{columns, take_array, to_r, value, Field, Kind, NAME};
use crate::error::{message, Failure, OrFail as _};
use crate::model::Model;
use crate::options::Options;
use crate::work::{interruptible, Watch};

/// Columns of the figures of classes.
const CLASSES: [Field; 5] = [
    NAME,
    Field::new("support", "/support", Kind::Whole),
    Field::new("precision", "/precision", Kind::Number),
    Field::new("recall", "/recall", Kind::Number),
    Field::new("f1", "/f1", Kind::Number),
];

/// Options of a training.
#[derive(Debug)]
struct TrainArguments {
    photos: PathBuf,
    out: PathBuf,
    multi_label: bool,
    recipe: Recipe,
    steps: Option<usize>,
    seed: u64,
    validation_percentage: f64,
    test_percentage: f64,
    end_point: Option<String>,
    existing: Existing,
    cache: Option<PathBuf>,
}

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
    if matches!(model.model_ref(), ModelRef::File(_)) && model.inner().card().is_some() {
        let sentence = format!(
            "{}: it is trained already: train on the network that it was made from",
            model.inner().name()
        );
        return Err(Failure::new(sentence).into());
    }
    let arguments = TrainArguments::from_r(&Options::new(options))?;
    let (summary, evaluations) = interruptible(progress.as_ref(), |watch| {
        let options = arguments.trainer_options(model)?;
        let dataset = arguments.dataset(options.threads, watch)?;
        let end_point = arguments.end_point.as_deref();
        let extractor =
            Extractor::new(model.inner().clone(), end_point, OpenOptions::default()).or_fail()?;
        let trainer = Trainer::new(dataset, extractor, options);
        let result = trainer.run(&mut |event: &Event<'_>| {
            if let Event::Extraction(extraction) = event {
                watch.set(extraction.done, extraction.total);
            }
            watch.flow()
        });
        let result = result.or_fail()?;
        let summary = value(&result.summary(&arguments.out.display().to_string()));
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
    let arguments = Options::new(options);
    let multi_label = arguments.flag("multi_label")?;
    let mut options = EvaluatorOptions::default();
    options.split = arguments.text("split")?.map(parse_split).transpose()?;
    if arguments.flag("reduced")? {
        options.open.min_decode_size = model.inner().min_decode_size();
    }
    if let ModelRef::File(folder) = model.model_ref() {
        options.folder = Some(folder.clone());
    }
    let (evaluation, left_out) = interruptible(progress.as_ref(), |watch| {
        let listing = ListingOptions { multi_label, ..ListingOptions::default() };
        let listing = Listing::open(Path::new(photos), &listing).or_fail()?;
        let evaluator = Evaluator::new(model.inner().clone(), options).or_fail()?;
        let mut left_out = Vec::new();
        let result = evaluator
            .run(listing, &mut |event: &EvaluationEvent<'_>| observe(event, watch, &mut left_out));
        match result {
            Ok(result) => Ok((value(&result.summary()), left_out)),
            Err(EvaluateError::NothingScored) => {
                Err(Failure::new(format!("{photos}: {}", EvaluateError::NothingScored)))
            }
            Err(error) => Err(error).or_fail(),
        }
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

fn observe(
    event: &EvaluationEvent<'_>,
    watch: &Watch,
    left_out: &mut Vec<String>,
) -> ControlFlow<()> {
    match event {
        EvaluationEvent::Scored { error, progress, .. } => {
            left_out.extend(error.map(|error| message(error)));
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

fn parse_split(name: &str) -> Result<Split, Failure> {
    let found = Split::ALL.into_iter().find(|split| split.name() == name);
    found.ok_or_else(|| {
        let names = Split::ALL.map(Split::name).join(", ");
        Failure::new(format!("{name:?} is no split: choose one of {names}"))
    })
}

impl TrainArguments {
    fn from_r(options: &Options) -> savvy::Result<Self> {
        let path = |name| -> savvy::Result<PathBuf> {
            let path = options.text(name)?;
            Ok(path.ok_or_else(|| Failure::new(format!("{name} is missing")))?.into())
        };
        let existing = match (options.flag("resume")?, options.flag("overwrite")?) {
            (true, _) => Existing::Resume,
            (false, true) => Existing::Overwrite,
            (false, false) => Existing::Refuse,
        };
        Ok(Self {
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

    fn trainer_options(&self, model: &Model) -> Result<TrainerOptions, Failure> {
        let folder = TrainingFolder::open(&self.out, self.existing).or_fail()?;
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
        options.head.recipe = self.recipe;
        options.head.steps = self.steps;
        options.head.seed = self.seed;
        if self.multi_label {
            options.head.answer = OutputKind::Sigmoid;
        }
        Ok(options)
    }

    /// Reads the photos, in the order of their digests: nothing depends on where they lie.
    fn dataset(&self, threads: usize, watch: &Watch) -> Result<Dataset, Failure> {
        let listing = ListingOptions { multi_label: self.multi_label, ..Default::default() };
        let listing = Listing::open(&self.photos, &listing).or_fail()?;
        let mut dataset = Dataset::read(listing, threads, &mut |progress: &Progress| {
            watch.set(progress.done, progress.total);
            watch.flow()
        })
        .or_fail()?;
        dataset.examples.sort_by_key(|example| example.digest);
        Ok(dataset)
    }
}
