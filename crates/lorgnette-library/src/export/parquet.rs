//! Parquet tables in row groups, compressed with Snappy.

use std::io;
use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, FloatType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{
    SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter,
};
use ::parquet::schema::parser::parse_message_type;
use lorgnette::net::AtomicFile;

use super::{Cell, ColumnType, Table, arrow_schema};

/// Rows of a row group, which is held in memory.
const ROWS_PER_GROUP: usize = 8192;

/// Writes rows to `W`. Equal rows give equal bytes.
pub(crate) struct ParquetWriter<W: io::Write + Send> {
    writer: SerializedFileWriter<W>,
    column_types: Vec<ColumnType>,
    /// Buffered values by column.
    buffered: Vec<Vec<Cell>>,
}

/// Begins a table of these columns in `file`.
pub(super) fn open(
    file: AtomicFile,
    columns: &[(&'static str, ColumnType)],
) -> io::Result<Box<dyn Table>> {
    let arrow_schema = KeyValue::new(arrow_schema::KEY.into(), arrow_schema::encoded(columns));
    Ok(Box::new(ParquetWriter::new(file, columns, vec![arrow_schema])?))
}

impl<W: io::Write + Send> ParquetWriter<W> {
    /// Begins a table of these columns, with this metadata.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub(crate) fn new(
        out: W,
        columns: &[(&'static str, ColumnType)],
        metadata: Vec<KeyValue>,
    ) -> io::Result<Self> {
        let schema = Arc::new(parse_message_type(&message(columns)).map_err(io_error)?);
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_key_value_metadata(Some(metadata))
            .build();
        let writer =
            SerializedFileWriter::new(out, schema, Arc::new(properties)).map_err(io_error)?;
        let column_types: Vec<ColumnType> =
            columns.iter().map(|(_, column_type)| *column_type).collect();
        Ok(Self { writer, buffered: vec![Vec::new(); column_types.len()], column_types })
    }

    /// Appends a row with a cell for each column.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) -> io::Result<()> {
        self.buffered.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell));
        if self.buffered[0].len() == ROWS_PER_GROUP {
            self.group().map_err(io_error)
        } else {
            Ok(())
        }
    }

    /// Writes buffered rows and the end of the file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        if !self.buffered[0].is_empty() {
            self.group().map_err(io_error)?;
        }
        self.writer.into_inner().map_err(io_error)
    }

    /// Writes the buffered rows as a row group.
    fn group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for (column_type, cells) in self.column_types.iter().zip(&mut self.buffered) {
            let cells = std::mem::take(cells);
            match column_type {
                ColumnType::List(fields) => {
                    for (at, (_, field_type)) in fields.iter().enumerate() {
                        next_column(&mut group, |column| {
                            write_field(column, *field_type, &cells, at)
                        })?;
                    }
                }
                ColumnType::FloatList(_) => {
                    next_column(&mut group, |column| write_float_lists(column, &cells))?;
                }
                _ => next_column(&mut group, |column| write_column(column, *column_type, cells))?,
            }
        }
        group.close().map(|_| ())
    }
}

impl Table for ParquetWriter<AtomicFile> {
    fn row(&mut self, cells: Vec<Cell>) -> io::Result<()> {
        ParquetWriter::row(self, cells)
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        ParquetWriter::finish(*self)?.commit()
    }
}

