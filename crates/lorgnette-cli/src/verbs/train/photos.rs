//! Which photos are trained with: those of the folder, and of a model to go on from.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use lorgnette::dataset::{
    Dataset, Digest, Example, Listing, RejectedPhoto, RejectionReason, Split,
};
use lorgnette::trained::{self, TrainedModel};

use super::Arguments;
use super::fit::STATE;
use crate::interrupt::Interrupt;
use crate::messages::{Messages, count};
use crate::progress::Progress;

/// The file with the photos that were left out.
pub(super) const LEFT_OUT: &str = "left_out.csv";
/// Faults that are told one by one; the file has them all.
const MAX_LISTED: usize = 20;
/// And of photos that only lie where they are not looked for.
const MAX_LISTED_MISPLACED: usize = 5;

/// A model to go on from, and its photos.
#[derive(Debug)]
pub(super) struct PreviousModel {
    pub(super) folder: PathBuf,
    pub(super) model: TrainedModel,
    photos: Vec<SplitRow>,
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct SplitRow {
    path: String,
    sha256: String,
    /// By name, with `|` between.
    classes: String,
    split: Split,
}

impl PreviousModel {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let model = TrainedModel::read(folder)?;
        let path = folder.join(trained::SPLIT);
        let mut reader =
            csv::Reader::from_path(&path).with_context(|| path.display().to_string())?;
        let photos = reader
            .deserialize()
            .collect::<Result<_, _>>()
            .with_context(|| path.display().to_string())?;
        Ok(Self { folder: folder.into(), model, photos })
    }

    /// Its classes, then its photos, before those of a dataset. Of a photo in both, the new classes
    /// count.
    fn joined(&self, dataset: Dataset) -> Result<Dataset> {
        let mut classes = self.model.card.classes.clone();
        classes.extend(
            dataset
                .classes
                .iter()
                .filter(|class| !self.model.card.classes.contains(class))
                .cloned(),
        );
        let place: HashMap<&str, usize> =
            classes.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
        let mut examples: Vec<Example> = Vec::new();
        for example in dataset.examples {
            let classes = example
                .classes
                .iter()
                .map(|&class| place[dataset.classes[class].as_str()])
                .collect();
            examples.push(Example { classes, ..example });
        }
        let mut at: HashMap<Digest, usize> =
            examples.iter().enumerate().map(|(i, e)| (e.digest, i)).collect();
        for photo in &self.photos {
            let digest: Digest = photo
                .sha256
                .parse()
                .map_err(|what| anyhow::anyhow!("{}: {what}", trained::SPLIT))?;
            if let Some(&i) = at.get(&digest) {
                // What it was for, it stays for.
                examples[i].split = Some(photo.split);
                continue;
            }
            let class_index = |name: &str| {
                place
                    .get(name)
                    .copied()
                    .with_context(|| format!("{}: no class is called '{name}'", trained::SPLIT))
            };
            let names = photo.classes.split('|').filter(|name| !name.is_empty());
            let class_indices = names.map(class_index).collect::<Result<Vec<usize>>>()?;
            at.insert(digest, examples.len());
            let photo_path = PathBuf::from(&photo.path);
            examples.push(Example {
                photo: photo_path,
                digest,
                classes: class_indices,
                split: Some(photo.split),
            });
        }
        let multi_label =
            dataset.multi_label || examples.iter().any(|example| example.classes.len() != 1);
        Ok(Dataset { classes, examples, multi_label, ..dataset })
    }
}

/// That the output folder is free, or a training's.
pub(super) fn check_out(arguments: &Arguments) -> Result<()> {
    let out = &arguments.out;
    let Ok(entries) = out.read_dir() else {
        ensure!(!out.exists(), "{}: it is no folder", out.display());
        return Ok(());
    };
    // A training that could not begin leaves the list of faults behind.
    let is_free = entries.flatten().all(|entry| entry.file_name() == LEFT_OUT);
    let is_training =
        TrainedModel::is_in(out) || out.join(STATE).is_file() || out.join(LEFT_OUT).is_file();
    if is_free || arguments.overwrite || (arguments.resume && is_training) {
        return Ok(());
    }
    let what = match is_training {
        true => {
            "there is a model or a training in it already: --resume goes on with it, --overwrite replaces it"
        }
        false => {
            "there are files in it that are no training's: name a new folder, or --overwrite to write among them"
        }
    };
    super::refuse(what, out)
}

