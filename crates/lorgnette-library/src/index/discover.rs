//! Which photos there are.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use lorgnette::picture::has_photo_extension;
use walkdir::{DirEntry, WalkDir};

use crate::error::{Error, Result};
use crate::library::name;

/// A photo's file, not opened yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified: i64,
}

/// What is in the folders.
#[derive(Debug, Default)]
pub(crate) struct Discovered {
    /// The folders and files that were named, absolute.
    pub(crate) roots: Vec<PathBuf>,
    /// In the order of their paths, each once.
    pub(crate) files: BTreeSet<File>,
    /// Folders that could not be looked into, and links that lead nowhere, with the reason.
    pub(crate) inaccessible: Vec<(PathBuf, String)>,
}

/// The photos in `folders`, and those within folders within them. Links are followed, but not in
/// circles; hidden files and folders are left out. A folder that is gone has no photos if it
/// `was_indexed`.
///
/// # Errors
/// If a folder that is named is not there, or its path cannot be made absolute.
pub(crate) fn discover(
    folders: &[PathBuf],
    was_indexed: impl Fn(&Path) -> bool,
) -> Result<Discovered> {
    let mut discovered = Discovered::default();
    for folder in folders {
        let unreadable = |source| Error::File { name: name(folder), source };
        match fs::canonicalize(folder) {
            Ok(root) => {
                discovered.walk(&root);
                discovered.roots.push(root);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let root = std::path::absolute(folder).map_err(unreadable)?;
                if !was_indexed(&root) {
                    return Err(Error::Request(format!(
                        "{}: there is no such folder",
                        name(folder)
                    )));
                }
                discovered.roots.push(root);
            }
            Err(error) => return Err(unreadable(error)),
        }
    }
    Ok(discovered)
}

impl Discovered {
    /// Whether nothing can be said about a path, for its folder could not be looked into.
    pub(crate) fn is_inaccessible(&self, path: &Path) -> bool {
        self.inaccessible.iter().any(|(folder, _)| path.starts_with(folder))
    }

    fn walk(&mut self, root: &Path) {
        let walk = WalkDir::new(root).follow_links(true);
        for entry in walk.into_iter().filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry))
        {
            match entry {
                Ok(entry) if is_photo(&entry) => self.add(&entry),
                Ok(_) => {}
                Err(error) => self.record_error(&error),
            }
        }
    }

    fn add(&mut self, entry: &DirEntry) {
        match entry.metadata() {
            Ok(metadata) => {
                let modified = modified(&metadata);
                self.files.insert(File {
                    path: entry.path().to_owned(),
                    bytes: metadata.len(),
                    modified,
                });
            }
            Err(error) => self.record_error(&error),
        }
    }

    fn record_error(&mut self, error: &walkdir::Error) {
        let (Some(path), Some(cause)) = (error.path(), error.io_error()) else { return };
        // Any folder may hold photos, but of links that lead nowhere only those do that are called
        // so.
        if cause.kind() != io::ErrorKind::NotFound || has_photo_extension(path) {
            self.inaccessible.push((path.to_owned(), format!("cannot be read: {cause}")));
        }
    }
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

/// A file that is named itself is a photo whatever it is called.
fn is_photo(entry: &DirEntry) -> bool {
    entry.file_type().is_file() && (entry.depth() == 0 || has_photo_extension(entry.path()))
}

fn modified(metadata: &Metadata) -> i64 {
    let time = metadata.modified().unwrap_or(UNIX_EPOCH);
    let nanoseconds = |from: SystemTime, to: SystemTime| {
        to.duration_since(from).map(|span| span.as_nanos() as i64)
    };
    nanoseconds(UNIX_EPOCH, time)
        .or_else(|_| nanoseconds(time, UNIX_EPOCH).map(|before| -before))
        .unwrap_or(0)
}
