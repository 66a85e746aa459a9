//! Tables of photos in a model's folder.

use std::path::Path;

use lorgnette_net::file::open_regular;
use serde::{Deserialize, Serialize};

use super::TrainError;
use crate::dataset::{Dataset, Split};
use crate::photos::path_bytes;
use crate::spreadsheet;
use crate::trained::{self, files};

/// Row of `split.csv`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SplitRow {
    pub(super) path: String,
    pub(super) sha256: String,
    /// Names with `|` between them.
    pub(super) classes: String,
    pub(super) split: Split,
    /// The bytes of a path that is no text, as hexadecimal digits.
    #[serde(default)]
    pub(super) path_bytes: String,
}

/// Returns a file of the photos that were left out, and why; `path` is for messages.
pub(super) fn left_out(path: &Path, dataset: &Dataset) -> Result<Vec<u8>, TrainError> {
    let mut lines = csv::Writer::from_writer(Vec::new());
    let mut write = || -> csv::Result<()> {
        lines.write_record(["path", "fault", "what", "path_bytes"])?;
        for rejected in &dataset.rejected {
            let photo = rejected.photo.to_string_lossy();
            let bytes = path_bytes(&rejected.photo).unwrap_or_default();
            lines.write_record([&*photo, rejected.reason.name(), &rejected.message, &bytes])?;
        }
        // Files that are no photos, counted by extension.
        for (extension, count) in &dataset.passed_over.files {
            let kind = if extension.is_empty() { "*" } else { &format!("*.{extension}") };
            let what = format!("{count} of these are no photos");
            lines.write_record([kind, "other file", &what, ""])?;
        }
        Ok(())
    };
    write().map_err(|error| csv_error(path, &error))?;
    content(path, lines)
}

/// Returns a file with the split of each photo; `path` is for messages.
pub(super) fn splits(
    path: &Path,
    dataset: &Dataset,
    splits: &[Split],
) -> Result<Vec<u8>, TrainError> {
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
            path_bytes: path_bytes(&photo).unwrap_or_default(),
        });
    }
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    let mut lines = csv::Writer::from_writer(Vec::new());
    for row in &rows {
        lines.serialize(row).map_err(|error| csv_error(path, &error))?;
    }
    content(path, lines)
}

/// Reads the rows of `split.csv` of the model in `folder`.
pub(super) fn read_splits(folder: &Path) -> Result<Vec<SplitRow>, TrainError> {
    let path = &files::path_in(folder, trained::SPLIT);
    let file = open_regular(path).map_err(|source| TrainError::Io { path: path.into(), source })?;
    let mut reader = csv::Reader::from_reader(file);
    let rows: csv::Result<Vec<SplitRow>> = reader.deserialize().collect();
    let mut rows = rows.map_err(|error| csv_error(path, &error))?;
    for row in &mut rows {
        row.path = spreadsheet::text_of(&row.path).to_owned();
        row.classes = spreadsheet::text_of(&row.classes).to_owned();
    }
    Ok(rows)
}

fn content(path: &Path, lines: csv::Writer<Vec<u8>>) -> Result<Vec<u8>, TrainError> {
    let content = lines
        .into_inner()
        .map_err(|error| TrainError::Io { path: path.into(), source: error.into_error() })?;
    spreadsheet::cells(content).map_err(|error| csv_error(path, &error))
}

fn csv_error(path: &Path, error: &csv::Error) -> TrainError {
    TrainError::Damaged { path: path.into(), what: error.to_string() }
}
