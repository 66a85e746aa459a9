//! XMP and IPTC metadata. The encoders support neither, so they are inserted into the encoded file.

use super::{JPEG_START, Metadata, PictureFormat};

/// Prefixes of a JPEG's segments of XMP (XMP specification, part 3, 1.1.3) and of Photoshop's
/// resources.
const XMP_START: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const PHOTOSHOP_START: &[u8] = b"Photoshop 3.0\0";
/// The same in a PNG: an uncompressed text without language (part 3, 1.1.5).
const XMP_KEYWORD: &[u8] = b"XML:com.adobe.xmp\0\0\0\0\0";
/// The signature of each Photoshop resource, and the number of the IPTC-IIM one.
const RESOURCE_START: &[u8] = b"8BIM";
const IPTC: [u8; 2] = [0x04, 0x04];
/// Start of the preview data in IPTC-IIM 4.2: dataset 2:202.
const IPTC_PREVIEW: [u8; 3] = [0x1c, 2, 202];
/// Maximum content of a JPEG segment.
const MAX_SEGMENT_BYTES: usize = 0xffff - 2;
/// Signs of pictures in XML: names of elements that hold one, and the first bytes of a JPEG, a PNG
/// and a WebP in base64.
const PICTURES_IN_XML: [&[u8]; 6] =
    [b"xmpGImg:image", b"xmp:Thumbnails", b"GImage:Data", b"/9j/", b"iVBORw0KGgo", b"UklGR"];
/// A PNG's signature and its header.
const PNG_HEADER: usize = 8 + 25;

/// True if the XMP contains no picture. Cutting one out without parsing the XML could leave a part
/// of it.
pub(super) fn xmp_is_plain(xmp: &[u8]) -> bool {
    // UTF-8 only; other encodings, which are rare, would hide the signs.
    std::str::from_utf8(xmp).is_ok()
        && !PICTURES_IN_XML.iter().any(|picture| contains(xmp, picture))
}

/// True if the IPTC-IIM contains no picture.
pub(super) fn iptc_is_plain(iptc: &[u8]) -> bool {
    !contains(iptc, &IPTC_PREVIEW) && !contains(iptc, &JPEG_START)
}

/// Extracts IPTC-IIM from Photoshop's resources, which may also hold thumbnails.
pub(super) fn extract_iptc(mut resources: &[u8]) -> Option<Vec<u8>> {
    loop {
        let rest = resources.strip_prefix(RESOURCE_START)?;
        let name = 1 + usize::from(*rest.get(2)?);
        let rest_of_it = rest.get(2 + name.next_multiple_of(2)..)?;
        let length = u32::from_be_bytes(*rest_of_it.first_chunk()?) as usize;
        let data = rest_of_it.get(4..)?.get(..length)?;
        if rest.starts_with(&IPTC) {
            return Some(data.to_vec());
        }
        resources = rest_of_it.get(4 + length.next_multiple_of(2)..)?;
    }
}

/// Inserts XMP, and in a JPEG also IPTC, into an encoded file.
pub(in crate::picture) fn insert_packets(
    file: &mut Vec<u8>,
    format: PictureFormat,
    metadata: &Metadata,
) {
    let packets = match format {
        PictureFormat::Jpeg => segments(metadata),
        _ => metadata.xmp.as_deref().map(chunk).unwrap_or_default(),
    };
    let position =
        if format == PictureFormat::Jpeg { after_applications(file) } else { PNG_HEADER };
    file.splice(position..position, packets);
}

/// The segments of a JPEG; content too long for one is dropped.
fn segments(metadata: &Metadata) -> Vec<u8> {
    let xmp = metadata.xmp.as_deref().map(|xmp| (0xe1, [XMP_START, xmp].concat()));
    let iptc = metadata.iptc.as_deref().map(|iptc| {
        let length = (iptc.len() as u32).to_be_bytes();
        let padding = &[0][..iptc.len() % 2];
        (0xed, [PHOTOSHOP_START, RESOURCE_START, &IPTC, &[0, 0], &length, iptc, padding].concat())
    });
    let all = xmp.into_iter().chain(iptc).filter(|(_, content)| content.len() <= MAX_SEGMENT_BYTES);
    let segment = |(marker, content): (u8, Vec<u8>)| {
        let length = (content.len() as u16 + 2).to_be_bytes();
        [&[0xff, marker][..], &length, &content].concat()
    };
    all.flat_map(segment).collect()
}

