//! Downloads published models into the model store.
//!
//! ```text
//! addresses, mirrors, files ─▶ FILE.part, resumed ─▶ verified ─▶ FILE, its record
//!        source                 transfer, http     check      model_store
//! ```
//! A file gets its final name only after it was opened and verified to be the requested network.

mod check;
pub(crate) mod error;
mod http;
mod pace;
mod partial_file;
mod proxy;
mod source;
mod transfer;

pub use error::PullError;
pub use proxy::Proxies;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lorgnette_net::write_atomically;

use crate::catalogue::Entry;
use crate::error::{Result, io_error};
use crate::model_store::{DownloadRecord, ModelStore, with_suffix};
use crate::observer::{Observer, report};

use self::partial_file::PartialFile;
use self::source::Source;
use self::transfer::Transfer;

/// Options of a download.
#[derive(Clone, Debug)]
pub struct PullOptions {
    /// Sources to try, in order: the address of the file, or of its folder; a file, or its folder.
    /// If empty, the published addresses.
    pub from: Vec<String>,
    /// Addresses or folders to try before the published addresses, if [`from`](Self::from) is
    /// empty.
    pub mirrors: Vec<String>,
    /// Proxies.
    pub proxies: Proxies,
    /// Timeouts and attempts.
    pub retry_policy: RetryPolicy,
    /// Maximum bytes of a file whose size is unknown.
    pub max_bytes: u64,
}

/// Timeouts and attempts.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Timeout of a connection.
    pub connect: Duration,
    /// Timeout of the next bytes.
    pub stall: Duration,
    /// Maximum number of consecutive attempts without progress.
    pub attempts: u32,
    /// Pause after the first attempt; doubled after each further one.
    pub pause: Duration,
}

impl Default for RetryPolicy {
    /// Timeouts of thirty seconds, and five attempts with a first pause of one second.
    fn default() -> Self {
        let half_a_minute = Duration::from_secs(30);
        Self {
            connect: half_a_minute,
            stall: half_a_minute,
            attempts: 5,
            pause: Duration::from_secs(1),
        }
    }
}

impl Default for PullOptions {
    /// Published addresses, no proxies, at most 4 GiB: several times the largest model.
    fn default() -> Self {
        Self {
            from: Vec::new(),
            mirrors: Vec::new(),
            proxies: Proxies::default(),
            retry_policy: RetryPolicy::default(),
            max_bytes: 4 << 30,
        }
    }
}

/// An event of a download.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A source is tried.
    Trying(&'a str),
    /// Bytes were received.
    Received {
        /// Number of bytes so far.
        bytes: u64,
        /// Size of the whole file, if the server stated it.
        total: Option<u64>,
    },
    /// An attempt failed; the next one follows after a pause.
    Waiting {
        /// The error.
        why: &'a str,
        /// Length of the pause.
        pause: Duration,
    },
    /// The file is complete and being verified.
    Checking,
}

/// Receives the events of a download; see [`Observer`].
pub type PullObserver<'a> = dyn for<'e> Observer<Event<'e>> + 'a;

/// A downloaded model.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// Its file.
    pub path: PathBuf,
    /// The record of the download.
    pub download_record: DownloadRecord,
    /// True if the file existed before.
    pub already: bool,
}

/// Downloads a model into the model store, or verifies the file that is there. Reports events to
/// `observer`.
///
/// An interrupted download is resumed by the next call.
///
/// # Errors
/// [`PullError`]; [`lorgnette_net::Error::Io`] if the model store cannot be written, such as on a
/// full disk.
pub fn pull(
    entry: &Entry,
    model_store: &ModelStore,
    options: &PullOptions,
    observer: &mut PullObserver<'_>,
) -> Result<Pulled> {
    let path = model_store.path(entry);
    let folder = path.parent().unwrap_or(model_store.folder());
    fs::create_dir_all(folder).map_err(|error| io_error(folder, error))?;
    let _lock = acquire_lock(entry, &with_suffix(&path, ".lock"))?;
    if let Some(download_record) = verify_installed(entry, model_store, observer)? {
        return Ok(Pulled { path, download_record, already: true });
    }
    let mut failures = Vec::new();
    for source in Source::all(entry, options) {
        report(observer, &Event::Trying(source.display_name()))?;
        let mut fetch = Fetch { entry, model_store, options, path: &path, observer };
        match fetch.fetch(&source) {
            Ok(download_record) => return Ok(Pulled { path, download_record, already: false }),
            Err(FetchFailure::Local(error)) => return Err(error),
            Err(FetchFailure::Remote(what)) => {
                failures.push(format!("{}: {what}", source.display_name()));
            }
        }
    }
    let url = entry.addresses().swap_remove(0);
    Err(PullError::AllSourcesFailed { name: entry.name.clone(), failures, url, path }.into())
}

