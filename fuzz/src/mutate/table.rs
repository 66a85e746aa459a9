//! Mutations of tables of keys and values with corrected checksums.

use super::put_number;
use crate::random::Random;

const FOOTER: usize = 48;
const TRAILER: usize = 5;

/// Changes bytes of one block and corrects its checksum.
pub(crate) fn mutate(random: &mut Random, bytes: &mut [u8]) {
    let Some(places) = blocks(bytes).filter(|places| !places.is_empty()) else { return };
    let (start, end) = *random.pick(&places);
    for _ in 0..=random.below(3) {
        if end > start {
            let at = start + random.below(end - start);
            match random.below(3) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes[at] = *random.pick(&[0, 1, 0x7F, 0x80, 0xFE, 0xFF]),
                _ => put_number(random, &mut bytes[..end], at),
            }
        }
    }
    if random.one_in(16) {
        bytes[end] = random.byte();
    }
    let sum = masked(&bytes[start..=end]);
    bytes[end + 1..end + TRAILER].copy_from_slice(&sum.to_le_bytes());
}

/// Returns the ranges of the index and of the blocks that it lists, as far as it can be decoded.
fn blocks(bytes: &[u8]) -> Option<Vec<(usize, usize)>> {
    let footer = &bytes[bytes.len().checked_sub(FOOTER)?..];
    let mut rest = footer;
    let (_, index) = (place(&mut rest)?, place(&mut rest)?);
    let fits = |&(_, end): &(usize, usize)| end + TRAILER <= bytes.len();
    let index = Some(index).filter(fits)?;
    let mut found = vec![index];
    let mut entries = &bytes[index.0..index.1];
    // The restart points at its end do not decode as entries, which ends the loop.
    while let Some((length, value)) = entry(&mut entries) {
        let mut value = &value[..length];
        match place(&mut value).filter(fits) {
            Some(place) => found.push(place),
            None => break,
        }
    }
    Some(found)
}

fn entry<'a>(bytes: &mut &'a [u8]) -> Option<(usize, &'a [u8])> {
    let (_, added, length) = (number(bytes)?, number(bytes)?, number(bytes)?);
    let value = bytes.get(added..added.checked_add(length)?)?;
    *bytes = &bytes[added + length..];
    Some((length, value))
}

fn place(bytes: &mut &[u8]) -> Option<(usize, usize)> {
    let start = number(bytes)?;
    Some((start, start.checked_add(number(bytes)?)?))
}

fn number(bytes: &mut &[u8]) -> Option<usize> {
    let mut value = 0usize;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Masks a checksum, as tables store it.
fn masked(bytes: &[u8]) -> u32 {
    checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Computes CRC-32C bit by bit: these files are small.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_tables() {
        // RFC 3720, B.4: 32 bytes of zeros.
        assert_eq!(checksum(&[0; 32]), 0x8a91_36aa);
    }
}
