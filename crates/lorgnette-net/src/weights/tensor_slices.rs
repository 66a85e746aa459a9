//! Version 1: tables of tensor slices (`tensorflow/core/util/tensor_slice_{writer,reader}.cc`).
//!
//! The value under the empty key lists every variable and its slices; the value under a slice's key
//! is a message with the slice's values. Usually there is one file; savers with `sharded=True`
//! wrote several, `NAME-00000-of-00002`, each listing its own content. The list shares its block
//! with the first variables, so opening verifies those too: 256 KiB of them (the writers' block
//! size), or more if a larger one comes that early.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use bytes::Bytes;
use prost::Message as _;

use super::element::Element;
use super::proto::{
    SavedSlice, SavedSliceMeta, SavedTensorSlices, TensorProto, TensorShapeProto, VersionDef,
};
use super::slice::{Assembly, Slice, check_volumes, volume};
use super::table::{Table, Unverified};
use super::{Variable, format_error, values, variable_error};
use crate::error::{Error, Result};
use crate::file::MappedFile;
use crate::lazy_tensor::{ByteRange, StoredChecksum};
use crate::tensor::DType;

/// The files of a V1 checkpoint, and the location of each slice.
#[derive(Debug)]
pub(super) struct TensorSlices {
    files: Vec<File>,
    /// The slices of each variable, in the variables' order.
    stored: Vec<Vec<SliceLocation>>,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    table: Table,
}

/// A slice of a variable and its file.
#[derive(Debug)]
struct SliceLocation {
    file: usize,
    slice: Slice,
}

type VariablesByName = BTreeMap<String, (Variable, Vec<SliceLocation>)>;

impl TensorSlices {
    /// Reads the lists of the files.
    pub(super) fn open(paths: Vec<PathBuf>) -> Result<(Vec<Variable>, Self)> {
        let mut found = VariablesByName::new();
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let table =
                Table::open(MappedFile::open(&path)?).map_err(|what| format_error(&path, what))?;
            let file = File { path, table };
            for meta in file.read_list()? {
                file.add_slices(meta, files.len(), &mut found)?;
            }
            files.push(file);
        }
        let (variables, stored) = found.into_values().unzip();
        Ok((variables, Self { files, stored }))
    }

    /// Reads the little-endian elements of the variable at `index`.
    pub(super) fn read(&self, index: usize, variable: &Variable, dtype: DType) -> Result<Bytes> {
        let stored = &self.stored[index];
        let file = |which: usize| &self.files[which];
        let bad = |what| {
            variable_error(&file(stored.first().map_or(0, |s| s.file)).path, &variable.name, what)
        };
        let parts: Vec<_> = stored
            .iter()
            .map(|s| s.slice.within(&variable.shape))
            .collect::<Result<_, _>>()
            .map_err(bad)?;
        check_volumes(&parts, &variable.shape).map_err(bad)?;
        let messages: Vec<TensorProto> = stored
            .iter()
            .map(|s| file(s.file).values_of(&s.slice, variable))
            .collect::<Result<_>>()?;
        match (messages.as_slice(), parts.as_slice()) {
            ([whole], [part]) => values::little_endian(whole, dtype, volume(part)).map_err(bad),
            _ => join(&messages, &parts, &variable.shape, dtype).map_err(bad),
        }
    }
}

impl TensorSlices {
    /// Returns the range of the float32 values of the variable at `index`, if it is one slice that
    /// needs no conversion. It is not verified.
    pub(super) fn byte_range(&self, index: usize, variable: &Variable) -> Option<ByteRange> {
        let [SliceLocation { file, slice }] = self.stored[index].as_slice() else { return None };
        let File { path, table } = &self.files[*file];
        let Unverified { file, value, checked, stored } =
            table.get_unverified(&slice.key(&variable.name))?;
        let SavedSlice { name, slice: Some(named), data: Some(data) } =
            SavedTensorSlices::decode(value).ok()?.data?
        else {
            return None;
        };
        let part = slice.within(&variable.shape).ok()?;
        let whole = volume(&part) == volume_of(&variable.shape)
            && name == variable.name
            && Slice::from(&named) == *slice;
        let values =
            values::little_endian(&data, DType::F32, volume(&part)).ok().filter(|_| whole)?;
        // Joined values are not a slice of the file.
        let range = checked.as_ptr_range();
        if !range.contains(&values.as_ptr()) {
            return None;
        }
        let check = StoredChecksum {
            bytes: checked,
            stored,
            path: path.clone(),
            variable: variable.name.clone(),
        };
        Some(ByteRange { file, values, check: Some(check) })
    }
}

