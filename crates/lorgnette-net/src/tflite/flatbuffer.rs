//! A FlatBuffer, read in place: tables, vectors and strings by field number.
//!
//! Every offset is checked where it is followed: bounds, alignment, and that a table's vtable
//! describes it. Nothing is recursive, and a budget bounds how much is read in all, since offsets
//! of a hostile file may share what they lead to.

use std::cell::Cell;

/// Why a file cannot be read, in words that follow "damaged: ".
pub(super) type Damage = String;

/// The bytes of a FlatBuffer, and how many more elements of it may be visited.
#[derive(Debug)]
pub(super) struct FlatBuffer<'a> {
    bytes: &'a [u8],
    budget: Cell<usize>,
}

/// A table: fields by number, each present or at its default.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<'a> {
    buffer: &'a FlatBuffer<'a>,
    start: usize,
    length: usize,
    vtable: usize,
    fields: usize,
}

/// The elements of a vector, `stride` bytes each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vector<'a> {
    buffer: &'a FlatBuffer<'a>,
    start: usize,
    length: usize,
}

/// Bytes of an offset to a table, vector or string.
const OFFSET: usize = 4;

impl<'a> FlatBuffer<'a> {
    /// A FlatBuffer of which about four elements a byte of the file may be visited.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, budget: Cell::new(bytes.len().saturating_mul(4).saturating_add(1 << 16)) }
    }

    /// The root table.
    pub(super) fn root(&'a self) -> Result<Table<'a>, Damage> {
        let start = self.follow(0)?;
        Table::new(self, start)
    }

    /// All bytes.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Takes `count` visits from the budget.
    pub(super) fn spend(&self, count: usize) -> Result<(), Damage> {
        let left = self.budget.get().checked_sub(count);
        self.budget.set(left.ok_or("its parts refer to one another too often")?);
        Ok(())
    }

    fn read<const N: usize>(&self, at: usize) -> Result<[u8; N], Damage> {
        let bytes = at.checked_add(N).and_then(|end| self.bytes.get(at..end));
        let bytes = bytes.ok_or_else(|| format!("byte {at} is beyond its end"))?;
        if !at.is_multiple_of(N) {
            return Err(format!("the value at byte {at} is not aligned"));
        }
        Ok(std::array::from_fn(|i| bytes[i]))
    }

    /// Where the offset at `at` leads.
    fn follow(&self, at: usize) -> Result<usize, Damage> {
        let offset = u32::from_le_bytes(self.read(at)?) as usize;
        at.checked_add(offset)
            .filter(|&target| offset > 0 && target < self.bytes.len())
            .ok_or_else(|| format!("the offset at byte {at} leads out of it"))
    }
}

impl<'a> Table<'a> {
    fn new(buffer: &'a FlatBuffer<'a>, start: usize) -> Result<Self, Damage> {
        buffer.spend(1)?;
        let distance = i64::from(i32::from_le_bytes(buffer.read(start)?));
        let damaged = || format!("the table at byte {start} has no sound vtable");
        let vtable = (start as i64)
            .checked_sub(distance)
            .and_then(|at| usize::try_from(at).ok())
            .filter(|at| at.checked_add(4).is_some_and(|end| end <= buffer.bytes.len()))
            .ok_or_else(damaged)?;
        let bytes = usize::from(u16::from_le_bytes(buffer.read(vtable)?));
        let length = usize::from(u16::from_le_bytes(buffer.read(vtable + 2)?));
        let end_of_vtable = vtable.checked_add(bytes).ok_or_else(damaged)?;
        let end = start.checked_add(length).ok_or_else(damaged)?;
        let size = buffer.bytes.len();
        if bytes < 4
            || !bytes.is_multiple_of(2)
            || length < OFFSET
            || end_of_vtable > size
            || end > size
        {
            return Err(damaged());
        }
        Ok(Self { buffer, start, length, vtable, fields: bytes / 2 - 2 })
    }

    /// Where field number `field` of `N` bytes is; `None` if it has its default.
    fn place(&self, field: usize, bytes: usize) -> Result<Option<usize>, Damage> {
        if field >= self.fields {
            return Ok(None);
        }
        let offset =
            usize::from(u16::from_le_bytes(self.buffer.read(self.vtable + 4 + 2 * field)?));
        match offset {
            0 => Ok(None),
            _ if offset < OFFSET || offset + bytes > self.length => {
                Err(format!("field {field} of the table at byte {} is not within it", self.start))
            }
            _ => Ok(Some(self.start + offset)),
        }
    }

    fn scalar<const N: usize>(&self, field: usize) -> Result<Option<[u8; N]>, Damage> {
        self.place(field, N)?.map(|at| self.buffer.read(at)).transpose()
    }

    /// An unsigned byte, or an enumeration of one; 0 by default.
    pub(super) fn u8(&self, field: usize) -> Result<u8, Damage> {
        Ok(self.scalar::<1>(field)?.map_or(0, |[byte]| byte))
    }

    /// A flag; false by default.
    pub(super) fn flag(&self, field: usize) -> Result<bool, Damage> {
        Ok(self.u8(field)? != 0)
    }

    /// A flag that is true by default.
    pub(super) fn flag_or_true(&self, field: usize) -> Result<bool, Damage> {
        Ok(self.scalar(field)?.is_none_or(|[byte]| byte != 0))
    }

    /// An int32, or what it is by default.
    pub(super) fn i32(&self, field: usize, default: i32) -> Result<i32, Damage> {
        Ok(self.scalar(field)?.map_or(default, i32::from_le_bytes))
    }

