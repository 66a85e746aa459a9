//! Version 2: bundles (`tensorflow/core/util/tensor_bundle/tensor_bundle.{h,cc}`).
//!
//! `PREFIX.index` is a table. The empty key has a header; a variable's name has the shard and the
//! position of its bytes. `PREFIX.data-00000-of-00002`, … are the shards, which contain raw bytes.
//! The entry of a variable in slices lists them and has no bytes; each slice has its own entry,
//! with the same kind of key as in version 1.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message as _;

use super::element::Element;
use super::ordered_code::SLICE_MARK;
use super::proto::{BundleEntry, BundleHeader, TensorShapeProto, VersionDef};
use super::slice::{Assembly, Slice, check_volumes, volume};
use super::table::Table;
use super::{Variable, format_error, variable_error};
use crate::checksum;
use crate::error::{Error, Result};
use crate::file::MappedFile;
use crate::lazy_tensor::{ByteRange, StoredChecksum};
use crate::tensor::{DType, elements};

/// A V2 checkpoint.
#[derive(Debug)]
pub(super) struct Bundle {
    index: PathBuf,
    table: Table,
    big_endian: bool,
    shards: Vec<Shard>,
    /// The entries, in the variables' order.
    entries: Vec<BundleEntry>,
}

#[derive(Debug)]
struct Shard {
    path: PathBuf,
    file: MappedFile,
}

impl Bundle {
    /// Reads the index and maps the shards, all of which must exist.
    pub(super) fn open(index: PathBuf, prefix: &Path) -> Result<(Vec<Variable>, Self)> {
        let bad = |what: String| format_error(&index, what);
        let table = Table::open(MappedFile::open(&index)?).map_err(bad)?;
        let header = header(&table).map_err(bad)?;
        let (variables, entries) = read_entries(&table, &index)?;
        let shards = shards(prefix, header.num_shards, &index)?;
        let bundle = Self { index, table, big_endian: header.endianness == 1, shards, entries };
        Ok((variables, bundle))
    }

    /// Reads the little-endian elements of the variable at `index`.
    pub(super) fn read(&self, index: usize, variable: &Variable, dtype: DType) -> Result<Bytes> {
        let entry = &self.entries[index];
        if entry.slices.is_empty() {
            return self.elements(entry, variable, dtype, volume_of(&variable.shape));
        }
        let bad = |what| variable_error(&self.index, &variable.name, what);
        let slices: Vec<Slice> = entry.slices.iter().map(Slice::from).collect();
        let parts: Vec<_> = slices
            .iter()
            .map(|s| s.within(&variable.shape))
            .collect::<Result<_, _>>()
            .map_err(bad)?;
        check_volumes(&parts, &variable.shape).map_err(bad)?;
        // All slices are located before memory is allocated: a few bytes of index must not ask for
        // more than the shards have.
        let stored: Vec<Bytes> = slices
            .iter()
            .zip(&parts)
            .map(|(slice, part)| {
                self.elements(
                    &self.slice_entry(slice, entry, variable)?,
                    variable,
                    dtype,
                    volume(part),
                )
            })
            .collect::<Result<_>>()?;
        let shard_bytes: usize = self.shards.iter().map(|shard| shard.file.bytes().len()).sum();
        if stored.iter().map(Bytes::len).sum::<usize>() > shard_bytes {
            return Err(bad("its slices share bytes: there are fewer than they would take".into()));
        }
        let mut assembly = Assembly::new(&variable.shape, dtype.size());
        stored
            .iter()
            .zip(&parts)
            .try_for_each(|(bytes, part)| assembly.copy_slice(part, bytes))
            .map_err(bad)?;
        Ok(assembly.finish())
    }

    /// Returns the entry of a slice; for a slice that covers the whole variable, the variable's own
    /// entry.
    fn slice_entry(
        &self,
        slice: &Slice,
        whole: &BundleEntry,
        variable: &Variable,
    ) -> Result<BundleEntry> {
        if slice.is_full() {
            return Ok(whole.clone());
        }
        let bad = |what: String| variable_error(&self.index, &variable.name, what);
        let value = self.table.get(&slice.key(&variable.name)).map_err(bad)?;
        let value =
            value.ok_or_else(|| bad(format!("its slice {slice} is listed, but not there")))?;
        let entry = BundleEntry::decode(value)
            .map_err(|e| bad(format!("the entry of its slice {slice} is damaged: {e}")))?;
        if entry.dtype != whole.dtype {
            let types = (Element(entry.dtype), variable.element);
            return Err(bad(format!(
                "its slice {slice} is of type {}, and itself of type {}",
                types.0, types.1
            )));
        }
        Ok(entry)
    }

    /// Returns the range of the elements of the variable at `index`, if they are contiguous and
    /// need no conversion. It is not verified.
    pub(super) fn byte_range(
        &self,
        index: usize,
        variable: &Variable,
        dtype: DType,
    ) -> Result<Option<ByteRange>> {
        let entry = &self.entries[index];
        if !entry.slices.is_empty() || self.big_endian {
            return Ok(None);
        }
        let (shard, values) = self.locate(entry, variable, dtype, volume_of(&variable.shape))?;
        let (path, variable) = (shard.path.clone(), variable.name.clone());
        let check = StoredChecksum { bytes: values.clone(), stored: entry.crc32c, path, variable };
        Ok(Some(ByteRange { file: shard.file.clone(), values, check: Some(check) }))
    }

