//! Reads a TIFF directory, as EXIF has it.

use super::kind;

/// Place and byte order of a directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Directory {
    big_endian: bool,
    /// Offset of its entries, twelve bytes each.
    entries: usize,
    count: usize,
}

impl Directory {
    /// Reads the first directory of a block that begins with a TIFF header.
    pub(super) fn first(block: &[u8]) -> Option<Self> {
        let big_endian = match block.get(..4)? {
            b"II\x2a\0" => false,
            b"MM\0\x2a" => true,
            _ => return None,
        };
        let start = Self { big_endian, entries: 0, count: 0 };
        start.at(block, start.long(block, 4)? as usize)
    }

    /// Reads another directory of the same block.
    pub(super) fn at(&self, block: &[u8], offset: usize) -> Option<Self> {
        let count = usize::from(self.short(block, offset)?);
        let entries = offset.checked_add(2)?;
        block.get(entries..entries + 12 * count)?;
        Some(Self { entries, count, ..*self })
    }

    /// An integer.
    pub(super) fn number(&self, block: &[u8], tag: u16) -> Option<u32> {
        let entry = self.entry(block, tag)?;
        match self.short(block, entry + 2)? {
            kind::SHORT => self.short(block, entry + 8).map(u32::from),
            kind::LONG => self.long(block, entry + 8),
            _ => None,
        }
    }

    /// A fraction of integers.
    pub(super) fn rational(&self, block: &[u8], tag: u16) -> Option<(u32, u32)> {
        let entry = self.entry(block, tag)?;
        if self.short(block, entry + 2)? != kind::RATIONAL {
            return None;
        }
        let at = self.long(block, entry + 8)? as usize;
        Some((self.long(block, at)?, self.long(block, at.checked_add(4)?)?))
    }

    /// Bytes or letters, more than four.
    pub(super) fn bytes<'a>(&self, block: &'a [u8], tag: u16) -> Option<&'a [u8]> {
        let entry = self.entry(block, tag)?;
        let is_bytes = matches!(self.short(block, entry + 2)?, 1 | kind::ASCII | 7);
        let length = self.long(block, entry + 4)? as usize;
        if !is_bytes || length <= 4 {
            return None;
        }
        let at = self.long(block, entry + 8)? as usize;
        block.get(at..at.checked_add(length)?)
    }

    /// Offset of the entry of a tag.
    fn entry(&self, block: &[u8], tag: u16) -> Option<usize> {
        let mut entries = (0..self.count).map(|number| self.entries + 12 * number);
        entries.find(|&at| self.short(block, at) == Some(tag))
    }

    fn short(&self, block: &[u8], at: usize) -> Option<u16> {
        let bytes = *block.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn long(&self, block: &[u8], at: usize) -> Option<u32> {
        let bytes = *block.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }
}
