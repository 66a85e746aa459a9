//! An evaluation as host languages ask for it.

use std::ops::ControlFlow;
use std::path::PathBuf;

use super::{EvaluateError, EvaluationResult, Evaluator, EvaluatorOptions, Event};
use crate::dataset::{Listing, ListingOptions, Split};
use crate::error::error_chain;
use crate::model_ref::ModelRef;
use crate::opened_model::OpenedModel;
use crate::watch::Watch;

/// An evaluation of an open model, with the options that host languages have.
#[derive(Clone, Debug)]
pub struct EvaluationRequest {
    /// Folder or list of photos.
    pub photos: PathBuf,
    /// Evaluates only photos that had this use in the model's training.
    pub split: Option<Split>,
    /// Whether photos may have several classes.
    pub multi_label: bool,
    /// Whether photos are decoded at the size that suffices for the model.
    pub reduced: bool,
}

impl EvaluationRequest {
    /// Evaluates the model. `watch` counts photos. Returns a line for each photo that was left out
    /// too.
    ///
    /// # Errors
    /// As [`Evaluator::run`]; [`EvaluateError::Dataset`] if the photos cannot be listed.
    pub fn run(
        &self,
        opened: &OpenedModel,
        watch: &Watch,
    ) -> Result<(EvaluationResult, Vec<String>), EvaluateError> {
        let model = opened.model();
        let mut options = EvaluatorOptions { split: self.split, ..EvaluatorOptions::default() };
        options.open.min_decode_size = if self.reduced { model.min_decode_size() } else { None };
        if let ModelRef::File(folder) = opened.model_ref() {
            options.folder = Some(folder.clone());
        }
        let listing = ListingOptions { multi_label: self.multi_label, ..Default::default() };
        let listing = Listing::open(&self.photos, &listing)?;
        let evaluator = Evaluator::new(model.clone(), options)?;
        let mut left_out = Vec::new();
        let result = evaluator
            .run(listing, &mut |event: &Event<'_>| observe(event, watch, &mut left_out))?;
        Ok((result, left_out))
    }
}

fn observe(event: &Event<'_>, watch: &Watch, left_out: &mut Vec<String>) -> ControlFlow<()> {
    match event {
        Event::Scored { error, progress, .. } => {
            left_out.extend(error.map(|error| error_chain(error)));
            watch.set(*progress);
        }
        Event::Unmatched { error, photos } => left_out.push(format!("{error} ({photos} photos)")),
        Event::Listed(listing) => {
            left_out.extend(listing.rejected.iter().map(|rejected| rejected.message.clone()));
        }
        _ => {}
    }
    watch.flow()
}
