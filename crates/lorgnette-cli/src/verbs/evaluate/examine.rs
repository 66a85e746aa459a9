//! Shows a model every photo.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use lorgnette::judge::Scored;
use lorgnette::picture::OpenOptions;
use lorgnette::{Classifier, Examined};

use super::truths::Truths;
use crate::messages::{self, Messages};
use crate::progress::Progress;
use crate::stream::Shares;
use lorgnette::in_order::in_order;

/// What became of the photos.
pub(super) struct Judged {
    /// What the model said of each that could be opened.
    pub(super) scored: Vec<Scored>,
    /// Their features, in the same order, if they were wanted.
    pub(super) features: Vec<Vec<f32>>,
    /// How many could not be opened; each said why.
    pub(super) failed: usize,
}

/// A photo's file and its true classes.
type Photo = (PathBuf, Vec<usize>);

/// Shows the model the photos, on all its threads.
pub(super) fn examine(
    truths: &Truths,
    classifier: &Classifier,
    open_options: &OpenOptions,
    (with_features, messages): (bool, Messages),
) -> Judged {
    let mut progress = Progress::new(truths.photos.len(), "photos", messages);
    let mut judged = Judged { scored: Vec::new(), features: Vec::new(), failed: 0 };
    let workers = workers(classifier, open_options, truths.photos.len());
    in_order(&truths.photos, workers, |(photo, truth), examined| {
        match examined {
            Ok(Examined { probabilities, features }) => {
                judged.scored.push(Scored { photo: photo.clone(), truth: truth.clone(), probabilities });
                judged.features.extend(features.filter(|_| with_features));
            }
            Err(error) => {
                judged.failed += 1;
                progress.aside(|| messages.error(&messages::in_full(&error)));
            }
        }
        progress.advance();
        ControlFlow::Continue(())
    });
    judged
}

/// What each thread does with a photo: decode, run the network.
fn workers(
    classifier: &Classifier,
    open_options: &OpenOptions,
    photos: usize,
) -> Vec<impl FnMut(usize, &Photo) -> Result<Examined> + Send + use<>> {
    let shares = Shares::new(classifier.model().network().options().pool.threads(), photos);
    let worker = |_| {
        let classifier = if shares.workers == 1 { classifier.clone() } else { classifier.on_threads(shares.threads) };
        let open_options = open_options.clone();
        move |_, (photo, _): &Photo| {
            let picture = open_options.open(photo)?;
            classifier.examine(&picture).with_context(|| photo.display().to_string())
        }
    };
    (0..shares.workers).map(worker).collect()
}
