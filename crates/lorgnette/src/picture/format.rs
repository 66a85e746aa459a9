//! Detection of picture formats by their first bytes.

use std::fmt;

use image::ImageFormat;

use super::{PictureError, raw};

/// The supported picture formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PictureFormat {
    /// JPEG: baseline or progressive; grey, YCbCr, RGB, CMYK or YCCK.
    Jpeg,
    /// PNG of 1 to 16 bits; of an animated one the still picture.
    Png,
    /// GIF; of an animated one the first frame.
    Gif,
    /// Windows bitmap.
    Bmp,
    /// TIFF; of several pages the first.
    Tiff,
    /// WebP; of an animated one the first frame.
    WebP,
    /// A camera's raw file: the largest JPEG in it.
    Raw,
    /// HEIC: the primary image. Read with the feature `heic`.
    Heic,
    /// AVIF: the primary image. Read with the feature `avif`.
    Avif,
    /// JPEG XL; of an animated one the first frame. Read with the feature `jxl`.
    JpegXl,
}

impl fmt::Display for PictureFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
            Self::WebP => "WebP",
            Self::Raw => "raw photo",
            Self::Heic => "HEIC",
            Self::Avif => "AVIF",
            Self::JpegXl => "JPEG XL",
        })
    }
}

/// Detects the format of `bytes`, or describes them in an error.
pub(super) fn detect(bytes: &[u8], name: &str) -> Result<PictureFormat, PictureError> {
    if bytes.is_empty() {
        return Err(PictureError::Empty { name: name.into() });
    }
    if let Some(what) = unsupported_format(bytes) {
        return Err(PictureError::Unsupported { name: name.into(), what: what.into() });
    }
    if raw::is_raw(bytes) {
        return Ok(PictureFormat::Raw);
    }
    if is_avif(bytes) {
        return Ok(PictureFormat::Avif);
    }
    if is_heic(bytes) {
        return Ok(PictureFormat::Heic);
    }
    if is_jpeg_xl(bytes) {
        return Ok(PictureFormat::JpegXl);
    }
    if bytes.starts_with(b"II+\0") || bytes.starts_with(b"MM\0+") {
        return Ok(PictureFormat::Tiff);
    }
    match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => Ok(PictureFormat::Jpeg),
        Ok(ImageFormat::Png) => Ok(PictureFormat::Png),
        Ok(ImageFormat::Gif) => Ok(PictureFormat::Gif),
        Ok(ImageFormat::Bmp) => Ok(PictureFormat::Bmp),
        Ok(ImageFormat::Tiff) => Ok(PictureFormat::Tiff),
        Ok(ImageFormat::WebP) => Ok(PictureFormat::WebP),
        _ => Err(PictureError::NotAPicture { name: name.into(), what: describe_content(bytes) }),
    }
}

/// Returns whether bytes are a HEIF file whose brand is one of HEVC's, or of any codec.
fn is_heic(bytes: &[u8]) -> bool {
    const BRANDS: [&[u8]; 7] = [b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"];
    bytes.get(4..8) == Some(b"ftyp") && bytes.get(8..12).is_some_and(|b| BRANDS.contains(&b))
}

/// Returns whether bytes are a HEIF file of AV1's brand, or of any codec with AV1's among the
/// compatible ones.
fn is_avif(bytes: &[u8]) -> bool {
    let is_heif = bytes.get(4..8) == Some(b"ftyp");
    match bytes.get(8..12).filter(|_| is_heif) {
        Some(b"avif" | b"avis") => true,
        Some(b"mif1" | b"msf1" | b"miaf") => has_brand(bytes, b"avif"),
        _ => false,
    }
}

fn is_jpeg_xl(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xff\x0a") || bytes.starts_with(b"\x00\x00\x00\x0cJXL ")
}

/// Returns whether a HEIF file lists a brand among the compatible ones.
fn has_brand(bytes: &[u8], brand: &[u8; 4]) -> bool {
    let length = bytes.first_chunk().map_or(0, |length| u32::from_be_bytes(*length) as usize);
    let brands = bytes.get(16..length.min(bytes.len())).unwrap_or_default();
    brands.chunks_exact(4).any(|known| known == brand)
}

/// Picture formats that are recognised but not supported.
fn unsupported_format(bytes: &[u8]) -> Option<&'static str> {
    if is_avif(bytes) {
        let what = "an AVIF photo (this program was built without its decoder)";
        return (!cfg!(feature = "avif")).then_some(what);
    }
    if is_heic(bytes) && !cfg!(feature = "heic") {
        return Some("a HEIC photo (this program was built without its decoder)");
    }
    if is_jpeg_xl(bytes) && !cfg!(feature = "jxl") {
        return Some("a JPEG XL photo (this program was built without its decoder)");
    }
    let starts: [(&[u8], &str); 4] = [
        (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 photo"),
        (b"8BPS", "a Photoshop document"),
        (b"qoif", "a QOI picture"),
        (b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    ];
    starts.iter().find(|(start, _)| bytes.starts_with(start)).map(|&(_, what)| what)
}

/// Describes content that is no picture, with a remedy.
fn describe_content(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(512)];
    let text = is_text(start);
    let lower = String::from_utf8_lossy(start).trim_start().to_ascii_lowercase();
    if text && (lower.starts_with("<!doctype html") || lower.starts_with("<html")) {
        return "it is a web page, perhaps a download that failed: download the photo itself"
            .into();
    }
    if text && (lower.starts_with("<svg") || lower.contains("<svg ")) {
        return "it is an SVG drawing: convert it to PNG".into();
    }
    if text && lower.starts_with("version https://git-lfs") {
        return "it is a Git LFS pointer: run git lfs pull".into();
    }
    if text {
        return "it is text: give a JPEG, PNG, GIF, BMP, TIFF, WebP or raw file".into();
    }
    if bytes.starts_with(b"%PDF") {
        return "it is a PDF document: export its page as a picture".into();
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\x1f\x8b") {
        return "it is an archive: unpack it first".into();
    }
    let hex: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!(
        "it starts with {}, which no known format does: give a JPEG, PNG, GIF, BMP, TIFF, WebP or \
         raw file",
        hex.join(" ")
    )
}

/// True if the bytes are UTF-8 text, possibly cut within the last character, without control
/// characters.
fn is_text(start: &[u8]) -> bool {
    let valid = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !valid.is_empty() && !valid.chars().any(|c| c.is_control() && !c.is_whitespace())
}
