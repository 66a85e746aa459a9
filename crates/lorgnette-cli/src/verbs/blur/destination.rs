//! Paths of blurred photos, and writing them atomically.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use lorgnette::net::AtomicFile;

use super::Arguments;
use crate::messages::{Messages, count};
use crate::output_paths::{OutputPaths, PICTURES};
use crate::photos::Photo;

/// The suffix of the backup of an overwritten photo.
const BACKUP_SUFFIX: &str = ".orig";

/// The path of each blurred photo; none if nothing is written.
pub(super) struct Destinations {
    paths: Vec<Option<PathBuf>>,
    /// True if an existing file is backed up.
    keeps_backup: bool,
}

impl Destinations {
    pub(super) fn new(
        arguments: &Arguments,
        photos: &[Photo],
        output_paths: &mut OutputPaths<'_>,
    ) -> Result<Self> {
        let paths = match &arguments.out {
            Some(out) if !arguments.dry_run => {
                output_paths.copies(out, "--out")?.into_iter().map(Some).collect()
            }
            None if arguments.in_place => {
                photos.iter().map(|photo| in_place_path(photo).map(Some)).collect::<Result<_>>()?
            }
            _ => vec![None; photos.len()],
        };
        Ok(Self { paths, keeps_backup: arguments.in_place && !arguments.no_backup })
    }

    /// The path of a blurred photo.
    pub(super) fn path(&self, number: usize) -> Option<&Path> {
        self.paths[number].as_deref()
    }

    /// The photos without a blurred copy, with their indices.
    pub(super) fn missing(&self, photos: &[Photo], messages: Messages) -> (Vec<usize>, Vec<Photo>) {
        let is_missing = |number: &usize| self.path(*number).is_none_or(|path| !path.exists());
        let numbers: Vec<usize> = (0..photos.len()).filter(is_missing).collect();
        if numbers.len() < photos.len() {
            let done = photos.len() - numbers.len();
            messages.note(&format_args!("{} blurred already, left out", count(done, "photo")));
        }
        let missing = numbers.iter().map(|&number| photos[number].clone()).collect();
        (numbers, missing)
    }

    /// Writes a photo, which appears when it is complete. A link is replaced; its target stays.
    pub(super) fn write(&self, number: usize, bytes: &[u8]) -> Result<()> {
        let path = self.path(number).expect("it has a place");
        let write = || {
            let mut file = AtomicFile::create_in_place_of(path)?;
            file.write_all(bytes)?;
            let backup = with_suffix(path, BACKUP_SUFFIX);
            // An existing backup stays: only the first is the original.
            if self.keeps_backup && path.exists() && !backup.exists() {
                fs::rename(path, backup)?;
            }
            file.commit()
        };
        write().with_context(|| format!("{}: cannot be written", path.display()))
    }
}

/// The path of a photo that is overwritten.
fn in_place_path(photo: &Photo) -> Result<PathBuf> {
    let Some(path) = photo.path() else {
        bail!("{}: --in-place is for files: name one with --out", photo.name())
    };
    if !PICTURES.has(path) {
        bail!(
            "{}: --in-place writes JPEG and PNG only: name another file with --out",
            path.display()
        );
    }
    if let Some(folder) = photo.folder_left_by_a_link() {
        bail!(
            "{}: a link leads to it out of {}: --in-place does not write there; name its own \
             folder",
            photo.name(),
            folder.display()
        );
    }
    Ok(path.to_owned())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
