//! The format of plan files.
//!
//! ```text
//!  0  8 bytes   89 4C 47 50 4C 41 4E 0A ("‰LGPLAN", a line feed)
//!  8  u32       version of this format
//! 12  u32       length of the header
//! 16  u32       CRC-32C of the header
//! 20  u32       zero
//! 24  header    a protocol buffer: origin, network without packed weights, list of weights
//!     zeros     to the next multiple of 4096
//!     weights   in the kernels' packed layouts; each begins at a multiple of 64
//! ```
//! Numbers are little-endian. Positions of weights count from the first multiple of 4096 after the
//! header.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use crate::atomic_file::write_with;
use crate::error::{Error, Result};
use crate::file::MappedFile;
use crate::plan::{PackedWeights, WeightKey};
use crate::proto::GraphDef;

pub(super) const MAGIC: [u8; 8] = *b"\x89LGPLAN\n";
/// The version of this format.
const VERSION: u32 = 1;
const FIXED_HEADER_BYTES: usize = 24;
const PAGE: u64 = 4096;
const LINE: u64 = 64;

/// The part of the file before the weights.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Header {
    /// The version of the kernels' packed layouts.
    #[prost(uint32, tag = "1")]
    pub(super) layouts_version: u32,
    /// The CPU level of the packed weights.
    #[prost(string, tag = "2")]
    pub(super) level: String,
    /// The network's name.
    #[prost(string, tag = "3")]
    pub(super) name: String,
    #[prost(message, optional, tag = "4")]
    pub(super) origin: Option<Origin>,
    /// The architecture in the zoo; empty for a graph.
    #[prost(string, tag = "5")]
    pub(super) net: String,
    /// The options of the architecture, as `NAME=VALUE`.
    #[prost(string, repeated, tag = "6")]
    pub(super) options: Vec<String>,
    /// The graph; packed constants are variables in it.
    #[prost(message, optional, tag = "7")]
    pub(super) graph: Option<GraphDef>,
    #[prost(message, repeated, tag = "8")]
    pub(super) variables: Vec<Variable>,
    #[prost(message, repeated, tag = "9")]
    pub(super) weights: Vec<WeightEntry>,
    /// The compute precision, if not float32.
    #[prost(string, optional, tag = "10")]
    pub(super) precision: Option<String>,
    /// The storage type of weights of layers of few pixels, if not float32.
    #[prost(string, optional, tag = "11")]
    pub(super) weight_format: Option<String>,
    /// Whether the CPU multiplies pairs of bf16, if that matters.
    #[prost(bool, tag = "12")]
    pub(super) rounds: bool,
}

/// The model file, its state when the plan file was made, and its options.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Origin {
    #[prost(string, tag = "1")]
    pub(super) path: String,
    #[prost(uint64, tag = "2")]
    pub(super) length: u64,
    /// Nanoseconds since 1970.
    #[prost(int64, tag = "3")]
    pub(super) modified: i64,
    /// Whether moving averages are preferred.
    #[prost(bool, tag = "4")]
    pub(super) use_ema: bool,
    #[prost(string, optional, tag = "5")]
    pub(super) checkpoint: Option<String>,
    /// The architecture that was given by name, if it was not recognised.
    #[prost(string, optional, tag = "6")]
    pub(super) net: Option<String>,
}

/// A variable, with its content unless it is packed.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Variable {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    /// TensorFlow's number of the type.
    #[prost(int32, tag = "2")]
    pub(super) dtype: i32,
    #[prost(uint64, repeated, tag = "3")]
    pub(super) shape: Vec<u64>,
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub(super) contents: Option<Bytes>,
}

/// Packed weights and their position in the file.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WeightEntry {
    #[prost(string, tag = "1")]
    pub(super) filter: String,
    #[prost(string, tag = "2")]
    pub(super) layout: String,
    #[prost(bool, tag = "3")]
    pub(super) is_scaled: bool,
    #[prost(fixed32, repeated, tag = "4")]
    pub(super) scale: Vec<u32>,
    /// In bytes.
    #[prost(uint64, tag = "5")]
    pub(super) start: u64,
    /// In bytes.
    #[prost(uint64, tag = "6")]
    pub(super) length: u64,
    /// CRC-32C of the weights; `None` in files of earlier programs.
    #[prost(fixed32, optional, tag = "7")]
    pub(super) checksum: Option<u32>,
}

impl WeightEntry {
    fn key(&self) -> WeightKey {
        let scale = self.is_scaled.then(|| self.scale.clone());
        WeightKey { filter: self.filter.clone(), layout: self.layout.clone(), scale }
    }
}

