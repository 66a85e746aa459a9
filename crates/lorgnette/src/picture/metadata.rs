//! Metadata of photo files, and removal of the thumbnails in it.

use std::io::Cursor;
use std::ops::Range;

use image::metadata::Orientation;
use image::{ImageDecoder, ImageReader, Limits};

use super::PictureFormat;
use super::raster::{image_format, webp_chunk};

pub(super) mod packet;

/// Metadata of a photo: EXIF, XMP, IPTC and the ICC profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    exif: Option<Vec<u8>>,
    icc: Option<Vec<u8>>,
    xmp: Option<Vec<u8>>,
    iptc: Option<Vec<u8>>,
}

/// Maximum bytes that a decoder may allocate for metadata.
const MAX_DECODER_BYTES: u64 = 64 << 20;
/// The first bytes of a JPEG.
const JPEG_START: [u8; 3] = [0xff, 0xd8, 0xff];
const JPEG_END: [u8; 2] = [0xff, 0xd9];
/// Tags of a thumbnail's offset and length (EXIF 3.0, table 4 and TIFF 6.0): as a JPEG, or as
/// strips of pixels.
const THUMBNAILS: [(u16, u16); 2] = [(0x0201, 0x0202), (0x0111, 0x0117)];

impl Metadata {
    /// Reads the metadata of a photo's file; empty if it cannot be read.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let format = match super::format::detect(bytes, "") {
            Ok(PictureFormat::WebP) => {
                let chunk = |name: &[u8; 4]| webp_chunk(bytes, name).map(<[u8]>::to_vec);
                return Self {
                    exif: chunk(b"EXIF"),
                    icc: chunk(b"ICCP"),
                    xmp: chunk(b"XMP "),
                    iptc: None,
                };
            }
            Ok(format @ (PictureFormat::Jpeg | PictureFormat::Png)) => format,
            // GIF and BMP have no metadata; a TIFF's is its directories themselves.
            _ => return Self::default(),
        };
        let read = || {
            let mut reader = ImageReader::with_format(Cursor::new(bytes), image_format(format));
            let mut limits = Limits::no_limits();
            limits.max_alloc = Some(MAX_DECODER_BYTES);
            reader.limits(limits);
            let mut decoder = reader.into_decoder().ok()?;
            let exif = decoder.exif_metadata().ok().flatten();
            let icc = decoder.icc_profile().ok().flatten();
            let xmp = decoder.xmp_metadata().ok().flatten();
            // PNGs have it in a form of ImageMagick's that few programs read.
            let photoshop = if format == PictureFormat::Jpeg {
                decoder.iptc_metadata().ok().flatten()
            } else {
                None
            };
            Some(Self { exif, icc, xmp, iptc: photoshop.as_deref().and_then(packet::extract_iptc) })
        };
        // A panic in damaged metadata must not lose the photo.
        std::panic::catch_unwind(read).ok().flatten().unwrap_or_default()
    }

    /// The EXIF block, beginning with its TIFF header.
    #[must_use]
    pub fn exif(&self) -> Option<&[u8]> {
        self.exif.as_deref()
    }

    /// The ICC profile.
    #[must_use]
    pub fn icc(&self) -> Option<&[u8]> {
        self.icc.as_deref()
    }

    /// The XMP packet: XML.
    #[must_use]
    pub fn xmp(&self) -> Option<&[u8]> {
        self.xmp.as_deref()
    }

    /// The IPTC-IIM records, inside Photoshop's resources.
    #[must_use]
    pub fn iptc(&self) -> Option<&[u8]> {
        self.iptc.as_deref()
    }

    /// The ICC profile if it is for RGB (ICC.1:2022, 7.2.6), as every picture is written.
    pub(super) fn rgb_icc(&self) -> Option<&[u8]> {
        self.icc().filter(|icc| icc.get(16..20) == Some(b"RGB "))
    }

    /// The orientation in the EXIF block.
    pub(super) fn orientation(&self) -> Orientation {
        let note = self.exif.as_deref().and_then(Orientation::from_exif_chunk);
        note.unwrap_or(Orientation::NoTransforms)
    }

    /// Removes the small copies of the photo that cameras embed: deletes the thumbnail and
    /// overwrites every other embedded JPEG with zeros. EXIF that cannot be parsed is dropped,
    /// since it may contain a picture; so are XMP and IPTC that contain one.
    #[must_use]
    pub fn without_thumbnails(self) -> Self {
        let exif = self.exif.and_then(|mut exif| {
            remove_thumbnail(&mut exif)?;
            clear_jpegs(&mut exif);
            Some(exif)
        });
        let xmp = self.xmp.filter(|xmp| packet::xmp_is_plain(xmp));
        let iptc = self.iptc.filter(|iptc| packet::iptc_is_plain(iptc));
        Self { exif, icc: self.icc, xmp, iptc }
    }
}

/// Offset and byte order of a TIFF directory.
struct Directory {
    big_endian: bool,
    /// Offset of its entries, twelve bytes each.
    entries: usize,
    count: usize,
}

impl Directory {
    /// Reads the first directory.
    fn first(exif: &[u8]) -> Option<Self> {
        let big_endian = match exif.get(..4)? {
            b"II\x2a\0" => false,
            b"MM\0\x2a" => true,
            _ => return None,
        };
        let start = Self { big_endian, entries: 0, count: 0 };
        start.at(exif, start.long(exif, 4)?)
    }

    fn at(&self, exif: &[u8], offset: usize) -> Option<Self> {
        let count = usize::from(self.short(exif, offset)?);
        let entries = offset.checked_add(2)?;
        exif.get(entries..entries + 12 * count + 4)?;
        Some(Self { entries, count, ..*self })
    }

