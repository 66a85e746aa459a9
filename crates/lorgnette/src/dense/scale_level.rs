//! The maps of single scales, and what of the next scale is looked at.

use std::ops::{Div, Range};

use lorgnette_kernels::ThreadPool;

use super::MAX_SCORE_BYTES;
use super::axis::Axis;
use super::connected::{GridSize, connected};
use super::evidence::Evidence;
use super::scores::Scores;
use super::segmentation_map::SegmentationMap;
use crate::error::Result;

/// A photo's map at one scale.
pub(crate) struct ScaleLevel {
    pub(super) rows: Axis,
    pub(super) columns: Axis,
    pub(super) scores: Scores,
    /// Those by the second mean over the features, if there is one.
    pub(super) second: Option<Scores>,
}

/// The cells of a map that are looked at.
pub(crate) struct WantedCells {
    columns: usize,
    is_wanted: Vec<bool>,
}

/// Receives the maps of a photo's scales, in ascending order.
pub(crate) trait ScaleVisitor {
    /// Chooses the cells that are looked at of the next scale, if that is one at which a search
    /// looks at few places, from the maps so far; `None` for all. Cells that are not have a
    /// probability of 0 for every class, unless they come for free.
    fn wanted(&self, _rows: &Axis, _columns: &Axis) -> Option<WantedCells> {
        None
    }

    /// Receives the map of a scale.
    fn visit(&mut self, scale: f64, level: ScaleLevel);
}

/// Looks at every cell, and keeps nothing.
pub(super) struct EveryCell;

/// Looks at every cell of every scale, and keeps the maps.
pub(super) struct EveryLevel(pub(super) Vec<ScaleLevel>);

impl ScaleLevel {
    /// The level as a map.
    pub(crate) fn into_map(self) -> SegmentationMap {
        SegmentationMap::new(self.rows, self.columns, self.scores)
    }

    /// The evidence for some classes on a grid of `size`, height and width, over the photo; `None`
    /// if not all scores are stored.
    pub(crate) fn evidence(&self, classes: &[usize], size: [usize; 2]) -> Option<Evidence> {
        Evidence::new(&self.scores, [&self.rows, &self.columns], classes, size)
    }

    /// The same by the second mean over the features, if there is one.
    pub(crate) fn second_evidence(&self, classes: &[usize], size: [usize; 2]) -> Option<Evidence> {
        let scores = self.second.as_ref()?;
        Evidence::new(scores, [&self.rows, &self.columns], classes, size)
    }

    /// A level on the same grid, of the probability of each class at the middle of each cell.
    /// `compute` adds them up from 0.
    ///
    /// # Errors
    /// If memory is insufficient.
    pub(super) fn of_probabilities(
        &self,
        pool: &ThreadPool,
        compute: impl Fn([f64; 2], &mut [f32]) + Sync,
    ) -> Result<Self> {
        let Self { rows, columns, .. } = *self;
        let (cells, classes) = (self.scores.cells(), self.scores.classes());
        let mut scores = Scores::new(cells, classes, MAX_SCORE_BYTES)?;
        scores.fill(pool, |cell, sums| {
            sums.fill(0.0);
            compute(self.centre(cell), sums);
            sums.iter_mut().for_each(|sum| *sum = sum.ln());
            true
        });
        Ok(Self { rows, columns, scores, second: None })
    }

    /// The middle of a cell: down and across in pixels of the photo.
    pub(super) fn centre(&self, cell: usize) -> [f64; 2] {
        let (row, column) = (cell / self.columns.cells, cell % self.columns.cells);
        [self.rows.centre(row), self.columns.centre(column)]
    }

    /// The cell nearest to a position in the photo.
    pub(super) fn nearest(&self, y: f64, x: f64) -> usize {
        let (down, across) = (self.rows.interpolate_at(y), self.columns.interpolate_at(x));
        down.nearest() * self.columns.cells + across.nearest()
    }
}

