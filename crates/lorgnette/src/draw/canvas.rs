//! RGB pixels for drawing.

use image::imageops::{FilterType, resize, thumbnail};
use image::{Rgb, RgbImage};

use crate::picture::Picture;

/// A colour with its opacity, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Colour {
    pub(crate) red: u8,
    pub(crate) green: u8,
    pub(crate) blue: u8,
    pub(crate) alpha: f32,
}

impl Colour {
    pub(crate) const fn opaque(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue, alpha: 1.0 }
    }

    pub(crate) const fn with_alpha(self, alpha: f32) -> Self {
        Self { alpha, ..self }
    }

    /// In hexadecimal, as in SVG and CSS, without alpha.
    pub(crate) fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }

    /// Blends this colour over another.
    pub(crate) fn over(self, [red, green, blue]: [u8; 3]) -> [u8; 3] {
        let mix = |under: u8, over: u8| {
            (f32::from(under) + (f32::from(over) - f32::from(under)) * self.alpha.clamp(0.0, 1.0))
                .round() as u8
        };
        [mix(red, self.red), mix(green, self.green), mix(blue, self.blue)]
    }
}

/// A canvas: eight bits, red, green, blue.
pub(crate) struct Canvas {
    pixels: RgbImage,
}

impl Canvas {
    pub(crate) fn from_picture(picture: &Picture) -> Self {
        let (width, height) = (picture.width() as u32, picture.height() as u32);
        let pixels = RgbImage::from_raw(width, height, picture.to_rgb8());
        Self { pixels: pixels.expect("a picture's pixels fill its size") }
    }

    pub(crate) fn filled(width: usize, height: usize, colour: Colour) -> Self {
        let pixel = Rgb([colour.red, colour.green, colour.blue]);
        Self { pixels: RgbImage::from_pixel(width as u32, height as u32, pixel) }
    }

    pub(crate) fn width(&self) -> usize {
        self.pixels.width() as usize
    }

    pub(crate) fn height(&self) -> usize {
        self.pixels.height() as usize
    }

    pub(crate) fn into_picture(self) -> Picture {
        let (width, height) = (self.width(), self.height());
        Picture::from_rgb8(width, height, self.pixels.into_raw())
            .expect("a canvas has pixels that fill its size")
    }

    /// Enlarges each side by `times`, smoothly.
    pub(crate) fn enlarged(&self, times: f32) -> Self {
        let side = |length: usize| ((length as f32 * times).round() as u32).max(1);
        Self {
            pixels: resize(
                &self.pixels,
                side(self.width()),
                side(self.height()),
                FilterType::CatmullRom,
            ),
        }
    }

    /// Shrinks the canvas to fit a width and a height, if it is larger.
    pub(crate) fn fitted(&self, width: usize, height: usize) -> Self {
        let times =
            (width as f32 / self.width() as f32).min(height as f32 / self.height() as f32).min(1.0);
        let side = |length: usize| ((length as f32 * times).round() as u32).max(1);
        Self { pixels: thumbnail(&self.pixels, side(self.width()), side(self.height())) }
    }

    /// Enlarges every pixel to a square of `times` by `times`.
    pub(crate) fn repeated(&self, times: usize) -> Self {
        let times = times as u32;
        let (width, height) = (self.pixels.width() * times, self.pixels.height() * times);
        Self {
            pixels: RgbImage::from_fn(width, height, |x, y| {
                *self.pixels.get_pixel(x / times, y / times)
            }),
        }
    }

    /// Copies another canvas to this position; it must fit.
    pub(crate) fn draw_picture(&mut self, other: &Self, left: usize, top: usize) {
        let (width, row) = (self.width(), 3 * other.width());
        let rows = self.pixels.as_flat_samples_mut().samples.chunks_exact_mut(3 * width).skip(top);
        for (out, source) in rows.zip(other.pixels.as_raw().chunks_exact(row)) {
            out[3 * left..][..row].copy_from_slice(source);
        }
    }