    /// Returns `count` verified elements of an entry.
    fn elements(
        &self,
        entry: &BundleEntry,
        variable: &Variable,
        dtype: DType,
        count: usize,
    ) -> Result<Bytes> {
        let (shard, bytes) = self.locate(entry, variable, dtype, count)?;
        checksum::verify(&[&bytes], entry.crc32c)
            .map_err(|what| variable_error(&shard.path, &variable.name, what))?;
        Ok(if self.big_endian { byte_swapped(&bytes, dtype.size()) } else { bytes })
    }

    /// Returns the shard of an entry and the bytes of its `count` elements.
    fn locate(
        &self,
        entry: &BundleEntry,
        variable: &Variable,
        dtype: DType,
        count: usize,
    ) -> Result<(&Shard, Bytes)> {
        let bad = |what: String| variable_error(&self.index, &variable.name, what);
        let wanted = count * dtype.size();
        if usize::try_from(entry.size) != Ok(wanted) {
            return Err(bad(format!(
                "is noted as {} bytes where {count} of {} take {wanted}",
                entry.size, variable.element
            )));
        }
        let shard = usize::try_from(entry.shard_id).ok().and_then(|shard| self.shards.get(shard));
        let shard = shard.ok_or_else(|| {
            bad(format!("is in shard {} of {}", entry.shard_id, self.shards.len()))
        })?;
        Ok((shard, shard.slice(entry.offset, wanted, &variable.name)?))
    }
}

impl Shard {
    fn open(path: PathBuf) -> Result<Self> {
        // A shard without variables is empty and cannot be mapped.
        let empty = path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0);
        let file = if empty { Bytes::new().into() } else { MappedFile::open(&path)? };
        Ok(Self { path, file })
    }

    fn slice(&self, offset: i64, length: usize, variable: &str) -> Result<Bytes> {
        let start = usize::try_from(offset).ok();
        let place = start.and_then(|start| Some(start..start.checked_add(length)?));
        let place = place.filter(|place| place.end <= self.file.bytes().len()).ok_or_else(|| {
            let what = format!(
                "needs {length} bytes from byte {offset}, and the file ends after {}: truncated, \
                 or of another checkpoint",
                self.file.bytes().len()
            );
            variable_error(&self.path, variable, what)
        })?;
        Ok(self.file.bytes().slice(place))
    }
}

fn header(table: &Table) -> Result<BundleHeader, String> {
    let value = table.get(b"")?.ok_or("the table has no header: it is no checkpoint's index")?;
    let header = BundleHeader::decode(value)
        .map_err(|e| format!("the header is damaged, or no checkpoint's: {e}"))?;
    VersionDef::check(header.version.as_ref())?;
    match (header.num_shards, header.endianness) {
        (..0, _) => Err(format!("it says that it has {} shards", header.num_shards)),
        (_, 0 | 1) => Ok(header),
        (_, other) => Err(format!("its byte order is unknown ({other})")),
    }
}

/// Reads the variables of an index and their entries. Slices are read later, when they are needed.
fn read_entries(table: &Table, index: &Path) -> Result<(Vec<Variable>, Vec<BundleEntry>)> {
    let (mut variables, mut entries) = (Vec::new(), Vec::new());
    // `each` returns messages; the error that also has the variable's name is kept here.
    let mut entry_error = None;
    let visited = table.each(|key, value| {
        if key.is_empty() || key[0] == SLICE_MARK {
            return Ok(());
        }
        let name =
            str::from_utf8(key).map_err(|_| "the name of a variable is not UTF-8: damaged")?;
        let entry = BundleEntry::decode(value).map_err(|e| e.to_string());
        let both =
            entry.and_then(|entry| Ok((TensorShapeProto::lengths(entry.shape.as_ref())?, entry)));
        let (shape, entry) = both.map_err(|what| {
            entry_error = Some(variable_error(index, name, &*what));
            what
        })?;
        variables.push(Variable { name: name.into(), shape, element: Element(entry.dtype) });
        entries.push(BundleEntry { shape: None, ..entry });
        Ok(())
    });
    match (visited, entry_error) {
        (Ok(()), _) => Ok((variables, entries)),
        (Err(_), Some(error)) => Err(error),
        (Err(what), None) => Err(format_error(index, what)),
    }
}

fn shards(prefix: &Path, count: i32, index: &Path) -> Result<Vec<Shard>> {
    (0..count)
        .map(|shard| {
            open_shard(super::locate::shard_path(prefix, shard, count), shard, count, index)
        })
        .collect()
}

fn open_shard(path: PathBuf, shard: i32, count: i32, index: &Path) -> Result<Shard> {
    Shard::open(path).map_err(|error| match error {
        Error::Io { path, source } if source.kind() == std::io::ErrorKind::NotFound => {
            let index = index.display();
            format_error(
                &path,
                format!("shard {} of the {count} that {index} needs is missing", shard + 1),
            )
        }
        other => other,
    })
}

fn volume_of(shape: &[usize]) -> usize {
    elements(shape).expect("checked when the index was read")
}

/// Returns the elements with reversed bytes.
fn byte_swapped(bytes: &[u8], size: usize) -> Bytes {
    if size == 1 {
        return Bytes::copy_from_slice(bytes);
    }
    let mut bytes = bytes.to_vec();
    bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    bytes.into()
}
