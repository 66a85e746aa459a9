//! Fetching published models into the model home.
//!
//! ```text
//! addresses, mirrors, files (source) ─▶ FILE.part, resumed (transfer, over http) ─▶ looked at (check) ─▶ FILE, its receipt
//! ```
//! Nothing gets its final name before it was opened and found to be the network that was asked for.

mod check;
mod http;
mod part;
mod proxy;
mod source;
mod transfer;

pub use proxy::Proxies;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::catalogue::Entry;
use crate::error::Result;
use crate::home::{Home, Receipt, refused, with_ending};

use self::part::Part;
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
    pub patience: Patience,
    /// Most bytes to take of a file whose size is not known.
    pub most_bytes: u64,
}

/// How long servers are waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the next bytes.
    pub stall: Duration,
    /// How many attempts in a row may bring nothing new.
    pub attempts: u32,
    /// Between the first attempt and the second; twice as long each time after that.
    pub pause: Duration,
}

impl Default for Patience {
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
            patience: Patience::default(),
            most_bytes: 4 << 30,
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
    pub receipt: Receipt,
    /// Whether it was there before.
    pub already: bool,
}

/// Why a model could not be pulled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// It is nowhere to be had.
    #[error("{}", by_hand(name, failures, url, path))]
    Nowhere {
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

fn by_hand(name: &str, failures: &[String], url: &str, path: &Path) -> String {
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
    home: &Home,
    options: &PullOptions,
    progress: &mut dyn FnMut(Event<'_>),
) -> Result<Pulled> {
    let path = home.path(entry);
    let folder = path.parent().unwrap_or(home.folder());
    fs::create_dir_all(folder).map_err(|error| refused(folder, error))?;
    let _lock = locked(entry, &with_ending(&path, ".lock"))?;
    if let Some(receipt) = whole(entry, home, progress)? {
        return Ok(Pulled { path, receipt, already: true });
    }
    let mut failures = Vec::new();
    for source in Source::all(entry, options) {
        progress(Event::Trying(source.shown()));
        let mut fetching = Fetching { entry, home, options, path: &path, progress };
        match fetching.fetch(&source) {
            Ok(receipt) => return Ok(Pulled { path, receipt, already: false }),
            Err(Failure::Here(error)) => return Err(error),
            Err(Failure::There(what)) => failures.push(format!("{}: {what}", source.shown())),
        }
    }
    let url = entry.addresses().swap_remove(0);
    Err(PullError::Nowhere { name: entry.name.clone(), failures, url, path }.into())
}

/// Whose fault it was.
enum Failure {
    /// This machine's: another source does not help.
    Here(crate::Error),
    /// The source's.
    There(String),
}

struct Fetching<'a, 'b> {
    entry: &'a Entry,
    home: &'a Home,
    options: &'a PullOptions,
    path: &'a Path,
    progress: &'b mut dyn FnMut(Event<'_>),
}

impl Fetching<'_, '_> {
    fn fetch(&mut self, source: &Source) -> Result<Receipt, Failure> {
        match source {
            Source::Url(url) => self.download(url),
            Source::File(file) => {
                let part = Part::at(&with_ending(self.path, ".part"));
                part.copy(file, self.progress)?;
                self.install(&part, &file.display().to_string())
            }
        }
    }

    /// Downloads; what was put together of two downloads and is of no use is fetched once more, in
    /// one piece.
    fn download(&mut self, url: &str) -> Result<Receipt, Failure> {
        let part = Part::at(&with_ending(self.path, ".part"));
        let known = self
            .entry
            .published
            .bytes
            .or(self.home.receipt(self.entry).map(|receipt| receipt.bytes));
        let resumed = Transfer::new(url, &part, self.options, known).run(self.progress)?;
        match self.install(&part, url) {
            Err(Failure::There(_)) if resumed => {
                Transfer::new(url, &part, self.options, known).run(self.progress)?;
                self.install(&part, url)
            }
            installed => installed,
        }
    }

    /// Gives the file its name, if it is what it should be; else it is gone.
    fn install(&mut self, part: &Part, source: &str) -> Result<Receipt, Failure> {
        (self.progress)(Event::Checking);
        let known = self.home.receipt(self.entry);
        let checked =
            check::receipt(part.path(), source).map_err(Failure::Here).and_then(|receipt| {
                check::known(self.entry, known.as_ref(), &receipt).map_err(Failure::There)?;
                check::network(self.entry, self.home, part.path()).map_err(Failure::There)?;
                Ok(receipt)
            });
        let receipt = match checked {
            Ok(receipt) => receipt,
            Err(failure) => {
                part.discard().map_err(Failure::Here)?;
                return Err(failure);
            }
        };
        write_receipt(self.path, &receipt).map_err(Failure::Here)?;
        fs::rename(part.path(), self.path)
            .map_err(|error| Failure::Here(refused(self.path, error)))?;
        part.discard().map_err(Failure::Here)?;
        Ok(receipt)
    }
}

/// The receipt of a model that is there and is what it was; one that was put there by hand gets its
/// receipt now.
fn whole(
    entry: &Entry,
    home: &Home,
    progress: &mut dyn FnMut(Event<'_>),
) -> Result<Option<Receipt>> {
    let Some(path) = home.installed(entry) else { return Ok(None) };
    progress(Event::Checking);
    let found = check::receipt(&path, &path.display().to_string())?;
    match home.receipt(entry) {
        Some(noted) => Ok((noted.sha256 == found.sha256).then_some(noted)),
        None if check::network(entry, home, &path).is_err() => Ok(None),
        None => write_receipt(&path, &found).map(|()| Some(found)),
    }
}

fn write_receipt(path: &Path, receipt: &Receipt) -> Result<()> {
    let path = with_ending(path, ".json");
    let text = serde_json::to_vec_pretty(receipt).map_err(|error| refused(&path, error.into()))?;
    fs::write(&path, text).map_err(|error| refused(&path, error))
}

/// Keeps other programs from pulling the same model; let go when it is dropped, or the program ends
/// however.
fn locked(entry: &Entry, path: &Path) -> Result<File> {
    let file = File::create(path).map_err(|error| refused(path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(PullError::Busy { name: entry.name.clone(), path: path.into() }.into())
        }
        Err(TryLockError::Error(error)) => Err(refused(path, error)),
    }
}
