//! Pixels of the TIFFs that the `image` crate does not decode: BigTIFF, palettes, grey with alpha,
//! four bits, JPEG-compressed YCbCr, separate planes in tiles, faxes, bytes whose first bit is the
//! lowest.
//!
//! The result is what Pillow gives (libtiff): palettes as their colours at eight bits, alpha
//! dropped, grey of fewer than eight bits spread over 0 to 255.

use std::borrow::Cow;
use std::io::Read as _;

use super::super::open::{Decoded, Source};
use super::super::{OpenOptions, PictureError, PictureFormat, Pixels, Transform, jpeg, xmp};
use super::fax::{self, FaxCode, FaxSize};
use super::{
    Directory, PLANAR_CONFIGURATION, SAMPLES_PER_PIXEL, TILE_WIDTH, TiffFile, orientation,
};

const IMAGE_WIDTH: u16 = 256;
const IMAGE_LENGTH: u16 = 257;
const BITS_PER_SAMPLE: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const STRIP_OFFSETS: u16 = 273;
const ROWS_PER_STRIP: u16 = 278;
const STRIP_BYTE_COUNTS: u16 = 279;
const GROUP_3_OPTIONS: u16 = 292;
const PREDICTOR: u16 = 317;
const COLOR_MAP: u16 = 320;
const TILE_LENGTH: u16 = 323;
const TILE_OFFSETS: u16 = 324;
const TILE_BYTE_COUNTS: u16 = 325;
const SAMPLE_FORMAT: u16 = 339;
const JPEG_TABLES: u16 = 347;

/// An Adobe marker that says: no colour transform.
const ADOBE_RGB: [u8; 16] =
    [0xff, 0xee, 0, 14, b'A', b'd', b'o', b'b', b'e', 0, 100, 0, 0, 0, 0, 0];

/// Layout of a TIFF's samples.
struct Layout<'a> {
    directory: Directory<'a>,
    width: usize,
    height: usize,
    /// 1, 2, 4, 8 or 16.
    bits: usize,
    /// Samples of a pixel.
    samples: usize,
    compression: u64,
    photometric: Photometric,
    /// Whether each sample has strips or tiles of its own.
    planar: bool,
    /// Whether samples are differences to the pixel on the left.
    differences: bool,
    /// Columns and rows of a strip or tile.
    chunk: [usize; 2],
    offsets: Vec<u64>,
    lengths: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Photometric {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    Palette,
    YCbCr,
}

/// Decodes the first page.
pub(in crate::picture) fn decode(source: &Source<'_>) -> Result<Decoded, PictureError> {
    let directory = TiffFile::new(source.bytes)
        .and_then(|file| file.first())
        .ok_or_else(|| source.damaged("it has no directory"))?;
    decode_directory(source, directory)
}

/// Decodes the picture of a directory.
pub(in crate::picture) fn decode_directory(
    source: &Source<'_>,
    directory: Directory<'_>,
) -> Result<Decoded, PictureError> {
    let layout = Layout::read(source, directory)?;
    let samples = layout.samples(source)?;
    let of_directory = orientation(&layout.directory);
    let pixels = layout.to_rgb(source, &samples)?;
    let (width, height) = (layout.width, layout.height);
    Ok(Decoded {
        width,
        height,
        source_size: (width, height),
        source_channels: layout.source_channels(),
        pixels,
        orientation: xmp::orientation(source.bytes, source.format, of_directory),
    })
}

