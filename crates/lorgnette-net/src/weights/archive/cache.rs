//! The cache folder of unpacked archives.
//!
//! ```text
//! CACHE/STEM-SIZE-TIME-NAME/unpacked.txt    a heading, the archive, each file's size and name
//!                          /files/…         the files
//! ```
//! The folder's name contains the archive's size, its modification time and a checksum of its path:
//! an archive that changes is unpacked again. The list has them in full. A folder whose files
//! differ from its list is replaced.

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{ArchiveKind, member};
use crate::error::{Error, Result};

const LIST: &str = "unpacked.txt";
const FILES: &str = "files";
const HEADING: &str = "lorgnette: an unpacked archive, version 1";
const PARTIAL: &str = ".partial-";

/// The age after which an incomplete folder counts as abandoned.
const STALE_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The cache folder and its limits.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    max_bytes: u64,
    max_files: usize,
}

impl Cache {
    /// Creates a cache in `folder`, with up to 16 GiB in all and 10,000 files per archive.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), max_bytes: 16 << 30, max_files: 10_000 }
    }

    /// Limits the total size of unpacked archives, in bytes. The least recently used are evicted.
    #[must_use]
    pub fn with_max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }

    /// Limits the number of files in an archive.
    #[must_use]
    pub fn with_max_files(self, max_files: usize) -> Self {
        Self { max_files, ..self }
    }

    /// Returns the folder with the files of an archive, which is unpacked unless it is cached.
    ///
    /// The folder is complete as soon as it has its name. Several programs may unpack at the same
    /// time.
    ///
    /// # Errors
    /// If the archive is damaged; if it has files outside its folder, links, duplicate files, or
    /// more files or bytes than allowed; if the system refuses.
    pub fn unpack(&self, archive: &Path) -> Result<PathBuf> {
        let identity =
            Identity::new(archive).map_err(|source| Error::Io { path: archive.into(), source })?;
        let folder = self.folder.join(&identity.folder);
        if let Some(files) = find_unpacked(&folder, &identity) {
            return Ok(files);
        }
        self.remove_stale(&folder);
        let partial =
            self.partial().map_err(|source| Error::Io { path: self.folder.clone(), source })?;
        let result = self
            .fill(&partial, archive, &identity)
            .and_then(|()| self.publish(&partial, &folder, &identity));
        if result.is_err() {
            // A folder that cannot be removed now is removed later as a stale one.
            let _ = fs::remove_dir_all(&partial);
        }
        result
    }

    /// Removes the unpacked files of an archive, and returns their size in bytes.
    ///
    /// # Errors
    /// If the archive does not exist, or the system refuses.
    pub fn remove(&self, archive: &Path) -> Result<u64> {
        let identity =
            Identity::new(archive).map_err(|source| Error::Io { path: archive.into(), source })?;
        let folder = self.folder.join(identity.folder);
        let bytes = size(&folder).unwrap_or(0);
        match fs::remove_dir_all(&folder) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(Error::Io { path: folder, source })
            }
            _ => Ok(bytes),
        }
    }

    /// Creates a new folder that only this call fills.
    fn partial(&self) -> io::Result<PathBuf> {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let partial = self.folder.join(format!("{PARTIAL}{}-{call}", std::process::id()));
        if partial.is_dir() {
            // The remains of an ended program with the same process number.
            fs::remove_dir_all(&partial)?;
        }
        fs::create_dir_all(&partial)?;
        Ok(partial)
    }

    fn fill(&self, partial: &Path, archive: &Path, identity: &Identity) -> Result<()> {
        let bytes = crate::file::map(archive)?;
        let format = |what: String| Error::Format { path: archive.into(), what };
        let kind = ArchiveKind::detect(archive)?.ok_or_else(|| format("not an archive".into()))?;
        let mut unpacking =
            Unpacking { cache: self, files: partial.join(FILES), bytes: 0, list: Vec::new() };
        kind.each(&bytes, &mut |publish, size, content| unpacking.add(publish, size, content))
            .map_err(format)?;
        let Unpacking { list, bytes, .. } = unpacking;
        self.evict(bytes);
        let mut lines = identity.lines();
        for (size, publish) in list {
            lines += &format!("{size} {publish}\n");
        }
        let written = File::create_new(partial.join(LIST))
            .and_then(|mut file| file.write_all(lines.as_bytes()));
        written.map_err(|source| Error::Io { path: partial.join(LIST), source })
    }

    /// Renames the folder to its final name. If another program was faster, its folder is
    /// equivalent.
    fn publish(&self, partial: &Path, folder: &Path, identity: &Identity) -> Result<PathBuf> {
        match fs::rename(partial, folder) {
            Ok(()) => Ok(folder.join(FILES)),
            Err(source) => match find_unpacked(folder, identity) {
                Some(files) => {
                    let _ = fs::remove_dir_all(partial);
                    Ok(files)
                }
                None => Err(Error::Io { path: folder.into(), source }),
            },
        }
    }

    /// Removes an invalid folder, and folders that programs left incomplete.
    fn remove_stale(&self, folder: &Path) {
        let _ = fs::remove_dir_all(folder);
        for (path, publish) in self.folders() {
            let age = path
                .metadata()
                .and_then(|m| m.modified())
                .ok()
                .and_then(|time| time.elapsed().ok());
            if publish.starts_with(PARTIAL) && age.is_some_and(|age| age > STALE_AFTER) {
                let _ = fs::remove_dir_all(path);
            }
        }
    }

    /// Evicts the least recently used archives until `bytes` fit.
    fn evict(&self, bytes: u64) {
        let mut entries: Vec<_> = self
            .folders()
            .filter_map(|(path, _)| Some((last_used(&path)?, size(&path)?, path)))
            .collect();
        entries.sort();
        let mut all = entries.iter().fold(bytes, |sum, (_, size, _)| sum.saturating_add(*size));
        for (_, size, path) in entries {
            if all <= self.max_bytes {
                return;
            }
            if fs::remove_dir_all(path).is_ok() {
                all -= size;
            }
        }
    }

    fn folders(&self) -> impl Iterator<Item = (PathBuf, String)> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.map(|entry| (entry.path(), entry.file_name().to_string_lossy().into_owned()))
    }
}

