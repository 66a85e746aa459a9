//! `lorgnette train`: a head for new classes from a folder of photos.

mod observer;
mod photos;
mod settings;
mod stopwatch;
mod trace;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use lorgnette::dataset::{DatasetError, Split};
use lorgnette::features::Extractor;
use lorgnette::picture::OpenOptions;
use lorgnette::train::{
    Existing, PreviousModel, TrainError, Trainer, TrainerOptions, TrainingFolder, TrainingResult,
};
use lorgnette::trained::TrainedModel;
use lorgnette::{ModelOptions, ModelRef};

use self::observer::TrainingObserver;
use self::settings::{AugmentationArguments, HeadArguments, SplitArguments};
use self::stopwatch::Stopwatch;
use crate::Outcome;
use crate::arguments::{DatasetArguments, DecodeArguments, Global, InputArguments, ReportFormat};
use crate::interrupt::Interrupt;
use crate::messages::Messages;
use crate::model;
use crate::stream::{write_json, write_report};

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
    #[arg(long, conflicts_with = "resume", visible_alias = "force")]
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
    dataset: DatasetArguments,

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
The network's features of each photo are computed once and kept; then a
classification layer is trained on them, which takes seconds. Interrupt it
whenever you like (Ctrl-C): what is there is kept, and --resume goes on.

DIR is then a model like any other: --model DIR. It holds model.json,
weights.npy and biases.npy, labels.txt, split.csv (what each photo was used
for), left_out.csv, epochs.csv, report.html with everything that was measured,
and tensorboard/ for `tensorboard --logdir`.

Photos are dealt out by the digest of their content, so moving, renaming or
adding photos changes nothing, and the same photo is never on both sides. Photos
called NAME_nohash_… stay together.

Examples:
  lorgnette train flowers --out flowers.model
  lorgnette classify rose.jpg --model flowers.model
  lorgnette train flowers --out better.model --model inception_v3 --flip \\
      --random-crop 10 --copies 4
  lorgnette train more --out grown.model --from flowers.model
      more photos or classes; known ones are not computed again
  lorgnette train list.csv --out tags.model --multi-label
      path,label; several labels with | between
  lorgnette train flowers --out as_in_2017 --recipe retrain --split retrain
  lorgnette features prune
      free the room that features take";

/// Trains.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    let (started, mut stopwatch) = (Instant::now(), Stopwatch::start());
    let interrupt = Interrupt::install();
    let folder = TrainingFolder::open(&arguments.out, arguments.existing())?;
    let previous = arguments.from.as_deref().map(PreviousModel::read).transpose()?;
    let threads = global.threads.map_or_else(cores, usize::from);
    let dataset = photos::read(arguments, previous.as_ref(), threads, messages, &interrupt)?;
    let Some(dataset) = dataset else {
        messages.note(&"interrupted before anything was computed");
        return Ok(Outcome::Interrupted);
    };
    stopwatch.lap("finding photos, and telling them apart");
    let (base, options) = base(arguments, global, previous.as_ref())?;
    let model = model::open_ref(&base, &options, messages)?;
    let open_options =
        arguments.decode.open_options(&arguments.open_options(), model.min_decode_size(), messages);
    let extractor = Extractor::new(model, features(arguments, previous.as_ref()), open_options)
        .map_err(model::with_path(&base))?;
    let mut options = arguments.options(TrainerOptions::new(folder), base, options)?;
    options.threads = threads;
    options.split = arguments.splitting.options(previous.as_ref())?;
    options.head = arguments.head.options(arguments.splitting.seed, dataset.multi_label);
    stopwatch.lap("opening the network, and the cache of features");
    let trainer = Trainer::new(dataset, extractor.clone(), options);
    let mut observer = TrainingObserver::new(arguments, messages, &interrupt, &mut stopwatch);
    let result = match trainer.run(&mut observer) {
        Ok(result) => result,
        Err(TrainError::Cancelled) => return observer.cancelled(),
        Err(error) => return Err(about_photos(error, arguments)),
    };
    observer.finish()?;
    write_report(|to| write_result(to, arguments, &result))?;
    if arguments.time {
        stopwatch.write(extractor.timings(), threads)?;
    }
    messages.note(&format_args!(
        "{} written, {:.1?} in all{}",
        arguments.out.display(),
        started.elapsed(),
        if result.interrupted { "; interrupted: --resume goes on" } else { "" }
    ));
    Ok(match result.interrupted {
        true => Outcome::Interrupted,
        false if result.has_unusable_photos => Outcome::SomeFailed,
        false => Outcome::Done,
    })
}

