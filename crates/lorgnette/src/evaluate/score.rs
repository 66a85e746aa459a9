//! Predictions for all photos.

use super::event::{EvaluationObserver, Event};
use super::ground_truth::LabelledPhoto;
use super::{EvaluateError, EvaluatorOptions};
use crate::classify::{Classifier, Outputs};
use crate::error::Result;
use crate::metrics::ScoredPhoto;
use crate::observer::Progress;
use crate::parallel::{WorkSplit, par_map_ordered};
use crate::picture::OpenOptions;

/// Predictions for photos.
pub(super) struct Scored {
    /// Photos that could be run.
    pub(super) photos: Vec<ScoredPhoto>,
    /// Their features, in the same order, if requested and known.
    pub(super) features: Vec<Vec<f32>>,
    /// Number of photos that failed.
    pub(super) failed: usize,
}

/// Runs the model on the photos, on all its threads.
///
/// # Errors
/// [`EvaluateError::Cancelled`].
pub(super) fn score(
    photos: &[LabelledPhoto],
    classifier: &Classifier,
    options: &EvaluatorOptions,
    observer: &mut EvaluationObserver<'_>,
) -> Result<Scored, EvaluateError> {
    let mut scored = Scored { photos: Vec::new(), features: Vec::new(), failed: 0 };
    let mut progress = Progress { done: 0, total: photos.len() };
    let mut is_cancelled = false;
    let workers = workers(classifier, &options.open, photos.len());
    par_map_ordered(photos, workers, |LabelledPhoto { photo, truth }, outputs| {
        progress.done += 1;
        let error = outputs.as_ref().err();
        let flow = observer.event(&Event::Scored { photo, error, progress });
        is_cancelled = flow.is_break();
        match outputs {
            Ok(Outputs { probabilities, features }) => {
                let (photo, truth) = (photo.clone(), truth.clone());
                scored.photos.push(ScoredPhoto { photo, truth, probabilities });
                scored.features.extend(features.filter(|_| options.features));
            }
            Err(_) => scored.failed += 1,
        }
        flow
    });
    if is_cancelled { Err(EvaluateError::Cancelled) } else { Ok(scored) }
}

/// Returns workers that decode a photo and run the network.
fn workers(
    classifier: &Classifier,
    open: &OpenOptions,
    photos: usize,
) -> Vec<impl FnMut(usize, &LabelledPhoto) -> Result<Outputs> + Send + use<>> {
    let work_split = WorkSplit::new(classifier.model().threads(), photos);
    let mut workers = Vec::with_capacity(work_split.workers);
    for classifier in work_split.copies(classifier, Classifier::with_threads) {
        let open = open.clone();
        workers.push(move |_, LabelledPhoto { photo, .. }: &LabelledPhoto| {
            classifier.outputs(&open.open(photo)?)
        });
    }
    workers
}
