//! `lorgnette train`: classes of one's own from a folder of photos.

mod bottlenecks;
mod fit;
mod folds;
mod photos;
mod result;
mod settings;
mod stopwatch;
mod tensorboard;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use lorgnette::dataset::{Dataset, Split};
use lorgnette::features::{Extractor, FeatureCache};
use lorgnette::trained::TrainedModel;

use self::bottlenecks::Bottlenecks;
use self::photos::PreviousModel;
use self::settings::{AugmentationArguments, HeadArguments, SplitArguments};
use self::stopwatch::Stopwatch;
use crate::Outcome;
use crate::arguments::{DecodeArguments, Global, InputArguments, ReportFormat};
use crate::interrupt::Interrupt;
use crate::messages::{Messages, count};
use crate::model;

/// Train classes of your own from a folder of photos
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A folder with one folder of photos for each class, perhaps within train, val and test; or a
    /// CSV file with the columns path, label and perhaps split
    #[arg(value_name = "FOLDER", required_unless_present = "from")]
    folder: Option<PathBuf>,

    /// The folder for the model and the report on it
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// A trained model whose photos, splits, network and classes are taken too
    #[arg(long, value_name = "DIR", conflicts_with = "model")]
    from: Option<PathBuf>,

    /// Go on where an interrupted training stopped
    #[arg(long)]
    resume: bool,

    /// Replace a model that is in the folder already
    #[arg(long, conflicts_with = "resume")]
    overwrite: bool,

    /// The end point to train on [default: what the classification layer reads]
    #[arg(long, value_name = "END_POINT")]
    features: Option<String>,

    /// The file that features are kept in [default: features.cache in the model home]
    #[arg(long, value_name = "FILE")]
    cache: Option<PathBuf>,

    /// Stop if any photo is unreadable, there twice, or contradictory; else such are reported and
    /// left out
    #[arg(long)]
    strict: bool,

    /// Leave photos as they are stored, as TensorFlow does; else they are turned as EXIF says
    #[arg(long)]
    ignore_orientation: bool,

    /// How to write what came of it
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,

    /// Also write initial values, features, batches and losses of gradient descent into this
    /// folder, to compare with TensorFlow
    #[arg(long, value_name = "DIR")]
    trace: Option<PathBuf>,

    /// Also write the photos' features, with small pictures, for the projector of TensorBoard (in
    /// DIR/tensorboard)
    #[arg(long)]
    projector: bool,

    /// Also say where the time went
    #[arg(long)]
    time: bool,

    #[command(flatten)]
    splitting: SplitArguments,

    #[command(flatten)]
    head: HeadArguments,

    #[command(flatten)]
    augmentation: AugmentationArguments,

    #[command(flatten)]
    decode: DecodeArguments,

    #[command(flatten)]
    input: InputArguments,
}

const EXAMPLES: &str = "\
The network's features of each photo are computed once and kept; then a classification layer is trained on them, which takes
seconds. Interrupt it whenever you like (Ctrl-C): what is there is kept, and --resume goes on.

DIR is then a model like any other: --model DIR. It holds model.json, weights.npy and biases.npy, labels.txt, split.csv (what
each photo was used for), left_out.csv, epochs.csv, report.html with everything that was measured, and tensorboard/ for `tensorboard --logdir`.

Photos are dealt out by the digest of their content, so moving, renaming or adding photos changes nothing, and the same photo
is never on both sides. Photos called NAME_nohash_… stay together.

Examples:
  lorgnette train flowers --out flowers.model
  lorgnette classify rose.jpg --model flowers.model
  lorgnette train flowers --out better.model --model inception_v3 --flip --random-crop 10 --copies 4
  lorgnette train more --out grown.model --from flowers.model         more photos or classes; known ones are not computed again
  lorgnette train list.csv --out tags.model --multi-label             path,label; several labels with | between
  lorgnette train flowers --out as_in_2017 --recipe retrain --split retrain
  lorgnette features prune                                            free the room that features take";

