//! Bilinear sampling of a picture.

use crate::picture::{PictureRef, PixelsRef};

/// `tf.image.rgb_to_grayscale`: the weights of red, green and blue.
const GREY_WEIGHTS: [f32; 3] = [0.2989, 0.587, 0.114];

/// A position between two samples: lower index, higher index, and the weight of the higher.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tap {
    pub(super) low: usize,
    pub(super) high: usize,
    pub(super) weight: f32,
}

impl Tap {
    /// Exactly at a sample.
    pub(super) fn pixel(index: usize) -> Self {
        Self { low: index, high: index, weight: 0.0 }
    }
}

/// A picture's samples, converted to floats.
pub(super) enum Source<'a> {
    /// Eight bits: values by lookup.
    Eight { picture: Samples<'a, u8>, values: Box<[f32; 256]> },
    /// Sixteen bits: level times a constant.
    Sixteen { picture: Samples<'a, u16>, scale: f32 },
}

/// The samples of a picture and their layout.
#[derive(Clone, Copy)]
pub(super) struct Samples<'a, T> {
    samples: &'a [T],
    /// Pixels in a row.
    width: usize,
    reading: Reading,
}

/// How the channels of a pixel become those of the input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Three of three.
    Rgb,
    /// The first of three equal ones: the file was grey.
    First,
    /// A weighted sum of three.
    Weighted,
    /// The only one.
    Grey,
    /// The only one, three times.
    Replicated,
}

impl Reading {
    /// Reads three channels, equal ones if `is_grey`, as `channels`.
    fn of_three(is_grey: bool, channels: usize) -> Self {
        match channels {
            1 if is_grey => Self::First,
            1 => Self::Weighted,
            _ => Self::Rgb,
        }
    }
}

impl<'a> Source<'a> {
    /// Reads a picture with `channels` (1 or 3); the largest level becomes `unit`.
    pub(super) fn new(picture: PictureRef<'a>, channels: usize, unit: f32) -> Self {
        let width = picture.width;
        let eight = |samples, reading| Self::Eight {
            picture: Samples { samples, width, reading },
            values: Box::new(std::array::from_fn(|level| level as f32 * per_level(unit, 255.0))),
        };
        match picture.pixels {
            PixelsRef::Rgb8 { samples, is_grey } => {
                eight(samples, Reading::of_three(is_grey, channels))
            }
            PixelsRef::Grey8(samples) if channels == 1 => eight(samples, Reading::Grey),
            PixelsRef::Grey8(samples) => eight(samples, Reading::Replicated),
            PixelsRef::Rgb16 { samples, is_grey } => Self::Sixteen {
                picture: Samples { samples, width, reading: Reading::of_three(is_grey, channels) },
                scale: per_level(unit, 65_535.0),
            },
        }
    }

    /// Samples one row of the output: bilinear between two rows and, at each column, two columns.
    pub(super) fn sample_row(&self, row: Tap, columns: &[Option<Tap>], out: &mut [f32]) {
        match self {
            Self::Eight { picture, values } => {
                picture.sample_row(|level| values[usize::from(level)], row, columns, out);
            }
            Self::Sixteen { picture, scale } => {
                picture.sample_row(|level| f32::from(level) * scale, row, columns, out);
            }
        }
    }
}

/// Value of one level. In float64 first, as in Python: `1.0 / dtype.max`.
fn per_level(unit: f32, levels: f64) -> f32 {
    (f64::from(unit) / levels) as f32
}

impl<T: Copy> Samples<'_, T> {
    fn sample_row(
        &self,
        value: impl Fn(T) -> f32,
        row: Tap,
        columns: &[Option<Tap>],
        out: &mut [f32],
    ) {
        let weight = row.weight;
        match self.reading {
            Reading::Rgb => {
                let rgb = |[r, g, b]: [T; 3]| [value(r), value(g), value(b)];
                blend(self.rows(row), rgb, weight, columns, out);
            }
            Reading::First => {
                blend(self.rows(row), |[grey, ..]: [T; 3]| [value(grey)], weight, columns, out);
            }
            Reading::Weighted => {
                let grey = |[r, g, b]: [T; 3]| {
                    [value(r) * GREY_WEIGHTS[0]
                        + value(g) * GREY_WEIGHTS[1]
                        + value(b) * GREY_WEIGHTS[2]]
                };
                blend(self.rows(row), grey, weight, columns, out);
            }
            Reading::Grey => {
                blend(self.rows(row), |[grey]: [T; 1]| [value(grey)], weight, columns, out);
            }
            Reading::Replicated => {
                let rgb = |[grey]: [T; 1]| [value(grey); 3];
                blend(self.rows(row), rgb, weight, columns, out);
            }
        }
    }

    /// The two rows of a tap, in pixels of `N` samples.
    fn rows<const N: usize>(&self, row: Tap) -> [&[[T; N]]; 2] {
        let length = N * self.width;
        [row.low, row.high].map(|y| self.samples[length * y..][..length].as_chunks().0)
    }
}

/// Bilinear samples of `C` channels from pixels of `N` samples: horizontally first, then
/// vertically, as TensorFlow's `compute_lerp`.
#[inline]
fn blend<T: Copy, const N: usize, const C: usize>(
    [top, bottom]: [&[[T; N]]; 2],
    value: impl Fn([T; N]) -> [f32; C],
    weight: f32,
    columns: &[Option<Tap>],
    out: &mut [f32],
) {
    for (column, out) in columns.iter().zip(out.as_chunks_mut::<C>().0) {
        let Some(column) = column else {
            *out = [0.0; C];
            continue;
        };
        let [top_left, top_right] = [value(top[column.low]), value(top[column.high])];
        let [bottom_left, bottom_right] = [value(bottom[column.low]), value(bottom[column.high])];
        for channel in 0..C {
            let top = top_left[channel] + (top_right[channel] - top_left[channel]) * column.weight;
            let bottom = bottom_left[channel]
                + (bottom_right[channel] - bottom_left[channel]) * column.weight;
            out[channel] = top + (bottom - top) * weight;
        }
    }
}
