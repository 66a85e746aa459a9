//! Variable-length integers: seven bits a byte, lowest first, the top bit set on all but the last
//! (<https://protobuf.dev/programming-guides/encoding/#varints>; LevelDB tables use the same).

/// Reads a number from the front of `bytes` and advances it. `None` if the bytes end first or the
/// number exceeds 64 bits.
pub(super) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        let part = u64::from(byte & 0x7f);
        if index == 9 && part > 1 {
            return None;
        }
        value |= part << (7 * index);
        if byte < 0x80 {
            *bytes = &bytes[index + 1..];
            return Some(value);
        }
    }
    None
}

/// Appends a number.
pub(super) fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_broken_ones() {
        for (bytes, value) in
            [(&[0][..], Some(0)), (&[0x96, 0x01], Some(150)), (&[0x80], None), (&[0xff; 11], None)]
        {
            assert_eq!(take(&mut &*bytes), value);
        }
        let max = [255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
        assert_eq!(take(&mut &max[..]), Some(u64::MAX));
        let too_large = [255, 255, 255, 255, 255, 255, 255, 255, 255, 2];
        assert_eq!(take(&mut &too_large[..]), None);
    }
}