impl<'a> Layout<'a> {
    fn read(source: &Source<'_>, directory: Directory<'a>) -> Result<Self, PictureError> {
        let number = |tag: u16, default: u64| directory.number(tag).unwrap_or(default);
        let size = |tag: u16| usize::try_from(number(tag, 0)).unwrap_or(0);
        let (width, height) = (size(IMAGE_WIDTH), size(IMAGE_LENGTH));
        source.check_size(width, height)?;
        let samples = number(SAMPLES_PER_PIXEL, 1);
        let bits = directory.numbers(BITS_PER_SAMPLE).unwrap_or_else(|| vec![1]);
        let is_even = bits.iter().all(|each| *each == bits[0]);
        let unsigned = directory.numbers(SAMPLE_FORMAT).is_none_or(|formats| formats[..] != [3]);
        if !(1..=8).contains(&samples)
            || !is_even
            || !unsigned
            || ![1, 2, 4, 8, 16].contains(&bits[0])
        {
            return Err(source
                .unsupported(format!("a TIFF with {samples} samples a pixel of {bits:?} bits")));
        }
        let photometric = match number(PHOTOMETRIC, 1) {
            0 => Photometric::WhiteIsZero,
            1 => Photometric::BlackIsZero,
            2 if samples >= 3 => Photometric::Rgb,
            3 if samples == 1 || samples == 2 => Photometric::Palette,
            6 if samples >= 3 => Photometric::YCbCr,
            other => {
                return Err(
                    source.unsupported(format!("a TIFF of photometric interpretation {other}"))
                );
            }
        };
        let is_tiled = directory.has(TILE_OFFSETS);
        let rows = number(ROWS_PER_STRIP, height as u64).min(height as u64) as usize;
        let chunk = if is_tiled { [size(TILE_WIDTH), size(TILE_LENGTH)] } else { [width, rows] };
        let (offsets, lengths) = match is_tiled {
            true => (TILE_OFFSETS, TILE_BYTE_COUNTS),
            false => (STRIP_OFFSETS, STRIP_BYTE_COUNTS),
        };
        let missing = || source.damaged("it does not say where its pixels are");
        let offsets = directory.numbers(offsets).ok_or_else(missing)?;
        let lengths = directory.numbers(lengths).ok_or_else(missing)?;
        let layout = Self {
            width,
            height,
            bits: bits[0] as usize,
            samples: samples as usize,
            compression: number(COMPRESSION, 1),
            photometric,
            planar: number(PLANAR_CONFIGURATION, 1) == 2,
            differences: number(PREDICTOR, 1) == 2,
            chunk,
            offsets,
            lengths,
            directory,
        };
        let [columns, rows] = layout.chunk;
        let too_large = columns.checked_mul(rows).is_none_or(|area| {
            columns == 0 || rows == 0 || source.check_size(columns, rows).is_err() || area == 0
        });
        if too_large || layout.offsets.len() < layout.chunk_count() {
            return Err(source.damaged("its strips do not make up the picture"));
        }
        Ok(layout)
    }

    /// Returns the strips or tiles of a plane: across and down.
    fn grid(&self) -> [usize; 2] {
        [self.width.div_ceil(self.chunk[0]), self.height.div_ceil(self.chunk[1])]
    }

    fn chunk_count(&self) -> usize {
        let planes = if self.planar { self.samples } else { 1 };
        self.grid().iter().product::<usize>().saturating_mul(planes)
    }

    fn source_channels(&self) -> u8 {
        match self.photometric {
            Photometric::Palette => 3,
            _ => self.samples.min(4) as u8,
        }
    }

    /// Returns all samples of the picture, interleaved, at the file's depth.
    fn samples(&self, source: &Source<'_>) -> Result<Vec<u16>, PictureError> {
        let [across, down] = self.grid();
        let mut samples = vec![0; self.width * self.height * self.samples];
        for number in 0..self.chunk_count() {
            let (plane, cell) = (number / (across * down), number % (across * down));
            let (left, top) = (cell % across * self.chunk[0], cell / across * self.chunk[1]);
            // The last strip may be shorter than the others; tiles are padded.
            let is_strip = self.chunk[0] == self.width && !self.directory.has(TILE_OFFSETS);
            let rows = if is_strip { self.chunk[1].min(self.height - top) } else { self.chunk[1] };
            let decoded = self.chunk_samples(source, number, rows)?;
            let each = if self.planar { 1 } else { self.samples };
            for row in 0..rows.min(self.height - top) {
                let columns = self.chunk[0].min(self.width - left);
                for column in 0..columns {
                    let from = (row * self.chunk[0] + column) * each;
                    let to = ((top + row) * self.width + left + column) * self.samples + plane;
                    samples[to..to + each].copy_from_slice(&decoded[from..from + each]);
                }
            }
        }
        Ok(samples)
    }

