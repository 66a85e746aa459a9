//! Files as bytes, without reading them: the one place that needs `unsafe`, for the map.

#![allow(unsafe_code)]

use std::fs::File;
use std::path::Path;

use bytes::Bytes;

use crate::error::{Error, Result};

/// The bytes of a file, mapped: a page is read when it is first looked at, and shared with every clone and slice.
///
/// A file that another program shortens while it is mapped ends the process with a bus error, as with every mapped
/// file; one that it rewrites shows the new bytes. Weights files are not edited in place.
pub(crate) fn map(path: &Path) -> Result<Bytes> {
    let io = |source| Error::Io { path: path.into(), source };
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if metadata.is_dir() {
        return Err(Error::Format { path: path.into(), what: "this is a directory; a weights file is needed".into() });
    }
    if metadata.len() == 0 {
        return Err(Error::Format { path: path.into(), what: "the file is empty".into() });
    }
    // SAFETY: the map is read-only and private to us; that nobody shortens the file meanwhile is the documented
    // condition of opening it.
    let map = unsafe { memmap2::Mmap::map(&file) }.map_err(io)?;
    Ok(Bytes::from_owner(map))
}
