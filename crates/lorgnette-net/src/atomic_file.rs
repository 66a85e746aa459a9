//! Files that appear under their name only when they are complete.
//!
//! ```text
//! create ─▶ temporary file in the same folder ─▶ write ─▶ commit: synchronise, rename
//! ```
//! The bytes go to a temporary file in the same folder, which is synchronised with the disk and
//! renamed. A reader sees the old content or the new one, never a part. The temporary file is
//! locked while it is written, so one that can be locked belongs to a process that has ended.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};

const PREFIX: &str = ".lorgnette-";
const EXTENSION: &str = ".part";

/// A file that is being written. Dropped without [`AtomicFile::commit`], it leaves nothing and the
/// file of that name is unchanged.
///
/// A file that replaces another gets its permissions. A link is followed: its target is replaced. A
/// pipe or a device has nothing to replace and is written directly.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    /// `None` for a pipe or a device.
    temporary: Option<Temporary>,
    out: BufWriter<File>,
    written: u64,
}

impl AtomicFile {
    /// Creates the temporary file for `path`. The first call for a folder removes the temporary
    /// files that ended processes left there.
    ///
    /// # Errors
    /// If `path` is a folder; if its folder cannot be written.
    pub fn create(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        if path.is_symlink() && path.exists() {
            return Self::create_in_place_of(fs::canonicalize(&path)?);
        }
        Self::create_in_place_of(path)
    }

    /// As [`AtomicFile::create`], but replaces a link itself; its target stays.
    ///
    /// # Errors
    /// As [`AtomicFile::create`].
    pub fn create_in_place_of(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let existing = fs::metadata(&path).ok();
        if let Some(existing) = &existing {
            if existing.is_dir() {
                let message = "it is a folder: name a file";
                return Err(io::Error::new(io::ErrorKind::IsADirectory, message));
            }
            if !existing.is_file() {
                let out = BufWriter::new(File::options().write(true).open(&path)?);
                return Ok(Self { path, temporary: None, out, written: 0 });
            }
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        remove_stale_once(folder);
        let (temporary, file) = Temporary::create(folder)?;
        if let Some(existing) = existing {
            file.set_permissions(existing.permissions())?;
        }
        Ok(Self { path, temporary: Some(temporary), out: BufWriter::new(file), written: 0 })
    }

    /// Returns the path that the file gets when it is complete.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Synchronises the content with the disk and gives the file its name.
    ///
    /// # Errors
    /// If the system refuses. The file of that name is then unchanged.
    pub fn commit(self) -> io::Result<()> {
        let Self { path, temporary, out, .. } = self;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        let Some(mut temporary) = temporary else { return Ok(()) };
        file.sync_all()?;
        fs::rename(&temporary.path, path)?;
        temporary.is_renamed = true;
        Ok(())
    }

    /// Appends bytes; the error names the file.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_all(bytes).map_err(|source| Error::Io { path: self.path.clone(), source })
    }

