//! Bilinear interpolation of scores between the centres of cells.

use std::ops::Range;

use super::axis::{Axis, Interpolation};
use super::refine::WindowGrid;
use super::scores::{ClassScore, Scores};
use super::segmentation_map::SegmentationMap;

/// Interpolates a map for each row of the photo.
pub(super) struct Upsampler<'a> {
    map: &'a SegmentationMap,
    /// For each column of the photo, the cells around it.
    columns: Vec<Interpolation>,
}

/// The four cells around a position: top left, top right, bottom left, bottom right.
type Corners = [usize; 4];

/// Candidates for the best class between four cells, with scores interpolated vertically to one
/// row.
struct CornerScores {
    corners: Corners,
    /// Class, score at the left, score at the right.
    candidates: Vec<(u32, f32, f32)>,
    /// Upper bounds of all other classes' scores, at the left and at the right.
    others: [f32; 2],
}

impl<'a> Upsampler<'a> {
    pub(super) fn new(map: &'a SegmentationMap) -> Self {
        let axis = map.column_axis();
        Self { map, columns: (0..axis.length).map(|pixel| axis.interpolate_pixel(pixel)).collect() }
    }

    /// Computes the best class of each pixel.
    pub(super) fn labels(&self, rows: Range<usize>, mut take: impl FnMut(usize, &[u32])) {
        let mut labels = vec![0; self.columns.len()];
        let best = self.best_probabilities();
        for y in rows {
            let row = self.map.row_axis().interpolate_pixel(y);
            for run in runs(&self.columns) {
                let corner_scores = CornerScores::new(
                    self.scores(),
                    self.corners(row, self.columns[run.start]),
                    row.weight,
                );
                for x in run {
                    labels[x] =
                        corner_scores.argmax(self.scores(), row.weight, self.columns[x].weight);
                }
            }
            if let Some(best) = &best {
                let down = self.interpolate_row(best, row);
                for (label, column) in labels.iter_mut().zip(&self.columns) {
                    let probability = lerp(down[column.low], down[column.high], column.weight);
                    if probability < self.map.unknown_below() {
                        *label = self.map.unknown_class() as u32;
                    }
                }
            }
            take(y, &labels);
        }
    }

    /// The probability of each cell's best class; `None` if no cell can be unknown.
    fn best_probabilities(&self) -> Option<Vec<f32>> {
        let scores = self.scores();
        (self.map.unknown_below() > 0.0)
            .then(|| (0..scores.cells()).map(|cell| scores.best_probability(cell)).collect())
    }

    /// The values of cells between two rows.
    fn interpolate_row(&self, cells: &[f32], row: Interpolation) -> Vec<f32> {
        interpolate_row(cells, self.map.columns(), row)
    }

    /// Computes the probability of `classes` together on a grid of `size`, height and width, over
    /// the photo.
    pub(super) fn probability_grid(&self, classes: &[usize], size: [usize; 2]) -> Vec<f32> {
        on_grid([self.map.row_axis(), self.map.column_axis()], &self.sums(classes), size)
    }

    /// Computes the probability of `classes` together at the points of a window.
    pub(super) fn probability_window(&self, classes: &[usize], grid: &WindowGrid) -> Vec<f32> {
        let cells = self.sums(classes);
        let (rows, columns) = (self.map.row_axis(), self.map.column_axis());
        let width = self.map.columns();
        let mut out = Vec::with_capacity(grid.len());
        for point in 0..grid.len() {
            let [y, x] = grid.position(point);
            let (down, across) = (rows.interpolate_at(y), columns.interpolate_at(x));
            let side = |row: usize| {
                let row = &cells[row * width..][..width];
                lerp(row[across.low], row[across.high], across.weight)
            };
            out.push(lerp(side(down.low), side(down.high), down.weight));
        }
        out
    }

    /// Finds the cell nearest to each point of such a grid, and its most probable of `classes`.
    pub(super) fn class_grid(&self, classes: &[usize], size: [usize; 2]) -> Vec<u32> {
        let scores = self.scores();
        let best = |cell: usize| {
            let logit = |&class: &usize| scores.logit(cell, class);
            let best = classes.iter().max_by(|a, b| logit(a).total_cmp(&logit(b)));
            best.map_or(0, |&class| class as u32)
        };
        let best: Vec<u32> = (0..scores.cells()).map(best).collect();
        let columns = points(self.map.column_axis(), size[1]);
        let mut out = Vec::with_capacity(size[0] * size[1]);
        for row in points(self.map.row_axis(), size[0]) {
            let row = &best[row.nearest() * self.map.columns()..][..self.map.columns()];
            out.extend(columns.iter().map(|column| row[column.nearest()]));
        }
        out
    }

    /// The probability of `classes` together in each cell.
    fn sums(&self, classes: &[usize]) -> Vec<f32> {
        let scores = self.scores();
        let sum = |cell| classes.iter().map(|&class| scores.probability(cell, class)).sum();
        (0..scores.cells()).map(sum).collect()
    }

