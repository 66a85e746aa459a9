//! Tables of photos in a model's folder.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::TrainError;
use crate::dataset::{Dataset, Split};
use crate::trained;

/// Row of `split.csv`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SplitRow {
    pub(super) path: String,
    pub(super) sha256: String,
    /// Names with `|` between them.
    pub(super) classes: String,
    pub(super) split: Split,
}

/// Writes the photos that were left out, and why.
pub(super) fn write_left_out(path: &Path, dataset: &Dataset) -> Result<(), TrainError> {
    let mut lines = csv::Writer::from_writer(Vec::new());
    let mut write = || -> csv::Result<()> {
        lines.write_record(["path", "fault", "what"])?;
        for rejected in &dataset.rejected {
            let photo = rejected.photo.to_string_lossy();
            lines.write_record([&*photo, rejected.reason.name(), &rejected.message])?;
        }
        Ok(())
    };
    write().map_err(|error| csv_error(path, &error))?;
    finish(path, lines)
}

/// Writes the split of each photo.
pub(super) fn write_splits(
    path: &Path,
    dataset: &Dataset,
    splits: &[Split],
) -> Result<(), TrainError> {
    let mut rows: Vec<SplitRow> = Vec::new();
    for (example, &split) in dataset.examples.iter().zip(splits) {
        let photo = std::path::absolute(&example.photo).unwrap_or_else(|_| example.photo.clone());
        let names: Vec<&str> =
            example.classes.iter().map(|&class| dataset.classes[class].as_str()).collect();
        rows.push(SplitRow {
            path: photo.to_string_lossy().into_owned(),
            sha256: example.digest.to_string(),
            classes: names.join("|"),
            split,
        });
    }
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    let mut lines = csv::Writer::from_writer(Vec::new());
    for row in &rows {
        lines.serialize(row).map_err(|error| csv_error(path, &error))?;
    }
    finish(path, lines)
}

/// Reads the rows of `split.csv`.
pub(super) fn read_splits(path: &Path) -> Result<Vec<SplitRow>, TrainError> {
    let mut reader = csv::Reader::from_path(path).map_err(|error| csv_error(path, &error))?;
    let rows: csv::Result<Vec<SplitRow>> = reader.deserialize().collect();
    rows.map_err(|error| csv_error(path, &error))
}

fn finish(path: &Path, lines: csv::Writer<Vec<u8>>) -> Result<(), TrainError> {
    let content = lines
        .into_inner()
        .map_err(|error| TrainError::Io { path: path.into(), source: error.into_error() })?;
    Ok(trained::replace(path, &content)?)
}

fn csv_error(path: &Path, error: &csv::Error) -> TrainError {
    TrainError::Damaged { path: path.into(), what: error.to_string() }
}
