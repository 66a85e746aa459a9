//! Lists of photos and their classes in CSV files.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use lorgnette_net::file::open_regular;

use crate::photos::{existing_path, nfc};

use super::{
    DatasetError, ListedPhoto, Listing, ListingOptions, RejectedPhoto, RejectionReason, folder,
};

/// Separators between the labels of a photo.
const SEPARATORS: [char; 2] = ['|', ';'];
/// Names of columns in a header.
const PATHS: [&str; 8] =
    ["path", "photo", "file", "filename", "file_name", "image", "image_path", "filepath"];
const LABELS: [&str; 6] = ["label", "labels", "class", "classes", "category", "tags"];
const SPLITS: [&str; 4] = ["split", "set", "subset", "fold"];

/// Indices of the columns.
#[derive(Clone, Copy)]
struct Columns {
    path: usize,
    label: usize,
    split: Option<usize>,
}

/// Reads a list. Paths are relative to its folder.
pub(super) fn read(path: &Path, options: &ListingOptions) -> Result<Listing, DatasetError> {
    let wrong = |message: String| DatasetError::NoDataset { path: path.into(), message };
    let file =
        open_regular(path).map_err(|source| DatasetError::Read { path: path.into(), source })?;
    let mut file = BufReader::new(file);
    let delimiter = file.fill_buf().map_or(b',', delimiter);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(file);
    let mut rows = Vec::new();
    for row in reader.records() {
        let not_csv = |error| {
            format!(
                "it is neither a folder nor a CSV file with the columns path and label: {error}"
            )
        };
        rows.push(row.map_err(|error| wrong(not_csv(error)))?);
    }
    let (columns, has_header) = columns(rows.first());
    let beside = path.parent().unwrap_or(Path::new(""));
    let mut listing = Listing::default();
    for (number, row) in rows.iter().enumerate().skip(usize::from(has_header)) {
        match listed(row, columns, beside, options) {
            Ok(photo) => listing.photos.push(photo),
            Err(message) => {
                let message = format!("{}: line {}: {message}", path.display(), line(row, number));
                listing.rejected.push(RejectedPhoto {
                    photo: path.into(),
                    reason: RejectionReason::Unlabelled,
                    message,
                });
            }
        }
    }
    if listing.photos.is_empty() {
        return Err(wrong(
            "it lists no photos: give a path and a label in each line, with a comma between".into(),
        ));
    }
    Ok(joined(listing, options.multi_label))
}

/// Returns the delimiter of the first line: a comma, or a tab or semicolon if it has none.
fn delimiter(start: &[u8]) -> u8 {
    let first = start.split(|&byte| byte == b'\n').next().unwrap_or(start);
    [b',', b'\t', b';'].into_iter().find(|delimiter| first.contains(delimiter)).unwrap_or(b',')
}

fn line(row: &StringRecord, number: usize) -> u64 {
    row.position().map_or(number as u64 + 1, csv::Position::line)
}

/// The columns by the header, if there is one; else path, label and split in this order.
fn columns(first: Option<&StringRecord>) -> (Columns, bool) {
    let position = |names: &[&str]| {
        let is_one = |cell: &str| {
            names
                .iter()
                .any(|name| name.eq_ignore_ascii_case(cell.trim_start_matches('\u{feff}').trim()))
        };
        first.and_then(|row| row.iter().position(is_one))
    };
    match (position(&PATHS), position(&LABELS)) {
        (Some(path), Some(label)) => (Columns { path, label, split: position(&SPLITS) }, true),
        _ => (Columns { path: 0, label: 1, split: Some(2) }, false),
    }
}

/// One line.
fn listed(
    row: &StringRecord,
    at: Columns,
    beside: &Path,
    options: &ListingOptions,
) -> Result<ListedPhoto, String> {
    let cell = |column: usize| {
        row.get(column).map(|cell| cell.trim_start_matches('\u{feff}').trim()).unwrap_or_default()
    };
    let (path, label) = (cell(at.path), nfc(cell(at.label)));
    if path.is_empty() {
        return Err("there is no path".into());
    }
    let labels: Vec<String> = match options.multi_label {
        true => label
            .split(SEPARATORS)
            .map(str::trim)
            .filter(|label| !label.is_empty())
            .map(str::to_owned)
            .collect(),
        false => {
            Some(label).filter(|label| !label.is_empty()).map(Cow::into_owned).into_iter().collect()
        }
    };
    if labels.is_empty() && !options.multi_label {
        return Err(format!("'{path}' has no label"));
    }
    let split = at.split.map(cell).filter(|word| !word.is_empty());
    let split = split.map(|word| {
        folder::split_of(word).ok_or_else(|| format!("'{word}' is none of train, val, test"))
    });
    let photo = beside.join(path);
    let photo = existing_path(&photo).unwrap_or(photo);
    Ok(ListedPhoto { photo, labels, split: split.transpose()? })
}

/// Several lines of one photo made one, if it may have several classes. Else the same content tells
/// a contradiction.
fn joined(mut listing: Listing, multi_label: bool) -> Listing {
    if !multi_label {
        return listing;
    }
    let mut places: HashMap<PathBuf, usize> = HashMap::new();
    let mut photos: Vec<ListedPhoto> = Vec::new();
    for listed in listing.photos {
        let at = *places.entry(listed.photo.clone()).or_insert(photos.len());
        match photos.get_mut(at) {
            Some(known) => known.labels.extend(listed.labels),
            None => photos.push(listed),
        }
    }
    listing.photos = photos;
    listing
}
