//! Writing a picture as PNG or JPEG.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError};

use super::{Kind, Picture, PictureError};

/// JPEG quality, 1 to 100: above 90 the blocks cannot be seen around drawn letters.
const JPEG_QUALITY: u8 = 93;
/// The longest side a JPEG header can say.
const JPEG_MAX_SIDE: usize = 65_535;

/// Writes at eight bits, in the format the extension says.
pub(super) fn save(picture: &Picture, path: &Path) -> Result<(), PictureError> {
    let name = path.display().to_string();
    let kind = kind_of(path).ok_or_else(|| PictureError::UnknownExtension { name: name.clone() })?;
    check_side(picture, kind, &name)?;
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        write(picture, kind, &mut file)?;
        file.flush()
    };
    write().map_err(|source| PictureError::Write { name, source })
}

/// The file that [`save`] writes, in memory.
pub(super) fn encode(picture: &Picture, kind: Kind) -> Result<Vec<u8>, PictureError> {
    check_side(picture, kind, picture.name())?;
    let mut bytes = Vec::new();
    let written = write(picture, kind, &mut bytes);
    written.map_err(|source| PictureError::Write { name: picture.name().into(), source })?;
    Ok(bytes)
}

/// The picture as JPEG in memory, of a quality from 1 to 100.
pub(super) fn jpeg(picture: &Picture, quality: u8) -> Result<Vec<u8>, PictureError> {
    let name = picture.name();
    check_side(picture, Kind::Jpeg, name)?;
    let mut bytes = Vec::new();
    let (width, height) = (picture.width() as u32, picture.height() as u32);
    let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    let written = encoder.write_image(&picture.to_rgb8(), width, height, ExtendedColorType::Rgb8);
    written.map_err(|error| PictureError::Write { name: name.into(), source: io::Error::other(error) })?;
    Ok(bytes)
}

fn kind_of(path: &Path) -> Option<Kind> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match extension.as_str() {
        "png" => Some(Kind::Png),
        "jpg" | "jpeg" | "jpe" => Some(Kind::Jpeg),
        _ => None,
    }
}

fn check_side(picture: &Picture, kind: Kind, name: &str) -> Result<(), PictureError> {
    let (width, height) = (picture.width(), picture.height());
    let (most, advice) = match kind {
        Kind::Jpeg => (JPEG_MAX_SIDE, "save it as .png"),
        _ => (i32::MAX as usize, "save a part of it"),
    };
    if width.max(height) <= most {
        return Ok(());
    }
    Err(PictureError::TooLargeToSave { name: name.into(), width, height, kind, advice })
}

/// JPEG, or PNG for every other kind.
fn write(picture: &Picture, kind: Kind, out: &mut impl Write) -> io::Result<()> {
    let (width, height) = (picture.width() as u32, picture.height() as u32);
    let pixels = picture.to_rgb8();
    let written = match kind {
        Kind::Jpeg => JpegEncoder::new_with_quality(out, JPEG_QUALITY).write_image(
            &pixels,
            width,
            height,
            ExtendedColorType::Rgb8,
        ),
        _ => PngEncoder::new(out).write_image(&pixels, width, height, ExtendedColorType::Rgb8),
    };
    written.map_err(|error| match error {
        ImageError::IoError(error) => error,
        other => io::Error::other(other),
    })
}
