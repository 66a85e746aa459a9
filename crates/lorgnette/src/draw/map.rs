//! Maps as people look at them: alone, over their photo, and one class as a heat map.

use super::canvas::Colour;
use super::figure::{Anchor, Figure, Mark, Words};
use super::legend::{HEADING, INK, Legend, heading};
use super::palette::of_share;
use super::{SMALLEST_LETTERS, letters};
use crate::dense::LabelMap;
use crate::labels::Labels;
use crate::picture::{Kind, Picture};

/// The ground of figures.
const PAPER: Colour = Colour::opaque(0xff, 0xff, 0xff);
/// A map alone is enlarged until its longer side has about as many pixels.
const MAP_SIDE: usize = 640;
/// Letters beside a map.
const MAP_LETTERS: f32 = 14.0;
/// The largest letters beside a photo, as a part of its height: the whole legend must have room there.
const LEGEND_ROWS: f32 = 30.0;
/// How much of a pixel is its class's colour.
const OVERLAY: f32 = 0.55;
/// Between classes.
const BORDER: Colour = Colour { red: 255, green: 255, blue: 255, alpha: 0.85 };
/// A photo's longer side over the width of the border between classes.
const BORDERS_A_SIDE: usize = 500;
/// Space around and between, in ems.
const MARGIN: f32 = 1.4;

/// A map as a grid of cells, a colour for each class, with a colour bar that names them; small classes share one colour.
/// `caption` is a title and a line below it.
#[must_use]
pub fn map(map: &LabelMap, labels: &Labels, caption: [&str; 2]) -> Figure {
    let legend = Legend::of(map, labels);
    let colours = map.labels().into_iter().flat_map(|class| {
        let Colour { red, green, blue, .. } = legend.colour(class);
        [red, green, blue]
    });
    let cells = Picture::from_rgb8(map.columns(), map.rows(), colours.collect()).expect("three levels a cell");
    let times = (MAP_SIDE / map.rows().max(map.columns())).max(1);
    let shown = Mark::Picture { corner: (0, 0), picture: cells, times, format: Kind::Png };
    beside(shown, (map.columns() * times, map.rows() * times), MAP_LETTERS, &legend, caption)
}

/// A map over its photo, at the photo's resolution: each pixel in the colour of its best class, after the scores of the cells
/// around it.
///
/// # Panics
/// If the map is of a photo of another size.
#[must_use]
pub fn overlay(picture: &Picture, map: &LabelMap, labels: &Labels, caption: [&str; 2]) -> Figure {
    check(picture, map);
    let legend = Legend::of(map, labels);
    let colours: Vec<Colour> = (0..map.classes()).map(|class| legend.colour(class).with_alpha(OVERLAY)).collect();
    let border = (picture.width().max(picture.height()) / BORDERS_A_SIDE).max(1);
    let mut pixels = picture.to_rgb8();
    let width = picture.width();
    let mut above: Vec<Vec<u32>> = vec![Vec::new(); border];
    map.label_pixels(0..map.height(), |y, labels| {
        let row = &mut pixels[3 * width * y..][..3 * width];
        let upper = &mut above[y % border];
        for (x, pixel) in row.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let class = labels[x];
            let differs =
                upper.get(x).is_some_and(|&other| other != class) || labels[x.saturating_sub(border)] != class;
            *pixel = if differs { BORDER } else { colours[class as usize] }.over(*pixel);
        }
        upper.clear();
        upper.extend_from_slice(labels);
    });
    let painted = repainted(picture, pixels);
    let size = (painted.width(), painted.height());
    let em = legend_letters(picture);
    beside(Mark::Picture { corner: (0, 0), picture: painted, times: 1, format: Kind::Jpeg }, size, em, &legend, caption)
}

