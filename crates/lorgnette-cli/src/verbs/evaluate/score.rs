//! Predictions for all photos.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use lorgnette::metrics::ScoredPhoto;
use lorgnette::picture::OpenOptions;
use lorgnette::{Classifier, Outputs};

use super::ground_truth::GroundTruth;
use crate::messages::Messages;
use crate::progress::Progress;
use crate::stream::WorkSplit;
use lorgnette::parallel::par_map_ordered;

/// Predictions for photos.
pub(super) struct ScoredPhotos {
    /// Predictions of the photos that could be opened.
    pub(super) scored: Vec<ScoredPhoto>,
    /// Their features, in the same order, if requested.
    pub(super) features: Vec<Vec<f32>>,
    /// Number of photos that could not be opened; each was reported.
    pub(super) failed: usize,
}

/// A photo's file and its true classes.
type Photo = (PathBuf, Vec<usize>);

/// Runs the model on the photos, on all its threads.
pub(super) fn score_photos(
    ground_truth: &GroundTruth,
    classifier: &Classifier,
    open_options: &OpenOptions,
    (with_features, messages): (bool, Messages),
) -> ScoredPhotos {
    let mut progress = Progress::new(ground_truth.photos.len(), "photos", messages);
    let mut scored_photos = ScoredPhotos { scored: Vec::new(), features: Vec::new(), failed: 0 };
    let workers = workers(classifier, open_options, ground_truth.photos.len());
    par_map_ordered(&ground_truth.photos, workers, |(photo, truth), examined| {
        match examined {
            Ok(Outputs { probabilities, features }) => {
                scored_photos.scored.push(ScoredPhoto {
                    photo: photo.clone(),
                    truth: truth.clone(),
                    probabilities,
                });
                scored_photos.features.extend(features.filter(|_| with_features));
            }
            Err(error) => {
                scored_photos.failed += 1;
                progress.suspend(|| messages.error(&lorgnette::error_chain(error.as_ref())));
            }
        }
        progress.advance();
        ControlFlow::Continue(())
    });
    scored_photos
}

/// Returns workers that decode a photo and run the network.
fn workers(
    classifier: &Classifier,
    open_options: &OpenOptions,
    photos: usize,
) -> Vec<impl FnMut(usize, &Photo) -> Result<Outputs> + Send + use<>> {
    let work_split =
        WorkSplit::new(classifier.model().network().run_options().pool.threads(), photos);
    let worker = |_| {
        let classifier = if work_split.workers == 1 {
            classifier.clone()
        } else {
            classifier.with_threads(work_split.threads)
        };
        let open_options = open_options.clone();
        move |_, (photo, _): &Photo| {
            let picture = open_options.open(photo)?;
            classifier.outputs(&picture).with_context(|| photo.display().to_string())
        }
    };
    (0..work_split.workers).map(worker).collect()
}
