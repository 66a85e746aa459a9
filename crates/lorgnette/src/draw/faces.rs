//! Faces drawn on their photo.

use super::canvas::Colour;
use super::{MIN_TEXT_SIZE, text_size};
use crate::drawing::{Drawing, TextStyle};
use crate::faces::Face;
use crate::picture::Picture;

const BOX: Colour = Colour::opaque(0xff, 0xe0, 0x66);
const LANDMARK: Colour = Colour::opaque(0x66, 0xff, 0xc8);
const PANEL: Colour = Colour { red: 0x10, green: 0x12, blue: 0x17, alpha: 0.75 };
/// Radius of a landmark as a share of the face's width.
const LANDMARK_RADIUS: f32 = 0.03;
/// Width of a face in ems from which its probability is written beside it.
const MIN_LABELLED_WIDTH: f32 = 2.0;

/// Draws a box around each face, its landmarks and its probability.
#[must_use]
pub fn faces(picture: &Picture, faces: &[Face]) -> Drawing {
    let mut drawing = Drawing::new(picture.width() as f32, picture.height() as f32);
    drawing.draw_picture(picture.clone(), (0, 0), 1);
    let em = (text_size(picture) * 0.7).max(MIN_TEXT_SIZE);
    // The most probable last, so that they are on top.
    for face in faces.iter().rev() {
        draw_face(&mut drawing, face, em);
    }
    drawing.unscaled()
}

fn draw_face(drawing: &mut Drawing, face: &Face, em: f32) {
    let [left, top, right, bottom] = face.bounds;
    let corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
    let line_width = (face.width() / 40.0).clamp(1.0, em / 6.0);
    drawing.line(corners.to_vec(), line_width, BOX);
    let radius = (face.width() * LANDMARK_RADIUS).max(0.8);
    for [x, y] in face.landmarks {
        drawing.disc((x, y), radius, LANDMARK, None);
    }
    if face.width() < MIN_LABELLED_WIDTH * em {
        return;
    }
    let text = format!("{:.0} %", 100.0 * face.probability);
    let style = TextStyle::new(em, Colour::opaque(0xff, 0xff, 0xff));
    let (width, height) = (style.length(&text) + 0.8 * em, 1.5 * em);
    let (max_left, max_top) = (drawing.size().0 - width, drawing.size().1 - height);
    let above = top - height;
    let label_top = if above < 0.0 { bottom.min(max_top) } else { above };
    let corner = (left.min(max_left).max(0.0), label_top);
    drawing.rectangle(corner, (width, height), 0.25 * em, PANEL, None);
    drawing.words(text, (corner.0 + 0.4 * em, corner.1 + 1.08 * em), style);
}
