//! Archives of checkpoints and other model files, unpacked once into a bounded cache folder.
//!
//! ```text
//! archive ─▶ kind (by its first bytes) ─▶ files, one after the other (tar, zip)
//!         ─▶ names checked (member) ─▶ written to a temporary folder (cache), which is renamed
//!            when complete
//! ```

mod cache;
mod member;
mod tar;
mod zip;

pub use cache::Cache;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::error::{Error, Result};

/// The supported kinds of archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveKind {
    /// `.tar.gz`, `.tgz`.
    TarGz,
    /// `.tar`.
    Tar,
    /// `.zip`.
    Zip,
}

impl ArchiveKind {
    /// Detects the kind by the first 512 bytes: gzip's magic number (RFC 1952), a zip's local or
    /// last header (PKWARE's APPNOTE.TXT 4.3), or the `ustar` in a tar's first header (POSIX `pax`,
    /// and GNU tar).
    pub fn from_magic(start: &[u8]) -> Option<Self> {
        match start {
            [0x1f, 0x8b, ..] => Some(Self::TarGz),
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Self::Zip),
            _ if start.get(257..262) == Some(b"ustar") => Some(Self::Tar),
            _ => None,
        }
    }

    /// Detects the kind of the file at `path`; `None` if it does not exist.
    ///
    /// # Errors
    /// If the file exists and cannot be read.
    pub fn detect(path: &Path) -> Result<Option<Self>> {
        if !path.is_file() {
            return Ok(None);
        }
        let mut start = Vec::new();
        File::open(path)
            .and_then(|file| file.take(512).read_to_end(&mut start))
            .map_err(|source| Error::Io { path: path.into(), source })?;
        Ok(Self::from_magic(&start))
    }

    /// Calls `visit` with each file, in the archive's order.
    fn each(self, archive: &Bytes, visit: &mut Visit<'_>) -> Result<(), String> {
        match self {
            Self::TarGz => {
                let unpacked = || flate2::bufread::MultiGzDecoder::new(&archive[..]);
                if !tar::is_tar(unpacked()) {
                    return Err("compressed with gzip, and no tar archive, or damaged: unpack it \
                                with gunzip, and give the file in it"
                        .into());
                }
                tar::each(unpacked(), visit)
            }
            Self::Tar => tar::each(&archive[..], visit),
            Self::Zip => zip::each(archive, visit),
        }
    }
}

/// Called for a file of an archive with its stored name, its stated size and its content.
type Visit<'a> = dyn FnMut(&[u8], u64, &mut dyn Read) -> Result<(), String> + 'a;

/// Splits a path into an archive and the path inside it: `a.tgz/ema/model` is `a.tgz` and
/// `ema/model`. Returns `None` for paths without an archive.
pub(crate) fn split(path: &Path) -> Result<Option<(PathBuf, PathBuf)>> {
    for archive in path.ancestors() {
        if archive.is_file() {
            let inner = path.strip_prefix(archive).unwrap_or(Path::new("")).to_path_buf();
            let is_inside =
                inner.components().all(|part| matches!(part, std::path::Component::Normal(_)));
            return Ok(ArchiveKind::detect(archive)?
                .filter(|_| is_inside)
                .map(|_| (archive.into(), inner)));
        }
    }
    Ok(None)
}

/// Rewrites an error about files of an unpacked archive, so that its paths and candidates go
/// through the archive.
pub(crate) fn rewrite_paths(error: Error, folder: &Path, archive: &Path) -> Error {
    let (from, to) = (folder.display().to_string(), archive.display().to_string());
    let with_archive = |text: String| text.replace(&from, &to);
    let path_within =
        |path: PathBuf| path.strip_prefix(folder).map_or(path.clone(), |inner| archive.join(inner));
    match error {
        Error::Ambiguous { choice, what, candidates } => Error::Ambiguous {
            choice,
            what: with_archive(what),
            candidates: candidates.into_iter().map(with_archive).collect(),
        },
        Error::Format { path, what } => {
            Error::Format { path: path_within(path), what: with_archive(what) }
        }
        Error::UnknownArchitecture { path, what } => {
            Error::UnknownArchitecture { path: path_within(path), what }
        }
        other => other,
    }
}
