//! Mutations of files; this file has those without knowledge of a format.

pub(crate) mod flatbuffer;
pub(crate) mod graph;
pub(crate) mod library;
pub(crate) mod photo;
pub(crate) mod table;

use crate::random::Random;

/// The maximum size of spliced or grown inputs.
const MAX_INPUT_BYTES: usize = 256 << 10;

/// Applies one mutation to `bytes`; `other` is a file to take pieces from.
pub(crate) fn scramble(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    if bytes.is_empty() {
        bytes.extend((0..random.below(64)).map(|_| random.byte()));
        return;
    }
    let at = random.below(bytes.len());
    match random.below(10) {
        0 | 1 => bytes[at] ^= 1 << random.below(8),
        2 => bytes[at] = *random.pick(&[0, 1, 0x7F, 0x80, 0xFE, 0xFF]),
        3 => bytes[at] = random.byte(),
        4 => put_number(random, bytes, at),
        5 => bytes.truncate(at),
        6 => drop(bytes.drain(piece(random, bytes.len()))),
        7 => {
            let copy = bytes[piece(random, bytes.len())].to_vec();
            insert(bytes, at, &copy);
        }
        8 => {
            let (from, length) = (piece(random, bytes.len()), bytes.len());
            let to = random.below(length - from.len() + 1);
            bytes.copy_within(from, to);
        }
        _ if other.is_empty() => bytes.truncate(at),
        _ => splice(random, bytes, at, other),
    }
}

/// Returns a short range within `length`, occasionally a long one.
fn piece(random: &mut Random, length: usize) -> std::ops::Range<usize> {
    let start = random.below(length);
    let max_length = if random.one_in(4) { length - start } else { (length - start).min(32) };
    start..start + random.below(max_length + 1)
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    if bytes.len() + piece.len() <= MAX_INPUT_BYTES {
        bytes.splice(at..at, piece.iter().copied());
    }
}

/// Overwrites bytes with a piece of another file, or inserts the piece.
fn splice(random: &mut Random, bytes: &mut Vec<u8>, at: usize, other: &[u8]) {
    let piece = &other[piece(random, other.len())];
    if random.one_in(2) {
        insert(bytes, at, piece);
    } else {
        let room = piece.len().min(bytes.len() - at);
        bytes[at..at + room].copy_from_slice(&piece[..room]);
    }
}

/// Writes a number of one, two, four or eight bytes in either byte order, if it fits.
pub(crate) fn put_number(random: &mut Random, bytes: &mut [u8], at: usize) {
    let (number, size) = (random.number(), 1 << random.below(4));
    let mut written = number.to_le_bytes()[..size].to_vec();
    if random.one_in(2) {
        written.reverse();
    }
    for (byte, new) in bytes.iter_mut().skip(at).zip(written) {
        *byte = new;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrambling_repeats_with_its_seed_and_stays_in_size() {
        let scrambled = |number| {
            let mut random = Random::of_case(7, "test", number);
            let mut bytes: Vec<u8> = (0..100).collect();
            (0..200).for_each(|_| scramble(&mut random, &mut bytes, b"another file"));
            bytes
        };
        for number in 0..50 {
            assert_eq!(scrambled(number), scrambled(number));
            assert!(scrambled(number).len() <= MAX_INPUT_BYTES);
        }
    }
}
