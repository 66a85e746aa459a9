//! Drawings of maps: alone, over their photo, and one class as a heat map.

use super::canvas::Colour;
use super::legend::{HEADING, INK, Legend, heading};
use super::palette::viridis;
use super::{MIN_TEXT_SIZE, into_drawable, text_size};
use crate::dense::SegmentationMap;
use crate::drawing::{Drawing, TextStyle};
use crate::labels::Labels;
use crate::picture::Picture;

/// Approximate longer side of a map drawn alone.
const MAP_SIDE: usize = 640;
/// Text size for a map.
const MAP_TEXT_SIZE: f32 = 14.0;
/// A photo's height over the maximum text size of its legend, so that the whole legend fits.
const LEGEND_ROWS: f32 = 30.0;
/// Opacity of the class colours.
const OVERLAY: f32 = 0.55;
/// The border between classes.
const BORDER: Colour = Colour { red: 255, green: 255, blue: 255, alpha: 0.85 };
/// A photo's longer side over the width of the border between classes.
const BORDERS_PER_SIDE: usize = 500;
/// Margins and gaps, in ems.
const MARGIN: f32 = 1.4;

/// Draws a map as a grid of cells, one colour per class, with a legend; small classes share one
/// colour. `caption` is a title and a line below it.
#[must_use]
pub fn map(map: &SegmentationMap, labels: &Labels, caption: [&str; 2]) -> Drawing {
    let legend = Legend::new(map, labels);
    let colours = map.labels().into_iter().flat_map(|class| {
        let Colour { red, green, blue, .. } = legend.colour(class);
        [red, green, blue]
    });
    let cells = Picture::from_rgb8(map.columns(), map.rows(), colours.collect())
        .expect("three levels a cell");
    let times = (MAP_SIDE / map.rows().max(map.columns())).max(1);
    draw_with_legend(cells, times, MAP_TEXT_SIZE, &legend, caption)
}

/// A map over its photo, at the photo's resolution: each pixel in the colour of its best class, by
/// interpolated scores.
#[derive(Clone, Copy, Debug)]
pub struct Overlay<'a> {
    picture: &'a Picture,
    map: &'a SegmentationMap,
    labels: &'a Labels,
    opacity: f32,
}

impl<'a> Overlay<'a> {
    /// Creates a translucent overlay.
    ///
    /// # Panics
    /// If the map is of a photo of another size.
    #[must_use]
    pub fn new(picture: &'a Picture, map: &'a SegmentationMap, labels: &'a Labels) -> Self {
        check(picture, map);
        Self { picture, map, labels, opacity: OVERLAY }
    }

    /// Returns the same overlay with another opacity, 0 to 1.
    #[must_use]
    pub fn with_opacity(self, opacity: f32) -> Self {
        Self { opacity: opacity.clamp(0.0, 1.0), ..self }
    }

    /// The overlay alone, with the photo's size.
    #[must_use]
    pub fn picture(&self) -> Picture {
        self.painted(&Legend::new(self.map, self.labels))
    }

    /// The overlay with a legend; `caption` is a title and a line below it.
    #[must_use]
    pub fn drawing(&self, caption: [&str; 2]) -> Drawing {
        let legend = Legend::new(self.map, self.labels);
        let painted = self.painted(&legend);
        let em = legend_text_size(self.picture);
        draw_with_legend(painted, 1, em, &legend, caption).unscaled()
    }

    fn painted(&self, legend: &Legend) -> Picture {
        let width = self.picture.width();
        let classes = 0..self.map.classes();
        let mut colours: Vec<Colour> =
            classes.map(|class| legend.colour(class).with_alpha(self.opacity)).collect();
        // The photo as it is where no class is probable.
        colours.push(legend.colour(self.map.unknown_class()).with_alpha(0.0));
        let border = (width.max(self.picture.height()) / BORDERS_PER_SIDE).max(1);
        let mut pixels = self.picture.to_rgb8();
        let mut above: Vec<Vec<u32>> = vec![Vec::new(); border];
        self.map.label_pixels(0..self.map.height(), |y, labels| {
            let row = &mut pixels[3 * width * y..][..3 * width];
            let upper = &mut above[y % border];
            for (x, pixel) in row.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                let colour = colours[labels[x] as usize];
                let draw_with_legend = [upper.get(x), labels.get(x.saturating_sub(border))];
                let differs = draw_with_legend
                    .into_iter()
                    .flatten()
                    .any(|&other| colours[other as usize] != colour);
                *pixel = if differs { BORDER } else { colour }.over(*pixel);
            }
            upper.clear();
            upper.extend_from_slice(labels);
        });
        with_pixels(self.picture, pixels)
    }
}

