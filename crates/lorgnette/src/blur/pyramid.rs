//! Selection by a pyramid of maps together.
//!
//! A window of the network answers for some 224 pixels of the scaled photo. A thing that is smaller
//! than that fills at a coarse scale a region as large as the window; a thing that is larger is
//! known at a fine scale only in parts. So the scales are taken from the finest to the coarsest. A
//! region of a coarse scale is taken as it is where finer scales saw nothing in it. Where they did,
//! it only joins what they saw, unless they saw most of it, or the classes are as probable farther
//! from there than a window reaches: then the thing is as large as the window, and the region
//! without its border is the thing.

use std::ops::Range;

use super::BlurOptions;
use super::area::{self, Area};
use super::mask::{Mask, dilated, erode, level};
use crate::dense::{
    Axis, GridSize, MIN_FINE_SCALE, ScaleLevel, ScaleVisitor, SegmentationMap, WantedCells,
    connected,
};
use crate::picture::Picture;
use limits::{Limits, MIN_PEAK, MIN_SUPPORT};

mod growth;
mod limits;

/// Maximum side of the grid on which scales are combined.
const MAX_GRID_SIDE: usize = 1024;
/// Pixels of the scaled photo by which a region is too large that no finer scale saw.
const EROSION: f64 = 8.0;
/// The same for a region that finer scales saw some of, and for one over a large share of the
/// photo; the photo's edge counts as a border.
const FRAME_EROSION: f64 = 16.0;
const LARGE_FRAME_EROSION: f64 = 64.0;
const LARGE_SHARE: f64 = 0.25;
/// Share of a region, without its border, that finer scales must have seen.
const MIN_SEEN: f64 = 0.45;
/// Pixels of the scaled photo up to which what finer scales saw explains that a coarse one is sure.
const WINDOW_REACH: f64 = 64.0;
/// Share of its longer side by which what finer scales saw may grow.
const GROWTH: f64 = 0.05;

/// Distance from a likely place, in pixels of the scale below the fine ones, up to which is looked.
const REACH: f64 = 64.0;

/// The maps of a pyramid, as far as they concern some classes, on a grid over the photo.
pub(super) struct PyramidMask<'a> {
    width: usize,
    height: usize,
    grid: Grid,
    classes: &'a [usize],
    limits: Limits,
    scales: Vec<ScaleGrid>,
    /// The probability of the classes together where small things count.
    screened: Option<Vec<f32>>,
    /// Number of classes of the maps.
    class_count: usize,
}

/// The size of the grid.
#[derive(Clone, Copy, Debug)]
struct Grid {
    width: usize,
    height: usize,
    /// Pixels of the photo from point to point.
    step: f64,
}

/// The map of one scale on the grid.
struct ScaleGrid {
    scale: f64,
    /// Probability of the classes together.
    probabilities: Vec<f32>,
    /// The most probable of them.
    labels: Vec<u32>,
}

impl<'a> PyramidMask<'a> {
    /// Selects nothing yet, of a photo of this size.
    pub(super) fn new(
        width: usize,
        height: usize,
        classes: &'a [usize],
        options: &BlurOptions,
    ) -> Self {
        let step = (width.max(height) as f64 / MAX_GRID_SIDE as f64).max(1.0);
        let side = |length: usize| ((length as f64 / step).round() as usize).max(1);
        let grid = Grid { width: side(width), height: side(height), step };
        let limits = Limits::new(classes.len(), options);
        let (scales, screened, class_count) = (Vec::new(), None, 0);
        Self { width, height, grid, classes, limits, scales, screened, class_count }
    }

    /// Adds the map of one scale.
    fn add(&mut self, scale: f64, map: &SegmentationMap) {
        self.class_count = map.classes();
        let probabilities = self.probabilities(map);
        let labels = map.class_grid(self.classes, [self.grid.height, self.grid.width]);
        self.scales.push(ScaleGrid { scale, probabilities, labels });
    }

