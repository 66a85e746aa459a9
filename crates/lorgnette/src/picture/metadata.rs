//! The metadata that a copy of a photo gets: what is known and shows no picture.
//!
//! Nothing is taken over as it is found. The few known values are read, and written anew: the
//! orientation, the time it was taken, the resolution, the colour profile. Thumbnails, previews,
//! makers' notes, XMP, IPTC and everything else that could show the photo as it was have no way
//! into a copy.

use std::borrow::Cow;
use std::io::Cursor;

use image::metadata::Orientation;
use image::{ImageDecoder, ImageReader, Limits};

use self::directory::Directory;
use super::raster::{image_format, webp_chunk};
use super::{PictureFormat, raw, xmp};

mod directory;

/// Metadata of a photo: orientation, time, resolution and colour profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The EXIF orientation, 2 to 8; `None` for upright.
    orientation: Option<u8>,
    /// `YYYY:MM:DD HH:MM:SS`.
    taken: Option<[u8; 19]>,
    resolution: Option<Resolution>,
    icc: Option<Vec<u8>>,
}

/// Pixels an inch or a centimetre.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Resolution {
    /// Numerator and denominator, across and down.
    pixels: [(u32, u32); 2],
    /// EXIF's number: 2 an inch, 3 a centimetre.
    unit: u8,
}

/// Maximum bytes that a decoder may allocate for metadata.
const MAX_DECODER_BYTES: u64 = 64 << 20;

/// Tags of EXIF 3.0.
mod tag {
    pub(super) const ORIENTATION: u16 = 0x0112;
    pub(super) const X_RESOLUTION: u16 = 0x011a;
    pub(super) const Y_RESOLUTION: u16 = 0x011b;
    pub(super) const RESOLUTION_UNIT: u16 = 0x0128;
    pub(super) const DATE_TIME: u16 = 0x0132;
    pub(super) const EXIF_DIRECTORY: u16 = 0x8769;
    pub(super) const ICC_PROFILE: u16 = 0x8773;
    pub(super) const DATE_TIME_ORIGINAL: u16 = 0x9003;
}

/// Types of EXIF's values.
mod kind {
    pub(super) const ASCII: u16 = 2;
    pub(super) const SHORT: u16 = 3;
    pub(super) const LONG: u16 = 4;
    pub(super) const RATIONAL: u16 = 5;
}

