//! Datasets: the elements in one piece, in the header, or in chunks that may be compressed.

use std::io::Read as _;

use bytes::Bytes;

use super::attribute::{Datatype, dataspace, datatype};
use super::cursor::Cursor;
use super::header::{Message, first, kind};
use super::{Damage, Hdf5, UNDEFINED};
use crate::memory;
use crate::tensor::{DType, Tensor, elements};

/// A dataset of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Dataset {
    /// Element type.
    pub(crate) dtype: DType,
    /// Length of each dimension.
    pub(crate) shape: Vec<usize>,
    layout: Layout,
}

#[derive(Clone, Debug)]
enum Layout {
    /// The elements, a slice of the file.
    Whole(Bytes),
    Chunks {
        tree: u64,
        /// Length of a chunk in each dimension.
        chunk: Vec<usize>,
        filters: Vec<Filter>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    Deflate,
    /// Bytes of elements sorted by their place in the element.
    Shuffle,
    /// A checksum at the end.
    Fletcher32,
}

/// Returns the dataset that messages describe; `None` for a group.
pub(super) fn dataset(file: &Hdf5, messages: &[Message]) -> Result<Option<Dataset>, Damage> {
    let Some(mut layout) = first(messages, kind::LAYOUT)? else { return Ok(None) };
    let mut space = first(messages, kind::DATASPACE)?.ok_or("a dataset has no shape")?;
    let mut element = first(messages, kind::DATATYPE)?.ok_or("a dataset has no type")?;
    let shape = dataspace(&mut space)?;
    let Datatype::Number(dtype) = datatype(&mut element)? else {
        return Err("a dataset has no numbers".into());
    };
    let bytes = elements(&shape)
        .and_then(|count| count.checked_mul(dtype.size()))
        .ok_or("a shape is absurd")?;
    let version = layout.u8()?;
    if version != 3 && version != 4 {
        return Err(format!("version {version} of a dataset's layout is not read"));
    }
    let layout = match layout.u8()? {
        0 => {
            let length = layout.u16()?;
            Layout::Whole(layout.take(length.into())?)
        }
        1 => {
            let (address, length) = (layout.u64()?, layout.u64()?);
            match address {
                UNDEFINED if bytes == 0 => Layout::Whole(Bytes::new()),
                UNDEFINED => return Err("a dataset was never written".into()),
                _ => Layout::Whole(file.slice(address, length)?),
            }
        }
        2 if version == 3 => chunks(&mut layout, messages, shape.len())?,
        _ => {
            return Err("a dataset is stored in the newest form of HDF5, which is not read: save \
                        the model again with Keras's default"
                .into());
        }
    };
    match &layout {
        Layout::Whole(content) if content.len() != bytes => {
            Err(format!("a dataset has {} bytes where {shape:?} takes {bytes}", content.len()))
        }
        _ => Ok(Some(Dataset { dtype, shape, layout })),
    }
}

fn chunks(layout: &mut Cursor, messages: &[Message], rank: usize) -> Result<Layout, Damage> {
    let dimensions = usize::from(layout.u8()?);
    let tree = layout.u64()?;
    // The last is the size of an element.
    if dimensions != rank + 1 || rank == 0 {
        return Err("the chunks of a dataset have another rank than itself".into());
    }
    let mut chunk = Vec::with_capacity(rank);
    for _ in 0..rank {
        chunk.push(layout.u32()? as usize);
    }
    if chunk.contains(&0) {
        return Err("a chunk has no elements".into());
    }
    let filters = match first(messages, kind::FILTERS)? {
        Some(mut pipeline) => filters(&mut pipeline)?,
        None => Vec::new(),
    };
    Ok(Layout::Chunks { tree, chunk, filters })
}

fn filters(cursor: &mut Cursor) -> Result<Vec<Filter>, Damage> {
    let (version, count) = (cursor.u8()?, cursor.u8()?);
    if version == 1 {
        cursor.skip(6)?;
    }
    let mut filters = Vec::new();
    for _ in 0..count {
        let id = cursor.u16()?;
        let has_name = version == 1 || id >= 256;
        let name = if has_name { cursor.u16()? } else { 0 };
        cursor.skip(2)?;
        let values = usize::from(cursor.u16()?);
        let padded = if version == 1 { usize::from(name).next_multiple_of(8) } else { name.into() };
        cursor.skip(padded)?;
        let padding = if version == 1 { values % 2 } else { 0 };
        cursor.skip(4 * (values + padding))?;
        filters.push(match id {
            1 => Filter::Deflate,
            2 => Filter::Shuffle,
            3 => Filter::Fletcher32,
            other => return Err(format!("a dataset is compressed by filter {other}")),
        });
    }
    Ok(filters)
}

impl Dataset {
    /// Returns the elements: a slice of the file if they are in one piece.
    ///
    /// # Errors
    /// If a chunk is missing or damaged, or there are more elements than a file of this size may
    /// have.
    pub(crate) fn read(&self, file: &Hdf5) -> Result<Tensor, Damage> {
        let content = match &self.layout {
            Layout::Whole(content) => content.clone(),
            Layout::Chunks { tree, chunk, filters } => {
                self.assembled(file, *tree, chunk, filters)?.into()
            }
        };
        Tensor::from_shared(self.dtype, self.shape.clone(), content)
            .ok_or_else(|| "a dataset has other bytes than its shape".into())
    }

