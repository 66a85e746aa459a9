//! TFRecord files of labelled pictures: TF-Slim's (`image/encoded`, `image/class/label`, perhaps
//! `image/class/text`, names in `labels.txt`) and those of TensorFlow Datasets (`image`, `label`,
//! names in `label.labels.txt`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use lorgnette_net::file::read_regular_text;
use lorgnette_net::tfrecord::{Example, TfRecord, is_tfrecord};

use super::folder::split_of;
use super::{
    DatasetError, LabelNumbers, ListedPhoto, Listing, ListingOptions, Note, Numbering,
    NumberingRule, RecordForm, RejectedPhoto, RejectionReason, Split,
};
use crate::labels::is_background;
use crate::picture::OpenOptions;
use crate::record_photo;

/// Files of class names: TF-Slim's, TensorFlow Datasets'.
const NAMES: [&str; 2] = ["labels.txt", "label.labels.txt"];
/// Maximum bytes of one of them.
const MAX_BYTES: u64 = 16 << 20;
/// Names of the classes' numbers, and of their names, in an example.
const NUMBERS: [(&str, RecordForm); 2] =
    [("image/class/label", RecordForm::Slim), ("label", RecordForm::Datasets)];
const TEXTS: [&str; 2] = ["image/class/text", "image/class/synset"];

