//! Strips of fax machines and scanners, a bit a pixel: ITU-T T.4 and T.6.

use std::convert::Infallible;

use fax::decoder::{DecodeStatus, Group4Decoder};
use fax::maps::{black, white};
use fax::{BitReader, ByteReader};

/// How rows are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaxCode {
    /// T.4 in one dimension; rows begin at bytes and have no marks between them.
    Huffman,
    /// T.4 in one dimension, with a mark before each row.
    Group3,
    /// T.6.
    Group4,
}

/// Columns and rows of a strip or tile.
#[derive(Clone, Copy, Debug)]
pub(super) struct FaxSize {
    pub(super) width: u16,
    pub(super) rows: usize,
}

/// Decompresses rows as far as the data goes: a bit a pixel, which is set where it is black, and
/// each row from a byte on.
pub(super) fn unpack(data: &[u8], code: FaxCode, size: FaxSize) -> Vec<u8> {
    // Zeros behind it, so that the last codes are found as others are: by the longest that fits.
    let bytes = data.iter().copied().chain([0; 4]).map(Ok::<u8, Infallible>);
    match code {
        FaxCode::Group4 => unpack_group_4(bytes, size),
        _ => unpack_runs(bytes, code, size),
    }
}

fn unpack_group_4(bytes: impl Iterator<Item = Result<u8, Infallible>>, size: FaxSize) -> Vec<u8> {
    let mut rows = Vec::new();
    let Ok(mut decoder) = Group4Decoder::new(bytes, size.width);
    for _ in 0..size.rows {
        match decoder.advance() {
            Ok(DecodeStatus::Incomplete) => push_row(&mut rows, decoder.transition(), size.width),
            Ok(DecodeStatus::End) | Err(_) => break,
        }
    }
    rows
}

fn unpack_runs(
    bytes: impl Iterator<Item = Result<u8, Infallible>>,
    code: FaxCode,
    size: FaxSize,
) -> Vec<u8> {
    let mut rows = Vec::new();
    let Ok(mut reader) = ByteReader::new(bytes);
    for _ in 0..size.rows {
        if code == FaxCode::Group3 {
            skip_marks(&mut reader);
        }
        let Some(changes) = row_of_runs(&mut reader, size.width) else { break };
        push_row(&mut rows, &changes, size.width);
        if code == FaxCode::Huffman {
            let _ = reader.consume(reader.bits_to_byte_boundary());
        }
    }
    rows
}

/// Skips the marks at the end of a row: at least eleven zeros and a one. No code of a run begins
/// with more than seven zeros.
fn skip_marks(reader: &mut impl BitReader) {
    while reader.peek(9) == Some(0) {
        while reader.peek(1) == Some(0) && reader.consume(1).is_ok() {}
        let _ = reader.consume(1);
    }
}

/// Reads the runs of a row, white first, as the columns at which the colour changes.
fn row_of_runs(reader: &mut impl BitReader, width: u16) -> Option<Vec<u16>> {
    let (mut changes, mut column, mut is_black) = (Vec::new(), 0_u16, false);
    while column < width {
        loop {
            let length = if is_black { black::decode(reader) } else { white::decode(reader) }?;
            column = column.checked_add(length)?;
            // Longer runs have codes of multiples of 64 before the last one.
            if length < 64 {
                break;
            }
        }
        changes.push(column);
        // Runs of no length must not add up.
        if changes.len() > 2 * usize::from(width) + 2 {
            return None;
        }
        is_black = !is_black;
    }
    (column == width).then_some(changes)
}

/// Appends a row whose colour changes at these columns, from white.
fn push_row(rows: &mut Vec<u8>, changes: &[u16], width: u16) {
    let start = rows.len();
    rows.resize(start + usize::from(width).div_ceil(8), 0);
    for change in changes.chunks(2) {
        let end = change.get(1).copied().unwrap_or(width).min(width);
        for column in change[0]..end {
            rows[start + usize::from(column) / 8] |= 0x80 >> (column % 8);
        }
    }
}