    /// Returns the samples of a strip or tile, row by row.
    fn chunk_samples(
        &self,
        source: &Source<'_>,
        number: usize,
        rows: usize,
    ) -> Result<Vec<u16>, PictureError> {
        let cut = || source.ends_early(format!("its strip {} is cut off", number + 1));
        let (offset, length) = (self.offsets[number], self.lengths.get(number).copied());
        let start = usize::try_from(offset).map_err(|_| cut())?;
        let end = start.saturating_add(length.unwrap_or(u64::MAX) as usize).min(source.bytes.len());
        let data = source.bytes.get(start..end).filter(|data| !data.is_empty()).ok_or_else(cut)?;
        let data = &*self.in_order(data);
        let each = if self.planar { 1 } else { self.samples };
        if self.compression == 7 {
            return self.jpeg_samples(source, data, rows);
        }
        let row_bytes = (self.chunk[0] * each * self.bits).div_ceil(8);
        let mut bytes = match self.compression {
            2..=4 => self.fax_rows(source, data, rows)?,
            _ => self.decompressed(source, data, row_bytes * rows)?,
        };
        if bytes.len() < row_bytes * rows {
            return Err(cut());
        }
        bytes.truncate(row_bytes * rows);
        let little_endian = source.bytes.starts_with(b"II");
        let mut samples = Vec::with_capacity(self.chunk[0] * each * rows);
        for row in bytes.chunks_exact(row_bytes) {
            let first = samples.len();
            self.unpack(row, little_endian, self.chunk[0] * each, &mut samples);
            if self.differences {
                let mask = if self.bits == 16 { u16::MAX } else { (1 << self.bits) - 1 };
                for at in first + each..samples.len() {
                    samples[at] = samples[at].wrapping_add(samples[at - each]) & mask;
                }
            }
        }
        Ok(samples)
    }

