//! Labelled photos: listed from folders, a CSV file or TFRecord files, deduplicated by content, and
//! split into training, validation and test.
//!
//! ```text
//! folder or CSV ─▶ Listing ─▶ digests ─▶ Dataset ─▶ splits
//! ```
//! Splits depend on content only: moving, renaming or adding photos does not change the others'.
//!
//! A photo that cannot be used becomes a [`RejectedPhoto`]; the others are used.
//!
//! ```
//! use lorgnette::dataset::{Dataset, Listing, ListingOptions, Split, SplitOptions};
//!
//! let folder = tempfile::tempdir()?;
//! for (class, photo) in [("cat", "a"), ("cat", "b"), ("dog", "c"), ("dog", "d")] {
//!     std::fs::create_dir_all(folder.path().join(class))?;
//!     std::fs::write(folder.path().join(class).join(photo).with_extension("jpg"), photo)?;
//! }
//! let listing = Listing::open(folder.path(), &ListingOptions::default())?;
//! let dataset = Dataset::read(listing, 1, &mut ())?;
//! assert_eq!(dataset.classes, ["cat", "dog"]);
//! let splits = dataset.split(&SplitOptions::default())?;
//! assert!(splits.iter().any(|&split| split == Split::Training));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod content;
mod folder;
mod list;
mod note;
mod numbering;
mod records;
mod retrain;
mod split;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::Result;
use crate::observer::Observer;
use crate::photos::{Exclusion, PassedOver};

pub use content::{Digest, digests};
pub use note::Note;
pub(crate) use numbering::Numbering;
pub use numbering::{LabelNumbers, NumberingRule, RecordForm};
pub use split::{Grouping, InvalidPattern, PathPattern, SplitBy, SplitOptions};

/// Part of a dataset.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Weights are fitted to it.
    Training,
    /// Settings are selected on it: penalty, early stopping, calibration.
    Validation,
    /// The final model is evaluated on it.
    Test,
}

impl Split {
    /// All values.
    pub const ALL: [Self; 3] = [Self::Training, Self::Validation, Self::Test];

    /// Counts the photos of each split, in the order of [`Self::ALL`].
    #[must_use]
    pub fn counts(splits: &[Self]) -> [usize; 3] {
        Self::ALL.map(|split| splits.iter().filter(|&&other| other == split).count())
    }

    /// Its name in files and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

impl FromStr for Split {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|split| split.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("{name:?} is no split: choose one of {names}")
        })
    }
}

/// Why a photo is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RejectionReason {
    /// It cannot be read or decoded.
    Unreadable,
    /// Another photo with the same content and classes is used.
    Duplicate,
    /// The same content or path has different classes; none of its photos is used.
    ConflictingLabels,
    /// A list has no class or no path for it.
    Unlabelled,
    /// It is not in a class's folder, or in a folder within it.
    Misplaced,
}

impl RejectionReason {
    /// All values.
    pub const ALL: [Self; 5] = [
        Self::Unreadable,
        Self::Duplicate,
        Self::ConflictingLabels,
        Self::Unlabelled,
        Self::Misplaced,
    ];

    /// Its name in files and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Duplicate => "duplicate",
            Self::ConflictingLabels => "contradictory",
            Self::Unlabelled => "unlabelled",
            Self::Misplaced => "misplaced",
        }
    }
}

/// A photo that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedPhoto {
    /// Its file.
    pub photo: PathBuf,
    /// Why it is rejected.
    pub reason: RejectionReason,
    /// A message that names the file.
    pub message: String,
}

/// Options of a listing.
#[derive(Clone, Debug, Default)]
pub struct ListingOptions {
    /// Meaning of folders within a class's folder.
    pub nested: Nested,
    /// Whether photos may have several classes: several labels in a list, or the same photo in
    /// several folders.
    pub multi_label: bool,
    /// Files and folders to leave out.
    pub exclude: Vec<Exclusion>,
    /// The number of the first class in TFRecord files, if nothing in them says it. Default: by
    /// the rules of [`NumberingRule`].
    pub first_label: Option<u32>,
}

/// Meaning of folders within a class's folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nested {
    /// Ignored.
    #[default]
    Ignored,
    /// Separate classes, named by their path, such as `animals/cat`.
    Classes,
    /// Parts of the class.
    Parts,
}

/// A photo that was listed and not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPhoto {
    /// Its file.
    pub photo: PathBuf,
    /// Names of its classes.
    pub labels: Vec<String>,
    /// Its split, if folders or the list set it.
    pub split: Option<Split>,
}

/// Contents of a folder or a list.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The folder or list that was opened.
    pub path: PathBuf,
    /// The photos.
    pub photos: Vec<ListedPhoto>,
    /// Names of all classes, sorted; some may have no photos.
    pub classes: Vec<String>,
    /// Photos that were rejected already.
    pub rejected: Vec<RejectedPhoto>,
    /// Notes for the user.
    pub notes: Vec<Note>,
    /// Whether photos may have several classes.
    pub multi_label: bool,
    /// The numbers of the classes, if a dataset of TFRecord files has no names for them.
    pub numbers: Option<LabelNumbers>,
    /// Files and folders that are no photos, or were left out.
    pub passed_over: PassedOver,
}

