//! Previews of blurs.

use super::canvas::Colour;
use super::map::with_pixels;
use super::{MIN_TEXT_SIZE, text_size};
use crate::blur::{Area, FACE, Mask};
use crate::drawing::{Drawing, TextStyle};
use crate::labels::Labels;
use crate::picture::Picture;

/// The tint of covered pixels, and the boxes around areas.
const COVER: Colour = Colour { red: 0xcc, green: 0x33, blue: 0x11, alpha: 0.55 };
const BOX: Colour = Colour::opaque(0xff, 0xe0, 0x66);
const PANEL: Colour = Colour { red: 0x10, green: 0x12, blue: 0x17, alpha: 0.75 };

/// Tints all pixels that a mask covers, and draws a box around each area, with the class's name and
/// peak probability where there is room.
///
/// # Panics
/// If the mask is for a photo of another size.
#[must_use]
pub fn blur_preview(picture: &Picture, mask: &Mask, labels: &Labels) -> Drawing {
    let mut pixels = picture.to_rgb8();
    assert_eq!(pixels.len(), 3 * mask.covers().len(), "a mask for another photo");
    for (pixel, &cover) in pixels.as_chunks_mut::<3>().0.iter_mut().zip(mask.covers()) {
        *pixel = COVER.with_alpha(COVER.alpha * f32::from(cover) / 255.0).over(*pixel);
    }
    let mut drawing = Drawing::new(picture.width() as f32, picture.height() as f32);
    drawing.draw_picture(with_pixels(picture, pixels), (0, 0), 1);
    let em = (text_size(picture) * 0.8).max(MIN_TEXT_SIZE);
    // Largest first, so that names of small areas are on top.
    mask.areas().iter().for_each(|area| draw_area(&mut drawing, area, labels, em));
    drawing.unscaled()
}

fn draw_area(drawing: &mut Drawing, area: &Area, labels: &Labels, em: f32) {
    let [left, top, right, bottom] = area.bounds.map(|edge| edge as f32);
    let corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
    drawing.line(corners.to_vec(), (em / 8.0).max(1.5), BOX);
    let name = match area.class {
        None => FACE.into(),
        Some(class) => labels
            .get(class)
            .map_or_else(|| format!("class {class}"), |label| label.first_name().into()),
    };
    let text = format!("{name} {:.0} %", 100.0 * area.peak_probability);
    let style = TextStyle::new(em, Colour::opaque(0xff, 0xff, 0xff));
    let (width, height) = (style.length(&text) + 0.8 * em, 1.5 * em);
    let (max_left, max_top) = (drawing.size().0 - width, drawing.size().1 - height);
    let corner = (left.min(max_left).max(0.0), top.min(max_top).max(0.0));
    drawing.rectangle(corner, (width, height), 0.25 * em, PANEL, None);
    drawing.words(text, (corner.0 + 0.4 * em, corner.1 + 1.08 * em), style);
}
