//! True classes of photos: folders and labels matched with the model's classes.

use std::path::PathBuf;

use super::EvaluateError;
use super::event::{EvaluationObserver, Event, send};
use crate::dataset::{ListedPhoto, Listing, Note, RejectedPhoto, RejectionReason};
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
    /// Number of photos of classes that were rejected before they were opened.
    pub(super) rejected: usize,
}

/// Number of the model's classes in an error.
const SHOWN_CLASSES: usize = 5;

/// Returns what is added to the numbers of a dataset without names: -1 if they run from 1 to the
/// number of the model's outputs; 1 if they run from 0 and the model has one output more, which is
/// the background, as ImageNet's have.
fn shift(listing: &Listing, labels: &Labels) -> i64 {
    let outputs = labels.len() as i64;
    let is_name = |number: i64| labels.iter().any(|label| label.name == number.to_string());
    match listing.numbers {
        Some((lowest, highest)) if is_name(lowest) && is_name(highest) => 0,
        Some((1.., highest)) if highest == outputs => -1,
        Some((0, highest)) if outputs > 2 && highest == outputs - 2 => 1,
        _ => 0,
    }
}

impl GroundTruth {
    /// Finds the classes of each photo. Photos with a label that is no class are left out: they
    /// cannot be evaluated.
    ///
    /// # Errors
    /// [`EvaluateError::NoClass`] if no folder or label is a class.
    pub(super) fn new(
        mut listing: Listing,
        labels: &Labels,
        observer: &mut EvaluationObserver<'_>,
    ) -> Result<Self, EvaluateError> {
        let shift = shift(&listing, labels);
        if let Some((lowest, highest)) = listing.numbers.filter(|_| shift != 0) {
            let (outputs, first_output) = (labels.len(), lowest + shift);
            listing.notes.push(Note::ShiftedLabels { lowest, highest, outputs, first_output });
        }
        let class = |name: &String| match name.parse::<i64>() {
            Ok(number) if shift != 0 => labels.class_of_folder(&(number + shift).to_string()),
            _ => labels.class_of_folder(name),
        };
        let classes: Vec<Result<usize, FolderClassError>> =
            listing.classes.iter().map(class).collect();
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
        // A photo in no class's folder is no failure.
        let is_failure = |photo: &&RejectedPhoto| photo.reason != RejectionReason::Misplaced;
        let rejected = listing.rejected.iter().filter(is_failure).count();
        Ok(Self { photos, unmatched, rejected })
    }
}
