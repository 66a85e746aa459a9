//! Mutations of photos that keep their format, so that they reach the code after the first check.

use std::ops::Range;

use crate::mutate::{put_number, scramble};
use crate::random::Random;

/// A unit of a file: a JPEG segment, a PNG or RIFF chunk, a TIFF entry, a box.
struct Part {
    /// The unit with its header.
    whole: Range<usize>,
    /// The unit without its header.
    content: Range<usize>,
}

/// Applies a few mutations to a photo; `other` provides pieces.
pub(crate) fn mutate(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=random.below(4) {
        let parts = parts(bytes);
        match random.below(8) {
            _ if parts.is_empty() => damage_header(random, bytes),
            0 => damage_header(random, bytes),
            1 => remove_or_repeat(random, bytes, &parts),
            2 => exchange(random, bytes, &parts),
            _ => damage_part(random, bytes, &parts, other),
        }
    }
    if is_png(bytes) && !random.one_in(8) {
        mend_checksums(bytes);
    }
}

/// Changes numbers in the first bytes: sizes, depths, offsets of BMP, GIF, WebP and TIFF.
fn damage_header(random: &mut Random, bytes: &mut [u8]) {
    const HEADER: usize = 64;
    let at = random.below(bytes.len().min(HEADER));
    put_number(random, bytes, at);
}

/// Changes numbers and bits of a unit or its header.
fn damage_part(random: &mut Random, bytes: &mut Vec<u8>, parts: &[Part], other: &[u8]) {
    let part = random.pick(parts);
    let range = if random.one_in(8) { part.whole.clone() } else { part.content.clone() };
    if range.is_empty() {
        return;
    }
    // The important fields are at the start: sizes, counts, sampling factors.
    let reach = if random.one_in(2) { range.len().min(24) } else { range.len() };
    let at = range.start + random.below(reach);
    match random.below(8) {
        0..3 => bytes[at] ^= 1 << random.below(8),
        3 => bytes[at] = random.byte(),
        4 => bytes[at] = random.below(5) as u8 * 0x11,
        5 | 6 => put_number(random, bytes, at),
        _ => {
            let mut content = bytes[range.clone()].to_vec();
            scramble(random, &mut content, other);
            bytes.splice(range, content);
        }
    }
}

fn remove_or_repeat(random: &mut Random, bytes: &mut Vec<u8>, parts: &[Part]) {
    let whole = random.pick(parts).whole.clone();
    if random.one_in(2) {
        bytes.drain(whole);
        return;
    }
    let copy = bytes[whole.clone()].repeat(1 + random.below(4));
    let at = if random.one_in(2) { whole.end } else { random.pick(parts).whole.start };
    bytes.splice(at..at, copy);
}

/// Exchanges two units.
fn exchange(random: &mut Random, bytes: &mut Vec<u8>, parts: &[Part]) {
    let (a, b) = (random.pick(parts).whole.clone(), random.pick(parts).whole.clone());
    let (first, second) = if a.start <= b.start { (a, b) } else { (b, a) };
    if first.end <= second.start {
        let (one, two) = (bytes[first.clone()].to_vec(), bytes[second.clone()].to_vec());
        bytes.splice(second, one);
        bytes.splice(first, two);
    }
}

/// Returns the units of a file, by its format.
fn parts(bytes: &[u8]) -> Vec<Part> {
    match bytes {
        [0xFF, 0xD8, ..] => walk(bytes, 2, jpeg_segment),
        _ if is_png(bytes) => walk(bytes, 8, png_chunk),
        [b'R', b'I', b'F', b'F', ..] => walk(bytes, 12, riff_chunk),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => tiff_entries(bytes),
        [b'G', b'I', b'F', ..] => walk(bytes, 13, gif_block),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => {
            boxes(bytes, 0..bytes.len())
        }
        _ => Vec::new(),
    }
}

fn is_png(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x89PNG\r\n\x1a\n")
}