    /// The probability of the classes together at each point of the grid.
    fn probabilities(&self, map: &SegmentationMap) -> Vec<f32> {
        map.probability_grid(self.classes, [self.grid.height, self.grid.width])
    }

    /// The mask of what the scales select together.
    /// If there is a `picture`, regions grow along its colours.
    pub(super) fn into_mask(mut self, options: &BlurOptions, picture: Option<&Picture>) -> Mask {
        self.scales.sort_by(|a, b| b.scale.total_cmp(&a.scale));
        let mut accepted = vec![false; self.grid.width * self.grid.height];
        for scale in &self.scales {
            self.accept(scale, &mut accepted);
        }
        if let Some(picture) = picture {
            self.grow(&mut accepted, picture);
        }
        self.fill_holes(&mut accepted);
        let (levels, labels) = self.levels(&accepted);
        let mut is_selected = vec![false; self.class_count];
        self.classes.iter().for_each(|&class| is_selected[class] = true);
        let mut areas = area::find(self.grid.width, &levels, &is_selected, |visit| {
            for (y, labels) in labels.chunks_exact(self.grid.width).enumerate() {
                visit(y, labels);
            }
        });
        areas.iter_mut().for_each(|area| self.to_photo(area));
        Mask::from_levels(self.width, &self.photo_levels(&levels), areas, options)
    }

    /// Accepts the regions of a scale; finer scales have been there before.
    fn accept(&self, scale: &ScaleGrid, accepted: &mut [bool]) {
        let is_inside: Vec<u8> = scale
            .probabilities
            .iter()
            .map(|&probability| u8::from(probability >= self.limits.extent))
            .collect();
        if is_inside.iter().all(|&inside| inside == 0) {
            return;
        }
        let radius = |pixels: f64| (pixels / scale.scale / self.grid.step) as usize;
        let mut new = is_inside.clone();
        erode(&mut new, self.grid.width, radius(EROSION));
        let framed = |pixels| eroded_from_edges(&is_inside, self.grid.width, radius(pixels));
        let (framed, framed_large) = (framed(FRAME_EROSION), framed(LARGE_FRAME_EROSION));
        let seen = accepted.to_vec();
        for region in regions(&is_inside, self.grid.width) {
            let seen_part: Vec<usize> = region.iter().copied().filter(|&at| seen[at]).collect();
            if seen_part.is_empty() {
                let is_sure = self.is_sure(scale, &region);
                region.iter().filter(|&&at| is_sure && new[at] > 0).for_each(|&at| {
                    accepted[at] = true;
                });
                continue;
            }
            let is_large = region.len() as f64 > LARGE_SHARE * accepted.len() as f64;
            let framed = if is_large { &framed_large } else { &framed };
            let core: Vec<usize> = region.iter().copied().filter(|&at| framed[at] > 0).collect();
            let seen_core = core.iter().filter(|&&at| seen[at]).count();
            let is_seen = seen_core as f64 >= MIN_SEEN * core.len() as f64;
            if !core.is_empty() && (is_seen || self.sees_more(scale, &region, &seen_part)) {
                core.iter().for_each(|&at| accepted[at] = true);
                continue;
            }
            let (columns, rows) =
                self.grown_box(&seen_part, |side| (GROWTH * side as f64).ceil() as usize);
            let is_near = |at: usize| {
                columns.contains(&(at % self.grid.width)) && rows.contains(&(at / self.grid.width))
            };
            region.iter().filter(|&&at| is_near(at)).for_each(|&at| accepted[at] = true);
        }
    }