    /// Appends zeros up to the next multiple of `alignment`.
    pub(crate) fn pad(&mut self, alignment: u64) -> Result<()> {
        let count = self.written.next_multiple_of(alignment) - self.written;
        self.append(&vec![0; count as usize])
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes a file of this content, or leaves the file of that name unchanged.
///
/// # Errors
/// If the system refuses.
pub fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(content)?;
    file.commit()
}

/// Writes a file with `write`; its errors and those of the system leave the file unchanged.
pub(crate) fn write_with<T>(
    path: &Path,
    write: impl FnOnce(&mut AtomicFile) -> Result<T>,
) -> Result<T> {
    let io = |source| Error::Io { path: path.into(), source };
    let mut file = AtomicFile::create(path).map_err(io)?;
    let value = write(&mut file)?;
    file.commit().map_err(io)?;
    Ok(value)
}

/// The name of a temporary file, which is removed when this is dropped.
#[derive(Debug)]
struct Temporary {
    path: PathBuf,
    is_renamed: bool,
}

impl Temporary {
    /// Creates a locked file with a name that is unused. The name does not contain the final one,
    /// which may already be as long as the file system allows.
    fn create(folder: &Path) -> io::Result<(Self, File)> {
        const MAX_ATTEMPTS: u32 = 1000;
        static CALLS: AtomicU32 = AtomicU32::new(0);
        for _ in 0..MAX_ATTEMPTS {
            let call = CALLS.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{PREFIX}{}-{call}{EXTENSION}", std::process::id()));
            let file = match File::create_new(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            let temporary = Self { path, is_renamed: false };
            match file.try_lock() {
                // Another process found the file before it was locked, and removes it.
                Err(fs::TryLockError::WouldBlock) => continue,
                // Without locks no process takes the file for stale either.
                Err(fs::TryLockError::Error(_)) => return Ok((temporary, file)),
                Ok(()) if temporary.path.exists() => return Ok((temporary, file)),
                Ok(()) => continue,
            }
        }
        let message = "every name for a temporary file is taken";
        Err(io::Error::new(io::ErrorKind::AlreadyExists, message))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_renamed {
            // A file that cannot be removed is stale, and removed by a later process.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes a folder's stale temporary files, unless this process has done so already.
fn remove_stale_once(folder: &Path) {
    const MAX_FOLDERS: usize = 4096;
    static CLEANED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let mut cleaned = CLEANED.lock().unwrap_or_else(PoisonError::into_inner);
    if cleaned.len() < MAX_FOLDERS && cleaned.insert(folder.into()) {
        remove_stale(folder);
    }
}

/// Removes the temporary files of `folder` that no process has locked.
fn remove_stale(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !name.starts_with(PREFIX) || !name.ends_with(EXTENSION) {
            continue;
        }
        if let Ok(file) = File::options().write(true).open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::path::Path;

    use super::{AtomicFile, remove_stale, write_atomically};

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        write_atomically(&path, b"old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"new content").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(file.written(), 11);
        file.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new content");
        assert_eq!(names(folder.path()), ["model"]);
    }

    #[test]
    fn a_file_that_is_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        write_atomically(&path, b"old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["model"]);
    }

    #[test]
    fn two_writers_of_one_file_do_not_meet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        let mut first = AtomicFile::create(&path).unwrap();
        let mut second = AtomicFile::create(&path).unwrap();
        first.write_all(b"first").unwrap();
        second.write_all(b"second").unwrap();
        second.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        first.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first");
    }

    #[test]
    fn names_may_be_as_long_as_the_file_system_allows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n".repeat(255));
        write_atomically(&path, b"content").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"content");
    }

    #[test]
    fn only_files_without_a_writer_are_stale() {
        let folder = tempfile::tempdir().unwrap();
        let stale = folder.path().join(".lorgnette-1-0.part");
        fs::write(&stale, b"half").unwrap();
        fs::write(folder.path().join("download.part"), b"half").unwrap();
        let file = AtomicFile::create(folder.path().join("model")).unwrap();
        assert!(!stale.exists());
        remove_stale(folder.path());
        file.commit().unwrap();
        assert_eq!(names(folder.path()), ["download.part", "model"]);
    }

    #[test]
    fn a_folder_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_atomically(folder.path(), b"content").unwrap_err();
        assert!(error.to_string().contains("it is a folder"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn links_permissions_and_devices_stay_what_they_are() {
        use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        write_atomically(&target, b"old").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
        symlink("target", &link).unwrap();
        write_atomically(&link, b"new").unwrap();
        assert!(link.is_symlink() && fs::read(&target).unwrap() == b"new");
        AtomicFile::create_in_place_of(&link).unwrap().commit().unwrap();
        assert!(!link.is_symlink() && fs::read(&target).unwrap() == b"new");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
        let null = Path::new("/dev/null");
        write_atomically(null, b"content").unwrap();
        assert!(fs::metadata(null).unwrap().file_type().is_char_device(), "it was replaced");
        assert_eq!(names(folder.path()), ["link", "target"]);
    }
}
