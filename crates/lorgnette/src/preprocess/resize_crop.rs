//! Crop and resize geometry: the source position of each row and column of an input.

use std::ops::Range;

use super::Preprocessing;
use super::sample::{Source, Tap};

/// The fraction of each side that Inception crops to (`inception_preprocessing.py`:
/// `central_fraction`).
pub(super) const CENTRAL_FRACTION: f64 = 0.875;
/// VGG's smaller side after resizing, for inputs up to [`VGG_INPUT`] (`vgg_preprocessing.py`:
/// `_RESIZE_SIDE_MIN`).
const VGG_SIDE: usize = 256;
/// The input size that [`VGG_SIDE`] is for; larger inputs scale it.
const VGG_INPUT: usize = 224;

/// The source position of each output row and column; `None` is padding.
pub(super) struct ResizeCrop {
    rows: Vec<Option<Tap>>,
    columns: Vec<Option<Tap>>,
}

impl ResizeCrop {
    /// Computes the geometry from a picture of size `from` to an input of size `to`, both (height,
    /// width).
    pub(super) fn new(
        preprocessing: Preprocessing,
        from: (usize, usize),
        to: (usize, usize),
    ) -> Self {
        match preprocessing {
            Preprocessing::Vgg => Self::resized_then_cropped(from, to),
            Preprocessing::Inception => {
                let (top, left) = (central_offset(from.0), central_offset(from.1));
                Self {
                    rows: resize(top, from.0 - 2 * top, to.0).collect(),
                    columns: resize(left, from.1 - 2 * left, to.1).collect(),
                }
            }
            Preprocessing::Inception2015
            | Preprocessing::Raw
            | Preprocessing::Unit
            | Preprocessing::Symmetric
            | Preprocessing::Caffe
            | Preprocessing::Torch => Self {
                rows: resize(0, from.0, to.0).collect(),
                columns: resize(0, from.1, to.1).collect(),
            },
            Preprocessing::TeachableMachine => {
                let side = from.0.min(from.1);
                Self {
                    rows: resize((from.0 - side) / 2, side, to.0).collect(),
                    columns: resize((from.1 - side) / 2, side, to.1).collect(),
                }
            }
            Preprocessing::Lenet | Preprocessing::Cifarnet => Self {
                rows: crop_or_pad(from.0, to.0).collect(),
                columns: crop_or_pad(from.1, to.1).collect(),
            },
        }
    }

    /// Part of the picture, unresized.
    pub(super) fn tile(rows: Range<usize>, columns: Range<usize>) -> Self {
        let all = |range: Range<usize>| range.map(|index| Some(Tap::pixel(index))).collect();
        Self { rows: all(rows), columns: all(columns) }
    }

    /// VGG's aspect-preserving resize and central crop; only the crop is computed.
    fn resized_then_cropped(from: (usize, usize), to: (usize, usize)) -> Self {
        let resized = vgg_resized(from, to);
        let taps = |from: usize, resized: usize, to: usize| {
            let offset = resized.saturating_sub(to) / 2;
            resize(0, from, resized).skip(offset).take(to).collect()
        };
        Self { rows: taps(from.0, resized.0, to.0), columns: taps(from.1, resized.1, to.1) }
    }

    /// Samples the picture at every row and column.
    pub(super) fn sample(&self, source: &Source<'_>, channels: usize, out: &mut [f32]) {
        let rows = out.chunks_exact_mut(self.columns.len() * channels);
        for (row, out) in self.rows.iter().zip(rows) {
            match row {
                Some(row) => source.sample_row(*row, &self.columns, out),
                None => out.fill(0.0),
            }
        }
    }
}

/// The start of `tf.image.central_crop`: in float64, rounded down.
fn central_offset(length: usize) -> usize {
    let length = length as f64;
    ((length - length * CENTRAL_FRACTION) / 2.0) as usize
}

/// Rows and columns of the smallest picture that has `times` as many as the input in the part that
/// is resized. `None` if the preprocessing crops without resizing, so that a smaller picture would
/// show a larger part.
pub(super) fn min_decode_size(
    preprocessing: Preprocessing,
    to: (usize, usize),
    times: usize,
) -> Option<[usize; 2]> {
    let uncropped = |side: usize| ((times * side) as f64 / CENTRAL_FRACTION).ceil() as usize;
    match preprocessing {
        Preprocessing::Vgg => Some([times * vgg_side(to); 2]),
        Preprocessing::Inception => Some([uncropped(to.0), uncropped(to.1)]),
        Preprocessing::Inception2015
        | Preprocessing::Raw
        | Preprocessing::Unit
        | Preprocessing::Symmetric
        | Preprocessing::Caffe
        | Preprocessing::Torch => Some([times * to.0, times * to.1]),
        Preprocessing::TeachableMachine => Some([times * to.0.max(to.1); 2]),
        Preprocessing::Lenet | Preprocessing::Cifarnet => None,
    }
}

/// VGG's smaller side between resize and crop.
pub(super) fn vgg_side(to: (usize, usize)) -> usize {
    let largest = to.0.max(to.1);
    if largest <= VGG_SIDE { VGG_SIDE } else { (VGG_SIDE * largest + VGG_INPUT / 2) / VGG_INPUT }
}

/// VGG's size between resize and crop: float32, rounded half to even (`tf.rint`).
fn vgg_resized(from: (usize, usize), to: (usize, usize)) -> (usize, usize) {
    let scale = vgg_side(to) as f32 / from.0.min(from.1) as f32;
    let resized = |length: usize| (length as f32 * scale).round_ties_even() as usize;
    (resized(from.0), resized(from.1))
}

/// TensorFlow 1's bilinear resize of `length` samples from `start` to `to` samples: in float32,
/// without half-pixel centres (`compute_interpolation_weights` with `LegacyScaler` in
/// image_resizer_state.h).
fn resize(start: usize, length: usize, to: usize) -> impl Iterator<Item = Option<Tap>> {
    let scale = length as f32 / to as f32;
    (0..to).map(move |index| {
        let position = index as f32 * scale;
        let low = (position.floor() as usize).min(length - 1);
        let high = (low + 1).min(length - 1);
        Some(Tap { low: start + low, high: start + high, weight: position - position.floor() })
    })
}

/// `tf.image.resize_with_crop_or_pad` along one side: offsets are rounded down.
fn crop_or_pad(length: usize, to: usize) -> impl Iterator<Item = Option<Tap>> {
    let crop = length.saturating_sub(to) / 2;
    let pad = to.saturating_sub(length) / 2;
    (0..to).map(move |index| {
        let position = (index + crop).checked_sub(pad)?;
        (position < length).then(|| Tap::pixel(position))
    })
}