impl Metadata {
    /// Reads the metadata of a photo's file; empty if it cannot be read.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        match super::format::detect(bytes, "") {
            Ok(format @ PictureFormat::WebP) => {
                let (exif, icc) = (super::exif_block(bytes), webp_chunk(bytes, b"ICCP"));
                Self::from_parts(exif.as_deref(), icc).or_turned_by_xmp(
                    bytes,
                    format,
                    exif.as_deref(),
                )
            }
            Ok(format @ PictureFormat::Tiff) => {
                let icc = Directory::first(bytes)
                    .and_then(|directory| directory.bytes(bytes, tag::ICC_PROFILE));
                Self::from_parts(Some(bytes), icc).or_turned_by_xmp(bytes, format, Some(bytes))
            }
            Ok(format @ (PictureFormat::Jpeg | PictureFormat::Png)) => {
                let read = || {
                    let mut reader =
                        ImageReader::with_format(Cursor::new(bytes), image_format(format)?);
                    let mut limits = Limits::no_limits();
                    limits.max_alloc = Some(MAX_DECODER_BYTES);
                    reader.limits(limits);
                    let mut decoder = reader.into_decoder().ok()?;
                    let exif = match format {
                        PictureFormat::Png => super::exif_block(bytes).map(Cow::into_owned),
                        _ => decoder.exif_metadata().ok().flatten(),
                    };
                    let icc = decoder.icc_profile().ok().flatten();
                    let exif = exif.as_deref();
                    let metadata = Self::from_parts(exif, icc.as_deref());
                    Some(metadata.or_turned_by_xmp(bytes, format, exif))
                };
                // A panic in damaged metadata must not lose the photo.
                super::open::catch_decoder(read).ok().flatten().unwrap_or_default()
            }
            Ok(PictureFormat::Raw) => Self::of_raw(bytes),
            // Their orientation is a property of the file, which their decoders apply.
            Ok(PictureFormat::Heic | PictureFormat::Avif | PictureFormat::JpegXl) => {
                let block = super::open::catch_decoder(|| super::exif_block(bytes));
                Self::from_parts(block.ok().flatten().as_deref(), None).upright()
            }
            // Other formats have no metadata.
            _ => Self::default(),
        }
    }

    /// Reads the metadata of a raw file: each value from the first of its blocks that has it.
    fn of_raw(bytes: &[u8]) -> Self {
        let blocks = raw::exif_blocks(bytes);
        let all: Vec<Self> =
            blocks.iter().map(|block| Self::from_parts(Some(block), None)).collect();
        let turn = raw::orientation(bytes).map_or(1, Orientation::to_exif);
        Self {
            orientation: Some(turn).filter(|turn| *turn > 1),
            taken: all.iter().find_map(|metadata| metadata.taken),
            resolution: all.iter().find_map(|metadata| metadata.resolution),
            icc: None,
        }
    }

    /// Reads the known values of an EXIF block, beginning with its TIFF header, and checks the
    /// colour profile.
    fn from_parts(exif: Option<&[u8]>, icc: Option<&[u8]>) -> Self {
        let icc = icc.filter(|icc| is_rgb_profile(icc)).map(<[u8]>::to_vec);
        let exif = exif.unwrap_or_default();
        let Some(first) = Directory::first(exif) else { return Self { icc, ..Self::default() } };
        let details = first
            .number(exif, tag::EXIF_DIRECTORY)
            .and_then(|offset| first.at(exif, offset as usize));
        let taken = details
            .and_then(|details| details.bytes(exif, tag::DATE_TIME_ORIGINAL))
            // Canon's CR3 has the details as a block of their own.
            .or_else(|| first.bytes(exif, tag::DATE_TIME_ORIGINAL))
            .or_else(|| first.bytes(exif, tag::DATE_TIME));
        let orientation = first.number(exif, tag::ORIENTATION);
        Self {
            orientation: orientation.map(|turn| turn as u8).filter(|turn| (2..=8).contains(turn)),
            taken: taken.and_then(time),
            resolution: Resolution::read(&first, exif),
            icc,
        }
    }

    /// The same with the orientation in a file's XMP, if its EXIF block states none, as the
    /// decoders turn it.
    fn or_turned_by_xmp(self, bytes: &[u8], format: PictureFormat, exif: Option<&[u8]>) -> Self {
        let of_exif = exif
            .and_then(|exif| Directory::first(exif)?.number(exif, tag::ORIENTATION))
            .and_then(|turn| Orientation::from_exif(u8::try_from(turn).ok()?));
        let turn = xmp::orientation(bytes, format, of_exif).to_exif();
        Self { orientation: Some(turn).filter(|turn| *turn > 1), ..self }
    }

    /// The same for a picture that is upright.
    #[must_use]
    pub fn upright(self) -> Self {
        Self { orientation: None, ..self }
    }

    /// The orientation.
    #[must_use]
    pub fn orientation(&self) -> Orientation {
        let turn = self.orientation.and_then(Orientation::from_exif);
        turn.unwrap_or(Orientation::NoTransforms)
    }

    /// The time the photo was taken, `YYYY:MM:DD HH:MM:SS`.
    #[must_use]
    pub fn taken(&self) -> Option<&str> {
        self.taken.as_ref().and_then(|taken| std::str::from_utf8(taken).ok())
    }

    /// The ICC profile, if it is one for RGB, as every picture is written.
    #[must_use]
    pub fn icc(&self) -> Option<&[u8]> {
        self.icc.as_deref()
    }

    /// Writes an EXIF block of the known values, beginning with its TIFF header; `None` if there
    /// are none.
    #[must_use]
    pub fn exif(&self) -> Option<Vec<u8>> {
        let mut entries = Vec::new();
        if let Some(turn) = self.orientation {
            entries.push(Entry::short(tag::ORIENTATION, turn.into()));
        }
        if let Some(Resolution { pixels: [x, y], unit }) = self.resolution {
            entries.push(Entry::rational(tag::X_RESOLUTION, x));
            entries.push(Entry::rational(tag::Y_RESOLUTION, y));
            entries.push(Entry::short(tag::RESOLUTION_UNIT, unit.into()));
        }
        if let Some(taken) = self.taken {
            entries.push(Entry {
                tag: tag::DATE_TIME,
                kind: kind::ASCII,
                count: 20,
                value: [&taken[..], &[0]].concat(),
            });
        }
        (!entries.is_empty()).then(|| exif_block(&entries))
    }
}

