//! Photos that a model was trained on: its accuracy on these is too high.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use lorgnette::dataset::{self, Digest, Split};
use lorgnette::trained::{self, TrainedModel};
use serde::Deserialize;

use super::ground_truth::GroundTruth;
use crate::messages::{Messages, count};
use crate::progress::Progress;

/// Splits of a trained model's photos, by digest.
pub(super) struct TrainedOn {
    splits: HashMap<Digest, Split>,
}

/// Columns of `split.csv` that are read.
#[derive(Deserialize)]
struct Line {
    sha256: String,
    split: Split,
}

impl TrainedOn {
    /// Reads the splits of a model made by `lorgnette train`; `None` for another model.
    ///
    /// # Errors
    /// If its list of photos is damaged.
    pub(super) fn read(model: &OsStr) -> Result<Option<Self>> {
        let folder = Path::new(model);
        let path = folder.join(trained::SPLIT);
        if !TrainedModel::is_in(folder) || !path.is_file() {
            return Ok(None);
        }
        let read = || -> Result<HashMap<Digest, Split>> {
            let mut lines = csv::Reader::from_path(&path)?;
            let entry = |line: csv::Result<Line>| {
                let Line { sha256, split } = line?;
                Ok((sha256.parse::<Digest>().map_err(anyhow::Error::msg)?, split))
            };
            lines.deserialize().map(entry).collect()
        };
        Ok(Some(Self { splits: read().with_context(|| path.display().to_string())? }))
    }

    /// Keeps the photos of the requested split. Without one, reports how many the model was trained
    /// on. Photos are read on `threads` threads.
    ///
    /// # Errors
    /// If none is left.
    pub(super) fn keep_split(
        &self,
        ground_truth: &mut GroundTruth,
        requested: Option<Split>,
        (threads, messages): (usize, Messages),
    ) -> Result<()> {
        let splits = self.photo_splits(ground_truth, threads, messages);
        let Some(requested) = requested else {
            let training_photos =
                splits.iter().filter(|&&split| split == Some(Split::Training)).count();
            if training_photos > 0 {
                messages.note(&format_args!(
                    "{} of {} were used to train the model, which is too good at them: --split test leaves them out",
                    training_photos,
                    count(ground_truth.photos.len(), "photo")
                ));
            }
            return Ok(());
        };
        let mut splits = splits.into_iter();
        ground_truth.photos.retain(|_| splits.next() == Some(Some(requested)));
        let name = requested.name();
        ensure!(
            !ground_truth.photos.is_empty(),
            "none of the photos was used for {name} when the model was trained"
        );
        Ok(())
    }

    /// Returns the split of each photo, if known.
    fn photo_splits(
        &self,
        ground_truth: &GroundTruth,
        threads: usize,
        messages: Messages,
    ) -> Vec<Option<Split>> {
        let photos: Vec<&Path> =
            ground_truth.photos.iter().map(|(photo, _)| photo.as_path()).collect();
        let mut progress = Progress::new(photos.len(), "photos told apart", messages);
        let digests = dataset::digests(&photos, threads, &mut |read: &lorgnette::Progress| {
            progress.set_position(read.done);
            ControlFlow::Continue(())
        });
        let split = |digest: Result<Digest, String>| self.splits.get(&digest.ok()?).copied();
        digests.unwrap_or_default().into_iter().map(split).collect()
    }
}
