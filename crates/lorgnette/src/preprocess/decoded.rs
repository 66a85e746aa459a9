//! Pictures as TensorFlow's decoding nodes give them, for graphs that decode pictures themselves.

use lorgnette_net::DType;
use lorgnette_net::import::Decoding;

use crate::picture::{PictureRef, PixelsRef};

/// The values that a decoding node gives for a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodedImage {
    /// Rows, columns and channels.
    pub shape: [usize; 3],
    /// The values, by row, column and channel.
    pub values: Vec<f32>,
}

/// Red, green and blue as weights of grey (`tf.image.rgb_to_grayscale`, libjpeg, libpng).
const GREY_WEIGHTS: [f32; 3] = [0.299, 0.587, 0.114];

/// Computes what a decoding node gives: 16-bit levels without their low byte as uint8, any levels
/// as uint16, 0 to 1 as float32; of the part that it keeps.
///
/// # Errors
/// A sentence if the picture is smaller than the part that the node keeps.
pub fn decoded_image<'p>(
    picture: impl Into<PictureRef<'p>>,
    decoding: &Decoding,
) -> Result<DecodedImage, String> {
    let picture = picture.into();
    let [height, width] = picture.decoded_size();
    if height > picture.height || width > picture.width {
        return Err(format!(
            "the GIF's first frame has {height}x{width} pixels, more than its screen of {}x{}",
            picture.height, picture.width
        ));
    }
    let [top, left, rows, columns] = decoding.crop.unwrap_or([0, 0, height, width]);
    let fits = |start: usize, length: usize, side: usize| {
        start.checked_add(length).is_some_and(|end| end <= side)
    };
    if !fits(top, rows, height) || !fits(left, columns, width) {
        return Err(format!(
            "the graph keeps {rows}x{columns} pixels from row {top} and column {left}, and the \
             picture has {height}x{width}"
        ));
    }
    let mut values = Vec::with_capacity(rows * columns * decoding.channels);
    for y in top..top + rows {
        for x in left..left + columns {
            let index = y * picture.width + x;
            let pixel = pixel(picture, decoding.dtype, index);
            match decoding.channels {
                1 if decoding.has_png_grey => values.push(png_grey(picture, decoding, index)),
                1 => values.push(grey(pixel, is_grey(picture), decoding.dtype)),
                _ => values.extend(pixel),
            }
        }
    }
    Ok(DecodedImage { shape: [rows, columns, decoding.channels], values })
}

fn pixel(picture: PictureRef<'_>, dtype: DType, index: usize) -> [f32; 3] {
    let eight = |level: u8| match dtype {
        DType::F32 => f32::from(level) / 255.0,
        DType::U16 => f32::from(level) * 257.0,
        _ => f32::from(level),
    };
    let sixteen = |level: u16| match dtype {
        DType::F32 => f32::from(level) / 65_535.0,
        DType::U16 => f32::from(level),
        _ => f32::from(level >> 8),
    };
    let at = 3 * index;
    match picture.pixels {
        PixelsRef::Rgb8 { samples, .. } => {
            [samples[at], samples[at + 1], samples[at + 2]].map(eight)
        }
        PixelsRef::Rgb16 { samples, .. } => {
            [samples[at], samples[at + 1], samples[at + 2]].map(sixteen)
        }
        PixelsRef::Grey8(samples) => [eight(samples[index]); 3],
    }
}

fn is_grey(picture: PictureRef<'_>) -> bool {
    match picture.pixels {
        PixelsRef::Rgb8 { is_grey, .. } | PixelsRef::Rgb16 { is_grey, .. } => is_grey,
        PixelsRef::Grey8(_) => true,
    }
}

fn grey(pixel: [f32; 3], is_grey: bool, dtype: DType) -> f32 {
    if is_grey {
        return pixel[0];
    }
    let grey: f32 = pixel.iter().zip(GREY_WEIGHTS).map(|(value, weight)| value * weight).sum();
    if dtype == DType::F32 { grey } else { grey.round() }
}

