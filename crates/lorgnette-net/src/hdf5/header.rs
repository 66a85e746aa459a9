//! Object headers: the messages that describe a group or a dataset.

use bytes::Bytes;

use super::cursor::Cursor;
use super::{Damage, Hdf5};

/// The types of messages that are read.
pub(super) mod kind {
    pub(crate) const DATASPACE: u16 = 0x01;
    pub(crate) const LINK_INFO: u16 = 0x02;
    pub(crate) const DATATYPE: u16 = 0x03;
    pub(crate) const LINK: u16 = 0x06;
    pub(crate) const LAYOUT: u16 = 0x08;
    pub(crate) const FILTERS: u16 = 0x0b;
    pub(crate) const ATTRIBUTE: u16 = 0x0c;
    pub(crate) const CONTINUATION: u16 = 0x10;
    pub(crate) const SYMBOL_TABLE: u16 = 0x11;
    pub(crate) const ATTRIBUTE_INFO: u16 = 0x15;
}

/// The flag of a message that lies elsewhere.
const SHARED: u8 = 0x02;

/// Bytes of a message beside its content.
const MESSAGE: usize = 16;

/// One message of an object header.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) kind: u16,
    pub(super) content: Bytes,
    pub(super) is_shared: bool,
}

/// A part of a header that is still to be read.
struct Block {
    cursor: Cursor,
    form: Form,
}

/// The form of the heads of messages.
#[derive(Clone, Copy)]
enum Form {
    /// Version 1: eight bytes.
    Old,
    /// Version 2: four bytes, and two more if they have an order.
    New { ordered: bool },
}

/// Returns the messages of the object at an address.
pub(super) fn messages(file: &Hdf5, address: u64) -> Result<Vec<Message>, Damage> {
    let mut messages = Vec::new();
    let mut blocks = vec![first_block(file, address)?];
    while let Some(Block { mut cursor, form }) = blocks.pop() {
        let head = match form {
            Form::Old => 8,
            Form::New { ordered } => 4 + 2 * usize::from(ordered),
        };
        // Fewer bytes are a gap.
        while cursor.remaining() >= head {
            let message = message(&mut cursor, form)?;
            file.spend(MESSAGE + message.content.len())?;
            if message.kind == kind::CONTINUATION {
                blocks.push(continuation(file, &message.content, form)?);
            } else {
                messages.push(message);
            }
        }
    }
    Ok(messages)
}

fn first_block(file: &Hdf5, address: u64) -> Result<Block, Damage> {
    let mut cursor = file.at(address)?;
    if cursor.clone().expect(b"OHDR").is_err() {
        let version = cursor.u8()?;
        if version != 1 {
            return Err(format!("version {version} of an object header is not known"));
        }
        // Reserved, number of messages, references.
        cursor.skip(7)?;
        let size = cursor.u32()?;
        cursor.skip(4)?;
        let cursor = Cursor::new(cursor.take(size as usize)?);
        return Ok(Block { cursor, form: Form::Old });
    }
    cursor.skip(5)?;
    let flags = cursor.u8()?;
    if flags & 0x20 != 0 {
        // Times.
        cursor.skip(16)?;
    }
    if flags & 0x10 != 0 {
        // Limits of attributes.
        cursor.skip(4)?;
    }
    let size = cursor.length(flags & 3)?;
    let cursor = Cursor::new(cursor.take(size)?);
    Ok(Block { cursor, form: Form::New { ordered: flags & 0x04 != 0 } })
}

fn message(cursor: &mut Cursor, form: Form) -> Result<Message, Damage> {
    let kind = match form {
        Form::Old => cursor.u16()?,
        Form::New { .. } => cursor.u8()?.into(),
    };
    let size = cursor.u16()?;
    let flags = cursor.u8()?;
    match form {
        Form::Old => cursor.skip(3)?,
        Form::New { ordered } => cursor.skip(2 * usize::from(ordered))?,
    }
    let content = cursor.take(size.into())?;
    Ok(Message { kind, content, is_shared: flags & SHARED != 0 })
}

fn continuation(file: &Hdf5, content: &Bytes, form: Form) -> Result<Block, Damage> {
    let mut place = Cursor::new(content.clone());
    let (address, length) = (place.u64()?, place.u64()?);
    let mut cursor = Cursor::new(file.slice(address, length)?);
    if matches!(form, Form::New { .. }) {
        cursor.expect(b"OCHK")?;
        // A checksum ends it.
        let length = cursor.remaining().checked_sub(4).ok_or("a header ends early")?;
        cursor = Cursor::new(cursor.take(length)?);
    }
    Ok(Block { cursor, form })
}

/// Returns the first message of a kind.
pub(super) fn first(messages: &[Message], kind: u16) -> Result<Option<Cursor>, Damage> {
    match messages.iter().find(|message| message.kind == kind) {
        Some(message) if message.is_shared => {
            Err("a part of a header is shared, which is not read".into())
        }
        message => Ok(message.map(|message| Cursor::new(message.content.clone()))),
    }
}
