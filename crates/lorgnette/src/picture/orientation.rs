//! Applies EXIF orientations (tag 274, values 1 to 8).

use image::metadata::Orientation;

use super::Pixels;
use super::open::Decoded;

/// Applies the orientation that came with the pixels.
pub(super) fn reorient(decoded: Decoded) -> Decoded {
    let pixel_order = PixelOrder::new(&decoded);
    if decoded.orientation == Orientation::NoTransforms {
        return decoded;
    }
    let Decoded { width, height, source_size, source_channels, pixels, .. } = decoded;
    let pixels = match pixels {
        Pixels::Rgb8(samples) => Pixels::Rgb8(pixel_order.apply(&samples)),
        Pixels::Rgb16(samples) => Pixels::Rgb16(pixel_order.apply(&samples)),
    };
    let rotated =
        |(width, height)| if pixel_order.transposed { (height, width) } else { (width, height) };
    let ((width, height), source_size) = (rotated((width, height)), rotated(source_size));
    Decoded {
        width,
        height,
        source_size,
        source_channels,
        pixels,
        orientation: Orientation::NoTransforms,
    }
}

/// True if width and height are exchanged.
pub(super) fn swaps_width_and_height(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH)
}

/// An orientation as three independent properties of the stored pixels.
struct PixelOrder {
    width: usize,
    height: usize,
    /// Upright rows are stored columns.
    transposed: bool,
    /// Stored columns are counted from the right.
    mirrored_x: bool,
    /// Stored rows are counted from the bottom.
    mirrored_y: bool,
}

impl PixelOrder {
    fn new(decoded: &Decoded) -> Self {
        use Orientation::{
            FlipHorizontal, FlipVertical, NoTransforms, Rotate90, Rotate180, Rotate270,
        };
        use Orientation::{Rotate90FlipH, Rotate270FlipH};
        let (transposed, mirrored_x, mirrored_y) = match decoded.orientation {
            NoTransforms => (false, false, false),
            FlipHorizontal => (false, true, false),
            Rotate180 => (false, true, true),
            FlipVertical => (false, false, true),
            Rotate90FlipH => (true, false, false),
            Rotate90 => (true, false, true),
            Rotate270FlipH => (true, true, true),
            Rotate270 => (true, true, false),
        };
        Self { width: decoded.width, height: decoded.height, transposed, mirrored_x, mirrored_y }
    }

    fn apply<T: Copy>(&self, stored: &[T]) -> Vec<T> {
        let (rows, columns) =
            if self.transposed { (self.width, self.height) } else { (self.height, self.width) };
        let mut upright = Vec::with_capacity(stored.len());
        for row in 0..rows {
            for column in 0..columns {
                let start = 3 * self.stored_pixel(row, column);
                upright.extend_from_slice(&stored[start..start + 3]);
            }
        }
        upright
    }

    /// Index of the stored pixel for an upright row and column.
    fn stored_pixel(&self, row: usize, column: usize) -> usize {
        let (y, x) = if self.transposed { (column, row) } else { (row, column) };
        let x = if self.mirrored_x { self.width - 1 - x } else { x };
        let y = if self.mirrored_y { self.height - 1 - y } else { y };
        y * self.width + x
    }
}
