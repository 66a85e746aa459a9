//! Splitting into training, validation and test.

use std::collections::HashSet;
use std::str::FromStr;

use regex_lite::Regex;
use sha2::{Digest as _, Sha256};

use super::{Dataset, DatasetError, Example, Note, Split, retrain};

/// Options of the split of photos that have none.
#[derive(Clone, Debug)]
pub struct SplitOptions {
    /// Key of the split.
    pub by: SplitBy,
    /// Share of validation photos, in per cent.
    pub validation: f64,
    /// Share of test photos, in per cent.
    pub test: f64,
    /// Seed of the split by content.
    pub seed: u64,
    /// Groups of photos that get the same split.
    pub groups: Grouping,
}

impl Default for SplitOptions {
    /// By content, 10 % each, `_nohash_` groups: TensorFlow's `retrain.py` had these shares and
    /// groups.
    fn default() -> Self {
        Self {
            by: SplitBy::Content,
            validation: 10.0,
            test: 10.0,
            seed: 0,
            groups: Grouping::Nohash,
        }
    }
}

/// Key that a photo's split is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitBy {
    /// Digest of its content, whatever its path.
    Content,
    /// Digest of its path, as in TensorFlow's `retrain.py`.
    Retrain,
}

/// Groups of photos, such as those of a burst, that must have the same split.
#[derive(Clone, Debug)]
pub enum Grouping {
    /// No groups.
    None,
    /// Photos of one class with the same name up to `_nohash_`.
    Nohash,
    /// Photos with the same match in their paths: of the pattern's first group, or of the whole
    /// pattern if it has none.
    Pattern(PathPattern),
}

/// A regular expression for paths of photos, in the syntax of Perl without look-around and back
/// references.
#[derive(Clone, Debug)]
pub struct PathPattern(Regex);

/// The text of no regular expression.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is no regular expression: {what}")]
pub struct InvalidPattern {
    /// The text.
    pub text: String,
    /// The fault.
    pub what: String,
}

impl FromStr for PathPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let pattern = Regex::new(text);
        pattern
            .map(Self)
            .map_err(|error| InvalidPattern { text: text.into(), what: error.to_string() })
    }
}

impl Grouping {
    /// Returns the group of a photo, if any.
    fn group(&self, example: &Example) -> Option<String> {
        match self {
            Self::None => None,
            Self::Nohash => {
                let name = example.photo.file_name()?.to_string_lossy();
                let (group, _) = name.split_once("_nohash_")?;
                Some(format!("{:?} {group}", example.classes))
            }
            Self::Pattern(pattern) => {
                let path = example.photo.to_string_lossy();
                let found = pattern.0.captures(&path)?;
                Some(found.get(1).or_else(|| found.get(0))?.as_str().to_owned())
            }
        }
    }
}

/// Returns a number from 0 to less than 1 from a photo's group, else from its content.
pub(super) fn position(example: &Example, options: &SplitOptions) -> f64 {
    if options.by == SplitBy::Retrain {
        return retrain::percentage(&example.photo.to_string_lossy()) / 100.0;
    }
    let mut digest = Sha256::new();
    digest.update(b"split");
    digest.update(options.seed.to_le_bytes());
    match options.groups.group(example) {
        Some(group) => digest.update(group),
        None => digest.update(example.digest.0),
    }
    let first: [u8; 8] = digest.finalize()[..8].try_into().expect("a digest has 32 bytes");
    // 53 bits are what a double holds.
    (u64::from_be_bytes(first) >> 11) as f64 / (1u64 << 53) as f64
}

pub(super) fn split(dataset: &Dataset, options: &SplitOptions) -> Result<Vec<Split>, DatasetError> {
    let Dataset { classes, examples, .. } = dataset;
    if classes.len() < 2 {
        let found = classes.first().map_or("none".into(), |class| format!("only '{class}'"));
        return Err(DatasetError::TooFew(format!(
            "there must be two classes with photos at least, and there is {found}"
        )));
    }
    let (validation, test) = (options.validation / 100.0, options.test / 100.0);
    if !(validation > 0.0 && test > 0.0 && validation + test < 1.0) {
        let message =
            "the shares of validation and test must be above 0 %, and below 100 % together";
        return Err(DatasetError::TooFew(message.into()));
    }
    let explicit = |split| examples.iter().any(|example| example.split == Some(split));
    let assign = |example: &Example| {
        let position = position(example, options);
        match example.split {
            // If folders set training only, the other splits are taken from it.
            Some(Split::Training) if position < validation && !explicit(Split::Validation) => {
                Split::Validation
            }
            Some(Split::Training) if position >= 1.0 - test && !explicit(Split::Test) => {
                Split::Test
            }
            Some(split) => split,
            None => split_at(position, validation, test, options.by),
        }
    };
    let mut splits: Vec<Split> = examples.iter().map(assign).collect();
    train_every_class(dataset, options, &mut splits);
    fill(dataset, options, &mut splits)?;
    Ok(splits)
}

/// Returns the split at a position. `retrain.py` has validation, then test, at the low end.
fn split_at(position: f64, validation: f64, test: f64, by: SplitBy) -> Split {
    match by {
        _ if position < validation => Split::Validation,
        SplitBy::Retrain if position < validation + test => Split::Test,
        SplitBy::Content if position >= 1.0 - test => Split::Test,
        _ => Split::Training,
    }
}

