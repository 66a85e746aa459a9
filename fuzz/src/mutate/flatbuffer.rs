//! Damage to a FlatBuffer that keeps its alignment: numbers, offsets and entries of vtables.

use crate::random::Random;

/// Changes one aligned number; `other` is a file to take numbers from.
pub(crate) fn mutate(random: &mut Random, bytes: &mut [u8], other: &[u8]) {
    let width = *random.pick(&[1, 2, 4, 4, 8]);
    if bytes.len() < width || other.len() < width {
        return;
    }
    let at = random.below(bytes.len() / width) * width;
    let mut number = [0; 8];
    number[..width].copy_from_slice(&bytes[at..at + width]);
    let number = i64::from_le_bytes(number);
    let changed = match random.below(6) {
        0 => number.wrapping_add(*random.pick(&[-4, -1, 1, 4])),
        1 => number.wrapping_sub(at as i64),
        2 => *random.pick(&[0, 1, -1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, i64::MAX]),
        3 => random.below(200) as i64,
        4 => number ^ (1 << random.below(8 * width)),
        _ => {
            let from = random.below(other.len() / width) * width;
            bytes[at..at + width].copy_from_slice(&other[from..from + width]);
            return;
        }
    };
    bytes[at..at + width].copy_from_slice(&changed.to_le_bytes()[..width]);
}
