//! Which pixels, and how much of them.

use super::area::{self, Area};
use super::effect;
use super::{BlurMode, BlurOptions};
use crate::dense::SegmentationMap;
use crate::picture::Picture;

/// Pixels from cell to cell of TF-Slim's networks at their own stride.
const DEFAULT_STRIDE: usize = 32;
/// The longer side of a photo over the side of its mosaic's squares, at most.
const BLOCKS_PER_SIDE: usize = 30;
/// Distances are kept in thirds of a pixel: a step to the side is 3, one across 4 (Borgefors,
/// "Distance transformations in digital images", 1986; within 8 % of the true ones).
const STRAIGHT_STEP: u16 = 3;
const DIAGONAL_STEP: u16 = 4;

/// Which pixels of a photo are blurred, and where in it they are.
#[derive(Clone, Debug)]
pub struct Mask {
    width: usize,
    height: usize,
    /// How much of each pixel, 0 to 255.
    cover: Vec<u8>,
    areas: Vec<Area>,
    mode: BlurMode,
    block: usize,
}

impl Mask {
    /// The pixels of a map whose best class, after bilinear interpolation of the scores, is one of
    /// `classes`, or that are more probably of one of them than not, with the probability that the
    /// options want; and a margin around them.
    #[must_use]
    pub fn new(map: &SegmentationMap, classes: &[usize], options: &BlurOptions) -> Self {
        let (width, height) = (map.width(), map.height());
        let mut is_selected = vec![false; map.classes()];
        classes.iter().for_each(|&class| is_selected[class] = true);
        let levels = levels(map, classes, &is_selected, options.min_probability);
        let areas = area::find(map, &levels, &is_selected);
        let margin = options.margin.unwrap_or(DEFAULT_STRIDE);
        let feather = options.feather.unwrap_or(margin / 2);
        let block = options
            .block
            .unwrap_or_else(|| DEFAULT_STRIDE.max(width.max(height) / BLOCKS_PER_SIDE))
            .max(1);
        let cover = if areas.is_empty() {
            vec![0; levels.len()]
        } else {
            feathered_cover(&levels, width, margin, feather)
        };
        Self { width, height, cover, areas, mode: options.mode, block }
    }

    /// The areas that were found, the largest first, without the margin around them.
    #[must_use]
    pub fn areas(&self) -> &[Area] {
        &self.areas
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.areas.is_empty()
    }

    /// The share of the photo's pixels that change, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f32 {
        let changed = self.cover.iter().filter(|&&cover| cover > 0).count();
        changed as f32 / self.cover.len() as f32
    }

    /// How much of a pixel is blurred, 0 to 1.
    ///
    /// # Panics
    /// If there is no such pixel.
    #[must_use]
    pub fn cover(&self, x: usize, y: usize) -> f32 {
        assert!(x < self.width && y < self.height, "there is no pixel ({x}, {y})");
        f32::from(self.cover[y * self.width + x]) / 255.0
    }

    /// How much of each pixel is blurred, 0 to 255, row by row.
    pub(crate) fn covers(&self) -> &[u8] {
        &self.cover
    }

    /// The photo with the mask's pixels blurred, at eight bits.
    ///
    /// # Panics
    /// If the photo is of another size than the map's.
    #[must_use]
    pub fn apply(&self, picture: &Picture) -> Picture {
        assert_eq!(
            (picture.width(), picture.height()),
            (self.width, self.height),
            "a mask for another photo"
        );
        if self.is_empty() {
            return picture.clone();
        }
        let mut pixels = picture.to_rgb8();
        match self.mode {
            BlurMode::Mosaic => effect::mosaic(&mut pixels, self.width, self.block, &self.cover),
            BlurMode::Gaussian => {
                effect::gaussian(&mut pixels, self.width, self.block as f32 / 4.0, &self.cover)
            }
            BlurMode::Fill(colour) => effect::fill(&mut pixels, colour, &self.cover),
        }
        let blurred =
            Picture::from_rgb8(self.width, self.height, pixels).expect("as many pixels as before");
        blurred.named(picture.name())
    }
}

