//! The EXIF block of a photo's file, wherever its format puts it.

use super::PictureFormat;
use super::raster::webp_chunk;
use super::{format, raw};

/// The prefix of the block in JPEGs, which some programs write in other formats too.
const PREFIX: &[u8] = b"Exif\0\0";
const PNG_SIGNATURE_BYTES: usize = 8;

/// Returns the EXIF block of a photo's file, beginning with its TIFF header: of a JPEG in its
/// application segment, of a PNG in its `eXIf` chunk before or after the pixels, of a WebP in its
/// `EXIF` chunk, of a TIFF or a raw file the directories themselves. `None` if there is none.
#[must_use]
pub fn exif_block(bytes: &[u8]) -> Option<&[u8]> {
    let block = match format::detect(bytes, "").ok()? {
        PictureFormat::Jpeg => in_jpeg(bytes),
        PictureFormat::Png => in_png(bytes),
        PictureFormat::WebP => webp_chunk(bytes, b"EXIF"),
        PictureFormat::Tiff => Some(bytes),
        PictureFormat::Raw => raw::exif_block(bytes),
        PictureFormat::Gif | PictureFormat::Bmp => None,
        // In boxes; see `heifer::read_metadata`.
        PictureFormat::Heic | PictureFormat::JpegXl => None,
    };
    block.map(|block| block.strip_prefix(PREFIX).unwrap_or(block))
}

/// Returns the EXIF block of a JPEG.
pub(super) fn in_jpeg(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let content = bytes.get(at + 4..at + 2 + length)?;
        if let Some(block) = content.strip_prefix(PREFIX).filter(|_| marker == 0xe1) {
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
    let mut rest = bytes.get(PNG_SIGNATURE_BYTES..)?;
    loop {
        let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let content = rest.get(8..)?.get(..length)?;
        if rest.get(4..8)? == b"eXIf" {
            return Some(content);
        }
        // A check sum follows.
        rest = rest.get(8 + length + 4..)?;
    }
}
