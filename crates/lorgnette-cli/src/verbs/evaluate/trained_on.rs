//! Which photos a model was trained on: it is too good at these.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use lorgnette::dataset::{Digest, Split};
use lorgnette::trained::{self, TrainedModel};
use serde::Deserialize;

use super::truths::Truths;
use crate::messages::{Messages, count};

/// What a trained model used photos for, by their content.
pub(super) struct TrainedOn {
    splits: HashMap<Digest, Split>,
}

/// What is read of a line of `split.csv`.
#[derive(Deserialize)]
struct Line {
    sha256: String,
    split: Split,
}

impl TrainedOn {
    /// That of a model which `lorgnette train` made; nothing for another.
    ///
    /// # Errors
    /// If its list of photos is damaged.
    pub(super) fn of(model: &OsStr) -> Result<Option<Self>> {
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

    /// Leaves only the photos of one split, if one is wanted; else says how many the model was trained on.
    ///
    /// # Errors
    /// If none is left.
    pub(super) fn choose(&self, truths: &mut Truths, wanted: Option<Split>, messages: Messages) -> Result<()> {
        let split = |photo: &Path| self.splits.get(&Digest::of(&fs::read(photo).ok()?)).copied();
        let Some(wanted) = wanted else {
            let learned = truths.photos.iter().filter(|(photo, _)| split(photo) == Some(Split::Training)).count();
            if learned > 0 {
                messages.note(&format_args!(
                    "{} of {} were used to train the model, which is too good at them: --split test leaves them out",
                    learned,
                    count(truths.photos.len(), "photo")
                ));
            }
            return Ok(());
        };
        truths.photos.retain(|(photo, _)| split(photo) == Some(wanted));
        let name = wanted.name();
        ensure!(!truths.photos.is_empty(), "none of the photos was used for {name} when the model was trained");
        Ok(())
    }
}
