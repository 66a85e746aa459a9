//! Scaling of pictures.

use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Primitive, Rgb};

use super::{Picture, Pixels, Reserved};

/// Scales each side by `scale` with a triangle filter: bilinear where it grows, an average where it
/// shrinks.
pub(super) fn scaled(picture: &Picture, scale: f64) -> Picture {
    assert!(scale > 0.0, "a picture cannot be scaled by {scale}");
    let side = |length: usize| {
        let length = (length as f64 * scale).round().max(1.0);
        assert!(length < f64::from(u32::MAX), "a side of {length} pixels");
        length as u32
    };
    let from = (picture.width as u32, picture.height as u32);
    let to = (side(picture.width), side(picture.height));
    let pixels = match &picture.pixels {
        Pixels::Rgb8(samples) => Pixels::Rgb8(resized(samples.as_slice(), from, to)),
        Pixels::Rgb16(samples) => Pixels::Rgb16(resized(samples.as_slice(), from, to)),
    };
    let (width, height) = (to.0 as usize, to.1 as usize);
    Picture {
        name: picture.name.clone(),
        width,
        height,
        source_size: (width, height),
        pixels,
        reserved: Reserved::default(),
        ..*picture
    }
}

fn resized<T: Primitive + 'static>(
    samples: &[T],
    (width, height): (u32, u32),
    to: (u32, u32),
) -> Vec<T>
where
    Rgb<T>: image::Pixel<Subpixel = T>,
{
    let image: ImageBuffer<Rgb<T>, &[T]> =
        ImageBuffer::from_raw(width, height, samples).expect("a picture's samples fill its size");
    resize(&image, to.0, to.1, FilterType::Triangle).into_raw()
}