/// Returns consecutive units from `start`, as long as they fit into the file.
fn walk(
    bytes: &[u8],
    mut start: usize,
    next: impl Fn(&[u8]) -> Option<(usize, Range<usize>)>,
) -> Vec<Part> {
    let mut parts = Vec::new();
    while let Some((length, content)) = bytes.get(start..).and_then(&next) {
        let whole = start..start + length;
        if length == 0 || whole.end > bytes.len() {
            break;
        }
        parts.push(Part { whole, content: start + content.start..start + content.end });
        start += length;
    }
    parts
}

/// Returns a marker with its segment, or a scan with its coefficients.
fn jpeg_segment(rest: &[u8]) -> Option<(usize, Range<usize>)> {
    let &[0xFF, marker, high, low, ..] = rest else { return None };
    let mut length = 2 + usize::from(u16::from_be_bytes([high, low])).max(2);
    if marker == 0xDA {
        let coefficients = rest.get(length..)?;
        length += coefficients
            .windows(2)
            .position(|pair: &[u8]| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xD0..=0xD7))?;
    }
    Some((length, 4..length))
}

fn png_chunk(rest: &[u8]) -> Option<(usize, Range<usize>)> {
    let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
    Some((length + 12, 8..8 + length))
}

fn riff_chunk(rest: &[u8]) -> Option<(usize, Range<usize>)> {
    let length = u32::from_le_bytes(*rest.get(4..)?.first_chunk()?) as usize;
    Some((8 + length + length % 2, 8..8 + length))
}

/// Returns the boxes of a HEIF or JPEG XL file, and those within them.
fn boxes(bytes: &[u8], within: Range<usize>) -> Vec<Part> {
    let mut parts = Vec::new();
    for part in walk(&bytes[..within.end], within.start, iso_box) {
        let before_inner = match &bytes[part.whole.start + 4..part.whole.start + 8] {
            b"iprp" | b"ipco" => Some(0),
            // Version and flags; of the item list also the number of items.
            b"meta" | b"iref" => Some(4),
            b"iinf" => Some(6),
            _ => None,
        };
        let start = before_inner.map(|length| part.content.start + length);
        if let Some(start) = start.filter(|start| *start <= part.content.end) {
            parts.extend(boxes(bytes, start..part.content.end));
        }
        parts.push(part);
    }
    parts
}

fn iso_box(rest: &[u8]) -> Option<(usize, Range<usize>)> {
    let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
    (length >= 8).then_some((length, 8..length))
}

/// The colour table first reads as invalid blocks; the walk continues after it or stops.
fn gif_block(rest: &[u8]) -> Option<(usize, Range<usize>)> {
    let start = match rest {
        [0x21, _, ..] => 2,
        [0x2C, ..] => 11,
        [_, ..] => return Some((1, 0..1)),
        [] => return None,
    };
    let mut at = start;
    while let Some(&length @ 1..) = rest.get(at) {
        at += 1 + usize::from(length);
    }
    Some((at + 1, 1..at))
}

/// Returns the twelve-byte entries of the first directory.
fn tiff_entries(bytes: &[u8]) -> Vec<Part> {
    let little = bytes[0] == b'I';
    let number = |at: usize, size: usize| -> Option<usize> {
        let read = |sum: usize, byte: &u8| sum << 8 | usize::from(*byte);
        let field = bytes.get(at..)?.get(..size)?;
        Some(if little { field.iter().rev().fold(0, read) } else { field.iter().fold(0, read) })
    };
    let Some((start, count)) = number(4, 4).and_then(|start| Some((start, number(start, 2)?)))
    else {
        return Vec::new();
    };
    let inside = (0..count)
        .map(|i: usize| start + 2 + 12 * i..start + 14 + 12 * i)
        .take_while(|range| range.end <= bytes.len());
    inside.map(|range| Part { content: range.clone(), whole: range }).collect()
}

/// Corrects the checksum of every chunk of a PNG.
fn mend_checksums(bytes: &mut [u8]) {
    for part in walk(bytes, 8, png_chunk) {
        let mut checksum = flate2::Crc::new();
        checksum.update(&bytes[part.whole.start + 4..part.content.end]);
        bytes[part.content.end..part.whole.end].copy_from_slice(&checksum.sum().to_be_bytes());
    }
}