    /// A uint32; 0 by default.
    pub(super) fn u32(&self, field: usize) -> Result<u32, Damage> {
        Ok(self.scalar(field)?.map_or(0, u32::from_le_bytes))
    }

    /// A uint64; 0 by default.
    pub(super) fn u64(&self, field: usize) -> Result<u64, Damage> {
        Ok(self.scalar(field)?.map_or(0, u64::from_le_bytes))
    }

    /// A float32; 0 by default.
    pub(super) fn f32(&self, field: usize) -> Result<f32, Damage> {
        Ok(self.scalar(field)?.map_or(0.0, f32::from_le_bytes))
    }

    /// A table, if there is one.
    pub(super) fn table(&self, field: usize) -> Result<Option<Self>, Damage> {
        let at = self.place(field, OFFSET)?;
        at.map(|at| Self::new(self.buffer, self.buffer.follow(at)?)).transpose()
    }

    /// A vector of elements of `bytes` each; empty if there is none.
    fn vector(&self, field: usize, bytes: usize) -> Result<Vector<'a>, Damage> {
        let Some(at) = self.place(field, OFFSET)? else {
            return Ok(Vector { buffer: self.buffer, start: 0, length: 0 });
        };
        let start = self.buffer.follow(at)?;
        let length = u32::from_le_bytes(self.buffer.read(start)?) as usize;
        let start = start + 4;
        let end = length.checked_mul(bytes).and_then(|bytes| start.checked_add(bytes));
        if end.is_none_or(|end| end > self.buffer.bytes.len()) {
            return Err(format!("the vector at byte {} is longer than what is left", start - 4));
        }
        Ok(Vector { buffer: self.buffer, start, length })
    }

    /// Where the bytes of a vector are.
    pub(super) fn bytes(&self, field: usize) -> Result<std::ops::Range<usize>, Damage> {
        let vector = self.vector(field, 1)?;
        Ok(vector.start..vector.start + vector.length)
    }

    /// The number of elements that a vector or string says it has; no element is visited.
    pub(super) fn len(&self, field: usize) -> Result<usize, Damage> {
        Ok(self.vector(field, 1)?.length)
    }

    /// A string, if there is one.
    pub(super) fn text(&self, field: usize) -> Result<Option<&'a str>, Damage> {
        let range = self.bytes(field)?;
        self.buffer.spend(range.len())?;
        let text = std::str::from_utf8(&self.buffer.bytes[range]);
        let text = text.map_err(|_| {
            format!("field {field} of the table at byte {} is no UTF-8", self.start)
        })?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// The tables of a vector.
    pub(super) fn tables(&self, field: usize) -> Result<Vec<Self>, Damage> {
        let Vector { buffer, start, length } = self.vector(field, OFFSET)?;
        let table = |i| Self::new(buffer, buffer.follow(start + OFFSET * i)?);
        (0..length).map(table).collect()
    }

    fn numbers<const N: usize, T>(
        &self,
        field: usize,
        number: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, Damage> {
        let Vector { buffer, start, length } = self.vector(field, N)?;
        buffer.spend(length)?;
        (0..length).map(|i| buffer.read(start + N * i).map(&number)).collect()
    }

    /// The int32 numbers of a vector.
    pub(super) fn i32s(&self, field: usize) -> Result<Vec<i32>, Damage> {
        self.numbers(field, i32::from_le_bytes)
    }

    /// The int64 numbers of a vector.
    pub(super) fn i64s(&self, field: usize) -> Result<Vec<i64>, Damage> {
        self.numbers(field, i64::from_le_bytes)
    }

    /// The float32 numbers of a vector.
    pub(super) fn f32s(&self, field: usize) -> Result<Vec<f32>, Damage> {
        self.numbers(field, f32::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root table with one field, an int32 vector of `length` claimed elements and one real one.
    fn buffer(field_offset: u16, length: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(12u32.to_le_bytes());
        // The vtable: six bytes, a table of eight, the field's place; two bytes of padding.
        bytes.extend([6u16, 8, field_offset, 0].iter().flat_map(|n| n.to_le_bytes()));
        bytes.extend(8i32.to_le_bytes());
        bytes.extend(4u32.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend((-7i32).to_le_bytes());
        bytes
    }

    fn numbers(bytes: &[u8]) -> Result<Vec<i32>, Damage> {
        FlatBuffer::new(bytes).root()?.i32s(0)
    }

    #[test]
    fn a_vector_is_read_and_a_missing_field_is_empty() {
        assert_eq!(numbers(&buffer(4, 1)).unwrap(), [-7]);
        assert_eq!(numbers(&buffer(0, 1)).unwrap(), [0i32; 0]);
    }

    #[test]
    fn what_leads_out_of_the_file_is_refused() {
        let message = |bytes: &[u8]| numbers(bytes).unwrap_err();
        assert!(message(&buffer(4, 2)).contains("longer than what is left"));
        assert!(message(&buffer(6, 1)).contains("not within it"));
        assert!(message(&buffer(4, 1)[..14]).contains("beyond its end"));
        let mut misaligned = buffer(4, 1);
        misaligned[0] = 13;
        assert!(message(&misaligned).contains("not aligned"));
        let mut without_vtable = buffer(4, 1);
        without_vtable[12..16].copy_from_slice(&i32::MIN.to_le_bytes());
        assert!(message(&without_vtable).contains("no sound vtable"));
    }

    #[test]
    fn shared_parts_are_counted_each_time() {
        let bytes = buffer(4, 1);
        let flat = FlatBuffer::new(&bytes);
        assert!(flat.spend(1 << 16).is_ok());
        assert!(flat.spend(1 << 16).is_err());
    }
}
