//! The map of a pyramid, by what neighbouring scales agree on.
//!
//! A thing is known at a few scales next to each other, a part of it or a texture often at one. So
//! the probabilities of three neighbouring scales are averaged. Each cell has the means of those
//! neighbours that are surest of their best class there, and less sure of it around: a thing ends,
//! and what is known all around it is a texture, or what the thing lies in.

use lorgnette_kernels::ThreadPool;

use super::average_scales;
use super::axis::Axis;
use super::scale_level::{ScaleLevel, ScaleVisitor, WantedCells};
use super::scores::{BAND_CELLS, Scores};
use crate::error::Result;
use crate::parallel::for_each_part;

/// Number of neighbouring scales whose probabilities are averaged.
const NEIGHBOURS: usize = 3;
/// Weight of the mean probability of a cell's best class around it, half a window away.
const AROUND_WEIGHT: f32 = 0.5;
/// Mean probability of a cell's best class from which finer scales do not look there.
const SURE: f32 = 0.95;

/// The scales of a pyramid, in ascending order.
pub(super) struct NeighbouringScales<'a> {
    pool: &'a ThreadPool,
    /// Half a window of the network in cells, vertically and horizontally.
    half_window: [usize; 2],
    levels: Vec<ScaleLevel>,
    /// The cells of the mean of each level and those before it, on the level's grid; none for the
    /// first levels.
    means: Vec<Vec<MeanCell>>,
}

/// The mean probabilities of neighbouring scales at a cell, as far as the choice needs them.
#[derive(Clone, Copy, Debug)]
struct MeanCell {
    /// The highest probability.
    probability: f32,
    /// The same less a share of that of its class around.
    contrast: f32,
}

impl<'a> NeighbouringScales<'a> {
    pub(super) fn new(pool: &'a ThreadPool, half_window: [usize; 2]) -> Self {
        Self { pool, half_window, levels: Vec::new(), means: Vec::new() }
    }

    /// The map of all scales, on the grid of the finest.
    pub(super) fn into_level(self) -> Result<ScaleLevel> {
        if self.means.is_empty() {
            return average_scales(self.levels, self.pool);
        }
        self.levels[self.levels.len() - 1].of_probabilities(self.pool, |[y, x], sums| {
            let neighbours = self.means.iter().zip(self.levels.windows(NEIGHBOURS));
            let places = neighbours.map(|(mean, neighbours)| {
                let own = &neighbours[NEIGHBOURS - 1];
                let at = own.nearest(y, x);
                (mean[at].contrast, own.centre(at), neighbours)
            });
            let best = places.max_by(|a, b| a.0.total_cmp(&b.0));
            let (_, centre, neighbours) = best.expect("there is a mean");
            sum_probabilities(neighbours, centre, 1.0 / NEIGHBOURS as f32, sums);
        })
    }

    /// Adds a scale, or a second mean over the features of the finest, which is as good as a finer
    /// one.
    fn push(&mut self, level: ScaleLevel) {
        self.levels.push(level);
        if let Some(first) = self.levels.len().checked_sub(NEIGHBOURS) {
            let cells = self.mean_cells(&self.levels[first..]);
            self.means.push(cells);
        }
    }

    /// The cells of the mean of some levels, on the grid of the last.
    fn mean_cells(&self, levels: &[ScaleLevel]) -> Vec<MeanCell> {
        let own = &levels[levels.len() - 1];
        let unseen = MeanCell { probability: 0.0, contrast: f32::NEG_INFINITY };
        let mut cells = vec![unseen; own.scores.cells()];
        for_each_part(self.pool, cells.chunks_mut(BAND_CELLS), |band, cells| {
            let mut sums = vec![0.0; own.scores.classes()];
            for (at, cell) in cells.iter_mut().enumerate() {
                let at = band * BAND_CELLS + at;
                if let Some((class, probability)) = best_of_mean(levels, own.centre(at), &mut sums)
                {
                    let around = self.mean_around(levels, at, class);
                    *cell =
                        MeanCell { probability, contrast: probability - AROUND_WEIGHT * around };
                }
            }
        });
        cells
    }

