//! The checksums of a plan file's weights, computed beside the first run.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::file::MappedFile;

/// Packed weights in the file, and their checksum.
#[derive(Debug)]
pub(super) struct Checked {
    /// The filter's name.
    pub(super) filter: String,
    pub(super) bytes: Bytes,
    /// CRC-32C.
    pub(super) checksum: u32,
}

/// The state of an open plan file. Weights are used where they are mapped, so answers are to be
/// trusted only if it is intact after they are computed.
#[derive(Debug)]
pub(crate) struct PlanFileIntegrity {
    path: PathBuf,
    file: MappedFile,
    /// The thread that computes checksums, until it is waited for.
    thread: Mutex<Option<JoinHandle<Option<String>>>>,
    /// The filter whose weights are damaged, if any.
    damaged: OnceLock<Option<String>>,
}

impl PlanFileIntegrity {
    /// Begins to compute the checksums on a thread of its own: reading all weights once more takes
    /// a tenth of the first run, and a core is idle while the graph is planned.
    pub(super) fn start(path: PathBuf, file: MappedFile, weights: Vec<Checked>) -> Arc<Self> {
        let weights = Arc::new(weights);
        let of_thread = weights.clone();
        let verify = move || damaged(&of_thread);
        let spawned = thread::Builder::new().name("checksums".into()).spawn(verify);
        let (thread, found) = match spawned {
            Ok(thread) => (Some(thread), OnceLock::new()),
            Err(_) => (None, OnceLock::from(damaged(&weights))),
        };
        Arc::new(Self { path, file, thread: Mutex::new(thread), damaged: found })
    }

    /// Checks that the weights are those that were written, and that nobody has written to the file
    /// since it was opened. Waits for the checksums at the first call.
    ///
    /// # Errors
    /// [`Error::Format`] if not.
    pub(crate) fn check(&self) -> Result<()> {
        let damaged = self.damaged.get_or_init(|| {
            let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
            let thread = thread.take().expect("it is waited for once");
            thread.join().unwrap_or_else(|_| Some("unknown".into()))
        });
        match damaged {
            Some(filter) => Err(Error::Format {
                path: self.path.clone(),
                what: format!(
                    "a damaged plan file: the checksum of the weights of '{filter}' does not \
                     match; convert the model again"
                ),
            }),
            None => self.file.check_unchanged(),
        }
    }
}

/// Returns the filter of the first weights whose checksum does not match.
fn damaged(weights: &[Checked]) -> Option<String> {
    let differs = |checked: &&Checked| crc32c::crc32c(&checked.bytes) != checked.checksum;
    weights.iter().find(differs).map(|checked| checked.filter.clone())
}
