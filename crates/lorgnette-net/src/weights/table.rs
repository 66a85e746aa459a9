//! Sorted tables of keys and values: LevelDB's format, as TensorFlow reads and writes it
//! (`tensorflow/core/lib/io/{format,table,table_builder}.cc`; described in LevelDB's
//! `doc/table_format.md`).
//!
//! ```text
//! data blocks … │ metaindex block │ index block │ footer
//! block:  entries and restart points (block.rs) │ 1 byte: 0 plain, 1 snappy
//!         │ 4 bytes: checksum of all before
//! footer: 48 bytes: where the metaindex and the index block are, zeros, magic number
//! ```
//! The index has, for each data block, a key that is not less than any key of the block, and the
//! block's position and size.

mod block;
mod writer;

pub(super) use writer::TableWriter;

use std::ops::Range;
use std::sync::{Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use self::block::Block;
use super::varint;
use crate::checksum;
use crate::file::MappedFile;

const FOOTER: usize = 48;
const MAGIC: [u8; 8] = 0xdb47_7524_8b80_fb57_u64.to_le_bytes();
const TRAILER: usize = 5;
/// The compression types, as stored in a trailer's first byte.
const PLAIN: u8 = 0;
const SNAPPY: u8 = 1;

/// Snappy's densest element expands 3 bytes to 64; a valid length does not exceed this ratio
/// (<https://github.com/google/snappy/blob/main/format_description.txt>).
const MAX_SNAPPY_RATIO: usize = 22;

/// Keys share prefixes, so the keys may be longer than the file. This is the maximum ratio.
const MAX_KEY_RATIO: usize = 64;

/// Returns true if a file that ends in these bytes is a table.
pub(super) fn is_table(end: &[u8]) -> bool {
    end.ends_with(&MAGIC)
}

/// A table whose index is verified; data blocks are verified at their first use.
#[derive(Debug)]
pub(super) struct Table {
    file: MappedFile,
    blocks: Vec<DataBlock>,
    /// The block that was decompressed last: adjacent keys are read in sequence.
    last_decompressed: Mutex<Option<(usize, Bytes)>>,
}

#[derive(Debug)]
struct DataBlock {
    last_key: Vec<u8>,
    range: Range<usize>,
    /// The verified content; only of uncompressed blocks, for which it takes no memory.
    verified: OnceLock<Bytes>,
}

impl Table {
    /// Reads and verifies the footer and the index.
    pub(super) fn open(file: impl Into<MappedFile>) -> Result<Self, String> {
        let file = file.into();
        let index = index_range(file.bytes())?;
        let content = read_block(file.bytes(), &index)
            .map_err(|what| format!("the table's index: {what}"))?
            .content();
        let blocks = data_blocks(content, index.start)
            .map_err(|what| format!("the table's index: {what}"))?;
        Ok(Self { file, blocks, last_decompressed: Mutex::new(None) })
    }

    /// Returns the value of a key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, String> {
        let at = self.blocks.partition_point(|block| block.last_key.as_slice() < key);
        if at == self.blocks.len() {
            return Ok(None);
        }
        let found = self.content(at).and_then(Block::new).and_then(|block| block.find(key));
        found.map_err(|what| self.in_block(at, &what))
    }

    /// Returns the value of a key in place, if its block is neither compressed nor verified yet.
    pub(super) fn get_unverified(&self, key: &[u8]) -> Option<Unverified> {
        let at = self.blocks.partition_point(|block| block.last_key.as_slice() < key);
        let DataBlock { range, verified, .. } = self.blocks.get(at)?;
        let bytes = self.file.bytes();
        if verified.get().is_some() || bytes[range.end] != PLAIN {
            return None;
        }
        let value =
            Block::new(bytes.slice(range.clone())).and_then(|block| block.find(key)).ok()??;
        let checked = bytes.slice(range.start..=range.end);
        Some(Unverified {
            file: self.file.clone(),
            value,
            checked,
            stored: stored_checksum(bytes, range),
        })
    }

    /// Calls `visit` with every key and value, in order.
    pub(super) fn each(
        &self,
        mut visit: impl FnMut(&[u8], Bytes) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut key_budget = KeyBudget::new(self.file.bytes().len());
        for at in 0..self.blocks.len() {
            let block = self.content(at).and_then(Block::new);
            let visited = block.and_then(|block| {
                block.each(|key, value| {
                    key_budget.take(key.len())?;
                    visit(key, value)
                })
            });
            visited.map_err(|what| self.in_block(at, &what))?;
        }
        Ok(())
    }

    fn in_block(&self, at: usize, what: &str) -> String {
        let range = &self.blocks[at].range;
        format!("the table's block of bytes {} to {}: {what}", range.start, range.end)
    }

    fn content(&self, at: usize) -> Result<Bytes, String> {
        let block = &self.blocks[at];
        if let Some(content) = block.verified.get() {
            return Ok(content.clone());
        }
        if let Some((_, content)) =
            self.last_decompressed().as_ref().filter(|(last, _)| *last == at)
        {
            return Ok(content.clone());
        }
        match read_block(self.file.bytes(), &block.range)? {
            Content::Plain(content) => Ok(block.verified.get_or_init(|| content).clone()),
            Content::Decompressed(content) => {
                *self.last_decompressed() = Some((at, content.clone()));
                Ok(content)
            }
        }
    }

    fn last_decompressed(&self) -> std::sync::MutexGuard<'_, Option<(usize, Bytes)>> {
        self.last_decompressed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A value that is not verified.
pub(super) struct Unverified {
    pub(super) file: MappedFile,
    pub(super) value: Bytes,
    /// The bytes that its checksum covers: the whole block.
    pub(super) checked: Bytes,
    pub(super) stored: u32,
}

/// The remaining budget for the keys of a table.
struct KeyBudget {
    remaining: usize,
}

impl KeyBudget {
    fn new(bytes: usize) -> Self {
        Self { remaining: bytes.saturating_mul(MAX_KEY_RATIO) }
    }

    fn take(&mut self, bytes: usize) -> Result<(), String> {
        let remaining = self.remaining.checked_sub(bytes);
        self.remaining = remaining.ok_or_else(|| {
            format!("its keys are absurd, over {MAX_KEY_RATIO} times the file's length")
        })?;
        Ok(())
    }
}

/// Returns the range of the index block from the footer.
fn index_range(bytes: &[u8]) -> Result<Range<usize>, String> {
    let end = bytes
        .len()
        .checked_sub(FOOTER)
        .ok_or_else(|| format!("it ends after {} bytes, before a footer", bytes.len()))?;
    let mut footer = &bytes[end..];
    if !is_table(footer) {
        return Err(
            "it is not a table (the magic number at its end is wrong): damaged, or truncated"
                .into(),
        );
    }
    let ranges = take_range(&mut footer, end).and_then(|_metaindex| take_range(&mut footer, end));
    ranges.ok_or_else(|| "the footer points outside the file: damaged".into())
}

/// Reads a block's range (start, and length without the trailer). `None` if it exceeds `end`.
fn take_range(bytes: &mut &[u8], end: usize) -> Option<Range<usize>> {
    let start = usize::try_from(varint::take(bytes)?).ok()?;
    let length = usize::try_from(varint::take(bytes)?).ok()?;
    let stop = start.checked_add(length)?;
    (stop.checked_add(TRAILER)? <= end).then_some(start..stop)
}

/// Returns the ranges of the data blocks, which must be in ascending order, as in every table that
/// was written sequentially: no bytes are then interpreted twice.
fn data_blocks(index: Bytes, end: usize) -> Result<Vec<DataBlock>, String> {
    let mut key_budget = KeyBudget::new(index.len());
    let mut blocks = Vec::new();
    let mut min_start = 0;
    Block::new(index)?.each(|key, value| {
        key_budget.take(key.len())?;
        let range = take_range(&mut &value[..], end).filter(|range| range.start >= min_start);
        let range = range.ok_or("it points outside the file, or to overlapping blocks")?;
        min_start = range.end + TRAILER;
        blocks.push(DataBlock { last_key: key.to_vec(), range, verified: OnceLock::new() });
        Ok(())
    })?;
    Ok(blocks)
}

enum Content {
    /// Uncompressed, a slice of the file.
    Plain(Bytes),
    Decompressed(Bytes),
}

impl Content {
    fn content(self) -> Bytes {
        match self {
            Self::Plain(content) | Self::Decompressed(content) => content,
        }
    }
}

/// Verifies a block and decompresses it if necessary.
fn read_block(file: &Bytes, range: &Range<usize>) -> Result<Content, String> {
    let content = file.slice(range.clone());
    let compression = file[range.end];
    checksum::verify(&[&content, &[compression]], stored_checksum(file, range))?;
    match compression {
        PLAIN => Ok(Content::Plain(content)),
        SNAPPY => decompress(&content).map(Content::Decompressed),
        other => Err(format!("it is compressed in an unknown way ({other})")),
    }
}

/// Returns the checksum in a block's trailer.
fn stored_checksum(file: &[u8], range: &Range<usize>) -> u32 {
    let stored = &file[range.end + 1..range.end + TRAILER];
    u32::from_le_bytes(stored.try_into().expect("four of a trailer's five bytes are the checksum"))
}

fn decompress(packed: &[u8]) -> Result<Bytes, String> {
    let damaged = |error: snap::Error| format!("it is not what snappy writes: {error}");
    let length = snap::raw::decompress_len(packed).map_err(damaged)?;
    if length > packed.len().saturating_mul(MAX_SNAPPY_RATIO) {
        return Err(format!("{} bytes of snappy claim an absurd {length}", packed.len()));
    }
    snap::raw::Decoder::new().decompress_vec(packed).map(Bytes::from).map_err(damaged)
}