    /// The mean probability of a class half a window around a cell of the last of some levels, in
    /// eight directions. Beyond the photo nothing is probable; what was not looked at does not
    /// count.
    fn mean_around(&self, levels: &[ScaleLevel], cell: usize, class: usize) -> f32 {
        let ScaleLevel { rows, columns, .. } = levels[levels.len() - 1];
        let down = around(cell / columns.cells, self.half_window[0], rows.cells);
        let across = around(cell % columns.cells, self.half_window[1], columns.cells);
        let places = down.into_iter().flat_map(|row| across.map(|column| row.zip(column)));
        let probabilities = places.filter_map(|place| match place {
            Some((row, column)) if row * columns.cells + column == cell => None,
            Some((row, column)) => {
                mean_probability(levels, [rows.centre(row), columns.centre(column)], class)
            }
            None => Some(0.0),
        });
        let (sum, count) = probabilities.fold((0.0, 0), |(sum, count), p| (sum + p, count + 1));
        sum / count.max(1) as f32
    }
}

/// The cell of each level that is nearest to a position: down and across in pixels of the photo.
fn places(
    levels: &[ScaleLevel],
    [y, x]: [f64; 2],
) -> impl Iterator<Item = (&Scores, usize)> + Clone {
    levels.iter().map(move |level| (&level.scores, level.nearest(y, x)))
}

/// The class that is most probable in the mean of some levels at a position, and its probability;
/// `None` if one of them has not looked there. `sums` has room for each class.
fn best_of_mean(levels: &[ScaleLevel], centre: [f64; 2], sums: &mut [f32]) -> Option<(usize, f32)> {
    let places = places(levels, centre);
    if places.clone().any(|(scores, at)| !scores.is_set(at)) {
        return None;
    }
    let probability = |class: usize| -> f32 {
        places.clone().map(|(scores, at)| scores.probability(at, class)).sum()
    };
    let listed = places.clone().flat_map(|(scores, at)| scores.best(at));
    let candidates = listed.map(|score| {
        let class = score.class as usize;
        (class, probability(class))
    });
    let mut best = candidates.max_by(|a, b| a.1.total_cmp(&b.1)).expect("a cell lists a class");
    // A class that no level lists is at most as probable as the last that each does.
    if best.1 < places.map(|(scores, at)| scores.least_listed(at)).sum() {
        sums.fill(0.0);
        sum_probabilities(levels, centre, 1.0, sums);
        let all = sums.iter().copied().enumerate();
        best = all.max_by(|a, b| a.1.total_cmp(&b.1)).expect("there is a class");
    }
    Some((best.0, best.1 / levels.len() as f32))
}

/// The mean probability of a class at a position; `None` if one of the levels has not looked there.
fn mean_probability(levels: &[ScaleLevel], centre: [f64; 2], class: usize) -> Option<f32> {
    let mut sum = 0.0;
    for (scores, at) in places(levels, centre) {
        sum += scores.is_set(at).then(|| scores.probability(at, class))?;
    }
    Some(sum / levels.len() as f32)
}

/// Adds `weight` times the probabilities of each class in each level at a position to `sums`.
fn sum_probabilities(levels: &[ScaleLevel], centre: [f64; 2], weight: f32, sums: &mut [f32]) {
    places(levels, centre).for_each(|(scores, at)| scores.add_probabilities(at, weight, sums));
}

/// The cells at a distance before and after one of `cells`, and itself between; `None` beyond them.
fn around(cell: usize, distance: usize, cells: usize) -> [Option<usize>; 3] {
    let after = Some(cell + distance).filter(|&after| after < cells);
    [cell.checked_sub(distance), Some(cell), after]
}

