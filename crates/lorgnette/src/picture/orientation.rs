//! Turning stored pixels the way the camera was held (EXIF tag 274, values 1 to 8).

use image::metadata::Orientation;

use super::open::Decoded;
use super::{Picture, Pixels};

/// Applies the orientation that came with the pixels.
pub(super) fn reorient(decoded: Decoded) -> Decoded {
    let turn = Turn::new(&decoded);
    if decoded.orientation == Orientation::NoTransforms {
        return decoded;
    }
    let Decoded { width, height, stored_size, channels_of_origin, pixels, .. } = decoded;
    let pixels = match pixels {
        Pixels::Rgb8(samples) => Pixels::Rgb8(turn.apply(&samples)),
        Pixels::Rgb16(samples) => Pixels::Rgb16(turn.apply(&samples)),
    };
    let turned = |(width, height)| if turn.transposed { (height, width) } else { (width, height) };
    let ((width, height), stored_size) = (turned((width, height)), turned(stored_size));
    Decoded {
        width,
        height,
        stored_size,
        channels_of_origin,
        pixels,
        orientation: Orientation::NoTransforms,
    }
}

/// An upright picture as it was stored.
pub(super) fn turned_back(picture: &Picture, orientation: Orientation) -> Picture {
    let back = match orientation {
        Orientation::Rotate90 => Orientation::Rotate270,
        Orientation::Rotate270 => Orientation::Rotate90,
        // The others are undone by themselves.
        other => other,
    };
    let Picture { name, width, height, stored_size, channels_of_origin, kind, pixels } =
        picture.clone();
    let Decoded { width, height, stored_size, pixels, .. } = reorient(Decoded {
        width,
        height,
        stored_size,
        channels_of_origin,
        pixels,
        orientation: back,
    });
    Picture { name, width, height, stored_size, channels_of_origin, kind, pixels }
}

/// Whether what is upright is as wide as what is stored is high.
pub(super) fn swaps_sides(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH)
}

/// An orientation as three independent questions about where an upright pixel is stored.
struct Turn {
    width: usize,
    height: usize,
    /// Upright rows are stored columns.
    transposed: bool,
    /// Stored columns are counted from the right.
    mirrored_x: bool,
    /// Stored rows are counted from the bottom.
    mirrored_y: bool,
}

impl Turn {
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

    /// Where the pixel of an upright row and column is stored.
    fn stored_pixel(&self, row: usize, column: usize) -> usize {
        let (y, x) = if self.transposed { (column, row) } else { (row, column) };
        let x = if self.mirrored_x { self.width - 1 - x } else { x };
        let y = if self.mirrored_y { self.height - 1 - y } else { y };
        y * self.width + x
    }
}
