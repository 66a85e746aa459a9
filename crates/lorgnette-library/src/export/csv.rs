//! A table as comma-separated values (RFC 4180), with a header; a list of numbers is a column for each.

use std::fs::File;
use std::io::{self, BufWriter};

use ::csv::Writer;

use super::{Cell, Kind, Table};

struct Csv {
    writer: Writer<BufWriter<File>>,
    kinds: Vec<Kind>,
}

/// A table of these columns in `file`.
pub(super) fn open(file: BufWriter<File>, columns: &[(&'static str, Kind)]) -> io::Result<Box<dyn Table>> {
    let mut writer = Writer::from_writer(file);
    let mut header = Vec::new();
    for (name, kind) in columns {
        match kind {
            Kind::Numbers(length) => header.extend((0..*length).map(|number| format!("{name}_{number}"))),
            _ => header.push((*name).to_owned()),
        }
    }
    writer.write_record(header)?;
    Ok(Box::new(Csv { writer, kinds: columns.iter().map(|(_, kind)| *kind).collect() }))
}

impl Table for Csv {
    fn row(&mut self, cells: Vec<Cell>) -> io::Result<()> {
        for (cell, kind) in cells.into_iter().zip(&self.kinds) {
            match cell {
                Cell::Numbers(numbers) => numbers.iter().try_for_each(|n| self.writer.write_field(n.to_string()))?,
                Cell::Empty if matches!(kind, Kind::Numbers(_)) => return Err(io::Error::other("no numbers")),
                other => self.writer.write_field(text(other))?,
            }
        }
        Ok(self.writer.write_record(None::<&[u8]>)?)
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.writer.flush()
    }
}

/// A cell as text; bytes in hexadecimal digits.
fn text(cell: Cell) -> String {
    match cell {
        Cell::Empty | Cell::Numbers(_) => String::new(),
        Cell::Text(text) => text,
        Cell::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Cell::Whole(number) => number.to_string(),
        Cell::Real(number) => number.to_string(),
    }
}
