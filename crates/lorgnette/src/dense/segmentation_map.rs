//! The segmentation map of a photo.

use std::ops::Range;

use super::axis::Axis;
use super::region::{self, Region, RegionOptions};
use super::scores::Scores;
use super::upsample::Upsampler;

/// A grid of cells over a photo, each with a score for every class.
///
/// Cells are counted from the top left, classes by the network's output index. Scores are logits;
/// in a map averaged over several scales, logarithms of mean probabilities.
#[derive(Clone, Debug)]
pub struct SegmentationMap {
    rows: Axis,
    columns: Axis,
    scores: Scores,
}

/// The area of one class in a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LegendEntry {
    /// The network's output index.
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
        Self { rows, columns, scores }
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

    /// The best class of a cell; ties by index.
    ///
    /// # Panics
    /// If there is no such cell.
    #[must_use]
    pub fn label(&self, row: usize, column: usize) -> usize {
        self.scores.best(self.cell(row, column))[0].class as usize
    }

    /// The best class of every cell, row by row.
    #[must_use]
    pub fn labels(&self) -> Vec<usize> {
        (0..self.scores.cells()).map(|cell| self.scores.best(cell)[0].class as usize).collect()
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

    /// All scores, `[rows, columns, classes]`; `None` if the map is too large to store them.
    #[must_use]
    pub fn scores(&self) -> Option<&[f32]> {
        self.scores.all()
    }

    /// The area of each class, largest first.
    #[must_use]
    pub fn legend(&self) -> Vec<LegendEntry> {
        let mut sums = vec![(0_usize, 0.0_f64); self.classes()];
        for cell in 0..self.scores.cells() {
            let class = self.scores.best(cell)[0].class as usize;
            sums[class].0 += 1;
            sums[class].1 += f64::from(self.scores.probability(cell, class));
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

    /// Connected regions of one class, largest first.
    #[must_use]
    pub fn regions(&self, options: &RegionOptions) -> Vec<Region> {
        region::find(self, options)
    }

    /// Computes the best class of each pixel in a range of the photo's rows, by bilinear
    /// interpolation of the scores. Calls `visit` with each row's number and classes.
    pub fn label_pixels(&self, rows: Range<usize>, visit: impl FnMut(usize, &[u32])) {
        Upsampler::new(self).labels(rows, visit);
    }

    /// Computes the probability of `classes` together at each pixel in a range of the photo's rows,
    /// by bilinear interpolation. Calls `visit` with each row's number and probabilities.
    pub fn probability_pixels(
        &self,
        classes: &[usize],
        rows: Range<usize>,
        visit: impl FnMut(usize, &[f32]),
    ) {
        Upsampler::new(self).probabilities(classes, rows, visit);
    }

    /// The scores of the cells.
    pub(super) fn cell_scores(&self) -> &Scores {
        &self.scores
    }

    fn cell(&self, row: usize, column: usize) -> usize {
        assert!(row < self.rows() && column < self.columns(), "there is no cell ({row}, {column})");
        row * self.columns() + column
    }
}