impl Resolution {
    fn read(directory: &Directory, exif: &[u8]) -> Option<Self> {
        let pixels = [
            directory.rational(exif, tag::X_RESOLUTION)?,
            directory.rational(exif, tag::Y_RESOLUTION)?,
        ];
        let unit = directory.number(exif, tag::RESOLUTION_UNIT).unwrap_or(2) as u8;
        let is_valid = |&(above, below): &(u32, u32)| above > 0 && below > 0;
        let known = pixels.iter().all(is_valid) && matches!(unit, 2 | 3);
        known.then_some(Self { pixels, unit })
    }
}

/// An entry of an EXIF directory, little endian.
struct Entry {
    tag: u16,
    kind: u16,
    count: u32,
    value: Vec<u8>,
}

impl Entry {
    fn short(tag: u16, value: u16) -> Self {
        Self { tag, kind: kind::SHORT, count: 1, value: value.to_le_bytes().to_vec() }
    }

    fn rational(tag: u16, (above, below): (u32, u32)) -> Self {
        let value = [above.to_le_bytes(), below.to_le_bytes()].concat();
        Self { tag, kind: kind::RATIONAL, count: 1, value }
    }
}

/// A block of one directory. Entries are in ascending order of their tags.
fn exif_block(entries: &[Entry]) -> Vec<u8> {
    const HEADER: usize = 8;
    let mut values: Vec<u8> = Vec::new();
    let values_start = HEADER + 2 + 12 * entries.len() + 4;
    let mut block = b"II\x2a\0".to_vec();
    block.extend((HEADER as u32).to_le_bytes());
    block.extend((entries.len() as u16).to_le_bytes());
    for Entry { tag, kind, count, value } in entries {
        block.extend(tag.to_le_bytes());
        block.extend(kind.to_le_bytes());
        block.extend(count.to_le_bytes());
        let mut field = [0; 4];
        if let Some(start) = field.get_mut(..value.len()) {
            start.copy_from_slice(value);
        } else {
            field = ((values_start + values.len()) as u32).to_le_bytes();
            values.extend(value);
        }
        block.extend(field);
    }
    // There is no next directory.
    block.extend([0; 4]);
    block.extend(values);
    block
}

/// The time of an EXIF text, if it is digits where digits belong.
fn time(text: &[u8]) -> Option<[u8; 19]> {
    const PATTERN: &[u8; 19] = b"dddd:dd:dd dd:dd:dd";
    let time: [u8; 19] = *text.first_chunk()?;
    let fits = |(&letter, &sign): (&u8, &u8)| match sign {
        b'd' => letter.is_ascii_digit(),
        sign => letter == sign,
    };
    time.iter().zip(PATTERN).all(fits).then_some(time)
}

