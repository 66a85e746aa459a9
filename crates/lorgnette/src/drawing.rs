//! Drawings of rectangles, lines, text and pictures, written as SVG or as pixels.

mod raster;
mod svg;

pub(crate) use svg::escaped;

use std::io;
use std::path::Path;

use lorgnette_net::write_atomically;

use crate::draw::canvas::Colour;
use crate::draw::text::{Weight, text_width};
use crate::picture::{Picture, PictureError};

/// A drawing. Lengths are in pixels at a scale of 1, from the upper left corner.
#[derive(Clone, Debug)]
pub struct Drawing {
    width: f32,
    height: f32,
    /// Pixels per unit of length in a file.
    scale: f32,
    shapes: Vec<Shape>,
}

/// A shape, drawn over those before it.
#[derive(Clone, Debug)]
enum Shape {
    Rectangle {
        corner: (f32, f32),
        size: (f32, f32),
        radius: f32,
        colour: Colour,
        tip: Option<String>,
    },
    Line {
        points: Vec<(f32, f32)>,
        width: f32,
        colour: Colour,
    },
    Disc {
        centre: (f32, f32),
        radius: f32,
        colour: Colour,
        tip: Option<String>,
    },
    Words {
        text: String,
        at: (f32, f32),
        style: TextStyle,
    },
    Picture {
        corner: (usize, usize),
        picture: Picture,
        times: usize,
    },
}

/// Size, weight and colour of text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextStyle {
    /// Height of the em.
    pub(crate) em: f32,
    pub(crate) colour: Colour,
    pub(crate) anchor: Anchor,
    pub(crate) bold: bool,
    /// Upwards instead of from left to right.
    pub(crate) upwards: bool,
}

/// Alignment of text to its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// Pixels per unit of length in a file: sharp on screens and in print.
const PIXELS_PER_UNIT: f32 = 2.0;
/// Drawings with longer sides are written at a scale of 1.
const MAX_SIDE: f32 = 6000.0;

impl Drawing {
    /// Creates an empty drawing on white.
    pub(crate) fn new(width: f32, height: f32) -> Self {
        let (width, height) = (width.ceil(), height.ceil());
        let scale =
            if width.max(height) * PIXELS_PER_UNIT > MAX_SIDE { 1.0 } else { PIXELS_PER_UNIT };
        Self { width, height, scale, shapes: Vec::new() }
    }

    /// Returns the same drawing with one pixel per unit of length, as for photos.
    pub(crate) fn unscaled(self) -> Self {
        Self { scale: 1.0, ..self }
    }

    /// Width and height.
    #[must_use]
    pub fn size(&self) -> (f32, f32) {
        (self.width, self.height)
    }

    /// The drawing as a complete SVG file. Shapes have tooltips.
    #[must_use]
    pub fn svg(&self) -> String {
        svg::svg(self)
    }

    /// Rasterises the drawing with `scale` pixels per unit of length.
    #[must_use]
    pub fn picture(&self, scale: f32) -> Picture {
        raster::raster(self, scale)
    }

    /// Writes the drawing as SVG or PNG, by the extension of the path.
    ///
    /// # Errors
    /// As [`Picture::save`].
    pub fn save(&self, path: &Path) -> Result<(), PictureError> {
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("svg")) {
            let write_error = |source: io::Error| PictureError::Write {
                name: path.display().to_string(),
                source,
            };
            return write_atomically(path, self.svg().as_bytes()).map_err(write_error);
        }
        self.picture(self.scale).save(path)
    }

    /// Fills a rectangle with round corners; `tip` is its tooltip.
    pub(crate) fn rectangle(
        &mut self,
        corner: (f32, f32),
        size: (f32, f32),
        radius: f32,
        colour: Colour,
        tip: Option<String>,
    ) {
        self.shapes.push(Shape::Rectangle { corner, size, radius, colour, tip });
    }

    /// Draws a line through points.
    pub(crate) fn line(&mut self, points: Vec<(f32, f32)>, width: f32, colour: Colour) {
        self.shapes.push(Shape::Line { points, width, colour });
    }

    /// Fills a disc.
    pub(crate) fn disc(
        &mut self,
        centre: (f32, f32),
        radius: f32,
        colour: Colour,
        tip: Option<String>,
    ) {
        self.shapes.push(Shape::Disc { centre, radius, colour, tip });
    }

    /// Creates a drawing of one picture.
    #[must_use]
    pub fn from_picture(picture: Picture) -> Self {
        let mut drawing = Self::new(picture.width() as f32, picture.height() as f32);
        drawing.draw_picture(picture, (0, 0), 1);
        drawing.unscaled()
    }

    /// Draws a picture with its upper left corner at `corner`, each pixel a square of `times` by
    /// `times`.
    pub(crate) fn draw_picture(&mut self, picture: Picture, corner: (usize, usize), times: usize) {
        self.shapes.push(Shape::Picture { corner, picture, times });
    }

    /// Draws text at a position on its baseline.
    pub(crate) fn words(&mut self, text: impl Into<String>, at: (f32, f32), style: TextStyle) {
        self.shapes.push(Shape::Words { text: text.into(), at, style });
    }
}

