//! Files that get their name when they are whole: whoever opens one never sees half of it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct Sink {
    path: PathBuf,
    out: BufWriter<File>,
    written: u64,
}

impl Sink {
    /// Writes bytes behind the others.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes).map_err(|source| Error::Io { path: self.path.clone(), source })
    }

    /// Writes zeros up to the next multiple of `unit`.
    pub(crate) fn pad(&mut self, unit: u64) -> Result<()> {
        let count = self.written.next_multiple_of(unit) - self.written;
        self.write(&vec![0; count as usize])
    }

    /// How many bytes there are.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }
}

/// Writes a file under another name beside its own, which it gets when `write` is done and the disk has it. Else nothing
/// is left of it, and what had the name before stays.
pub(crate) fn write_whole<T>(path: &Path, write: impl FnOnce(&mut Sink) -> Result<T>) -> Result<T> {
    let io = |source| Error::Io { path: path.into(), source };
    let mut unfinished = OsString::from(path);
    unfinished.push(format!(".{}.part", std::process::id()));
    let unfinished = PathBuf::from(unfinished);
    let out = BufWriter::new(File::create(&unfinished).map_err(io)?);
    let mut sink = Sink { path: path.into(), out, written: 0 };
    let finish = |sink: Sink, value: T| {
        let file = sink.out.into_inner().map_err(io::IntoInnerError::into_error).map_err(io)?;
        file.sync_all().and_then(|()| fs::rename(&unfinished, path)).map_err(io)?;
        Ok(value)
    };
    let done = write(&mut sink).and_then(|value| finish(sink, value));
    // That it cannot be removed either is no news.
    done.inspect_err(|_| drop(fs::remove_file(&unfinished)))
}
