//! The EXIF block of a photo's file, wherever its format puts it.

use std::borrow::Cow;

use super::PictureFormat;
use super::raster::webp_chunk;
use super::{format, raw};

/// The prefix of the block in JPEGs, which some programs write in other formats too.
const PREFIX: &[u8] = b"Exif\0\0";
const PNG_SIGNATURE_BYTES: usize = 8;

/// Returns the EXIF block of a photo's file, beginning with its TIFF header: of a JPEG in its
/// application segment, of a PNG in its `eXIf` chunk before or after the pixels, of a WebP in its
/// `EXIF` chunk, of HEIC, AVIF and JPEG XL in a box, of a TIFF or a raw file the directories
/// themselves. `None` if there is none, or this library was built without the format.
#[must_use]
pub fn exif_block(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    let block = match format::detect(bytes, "").ok()? {
        PictureFormat::Jpeg => in_jpeg(bytes),
        PictureFormat::Png => in_png(bytes),
        PictureFormat::WebP => webp_chunk(bytes, b"EXIF"),
        PictureFormat::Tiff => Some(bytes),
        PictureFormat::Raw => return raw::exif_blocks(bytes).into_iter().next(),
        PictureFormat::Gif | PictureFormat::Bmp => None,
        PictureFormat::Heic | PictureFormat::Avif => return in_heif(bytes).map(Cow::Owned),
        PictureFormat::JpegXl => return in_jpeg_xl(bytes),
    };
    block.map(|block| Cow::Borrowed(block.strip_prefix(PREFIX).unwrap_or(block)))
}

/// Returns the EXIF block of a JPEG.
pub(super) fn in_jpeg(bytes: &[u8]) -> Option<&[u8]> {
    jpeg_segment(bytes, PREFIX)
}

/// Returns the content of a JPEG's APP1 segment behind its prefix.
pub(super) fn jpeg_segment<'a>(bytes: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let content = bytes.get(at + 4..at + 2 + length)?;
        if let Some(block) = content.strip_prefix(prefix).filter(|_| marker == 0xe1) {
            return Some(block);
        }
        // The start of the scan.
        if marker == 0xda {
            return None;
        }
        at += 2 + length;
    }
    None
}

/// Returns the content of a PNG's `eXIf` chunk.
fn in_png(bytes: &[u8]) -> Option<&[u8]> {
    png_chunks(bytes).find_map(|(name, content)| (name == b"eXIf").then_some(content))
}

/// The names and contents of a PNG's chunks, as far as they can be followed.
pub(super) fn png_chunks(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = bytes.get(PNG_SIGNATURE_BYTES..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let (name, content) = (rest.get(4..8)?, rest.get(8..)?.get(..length)?);
        // A check sum follows.
        rest = rest.get(8 + length + 4..).unwrap_or_default();
        Some((name, content))
    })
}

#[cfg(any(feature = "heic", feature = "avif"))]
fn in_heif(bytes: &[u8]) -> Option<Vec<u8>> {
    let file = heifer_isobmff::HeifFile::parse(bytes).ok()?;
    file.exif(file.primary_id).ok().flatten()
}

#[cfg(not(any(feature = "heic", feature = "avif")))]
fn in_heif(_: &[u8]) -> Option<Vec<u8>> {
    None
}

#[cfg(feature = "jxl")]
fn in_jpeg_xl(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    super::jpeg_xl::exif(bytes)
}

#[cfg(not(feature = "jxl"))]
fn in_jpeg_xl(_: &[u8]) -> Option<Cow<'_, [u8]>> {
    None
}
