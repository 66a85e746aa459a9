//! Fetching published models into the model home.
//!
//! ```text
//! addresses, mirrors, files (source) ─▶ FILE.part, resumed (transfer, over http) ─▶ looked at (check) ─▶ FILE, its receipt
//! ```
//! Nothing gets its final name before it was opened and found to be the network that was asked for.

mod check;
mod http;
mod partial_file;
mod proxy;
mod source;
mod transfer;

pub use proxy::Proxies;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::catalogue::Entry;
use crate::error::Result;
use crate::model_store::{DownloadRecord, ModelStore, io_error, with_suffix};

use self::partial_file::PartialFile;
use self::source::Source;
use self::transfer::Transfer;

/// How a model is pulled.
#[derive(Clone, Debug)]
pub struct PullOptions {
    /// Where to look, in this order: the address of the file, or of a folder it is in; a file, or a
    /// folder it is in. Where it was published, if empty.
    pub from: Vec<String>,
    /// Addresses or folders to look in before those where it was published, if [`from`](Self::from)
    /// is empty.
    pub mirrors: Vec<String>,
    /// The proxies to go through.
    pub proxies: Proxies,
    /// How long to wait, and how often to try.
    pub retry_policy: RetryPolicy,
    /// Most bytes to take of a file whose size is not known.
    pub max_bytes: u64,
}

/// How long servers are waited for.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// For a connection.
    pub connect: Duration,
    /// For the next bytes.
    pub stall: Duration,
    /// How many attempts in a row may bring nothing new.
    pub attempts: u32,
    /// Between the first attempt and the second; twice as long each time after that.
    pub pause: Duration,
}

impl Default for RetryPolicy {
    /// Half a minute, and five attempts a second apart.
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
    /// From where it was published, without proxies, and at most 4 GiB: several times the largest
    /// model there is.
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

/// What happens while a model is pulled.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// It is looked for there.
    Trying(&'a str),
    /// So much of the file is there.
    Received {
        /// Bytes so far.
        bytes: u64,
        /// Bytes of the whole file, where the server said it.
        total: Option<u64>,
    },
    /// An attempt failed, and the next one follows.
    Waiting {
        /// What went wrong.
        why: &'a str,
        /// After how long.
        pause: Duration,
    },
    /// The file is there, and looked at.
    Checking,
}

/// A model that is there.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// Its file.
    pub path: PathBuf,
    /// What was noted of it.
    pub download_record: DownloadRecord,
    /// Whether it was there before.
    pub already: bool,
}

/// Why a model could not be pulled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// It is nowhere to be had.
    #[error("{}", manual_instructions(name, failures, url, path))]
    AllSourcesFailed {
        /// The model.
        name: String,
        /// What went wrong at each place.
        failures: Vec<String>,
        /// Where it was published.
        url: String,
        /// Where it belongs.
        path: PathBuf,
    },
    /// Another program pulls it.
    #[error("{name}: another program is pulling it; its lock is {path}", path = .path.display())]
    Busy {
        /// The model.
        name: String,
        /// The lock.
        path: PathBuf,
    },
}

fn manual_instructions(name: &str, failures: &[String], url: &str, path: &Path) -> String {
    format!(
        "{name} could not be pulled:\n  {}\nfetch {url} by other means, then run\n  lorgnette models pull {name} --from FILE\n\
         or put the file at {}",
        failures.join("\n  "),
        path.display()
    )
}

/// Fetches a model into the home, or finds it there whole. `progress` hears what happens.
///
/// A download that is broken off, by whatever, is taken up again the next time.
///
/// # Errors
/// [`PullError`]; [`lorgnette_net::Error::Io`] where the home cannot be written, such as on a full
/// disk.
pub fn pull(
    entry: &Entry,
    model_store: &ModelStore,
    options: &PullOptions,
    progress: &mut dyn FnMut(Event<'_>),
) -> Result<Pulled> {
    let path = model_store.path(entry);
    let folder = path.parent().unwrap_or(model_store.folder());
    fs::create_dir_all(folder).map_err(|error| io_error(folder, error))?;
    let _lock = acquire_lock(entry, &with_suffix(&path, ".lock"))?;
    if let Some(download_record) = verify_installed(entry, model_store, progress)? {
        return Ok(Pulled { path, download_record, already: true });
    }
    let mut failures = Vec::new();
    for source in Source::all(entry, options) {
        progress(Event::Trying(source.display_name()));
        let mut fetch = Fetch { entry, model_store, options, path: &path, progress };
        match fetch.fetch(&source) {
            Ok(download_record) => return Ok(Pulled { path, download_record, already: false }),
            Err(FetchFailure::Local(error)) => return Err(error),
            Err(FetchFailure::Remote(what)) => {
                failures.push(format!("{}: {what}", source.display_name()))
            }
        }
    }
    let url = entry.addresses().swap_remove(0);
    Err(PullError::AllSourcesFailed { name: entry.name.clone(), failures, url, path }.into())
}

/// Whose fault it was.
enum FetchFailure {
    /// This machine's: another source does not help.
    Local(crate::Error),
    /// The source's.
    Remote(String),
}

struct Fetch<'a, 'b> {
    entry: &'a Entry,
    model_store: &'a ModelStore,
    options: &'a PullOptions,
    path: &'a Path,
    progress: &'b mut dyn FnMut(Event<'_>),
}

impl Fetch<'_, '_> {
    fn fetch(&mut self, source: &Source) -> Result<DownloadRecord, FetchFailure> {
        match source {
            Source::Url(url) => self.download(url),
            Source::File(file) => {
                let partial_file = PartialFile::new(&with_suffix(self.path, ".part"));
                partial_file.copy(file, self.progress)?;
                self.install(&partial_file, &file.display().to_string())
            }
        }
    }

    /// Downloads; what was put together of two downloads and is of no use is fetched once more, in
    /// one piece.
    fn download(&mut self, url: &str) -> Result<DownloadRecord, FetchFailure> {
        let partial_file = PartialFile::new(&with_suffix(self.path, ".part"));
        let expected = self.entry.published.bytes.or(self
            .model_store
            .download_record(self.entry)
            .map(|download_record| download_record.bytes));
        let resumed =
            Transfer::new(url, &partial_file, self.options, expected).run(self.progress)?;
        match self.install(&partial_file, url) {
            Err(FetchFailure::Remote(_)) if resumed => {
                Transfer::new(url, &partial_file, self.options, expected).run(self.progress)?;
                self.install(&partial_file, url)
            }
            installed => installed,
        }
    }

    /// Gives the file its name, if it is what it should be; else it is gone.
    fn install(
        &mut self,
        partial_file: &PartialFile,
        source: &str,
    ) -> Result<DownloadRecord, FetchFailure> {
        (self.progress)(Event::Checking);
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
        fs::rename(partial_file.path(), self.path)
            .map_err(|error| FetchFailure::Local(io_error(self.path, error)))?;
        partial_file.discard().map_err(FetchFailure::Local)?;
        Ok(download_record)
    }
}

/// The receipt of a model that is there and is what it was; one that was put there by hand gets its
/// receipt now.
fn verify_installed(
    entry: &Entry,
    model_store: &ModelStore,
    progress: &mut dyn FnMut(Event<'_>),
) -> Result<Option<DownloadRecord>> {
    let Some(path) = model_store.installed(entry) else { return Ok(None) };
    progress(Event::Checking);
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
    fs::write(&path, text).map_err(|error| io_error(&path, error))
}

/// Keeps other programs from pulling the same model; let go when it is dropped, or the program ends
/// however.
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
