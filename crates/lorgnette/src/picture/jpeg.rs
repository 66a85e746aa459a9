//! JPEG through [`lorgnette_jpeg`], which gives TensorFlow's pixels.

use image::metadata::Orientation;
use lorgnette_jpeg::{DecodeOptions, Decoder, Error, ErrorKind};

use super::open::{Decoded, Source};
use super::orientation::swaps_width_and_height;
use super::{PictureError, Pixels, xmp};

/// Decodes a JPEG to eight-bit RGB.
pub(super) fn decode(source: &Source<'_>) -> Result<Decoded, PictureError> {
    let picture_error = |error| to_picture_error(source, &error);
    let decoder = Decoder::new(source.bytes).map_err(picture_error)?;
    let (width, height) = (decoder.width(), decoder.height());
    source.check_size(width, height)?;
    let of_exif = decoder.exif().and_then(Orientation::from_exif_chunk);
    let orientation = xmp::orientation(source.bytes, source.format, of_exif);
    let mut options = DecodeOptions::default();
    options.transform = source.options.jpeg_transform;
    options.min_size = source.options.min_decode_size;
    if !source.options.ignore_orientation && swaps_width_and_height(orientation) {
        options.min_size = options.min_size.map(|[rows, columns]| [columns, rows]);
    }
    let image = decoder.decode(&options).map_err(picture_error)?;
    Ok(Decoded {
        width: image.width,
        height: image.height,
        source_size: (width, height),
        source_channels: decoder.components() as u8,
        pixels: Pixels::Rgb8(image.pixels),
        orientation,
    })
}

fn to_picture_error(source: &Source<'_>, error: &Error) -> PictureError {
    match error.kind() {
        ErrorKind::EndsEarly => source.ends_early(error.message()),
        ErrorKind::Unsupported => source.unsupported(error.message()),
        _ => source.damaged(error.message()),
    }
}