impl WantedCells {
    /// Wants the cells of a map for which `is_wanted`, of the position of their centre: down and
    /// across in pixels of the photo.
    pub(crate) fn new(rows: &Axis, columns: &Axis, is_wanted: impl Fn(f64, f64) -> bool) -> Self {
        let mut wanted = Vec::with_capacity(rows.cells * columns.cells);
        for row in 0..rows.cells {
            let y = rows.centre(row);
            wanted.extend((0..columns.cells).map(|column| is_wanted(y, columns.centre(column))));
        }
        Self { columns: columns.cells, is_wanted: wanted }
    }

    /// True if none is wanted.
    pub(crate) fn is_empty(&self) -> bool {
        !self.is_wanted.contains(&true)
    }

    /// Blocks of rows and columns that together hold the wanted ones among some cells: one for each
    /// connected group, but for those that cost no more as one block.
    pub(super) fn blocks(
        &self,
        rows: &Range<usize>,
        columns: &Range<usize>,
        cost: impl Fn(&[Range<usize>; 2]) -> usize,
    ) -> Vec<[Range<usize>; 2]> {
        let mut is_waiting: Vec<bool> = rows
            .clone()
            .flat_map(|row| &self.is_wanted[row * self.columns..][columns.clone()])
            .copied()
            .collect();
        let size = GridSize { columns: columns.len(), cells: is_waiting.len() };
        let mut blocks: Vec<[Range<usize>; 2]> = Vec::new();
        for start in 0..size.cells {
            if !std::mem::take(&mut is_waiting[start]) {
                continue;
            }
            let group = connected(vec![start], size, |at| std::mem::take(&mut is_waiting[at]));
            let along = |from: usize, cell: fn(usize, usize) -> usize| {
                let positions = group.iter().map(|&at| from + cell(at, size.columns));
                positions.map(|at| at..at + 1).reduce(hull).unwrap_or_default()
            };
            let mut block =
                [along(rows.start, usize::div), along(columns.start, |at, width| at % width)];
            // A larger block may take in another one in turn.
            while let Some(at) = blocks
                .iter()
                .position(|other| cost(&joined(&block, other)) <= cost(&block) + cost(other))
            {
                block = joined(&block, &blocks.swap_remove(at));
            }
            blocks.push(block);
        }
        blocks
    }
}

/// The smallest range that holds two.
fn hull(a: Range<usize>, b: Range<usize>) -> Range<usize> {
    a.start.min(b.start)..a.end.max(b.end)
}

/// The smallest block that holds two.
fn joined(a: &[Range<usize>; 2], b: &[Range<usize>; 2]) -> [Range<usize>; 2] {
    std::array::from_fn(|axis| hull(a[axis].clone(), b[axis].clone()))
}

impl ScaleVisitor for EveryCell {
    fn visit(&mut self, _: f64, _: ScaleLevel) {}
}

impl ScaleVisitor for EveryLevel {
    fn visit(&mut self, _: f64, level: ScaleLevel) {
        self.0.push(level);
    }
}

#[cfg(test)]
impl ScaleLevel {
    /// A level of `side` by `side` cells, 4 pixels apart, by the logits of each class at a column
    /// and a row.
    pub(crate) fn of_logits<const CLASSES: usize>(
        side: usize,
        logits: &(dyn Fn(usize, usize) -> [f32; CLASSES] + Sync),
    ) -> Self {
        let field = lorgnette_net::ReceptiveField { stride: 4, start: 0, size: 4 };
        let axis = Axis::new(field, side, 1.0, 4 * side);
        let mut scores = Scores::new(side * side, CLASSES, u64::MAX).unwrap();
        scores.fill(&ThreadPool::new(1), |cell, out| {
            out.copy_from_slice(&logits(cell % side, cell / side));
            true
        });
        Self { rows: axis, columns: axis, scores, second: None }
    }
}

#[cfg(test)]
mod block_tests {
    use super::*;

