//! Reads tar files: POSIX `ustar` and `pax`, and GNU's.
//!
//! The crate decodes headers. Long names, which it would read into memory at any length, are read
//! here with a limit.

use std::io::Read;

use ::tar::{Archive, Entry, PaxExtensions};

use super::Visit;

/// The maximum length of an extension header, which holds a name and other metadata of the next
/// file.
const MAX_EXTENSION_BYTES: u64 = 64 << 10;

/// The maximum number of entries, including folders and metadata; a checkpoint has about five.
const MAX_ENTRIES: usize = 100_000;

/// Returns whether a file begins with a tar's header, whose checksum is right.
pub(super) fn is_tar(file: impl Read) -> bool {
    /// Position and length of the checksum, which counts as spaces.
    const CHECKSUM: std::ops::Range<usize> = 148..156;
    let mut header = Vec::new();
    if file.take(512).read_to_end(&mut header).is_err() || header.len() < 512 {
        return false;
    }
    let digits = String::from_utf8_lossy(&header[CHECKSUM]);
    let digits = digits.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    let spaces = u32::from(b' ') * CHECKSUM.len() as u32;
    let others = header.iter().enumerate().filter(|(at, _)| !CHECKSUM.contains(at));
    let sum = spaces + others.map(|(_, &byte)| u32::from(byte)).sum::<u32>();
    // An empty archive has zeros only.
    u32::from_str_radix(digits, 8) == Ok(sum) || header.iter().all(|&byte| byte == 0)
}

/// Calls `visit` with each file. Folders are skipped, because files name theirs; links and devices
/// are refused.
pub(super) fn each(archive: impl Read, visit: &mut Visit<'_>) -> Result<(), String> {
    let damaged = |_: std::io::Error| "a damaged tar archive: get another copy of it".to_owned();
    let mut archive = Archive::new(archive);
    let mut long_name = None;
    for (index, entry) in archive.entries().map_err(damaged)?.raw(true).enumerate() {
        if index >= MAX_ENTRIES {
            return Err(format!("the archive has more than {MAX_ENTRIES} entries: refused"));
        }
        let mut entry = entry.map_err(damaged)?;
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            continue;
        }
        if kind.is_gnu_longname() {
            long_name = Some(until_zero(extension(&mut entry)?));
        } else if kind.is_pax_local_extensions() {
            long_name = pax_name(&extension(&mut entry)?)?.or(long_name);
        } else {
            let name = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
            match kind {
                _ if kind.is_dir() => {}
                _ if kind.is_file() || kind.is_contiguous() => {
                    visit_file(&name, &mut entry, visit)?;
                }
                _ => {
                    return Err(format!(
                        "'{}' in the archive is a link or a device: refused",
                        name.escape_ascii()
                    ));
                }
            }
        }
    }
    Ok(())
}

fn visit_file<R: Read>(
    name: &[u8],
    entry: &mut Entry<'_, R>,
    visit: &mut Visit<'_>,
) -> Result<(), String> {
    let size = entry
        .header()
        .size()
        .map_err(|_| format!("'{}' in the archive: its size is no number", name.escape_ascii()))?;
    visit(name, size, entry)
}

fn extension(entry: &mut impl Read) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    entry
        .take(MAX_EXTENSION_BYTES + 1)
        .read_to_end(&mut content)
        .map_err(|_| "a damaged tar archive: get another copy of it")?;
    if content.len() as u64 > MAX_EXTENSION_BYTES {
        return Err("the archive has a name of over 64 KiB: refused".into());
    }
    Ok(content)
}

/// Returns the name in a `pax` header. A header that changes the file's length (over 8 GiB, or
/// sparse) is refused.
fn pax_name(content: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut name = None;
    for extension in PaxExtensions::new(content) {
        let extension = extension.map_err(|e| format!("a damaged tar: {e}"))?;
        match extension.key_bytes() {
            b"path" => name = Some(extension.value_bytes().to_vec()),
            key if key == b"size" || key.starts_with(b"GNU.sparse") => {
                return Err("the archive has a sparse file, or one of over 8 GiB: refused".into());
            }
            _ => {}
        }
    }
    Ok(name)
}

fn until_zero(mut name: Vec<u8>) -> Vec<u8> {
    name.truncate(name.iter().position(|&byte| byte == 0).unwrap_or(name.len()));
    name
}
