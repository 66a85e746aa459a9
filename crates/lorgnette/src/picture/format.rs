//! Detection of picture formats by their first bytes.

use std::fmt;

use image::ImageFormat;

use super::PictureError;

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

/// Picture formats that are recognised but not supported.
fn unsupported_format(bytes: &[u8]) -> Option<&'static str> {
    let brand = if bytes.get(4..8) == Some(b"ftyp".as_slice()) { bytes.get(8..12) } else { None };
    match brand {
        Some(b"heic" | b"heix" | b"hevc" | b"heim" | b"heis" | b"mif1" | b"msf1") => {
            return Some("a HEIC photo");
        }
        Some(b"avif" | b"avis") => return Some("an AVIF photo"),
        _ => {}
    }
    let starts: [(&[u8], &str); 8] = [
        (b"\xff\x0a", "a JPEG XL photo"),
        (b"\x00\x00\x00\x0cJXL ", "a JPEG XL photo"),
        (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 photo"),
        (b"8BPS", "a Photoshop document"),
        (b"II+\0", "a BigTIFF picture"),
        (b"MM\0+", "a BigTIFF picture"),
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
        return "it is text: give a JPEG, PNG, GIF, BMP, TIFF or WebP file".into();
    }
    if bytes.starts_with(b"%PDF") {
        return "it is a PDF document: export its page as a picture".into();
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\x1f\x8b") {
        return "it is an archive: unpack it first".into();
    }
    let hex: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!(
        "it starts with {}, which no known format does: give a JPEG, PNG, GIF, BMP, TIFF or WebP file",
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
