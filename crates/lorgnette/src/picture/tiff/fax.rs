//! Strips of fax machines and scanners, a bit a pixel: ITU-T T.4 and T.6.
//!
//! A row is a list of the columns at which its colour changes, from white. Codes in one dimension
//! are lengths of runs; those in two dimensions say where the colour changes beside the changes of
//! the row above.

use std::convert::Infallible;

use fax::maps::{Mode, black, mode, white};
use fax::{BitReader, ByteReader};

/// How rows are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaxCode {
    /// T.4 in one dimension; rows begin at bytes and have no marks between them.
    Huffman,
    /// T.4 in one dimension, with a mark before each row.
    Group3,
    /// T.4 in two dimensions: the mark before a row says in how many it is.
    Group3Mixed,
    /// T.6: two dimensions, without marks.
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
    let Ok(mut reader) = ByteReader::new(bytes);
    let mut rows = Vec::new();
    let mut above = Vec::new();
    for _ in 0..size.rows {
        let row = match code {
            FaxCode::Huffman => row_of_runs(&mut reader, size.width),
            FaxCode::Group3 => {
                skip_marks(&mut reader);
                row_of_runs(&mut reader, size.width)
            }
            FaxCode::Group3Mixed if is_beside_above(&mut reader) => {
                row_beside(&mut reader, &above, size.width)
            }
            FaxCode::Group3Mixed => row_of_runs(&mut reader, size.width),
            FaxCode::Group4 => row_beside(&mut reader, &above, size.width),
        };
        let Some(changes) = row else { break };
        push_row(&mut rows, &changes, size.width);
        above = changes;
        if code == FaxCode::Huffman {
            let _ = reader.consume(reader.bits_to_byte_boundary());
        }
    }
    rows
}

/// Skips the marks at the end of a row, of which each has a bit behind it that says in how many
/// dimensions the next row is. Returns whether it is in two.
fn is_beside_above(reader: &mut impl BitReader) -> bool {
    let mut is_beside = false;
    while skip_mark(reader) {
        is_beside = reader.peek(1) == Some(0);
        let _ = reader.consume(1);
    }
    is_beside
}

/// Skips the marks at the end of a row.
fn skip_marks(reader: &mut impl BitReader) {
    while skip_mark(reader) {}
}

/// Skips a mark, if one is next: at least eleven zeros and a one. No code begins with more than
/// seven zeros.
fn skip_mark(reader: &mut impl BitReader) -> bool {
    if reader.peek(9) != Some(0) {
        return false;
    }
    while reader.peek(1) == Some(0) && reader.consume(1).is_ok() {}
    reader.consume(1).is_ok() && reader.peek(1).is_some()
}

/// Reads a row in two dimensions, beside the changes of the row above.
fn row_beside(reader: &mut impl BitReader, above: &[u16], width: u16) -> Option<Vec<u16>> {
    let (mut changes, mut column, mut is_black) = (Vec::new(), 0, false);
    let mut above = ChangesAbove { changes: above, next: 0, width };
    // Only at the beginning of a row a change above counts that is in the column itself.
    let mut is_first = true;
    while column < width {
        let (change, after) = above.right_of(column, is_first, is_black);
        is_first = false;
        match mode::decode(reader)? {
            Mode::Pass => column = after,
            Mode::Vertical(offset) => {
                let at = change.checked_add_signed(i16::from(offset))?;
                if at < column || at > width {
                    return None;
                }
                column = at;
                push_change(&mut changes, column);
                is_black = !is_black;
            }
            Mode::Horizontal => {
                for is_black in [is_black, !is_black] {
                    column = column.checked_add(run(reader, is_black)?)?;
                    if column > width {
                        return None;
                    }
                    push_change(&mut changes, column);
                }
            }
            // Rows that are not compressed, and the end.
            Mode::Extension | Mode::EOF => return None,
        }
    }
    // A change behind the last column is none.
    if changes.last() == Some(&width) {
        changes.pop();
    }
    Some(changes)
}

/// The changes of the row above, in ascending order: at even places to black, at odd ones to white.
struct ChangesAbove<'a> {
    changes: &'a [u16],
    /// The first that may be right of the column. Columns ascend.
    next: usize,
    width: u16,
}

impl ChangesAbove<'_> {
    /// Returns the first change right of a column to another colour than the row's, and the one
    /// after it; the width where there is none.
    fn right_of(&mut self, column: u16, is_first: bool, is_black: bool) -> (u16, u16) {
        let is_left = |change: &u16| *change < column || *change == column && !is_first;
        while self.changes.get(self.next).is_some_and(is_left) {
            self.next += 1;
        }
        let place = self.next + usize::from((self.next % 2 == 1) != is_black);
        let change = |place: usize| self.changes.get(place).copied().unwrap_or(self.width);
        (change(place), change(place + 1))
    }
}

/// Reads the runs of a row, white first.
fn row_of_runs(reader: &mut impl BitReader, width: u16) -> Option<Vec<u16>> {
    let (mut changes, mut column, mut is_black) = (Vec::new(), 0_u16, false);
    // Runs of no length must not add up.
    for _ in 0..2 * u32::from(width) + 2 {
        if column >= width {
            break;
        }
        column = column.checked_add(run(reader, is_black)?)?;
        if column < width {
            push_change(&mut changes, column);
        }
        is_black = !is_black;
    }
    (column == width).then_some(changes)
}

/// Reads the length of a run.
fn run(reader: &mut impl BitReader, is_black: bool) -> Option<u16> {
    let mut length = 0_u16;
    loop {
        let part = if is_black { black::decode(reader) } else { white::decode(reader) }?;
        length = length.checked_add(part)?;
        // Longer runs have codes of multiples of 64 before the last one.
        if part < 64 {
            return Some(length);
        }
    }
}

/// Appends a change. Two in one column are none.
fn push_change(changes: &mut Vec<u16>, column: u16) {
    match changes.last() {
        Some(&last) if last == column => drop(changes.pop()),
        _ => changes.push(column),
    }
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
