//! Where values lie: lifetimes, and one arena that they share.

use std::ops::Range;

/// A block of floats that is needed from one step to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    /// Floats.
    pub(super) len: usize,
    /// The step that first writes it.
    pub(super) first: usize,
    /// The last step that reads it.
    pub(super) last: usize,
}

/// Floats of a cache line; blocks start at multiples of it, which vector loads like.
const LINE: usize = 16;

/// Gives each block its place, so that no two that live at the same time overlap. Returns the places and the arena's
/// length.
///
/// The largest come first and each goes to the lowest place that is free for its whole life: within a few per cent of
/// the least possible on all of TF-Slim's networks.
pub(super) fn arrange(storages: &[Storage]) -> (Vec<Range<usize>>, usize) {
    let mut order: Vec<usize> = (0..storages.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(storages[i].len), storages[i].first));
    let mut places: Vec<Option<Range<usize>>> = vec![None; storages.len()];
    let mut total = 0;
    for i in order {
        let storage = storages[i];
        let lives_with = |other: &Storage| other.first <= storage.last && storage.first <= other.last;
        let mut taken: Vec<Range<usize>> = storages
            .iter()
            .zip(&places)
            .filter(|(other, _)| lives_with(other))
            .filter_map(|(_, place)| place.clone())
            .collect();
        taken.sort_by_key(|range| range.start);
        let start = lowest_gap(&taken, storage.len);
        total = total.max(start + storage.len);
        places[i] = Some(start..start + storage.len);
    }
    (places.into_iter().map(|place| place.expect("every block has a place")).collect(), total.next_multiple_of(LINE))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_meet_never_overlap() {
        let storages: Vec<Storage> =
            (0..60).map(|i| Storage { len: 1 + (i * 37) % 101, first: i, last: i + 1 + (i * 7) % 5 }).collect();
        let (places, total) = arrange(&storages);
        for (i, a) in storages.iter().enumerate() {
            assert!(places[i].end <= total && places[i].start % LINE == 0);
            for (j, b) in storages.iter().enumerate().skip(i + 1) {
                let meet = a.first <= b.last && b.first <= a.last;
                let apart = places[i].end <= places[j].start || places[j].end <= places[i].start;
                assert!(!meet || apart, "{i} and {j}");
            }
        }
    }

    #[test]
    fn a_chain_needs_two_blocks() {
        let storages: Vec<Storage> = (0..10).map(|i| Storage { len: 160, first: i, last: i + 1 }).collect();
        assert_eq!(arrange(&storages).1, 320);
    }
}
