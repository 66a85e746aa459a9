//! A drawing as a list of marks, written as pixels or as SVG: the same one, whichever is wanted.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::canvas::{Canvas, Colour};
use super::text::{self, Weight};
use crate::picture::{Kind, Picture, PictureError};

/// A finished drawing, to be written as PNG, JPEG or SVG.
#[derive(Clone, Debug)]
pub struct Figure {
    width: usize,
    height: usize,
    ground: Colour,
    marks: Vec<Mark>,
}

/// Something drawn; later ones cover earlier ones. Lengths are pixels from the top left.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
    /// A filled rectangle.
    Rectangle { corner: (f32, f32), size: (f32, f32), colour: Colour },
    /// A line of text that starts or ends at a point of its baseline.
    Text(Words),
    /// A picture, each of its pixels a square of `times` by `times`.
    Picture { corner: (usize, usize), picture: Picture, times: usize, format: Kind },
}

/// A line of text.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    pub(crate) at: (f32, f32),
    pub(crate) anchor: Anchor,
    /// Pixels of the em.
    pub(crate) em: f32,
    pub(crate) bold: bool,
    pub(crate) colour: Colour,
    pub(crate) text: String,
}

/// Which part of a line stands at its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    End,
}

impl Figure {
    /// A figure of this size with nothing on it yet.
    pub(crate) fn new(width: usize, height: usize, ground: Colour) -> Self {
        Self { width, height, ground, marks: Vec::new() }
    }

    /// Draws something over what is there.
    pub(crate) fn add(&mut self, mark: Mark) {
        self.marks.push(mark);
    }

    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// The figure as pixels.
    #[must_use]
    pub fn picture(&self) -> Picture {
        let mut canvas = Canvas::filled(self.width, self.height, self.ground);
        for mark in &self.marks {
            match mark {
                Mark::Rectangle { corner, size, colour } => canvas.fill(*corner, *size, *colour),
                Mark::Text(words) => words.draw(&mut canvas),
                Mark::Picture { corner, picture, times, .. } => {
                    let drawn = Canvas::of(picture);
                    let drawn = if *times == 1 { drawn } else { drawn.repeated(*times) };
                    canvas.place(&drawn, corner.0, corner.1);
                }
            }
        }
        canvas.into_picture()
    }

    /// The figure as SVG, complete in itself.
    ///
    /// # Errors
    /// If a picture on it cannot be encoded.
    pub fn svg(&self) -> Result<String, PictureError> {
        let Self { width, height, .. } = self;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"Inter, Helvetica, Arial, sans-serif\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"{}\"/>\n",
            self.ground.hex()
        );
        for mark in &self.marks {
            // Writing to a string cannot fail.
            let _ = match mark {
                Mark::Rectangle { corner: (x, y), size: (width, height), colour } => writeln!(
                    svg,
                    "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{}\" fill-opacity=\"{}\"/>",
                    colour.hex(),
                    colour.alpha
                ),
                Mark::Text(words) => words.write(&mut svg),
                Mark::Picture { corner: (x, y), picture, times, format } => {
                    let (width, height) = (picture.width() * times, picture.height() * times);
                    let media = if *format == Kind::Jpeg { "image/jpeg" } else { "image/png" };
                    let data = STANDARD.encode(picture.encode(*format)?);
                    writeln!(
                        svg,
                        "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\" \
                         style=\"image-rendering:{}\" href=\"data:{media};base64,{data}\"/>",
                        if *times == 1 { "auto" } else { "pixelated" }
                    )
                }
            };
        }
        Ok(svg + "</svg>\n")
    }

    /// Writes the figure as PNG, JPEG or SVG, by the ending of `path`.
    ///
    /// # Errors
    /// As [`Picture::save`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PictureError> {
        let path = path.as_ref();
        if !path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("svg")) {
            return self.picture().save(path);
        }
        let written = fs::write(path, self.svg()?);
        written.map_err(|source| PictureError::Write { name: path.display().to_string(), source })
    }
}

impl Words {
    fn weight(&self) -> Weight {
        if self.bold { Weight::SemiBold } else { Weight::Medium }
    }

    fn draw(&self, canvas: &mut Canvas) {
        let width = text::width_of(&self.text, self.weight(), self.em);
        let left = match self.anchor {
            Anchor::Start => self.at.0,
            Anchor::End => self.at.0 - width,
        };
        text::draw(canvas, &self.text, self.weight(), self.em, (left, self.at.1), self.colour);
    }

    fn write(&self, svg: &mut String) -> std::fmt::Result {
        let anchor = match self.anchor {
            Anchor::Start => "start",
            Anchor::End => "end",
        };
        let (weight, (x, y)) = (if self.bold { 600 } else { 500 }, self.at);
        writeln!(
            svg,
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\" font-weight=\"{weight}\" text-anchor=\"{anchor}\" fill=\"{}\">{}\
             </text>",
            self.em,
            self.colour.hex(),
            escaped(&self.text)
        )
    }
}

/// A text as XML has it.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // XML has no place for the others, even written as numbers.
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}
