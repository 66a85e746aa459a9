//! True classes of photos: folders and labels matched with the model's classes.

use std::path::PathBuf;

use super::EvaluateError;
use super::event::{EvaluationObserver, Event, send};
use crate::dataset::{ListedPhoto, Listing};
use crate::labels::{FolderClassError, Labels};

/// A photo with its true classes, as the model's output indices.
pub(super) struct LabelledPhoto {
    pub(super) photo: PathBuf,
    pub(super) truth: Vec<usize>,
}

/// Photos with their true classes.
pub(super) struct GroundTruth {
    pub(super) photos: Vec<LabelledPhoto>,
    /// Names of folders or labels that are no class of the model.
    pub(super) unmatched: Vec<String>,
    /// Number of photos that were rejected before they were opened.
    pub(super) rejected: usize,
}

/// Number of the model's classes in an error.
const SHOWN_CLASSES: usize = 5;

impl GroundTruth {
    /// Finds the classes of each photo. Photos with a label that is no class are left out: they
    /// cannot be evaluated.
    ///
    /// # Errors
    /// [`EvaluateError::NoClass`] if no folder or label is a class.
    pub(super) fn new(
        listing: Listing,
        labels: &Labels,
        observer: &mut EvaluationObserver<'_>,
    ) -> Result<Self, EvaluateError> {
        let classes: Vec<Result<usize, FolderClassError>> =
            listing.classes.iter().map(|name| labels.class_of_folder(name)).collect();
        let mut unmatched = Vec::new();
        for (name, class) in listing.classes.iter().zip(&classes) {
            if let Err(error) = class {
                let is_of_class = |photo: &&ListedPhoto| photo.labels.contains(name);
                let photos = listing.photos.iter().filter(is_of_class).count();
                send(observer, &Event::Unmatched { error, photos })?;
                unmatched.push(name.clone());
            }
        }
        send(observer, &Event::Listed(&listing))?;
        if classes.iter().all(Result::is_err) {
            let first = labels.iter().take(SHOWN_CLASSES);
            let classes = first.map(|label| label.first_name().to_owned()).collect();
            return Err(EvaluateError::NoClass { classes });
        }
        let class = |name: &String| {
            let position = listing.classes.binary_search(name).ok()?;
            classes[position].as_ref().ok().copied()
        };
        let mut photos = Vec::new();
        for ListedPhoto { photo, labels, .. } in listing.photos {
            let truth: Option<Vec<usize>> = labels.iter().map(class).collect();
            if let Some(truth) = truth.filter(|truth| !truth.is_empty()) {
                photos.push(LabelledPhoto { photo, truth });
            }
        }
        Ok(Self { photos, unmatched, rejected: listing.rejected.len() })
    }
}