impl Arguments {
    fn open_options(&self) -> OpenOptions {
        OpenOptions { ignore_orientation: self.ignore_orientation, ..Default::default() }
    }

    fn existing(&self) -> Existing {
        match (self.resume, self.overwrite) {
            (true, _) => Existing::Resume,
            (false, true) => Existing::Overwrite,
            (false, false) => Existing::Refuse,
        }
    }

    fn options(
        &self,
        mut options: TrainerOptions,
        base: ModelRef,
        model: ModelOptions,
    ) -> Result<TrainerOptions> {
        options.base = base;
        options.model = model;
        options.cache = self.cache.clone().map_or_else(model::features_file, Ok)?;
        options.augmentation = self.augmentation.augmentations(self.splitting.seed);
        options.rejected_share = f64::from(self.head.unknown) / 100.0;
        options.folds = self.splitting.folds.map(usize::from);
        options.open = self.open_options();
        options.projector = self.projector;
        Ok(options)
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Returns the end point that was asked for, or that of the previous model.
fn features<'a>(arguments: &'a Arguments, previous: Option<&'a PreviousModel>) -> Option<&'a str> {
    let previous = previous.map(|previous| previous.model().card.base.features.as_str());
    arguments.features.as_deref().or(previous)
}

/// Returns the base network and its options. Of a trained model, it is the network beneath.
fn base(
    arguments: &Arguments,
    global: &Global,
    previous: Option<&PreviousModel>,
) -> Result<(ModelRef, ModelOptions)> {
    let options = arguments.input.add_to(global.model_options()?);
    if let Some(previous) = previous {
        return trained_base(previous.model(), previous.folder(), &options);
    }
    match global.model_ref(None)? {
        ModelRef::File(path) if TrainedModel::is_in(&path) => {
            trained_base(&TrainedModel::read(&path)?, &path, &options)
        }
        base => Ok((base, options)),
    }
}

fn trained_base(
    model: &TrainedModel,
    folder: &Path,
    options: &ModelOptions,
) -> Result<(ModelRef, ModelOptions)> {
    let card = &model.card.base;
    let options = card.options(&model.card.shape, options);
    let options = options.map_err(|what| anyhow!("{}: {what}", folder.display()))?;
    Ok((card.base(folder)?, options))
}

fn write_result(
    out: &mut dyn Write,
    arguments: &Arguments,
    result: &TrainingResult,
) -> io::Result<()> {
    if arguments.format == ReportFormat::Json {
        return write_json(out, &result.summary(arguments.out.to_str().unwrap_or_default()));
    }
    for split in Split::ALL {
        let evaluation = result.evaluation(split);
        let accuracy = evaluation.accuracy();
        let [low, high] = accuracy.interval();
        writeln!(
            out,
            "{:<10}  {:>6.2} %  ({} of {}; 95 %: {:.1} to {:.1} %)  loss {:.4}",
            split.name(),
            100.0 * accuracy.value(),
            accuracy.correct,
            accuracy.total,
            100.0 * low,
            100.0 * high,
            evaluation.loss()
        )?;
    }
    writeln!(out, "{}", arguments.out.join("report.html").display())
}

/// Names the photos' folder or list in an error about all of them.
fn about_photos(error: TrainError, arguments: &Arguments) -> anyhow::Error {
    let is_about_all = matches!(
        error,
        TrainError::NothingUsable { .. }
            | TrainError::EmptyFold { .. }
            | TrainError::Dataset(DatasetError::TooFew(_))
    );
    let error = anyhow::Error::from(error);
    match &arguments.folder {
        Some(folder) if is_about_all => error.context(folder.display().to_string()),
        _ => error,
    }
}

/// An error with the file or folder it is about.
fn with_path<T>(result: io::Result<T>, path: &Path) -> Result<T> {
    result.with_context(|| path.display().to_string())
}
