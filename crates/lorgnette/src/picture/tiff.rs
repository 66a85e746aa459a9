//! Checks a TIFF's directory.
//!
//! The crate's decoder allocates as many values as a directory entry states, up to 256 MiB, before
//! it checks the file's length and any limit.

use super::PictureError;
use super::open::Source;

/// Bytes of an entry: tag, type, count, and the values or their offset.
const ENTRY: usize = 12;

/// Rejects a first directory with an entry of more values than the file has bytes for.
pub(super) fn check_directory(source: &Source<'_>) -> Result<(), PictureError> {
    let file = Words { bytes: source.bytes, little: source.bytes.starts_with(b"II") };
    let Some((start, entries)) =
        file.long(4).and_then(|start| Some((start as usize, file.short(start as usize)?)))
    else {
        return Ok(());
    };
    for at in (0..usize::from(entries)).map(|i| start + 2 + ENTRY * i) {
        let (Some(entry_type), Some(count)) = (file.short(at + 2), file.long(at + 4)) else {
            break;
        };
        if u64::from(count) * value_size(entry_type) > source.bytes.len() as u64 {
            return Err(source.damaged(format!(
                "an entry of its directory counts {count} values, more than it can hold"
            )));
        }
    }
    Ok(())
}

/// Bytes of one value by its type; at least one for an unknown type.
fn value_size(entry_type: u16) -> u64 {
    match entry_type {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => 1,
    }
}

/// Integers in the file's byte order.
struct Words<'a> {
    bytes: &'a [u8],
    little: bool,
}

impl Words<'_> {
    fn short(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn long(&self, at: usize) -> Option<u32> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }
}
