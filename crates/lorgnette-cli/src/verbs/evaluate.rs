//! `lorgnette evaluate`: metrics of a model on labelled photos.

mod observer;
mod text;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use lorgnette::dataset::{DatasetError, Listing, Split};
use lorgnette::evaluate::{EvaluateError, Evaluator, EvaluatorOptions};
use lorgnette::metrics::Proportion;
use lorgnette::picture::OpenOptions;
use lorgnette::{Model, ModelRef, ModelStore};

use self::observer::EvaluationMessages;
use crate::Outcome;
use crate::arguments::{DatasetArguments, DecodeArguments, Global, InputArguments, ReportFormat};
use crate::messages::Messages;
use crate::model;
use crate::stream::{write_json, write_report};

/// Evaluate a model on labelled photos
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, allow_missing_positional = true)]
pub(crate) struct Arguments {
    /// The model, as for --model
    #[arg(value_name = "MODEL")]
    named: Option<OsString>,

    /// A folder with one folder of photos for each class; or a CSV file with the columns path and
    /// label; or TFRecord files of TF-Slim or TensorFlow Datasets, one or a folder of them
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,

    #[command(flatten)]
    dataset: DatasetArguments,

    /// Only photos that the model, made by `lorgnette train`, used for this
    #[arg(long, value_enum)]
    split: Option<SplitName>,

    /// How to write the figures
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,

    /// Also write report.html, figures and tables into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Fail with exit code 1 if the accuracy is below this
    #[arg(long, value_name = "SHARE", value_parser = share)]
    assert_accuracy: Option<f64>,

    /// Leave photos as they are stored, as TensorFlow does; else they are turned as EXIF says
    #[arg(long)]
    ignore_orientation: bool,

    #[command(flatten)]
    decode: DecodeArguments,

    #[command(flatten)]
    input: InputArguments,
}

const EXAMPLES: &str = "\
A folder is matched with the model's classes by its name: a class's name, a
synset (n01440764), an index, or forms such as n02085620-Chihuahua, 257.clutter
and school_bus. Folders that no class is called after are named and left out.

Examples:
  lorgnette evaluate flowers.model flowers --split test
      photos that it has not seen
  lorgnette evaluate inception_v3 imagenet/val --out judged
      report.html, confusion.png, classes.csv, …
  lorgnette evaluate flowers.model new_flowers --format json | jq .accuracy
  lorgnette evaluate flowers.model new_flowers --assert-accuracy 0.9 --quiet";

/// Split of photos in a model's training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum SplitName {
    Training,
    Validation,
    Test,
}

impl From<SplitName> for Split {
    fn from(name: SplitName) -> Self {
        match name {
            SplitName::Training => Self::Training,
            SplitName::Validation => Self::Validation,
            SplitName::Test => Self::Test,
        }
    }
}

/// Evaluates the model.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    let listing = Listing::open(&arguments.folder, &arguments.dataset.listing())?;
    let model = model::open_for_photos_by_name(
        arguments.named.as_deref(),
        &arguments.input,
        global,
        messages,
    )?;
    let open_options =
        OpenOptions { ignore_orientation: arguments.ignore_orientation, ..OpenOptions::default() };
    let mut options = EvaluatorOptions::default();
    options.open = arguments.decode.open_options(&open_options, model.min_decode_size(), messages);
    let model_ref = global.model_ref(arguments.named.as_deref())?;
    options.folder = model_ref.path(ModelStore::from_env().as_ref())?;
    options.split = arguments.split.map(Split::from);
    options.features = arguments.out.is_some();
    let with_path = |error| with_path(error, &arguments.folder, &model_ref);
    let evaluator =
        Evaluator::new(model.clone(), options).map_err(|error| with_path(error.into()))?;
    let mut observer = EvaluationMessages::new(messages);
    let result = evaluator.run(listing, &mut observer);
    drop(observer);
    let result = result.map_err(with_path)?;
    if let Some(out) = &arguments.out {
        let title = format!("{} on {}", model.name(), arguments.folder.display());
        result
            .write_report(out, &title, &about(arguments, &model), &open_options)
            .with_context(|| out.display().to_string())?;
        messages.note(&format_args!("{} written", out.join("report.html").display()));
    }
    write_report(|out| match arguments.format {
        ReportFormat::Text => text::write(out, &result, model.name()),
        ReportFormat::Json => write_json(out, &result.summary()),
    })?;
    let accuracy = result.evaluation.accuracy();
    Ok(outcome(arguments.assert_accuracy, accuracy, result.left_out(), messages))
}

/// Names the photos' folder or list in an error about all of them, and the model's path in one
/// about the model.
fn with_path(error: EvaluateError, photos: &Path, model_ref: &ModelRef) -> anyhow::Error {
    match error {
        EvaluateError::NoClass { .. }
        | EvaluateError::EmptySplit { .. }
        | EvaluateError::Dataset(DatasetError::TooFew(_)) => {
            anyhow::Error::from(error).context(photos.display().to_string())
        }
        EvaluateError::NotTrained | EvaluateError::Model(_) => model::with_path(model_ref)(error),
        _ => error.into(),
    }
}

impl Arguments {
    /// The model's name, and what the user called it.
    fn model_text(&self, model: &Model) -> String {
        match &self.named {
            Some(named) => format!("{} ({})", model.name(), named.display()),
            None => model.name().to_owned(),
        }
    }
}

/// Returns names and values at the beginning of the report.
fn about(arguments: &Arguments, model: &Model) -> Vec<(String, String)> {
    let folder = &arguments.folder;
    let mut about = vec![
        ("model", arguments.model_text(model)),
        ("photos", folder.canonicalize().unwrap_or_else(|_| folder.clone()).display().to_string()),
        ("preprocessing", model::describe_preprocessing(model)),
        ("program", format!("lorgnette {}", env!("CARGO_PKG_VERSION"))),
    ];
    if arguments.decode.is_reduced() {
        about.push(("photos decoded", "at a reduced size where that is enough".into()));
    }
    about.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn outcome(
    asserted: Option<f64>,
    accuracy: Proportion,
    left_out: usize,
    messages: Messages,
) -> Outcome {
    match asserted.filter(|asserted| accuracy.value() < *asserted) {
        Some(asserted) => {
            messages.error(&format_args!(
                "the accuracy is {:.4} ({} of {}), less than {asserted}",
                accuracy.value(),
                accuracy.correct,
                accuracy.total
            ));
            Outcome::SomeFailed
        }
        None if left_out > 0 => Outcome::SomeFailed,
        None => Outcome::Done,
    }
}

/// Parses a share from 0 to 1, or a percentage.
fn share(text: &str) -> Result<f64, String> {
    let (number, unit) = text
        .trim()
        .strip_suffix('%')
        .map_or((text.trim(), 1.0), |number| (number.trim_end(), 100.0));
    let share = number.parse::<f64>().ok().map(|number| number / unit);
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "give a share from 0 to 1, such as 0.9".into())
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn a_share_is_from_0_to_1() {
        assert_eq!(
            [share("0.9"), share("90%"), share("90 %"), share("1")],
            [Ok(0.9), Ok(0.9), Ok(0.9), Ok(1.0)]
        );
        assert!(["", "90", "-0.1", "nan", "101%"].iter().all(|text| share(text).is_err()));
    }
}