impl Listing {
    /// Lists a folder of one folder a class, perhaps within folders `train`, `val` and `test`; a
    /// CSV file with the columns path, label and perhaps split; or TFRecord files in the form of
    /// TF-Slim or TensorFlow Datasets, one or a folder of them.
    ///
    /// # Errors
    /// If it is neither.
    pub fn open(path: &Path, options: &ListingOptions) -> Result<Self, DatasetError> {
        let metadata = std::fs::metadata(path)
            .map_err(|source| DatasetError::Read { path: path.into(), source })?;
        let records = records::files(path)?;
        if records.is_empty() && options.first_label.is_some() {
            let message = "the number of the first class is for TFRecord files, and there are none";
            return Err(DatasetError::NoDataset { path: path.into(), message: message.into() });
        }
        let mut listing = match metadata {
            _ if !records.is_empty() => records::list(path, &records, options)?,
            metadata if metadata.is_dir() => folder::list(path, options)?,
            _ => list::read(path, options)?,
        };
        listing.path = path.into();
        listing.multi_label = options.multi_label;
        let named = listing.photos.iter().flat_map(|photo| &photo.labels).cloned();
        listing.classes.extend(named.collect::<Vec<_>>());
        listing.classes.sort();
        listing.classes.dedup();
        Ok(listing)
    }
}

/// A photo of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Its file.
    pub photo: PathBuf,
    /// SHA-256 of its content.
    pub digest: Digest,
    /// Indices of its classes, ascending; more than one in multi-label datasets only.
    pub classes: Vec<usize>,
    /// Its split, if folders or the list set it.
    pub split: Option<Split>,
}

/// Labelled photos, each content once.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// The names of the classes, in the order of the model's outputs.
    pub classes: Vec<String>,
    /// The photos.
    pub examples: Vec<Example>,
    /// Rejected photos.
    pub rejected: Vec<RejectedPhoto>,
    /// Notes for the user.
    pub notes: Vec<Note>,
    /// Whether photos may have several classes.
    pub multi_label: bool,
    /// Files and folders that are no photos, or were left out.
    pub passed_over: PassedOver,
}

impl Dataset {
    /// Reads the listed photos on `threads` threads and keeps each content once, or not at all if
    /// its labels conflict.
    ///
    /// # Errors
    /// [`Error::Cancelled`](crate::Error::Cancelled) if the observer cancels.
    pub fn read(listing: Listing, threads: usize, observer: &mut dyn Observer) -> Result<Self> {
        let photos: Vec<&Path> =
            listing.photos.iter().map(|listed| listed.photo.as_path()).collect();
        let digests = digests(&photos, threads, observer)?;
        Ok(content::deduplicate(listing, digests))
    }

    /// Rejects unreadable photos, given by index with a message.
    pub fn reject(&mut self, broken: Vec<(usize, String)>) {
        let mut gone = vec![false; self.examples.len()];
        for (index, message) in broken {
            gone[index] = true;
            let photo = self.examples[index].photo.clone();
            self.rejected.push(RejectedPhoto {
                photo,
                reason: RejectionReason::Unreadable,
                message,
            });
        }
        let mut gone = gone.into_iter();
        self.examples.retain(|_| !gone.next().unwrap_or(false));
    }

    /// Drops classes without photos, with a note in [`notes`](Self::notes). The others keep
    /// their order.
    pub fn drop_empty_classes(&mut self) {
        let counts = self.counts();
        let position: Vec<usize> = counts
            .iter()
            .scan(0, |next, &n| Some(std::mem::replace(next, *next + usize::from(n > 0))))
            .collect();
        for class in self.examples.iter_mut().flat_map(|example| &mut example.classes) {
            *class = position[*class];
        }
        for (name, _) in self.classes.iter().zip(&counts).filter(|(_, n)| **n == 0) {
            self.notes.push(Note::EmptyClass { class: name.clone() });
        }
        let mut counts = counts.into_iter();
        self.classes.retain(|_| counts.next().is_some_and(|n| n > 0));
    }

    /// Returns the number of photos of each class.
    #[must_use]
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        self.examples
            .iter()
            .flat_map(|example| &example.classes)
            .for_each(|&class| counts[class] += 1);
        counts
    }

    /// Returns the split of each photo. Splits that folders or the list set have priority.
    ///
    /// # Errors
    /// If there are fewer than two classes, or too few photos for one in each split.
    pub fn split(&self, options: &SplitOptions) -> Result<Vec<Split>, DatasetError> {
        split::split(self, options)
    }

    /// Returns the fold of each photo, from 0 to less than `folds`, by content as in
    /// [`Dataset::split`].
    #[must_use]
    pub fn folds(&self, folds: usize, options: &SplitOptions) -> Vec<usize> {
        self.examples
            .iter()
            .map(|example| (split::position(example, options) * folds as f64) as usize)
            .collect()
    }

    /// Returns warnings about small classes, imbalanced classes, and classes without photos in a
    /// split.
    #[must_use]
    pub fn warnings(&self, splits: &[Split]) -> Vec<Note> {
        split::warnings(self, splits)
    }
}

/// Error of a dataset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// A file cannot be read.
    #[error("{path}: cannot be read: {source}", path = .path.display())]
    Read {
        /// The folder or list.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// It is neither a folder of classes nor a list.
    #[error("{path}: {message}", path = .path.display())]
    NoDataset {
        /// The folder or list.
        path: PathBuf,
        /// Description of the error.
        message: String,
    },
    /// There are too few photos or classes.
    #[error("{0}")]
    TooFew(String),
}
