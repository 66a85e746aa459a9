//! The bytes of a plan file.
//!
//! ```text
//!  0  8 bytes   89 4C 47 50 4C 41 4E 0A ("‰LGPLAN", a line feed)
//!  8  u32       version of this format
//! 12  u32       length of the header
//! 16  u32       CRC-32C of the header
//! 20  u32       zero
//! 24  header    a protocol buffer: where the weights are from, the network without them, and a list of what follows
//!     zeros     to the next multiple of 4096
//!     weights   float32, as the kernels want them; each begins at a multiple of 64
//! ```
//! Numbers are little-endian. Places of weights count from the first multiple of 4096 after the header.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message as _;

use crate::error::{Error, Result};
use crate::file::Mapped;
use crate::plan::{Key, Packed};

pub(super) const MAGIC: [u8; 8] = *b"\x89LGPLAN\n";
/// Counts changes of this format.
const VERSION: u32 = 1;
const FIXED: usize = 24;
const PAGE: usize = 4096;
const LINE: usize = 64;

/// What stands before the weights.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Header {
    /// The version of the layouts in which kernels want their weights.
    #[prost(uint32, tag = "1")]
    pub(super) packing: u32,
    /// The CPU level it was packed for.
    #[prost(string, tag = "2")]
    pub(super) level: String,
    /// The network's name.
    #[prost(string, tag = "3")]
    pub(super) name: String,
    #[prost(message, optional, tag = "4")]
    pub(super) origin: Option<Origin>,
    #[prost(oneof = "Recipe", tags = "5, 6")]
    pub(super) recipe: Option<Recipe>,
    #[prost(message, repeated, tag = "7")]
    pub(super) weights: Vec<Placed>,
}

/// The file that the weights are from, as it was then.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Origin {
    /// UTF-8, or as much of it as is.
    #[prost(string, tag = "1")]
    pub(super) path: String,
    #[prost(uint64, tag = "2")]
    pub(super) length: u64,
    /// Nanoseconds since 1970.
    #[prost(int64, tag = "3")]
    pub(super) modified: i64,
}

/// The network without what is packed.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Recipe {
    #[prost(message, tag = "5")]
    Zoo(ZooRecipe),
    /// A GraphDef; packed constants are empty and say so.
    #[prost(bytes = "bytes", tag = "6")]
    Graph(Bytes),
}

/// A network of the zoo and its variables.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ZooRecipe {
    #[prost(string, tag = "1")]
    pub(super) net: String,
    /// The options it is built with, as `NAME=VALUE`.
    #[prost(string, repeated, tag = "2")]
    pub(super) options: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    pub(super) variables: Vec<Variable>,
}

/// A variable, with its contents unless they are packed.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Variable {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    /// As TensorFlow numbers types.
    #[prost(int32, tag = "2")]
    pub(super) dtype: i32,
    #[prost(uint64, repeated, tag = "3")]
    pub(super) shape: Vec<u64>,
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub(super) contents: Option<Bytes>,
}

/// Packed weights, and their place in the file.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Placed {
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
}

impl Placed {
    fn key(&self) -> Key {
        let scale = self.is_scaled.then(|| self.scale.clone());
        Key { filter: self.filter.clone(), layout: self.layout.clone(), scale }
    }
}

/// Writes a plan file; it gets its name when it is whole.
pub(super) fn write(path: &Path, header: Header, packed: &[(Key, impl AsRef<Packed>)]) -> Result<()> {
    let unfinished = unfinished_name(path);
    let written = File::create(&unfinished).and_then(|file| {
        let mut out = BufWriter::new(file);
        write_to(&mut out, header, packed)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    });
    written.and_then(|()| fs::rename(&unfinished, path)).map_err(|source| {
        // What is left of it is of no use; that it cannot be removed either is no news.
        let _ = fs::remove_file(&unfinished);
        Error::Io { path: path.into(), source }
    })
}

fn unfinished_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}

fn write_to(out: &mut dyn Write, mut header: Header, packed: &[(Key, impl AsRef<Packed>)]) -> io::Result<()> {
    let mut start = 0;
    header.weights = packed
        .iter()
        .map(|(key, packed)| {
            let placed = placed(key, start, size_of_val::<[f32]>(packed.as_ref()));
            start = (placed.start + placed.length).next_multiple_of(LINE as u64);
            placed
        })
        .collect();
    let header = header.encode_to_vec();
    let length = u32::try_from(header.len()).map_err(|_| io::Error::other("a header of over 4 GiB"))?;
    out.write_all(&MAGIC)?;
    for number in [VERSION, length, crc32c::crc32c(&header), 0] {
        out.write_all(&number.to_le_bytes())?;
    }
    out.write_all(&header)?;
    pad(out, FIXED + header.len(), PAGE)?;
    for (_, packed) in packed {
        let bytes: &[u8] = bytemuck::cast_slice::<f32, u8>(packed.as_ref());
        out.write_all(bytes)?;
        pad(out, bytes.len(), LINE)?;
    }
    Ok(())
}

fn placed(key: &Key, start: u64, bytes: usize) -> Placed {
    let Key { filter, layout, scale } = key.clone();
    let is_scaled = scale.is_some();
    Placed { filter, layout, is_scaled, scale: scale.unwrap_or_default(), start, length: bytes as u64 }
}

fn pad(out: &mut dyn Write, written: usize, unit: usize) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(0), (written.next_multiple_of(unit) - written) as u64), out).map(drop)
}

/// Whether a file begins as a plan file does.
pub(super) fn is_plan_file(start: &[u8]) -> bool {
    start.starts_with(&MAGIC)
}

/// A plan file's header, and its weights, still in the map.
pub(super) fn read(path: &Path) -> Result<(Header, Vec<(Key, Packed)>)> {
    let bytes = Mapped::open(path)?.bytes().clone();
    parse(&bytes).map_err(|what| Error::Format { path: path.into(), what: format!("a damaged plan file: {what}") })
}

fn parse(bytes: &Bytes) -> Result<(Header, Vec<(Key, Packed)>), String> {
    let [version, length, checksum, _] = fixed(bytes).ok_or("it ends before its header")?;
    if version != VERSION {
        return Err(format!("its format is version {version}; this program reads version {VERSION}"));
    }
    let end = FIXED + length as usize;
    let header = bytes.get(FIXED..end).ok_or("it ends within its header")?;
    if crc32c::crc32c(header) != checksum {
        return Err("its header's checksum does not match".into());
    }
    let header = Header::decode(bytes.slice(FIXED..end)).map_err(|error| format!("its header: {error}"))?;
    let data = bytes.slice(end.next_multiple_of(PAGE).min(bytes.len())..);
    let weights = header.weights.iter().map(|placed| {
        let packed = take(&data, placed).ok_or_else(|| format!("it ends before the weights of '{}'", placed.filter))?;
        Ok((placed.key(), packed))
    });
    let weights = weights.collect::<Result<_, String>>()?;
    Ok((header, weights))
}

/// The four numbers behind the magic one.
fn fixed(bytes: &[u8]) -> Option<[u32; 4]> {
    let numbers = bytes.get(MAGIC.len()..FIXED)?;
    let mut numbers = numbers.as_chunks::<4>().0.iter().map(|number| u32::from_le_bytes(*number));
    Some(std::array::from_fn(|_| numbers.next().unwrap_or(0)))
}

fn take(data: &Bytes, placed: &Placed) -> Option<Packed> {
    let start = usize::try_from(placed.start).ok()?;
    let end = start.checked_add(usize::try_from(placed.length).ok()?)?;
    (end <= data.len()).then(|| data.slice(start..end)).and_then(Packed::mapped)
}