/// True if these are the bytes of an ICC profile for RGB, and nothing behind it (ICC.1:2022, 7.2).
fn is_rgb_profile(icc: &[u8]) -> bool {
    let length = icc.first_chunk().map(|length| u32::from_be_bytes(*length) as usize);
    length == Some(icc.len())
        && icc.get(16..20) == Some(b"RGB ")
        && icc.get(36..40) == Some(b"acsp")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EXIF with known values, a maker's note and a thumbnail.
    fn exif(big_endian: bool) -> Vec<u8> {
        let short = |value: u16| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let long = |value: u32| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
            [&short(tag)[..], &short(kind), &long(count), &value].concat()
        };
        let short_value = |value: u16| {
            let [a, b] = short(value);
            [a, b, 0, 0]
        };
        let data = 8 + 2 + 12 * 7 + 4;
        let note = b"a maker's note, \xff\xd8\xff and so on";
        [
            if big_endian { &b"MM\0\x2a"[..] } else { &b"II\x2a\0"[..] },
            &long(8),
            &short(7),
            &entry(tag::ORIENTATION, kind::SHORT, 1, short_value(6)),
            &entry(tag::X_RESOLUTION, kind::RATIONAL, 1, long(data + 20)),
            &entry(tag::Y_RESOLUTION, kind::RATIONAL, 1, long(data + 20)),
            &entry(tag::RESOLUTION_UNIT, kind::SHORT, 1, short_value(2)),
            &entry(tag::DATE_TIME, kind::ASCII, 20, long(data)),
            &entry(0x0201, kind::LONG, 1, long(data + 28)),
            &entry(0x927c, 7, note.len() as u32, long(data + 28)),
            &long(0),
            b"2024:05:06 07:08:09\0",
            &long(300),
            &long(1),
            note,
        ]
        .concat()
    }

    #[test]
    fn known_values_are_written_anew_and_nothing_else() {
        for big_endian in [false, true] {
            let metadata = Metadata::from_parts(Some(&exif(big_endian)), None);
            assert_eq!(metadata.orientation(), Orientation::Rotate90);
            assert_eq!(metadata.taken(), Some("2024:05:06 07:08:09"));
            let written = metadata.exif().unwrap();
            assert_eq!(Metadata::from_parts(Some(&written), None), metadata);
            assert_eq!(written.len(), 8 + 2 + 5 * 12 + 4 + 8 + 8 + 20);
            assert_eq!(metadata.upright().orientation(), Orientation::NoTransforms);
        }
    }

    /// Of a JPEG that only XMP turns, a copy is turned by EXIF, and is the same scan.
    #[test]
    fn a_turn_by_xmp_is_written_anew() {
        let levels = (0..24 * 16 * 3).map(|i| (i * 7 % 251) as u8).collect();
        let upright = crate::Picture::from_rgb8(24, 16, levels).unwrap().to_jpeg(90).unwrap();
        let packet = b"http://ns.adobe.com/xap/1.0/\0<rdf:Description tiff:Orientation=\"6\"/>";
        let length = (packet.len() as u16 + 2).to_be_bytes();
        let turned = [&upright[..2], &[0xff, 0xe1], &length, &packet[..], &upright[2..]].concat();
        let metadata = Metadata::from_bytes(&turned);
        assert_eq!(metadata.orientation(), Orientation::Rotate90);
        for ignore_orientation in [false, true] {
            let options = crate::picture::OpenOptions { ignore_orientation, ..Default::default() };
            let picture = options.decode(&turned, "turned.jpg").unwrap();
            assert_eq!(picture.width(), if ignore_orientation { 24 } else { 16 });
            let copy = picture.copy_alone(&turned, &metadata, !ignore_orientation);
            let copy = copy.expect("the scan is copied");
            assert!(!copy.windows(4).any(|bytes| bytes == b"tiff"));
            assert_eq!(Metadata::from_bytes(&copy).orientation(), Orientation::Rotate90);
        }
    }

    #[test]
    fn damaged_blocks_and_odd_values_are_left_out() {
        let complete = exif(false);
        for end in 0..complete.len() {
            let _ = Metadata::from_parts(Some(&complete[..end]), None);
        }
        assert_eq!(Metadata::from_parts(Some(b"II\x2a\0"), None), Metadata::default());
        assert_eq!(Metadata::from_parts(None, None).exif(), None);
        assert_eq!(time(b"2024:05:06 07:08"), None);
        assert_eq!(time(b"   :  :     :  :  \0"), None);
    }

    #[test]
    fn a_profile_is_one_for_rgb_and_whole() {
        let mut icc = vec![0; 128];
        icc[..4].copy_from_slice(&128_u32.to_be_bytes());
        icc[16..20].copy_from_slice(b"RGB ");
        icc[36..40].copy_from_slice(b"acsp");
        let read = |icc: &[u8]| Metadata::from_parts(None, Some(icc)).icc().is_some();
        assert!(read(&icc));
        assert!(!read(&[&icc[..], b"and a picture"].concat()));
        icc[16..20].copy_from_slice(b"CMYK");
        assert!(!read(&icc) && !read(b"short"));
    }
}
