//! The segmentation map of a photo.

use std::ops::Range;

use super::axis::Axis;
use super::refine::WindowGrid;
use super::refined::RefinedRegion;
use super::region::{self, Region, RegionOptions};
use super::scores::Scores;
use super::upsample::Upsampler;
use crate::picture::Picture;

/// A grid of cells over a photo, each with a score for every class.
///
/// Cells are counted from the top left, classes by the network's output index. Scores are logits;
/// in a map averaged over several scales, logarithms of mean probabilities.
#[derive(Clone, Debug)]
pub struct SegmentationMap {
    rows: Axis,
    columns: Axis,
    scores: Scores,
    unknown_below: f32,
    scales: Vec<f64>,
    /// The outlines of its largest regions, the largest first, if they were refined.
    refined: Vec<RefinedRegion>,
}

/// The area of one class in a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LegendEntry {
    /// The network's output index, or [`SegmentationMap::unknown_class`].
    pub class: usize,
    /// Number of cells where it is the best class.
    pub cells: usize,
    /// Share of all cells, 0 to 1.
    pub share: f32,
    /// Mean probability over these cells.
    pub mean_probability: f32,
}

impl SegmentationMap {
    pub(super) fn new(rows: Axis, columns: Axis, scores: Scores) -> Self {
        assert_eq!(scores.cells(), rows.cells * columns.cells, "a score for every cell");
        let (scales, refined) = (Vec::new(), Vec::new());
        Self { rows, columns, scores, unknown_below: 0.0, scales, refined }
    }

    /// Returns the same map in which cells are unknown whose best class has a smaller probability
    /// than `probability`, 0 to 1.
    #[must_use]
    pub fn with_unknown_below(self, probability: f32) -> Self {
        Self { unknown_below: probability, ..self }
    }

    /// The probability below which a cell is unknown.
    #[must_use]
    pub fn unknown_below(&self) -> f32 {
        self.unknown_below
    }

    /// Returns the same map with a note of the scales at which the photo was looked at.
    #[must_use]
    pub(super) fn with_scales(self, scales: Vec<f64>) -> Self {
        Self { scales, ..self }
    }

    /// Returns the same map, of `picture`, in which the outlines of regions follow the picture's
    /// colours and edges: in [`SegmentationMap::regions`], [`SegmentationMap::label_pixels`] and
    /// [`SegmentationMap::probability_pixels`]. The cells stay.
    #[must_use]
    pub(super) fn refined(self, picture: &Picture) -> Self {
        let refined = RefinedRegion::of_map(&self, picture);
        Self { refined, ..self }
    }

    /// The outline of the region whose first cell is `first_cell`, if it was refined.
    pub(super) fn outline(&self, first_cell: usize) -> Option<&RefinedRegion> {
        self.refined.iter().find(|region| region.is_of(first_cell))
    }

    /// The scales at which the photo was looked at.
    #[must_use]
    pub fn scales(&self) -> &[f64] {
        &self.scales
    }

    /// The label of unknown cells, one more than the last class's.
    #[must_use]
    pub fn unknown_class(&self) -> usize {
        self.classes()
    }

