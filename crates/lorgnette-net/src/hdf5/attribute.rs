//! Attributes, datatypes and dataspaces.

use bytes::Bytes;

use super::cursor::Cursor;
use super::header::{Message, first, kind};
use super::{Damage, Hdf5, UNDEFINED};
use crate::tensor::{DType, elements};

/// A small value that belongs to a group or dataset.
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    pub(super) datatype: Datatype,
    pub(super) shape: Vec<usize>,
    pub(super) content: Bytes,
}

impl Attribute {
    /// Returns the number of elements.
    pub(super) fn count(&self) -> usize {
        elements(&self.shape).unwrap_or(0)
    }
}

/// The type of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Datatype {
    Number(DType),
    /// Text of a fixed number of bytes.
    FixedText(usize),
    /// Text in a global heap.
    Text,
    /// Another type, of this class.
    Other(u8),
}

/// Finds an attribute by name.
pub(super) fn find(
    file: &Hdf5,
    messages: &[Message],
    wanted: &str,
) -> Result<Option<Attribute>, Damage> {
    for message in messages.iter().filter(|message| message.kind == kind::ATTRIBUTE) {
        file.spend(message.content.len())?;
        if let Some(found) = attribute(&mut Cursor::new(message.content.clone()), wanted)? {
            return Ok(Some(found));
        }
    }
    if let Some(mut info) = first(messages, kind::ATTRIBUTE_INFO)? {
        info.skip(1)?;
        if info.u8()? & 1 != 0 {
            info.skip(2)?;
        }
        if info.u64()? != UNDEFINED {
            return Err("attributes are in a heap (the newest form of HDF5), which is not read: \
                        save the model again with Keras's default"
                .into());
        }
    }
    Ok(None)
}

/// Reads an attribute message; `None` if it has another name.
fn attribute(cursor: &mut Cursor, wanted: &str) -> Result<Option<Attribute>, Damage> {
    let version = cursor.u8()?;
    if !(1..=3).contains(&version) {
        return Err(format!("version {version} of an attribute is not known"));
    }
    let flags = cursor.u8()?;
    let sizes = [cursor.u16()?, cursor.u16()?, cursor.u16()?].map(usize::from);
    if version == 3 {
        cursor.skip(1)?;
    }
    let mut part = |size: usize| -> Result<Bytes, Damage> {
        let content = cursor.take(size)?;
        if version == 1 {
            cursor.skip(size.next_multiple_of(8) - size)?;
        }
        Ok(content)
    };
    let [name, datatype_part, dataspace_part] = [part(sizes[0])?, part(sizes[1])?, part(sizes[2])?];
    let name_end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    if &name[..name_end] != wanted.as_bytes() {
        return Ok(None);
    }
    if version > 1 && flags & 3 != 0 {
        return Err("the type of an attribute is shared, which is not read".into());
    }
    let datatype = datatype(&mut Cursor::new(datatype_part))?;
    let shape = dataspace(&mut Cursor::new(dataspace_part))?;
    let content = cursor.take(cursor.remaining())?;
    Ok(Some(Attribute { datatype, shape, content }))
}

/// Reads a datatype message.
pub(super) fn datatype(cursor: &mut Cursor) -> Result<Datatype, Damage> {
    let class = cursor.u8()? & 0x0f;
    let bits = cursor.u8()?;
    cursor.skip(2)?;
    let size = cursor.u32()? as usize;
    let is_big_endian = bits & 1 != 0;
    let number = |dtype: DType| match is_big_endian {
        false => Ok(Datatype::Number(dtype)),
        true => Err("its numbers are big-endian, which is not read".to_owned()),
    };
    match (class, size) {
        (0, 1 | 2 | 4 | 8) => {
            let is_signed = bits & 0x08 != 0;
            number(match (size, is_signed) {
                (1, true) => DType::I8,
                (1, false) => DType::U8,
                (2, true) => DType::I16,
                (2, false) => DType::U16,
                (4, true) => DType::I32,
                (4, false) => DType::U32,
                (_, true) => DType::I64,
                (_, false) => DType::U64,
            })
        }
        (1, 2) => number(DType::F16),
        (1, 4) => number(DType::F32),
        (1, 8) => number(DType::F64),
        (3, size) if size > 0 => Ok(Datatype::FixedText(size)),
        // Texts of any length, sixteen bytes that say where they are.
        (9, 16) if bits & 0x0f == 1 => Ok(Datatype::Text),
        // Truth values.
        (8, 1) => Ok(Datatype::Number(DType::U8)),
        _ => Ok(Datatype::Other(class)),
    }
}

/// Reads a dataspace message: the shape.
pub(super) fn dataspace(cursor: &mut Cursor) -> Result<Vec<usize>, Damage> {
    let (version, rank) = (cursor.u8()?, cursor.u8()?);
    cursor.skip(1)?;
    let is_null = match version {
        1 => {
            cursor.skip(5)?;
            false
        }
        2 => cursor.u8()? == 2,
        _ => return Err(format!("version {version} of a shape is not known")),
    };
    if is_null {
        return Ok(vec![0]);
    }
    let mut shape = Vec::with_capacity(rank.into());
    for _ in 0..rank {
        let length = cursor.u64()?;
        shape.push(usize::try_from(length).map_err(|_| "a shape is absurd")?);
    }
    match elements(&shape).and_then(|count| count.checked_mul(16)) {
        Some(_) => Ok(shape),
        None => Err("a shape is absurd".into()),
    }
}
