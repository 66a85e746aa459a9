//! Memory planning: values of disjoint lifetimes share one arena.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::ops::Range;

/// A block of bytes and its lifetime in steps, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Length in bytes.
    pub(super) len: usize,
    /// The first step that writes it.
    pub(super) first: usize,
    /// The last step that reads it.
    pub(super) last: usize,
}

/// Bytes of a cache line. Blocks are aligned to it.
pub(super) const LINE: usize = 64;

/// Assigns a range to each block, so that blocks of overlapping lifetimes do not overlap. Returns
/// the ranges and the arena's length, in bytes.
///
/// Largest first, each at the lowest offset that is free for its whole lifetime. On all networks of
/// TF-Slim the arena is within a few per cent of the lower bound. Of more blocks than any of these
/// has, each is placed when it is first written, in time n log n.
pub(super) fn assign_ranges(blocks: &[Block]) -> (Vec<Range<usize>>, usize) {
    /// Maximum number of blocks that are compared with one another.
    const MAX_COMPARED: usize = 4096;
    if blocks.len() <= MAX_COMPARED { assign_by_length(blocks) } else { assign_by_time(blocks) }
}

fn assign_by_length(blocks: &[Block]) -> (Vec<Range<usize>>, usize) {
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by_key(|&i| (Reverse(blocks[i].len), blocks[i].first));
    let mut ranges: Vec<Option<Range<usize>>> = vec![None; blocks.len()];
    let mut arena_len = 0;
    for i in order {
        let block = blocks[i];
        let overlaps = |other: &Block| other.first <= block.last && block.first <= other.last;
        let mut taken: Vec<Range<usize>> = blocks
            .iter()
            .zip(&ranges)
            .filter(|(other, _)| overlaps(other))
            .filter_map(|(_, range)| range.clone())
            .collect();
        taken.sort_by_key(|range| range.start);
        let start = lowest_gap(&taken, block.len);
        arena_len = arena_len.max(start + block.len);
        ranges[i] = Some(start..start + block.len);
    }
    (
        ranges.into_iter().map(|range| range.expect("every block has a place")).collect(),
        arena_len.next_multiple_of(LINE),
    )
}

fn lowest_gap(taken: &[Range<usize>], len: usize) -> usize {
    let mut start = 0;
    for range in taken {
        if range.start >= start + len {
            break;
        }
        start = start.max(range.end.next_multiple_of(LINE));
    }
    start
}

/// Places each block when it is first written, in the shortest gap that holds it.
fn assign_by_time(blocks: &[Block]) -> (Vec<Range<usize>>, usize) {
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by_key(|&i| blocks[i].first);
    let mut ranges = vec![0..0; blocks.len()];
    // The blocks in use, the first to end on top.
    let mut used: BinaryHeap<Reverse<(usize, usize)>> = BinaryHeap::new();
    let mut gaps = Gaps::default();
    for i in order {
        let block = blocks[i];
        while let Some(&Reverse((last, ended))) = used.peek()
            && last < block.first
        {
            used.pop();
            gaps.give_back(&ranges[ended]);
        }
        let start = gaps.take(block.len.next_multiple_of(LINE));
        ranges[i] = start..start + block.len;
        used.push(Reverse((block.last, i)));
    }
    (ranges, gaps.end)
}

/// The free ranges of an arena that grows. All lengths are multiples of a line.
#[derive(Default)]
struct Gaps {
    /// The length of each gap, by its start.
    by_start: BTreeMap<usize, usize>,
    /// Lengths and starts.
    by_length: BTreeSet<(usize, usize)>,
    /// The arena's length.
    end: usize,
}

impl Gaps {
    /// Returns the start of `len` bytes that are no gap any more.
    fn take(&mut self, len: usize) -> usize {
        if let Some(&(gap, start)) = self.by_length.range((len, 0)..).next() {
            self.remove(start, gap);
            if gap > len {
                self.insert(start + len, gap - len);
            }
            return start;
        }
        // The last gap grows with the arena.
        let last = self.by_start.last_key_value().map(|(&start, &gap)| (start, gap));
        let start = match last.filter(|(start, gap)| start + gap == self.end) {
            Some((start, gap)) => {
                self.remove(start, gap);
                start
            }
            None => self.end,
        };
        self.end = start + len;
        start
    }

    /// Makes a range a gap, joined with those beside it.
    fn give_back(&mut self, range: &Range<usize>) {
        let (mut start, mut end) = (range.start, range.end.next_multiple_of(LINE));
        let before = self.by_start.range(..start).next_back().map(|(&start, &gap)| (start, gap));
        if let Some((other, gap)) = before.filter(|(other, gap)| other + gap == start) {
            self.remove(other, gap);
            start = other;
        }
        if let Some(&gap) = self.by_start.get(&end) {
            self.remove(end, gap);
            end += gap;
        }
        self.insert(start, end - start);
    }

    fn insert(&mut self, start: usize, len: usize) {
        if len > 0 {
            self.by_start.insert(start, len);
            self.by_length.insert((len, start));
        }
    }

    fn remove(&mut self, start: usize, len: usize) {
        self.by_start.remove(&start);
        self.by_length.remove(&(len, start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_meet_never_overlap() {
        let blocks: Vec<Block> = (0..60)
            .map(|i| Block { len: 1 + (i * 37) % 101, first: i, last: i + 1 + (i * 7) % 5 })
            .collect();
        for assign in [assign_by_length, assign_by_time] {
            let (ranges, arena_len) = assign(&blocks);
            for (i, a) in blocks.iter().enumerate() {
                assert!(ranges[i].end <= arena_len && ranges[i].start % LINE == 0);
                for (j, b) in blocks.iter().enumerate().skip(i + 1) {
                    let meet = a.first <= b.last && b.first <= a.last;
                    let disjoint =
                        ranges[i].end <= ranges[j].start || ranges[j].end <= ranges[i].start;
                    assert!(!meet || disjoint, "{i} and {j}");
                }
            }
        }
    }

    /// A chain of more blocks than are compared takes two of them, as a short one does.
    #[test]
    fn many_blocks_share_memory_too() {
        let blocks: Vec<Block> =
            (0..200_000).map(|i| Block { len: 100, first: i, last: i + 1 }).collect();
        assert_eq!(assign_ranges(&blocks).1, 256);
        let all_at_once: Vec<Block> =
            (0..200_000).map(|_| Block { len: 64, first: 0, last: 9 }).collect();
        assert_eq!(assign_ranges(&all_at_once).1, 64 * 200_000);
    }

    #[test]
    fn a_chain_needs_two_blocks() {
        let blocks: Vec<Block> =
            (0..10).map(|i| Block { len: 640, first: i, last: i + 1 }).collect();
        assert_eq!(assign_ranges(&blocks).1, 1280);
    }
}
