//! Verification of downloaded models.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use lorgnette_net::weights::archive::Cache;
use lorgnette_net::weights::{Weights, archive};
use sha2::{Digest as _, Sha256};

use crate::catalogue::Entry;
use crate::catalogue::open::ema_checkpoint;
use crate::error::{Result, io_error};
use crate::model_store::{DownloadRecord, ModelStore};

/// Computes the size and digest of a file.
pub(super) fn compute_record(path: &Path, source: &str) -> Result<DownloadRecord> {
    let mut digest = Sha256::new();
    let mut bytes = 0;
    let mut buffer = vec![0; 1 << 18];
    let mut file = File::open(path).map_err(|error| io_error(path, error))?;
    loop {
        let length = file.read(&mut buffer).map_err(|error| io_error(path, error))?;
        if length == 0 {
            break;
        }
        digest.update(&buffer[..length]);
        bytes += length as u64;
    }
    let sha256 = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let pulled = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(DownloadRecord { source: source.to_owned(), bytes, sha256, pulled })
}

/// Compares size and digest with the known ones.
pub(super) fn check_known(
    entry: &Entry,
    recorded: Option<&DownloadRecord>,
    computed: &DownloadRecord,
) -> Result<(), String> {
    if let Some(bytes) = entry.published.bytes.filter(|&bytes| bytes != computed.bytes) {
        return Err(format!("{} bytes, but the published file has {bytes}", computed.bytes));
    }
    match recorded {
        Some(recorded) if recorded.sha256 != computed.sha256 => Err(format!(
            "SHA-256 {}, but the file that was pulled before had {}; if that was the wrong one, \
             remove {} first",
            computed.sha256, recorded.sha256, entry.name
        )),
        _ => Ok(()),
    }
}

/// Checks the magic bytes of an archive.
pub(super) fn check_magic(start: &[u8]) -> Result<(), String> {
    if archive::ArchiveKind::from_magic(start).is_some() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(start).trim_start().to_ascii_lowercase();
    Err(match text.starts_with('<') {
        true => "an HTML page, not an archive: something answers in the server's place, or the \
                 file is gone"
            .into(),
        false => "not an archive: it is neither gzip, tar nor zip".into(),
    })
}

/// Verifies that an archive is complete and has the network's variables, by unpacking it and
/// reading every variable.
pub(super) fn check_network(
    entry: &Entry,
    model_store: &ModelStore,
    path: &Path,
) -> Result<(), String> {
    let build_network = build_network(entry, model_store, path);
    // It is renamed now, and unpacked under its final name when it is used.
    let _ = Cache::new(model_store.folder()).remove(path);
    build_network.map_err(|error| format!("not {}: {error}", entry.name))
}

fn build_network(
    entry: &Entry,
    model_store: &ModelStore,
    path: &Path,
) -> lorgnette_net::Result<()> {
    let weights = match Weights::open_archived(path, model_store.folder()) {
        Err(error) => Weights::open_archived(ema_checkpoint(error)?, model_store.folder())?,
        Ok(weights) => weights,
    };
    entry.net.build_published(entry.published, &weights, None).map(drop)
}
