//! Directories of TIFF files and of the raw files that are built like them.

use image::metadata::Orientation;

use super::PictureError;
use super::open::Source;

mod fax;
pub(super) mod pixels;

/// Maximum entries of a directory; files have a few dozen.
const MAX_ENTRIES: u64 = 4096;
const ORIENTATION: u16 = 274;
const FILL_ORDER: u16 = 266;
const SAMPLES_PER_PIXEL: u16 = 277;
const PLANAR_CONFIGURATION: u16 = 284;
const TILE_WIDTH: u16 = 322;

/// A TIFF, BigTIFF, or raw file of a camera.
#[derive(Clone, Copy, Debug)]
pub(super) struct TiffFile<'a> {
    pub(super) bytes: &'a [u8],
    little_endian: bool,
    /// Offsets and counts of 64 bits.
    big: bool,
}

/// A directory: the tags of a picture.
#[derive(Clone, Debug)]
pub(super) struct Directory<'a> {
    file: TiffFile<'a>,
    entries: Vec<Entry>,
    /// Offset of the next directory, 0 if there is none.
    pub(super) next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    /// Offset of the values.
    values: usize,
}

impl<'a> TiffFile<'a> {
    /// Returns the file, if it begins as one does.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let little_endian = match bytes.get(..2)? {
            b"II" => true,
            b"MM" => false,
            _ => return None,
        };
        let file = Self { bytes, little_endian, big: false };
        // 42; of BigTIFF 43; of Panasonic 85; of Olympus the letters RO or RS.
        match file.number(2, 2)? {
            42 | 85 | 0x4f52 | 0x5352 => Some(file),
            43 => Some(Self { big: true, ..file }),
            _ => None,
        }
    }

    /// Returns the first directory.
    pub(super) fn first(&self) -> Option<Directory<'a>> {
        let (offset, size) = if self.big { (8, 8) } else { (4, 4) };
        self.directory(self.number(offset, size)?)
    }

    /// Returns the directory at an offset.
    pub(super) fn directory(&self, offset: u64) -> Option<Directory<'a>> {
        let offset = usize::try_from(offset).ok()?;
        let (count_size, entry_size, word) = if self.big { (8, 20, 8) } else { (2, 12, 4) };
        let count = self.number(offset, count_size)?;
        let start = offset.checked_add(count_size)?;
        if count > MAX_ENTRIES {
            return None;
        }
        let entry = |number: usize| {
            let at = start + entry_size * number;
            let (tag, kind) = (self.number(at, 2)? as u16, self.number(at + 2, 2)? as u16);
            let count = self.number(at + 4, word)?;
            let in_place = count.checked_mul(value_size(kind))? <= word as u64;
            let value_at = at + 4 + word;
            let values = match in_place {
                true => value_at,
                false => usize::try_from(self.number(value_at, word)?).ok()?,
            };
            Some(Entry { tag, kind, count, values })
        };
        let entries = (0..count as usize).filter_map(entry).collect();
        let next = self.number(start + entry_size * count as usize, word).unwrap_or(0);
        Some(Directory { file: *self, entries, next })
    }

    /// Returns an integer of 1, 2, 4 or 8 bytes.
    fn number(&self, at: usize, size: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        let fold = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
        Some(match self.little_endian {
            true => bytes.iter().rev().fold(0, fold),
            false => bytes.iter().fold(0, fold),
        })
    }
}

impl<'a> Directory<'a> {
    /// Returns the integers of a tag; `None` if it is missing, or has more than the file.
    pub(super) fn numbers(&self, tag: u16) -> Option<Vec<u64>> {
        let entry = self.entries.iter().find(|entry| entry.tag == tag)?;
        let size = value_size(entry.kind);
        if entry.count.checked_mul(size)? > self.file.bytes.len() as u64 {
            return None;
        }
        let number = |i: u64| self.file.number(entry.values + (i * size) as usize, size as usize);
        (0..entry.count).map(number).collect()
    }

    /// Returns the first integer of a tag.
    pub(super) fn number(&self, tag: u16) -> Option<u64> {
        self.numbers(tag)?.first().copied()
    }

    /// Returns the bytes of a tag.
    pub(super) fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        let entry = self.entries.iter().find(|entry| entry.tag == tag)?;
        let length = usize::try_from(entry.count.checked_mul(value_size(entry.kind))?).ok()?;
        self.file.bytes.get(entry.values..entry.values.checked_add(length)?)
    }

    /// Returns whether the directory has a tag.
    pub(super) fn has(&self, tag: u16) -> bool {
        self.entries.iter().any(|entry| entry.tag == tag)
    }

    /// Returns whether the picture is tiles, each of one sample of its pixels.
    pub(super) fn has_tiles_of_planes(&self) -> bool {
        self.number(PLANAR_CONFIGURATION) == Some(2)
            && self.has(TILE_WIDTH)
            && self.number(SAMPLES_PER_PIXEL).is_some_and(|samples| samples > 1)
    }

    /// Returns whether the first bit of each byte is the lowest.
    pub(super) fn has_reversed_bits(&self) -> bool {
        self.number(FILL_ORDER) == Some(2)
    }

    /// Returns whether an entry states more values than the file has bytes.
    fn overstates(&self) -> bool {
        let length = self.file.bytes.len() as u64;
        let too_long = |entry: &Entry| {
            entry.count.checked_mul(value_size(entry.kind)).is_none_or(|size| size > length)
        };
        self.entries.iter().any(too_long)
    }
}

/// Returns the orientation that a directory states.
pub(super) fn orientation(directory: &Directory<'_>) -> Option<Orientation> {
    let number = directory.number(ORIENTATION)?;
    Orientation::from_exif(u8::try_from(number).ok()?)
}

/// Rejects a first directory with an entry of more values than the file has bytes for. The crate's
/// decoder allocates as many values as a directory entry states, up to 256 MiB, before it checks
/// the file's length and any limit.
pub(super) fn check_directory(source: &Source<'_>) -> Result<(), PictureError> {
    let directory = TiffFile::new(source.bytes).and_then(|file| file.first());
    if directory.is_some_and(|directory| directory.overstates()) {
        return Err(source.damaged("an entry of its directory counts more values than it can hold"));
    }
    Ok(())
}

/// Bytes of one value by its type; at least one for an unknown type.
fn value_size(kind: u16) -> u64 {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => 1,
    }
}
