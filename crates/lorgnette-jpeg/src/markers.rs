//! Reads a JPEG's markers, from the start of the image to its end.

use crate::error::Error;

pub(crate) const DHT: u8 = 0xC4;
const SOI: u8 = 0xD8;
pub(crate) const EOI: u8 = 0xD9;
pub(crate) const SOS: u8 = 0xDA;
pub(crate) const DQT: u8 = 0xDB;
pub(crate) const DRI: u8 = 0xDD;
const APP0: u8 = 0xE0;
const APP1: u8 = 0xE1;
const APP14: u8 = 0xEE;
/// TEM and the restart markers are standalone: no segment follows.
const TEM: u8 = 0x01;
/// Codes that no marker has.
const RESERVED_FIRST: u8 = 0x02;
const RESERVED_LAST: u8 = 0xBF;

/// The contents of the markers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout<'a> {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) components: Vec<Component>,
    pub(crate) progressive: bool,
    /// A JFIF marker means YCbCr.
    pub(crate) jfif: bool,
    /// The colour transform of Adobe's marker: 0 none, 1 YCbCr, 2 YCCK.
    pub(crate) adobe_transform: Option<u8>,
    /// The EXIF block, beginning with its TIFF header.
    pub(crate) exif: Option<&'a [u8]>,
}

/// One component of the frame: its identifier, its sampling factors (1 to 4), its quantisation
/// table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Component {
    pub(crate) id: u8,
    pub(crate) horizontal: u8,
    pub(crate) vertical: u8,
    pub(crate) table: u8,
}

impl<'a> Layout<'a> {
    /// Reads the markers of the whole file.
    ///
    /// A file without an end-of-image marker is truncated, as in TensorFlow; data after the marker
    /// is ignored. In scans with restart markers, codes that no marker has are damage, which ends
    /// at the next restart.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut layout = Self::default();
        let mut reader = MarkerReader { bytes, at: 0 };
        let (mut restarts, mut in_scan) = (false, false);
        loop {
            let Some(marker) = reader.next_marker() else { return Err(no_end(bytes)) };
            match marker {
                EOI if layout.components.is_empty() => {
                    return Err(Error::damaged("it has no picture before its end"));
                }
                EOI => return Ok(layout),
                marker if is_standalone(marker) => {}
                RESERVED_FIRST..=RESERVED_LAST if restarts && in_scan => {}
                _ => {
                    let segment = reader.segment().ok_or_else(|| no_end(bytes))?;
                    in_scan |= marker == SOS;
                    restarts |= marker == DRI && segment.iter().any(|&byte| byte != 0);
                    layout.read_segment(marker, segment)?;
                }
            }
        }
    }

    /// Reads one segment.
    fn read_segment(&mut self, marker: u8, segment: &'a [u8]) -> Result<(), Error> {
        match marker {
            0xC0..=0xC2 => {
                self.read_frame(segment)?;
                self.progressive = marker == 0xC2;
            }
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                return Err(Error::unsupported(coding(marker)));
            }
            SOS if self.components.is_empty() => {
                return Err(Error::damaged("its scan comes before its frame"));
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
    fn read_frame(&mut self, segment: &[u8]) -> Result<(), Error> {
        if !self.components.is_empty() {
            return Err(Error::damaged("it has two frames"));
        }
        let Some((head, components)) = segment.split_first_chunk::<6>() else {
            return Err(Error::damaged("its frame header is too short"));
        };
        if head[0] != 8 {
            return Err(Error::unsupported(format!("a JPEG of {} bits a sample", head[0])));
        }
        self.height = usize::from(u16::from_be_bytes([head[1], head[2]]));
        self.width = usize::from(u16::from_be_bytes([head[3], head[4]]));
        self.components =
            components.chunks_exact(3).take(usize::from(head[5])).map(Component::read).collect();
        let sampled =
            |c: &Component| (1..=4).contains(&c.horizontal) && (1..=4).contains(&c.vertical);
        if self.components.is_empty() || !self.components.iter().all(sampled) {
            return Err(Error::damaged("its frame header contradicts itself"));
        }
        Ok(())
    }

    /// Number of 8 x 8 blocks of the largest component, a lower bound for the whole file.
    pub(crate) fn min_blocks(&self) -> u64 {
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
pub(crate) struct MarkerReader<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> MarkerReader<'a> {
    /// Returns the next marker's code, skipping coefficients (where 255 is followed by 0), fill
    /// bytes, and garbage, as libjpeg does. `None` at the end of the file.
    pub(crate) fn next_marker(&mut self) -> Option<u8> {
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
    pub(crate) fn segment(&mut self) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.at..)?;
        let (length, _) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length)).max(2);
        let segment = rest.get(2..length)?;
        self.at += length;
        Some(segment)
    }
}

/// Markers without a segment: restarts, a second start of image, TEM.
pub(crate) fn is_standalone(marker: u8) -> bool {
    matches!(marker, SOI | TEM | 0xD0..=0xD7)
}

fn no_end(bytes: &[u8]) -> Error {
    Error::ends_early(format!("it stops at {} bytes, without an end-of-image marker", bytes.len()))
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
