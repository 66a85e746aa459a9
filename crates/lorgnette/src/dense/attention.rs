//! The map of a pyramid: at each place the mean of all scales, each with a weight of its own.
//!
//! A thing is known at the scales at which it about fills the network's input; at finer ones are
//! its parts, at coarser ones the thing it lies in. The weights are those of "attention to scale"
//! (Chen and others, 2016): a softmax over the scales of a linear function of features of each,
//! learned from things pasted into other photos (`oracle/scale_attention.py`).

mod features;
mod weights;

use lorgnette_kernels::ThreadPool;

use super::scale_level::{ScaleLevel, ScaleVisitor};
use crate::error::Result;
use features::{Features, Surroundings};

/// The answer of one scale of a pyramid at a place.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScaleView {
    /// Features of the answer and its surroundings, from which the scale's weight is computed.
    pub features: Vec<f32>,
    /// The best classes, best first, and the probability of each, 0 to 1.
    pub best: Vec<(usize, f32)>,
}

/// The scales of a pyramid, in ascending order.
pub(super) struct ScaleAttention<'a> {
    pool: &'a ThreadPool,
    /// Half a window of the network in cells, vertically and horizontally.
    half_window: [usize; 2],
    levels: Vec<ScaleLevel>,
}

impl<'a> ScaleAttention<'a> {
    pub(super) fn new(pool: &'a ThreadPool, half_window: [usize; 2]) -> Self {
        Self { pool, half_window, levels: Vec::new() }
    }

    /// The map of all scales, on the grid of the finest.
    ///
    /// # Errors
    /// If memory is insufficient.
    pub(super) fn into_level(mut self) -> Result<ScaleLevel> {
        if self.levels.len() == 1 {
            return Ok(self.levels.remove(0));
        }
        let surroundings = Surroundings::new(self.half_window);
        let features = self.levels.iter().map(|level| surroundings.of_level(level, self.pool));
        let features: Vec<Vec<Features>> = features.collect();
        let finest = &self.levels[self.levels.len() - 1];
        finest.of_probabilities(self.pool, |[y, x], sums| {
            let cells: Vec<usize> = self.levels.iter().map(|level| level.nearest(y, x)).collect();
            let shown: Vec<&Features> =
                features.iter().zip(&cells).map(|(features, &at)| &features[at]).collect();
            let weights = weights::of_scales(&shown);
            for ((level, at), weight) in self.levels.iter().zip(cells).zip(weights) {
                if weight > 0.0 {
                    level.scores.add_probabilities(at, weight, sums);
                }
            }
        })
    }

    /// The answers of all scales at some places of the photo: down and across in pixels.
    pub(super) fn views(&self, places: &[[f64; 2]]) -> Vec<Vec<ScaleView>> {
        let surroundings = Surroundings::new(self.half_window);
        let view = |level: &ScaleLevel, [y, x]: [f64; 2]| {
            let at = level.nearest(y, x);
            let best = level.scores.best(at).iter().map(|score| {
                let class = score.class as usize;
                (class, level.scores.probability(at, class))
            });
            let features = surroundings.of_cell(level, at).to_vec();
            ScaleView { features, best: best.collect() }
        };
        let all = |&place: &[f64; 2]| self.levels.iter().map(|level| view(level, place)).collect();
        places.iter().map(all).collect()
    }
}