    /// Blends a colour over a pixel; `coverage` is 0 to 1. No effect outside the canvas.
    pub(crate) fn blend(&mut self, x: i64, y: i64, colour: Colour, coverage: f32) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
        let Some(pixel) = self.pixels.get_pixel_mut_checked(x, y) else { return };
        pixel.0 = colour.with_alpha(colour.alpha * coverage).over(pixel.0);
    }

    /// Fills a rectangle; partly covered pixels are blended.
    pub(crate) fn fill(
        &mut self,
        (left, top): (f32, f32),
        (width, height): (f32, f32),
        colour: Colour,
    ) {
        let covered = |pixel: i64, low: f32, high: f32| {
            (high.min(pixel as f32 + 1.0) - low.max(pixel as f32)).max(0.0)
        };
        for y in top.floor() as i64..(top + height).ceil() as i64 {
            for x in left.floor() as i64..(left + width).ceil() as i64 {
                let coverage = covered(x, left, left + width) * covered(y, top, top + height);
                self.blend(x, y, colour, coverage);
            }
        }
    }

    /// Fills a rectangle with round corners and antialiased edges. A radius of half the height
    /// gives round ends.
    pub(crate) fn fill_rounded(
        &mut self,
        (left, top): (f32, f32),
        (width, height): (f32, f32),
        radius: f32,
        colour: Colour,
    ) {
        let radius = radius.min(width / 2.0).min(height / 2.0).max(0.0);
        let (half_width, half_height) = (width / 2.0 - radius, height / 2.0 - radius);
        let (centre_x, centre_y) = (left + width / 2.0, top + height / 2.0);
        for y in top.floor() as i64..=(top + height).ceil() as i64 {
            for x in left.floor() as i64..=(left + width).ceil() as i64 {
                // Distance from the rectangle of the corners' centres.
                let distance_x = ((x as f32 + 0.5 - centre_x).abs() - half_width).max(0.0);
                let distance_y = ((y as f32 + 0.5 - centre_y).abs() - half_height).max(0.0);
                let coverage = (radius + 0.5 - distance_x.hypot(distance_y)).clamp(0.0, 1.0);
                if coverage > 0.0 {
                    self.blend(x, y, colour, coverage);
                }
            }
        }
    }

    /// Draws an antialiased polyline of constant width with round ends.
    pub(crate) fn stroke(&mut self, points: &[(f32, f32)], width: f32, colour: Colour) {
        let margin = width / 2.0 + 1.0;
        let bound = |from_picture: fn(&(f32, f32)) -> f32, is_min: bool| {
            let values = points.iter().map(from_picture);
            if is_min {
                values.fold(f32::INFINITY, f32::min) - margin
            } else {
                values.fold(0.0, f32::max) + margin
            }
        };
        let (left, right) = (bound(|point| point.0, true).max(0.0), bound(|point| point.0, false));
        let (top, bottom) = (bound(|point| point.1, true).max(0.0), bound(|point| point.1, false));
        for y in top as i64..=(bottom as i64).min(self.height() as i64) {
            for x in left as i64..=(right as i64).min(self.width() as i64) {
                // The nearest of all segments counts; otherwise joints would be darker.
                let centre = (x as f32 + 0.5, y as f32 + 0.5);
                let nearest = points.windows(2).map(|ends| distance(centre, ends[0], ends[1]));
                let coverage = width / 2.0 + 0.5 - nearest.fold(f32::INFINITY, f32::min);
                if coverage > 0.0 {
                    self.blend(x, y, colour, coverage.min(1.0));
                }
            }
        }
    }
}

/// Distance of a point from a segment.
fn distance((x, y): (f32, f32), (from_x, from_y): (f32, f32), (to_x, to_y): (f32, f32)) -> f32 {
    let (along_x, along_y) = (to_x - from_x, to_y - from_y);
    let length = (along_x * along_x + along_y * along_y).max(f32::MIN_POSITIVE);
    let share = (((x - from_x) * along_x + (y - from_y) * along_y) / length).clamp(0.0, 1.0);
    // Neither square overflows, so `hypot` is not needed; it took a third of a report's time.
    let (distance_x, distance_y) = (x - from_x - share * along_x, y - from_y - share * along_y);
    (distance_x * distance_x + distance_y * distance_y).sqrt()
}