/// For each pixel, 0 if it is to stay, else how probable it is that it is one of the classes, 1 to
/// 255.
fn levels(
    map: &SegmentationMap,
    classes: &[usize],
    is_selected: &[bool],
    min_probability: f32,
) -> Vec<u8> {
    /// Of two classes that both are wanted each may have less than a third that is not.
    const HALF: u8 = 128;
    let width = map.width();
    let mut levels = vec![0; width * map.height()];
    map.probability_pixels(classes, 0..map.height(), |y, probabilities| {
        for (levels, &probability) in levels[y * width..].iter_mut().zip(probabilities) {
            let is_enough = probability >= min_probability;
            *levels = if is_enough { (probability * 255.0).round().max(1.0) as u8 } else { 0 };
        }
    });
    map.label_pixels(0..map.height(), |y, labels| {
        for (levels, &class) in levels[y * width..].iter_mut().zip(labels) {
            if !is_selected[class as usize] && *levels < HALF {
                *levels = 0;
            }
        }
    });
    levels
}

/// Everything up to `margin` pixels from what was found, fading over `feather` more.
fn feathered_cover(levels: &[u8], width: usize, margin: usize, feather: usize) -> Vec<u8> {
    let max_distance = (margin + feather + 2)
        .min(usize::from(u16::MAX) / usize::from(STRAIGHT_STEP) - 2) as u16
        * STRAIGHT_STEP;
    let distances = distances(levels, width, max_distance);
    let cover = |distance: u16| {
        let beyond = f32::from(distance) / f32::from(STRAIGHT_STEP) - margin as f32;
        (255.0 * (1.0 - beyond / (feather + 1) as f32)).clamp(0.0, 255.0) as u8
    };
    distances.into_iter().map(cover).collect()
}

/// The distance of each pixel from those found, in thirds, at most `max_distance`: once from above, once
/// from below.
fn distances(levels: &[u8], width: usize, max_distance: u16) -> Vec<u16> {
    let mut distances: Vec<u16> =
        levels.iter().map(|&levels| if levels > 0 { 0 } else { max_distance }).collect();
    let rows = distances.len() / width;
    for y in 0..rows {
        let (above, row) = distances.split_at_mut(y * width);
        sweep(
            &mut row[..width],
            above.len().checked_sub(width).map(|start| &above[start..]),
            false,
        );
    }
    for y in (0..rows).rev() {
        let (upper, below) = distances.split_at_mut((y + 1) * width);
        let row = &mut upper[y * width..];
        sweep(row, below.get(..width), true);
    }
    distances
}

/// Steps from the row before and from the pixel before, along the row or against it.
fn sweep(row: &mut [u16], previous_row: Option<&[u16]>, backwards: bool) {
    let width = row.len();
    for step in 0..width {
        let x = if backwards { width - 1 - step } else { step };
        let mut min = row[x];
        let mut relax = |distance: Option<&u16>, step: u16| {
            min = min.min(distance.map_or(u16::MAX, |distance| distance.saturating_add(step)));
        };
        let last = if backwards { x + 1 } else { x.wrapping_sub(1) };
        relax(row.get(last), STRAIGHT_STEP);
        if let Some(previous_row) = previous_row {
            relax(previous_row.get(x), STRAIGHT_STEP);
            relax(previous_row.get(x.wrapping_sub(1)), DIAGONAL_STEP);
            relax(previous_row.get(x + 1), DIAGONAL_STEP);
        }
        row[x] = min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_near_the_true_ones() {
        let (width, height) = (40, 30);
        let mut levels = vec![0; width * height];
        for (x, y) in [(3, 4), (30, 20)] {
            levels[y * width + x] = 9;
        }
        let distances = distances(&levels, width, 3000);
        for (at, &distance) in distances.iter().enumerate() {
            let (x, y) = ((at % width) as f32, (at / width) as f32);
            let real = [(3.0, 4.0), (30.0, 20.0)].map(|(a, b): (f32, f32)| (x - a).hypot(y - b));
            let real = real[0].min(real[1]);
            assert!(
                (f32::from(distance) / 3.0 - real).abs() <= 0.081 * real,
                "({x}, {y}): {distance}, {real}"
            );
        }
    }

    #[test]
    fn cover_is_whole_to_the_margin_and_fades_beyond() {
        let mut levels = vec![0; 50];
        levels[10] = 1;
        let cover = feathered_cover(&levels, 50, 5, 3);
        assert!(cover[5..=15].iter().all(|&cover| cover == 255));
        assert!(
            cover[16..=20].is_sorted_by(|a, b| a >= b)
                && cover[16] < 255
                && cover[18] > 0
                && cover[19] == 0
        );
        assert_eq!(
            feathered_cover(&levels, 50, 0, 0).iter().filter(|&&cover| cover > 0).count(),
            1
        );
    }
}
