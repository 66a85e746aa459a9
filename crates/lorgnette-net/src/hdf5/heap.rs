//! Texts of attributes, whose contents may be in a global heap.

use super::attribute::{Attribute, Datatype};
use super::cursor::Cursor;
use super::{Damage, Hdf5};

/// Returns the texts of an attribute.
pub(super) fn texts(file: &Hdf5, attribute: &Attribute) -> Result<Vec<String>, Damage> {
    let mut cursor = Cursor::new(attribute.content.clone());
    let mut texts = Vec::new();
    for _ in 0..attribute.count() {
        let text = match attribute.datatype {
            Datatype::FixedText(size) => cursor.take(size)?,
            Datatype::Text => {
                let (length, address, index) = (cursor.u32()?, cursor.u64()?, cursor.u32()?);
                let object = heap_object(file, address, index)?;
                object.slice(..object.len().min(length as usize))
            }
            _ => return Err("an attribute that should be text is not".into()),
        };
        file.spend(text.len() + 1)?;
        let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
        texts.push(String::from_utf8_lossy(&text[..end]).into_owned());
    }
    Ok(texts)
}

/// Returns an object of a global heap.
fn heap_object(file: &Hdf5, address: u64, wanted: u32) -> Result<bytes::Bytes, Damage> {
    let mut cursor = file.at(address)?;
    cursor.expect(b"GCOL")?;
    cursor.skip(4)?;
    let size = cursor.u64()?;
    let mut collection = Cursor::new(file.slice(address, size)?);
    collection.skip(16)?;
    loop {
        const HEAD: usize = 16;
        if collection.remaining() < HEAD {
            return Err("a text is not in its heap".into());
        }
        let index = collection.u16()?;
        collection.skip(6)?;
        let size = collection.length(3)?;
        file.spend(HEAD)?;
        if u32::from(index) == wanted {
            return collection.take(size);
        }
        // Index 0 is the free space at the end.
        if index == 0 {
            return Err("a text is not in its heap".into());
        }
        collection.skip(size.next_multiple_of(8).min(collection.remaining()))?;
    }
}
