//! Folders with one folder for each class.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::{
    DatasetError, ListedPhoto, Listing, ListingOptions, Nested, Note, RejectedPhoto,
    RejectionReason, Split,
};
use crate::photos::{Entry, EntryKind, Walk, WalkOptions, is_hidden, nfc};
use crate::picture::has_photo_extension;

/// Lists a folder of classes, or of folders named as splits with such folders in them.
pub(super) fn list(folder: &Path, options: &ListingOptions) -> Result<Listing, DatasetError> {
    let mut listing = Listing::default();
    match splits_in(folder)? {
        None => list_classes(folder, None, options, &mut listing),
        Some(Splits { splits, others }) => {
            for (path, split) in splits {
                list_classes(&path, Some(split), options, &mut listing);
            }
            for folder in others {
                let walk = Walk::new(&[&folder], &walk_options(options));
                let photos = walk.photos().count();
                for photo in walk.photos() {
                    let message = "it lies in none of the folders of training, validation and test";
                    listing.rejected.push(misplaced(photo, message));
                }
                listing.notes.push(Note::OutsideSplits { folder, photos });
            }
        }
    }
    if listing.photos.is_empty()
        && listing.rejected.iter().all(|rejection| rejection.reason == RejectionReason::Misplaced)
    {
        let message = "there are no photos in folders here: give a folder with one folder of \
                       photos a class, or a CSV file with the columns path and label"
            .into();
        return Err(DatasetError::NoDataset { path: folder.into(), message });
    }
    Ok(listing)
}

/// Folders of splits, and those beside them.
struct Splits {
    splits: Vec<(PathBuf, Split)>,
    others: Vec<PathBuf>,
}

/// Returns the folders of splits, if there are folders for training and another split, and each has
/// folders in it. A class may be called 'test': then its folder has photos in it.
fn splits_in(folder: &Path) -> Result<Option<Splits>, DatasetError> {
    let read = |source| DatasetError::Read { path: folder.into(), source };
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(read)?.flatten() {
        let path = entry.path();
        if is_hidden(&entry.file_name()) || !path.is_dir() {
            continue;
        }
        match split_of(&entry.file_name().to_string_lossy()) {
            Some(split) => found.push((path, split)),
            None => others.push(path),
        }
    }
    found.sort();
    others.sort();
    let has_training = found.iter().any(|(_, found)| *found == Split::Training);
    let are_splits = has_training && found.len() > 1;
    let are_classes = || found.iter().any(|(folder, _)| !has_folders(folder));
    if !are_splits || (!others.is_empty() && are_classes()) {
        return Ok(None);
    }
    Ok(Some(Splits { splits: found, others }))
}

/// Returns whether a folder has visible folders and no photos of its own.
fn has_folders(folder: &Path) -> bool {
    let entries: Vec<fs::DirEntry> = fs::read_dir(folder).into_iter().flatten().flatten().collect();
    let visible = entries.iter().filter(|entry| !is_hidden(&entry.file_name()));
    let paths: Vec<PathBuf> = visible.map(fs::DirEntry::path).collect();
    paths.iter().any(|path| path.is_dir())
        && !paths.iter().any(|path| path.is_file() && has_photo_extension(path))
}

fn walk_options(options: &ListingOptions) -> WalkOptions {
    WalkOptions { exclude: options.exclude.clone(), ..WalkOptions::default() }
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

/// The classes of a folder while it is listed.
struct Classes<'a> {
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
    let mut classes =
        Classes { root, split, nested: options.nested, deeper: BTreeMap::new(), beside: 0 };
    let walk = Walk::new(&[root], &walk_options(options));
    listing.passed_over.add(walk.passed_over());
    for entry in walk.entries {
        classes.add(&entry, listing);
    }
    for (class, count) in classes.deeper {
        listing.notes.push(Note::NestedPhotos { class, photos: count });
    }
    if classes.beside > 0 {
        let (folder, photos) = (root.to_owned(), classes.beside);
        listing.notes.push(Note::OutsideClasses { folder, photos });
    }
}

impl Classes<'_> {
    fn add(&mut self, entry: &Entry, listing: &mut Listing) {
        let within = entry.path.strip_prefix(self.root).unwrap_or(&entry.path);
        match &entry.kind {
            EntryKind::Photo => self.photo(entry, within, listing),
            EntryKind::Folder => {
                // A folder without photos is a class too, and is reported.
                if entry.depth == 1 && self.nested != Nested::Classes {
                    listing.classes.push(name_of(within));
                } else if self.nested == Nested::Ignored && has_photo_extension(&entry.path) {
                    let message = "a folder that is called like a photo";
                    listing.rejected.push(misplaced(&entry.path, message));
                }
            }
            EntryKind::RepeatedFolder { visited } => {
                let relation = match entry.path.starts_with(visited) {
                    true => "a link back to",
                    false => "a link to the same folder as",
                };
                let message = format!("{relation} {}: not followed", visited.display());
                listing.rejected.push(misplaced(&entry.path, &message));
            }
            EntryKind::NotAFile => {
                listing.rejected.push(unreadable(&entry.path, "it is no file"));
            }
            EntryKind::BrokenLink(_) => {
                listing.rejected.push(unreadable(&entry.path, "a link that leads nowhere"));
            }
            EntryKind::Unreadable(error) => {
                let message = format!("cannot be read: {error}");
                listing.rejected.push(unreadable(&entry.path, &message));
            }
            EntryKind::Hidden
            | EntryKind::Generated
            | EntryKind::Excluded
            | EntryKind::OtherFile => {}
        }
    }

    fn photo(&mut self, entry: &Entry, within: &Path, listing: &mut Listing) {
        let folder = within.parent().unwrap_or(Path::new(""));
        let Some(top) = folder.iter().next().map(|top| name_of(Path::new(top))) else {
            self.beside += 1;
            listing.rejected.push(misplaced(&entry.path, "it lies in no class's folder"));
            return;
        };
        let label = match self.nested {
            Nested::Ignored if entry.depth > 2 => {
                let message = format!("it lies in a folder within that of '{top}'");
                listing.rejected.push(misplaced(&entry.path, &message));
                *self.deeper.entry(top).or_default() += 1;
                return;
            }
            Nested::Classes => name_of(folder),
            Nested::Ignored | Nested::Parts => top,
        };
        listing.photos.push(ListedPhoto {
            photo: entry.path.clone(),
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

/// A folder's name as a class's, with `/` between folders on every system, and composed letters.
fn name_of(folder: &Path) -> String {
    let names: Vec<_> = folder.iter().map(OsStr::to_string_lossy).collect();
    nfc(&names.join("/")).into_owned()
}

fn unreadable(photo: &Path, message: &str) -> RejectedPhoto {
    RejectedPhoto {
        photo: photo.into(),
        reason: RejectionReason::Unreadable,
        message: format!("{}: {message}", photo.display()),
    }
}
