//! The files of a trained model and of the report on it, replaced together.
//!
//! ```text
//! new files ─▶ .lorgnette-new-…/ ─▶ renamed to .lorgnette-commit/ ─▶ each moved to its place
//! ```
//! The rename is the moment at which the folder becomes the new model: before it, readers find the
//! old files; after it, each new one in one of two places. Whenever the process ends, the folder is
//! one model or the other. Whoever writes next completes the moves. The folder itself stays: it may
//! be a mount, another program's working directory, and has a lock and files of others in it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Result, io_error};
use crate::report;

/// Folder of files that are complete and on their way to their places.
const COMMIT: &str = ".lorgnette-commit";
/// Beginning of the names of folders with files that are being written.
const NEW: &str = ".lorgnette-new-";
/// File in the commit's folder: the names of the others, one a line.
const LIST: &str = ".lorgnette-files";
/// Maximum number of commits of other processes that come first.
const MAX_ATTEMPTS: u32 = 100;
/// Files of a model that another may not have; [`report::FILES`] are the report's.
const OF_ONE_MODEL: [&str; 3] = ["hidden_weights.npy", "hidden_biases.npy", "folds.csv"];

/// Returns the path of a file of the model in `folder`.
pub(crate) fn path_in(folder: &Path, name: &str) -> PathBuf {
    let committed = folder.join(COMMIT).join(name);
    if committed.is_file() { committed } else { folder.join(name) }
}

/// Files that are written beside those of a model's folder and take their places together. Dropped
/// without [`StagedFiles::commit`], they leave nothing.
#[derive(Debug)]
pub(crate) struct StagedFiles {
    /// The model's folder.
    folder: PathBuf,
    /// Where the files are until they are committed.
    path: PathBuf,
}

impl StagedFiles {
    /// Creates the model's folder if need be, and an empty folder in it.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        fs::create_dir_all(folder).map_err(|source| io_error(folder, source))?;
        loop {
            let call = CALLS.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{NEW}{}-{call}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { folder: folder.into(), path }),
                // An ended process had this number.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(source) => return Err(io_error(&path, source)),
            }
        }
    }

    /// The folder that the files are written to.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file. Errors name its final path.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn add(&self, name: &str, content: &[u8]) -> Result<()> {
        let write = || {
            let mut file = File::create(self.path.join(name))?;
            file.write_all(content)?;
            file.sync_all()
        };
        write().map_err(|source| io_error(&self.folder.join(name), source))
    }

    /// Adds the files of `other`, which has none of the same names.
    ///
    /// # Errors
    /// If a file cannot be moved.
    pub(crate) fn join(&self, other: &Self) -> Result<()> {
        for entry in entries(&other.path)? {
            let to = self.path.join(&entry);
            fs::rename(other.path.join(&entry), &to).map_err(|source| io_error(&to, source))?;
        }
        Ok(())
    }

    /// Checks that the files can take their places.
    ///
    /// # Errors
    /// If there is a folder in the place of a file, or a file in that of a folder.
    pub(crate) fn check(&self) -> Result<()> {
        for name in names_in(&self.path)? {
            let place = self.folder.join(&name);
            if place.is_dir() {
                let source = io::Error::new(ErrorKind::IsADirectory, "there is a folder");
                return Err(io_error(&place, source));
            }
            for parent in name.ancestors().skip(1).filter(|parent| *parent != Path::new("")) {
                let place = self.folder.join(parent);
                if place.exists() && !place.is_dir() {
                    let source = io::Error::new(ErrorKind::NotADirectory, "there is a file");
                    return Err(io_error(&place, source));
                }
            }
        }
        Ok(())
    }

    /// Replaces the files of the model as a whole. If the card is among the new ones, old ones of
    /// its kind that they do not replace are removed.
    ///
    /// # Errors
    /// If a file cannot take its place; the model that was there is then unchanged.
    pub(crate) fn commit(self) -> Result<()> {
        self.check()?;
        self.add(LIST, list(&names_in(&self.path)?).as_bytes())?;
        let committed = self.folder.join(COMMIT);
        for _ in 0..MAX_ATTEMPTS {
            match fs::rename(&self.path, &committed) {
                Ok(()) => return finish(&self.folder),
                // An earlier model whose files are still being moved comes first.
                Err(_) if committed.is_dir() => finish(&self.folder)?,
                Err(source) => return Err(io_error(&committed, source)),
            }
        }
        let what = "other processes write this model again and again";
        Err(io_error(&self.folder, io::Error::other(what)))
    }
}