/// Returns the TFRecord files that a path leads to: itself, or those in the folder; none if it is
/// no such dataset.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let read = |source| DatasetError::Read { path: path.into(), source };
    if !path.is_dir() {
        return match is_tfrecord(path) {
            true => Ok(vec![path.to_owned()]),
            false => check_not_compressed(path).map(|()| Vec::new()),
        };
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(read)?.flatten() {
        let file = entry.path();
        if !is_called_record(&file) {
            continue;
        }
        check_not_compressed(&file)?;
        if is_tfrecord(&file) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Returns true for the names that TFRecord files have.
fn is_called_record(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.contains(".tfrec") || Shard::of(&name).count.is_some()
}

fn check_not_compressed(file: &Path) -> Result<(), DatasetError> {
    let mut start = [0; 2];
    let is_gzip = file.is_file()
        && fs::File::open(file).and_then(|mut file| file.read_exact(&mut start)).is_ok()
        && start == [0x1f, 0x8b];
    match is_gzip && is_called_record(file) {
        true => Err(DatasetError::NoDataset {
            path: file.into(),
            message: "a TFRecord file that is compressed with gzip: unpack it with gunzip".into(),
        }),
        false => Ok(()),
    }
}

/// Lists the pictures of TFRecord files.
pub(super) fn list(
    path: &Path,
    files: &[PathBuf],
    options: &ListingOptions,
) -> Result<Listing, DatasetError> {
    let mut listing = Listing::default();
    let mut found = Vec::new();
    for file in files {
        read(file, &mut found, &mut listing)?;
    }
    listing.notes.extend(missing_shards(files));
    if found.is_empty() {
        let message = match listing.rejected.first() {
            Some(rejected) => format!("no record can be used: {}", rejected.message),
            None => "there are no records in it".into(),
        };
        return Err(DatasetError::NoDataset { path: path.into(), message });
    }
    let folder = files[0].parent().unwrap_or(Path::new(""));
    let numbers = label_numbers(&found, options.first_label);
    let naming = Naming::of(folder, &found, numbers, &mut listing);
    for picture in found {
        match naming.labels(&picture) {
            Ok(labels) if labels.len() == 1 || options.multi_label => {
                let Picture { photo, split, .. } = picture;
                listing.photos.push(ListedPhoto { photo, labels, split });
            }
            Ok(labels) => {
                let message = format!("it has {} labels", labels.len());
                listing.rejected.push(rejection(&picture.photo, &message, UNLABELLED));
            }
            Err(message) => {
                listing.rejected.push(rejection(&picture.photo, &message, UNLABELLED));
            }
        }
    }
    Ok(listing)
}

const UNLABELLED: RejectionReason = RejectionReason::Unlabelled;

/// A picture in a record.
struct Picture {
    photo: PathBuf,
    numbers: Vec<i64>,
    form: RecordForm,
    text: Option<String>,
    split: Option<Split>,
}

fn rejection(photo: &Path, what: &str, reason: RejectionReason) -> RejectedPhoto {
    let message = format!("{}: {what}", photo.display());
    RejectedPhoto { photo: photo.into(), reason, message }
}

fn read(file: &Path, found: &mut Vec<Picture>, listing: &mut Listing) -> Result<(), DatasetError> {
    let max_bytes = OpenOptions::default().max_bytes;
    let records = record_photo::open(file, max_bytes)
        .map_err(|source| DatasetError::Read { path: file.into(), source })?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let split = Shard::of(&name).split();
    for TfRecord { position, data } in records {
        let photo = record_photo::path(file, position);
        match data.and_then(|data| Example::decode(data.into())) {
            Ok(example) if record_photo::picture(&example).is_some() => {
                let (numbers, form) = NUMBERS
                    .iter()
                    .find_map(|&(name, form)| Some((example.ints(name)?.to_vec(), form)))
                    .unwrap_or((Vec::new(), RecordForm::Slim));
                let text = TEXTS.iter().find_map(|name| example.bytes(name));
                let text = text.map(|text| String::from_utf8_lossy(text).trim().to_owned());
                found.push(Picture {
                    photo,
                    numbers,
                    form,
                    text: text.filter(|text| !text.is_empty()),
                    split,
                });
            }
            Ok(example) => {
                let names: Vec<&str> = example.names().take(8).collect();
                let what = format!(
                    "a record without a picture (image/encoded or image); it has {}",
                    names.join(", ")
                );
                listing.rejected.push(rejection(&photo, &what, RejectionReason::Unreadable));
            }
            Err(what) => {
                listing.rejected.push(rejection(&photo, &what, RejectionReason::Unreadable));
            }
        }
    }
    Ok(())
}

/// Returns the numbers of the classes; `None` if there are none.
fn label_numbers(found: &[Picture], given: Option<u32>) -> Option<LabelNumbers> {
    let numbers = found.iter().flat_map(|picture| &picture.numbers).copied();
    let classes = numbers.filter(|&number| number >= 0);
    let (lowest, highest) = (classes.clone().min()?, classes.max()?);
    let is_slim = found.iter().any(|picture| picture.form == RecordForm::Slim);
    let form = if is_slim { RecordForm::Slim } else { RecordForm::Datasets };
    Some(LabelNumbers { lowest, highest, form, given })
}

/// The names of classes.
enum Naming {
    /// Each picture has its own.
    Texts,
    /// By number, from a file.
    File { names: BTreeMap<i64, String>, file: PathBuf },
    /// The numbers are the names.
    Numbers,
}

impl Naming {
    /// Chooses the names, and says how numbers are counted.
    fn of(
        folder: &Path,
        found: &[Picture],
        numbers: Option<LabelNumbers>,
        listing: &mut Listing,
    ) -> Self {
        if found.iter().all(|picture| picture.text.is_some()) {
            return Self::Texts;
        }
        let files = NAMES.map(|name| folder.join(name));
        let named = files
            .into_iter()
            .find_map(|file| Some((read_regular_text(&file, MAX_BYTES).ok()?, file)));
        let Some((text, file)) = named else {
            listing.numbers = numbers;
            listing.notes.extend(numbers.map(|LabelNumbers { lowest, highest, .. }| {
                Note::UnnamedLabels { lowest, highest }
            }));
            return Self::Numbers;
        };
        let lines: Vec<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let numbered: Option<BTreeMap<i64, String>> = lines
            .iter()
            .map(|line| {
                let (number, name) = line.split_once(':')?;
                Some((number.trim().parse().ok()?, name.trim().to_owned()))
            })
            .collect();
        let (names, rule) = match numbered {
            Some(names) => (names, NumberingRule::Written),
            None => {
                let Numbering { first, rule } = numbering_of_names(&lines, numbers);
                let names = lines.iter().map(|&line| line.to_owned());
                ((first..).zip(names).collect(), rule)
            }
        };
        if let Some((&first, name)) = names.first_key_value() {
            listing.notes.push(Note::LabelNumbers { first, name: name.clone(), rule });
        }
        listing.classes.extend(names.values().cloned());
        Self::File { names, file }
    }

    /// Returns the names of a picture's classes.
    fn labels(&self, picture: &Picture) -> Result<Vec<String>, String> {
        if let (Self::Texts, Some(text)) = (self, &picture.text) {
            return Ok(vec![text.clone()]);
        }
        if picture.numbers.is_empty() {
            return Err("a record without a label (image/class/label or label)".into());
        }
        let name = |number: &i64| match self {
            Self::File { names, file } => names.get(number).cloned().ok_or_else(|| {
                let file = file.file_name().unwrap_or_default().to_string_lossy();
                format!("its label {number} has no name in {file}")
            }),
            Self::Texts | Self::Numbers => Ok(number.to_string()),
        };
        if let Some(number) = picture.numbers.iter().find(|&&number| number < 0) {
            return Err(format!("its label {number} says that its class is not known"));
        }
        picture.numbers.iter().map(name).collect()
    }
}

/// Chooses the number of the first of the names, which have no numbers.
fn numbering_of_names(names: &[&str], numbers: Option<LabelNumbers>) -> Numbering {
    let has_background = names.first().is_some_and(|&name| is_background(name));
    let classes = names.len() as i64 - i64::from(has_background);
    match numbers {
        Some(numbers) => {
            let Numbering { first, rule } = numbers.numbering(classes, has_background);
            Numbering { first: first - i64::from(has_background), rule }
        }
        None => Numbering { first: 0, rule: NumberingRule::Zero },
    }
}

/// The name of a file that may be one of several.
struct Shard<'n> {
    /// The name without its number.
    stem: &'n str,
    number: Option<u32>,
    count: Option<u32>,
}

impl<'n> Shard<'n> {
    /// Reads `STEM-00000-of-00005`, perhaps with an extension.
    fn of(name: &'n str) -> Self {
        let alone = Self { stem: name, number: None, count: None };
        let Some((before, count)) = name.rsplit_once("-of-") else { return alone };
        let Some((stem, number)) = before.rsplit_once('-') else { return alone };
        let count = count.split('.').next().unwrap_or_default();
        match (number.parse(), count.parse()) {
            (Ok(number), Ok(count)) => Self { stem, number: Some(number), count: Some(count) },
            _ => alone,
        }
    }

    /// Returns the split that a word of the name says.
    fn split(&self) -> Option<Split> {
        self.stem.split(['_', '-', '.']).rev().find_map(split_of)
    }
}

/// Returns notes about files that are some of several, the others missing.
fn missing_shards(files: &[PathBuf]) -> Vec<Note> {
    let mut found: BTreeMap<(String, u32), BTreeSet<u32>> = BTreeMap::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let Shard { stem, number, count } = Shard::of(&name);
        if let (Some(number), Some(count)) = (number, count) {
            found.entry((stem.to_owned(), count)).or_default().insert(number);
        }
    }
    let missing = found.into_iter().filter_map(|((stem, count), numbers)| {
        let missing = (count as usize).checked_sub(numbers.len()).filter(|&missing| missing > 0)?;
        Some(Note::MissingShards { stem, missing, count: count as usize })
    });
    missing.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_shards_are_read() {
        for (name, stem, count, split) in [
            (
                "flowers_train-00001-of-00005.tfrecord",
                "flowers_train",
                Some(5),
                Some(Split::Training),
            ),
            ("validation-00000-of-00128", "validation", Some(128), Some(Split::Validation)),
            (
                "tf_flowers-train.tfrecord-00000-of-00002",
                "tf_flowers-train.tfrecord",
                Some(2),
                Some(Split::Training),
            ),
            ("test.tfrecords", "test.tfrecords", None, Some(Split::Test)),
            ("roses-of-spring.jpg", "roses-of-spring.jpg", None, None),
        ] {
            let shard = Shard::of(name);
            assert_eq!((shard.stem, shard.count, shard.split()), (stem, count, split), "{name}");
        }
    }
}
