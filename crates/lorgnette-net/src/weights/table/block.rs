//! One block of a table: sorted keys and their values.
//!
//! An entry is three varints (the number of bytes its key shares with the previous key, the number
//! it adds, the length of its value), then the added bytes and the value. Entries at restart points
//! share nothing. The positions of the restart points are at the block's end as 32-bit numbers,
//! followed by their count.
//!
//! Restart points must be in order, and no entry may reach beyond the next one: no byte of a block
//! then belongs to two values, and all values together are no longer than the block.

use std::ops::Range;

use bytes::Bytes;

use crate::weights::varint;

/// A block whose restart points are in order and within the entries.
pub(super) struct Block {
    content: Bytes,
    /// The end of the entries and start of the restart points.
    end: usize,
}

impl Block {
    pub(super) fn new(content: Bytes) -> Result<Self, String> {
        let end = entries_end(&content).ok_or("its restart points are longer than the block")?;
        let block = Self { content, end };
        let offsets = || (0..block.restarts()).map(|index| block.restart(index));
        let par_map_ordered = offsets().zip(offsets().skip(1)).all(|(one, next)| one < next);
        let within = offsets().next_back().is_none_or(|last| last <= end);
        if par_map_ordered && within {
            Ok(block)
        } else {
            Err("its restart points are not in order".into())
        }
    }

    /// Calls `visit` with every key and value; keys must be in order.
    pub(super) fn each(
        &self,
        mut visit: impl FnMut(&[u8], Bytes) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut cursor = Cursor { block: self, at: 0, end: self.end, key: Vec::new() };
        let mut before = None;
        while let Some(value) = cursor.next()? {
            if before.is_some_and(|before: Vec<u8>| before >= cursor.key) {
                return Err("its keys are not in order".into());
            }
            visit(&cursor.key, self.content.slice(value))?;
            before = Some(cursor.key.clone());
        }
        Ok(())
    }

    /// Returns the value of a key, searching from the last restart point that is not after it.
    pub(super) fn find(&self, key: &[u8]) -> Result<Option<Bytes>, String> {
        let mut cursor = self.cursor_before(key)?;
        while let Some(value) = cursor.next()? {
            match cursor.key.as_slice().cmp(key) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Ok(Some(self.content.slice(value))),
                std::cmp::Ordering::Greater => break,
            }
        }
        Ok(None)
    }

    fn cursor_before(&self, key: &[u8]) -> Result<Cursor<'_>, String> {
        let (mut low, mut high) = (0, self.restarts());
        while high - low > 1 {
            let middle = low.midpoint(high);
            let mut cursor = self.cursor_at(middle);
            match cursor.next()? {
                Some(_) if cursor.key.as_slice() <= key => low = middle,
                _ => high = middle,
            }
        }
        Ok(self.cursor_at(low))
    }

    fn restarts(&self) -> usize {
        (self.content.len() - self.end) / 4 - 1
    }

    fn restart(&self, index: usize) -> usize {
        number(&self.content, self.end + 4 * index).expect("there are as many as that")
    }

    /// Returns a cursor over the entries from one restart point to the next.
    fn cursor_at(&self, index: usize) -> Cursor<'_> {
        let offset = |index| if index < self.restarts() { self.restart(index) } else { self.end };
        Cursor { block: self, at: offset(index), end: offset(index + 1), key: Vec::new() }
    }
}

fn entries_end(content: &[u8]) -> Option<usize> {
    let restarts = number(content, content.len().checked_sub(4)?)?;
    content.len().checked_sub(4usize.checked_mul(restarts.checked_add(1)?)?)
}

fn number(content: &[u8], at: usize) -> Option<usize> {
    let bytes = content.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
}

/// A position among the entries, and the previous entry's key.
struct Cursor<'a> {
    block: &'a Block,
    at: usize,
    end: usize,
    key: Vec<u8>,
}

impl Cursor<'_> {
    /// Returns the range of the next entry's value; [`Cursor::key`] is then its key.
    fn next(&mut self) -> Result<Option<Range<usize>>, String> {
        if self.at >= self.end {
            return Ok(None);
        }
        let value = self
            .entry()
            .ok_or_else(|| format!("its entry at byte {} is longer than the block", self.at))?;
        self.at = value.end;
        Ok(Some(value))
    }

    fn entry(&mut self) -> Option<Range<usize>> {
        let mut rest = &self.block.content[self.at..self.end];
        let mut length = || varint::take(&mut rest).and_then(|length| usize::try_from(length).ok());
        let (shared, added, value) = (length()?, length()?, length()?);
        let added = rest.get(..added)?;
        let start = self.end - rest.len() + added.len();
        let end = start.checked_add(value).filter(|&end| end <= self.end)?;
        if shared > self.key.len() {
            return None;
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(added);
        Some(start..end)
    }
}
