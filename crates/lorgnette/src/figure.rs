//! Drawings of rectangles, lines, words and pictures, as SVG or as pixels: one description, two
//! ways to look at it.

mod raster;
mod svg;

pub(crate) use svg::escaped;

use std::fs;
use std::io;
use std::path::Path;

use crate::draw::canvas::Colour;
use crate::draw::text::{Weight, width_of};
use crate::picture::{Picture, PictureError};

/// A drawing. Lengths are in pixels at a scale of 1, from the upper left corner.
#[derive(Clone, Debug)]
pub struct Figure {
    width: f32,
    height: f32,
    /// Pixels for each unit of length in a file.
    density: f32,
    marks: Vec<Mark>,
}

/// One thing that is drawn, over those before it.
#[derive(Clone, Debug)]
enum Mark {
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
        style: Style,
    },
    Picture {
        corner: (usize, usize),
        picture: Picture,
        times: usize,
    },
}

/// How words are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Height of the em.
    pub(crate) em: f32,
    pub(crate) colour: Colour,
    pub(crate) anchor: Anchor,
    pub(crate) bold: bool,
    /// From below upwards, not from left to right.
    pub(crate) upwards: bool,
}

/// Which part of the words is at their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// Pixels for each unit of length in a file: sharp on screens of today, and in print.
const PIXELS_A_UNIT: f32 = 2.0;
/// A picture of more pixels a side is of the size of the figure: it is sharp enough.
const MOST_PIXELS: f32 = 6000.0;

impl Figure {
    /// An empty figure, white.
    pub(crate) fn new(width: f32, height: f32) -> Self {
        let (width, height) = (width.ceil(), height.ceil());
        let density =
            if width.max(height) * PIXELS_A_UNIT > MOST_PIXELS { 1.0 } else { PIXELS_A_UNIT };
        Self { width, height, density, marks: Vec::new() }
    }

    /// The same figure, written with a pixel for each unit of length: as a photo on it has them.
    pub(crate) fn at_its_own_size(self) -> Self {
        Self { density: 1.0, ..self }
    }

    /// Its width and height.
    #[must_use]
    pub fn size(&self) -> (f32, f32) {
        (self.width, self.height)
    }

    /// The figure as SVG, complete in itself. A mouse held over a part of it shows what it is.
    #[must_use]
    pub fn svg(&self) -> String {
        svg::svg(self)
    }

    /// The figure as pixels, `scale` for each unit of length.
    #[must_use]
    pub fn picture(&self, scale: f32) -> Picture {
        raster::raster(self, scale)
    }

    /// Writes the figure as SVG or PNG, by the ending of the path.
    ///
    /// # Errors
    /// As [`Picture::save`].
    pub fn save(&self, path: &Path) -> Result<(), PictureError> {
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("svg")) {
            let failed = |source: io::Error| PictureError::Write {
                name: path.display().to_string(),
                source,
            };
            return fs::write(path, self.svg()).map_err(failed);
        }
        self.picture(self.density).save(path)
    }

    /// Fills a rectangle with round corners; `tip` is what a mouse over it shows.
    pub(crate) fn rectangle(
        &mut self,
        corner: (f32, f32),
        size: (f32, f32),
        radius: f32,
        colour: Colour,
        tip: Option<String>,
    ) {
        self.marks.push(Mark::Rectangle { corner, size, radius, colour, tip });
    }

    /// Draws a line through points.
    pub(crate) fn line(&mut self, points: Vec<(f32, f32)>, width: f32, colour: Colour) {
        self.marks.push(Mark::Line { points, width, colour });
    }

    /// Fills a disc.
    pub(crate) fn disc(
        &mut self,
        centre: (f32, f32),
        radius: f32,
        colour: Colour,
        tip: Option<String>,
    ) {
        self.marks.push(Mark::Disc { centre, radius, colour, tip });
    }

    /// A picture alone, as a figure.
    #[must_use]
    pub fn of(picture: Picture) -> Self {
        let mut figure = Self::new(picture.width() as f32, picture.height() as f32);
        figure.place(picture, (0, 0), 1);
        figure.at_its_own_size()
    }

    /// Places a picture with its corner here, each of its pixels a square of `times` by `times`.
    pub(crate) fn place(&mut self, picture: Picture, corner: (usize, usize), times: usize) {
        self.marks.push(Mark::Picture { corner, picture, times });
    }

    /// Writes words at a place on their baseline.
    pub(crate) fn words(&mut self, text: impl Into<String>, at: (f32, f32), style: Style) {
        self.marks.push(Mark::Words { text: text.into(), at, style });
    }
}

impl Style {
    /// Words from left to right that start at their place.
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

    /// The length of words in this style.
    pub(crate) fn length(self, text: &str) -> f32 {
        width_of(text, self.weight(), self.em)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INK: Colour = Colour::opaque(0, 0, 0);

    /// A square, a stroke and a disc.
    fn figure() -> Figure {
        let mut figure = Figure::new(40.0, 20.0);
        figure.rectangle((2.0, 2.0), (6.0, 6.0), 0.0, INK, Some("a <square>".into()));
        figure.line(vec![(12.0, 5.0), (20.0, 5.0), (20.0, 15.0)], 2.0, INK);
        figure.disc((30.0, 10.0), 4.0, INK, None);
        figure.words("R&D", (2.0, 18.0), Style::new(8.0, INK));
        figure
    }

    #[test]
    fn pixels_show_what_was_drawn() {
        let picture = figure().picture(2.0);
        assert_eq!((picture.width(), picture.height()), (80, 40));
        let pixels = picture.to_rgb8();
        let dark = |x: f32, y: f32| pixels[3 * ((y * 2.0) as usize * 80 + (x * 2.0) as usize)] < 64;
        assert!(dark(5.0, 5.0) && dark(16.0, 5.0) && dark(20.0, 10.0) && dark(30.0, 10.0));
        assert!(!dark(10.0, 5.0) && !dark(16.0, 10.0) && !dark(36.0, 10.0));
    }

    #[test]
    fn svg_has_every_mark_and_no_raw_names() {
        let svg = figure().svg();
        for part in ["<rect", "a &lt;square&gt;", "<polyline", "<circle", "R&amp;D"] {
            assert!(svg.contains(part), "{part} is not in {svg}");
        }
        assert!(!svg.contains("<square>"));
    }

    #[test]
    fn words_run_upwards_where_they_should() {
        let mut figure = Figure::new(20.0, 60.0);
        figure.words("lllll", (14.0, 58.0), Style::new(16.0, INK).upwards());
        let pixels = figure.picture(1.0).to_rgb8();
        let dark: Vec<usize> = (0..pixels.len() / 3).filter(|&at| pixels[3 * at] < 128).collect();
        let (rows, columns): (Vec<usize>, Vec<usize>) =
            dark.iter().map(|at| (at / 20, at % 20)).unzip();
        let spread = |places: &[usize]| places.iter().max().unwrap() - places.iter().min().unwrap();
        assert!(
            spread(&rows) > 15 && spread(&columns) < 14,
            "{} {}",
            spread(&rows),
            spread(&columns)
        );
        assert!(columns.iter().max() <= Some(&14));
    }
}