/// Returns the Parquet schema of the columns.
fn message(columns: &[(&'static str, ColumnType)]) -> String {
    format!("message library {{ {} }}", fields(columns))
}

fn fields(columns: &[(&'static str, ColumnType)]) -> String {
    columns.iter().map(|(name, column_type)| field(name, column_type)).collect()
}

fn field(name: &str, column_type: &ColumnType) -> String {
    let list = |element: &str| {
        format!("REQUIRED GROUP {name} (LIST) {{ REPEATED GROUP list {{ {element} }} }}")
    };
    match column_type {
        ColumnType::Text => format!("OPTIONAL BYTE_ARRAY {name} (UTF8);"),
        ColumnType::Bytes => format!("OPTIONAL BYTE_ARRAY {name};"),
        ColumnType::Integer => format!("OPTIONAL INT64 {name};"),
        ColumnType::Float => format!("OPTIONAL DOUBLE {name};"),
        ColumnType::FloatList(_) => list("REQUIRED FLOAT element;"),
        ColumnType::List(columns) => {
            list(&format!("REQUIRED GROUP element {{ {} }}", fields(columns)))
        }
    }
}

/// Writes the next column of a row group.
fn next_column<W: io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    write: impl FnOnce(&mut SerializedColumnWriter<'_>) -> Result<(), ParquetError>,
) -> Result<(), ParquetError> {
    match group.next_column()? {
        Some(mut column) => {
            write(&mut column)?;
            column.close()
        }
        None => Ok(()),
    }
}

fn write_column(
    column: &mut SerializedColumnWriter<'_>,
    column_type: ColumnType,
    cells: Vec<Cell>,
) -> Result<(), ParquetError> {
    // The definition level of an optional value is 1 where it is present.
    let definition_levels: Vec<i16> =
        cells.iter().map(|cell| i16::from(*cell != Cell::Empty)).collect();
    let levels = Levels { definition: definition_levels, repetition: None };
    write_values(column, column_type, cells, &levels)
}

/// Levels of the values of a column, as Parquet defines them.
#[derive(Debug)]
struct Levels {
    definition: Vec<i16>,
    /// `None` outside of lists.
    repetition: Option<Vec<i16>>,
}

/// Writes the values of cells, which have these levels.
fn write_values(
    column: &mut SerializedColumnWriter<'_>,
    column_type: ColumnType,
    cells: Vec<Cell>,
    levels: &Levels,
) -> Result<(), ParquetError> {
    let definition = Some(&levels.definition[..]);
    let repetition = levels.repetition.as_deref();
    let written = match column_type {
        ColumnType::Text | ColumnType::Bytes => {
            let values: Vec<ByteArray> = cells.into_iter().filter_map(bytes).collect();
            column.typed::<ByteArrayType>().write_batch(&values, definition, repetition)
        }
        ColumnType::Integer => {
            let values: Vec<i64> = cells
                .into_iter()
                .filter_map(|cell| if let Cell::Integer(n) = cell { Some(n) } else { None })
                .collect();
            column.typed::<Int64Type>().write_batch(&values, definition, repetition)
        }
        _ => {
            let values: Vec<f64> = cells
                .into_iter()
                .filter_map(|cell| if let Cell::Float(n) = cell { Some(n) } else { None })
                .collect();
            column.typed::<DoubleType>().write_batch(&values, definition, repetition)
        }
    };
    written.map(|_| ())
}

/// Writes the field number `at` of the items of lists. The definition level is 0 for an empty list,
/// 1 for an item without a value, 2 for a value.
fn write_field(
    column: &mut SerializedColumnWriter<'_>,
    field_type: ColumnType,
    cells: &[Cell],
    at: usize,
) -> Result<(), ParquetError> {
    let (mut values, mut definition_levels, mut repetition_levels) =
        (Vec::new(), Vec::new(), Vec::new());
    for cell in cells {
        let items: &[Vec<Cell>] = if let Cell::List(items) = cell { items } else { &[] };
        if items.is_empty() {
            definition_levels.push(0);
            repetition_levels.push(0);
        }
        for (number, item) in items.iter().enumerate() {
            definition_levels.push(1 + i16::from(item[at] != Cell::Empty));
            repetition_levels.push(i16::from(number > 0));
            values.push(item[at].clone());
        }
    }
    let levels = Levels { definition: definition_levels, repetition: Some(repetition_levels) };
    write_values(column, field_type, values, &levels)
}

/// Writes lists: the repetition level is 0 for the first number of a list and 1 for the others.
fn write_float_lists(
    column: &mut SerializedColumnWriter<'_>,
    cells: &[Cell],
) -> Result<(), ParquetError> {
    let (mut values, mut definition_levels, mut repetition_levels) =
        (Vec::new(), Vec::new(), Vec::new());
    for cell in cells {
        let Cell::FloatList(numbers) = cell else { continue };
        values.extend_from_slice(numbers);
        let length = numbers.len().max(1);
        definition_levels.extend(std::iter::repeat_n(i16::from(!numbers.is_empty()), length));
        repetition_levels.extend((0..length).map(|at| i16::from(at > 0)));
    }
    column
        .typed::<FloatType>()
        .write_batch(&values, Some(&definition_levels), Some(&repetition_levels))
        .map(|_| ())
}

fn bytes(cell: Cell) -> Option<ByteArray> {
    match cell {
        Cell::Text(text) => Some(text.into_bytes().into()),
        Cell::Bytes(bytes) => Some(bytes.into()),
        _ => None,
    }
}

fn io_error(error: ParquetError) -> io::Error {
    io::Error::other(error)
}
