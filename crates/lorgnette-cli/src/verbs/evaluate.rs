//! `lorgnette evaluate`: metrics of a model on labelled photos.

mod ground_truth;
mod score;
mod text;
mod trained_on;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use lorgnette::dataset::Split;
use lorgnette::metrics::{Evaluation, NEAR_DUPLICATE_COSINE, NearDuplicateFinder, Proportion};
use lorgnette::picture::OpenOptions;
use lorgnette::report::{NearDuplicatePair, Report};
use lorgnette::{Classifier, Model};

use self::ground_truth::GroundTruth;
use self::score::{ScoredPhotos, score_photos};
use self::trained_on::TrainedOn;
use crate::Outcome;
use crate::arguments::{DecodeArguments, Global, InputArguments, ReportFormat};
use crate::messages::{Messages, count};
use crate::model;
use crate::stream::{write_json, write_report};

/// Evaluate a model on labelled photos
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The model, as for --model
    #[arg(value_name = "MODEL")]
    named: OsString,

    /// A folder with one folder of photos for each class; or a CSV file with the columns path and
    /// label
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,

    /// Folders within a class's folder are classes of their own, or part of the class; else they
    /// are left out
    #[arg(long, value_enum)]
    nested: Option<Nested>,

    /// Photos may have several labels: in a CSV file, or by lying in several folders
    #[arg(long)]
    multi_label: bool,

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

/// Meaning of folders within a class's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Nested {
    // Called by their path, such as animals/cat.
    Classes,
    // Of the class they are in.
    Parts,
}

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
    let listing = ground_truth::list(&arguments.folder, arguments.nested, arguments.multi_label)?;
    let model =
        model::open_for_photos_by_name(Some(&arguments.named), &arguments.input, global, messages)?;
    let classifier = Classifier::new(model.clone())?;
    let mut ground_truth = GroundTruth::new(listing, model.labels(), messages)?;
    let (split, threads) =
        (arguments.split.map(Split::from), model.network().run_options().pool.threads());
    match TrainedOn::read(&arguments.named)? {
        Some(trained_on) => trained_on.keep_split(&mut ground_truth, split, (threads, messages))?,
        None => ensure!(split.is_none(), "--split is for models that `lorgnette train` made"),
    }
    let open_options =
        OpenOptions { ignore_orientation: arguments.ignore_orientation, ..OpenOptions::default() };
    let scoring_open_options =
        arguments.decode.open_options(&open_options, model.min_decode_size(), messages);
    let scored_photos = score_photos(
        &ground_truth,
        &classifier,
        &scoring_open_options,
        (arguments.out.is_some(), messages),
    );
    if scored_photos.scored.is_empty() {
        bail!("{}: not one photo could be judged", arguments.folder.display());
    }
    let names = names(&model);
    let evaluation = Evaluation::new(&names, &scored_photos.scored)?;
    if let Some(out) = &arguments.out {
        report(
            arguments,
            out,
            (&model, &ground_truth),
            &evaluation,
            (&scored_photos, &open_options),
        )?;
        messages.note(&format_args!("{} written", out.join("report.html").display()));
    }
    write_report(|out| match arguments.format {
        ReportFormat::Text => text::write(out, &evaluation, model.name()),
        ReportFormat::Json => write_json(out, &evaluation.summary(scored_photos.failed)),
    })?;
    Ok(outcome(
        arguments.assert_accuracy,
        evaluation.accuracy(),
        scored_photos.failed + ground_truth.rejected,
        messages,
    ))
}

/// Returns the names of a model's classes. Equal names get their synset or index.
fn names(model: &Model) -> Vec<String> {
    let labels = model.labels();
    let name = |label: lorgnette::labels::Label<'_>| {
        let first = label.first_name();
        let is_unique = labels.iter().filter(|other| other.first_name() == first).count() == 1;
        let index = label.index.to_string();
        if is_unique {
            first.to_owned()
        } else {
            format!("{first} ({})", label.synset.unwrap_or(&index))
        }
    };
    labels.iter().map(name).collect()
}

/// Writes the folder with the report.
fn report(
    arguments: &Arguments,
    out: &Path,
    (model, ground_truth): (&Model, &GroundTruth),
    evaluation: &Evaluation,
    (scored_photos, open_options): (&ScoredPhotos, &OpenOptions),
) -> Result<()> {
    let title = format!("{} on {}", model.name(), arguments.folder.display());
    let about = about(arguments, (model, ground_truth), scored_photos);
    let near_duplicates = near_duplicates(scored_photos, evaluation.names());
    let shown = scored_photos.scored.len() / 2;
    let features = scored_photos
        .features
        .get(shown)
        .map(|features| (scored_photos.scored[shown].photo.as_path(), &features[..]));
    let report = Report {
        near_duplicates: &near_duplicates,
        features,
        about: &about,
        ..Report::new(&title, evaluation, &scored_photos.scored)
    };
    report
        .write(out, &|path| open_options.open(path).ok())
        .with_context(|| out.display().to_string())
}

fn about(
    arguments: &Arguments,
    (model, ground_truth): (&Model, &GroundTruth),
    scored_photos: &ScoredPhotos,
) -> Vec<(String, String)> {
    let folder = &arguments.folder;
    let mut about = vec![
        ("model", format!("{} ({})", model.name(), arguments.named.display())),
        ("photos", folder.canonicalize().unwrap_or_else(|_| folder.clone()).display().to_string()),
        ("preprocessing", model::describe_preprocessing(model)),
        ("program", format!("lorgnette {}", env!("CARGO_PKG_VERSION"))),
    ];
    if arguments.decode.is_reduced() {
        about.push(("photos decoded", "at a reduced size where that is enough".into()));
    }
    if scored_photos.failed + ground_truth.rejected > 0 {
        about.push((
            "left out",
            count(scored_photos.failed + ground_truth.rejected, "photo that could not be judged"),
        ));
    }
    if !ground_truth.unmatched.is_empty() {
        about.push(("folders of no class", ground_truth.unmatched.join(", ")));
    }
    about.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Returns near-duplicates of different classes.
fn near_duplicates(scored_photos: &ScoredPhotos, names: &[String]) -> Vec<NearDuplicatePair> {
    let features: Vec<&[f32]> = scored_photos.features.iter().map(Vec::as_slice).collect();
    let truth = |photo: usize| &scored_photos.scored[photo].truth;
    let pairs = NearDuplicateFinder::new(&features)
        .pairs(NEAR_DUPLICATE_COSINE, |one, other| truth(one) != truth(other));
    let place = |photo: usize| {
        let names: Vec<&str> = truth(photo).iter().map(|&class| names[class].as_str()).collect();
        names.join(" and ")
    };
    let near_duplicate = |pair: lorgnette::metrics::NearDuplicate| NearDuplicatePair {
        photos: [pair.first, pair.second].map(|photo| scored_photos.scored[photo].photo.clone()),
        places: [pair.first, pair.second].map(place),
        cosine: pair.cosine,
    };
    pairs.into_iter().map(near_duplicate).collect()
}

fn outcome(
    asserted: Option<f64>,
    accuracy: Proportion,
    failed: usize,
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
        None if failed > 0 => Outcome::SomeFailed,
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
