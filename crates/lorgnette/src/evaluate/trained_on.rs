//! Photos that a model was trained on: its accuracy on these is too high.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use lorgnette_net::file::open_regular;
use serde::Deserialize;

use super::EvaluateError;
use super::event::{EvaluationObserver, Event, send};
use super::ground_truth::GroundTruth;
use crate::dataset::{self, Digest, Split};
use crate::observer::Progress;
use crate::trained::{self, TrainedModel, files};

/// Splits of a trained model's photos, by digest.
pub(super) struct TrainedOn {
    splits: HashMap<Digest, Split>,
}

/// Columns of `split.csv` that are read.
#[derive(Deserialize)]
struct Row {
    sha256: String,
    split: Split,
}

impl TrainedOn {
    /// Reads the splits of the trained model in `folder`; `None` if it is another model, or has no
    /// list.
    ///
    /// # Errors
    /// [`EvaluateError::Damaged`].
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, EvaluateError> {
        let path = files::path_in(folder, trained::SPLIT);
        if !TrainedModel::is_in(folder) || !path.is_file() {
            return Ok(None);
        }
        let damaged = |what: String| EvaluateError::Damaged { path: path.clone(), what };
        let file = open_regular(&path).map_err(|error| damaged(error.to_string()))?;
        let mut reader = csv::Reader::from_reader(file);
        let mut splits = HashMap::new();
        for row in reader.deserialize() {
            let Row { sha256, split } = row.map_err(|error| damaged(error.to_string()))?;
            splits.insert(sha256.parse().map_err(damaged)?, split);
        }
        Ok(Some(Self { splits }))
    }

    /// Keeps the photos of a split. Photos are read on `threads` threads.
    ///
    /// # Errors
    /// [`EvaluateError::EmptySplit`] if none is left.
    pub(super) fn keep_split(
        &self,
        ground_truth: &mut GroundTruth,
        split: Split,
        threads: usize,
        observer: &mut EvaluationObserver<'_>,
    ) -> Result<(), EvaluateError> {
        let mut splits = self.photo_splits(ground_truth, threads, observer)?.into_iter();
        ground_truth.photos.retain(|_| splits.next() == Some(Some(split)));
        if ground_truth.photos.is_empty() {
            return Err(EvaluateError::EmptySplit { split });
        }
        Ok(())
    }

    /// Reports how many photos the model was trained on, if any.
    pub(super) fn report(
        &self,
        ground_truth: &GroundTruth,
        threads: usize,
        observer: &mut EvaluationObserver<'_>,
    ) -> Result<(), EvaluateError> {
        let splits = self.photo_splits(ground_truth, threads, observer)?;
        let training = splits.iter().filter(|&&split| split == Some(Split::Training)).count();
        if training > 0 {
            let photos = splits.len();
            send(observer, &Event::TrainingPhotos { training, photos })?;
        }
        Ok(())
    }

    /// Returns the split of each photo, if known.
    fn photo_splits(
        &self,
        ground_truth: &GroundTruth,
        threads: usize,
        observer: &mut EvaluationObserver<'_>,
    ) -> Result<Vec<Option<Split>>, EvaluateError> {
        let photos: Vec<&Path> =
            ground_truth.photos.iter().map(|labelled| labelled.photo.as_path()).collect();
        let mut forward = |progress: &Progress| -> ControlFlow<()> {
            observer.event(&Event::Compared(*progress))
        };
        let digests = dataset::digests(&photos, threads, &mut forward)
            .map_err(|_| EvaluateError::Cancelled)?;
        Ok(digests.into_iter().map(|digest| self.splits.get(&digest.ok()?).copied()).collect())
    }
}
