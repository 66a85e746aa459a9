//! Discovery of photos in folders.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use lorgnette::picture::has_photo_extension;
use walkdir::{DirEntry, WalkDir};

use crate::error::{Error, Result};
use crate::library::name;

/// A photo's file, unopened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// Modification time in nanoseconds since 1970.
    pub(crate) modified: i64,
}

/// Contents of the folders.
#[derive(Debug, Default)]
pub(crate) struct Discovered {
    /// Absolute paths of the folders and files given.
    pub(crate) roots: Vec<PathBuf>,
    /// Distinct files in the order of paths.
    pub(crate) files: BTreeSet<File>,
    /// Unreadable folders and broken links, with the error.
    pub(crate) inaccessible: Vec<(PathBuf, String)>,
}

/// Finds the photos in `folders` and their subfolders. Follows links but not cycles; skips hidden
/// files and folders. A folder that is gone has no photos if it `was_indexed`.
///
/// # Errors
/// If a given folder does not exist, or its path cannot be made absolute.
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
    /// Returns whether a path is in a folder that could not be read.
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
        // A broken link is reported only if it has the extension of a photo; an unreadable folder
        // always.
        if cause.kind() != io::ErrorKind::NotFound || has_photo_extension(path) {
            self.inaccessible.push((path.to_owned(), format!("cannot be read: {cause}")));
        }
    }
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

/// A file given itself is a photo whatever its extension.
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