impl Drop for StagedFiles {
    fn drop(&mut self) {
        // It is gone if it was committed. A folder that stays is removed by a later training.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Moves files that are committed to their places, and removes those of the model before.
///
/// # Errors
/// If a file cannot be moved or removed.
pub(crate) fn finish(folder: &Path) -> Result<()> {
    let committed = folder.join(COMMIT);
    if !committed.is_dir() {
        return Ok(());
    }
    for _ in 0..MAX_ATTEMPTS {
        if !move_one_commit(folder)? {
            break;
        }
    }
    // Of a version without lists.
    for name in names_in(&committed)? {
        move_file(folder, &name)?;
    }
    remove_empty(&committed);
    Ok(())
}

/// Moves the files of a commit that has a list. Returns false if there is none.
fn move_one_commit(folder: &Path) -> Result<bool> {
    let path = folder.join(COMMIT).join(LIST);
    // A pipe of this name is no list, either.
    if !path.is_file() {
        return Ok(false);
    }
    let mut file = match File::options().read(true).write(true).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(io_error(&path, source)),
    };
    // Without locks, two processes that move the same files find some of them moved.
    let _ = file.lock();
    let mut list = String::new();
    file.read_to_string(&mut list).map_err(|source| io_error(&path, source))?;
    // Otherwise another process, which had the lock, has moved them.
    if !list.is_empty() {
        move_listed(folder, &list)?;
        ignore_missing(fs::remove_file(&path)).map_err(|source| io_error(&path, source))?;
        let _ = file.set_len(0);
    }
    Ok(true)
}

/// Moves the files of a list, after those that they supersede are removed.
fn move_listed(folder: &Path, list: &str) -> Result<()> {
    let names: BTreeSet<PathBuf> = list.lines().map(PathBuf::from).collect();
    if names.contains(Path::new(super::CARD)) {
        for name in superseded(folder) {
            let path = folder.join(&name);
            // Folders are none of ours.
            if !names.contains(&name) && !path.is_dir() {
                ignore_missing(fs::remove_file(&path)).map_err(|source| io_error(&path, source))?;
            }
        }
    }
    names.iter().try_for_each(|name| move_file(folder, name))
}

fn move_file(folder: &Path, name: &Path) -> Result<()> {
    let (from, to) = (folder.join(COMMIT).join(name), folder.join(name));
    let parent = to.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(|source| io_error(parent, source))?;
    // Another process may have moved it.
    ignore_missing(fs::rename(from, &to)).map_err(|source| io_error(&to, source))
}

/// Returns the names of files in `folder` that belong to one model and may not stay beside another.
fn superseded(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> =
        OF_ONE_MODEL.iter().chain(&report::FILES).map(PathBuf::from).collect();
    names.extend(report::tensorboard_files(folder));
    names
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

/// Returns the text of a list.
fn list(names: &[PathBuf]) -> String {
    names.iter().map(|name| format!("{}\n", name.display())).collect()
}

/// Returns the names of all files beneath a folder, relative to it, but for the list.
fn names_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(place) = folders.pop() {
        for entry in entries(&folder.join(&place))? {
            let name = place.join(entry);
            if folder.join(&name).is_dir() {
                folders.push(name);
            } else if name != Path::new(LIST) {
                names.push(name);
            }
        }
    }
    Ok(names)
}

/// Returns the names in a folder; none if it is not there.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = || -> io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().into())).collect()
    };
    match list() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(io_error(folder, source)),
        Ok(names) => Ok(names),
    }
}

