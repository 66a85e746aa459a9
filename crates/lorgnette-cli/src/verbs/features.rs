//! `lorgnette features`: the cache of features.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use lorgnette::dataset::{Dataset, Digest, Listing, ListingOptions, Nested};
use lorgnette::features::{
    Deviation, Extractor, FeatureCache, OtherPreprocessing, import_retrain, nearest_preprocessing,
};
use lorgnette::picture::OpenOptions;
use lorgnette::preprocess::Preprocessor;

use crate::Outcome;
use crate::arguments::{Global, InputArguments};
use crate::messages::{Messages, count};
use crate::model;
use crate::progress::Progress;
use crate::stream::write_report;

/// Look after the features that training keeps
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,

    /// The file that features are kept in [default: features.cache in the model home]
    #[arg(long, global = true, value_name = "FILE")]
    cache: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  lorgnette features show
      how many there are, and what room they take
  lorgnette features prune --keep flowers --keep animals
      keep those of photos in these folders
  lorgnette features prune --keep-model --model inception_v3
      keep those of one network
  lorgnette features prune --all
  lorgnette features import bottlenecks flowers --model inception_2015.pb
      values that retrain.py wrote";

#[derive(Debug, Subcommand)]
enum Action {
    /// Say what is there
    Show,
    /// Remove what is not wanted any more, and what is damaged
    Prune(Prune),
    /// Take over the text files that retrain.py kept its bottleneck values in
    Import(Import),
}

#[derive(Debug, Args)]
struct Prune {
    /// Keep features of photos in this folder; may be given several times
    #[arg(long, value_name = "FOLDER")]
    keep: Vec<PathBuf>,

    /// Keep features of the network and preprocessing that --model and the options below it name
    #[arg(long)]
    keep_model: bool,

    /// Keep nothing
    #[arg(long, conflicts_with_all = ["keep", "keep_model"])]
    all: bool,

    /// The end point of that network [default: what the classification layer reads]
    #[arg(long, value_name = "END_POINT")]
    features: Option<String>,

    #[command(flatten)]
    input: InputArguments,
}

#[derive(Debug, Args)]
struct Import {
    /// The folder that was retrain.py's --bottleneck_dir
    #[arg(value_name = "BOTTLENECKS")]
    bottlenecks: PathBuf,

    /// The photos they are of, in one folder for each class
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,

    /// The end point they are of [default: what the classification layer reads]
    #[arg(long, value_name = "END_POINT")]
    features: Option<String>,

    /// How many of them, evenly spread, are computed again and compared; if one differs by more
    /// than 5 %, nothing is imported
    #[arg(long, value_name = "N", default_value_t = 8)]
    check: usize,

    #[command(flatten)]
    input: InputArguments,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    let path = arguments.cache.clone().map_or_else(model::features_file, Ok)?;
    let mut cache = FeatureCache::open(&path)?;
    match &arguments.action {
        Action::Show => show(&cache)?,
        Action::Prune(prune) => prune_cache(prune, &mut cache, global, messages)?,
        Action::Import(import) => return import_files(import, &mut cache, global, messages),
    }
    Ok(Outcome::Done)
}

fn show(cache: &FeatureCache) -> Result<()> {
    let summary = cache.summary()?;
    write_report(|out| {
        writeln!(out, "{}", cache.path().display())?;
        let (records, photos) = (summary.records, count(summary.photos, "photo"));
        writeln!(
            out,
            "{records} records of {photos}; {} networks, preprocessings or distortions",
            summary.sources
        )?;
        writeln!(out, "{:.1} MB", summary.bytes as f64 / 1e6)
    })
}

fn prune_cache(
    prune: &Prune,
    cache: &mut FeatureCache,
    global: &Global,
    messages: Messages,
) -> Result<()> {
    if prune.keep.is_empty() && !prune.keep_model && !prune.all {
        bail!("what is to be kept? Give --keep FOLDER, --keep-model or --all (keep nothing)");
    }
    let photos = (!prune.keep.is_empty()).then(|| digests(&prune.keep, messages)).transpose()?;
    let nothing = prune.all.then(HashSet::new);
    let sources = match prune.keep_model {
        true => {
            let model = model::open_for_photos(&prune.input, global, messages)?;
            Some(Extractor::sources(&model, prune.features.as_deref())?)
        }
        false => None,
    };
    let freed = cache.prune(photos.as_ref().or(nothing.as_ref()), sources.as_ref())?;
    messages.note(&format_args!("{:.1} MB freed", freed as f64 / 1e6));
    show(cache)
}