    #[test]
    fn groups_of_wanted_cells_are_blocks_of_their_own_unless_one_is_as_cheap() {
        const SIDE: usize = 20;
        let rows_of = |cells: &[(usize, usize)]| {
            let is_wanted = (0..SIDE * SIDE).map(|at| cells.contains(&(at / SIDE, at % SIDE)));
            WantedCells { columns: SIDE, is_wanted: is_wanted.collect() }
        };
        // Two neighbours, one three cells away, one far away, one outside of what is asked for.
        let wanted = rows_of(&[(3, 4), (4, 4), (4, 8), (15, 15), (19, 0)]);
        let blocks = |around: usize| {
            let cost = |block: &[Range<usize>; 2]| {
                block.iter().map(|range| range.len() + around).product::<usize>()
            };
            let mut blocks = wanted.blocks(&(1..18), &(2..20), cost);
            blocks.sort_by_key(|[rows, _]| rows.start);
            blocks
        };
        assert_eq!(blocks(0), [[3..5, 4..5], [4..5, 8..9], [15..16, 15..16]]);
        assert_eq!(blocks(8), [[3..5, 4..9], [15..16, 15..16]]);
        assert_eq!(blocks(1000), [[3..16, 4..16]]);
        assert!(rows_of(&[(19, 0)]).blocks(&(0..19), &(0..20), |_| 1).is_empty());
    }
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use super::*;
    use crate::dense::{SegmentationOptions, Segmenter};
    use crate::model::{Model, ModelOptions};
    use crate::picture::Picture;

    /// Wants the cells of a map whose centres are in a box: left, top, right, bottom.
    struct Part {
        bounds: [f64; 4],
        level: Option<ScaleLevel>,
    }

    impl ScaleVisitor for Part {
        fn wanted(&self, rows: &Axis, columns: &Axis) -> Option<WantedCells> {
            let [left, top, right, bottom] = self.bounds;
            Some(WantedCells::new(rows, columns, |y, x| {
                (left..right).contains(&x) && (top..bottom).contains(&y)
            }))
        }

        fn visit(&mut self, _: f64, level: ScaleLevel) {
            self.level = Some(level);
        }
    }

    fn look(segmenter: &Segmenter, picture: &Picture, bounds: [f64; 4]) -> ScaleLevel {
        let mut part = Part { bounds, level: None };
        segmenter.visit_scales(picture, &mut (), &mut part).unwrap();
        part.level.unwrap()
    }

    #[test]
    fn wanted_cells_have_the_scores_of_the_whole_map() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let picture = Picture::open(path.join("../../photos/coffee.jpg")).unwrap().scaled(1.7);
        for tile in [None, Some(620)] {
            let options = SegmentationOptions { tile, ..SegmentationOptions::default() };
            let model = Model::embedded(&ModelOptions::default()).unwrap();
            let segmenter = Segmenter::new(model, options).unwrap();
            let whole = look(&segmenter, &picture, [0.0, 0.0, 1e9, 1e9]);
            let bounds = [300.0, 200.0, 520.0, 330.0];
            let part = look(&segmenter, &picture, bounds);
            assert_eq!((part.rows, part.columns), (whole.rows, whole.columns));
            let (mut wanted, mut unseen) = (0, 0);
            for cell in 0..whole.scores.cells() {
                let (own, all) =
                    (part.scores.best_probability(cell), whole.scores.best_probability(cell));
                let y = whole.rows.centre(cell / whole.columns.cells);
                let x = whole.columns.centre(cell % whole.columns.cells);
                if (bounds[0]..bounds[2]).contains(&x) && (bounds[1]..bounds[3]).contains(&y) {
                    assert!((own - all).abs() < 1e-4, "{cell}: {own}, {all}");
                    wanted += 1;
                } else {
                    unseen += usize::from(own == 0.0);
                }
            }
            assert!(wanted > 20 && unseen > whole.scores.cells() / 2, "{wanted}, {unseen}");
            let none = look(&segmenter, &picture, [0.0; 4]);
            assert!((0..whole.scores.cells()).all(|at| none.scores.best_probability(at) == 0.0));
        }
    }
}