/// The identity of an archive: path, size and modification time.
struct Identity {
    path: PathBuf,
    size: u64,
    modified: u128,
    folder: String,
}

impl Identity {
    fn new(archive: &Path) -> io::Result<Self> {
        let path = fs::canonicalize(archive)?;
        let metadata = path.metadata()?;
        let modified =
            metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let publish = path
            .file_name()
            .map(|publish| publish.to_string_lossy().into_owned())
            .unwrap_or_default();
        let letters = publish.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c));
        let stem: String = letters.skip_while(|&c| c == '.').take(60).collect();
        let path_sum = crc32c::crc32c(path.as_os_str().as_encoded_bytes());
        let folder = format!("{stem}-{:x}-{modified:x}-{path_sum:08x}", metadata.len());
        Ok(Self { path, size: metadata.len(), modified, folder })
    }

    /// Returns the first lines of the list.
    fn lines(&self) -> String {
        format!("{HEADING}\n{} {} {:?}\n", self.size, self.modified, self.path)
    }
}

/// An archive's folder while it is filled.
struct Unpacking<'a> {
    cache: &'a Cache,
    files: PathBuf,
    bytes: u64,
    list: Vec<(u64, String)>,
}

impl Unpacking<'_> {
    fn add(&mut self, publish: &[u8], size: u64, content: &mut dyn Read) -> Result<(), String> {
        let relative = member::path(publish)?;
        let display_name = relative.to_string_lossy().replace('\\', "/");
        if self.list.len() >= self.cache.max_files {
            return Err(format!(
                "the archive has more than {} files: refused",
                self.cache.max_files
            ));
        }
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > self.cache.max_bytes {
            let max_mib = self.cache.max_bytes >> 20;
            return Err(format!(
                "with '{display_name}' of {size} bytes the archive takes more than {max_mib} MiB: \
                 refused"
            ));
        }
        let path = self.files.join(relative);
        write(&path, size, content)
            .map_err(|what| format!("'{display_name}' in the archive: {what}"))?;
        self.list.push((size, display_name));
        Ok(())
    }
}

/// Writes a new file of exactly `size` bytes. The content is read to its end, where checksums are
/// verified.
fn write(path: &Path, size: u64, content: &mut dyn Read) -> Result<(), String> {
    fs::create_dir_all(path.parent().expect("it is in a folder")).map_err(|e| e.to_string())?;
    let mut file = File::create_new(path).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => "it is there twice: refused".to_owned(),
        _ => e.to_string(),
    })?;
    let written = io::copy(&mut content.take(size.saturating_add(1)), &mut file)
        .map_err(|e| e.to_string())?;
    match written == size {
        true => Ok(()),
        false => Err(format!(
            "it should have {size} bytes, and has {}",
            if written > size { "more" } else { "fewer" }
        )),
    }
}

/// Returns the files of an archive's folder if they match its list, and marks it as used.
fn find_unpacked(folder: &Path, identity: &Identity) -> Option<PathBuf> {
    let list = fs::read_to_string(folder.join(LIST)).ok()?;
    let lines = list.strip_prefix(&identity.lines())?;
    let files = folder.join(FILES);
    let is_present = |line: &str| {
        let (size, publish) = line.split_once(' ')?;
        let metadata =
            files.join(member::path(publish.as_bytes()).ok()?).symlink_metadata().ok()?;
        (metadata.is_file() && metadata.len() == size.parse::<u64>().ok()?).then_some(())
    };
    lines.lines().try_for_each(|line| is_present(line).ok_or(())).ok()?;
    // A failure only affects the order of eviction.
    let _ = File::options()
        .append(true)
        .open(folder.join(LIST))
        .and_then(|file| file.set_modified(SystemTime::now()));
    Some(files)
}

fn last_used(folder: &Path) -> Option<SystemTime> {
    folder.join(LIST).metadata().ok()?.modified().ok()
}

/// Returns the size of an archive's files by its list; `None` for folders of other origin.
fn size(folder: &Path) -> Option<u64> {
    let list = fs::read_to_string(folder.join(LIST)).ok()?;
    let files = list.strip_prefix(HEADING)?.lines().skip(2);
    Some(
        files
            .filter_map(|line| line.split_once(' ')?.0.parse::<u64>().ok())
            .fold(0, u64::saturating_add),
    )
}
