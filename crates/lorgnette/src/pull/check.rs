//! Whether a file is the model that was asked for.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use lorgnette_net::weights::archive::Cache;
use lorgnette_net::weights::{Weights, archive};
use sha2::{Digest as _, Sha256};

use crate::catalogue::{Entry, averaged};
use crate::error::Result;
use crate::home::{Home, Receipt, refused};

/// Size and digest of a file.
pub(super) fn receipt(path: &Path, source: &str) -> Result<Receipt> {
    let mut digest = Sha256::new();
    let mut bytes = 0;
    let mut piece = vec![0; 1 << 18];
    let mut file = File::open(path).map_err(|error| refused(path, error))?;
    loop {
        let length = file.read(&mut piece).map_err(|error| refused(path, error))?;
        if length == 0 {
            break;
        }
        digest.update(&piece[..length]);
        bytes += length as u64;
    }
    let sha256 = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let pulled = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(Receipt { source: source.to_owned(), bytes, sha256, pulled })
}

/// Whether a file has the size and digest that are known of it.
pub(super) fn known(entry: &Entry, noted: Option<&Receipt>, found: &Receipt) -> Result<(), String> {
    if let Some(bytes) = entry.published.bytes.filter(|&bytes| bytes != found.bytes) {
        return Err(format!("{} bytes, but the published file has {bytes}", found.bytes));
    }
    match noted {
        Some(noted) if noted.sha256 != found.sha256 => Err(format!(
            "SHA-256 {}, but the file that was pulled before had {}; if that was the wrong one, \
             `lorgnette models remove {}` forgets it",
            found.sha256, noted.sha256, entry.name
        )),
        _ => Ok(()),
    }
}

/// Whether the beginning of a file is an archive's.
pub(super) fn beginning(start: &[u8]) -> Result<(), String> {
    if archive::ArchiveKind::from_magic(start).is_some() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(start).trim_start().to_ascii_lowercase();
    Err(match text.starts_with('<') {
        true => "an HTML page, not an archive: somebody answers in the server's place, or the file is gone".into(),
        false => "not an archive: it is neither gzip, tar nor zip".into(),
    })
}

/// Whether an archive is whole and has the network's variables. It is unpacked for that, and every
/// variable read.
pub(super) fn network(entry: &Entry, home: &Home, path: &Path) -> Result<(), String> {
    let built = built(entry, home, path);
    // It gets another name now, under which it is unpacked when it is used.
    let _ = Cache::new(home.folder()).remove(path);
    built.map_err(|error| format!("not {}: {error}", entry.name))
}

fn built(entry: &Entry, home: &Home, path: &Path) -> lorgnette_net::Result<()> {
    let weights = match Weights::open_archived(path, home.folder()) {
        Err(error) => Weights::open_archived(averaged(error)?, home.folder())?,
        Ok(weights) => weights,
    };
    entry.net.build_published(entry.published, &weights, None).map(drop)
}