/// Draws the probability of `classes` together over the photo, with the photo's size: dark is 0,
/// light is 1.
///
/// # Panics
/// If the map is of a photo of another size.
#[must_use]
pub fn heat_picture(picture: &Picture, map: &SegmentationMap, classes: &[usize]) -> Picture {
    check(picture, map);
    let width = picture.width();
    let mut pixels = picture.to_rgb8();
    map.probability_pixels(classes, 0..map.height(), |y, probabilities| {
        let row = &mut pixels[3 * width * y..][..3 * width];
        for (pixel, &probability) in row.as_chunks_mut::<3>().0.iter_mut().zip(probabilities) {
            *pixel = viridis(probability).with_alpha(0.45 + 0.3 * probability).over(grey(*pixel));
        }
    });
    with_pixels(picture, pixels)
}

/// [`heat_picture`] with a colour scale, a title and a line below it.
///
/// # Panics
/// As [`heat_picture`].
#[must_use]
pub fn heat(
    picture: &Picture,
    map: &SegmentationMap,
    classes: &[usize],
    caption: [&str; 2],
) -> Drawing {
    let painted = into_drawable(heat_picture(picture, map, classes));
    let em = legend_text_size(picture);
    let margin = MARGIN * em;
    let scale = (em * 5.5).ceil();
    let top = (margin + HEADING * em).ceil();
    let (width, height) =
        (margin * 2.0 + painted.width() as f32 + scale, top + painted.height() as f32 + margin);
    let mut drawing = Drawing::new(width, height);
    heading(&mut drawing, (margin, margin), em, caption);
    let (right, tall) = (margin + painted.width() as f32 + margin, painted.height() as f32);
    drawing.draw_picture(painted, (margin as usize, top as usize), 1);
    scale_bar(&mut drawing, (right, top), tall.min(em * 24.0), em);
    drawing.unscaled()
}

/// A scale from 0 to 1 with labels at the quarters.
fn scale_bar(drawing: &mut Drawing, (left, top): (f32, f32), height: f32, em: f32) {
    const STEPS: usize = 100;
    let step = height / STEPS as f32;
    for number in 0..STEPS {
        let colour = viridis(1.0 - (number as f32 + 0.5) / STEPS as f32);
        // Extended to the end, so that no background shows between.
        let size = (em, height - step * number as f32);
        drawing.rectangle((left, top + step * number as f32), size, 0.0, colour, None);
    }
    for quarter in 0..=4 {
        let at = (left + 1.4 * em, top + height * quarter as f32 / 4.0 + 0.35 * em);
        drawing.words(format!("{} %", 100 - 25 * quarter), at, TextStyle::new(em, INK));
    }
}

/// Draws a picture with pixels of `times` by `times`, its legend to the right, under a heading.
fn draw_with_legend(
    picture: Picture,
    times: usize,
    em: f32,
    legend: &Legend,
    caption: [&str; 2],
) -> Drawing {
    let picture = into_drawable(picture);
    let (width, height) = ((picture.width() * times) as f32, (picture.height() * times) as f32);
    let margin = (MARGIN * em).ceil();
    let (legend_width, legend_height) = legend.size(em);
    let top = (margin + HEADING * em).ceil();
    let mut drawing =
        Drawing::new(width + legend_width + 3.0 * margin, top + height.max(legend_height) + margin);
    heading(&mut drawing, (margin, margin), em, caption);
    drawing.draw_picture(picture, (margin as usize, top as usize), times);
    legend.draw(&mut drawing, (2.0 * margin + width, top), em);
    drawing
}

fn check(picture: &Picture, map: &SegmentationMap) {
    let (photo, of) = ((picture.width(), picture.height()), (map.width(), map.height()));
    assert_eq!(photo, of, "the map is of a photo of another size");
}

pub(super) fn with_pixels(picture: &Picture, pixels: Vec<u8>) -> Picture {
    let painted = Picture::from_rgb8(picture.width(), picture.height(), pixels)
        .expect("as many pixels as before");
    painted.named(picture.name())
}

fn legend_text_size(picture: &Picture) -> f32 {
    text_size(picture).min(picture.height() as f32 / LEGEND_ROWS).max(MIN_TEXT_SIZE)
}

/// Luma of a pixel (ITU-R BT.601).
fn grey([red, green, blue]: [u8; 3]) -> [u8; 3] {
    [(0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue)).round() as u8; 3]
}