impl ScaleVisitor for NeighbouringScales<'_> {
    fn wanted(&self, _: f64, rows: &Axis, columns: &Axis) -> Option<WantedCells> {
        let (last, mean) = (self.levels.last()?, self.means.last()?);
        Some(WantedCells::new(rows, columns, |y, x| {
            let at = last.nearest(y, x);
            last.scores.is_set(at) && mean[at].probability < SURE
        }))
    }

    fn visit(&mut self, _: f64, mut level: ScaleLevel) {
        let ScaleLevel { rows, columns, .. } = level;
        let second = level.second.take();
        self.push(level);
        if let Some(scores) = second {
            self.push(ScaleLevel { rows, columns, scores, second: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use lorgnette_net::ReceptiveField;

    use super::*;

    const SIDE: usize = 20;
    const GROUND: usize = 0;
    const THING: usize = 1;

    /// A level of `SIDE` by `SIDE` cells and three classes: the probabilities of [`GROUND`] and
    /// [`THING`] at a column and a row, or nothing where it was not looked.
    fn level(probabilities: &(dyn Fn(usize, usize) -> Option<[f32; 2]> + Sync)) -> ScaleLevel {
        let field = ReceptiveField { stride: 4, start: 0, size: 4 };
        let axis = Axis::new(field, SIDE, 1.0, 4 * SIDE);
        let mut scores = Scores::new(SIDE * SIDE, 3, u64::MAX).unwrap();
        scores.fill(&ThreadPool::new(1), |cell, logits| {
            let found = probabilities(cell % SIDE, cell / SIDE);
            if let Some([ground, thing]) = found {
                let other = 1.0 - ground - thing;
                logits.copy_from_slice(&[ground, thing, other].map(f32::ln));
            }
            found.is_some()
        });
        ScaleLevel { rows: axis, columns: axis, scores, second: None }
    }

    fn is_in(x: usize, y: usize, from: usize, to: usize) -> bool {
        (from..to).contains(&x) && (from..to).contains(&y)
    }

    /// The best class in the middle of the map of some levels, and its probability.
    fn middle(levels: Vec<ScaleLevel>) -> (usize, f32) {
        let pool = ThreadPool::new(1);
        let mut scales = NeighbouringScales::new(&pool, [4, 4]);
        levels.into_iter().for_each(|level| scales.visit(1.0, level));
        let map = scales.into_level().unwrap();
        let cell = SIDE / 2 * SIDE + SIDE / 2;
        (map.scores.best(cell)[0].class as usize, map.scores.best_probability(cell))
    }

    #[test]
    fn one_scale_alone_is_outvoted() {
        let ground = || level(&|_, _| Some([0.6, 0.0]));
        let chance = || level(&|_, _| Some([0.0, 0.95]));
        let (class, probability) = middle(vec![ground(), chance(), ground()]);
        assert!(class == GROUND && (probability - 0.4).abs() < 1e-5, "{class} {probability}");
        assert_eq!(middle(vec![ground(), chance(), chance()]).0, THING);
    }

    #[test]
    fn a_thing_ends_and_what_it_lies_in_does_not() {
        // Coarse windows are surer of what the thing lies in, all around it.
        let coarse = || level(&|_, _| Some([0.9, 0.0]));
        let fine = || level(&|x, y| Some(if is_in(x, y, 8, 13) { [0.1, 0.8] } else { [0.5, 0.0] }));
        assert_eq!(middle(vec![coarse(), coarse(), coarse(), fine(), fine(), fine()]).0, THING);
        // A texture of the thing, all around too, does not.
        let texture = || level(&|_, _| Some([0.1, 0.8]));
        let scales = [coarse(), coarse(), coarse(), texture(), texture(), texture()];
        assert_eq!(middle(scales.into()).0, GROUND);
    }

    #[test]
    fn scales_that_did_not_look_do_not_count() {
        let sure = || level(&|_, _| Some([0.97, 0.0]));
        let unseen = || level(&|x, y| is_in(x, y, 0, 5).then_some([0.0, 0.9]));
        assert_eq!(middle(vec![sure(), sure(), sure(), unseen(), unseen()]).0, GROUND);
    }

    #[test]
    fn finer_scales_look_where_none_is_sure() {
        let pool = ThreadPool::new(1);
        let mut scales = NeighbouringScales::new(&pool, [4, 4]);
        let seen = |x, y| if is_in(x, y, 0, 10) { [0.97, 0.0] } else { [0.5, 0.0] };
        let field = ReceptiveField { stride: 4, start: 0, size: 4 };
        let axis = Axis::new(field, SIDE, 1.0, 4 * SIDE);
        for _ in 0..2 {
            scales.visit(1.0, level(&|x, y| Some(seen(x, y))));
            assert!(scales.wanted(1.0, &axis, &axis).is_none(), "two scales agree by chance");
        }
        scales.visit(1.0, level(&|x, y| Some(seen(x, y))));
        let wanted = scales.wanted(1.0, &axis, &axis).unwrap();
        let blocks = wanted.blocks(&(0..SIDE), &(0..10), |_| 1000);
        assert_eq!(blocks, [[10..SIDE, 0..10]]);
        // What was not looked at is not looked at later either.
        scales.visit(1.0, level(&|x, y| (y < 15).then(|| seen(x, y))));
        let wanted = scales.wanted(1.0, &axis, &axis).unwrap();
        assert_eq!(wanted.blocks(&(0..SIDE), &(0..10), |_| 1000), [[10..15, 0..10]]);
    }

    #[test]
    fn fewer_scales_than_neighbours_are_averaged() {
        let one = || level(&|_, _| Some([0.6, 0.2]));
        let other = || level(&|_, _| Some([0.1, 0.7]));
        assert_eq!(middle(vec![one()]).0, GROUND);
        let (class, probability) = middle(vec![one(), other()]);
        assert!(class == THING && (probability - 0.45).abs() < 1e-5, "{class} {probability}");
    }
}
