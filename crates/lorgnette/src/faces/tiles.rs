//! Splits an input into overlapping tiles, each of which answers for the faces with their centre in
//! its core.

/// Pixels that neighbouring tiles share: a face of 256 pixels with its centre at the edge of a core
/// has 64 pixels around it. Larger faces are found at a coarser scale.
const OVERLAP: usize = 384;

/// One axis of a tile, in pixels of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TileSpan {
    pub(super) start: usize,
    pub(super) len: usize,
    /// The core: it begins here ...
    core_start: usize,
    /// ... and ends before this.
    core_end: usize,
}

impl TileSpan {
    /// True if the tile answers for faces with their centre here.
    pub(super) fn answers_for(&self, centre: f32) -> bool {
        (self.core_start as f32..self.core_end as f32).contains(&centre)
    }
}

/// Splits `length` pixels, a multiple of `stride`, into tiles of equal length, at most `max_len` if
/// that is enough for an overlap. All begin at multiples of `stride`. The last core has no end: a
/// centre may lie on the edge.
pub(super) fn spans(length: usize, max_len: usize, stride: usize) -> Vec<TileSpan> {
    let max_len = (max_len / stride * stride).max(2 * OVERLAP.next_multiple_of(stride));
    let count = match length {
        short if short <= max_len => 1,
        long => (long - OVERLAP).div_ceil(max_len - OVERLAP),
    };
    let covered = length + (count - 1) * OVERLAP;
    let len = covered.div_ceil(count).next_multiple_of(stride).min(length);
    let start = |number: usize| match count {
        1 => 0,
        _ => (length - len) * number / (count - 1) / stride * stride,
    };
    let core_start = |number: usize| match number {
        0 => 0,
        _ => usize::midpoint(start(number), start(number - 1) + len),
    };
    let span = |number: usize| TileSpan {
        start: start(number),
        len,
        core_start: core_start(number),
        core_end: if number + 1 == count { usize::MAX } else { core_start(number + 1) },
    };
    (0..count).map(span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_one_tile_with_room_around_it() {
        for length in (32..9000).step_by(32) {
            for max_len in [0, 1000, 1792, usize::MAX] {
                let spans = spans(length, max_len, 32);
                let mut covered = 0;
                for (number, span) in spans.iter().enumerate() {
                    assert_eq!((span.start % 32, span.len % 32, span.core_start), (0, 0, covered));
                    assert!(span.start + span.len <= length, "{length}, {max_len}: {span:?}");
                    assert!(span.len <= max_len.max(768), "{length}, {max_len}: {span:?}");
                    let room = OVERLAP / 2 - 32;
                    assert!(number == 0 || span.core_start >= span.start + room, "{length}");
                    let is_last = number + 1 == spans.len();
                    assert!(is_last || span.core_end + room <= span.start + span.len, "{length}");
                    covered = span.core_end;
                }
                assert_eq!(covered, usize::MAX);
                let last = spans[spans.len() - 1];
                assert_eq!(last.start + last.len, length, "{max_len}");
            }
        }
    }
}
