//! Writes tables.

use super::{FOOTER, MAGIC, PLAIN};
use crate::atomic_file::AtomicFile;
use crate::checksum::Checksum;
use crate::error::Result;
use crate::weights::varint;

/// The size from which a block is closed.
const MAX_BLOCK_BYTES: usize = 4096;
/// The number of entries between restart points.
const RESTART_INTERVAL: usize = 16;

/// A table that is being written, in the order of its keys.
pub(in crate::weights) struct TableWriter<'a> {
    out: &'a mut AtomicFile,
    block: BlockWriter,
    index: BlockWriter,
}

impl<'a> TableWriter<'a> {
    pub(in crate::weights) fn new(out: &'a mut AtomicFile) -> Self {
        Self { out, block: BlockWriter::default(), index: BlockWriter::default() }
    }

    /// Adds a value under a key that is greater than all before.
    pub(in crate::weights) fn add(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.block.add(key, value);
        if self.block.content.len() > MAX_BLOCK_BYTES { self.close_block() } else { Ok(()) }
    }

    /// Writes the last block, the index and the footer.
    pub(in crate::weights) fn finish(mut self) -> Result<()> {
        if !self.block.content.is_empty() {
            self.close_block()?;
        }
        let metaindex = write_block(self.out, BlockWriter::default())?;
        let index = write_block(self.out, std::mem::take(&mut self.index))?;
        let mut footer = [metaindex, index].concat();
        footer.resize(FOOTER - MAGIC.len(), 0);
        footer.extend(MAGIC);
        self.out.append(&footer)
    }

    fn close_block(&mut self) -> Result<()> {
        let block = std::mem::take(&mut self.block);
        let last_key = block.last_key.clone();
        let handle = write_block(self.out, block)?;
        self.index.add(&last_key, &handle);
        Ok(())
    }
}

/// Writes a block and its trailer; returns its encoded range, as the index and the footer store it.
fn write_block(out: &mut AtomicFile, block: BlockWriter) -> Result<Vec<u8>> {
    let start = out.written();
    let mut content = block.finish();
    let mut handle = Vec::new();
    varint::put(&mut handle, start);
    varint::put(&mut handle, content.len() as u64);
    content.push(PLAIN);
    let checksum = Checksum::new(&content).masked();
    out.append(&content)?;
    out.append(&checksum.to_le_bytes())?;
    Ok(handle)
}

/// The entries of a block that is being written.
#[derive(Default)]
struct BlockWriter {
    content: Vec<u8>,
    restarts: Vec<u32>,
    entries: usize,
    last_key: Vec<u8>,
}

impl BlockWriter {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        let shared = if self.entries.is_multiple_of(RESTART_INTERVAL) {
            self.restarts.push(self.content.len() as u32);
            0
        } else {
            self.last_key.iter().zip(key).take_while(|(a, b)| a == b).count()
        };
        for length in [shared, key.len() - shared, value.len()] {
            varint::put(&mut self.content, length as u64);
        }
        self.content.extend_from_slice(&key[shared..]);
        self.content.extend_from_slice(value);
        self.last_key = key.to_vec();
        self.entries += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        if self.restarts.is_empty() {
            self.restarts.push(0);
        }
        let count = self.restarts.len() as u32;
        self.content
            .extend(self.restarts.iter().chain([&count]).flat_map(|number| number.to_le_bytes()));
        self.content
    }
}
