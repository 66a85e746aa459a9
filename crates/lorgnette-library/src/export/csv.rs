//! CSV tables (RFC 4180) with a header; a list of numbers has a column for each.

use std::io;

use ::csv::{IntoInnerError, Writer};
use lorgnette::net::AtomicFile;
use lorgnette::spreadsheet;

use super::{Cell, ColumnType, Table};

struct Csv {
    writer: Writer<AtomicFile>,
    column_types: Vec<ColumnType>,
}

/// Begins a table of these columns in `file`.
pub(super) fn open(
    file: AtomicFile,
    columns: &[(&'static str, ColumnType)],
) -> io::Result<Box<dyn Table>> {
    let mut writer = Writer::from_writer(file);
    let mut header = Vec::new();
    for (name, column_type) in columns {
        match column_type {
            ColumnType::FloatList(length) => {
                header.extend((0..*length).map(|number| format!("{name}_{number}")));
            }
            _ => header.push((*name).to_owned()),
        }
    }
    writer.write_record(header)?;
    Ok(Box::new(Csv {
        writer,
        column_types: columns.iter().map(|(_, column_type)| *column_type).collect(),
    }))
}

impl Table for Csv {
    fn row(&mut self, cells: Vec<Cell>) -> io::Result<()> {
        for (cell, column_type) in cells.into_iter().zip(&self.column_types) {
            match cell {
                Cell::FloatList(numbers) => {
                    numbers.iter().try_for_each(|n| self.writer.write_field(n.to_string()))?;
                }
                Cell::Empty if matches!(column_type, ColumnType::FloatList(_)) => {
                    return Err(io::Error::other("no numbers"));
                }
                other => self.writer.write_field(&*spreadsheet::cell(&text(other)))?,
            }
        }
        Ok(self.writer.write_record(None::<&[u8]>)?)
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.writer.into_inner().map_err(IntoInnerError::into_error)?.commit()
    }
}

/// Formats a cell; bytes as hexadecimal digits.
fn text(cell: Cell) -> String {
    match cell {
        Cell::Empty | Cell::FloatList(_) | Cell::List(_) => String::new(),
        Cell::Text(text) => text,
        Cell::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Cell::Integer(number) => number.to_string(),
        Cell::Float(number) => number.to_string(),
    }
}
