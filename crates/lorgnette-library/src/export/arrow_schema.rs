//! The schema that Arrow's readers of Parquet look for: it says that lists have one length.
//!
//! Parquet has lists of any length only. Arrow writes its own schema beside Parquet's, under
//! `ARROW:schema`, in base64: a flatbuffer `Message` (`format/Message.fbs`, `format/Schema.fbs`)
//! behind a mark and its length. Readers that do not know it see ordinary lists.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::ColumnType;

/// The key of the metadata.
pub(super) const KEY: &str = "ARROW:schema";

/// Version 5 of the metadata, and the kind of a message that is a schema.
const METADATA_V5: u16 = 4;
const SCHEMA: u8 = 1;
/// Kinds of types.
const INT: u8 = 2;
const FLOATING_POINT: u8 = 3;
const BINARY: u8 = 4;
const UTF8: u8 = 5;
const LIST: u8 = 12;
const STRUCT: u8 = 13;
const FIXED_SIZE_LIST: u8 = 16;
/// Precisions of floating point numbers.
const SINGLE: u16 = 1;
const DOUBLE: u16 = 2;

/// Returns the schema of these columns.
pub(super) fn encoded(columns: &[(&'static str, ColumnType)]) -> String {
    let fields = columns.iter().map(|&(name, column_type)| field(name, column_type)).collect();
    let schema = Table::new().with(1, Value::Tables(fields));
    let message = Table::new()
        .with(0, Value::U16(METADATA_V5))
        .with(1, Value::U8(SCHEMA))
        .with(2, Value::Table(schema));
    let mut buffer = message.into_buffer();
    buffer.resize(buffer.len().next_multiple_of(8), 0);
    let mut bytes = u32::MAX.to_le_bytes().to_vec();
    bytes.extend((buffer.len() as u32).to_le_bytes());
    bytes.extend(buffer);
    STANDARD.encode(bytes)
}

fn field(name: &str, column_type: ColumnType) -> Table {
    match column_type {
        ColumnType::Text => new_field(name, UTF8, Table::new()),
        ColumnType::Bytes => new_field(name, BINARY, Table::new()),
        ColumnType::Integer => {
            let signed = Table::new().with(0, Value::U32(64)).with(1, Value::U8(1));
            new_field(name, INT, signed)
        }
        ColumnType::Float => new_field(name, FLOATING_POINT, precision(DOUBLE)),
        ColumnType::FloatList(length) => {
            let child = new_field("element", FLOATING_POINT, precision(SINGLE));
            let list = Table::new().with(0, Value::U32(length as u32));
            new_field(name, FIXED_SIZE_LIST, list)
                .with(1, Value::U8(0))
                .with(5, Value::Tables(vec![child.with(1, Value::U8(0))]))
        }
        ColumnType::List(fields) => {
            let fields = fields.iter().map(|&(name, column_type)| field(name, column_type));
            let item = new_field("element", STRUCT, Table::new())
                .with(1, Value::U8(0))
                .with(5, Value::Tables(fields.collect()));
            new_field(name, LIST, Table::new())
                .with(1, Value::U8(0))
                .with(5, Value::Tables(vec![item]))
        }
    }
}

fn precision(precision: u16) -> Table {
    Table::new().with(0, Value::U16(precision))
}

/// A nullable field without children, of the type of this number and these settings.
fn new_field(name: &str, kind: u8, settings: Table) -> Table {
    Table::new()
        .with(0, Value::Text(name.to_owned()))
        .with(1, Value::U8(1))
        .with(2, Value::U8(kind))
        .with(3, Value::Table(settings))
        .with(5, Value::Tables(Vec::new()))
}

/// A flatbuffer's table: the value of each field that it has.
#[derive(Debug)]
struct Table(Vec<(u16, Value)>);

#[derive(Debug)]
enum Value {
    U8(u8),
    U16(u16),
    U32(u32),
    Text(String),
    Table(Table),
    Tables(Vec<Table>),
}

impl Table {
    fn new() -> Self {
        Self(Vec::new())
    }

    /// Sets a field, or replaces it.
    fn with(mut self, number: u16, value: Value) -> Self {
        self.0.retain(|(other, _)| *other != number);
        self.0.push((number, value));
        self
    }

    /// Returns a buffer with this table as its root.
    fn into_buffer(self) -> Vec<u8> {
        let mut buffer = vec![0; 4];
        let root = self.write(&mut buffer);
        buffer[..4].copy_from_slice(&(root as u32).to_le_bytes());
        buffer
    }

    /// Appends the table: its vtable, its fields in four bytes each, then what they refer to.
    /// Returns its position.
    fn write(self, buffer: &mut Vec<u8>) -> usize {
        let count = self.0.iter().map(|(number, _)| number + 1).max().unwrap_or(0);
        let length = 4 + 4 * self.0.len();
        align(buffer, 4);
        let vtable = buffer.len();
        let mut places = vec![0u16; usize::from(count)];
        for (at, (number, _)) in self.0.iter().enumerate() {
            places[usize::from(*number)] = 4 + 4 * at as u16;
        }
        let vtable_length = 4 + 2 * count;
        for number in [vtable_length, length as u16].into_iter().chain(places) {
            buffer.extend(number.to_le_bytes());
        }
        align(buffer, 4);
        let table = buffer.len();
        buffer.extend(((table - vtable) as i32).to_le_bytes());
        buffer.resize(table + length, 0);
        for (at, (_, value)) in self.0.into_iter().enumerate() {
            let place = table + 4 + 4 * at;
            match value {
                Value::U8(value) => buffer[place] = value,
                Value::U16(value) => set(buffer, place, &value.to_le_bytes()),
                Value::U32(value) => set(buffer, place, &value.to_le_bytes()),
                Value::Text(text) => {
                    refer(buffer, place);
                    buffer.extend((text.len() as u32).to_le_bytes());
                    buffer.extend(text.as_bytes());
                    buffer.push(0);
                }
                Value::Table(inner) => {
                    let inner = inner.write(buffer);
                    set(buffer, place, &((inner - place) as u32).to_le_bytes());
                }
                Value::Tables(tables) => {
                    refer(buffer, place);
                    buffer.extend((tables.len() as u32).to_le_bytes());
                    let first = buffer.len();
                    buffer.resize(first + 4 * tables.len(), 0);
                    for (index, inner) in tables.into_iter().enumerate() {
                        let place = first + 4 * index;
                        let inner = inner.write(buffer);
                        set(buffer, place, &((inner - place) as u32).to_le_bytes());
                    }
                }
            }
        }
        table
    }
}

/// Writes at `place` that something follows at the end of the buffer.
fn refer(buffer: &mut Vec<u8>, place: usize) {
    align(buffer, 4);
    let distance = buffer.len() - place;
    set(buffer, place, &(distance as u32).to_le_bytes());
}

fn set(buffer: &mut [u8], place: usize, bytes: &[u8]) {
    buffer[place..place + bytes.len()].copy_from_slice(bytes);
}

fn align(buffer: &mut Vec<u8>, bytes: usize) {
    buffer.resize(buffer.len().next_multiple_of(bytes), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(bytes: &[u8], at: usize) -> usize {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
    }

    /// The place of a table's field; `None` if it has none.
    fn place(bytes: &[u8], table: usize, field: usize) -> Option<usize> {
        let vtable = table - number(bytes, table);
        let short = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        let at = vtable + 4 + 2 * field;
        (at < vtable + short(vtable)).then(|| short(at)).filter(|&at| at > 0).map(|at| table + at)
    }

    /// The position that a field refers to.
    fn referred(bytes: &[u8], table: usize, field: usize) -> usize {
        let place = place(bytes, table, field).unwrap();
        place + number(bytes, place)
    }

    fn elements(bytes: &[u8], vector: usize) -> Vec<usize> {
        let places = (0..number(bytes, vector)).map(|at| vector + 4 + 4 * at);
        places.map(|place| place + number(bytes, place)).collect()
    }

    // That Arrow reads it, `oracle/library_export.py` shows.
    #[test]
    fn fields_have_their_names_and_kinds() {
        let columns = [("photo", ColumnType::Text), ("features", ColumnType::FloatList(1024))];
        let all = STANDARD.decode(encoded(&columns)).unwrap();
        assert_eq!((number(&all, 0), number(&all, 4)), (u32::MAX as usize, all.len() - 8));
        let bytes = &all[8..];
        let schema = referred(bytes, number(bytes, 0), 2);
        let fields = elements(bytes, referred(bytes, schema, 1));
        let name = |field: usize| {
            let text = referred(bytes, field, 0);
            String::from_utf8(bytes[text + 4..][..number(bytes, text)].to_vec()).unwrap()
        };
        let kind = |field: usize| bytes[place(bytes, field, 2).unwrap()];
        assert_eq!([name(fields[0]), name(fields[1])], ["photo", "features"]);
        assert_eq!([kind(fields[0]), kind(fields[1])], [UTF8, FIXED_SIZE_LIST]);
        let list = referred(bytes, fields[1], 3);
        assert_eq!(number(bytes, place(bytes, list, 0).unwrap()), 1024);
        let children = elements(bytes, referred(bytes, fields[1], 5));
        assert_eq!((children.len(), kind(children[0])), (1, FLOATING_POINT));
    }
}
