//! Events of an evaluation.

use std::path::Path;

use super::EvaluateError;
use crate::dataset::Listing;
use crate::error::Error;
use crate::labels::FolderClassError;
use crate::observer::{Observer, Progress};

/// An event of an evaluation.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A folder or label is no class of the model; its photos are left out.
    Unmatched {
        /// The name of the folder or label, and why it is no class.
        error: &'a FolderClassError,
        /// Number of its photos.
        photos: usize,
    },
    /// The classes are matched; [`Listing::rejected`] and [`Listing::notes`] say which photos are
    /// left out.
    Listed(&'a Listing),
    /// The content of a photo was compared with those that the model was trained on.
    Compared(Progress),
    /// The model was trained on some of the photos, so its accuracy on them is too high.
    TrainingPhotos {
        /// Number of these photos.
        training: usize,
        /// Number of all photos.
        photos: usize,
    },
    /// A photo was scored, or failed.
    Scored {
        /// Its file.
        photo: &'a Path,
        /// Its error, if any.
        error: Option<&'a Error>,
        /// Progress.
        progress: Progress,
    },
}

/// An observer of an evaluation.
pub type EvaluationObserver<'o> = dyn for<'e> Observer<Event<'e>> + 'o;

/// Reports an event.
///
/// # Errors
/// [`EvaluateError::Cancelled`] if the observer cancels.
pub(super) fn send(
    observer: &mut EvaluationObserver<'_>,
    event: &Event<'_>,
) -> Result<(), EvaluateError> {
    if observer.event(event).is_break() { Err(EvaluateError::Cancelled) } else { Ok(()) }
}