/// Lists and reads the photos; nothing if it was interrupted.
pub(super) fn read(
    arguments: &Arguments,
    previous: Option<&PreviousModel>,
    (threads, messages): (usize, Messages),
    interrupt: &Interrupt,
) -> Result<Option<Dataset>> {
    let mut options = arguments.splitting.listing();
    options.multi_label |= previous.is_some_and(|previous| {
        previous.model.card.answer() == lorgnette::head::OutputKind::Sigmoid
    });
    let listing = match &arguments.folder {
        Some(folder) => Listing::open(folder, &options)?,
        None => Listing { multi_label: options.multi_label, ..Listing::default() },
    };
    let mut progress = Progress::new(listing.photos.len(), "photos", messages);
    let dataset = Dataset::read(listing, threads, &mut |_| {
        progress.advance();
        !interrupt.is_pressed()
    });
    drop(progress);
    let Some(dataset) = dataset else { return Ok(None) };
    let mut dataset = previous.map_or(Ok(dataset.clone()), |previous| previous.joined(dataset))?;
    // By content, so that nothing depends on where photos lie.
    dataset.examples.sort_by_key(|example| example.digest);
    Ok(Some(dataset))
}

/// Leaves out what could not be decoded, and classes without photos. Gives the features of the
/// others.
pub(super) fn drop_unusable(
    dataset: &mut Dataset,
    features: Vec<lorgnette::features::Features>,
    previous: Option<&PreviousModel>,
) -> Result<Vec<Vec<f32>>> {
    let mut broken = Vec::new();
    let mut sound = Vec::with_capacity(features.len());
    for (index, features) in features.into_iter().enumerate() {
        match features {
            Ok(features) => sound.push(features),
            Err(what) => broken.push((index, what)),
        }
    }
    if sound.is_empty() {
        let reason = broken
            .first()
            .map(|(_, what)| what)
            .or(dataset.rejected.first().map(|rejection| &rejection.message));
        let first = reason.cloned().unwrap_or_else(|| "none was found".into());
        bail!("not one photo can be used: {first}");
    }
    dataset.reject(broken);
    if previous.is_none() || dataset.counts().contains(&0) {
        dataset.drop_empty_classes();
    }
    Ok(sound)
}

/// Tells which photos were left out and why, and writes them all down.
pub(super) fn report_rejected(
    arguments: &Arguments,
    dataset: &Dataset,
    messages: Messages,
) -> Result<()> {
    let rejected = &dataset.rejected;
    fs::create_dir_all(&arguments.out).with_context(|| arguments.out.display().to_string())?;
    write_rejected(&arguments.out.join(LEFT_OUT), dataset)?;
    let with_kind =
        |&kind: &RejectionReason| rejected.iter().filter(move |rejection| rejection.reason == kind);
    let misplaced = with_kind(&RejectionReason::Misplaced);
    let others = RejectionReason::ALL
        .iter()
        .filter(|&&kind| kind != RejectionReason::Misplaced)
        .flat_map(with_kind);
    let listed: Vec<&RejectedPhoto> =
        others.take(MAX_LISTED).chain(misplaced.take(MAX_LISTED_MISPLACED)).collect();
    listed
        .iter()
        .for_each(|rejection| messages.error(&format_args!("{} (left out)", rejection.message)));
    if rejected.len() > listed.len() {
        let file = arguments.out.join(LEFT_OUT);
        messages.error(&format_args!(
            "and {} more, all in {}",
            rejected.len() - listed.len(),
            file.display()
        ));
    }
    let counts = RejectionReason::ALL.iter().map(|kind| (with_kind(kind).count(), kind.name()));
    let kinds: Vec<String> = counts
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    if !rejected.is_empty() {
        messages.note(&format_args!(
            "{} left out: {}",
            count(rejected.len(), "photo"),
            kinds.join(", ")
        ));
    }
    // What only lies elsewhere is no fault of a photo.
    let unusable = rejected.len() - with_kind(&RejectionReason::Misplaced).count();
    ensure!(
        !arguments.strict || unusable == 0,
        "--strict: {} cannot be used",
        count(unusable, "photo")
    );
    Ok(())
}

fn write_rejected(path: &Path, dataset: &Dataset) -> Result<()> {
    let mut lines = csv::Writer::from_writer(Vec::new());
    lines.write_record(["path", "fault", "what"])?;
    for rejection in &dataset.rejected {
        lines.write_record([
            &*rejection.photo.to_string_lossy(),
            rejection.reason.name(),
            &rejection.message,
        ])?;
    }
    Ok(trained::replace(path, &lines.into_inner()?)?)
}

/// Writes down what each photo was used for.
pub(super) fn write_split(path: &Path, dataset: &Dataset, splits: &[Split]) -> Result<()> {
    let mut photos: Vec<SplitRow> = Vec::new();
    for (example, &split) in dataset.examples.iter().zip(splits) {
        let path = std::path::absolute(&example.photo).unwrap_or_else(|_| example.photo.clone());
        let names: Vec<&str> =
            example.classes.iter().map(|&class| dataset.classes[class].as_str()).collect();
        let path = path.to_string_lossy().into_owned();
        photos.push(SplitRow {
            path,
            sha256: example.digest.to_string(),
            classes: names.join("|"),
            split,
        });
    }
    photos.sort_by(|a, b| a.path.cmp(&b.path));
    let mut lines = csv::Writer::from_writer(Vec::new());
    photos.iter().try_for_each(|photo| lines.serialize(photo))?;
    Ok(trained::replace(path, &lines.into_inner()?)?)
}
