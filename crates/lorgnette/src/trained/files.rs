//! The files of a trained model, replaced together.
//!
//! ```text
//! new files ─▶ .lorgnette-new-…/ ─▶ renamed to .lorgnette-commit/ ─▶ each moved to its place
//! ```
//! The rename is the moment at which the folder becomes the new model: before it, readers find the
//! old files; after it, each new one in one of two places. Whenever the process ends, the folder is
//! one model or the other. Whoever writes next completes the moves.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Result, io_error};

/// Folder of files that are complete and on their way to their places.
const COMMIT: &str = ".lorgnette-commit";
/// Beginning of the names of folders with files that are being written.
const NEW: &str = ".lorgnette-new-";
/// Files that belong to one model and may not stay beside another.
const OF_ONE_MODEL: [&str; 3] = ["hidden_weights.npy", "hidden_biases.npy", "report.html"];

/// A file of a model: name and content.
pub(super) type NewFile = (String, Vec<u8>);

/// Returns the path of a file of the model in `folder`.
pub(crate) fn path_in(folder: &Path, name: &str) -> PathBuf {
    let committed = folder.join(COMMIT).join(name);
    if committed.is_file() { committed } else { folder.join(name) }
}

/// Replaces the files of a model as a whole.
///
/// # Errors
/// If a file cannot be written; the model that was there is then unchanged.
pub(super) fn replace(folder: &Path, files: &[NewFile]) -> Result<()> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    fs::create_dir_all(folder).map_err(|source| io_error(folder, source))?;
    let new = folder.join(format!("{NEW}{}-{call}", std::process::id()));
    let written = write(&new, files).and_then(|()| commit(folder, &new));
    if written.is_err() {
        let _ = fs::remove_dir_all(&new);
    }
    written?;
    finish(folder)
}

/// Moves files that are committed to their places, and removes what belonged to the model before.
///
/// # Errors
/// If a file cannot be moved.
pub(crate) fn finish(folder: &Path) -> Result<()> {
    let committed = folder.join(COMMIT);
    let entries = match fs::read_dir(&committed) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(io_error(&committed, source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(|source| io_error(&committed, source))?.file_name());
    }
    // The card comes last, so that these are removed even if the moves are interrupted.
    names.sort_by_key(|name| name == super::CARD);
    for name in OF_ONE_MODEL {
        if !names.iter().any(|new| new == name) && names.iter().any(|new| new == super::CARD) {
            let path = folder.join(name);
            ignore_missing(fs::remove_file(&path)).map_err(|source| io_error(&path, source))?;
        }
    }
    for name in names {
        let path = folder.join(&name);
        // Another process may move them too.
        ignore_missing(fs::rename(committed.join(&name), &path))
            .map_err(|source| io_error(&path, source))?;
    }
    // Not empty if another model was committed meanwhile, whose writer moves its files.
    let _ = fs::remove_dir(&committed);
    Ok(())
}

/// Removes files that ended processes did not complete. No other process may be writing.
pub(crate) fn remove_unfinished(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(NEW.as_bytes()) {
            // A folder that cannot be removed does no harm.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn write(new: &Path, files: &[NewFile]) -> Result<()> {
    fs::create_dir(new).map_err(|source| io_error(new, source))?;
    for (name, content) in files {
        let path = new.join(name);
        let write = || {
            let mut file = File::create(&path)?;
            file.write_all(content)?;
            file.sync_all()
        };
        write().map_err(|source| io_error(&path, source))?;
    }
    Ok(())
}

/// Renames the folder of new files. An earlier model whose files are still being moved comes first.
fn commit(folder: &Path, new: &Path) -> Result<()> {
    const MAX_ATTEMPTS: u32 = 100;
    let committed = folder.join(COMMIT);
    for _ in 0..MAX_ATTEMPTS {
        match fs::rename(new, &committed) {
            Ok(()) => return Ok(()),
            Err(_) if committed.is_dir() => finish(folder)?,
            Err(source) => return Err(io_error(&committed, source)),
        }
    }
    let what = "other processes write this model again and again";
    Err(io_error(folder, io::Error::other(what)))
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trained::CARD;

    fn files(content: &str) -> Vec<NewFile> {
        ["weights.npy", "split.csv", CARD].map(|name| (name.into(), content.into())).into()
    }

    fn read(folder: &Path) -> Vec<String> {
        let read = |name: &str| fs::read_to_string(path_in(folder, name)).unwrap();
        ["weights.npy", "split.csv", CARD].map(read).into()
    }

    /// Every state that the process can leave the folder in.
    #[test]
    fn a_folder_is_one_model_or_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        replace(folder, &files("old")).unwrap();
        fs::write(folder.join("report.html"), "old").unwrap();
        fs::write(folder.join("hidden_weights.npy"), "old").unwrap();
        let new = folder.join(format!("{NEW}1-0"));
        write(&new, &files("new")).unwrap();
        assert_eq!(read(folder), ["old"; 3]);
        commit(folder, &new).unwrap();
        assert_eq!(read(folder), ["new"; 3]);
        for name in ["split.csv", "weights.npy"] {
            fs::rename(folder.join(COMMIT).join(name), folder.join(name)).unwrap();
            assert_eq!(read(folder), ["new"; 3]);
        }
        finish(folder).unwrap();
        assert_eq!(read(folder), ["new"; 3]);
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [CARD, "split.csv", "weights.npy"]);
    }

    #[test]
    fn a_model_that_cannot_be_written_leaves_the_one_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        replace(folder, &files("old")).unwrap();
        let mut unwritable = files("new");
        unwritable.push(("a/b".into(), Vec::new()));
        replace(folder, &unwritable).unwrap_err();
        assert_eq!(read(folder), ["old"; 3]);
        assert_eq!(fs::read_dir(folder).unwrap().count(), 3);
        fs::create_dir(folder.join(format!("{NEW}7-7"))).unwrap();
        remove_unfinished(folder);
        assert_eq!(fs::read_dir(folder).unwrap().count(), 3);
    }

    /// Two writers at once, and a reader.
    #[test]
    fn writers_and_readers_meet_whole_models() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        replace(folder, &files("0")).unwrap();
        std::thread::scope(|scope| {
            for writer in 1..3 {
                scope.spawn(move || {
                    for round in 0..50 {
                        replace(folder, &files(&format!("{writer}-{round}"))).unwrap();
                    }
                });
            }
        });
        let read = read(folder);
        assert!(read.iter().all(|content| *content == read[0]), "{read:?}");
        assert!(!folder.join(COMMIT).exists());
    }
}
