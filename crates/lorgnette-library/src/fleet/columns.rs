//! Columns of a Parquet file, read by row group: those of this program, of Arrow, Ray and Spark.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use lorgnette::picture::catch_decoder;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use crate::error::{Error, Result};
use crate::library::name;

/// Maximum number of rows for each byte of a file. Equal values take few bytes together, but each
/// row has a path.
const MAX_ROWS_PER_BYTE: u64 = 8;

/// A cell of a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Empty,
    Integer(i64),
    Float(f64),
    Bytes(Vec<u8>),
}

/// An open Parquet file.
pub(super) struct Columns {
    path: PathBuf,
    reader: SerializedFileReader<File>,
}

/// A column's values, with Parquet's levels.
struct Leaf {
    values: Vec<Value>,
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

impl Columns {
    /// Opens a file and reads its footer.
    ///
    /// # Errors
    /// If the file cannot be read, or is not Parquet.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = lorgnette::net::file::open_regular(path)
            .map_err(|source| Error::File { name: name(path), source })?;
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        let reader = decode(path, || SerializedFileReader::new(file))?;
        let columns = Self { path: path.to_owned(), reader };
        // Memory is taken for rows before they are read.
        let max_rows = length.saturating_mul(MAX_ROWS_PER_BYTE);
        if columns.rows() as u64 > max_rows {
            return Err(columns.wrong("it claims more rows than it can have"));
        }
        Ok(columns)
    }

    /// Returns the path of the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the value of a key of the file's metadata.
    pub(super) fn metadata_value(&self, key: &str) -> Option<&str> {
        let pairs = self.metadata().file_metadata().key_value_metadata()?;
        pairs.iter().find(|pair| pair.key == key)?.value.as_deref()
    }

    /// Returns the number of rows of each row group.
    pub(super) fn group_rows(&self) -> Vec<usize> {
        let rows = |rows: i64| usize::try_from(rows).unwrap_or(0);
        self.metadata().row_groups().iter().map(|group| rows(group.num_rows())).collect()
    }

    /// Returns the number of rows.
    pub(super) fn rows(&self) -> usize {
        self.group_rows().into_iter().fold(0, usize::saturating_add)
    }

    /// Returns whether there is a column of this name. That of a field of a list's items has the
    /// list's name and a dot before it.
    pub(super) fn has(&self, column: &str) -> bool {
        self.find(column).is_some()
    }

    /// Returns the values of a column in some rows of a row group; `None` if there is no such
    /// column.
    ///
    /// # Errors
    /// If the file is damaged, compressed by an unsupported method, or the column is a list.
    pub(super) fn column(
        &self,
        group: usize,
        column: &str,
        rows: Range<usize>,
    ) -> Result<Option<Vec<Value>>> {
        let Some((index, descriptor)) = self.find(column) else { return Ok(None) };
        if descriptor.max_rep_level() > 0 {
            return Err(self.wrong(&format!("its column '{column}' is a list")));
        }
        let count = rows.len();
        let leaf = self.leaf(group, index, rows)?;
        let values = if descriptor.max_def_level() == 0 {
            leaf.values
        } else {
            let mut values = leaf.values.into_iter();
            let is_present = |level: &i16| *level == descriptor.max_def_level();
            let value = |level: &i16| if is_present(level) { values.next() } else { None };
            leaf.definition.iter().map(value).map(|value| value.unwrap_or(Value::Empty)).collect()
        };
        if values.len() == count { Ok(Some(values)) } else { Err(self.wrong("rows are missing")) }
    }

    /// Returns the lists of a column that is in a list, for all rows of a row group.
    ///
    /// # Errors
    /// If the file is damaged or compressed by an unsupported method, or the column is missing or
    /// is not in one list.
    pub(super) fn lists(&self, group: usize, column: &str) -> Result<Vec<Vec<Value>>> {
        let Some((index, descriptor)) = self.find(column) else {
            return Err(self.wrong(&format!("it has no column '{column}'")));
        };
        if descriptor.max_rep_level() != 1 {
            return Err(self.wrong(&format!("its column '{column}' is not in one list")));
        }
        let count = self.group_rows()[group];
        let leaf = self.leaf(group, index, 0..count)?;
        let mut values = leaf.values.into_iter();
        let mut lists: Vec<Vec<Value>> = Vec::new();
        for (definition, repetition) in leaf.definition.iter().zip(&leaf.repetition) {
            if *repetition == 0 {
                lists.push(Vec::new());
            }
            let Some(list) = lists.last_mut() else { break };
            if *definition >= descriptor.repeated_ancestor_def_level() {
                let is_present = *definition == descriptor.max_def_level();
                let value = if is_present { values.next() } else { None };
                list.push(value.unwrap_or(Value::Empty));
            }
        }
        if lists.len() == count { Ok(lists) } else { Err(self.wrong("rows are missing")) }
    }

