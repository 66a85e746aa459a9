//! A figure as pixels.

use super::{Anchor, Figure, Mark, Style};
use crate::draw::canvas::{Canvas, Colour};
use crate::draw::text;
use crate::picture::Picture;

const GROUND: Colour = Colour::opaque(0xff, 0xff, 0xff);

pub(super) fn raster(figure: &Figure, scale: f32) -> Picture {
    let side = |length: f32| ((length * scale).ceil() as usize).max(1);
    let mut canvas = Canvas::filled(side(figure.width), side(figure.height), GROUND);
    for mark in &figure.marks {
        draw(&mut canvas, mark, scale);
    }
    canvas.into_picture()
}

fn draw(canvas: &mut Canvas, mark: &Mark, scale: f32) {
    let scaled = |(x, y): (f32, f32)| (x * scale, y * scale);
    match mark {
        Mark::Rectangle { corner, size, radius: 0.0, colour, .. } => {
            canvas.fill(scaled(*corner), scaled(*size), *colour);
        }
        Mark::Rectangle { corner, size, radius, colour, .. } => {
            canvas.fill_rounded(scaled(*corner), scaled(*size), radius * scale, *colour);
        }
        Mark::Line { points, width, colour } => {
            let points: Vec<(f32, f32)> = points.iter().copied().map(scaled).collect();
            canvas.stroke(&points, width * scale, *colour);
        }
        Mark::Disc { centre: (x, y), radius, colour, .. } => {
            let corner = scaled((x - radius, y - radius));
            canvas.fill_rounded(
                corner,
                scaled((2.0 * radius, 2.0 * radius)),
                radius * scale,
                *colour,
            );
        }
        Mark::Words { text, at, style } => {
            words(canvas, text, scaled(*at), Style { em: style.em * scale, ..*style })
        }
        Mark::Picture { corner: (left, top), picture, times } => {
            let whole = (scale.round() as usize).max(1);
            let drawn = Canvas::of(picture);
            let drawn = if times * whole == 1 { drawn } else { drawn.repeated(times * whole) };
            canvas.place(&drawn, left * whole, top * whole);
        }
    }
}

fn words(canvas: &mut Canvas, text: &str, (x, y): (f32, f32), style: Style) {
    let before = match style.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => style.length(text) / 2.0,
        Anchor::End => style.length(text),
    };
    if style.upwards {
        text::draw_upwards(canvas, text, style.weight(), style.em, (x, y + before), style.colour);
    } else {
        text::draw(canvas, text, style.weight(), style.em, (x - before, y), style.colour);
    }
}