    /// Offset of the next directory's offset.
    fn next(&self) -> usize {
        self.entries + 12 * self.count
    }

    /// The integers of a tag, if they are few.
    fn numbers(&self, exif: &[u8], tag: u16) -> Option<Vec<usize>> {
        let entry = (0..self.count)
            .map(|i| self.entries + 12 * i)
            .find(|&at| self.short(exif, at) == Some(tag))?;
        let (size, count) =
            (if self.short(exif, entry + 2)? == 3 { 2 } else { 4 }, self.long(exif, entry + 4)?);
        let offset = if size * count.min(5) <= 4 { entry + 8 } else { self.long(exif, entry + 8)? };
        let number = |i: usize| {
            let at = offset.checked_add(size * i)?;
            if size == 2 { self.short(exif, at).map(usize::from) } else { self.long(exif, at) }
        };
        (0..count.min(exif.len() / size)).map(number).collect()
    }

    fn short(&self, exif: &[u8], at: usize) -> Option<u16> {
        let bytes = *exif.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn long(&self, exif: &[u8], at: usize) -> Option<usize> {
        let bytes = *exif.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
            as usize)
    }
}

/// Cuts off the directories after the first and clears the data they point to. `None` if they
/// cannot be parsed.
fn remove_thumbnail(exif: &mut [u8]) -> Option<()> {
    let first = Directory::first(exif)?;
    let mut next_offset = first.next();
    let mut ranges_to_clear: Vec<Range<usize>> = Vec::new();
    // At most as many as fit, so that a cyclic chain ends.
    for _ in 0..exif.len() / 6 {
        let offset = first.long(exif, next_offset)?;
        if offset == 0 {
            break;
        }
        let directory = first.at(exif, offset)?;
        for (data, length) in THUMBNAILS {
            let pieces = directory.numbers(exif, data).zip(directory.numbers(exif, length));
            let (offsets, lengths) = pieces.unwrap_or_default();
            ranges_to_clear.extend(
                offsets
                    .into_iter()
                    .zip(lengths)
                    .map(|(offset, length)| offset..offset.saturating_add(length)),
            );
        }
        ranges_to_clear.push(directory.entries - 2..directory.next() + 4);
        next_offset = directory.next();
    }
    ranges_to_clear.push(first.next()..first.next() + 4);
    for Range { start, end } in ranges_to_clear {
        let end = end.min(exif.len());
        exif[start.min(end)..end].fill(0);
    }
    Some(())
}

/// Overwrites every embedded JPEG, such as those in makers' notes.
fn clear_jpegs(exif: &mut [u8]) {
    while let Some(start) = exif.windows(JPEG_START.len()).position(|window| window == JPEG_START) {
        let end = exif[start..].windows(JPEG_END.len()).position(|window| window == JPEG_END);
        let end = end.map_or(exif.len(), |end| start + end + JPEG_END.len());
        exif[start..end].fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EXIF with an orientation, a maker's note that contains a JPEG, and a thumbnail.
    fn exif(thumbnail: &[u8], big_endian: bool) -> Vec<u8> {
        let short = |value: u16| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let long = |value: u32| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let entry = |tag: u16, field_type: u16, count: u32, value: [u8; 4]| {
            [&short(tag)[..], &short(field_type), &long(count), &value].concat()
        };
        let orientation = if big_endian { [0, 6, 0, 0] } else { [6, 0, 0, 0] };
        let note = [&b"note"[..], &[0xff, 0xd8, 0xff, 1, 2, 0xff, 0xd9], b"end"].concat();
        let (second, data) = (8 + 2 + 24 + 4, 8 + 2 + 24 + 4 + 2 + 24 + 4);
        [
            if big_endian { &b"MM\0\x2a"[..] } else { &b"II\x2a\0"[..] },
            &long(8),
            &short(2),
            &entry(0x0112, 3, 1, orientation),
            &entry(0x927c, 7, note.len() as u32, long((data + thumbnail.len()) as u32)),
            &long(second as u32),
            &short(2),
            &entry(0x0201, 4, 1, long(data as u32)),
            &entry(0x0202, 4, 1, long(thumbnail.len() as u32)),
            &long(0),
            thumbnail,
            &note,
        ]
        .concat()
    }

    #[test]
    fn small_pictures_go_and_the_rest_stays() {
        for big_endian in [false, true] {
            let exif = exif(b"a thumbnail that is no JPEG", big_endian);
            let stripped =
                Metadata { exif: Some(exif.clone()), ..Metadata::default() }.without_thumbnails();
            assert_eq!(stripped.orientation(), Orientation::Rotate90);
            let stripped = stripped.exif.unwrap();
            let has = |what: &[u8]| stripped.windows(what.len()).any(|window| window == what);
            assert!(!has(b"thumbnail") && !has(&JPEG_START) && has(b"note") && has(b"end"));
            assert_eq!(stripped.len(), exif.len());
            assert_eq!(
                Directory::first(&stripped).unwrap().long(&stripped, 34),
                Some(0),
                "the chain ends with the first"
            );
        }
    }

    #[test]
    fn what_cannot_be_followed_is_left_away() {
        let complete = exif(b"thumbnail", false);
        for exif in [&b""[..], b"II", b"nothing at all", &complete[..20], &complete[..40]] {
            let stripped =
                Metadata { exif: Some(exif.to_vec()), ..Metadata::default() }.without_thumbnails();
            assert_eq!(stripped.exif, None, "{exif:?}");
        }
    }
}