/// Removes a folder that has no files beneath it. Another model may have been committed meanwhile,
/// whose writer moves its files.
fn remove_empty(folder: &Path) {
    for entry in entries(folder).unwrap_or_default() {
        remove_empty(&folder.join(entry));
    }
    let _ = fs::remove_dir(folder);
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

    const NAMES: [&str; 5] =
        ["weights.npy", "split.csv", CARD, "report.html", "tensorboard/test/events.out.tfevents.1"];

    /// Writes the files of a model, and one that another need not have.
    fn stage(folder: &Path, content: &str) -> StagedFiles {
        let staged = StagedFiles::create(folder).unwrap();
        fs::create_dir_all(staged.path().join("tensorboard/test")).unwrap();
        for name in NAMES {
            staged.add(name, content.as_bytes()).unwrap();
        }
        staged.add(&format!("tensorboard/test/events.out.tfevents.of_{content}"), b"").unwrap();
        staged
    }

    fn read(folder: &Path) -> Vec<String> {
        NAMES.map(|name| fs::read_to_string(path_in(folder, name)).unwrap()).into()
    }

    fn all_names(folder: &Path) -> Vec<String> {
        let names = names_in(folder).unwrap();
        let mut names: Vec<String> =
            names.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// Every state that the process can leave the folder in.
    #[test]
    fn a_folder_is_one_model_or_the_other() {
        let moved = NAMES.len() + 1;
        for stop_after in 0..=moved {
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path();
            stage(folder, "old").commit().unwrap();
            for name in ["hidden_weights.npy", "curves.png", "notes.txt", "tensorboard/mine"] {
                fs::write(folder.join(name), "old").unwrap();
            }
            let staged = stage(folder, "new");
            assert_eq!(read(folder), ["old"; NAMES.len()]);
            let names = names_in(staged.path()).unwrap();
            staged.add(LIST, list(&names).as_bytes()).unwrap();
            fs::rename(staged.path(), folder.join(COMMIT)).unwrap();
            assert_eq!(read(folder), ["new"; NAMES.len()]);
            for name in names.iter().take(stop_after) {
                move_file(folder, name).unwrap();
                assert_eq!(read(folder), ["new"; NAMES.len()]);
            }
            finish(folder).unwrap();
            let mut expected: Vec<String> = NAMES.map(str::to_owned).into();
            expected.push("tensorboard/test/events.out.tfevents.of_new".into());
            expected.extend(["notes.txt", "tensorboard/mine"].map(str::to_owned));
            expected.sort();
            assert_eq!(all_names(folder), expected);
            assert!(NAMES.iter().all(|name| fs::read(folder.join(name)).unwrap() == b"new"));
            assert!(!folder.join(COMMIT).exists());
        }
    }

    #[test]
    fn a_model_that_cannot_take_its_place_leaves_the_one_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        stage(folder, "old").commit().unwrap();
        let before = all_names(folder);
        let staged = stage(folder, "new");
        fs::remove_file(folder.join("report.html")).unwrap();
        fs::create_dir(folder.join("report.html")).unwrap();
        let error = staged.commit().unwrap_err().to_string();
        assert!(error.contains("report.html: there is a folder"), "{error}");
        fs::remove_dir(folder.join("report.html")).unwrap();
        fs::write(folder.join("report.html"), "old").unwrap();
        assert_eq!((read(folder), all_names(folder)), (vec!["old".to_owned(); 5], before.clone()));
        fs::create_dir(folder.join(format!("{NEW}7-7"))).unwrap();
        fs::write(folder.join(format!("{NEW}7-7/weights.npy")), "half").unwrap();
        remove_unfinished(folder);
        assert_eq!(all_names(folder), before);
    }

    /// A version before this one left no list.
    #[test]
    fn files_without_a_list_are_moved_too() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        stage(folder, "old").commit().unwrap();
        let staged = stage(folder, "new");
        fs::rename(staged.path(), folder.join(COMMIT)).unwrap();
        finish(folder).unwrap();
        assert!(NAMES.iter().all(|name| fs::read(folder.join(name)).unwrap() == b"new"));
        assert!(!folder.join(COMMIT).exists());
    }

    /// A file of a newer model is followed by none of an older one.
    #[test]
    fn readers_meet_no_older_file_after_a_newer_one() {
        const MODELS: u32 = 50;
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let write = |model: u32| stage(folder, &model.to_string()).commit().unwrap();
        write(0);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (1..=MODELS).for_each(write));
            let mut newest = 0;
            while !writer.is_finished() {
                for name in NAMES {
                    // A file that is moved meanwhile is met the next time.
                    let Ok(content) = fs::read_to_string(path_in(folder, name)) else { continue };
                    let model: u32 = content.parse().unwrap();
                    assert!(model >= newest, "{name} is of model {model}, after {newest}");
                    newest = model;
                }
            }
        });
        assert_eq!(read(folder), vec![MODELS.to_string(); NAMES.len()]);
    }

    /// Two writers at once, and a reader.
    #[test]
    fn writers_and_readers_meet_whole_models() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        stage(folder, "0").commit().unwrap();
        std::thread::scope(|scope| {
            for writer in 1..3 {
                scope.spawn(move || {
                    for round in 0..50 {
                        stage(folder, &format!("{writer}-{round}")).commit().unwrap();
                    }
                });
            }
        });
        let read = read(folder);
        assert!(read.iter().all(|content| *content == read[0]), "{read:?}");
        assert!(!folder.join(COMMIT).exists());
    }
}
