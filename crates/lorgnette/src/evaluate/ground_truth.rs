//! True classes of photos: folders and labels matched with the model's classes.

use std::path::PathBuf;

use super::EvaluateError;
use super::event::{EvaluationObserver, Event, send};
use crate::dataset::{
    LabelNumbers, ListedPhoto, Listing, Note, Numbering, NumberingRule, RejectedPhoto,
    RejectionReason,
};
use crate::labels::{FolderClassError, Label, Labels, is_background};

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
    /// Notes about the dataset.
    pub(super) notes: Vec<String>,
}

/// Number of the model's classes in an error.
const SHOWN_CLASSES: usize = 5;

/// Number of outputs of ImageNet's networks that have a background.
const OUTPUTS_WITH_BACKGROUND: usize = 1001;

/// The numbers of a dataset without names as outputs of a model.
#[derive(Clone, Copy)]
struct MatchedNumbers {
    /// The sum of a number and this is an output; `None` if the classes are called by numbers.
    shift: Option<i64>,
    rule: NumberingRule,
}

impl MatchedNumbers {
    fn new(numbers: &LabelNumbers, labels: &Labels) -> Self {
        let is_number = |label: Label<'_>| label.name.parse::<i64>().is_ok();
        if labels.iter().all(is_number) {
            return Self { shift: None, rule: NumberingRule::SameNames };
        }
        let has_background = labels.len() == OUTPUTS_WITH_BACKGROUND
            || labels.get(0).is_some_and(|label| is_background(label.name));
        let background = i64::from(has_background);
        let Numbering { first, rule } =
            numbers.numbering(labels.len() as i64 - background, has_background);
        Self { shift: Some(background - first), rule }
    }

    /// Returns the class that a number stands for.
    fn class(self, number: i64, labels: &Labels) -> Result<usize, FolderClassError> {
        let name = number.to_string();
        let Some(shift) = self.shift else { return labels.class_of_folder(&name) };
        let output = number.checked_add(shift).and_then(|output| usize::try_from(output).ok());
        output.filter(|&output| output < labels.len()).ok_or(FolderClassError::Unknown(name))
    }

    /// Says which class the lowest number is, and why.
    fn note(self, numbers: LabelNumbers, labels: &Labels) -> Note {
        let lowest = self.class(numbers.lowest, labels);
        let label = lowest.ok().and_then(|output| labels.get(output));
        Note::NumberedOutputs {
            numbers,
            outputs: labels.len(),
            output: label.map(|label| label.index),
            name: label.map(|label| label.first_name().to_owned()).unwrap_or_default(),
            rule: self.rule,
        }
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
        let matched = listing.numbers.map(|numbers| MatchedNumbers::new(&numbers, labels));
        if let (Some(numbers), Some(matched)) = (listing.numbers, matched) {
            listing.notes.retain(|note| !matches!(note, Note::UnnamedLabels { .. }));
            listing.notes.push(matched.note(numbers, labels));
        }
        let class = |name: &String| match (matched, name.parse::<i64>()) {
            (Some(matched), Ok(number)) => matched.class(number, labels),
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
        let notes = listing.notes.iter().map(ToString::to_string).collect();
        Ok(Self { photos, unmatched, rejected, notes })
    }
}