    /// Number of rows of cells.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.cells
    }

    /// Number of columns of cells.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns.cells
    }

    /// Position of the rows in the photo.
    #[must_use]
    pub fn row_axis(&self) -> &Axis {
        &self.rows
    }

    /// Position of the columns in the photo.
    #[must_use]
    pub fn column_axis(&self) -> &Axis {
        &self.columns
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.scores.classes()
    }

    /// The photo's width in pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.length
    }

    /// The photo's height in pixels.
    #[must_use]
    pub fn height(&self) -> usize {
        self.rows.length
    }

    /// The best class of a cell; ties by index. [`SegmentationMap::unknown_class`] if it is not
    /// probable enough.
    ///
    /// # Panics
    /// If there is no such cell.
    #[must_use]
    pub fn label(&self, row: usize, column: usize) -> usize {
        self.cell_label(self.cell(row, column))
    }

    /// The label of every cell, row by row.
    #[must_use]
    pub fn labels(&self) -> Vec<usize> {
        (0..self.scores.cells()).map(|cell| self.cell_label(cell)).collect()
    }

    /// A class's probability in a cell, 0 to 1. If the map is too large to store all scores, 0 for
    /// all but the 16 best classes.
    ///
    /// # Panics
    /// If there is no such cell.
    #[must_use]
    pub fn probability(&self, row: usize, column: usize, class: usize) -> f32 {
        self.scores.probability(self.cell(row, column), class)
    }

    /// The probability of a cell's best class, 0 to 1.
    ///
    /// # Panics
    /// If there is no such cell.
    #[must_use]
    pub fn best_probability(&self, row: usize, column: usize) -> f32 {
        self.scores.best_probability(self.cell(row, column))
    }

    /// All scores, `[rows, columns, classes]`; `None` if the map is too large to store them.
    #[must_use]
    pub fn scores(&self) -> Option<&[f32]> {
        self.scores.all()
    }

    /// The area of each class, largest first.
    #[must_use]
    pub fn legend(&self) -> Vec<LegendEntry> {
        let mut sums = vec![(0_usize, 0.0_f64); self.classes() + 1];
        for cell in 0..self.scores.cells() {
            let class = self.cell_label(cell);
            sums[class].0 += 1;
            sums[class].1 += f64::from(self.scores.best_probability(cell));
        }
        let all = self.scores.cells() as f32;
        let entry = |(class, (cells, sum)): (usize, (usize, f64))| LegendEntry {
            class,
            cells,
            share: cells as f32 / all,
            mean_probability: (sum / cells as f64) as f32,
        };
        let mut legend: Vec<LegendEntry> =
            sums.into_iter().enumerate().filter(|(_, (cells, _))| *cells > 0).map(entry).collect();
        legend.sort_by(|a, b| b.cells.cmp(&a.cells).then(a.class.cmp(&b.class)));
        legend
    }

    /// Connected regions of one class, largest first; unknown cells are in none.
    #[must_use]
    pub fn regions(&self, options: &RegionOptions) -> Vec<Region> {
        region::find(self, options)
    }

    /// Computes the best class of each pixel in a range of the photo's rows, by bilinear
    /// interpolation of the scores. Pixels are unknown where the interpolated probability of the
    /// cells' best classes is too small. Calls `visit` with each row's number and classes.
    pub fn label_pixels(&self, rows: Range<usize>, mut visit: impl FnMut(usize, &[u32])) {
        if self.refined.is_empty() {
            return Upsampler::new(self).labels(rows, visit);
        }
        let unknown = self.unknown_class() as u32;
        let mut refined = vec![0; self.width()];
        Upsampler::new(self).labels(rows, |y, labels| {
            refined.copy_from_slice(labels);
            self.refined.iter().for_each(|region| region.clear_row(y, &mut refined, unknown));
            self.refined.iter().for_each(|region| region.fill_row(y, &mut refined));
            visit(y, &refined);
        });
    }

    /// Computes the probability of `classes` together at each pixel in a range of the photo's rows,
    /// by bilinear interpolation. Calls `visit` with each row's number and probabilities.
    pub fn probability_pixels(
        &self,
        classes: &[usize],
        rows: Range<usize>,
        mut visit: impl FnMut(usize, &[f32]),
    ) {
        if self.refined.is_empty() {
            return Upsampler::new(self).probabilities(classes, rows, visit);
        }
        let mut refined = vec![0.0; self.width()];
        Upsampler::new(self).probabilities(classes, rows, |y, probabilities| {
            refined.copy_from_slice(probabilities);
            self.refined.iter().for_each(|region| region.weigh_row(y, classes, &mut refined));
            visit(y, &refined);
        });
    }

    /// The probability of a class at the points of a window, by bilinear interpolation.
    pub(super) fn probability_window(&self, class: usize, grid: &WindowGrid) -> Vec<f32> {
        Upsampler::new(self).probability_window(&[class], grid)
    }

    /// The cell nearest to a position in the photo: down and across.
    pub(super) fn nearest_cell(&self, [y, x]: [f64; 2]) -> usize {
        let (down, across) = (self.rows.interpolate_at(y), self.columns.interpolate_at(x));
        down.nearest() * self.columns() + across.nearest()
    }

    /// The probability of `classes` together on a grid of `size`, height and width, over the photo,
    /// by bilinear interpolation.
    pub(crate) fn probability_grid(&self, classes: &[usize], size: [usize; 2]) -> Vec<f32> {
        Upsampler::new(self).probability_grid(classes, size)
    }

    /// The most probable of `classes` on such a grid, of the nearest cell.
    pub(crate) fn class_grid(&self, classes: &[usize], size: [usize; 2]) -> Vec<u32> {
        Upsampler::new(self).class_grid(classes, size)
    }

    /// The scores of the cells.
    pub(super) fn cell_scores(&self) -> &Scores {
        &self.scores
    }

    pub(super) fn cell_label(&self, cell: usize) -> usize {
        if self.unknown_below > 0.0 && self.scores.best_probability(cell) < self.unknown_below {
            return self.unknown_class();
        }
        self.scores.best(cell)[0].class as usize
    }

    fn cell(&self, row: usize, column: usize) -> usize {
        assert!(row < self.rows() && column < self.columns(), "there is no cell ({row}, {column})");
        row * self.columns() + column
    }
}
