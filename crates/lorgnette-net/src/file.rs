//! Memory-mapped files. With [`crate::memory`] and `program_pages`, the only modules with
//! `unsafe` code.

#![allow(unsafe_code)]

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::error::{Error, Result};

/// Maps a file. A page is read at its first access, and shared by all clones and slices.
///
/// If another program truncates the file while it is mapped, an access is a bus error, as with
/// every mapped file; [`exit_on_shortened_files`] makes a message of it. Changes by other programs
/// become visible.
pub(crate) fn map(path: &Path) -> Result<Bytes> {
    MappedFile::open(path).map(|mapped_file| mapped_file.bytes)
}

/// Opens a file to read it. A pipe is refused, for it would wait for a writer, and so is a device.
///
/// # Errors
/// If it cannot be opened, or is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    check_regular(&path.metadata()?)?;
    File::open(path)
}

/// Opens a file to read and write it, and creates it if there is none. Pipes and devices are
/// refused as by [`open_regular`].
///
/// # Errors
/// If it cannot be opened, or is no regular file.
pub fn open_or_create_regular(path: &Path) -> io::Result<File> {
    if let Ok(metadata) = path.metadata() {
        check_regular(&metadata)?;
    }
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}

fn check_regular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let what = if metadata.is_dir() { "a folder" } else { "neither a file nor a folder" };
    let what = format!("it is {what}: a file is needed");
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

/// Reads a whole file as [`open_regular`] opens it.
///
/// # Errors
/// As [`open_regular`]; if it is longer than `max_bytes`.
pub fn read_regular(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    open_regular(path)?.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        let what = format!("it has more than the {max_bytes} bytes allowed");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

/// Reads a whole file of text as [`read_regular`] does.
///
/// # Errors
/// As [`read_regular`]; if it is not UTF-8.
pub fn read_regular_text(path: &Path, max_bytes: u64) -> io::Result<String> {
    let bytes = read_regular(path, max_bytes)?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Bytes of a mapped file, whose pages can be released after use.
#[derive(Clone, Debug)]
pub(crate) struct MappedFile {
    mapping: Option<Arc<Mapping>>,
    bytes: Bytes,
}

/// A map, and the file as it was then.
#[derive(Debug)]
struct Mapping {
    map: memmap2::Mmap,
    file: File,
    path: PathBuf,
    length: u64,
    modified: Option<SystemTime>,
}

/// Bytes in memory; releasing them has no effect.
impl From<Bytes> for MappedFile {
    fn from(bytes: Bytes) -> Self {
        Self { mapping: None, bytes }
    }
}

impl MappedFile {
    /// Maps a file; see [`map`].
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let io = |source| Error::Io { path: path.into(), source };
        let format = |what: &str| Err(Error::Format { path: path.into(), what: what.into() });
        if path.is_dir() {
            return format("this is a directory; a weights file is needed");
        }
        let file = open_regular(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if metadata.len() == 0 {
            return format("the file is empty");
        }
        // SAFETY: the map is read-only and private to this process. That no program truncates the
        // file meanwhile is the documented condition of opening it.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(io)?;
        let (length, modified) = stamp(&metadata);
        let mapping = Arc::new(Mapping { map, file, path: path.into(), length, modified });
        shortened::register(&mapping);
        Ok(Self { bytes: Bytes::from_owner(MapOwner(mapping.clone())), mapping: Some(mapping) })
    }

    /// Returns the whole file.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Checks that the file has not been written to since it was mapped.
    ///
    /// # Errors
    /// [`Error::Format`] if it has been; [`Error::Io`] if the system does not tell.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        let Some(mapping) = &self.mapping else { return Ok(()) };
        let io = |source| Error::Io { path: mapping.path.clone(), source };
        let now = mapping.file.metadata().map_err(io)?;
        if stamp(&now) == (mapping.length, mapping.modified) {
            return Ok(());
        }
        let what = "it was written to while it was in use: open it again".into();
        Err(Error::Format { path: mapping.path.clone(), what })
    }

    /// Returns true if the bytes belong to a mapped file.
    pub(crate) fn is_mapped(&self) -> bool {
        self.mapping.is_some()
    }

    /// Returns true if `part` is a slice of these bytes.
    pub(crate) fn contains(&self, part: &[u8]) -> bool {
        let (all, part) = (self.bytes.as_ptr_range(), part.as_ptr_range());
        all.start <= part.start && part.end <= all.end && part.start < part.end
    }

    /// Releases the memory of the whole pages in `part`, a slice of these bytes, if the system
    /// supports it. The bytes stay readable: the pages are loaded again at the next access, from
    /// the page cache if they are still in it.
    pub(crate) fn release(&self, part: &[u8]) {
        /// The assumed maximum page size; partial pages are kept.
        const PAGE: usize = 64 << 10;
        let Some(map) = self.mapping.as_ref().map(|mapping| &mapping.map) else { return };
        let Some(start) = (part.as_ptr() as usize).checked_sub(map.as_ptr() as usize) else {
            return;
        };
        let end = (start + part.len()).min(map.len()) / PAGE * PAGE;
        let start = start.next_multiple_of(PAGE);
        if start < end {
            release_pages(map, start, end - start);
        }
    }
}

/// Returns length and time of change.
fn stamp(metadata: &Metadata) -> (u64, Option<SystemTime>) {
    (metadata.len(), metadata.modified().ok())
}

#[cfg(unix)]
fn release_pages(map: &memmap2::Mmap, start: usize, len: usize) {
    // SAFETY: the map is of a file and never written to, so pages that are dropped are restored
    // unchanged. A refusal leaves the pages in place.
    let _ = unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, len) };
}

