//! Scaling of pictures with a triangle filter: bilinear where a side grows, a weighted mean where
//! it shrinks.
//!
//! The arithmetic is that of the `image` crate's `resize`, to the bit; here it goes row by row
//! through memory.

use std::slice::ChunksExact;

use bytemuck::Zeroable;
use bytemuck::allocation::zeroed_vec;
use lorgnette_kernels::ThreadPool;

use super::{Picture, Pixels, Reserved};
use crate::parallel::{BAND_ROWS, for_each_part};

/// Scales each side by `scale`.
pub(super) fn scaled(picture: &Picture, scale: f64) -> Picture {
    assert!(scale > 0.0, "a picture cannot be scaled by {scale}");
    let side = |length: usize| {
        let length = (length as f64 * scale).round().max(1.0);
        assert!(length < f64::from(u32::MAX), "a side of {length} pixels");
        length as usize
    };
    resized(picture, side(picture.width), side(picture.height), &ThreadPool::new(1))
}

/// Scales a picture to a width and height.
pub(super) fn resized(
    picture: &Picture,
    width: usize,
    height: usize,
    pool: &ThreadPool,
) -> Picture {
    let taps = [taps(picture.height, height), taps(picture.width, width)];
    let length = 3 * picture.width;
    let pixels = match &picture.pixels {
        Pixels::Rgb8(samples) => {
            let round = |value| nearest(value).min(u8::MAX.into()) as u8;
            Pixels::Rgb8(sample(samples.chunks_exact(length), &taps, round, pool))
        }
        Pixels::Rgb16(samples) => {
            let round = |value| nearest(value).min(u16::MAX.into()) as u16;
            Pixels::Rgb16(sample(samples.chunks_exact(length), &taps, round, pool))
        }
    };
    let name = picture.name.clone();
    Picture {
        width,
        height,
        source_size: (width, height),
        canvas: None,
        pixels,
        name,
        reserved: Reserved::default(),
        ..*picture
    }
}

/// The samples that one output sample is a weighted mean of.
#[derive(Clone, Debug)]
struct Taps {
    start: usize,
    weights: Vec<f32>,
}

/// The taps of each of `to` samples over `from`.
fn taps(from: usize, to: usize) -> Vec<Taps> {
    let ratio = from as f32 / to as f32;
    let support = ratio.max(1.0);
    let mut all = Vec::with_capacity(to);
    for index in 0..to {
        let centre = (index as f32 + 0.5) * ratio;
        let start = ((centre - support).floor().max(0.0) as usize).min(from - 1);
        let end = ((centre + support).ceil() as usize).clamp(start + 1, from);
        // Pixel centres are at halves.
        let centre = centre - 0.5;
        let triangle = |at: usize| (1.0 - ((at as f32 - centre) / support).abs()).max(0.0);
        let mut weights: Vec<f32> = (start..end).map(triangle).collect();
        let sum: f32 = weights.iter().fold(0.0, |sum, weight| sum + weight);
        weights.iter_mut().for_each(|weight| *weight /= sum);
        all.push(Taps { start, weights });
    }
    all
}

/// Samples rows of pixels of three samples by taps for each row and column, vertically first.
fn sample<'a, T: Copy + Into<f32> + Zeroable + Send + Sync + 'a>(
    source: ChunksExact<'a, T>,
    [rows, columns]: &[Vec<Taps>; 2],
    round: impl Fn(f32) -> T + Sync,
    pool: &ThreadPool,
) -> Vec<T> {
    let source: Vec<&[T]> = source.collect();
    let mut out = zeroed_vec(3 * columns.len() * rows.len());
    let bands = rows.chunks(BAND_ROWS).zip(out.chunks_mut(3 * columns.len() * BAND_ROWS));
    for_each_part(pool, bands, |_, (rows, out)| {
        let mut mixed = vec![0.0_f32; source[0].len()];
        for (row, out) in rows.iter().zip(out.chunks_exact_mut(3 * columns.len())) {
            mixed.fill(0.0);
            for (weight, row) in row.weights.iter().zip(&source[row.start..]) {
                for (mixed, &value) in mixed.iter_mut().zip(*row) {
                    *mixed += value.into() * weight;
                }
            }
            let pixels = mixed.as_chunks::<3>().0;
            for (column, out) in columns.iter().zip(out.as_chunks_mut::<3>().0) {
                let mut sums = [0.0_f32; 3];
                for (weight, pixel) in column.weights.iter().zip(&pixels[column.start..]) {
                    for (sum, value) in sums.iter_mut().zip(pixel) {
                        *sum += value * weight;
                    }
                }
                *out = sums.map(&round);
            }
        }
    });
    out
}

/// Rounds a number that is not negative; halves go up.
fn nearest(value: f32) -> u32 {
    let whole = value as u32;
    whole + u32::from(value - whole as f32 >= 0.5)
}

#[cfg(test)]
mod tests {
    use image::imageops::{FilterType, resize};
    use image::{ImageBuffer, Rgb};

    use super::*;

    #[test]
    fn samples_are_those_of_the_image_crate() {
        for (from, to) in [
            ((7, 5), (7, 5)),
            ((7, 5), (14, 9)),
            ((40, 31), (13, 11)),
            ((40, 31), (64, 3)),
            ((1, 9), (5, 1)),
            ((300, 200), (97, 160)),
            ((97, 160), (300, 233)),
        ] {
            let eight: Vec<u8> =
                (0..3 * from.0 * from.1).map(|at| (at * 7919 % 10_007 % 256) as u8).collect();
            let picture = Picture::from_rgb8(from.0, from.1, eight.clone()).unwrap();
            let size = (from.0 as u32, from.1 as u32);
            let image: ImageBuffer<Rgb<u8>, _> =
                ImageBuffer::from_raw(size.0, size.1, eight).unwrap();
            let expected = resize(&image, to.0 as u32, to.1 as u32, FilterType::Triangle);
            let resized = resized(&picture, to.0, to.1, &ThreadPool::new(2));
            assert_eq!(resized.to_rgb8(), expected.into_raw(), "{from:?} to {to:?}");
        }
    }

    #[test]
    fn sixteen_bits_stay_sixteen_bits() {
        let values: Vec<u16> = (0..3 * 30 * 20_u32).map(|at| (at * 7919 % 65_536) as u16).collect();
        let image: ImageBuffer<Rgb<u16>, _> =
            ImageBuffer::from_raw(30, 20, values.clone()).unwrap();
        let expected = resize(&image, 17, 33, FilterType::Triangle).into_raw();
        let round = |value| nearest(value) as u16;
        let taps = [taps(20, 33), taps(30, 17)];
        let sampled = sample(values.chunks_exact(90), &taps, round, &ThreadPool::new(1));
        assert_eq!(sampled, expected);
    }
}