/// Returns the digests of all photos in folders.
fn digests(folders: &[PathBuf], messages: Messages) -> Result<HashSet<Digest>> {
    let mut digests = HashSet::new();
    for folder in folders {
        let options = ListingOptions {
            nested: Nested::Parts,
            multi_label: true,
            ..ListingOptions::default()
        };
        let listing = Listing::open(folder, &options)?;
        let mut progress = Progress::new(listing.photos.len(), "photos", messages);
        let dataset = Dataset::read(listing, 1, &mut |read: &lorgnette::Progress| {
            progress.set_position(read.done);
            ControlFlow::Continue(())
        })?;
        digests.extend(dataset.examples.iter().map(|example| example.digest));
    }
    Ok(digests)
}

/// Says how far values are off, and which preprocessing comes nearest.
fn implausible(
    import: &Import,
    extractor: &Extractor,
    worst: &Deviation,
    nearest: Option<OtherPreprocessing>,
) -> String {
    let model = extractor.embedder().model();
    let percent = |error: f32| format!("{:.1} %", 100.0 * error);
    let options = |nearest: OtherPreprocessing| {
        let usual = Preprocessor::new(nearest.preprocessing, 1, 1).order;
        let order = match nearest.order == usual {
            true => String::new(),
            false => format!(" --channels {}", nearest.order),
        };
        format!("--preprocess {}{order}", nearest.preprocessing)
    };
    let advice = match nearest {
        Some(nearest) if nearest.is_plausible() => format!(
            "; with {} the values are at most {} off: give that",
            options(nearest),
            percent(nearest.relative_error)
        ),
        Some(nearest) => format!(
            ", and with every other preprocessing some are at least {} off ({}): they are of \
             another network or of other photos",
            percent(nearest.relative_error),
            options(nearest)
        ),
        None => String::new(),
    };
    format!(
        "{}: nothing imported: the values of {} are {} off what {} gives with the preprocessing \
         {}{advice} (--check 0 takes them as they are)",
        import.bottlenecks.display(),
        worst.photo.display(),
        percent(worst.relative_error),
        model.name(),
        model.preprocess().preprocessing
    )
}

fn import_files(
    import: &Import,
    cache: &mut FeatureCache,
    global: &Global,
    messages: Messages,
) -> Result<Outcome> {
    let model = model::open_for_photos(&import.input, global, messages)?;
    let extractor = Extractor::new(model, import.features.as_deref(), OpenOptions::default())
        .map_err(model::with_path(&global.model_ref(None)?))?;
    let listing = Listing::open(&import.folder, &ListingOptions::default())?;
    let dataset = Dataset::read(listing, 1, &mut ())?;
    if dataset.examples.is_empty() {
        bail!("{}: no photos", import.folder.display());
    }
    let imported =
        import_retrain(&import.bottlenecks, &dataset.examples, &extractor, import.check, cache)?;
    for what in &imported.refused {
        messages.error(what);
    }
    if let Some(worst) = imported.worst.as_ref().filter(|_| imported.is_implausible()) {
        let nearest =
            nearest_preprocessing(&import.bottlenecks, &dataset.examples, &extractor, import.check);
        bail!("{}", implausible(import, &extractor, worst, nearest));
    }
    if imported.imported == 0 {
        bail!(
            "{}: nothing imported: {} without a file of values, such as {}, and {} refused",
            import.bottlenecks.display(),
            count(imported.missing, "photo"),
            import.bottlenecks.join("CLASS/PHOTO.jpg.txt").display(),
            imported.refused.len()
        );
    }
    messages.note(&format_args!(
        "{} imported, {} without a file, {} refused",
        count(imported.imported, "photo"),
        imported.missing,
        imported.refused.len()
    ));
    show(cache)?;
    let (taken, refused) = (imported.imported, imported.refused.len());
    Ok(Outcome::of_inputs(taken + refused, refused))
}