/// Moves a photo to training of each class without training photos.
fn train_every_class(dataset: &Dataset, options: &SplitOptions, splits: &mut [Split]) {
    for class in 0..dataset.classes.len() {
        let of_class: Vec<usize> = members(dataset, |example| example.classes.contains(&class));
        if of_class.iter().any(|&i| splits[i] == Split::Training) {
            continue;
        }
        // The middle one stays in training when photos are added.
        let middle =
            |&i: &usize| ((position(&dataset.examples[i], options) - 0.5).abs() * 1e12) as u64;
        let free = of_class.iter().copied().filter(|&i| dataset.examples[i].split.is_none());
        if let Some(i) = free.min_by_key(middle) {
            regroup(dataset, options, splits, i, Split::Training);
        }
    }
}

/// Moves the nearest photo to each split without photos.
fn fill(
    dataset: &Dataset,
    options: &SplitOptions,
    splits: &mut [Split],
) -> Result<(), DatasetError> {
    for missing in [Split::Validation, Split::Test] {
        if splits.contains(&missing) {
            continue;
        }
        let counts = |splits: &[Split]| {
            let mut counts = vec![0; dataset.classes.len()];
            let training =
                dataset.examples.iter().zip(splits).filter(|(_, split)| **split == Split::Training);
            training
                .flat_map(|(example, _)| &example.classes)
                .for_each(|&class| counts[class] += 1);
            counts
        };
        let trained = counts(splits);
        let spare =
            members(dataset, |example| example.classes.iter().all(|&class| trained[class] > 1));
        let end = if missing == Split::Validation { 0.0 } else { 1.0 };
        let near =
            |&i: &usize| ((position(&dataset.examples[i], options) - end).abs() * 1e12) as u64;
        let nearest = spare.into_iter().filter(|&i| splits[i] == Split::Training).min_by_key(near);
        let nearest = nearest.ok_or_else(|| too_few(dataset, options, missing))?;
        regroup(dataset, options, splits, nearest, missing);
        if counts(splits).contains(&0) {
            return Err(too_few(dataset, options, missing));
        }
    }
    Ok(())
}

fn members(dataset: &Dataset, is_one: impl Fn(&Example) -> bool) -> Vec<usize> {
    (0..dataset.examples.len()).filter(|&i| is_one(&dataset.examples[i])).collect()
}

/// Moves a photo and its group to a split.
fn regroup(
    dataset: &Dataset,
    options: &SplitOptions,
    splits: &mut [Split],
    moved: usize,
    to: Split,
) {
    let group = options.groups.group(&dataset.examples[moved]);
    for (i, split) in splits.iter_mut().enumerate() {
        if i == moved || (group.is_some() && options.groups.group(&dataset.examples[i]) == group) {
            *split = to;
        }
    }
}

fn too_few(dataset: &Dataset, options: &SplitOptions, split: Split) -> DatasetError {
    let (photos, classes, name) = (dataset.examples.len(), dataset.classes.len(), split.name());
    let groups: HashSet<String> =
        dataset.examples.iter().filter_map(|example| options.groups.group(example)).collect();
    let grouped = match groups.len() {
        0 => String::new(),
        1 => ", or let fewer belong together: there is one group".into(),
        count => format!(", or let fewer belong together: there are {count} groups"),
    };
    DatasetError::TooFew(format!(
        "{photos} photos of {classes} classes are too few: none is left for {name} when each class \
         has one in training; add photos{grouped}"
    ))
}

/// Number of training photos of a class below which a warning is given.
const MIN_TRAINING: usize = 10;
/// Ratio of class sizes from which a warning is given.
const MAX_IMBALANCE: usize = 10;

pub(super) fn warnings(dataset: &Dataset, splits: &[Split]) -> Vec<Note> {
    let mut counts = vec![[0; 3]; dataset.classes.len()];
    for (example, &split) in dataset.examples.iter().zip(splits) {
        example.classes.iter().for_each(|&class| counts[class][split as usize] += 1);
    }
    // The names of the classes with fewer than `min` photos of a split.
    let smaller_than = |split: Split, min: usize| -> Vec<String> {
        let classes = dataset.classes.iter().zip(&counts);
        classes
            .filter(|(_, counts)| counts[split as usize] < min)
            .map(|(name, _)| name.clone())
            .collect()
    };
    let mut warnings = Vec::new();
    let classes = smaller_than(Split::Training, MIN_TRAINING);
    if !classes.is_empty() {
        warnings.push(Note::FewTrainingPhotos { fewer_than: MIN_TRAINING, classes });
    }
    for split in [Split::Validation, Split::Test] {
        let classes = smaller_than(split, 1);
        if !classes.is_empty() {
            warnings.push(Note::MissingInSplit { split, classes });
        }
    }
    warnings.extend(imbalance(dataset));
    warnings
}

/// Returns the warning that the largest class is much larger than the smallest, if it is.
fn imbalance(dataset: &Dataset) -> Option<Note> {
    let counts = dataset.counts();
    let (min, max) = (*counts.iter().min()?, *counts.iter().max()?);
    if min == 0 || max / min < MAX_IMBALANCE {
        return None;
    }
    let class = |photos| {
        let index = counts.iter().position(|&count| count == photos);
        index.map_or_else(String::new, |index| dataset.classes[index].clone())
    };
    Some(Note::Unbalanced { largest: class(max), max, smallest: class(min), min })
}