impl TextStyle {
    /// Text from left to right that starts at its position.
    pub(crate) const fn new(em: f32, colour: Colour) -> Self {
        Self { em, colour, anchor: Anchor::Start, bold: false, upwards: false }
    }

    pub(crate) const fn anchored(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }

    pub(crate) const fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(crate) const fn upwards(self) -> Self {
        Self { upwards: true, ..self }
    }

    pub(crate) const fn weight(self) -> Weight {
        if self.bold { Weight::SemiBold } else { Weight::Medium }
    }

    /// Length of a text in this style.
    pub(crate) fn length(self, text: &str) -> f32 {
        text_width(text, self.weight(), self.em)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INK: Colour = Colour::opaque(0, 0, 0);

    /// A square, a stroke and a disc.
    fn drawing() -> Drawing {
        let mut drawing = Drawing::new(40.0, 20.0);
        drawing.rectangle((2.0, 2.0), (6.0, 6.0), 0.0, INK, Some("a <square>".into()));
        drawing.line(vec![(12.0, 5.0), (20.0, 5.0), (20.0, 15.0)], 2.0, INK);
        drawing.disc((30.0, 10.0), 4.0, INK, None);
        drawing.words("R&D", (2.0, 18.0), TextStyle::new(8.0, INK));
        drawing
    }

    #[test]
    fn pixels_show_what_was_drawn() {
        let picture = drawing().picture(2.0);
        assert_eq!((picture.width(), picture.height()), (80, 40));
        let pixels = picture.to_rgb8();
        let dark = |x: f32, y: f32| pixels[3 * ((y * 2.0) as usize * 80 + (x * 2.0) as usize)] < 64;
        assert!(dark(5.0, 5.0) && dark(16.0, 5.0) && dark(20.0, 10.0) && dark(30.0, 10.0));
        assert!(!dark(10.0, 5.0) && !dark(16.0, 10.0) && !dark(36.0, 10.0));
    }

    #[test]
    fn svg_has_every_mark_and_no_raw_names() {
        let svg = drawing().svg();
        for part in ["<rect", "a &lt;square&gt;", "<polyline", "<circle", "R&amp;D"] {
            assert!(svg.contains(part), "{part} is not in {svg}");
        }
        assert!(!svg.contains("<square>"));
    }

    #[test]
    fn words_run_upwards_where_they_should() {
        let mut drawing = Drawing::new(20.0, 60.0);
        drawing.words("lllll", (14.0, 58.0), TextStyle::new(16.0, INK).upwards());
        let pixels = drawing.picture(1.0).to_rgb8();
        let dark: Vec<usize> = (0..pixels.len() / 3).filter(|&at| pixels[3 * at] < 128).collect();
        let (rows, columns): (Vec<usize>, Vec<usize>) =
            dark.iter().map(|at| (at / 20, at % 20)).unzip();
        let extent = |places: &[usize]| places.iter().max().unwrap() - places.iter().min().unwrap();
        assert!(
            extent(&rows) > 15 && extent(&columns) < 14,
            "{} {}",
            extent(&rows),
            extent(&columns)
        );
        assert!(columns.iter().max() <= Some(&14));
    }
}
