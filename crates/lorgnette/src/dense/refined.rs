//! Regions of a map whose outlines follow the photo.

use super::refine::{Window, WindowGrid};
use super::region::{self, RegionOptions};
use super::segmentation_map::SegmentationMap;
use crate::picture::Picture;

/// Maximum number of regions that are refined, the largest.
const MAX_REFINED: usize = 64;
/// Share of a region's longer side that its window has around it.
const SURROUNDINGS: f64 = 0.4;
/// Probability of a point from which it is inside.
const INSIDE: f32 = 0.5;
/// Share of its own area below which a region's outline was not found.
const MIN_KEPT: f64 = 0.1;

/// A region of a map on a grid over the photo around it.
#[derive(Clone, Debug)]
pub(super) struct RefinedRegion {
    /// The first of its cells, by which the region is known.
    first_cell: usize,
    class: usize,
    mean_probability: f32,
    grid: WindowGrid,
    points: Vec<Point>,
    /// Left, top, right, bottom of what is inside, in pixels of the photo.
    bounds: [usize; 4],
    /// Pixels of the photo inside.
    pixels: usize,
}

/// A point of the grid.
#[derive(Clone, Copy, Debug)]
struct Point {
    is_inside: bool,
    /// True if its cell is of another region of the class.
    is_of_another: bool,
    /// The probability to be inside, in 255ths.
    level: u8,
}

impl RefinedRegion {
    /// Refines the largest regions of a map of `picture`.
    pub(super) fn of_map(map: &SegmentationMap, picture: &Picture) -> Vec<Self> {
        let regions = region::find(map, &RegionOptions::default());
        let regions = regions.iter().take(MAX_REFINED);
        regions.filter_map(|region| Self::new(map, picture, region)).collect()
    }

    /// `None` if its outline is not found.
    fn new(map: &SegmentationMap, picture: &Picture, region: &region::Region) -> Option<Self> {
        let grid = WindowGrid::around(region.bounds, SURROUNDINGS, [map.width(), map.height()]);
        let window = Window::new(picture, grid);
        let mut is_own = vec![false; map.rows() * map.columns()];
        region.area.iter().for_each(|&cell| is_own[cell] = true);
        let prior = map.probability_window(region.class, &grid);
        let posterior = window.posterior(&prior);
        let mut points = Vec::with_capacity(posterior.len());
        for (at, &probability) in posterior.iter().enumerate() {
            let cell = map.nearest_cell(grid.position(at));
            let is_of_class = map.cell_label(cell) == region.class;
            points.push(Point {
                is_inside: probability >= INSIDE,
                is_of_another: is_of_class && !is_own[cell],
                level: (255.0 * probability).round() as u8,
            });
        }
        let is_inside: Vec<bool> = points.iter().map(|point| point.is_inside).collect();
        let is_kept = grid.connected(&is_inside, |at| is_own[map.nearest_cell(grid.position(at))]);
        points.iter_mut().zip(is_kept).for_each(|(point, kept)| point.is_inside = kept);
        let inside = || points.iter().enumerate().filter(|(_, point)| point.is_inside);
        let pixels: usize = inside().map(|(at, _)| grid.pixels(at)).sum();
        let own = f64::from(region.share) * (map.width() * map.height()) as f64;
        if (pixels as f64) < MIN_KEPT * own {
            return None;
        }
        let mut bounds = [usize::MAX, usize::MAX, 0, 0];
        for (at, _) in inside() {
            let [left, top, right, bottom] = grid.cell(at);
            bounds[0] = bounds[0].min(left);
            bounds[1] = bounds[1].min(top);
            bounds[2] = bounds[2].max(right);
            bounds[3] = bounds[3].max(bottom);
        }
        let (first_cell, class) = (region.area[0], region.class);
        let mean_probability = region.mean_probability;
        Some(Self { first_cell, class, mean_probability, grid, points, bounds, pixels })
    }

    /// True if this is the outline of a region whose first cell is `first_cell`.
    pub(super) fn is_of(&self, first_cell: usize) -> bool {
        self.first_cell == first_cell
    }

    /// Left, top, right, bottom in pixels of the photo; right and bottom are exclusive.
    pub(super) fn bounds(&self) -> [usize; 4] {
        self.bounds
    }

    /// Number of pixels inside.
    pub(super) fn pixels(&self) -> usize {
        self.pixels
    }

    /// True if a pixel is inside.
    pub(super) fn contains(&self, x: usize, y: usize) -> bool {
        self.grid.point(x, y).is_some_and(|at| self.points[at].is_inside)
    }

    /// Takes the region's class from the pixels of a row that are outside.
    pub(super) fn clear_row(&self, y: usize, labels: &mut [u32], unknown: u32) {
        self.visit_row(y, labels, |label, point| {
            if *label == self.class as u32 && !point.is_inside && !point.is_of_another {
                *label = unknown;
            }
        });
    }

    /// Gives the pixels of a row that are inside the region's class.
    pub(super) fn fill_row(&self, y: usize, labels: &mut [u32]) {
        self.visit_row(y, labels, |label, point| {
            if point.is_inside {
                *label = self.class as u32;
            }
        });
    }

    /// Weighs the probabilities of a row's pixels, of classes with the region's, by how probably
    /// they are inside.
    pub(super) fn weigh_row(&self, y: usize, classes: &[usize], probabilities: &mut [f32]) {
        if !classes.contains(&self.class) {
            return;
        }
        self.visit_row(y, probabilities, |probability, point| {
            if !point.is_of_another {
                let inside = f32::from(point.level) / 255.0;
                *probability = inside * probability.max(self.mean_probability);
            }
        });
    }

    /// Visits the pixels of a row that are in the window.
    fn visit_row<T>(&self, y: usize, row: &mut [T], mut visit: impl FnMut(&mut T, &Point)) {
        let columns = self.grid.columns();
        for (x, value) in row.iter_mut().enumerate().take(columns.end).skip(columns.start) {
            match self.grid.point(x, y) {
                Some(at) => visit(value, &self.points[at]),
                None => return,
            }
        }
    }
}
