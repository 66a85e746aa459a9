//! Raw files of cameras: the largest JPEG in them.
//!
//! A raw file holds the sensor's values, which every program develops in its own way, and pictures
//! that the camera made of them. The largest of these is what the camera showed, and is decoded as
//! any JPEG. It is found through the directories of the file where it has some (DNG, NEF, CR2, ARW,
//! PEF, RW2), or else by its own beginning (RAF, CR3, ORF). The orientation is that of the file.

use std::borrow::Cow;

use image::metadata::Orientation;

use super::open::{Decoded, Source};
use super::orientation::swaps_width_and_height;
use super::tiff::{Directory, TiffFile};
use super::{PictureError, PictureFormat, jpeg, tiff};

/// Maximum number of directories that are looked at.
const MAX_DIRECTORIES: usize = 64;
/// Maximum number of pictures that are looked at.
const MAX_PREVIEWS: usize = 256;

/// Bytes at a file's beginning in which its directories are looked for.
const MAX_HEAD_BYTES: usize = 1 << 20;

const NEW_SUBFILE_TYPE: u16 = 254;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const MAKE: u16 = 271;
const STRIP_OFFSETS: u16 = 273;
const STRIP_BYTE_COUNTS: u16 = 279;
const SUB_DIRECTORIES: u16 = 330;
const JPEG_OFFSET: u16 = 513;
const JPEG_LENGTH: u16 = 514;
/// Panasonic's preview.
const JPEG_FROM_RAW: u16 = 46;
const DNG_VERSION: u16 = 50706;
/// Photometric interpretations of sensors: a colour filter array, and linear raw (DNG 1.7, chapter
/// 4).
const SENSOR: [u64; 2] = [32803, 34892];
/// Compressions of Nikon, Sony, Pentax, Samsung, Kodak and of packed sensor values.
const RAW_COMPRESSIONS: [u64; 9] = [34713, 34892, 32767, 32769, 32770, 32772, 65535, 65000, 262];

/// Returns whether bytes are a raw file.
pub(super) fn is_raw(bytes: &[u8]) -> bool {
    let starts: [&[u8]; 5] = [b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0"];
    let is_cr2 = bytes.starts_with(b"II*\0") && bytes.get(8..10) == Some(b"CR");
    if starts.iter().any(|start| bytes.starts_with(start)) || is_cr2 || is_cr3(bytes) {
        return true;
    }
    let Some(file) = TiffFile::new(bytes) else { return false };
    let directories = directories(&file);
    // The first picture of a file is a smaller copy, and the photo is below it.
    let begins_with_copy =
        directories.first().is_some_and(|first| is_reduced(first) && first.has(SUB_DIRECTORIES));
    begins_with_copy
        || directories.iter().any(|directory| {
            let number = |tag: u16| directory.number(tag).unwrap_or(0);
            directory.has(DNG_VERSION)
                || SENSOR.contains(&number(PHOTOMETRIC))
                || directory.has(MAKE) && RAW_COMPRESSIONS.contains(&number(COMPRESSION))
        })
}

fn is_cr3(bytes: &[u8]) -> bool {
    bytes.get(4..12) == Some(b"ftypcrx ")
}

/// Decodes the largest JPEG of a raw file.
pub(super) fn decode(source: &Source<'_>) -> Result<Decoded, PictureError> {
    let orientation = orientation(source.bytes);
    let mut decoded = match largest_preview(source.bytes) {
        Some(preview) => {
            let mut options = source.options.clone();
            if orientation.is_some_and(swaps_width_and_height) && !options.ignore_orientation {
                options.min_decode_size =
                    options.min_decode_size.map(|[rows, columns]| [columns, rows]);
            }
            // The orientation of the preview itself is that of the file, if there is one.
            options.ignore_orientation |= orientation.is_some();
            let format = PictureFormat::Jpeg;
            jpeg::decode(&Source { bytes: preview, format, options: &options, ..*source })?
        }
        None => decode_plain(source)?,
    };
    if let Some(orientation) = orientation {
        decoded.orientation = orientation;
    }
    Ok(decoded)
}

/// Decodes the picture of full size of a file that has no JPEG, if that is no sensor's.
fn decode_plain(source: &Source<'_>) -> Result<Decoded, PictureError> {
    let directories = TiffFile::new(source.bytes).map(|file| directories(&file));
    let full_size = directories.into_iter().flatten().find(|directory| {
        let is_plain = directory.number(PHOTOMETRIC).is_some_and(|kind| !SENSOR.contains(&kind));
        // That JPEG was found to be none.
        let is_jpeg = matches!(directory.number(COMPRESSION), Some(6 | 7));
        !is_reduced(directory) && is_plain && !is_jpeg
    });
    let directory =
        full_size.ok_or_else(|| source.unsupported("a raw photo without a JPEG of it inside"))?;
    tiff::pixels::decode_directory(source, directory)
}

/// Returns whether a directory is that of a smaller copy.
fn is_reduced(directory: &Directory<'_>) -> bool {
    directory.number(NEW_SUBFILE_TYPE).is_some_and(|kind| kind & 1 == 1)
}

/// Returns the EXIF blocks of a raw file, the one that says the time first: its own directories,
/// and what its preview has.
pub(super) fn exif_blocks(bytes: &[u8]) -> Vec<Cow<'_, [u8]>> {
    if is_cr3(bytes) {
        // The details with the time, and the first directory with the orientation.
        let head = &bytes[..bytes.len().min(MAX_HEAD_BYTES)];
        let block = |name: &[u8]| {
            let at = head.windows(name.len()).position(|window| window == name)?;
            head.get(at + name.len()..).map(Cow::Borrowed)
        };
        return [b"CMT2", b"CMT1"].into_iter().filter_map(|name| block(name)).collect();
    }
    if bytes.starts_with(b"II*\0") || bytes.starts_with(b"MM\0*") {
        return vec![Cow::Borrowed(bytes)];
    }
    let own = TiffFile::new(bytes).map(|_| Cow::Owned(with_usual_magic(bytes)));
    let of_preview = largest_preview(bytes).and_then(super::exif::in_jpeg).map(Cow::Borrowed);
    own.into_iter().chain(of_preview).collect()
}

