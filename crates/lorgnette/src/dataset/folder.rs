//! Folders with one folder for each class.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::{
    DatasetError, ListedPhoto, Listing, ListingOptions, Nested, RejectedPhoto, RejectionReason,
    Split,
};
use crate::picture::has_photo_extension;

/// Lists a folder of classes, or of folders named as splits with such folders in them.
pub(super) fn list(folder: &Path, options: &ListingOptions) -> Result<Listing, DatasetError> {
    let mut listing = Listing::default();
    match splits_in(folder)? {
        None => list_classes(folder, None, options, &mut listing),
        Some(splits) => {
            for (path, split) in splits {
                list_classes(&path, Some(split), options, &mut listing);
            }
        }
    }
    if listing.photos.is_empty()
        && listing.rejected.iter().all(|rejection| rejection.reason == RejectionReason::Misplaced)
    {
        let message =
            "there are no photos in folders here: give a folder with one folder of photos a class, or a CSV file \
                    with the columns path and label"
                .into();
        return Err(DatasetError::NoDataset { path: folder.into(), message });
    }
    Ok(listing)
}

/// Returns the folders of splits, if there are no others.
fn splits_in(folder: &Path) -> Result<Option<Vec<(PathBuf, Split)>>, DatasetError> {
    let read = |source| DatasetError::Read { path: folder.into(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)?.flatten() {
        let path = entry.path();
        if is_hidden(&entry.file_name()) || !path.is_dir() {
            continue;
        }
        match split_of(&entry.file_name().to_string_lossy()) {
            Some(split) => found.push((path, split)),
            None => return Ok(None),
        }
    }
    found.sort();
    let has = |split| found.iter().any(|(_, found)| *found == split);
    // A class may be called 'test', so there must be training and another one.
    Ok((has(Split::Training) && found.len() > 1).then_some(found))
}

/// Returns the split that a folder or a word in a list names.
pub(super) fn split_of(name: &str) -> Option<Split> {
    match name.trim().to_lowercase().as_str() {
        "train" | "training" => Some(Split::Training),
        "val" | "valid" | "validation" => Some(Split::Validation),
        "test" | "testing" => Some(Split::Test),
        _ => None,
    }
}

/// A walk through a folder of classes.
struct Walk<'a> {
    root: &'a Path,
    split: Option<Split>,
    nested: Nested,
    /// Number of photos in deeper folders, by class.
    deeper: BTreeMap<String, usize>,
    /// Number of photos outside the classes' folders.
    beside: usize,
}

fn list_classes(
    root: &Path,
    split: Option<Split>,
    options: &ListingOptions,
    listing: &mut Listing,
) {
    let mut walk = Walk { root, split, nested: options.nested, deeper: BTreeMap::new(), beside: 0 };
    let entries =
        WalkDir::new(root).min_depth(1).follow_links(true).sort_by_file_name().into_iter();
    for entry in entries.filter_entry(|entry| !is_hidden(entry.file_name())) {
        match entry {
            Ok(entry) => walk.entry(&entry, listing),
            Err(error) => listing.rejected.extend(unreadable(&error)),
        }
    }
    for (class, count) in walk.deeper {
        let message = format!(
            "class '{class}': {count} photos lie in folders within its folder: --nested takes them"
        );
        listing.notes.push(message);
    }
    if walk.beside > 0 {
        let message = format!(
            "{}: {} photos lie in no class's folder, and are left out",
            root.display(),
            walk.beside
        );
        listing.notes.push(message);
    }
}

impl Walk<'_> {
    fn entry(&mut self, entry: &DirEntry, listing: &mut Listing) {
        let within = entry.path().strip_prefix(self.root).unwrap_or(entry.path());
        if entry.file_type().is_dir() {
            // A folder without photos is a class too, and is reported.
            if entry.depth() == 1 && self.nested != Nested::Classes {
                listing.classes.push(name_of(within));
            } else if self.nested == Nested::Ignored && has_photo_extension(entry.path()) {
                listing
                    .rejected
                    .push(misplaced(entry.path(), "a folder that is called like a photo"));
            }
            return;
        }
        if !has_photo_extension(entry.path()) {
            return;
        }
        let folder = within.parent().unwrap_or(Path::new(""));
        let top = folder.iter().next().map(|top| name_of(Path::new(top)));
        let Some(top) = top else {
            self.beside += 1;
            listing.rejected.push(misplaced(entry.path(), "it lies in no class's folder"));
            return;
        };
        let label = match self.nested {
            Nested::Ignored if entry.depth() > 2 => {
                listing.rejected.push(misplaced(
                    entry.path(),
                    &format!("it lies in a folder within that of '{top}'"),
                ));
                *self.deeper.entry(top).or_default() += 1;
                return;
            }
            Nested::Classes => name_of(folder),
            Nested::Ignored | Nested::Parts => top,
        };
        listing.photos.push(ListedPhoto {
            photo: entry.path().into(),
            labels: vec![label],
            split: self.split,
        });
    }
}

fn misplaced(photo: &Path, message: &str) -> RejectedPhoto {
    RejectedPhoto {
        photo: photo.into(),
        reason: RejectionReason::Misplaced,
        message: format!("{}: {message}", photo.display()),
    }
}

/// A folder's name as a class's, with `/` between folders on every system.
fn name_of(folder: &Path) -> String {
    let names: Vec<_> = folder.iter().map(OsStr::to_string_lossy).collect();
    names.join("/")
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Returns the rejection for a folder that cannot be read or a link that is broken or circular.
fn unreadable(error: &walkdir::Error) -> Option<RejectedPhoto> {
    let photo = error.path()?.to_owned();
    let name = photo.display();
    let message = match (error.loop_ancestor(), error.io_error()) {
        (Some(ancestor), _) => {
            return Some(misplaced(
                &photo,
                &format!("a link back to {}: not followed", ancestor.display()),
            ));
        }
        (None, Some(cause))
            if cause.kind() == io::ErrorKind::NotFound && !has_photo_extension(&photo) =>
        {
            return None;
        }
        (None, Some(cause)) if cause.kind() == io::ErrorKind::NotFound => {
            format!("{name}: a link that leads nowhere")
        }
        (None, Some(cause)) => format!("{name}: cannot be read: {cause}"),
        (None, None) => return None,
    };
    Some(RejectedPhoto { photo, reason: RejectionReason::Unreadable, message })
}
