//! The mask of a blur: the selected pixels and their coverage.

use super::area::{self, Area};
use super::effect;
use super::face_cover;
use super::{BlurMode, BlurOptions};
use crate::dense::SegmentationMap;
use crate::faces::Face;
use crate::picture::{Metadata, Picture, PictureError, PictureFormat};

/// Output stride of TF-Slim's networks.
const DEFAULT_STRIDE: usize = 32;
/// Minimum number of mosaic squares along a photo's longer side.
const BLOCKS_PER_SIDE: usize = 30;
/// Maximum of margin and feather, in pixels.
const MAX_MARGIN: usize = 1 << 20;
/// Number of mosaic squares along a face's longer side.
const BLOCKS_PER_FACE: f32 = 6.0;
/// Distances are in thirds of a pixel: a straight step is 3, a diagonal one 4 (Borgefors, "Distance
/// transformations in digital images", 1986; within 8 % of Euclidean distances).
const STRAIGHT_STEP: u16 = 3;
const DIAGONAL_STEP: u16 = 4;

/// Coverage of each pixel by a blur, and the areas it covers.
#[derive(Clone, Debug)]
pub struct Mask {
    width: usize,
    height: usize,
    /// Coverage of each pixel, 0 to 255.
    cover: Vec<u8>,
    areas: Vec<Area>,
    mode: BlurMode,
    block: usize,
    search: Search,
}

/// How a photo was searched for what a mask covers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Search {
    /// The scales at which classes were looked for.
    pub scales: Vec<f64>,
    /// The scales at which faces were looked for.
    pub face_scales: Vec<f32>,
    /// Sentences about what was looked at less than it should be.
    pub warnings: Vec<String>,
}

impl Mask {
    /// Selects the pixels whose best class, by bilinear interpolation of the scores, is one of
    /// `classes`, or whose probability of these classes together is above a half. Pixels below the
    /// options' minimum probability are left out; a margin is added.
    #[must_use]
    pub fn new(map: &SegmentationMap, classes: &[usize], options: &BlurOptions) -> Self {
        let mut is_selected = vec![false; map.classes() + 1];
        classes.iter().for_each(|&class| is_selected[class] = true);
        let levels = levels(map, classes, &is_selected, options.min_probability);
        let areas = area::find(map.width(), &levels, &is_selected, |visit| {
            map.label_pixels(0..map.height(), visit);
        });
        Self::from_levels(map.width(), &levels, areas, options)
    }

    /// Selects the pixels in the boxes of `areas`, clipped to a picture of this size. Areas whose
    /// peak probability is below the options' minimum are left out; a margin is added.
    #[must_use]
    pub fn from_areas(
        width: usize,
        height: usize,
        mut areas: Vec<Area>,
        options: &BlurOptions,
    ) -> Self {
        areas.retain(|area| area.peak_probability >= options.min_probability);
        let mut levels = vec![0; width * height];
        for area in &areas {
            let [left, top, right, bottom] = area.bounds;
            let level = level(area.mean_probability);
            for row in levels.chunks_exact_mut(width).take(bottom).skip(top) {
                if let Some(pixels) = row.get_mut(left..right.min(width)) {
                    pixels.fill(level);
                }
            }
        }
        Self::from_levels(width, &levels, areas, options)
    }

    /// Covers the pixels of levels above 0, and a margin around them.
    pub(super) fn from_levels(
        width: usize,
        levels: &[u8],
        areas: Vec<Area>,
        options: &BlurOptions,
    ) -> Self {
        let height = levels.len() / width;
        let longer_side = width.max(height);
        let margin = options.margin.unwrap_or(DEFAULT_STRIDE).min(MAX_MARGIN);
        let feather = options.feather.unwrap_or(margin / 2).min(MAX_MARGIN);
        let block = options
            .block
            .unwrap_or_else(|| DEFAULT_STRIDE.max(longer_side / BLOCKS_PER_SIDE))
            .clamp(1, (4 * longer_side).max(4 * DEFAULT_STRIDE));
        let cover = if areas.is_empty() {
            vec![0; levels.len()]
        } else {
            feathered_cover(levels, width, margin, feather)
        };
        let search = Search::default();
        Self { width, height, cover, areas, mode: options.mode, block, search }
    }