/// Other systems keep the pages.
#[cfg(not(unix))]
fn release_pages(_map: &memmap2::Mmap, _start: usize, _len: usize) {}

/// Shares a map with `Bytes`.
struct MapOwner(Arc<Mapping>);

impl AsRef<[u8]> for MapOwner {
    fn as_ref(&self) -> &[u8] {
        &self.0.map
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        shortened::unregister(self);
    }
}

/// Ends the process with a message that names the file, and exit code 2, where an access to a
/// mapped file fails: another program has shortened it, or the disk has failed. Without this the
/// system ends the process without a word. A program calls it once, when it begins.
pub fn exit_on_shortened_files() {
    shortened::install();
}

/// Makes a write beyond the limit of a file's size (`ulimit -f`) an error of that write. Without
/// this the system ends the process without a word. A program calls it once, when it begins.
pub fn report_file_size_limit() {
    #[cfg(unix)]
    // SAFETY: no handler is installed; ignoring a signal is allowed at any time.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// The mapped files of the process, for a signal handler, which can neither lock nor allocate.
#[cfg(unix)]
mod shortened {
    use std::os::unix::ffi::OsStrExt as _;
    use std::ptr;
    use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::SeqCst};

    use super::Mapping;

    /// Maximum number of maps that are told apart; a model has a few files.
    const MAX_MAPS: usize = 128;

    /// A map: its addresses, and its file's path. Empty if `end` is 0.
    struct Slot {
        start: AtomicUsize,
        end: AtomicUsize,
        path: AtomicPtr<u8>,
        path_len: AtomicUsize,
    }

    static SLOTS: [Slot; MAX_MAPS] = [const {
        Slot {
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            path: AtomicPtr::new(ptr::null_mut()),
            path_len: AtomicUsize::new(0),
        }
    }; MAX_MAPS];

    /// Adds a map, if there is a slot left.
    pub(super) fn register(mapping: &Mapping) {
        let (start, path) = (mapping.map.as_ptr() as usize, mapping.path.as_os_str().as_bytes());
        for slot in &SLOTS {
            // Claimed by its start; complete with its end.
            if slot.start.compare_exchange(0, start, SeqCst, SeqCst).is_ok() {
                slot.path.store(path.as_ptr().cast_mut(), SeqCst);
                slot.path_len.store(path.len(), SeqCst);
                slot.end.store(start + mapping.map.len(), SeqCst);
                return;
            }
        }
    }

    /// Removes a map.
    pub(super) fn unregister(mapping: &Mapping) {
        let start = mapping.map.as_ptr() as usize;
        if let Some(slot) = SLOTS.iter().find(|slot| slot.start.load(SeqCst) == start) {
            slot.end.store(0, SeqCst);
            slot.start.store(0, SeqCst);
        }
    }

    /// Installs the handler.
    pub(super) fn install() {
        let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = on_bus_error;
        // SAFETY: the action is filled in completely, and the handler calls only what a signal
        // handler may call.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(libc::SIGBUS, &action, ptr::null_mut());
        }
    }

    extern "C" fn on_bus_error(
        _signal: i32,
        info: *mut libc::siginfo_t,
        _context: *mut libc::c_void,
    ) {
        // SAFETY: the system passes a valid structure, which has an address for this signal.
        let address = unsafe { (*info).si_addr() } as usize;
        let holds =
            |slot: &&Slot| slot.start.load(SeqCst) <= address && address < slot.end.load(SeqCst);
        let Some(slot) = SLOTS.iter().find(holds) else {
            // SAFETY: the default action is a valid one. The access fails again, and ends the
            // process.
            unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
            return;
        };
        let (path, length) = (slot.path.load(SeqCst), slot.path_len.load(SeqCst));
        // SAFETY: the path belongs to the map, which is in use by the access that failed.
        let path = unsafe { std::slice::from_raw_parts(path, length) };
        for part in [
            &b"lorgnette: "[..],
            path,
            b": it was shortened while it was in use, or the disk failed: open it again\n",
        ] {
            // SAFETY: the part is as long as it says.
            unsafe { libc::write(libc::STDERR_FILENO, part.as_ptr().cast(), part.len()) };
        }
        // SAFETY: this ends the process without running anything else.
        unsafe { libc::_exit(2) };
    }
}

/// Other systems do not let a mapped file be shortened.
#[cfg(not(unix))]
mod shortened {
    use super::Mapping;

    pub(super) fn register(_mapping: &Mapping) {}

    pub(super) fn unregister(_mapping: &Mapping) {}

    pub(super) fn install() {}
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

    #[test]
    fn a_file_that_is_written_to_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        std::fs::write(&path, [1; 100]).unwrap();
        let mapped_file = MappedFile::open(&path).unwrap();
        mapped_file.check_unchanged().unwrap();
        // Longer than the resolution of file times.
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::fs::write(&path, [2; 100]).unwrap();
        let error = mapped_file.check_unchanged().unwrap_err().to_string();
        assert!(error.contains("weights: it was written to"), "{error}");
        // A file that is replaced stays what it was for those who mapped it.
        let mapped_file = MappedFile::open(&path).unwrap();
        crate::write_atomically(&path, b"new").unwrap();
        mapped_file.check_unchanged().unwrap();
        assert_eq!(mapped_file.bytes()[..], [2; 100]);
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.npy");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let error = MappedFile::open(&path).unwrap_err().to_string();
        assert!(error.contains("neither a file nor a folder"), "{error}");
        assert!(read_regular(&path, 10).is_err());
        let file = folder.path().join("file");
        std::fs::write(&file, [0; 11]).unwrap();
        assert!(read_regular(&file, 10).unwrap_err().to_string().contains("10 bytes"));
    }
}
