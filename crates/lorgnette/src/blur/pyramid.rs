//! Selection by a pyramid of maps together.
//!
//! A thing is known at scales next to each other, at which it about fills the network's input:
//! three of them are an octave. Its classes are then probable there, or, as something else is often
//! more so, they stand out: they have more evidence than nearly everywhere in the photo. A thing
//! that is smaller fills at a coarse octave a region as large as the network's window; a thing that
//! is larger is known at a fine one only in parts. So the octaves are taken from the finest to the
//! coarsest. A region of a coarse octave is taken as it is where finer ones saw nothing in it.
//! Where they did, it only joins what they saw, unless they saw most of it, or the classes are as
//! sure farther from there than a window reaches: then the thing is as large as the window, and the
//! region without its border is the thing.

use std::ops::Range;

use super::BlurOptions;
use super::area::{self, Area};
use super::mask::{Mask, dilated, erode, level};
use crate::dense::{Axis, GridSize, ScaleLevel, ScaleVisitor, WantedCells, connected};
use crate::picture::Picture;
use limits::{Limits, MIN_SURPLUS, MIN_SURPLUS_EXTENT};
use octave::{Octave, ScaleGrid};

mod growth;
mod limits;
mod octave;

/// Maximum side of the grid on which scales are combined.
const MAX_GRID_SIDE: usize = 1024;
/// Pixels of the scaled photo by which a region is too large that no finer scale saw.
const EROSION: f64 = 8.0;
/// The same for a region that finer scales saw some of, and for one over a large share of the
/// photo; the photo's edge counts as a border.
const FRAME_EROSION: f64 = 16.0;
const LARGE_FRAME_EROSION: f64 = 64.0;
const LARGE_SHARE: f64 = 0.25;
/// Share of a region, without its border, that octaves of twice its scale must have seen.
const MIN_SEEN: f64 = 0.45;
/// Pixels of the scaled photo up to which what finer scales saw explains that a coarse one is sure.
const WINDOW_REACH: f64 = 64.0;
/// Share of its longer side by which what finer scales saw may grow.
const GROWTH: f64 = 0.05;

/// Distance from a likely place, in pixels of the scale at which it is, up to which is looked
/// closer.
const REACH: f64 = 64.0;

/// The maps of a pyramid, as far as they concern some classes, on a grid over the photo.
pub(super) struct PyramidMask<'a> {
    width: usize,
    height: usize,
    grid: Grid,
    classes: &'a [usize],
    limits: Limits,
    /// In ascending order.
    scales: Vec<ScaleGrid>,
}

