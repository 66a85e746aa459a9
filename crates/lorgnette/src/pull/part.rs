//! A download that is not finished.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Event, Failure, check};
use crate::error::Result;
use crate::home::{refused, with_ending};

/// The file, and beside it a note of what it is a part.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
}

/// Of which file it is a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Whole {
    pub(super) url: String,
    /// The strong `ETag`, or `Last-Modified`, that the server gave: it says whether the file is
    /// still the same.
    pub(super) validator: Option<String>,
    pub(super) bytes: Option<u64>,
}

impl Part {
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.into() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How much is there of the file at that address, and what is known of the whole.
    pub(super) fn of(&self, url: &str) -> Option<(u64, Whole)> {
        let whole: Whole = serde_json::from_slice(&fs::read(self.note()).ok()?).ok()?;
        let bytes = self.path.metadata().ok()?.len();
        (whole.url == url && bytes > 0).then_some((bytes, whole))
    }

    /// Begins anew.
    pub(super) fn begin(&self, whole: &Whole) -> Result<File> {
        self.discard()?;
        let note = serde_json::to_vec(whole).map_err(|error| refused(&self.path, error.into()))?;
        fs::write(self.note(), note).map_err(|error| refused(&self.note(), error))?;
        File::create(&self.path).map_err(|error| refused(&self.path, error))
    }

    /// Goes on where it ends.
    pub(super) fn resume(&self) -> Result<File> {
        OpenOptions::new().append(true).open(&self.path).map_err(|error| refused(&self.path, error))
    }

    /// Removes it and its note.
    pub(super) fn discard(&self) -> Result<()> {
        for path in [&self.path, &self.note()] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(refused(path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Copies a file of this machine into it.
    pub(super) fn copy(
        &self,
        from: &Path,
        progress: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Failure> {
        let there = |error: io::Error| Failure::There(error.to_string());
        let mut source = File::open(from).map_err(there)?;
        let total = Some(source.metadata().map_err(there)?.len());
        let whole = Whole { url: from.display().to_string(), validator: None, bytes: total };
        let mut file = self.begin(&whole).map_err(Failure::Here)?;
        let (mut bytes, mut piece) = (0, vec![0; 1 << 18]);
        loop {
            let length = source.read(&mut piece).map_err(there)?;
            if bytes == 0 {
                check::beginning(&piece[..length]).map_err(Failure::There)?;
            }
            if length == 0 {
                return Ok(());
            }
            file.write_all(&piece[..length])
                .map_err(|error| Failure::Here(refused(&self.path, error)))?;
            bytes += length as u64;
            progress(Event::Received { bytes, total });
        }
    }

    fn note(&self) -> PathBuf {
        with_ending(&self.path, ".json")
    }
}
