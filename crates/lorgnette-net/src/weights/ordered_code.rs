//! Keys of slices, in encodings whose byte order is the order of the encoded values
//! (`tensorflow/core/lib/strings/ordered_code.cc`; the key itself is `EncodeTensorNameSlice` in
//! `tensorflow/core/util/saved_tensor_slice_util.cc`).

/// Returns the key of a slice of `name`: a zero, the name, the number of dimensions, and each
/// dimension's start and length, −1 for all of it.
pub(super) fn slice_key(name: &str, extents: &[(i64, i64)]) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len() + 4 + 4 * extents.len());
    push_number(&mut key, 0);
    push_text(&mut key, name.as_bytes());
    push_number(&mut key, extents.len() as u64);
    for &(start, length) in extents {
        push_signed(&mut key, start);
        push_signed(&mut key, length);
    }
    key
}

/// The first byte of every slice's key; no variable's name starts with it.
pub(super) const SLICE_MARK: u8 = 0;

/// Appends the number of bytes, then the bytes, big-endian without leading zeros.
fn push_number(key: &mut Vec<u8>, number: u64) {
    let bytes = number.to_be_bytes();
    let used = &bytes[number.leading_zeros() as usize / 8..];
    key.push(used.len() as u8);
    key.extend(used);
}

/// Appends the text with 0 as `00 ff` and 255 as `ff 00`, then `00 01`.
fn push_text(key: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            0x00 => key.extend([0x00, 0xff]),
            0xff => key.extend([0xff, 0x00]),
            _ => key.push(byte),
        }
    }
    key.extend([0x00, 0x01]);
}

/// Appends a signed number: big-endian in the fewest bytes that hold a sign bit and the number,
/// preceded by as many set bits as there are bytes. Negative numbers are inverted as a whole.
fn push_signed(key: &mut Vec<u8>, number: i64) {
    let magnitude = if number < 0 { !number } else { number };
    let bits = (64 - magnitude.leading_zeros()) as usize;
    let length = bits / 7 + 1;
    let wide = i128::from(number).to_be_bytes();
    let mut bytes = wide[wide.len() - length..].to_vec();
    let header = (0xffff_u32 << (16 - length)) as u16;
    bytes[0] ^= (header >> 8) as u8;
    if let Some(second) = bytes.get_mut(1) {
        *second ^= header as u8;
    }
    key.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(number: i64) -> Vec<u8> {
        let mut key = Vec::new();
        push_signed(&mut key, number);
        key
    }

    #[test]
    fn signed_numbers_sort_as_bytes() {
        let edges = (0..63).flat_map(|bit| [(1i64 << bit) - 1, 1 << bit, -(1 << bit), !(1 << bit)]);
        let mut numbers: Vec<i64> = edges.chain([i64::MIN, i64::MAX]).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let keys: Vec<_> = numbers.iter().map(|&number| signed(number)).collect();
        assert!(keys.is_sorted());
        assert_eq!(
            (signed(0), signed(-1), signed(63), signed(64)),
            (vec![0x80], vec![0x7f], vec![0xbf], vec![0xc0, 64])
        );
        assert_eq!(signed(i64::MAX).len(), 10);
    }

    #[test]
    fn a_key_as_tensorflow_writes_it() {
        assert_eq!(slice_key("x", &[(0, -1)]), [0, b'x', 0, 1, 1, 1, 0x80, 0x7f]);
    }
}
