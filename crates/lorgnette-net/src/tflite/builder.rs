//! A FlatBuffer, written front to back: an object, then what it refers to.

/// An object of a FlatBuffer.
#[derive(Clone, Debug)]
pub(super) enum Object {
    /// Fields by number.
    Table(Vec<(usize, Field)>),
    Tables(Vec<Object>),
    Text(String),
    /// Bytes, aligned to 16.
    Bytes(Vec<u8>),
    I32s(Vec<i32>),
    I64s(Vec<i64>),
    F32s(Vec<f32>),
}

/// A field of a table.
#[derive(Clone, Debug)]
pub(super) enum Field {
    U8(u8),
    I32(i32),
    F32(f32),
    Object(Object),
}

impl Field {
    /// Bytes in the table.
    fn size(&self) -> usize {
        match self {
            Self::U8(_) => 1,
            Self::I32(_) | Self::F32(_) | Self::Object(_) => OFFSET,
        }
    }
}

/// Bytes of an offset.
const OFFSET: usize = 4;
/// Alignment of the bytes of a buffer, which programs read in place.
const BYTES_ALIGNMENT: usize = 16;

/// Returns the file of a root table.
pub(super) fn finish(root: &Object, identifier: [u8; 4]) -> Vec<u8> {
    let mut writer = Writer { bytes: vec![0; OFFSET] };
    writer.bytes.extend(identifier);
    let at = writer.object(root);
    writer.point(0, at);
    writer.bytes
}

struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Adds zeros until the end, plus `ahead` bytes, is a multiple of an alignment.
    fn align(&mut self, alignment: usize, ahead: usize) {
        let end = (self.bytes.len() + ahead).next_multiple_of(alignment) - ahead;
        self.bytes.resize(end, 0);
    }

    /// Makes the offset at `from` lead to `to`, which is behind it.
    fn point(&mut self, from: usize, to: usize) {
        let offset = u32::try_from(to - from).expect("a model is shorter than 4 GiB");
        self.bytes[from..from + OFFSET].copy_from_slice(&offset.to_le_bytes());
    }

    /// Writes an object and what it refers to, and returns its place.
    fn object(&mut self, object: &Object) -> usize {
        match object {
            Object::Table(fields) => self.table(fields),
            Object::Tables(tables) => {
                let at = self.vector(tables.len(), OFFSET, OFFSET);
                let first = self.bytes.len();
                self.bytes.resize(first + tables.len() * OFFSET, 0);
                for (i, table) in tables.iter().enumerate() {
                    let target = self.object(table);
                    self.point(first + i * OFFSET, target);
                }
                at
            }
            Object::Text(text) => {
                let at = self.vector(text.len(), 1, OFFSET);
                self.bytes.extend(text.as_bytes());
                self.bytes.push(0);
                at
            }
            Object::Bytes(bytes) => {
                let at = self.vector(bytes.len(), 1, BYTES_ALIGNMENT);
                self.bytes.extend(bytes);
                at
            }
            Object::I32s(numbers) => {
                let at = self.vector(numbers.len(), size_of::<i32>(), OFFSET);
                self.bytes.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
                at
            }
            Object::I64s(numbers) => {
                let at = self.vector(numbers.len(), size_of::<i64>(), size_of::<i64>());
                self.bytes.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
                at
            }
            Object::F32s(numbers) => {
                let at = self.vector(numbers.len(), size_of::<f32>(), OFFSET);
                self.bytes.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
                at
            }
        }
    }

    /// Begins a vector whose elements are aligned, and returns its place.
    fn vector(&mut self, length: usize, size: usize, alignment: usize) -> usize {
        self.bytes.reserve(length * size + alignment + OFFSET);
        self.align(alignment, OFFSET);
        let at = self.bytes.len();
        let length = u32::try_from(length).expect("a vector is shorter than 4 GiB");
        self.bytes.extend(length.to_le_bytes());
        at
    }

    /// Writes a vtable, the table, and what its fields refer to.
    fn table(&mut self, fields: &[(usize, Field)]) -> usize {
        let mut order: Vec<&(usize, Field)> = fields.iter().collect();
        // The larger first, so that all are aligned.
        order.sort_by_key(|(_, field)| std::cmp::Reverse(field.size()));
        let slots = fields.iter().map(|(number, _)| number + 1).max().unwrap_or(0);
        let mut offsets = vec![0u16; slots];
        let mut length = OFFSET;
        for (number, field) in &order {
            offsets[*number] = length as u16;
            length += field.size();
        }
        self.align(2, 0);
        let vtable = self.bytes.len();
        let vtable_len = (2 + slots) * size_of::<u16>();
        self.bytes.extend((vtable_len as u16).to_le_bytes());
        self.bytes.extend((length as u16).to_le_bytes());
        self.bytes.extend(offsets.iter().flat_map(|offset| offset.to_le_bytes()));
        self.align(OFFSET, 0);
        let at = self.bytes.len();
        self.bytes.extend(((at - vtable) as i32).to_le_bytes());
        let mut targets = Vec::new();
        for (_, field) in &order {
            let here = self.bytes.len();
            match field {
                Field::U8(byte) => self.bytes.push(*byte),
                Field::I32(number) => self.bytes.extend(number.to_le_bytes()),
                Field::F32(number) => self.bytes.extend(number.to_le_bytes()),
                Field::Object(object) => {
                    targets.push((here, object));
                    self.bytes.extend([0; OFFSET]);
                }
            }
        }
        for (from, object) in targets {
            let to = self.object(object);
            self.point(from, to);
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::super::flatbuffer::FlatBuffer;
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let inner = Object::Table(vec![(2, Field::U8(7)), (0, Field::F32(0.5))]);
        let root = Object::Table(vec![
            (0, Field::U8(3)),
            (4, Field::Object(Object::Text("a name".into()))),
            (1, Field::I32(-9)),
            (2, Field::Object(Object::I64s(vec![1 << 40, -1]))),
            (3, Field::Object(Object::Tables(vec![inner.clone(), inner]))),
            (6, Field::Object(Object::Bytes(vec![1, 2, 3]))),
        ]);
        let bytes = finish(&root, *b"TEST");
        let flat = FlatBuffer::new(&bytes);
        let root = flat.root().unwrap();
        assert_eq!((root.u8(0), root.i32(1, 0)), (Ok(3), Ok(-9)));
        assert_eq!(root.i64s(2).unwrap(), [1 << 40, -1]);
        assert_eq!(root.text(4).unwrap(), Some("a name"));
        let tables = root.tables(3).unwrap();
        assert_eq!((tables.len(), tables[1].u8(2), tables[1].f32(0)), (2, Ok(7), Ok(0.5)));
        assert_eq!(tables[0].u8(1), Ok(0));
        let range = root.bytes(6).unwrap();
        assert_eq!((range.start % 16, &bytes[range]), (0, &[1, 2, 3][..]));
        assert_eq!(root.bytes(5).unwrap().len(), 0);
    }
}