/// Returns the beginning of a file of Olympus or Panasonic, where its directories are, as a TIFF:
/// their magic numbers are others.
fn with_usual_magic(bytes: &[u8]) -> Vec<u8> {
    let mut head = bytes[..bytes.len().min(MAX_HEAD_BYTES)].to_vec();
    let magic: [u8; 2] = if head.starts_with(b"MM") { [0, 42] } else { [42, 0] };
    if let Some(field) = head.get_mut(2..4) {
        field.copy_from_slice(&magic);
    }
    head
}

/// Returns the orientation that a raw file or its preview states.
pub(super) fn orientation(bytes: &[u8]) -> Option<Orientation> {
    exif_blocks(bytes).iter().find_map(|block| Orientation::from_exif_chunk(block))
}

/// Returns the JPEG of the most pixels, from its beginning on.
fn largest_preview(bytes: &[u8]) -> Option<&[u8]> {
    let in_directories = TiffFile::new(bytes)
        .map(|file| directories(&file).iter().flat_map(|each| previews(each, bytes)).collect())
        .unwrap_or_default();
    largest(in_directories).or_else(|| largest(jpegs(bytes)))
}

fn largest(previews: Vec<&[u8]>) -> Option<&[u8]> {
    let sized = previews.into_iter().filter_map(|preview| Some((area(preview)?, preview)));
    sized.max_by_key(|(area, _)| *area).map(|(_, preview)| preview)
}

/// Returns the directories of a file: the chain, and those below each.
fn directories<'a>(file: &TiffFile<'a>) -> Vec<Directory<'a>> {
    let mut directories: Vec<Directory<'a>> = Vec::new();
    let mut waiting: Vec<u64> = Vec::new();
    let mut next = file.first();
    while let Some(directory) = next.filter(|_| directories.len() < MAX_DIRECTORIES) {
        waiting.extend(directory.numbers(SUB_DIRECTORIES).unwrap_or_default());
        if directory.next > 0 {
            waiting.push(directory.next);
        }
        directories.push(directory);
        next = std::iter::from_fn(|| waiting.pop()).find_map(|offset| file.directory(offset));
    }
    directories
}

/// Returns the JPEGs of a directory.
fn previews<'a>(directory: &Directory<'a>, bytes: &'a [u8]) -> Vec<&'a [u8]> {
    let pair = |offset: u16, length: u16| {
        let (offset, length) = (directory.number(offset)?, directory.number(length)?);
        let (start, length) = (usize::try_from(offset).ok()?, usize::try_from(length).ok()?);
        bytes.get(start..start.checked_add(length)?)
    };
    let mut previews: Vec<&[u8]> = Vec::new();
    previews.extend(pair(JPEG_OFFSET, JPEG_LENGTH));
    let is_jpeg = matches!(directory.number(COMPRESSION), Some(6 | 7));
    if is_jpeg && directory.numbers(STRIP_OFFSETS).is_some_and(|offsets| offsets.len() == 1) {
        previews.extend(pair(STRIP_OFFSETS, STRIP_BYTE_COUNTS));
    }
    previews.extend(directory.bytes(JPEG_FROM_RAW));
    previews
}

/// Returns what begins as JPEGs do, to the end of the file.
fn jpegs(bytes: &[u8]) -> Vec<&[u8]> {
    let mut previews = Vec::new();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(3).position(|window| window == [0xff, 0xd8, 0xff]) {
        previews.push(&bytes[at + found..]);
        at += found + 3;
        if previews.len() == MAX_PREVIEWS {
            break;
        }
    }
    previews
}

/// Returns the pixels of a JPEG by its frame header; `None` if it is no JPEG of a coding that is
/// decoded, such as the lossless one of sensors.
fn area(jpeg: &[u8]) -> Option<u64> {
    let mut at = 2;
    jpeg.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let &[0xff, marker, high, low] = jpeg.get(at..)?.first_chunk()? else { return None };
        match marker {
            0xc0..=0xc2 => {
                let &[height1, height2, width1, width2] = jpeg.get(at + 5..)?.first_chunk()?;
                let height = u64::from(u16::from_be_bytes([height1, height2]));
                return Some(height * u64::from(u16::from_be_bytes([width1, width2])));
            }
            // Tables and applications' segments.
            0xc4 | 0xdb | 0xdd | 0xe0..=0xef | 0xfe => {
                at += 2 + usize::from(u16::from_be_bytes([high, low]));
            }
            _ => return None,
        }
    }
}
