//! Tensors as bytes: little endian, row-major; strings with their lengths in front.

use bytes::{Bytes, BytesMut};

use crate::failure::{Failure, Outcome};

/// Reads strings, each behind its length in four bytes.
///
/// # Errors
/// If a length reaches beyond the end.
pub(crate) fn read_strings(name: &str, mut bytes: Bytes) -> Outcome<Vec<Bytes>> {
    let mut strings = Vec::new();
    while !bytes.is_empty() {
        let length = bytes.first_chunk::<4>().map(|length| u32::from_le_bytes(*length) as usize);
        let Some(length) = length.filter(|length| *length <= bytes.len() - 4) else {
            return Err(Failure::invalid(format!(
                "input '{name}': a string of BYTES reaches beyond the data; each begins with its \
                 length in 4 bytes"
            )));
        };
        let mut string = bytes.split_off(4);
        bytes = string.split_off(length);
        strings.push(string);
    }
    Ok(strings)
}

/// Writes strings, each behind its length.
pub(crate) fn write_strings(strings: &[String]) -> Bytes {
    let mut out = BytesMut::new();
    for string in strings {
        out.extend_from_slice(&(string.len() as u32).to_le_bytes());
        out.extend_from_slice(string.as_bytes());
    }
    out.freeze()
}

/// Reads float32 values.
pub(crate) fn read_f32(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect()
}

/// Writes float32 values.
pub(crate) fn write_f32(values: &[f32]) -> Bytes {
    let mut out = Vec::with_capacity(4 * values.len());
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_back() {
        let strings = ["".to_owned(), "a".to_owned(), "éé".to_owned()];
        let bytes = write_strings(&strings);
        assert_eq!(bytes.len(), 3 * 4 + 5);
        let read = read_strings("x", bytes).expect("they are whole");
        assert!(read.iter().map(|s| &s[..]).eq(strings.iter().map(String::as_bytes)));
    }

    #[test]
    fn lengths_beyond_the_end_are_refused() {
        for bytes in [&[1, 0, 0][..], &[1, 0, 0, 0], &[255, 255, 255, 255, 1], &[0, 0, 0, 0, 9]] {
            assert!(read_strings("x", Bytes::copy_from_slice(bytes)).is_err(), "{bytes:?}");
        }
    }
}