    /// Returns an error about this file.
    pub(super) fn wrong(&self, what: &str) -> Error {
        Error::Unusable { name: name(&self.path), what: what.to_owned() }
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.reader.metadata()
    }

    /// Returns the index of a column and its description. The parts of a list may have other names
    /// than Parquet's standard, such as `list.item`.
    fn find(&self, column: &str) -> Option<(usize, &ColumnDescriptor)> {
        let schema = self.metadata().file_metadata().schema_descr();
        let is_same = |parts: &[String]| {
            let wanted: Vec<&str> = column.split('.').collect();
            match (&wanted[..], parts) {
                ([list], [name, _, _]) => list == name,
                ([list, field], [name, _, _, last]) => list == name && field == last,
                ([single], [name]) => single == name,
                _ => false,
            }
        };
        let columns = schema.columns().iter().enumerate();
        columns
            .map(|(index, descriptor)| (index, &**descriptor))
            .find(|(_, descriptor)| is_same(descriptor.path().parts()))
    }

    fn leaf(&self, group: usize, index: usize, rows: Range<usize>) -> Result<Leaf> {
        let read = || -> Result<Option<Leaf>, ParquetError> {
            let group = self.reader.get_row_group(group)?;
            Ok(Some(match group.get_column_reader(index)? {
                ColumnReader::Int32ColumnReader(reader) => {
                    read(reader, rows, |number| Value::Integer(number.into()))?
                }
                ColumnReader::Int64ColumnReader(reader) => read(reader, rows, Value::Integer)?,
                ColumnReader::FloatColumnReader(reader) => {
                    read(reader, rows, |number| Value::Float(number.into()))?
                }
                ColumnReader::DoubleColumnReader(reader) => read(reader, rows, Value::Float)?,
                ColumnReader::ByteArrayColumnReader(reader) => {
                    read(reader, rows, |bytes| Value::Bytes(bytes.data().to_vec()))?
                }
                _ => return Ok(None),
            }))
        };
        decode(&self.path, read)?.ok_or_else(|| {
            let schema = self.metadata().file_metadata().schema_descr();
            let name = schema.column(index).name().to_owned();
            self.wrong(&format!("its column '{name}' has a type that is not read"))
        })
    }
}

fn read<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    rows: Range<usize>,
    value: impl Fn(T::T) -> Value,
) -> Result<Leaf, ParquetError> {
    reader.skip_records(rows.start)?;
    let (mut values, mut definition, mut repetition) = (Vec::new(), Vec::new(), Vec::new());
    let mut left = rows.len();
    while left > 0 {
        let (records, ..) =
            reader.read_records(left, Some(&mut definition), Some(&mut repetition), &mut values)?;
        if records == 0 {
            break;
        }
        left -= records;
    }
    Ok(Leaf { values: values.into_iter().map(value).collect(), definition, repetition })
}

/// Runs Parquet's reader, which panics at some damaged pages.
fn decode<T>(path: &Path, read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T> {
    let panicked = |_| ParquetError::General("it is damaged".to_owned());
    let decoded = catch_decoder(read).map_err(panicked).flatten();
    decoded.map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &ParquetError) -> Error {
    /// The reader's words for a compression that this program does without.
    const NO_DECODER: &str = "Disabled feature at compile time: ";
    let what = match error {
        ParquetError::General(text) if text.starts_with(NO_DECODER) => {
            let method = text.trim_start_matches(NO_DECODER);
            format!("it is compressed by {method}: write it with the compression snappy, or none")
        }
        _ => format!("not a whole Parquet file: {error}"),
    };
    Error::Unusable { name: name(path), what }
}

impl Value {
    /// Returns the bytes of a text or a blob.
    pub(super) fn bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Returns a text.
    pub(super) fn text(self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }

    /// Returns an integer.
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns a number.
    pub(super) fn float(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }
}
