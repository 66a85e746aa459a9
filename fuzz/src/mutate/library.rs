//! Mutations of SQLite files that keep the pages in place and damage their structure. Offsets are
//! those of the file format (<https://www.sqlite.org/fileformat2.html>).

use super::put_number;
use crate::random::Random;

/// The page size of the seeds in bytes.
const PAGE: usize = 8192;
/// The size of the file header on the first page.
const FILE_HEADER: usize = 100;
/// Offsets in a page's header: the number of cells, and the last child of an interior page.
const CELLS: usize = 3;
const LAST_CHILD: usize = 8;
const LEAF_HEADER: usize = 8;

/// Changes one field of one page.
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
        // Another page as the last child: a cycle, a page used twice, or a page of another table.
        2 => {
            let child = 1 + random.below(pages) as u32;
            put(bytes, header + LAST_CHILD, &child.to_be_bytes());
        }
        // A cell's position: that of another cell, or inside one.
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

/// Changes the start of a cell, which has its lengths and column types, or a later byte.
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
