//! HEIC through `heifer`.
//!
//! Rotation, mirroring and cropping are properties of the file (`irot`, `imir`, `clap`), which the
//! decoder applies; the orientation in EXIF is what the camera held and is not applied again. Alpha
//! is dropped; ten and twelve bits become eight.

use heifer::{Error, Options};
use heifer_isobmff::HeifFile;
use image::metadata::Orientation;

use super::open::{Decoded, Source};
use super::{PictureError, Pixels};

/// Decodes the primary image.
pub(super) fn decode(source: &Source<'_>) -> Result<Decoded, PictureError> {
    check_size(source)?;
    // Photos are decoded in parallel, not the tiles of one.
    let options = Options { max_threads: 1, max_pixels: source.options.max_pixels.max(1) };
    let image = heifer::decode_rgba8(source.bytes, &options)
        .map_err(|error| picture_error(source, &error))?;
    let (width, height) = (image.width as usize, image.height as usize);
    source.check_size(width, height)?;
    Ok(Decoded {
        width,
        height,
        source_size: (width, height),
        source_channels: if image.has_alpha { 4 } else { 3 },
        pixels: Pixels::Rgb8(image.into_rgb8()),
        orientation: Orientation::NoTransforms,
    })
}

/// Checks the size that the file states for its primary image, before memory is asked for.
fn check_size(source: &Source<'_>) -> Result<(), PictureError> {
    // The decoder tells of damage.
    let Ok(file) = HeifFile::parse(source.bytes) else { return Ok(()) };
    match file.image_size(file.primary_id) {
        Ok(Some((width, height))) => source.check_size(width as usize, height as usize),
        _ => Ok(()),
    }
}

fn picture_error(source: &Source<'_>, error: &Error) -> PictureError {
    match error {
        Error::Unsupported(what) => source.unsupported(format!("a HEIC photo with {what}")),
        Error::Container(_) | Error::Invalid(_) => {
            source.damaged("the boxes that say where its picture is contradict one another")
        }
        _ => source.damaged("its compressed picture cannot be decoded"),
    }
}
