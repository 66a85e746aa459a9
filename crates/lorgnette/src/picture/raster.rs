//! PNG, GIF, BMP, TIFF and WebP through the `image` crate's decoders.

use std::io::{Cursor, ErrorKind};

use image::error::{DecodingError, ImageError, UnsupportedErrorKind};
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::open::{Decoded, Source};
use super::tiff::TiffFile;
use super::{PictureError, PictureFormat, Pixels, exif_block, tiff, xmp};

/// Maximum bytes a decoder may use for each allowed pixel: four channels of sixteen bits, and as
/// much again as working memory.
const WORKING_BYTES_PER_PIXEL: u64 = 16;
/// Bytes that every decoder may use, however small the picture: tables, palettes, compression
/// windows.
const WORKING_BYTES: u64 = 16 << 20;

/// Photos never have more pixels per byte; blank pictures do, up to [`MIN_ALLOWED_PIXELS`].
const MAX_PIXELS_PER_BYTE: u64 = 10_000;
/// Number of pixels that any file may state, however short.
const MIN_ALLOWED_PIXELS: u64 = 16_000_000;

/// Decodes any format except JPEG and raw files.
pub(super) fn decode(source: &Source<'_>) -> Result<Decoded, PictureError> {
    if source.format != PictureFormat::Tiff {
        return decode_by_crate(source);
    }
    tiff::check_directory(source)?;
    // The crate's decoder panics at tiles of separate planes, and takes all bits for in order.
    let directory = TiffFile::new(source.bytes).and_then(|file| file.first());
    if directory.is_some_and(|it| it.has_tiles_of_planes() || it.has_reversed_bits()) {
        return tiff::pixels::decode(source);
    }
    match decode_by_crate(source) {
        Err(PictureError::Unsupported { .. }) => tiff::pixels::decode(source),
        decoded => decoded,
    }
}

fn decode_by_crate(source: &Source<'_>) -> Result<Decoded, PictureError> {
    let format = image_format(source.format)
        .ok_or_else(|| source.unsupported(format!("a {} photo", source.format)))?;
    let mut reader = ImageReader::with_format(Cursor::new(source.bytes), format);
    reader.limits(limits(source));
    let decoder = reader.into_decoder().map_err(|error| to_picture_error(source, error))?;
    let (width, height) = decoder.dimensions();
    source.check_size(width as usize, height as usize)?;
    check_pixels_fit_file(source, u64::from(width) * u64::from(height))?;
    let source_channels = decoder.color_type().channel_count();
    // A damaged orientation tag must not lose the photo.
    let orientation = match source.format {
        PictureFormat::WebP | PictureFormat::Png => {
            exif_block(source.bytes).and_then(|block| Orientation::from_exif_chunk(&block))
        }
        PictureFormat::Tiff => {
            TiffFile::new(source.bytes).and_then(|file| tiff::orientation(&file.first()?))
        }
        _ => None,
    };
    let orientation = xmp::orientation(source.bytes, source.format, orientation);
    let image =
        DynamicImage::from_decoder(decoder).map_err(|error| to_picture_error(source, error))?;
    let pixels = to_pixels(image, source.format);
    let (width, height) = (width as usize, height as usize);
    Ok(Decoded {
        width,
        height,
        source_size: (width, height),
        source_channels,
        pixels,
        orientation,
    })
}

/// Returns the format's name in the `image` crate; `None` if that does not decode it.
pub(super) fn image_format(format: PictureFormat) -> Option<ImageFormat> {
    Some(match format {
        PictureFormat::Jpeg => ImageFormat::Jpeg,
        PictureFormat::Png => ImageFormat::Png,
        PictureFormat::Gif => ImageFormat::Gif,
        PictureFormat::Bmp => ImageFormat::Bmp,
        PictureFormat::Tiff => ImageFormat::Tiff,
        PictureFormat::WebP => ImageFormat::WebP,
        PictureFormat::Raw | PictureFormat::Heic | PictureFormat::Avif | PictureFormat::JpegXl => {
            return None;
        }
    })
}

/// Rejects a header that states far more pixels than its file can contain, before memory is
/// allocated.
fn check_pixels_fit_file(source: &Source<'_>, pixels: u64) -> Result<(), PictureError> {
    let length = source.bytes.len();
    if pixels <= MIN_ALLOWED_PIXELS.max(length as u64 * MAX_PIXELS_PER_BYTE) {
        return Ok(());
    }
    Err(source
        .damaged(format!("its {length} bytes cannot hold the {pixels} pixels its header promises")))
}

/// Limits the decoder's allocations that depend on the file's header alone.
fn limits(source: &Source<'_>) -> Limits {
    let mut limits = Limits::no_limits();
    // The decoder of PNG also expands colour profiles within them: a megabyte can hold a gigabyte.
    let pixels = match source.format {
        PictureFormat::Png => png_pixels(source.bytes).min(source.options.max_pixels),
        _ => source.options.max_pixels,
    };
    let max_pixel_bytes = pixels.saturating_mul(WORKING_BYTES_PER_PIXEL);
    limits.max_alloc = Some(max_pixel_bytes.saturating_add(WORKING_BYTES));
    limits
}