/// Grey of a pixel as libpng computes it, in steps of 2⁻¹⁵, and then converted.
fn png_grey(picture: PictureRef<'_>, decoding: &Decoding, index: usize) -> f32 {
    const ONE: u64 = 1 << 15;
    const WEIGHTS: [u64; 3] = [9798, 19_235, 3735];
    let at = 3 * index;
    let sum = |levels: [u64; 3]| {
        levels.into_iter().zip(WEIGHTS).map(|(level, weight)| level * weight).sum::<u64>()
    };
    let (level, is_deep) = match picture.pixels {
        PixelsRef::Rgb8 { samples, .. } => {
            let levels = [samples[at], samples[at + 1], samples[at + 2]].map(u64::from);
            (sum(levels) / ONE, false)
        }
        PixelsRef::Rgb16 { samples, .. } => {
            let levels = [samples[at], samples[at + 1], samples[at + 2]].map(u64::from);
            ((sum(levels) + ONE / 2) / ONE, true)
        }
        PixelsRef::Grey8(samples) => (samples[index].into(), false),
    };
    match (decoding.dtype, is_deep) {
        (DType::F32, false) => level as f32 / 255.0,
        (DType::F32, true) => level as f32 / 65_535.0,
        (DType::U16, false) => level as f32 * 257.0,
        (DType::U16, true) | (_, false) => level as f32,
        (_, true) => (level >> 8) as f32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{Picture, Pixels};

    fn values(picture: &Picture, dtype: DType) -> Vec<f32> {
        let decoding = Decoding { dtype, channels: 3, has_png_grey: false, crop: None };
        decoded_image(picture, &decoding).unwrap().values
    }

    /// TensorFlow 2.21's `decode_image` of a PNG of these 16-bit levels.
    #[test]
    fn sixteen_bits_lose_their_low_byte_as_uint8() {
        let levels = Pixels::Rgb16(vec![0, 1288, 2576, 255, 256, 65_535]);
        let picture = Picture::from_pixels(2, 1, levels).unwrap();
        assert_eq!(values(&picture, DType::U8), [0.0, 5.0, 10.0, 0.0, 1.0, 255.0]);
        assert_eq!(values(&picture, DType::U16), [0.0, 1288.0, 2576.0, 255.0, 256.0, 65_535.0]);
        let unit = values(&picture, DType::F32);
        assert!((unit[1] - 0.019_653_62).abs() < 1e-7 && unit[5] == 1.0, "{unit:?}");
    }

    /// TensorFlow 2.21's `decode_png`.
    #[test]
    fn eight_bits_become_uint16_times_257() {
        let picture = Picture::from_rgb8(1, 1, vec![5, 10, 255]).unwrap();
        assert_eq!(values(&picture, DType::U8), [5.0, 10.0, 255.0]);
        assert_eq!(values(&picture, DType::U16), [1285.0, 2570.0, 65_535.0]);
        assert_eq!(values(&picture, DType::F32)[2], 1.0);
    }

    /// TensorFlow 2.21's `decode_png` with one channel.
    #[test]
    fn a_png_becomes_grey_as_libpng_makes_it() {
        let colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [7, 7, 7]];
        let decoded = |picture: &Picture, dtype| {
            let decoding = Decoding { dtype, channels: 1, has_png_grey: true, crop: None };
            decoded_image(picture, &decoding).unwrap().values
        };
        let picture = Picture::from_rgb8(4, 1, colours.concat()).unwrap();
        assert_eq!(decoded(&picture, DType::U8), [76.0, 149.0, 29.0, 7.0]);
        let deep = colours.concat().into_iter().map(|level| u16::from(level) * 257).collect();
        let deep = Picture::from_pixels(4, 1, Pixels::Rgb16(deep)).unwrap();
        // libpng's weights of sixteen bits differ from those of eight in the fifth digit.
        let wanted = [19_594.0, 38_467.0, 7474.0, 1799.0];
        for (found, wanted) in decoded(&deep, DType::U16).into_iter().zip(wanted) {
            assert!((found - wanted).abs() <= 5.0, "{found} for {wanted}");
        }
    }

    #[test]
    fn a_part_is_kept_if_the_picture_has_it() {
        let picture = Picture::from_rgb8(2, 2, (0..12).collect()).unwrap();
        let mut decoding = Decoding {
            dtype: DType::U8,
            channels: 1,
            has_png_grey: false,
            crop: Some([1, 1, 1, 1]),
        };
        let image = decoded_image(&picture, &decoding).unwrap();
        assert_eq!((image.shape, &image.values[..]), ([1, 1, 1], &[10.0][..]));
        decoding.crop = Some([1, 1, 1, 2]);
        assert!(decoded_image(&picture, &decoding).unwrap_err().contains("has 2x2"));
    }
}
