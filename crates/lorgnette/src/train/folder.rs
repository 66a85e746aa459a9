//! The folder that a training writes.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use lorgnette_net::file::open_or_create_regular;

use super::TrainError;
use crate::trained::{TrainedModel, files};

/// File with the checkpoint of an unfinished training.
pub const CHECKPOINT: &str = "training.state";
/// File with the photos that were left out.
pub const LEFT_OUT: &str = "left_out.csv";
/// File that is locked while a training writes the folder. It stays, empty.
const LOCK: &str = ".lock";

/// Whether a folder that has files in it may be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// The folder must be new or empty.
    #[default]
    Refuse,
    /// A training in it continues.
    Resume,
    /// Its model is replaced.
    Overwrite,
}

/// A folder that one training writes. It is locked against other processes until dropped.
#[derive(Debug)]
pub struct TrainingFolder {
    path: PathBuf,
    resumes: bool,
    /// Holds the lock.
    _lock: File,
}

impl TrainingFolder {
    /// Creates the folder if need be, and locks it.
    ///
    /// # Errors
    /// [`TrainError::Locked`] if another training has it; [`TrainError::HasModel`] or
    /// [`TrainError::HasOtherFiles`] if it has files in it that `existing` does not allow;
    /// [`TrainError::Io`].
    pub fn open(path: &Path, existing: Existing) -> Result<Self, TrainError> {
        if path.exists() && !path.is_dir() {
            return Err(TrainError::NoFolder { path: path.into() });
        }
        check(path, existing)?;
        fs::create_dir_all(path).map_err(|source| TrainError::Io { path: path.into(), source })?;
        let lock = lock(path)?;
        // Another training may have written a model before the lock was taken.
        check(path, existing)?;
        // One that was ended may not have moved its files.
        files::finish(path)?;
        files::remove_unfinished(path);
        Ok(Self { path: path.into(), resumes: existing == Existing::Resume, _lock: lock })
    }

    /// The folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a checkpoint in the folder is resumed.
    #[must_use]
    pub fn resumes(&self) -> bool {
        self.resumes
    }
}

fn lock(folder: &Path) -> Result<File, TrainError> {
    let path = folder.join(LOCK);
    let file = open_or_create_regular(&path);
    let file = file.map_err(|source| TrainError::Io { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(TrainError::Locked { path: folder.into() }),
        Err(TryLockError::Error(source)) => Err(TrainError::Io { path, source }),
    }
}

fn check(path: &Path, existing: Existing) -> Result<(), TrainError> {
    let Ok(entries) = path.read_dir() else { return Ok(()) };
    // A training that could not begin leaves the lock and the list of rejected photos.
    let is_free = entries.flatten().all(|entry| is_left_behind(&entry.file_name()));
    let is_training = TrainedModel::is_in(path)
        || path.join(CHECKPOINT).is_file()
        || path.join(LEFT_OUT).is_file();
    let is_allowed = match existing {
        Existing::Refuse => false,
        Existing::Resume => is_training,
        Existing::Overwrite => true,
    };
    match (is_free && !TrainedModel::is_in(path)) || is_allowed {
        true => Ok(()),
        false if is_training => Err(TrainError::HasModel { path: path.into() }),
        false => Err(TrainError::HasOtherFiles { path: path.into() }),
    }
}

fn is_left_behind(name: &OsStr) -> bool {
    name == LEFT_OUT || name == LOCK || name.as_encoded_bytes().starts_with(b".lorgnette-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_training_of_a_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        let first = TrainingFolder::open(&path, Existing::Refuse).unwrap();
        for existing in [Existing::Refuse, Existing::Overwrite] {
            let error = TrainingFolder::open(&path, existing).unwrap_err();
            assert!(matches!(error, TrainError::Locked { .. }), "{error}");
        }
        drop(first);
        TrainingFolder::open(&path, Existing::Refuse).unwrap();
    }

    #[test]
    fn a_model_and_other_files_are_not_written_over_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let open = |existing| TrainingFolder::open(folder.path(), existing);
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        assert!(matches!(open(Existing::Refuse), Err(TrainError::HasOtherFiles { .. })));
        assert!(matches!(open(Existing::Resume), Err(TrainError::HasOtherFiles { .. })));
        fs::write(folder.path().join(CHECKPOINT), "").unwrap();
        assert!(matches!(open(Existing::Refuse), Err(TrainError::HasModel { .. })));
        open(Existing::Resume).unwrap();
        open(Existing::Overwrite).unwrap();
    }
}
