//! Decodes tables and writes them again with valid checksums, so that damage reaches the code after
//! the checksums.

/// Keys and values, in order.
pub(crate) type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// Masks a checksum, as tables and bundles store it.
pub(crate) fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

pub(crate) fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn take(bytes: &[u8], at: &mut usize) -> usize {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[*at];
        *at += 1;
        value |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

/// Returns the ranges of the data blocks, then of the index block.
pub(crate) fn blocks(table: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut at = table.len() - 48;
    let place = |at: &mut usize| {
        let (offset, size) = (take(table, at), take(table, at));
        offset..offset + size
    };
    place(&mut at);
    let index = place(&mut at);
    let mut places: Vec<_> = entries(&table[index.clone()])
        .iter()
        .map(|(_, value)| {
            let mut at = 0;
            let offset = take(value, &mut at);
            offset..offset + take(value, &mut at)
        })
        .collect();
    places.push(index);
    places
}

fn entries(block: &[u8]) -> Entries {
    let restarts = u32::from_le_bytes(block[block.len() - 4..].try_into().unwrap()) as usize;
    let (end, mut at, mut key) = (block.len() - 4 - 4 * restarts, 0, Vec::new());
    let mut entries = Entries::new();
    while at < end {
        let (shared, added, length) =
            (take(block, &mut at), take(block, &mut at), take(block, &mut at));
        key.truncate(shared);
        key.extend(&block[at..at + added]);
        at += added + length;
        entries.push((key.clone(), block[at - length..at].to_vec()));
    }
    entries
}

/// Returns all keys and values of a valid, uncompressed table.
pub(crate) fn read(table: &[u8]) -> Entries {
    let blocks = blocks(table);
    blocks[..blocks.len() - 1].iter().flat_map(|place| entries(&table[place.clone()])).collect()
}

/// Encodes a block of entries that share nothing, with its trailer.
fn block(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let (mut bytes, mut restarts) = (Vec::new(), Vec::new());
    for (key, value) in entries {
        restarts.push(bytes.len() as u32);
        bytes.extend([varint(0), varint(key.len() as u64), varint(value.len() as u64)].concat());
        bytes.extend(key);
        bytes.extend(value);
    }
    restarts.push(restarts.len() as u32);
    bytes.extend(restarts.iter().flat_map(|restart| restart.to_le_bytes()));
    sealed(&bytes, 0)
}

/// Encodes a block's content, its compression number, and the checksum of both.
pub(crate) fn sealed(content: &[u8], compression: u8) -> Vec<u8> {
    let mut bytes = content.to_vec();
    bytes.push(compression);
    bytes.extend(masked(&bytes).to_le_bytes());
    bytes
}

/// Encodes a table of one block.
pub(crate) fn write(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let last = entries.last().map_or(vec![], |(key, _)| key.clone());
    table_of(&block(entries), &last)
}

/// Encodes a table of one block that has its trailer already.
pub(crate) fn table_of(data: &[u8], last_key: &[u8]) -> Vec<u8> {
    let place = |offset: usize, sealed: &[u8]| {
        [varint(offset as u64), varint(sealed.len() as u64 - 5)].concat()
    };
    let index = block(&[(last_key.to_vec(), place(0, data))]);
    let mut footer = [place(data.len(), &index), place(data.len(), &index)].concat();
    footer.resize(40, 0);
    footer.extend(0xdb47_7524_8b80_fb57_u64.to_le_bytes());
    [data, &index, &footer].concat()
}

/// Rewrites a file's table after a change to its entries.
pub(crate) fn rewrite(path: &std::path::Path, change: impl FnOnce(&mut Entries)) {
    let mut entries = read(&std::fs::read(path).unwrap());
    change(&mut entries);
    std::fs::write(path, write(&entries)).unwrap();
}