    fn assembled(
        &self,
        file: &Hdf5,
        tree: u64,
        chunk: &[usize],
        filters: &[Filter],
    ) -> Result<Vec<u8>, Damage> {
        let size = self.dtype.size();
        let bytes = |shape: &[usize]| elements(shape)?.checked_mul(size);
        let allowed = file.bytes.len().saturating_mul(16).saturating_add(64 << 20);
        let fits = |bytes: &usize| *bytes <= allowed;
        let total = bytes(&self.shape).filter(fits).ok_or("a dataset is too large for its file")?;
        let of_chunk = bytes(chunk).filter(fits).ok_or("a chunk is too large for its file")?;
        let needed = (total as u64).saturating_add(3 * of_chunk as u64);
        memory::check("a dataset", needed).map_err(|error| error.to_string())?;
        let mut content = vec![0; total];
        let mut missing = self.chunk_count(chunk);
        // Chunks that overlap would be inflated again and again.
        let mut left = allowed.saturating_add(total);
        for entry in chunk_entries(file, tree, chunk.len())? {
            left = left.checked_sub(of_chunk).ok_or("its chunks overlap")?;
            missing = missing.checked_sub(1).ok_or("it has more chunks than its shape")?;
            let stored = file.slice(entry.address, entry.size.into())?;
            let values = unfiltered(stored, &entry, filters, of_chunk, size)?;
            self.place(&mut content, &values, &entry.offset, chunk)?;
        }
        match missing {
            0 => Ok(content),
            _ => Err("chunks of a dataset are missing".into()),
        }
    }

    fn chunk_count(&self, chunk: &[usize]) -> usize {
        self.shape.iter().zip(chunk).map(|(length, part)| length.div_ceil(*part)).product()
    }

    /// Copies a chunk to its place, without what is beyond the edge.
    fn place(
        &self,
        content: &mut [u8],
        values: &[u8],
        offset: &[usize],
        chunk: &[usize],
    ) -> Result<(), Damage> {
        let (size, last) = (self.dtype.size(), chunk.len() - 1);
        let inside = offset.iter().zip(&self.shape).all(|(start, length)| start < length);
        if !inside {
            return Err("a chunk is outside of its dataset".into());
        }
        let run = chunk[last].min(self.shape[last] - offset[last]);
        let rows: usize = chunk[..last].iter().product();
        for row in 0..rows {
            let mut rest = row;
            let mut target = Some(0);
            let mut stride = self.shape[last];
            for dimension in (0..last).rev() {
                let at = offset[dimension] + rest % chunk[dimension];
                rest /= chunk[dimension];
                target = target.filter(|_| at < self.shape[dimension]).map(|sum| sum + at * stride);
                stride *= self.shape[dimension];
            }
            let Some(target) = target else { continue };
            let start = (target + offset[last]) * size;
            let source = row * chunk[last] * size;
            content[start..start + run * size]
                .copy_from_slice(&values[source..source + run * size]);
        }
        Ok(())
    }
}

/// A chunk in the file.
#[derive(Debug)]
struct ChunkEntry {
    size: u32,
    /// A bit for each filter that was left out.
    skipped: u32,
    offset: Vec<usize>,
    address: u64,
}

/// Returns the chunks in a B-tree.
fn chunk_entries(file: &Hdf5, tree: u64, rank: usize) -> Result<Vec<ChunkEntry>, Damage> {
    let mut entries = Vec::new();
    let mut waiting = vec![(tree, None)];
    while let Some((address, wanted)) = waiting.pop() {
        let mut cursor = file.at(address)?;
        cursor.expect(b"TREE")?;
        let (node_type, level, count) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
        if node_type != 1 || wanted.is_some_and(|wanted| wanted != level) {
            return Err("the tree of a dataset is damaged".into());
        }
        cursor.skip(16)?;
        for _ in 0..count {
            file.spend(24 + 8 * rank)?;
            let (size, skipped) = (cursor.u32()?, cursor.u32()?);
            let mut offset = Vec::with_capacity(rank);
            for _ in 0..rank {
                offset.push(usize::try_from(cursor.u64()?).map_err(|_| "a chunk is far off")?);
            }
            cursor.skip(8)?;
            let address = cursor.u64()?;
            match level.checked_sub(1) {
                None => entries.push(ChunkEntry { size, skipped, offset, address }),
                Some(below) => waiting.push((address, Some(below))),
            }
        }
    }
    Ok(entries)
}

/// Undoes the filters of a chunk, the last first.
fn unfiltered(
    stored: Bytes,
    entry: &ChunkEntry,
    filters: &[Filter],
    expected: usize,
    size: usize,
) -> Result<Bytes, Damage> {
    let mut content = stored;
    for (index, filter) in filters.iter().enumerate().rev() {
        if entry.skipped >> index.min(31) & 1 != 0 {
            continue;
        }
        content = match filter {
            Filter::Fletcher32 => {
                let length = content.len().checked_sub(4).ok_or("a chunk ends early")?;
                content.slice(..length)
            }
            Filter::Deflate => {
                // With one byte more, in which a checksum or damage shows.
                let limit = expected as u64 + 8;
                let mut inflated = Vec::new();
                flate2::bufread::ZlibDecoder::new(&content[..])
                    .take(limit)
                    .read_to_end(&mut inflated)
                    .map_err(|error| format!("a chunk cannot be inflated: {error}"))?;
                inflated.into()
            }
            Filter::Shuffle => unshuffled(&content, size).into(),
        };
    }
    match content.len() == expected {
        true => Ok(content),
        false => Err(format!("a chunk has {} bytes where {expected} belong", content.len())),
    }
}

fn unshuffled(content: &[u8], size: usize) -> Vec<u8> {
    let count = content.len() / size;
    let mut sorted = content.to_vec();
    for (index, &byte) in content[..count * size].iter().enumerate() {
        sorted[index % count * size + index / count] = byte;
    }
    sorted
}
