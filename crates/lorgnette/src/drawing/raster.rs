//! Rasterises a drawing.

use super::{Anchor, Drawing, Shape, TextStyle};
use crate::draw::canvas::{Canvas, Colour};
use crate::draw::text::{self, Font};
use crate::picture::Picture;

const BACKGROUND: Colour = Colour::opaque(0xff, 0xff, 0xff);

pub(super) fn raster(drawing: &Drawing, scale: f32) -> Picture {
    let side = |length: f32| ((length * scale).ceil() as usize).max(1);
    let mut canvas = Canvas::filled(side(drawing.width), side(drawing.height), BACKGROUND);
    for shape in &drawing.shapes {
        draw(&mut canvas, shape, scale);
    }
    canvas.into_picture()
}

fn draw(canvas: &mut Canvas, shape: &Shape, scale: f32) {
    let scaled = |(x, y): (f32, f32)| (x * scale, y * scale);
    match shape {
        Shape::Rectangle { corner, size, radius: 0.0, colour, .. } => {
            canvas.fill(scaled(*corner), scaled(*size), *colour);
        }
        Shape::Rectangle { corner, size, radius, colour, .. } => {
            canvas.fill_rounded(scaled(*corner), scaled(*size), radius * scale, *colour);
        }
        Shape::Line { points, width, colour } => {
            let points: Vec<(f32, f32)> = points.iter().copied().map(scaled).collect();
            canvas.stroke(&points, width * scale, *colour);
        }
        Shape::Disc { centre: (x, y), radius, colour, .. } => {
            let corner = scaled((x - radius, y - radius));
            canvas.fill_rounded(
                corner,
                scaled((2.0 * radius, 2.0 * radius)),
                radius * scale,
                *colour,
            );
        }
        Shape::Words { text, at, style } => {
            words(canvas, text, scaled(*at), TextStyle { em: style.em * scale, ..*style });
        }
        Shape::Picture { corner: (left, top), picture, times } => {
            let integer_scale = (scale.round() as usize).max(1);
            let canvas_picture = Canvas::from_picture(picture);
            let canvas_picture = if times * integer_scale == 1 {
                canvas_picture
            } else {
                canvas_picture.repeated(times * integer_scale)
            };
            canvas.draw_picture(&canvas_picture, left * integer_scale, top * integer_scale);
        }
    }
}

fn words(canvas: &mut Canvas, text: &str, (x, y): (f32, f32), style: TextStyle) {
    let offset = match style.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => style.length(text) / 2.0,
        Anchor::End => style.length(text),
    };
    let font = Font { weight: style.weight(), em: style.em };
    if style.upwards {
        text::draw_upwards(canvas, text, font, (x, y + offset), style.colour);
    } else {
        text::draw(canvas, text, font, (x - offset, y), style.colour);
    }
}
