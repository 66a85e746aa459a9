//! JPEG XL through `jxl`, the decoder of Chromium and Firefox.
//!
//! The picture comes upright from the decoder, which applies the orientation of the codestream.
//! Lossy pictures become sRGB, others keep their colours. A JPEG inside a JPEG XL is decoded by its
//! own pixels, which may differ by a few levels from those of the JPEG.

use std::borrow::Cow;
use std::io::Read as _;

use image::metadata::Orientation;
use jxl::api::{
    Endianness, Event, JxlBasicInfo, JxlColorType, JxlDataFormat, JxlDecoder, JxlDecoderOptions,
    JxlOutputBuffer, JxlPixelFormat,
};

use super::open::{Decoded, Source};
use super::{PictureError, Pixels};

/// Samples of a pixel that the decoder may keep: colours, alpha, and others of scientific files.
const MAX_CHANNELS: u64 = 8;
/// Maximum bytes of EXIF that are decompressed.
const MAX_EXIF_BYTES: u64 = 16 << 20;

/// Said of a codestream that the decoder refuses, whatever its own reason.
const CONTRADICTION: &str = "its compressed data contradict one another";

/// Decodes the first frame.
pub(super) fn decode(source: &Source<'_>) -> Result<Decoded, PictureError> {
    let mut options = JxlDecoderOptions::default();
    let max_samples = source.options.max_pixels.saturating_mul(MAX_CHANNELS);
    options.sample_limit = Some(usize::try_from(max_samples).unwrap_or(usize::MAX));
    options.adjust_orientation = !source.options.ignore_orientation;
    let mut decoder = JxlDecoder::new(options);
    let mut input = source.bytes;
    advance(source, &mut decoder, &mut input, None, |event| event == Event::BasicInfo)?;
    let info = decoder.basic_info().ok_or_else(|| source.damaged("it has no header"))?;
    let (width, height) = info.size;
    source.check_size(width, height)?;
    let (format, is_grey, is_deep) = pixel_format(info, &decoder);
    decoder.set_pixel_format(format).map_err(|_| source.damaged(CONTRADICTION))?;
    let channels = if is_grey { 1 } else { 3 };
    let row_bytes = width * channels * if is_deep { 2 } else { 1 };
    // Samples of sixteen bits want rows at even addresses.
    let mut samples = vec![0_u16; (row_bytes * height).div_ceil(2)];
    let bytes = bytemuck::cast_slice_mut::<u16, u8>(&mut samples);
    let mut buffers = [JxlOutputBuffer::new(&mut bytes[..row_bytes * height], height, row_bytes)];
    advance(source, &mut decoder, &mut input, Some(&mut buffers), |event| {
        matches!(event, Event::FrameComplete { .. })
    })?;
    let pixels = match is_deep {
        true => Pixels::Rgb16(to_colour(&samples, channels)),
        false => {
            let bytes = bytemuck::cast_slice::<u16, u8>(&samples);
            Pixels::Rgb8(to_colour(&bytes[..row_bytes * height], channels))
        }
    };
    Ok(Decoded {
        width,
        height,
        source_size: (width, height),
        source_channels: channels as u8,
        pixels,
        orientation: Orientation::NoTransforms,
    })
}

/// Decodes up to an event.
fn advance(
    source: &Source<'_>,
    decoder: &mut JxlDecoder,
    input: &mut &[u8],
    mut buffers: Option<&mut [JxlOutputBuffer<'_>; 1]>,
    is_last: impl Fn(Event) -> bool,
) -> Result<(), PictureError> {
    loop {
        let out = buffers.as_mut().map(|buffers| &mut buffers[..]);
        let event = decoder.process(input, out, None);
        match event.map_err(|_| source.damaged(CONTRADICTION))? {
            Event::NeedMoreInput { .. } => {
                let length = source.bytes.len();
                return Err(
                    source.ends_early(format!("it stops at {length} bytes, within the picture"))
                );
            }
            Event::Complete => return Err(source.damaged("it has no picture")),
            event if is_last(event) => return Ok(()),
            _ => {}
        }
    }
}

/// Returns the format of the output: grey or colour, of eight or sixteen bits, without other
/// channels.
fn pixel_format(info: &JxlBasicInfo, decoder: &JxlDecoder) -> (JxlPixelFormat, bool, bool) {
    let is_grey =
        decoder.current_pixel_format().is_some_and(|format| format.color_type.is_grayscale());
    let is_deep = info.bit_depth.bits_per_sample() > 8;
    let color_data_format = Some(match is_deep {
        true => JxlDataFormat::U16 { endianness: Endianness::native(), bit_depth: 16 },
        false => JxlDataFormat::U8 { bit_depth: 8 },
    });
    let color_type = if is_grey { JxlColorType::Grayscale } else { JxlColorType::Rgb };
    let extra_channel_format = vec![None; info.extra_channels.len()];
    (JxlPixelFormat { color_type, color_data_format, extra_channel_format }, is_grey, is_deep)
}

/// Repeats grey in three channels.
fn to_colour<T: Copy>(samples: &[T], channels: usize) -> Vec<T> {
    match channels {
        1 => samples.iter().flat_map(|&sample| [sample; 3]).collect(),
        _ => samples.to_vec(),
    }
}

/// Returns the EXIF block in the boxes of a file, beginning with its TIFF header.
pub(super) fn exif(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    let content =
        boxes(bytes).find_map(|(kind, content)| match (kind, content.split_at_checked(4)) {
            (b"Exif", _) => Some(Cow::Borrowed(content)),
            // Compressed by Brotli.
            (b"brob", Some((b"Exif", compressed))) => {
                let mut decompressed = Vec::new();
                let decoder = brotli_decompressor::Decompressor::new(compressed, 4096);
                decoder.take(MAX_EXIF_BYTES).read_to_end(&mut decompressed).ok()?;
                Some(Cow::Owned(decompressed))
            }
            _ => None,
        })?;
    // The block begins so far behind these four bytes, which some programs leave out.
    let start = match content.first_chunk()? {
        b"MM\0*" | b"II*\0" => 0,
        offset => (u32::from_be_bytes(*offset) as usize).checked_add(4)?,
    };
    if start >= content.len() {
        return None;
    }
    Some(match content {
        Cow::Borrowed(content) => Cow::Borrowed(&content[start..]),
        Cow::Owned(mut content) => Cow::Owned(content.split_off(start)),
    })
}

/// The kinds and contents of the boxes of a file, as far as they can be followed.
fn boxes(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let kind = rest.get(4..8)?;
        let (header, length) = match u32::from_be_bytes(*rest.first_chunk()?) {
            0 => (8, rest.len()),
            1 => {
                let length = u64::from_be_bytes(*rest.get(8..)?.first_chunk()?);
                (16, usize::try_from(length).ok()?)
            }
            length => (8, length as usize),
        };
        let content = rest.get(header..length)?;
        rest = &rest[length..];
        Some((kind, content))
    })
}