    /// Returns the bytes of a strip with their first bit as the highest. A JPEG has it so always.
    fn in_order<'b>(&self, data: &'b [u8]) -> Cow<'b, [u8]> {
        match self.directory.has_reversed_bits() && self.compression != 7 {
            true => Cow::Owned(data.iter().map(|byte| byte.reverse_bits()).collect()),
            false => Cow::Borrowed(data),
        }
    }

    /// Decompresses a strip of a fax.
    fn fax_rows(
        &self,
        source: &Source<'_>,
        data: &[u8],
        rows: usize,
    ) -> Result<Vec<u8>, PictureError> {
        let is_mixed = self.directory.number(GROUP_3_OPTIONS).unwrap_or(0) & 1 == 1;
        let code = match self.compression {
            2 => FaxCode::Huffman,
            3 if is_mixed => FaxCode::Group3Mixed,
            3 => FaxCode::Group3,
            _ => FaxCode::Group4,
        };
        match u16::try_from(self.chunk[0]) {
            Ok(width) if self.bits == 1 && self.samples == 1 => {
                Ok(fax::unpack(data, code, FaxSize { width, rows }))
            }
            _ => Err(source.unsupported("a TIFF of a fax that has more than a bit a pixel")),
        }
    }

    /// Appends the samples of a row.
    fn unpack(&self, row: &[u8], little_endian: bool, count: usize, samples: &mut Vec<u16>) {
        match self.bits {
            8 => samples.extend(row.iter().take(count).map(|&byte| u16::from(byte))),
            16 => samples.extend(row.chunks_exact(2).take(count).map(|pair| {
                let pair = [pair[0], pair[1]];
                if little_endian { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }
            })),
            bits => samples.extend((0..count).map(|number| {
                let at = number * bits;
                let shift = 8 - bits - at % 8;
                u16::from(row[at / 8] >> shift) & ((1 << bits) - 1)
            })),
        }
    }

    /// Decompresses up to `limit` bytes.
    fn decompressed(
        &self,
        source: &Source<'_>,
        data: &[u8],
        limit: usize,
    ) -> Result<Vec<u8>, PictureError> {
        let mut out = Vec::new();
        match self.compression {
            1 => out.extend_from_slice(&data[..data.len().min(limit)]),
            5 => {
                out.resize(limit, 0);
                let written = unpack_lzw(data, &mut out);
                out.truncate(written);
            }
            8 | 32946 => {
                let decoder = flate2::read::ZlibDecoder::new(data);
                // Bytes that were decompressed before an error count; the caller misses the rest.
                let _ = decoder.take(limit as u64).read_to_end(&mut out);
            }
            32773 => unpack_bits(data, limit, &mut out),
            other => return Err(source.unsupported(format!("a TIFF of compression {other}"))),
        }
        Ok(out)
    }

    /// Decodes a strip or tile that is a JPEG without tables of its own.
    fn jpeg_samples(
        &self,
        source: &Source<'_>,
        data: &[u8],
        rows: usize,
    ) -> Result<Vec<u16>, PictureError> {
        if self.planar || self.bits != 8 || self.samples == 2 {
            return Err(source.unsupported("a TIFF with separate planes of JPEGs"));
        }
        let mut whole = vec![0xff, 0xd8];
        if self.photometric == Photometric::Rgb {
            whole.extend(ADOBE_RGB);
        }
        let tables = self.directory.bytes(JPEG_TABLES).unwrap_or_default();
        whole.extend(tables.strip_prefix(&[0xff, 0xd8]).unwrap_or_default());
        if whole.ends_with(&[0xff, 0xd9]) {
            whole.truncate(whole.len() - 2);
        }
        whole.extend(data.strip_prefix(&[0xff, 0xd8]).unwrap_or(data));
        // TensorFlow decodes no TIFF; the transform is that of Pillow and other programs.
        let options = OpenOptions {
            min_decode_size: None,
            jpeg_transform: Transform::Accurate,
            ..source.options.clone()
        };
        let jpeg = Source {
            bytes: &whole,
            name: source.name,
            format: PictureFormat::Jpeg,
            options: &options,
            ..*source
        };
        let decoded = jpeg::decode(&jpeg)?;
        let Pixels::Rgb8(rgb) = decoded.pixels else {
            return Err(source.damaged("a strip of it is no picture of eight bits"));
        };
        if (decoded.width, decoded.height) != (self.chunk[0], rows) {
            return Err(source.damaged("a strip of it has another size than it says"));
        }
        let each = self.samples;
        let pixel = |rgb: &[u8]| -> Vec<u16> {
            (0..each).map(|sample| u16::from(rgb[sample.min(2)])).collect()
        };
        Ok(rgb.chunks_exact(3).flat_map(pixel).collect())
    }

    /// Converts samples to RGB.
    fn to_rgb(&self, source: &Source<'_>, samples: &[u16]) -> Result<Pixels, PictureError> {
        let max = if self.bits == 16 { u16::MAX } else { (1 << self.bits) - 1 };
        let pixels = samples.chunks_exact(self.samples);
        match self.photometric {
            Photometric::Palette => {
                let map = self.directory.numbers(COLOR_MAP).unwrap_or_default();
                let colours = 1 << self.bits;
                if map.len() < 3 * colours {
                    return Err(source.damaged("its palette is missing"));
                }
                let is_narrow = map.iter().all(|&level| level < 256);
                let level = |level: u64| if is_narrow { level as u8 } else { (level >> 8) as u8 };
                let colour = |pixel: &[u16]| {
                    let index = usize::from(pixel[0]);
                    [0, 1, 2].map(|channel| level(map[channel * colours + index]))
                };
                Ok(Pixels::Rgb8(pixels.flat_map(colour).collect()))
            }
            Photometric::YCbCr if self.compression != 7 => {
                Err(source.unsupported("a TIFF of YCbCr that is not compressed as JPEG"))
            }
            _ => {
                let invert = self.photometric == Photometric::WhiteIsZero;
                let is_grey = self.samples < 3;
                let colour = |pixel: &[u16]| {
                    let level = |channel: usize| pixel[if is_grey { 0 } else { channel }];
                    let level =
                        |channel| if invert { max - level(channel) } else { level(channel) };
                    [0, 1, 2].map(level)
                };
                let rgb = pixels.flat_map(colour);
                Ok(match self.bits {
                    16 => Pixels::Rgb16(rgb.collect()),
                    _ => {
                        let scale = 255 / max;
                        Pixels::Rgb8(rgb.map(|level| (level * scale) as u8).collect())
                    }
                })
            }
        }
    }
}

/// Fills `out` as far as the data goes; returns the number of bytes.
fn unpack_lzw(data: &[u8], out: &mut [u8]) -> usize {
    let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
    let (mut read, mut written) = (0, 0);
    while written < out.len() {
        let result = decoder.decode_bytes(&data[read..], &mut out[written..]);
        read += result.consumed_in;
        written += result.consumed_out;
        let is_stuck = result.consumed_in == 0 && result.consumed_out == 0;
        if is_stuck || !matches!(result.status, Ok(weezl::LzwStatus::Ok)) {
            break;
        }
    }
    written
}

/// Expands runs: a count and bytes, or a count and one byte that is repeated.
fn unpack_bits(data: &[u8], limit: usize, out: &mut Vec<u8>) {
    let mut rest = data;
    while let (Some((&count, after)), true) = (rest.split_first(), out.len() < limit) {
        rest = match count {
            0..=127 => {
                let length = (usize::from(count) + 1).min(after.len());
                out.extend_from_slice(&after[..length]);
                &after[length..]
            }
            128 => after,
            _ => {
                let Some((&byte, after)) = after.split_first() else { return };
                out.resize(out.len() + 257 - usize::from(count), byte);
                after
            }
        };
    }
}
