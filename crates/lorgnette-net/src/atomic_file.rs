//! Files that get their name when they are whole: whoever opens one never sees half of it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    path: PathBuf,
    out: BufWriter<File>,
    written: u64,
}

impl AtomicFile {
    /// Writes bytes behind the others.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes).map_err(|source| Error::Io { path: self.path.clone(), source })
    }

    /// Writes zeros up to the next multiple of `alignment`.
    pub(crate) fn pad(&mut self, alignment: u64) -> Result<()> {
        let count = self.written.next_multiple_of(alignment) - self.written;
        self.write(&vec![0; count as usize])
    }

    /// How many bytes there are.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }
}

/// Writes a file under another name beside its own, which it gets when `write` is done and the disk
/// has it. Else nothing is left of it, and what had the name before stays.
pub(crate) fn write_atomically<T>(
    path: &Path,
    write: impl FnOnce(&mut AtomicFile) -> Result<T>,
) -> Result<T> {
    let io = |source| Error::Io { path: path.into(), source };
    let mut temporary = OsString::from(path);
    temporary.push(format!(".{}.part", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let out = BufWriter::new(File::create(&temporary).map_err(io)?);
    let mut file = AtomicFile { path: path.into(), out, written: 0 };
    let finish = |file: AtomicFile, value: T| {
        let file = file.out.into_inner().map_err(io::IntoInnerError::into_error).map_err(io)?;
        file.sync_all().and_then(|()| fs::rename(&temporary, path)).map_err(io)?;
        Ok(value)
    };
    let result = write(&mut file).and_then(|value| finish(file, value));
    // That it cannot be removed either is no news.
    result.inspect_err(|_| drop(fs::remove_file(&temporary)))
}
