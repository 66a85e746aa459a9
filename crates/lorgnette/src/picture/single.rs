//! Copies the one picture of a JPEG or PNG file without decoding it, and nothing else.
//!
//! Only the segments and chunks that the pixels depend on are copied. Metadata is written anew.

use super::save;
use super::{Metadata, Picture, PictureFormat};

/// JPEG: start and end of the image, start of a scan, and the segments of applications.
const SOI: [u8; 2] = [0xff, 0xd8];
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const APP0: u8 = 0xe0;
const APP14: u8 = 0xee;
const COM: u8 = 0xfe;
/// Length of the content of a JFIF segment without a thumbnail, and of Adobe's segment.
const JFIF_BYTES: usize = 14;
const ADOBE_BYTES: usize = 12;
/// PNG: the signature, and the chunks that pixels depend on (PNG 3, section 11).
const PNG_SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";
const PIXEL_CHUNKS: [&[u8; 4]; 5] = [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"];
/// The chunks of colours, of fixed lengths.
const COLOUR_CHUNKS: [(&[u8; 4], usize); 3] = [(b"gAMA", 4), (b"cHRM", 32), (b"sRGB", 1)];

/// Copies the picture of a file with new metadata; `None` if the file is of another format or its
/// parts cannot be followed.
pub(super) fn copy(file: &[u8], format: PictureFormat, metadata: &Metadata) -> Option<Vec<u8>> {
    // The encoder puts metadata into segments and chunks.
    let pixel = Picture::from_rgb8(1, 1, vec![0; 3]).ok()?;
    let sample = save::encode(&pixel, format, save::JPEG_QUALITY, metadata).ok()?;
    match format {
        PictureFormat::Jpeg => copy_jpeg(file, &sample),
        PictureFormat::Png => copy_png(file, &sample),
        _ => None,
    }
}

fn copy_jpeg(file: &[u8], sample: &[u8]) -> Option<Vec<u8>> {
    let mut applications = Vec::new();
    let mut coding = Vec::new();
    for segment in jpeg_segments(file) {
        let Segment { marker, content, entropy_coded } = segment?;
        match marker {
            // Density only; the thumbnail behind it is left out.
            APP0 if content.starts_with(b"JFIF\0") && content.len() >= JFIF_BYTES => {
                let jfif = [&content[..JFIF_BYTES - 2], &[0, 0]].concat();
                write_segment(&mut applications, marker, &jfif);
            }
            // Its last byte says how colours are coded.
            APP14 if content.starts_with(b"Adobe") && content.len() >= ADOBE_BYTES => {
                write_segment(&mut applications, marker, &content[..ADOBE_BYTES]);
            }
            APP0..=0xef | COM => {}
            marker => {
                write_segment(&mut coding, marker, content);
                coding.extend(entropy_coded);
            }
        }
    }
    for segment in jpeg_segments(sample) {
        let Segment { marker, content, .. } = segment?;
        // EXIF and the colour profile.
        if (APP0 + 1..=0xef).contains(&marker) {
            write_segment(&mut applications, marker, content);
        }
    }
    Some([&SOI[..], &applications, &coding, &[0xff, EOI]].concat())
}

fn write_segment(out: &mut Vec<u8>, marker: u8, content: &[u8]) {
    out.extend([0xff, marker]);
    out.extend((content.len() as u16 + 2).to_be_bytes());
    out.extend(content);
}

/// A segment of a JPEG, and the entropy-coded data behind it.
struct Segment<'a> {
    marker: u8,
    content: &'a [u8],
    entropy_coded: &'a [u8],
}

/// The segments up to the end of the image; `None` where they cannot be followed.
fn jpeg_segments(file: &[u8]) -> impl Iterator<Item = Option<Segment<'_>>> {
    let mut rest = file.strip_prefix(&SOI);
    std::iter::from_fn(move || {
        let mut bytes = rest?;
        // Fill bytes.
        while let [0xff, 0xff, ..] = bytes {
            bytes = &bytes[1..];
        }
        let [0xff, marker, behind @ ..] = bytes else {
            rest = None;
            return Some(None);
        };
        if *marker == EOI {
            rest = None;
            return None;
        }
        let segment = read_segment(*marker, behind);
        rest = segment.as_ref().map(|(_, behind)| *behind);
        Some(segment.map(|(segment, _)| segment))
    })
}

fn read_segment(marker: u8, bytes: &[u8]) -> Option<(Segment<'_>, &[u8])> {
    let length = usize::from(u16::from_be_bytes(*bytes.first_chunk()?));
    let content = bytes.get(2..length)?;
    let behind = &bytes[length..];
    let data = if marker == SOS { entropy_coded_len(behind)? } else { 0 };
    let (entropy_coded, behind) = behind.split_at(data);
    Some((Segment { marker, content, entropy_coded }, behind))
}

/// Length of the entropy-coded data up to the next marker. Restart markers belong to it.
fn entropy_coded_len(data: &[u8]) -> Option<usize> {
    let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff);
    data.windows(2).position(is_marker)
}

fn copy_png(file: &[u8], sample: &[u8]) -> Option<Vec<u8>> {
    let mut out = PNG_SIGNATURE.to_vec();
    let mut is_whole = false;
    for chunk in png_chunks(file) {
        let Chunk { name, data, all } = chunk?;
        let is_colour = COLOUR_CHUNKS.contains(&(name, data.len()));
        if is_colour || PIXEL_CHUNKS.contains(&name) {
            out.extend(all);
        }
        if name == b"IHDR" {
            let metadata = png_chunks(sample).flatten();
            let metadata = metadata.filter(|chunk| !PIXEL_CHUNKS.contains(&chunk.name));
            out.extend(metadata.flat_map(|chunk| chunk.all));
        }
        is_whole |= name == b"IEND";
    }
    is_whole.then_some(out)
}

/// A chunk of a PNG.
struct Chunk<'a> {
    name: &'a [u8; 4],
    data: &'a [u8],
    /// With its length and its checksum.
    all: &'a [u8],
}

/// The chunks up to the last; `None` where they cannot be followed.
fn png_chunks(file: &[u8]) -> impl Iterator<Item = Option<Chunk<'_>>> {
    let mut rest = file.strip_prefix(PNG_SIGNATURE);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let chunk = read_chunk(bytes);
        rest = match &chunk {
            Some(chunk) if chunk.name != b"IEND" => Some(&bytes[chunk.all.len()..]),
            _ => None,
        };
        Some(chunk)
    })
}

fn read_chunk(bytes: &[u8]) -> Option<Chunk<'_>> {
    let length = u32::from_be_bytes(*bytes.first_chunk()?) as usize;
    let name = bytes.get(4..8)?.first_chunk()?;
    let data = bytes.get(8..)?.get(..length)?;
    Some(Chunk { name, data, all: bytes.get(..length + 12)? })
}
