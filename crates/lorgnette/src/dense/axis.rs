//! Position of a map's cells in the photo, along one axis.

use lorgnette_net::ReceptiveField;

/// Position of a map's rows, or columns, in pixels of the photo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    /// Number of cells, at least 1.
    pub cells: usize,
    /// Pixels from one cell to the next.
    pub stride: f64,
    /// Centre of the first cell's receptive field.
    pub first: f64,
    /// Size of a cell's receptive field in pixels. It may extend beyond the photo into padding.
    pub field: f64,
    /// Length of the photo in pixels.
    pub length: usize,
}

/// A position between two cells: lower index, higher index, and the weight of the higher.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interpolation {
    pub(super) low: usize,
    pub(super) high: usize,
    pub(super) weight: f32,
}

impl Interpolation {
    /// The nearer of the two cells.
    pub(super) fn nearest(self) -> usize {
        if self.weight < 0.5 { self.low } else { self.high }
    }
}

impl Axis {
    /// The axis of a map over a photo of `length` pixels that was scaled by `scale` before the
    /// network.
    pub(crate) fn new(field: ReceptiveField, cells: usize, scale: f64, length: usize) -> Self {
        Self {
            cells,
            stride: field.stride as f64 / scale,
            first: field.centre(0) / scale,
            field: field.size as f64 / scale,
            length,
        }
    }

    /// Centre of a cell's receptive field; a pixel's own centre is at its half.
    #[must_use]
    pub fn centre(&self, cell: usize) -> f64 {
        self.first + self.stride * cell as f64
    }

    /// Receptive field of a cell, from pixel to pixel; it may extend beyond the photo.
    #[must_use]
    pub fn receptive_interval(&self, cell: usize) -> [f64; 2] {
        let centre = self.centre(cell);
        [centre - self.field / 2.0, centre + self.field / 2.0]
    }

    /// The pixels nearest to a cell, clipped to the photo. Cells at the border extend to the
    /// photo's edge if less than another cell would fit there.
    #[must_use]
    pub fn cell_interval(&self, cell: usize) -> [f64; 2] {
        let length = self.length as f64;
        let (mut low, mut high) =
            (self.centre(cell) - self.stride / 2.0, self.centre(cell) + self.stride / 2.0);
        if cell == 0 && low < self.stride {
            low = 0.0;
        }
        if cell + 1 == self.cells && length - high < self.stride {
            high = length;
        }
        let low = low.clamp(0.0, length);
        [low, high.clamp(low, length)]
    }

    /// Boundaries of the pixels nearest to each cell of a range.
    #[must_use]
    pub(super) fn pixels(&self, cells: std::ops::RangeInclusive<usize>) -> [usize; 2] {
        let edge = |position: f64| (position.round() as usize).min(self.length);
        let (low, high) = (
            edge(self.cell_interval(*cells.start())[0]),
            edge(self.cell_interval(*cells.end())[1]),
        );
        // A photo smaller than a cell still has a pixel.
        let low = low.min(self.length - 1);
        [low, high.max(low + 1)]
    }

    /// The cells around a pixel's centre. Outside the outermost cells' centres, the outermost cell
    /// alone.
    pub(super) fn interpolate_pixel(&self, pixel: usize) -> Interpolation {
        self.interpolate_at(pixel as f64 + 0.5)
    }

    /// The cells around a position in the photo.
    pub(super) fn interpolate_at(&self, position: f64) -> Interpolation {
        let at = ((position - self.first) / self.stride).clamp(0.0, (self.cells - 1) as f64);
        let low = at as usize;
        Interpolation { low, high: (low + 1).min(self.cells - 1), weight: (at - low as f64) as f32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// VGG-16 over 768 pixels with fc6 VALID, as in the tutorial.
    const VALID: Axis = Axis { cells: 18, stride: 32.0, first: 112.0, field: 404.0, length: 768 };
    const SAME: Axis = Axis { cells: 24, stride: 32.0, first: 16.0, field: 404.0, length: 768 };

    #[test]
    fn a_cell_is_in_the_middle_of_what_it_looks_at() {
        assert_eq!((VALID.centre(17), VALID.receptive_interval(0)), (656.0, [-90.0, 314.0]));
    }

    #[test]
    fn the_border_belongs_to_its_cells_only_where_there_are_some() {
        assert_eq!(
            (VALID.cell_interval(0), VALID.cell_interval(17)),
            ([96.0, 128.0], [640.0, 672.0])
        );
        assert_eq!((SAME.cell_interval(0), SAME.cell_interval(23)), ([0.0, 32.0], [736.0, 768.0]));
        let shifted = Axis { first: 25.0, ..SAME };
        assert_eq!(
            (shifted.cell_interval(0), shifted.cell_interval(23)),
            ([0.0, 41.0], [745.0, 768.0])
        );
        assert_eq!(SAME.pixels(0..=23), [0, 768]);
    }

    #[test]
    fn parts_nearest_to_neighbours_meet() {
        for cell in 0..23 {
            assert_eq!(SAME.cell_interval(cell)[1], SAME.cell_interval(cell + 1)[0]);
        }
    }

    #[test]
    fn positions_fall_between_cells() {
        assert_eq!(SAME.interpolate_at(16.0), Interpolation { low: 0, high: 1, weight: 0.0 });
        assert_eq!(SAME.interpolate_at(24.0), Interpolation { low: 0, high: 1, weight: 0.25 });
        assert_eq!(SAME.interpolate_pixel(0), Interpolation { low: 0, high: 1, weight: 0.0 });
        assert_eq!(SAME.interpolate_pixel(767), Interpolation { low: 23, high: 23, weight: 0.0 });
    }

    #[test]
    fn a_photo_smaller_than_a_cell_has_pixels() {
        let small = Axis { cells: 1, stride: 32.0, first: 16.0, field: 404.0, length: 3 };
        assert_eq!((small.pixels(0..=0), small.cell_interval(0)), ([0, 3], [0.0, 3.0]));
    }
}
