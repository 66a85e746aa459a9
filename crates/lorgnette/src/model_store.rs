//! The model store: the folder of downloaded and unpacked models.
//!
//! ```text
//! HOME/models/NAME/FILE         the archive, as it was published
//!                 /FILE.json    its receipt: from where it came, its size and digest
//!                 /FILE.part    an unfinished download, and FILE.part.json, the file it is of
//! HOME/…                        archives as they were unpacked (`net::weights::archive`)
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lorgnette_net::file::read_regular;
use lorgnette_net::weights::archive::Cache;
use serde::{Deserialize, Serialize};

use crate::catalogue::Entry;
use crate::error::{Result, io_error};

/// A folder with models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelStore {
    folder: PathBuf,
}

/// The record of a download, for later comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownloadRecord {
    /// Address or path of the source.
    pub source: String,
    /// Size of the file.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// Time of the download, in seconds since 1970 (UTC).
    pub pulled: u64,
}

impl ModelStore {
    /// `LORGNETTE_HOME`, else `lorgnette` in the user's data folder; `None` if neither is known.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        let variable = |name: &str| {
            std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
        };
        let data_folder =
            || variable("XDG_DATA_HOME").or_else(|| Some(variable("HOME")?.join(".local/share")));
        let folder = || Some(data_folder().or_else(|| variable("LOCALAPPDATA"))?.join("lorgnette"));
        variable("LORGNETTE_HOME").or_else(folder).map(Self::new)
    }

    /// The store in `folder`, which need not exist.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The store's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Path of a model's file, whether or not it exists.
    #[must_use]
    pub fn path(&self, entry: &Entry) -> PathBuf {
        self.folder.join("models").join(&entry.name).join(entry.published.file())
    }

    /// Path of a model's file, if it exists.
    #[must_use]
    pub fn installed(&self, entry: &Entry) -> Option<PathBuf> {
        Some(self.path(entry)).filter(|path| path.is_file())
    }

    /// The record of a model's download; `None` if the file was put there by hand.
    #[must_use]
    pub fn download_record(&self, entry: &Entry) -> Option<DownloadRecord> {
        /// Maximum bytes of a record.
        const MAX_BYTES: u64 = 1 << 20;
        let record = read_regular(&with_suffix(&self.path(entry), ".json"), MAX_BYTES);
        serde_json::from_slice(&record.ok()?).ok()
    }

    /// Removes a model with its unpacked and partial files. Returns the bytes freed, `None` if
    /// there was nothing to remove.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn remove(&self, entry: &Entry) -> Result<Option<u64>> {
        let path = self.path(entry);
        let mut bytes = 0;
        if path.is_file() {
            bytes += Cache::new(&self.folder).remove(&path)?;
        }
        let folder = path.parent().unwrap_or(&self.folder);
        match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(folder, error)),
            Ok(files) => {
                bytes += files
                    .flatten()
                    .filter_map(|file| Some(file.metadata().ok()?.len()))
                    .sum::<u64>();
            }
        }
        fs::remove_dir_all(folder).map_err(|error| io_error(folder, error))?;
        Ok(Some(bytes))
    }
}

/// Appends `suffix` to the last component of `path`.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
