//! The links of a group: symbol tables in a B-tree (old style), or messages (new style).

use super::cursor::Cursor;
use super::header::{Message, first, kind};
use super::{Damage, Hdf5, UNDEFINED};

/// A name in a group.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) name: String,
    /// The address of the object's header.
    pub(super) address: u64,
}

/// Returns the links of a group; none if the messages are of a dataset.
pub(super) fn links(file: &Hdf5, messages: &[Message]) -> Result<Vec<Link>, Damage> {
    if let Some(mut table) = first(messages, kind::SYMBOL_TABLE)? {
        let (tree, heap) = (table.u64()?, table.u64()?);
        return symbols(file, tree, heap);
    }
    if let Some(mut info) = first(messages, kind::LINK_INFO)? {
        info.skip(1)?;
        if info.u8()? & 1 != 0 {
            info.skip(8)?;
        }
        if info.u64()? != UNDEFINED {
            return Err("a group has its links in a heap (the newest form of HDF5), which is not \
                        read: save the model again with Keras's default"
                .into());
        }
    }
    let mut links = Vec::new();
    for message in messages.iter().filter(|message| message.kind == kind::LINK) {
        links.extend(link(&mut Cursor::new(message.content.clone()))?);
    }
    Ok(links)
}

/// Reads a link message; `None` for links to other names or files.
fn link(cursor: &mut Cursor) -> Result<Option<Link>, Damage> {
    cursor.skip(1)?;
    let flags = cursor.u8()?;
    let is_hard = flags & 0x08 == 0 || cursor.u8()? == 0;
    if flags & 0x04 != 0 {
        cursor.skip(8)?;
    }
    if flags & 0x10 != 0 {
        cursor.skip(1)?;
    }
    let length = cursor.length(flags & 3)?;
    let name = String::from_utf8_lossy(&cursor.take(length)?).into_owned();
    if !is_hard {
        return Ok(None);
    }
    Ok(Some(Link { name, address: cursor.u64()? }))
}

/// The bytes of a symbol's entry.
const SYMBOL: usize = 40;

/// Returns the links of an old group, by walking its B-tree.
fn symbols(file: &Hdf5, tree: u64, heap: u64) -> Result<Vec<Link>, Damage> {
    let names = local_heap(file, heap)?;
    let mut links = Vec::new();
    for leaf in leaves(file, tree)? {
        let mut cursor = file.at(leaf)?;
        cursor.expect(b"SNOD")?;
        cursor.skip(2)?;
        let count = cursor.u16()?;
        for _ in 0..count {
            let (name, address, cache) = (cursor.u64()?, cursor.u64()?, cursor.u32()?);
            cursor.skip(20)?;
            let name = text_at(&names, name)?;
            file.spend(SYMBOL + name.len())?;
            // A link to another name has no object.
            if cache != 2 {
                links.push(Link { name, address });
            }
        }
    }
    Ok(links)
}

/// Returns the addresses of the leaves of a group's B-tree, in order.
fn leaves(file: &Hdf5, tree: u64) -> Result<Vec<u64>, Damage> {
    const NODE: usize = 24;
    let mut leaves = Vec::new();
    let mut waiting = vec![(tree, None)];
    while let Some((address, wanted)) = waiting.pop() {
        let mut cursor = file.at(address)?;
        cursor.expect(b"TREE")?;
        let (node_type, level, count) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
        if node_type != 0 || wanted.is_some_and(|wanted| wanted != level) {
            return Err("the tree of a group is damaged".into());
        }
        file.spend(NODE + 16 * usize::from(count))?;
        // Siblings, and the key in front of the first child.
        cursor.skip(24)?;
        let mut children = Vec::new();
        for _ in 0..count {
            children.push(cursor.u64()?);
            cursor.skip(8)?;
        }
        match level.checked_sub(1) {
            None => leaves.extend(children),
            Some(below) => {
                waiting.extend(children.into_iter().rev().map(|child| (child, Some(below))));
            }
        }
    }
    Ok(leaves)
}

/// Returns the texts of a local heap.
fn local_heap(file: &Hdf5, address: u64) -> Result<bytes::Bytes, Damage> {
    let mut cursor = file.at(address)?;
    cursor.expect(b"HEAP")?;
    cursor.skip(4)?;
    let size = cursor.u64()?;
    cursor.skip(8)?;
    file.slice(cursor.u64()?, size)
}

/// Reads the text that begins at `offset` and ends with a zero.
fn text_at(heap: &[u8], offset: u64) -> Result<String, Damage> {
    let rest = usize::try_from(offset).ok().and_then(|offset| heap.get(offset..));
    let rest = rest.ok_or("a name is beyond its heap")?;
    let length = rest.iter().position(|&byte| byte == 0).unwrap_or(rest.len());
    Ok(String::from_utf8_lossy(&rest[..length]).into_owned())
}
