//! Writes V2 checkpoints as TensorFlow's saver does: an index, one shard, and the `checkpoint` file
//! that names them.

use std::path::Path;

use lorgnette_kernels::ThreadPool;
use prost::Message as _;

use super::proto::{BundleEntry, BundleHeader, TensorShapeProto, VersionDef};
use super::table::TableWriter;
use super::{locate, state, variable_error};
use crate::atomic_file::{AtomicFile, write_with};
use crate::checksum::Checksum;
use crate::error::Result;
use crate::graph::TensorOrLazy;
use crate::tensor::DType;

/// Writes `PREFIX.index`, `PREFIX.data-00000-of-00001` and the folder's `checkpoint` file.
/// `variables` are sorted by name, and names are unique.
///
/// # Errors
/// [`Error::Variable`](crate::Error::Variable) if a variable cannot be read; if the system refuses.
pub(crate) fn write_bundle(
    prefix: &Path,
    variables: &[(String, TensorOrLazy)],
    pool: &ThreadPool,
) -> Result<()> {
    assert!(variables.is_sorted_by(|a, b| a.0 < b.0), "variables are sorted by name");
    let (data, index) = (locate::shard_path(prefix, 0, 1), locate::with_suffix(prefix, ".index"));
    let entries = write_with(&data, |out| write_data(out, prefix, variables, pool))?;
    write_with(&index, |out| write_index(out, variables, &entries))?;
    let name = prefix.file_name().unwrap_or_default().to_string_lossy();
    write_with(&prefix.with_file_name("checkpoint"), |out| {
        out.append(state::written(&name).as_bytes())
    })
}

/// Writes the elements of all variables, and returns the entry of each.
fn write_data(
    out: &mut AtomicFile,
    prefix: &Path,
    variables: &[(String, TensorOrLazy)],
    pool: &ThreadPool,
) -> Result<Vec<BundleEntry>> {
    variables
        .iter()
        .map(|(name, value): &(String, TensorOrLazy)| {
            if value.dtype() == DType::String {
                return Err(variable_error(prefix, name, "is text, which is not written"));
            }
            let (offset, mut sum) = (out.written(), Checksum::default());
            value.each_piece(pool, |piece| {
                sum.add(piece, pool);
                out.append(piece)
            })?;
            Ok(BundleEntry {
                dtype: value.dtype().tensorflow(),
                shape: Some(TensorShapeProto::from_shape(value.shape())),
                offset: offset as i64,
                size: value.byte_len() as i64,
                crc32c: sum.masked(),
                ..BundleEntry::default()
            })
        })
        .collect()
}

fn write_index(
    out: &mut AtomicFile,
    variables: &[(String, TensorOrLazy)],
    entries: &[BundleEntry],
) -> Result<()> {
    let version = Some(VersionDef { producer: VersionDef::KNOWN, ..VersionDef::default() });
    let header = BundleHeader { num_shards: 1, endianness: 0, version };
    let mut table = TableWriter::new(out);
    table.add(b"", &header.encode_to_vec())?;
    for ((name, _), entry) in variables.iter().zip(entries) {
        table.add(name.as_bytes(), &entry.encode_to_vec())?;
    }
    table.finish()
}