/// Writes a plan file atomically.
pub(super) fn write(
    path: &Path,
    mut header: Header,
    packed: &[(WeightKey, Arc<PackedWeights>)],
) -> Result<()> {
    let mut start = 0;
    for (key, packed) in packed {
        let entry = entry(key, start, packed.bytes());
        start = (entry.start + entry.length).next_multiple_of(LINE);
        header.weights.push(entry);
    }
    write_entries(path, &header, packed.iter().map(|(_, packed)| packed.bytes()))
}

/// Writes the weights at the positions that the header lists.
fn write_entries<'a>(
    path: &Path,
    header: &Header,
    packed: impl Iterator<Item = &'a [u8]>,
) -> Result<()> {
    let header = header.encode_to_vec();
    let length = u32::try_from(header.len()).map_err(|_| Error::Format {
        path: path.into(),
        what: "the network without its weights is over 4 GiB".into(),
    })?;
    write_with(path, |out| {
        out.append(&MAGIC)?;
        for number in [VERSION, length, crc32c::crc32c(&header), 0] {
            out.append(&number.to_le_bytes())?;
        }
        out.append(&header)?;
        out.pad(PAGE)?;
        packed.into_iter().try_for_each(|packed| {
            out.append(packed)?;
            out.pad(LINE)
        })
    })
}

/// Writes a plan file with an arbitrary header, and checksums of what it says.
#[cfg(test)]
pub(super) fn write_unchecked(
    path: &Path,
    header: &mut Header,
    packed: &[(WeightKey, PackedWeights)],
) -> Result<()> {
    for (entry, (_, packed)) in header.weights.iter_mut().zip(packed) {
        entry.checksum = Some(crc32c::crc32c(&packed.bytes()[..entry.length as usize]));
    }
    write_entries(path, header, packed.iter().map(|(_, packed)| packed.bytes()))
}

fn entry(key: &WeightKey, start: u64, bytes: &[u8]) -> WeightEntry {
    let WeightKey { filter, layout, scale } = key.clone();
    let is_scaled = scale.is_some();
    WeightEntry {
        filter,
        layout,
        is_scaled,
        scale: scale.unwrap_or_default(),
        start,
        length: bytes.len() as u64,
        checksum: Some(crc32c::crc32c(bytes)),
    }
}

/// A plan file that is open.
pub(super) struct PlanFile {
    pub(super) header: Header,
    /// The weights as slices of the mapped file, in the header's order.
    pub(super) weights: Vec<(WeightKey, Bytes)>,
    pub(super) file: MappedFile,
}

/// Reads a plan file's header. Its weights stay in the mapped file.
pub(super) fn read(path: &Path) -> Result<PlanFile> {
    let file = MappedFile::open(path)?;
    let (header, weights) = parse(file.bytes()).map_err(|what| Error::Format {
        path: path.into(),
        what: format!("a damaged plan file: {what}"),
    })?;
    Ok(PlanFile { header, weights, file })
}

fn parse(bytes: &Bytes) -> Result<(Header, Vec<(WeightKey, Bytes)>), String> {
    let [version, length, checksum, _] = fixed_header(bytes).ok_or("it ends before its header")?;
    if version != VERSION {
        return Err(format!(
            "its format is version {version}; this program reads version {VERSION}"
        ));
    }
    let end = FIXED_HEADER_BYTES + length as usize;
    let header = bytes.get(FIXED_HEADER_BYTES..end).ok_or("it ends within its header")?;
    if crc32c::crc32c(header) != checksum {
        return Err("its header's checksum does not match".into());
    }
    let header = Header::decode(bytes.slice(FIXED_HEADER_BYTES..end))
        .map_err(|error| format!("its header: {error}"))?;
    let data = bytes.slice(end.next_multiple_of(PAGE as usize).min(bytes.len())..);
    let weights = header.weights.iter().map(|entry| {
        let packed = read_weights(&data, entry)
            .ok_or_else(|| format!("it ends before the weights of '{}'", entry.filter))?;
        Ok((entry.key(), packed))
    });
    let weights = weights.collect::<Result<_, String>>()?;
    Ok((header, weights))
}

/// Returns the four numbers after the magic number.
fn fixed_header(bytes: &[u8]) -> Option<[u32; 4]> {
    let numbers = bytes.get(MAGIC.len()..FIXED_HEADER_BYTES)?;
    let mut numbers = numbers.as_chunks::<4>().0.iter().map(|number| u32::from_le_bytes(*number));
    Some(std::array::from_fn(|_| numbers.next().unwrap_or(0)))
}

fn read_weights(data: &Bytes, entry: &WeightEntry) -> Option<Bytes> {
    let start = usize::try_from(entry.start).ok()?;
    let end = start.checked_add(usize::try_from(entry.length).ok()?)?;
    (end <= data.len()).then(|| data.slice(start..end))
}