    /// Accepts what is enclosed by what is accepted, if it is smaller: the middle of a thing may be
    /// known as another.
    fn fill_holes(&self, accepted: &mut [bool]) {
        let (width, height) = (self.grid.width, self.grid.height);
        let is_outside: Vec<u8> = accepted.iter().map(|&accepted| u8::from(!accepted)).collect();
        let count = is_outside.iter().filter(|&&outside| outside == 0).count();
        let is_at_edge = |at: usize| {
            let (x, y) = (at % width, at / width);
            x == 0 || y == 0 || x + 1 == width || y + 1 == height
        };
        for hole in regions(&is_outside, width) {
            if hole.len() < count && !hole.iter().any(|&at| is_at_edge(at)) {
                hole.iter().for_each(|&at| accepted[at] = true);
            }
        }
    }

    /// True if a scale is sure of the classes somewhere in a region, and another scale sees
    /// something of them there, or need not: a thing is known at two sizes, a texture by chance at
    /// one.
    fn is_sure(&self, scale: &ScaleGrid, region: &[usize]) -> bool {
        let peak = |scale: &ScaleGrid| {
            region.iter().map(|&at| scale.probabilities[at]).fold(0.0_f32, f32::max)
        };
        let own = peak(scale);
        let support = |is_other: &dyn Fn(f64) -> bool| {
            let others = self.scales.iter().filter(|other| other.scale != scale.scale);
            others.filter(|other| is_other(other.scale)).map(peak).fold(0.0_f32, f32::max)
        };
        let is_fine = |scale: f64| scale > MIN_FINE_SCALE;
        let Limits { peak, lone_peak, fine_peak, fine_support, .. } = self.limits;
        if !is_fine(scale.scale) {
            return own >= peak && (own >= lone_peak || support(&|_| true) >= MIN_SUPPORT);
        }
        own >= lone_peak
            || own >= peak && support(&|_| true) >= fine_support
            || own >= fine_peak && support(&is_fine) >= fine_support
    }

    /// True if a finer scale than `scale` looks at a point.
    fn is_likely(&self, scale: &ScaleGrid, at: usize) -> bool {
        let probability = scale.probabilities[at];
        if scale.scale > MIN_FINE_SCALE {
            return probability >= self.limits.fine_support;
        }
        let screened = self.screened.as_ref().map_or(0.0, |screened| screened[at]);
        probability >= self.limits.likely || screened >= self.limits.screened
    }

    /// True if the classes are probable in a region farther from what finer scales saw than a
    /// window reaches.
    fn sees_more(&self, scale: &ScaleGrid, region: &[usize], seen_part: &[usize]) -> bool {
        let reach = (WINDOW_REACH / scale.scale / self.grid.step).ceil() as usize;
        let (columns, rows) = self.grown_box(seen_part, |_| reach);
        let min_peak = self.limits.extent.max(MIN_PEAK);
        region.iter().any(|&at| {
            let (x, y) = (at % self.grid.width, at / self.grid.width);
            scale.probabilities[at] >= min_peak && !(columns.contains(&x) && rows.contains(&y))
        })
    }

    /// The columns and rows of the box around some points, grown at each side by what `growth`
    /// gives for its longer side.
    fn grown_box(
        &self,
        points: &[usize],
        growth: impl Fn(usize) -> usize,
    ) -> (Range<usize>, Range<usize>) {
        let columns = range_of(points.iter().map(|at| at % self.grid.width));
        let rows = range_of(points.iter().map(|at| at / self.grid.width));
        let growth = growth(columns.len().max(rows.len()));
        let grown = |range: Range<usize>| range.start.saturating_sub(growth)..range.end + growth;
        (grown(columns), grown(rows))
    }

    /// For each point of the grid 0 if it is not accepted, else the highest probability, 1 to 255;
    /// and the class where that was.
    fn levels(&self, accepted: &[bool]) -> (Vec<u8>, Vec<u32>) {
        let mut levels = vec![0; accepted.len()];
        let mut labels = vec![0; accepted.len()];
        for scale in &self.scales {
            for (at, _) in accepted.iter().enumerate().filter(|(_, accepted)| **accepted) {
                let level = level(scale.probabilities[at]);
                if level > levels[at] {
                    levels[at] = level;
                    labels[at] = scale.labels[at];
                }
            }
        }
        (levels, labels)
    }

