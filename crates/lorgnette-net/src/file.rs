//! Files as bytes, without reading them: the one place that needs `unsafe`, for the map.

#![allow(unsafe_code)]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Result};

/// The bytes of a file, mapped: a page is read when it is first looked at, and shared with every
/// clone and slice.
///
/// A file that another program shortens while it is mapped ends the process with a bus error, as
/// with every mapped file; one that it rewrites shows the new bytes. Weights files are not edited
/// in place.
pub(crate) fn map(path: &Path) -> Result<Bytes> {
    MappedFile::open(path).map(|mapped_file| mapped_file.bytes)
}

/// Bytes of a mapped file, whose pages can be given back when they have been looked at.
#[derive(Clone, Debug)]
pub(crate) struct MappedFile {
    map: Option<Arc<memmap2::Mmap>>,
    bytes: Bytes,
}

/// Bytes in memory: there is nothing to give back.
impl From<Bytes> for MappedFile {
    fn from(bytes: Bytes) -> Self {
        Self { map: None, bytes }
    }
}

impl MappedFile {
    /// Maps a file as [`map`] does.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let io = |source| Error::Io { path: path.into(), source };
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        let format = |what: &str| Err(Error::Format { path: path.into(), what: what.into() });
        if metadata.is_dir() {
            return format("this is a directory; a weights file is needed");
        }
        if metadata.len() == 0 {
            return format("the file is empty");
        }
        // SAFETY: the map is read-only and private to us; that nobody shortens the file meanwhile
        // is the documented condition of opening it.
        let map = Arc::new(unsafe { memmap2::Mmap::map(&file) }.map_err(io)?);
        Ok(Self { bytes: Bytes::from_owner(MapOwner(map.clone())), map: Some(map) })
    }

    /// All of them.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Whether `part` is a slice of these bytes, and they are a file's.
    pub(crate) fn contains(&self, part: &[u8]) -> bool {
        let (all, part) = (self.bytes.as_ptr_range(), part.as_ptr_range());
        self.map.is_some()
            && all.start <= part.start
            && part.end <= all.end
            && part.start < part.end
    }

    /// Gives back the memory of the whole pages in `part`, a slice of these bytes, or does nothing
    /// where the system cannot. The bytes can be looked at again; the pages are then mapped anew,
    /// from the system's cache if they are still there.
    pub(crate) fn release(&self, part: &[u8]) {
        /// Pages are no larger on any system we know of; parts of them stay.
        const PAGE: usize = 64 << 10;
        let Some(map) = &self.map else { return };
        let Some(start) = (part.as_ptr() as usize).checked_sub(map.as_ptr() as usize) else {
            return;
        };
        let end = (start + part.len()).min(map.len()) / PAGE * PAGE;
        let start = start.next_multiple_of(PAGE);
        #[cfg(unix)]
        if start < end {
            // SAFETY: the map is of a file and never written to, so that pages which are dropped
            // come back the same. A refusal leaves the pages where they are.
            let _ = unsafe {
                map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, end - start)
            };
        }
    }
}

/// Shares a map with `Bytes`.
struct MapOwner(Arc<memmap2::Mmap>);

impl AsRef<[u8]> for MapOwner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_bytes_can_be_read_again() {
        let path = std::env::temp_dir().join(format!("lorgnette-release-{}", std::process::id()));
        let content: Vec<u8> = (0..1_000_000u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let mapped_file = MappedFile::open(&path).unwrap();
        assert_eq!(mapped_file.bytes()[..], content);
        mapped_file.release(&mapped_file.bytes()[10..900_000]);
        mapped_file.release(b"of another place");
        assert_eq!(mapped_file.bytes()[..], content);
        std::fs::remove_file(path).unwrap();
    }
}
