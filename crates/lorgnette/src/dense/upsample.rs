//! Bilinear interpolation of scores between the centres of cells.

use std::ops::Range;

use super::axis::Interpolation;
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
            take(y, &labels);
        }
    }

    /// Computes the probability of `classes` together at each pixel.
    pub(super) fn probabilities(
        &self,
        classes: &[usize],
        rows: Range<usize>,
        mut take: impl FnMut(usize, &[f32]),
    ) {
        let scores = self.scores();
        let sum = |cell| classes.iter().map(|&class| scores.probability(cell, class)).sum();
        let cells: Vec<f32> = (0..scores.cells()).map(sum).collect();
        let width = self.map.columns();
        let mut out = vec![0.0; self.columns.len()];
        for y in rows {
            let row = self.map.row_axis().interpolate_pixel(y);
            let (upper, lower) =
                (&cells[row.low * width..][..width], &cells[row.high * width..][..width]);
            let down: Vec<f32> =
                upper.iter().zip(lower).map(|(&a, &b)| lerp(a, b, row.weight)).collect();
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