/// Returns the pixels that the header of a PNG states; 0 if it is too short.
fn png_pixels(bytes: &[u8]) -> u64 {
    const WIDTH: usize = 16;
    const HEIGHT: usize = 20;
    let number = |at: usize| bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes);
    number(WIDTH)
        .zip(number(HEIGHT))
        .map_or(0, |(width, height)| u64::from(width) * u64::from(height))
}

/// Drops alpha without blending and replicates grey to three channels.
fn to_pixels(image: DynamicImage, format: PictureFormat) -> Pixels {
    match image.color() {
        // TensorFlow draws a GIF on a black canvas, which shows at transparent pixels.
        ColorType::Rgba8 if format == PictureFormat::Gif => {
            Pixels::Rgb8(opaque_or_black(&image.into_rgba8()))
        }
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => {
            Pixels::Rgb8(image.into_rgb8().into_raw())
        }
        _ => Pixels::Rgb16(image.into_rgb16().into_raw()),
    }
}

fn opaque_or_black(rgba: &[u8]) -> Vec<u8> {
    let pixels = rgba.chunks_exact(4);
    pixels.flat_map(|p| if p[3] == 0 { [0; 3] } else { [p[0], p[1], p[2]] }).collect()
}

/// Finds a chunk of a WebP by its name. The crate's decoder would allocate whatever length the
/// chunk states, up to 4 GiB.
pub(super) fn webp_chunk<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    const HEADER: usize = 8;
    let mut rest = bytes.get(12..).filter(|chunks| chunks.starts_with(b"VP8X"))?;
    loop {
        let length = u32::from_le_bytes(*rest.get(4..)?.first_chunk()?) as usize;
        let content = rest.get(HEADER..)?.get(..length)?;
        if rest.starts_with(name) {
            return Some(content);
        }
        rest = rest.get(HEADER + length.next_multiple_of(2)..)?;
    }
}

/// Converts a decoder's error.
fn to_picture_error(source: &Source<'_>, error: ImageError) -> PictureError {
    match error {
        ImageError::Decoding(_) if is_cut_webp(source) => ends_early(source),
        ImageError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            ends_early(source)
        }
        ImageError::Decoding(error) if mentions_end(&error) => ends_early(source),
        ImageError::Limits(_) => {
            let what = format!("decoding this {} takes more memory than allowed", source.format);
            PictureError::TooLarge { name: source.name.into(), what }
        }
        ImageError::Unsupported(error) => {
            let what = match error.kind() {
                UnsupportedErrorKind::Color(_) => "colours of a rare kind",
                _ => "a rare feature of its format",
            };
            source.unsupported(format!("a {} with {what}", source.format))
        }
        ImageError::Decoding(error) => source.damaged(described_damage(&error)),
        _ => source.damaged("its data cannot be decoded"),
    }
}

/// Describes what a decoder found, by words in its message: those are written for programmers.
pub(super) fn described_damage(error: &dyn std::error::Error) -> &'static str {
    const KINDS: [(&[&str], &str); 8] = [
        (&["crc", "checksum", "adler"], "a checksum is wrong"),
        (
            &["lzw", "deflate", "zlib", "huffman", "compress", "inflate"],
            "its data cannot be unpacked",
        ),
        (&["palette"], "its palette is damaged"),
        (&["tag", "ifd", "directory"], "its directory of tags is damaged"),
        (&["strip", "tile", "chunk"], "a part of it is missing or has another size than it says"),
        (&["dimension", "size", "width", "height"], "its size is impossible"),
        (&["signature", "magic", "header"], "its header is damaged"),
        (&["frame"], "a frame of it is damaged"),
    ];
    let mut texts = vec![error.to_string().to_ascii_lowercase()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string().to_ascii_lowercase());
        cause = error.source();
    }
    let is_said = |words: &&(&[&str], &str)| {
        words.0.iter().any(|word| texts.iter().any(|text| text.contains(word)))
    };
    KINDS.iter().find(is_said).map_or("its data cannot be decoded", |(_, what)| what)
}

fn ends_early(source: &Source<'_>) -> PictureError {
    source.ends_early(format!("it stops at {} bytes, within the picture", source.bytes.len()))
}

/// True if a WebP is shorter than its RIFF header states; its decoder only reports corrupt bits.
fn is_cut_webp(source: &Source<'_>) -> bool {
    let stated_length = source.bytes.get(4..8).and_then(|length| length.first_chunk::<4>());
    let stated_length =
        stated_length.map_or(0, |length| u64::from(u32::from_le_bytes(*length)) + 8);
    source.format == PictureFormat::WebP && stated_length > source.bytes.len() as u64
}

/// True if the error's chain of sources contains an unexpected end of file.
fn mentions_end(error: &DecodingError) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == ErrorKind::UnexpectedEof) {
            return true;
        }
        let text = error.to_string().to_ascii_lowercase();
        if text.contains("unexpected end")
            || text.contains("unexpected eof")
            || text.contains("end of file")
        {
            return true;
        }
        cause = error.source();
    }
    false
}
