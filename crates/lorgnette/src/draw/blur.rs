//! What a blur would cover.

use super::canvas::Colour;
use super::map::repainted;
use super::{SMALLEST_LETTERS, letters};
use crate::blur::{Area, Mask};
use crate::figure::{Figure, Style};
use crate::labels::Labels;
use crate::picture::Picture;

/// What is covered, and the boxes around what was found.
const COVER: Colour = Colour { red: 0xcc, green: 0x33, blue: 0x11, alpha: 0.55 };
const BOX: Colour = Colour::opaque(0xff, 0xe0, 0x66);
const PANEL: Colour = Colour { red: 0x10, green: 0x12, blue: 0x17, alpha: 0.75 };

/// The photo with all that a mask covers tinted, and a box around each area that was found, with
/// the class's name and its highest probability where there is room.
///
/// # Panics
/// If the mask is for a photo of another size.
#[must_use]
pub fn blur_preview(picture: &Picture, mask: &Mask, labels: &Labels) -> Figure {
    let mut pixels = picture.to_rgb8();
    assert_eq!(pixels.len(), 3 * mask.covers().len(), "a mask for another photo");
    for (pixel, &cover) in pixels.as_chunks_mut::<3>().0.iter_mut().zip(mask.covers()) {
        *pixel = COVER.with_alpha(COVER.alpha * f32::from(cover) / 255.0).over(*pixel);
    }
    let mut figure = Figure::new(picture.width() as f32, picture.height() as f32);
    figure.place(repainted(picture, pixels), (0, 0), 1);
    let em = (letters(picture) * 0.8).max(SMALLEST_LETTERS);
    // The largest first, so that the names of small ones lie on top.
    mask.areas().iter().for_each(|area| draw_area(&mut figure, area, labels, em));
    figure.at_its_own_size()
}

fn draw_area(figure: &mut Figure, area: &Area, labels: &Labels, em: f32) {
    let [left, top, right, bottom] = area.bounds.map(|edge| edge as f32);
    let corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
    figure.line(corners.to_vec(), (em / 8.0).max(1.5), BOX);
    let name = labels
        .get(area.class)
        .map_or_else(|| format!("class {}", area.class), |label| label.first_name().into());
    let text = format!("{name} {:.0} %", 100.0 * area.peak_probability);
    let style = Style::new(em, Colour::opaque(0xff, 0xff, 0xff));
    let (width, height) = (style.length(&text) + 0.8 * em, 1.5 * em);
    let (most_left, most_top) = (figure.size().0 - width, figure.size().1 - height);
    let corner = (left.min(most_left).max(0.0), top.min(most_top).max(0.0));
    figure.rectangle(corner, (width, height), 0.25 * em, PANEL, None);
    figure.words(text, (corner.0 + 0.4 * em, corner.1 + 1.08 * em), style);
}
