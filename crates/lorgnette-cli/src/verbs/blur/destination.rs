//! Where blurred photos go, and how they get there whole.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::Arguments;
use crate::gallery::{Gallery, PICTURES};
use crate::messages::{Messages, count};
use crate::photos::Photo;

/// What is put behind the name of a photo that was written over.
const BACKUP: &str = ".orig";

/// The place of each blurred photo; none where nothing is to be written.
pub(super) struct Destinations {
    places: Vec<Option<PathBuf>>,
    /// Whether what has the name already is kept under another.
    keeps: bool,
}

impl Destinations {
    pub(super) fn new(arguments: &Arguments, photos: &[Photo], gallery: &mut Gallery<'_>) -> Result<Self> {
        let places = match &arguments.out {
            Some(out) if !arguments.dry_run => gallery.copies(out, "--out")?.into_iter().map(Some).collect(),
            None if arguments.in_place => photos.iter().map(|photo| itself(photo).map(Some)).collect::<Result<_>>()?,
            _ => vec![None; photos.len()],
        };
        Ok(Self { places, keeps: arguments.in_place && !arguments.no_backup })
    }

    /// Where a photo goes.
    pub(super) fn place(&self, number: usize) -> Option<&Path> {
        self.places[number].as_deref()
    }

    /// The photos whose place is empty still: their numbers among all, and they themselves.
    pub(super) fn missing(&self, photos: &[Photo], messages: Messages) -> (Vec<usize>, Vec<Photo>) {
        let is_missing = |number: &usize| self.place(*number).is_none_or(|place| !place.exists());
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
        let place = self.place(number).expect("it has a place");
        let unfinished = with_suffix(place, &format!(".{}.part", std::process::id()));
        let write = || {
            fs::write(&unfinished, bytes)?;
            let backup = with_suffix(place, BACKUP);
            // What was kept once stays: the second time it is no original.
            if self.keeps && place.exists() && !backup.exists() {
                fs::rename(place, backup)?;
            }
            fs::rename(&unfinished, place)
        };
        let written = write().with_context(|| format!("{}: cannot be written", place.display()));
        // That it cannot be removed either is no news.
        written.inspect_err(|_| drop(fs::remove_file(&unfinished)))
    }
}

/// The place of a photo that is written over.
fn itself(photo: &Photo) -> Result<PathBuf> {
    let Some(path) = photo.path() else { bail!("{}: --in-place is for files: name one with --out", photo.name()) };
    if !PICTURES.has(path) {
        bail!("{}: --in-place writes JPEG and PNG only: name another file with --out", path.display());
    }
    Ok(path.to_owned())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
