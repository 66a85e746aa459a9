//! Reads a JPEG's markers, from the start of the image to its end.

use image::metadata::Orientation;

use super::super::PictureError;
use super::super::open::Source;

pub(super) const DHT: u8 = 0xC4;
const SOI: u8 = 0xD8;
pub(super) const EOI: u8 = 0xD9;
pub(super) const SOS: u8 = 0xDA;
pub(super) const DQT: u8 = 0xDB;
pub(super) const DRI: u8 = 0xDD;
const APP0: u8 = 0xE0;
const APP1: u8 = 0xE1;
const APP14: u8 = 0xEE;
/// TEM and the restart markers are standalone: no segment follows.
const TEM: u8 = 0x01;

/// The contents of the markers.
#[derive(Debug, Default)]
pub(super) struct Layout<'a> {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) components: Vec<Component>,
    pub(super) progressive: bool,
    /// A JFIF marker means YCbCr.
    pub(super) jfif: bool,
    /// The colour transform of Adobe's marker: 0 none, 1 YCbCr, 2 YCCK.
    pub(super) adobe_transform: Option<u8>,
    /// The EXIF block, beginning with its TIFF header.
    pub(super) exif: Option<&'a [u8]>,
}

/// One component of the frame: its identifier, its sampling factors (1 to 4), its quantisation
/// table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Component {
    pub(super) id: u8,
    pub(super) horizontal: u8,
    pub(super) vertical: u8,
    pub(super) table: u8,
}

impl<'a> Layout<'a> {
    /// Reads the markers of the whole file.
    ///
    /// A file without an end-of-image marker is truncated, as in TensorFlow; data after the marker
    /// is ignored.
    pub(super) fn read(source: &Source<'a>) -> Result<Self, PictureError> {
        let mut layout = Self::default();
        let mut reader = MarkerReader { bytes: source.bytes, at: 0 };
        loop {
            let Some(marker) = reader.next_marker() else { return Err(no_end(source)) };
            match marker {
                EOI if layout.components.is_empty() => {
                    return Err(source.damaged("it has no picture before its end"));
                }
                EOI => return Ok(layout),
                marker if is_standalone(marker) => {}
                _ => {
                    let segment = reader.segment().ok_or_else(|| no_end(source))?;
                    layout.read_segment(source, marker, segment)?;
                }
            }
        }
    }

    /// Reads one segment.
    fn read_segment(
        &mut self,
        source: &Source<'_>,
        marker: u8,
        segment: &'a [u8],
    ) -> Result<(), PictureError> {
        match marker {
            0xC0..=0xC2 => {
                self.read_frame(source, segment)?;
                self.progressive = marker == 0xC2;
            }
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                return Err(source.unsupported(coding(marker)));
            }
            SOS if self.components.is_empty() => {
                return Err(source.damaged("its scan comes before its frame"));
            }
            APP0 => self.jfif |= segment.len() >= 12 && segment.starts_with(b"JFIF\0"),
            APP1 if self.exif.is_none() => self.exif = segment.strip_prefix(b"Exif\0\0"),
            APP14 if segment.len() >= 12 && segment.starts_with(b"Adobe") => {
                self.adobe_transform = Some(segment[11]);
            }
            _ => {}
        }
        Ok(())
    }

    /// Start of frame: precision, height, width, and three bytes a component.
    fn read_frame(&mut self, source: &Source<'_>, segment: &[u8]) -> Result<(), PictureError> {
        if !self.components.is_empty() {
            return Err(source.damaged("it has two frames"));
        }
        let Some((head, components)) = segment.split_first_chunk::<6>() else {
            return Err(source.damaged("its frame header is too short"));
        };
        if head[0] != 8 {
            return Err(source.unsupported(format!("a JPEG of {} bits a sample", head[0])));
        }
        self.height = usize::from(u16::from_be_bytes([head[1], head[2]]));
        self.width = usize::from(u16::from_be_bytes([head[3], head[4]]));
        self.components =
            components.chunks_exact(3).take(usize::from(head[5])).map(Component::read).collect();
        let sampled =
            |c: &Component| (1..=4).contains(&c.horizontal) && (1..=4).contains(&c.vertical);
        if self.components.is_empty() || !self.components.iter().all(sampled) {
            return Err(source.damaged("its frame header contradicts itself"));
        }
        Ok(())
    }

    /// The orientation in EXIF.
    pub(super) fn orientation(&self) -> Orientation {
        self.exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms)
    }

    /// Number of 8 x 8 blocks of the largest component, a lower bound for the whole file.
    pub(super) fn min_blocks(&self) -> u64 {
        let widest = self.components.iter().map(|c| u64::from(c.horizontal)).max().unwrap_or(1);
        let tallest = self.components.iter().map(|c| u64::from(c.vertical)).max().unwrap_or(1);
        let blocks = |c: &Component| {
            let columns = (self.width as u64 * u64::from(c.horizontal)).div_ceil(8 * widest);
            let rows = (self.height as u64 * u64::from(c.vertical)).div_ceil(8 * tallest);
            columns * rows
        };
        self.components.iter().map(blocks).max().unwrap_or(0)
    }
}

impl Component {
    fn read(bytes: &[u8]) -> Self {
        Self { id: bytes[0], horizontal: bytes[1] >> 4, vertical: bytes[1] & 15, table: bytes[2] }
    }
}

/// A position in the file.
pub(super) struct MarkerReader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> MarkerReader<'a> {
    /// Returns the next marker's code, skipping coefficients (where 255 is followed by 0), fill
    /// bytes, and garbage, as libjpeg does. `None` at the end of the file.
    pub(super) fn next_marker(&mut self) -> Option<u8> {
        loop {
            let rest = self.bytes.get(self.at..)?;
            self.at += rest.iter().position(|&byte| byte == 0xFF)? + 1;
            let code = *self.bytes.get(self.at)?;
            if code != 0 && code != 0xFF {
                self.at += 1;
                return Some(code);
            }
        }
    }

    /// The segment at this position, without the two bytes of its length; `None` if it is
    /// truncated.
    pub(super) fn segment(&mut self) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.at..)?;
        let (length, _) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length)).max(2);
        let segment = rest.get(2..length)?;
        self.at += length;
        Some(segment)
    }
}

/// Markers without a segment: restarts, a second start of image, TEM.
pub(super) fn is_standalone(marker: u8) -> bool {
    matches!(marker, SOI | TEM | 0xD0..=0xD7)
}

fn no_end(source: &Source<'_>) -> PictureError {
    source.ends_early(format!(
        "it stops at {} bytes, without an end-of-image marker",
        source.bytes.len()
    ))
}

/// The name of a coding process that TensorFlow's build of libjpeg does not decode.
fn coding(marker: u8) -> String {
    let process = match marker {
        0xC3 => "lossless",
        0xC5..=0xC7 => "hierarchical",
        0xC9 | 0xCA => "arithmetic",
        _ => "differential",
    };
    format!("a JPEG of {process} coding")
}
