//! Growth of a selection by the photo's colours.
//!
//! A network knows a thing by some of its parts. What is around a selected region and of its
//! colours, up to an edge, is a part of the thing more probably than not: a leg, a tail. Nothing
//! that is selected is given up.

use std::ops::Range;

use super::{PyramidMask, range_of, regions};
use crate::blur::mask::distances;
use crate::dense::{Window, WindowGrid};
use crate::picture::Picture;

/// Shares of a region's longer side: what its window has around it, how far it may grow, and over
/// what distance it is less and less expected.
const SURROUNDINGS: f64 = 0.3;
const MAX_GROWTH: f64 = 0.1;
const PRIOR_WIDTH: f64 = 0.15;
/// Points of the longer side below which a region does not grow.
const MIN_SIDE: usize = 10;
/// Probability from which a point is of the thing.
const INSIDE: f32 = 0.5;
/// Share of a region that must be of the thing by its colours, or they say nothing.
const MIN_KEPT: f64 = 0.1;
/// Units of `distances` in the length of a point, and the largest.
const DISTANCES_PER_POINT: f64 = 3.0;
const MAX_DISTANCE: u16 = 3 * 400;

impl PyramidMask<'_> {
    /// Adds to what is accepted, around each region, what has its colours.
    pub(super) fn grow(&self, accepted: &mut [bool], picture: &Picture) {
        let is_inside: Vec<u8> = accepted.iter().map(|&accepted| u8::from(accepted)).collect();
        let mut owners = vec![0; accepted.len()];
        for (number, region) in (1..).zip(regions(&is_inside, self.grid.width)) {
            region.iter().for_each(|&at| owners[at] = number);
            self.grow_region(&region, &owners, accepted, picture);
        }
    }

    /// Grows a region, whose points have the number of its first one in `owners`.
    fn grow_region(
        &self,
        region: &[usize],
        owners: &[u32],
        accepted: &mut [bool],
        picture: &Picture,
    ) {
        let columns = range_of(region.iter().map(|at| at % self.grid.width));
        let rows = range_of(region.iter().map(|at| at / self.grid.width));
        let side = columns.len().max(rows.len());
        if side < MIN_SIDE {
            return;
        }
        let pixel = |at: usize| (at as f64 * self.grid.step) as usize;
        let bounds = [
            pixel(columns.start),
            pixel(rows.start),
            pixel(columns.end).min(self.width),
            pixel(rows.end).min(self.height),
        ];
        let window = WindowGrid::around(bounds, SURROUNDINGS, [self.width, self.height]);
        let owner = owners[region[0]];
        let is_own = |point| owners[self.point_at(window.position(point))] == owner;
        let own: Vec<u8> = (0..window.len()).map(|point| u8::from(is_own(point))).collect();
        let own_points = own.iter().filter(|&&own| own > 0).count();
        if own_points == own.len() {
            return;
        }
        let side = DISTANCES_PER_POINT * side as f64 * self.grid.step / window.step() as f64;
        let outside = distances(&own, window.width(), MAX_DISTANCE);
        let prior = prior(&own, &outside, window.width(), PRIOR_WIDTH * side);
        let posterior = Window::new(picture, window).posterior(&prior);
        let is_inside: Vec<bool> =
            posterior.iter().map(|&probability| probability >= INSIDE).collect();
        let is_inside = window.connected(&is_inside, |point| own[point] > 0);
        let kept = is_inside.iter().filter(|&&inside| inside).count();
        if (kept as f64) < MIN_KEPT * own_points as f64 {
            return;
        }
        let is_part =
            |point: usize| is_inside[point] && f64::from(outside[point]) <= MAX_GROWTH * side;
        let centre = |at: usize| ((at as f64 + 0.5) * self.grid.step) as usize;
        let columns = self.points_around(&window.columns(), self.grid.width);
        for row in self.points_around(&window.rows(), self.grid.height) {
            for column in columns.clone() {
                let point = window.point(centre(column), centre(row));
                accepted[row * self.grid.width + column] |= point.is_some_and(is_part);
            }
        }
    }

    /// The points of the grid's axis with `points` whose centres may be among some pixels.
    fn points_around(&self, pixels: &Range<usize>, points: usize) -> Range<usize> {
        let point = |pixel: usize| (pixel as f64 / self.grid.step) as usize;
        point(pixels.start)..(point(pixels.end) + 1).min(points)
    }

    /// The point of the grid at a position in the photo: down and across.
    fn point_at(&self, [y, x]: [f64; 2]) -> usize {
        let point =
            |position: f64, points: usize| ((position / self.grid.step) as usize).min(points - 1);
        point(y, self.grid.height) * self.grid.width + point(x, self.grid.width)
    }
}

/// The probability of each point before its colour is known: a half at the border of a region,
/// rising inside and falling outside over `width` units of distance.
fn prior(own: &[u8], outside: &[u16], columns: usize, width: f64) -> Vec<f32> {
    let others: Vec<u8> = own.iter().map(|&own| u8::from(own == 0)).collect();
    let inside = distances(&others, columns, MAX_DISTANCE);
    let probability = |(&inside, &outside): (&u16, &u16)| {
        let depth = f64::from(inside) - f64::from(outside);
        (1.0 / (1.0 + (-depth / width).exp())) as f32
    };
    inside.iter().zip(outside).map(probability).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blur::BlurOptions;

    const SIDE: usize = 100;

    #[test]
    fn a_region_grows_along_its_colour_and_no_farther() {
        // A red bar in a green picture, of which the left part is selected.
        let is_bar = |x: usize, y: usize| (10..64).contains(&x) && (40..60).contains(&y);
        let mut pixels = Vec::new();
        for at in 0..SIDE * SIDE {
            let noise = (at * 7919 % 31) as u8;
            let bar = is_bar(at % SIDE, at / SIDE);
            pixels.extend(if bar { [180 + noise, 40, 50] } else { [40 + noise, 120, 60] });
        }
        let picture = Picture::from_rgb8(SIDE, SIDE, pixels).unwrap();
        let mask = PyramidMask::new(SIDE, SIDE, &[0], &BlurOptions::default());
        let before = |at: usize| (8..60).contains(&(at % SIDE)) && (38..62).contains(&(at / SIDE));
        let mut accepted: Vec<bool> = (0..SIDE * SIDE).map(before).collect();
        mask.grow(&mut accepted, &picture);
        assert!((0..SIDE * SIDE).all(|at| accepted[at] || !before(at)), "nothing is given up");
        let middle: Vec<usize> = (0..SIDE).filter(|x| accepted[SIDE * SIDE / 2 + x]).collect();
        assert_eq!((middle[0], middle[middle.len() - 1]), (8, 63));
        assert!((0..SIDE).all(|x| !accepted[30 * SIDE + x]));
        // A selection that fills the photo has nowhere to grow.
        let mut all = vec![true; SIDE * SIDE];
        mask.grow(&mut all, &picture);
        assert!(all.iter().all(|&accepted| accepted));
    }
}
