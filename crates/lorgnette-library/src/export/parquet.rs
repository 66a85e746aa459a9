//! A table as Parquet: columns in groups of rows, packed with Snappy.

use std::fs::File;
use std::io::{self, BufWriter};
use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, FloatType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use ::parquet::schema::parser::parse_message_type;

use super::{Cell, Kind, Table};

/// Rows of a group, which are in memory at once.
const GROUP: usize = 8192;

struct Parquet {
    writer: SerializedFileWriter<BufWriter<File>>,
    kinds: Vec<Kind>,
    /// By column.
    waiting: Vec<Vec<Cell>>,
}

/// A table of these columns in `file`.
pub(super) fn open(file: BufWriter<File>, columns: &[(&'static str, Kind)]) -> io::Result<Box<dyn Table>> {
    let schema = Arc::new(parse_message_type(&message(columns)).map_err(io_error)?);
    let properties = Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
    let writer = SerializedFileWriter::new(file, schema, properties).map_err(io_error)?;
    let kinds: Vec<Kind> = columns.iter().map(|(_, kind)| *kind).collect();
    Ok(Box::new(Parquet { writer, waiting: vec![Vec::new(); kinds.len()], kinds }))
}

/// The columns in Parquet's own words.
fn message(columns: &[(&'static str, Kind)]) -> String {
    let field = |(name, kind): &(&str, Kind)| match kind {
        Kind::Text => format!("OPTIONAL BYTE_ARRAY {name} (UTF8);"),
        Kind::Bytes => format!("OPTIONAL BYTE_ARRAY {name};"),
        Kind::Whole => format!("OPTIONAL INT64 {name};"),
        Kind::Real => format!("OPTIONAL DOUBLE {name};"),
        Kind::Numbers(_) => {
            format!("REQUIRED GROUP {name} (LIST) {{ REPEATED GROUP list {{ REQUIRED FLOAT element; }} }}")
        }
    };
    format!("message library {{ {} }}", columns.iter().map(field).collect::<String>())
}

impl Table for Parquet {
    fn row(&mut self, cells: Vec<Cell>) -> io::Result<()> {
        self.waiting.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell));
        if self.waiting[0].len() == GROUP { self.group().map_err(io_error) } else { Ok(()) }
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        if !self.waiting[0].is_empty() {
            self.group().map_err(io_error)?;
        }
        self.writer.close().map(|_| ()).map_err(io_error)
    }
}

impl Parquet {
    /// Writes the rows that wait.
    fn group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for (kind, cells) in self.kinds.iter().zip(&mut self.waiting) {
            if let Some(mut column) = group.next_column()? {
                write_column(&mut column, *kind, std::mem::take(cells))?;
                column.close()?;
            }
        }
        group.close().map(|_| ())
    }
}

fn write_column(column: &mut SerializedColumnWriter<'_>, kind: Kind, cells: Vec<Cell>) -> Result<(), ParquetError> {
    if matches!(kind, Kind::Numbers(_)) {
        return write_lists(column, &cells);
    }
    // Of a value that may be missing, Parquet wants a 1 where it is there.
    let there: Vec<i16> = cells.iter().map(|cell| i16::from(*cell != Cell::Empty)).collect();
    let written = match kind {
        Kind::Text | Kind::Bytes => {
            let values: Vec<ByteArray> = cells.into_iter().filter_map(bytes).collect();
            column.typed::<ByteArrayType>().write_batch(&values, Some(&there), None)
        }
        Kind::Whole => {
            let values: Vec<i64> =
                cells.into_iter().filter_map(|cell| if let Cell::Whole(n) = cell { Some(n) } else { None }).collect();
            column.typed::<Int64Type>().write_batch(&values, Some(&there), None)
        }
        _ => {
            let values: Vec<f64> =
                cells.into_iter().filter_map(|cell| if let Cell::Real(n) = cell { Some(n) } else { None }).collect();
            column.typed::<DoubleType>().write_batch(&values, Some(&there), None)
        }
    };
    written.map(|_| ())
}

/// Lists of numbers: a list's first number begins anew (repetition 0), the others go on (1).
fn write_lists(column: &mut SerializedColumnWriter<'_>, cells: &[Cell]) -> Result<(), ParquetError> {
    let (mut values, mut there, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
    for cell in cells {
        let Cell::Numbers(numbers) = cell else { continue };
        values.extend_from_slice(numbers);
        let length = numbers.len().max(1);
        there.extend(std::iter::repeat_n(i16::from(!numbers.is_empty()), length));
        repeated.extend((0..length).map(|at| i16::from(at > 0)));
    }
    column.typed::<FloatType>().write_batch(&values, Some(&there), Some(&repeated)).map(|_| ())
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
