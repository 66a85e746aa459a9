//! Writing a picture as PNG or JPEG.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError, ImageResult};

use super::metadata::packet;
use super::{Kind, Metadata, Picture, PictureError};

/// JPEG quality, 1 to 100: above 90 the blocks cannot be seen around drawn letters.
pub(super) const JPEG_QUALITY: u8 = 93;
/// The longest side a JPEG header can say.
const JPEG_MAX_SIDE: usize = 65_535;

/// Writes at eight bits, in the format the extension says.
pub(super) fn save(picture: &Picture, path: &Path) -> Result<(), PictureError> {
    let name = path.display().to_string();
    let kind =
        kind_of(path).ok_or_else(|| PictureError::UnknownExtension { name: name.clone() })?;
    check_side(picture, kind, &name)?;
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        write(picture, (kind, JPEG_QUALITY), &Metadata::default(), &mut file)?;
        file.flush()
    };
    write().map_err(|source| PictureError::Write { name, source })
}

/// The file of that kind in memory, with notes; the quality, 1 to 100, is JPEG's.
pub(super) fn encode(
    picture: &Picture,
    kind: Kind,
    quality: u8,
    notes: &Metadata,
) -> Result<Vec<u8>, PictureError> {
    check_side(picture, kind, picture.name())?;
    let mut bytes = Vec::new();
    let written = write(picture, (kind, quality), notes, &mut bytes);
    written.map_err(|source| PictureError::Write { name: picture.name().into(), source })?;
    packet::put(&mut bytes, kind, notes);
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
fn write(
    picture: &Picture,
    (kind, quality): (Kind, u8),
    notes: &Metadata,
    out: &mut impl Write,
) -> io::Result<()> {
    let written = match kind {
        Kind::Jpeg => write_by(JpegEncoder::new_with_quality(out, quality), picture, notes),
        _ => write_by(PngEncoder::new(out), picture, notes),
    };
    written.map_err(|error| match error {
        ImageError::IoError(error) => error,
        other => io::Error::other(other),
    })
}

fn write_by(
    mut encoder: impl ImageEncoder,
    picture: &Picture,
    notes: &Metadata,
) -> ImageResult<()> {
    if let Some(exif) = notes.exif() {
        encoder.set_exif_metadata(exif.to_vec()).map_err(ImageError::Unsupported)?;
    }
    if let Some(icc) = notes.rgb_icc() {
        encoder.set_icc_profile(icc.to_vec()).map_err(ImageError::Unsupported)?;
    }
    let (width, height) = (picture.width() as u32, picture.height() as u32);
    encoder.write_image(&picture.to_rgb8(), width, height, ExtendedColorType::Rgb8)
}
