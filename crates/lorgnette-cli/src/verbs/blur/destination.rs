//! Where blurred photos go, and how they get there whole.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::Arguments;
use crate::messages::{Messages, count};
use crate::output_paths::{OutputPaths, PICTURES};
use crate::photos::Photo;

/// What is put behind the name of a photo that was written over.
const BACKUP_SUFFIX: &str = ".orig";

/// The place of each blurred photo; none where nothing is to be written.
pub(super) struct Destinations {
    paths: Vec<Option<PathBuf>>,
    /// Whether what has the name already is kept under another.
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

    /// Where a photo goes.
    pub(super) fn path(&self, number: usize) -> Option<&Path> {
        self.paths[number].as_deref()
    }

    /// The photos whose place is empty still: their numbers among all, and they themselves.
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

    /// Writes a photo under another name, which it changes for its own when it is whole.
    pub(super) fn write(&self, number: usize, bytes: &[u8]) -> Result<()> {
        let path = self.path(number).expect("it has a place");
        let unfinished = with_suffix(path, &format!(".{}.part", std::process::id()));
        let write = || {
            fs::write(&unfinished, bytes)?;
            let backup = with_suffix(path, BACKUP_SUFFIX);
            // What was kept once stays: the second time it is no original.
            if self.keeps_backup && path.exists() && !backup.exists() {
                fs::rename(path, backup)?;
            }
            fs::rename(&unfinished, path)
        };
        let written = write().with_context(|| format!("{}: cannot be written", path.display()));
        // That it cannot be removed either is no news.
        written.inspect_err(|_| drop(fs::remove_file(&unfinished)))
    }
}

/// The place of a photo that is written over.
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
    Ok(path.to_owned())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
