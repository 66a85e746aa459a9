//! Events of a whole training.

use super::TrainError;
use crate::dataset::{Dataset, Split};
use crate::features::Extraction;
use crate::head::{self, Examples};
use crate::observer::Observer;

/// An event of a training.
#[non_exhaustive]
pub enum Event<'a> {
    /// Features of photos are computed.
    Extraction(&'a Extraction),
    /// All features of a set of photos are there.
    Extracted {
        /// Number of photos.
        total: usize,
        /// Number of photos whose features were not cached.
        computed: usize,
        /// Duration in seconds.
        seconds: f64,
    },
    /// Unusable photos were rejected; [`Dataset::rejected`] and [`Dataset::notes`] say why.
    Usable(&'a Dataset),
    /// A fold of the cross-validation was tested.
    Fold {
        /// Number of the fold, from 1.
        fold: usize,
        /// Number of folds.
        folds: usize,
        /// Correct predictions.
        correct: usize,
        /// Test photos.
        total: usize,
    },
    /// The cross-validation ended.
    CrossValidated {
        /// Mean accuracy of the folds.
        mean: f64,
        /// Standard deviation of the folds' accuracies.
        deviation: f64,
        /// Number of folds.
        folds: usize,
    },
    /// The photos were split.
    Split {
        /// The dataset.
        dataset: &'a Dataset,
        /// The split of each example.
        splits: &'a [Split],
    },
    /// The head is about to be trained on these examples, one set for each of [`Split::ALL`].
    Examples(&'a [Examples; 3]),
    /// The checkpoint in the folder belongs to other photos or settings.
    StaleCheckpoint,
    /// The training of the head.
    Head(&'a head::Event<'a>),
    /// The head is trained.
    Trained(&'a head::Trained),
    /// Label issues were looked for among test photos only, because the observer cancelled.
    NoOutOfFold,
    /// A stage ended.
    Finished(Stage),
}

/// A stage of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Computing features.
    Features,
    /// Cross-validation.
    CrossValidation,
    /// Training the head.
    Head,
    /// Evaluating the head and writing the model.
    Evaluation,
    /// Finding label issues.
    LabelIssues,
    /// Writing the report.
    Report,
    /// Writing TensorBoard's files.
    TensorBoard,
}

/// An observer of a training.
pub type TrainObserver<'o> = dyn for<'e> Observer<Event<'e>> + 'o;

/// Reports an event.
///
/// # Errors
/// [`TrainError::Cancelled`] if the observer cancels.
pub(super) fn send(observer: &mut TrainObserver<'_>, event: &Event<'_>) -> Result<(), TrainError> {
    match observer.event(event).is_break() {
        true => Err(TrainError::Cancelled),
        false => Ok(()),
    }
}
