//! Parquet tables in row groups, compressed with Snappy.

use std::io;
use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, FloatType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use ::parquet::schema::parser::parse_message_type;
use lorgnette::net::AtomicFile;

use super::{Cell, ColumnType, Table, arrow_schema};

/// Rows of a row group, which is held in memory.
const ROWS_PER_GROUP: usize = 8192;

struct Parquet {
    writer: SerializedFileWriter<AtomicFile>,
    column_types: Vec<ColumnType>,
    /// Buffered values by column.
    buffered: Vec<Vec<Cell>>,
}

/// Begins a table of these columns in `file`.
pub(super) fn open(
    file: AtomicFile,
    columns: &[(&'static str, ColumnType)],
) -> io::Result<Box<dyn Table>> {
    let schema = Arc::new(parse_message_type(&message(columns)).map_err(io_error)?);
    let arrow_schema = KeyValue::new(arrow_schema::KEY.into(), arrow_schema::encoded(columns));
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(vec![arrow_schema]))
        .build();
    let properties = Arc::new(properties);
    let writer = SerializedFileWriter::new(file, schema, properties).map_err(io_error)?;
    let column_types: Vec<ColumnType> =
        columns.iter().map(|(_, column_type)| *column_type).collect();
    Ok(Box::new(Parquet { writer, buffered: vec![Vec::new(); column_types.len()], column_types }))
}

/// Returns the Parquet schema of the columns.
fn message(columns: &[(&'static str, ColumnType)]) -> String {
    let field = |(name, column_type): &(&str, ColumnType)| match column_type {
        ColumnType::Text => format!("OPTIONAL BYTE_ARRAY {name} (UTF8);"),
        ColumnType::Bytes => format!("OPTIONAL BYTE_ARRAY {name};"),
        ColumnType::Integer => format!("OPTIONAL INT64 {name};"),
        ColumnType::Float => format!("OPTIONAL DOUBLE {name};"),
        ColumnType::FloatList(_) => {
            format!(
                "REQUIRED GROUP {name} (LIST) {{ REPEATED GROUP list {{ REQUIRED FLOAT element; }} \
                 }}"
            )
        }
    };
    format!("message library {{ {} }}", columns.iter().map(field).collect::<String>())
}

impl Table for Parquet {
    fn row(&mut self, cells: Vec<Cell>) -> io::Result<()> {
        self.buffered.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell));
        if self.buffered[0].len() == ROWS_PER_GROUP {
            self.group().map_err(io_error)
        } else {
            Ok(())
        }
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        if !self.buffered[0].is_empty() {
            self.group().map_err(io_error)?;
        }
        self.writer.into_inner().map_err(io_error)?.commit()
    }
}

impl Parquet {
    /// Writes the buffered rows as a row group.
    fn group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for (column_type, cells) in self.column_types.iter().zip(&mut self.buffered) {
            if let Some(mut column) = group.next_column()? {
                write_column(&mut column, *column_type, std::mem::take(cells))?;
                column.close()?;
            }
        }
        group.close().map(|_| ())
    }
}

fn write_column(
    column: &mut SerializedColumnWriter<'_>,
    column_type: ColumnType,
    cells: Vec<Cell>,
) -> Result<(), ParquetError> {
    if matches!(column_type, ColumnType::FloatList(_)) {
        return write_lists(column, &cells);
    }
    // The definition level of an optional value is 1 where it is present.
    let definition_levels: Vec<i16> =
        cells.iter().map(|cell| i16::from(*cell != Cell::Empty)).collect();
    let written = match column_type {
        ColumnType::Text | ColumnType::Bytes => {
            let values: Vec<ByteArray> = cells.into_iter().filter_map(bytes).collect();
            column.typed::<ByteArrayType>().write_batch(&values, Some(&definition_levels), None)
        }
        ColumnType::Integer => {
            let values: Vec<i64> = cells
                .into_iter()
                .filter_map(|cell| if let Cell::Integer(n) = cell { Some(n) } else { None })
                .collect();
            column.typed::<Int64Type>().write_batch(&values, Some(&definition_levels), None)
        }
        _ => {
            let values: Vec<f64> = cells
                .into_iter()
                .filter_map(|cell| if let Cell::Float(n) = cell { Some(n) } else { None })
                .collect();
            column.typed::<DoubleType>().write_batch(&values, Some(&definition_levels), None)
        }
    };
    written.map(|_| ())
}

/// Writes lists: the repetition level is 0 for the first number of a list and 1 for the others.
fn write_lists(
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