/// The probability of `classes` together over the photo, at its resolution: dark where there is none, light where the network
/// is sure.
///
/// # Panics
/// If the map is of a photo of another size.
#[must_use]
pub fn heat(picture: &Picture, map: &LabelMap, classes: &[usize], caption: [&str; 2]) -> Figure {
    check(picture, map);
    let width = picture.width();
    let mut pixels = picture.to_rgb8();
    map.probability_pixels(classes, 0..map.height(), |y, probabilities| {
        let row = &mut pixels[3 * width * y..][..3 * width];
        for (pixel, &probability) in row.as_chunks_mut::<3>().0.iter_mut().zip(probabilities) {
            *pixel = of_share(probability).with_alpha(0.45 + 0.3 * probability).over(grey(*pixel));
        }
    });
    let painted = repainted(picture, pixels);
    let em = legend_letters(picture);
    let margin = MARGIN * em;
    let scale = (em * 5.5).ceil();
    let top = (margin + HEADING * em).ceil();
    let (width, height) = (margin * 2.0 + painted.width() as f32 + scale, top + painted.height() as f32 + margin);
    let mut figure = Figure::new(width.ceil() as usize, height.ceil() as usize, PAPER);
    heading(&mut figure, (margin, margin), em, caption);
    let (right, tall) = (margin + painted.width() as f32 + margin, painted.height() as f32);
    let corner = (margin as usize, top as usize);
    figure.add(Mark::Picture { corner, picture: painted, times: 1, format: Kind::Jpeg });
    scale_bar(&mut figure, (right, top), tall.min(em * 24.0), em);
    figure
}

/// A bar of all shares, with the ends and the quarters named.
fn scale_bar(figure: &mut Figure, (left, top): (f32, f32), height: f32, em: f32) {
    const STEPS: usize = 100;
    let step = height / STEPS as f32;
    for number in 0..STEPS {
        let colour = of_share(1.0 - (number as f32 + 0.5) / STEPS as f32);
        // Down to the end, so that no ground shows between.
        let size = (em, height - step * number as f32);
        figure.add(Mark::Rectangle { corner: (left, top + step * number as f32), size, colour });
    }
    for quarter in 0..=4 {
        let at = (left + 1.4 * em, top + height * quarter as f32 / 4.0 + 0.35 * em);
        let text = format!("{} %", 100 - 25 * quarter);
        figure.add(Mark::Text(Words { at, anchor: Anchor::Start, em, bold: false, colour: INK, text }));
    }
}

/// A picture with its legend to the right, under a heading.
fn beside(shown: Mark, (width, height): (usize, usize), em: f32, legend: &Legend, caption: [&str; 2]) -> Figure {
    let margin = MARGIN * em;
    let (legend_width, legend_height) = legend.size(em);
    let top = (margin + HEADING * em).ceil();
    let tall = (height as f32).max(legend_height);
    let size = (width as f32 + legend_width + 3.0 * margin, top + tall + margin);
    let mut figure = Figure::new(size.0.ceil() as usize, size.1.ceil() as usize, PAPER);
    heading(&mut figure, (margin, margin), em, caption);
    if let Mark::Picture { picture, times, format, .. } = shown {
        figure.add(Mark::Picture { corner: (margin as usize, top as usize), picture, times, format });
    }
    legend.draw(&mut figure, (2.0 * margin + width as f32, top), em);
    figure
}

fn check(picture: &Picture, map: &LabelMap) {
    let (photo, of) = ((picture.width(), picture.height()), (map.width(), map.height()));
    assert_eq!(photo, of, "the map is of a photo of another size");
}

fn repainted(picture: &Picture, pixels: Vec<u8>) -> Picture {
    let painted = Picture::from_rgb8(picture.width(), picture.height(), pixels).expect("as many pixels as before");
    painted.named(picture.name())
}

fn legend_letters(picture: &Picture) -> f32 {
    letters(picture).min(picture.height() as f32 / LEGEND_ROWS).max(SMALLEST_LETTERS)
}

/// The grey of a pixel (ITU-R BT.601).
fn grey([red, green, blue]: [u8; 3]) -> [u8; 3] {
    [(0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue)).round() as u8; 3]
}
