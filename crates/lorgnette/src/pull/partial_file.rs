//! A partial download.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use lorgnette_net::write_atomically;
use serde::{Deserialize, Serialize};

use super::{Event, FetchFailure, PullObserver, check};
use crate::error::{Result, io_error};
use crate::model_store::with_suffix;
use crate::observer::report;

/// The partial file, with a metadata file that identifies the whole.
#[derive(Debug)]
pub(super) struct PartialFile {
    path: PathBuf,
}

/// The remote file it is part of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RemoteFile {
    pub(super) url: String,
    /// The server's strong `ETag`, or `Last-Modified`, which shows whether the file is unchanged.
    pub(super) validator: Option<String>,
    pub(super) bytes: Option<u64>,
}

impl PartialFile {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.into() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The length of the partial file for this address, and the remote file; `None` if there is
    /// none.
    pub(super) fn resume_state(&self, url: &str) -> Option<(u64, RemoteFile)> {
        let remote_file: RemoteFile =
            serde_json::from_slice(&fs::read(self.metadata_path()).ok()?).ok()?;
        let bytes = self.path.metadata().ok()?.len();
        (remote_file.url == url && bytes > 0).then_some((bytes, remote_file))
    }

    /// Starts from the beginning.
    pub(super) fn begin(&self, remote_file: &RemoteFile) -> Result<File> {
        self.discard()?;
        let metadata =
            serde_json::to_vec(remote_file).map_err(|error| io_error(&self.path, error.into()))?;
        write_atomically(&self.metadata_path(), &metadata)
            .map_err(|error| io_error(&self.metadata_path(), error))?;
        // Its bytes stay when the program ends, so that the download can be resumed.
        File::create(&self.path).map_err(|error| io_error(&self.path, error))
    }

    /// Opens the file to append.
    pub(super) fn resume(&self) -> Result<File> {
        OpenOptions::new()
            .append(true)
            .open(&self.path)
            .map_err(|error| io_error(&self.path, error))
    }

    /// Synchronises the complete file with the disk and gives it its final name.
    pub(super) fn rename(&self, path: &Path) -> Result<()> {
        let file = self.resume()?;
        file.sync_all()
            .and_then(|()| fs::rename(&self.path, path))
            .map_err(|error| io_error(path, error))
    }

    /// Removes the file and its metadata.
    pub(super) fn discard(&self) -> Result<()> {
        for path in [&self.path, &self.metadata_path()] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io_error(path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Copies a local file.
    pub(super) fn copy(
        &self,
        from: &Path,
        observer: &mut PullObserver<'_>,
    ) -> Result<(), FetchFailure> {
        let remote_error = |error: io::Error| FetchFailure::Remote(error.to_string());
        let mut source = File::open(from).map_err(remote_error)?;
        let total = Some(source.metadata().map_err(remote_error)?.len());
        let remote_file =
            RemoteFile { url: from.display().to_string(), validator: None, bytes: total };
        let mut file = self.begin(&remote_file).map_err(FetchFailure::Local)?;
        let (mut bytes, mut buffer) = (0, vec![0; 1 << 18]);
        loop {
            let length = source.read(&mut buffer).map_err(remote_error)?;
            if bytes == 0 {
                check::check_magic(&buffer[..length]).map_err(FetchFailure::Remote)?;
            }
            if length == 0 {
                return Ok(());
            }
            file.write_all(&buffer[..length])
                .map_err(|error| FetchFailure::Local(io_error(&self.path, error)))?;
            bytes += length as u64;
            report(observer, &Event::Received { bytes, total }).map_err(FetchFailure::Local)?;
        }
    }

    fn metadata_path(&self) -> PathBuf {
        with_suffix(&self.path, ".json")
    }
}
