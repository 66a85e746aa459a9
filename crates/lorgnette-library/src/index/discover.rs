//! Discovery of photos in folders.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use lorgnette::photos::{Entry, EntryKind, Exclusion, PassedOver, Walk, WalkOptions};
use lorgnette::picture::has_photo_extension;

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
    /// Unreadable folders, broken links and pipes, with the error.
    pub(crate) inaccessible: BTreeMap<PathBuf, String>,
    /// Files and folders that are no photos, or were left out.
    pub(crate) passed_over: PassedOver,
}

/// Finds the photos in `folders` and their subfolders with [`Walk`], but for those that `exclude`
/// matches. A folder that is gone has no photos if it `was_indexed`.
///
/// # Errors
/// If a given folder does not exist or is neither folder nor file, or its path cannot be made
/// absolute.
pub(crate) fn discover(
    folders: &[PathBuf],
    exclude: &[Exclusion],
    was_indexed: impl Fn(&Path) -> bool,
) -> Result<Discovered> {
    let mut discovered = Discovered::default();
    let mut existing = Vec::new();
    for folder in folders {
        let unreadable = |source| Error::File { name: name(folder), source };
        match fs::canonicalize(folder) {
            Ok(root) => {
                existing.push(root.clone());
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
    let options = WalkOptions { exclude: exclude.to_vec(), ..WalkOptions::default() };
    let walk = Walk::new(&existing, &options);
    discovered.passed_over = walk.passed_over().clone();
    for entry in walk.entries {
        discovered.add(entry)?;
    }
    Ok(discovered)
}

impl Discovered {
    /// Returns whether a path is in a folder that could not be read.
    pub(crate) fn is_inaccessible(&self, path: &Path) -> bool {
        path.ancestors().any(|folder| self.inaccessible.contains_key(folder))
    }

    fn add(&mut self, entry: Entry) -> Result<()> {
        match entry.kind {
            EntryKind::Photo => match fs::metadata(&entry.path) {
                Ok(metadata) => {
                    self.files.insert(File {
                        path: entry.path,
                        bytes: metadata.len(),
                        modified: modified(&metadata),
                    });
                }
                Err(error) => self.add_inaccessible(entry.path, &error),
            },
            EntryKind::BrokenLink(_) if !has_photo_extension(&entry.path) => {}
            EntryKind::BrokenLink(error) | EntryKind::Unreadable(error) => {
                self.add_inaccessible(entry.path, &error);
            }
            EntryKind::NotAFile if entry.depth == 0 => {
                let name = name(&entry.path);
                return Err(Error::Request(format!("{name}: it is neither a folder nor a file")));
            }
            EntryKind::NotAFile if has_photo_extension(&entry.path) => {
                let what = "is a pipe or a device, not a photo's file";
                self.inaccessible.insert(entry.path, what.into());
            }
            _ => {}
        }
        Ok(())
    }

    fn add_inaccessible(&mut self, path: PathBuf, error: &io::Error) {
        self.inaccessible.insert(path, format!("cannot be read: {error}"));
    }
}

/// Returns the modification time of a file, in nanoseconds since 1970.
pub(crate) fn modified(metadata: &Metadata) -> i64 {
    let time = metadata.modified().unwrap_or(UNIX_EPOCH);
    let nanoseconds = |from: SystemTime, to: SystemTime| {
        to.duration_since(from).map(|span| span.as_nanos() as i64)
    };
    nanoseconds(UNIX_EPOCH, time)
        .or_else(|_| nanoseconds(time, UNIX_EPOCH).map(|before| -before))
        .unwrap_or(0)
}