    /// Covers nothing of a photo of this size.
    #[must_use]
    pub fn empty(width: usize, height: usize, options: &BlurOptions) -> Self {
        Self::from_levels(width, &vec![0; width * height], Vec::new(), options)
    }

    /// Covers faces in a photo of this size, and a margin around them.
    #[must_use]
    pub fn for_faces(width: usize, height: usize, faces: &[Face], options: &BlurOptions) -> Self {
        let mut mask = Self::empty(width, height, options);
        for face in faces {
            face_cover::add(&mut mask.cover, width, face, options);
            let share = face.width() * face.height() / (width * height) as f32;
            let [left, top, right, bottom] = face.bounds;
            let edges = [left.floor(), top.floor(), right.ceil(), bottom.ceil()];
            mask.areas.push(Area {
                class: None,
                bounds: edges.map(|edge| edge as usize),
                share,
                mean_probability: face.probability,
                peak_probability: face.probability,
            });
            if options.block.is_none() {
                let blocks = if options.mode == BlurMode::Gaussian { 2.0 } else { BLOCKS_PER_FACE };
                let block = (face.width().max(face.height()) / blocks).ceil() as usize;
                mask.block = mask.block.max(block);
            }
        }
        mask.areas.sort_by(|a, b| b.share.total_cmp(&a.share));
        mask
    }

    /// Covers what either mask covers.
    ///
    /// # Panics
    /// If the masks are for photos of different sizes.
    #[must_use]
    pub fn union(mut self, other: Self) -> Self {
        assert_eq!((self.width, self.height), (other.width, other.height), "another photo's mask");
        for (cover, other) in self.cover.iter_mut().zip(&other.cover) {
            *cover = (*cover).max(*other);
        }
        self.areas.extend(other.areas);
        self.areas.sort_by(|a, b| b.share.total_cmp(&a.share));
        self.block = self.block.max(other.block);
        self.search.scales.extend(other.search.scales);
        self.search.face_scales.extend(other.search.face_scales);
        self.search.warnings.extend(other.search.warnings);
        self
    }

    /// Returns the mask with a note of how the photo was searched.
    #[must_use]
    pub fn with_search(self, search: Search) -> Self {
        Self { search, ..self }
    }

    /// How the photo was searched.
    #[must_use]
    pub fn search(&self) -> &Search {
        &self.search
    }

    /// The selected areas, largest first, without their margins.
    #[must_use]
    pub fn areas(&self) -> &[Area] {
        &self.areas
    }

    /// True if no pixel is selected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.areas.is_empty()
    }

    /// Share of the photo's pixels that change, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f32 {
        let changed = self.cover.iter().filter(|&&cover| cover > 0).count();
        changed as f32 / self.cover.len() as f32
    }

    /// Coverage of a pixel, 0 to 1.
    ///
    /// # Panics
    /// If there is no such pixel.
    #[must_use]
    pub fn cover(&self, x: usize, y: usize) -> f32 {
        assert!(x < self.width && y < self.height, "there is no pixel ({x}, {y})");
        f32::from(self.cover[y * self.width + x]) / 255.0
    }

    /// Coverage of each pixel, 0 to 255, row by row.
    pub(crate) fn covers(&self) -> &[u8] {
        &self.cover
    }

    /// Returns the photo with the mask's pixels blurred, at eight bits.
    ///
    /// # Panics
    /// If the photo's size differs from the map's.
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
                effect::gaussian(&mut pixels, self.width, self.block as f32 / 4.0, &self.cover);
            }
            BlurMode::Fill(colour) => effect::fill(&mut pixels, colour, &self.cover),
        }
        let blurred =
            Picture::from_rgb8(self.width, self.height, pixels).expect("as many pixels as before");
        blurred.named(picture.name())
    }

    /// Returns the blurred photo as a file of one picture, JPEG or PNG. `file` is the photo's own;
    /// of its metadata only what [`Metadata`] has is written anew. If nothing is selected and the
    /// format stays, the coded picture is copied without a loss. `auto_oriented` says whether the
    /// photo was turned as its EXIF orientation says.
    ///
    /// # Errors
    /// As [`Picture::encode_with`].
    ///
    /// # Panics
    /// As [`Mask::apply`].
    pub fn apply_to_file(
        &self,
        picture: &Picture,
        file: &[u8],
        format: PictureFormat,
        auto_oriented: bool,
    ) -> Result<Vec<u8>, PictureError> {
        let metadata = Metadata::from_bytes(file);
        if self.is_empty()
            && picture.format() == Some(format)
            && let Some(copy) = picture.copy_alone(file, &metadata, auto_oriented)
        {
            return Ok(copy);
        }
        let metadata = if auto_oriented { metadata.upright() } else { metadata };
        self.apply(picture).encode_with(format, &metadata)
    }
}

