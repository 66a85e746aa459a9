//! Memory-mapped files. This is the only module with `unsafe` code.

#![allow(unsafe_code)]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Result};

/// Maps a file. A page is read at its first access, and shared by all clones and slices.
///
/// If another program truncates the file while it is mapped, an access ends the process with a bus
/// error, as with every mapped file. Changes by other programs become visible. Weights files must
/// not be edited in place.
pub(crate) fn map(path: &Path) -> Result<Bytes> {
    MappedFile::open(path).map(|mapped_file| mapped_file.bytes)
}

/// Bytes of a mapped file, whose pages can be released after use.
#[derive(Clone, Debug)]
pub(crate) struct MappedFile {
    map: Option<Arc<memmap2::Mmap>>,
    bytes: Bytes,
}

/// Bytes in memory; releasing them has no effect.
impl From<Bytes> for MappedFile {
    fn from(bytes: Bytes) -> Self {
        Self { map: None, bytes }
    }
}

impl MappedFile {
    /// Maps a file; see [`map`].
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
        // SAFETY: the map is read-only and private to this process. That no program truncates the
        // file meanwhile is the documented condition of opening it.
        let map = Arc::new(unsafe { memmap2::Mmap::map(&file) }.map_err(io)?);
        Ok(Self { bytes: Bytes::from_owner(MapOwner(map.clone())), map: Some(map) })
    }

    /// Returns the whole file.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns true if `part` is a slice of these bytes and they belong to a mapped file.
    pub(crate) fn contains(&self, part: &[u8]) -> bool {
        let (all, part) = (self.bytes.as_ptr_range(), part.as_ptr_range());
        self.map.is_some()
            && all.start <= part.start
            && part.end <= all.end
            && part.start < part.end
    }

    /// Releases the memory of the whole pages in `part`, a slice of these bytes, if the system
    /// supports it. The bytes stay readable: the pages are loaded again at the next access, from
    /// the page cache if they are still in it.
    pub(crate) fn release(&self, part: &[u8]) {
        /// The assumed maximum page size; partial pages are kept.
        const PAGE: usize = 64 << 10;
        let Some(map) = &self.map else { return };
        let Some(start) = (part.as_ptr() as usize).checked_sub(map.as_ptr() as usize) else {
            return;
        };
        let end = (start + part.len()).min(map.len()) / PAGE * PAGE;
        let start = start.next_multiple_of(PAGE);
        #[cfg(unix)]
        if start < end {
            // SAFETY: the map is of a file and never written to, so pages that are dropped are
            // restored unchanged. A refusal leaves the pages in place.
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