/// The size of the grid.
#[derive(Clone, Copy, Debug)]
struct Grid {
    width: usize,
    height: usize,
    /// Pixels of the photo from point to point.
    step: f64,
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
        Self { width, height, grid, classes, limits, scales: Vec::new() }
    }

    /// The mask of what the scales select together.
    /// If there is a `picture`, regions grow along its colours.
    pub(super) fn into_mask(self, options: &BlurOptions, picture: Option<&Picture>) -> Mask {
        let mut accepted = vec![false; self.grid.width * self.grid.height];
        let mut twice_as_fine = accepted.clone();
        for octave in octave::octaves(&self.scales, self.limits) {
            let finer = accepted.clone();
            self.accept(&octave, &twice_as_fine, &mut accepted);
            twice_as_fine = finer;
        }
        if let Some(picture) = picture {
            self.grow(&mut accepted, picture);
        }
        self.fill_holes(&mut accepted);
        let (levels, labels) = self.levels(&accepted);
        let count = self.classes.iter().max().map_or(0, |&class| class + 1);
        let mut is_selected = vec![false; count];
        self.classes.iter().for_each(|&class| is_selected[class] = true);
        let mut areas = area::find(self.grid.width, &levels, &is_selected, |visit| {
            for (y, labels) in labels.chunks_exact(self.grid.width).enumerate() {
                visit(y, labels);
            }
        });
        areas.iter_mut().for_each(|area| self.to_photo(area));
        Mask::from_levels(self.width, &self.photo_levels(&levels), areas, options)
    }

    /// Accepts the regions of an octave; finer ones have been there before, and `twice_as_fine` is
    /// what those of twice its scale saw.
    fn accept(&self, octave: &Octave, twice_as_fine: &[bool], accepted: &mut [bool]) {
        let is_inside: Vec<u8> = (0..accepted.len())
            .map(|at| {
                let is_probable = octave.probabilities[at] >= self.limits.extent;
                u8::from(is_probable || octave.surplus[at] >= MIN_SURPLUS_EXTENT)
            })
            .collect();
        if is_inside.iter().all(|&inside| inside == 0) {
            return;
        }
        let radius = |pixels: f64| (pixels / octave.scale / self.grid.step) as usize;
        let mut new = is_inside.clone();
        erode(&mut new, self.grid.width, radius(EROSION));
        let framed = |pixels| eroded_from_edges(&is_inside, self.grid.width, radius(pixels));
        let (framed, framed_large) = (framed(FRAME_EROSION), framed(LARGE_FRAME_EROSION));
        let seen = accepted.to_vec();
        for region in regions(&is_inside, self.grid.width) {
            let seen_part: Vec<usize> = region.iter().copied().filter(|&at| seen[at]).collect();
            if seen_part.is_empty() {
                let is_sure = region.iter().any(|&at| self.is_sure(octave, at));
                region.iter().filter(|&&at| is_sure && new[at] > 0).for_each(|&at| {
                    accepted[at] = true;
                });
                continue;
            }
            let is_large = region.len() as f64 > LARGE_SHARE * accepted.len() as f64;
            let framed = if is_large { &framed_large } else { &framed };
            let core: Vec<usize> = region.iter().copied().filter(|&at| framed[at] > 0).collect();
            let seen_core = core.iter().filter(|&&at| twice_as_fine[at]).count();
            let is_seen = seen_core as f64 >= MIN_SEEN * core.len() as f64;
            if !core.is_empty() && (is_seen || self.sees_more(octave, &region, &seen_part)) {
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

    /// True if an octave is sure of the classes at a point, or they stand out there.
    fn is_sure(&self, octave: &Octave, at: usize) -> bool {
        octave.probabilities[at] >= self.limits.peak || octave.surplus[at] >= MIN_SURPLUS
    }

    /// True if it is unknown at some scale how the classes stand out.
    pub(super) fn is_blind(&self) -> bool {
        self.scales.iter().any(|scale| scale.wide.is_none())
    }

    /// The points, not 0, that are near one at which the classes may stand out at the next finer
    /// scale; `None` if that is unknown.
    fn near_likely(&self) -> Option<Vec<u8>> {
        let whole = self.scales.iter().rposition(|scale| scale.is_whole)?;
        let known = &self.scales[whole..];
        let limit = limits::likely(known.len(), known[0].narrow.is_some());
        let surplus = octave::surplus(known)?;
        let likely: Vec<u8> = surplus.iter().map(|&surplus| u8::from(surplus >= limit)).collect();
        let radius = (REACH / known[known.len() - 1].scale / self.grid.step).ceil() as usize;
        Some(dilated(&likely, self.grid.width, radius))
    }

    /// True if an octave is sure of the classes in a region farther from what finer ones saw than a
    /// window reaches.
    fn sees_more(&self, octave: &Octave, region: &[usize], seen_part: &[usize]) -> bool {
        let reach = (WINDOW_REACH / octave.scale / self.grid.step).ceil() as usize;
        let (columns, rows) = self.grown_box(seen_part, |_| reach);
        region.iter().any(|&at| {
            let (x, y) = (at % self.grid.width, at / self.grid.width);
            self.is_sure(octave, at) && !(columns.contains(&x) && rows.contains(&y))
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
    /// The finest scales would take most of the time. What they would find stands out before: by
    /// the finest scale that is looked at everywhere, and by those after it.
    fn wanted(&self, rows: &Axis, columns: &Axis) -> Option<WantedCells> {
        let near =
            self.near_likely().unwrap_or_else(|| vec![0; self.grid.width * self.grid.height]);
        let point =
            |position: f64, points: usize| ((position / self.grid.step) as usize).min(points - 1);
        Some(WantedCells::new(rows, columns, |y, x| {
            near[point(y, self.grid.height) * self.grid.width + point(x, self.grid.width)] > 0
        }))
    }

    fn visit(&mut self, scale: f64, level: ScaleLevel) {
        let size = [self.grid.height, self.grid.width];
        let grid = ScaleGrid::new(scale, level, self.classes, size, self.scales.last());
        self.scales.push(grid);
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
    const THING: usize = 1;

    /// The probability at a column and a row.
    type Probability<'a> = &'a dyn Fn(usize, usize) -> f32;

    /// A mask over a photo of 100 by 100 pixels, to which the octaves are given directly.
    fn accepted(octaves: &[(f64, Probability<'_>)]) -> Vec<bool> {
        let mask = PyramidMask::new(SIDE, SIDE, &[0], &BlurOptions::default());
        let mut accepted = vec![false; SIDE * SIDE];
        for (scale, probability) in octaves {
            let finer = accepted.clone();
            mask.accept(&octave(*scale, probability), &finer, &mut accepted);
        }
        accepted
    }

    /// An octave in which nothing stands out.
    fn octave(scale: f64, probability: Probability<'_>) -> Octave {
        let points = (0..SIDE * SIDE).map(|at| probability(at % SIDE, at / SIDE));
        let surplus = vec![f32::NEG_INFINITY; SIDE * SIDE];
        Octave { scale, probabilities: points.collect(), surplus }
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
    fn what_stands_out_is_taken_however_improbable() {
        let taken = |surplus: f32, options: &BlurOptions| {
            let mask = PyramidMask::new(SIDE, SIDE, &[0], options);
            let faint = |x, y| square(x, y, 40, 60) * 0.03;
            let around =
                |x, y| 2.0 * square(x, y, 35, 65) + (surplus - 1.8) * square(x, y, 45, 55) / 0.9;
            let surplus = (0..SIDE * SIDE).map(|at| around(at % SIDE, at / SIDE)).collect();
            let octave = Octave { surplus, ..octave(8.0, &faint) };
            let mut accepted = vec![false; SIDE * SIDE];
            mask.accept(&octave, &vec![false; SIDE * SIDE], &mut accepted);
            side(&accepted)
        };
        // Down to half as much, without a border of a pixel.
        assert_eq!(taken(MIN_SURPLUS + 0.1, &BlurOptions::default()), 28);
        assert_eq!(taken(MIN_SURPLUS - 0.1, &BlurOptions::default()), 0);
    }

    #[test]
    fn many_classes_must_be_surer_but_stand_out_as_one() {
        let peak = |classes: &[usize]| {
            PyramidMask::new(SIDE, SIDE, classes, &BlurOptions::default()).limits.peak
        };
        assert!((peak(&[0]) - 0.3).abs() < 1e-6 && peak(&[0; 118]) > 0.8);
        let mask = PyramidMask::new(SIDE, SIDE, &[0; 118], &BlurOptions::default());
        let half = octave(8.0, &|x, y| square(x, y, 40, 60) * 0.5);
        assert!(!mask.is_sure(&half, SIDE * SIDE / 2 + SIDE / 2));
        let surplus = vec![MIN_SURPLUS; SIDE * SIDE];
        assert!(mask.is_sure(&Octave { surplus, ..half }, 0));
    }

    #[test]
    fn the_finest_scales_look_where_something_stands_out() {
        let field = ReceptiveField { stride: 4, start: 0, size: 4 };
        let axis = Axis::new(field, SIDE / 4, 1.0, SIDE);
        let mut mask = PyramidMask::new(SIDE, SIDE, &[THING], &BlurOptions::default());
        let looks = |mask: &PyramidMask<'_>| !mask.wanted(&axis, &axis).unwrap().is_empty();
        assert!(!looks(&mask), "nothing is known");
        let level = |logit: f32| {
            let is_thing = |x: usize, y: usize| (10..13).contains(&x) && (10..13).contains(&y);
            ScaleLevel::of_logits(SIDE / 4, &move |x, y| {
                [9.0, if is_thing(x, y) { logit } else { 1.0 }, -1.0]
            })
        };
        mask.visit(1.1, level(5.0));
        assert!(!looks(&mask), "it stands out by one standard deviation");
        assert!(!mask.is_blind());
        mask.scales[0].wide = None;
        assert!(!looks(&mask) && mask.is_blind(), "that is said");
        mask.scales.clear();
        mask.visit(1.1, level(8.5));
        assert!(looks(&mask));
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
        let faint = |x, y| square(x, y, 20, 80) / 4.0;
        assert!(accepted(&[(1.0, &faint)]).iter().all(|&accepted| !accepted));
    }
}
