//! Writing a picture as PNG or JPEG.

use std::io::{self, Write};
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError, ImageResult};
use lorgnette_net::AtomicFile;

use super::{Metadata, Picture, PictureError, PictureFormat};

/// JPEG quality, 1 to 100: above 90 there are no visible blocks around text.
pub(super) const JPEG_QUALITY: u8 = 93;
/// Longest side that a JPEG header can state.
const JPEG_MAX_SIDE: usize = 65_535;

/// Writes at eight bits, in the format of the extension.
pub(super) fn save(picture: &Picture, path: &Path) -> Result<(), PictureError> {
    let name = path.display().to_string();
    let format = format_from_extension(path)
        .ok_or_else(|| PictureError::UnknownExtension { name: name.clone() })?;
    check_side(picture, format, &name)?;
    let write = || {
        let mut file = AtomicFile::create(path)?;
        write(picture, format, JPEG_QUALITY, &Metadata::default(), &mut file)?;
        file.commit()
    };
    write().map_err(|source| PictureError::Write { name, source })
}

/// Encodes the picture with metadata; `quality`, 1 to 100, applies to JPEG.
pub(super) fn encode(
    picture: &Picture,
    format: PictureFormat,
    quality: u8,
    metadata: &Metadata,
) -> Result<Vec<u8>, PictureError> {
    check_side(picture, format, picture.name())?;
    let mut bytes = Vec::new();
    let written = write(picture, format, quality, metadata, &mut bytes);
    written.map_err(|source| PictureError::Write { name: picture.name().into(), source })?;
    Ok(bytes)
}

fn format_from_extension(path: &Path) -> Option<PictureFormat> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match extension.as_str() {
        "png" => Some(PictureFormat::Png),
        "jpg" | "jpeg" | "jpe" => Some(PictureFormat::Jpeg),
        _ => None,
    }
}

fn check_side(picture: &Picture, format: PictureFormat, name: &str) -> Result<(), PictureError> {
    let (width, height) = (picture.width(), picture.height());
    let (max_side, advice) = match format {
        PictureFormat::Jpeg => (JPEG_MAX_SIDE, "save it as .png"),
        _ => (i32::MAX as usize, "save a part of it"),
    };
    if width.max(height) <= max_side {
        return Ok(());
    }
    Err(PictureError::TooLargeToSave { name: name.into(), width, height, format, advice })
}

/// Writes a JPEG, or a PNG for every other format.
fn write(
    picture: &Picture,
    format: PictureFormat,
    quality: u8,
    metadata: &Metadata,
    out: &mut impl Write,
) -> io::Result<()> {
    let written = match format {
        PictureFormat::Jpeg => {
            write_with(JpegEncoder::new_with_quality(out, quality), picture, metadata)
        }
        _ => write_with(PngEncoder::new(out), picture, metadata),
    };
    written.map_err(|error| match error {
        ImageError::IoError(error) => error,
        other => io::Error::other(other),
    })
}

fn write_with(
    mut encoder: impl ImageEncoder,
    picture: &Picture,
    metadata: &Metadata,
) -> ImageResult<()> {
    if let Some(exif) = metadata.exif() {
        encoder.set_exif_metadata(exif).map_err(ImageError::Unsupported)?;
    }
    if let Some(icc) = metadata.icc() {
        encoder.set_icc_profile(icc.to_vec()).map_err(ImageError::Unsupported)?;
    }
    let (width, height) = (picture.width() as u32, picture.height() as u32);
    encoder.write_image(&picture.to_rgb8(), width, height, ExtendedColorType::Rgb8)
}
