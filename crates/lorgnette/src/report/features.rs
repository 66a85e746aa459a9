//! Features as a grey picture.

use crate::draw::canvas::{Canvas, Colour};
use crate::picture::Picture;

/// Pixels a side of the square that a feature becomes.
const SQUARE: usize = 8;

/// Features as a grey picture, the smallest black, the largest white, row by row: 1024 of them are
/// 32 rows of 32, 2048 are 32 of 64. Where no rows are as long as columns are high, give or take,
/// the last row ends in black.
///
/// # Panics
/// If there are none.
#[must_use]
pub fn features(features: &[f32]) -> Picture {
    let (rows, columns) = shape(features.len());
    let finite = || features.iter().copied().filter(|value| value.is_finite());
    let (least, max) =
        (finite().fold(f32::INFINITY, f32::min), finite().fold(f32::NEG_INFINITY, f32::max));
    // Casts saturate, and make nothing of NaN.
    let grey = |value: &f32| ((value - least) / (max - least) * 255.0).round() as u8;
    let mut pixels: Vec<u8> = features.iter().map(grey).flat_map(|grey| [grey; 3]).collect();
    pixels.resize(3 * rows * columns, 0);
    let small =
        Picture::from_rgb8(columns, rows, pixels).expect("as many pixels as rows and columns have");
    let mut canvas = Canvas::filled(columns * SQUARE, rows * SQUARE, Colour::opaque(0, 0, 0));
    canvas.draw_picture(&Canvas::from_picture(&small).repeated(SQUARE), 0, 0);
    canvas.into_picture()
}

/// Rows and columns for so many values: as near to a square as a division without rest comes, if it
/// comes near.
fn shape(count: usize) -> (usize, usize) {
    let root = count.isqrt();
    match (root.div_ceil(2)..=root).rev().find(|&rows| rows > 0 && count.is_multiple_of(rows)) {
        Some(rows) => (rows, count / rows),
        None => (root.max(1), count.div_ceil(root.max(1))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_the_tutorials() {
        assert_eq!(
            [2048, 1024, 4096, 1280, 1].map(shape),
            [(32, 64), (32, 32), (64, 64), (32, 40), (1, 1)]
        );
        assert_eq!(shape(1009), (31, 33));
    }

    #[test]
    fn the_largest_is_white() {
        let picture = features(&[0.0, 1.0, 2.0, f32::NAN]);
        let pixels = picture.to_rgb8();
        let pixel =
            |row: usize, column: usize| pixels[3 * (row * SQUARE * 2 * SQUARE + column * SQUARE)];
        assert_eq!([pixel(0, 0), pixel(0, 1), pixel(1, 0), pixel(1, 1)], [0, 128, 255, 0]);
    }
}
