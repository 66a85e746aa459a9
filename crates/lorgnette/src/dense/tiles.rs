//! Splits a photo into overlapping tiles whose maps together equal the map of the whole photo.
//!
//! With TensorFlow's SAME padding, the position of each layer's windows depends on whether a side
//! is odd or even. A tile has its windows where the whole photo has them if it begins at a multiple
//! of the output stride and its length has the same remainder by that stride. A tile contributes
//! the cells whose receptive fields lie inside it, and those at the photo's edges.

use std::ops::Range;

use lorgnette_net::ReceptiveField;

/// One axis of a tile: its pixels, and the cells that it contributes to the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TileSpan {
    /// Pixels in the photo.
    pub(super) pixels: Range<usize>,
    /// Cells in the whole map.
    pub(super) cells: Range<usize>,
    /// Index, in the whole map, of the tile's first cell.
    pub(super) first: usize,
}

/// Strides in the lengths of cropped tiles, so that few plans are needed.
const CROP_STRIDES: usize = 8;

/// One axis of the picture that a tile is cropped in.
#[derive(Clone, Copy, Debug)]
pub(super) struct CropAxis {
    pub(super) field: ReceptiveField,
    /// Pixels of the whole picture.
    pub(super) length: usize,
}

impl TileSpan {
    /// The shortest part of the tile that has all that `cells`, some of its own, see. Its length is
    /// one of a few.
    pub(super) fn cropped(&self, cells: Range<usize>, axis: CropAxis) -> Self {
        let CropAxis { field: ReceptiveField { stride, start, size }, length } = axis;
        let begin = start + (cells.start * stride) as i64;
        let begin = begin.max(0) as usize / stride * stride;
        let end = start + ((cells.end - 1) * stride + size) as i64;
        let end = end.clamp(begin as i64 + 1, length as i64) as usize;
        let remainder = length % stride;
        let strides = (end - begin).saturating_sub(remainder).div_ceil(stride);
        let tile = remainder + strides.next_multiple_of(CROP_STRIDES) * stride;
        if tile >= self.pixels.len() {
            return Self { cells, ..self.clone() };
        }
        let begin = begin.min(length - tile);
        Self { pixels: begin..begin + tile, cells, first: begin / stride }
    }
}

/// The largest tile length for a photo of `length` pixels that is at most `max_length`: the length
/// itself, or one with the same remainder by the stride. May exceed `max_length` if that is too
/// short for one cell.
pub(super) fn tile_length(length: usize, stride: usize, max_length: usize) -> usize {
    if length <= max_length {
        return length;
    }
    let remainder = length % stride;
    remainder + (max_length.saturating_sub(remainder) / stride).max(1) * stride
}

/// Splits `length` pixels into tiles of `tile` pixels, each with a map of `tile_cells` cells.
///
/// `None` if a tile contains no cell's receptive field.
pub(super) fn tile_spans(
    length: usize,
    tile: usize,
    tile_cells: usize,
    field: ReceptiveField,
) -> Option<Vec<TileSpan>> {
    let cells = tile_cells + (length - tile) / field.stride;
    let mut spans: Vec<TileSpan> = Vec::new();
    let mut covered = 0;
    while covered < cells {
        // The tile begins where the next cell's field does, at a multiple of the stride, inside the
        // photo.
        let begin = field.start + (covered * field.stride) as i64;
        let start = (begin.max(0) as usize / field.stride * field.stride).min(length - tile);
        let first = start / field.stride;
        let complete = |cell: usize| {
            let end = field.start + (cell * field.stride + field.size) as i64;
            start + tile == length || end <= (start + tile) as i64
        };
        let end =
            (covered..(first + tile_cells).min(cells)).take_while(|&cell| complete(cell)).last()?
                + 1;
        spans.push(TileSpan { pixels: start..start + tile, cells: covered..end, first });
        covered = end;
    }
    Some(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELD: ReceptiveField = ReceptiveField { stride: 32, start: -90, size: 404 };

    #[test]
    fn a_part_leaves_the_remainder_of_the_whole() {
        assert_eq!(tile_length(500, 32, 1000), 500);
        assert_eq!(tile_length(5000, 32, 1000), 5000 % 32 + 992 - 32 * usize::from(5000 % 32 > 8));
        assert_eq!(tile_length(5001, 32, 1) % 32, 5001 % 32);
    }

    #[test]
    fn every_cell_comes_from_a_part_that_has_all_it_sees() {
        for length in [700, 701, 768, 1500, 5003] {
            let tile = tile_length(length, 32, 640);
            // SAME padding: a cell for every 32 pixels, the last for the remainder.
            let spans = tile_spans(length, tile, tile.div_ceil(32), FIELD).unwrap();
            let mut next = 0;
            for TileSpan { pixels, cells, first } in spans {
                assert_eq!((cells.start, pixels.start % 32, pixels.len()), (next, 0, tile));
                assert_eq!(first * 32, pixels.start);
                for cell in cells.clone() {
                    let begin = -90 + 32 * cell as i64;
                    assert!(
                        begin >= pixels.start as i64 || pixels.start == 0,
                        "{length}: {cell} of {pixels:?}"
                    );
                    assert!(
                        begin + 404 <= pixels.end as i64 || pixels.end == length,
                        "{length}: {cell} of {pixels:?}"
                    );
                }
                next = cells.end;
            }
            assert_eq!(next, length.div_ceil(32));
        }
    }

    #[test]
    fn a_cropped_part_has_all_that_its_cells_see() {
        for length in [700, 701, 768, 1500, 5003] {
            let tile = tile_length(length, 32, 1300);
            let axis = CropAxis { field: FIELD, length };
            for span in tile_spans(length, tile, tile.div_ceil(32), FIELD).unwrap() {
                for (first, last) in [(0, 1), (0, span.cells.len()), (2, 5), (7, 8)] {
                    let (start, end) = (span.cells.start + first, span.cells.start + last);
                    let cells = start.min(span.cells.end - 1)..end.min(span.cells.end);
                    if cells.is_empty() {
                        continue;
                    }
                    let TileSpan { pixels, cells: own, first } = span.cropped(cells.clone(), axis);
                    assert_eq!((own, pixels.start % 32), (cells.clone(), 0));
                    assert_eq!((first, pixels.len() % 32), (pixels.start / 32, length % 32));
                    assert!(pixels.len() <= tile && pixels.end <= length);
                    let begin = FIELD.start + 32 * cells.start as i64;
                    assert!(begin >= pixels.start as i64 || pixels.start == 0, "{cells:?}");
                    let end = FIELD.start + 32 * (cells.end as i64 - 1) + 404;
                    assert!(end <= pixels.end as i64 || pixels.end == length, "{cells:?}");
                }
            }
        }
    }

    #[test]
    fn a_part_smaller_than_a_field_is_of_no_use() {
        assert_eq!(tile_spans(5024, 320, 10, FIELD), None);
    }
}
