//! How much speaks for some classes at each place of a photo, and how much that is more than at
//! most places.
//!
//! Among roses a network may give every place a high score for "flower pot". That says nothing of a
//! place there. A thing stands out: where it is, its class has a score that hardly any other place
//! of the photo reaches, be it the best of the classes or not.

use super::axis::Axis;
use super::scores::Scores;
use super::upsample::on_grid;

/// Share of a photo's cells that have less evidence than its [`Common`].
const COMMON_SHARE: f64 = 0.9;

/// The evidence for some classes together, the logarithm of the sum of their exponentiated scores,
/// on a grid over the photo.
pub(crate) struct Evidence {
    pub(crate) grid: Vec<f32>,
    /// Of the cells that it was computed from; `None` if they are few of the photo's.
    pub(crate) common: Option<Common>,
}

/// The evidence that is common in a photo, and the unit in which more of it is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Common {
    /// As much as nine cells in ten have at most.
    pub(crate) most: f32,
    /// The standard deviation of a cell's scores over the classes.
    pub(crate) spread: f32,
}

/// Evidence where no cell was looked at: less than anything, but finite, so that it can be
/// interpolated.
const NONE: f32 = -1e6;

impl Evidence {
    /// The evidence on a grid of `size`, height and width, from cells along two axes; `None` if not
    /// all scores are stored.
    pub(super) fn new(
        scores: &Scores,
        axes: [&Axis; 2],
        classes: &[usize],
        size: [usize; 2],
    ) -> Option<Self> {
        scores.all()?;
        let of_cell = |cell| scores.log_sum_exp_of(cell, classes).unwrap_or(NONE);
        let mut cells: Vec<f32> = (0..scores.cells()).map(of_cell).collect();
        let grid = on_grid(axes, &cells, size);
        let common = scores.spread().map(|spread| {
            let at = ((cells.len() as f64 * COMMON_SHARE) as usize).min(cells.len() - 1);
            let (_, &mut most, _) = cells.select_nth_unstable_by(at, f32::total_cmp);
            Common { most, spread }
        });
        Some(Self { grid, common })
    }

    /// How much more evidence there is at each point of the grid than is common.
    pub(crate) fn beyond(&self, common: Common) -> impl Iterator<Item = f32> + '_ {
        self.grid.iter().map(move |&evidence| evidence - common.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dense::ScaleLevel;

    const SIDE: usize = 20;

    #[test]
    fn what_is_likely_everywhere_is_common() {
        let is_thing = |x: usize, y: usize| (8..11).contains(&x) && (8..11).contains(&y);
        // A ground whose class is always the best, and a thing whose class is never.
        let level = ScaleLevel::of_logits(SIDE, &|x, y| {
            [9.0, if is_thing(x, y) { 8.0 } else { 1.0 }, -4.0]
        });
        let beyond = |classes: &[usize]| {
            let evidence = level.evidence(classes, [SIDE, SIDE]).unwrap();
            let common = evidence.common.unwrap();
            let beyond: Vec<f32> = evidence.beyond(common).collect();
            (beyond[9 * SIDE + 9], beyond[2 * SIDE + 2], common.spread)
        };
        let (thing, elsewhere, spread) = beyond(&[1]);
        assert!((thing - 7.0).abs() < 1e-4 && elsewhere.abs() < 1e-4, "{thing}, {elsewhere}");
        assert!((4.0..7.0).contains(&spread), "{spread}");
        assert_eq!(beyond(&[0]), (0.0, 0.0, spread));
        let (both, ..) = beyond(&[0, 1]);
        assert!((0.1..0.5).contains(&both), "a sum of both: {both}");
    }

    #[test]
    fn places_that_were_not_looked_at_have_none() {
        let scores = |limit: u64| {
            let mut scores = Scores::new(4, 2, limit).unwrap();
            scores.fill(&lorgnette_kernels::ThreadPool::new(1), |cell, out| {
                out.fill(cell as f32);
                cell > 1
            });
            scores
        };
        let field = lorgnette_net::ReceptiveField { stride: 4, start: 0, size: 4 };
        let axis = Axis::new(field, 2, 1.0, 8);
        let evidence = |limit| Evidence::new(&scores(limit), [&axis, &axis], &[1], [2, 2]);
        assert!(evidence(0).is_none(), "only the best are stored");
        let evidence = evidence(u64::MAX).unwrap();
        assert_eq!(evidence.grid, [NONE, NONE, 2.0, 3.0]);
        assert!(evidence.common.is_none());
    }
}
