//! Damage to SQLite files that keeps them files of SQLite: pages stay where they are, and what is
//! hit is their structure. Offsets are those of the file format
//! (<https://www.sqlite.org/fileformat2.html>).

use super::put_number;
use crate::random::Random;

/// Bytes of a page of the seeds.
const PAGE: usize = 8192;
/// Of the first page, what the file as a whole says of itself.
const FILE_HEADER: usize = 100;
/// Of a page's header: its kind, how many cells it has, and, if it is no leaf, its last child.
const CELLS: usize = 3;
const LAST_CHILD: usize = 8;
const LEAF_HEADER: usize = 8;

/// Changes one thing in one page.
pub(crate) fn mutate(random: &mut Random, bytes: &mut [u8]) {
    let pages = bytes.len() / PAGE;
    if pages == 0 {
        return;
    }
    let page = random.below(pages);
    let header = page * PAGE + if page == 0 { FILE_HEADER } else { 0 };
    match random.below(10) {
        0 => {
            let at = random.below(FILE_HEADER);
            put_number(random, bytes, at);
        }
        1 => {
            let at = header + random.below(LEAF_HEADER + 4);
            put_number(random, bytes, at);
        }
        // Another page as the last child: a ring, a page twice, or one of another table.
        2 => {
            let child = 1 + random.below(pages) as u32;
            put(bytes, header + LAST_CHILD, &child.to_be_bytes());
        }
        // Where a cell is: at another's place, or across one.
        3 => {
            let at = header + LEAF_HEADER + 2 * random.below(64);
            put_number(random, bytes, at);
        }
        4 => {
            let other = random.below(pages) * PAGE;
            bytes.copy_within(other..other + PAGE, page * PAGE);
        }
        _ => in_cell(random, bytes, page * PAGE, header),
    }
}

/// Changes the beginning of a cell, where its lengths and the types of its columns are, or a byte
/// further on.
fn in_cell(random: &mut Random, bytes: &mut [u8], page: usize, header: usize) {
    let short = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 2).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]))
    };
    let cells = usize::from(short(bytes, header + CELLS));
    let pointer = header + LEAF_HEADER + 2 * random.below(cells.max(1));
    let cell = page + usize::from(short(bytes, pointer)) % PAGE;
    let reach = if random.one_in(4) { 200 } else { 16 };
    let at = (cell + random.below(reach)).min(bytes.len() - 1);
    match random.below(3) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.byte(),
        _ => put_number(random, bytes, at),
    }
}

fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + new.len()) {
        place.copy_from_slice(new);
    }
}