fn volume_of(shape: &[usize]) -> usize {
    shape.iter().product()
}

impl File {
    /// Reads the list under the empty key.
    fn read_list(&self) -> Result<Vec<SavedSliceMeta>> {
        let bad = |what: String| format_error(&self.path, what);
        let value = self.table.get(b"").map_err(bad)?;
        let value = value
            .ok_or_else(|| bad("the table has no list of variables: it is no checkpoint".into()))?;
        let slices = SavedTensorSlices::decode(value)
            .map_err(|e| bad(format!("the list of variables is damaged: {e}")))?;
        let meta = slices.meta.ok_or_else(|| {
            bad("the table's list of variables is empty: it is no checkpoint".into())
        })?;
        VersionDef::check(meta.versions.as_ref()).map_err(bad)?;
        Ok(meta.tensor)
    }

    /// Adds a variable's slices in file number `file`.
    fn add_slices(
        &self,
        meta: SavedSliceMeta,
        file: usize,
        found: &mut VariablesByName,
    ) -> Result<()> {
        let shape = TensorShapeProto::lengths(meta.shape.as_ref())
            .map_err(|what| self.bad(&meta.name, what))?;
        let variable = Variable { name: meta.name, shape, element: Element(meta.dtype) };
        let (known, stored) =
            found.entry(variable.name.clone()).or_insert_with(|| (variable.clone(), Vec::new()));
        if (&known.shape, known.element) != (&variable.shape, variable.element) {
            let what =
                format!("is listed twice, with shapes {:?} and {:?}", known.shape, variable.shape);
            return Err(self.bad(&variable.name, what));
        }
        stored.extend(meta.slice.iter().map(|slice| SliceLocation { file, slice: slice.into() }));
        Ok(())
    }

    /// Returns the message with a slice's values.
    fn values_of(&self, slice: &Slice, variable: &Variable) -> Result<TensorProto> {
        let bad = |what: String| self.bad(&variable.name, what);
        let value = self.table.get(&slice.key(&variable.name)).map_err(bad)?;
        let value =
            value.ok_or_else(|| bad(format!("its slice {slice} is listed, but not there")))?;
        let message = SavedTensorSlices::decode(value)
            .map_err(|e| bad(format!("its slice {slice} is damaged: {e}")))?;
        let Some(SavedSlice { name, slice: Some(stored), data: Some(data) }) = message.data else {
            return Err(bad(format!("its slice {slice} has no values")));
        };
        if name != variable.name || Slice::from(&stored) != *slice {
            return Err(bad(format!(
                "under the key of its slice {slice} there is another, of '{name}'"
            )));
        }
        Ok(data)
    }

    fn bad(&self, variable: &str, what: String) -> Error {
        variable_error(&self.path, variable, what)
    }
}

/// Assembles a variable after checking that the messages are long enough.
fn join(
    messages: &[TensorProto],
    parts: &[Vec<Range<usize>>],
    shape: &[usize],
    dtype: DType,
) -> Result<Bytes, String> {
    for (message, part) in messages.iter().zip(parts) {
        let min_bytes = volume(part) * values::min_size(dtype);
        if message.encoded_len() < min_bytes {
            return Err(format!("a slice of {} values is stored in fewer bytes", volume(part)));
        }
    }
    let mut assembly = Assembly::new(shape, dtype.size());
    for (message, part) in messages.iter().zip(parts) {
        assembly.copy_slice(part, &values::little_endian(message, dtype, volume(part))?)?;
    }
    Ok(assembly.finish())
}