impl ScaleVisitor for ScaleAttention<'_> {
    /// A second mean over the features of the finest scale is as good as a finer one.
    fn visit(&mut self, _: f64, mut level: ScaleLevel) {
        let ScaleLevel { rows, columns, .. } = level;
        let second = level.second.take();
        self.levels.push(level);
        if let Some(scores) = second {
            self.levels.push(ScaleLevel { rows, columns, scores, second: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 20;
    const GROUND: usize = 0;
    const THING: usize = 1;

    /// A level of `SIDE` by `SIDE` cells and three classes: the probabilities of [`GROUND`] and
    /// [`THING`] at a column and a row.
    fn level(probabilities: &(dyn Fn(usize, usize) -> [f32; 2] + Sync)) -> ScaleLevel {
        level_with_evidence(probabilities, &|_, _| 0.0)
    }

    /// The same with some evidence there.
    fn level_with_evidence(
        probabilities: &(dyn Fn(usize, usize) -> [f32; 2] + Sync),
        evidence: &(dyn Fn(usize, usize) -> f32 + Sync),
    ) -> ScaleLevel {
        ScaleLevel::of_logits(SIDE, &|x, y| {
            let [ground, thing] = probabilities(x, y);
            [ground, thing, 1.0 - ground - thing].map(|p| p.ln() + evidence(x, y))
        })
    }

    fn map(levels: Vec<ScaleLevel>) -> ScaleLevel {
        let pool = ThreadPool::new(2);
        let mut scales = ScaleAttention::new(&pool, [4, 4]);
        levels.into_iter().for_each(|level| scales.visit(1.0, level));
        scales.into_level().unwrap()
    }

    /// The probabilities of the three classes in the middle of a map.
    fn middle(map: &ScaleLevel) -> [f32; 3] {
        [GROUND, THING, 2].map(|class| map.scores.probability(SIDE / 2 * SIDE + SIDE / 2, class))
    }

    #[test]
    fn scales_that_show_the_same_are_as_one() {
        let same = || level(&|x, _| [0.3 + x as f32 / 100.0, 0.2]);
        let (one, four) = (map(vec![same()]), map(vec![same(), same(), same(), same()]));
        for (one, four) in middle(&one).into_iter().zip(middle(&four)) {
            assert!((one - four).abs() < 1e-5, "{one}, {four}");
        }
    }

    #[test]
    fn weights_are_shares() {
        let mixed =
            |step: usize| level(&move |x, y| [((x + step) % 5) as f32 / 9.0, (y % 3) as f32 / 9.0]);
        let map = map((1..8).map(mixed).collect());
        for cell in 0..SIDE * SIDE {
            let sum: f32 = (0..3).map(|class| map.scores.probability(cell, class)).sum();
            assert!((sum - 1.0).abs() < 1e-5, "{cell}: {sum}");
        }
    }

    #[test]
    fn a_thing_ends_and_what_it_lies_in_does_not() {
        let is_thing = |x: usize, y: usize| (8..13).contains(&x) && (8..13).contains(&y);
        let ground = || level(&|_, _| [0.9, 0.01]);
        let thing = || {
            let probabilities = |x, y| if is_thing(x, y) { [0.05, 0.9] } else { [0.5, 0.01] };
            level_with_evidence(&probabilities, &|x, y| if is_thing(x, y) { 4.0 } else { 0.0 })
        };
        let found = middle(&map(vec![ground(), ground(), ground(), thing(), thing(), thing()]));
        assert!(found[THING] > found[GROUND], "{found:?}");
    }

    #[test]
    fn one_scale_alone_does_not_stand_for_all() {
        let ground = || level(&|_, _| [0.6, 0.01]);
        let chance = || level(&|_, _| [0.01, 0.9]);
        let found = middle(&map(vec![ground(), ground(), chance(), ground(), ground()]));
        assert!(found[GROUND] > found[THING], "{found:?}");
    }

    #[test]
    fn a_second_mean_is_one_more_scale() {
        let (pool, wide, narrow) = (ThreadPool::new(1), [0.8, 0.1], [0.1, 0.8]);
        let mut scales = ScaleAttention::new(&pool, [4, 4]);
        let second = Some(level(&|_, _| narrow).scores);
        scales.visit(1.0, ScaleLevel { second, ..level(&|_, _| wide) });
        let views = scales.views(&[[1.0, 1.0]]).remove(0);
        let best = views.iter().map(|view| view.best[0].0);
        assert_eq!(best.collect::<Vec<_>>(), [GROUND, THING]);
    }
}