/// A chunk of a PNG.
fn chunk(xmp: &[u8]) -> Vec<u8> {
    let content = [b"iTXt", XMP_KEYWORD, xmp].concat();
    let length = (content.len() as u32 - 4).to_be_bytes();
    [&length[..], &content, &crc32fast::hash(&content).to_be_bytes()].concat()
}

/// Offset after a JPEG's leading application segments.
fn after_applications(jpeg: &[u8]) -> usize {
    let mut at = 2;
    while let Some(&[0xff, 0xe0..=0xef, high, low]) =
        jpeg.get(at..).and_then(|rest| rest.first_chunk())
    {
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
    at.min(jpeg.len())
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Picture;

    const XMP: &[u8] = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>Ann's bus</x:xmpmeta>";
    const CAPTION: &[u8] = b"\x1c\x02\x78\x00\x03bus";

    fn metadata() -> Metadata {
        Metadata { xmp: Some(XMP.into()), iptc: Some(CAPTION.into()), ..Metadata::default() }
    }

    #[test]
    fn what_is_put_into_a_file_is_read_from_it() {
        let picture = Picture::from_rgb8(9, 7, vec![90; 9 * 7 * 3]).unwrap();
        for format in [PictureFormat::Jpeg, PictureFormat::Png] {
            let file = picture.encode_with(format, &metadata(), false).unwrap();
            let read = Metadata::from_bytes(&file);
            assert_eq!(read.xmp.as_deref(), Some(XMP), "{format}");
            assert_eq!(
                read.iptc.as_deref(),
                (format == PictureFormat::Jpeg).then_some(CAPTION),
                "{format}"
            );
            let back = Picture::from_bytes(&file, "back").unwrap();
            assert_eq!((back.width(), back.height()), (9, 7));
        }
    }

    #[test]
    fn a_packet_with_a_picture_in_it_is_left_away_as_a_whole() {
        let with = |xmp: &[u8], iptc: &[u8]| {
            let metadata =
                Metadata { xmp: Some(xmp.into()), iptc: Some(iptc.into()), ..Metadata::default() };
            let Metadata { xmp, iptc, .. } = metadata.without_thumbnails();
            (xmp.is_some(), iptc.is_some())
        };
        assert_eq!(with(XMP, CAPTION), (true, true));
        assert_eq!(
            with(b"<xmpGImg:image>abc</xmpGImg:image>", b"\x1c\x02\xca\x00\x01x"),
            (false, false)
        );
        assert_eq!(
            with(b"<a>/9j/4AAQSkZJRg</a>", b"\x1c\x02\x78\x00\x03\xff\xd8\xff"),
            (false, false)
        );
    }

    #[test]
    fn of_photoshops_resources_only_iptc_is_taken() {
        let resource = |number: u16, name: &[u8], data: &[u8]| {
            let length = (data.len() as u32).to_be_bytes();
            let name = [&[name.len() as u8][..], name, &[0][..(1 + name.len()) % 2]].concat();
            [RESOURCE_START, &number.to_be_bytes(), &name, &length, data, &[0][..data.len() % 2]]
                .concat()
        };
        let thumbnail = resource(0x040c, b"odd", b"thumbnail");
        assert_eq!(
            extract_iptc(&[&thumbnail[..], &resource(0x0404, b"", CAPTION)].concat()).as_deref(),
            Some(CAPTION)
        );
        assert_eq!(extract_iptc(&thumbnail), None);
        assert_eq!(extract_iptc(&thumbnail[..9]), None);
    }
}