/// Origin of a failure.
enum FetchFailure {
    /// Local: another source does not help.
    Local(crate::Error),
    /// The source.
    Remote(String),
}

struct Fetch<'a, 'b> {
    entry: &'a Entry,
    model_store: &'a ModelStore,
    options: &'a PullOptions,
    path: &'a Path,
    observer: &'b mut PullObserver<'b>,
}

impl Fetch<'_, '_> {
    fn fetch(&mut self, source: &Source) -> Result<DownloadRecord, FetchFailure> {
        match source {
            Source::Url(url) => self.download(url),
            Source::File(file) => {
                let partial_file = PartialFile::new(&with_suffix(self.path, ".part"));
                partial_file.copy(file, self.observer)?;
                self.install(&partial_file, &file.display().to_string())
            }
        }
    }

    /// Downloads the file. If a resumed file is invalid, downloads it once more from the beginning.
    fn download(&mut self, url: &str) -> Result<DownloadRecord, FetchFailure> {
        let partial_file = PartialFile::new(&with_suffix(self.path, ".part"));
        let expected = self.entry.published.bytes.or(self
            .model_store
            .download_record(self.entry)
            .map(|download_record| download_record.bytes));
        let resumed =
            Transfer::new(url, &partial_file, self.options, expected).run(self.observer)?;
        match self.install(&partial_file, url) {
            Err(FetchFailure::Remote(_)) if resumed => {
                Transfer::new(url, &partial_file, self.options, expected).run(self.observer)?;
                self.install(&partial_file, url)
            }
            installed => installed,
        }
    }

    /// Verifies the file and gives it its final name; deletes it if it is invalid.
    fn install(
        &mut self,
        partial_file: &PartialFile,
        source: &str,
    ) -> Result<DownloadRecord, FetchFailure> {
        report(self.observer, &Event::Checking).map_err(FetchFailure::Local)?;
        let expected = self.model_store.download_record(self.entry);
        let checked = check::compute_record(partial_file.path(), source)
            .map_err(FetchFailure::Local)
            .and_then(|download_record| {
                check::check_known(self.entry, expected.as_ref(), &download_record)
                    .map_err(FetchFailure::Remote)?;
                check::check_network(self.entry, self.model_store, partial_file.path())
                    .map_err(FetchFailure::Remote)?;
                Ok(download_record)
            });
        let download_record = match checked {
            Ok(download_record) => download_record,
            Err(failure) => {
                partial_file.discard().map_err(FetchFailure::Local)?;
                return Err(failure);
            }
        };
        write_download_record(self.path, &download_record).map_err(FetchFailure::Local)?;
        partial_file.rename(self.path).map_err(FetchFailure::Local)?;
        partial_file.discard().map_err(FetchFailure::Local)?;
        Ok(download_record)
    }
}

/// The record of a model that is unchanged in the store. A file that was put there by hand gets its
/// record now.
fn verify_installed(
    entry: &Entry,
    model_store: &ModelStore,
    observer: &mut PullObserver<'_>,
) -> Result<Option<DownloadRecord>> {
    let Some(path) = model_store.installed(entry) else { return Ok(None) };
    report(observer, &Event::Checking)?;
    let computed = check::compute_record(&path, &path.display().to_string())?;
    match model_store.download_record(entry) {
        Some(recorded) => Ok((recorded.sha256 == computed.sha256).then_some(recorded)),
        None if check::check_network(entry, model_store, &path).is_err() => Ok(None),
        None => write_download_record(&path, &computed).map(|()| Some(computed)),
    }
}

fn write_download_record(path: &Path, download_record: &DownloadRecord) -> Result<()> {
    let path = with_suffix(path, ".json");
    let text = serde_json::to_vec_pretty(download_record)
        .map_err(|error| io_error(&path, error.into()))?;
    write_atomically(&path, &text).map_err(|error| io_error(&path, error))
}

/// Locks a model against downloads by other processes. The lock ends when it is dropped, or with
/// the process.
fn acquire_lock(entry: &Entry, path: &Path) -> Result<File> {
    let file = File::create(path).map_err(|error| io_error(path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(PullError::Busy { name: entry.name.clone(), path: path.into() }.into())
        }
        Err(TryLockError::Error(error)) => Err(io_error(path, error)),
    }
}
