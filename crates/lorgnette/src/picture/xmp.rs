//! The orientation that a file's metadata state: EXIF's, or XMP's where EXIF has none, as Pillow
//! has it.

use std::borrow::Cow;
use std::io::Read as _;

use image::metadata::Orientation;

use super::PictureFormat;
use super::exif::{jpeg_segment, png_chunks};
use super::raster::webp_chunk;
use super::tiff::TiffFile;

/// The property that has it.
const PROPERTY: &[u8] = b"tiff:Orientation";
/// Maximum bytes of a compressed packet that are looked at.
const MAX_PACKET_BYTES: u64 = 1 << 20;
const JPEG_PREFIX: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const PNG_KEYWORD: &[u8] = b"XML:com.adobe.xmp\0";
/// TIFF's tag of the packet.
const TIFF_PACKET: u16 = 700;

/// Returns the orientation in EXIF, or else that in the XMP of a JPEG, PNG, WebP or TIFF. HEIC,
/// AVIF and JPEG XL have properties of their own for it.
pub(super) fn orientation(
    bytes: &[u8],
    format: PictureFormat,
    of_exif: Option<Orientation>,
) -> Orientation {
    let of_xmp = || parse(&packet(bytes, format)?);
    of_exif.or_else(of_xmp).unwrap_or(Orientation::NoTransforms)
}

/// Returns the XMP packet of a file.
fn packet(bytes: &[u8], format: PictureFormat) -> Option<Cow<'_, [u8]>> {
    match format {
        PictureFormat::Jpeg => jpeg_segment(bytes, JPEG_PREFIX).map(Cow::Borrowed),
        PictureFormat::WebP => webp_chunk(bytes, b"XMP ").map(Cow::Borrowed),
        PictureFormat::Tiff => TiffFile::new(bytes)?.first()?.bytes(TIFF_PACKET).map(Cow::Borrowed),
        PictureFormat::Png => {
            let text = |(name, content): (&[u8], _)| (name == b"iTXt").then_some(content);
            png_chunks(bytes).filter_map(text).find_map(png_packet)
        }
        _ => None,
    }
}

/// Returns the packet of an international text chunk: keyword, compression, two languages, text.
fn png_packet(chunk: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (&is_compressed, rest) = chunk.strip_prefix(PNG_KEYWORD)?.split_first()?;
    let text = rest.get(1..)?.splitn(3, |&byte| byte == 0).nth(2)?;
    if is_compressed == 0 {
        return Some(Cow::Borrowed(text));
    }
    let mut packet = Vec::new();
    let mut decoder = flate2::read::ZlibDecoder::new(text).take(MAX_PACKET_BYTES);
    decoder.read_to_end(&mut packet).ok()?;
    Some(Cow::Owned(packet))
}

/// Finds the property as an attribute (`tiff:Orientation="6"`) or an element.
fn parse(packet: &[u8]) -> Option<Orientation> {
    let mut found = packet.windows(PROPERTY.len()).enumerate();
    found.find_map(|(at, window)| {
        let behind = packet.get(at + PROPERTY.len()..).filter(|_| window == PROPERTY)?;
        match behind {
            [b'=', b'"' | b'\'', digit, ..] | [b'>', digit, ..] => {
                Orientation::from_exif(digit.checked_sub(b'0')?)
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_or_an_element() {
        let of = |text: &str| parse(text.as_bytes());
        assert_eq!(of("<x tiff:Orientation=\"6\"/>"), Some(Orientation::Rotate90));
        assert_eq!(of("<x tiff:Orientation='3'/>"), Some(Orientation::Rotate180));
        let element = "<tiff:Orientation>8</tiff:Orientation>";
        assert_eq!(of(element), Some(Orientation::Rotate270));
        for other in ["", "tiff:Orientation", "tiff:Orientation=\"9\"", "tiff:Orientation>x<"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
