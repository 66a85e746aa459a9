//! Bilinear sampling of a picture.

use crate::picture::{Picture, Pixels};

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
    to_grey: Grey,
}

/// Which channels are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Grey {
    /// All three.
    No,
    /// The first: the file was grey, and its channels are equal.
    Already,
    /// A weighted sum of three.
    Weighted,
}

impl<'a> Source<'a> {
    /// Reads a picture with `channels` (1 or 3); the largest level becomes `unit`.
    pub(super) fn new(picture: &'a Picture, channels: usize, unit: f32) -> Self {
        let to_grey = match channels {
            1 if picture.is_grey() => Grey::Already,
            1 => Grey::Weighted,
            _ => Grey::No,
        };
        let width = picture.width();
        match picture.pixels() {
            Pixels::Rgb8(samples) => Self::Eight {
                picture: Samples { samples, width, to_grey },
                values: Box::new(std::array::from_fn(|level| {
                    level as f32 * per_level(unit, 255.0)
                })),
            },
            Pixels::Rgb16(samples) => Self::Sixteen {
                picture: Samples { samples, width, to_grey },
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
        let rows = [self.row(row.low), self.row(row.high)];
        match self.to_grey {
            Grey::No => {
                blend(rows, |[r, g, b]| [value(r), value(g), value(b)], row.weight, columns, out);
            }
            Grey::Already => blend(rows, |[grey, ..]| [value(grey)], row.weight, columns, out),
            Grey::Weighted => {
                let grey = |[r, g, b]: [T; 3]| {
                    [value(r) * GREY_WEIGHTS[0]
                        + value(g) * GREY_WEIGHTS[1]
                        + value(b) * GREY_WEIGHTS[2]]
                };
                blend(rows, grey, row.weight, columns, out);
            }
        }
    }

    fn row(&self, y: usize) -> &[[T; 3]] {
        self.samples[3 * self.width * y..][..3 * self.width].as_chunks().0
    }
}

/// Bilinear samples of `C` channels: horizontally first, then vertically, as TensorFlow's
/// `compute_lerp`.
#[inline]
fn blend<T: Copy, const C: usize>(
    [top, bottom]: [&[[T; 3]]; 2],
    value: impl Fn([T; 3]) -> [f32; C],
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
