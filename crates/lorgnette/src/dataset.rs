//! Photos whose classes are known: found in folders or a list, told apart by content, dealt out to
//! training, validation and test.
//!
//! ```text
//! folder, or list of paths and labels ─▶ Listing ─▶ contents read ─▶ Dataset ─▶ Splits
//!                                        names only   duplicates and        by content, so that moving,
//!                                                     contradictions out    renaming or adding changes nothing
//! ```
//! What is wrong with a photo is a [`RejectedPhoto`], never the end: the others go on.
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
//! let dataset = Dataset::read(listing, 1, &mut ()).expect("not cancelled");
//! assert_eq!(dataset.classes, ["cat", "dog"]);
//! let splits = dataset.split(&SplitOptions::default())?;
//! assert!(splits.iter().any(|&split| split == Split::Training));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod content;
mod folder;
mod list;
mod retrain;
mod split;

use std::path::{Path, PathBuf};

pub use regex_lite::Regex;

use crate::observer::Observer;

pub use content::{Digest, digests};
pub use split::{Grouping, SplitBy, SplitOptions};

/// What a photo is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Weights are fitted to it.
    Training,
    /// Settings are chosen by it: how much regularisation, when to stop, what is unknown.
    Validation,
    /// Nothing is chosen by it; it tells how good the model is.
    Test,
}

impl Split {
    /// All of them.
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

/// Why a photo was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RejectionReason {
    /// It cannot be read, or is no picture.
    Unreadable,
    /// The same content is there under another name, with the same classes; that one is used.
    Duplicate,
    /// The same content, or the same path of a list, has different classes; none of them is used.
    ConflictingLabels,
    /// A list gives it no class, or no path.
    Unlabelled,
    /// It lies too deep in a folder of folders, or in none.
    Misplaced,
}

impl RejectionReason {
    /// All of them.
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

/// A photo that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedPhoto {
    /// Its file.
    pub photo: PathBuf,
    /// Of which kind its fault is.
    pub reason: RejectionReason,
    /// What is wrong with it, in words; the file's name is in it.
    pub message: String,
}

/// How folders and lists are read.
#[derive(Clone, Debug, Default)]
pub struct ListingOptions {
    /// What folders within a class's folder are.
    pub nested: Nested,
    /// Whether photos may have several classes: several labels in a list, or the same photo in
    /// several folders.
    pub multi_label: bool,
}

/// What folders within a class's folder are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nested {
    /// Not looked into.
    #[default]
    Ignored,
    /// Classes of their own, called by their path, such as `animals/cat`.
    Classes,
    /// Parts of the class.
    Parts,
}

/// A photo that was listed, not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPhoto {
    /// Its file.
    pub photo: PathBuf,
    /// Its classes, by name.
    pub labels: Vec<String>,
    /// What it is for, where folders or the list say so.
    pub split: Option<Split>,
}

/// What a folder or a list names.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The photos.
    pub photos: Vec<ListedPhoto>,
    /// The names of classes, also of those without photos, in order.
    pub classes: Vec<String>,
    /// What was left out already.
    pub rejected: Vec<RejectedPhoto>,
    /// What the user should know.
    pub notes: Vec<String>,
    /// Whether photos may have several classes.
    pub multi_label: bool,
}

impl Listing {
    /// Lists a folder of one folder a class, perhaps within folders `train`, `val` and `test`; or a
    /// CSV file with the columns path, label and perhaps split.
    ///
    /// # Errors
    /// If it is neither.
    pub fn open(path: &Path, options: &ListingOptions) -> Result<Self, DatasetError> {
        let mut listing = match std::fs::metadata(path) {
            Err(source) => return Err(DatasetError::Read { path: path.into(), source }),
            Ok(metadata) if metadata.is_dir() => folder::list(path, options)?,
            Ok(_) => list::read(path, options)?,
        };
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
    /// Of its content.
    pub digest: Digest,
    /// Its classes, by index, in order: one, but for datasets of several labels.
    pub classes: Vec<usize>,
    /// What it is for, where folders or the list say so.
    pub split: Option<Split>,
}

/// Photos with their classes; each content once.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// The names of the classes, in the order of the model's outputs.
    pub classes: Vec<String>,
    /// The photos.
    pub examples: Vec<Example>,
    /// What was left out.
    pub rejected: Vec<RejectedPhoto>,
    /// What the user should know.
    pub notes: Vec<String>,
    /// Whether photos may have several classes.
    pub multi_label: bool,
}

impl Dataset {
    /// Reads the content of what was listed, on so many threads: the same content counts once, and
    /// not at all if it is said to be different things. `watch` is told how many are done, and
    /// stops it by giving `false`; then there is no dataset.
    pub fn read(
        listing: Listing,
        threads: usize,
        observer: &mut dyn Observer,
    ) -> Option<Self> {
        let photos: Vec<&Path> =
            listing.photos.iter().map(|listed| listed.photo.as_path()).collect();
        let digests = digests(&photos, threads, observer)?;
        Some(content::deduplicate(listing, digests))
    }

    /// Leaves out photos that turned out to be unreadable, by their index.
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

    /// Leaves out classes without photos, and says so in [`notes`](Self::notes); the others keep
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
            self.notes.push(format!("class '{name}' has no photos, and is left out"));
        }
        let mut counts = counts.into_iter();
        self.classes.retain(|_| counts.next().is_some_and(|n| n > 0));
    }

    /// How many photos each class has.
    #[must_use]
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        self.examples
            .iter()
            .flat_map(|example| &example.classes)
            .for_each(|&class| counts[class] += 1);
        counts
    }

    /// Says what each photo is for. Where folders or the list say so, it is that.
    ///
    /// # Errors
    /// If there are fewer than two classes, or too few photos for one in each split.
    pub fn split(&self, options: &SplitOptions) -> Result<Vec<Split>, DatasetError> {
        split::split(self, options)
    }

    /// The fold of each photo, of so many; by content, as [`Dataset::split`] does it.
    #[must_use]
    pub fn folds(&self, folds: usize, options: &SplitOptions) -> Vec<usize> {
        self.examples
            .iter()
            .map(|example| (split::position(example, options) * folds as f64) as usize)
            .collect()
    }

    /// What is odd about the numbers of photos: tiny classes, classes far larger than others,
    /// classes that a split has nothing of.
    #[must_use]
    pub fn warnings(&self, splits: &[Split]) -> Vec<String> {
        split::warnings(self, splits)
    }
}

/// Why there is no dataset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// The system refused.
    #[error("{path}: cannot be read: {source}", path = .path.display())]
    Read {
        /// The folder or list.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is neither a folder of classes nor a list.
    #[error("{path}: {message}", path = .path.display())]
    NoDataset {
        /// The folder or list.
        path: PathBuf,
        /// What is wrong, and what to do.
        message: String,
    },
    /// There are too few photos or classes.
    #[error("{0}")]
    TooFew(String),
}