    /// The levels of the photo's pixels: those of the nearest points.
    fn photo_levels(&self, levels: &[u8]) -> Vec<u8> {
        let nearest = |pixel: usize, length: usize, points: usize| {
            ((pixel as f64 + 0.5) * points as f64 / length as f64) as usize
        };
        let columns: Vec<usize> =
            (0..self.width).map(|x| nearest(x, self.width, self.grid.width)).collect();
        let mut pixels = Vec::with_capacity(self.width * self.height);
        for y in 0..self.height {
            let row = nearest(y, self.height, self.grid.height);
            let row = &levels[row * self.grid.width..][..self.grid.width];
            pixels.extend(columns.iter().map(|&column| row[column]));
        }
        pixels
    }

    /// Changes an area's bounds from points of the grid to pixels of the photo.
    fn to_photo(&self, area: &mut Area) {
        let [left, top, right, bottom] = area.bounds;
        let down = |at: usize, points: usize, length: usize| at * length / points;
        let up = |at: usize, points: usize, length: usize| (at * length).div_ceil(points);
        area.bounds = [
            down(left, self.grid.width, self.width),
            down(top, self.grid.height, self.height),
            up(right, self.grid.width, self.width),
            up(bottom, self.grid.height, self.height),
        ];
    }
}

impl ScaleVisitor for PyramidMask<'_> {
    /// Fine scales take most of the time, and a thing that they would find is likely before: the
    /// first of them looks where the next coarser one or the screening makes the classes likely,
    /// the second where the first would do for it.
    fn wanted(&self, scale: f64, rows: &Axis, columns: &Axis) -> Option<WantedCells> {
        let coarser = self.scales.last().filter(|_| scale > MIN_FINE_SCALE)?;
        let likely: Vec<u8> = (0..coarser.probabilities.len())
            .map(|at| u8::from(self.is_likely(coarser, at)))
            .collect();
        let radius = (REACH / coarser.scale / self.grid.step).ceil() as usize;
        let near = dilated(&likely, self.grid.width, radius);
        let point =
            |position: f64, points: usize| ((position / self.grid.step) as usize).min(points - 1);
        Some(WantedCells::new(rows, columns, |y, x| {
            near[point(y, self.grid.height) * self.grid.width + point(x, self.grid.width)] > 0
        }))
    }

    fn visit(&mut self, scale: f64, level: ScaleLevel) {
        self.add(scale, &level.into_map());
    }

    fn screen(&mut self, level: ScaleLevel) {
        self.screened = Some(self.probabilities(&level.into_map()));
    }
}

/// The points that are not 0 and farther than `radius` from one that is, or from the grid's edge.
fn eroded_from_edges(is_inside: &[u8], width: usize, radius: usize) -> Vec<u8> {
    let framed_width = width + 2;
    let mut framed = vec![0; framed_width];
    for row in is_inside.chunks_exact(width) {
        framed.push(0);
        framed.extend_from_slice(row);
        framed.push(0);
    }
    framed.extend(vec![0; framed_width]);
    erode(&mut framed, framed_width, radius);
    let rows = framed.chunks_exact(framed_width).skip(1).take(is_inside.len() / width);
    rows.flat_map(|row| &row[1..=width]).copied().collect()
}

/// The connected regions of points that are not 0, side by side.
fn regions(is_inside: &[u8], width: usize) -> Vec<Vec<usize>> {
    let mut is_waiting: Vec<bool> = is_inside.iter().map(|&inside| inside > 0).collect();
    let size = GridSize { columns: width, cells: is_inside.len() };
    let mut regions = Vec::new();
    for start in 0..is_inside.len() {
        if std::mem::take(&mut is_waiting[start]) {
            let enters = |at: usize| std::mem::take(&mut is_waiting[at]);
            regions.push(connected(vec![start], size, enters));
        }
    }
    regions
}