/// Clears the selected pixels that are at most `radius` pixels from one that is not. The photo's
/// edge does not count.
pub(super) fn erode(levels: &mut [u8], width: usize, radius: usize) {
    let outside: Vec<u8> = levels.iter().map(|&level| u8::from(level == 0)).collect();
    let reach = (radius.min(usize::from(u16::MAX / STRAIGHT_STEP) - 2)) as u16 * STRAIGHT_STEP;
    let distances = distances(&outside, width, reach + STRAIGHT_STEP);
    for (level, distance) in levels.iter_mut().zip(distances) {
        if distance <= reach {
            *level = 0;
        }
    }
}

/// The pixels that are selected, or at most `radius` pixels from one that is.
pub(super) fn dilated(levels: &[u8], width: usize, radius: usize) -> Vec<u8> {
    let reach = (radius.min(usize::from(u16::MAX / STRAIGHT_STEP) - 2)) as u16 * STRAIGHT_STEP;
    let distances = distances(levels, width, reach + STRAIGHT_STEP);
    distances.into_iter().map(|distance| u8::from(distance <= reach)).collect()
}

/// A probability in 255ths, at least 1.
pub(super) fn level(probability: f32) -> u8 {
    (probability * 255.0).round().max(1.0) as u8
}

/// For each pixel 0 if it is not selected, else the probability of the classes, 1 to 255.
fn levels(
    map: &SegmentationMap,
    classes: &[usize],
    is_selected: &[bool],
    min_probability: f32,
) -> Vec<u8> {
    /// Two selected classes may each be less probable than a third, unselected one.
    const HALF: u8 = 128;
    let width = map.width();
    let mut levels = vec![0; width * map.height()];
    map.probability_pixels(classes, 0..map.height(), |y, probabilities| {
        for (levels, &probability) in levels[y * width..].iter_mut().zip(probabilities) {
            let is_enough = probability >= min_probability;
            *levels = if is_enough { level(probability) } else { 0 };
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

/// Coverage of the selected pixels: full up to `margin` pixels away, fading over `feather` more.
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

/// Chamfer distance of each pixel from the selected ones, in thirds, at most `max_distance`: a
/// forward and a backward pass.
pub(super) fn distances(levels: &[u8], width: usize, max_distance: u16) -> Vec<u16> {
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

/// Relaxes a row from the previous row and from the preceding pixel, forwards or backwards.
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
    fn boxes_are_covered_as_far_as_they_are_in_the_picture() {
        let area = |bounds, probability| Area {
            class: Some(0),
            bounds,
            share: 0.0,
            mean_probability: probability,
            peak_probability: probability,
        };
        let options = BlurOptions {
            min_probability: 0.5,
            margin: Some(0),
            feather: Some(0),
            ..BlurOptions::default()
        };
        let areas =
            vec![area([6, 4, 99, 99], 0.9), area([0, 0, 2, 2], 0.4), area([9, 0, 3, 2], 1.0)];
        let mask = Mask::from_areas(8, 6, areas, &options);
        let covered = (0..48).filter(|at| mask.cover(at % 8, at / 8) == 1.0).collect::<Vec<_>>();
        assert_eq!(covered, [38, 39, 46, 47]);
        assert_eq!(mask.areas().len(), 2);
    }

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
    fn erosion_takes_the_border_but_not_at_the_photos_edge() {
        let (width, height) = (40, 20);
        let mut levels = vec![0; width * height];
        for y in 0..10 {
            levels[y * width..][..30].fill(9);
        }
        erode(&mut levels, width, 4);
        let kept = |x: usize, y: usize| levels[y * width + x] == 9;
        assert!((0..6).all(|y| (0..26).all(|x| kept(x, y))));
        assert!(!kept(26, 0) && !kept(0, 6) && !kept(29, 9));
        let mut all = vec![3; 12];
        erode(&mut all, 4, 2);
        assert_eq!(all, [3; 12], "nothing is outside");
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