    /// Computes the probability of `classes` together at each pixel.
    pub(super) fn probabilities(
        &self,
        classes: &[usize],
        rows: Range<usize>,
        mut take: impl FnMut(usize, &[f32]),
    ) {
        let cells = self.sums(classes);
        let mut out = vec![0.0; self.columns.len()];
        for y in rows {
            let row = self.map.row_axis().interpolate_pixel(y);
            let down = self.interpolate_row(&cells, row);
            for (out, column) in out.iter_mut().zip(&self.columns) {
                *out = lerp(down[column.low], down[column.high], column.weight);
            }
            take(y, &out);
        }
    }

    fn scores(&self) -> &'a Scores {
        self.map.cell_scores()
    }

    fn corners(&self, row: Interpolation, column: Interpolation) -> Corners {
        let width = self.map.columns();
        let cell = |row: usize, column: usize| row * width + column;
        [
            cell(row.low, column.low),
            cell(row.low, column.high),
            cell(row.high, column.low),
            cell(row.high, column.high),
        ]
    }
}

/// The values of cells along two axes, on a grid of `size`, height and width, over the photo.
pub(super) fn on_grid(
    [rows, columns]: [&Axis; 2],
    cells: &[f32],
    [height, width]: [usize; 2],
) -> Vec<f32> {
    let across = points(columns, width);
    let mut out = Vec::with_capacity(height * width);
    for row in points(rows, height) {
        let down = interpolate_row(cells, columns.cells, row);
        out.extend(
            across.iter().map(|column| lerp(down[column.low], down[column.high], column.weight)),
        );
    }
    out
}

/// The cells around the centres of `length` equal parts of an axis.
fn points(axis: &Axis, length: usize) -> Vec<Interpolation> {
    let step = axis.length as f64 / length as f64;
    (0..length).map(|at| axis.interpolate_at((at as f64 + 0.5) * step)).collect()
}

/// The values of cells, in rows of `width`, between two rows.
fn interpolate_row(cells: &[f32], width: usize, row: Interpolation) -> Vec<f32> {
    let (upper, lower) = (&cells[row.low * width..][..width], &cells[row.high * width..][..width]);
    upper.iter().zip(lower).map(|(&a, &b)| lerp(a, b, row.weight)).collect()
}

impl CornerScores {
    fn new(scores: &Scores, corners: Corners, down: f32) -> Self {
        let mut classes: Vec<u32> = corners
            .iter()
            .flat_map(|&cell| scores.best(cell))
            .map(|score: &ClassScore| score.class)
            .collect();
        classes.sort_unstable();
        classes.dedup();
        let side = |class: usize, [top, bottom]: [usize; 2]| {
            lerp(scores.logit(top, class), scores.logit(bottom, class), down)
        };
        let [left, right] = [[corners[0], corners[2]], [corners[1], corners[3]]];
        let candidate =
            |class: u32| (class, side(class as usize, left), side(class as usize, right));
        let has_every_class = scores.best(corners[0]).len() == scores.classes();
        let lowest_listed = |cell: usize| {
            let last = scores.best(cell).last().map_or(f32::NEG_INFINITY, |score| score.logit);
            if has_every_class { f32::NEG_INFINITY } else { last }
        };
        let others = [left, right]
            .map(|[top, bottom]| lerp(lowest_listed(top), lowest_listed(bottom), down));
        Self { corners, candidates: classes.into_iter().map(candidate).collect(), others }
    }

    /// The class with the highest score at `across`; ties by index.
    fn argmax(&self, scores: &Scores, down: f32, across: f32) -> u32 {
        let mut best = (0, f32::NEG_INFINITY);
        for &(class, left, right) in &self.candidates {
            let score = lerp(left, right, across);
            if score > best.1 {
                best = (class, score);
            }
        }
        let [left, right] = self.others;
        if best.1 > lerp(left, right, across) || scores.all().is_none() {
            return best.0;
        }
        self.argmax_over_all(scores, down, across)
    }

    /// The same over all classes, for cells whose candidates do not suffice.
    fn argmax_over_all(&self, scores: &Scores, down: f32, across: f32) -> u32 {
        let mut best = (0, f32::NEG_INFINITY);
        for class in 0..scores.classes() {
            let [a, b, c, d] = self.corners.map(|cell| scores.logit(cell, class));
            let score = lerp(lerp(a, c, down), lerp(b, d, down), across);
            if score > best.1 {
                best = (class as u32, score);
            }
        }
        best.0
    }
}

/// Runs of pixels between the same two cells.
fn runs(columns: &[Interpolation]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut start = 0;
    columns.chunk_by(|a, b| (a.low, a.high) == (b.low, b.high)).map(move |run| {
        let range = start..start + run.len();
        start = range.end;
        range
    })
}

fn lerp(a: f32, b: f32, weight: f32) -> f32 {
    // The difference of equal infinities is NaN.
    if a == b { a } else { a + (b - a) * weight }
}