/// The smallest range that holds all of some positions; empty for none.
fn range_of(positions: impl Iterator<Item = usize>) -> Range<usize> {
    positions
        .map(|at| at..at + 1)
        .reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use lorgnette_net::ReceptiveField;

    use super::*;

    const SIDE: usize = 100;

    /// The probability at a column and a row.
    type Probability<'a> = &'a dyn Fn(usize, usize) -> f32;

    /// A mask over a photo of 100 by 100 pixels, to which the maps are given directly.
    fn accepted(scales: &[(f64, Probability<'_>)]) -> Vec<bool> {
        let mask = PyramidMask::new(SIDE, SIDE, &[0], &BlurOptions::default());
        let mut accepted = vec![false; SIDE * SIDE];
        for (scale, probability) in scales {
            mask.accept(&grid(*scale, probability), &mut accepted);
        }
        accepted
    }

    fn grid(scale: f64, probability: Probability<'_>) -> ScaleGrid {
        let points = (0..SIDE * SIDE).map(|at| probability(at % SIDE, at / SIDE));
        ScaleGrid { scale, probabilities: points.collect(), labels: vec![0; SIDE * SIDE] }
    }

    fn square(x: usize, y: usize, from: usize, to: usize) -> f32 {
        if (from..to).contains(&x) && (from..to).contains(&y) { 0.9 } else { 0.0 }
    }

    fn side(accepted: &[bool]) -> usize {
        (0..SIDE).filter(|x| accepted[SIDE * SIDE / 2 + x]).count()
    }

    #[test]
    fn a_coarse_region_around_a_finer_one_is_only_its_blur() {
        let fine = |x, y| square(x, y, 40, 60);
        let coarse = |x, y| square(x, y, 26, 74);
        // At scale 8 the border is a pixel wide.
        assert_eq!(side(&accepted(&[(8.0, &fine)])), 18);
        let both = accepted(&[(8.0, &fine), (4.0, &coarse)]);
        assert_eq!(side(&both), 20, "grown by a pixel at each side");
        assert_eq!(side(&accepted(&[(4.0, &coarse)])), 44);
    }

    #[test]
    fn parts_of_a_large_thing_are_joined() {
        let parts = |x, y| square(x, y, 20, 50).max(square(x, y, 52, 80));
        let whole = |x, y| square(x, y, 12, 88);
        let both = accepted(&[(8.0, &parts), (6.0, &whole)]);
        // From corner to corner of the parts, a pixel of border less, and three grown.
        assert_eq!(side(&both), 64);
        assert!(both[25 * SIDE + 75], "the box of both");
    }

    #[test]
    fn a_region_that_was_mostly_seen_is_taken_without_its_border() {
        let most = |x, y| square(x, y, 0, 70);
        let whole = |x, y| square(x, y, 0, 90);
        let both = accepted(&[(8.0, &most), (4.0, &whole)]);
        // Sixteen of ninety points less, but for what the finer scale saw at the edge.
        assert_eq!(side(&both), 74);
        let corner = eroded_from_edges(&[1; 100], 10, 2);
        assert_eq!(corner.iter().filter(|&&inside| inside > 0).count(), 36);
    }

    #[test]
    fn what_one_scale_alone_sees_must_be_surer() {
        let chance = |x, y| square(x, y, 40, 60) * 0.8;
        let mut mask = PyramidMask::new(SIDE, SIDE, &[0], &BlurOptions::default());
        let taken = |mask: &PyramidMask<'_>| {
            let mut accepted = vec![false; SIDE * SIDE];
            mask.accept(&mask.scales[0], &mut accepted);
            side(&accepted)
        };
        mask.scales = vec![grid(8.0, &chance), grid(4.0, &|_, _| 0.0)];
        assert_eq!(taken(&mask), 0);
        mask.scales[1] = grid(4.0, &|x, y| square(x, y, 45, 55) * 0.2);
        assert!(taken(&mask) > 15);
        mask.scales = vec![grid(8.0, &|x, y| square(x, y, 40, 60)), grid(4.0, &|_, _| 0.0)];
        assert!(taken(&mask) > 15);
    }

    #[test]
    fn enlarged_less_is_enough_at_two_scales() {
        let thing = |x, y| square(x, y, 40, 60) * 0.3;
        let part = |x, y| square(x, y, 45, 55) * 0.2;
        let taken = |scales: [f64; 2], classes: &[usize]| {
            let mut mask = PyramidMask::new(SIDE, SIDE, classes, &BlurOptions::default());
            mask.scales = vec![grid(scales[0], &thing), grid(scales[1], &part)];
            let mut accepted = vec![false; SIDE * SIDE];
            mask.accept(&mask.scales[0], &mut accepted);
            side(&accepted)
        };
        assert!(taken([2.26, 1.6], &[0]) > 0);
        assert_eq!(taken([2.26, 0.8], &[0]), 0, "the other is not enlarged");
        assert_eq!(taken([0.8, 1.6], &[0]), 0, "this one is not enlarged");
        assert_eq!(taken([2.26, 1.6], &[0; 118]), 0, "a dog is one of many");
    }

    #[test]
    fn fine_scales_look_where_something_is_likely() {
        let field = ReceptiveField { stride: 4, start: 0, size: 4 };
        let axis = Axis::new(field, SIDE / 4, 1.0, SIDE);
        let mut mask = PyramidMask::new(SIDE, SIDE, &[0], &BlurOptions::default());
        let looks = |mask: &PyramidMask<'_>, scale| {
            let wanted = mask.wanted(scale, &axis, &axis);
            wanted.map(|wanted| !wanted.is_empty())
        };
        let faint = |probability: f32| move |x, y| square(x, y, 40, 60) / 0.9 * probability;
        mask.scales = vec![grid(0.8, &faint(0.015))];
        assert_eq!((looks(&mask, 0.9), looks(&mask, 1.6)), (None, Some(false)));
        mask.screened = Some(grid(1.1, &faint(0.015)).probabilities);
        assert_eq!(looks(&mask, 1.6), Some(true), "small things are screened for");
        mask.scales.push(grid(1.6, &faint(0.05)));
        assert_eq!(looks(&mask, 2.2), Some(false), "it would not do for the other");
        mask.scales[1] = grid(1.6, &faint(0.12));
        assert_eq!(looks(&mask, 2.2), Some(true));
    }

    #[test]
    fn a_patch_that_a_finer_scale_saw_does_not_stand_for_a_large_thing() {
        let patch = |x, y| square(x, y, 10, 16);
        let whole = |x, y| square(x, y, 5, 95);
        // It explains 16 points around it; the border of so large a region has as many.
        assert_eq!(side(&accepted(&[(8.0, &patch), (4.0, &whole)])), 58);
    }

    #[test]
    fn holes_are_filled_and_what_is_around_is_not() {
        let mask = PyramidMask::new(SIDE, SIDE, &[0], &BlurOptions::default());
        let ring = |from: usize, hole: usize| -> Vec<bool> {
            let inside = |at: usize| {
                let (x, y) = (at % SIDE, at / SIDE);
                square(x, y, from, SIDE - from) > 0.0 && square(x, y, hole, SIDE - hole) == 0.0
            };
            (0..SIDE * SIDE).map(inside).collect()
        };
        let mut small = ring(20, 40);
        mask.fill_holes(&mut small);
        assert_eq!(small.iter().filter(|&&accepted| accepted).count(), 60 * 60);
        let mut large = ring(20, 22);
        mask.fill_holes(&mut large);
        assert_eq!(large, ring(20, 22));
    }

    #[test]
    fn what_is_nowhere_probable_is_not_taken() {
        let faint = |x, y| square(x, y, 20, 80) / 2.0;
        assert!(accepted(&[(1.0, &faint)]).iter().all(|&accepted| !accepted));
    }
}