/// Trains.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    let (started, stopwatch) = (Instant::now(), Stopwatch::start());
    let interrupt = Interrupt::install();
    photos::check_out(arguments)?;
    let previous = arguments.from.as_deref().map(PreviousModel::read).transpose()?;
    let threads = global.threads.map_or_else(cores, usize::from);
    let Some(mut dataset) =
        photos::read(arguments, previous.as_ref(), (threads, messages), &interrupt)?
    else {
        bail!("interrupted before anything was computed");
    };
    stopwatch.lap("finding photos, and telling them apart");
    let (base, options) = base(arguments, global, previous.as_ref())?;
    let model = model::open_base_model(&base, &options, messages)?;
    let open_options =
        arguments.decode.open_options(&arguments.open_options(), model.min_decode_size(), messages);
    let extractor = Extractor::new(model, features(arguments, previous.as_ref()), open_options)?;
    let path = arguments.cache.clone().map_or_else(model::features_file, Ok)?;
    let mut cache = FeatureCache::open(&path)?;
    stopwatch.lap("opening the network, and the cache of features");
    let computing = (threads, messages, &interrupt);
    let Some(features) = bottlenecks::extract_all(&mut dataset, &extractor, &mut cache, computing)?
    else {
        messages
            .note(&"interrupted: the features computed so far are kept; start it again to go on");
        return Ok(Outcome::SomeFailed);
    };
    let features = photos::drop_unusable(&mut dataset, features, previous.as_ref())?;
    photos::report_rejected(arguments, &dataset, messages)?;
    let split_options = arguments.splitting.options(previous.as_ref())?;
    // They may say why there is too little to split.
    dataset.notes.iter().for_each(|note| messages.note(note));
    let splits = dataset.split(&split_options)?;
    dataset.warnings(&splits).iter().for_each(|warning| messages.note(warning));
    let bottlenecks = Bottlenecks { dataset: &dataset, splits: &splits, features: &features };
    let augmentations = arguments.augmentation.augmentations(arguments.splitting.seed);
    let Some(extra) = bottlenecks.distorted(&augmentations, &extractor, &mut cache, computing)?
    else {
        messages
            .note(&"interrupted: the features computed so far are kept; start it again to go on");
        return Ok(Outcome::SomeFailed);
    };
    stopwatch.lap(stopwatch::FEATURES);
    drop(cache);
    let (extra, extractor, split_options, interrupt, stopwatch) =
        (&extra, &extractor, &split_options, &interrupt, &stopwatch);
    let run = fit::Run {
        arguments,
        bottlenecks,
        extra,
        extractor,
        split_options,
        messages,
        interrupt,
        stopwatch,
    };
    if let Some(folds) = arguments.splitting.folds {
        folds::cross_validate(&run, folds)?;
        stopwatch.lap("cross-validation");
    }
    let fitted = run.fit()?;
    stopwatch.lap("training the layer");
    let outcome = result::write(&run, &fitted, (&base, &options))?;
    if arguments.time {
        stopwatch.write(extractor.timings(), threads)?;
    }
    messages.note(&format_args!(
        "{} written, {:.1?} in all{}",
        arguments.out.display(),
        started.elapsed(),
        if fitted.trained.interrupted { "; interrupted: --resume goes on" } else { "" }
    ));
    Ok(outcome)
}

impl Arguments {
    fn open_options(&self) -> lorgnette::picture::OpenOptions {
        lorgnette::picture::OpenOptions {
            ignore_orientation: self.ignore_orientation,
            ..Default::default()
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The end point asked for, or that of the model to go on from.
fn features<'a>(arguments: &'a Arguments, previous: Option<&'a PreviousModel>) -> Option<&'a str> {
    arguments
        .features
        .as_deref()
        .or_else(|| previous.map(|previous| previous.model.card.base.features.as_str()))
}

/// The network to train on, and how it is opened. Of a trained model, it is the one beneath.
fn base(
    arguments: &Arguments,
    global: &Global,
    previous: Option<&PreviousModel>,
) -> Result<(lorgnette::trained::Base, lorgnette::ModelOptions)> {
    let options = arguments.input.add_to(global.model_options()?);
    let trained_base = |model: &TrainedModel, folder: &std::path::Path| -> Result<_> {
        let card = &model.card.base;
        let opening = card.options(&model.card.shape, &options);
        let opening = opening.map_err(|what| anyhow::anyhow!("{}: {what}", folder.display()))?;
        Ok((card.base(folder)?, opening))
    };
    if let Some(previous) = previous {
        return trained_base(&previous.model, &previous.folder);
    }
    match model::base(global)? {
        lorgnette::trained::Base::File(path) if TrainedModel::is_in(&path) => {
            trained_base(&TrainedModel::read(&path)?, &path)
        }
        base => Ok((base, options)),
    }
}

/// How many photos each split has.
fn counts(splits: &[Split]) -> [usize; 3] {
    Split::ALL.map(|split| splits.iter().filter(|&&found| found == split).count())
}

/// What a dataset is, in a line.
fn describe(dataset: &Dataset, splits: &[Split]) -> String {
    let [training, validation, test] = counts(splits);
    format!(
        "{} of {}: {training} for training, {validation} for validation, {test} for test",
        count(dataset.examples.len(), "photo"),
        count_classes(dataset.classes.len()),
    )
}

fn count_classes(classes: usize) -> String {
    if classes == 1 { "1 class".into() } else { format!("{classes} classes") }
}

/// Says which files of a folder stand in the way.
fn refuse(what: &str, out: &std::path::Path) -> Result<()> {
    ensure!(what.is_empty(), "{}: {what}", out.display());
    Ok(())
}

/// An error with the folder it is about.
fn with_path<T>(result: std::io::Result<T>, path: &std::path::Path) -> Result<T> {
    result.with_context(|| path.display().to_string())
}
