//! JPEG exactly as TensorFlow decodes it.
//!
//! TensorFlow's `decode_jpeg` uses libjpeg-turbo with the *fast* integer inverse transform unless
//! told otherwise (`decode_image_op.cc`: "IFAST, sacrificing image quality for speed") and smooth
//! ("fancy") chroma upsampling. Other decoders use the accurate transform, which is a level
//! brighter in red and blue. This decoder gives TensorFlow's pixels bit for bit.
//! [`Transform::Accurate`] gives the pixels of other programs.
//!
//! Stages: [`markers`] reads the file's markers once, for size, colour space and completeness;
//! [`tables`] and [`scan`] decode coefficients into the blocks of a [`frame`]; [`transform`] turns
//! blocks into samples; [`upsample`] brings every component to full size; [`colour`] converts to
//! RGB.
//!
//! Damage within the coefficients is a warning in libjpeg, and TensorFlow uses the result; so does
//! this decoder.

pub use self::transform::Transform;

use self::colour::Colour;
use self::frame::Frame;
use self::markers::Layout;
use super::open::{Decoded, Source};
use super::{PictureError, Pixels};

mod bits;
mod colour;
mod frame;
mod markers;
mod scan;
mod tables;
mod transform;
mod upsample;

/// Every 8 x 8 block takes at least one bit, in the first scan of its DC coefficient.
const MAX_BLOCKS_PER_BYTE: u64 = 8;

/// Decodes a JPEG to eight-bit RGB.
pub(super) fn decode(source: &Source<'_>) -> Result<Decoded, PictureError> {
    let layout = Layout::read(source)?;
    source.check_size(layout.width, layout.height)?;
    check_pixels_fit_file(source, &layout)?;
    let components = layout.components.len();
    let colour = Colour::from_layout(&layout)
        .ok_or_else(|| source.unsupported(format!("a JPEG of {components} components")))?;
    let frame = Frame::decode(source, &layout)?;
    Ok(Decoded {
        width: frame.width,
        height: frame.height,
        source_size: (layout.width, layout.height),
        source_channels: components as u8,
        pixels: Pixels::Rgb8(to_rgb(&frame, colour)),
        orientation: layout.orientation(),
    })
}

/// Rejects a header that states more blocks than the file has bits, before memory is allocated.
fn check_pixels_fit_file(source: &Source<'_>, layout: &Layout<'_>) -> Result<(), PictureError> {
    let blocks = layout.min_blocks();
    if blocks <= MAX_BLOCKS_PER_BYTE * source.bytes.len() as u64 {
        return Ok(());
    }
    let (width, height, length) = (layout.width, layout.height, source.bytes.len());
    Err(source.ends_early(format!(
        "{length} bytes cannot hold the {width} x {height} pixels its header promises"
    )))
}

/// Upsamples and converts row by row, so that no component is ever stored at full size.
fn to_rgb(frame: &Frame, colour: Colour) -> Vec<u8> {
    let mut rgb = vec![0; 3 * frame.width * frame.height];
    let mut rows = vec![Vec::new(); frame.components.len()];
    for (y, out) in rgb.chunks_exact_mut(3 * frame.width).enumerate() {
        for (component, row) in frame.components.iter().zip(&mut rows) {
            upsample::row(frame, component, y, row);
        }
        colour.convert(&rows, out);
    }
    rgb
}
