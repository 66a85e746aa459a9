//! Resizing by area and by kernels, and cropping by boxes: each value of the result is a weighted
//! sum along rows and columns, in TensorFlow's float32.

use super::op::{Resample, ResampleKernel};
use crate::tensor::Tensor;

/// A pixel along one axis, and its weight.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tap {
    at: u32,
    weight: f32,
}

/// The pixels that each coordinate of the result is a sum of, along one axis.
#[derive(Clone, Debug, Default, PartialEq)]
struct Axis {
    taps: Vec<Tap>,
    /// The end of each coordinate's taps. A coordinate without taps lies outside.
    ends: Vec<usize>,
}

impl Axis {
    fn push(&mut self, taps: impl IntoIterator<Item = Tap>) {
        self.taps.extend(taps);
        self.ends.push(self.taps.len());
    }

    fn taps(&self, at: usize) -> &[Tap] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.taps[start..self.ends[at]]
    }

    /// Areas of equal length that cover `from` pixels.
    fn areas(from: usize, to: usize, align_corners: bool) -> Self {
        let length = area_length(from, to, align_corners);
        let mut axis = Self::default();
        for at in 0..to {
            let (start, end) = (at as f32 * length, (at + 1) as f32 * length);
            let (first, last) = (start.floor() as usize, end.ceil() as usize);
            axis.push((first..last).map(|pixel| {
                let (left, right) = (pixel as f32, (pixel + 1) as f32);
                let weight = match (left < start, right > end) {
                    (true, true) => length,
                    (true, false) => right - start,
                    (false, true) => end - left,
                    (false, false) => 1.0,
                };
                Tap { at: pixel.min(from - 1) as u32, weight }
            }));
        }
        axis
    }

    /// `to` positions at equal distances from `start` to `end`, of which 0 is the first of `from`
    /// pixels and 1 the last.
    fn positions(side: Side, from: usize, to: usize, bilinear: bool) -> Self {
        let Side { start, end } = side;
        let last = (from - 1) as f32;
        let distance = if to > 1 { (end - start) * last / (to - 1) as f32 } else { 0.0 };
        let mut axis = Self::default();
        for at in 0..to {
            let position = match to {
                1 => 0.5 * (start + end) * last,
                _ => start * last + at as f32 * distance,
            };
            // NaN lies nowhere.
            if !(0.0..=last).contains(&position) {
                axis.push([]);
            } else if bilinear {
                let (low, high) = (position.floor(), position.ceil());
                let weight = position - low;
                let tap = |at: f32, weight| Tap { at: at as u32, weight };
                axis.push([tap(low, 1.0 - weight), tap(high, weight)]);
            } else {
                axis.push([Tap { at: position.round() as u32, weight: 1.0 }]);
            }
        }
        axis
    }
}

impl Axis {
    /// Pixels around each of `to` positions, weighted by their distance. A position outside has
    /// none, so that the result is 0 there.
    fn weighted(placing: Placing, from: usize, to: usize, how: Weighting) -> Self {
        let inverse = 1.0 / placing.factor;
        let shift = -inverse * placing.shift;
        let widening = if how.antialias { inverse.max(1.0) } else { 1.0 };
        let reach = how.kernel.radius() * widening;
        let last = from.saturating_sub(1) as f32;
        let mut axis = Self::default();
        for at in 0..to {
            let position = (at as f32 + 0.5) * inverse + shift;
            // NaN lies nowhere.
            if !(0.0..=from as f32).contains(&position) {
                axis.push([]);
                continue;
            }
            let first = (position - reach - 0.5).ceil().clamp(0.0, last) as usize;
            let end = (position + reach - 0.5).floor().clamp(0.0, last) as usize;
            let weight = |pixel: usize| {
                how.kernel.weight(((pixel as f32 + 0.5 - position) / widening).abs())
            };
            let sum: f32 = (first..=end).map(weight).sum();
            let is_weighted = sum.abs() >= 1000.0 * f32::MIN_POSITIVE;
            let share = if is_weighted { 1.0 / sum } else { 0.0 };
            axis.push((first..=end).map(|at| Tap { at: at as u32, weight: weight(at) * share }));
        }
        axis
    }
}

/// How a result's positions lie on the picture along one axis: `(position - shift) / factor`.
#[derive(Clone, Copy, Debug)]
struct Placing {
    factor: f32,
    shift: f32,
}

#[derive(Clone, Copy, Debug)]
struct Weighting {
    kernel: ResampleKernel,
    antialias: bool,
}

impl ResampleKernel {
    /// Returns the distance from which on pixels have no weight.
    fn radius(self) -> f32 {
        match self {
            Self::Lanczos(radius) => f32::from(radius),
            Self::Gaussian => 1.5,
            Self::Box => 0.5,
            Self::Triangle => 1.0,
            Self::KeysCubic | Self::MitchellCubic => 2.0,
        }
    }

    /// Returns the weight at a distance that is not negative.
    fn weight(self, x: f32) -> f32 {
        use std::f32::consts::PI;
        let radius = self.radius();
        match self {
            Self::Box if x == radius => 0.5,
            _ if x >= radius => 0.0,
            Self::Lanczos(_) if x <= 1e-3 => 1.0,
            Self::Lanczos(_) => {
                radius * (PI * x).sin() * (PI * x / radius).sin() / (PI * PI * x * x)
            }
            Self::Gaussian => (-2.0 * x * x).exp(),
            Self::Box => 1.0,
            Self::Triangle => 1.0 - x,
            Self::KeysCubic if x >= 1.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Self::KeysCubic => (1.5 * x - 2.5) * x * x + 1.0,
            Self::MitchellCubic if x >= 1.0 => {
                ((-7.0 / 18.0 * x + 2.0) * x - 10.0 / 3.0) * x + 16.0 / 9.0
            }
            Self::MitchellCubic => (7.0 / 6.0 * x - 2.0) * x * x + 8.0 / 9.0,
        }
    }
}

/// Where a box begins and ends along one axis; 1 is the last pixel.
#[derive(Clone, Copy, Debug)]
struct Side {
    start: f32,
    end: f32,
}

/// Pixels in the length of an area.
fn area_length(from: usize, to: usize, align_corners: bool) -> f32 {
    if align_corners && to > 1 {
        (from - 1) as f32 / (to - 1) as f32
    } else {
        from as f32 / to as f32
    }
}

/// One picture of the result.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    /// The picture that it is taken from.
    picture: usize,
    rows: Axis,
    columns: Axis,
}

/// A resampling of pictures of one size.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resampling {
    parts: Vec<Part>,
    /// Multiplies every sum.
    factor: f32,
    /// The value of what lies outside.
    fill: f32,
    /// Rows, columns and channels of the pictures.
    from: [usize; 3],
}

/// The sizes of a resampling, both `[pictures, rows, columns, channels]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResampledShape<'a> {
    pub(crate) from: &'a [usize],
    pub(crate) to: &'a [usize],
}

impl ResampledShape<'_> {
    /// Number of weights that a resampling of this kind between these shapes keeps at most.
    pub(crate) fn weights(&self, kind: Resample) -> usize {
        let (&[_, from_rows, from_columns, _], &[parts, rows, columns, _]) = (self.from, self.to)
        else {
            return 0;
        };
        let taps = match kind {
            Resample::Area { .. } | Resample::Boxes { .. } => {
                from_rows + from_columns + 3 * (rows + columns)
            }
            // A factor may place every pixel within reach of every position.
            Resample::Kernel { .. } => {
                let along = |from: usize, to: usize| from.saturating_mul(to).saturating_add(to);
                along(from_rows, rows).saturating_add(along(from_columns, columns))
            }
        };
        // A pixel and a weight, and its end.
        parts.saturating_mul(taps).saturating_mul(3).min(usize::MAX / 8)
    }
}

impl Resampling {
    /// Prepares a resampling. `parameters` are the inputs after the pictures.
    ///
    /// # Errors
    /// A sentence if they are not of the shapes and ranges that TensorFlow takes.
    pub(crate) fn new(
        kind: Resample,
        shape: ResampledShape<'_>,
        parameters: &[&Tensor],
    ) -> Result<Self, String> {
        let (&[pictures, height, width, channels], &[count, rows, columns, _]) =
            (shape.from, shape.to)
        else {
            return Err("its input is no batch of pictures".into());
        };
        let from = [height, width, channels];
        match kind {
            Resample::Area { align_corners } => {
                let lengths = [(height, rows), (width, columns)]
                    .map(|(from, to)| area_length(from, to, align_corners));
                let rows = Axis::areas(height, rows, align_corners);
                let columns = Axis::areas(width, columns, align_corners);
                let parts = (0..count).map(|picture| Part {
                    picture,
                    rows: rows.clone(),
                    columns: columns.clone(),
                });
                let factor = 1.0 / (lengths[0] * lengths[1]);
                Ok(Self { parts: parts.collect(), factor, fill: 0.0, from })
            }
            Resample::Kernel { kernel, antialias } => {
                let [factors, shifts, ..] = parameters else {
                    return Err("it has no factors".into());
                };
                let (factors, shifts) = (factors.to_f32(), shifts.to_f32());
                let (&[down, along], &[below, beside]) = (factors.as_slice(), shifts.as_slice())
                else {
                    return Err("its factors and shifts are not two numbers each".into());
                };
                if !(down > 0.0 && along > 0.0) {
                    return Err(format!("factors of {down} and {along}"));
                }
                let how = Weighting { kernel, antialias };
                let down = Placing { factor: down, shift: below };
                let along = Placing { factor: along, shift: beside };
                let rows = Axis::weighted(down, height, rows, how);
                let columns = Axis::weighted(along, width, columns, how);
                let parts = (0..count).map(|picture| Part {
                    picture,
                    rows: rows.clone(),
                    columns: columns.clone(),
                });
                Ok(Self { parts: parts.collect(), factor: 1.0, fill: 0.0, from })
            }
            Resample::Boxes { bilinear, fill } => {
                let [boxes, of_pictures, ..] = parameters else {
                    return Err("it has no boxes".into());
                };
                let (boxes, of_pictures) = (boxes.to_f32(), of_pictures.to_i64());
                let side = |start, end| Side { start, end };
                let mut parts = Vec::with_capacity(count);
                for (&[top, left, bottom, right], &picture) in
                    boxes.as_chunks::<4>().0.iter().zip(&of_pictures)
                {
                    let known = usize::try_from(picture).ok().filter(|&known| known < pictures);
                    let picture =
                        known.ok_or_else(|| format!("a box of picture {picture} of {pictures}"))?;
                    parts.push(Part {
                        picture,
                        rows: Axis::positions(side(top, bottom), height, rows, bilinear),
                        columns: Axis::positions(side(left, right), width, columns, bilinear),
                    });
                }
                Ok(Self { parts, factor: 1.0, fill, from })
            }
        }
    }

    /// Computes the result, without allocating.
    pub(crate) fn run(&self, pictures: &[f32], result: &mut [f32]) {
        let channels = self.from[2];
        let mut pixels = result.chunks_exact_mut(channels);
        for part in &self.parts {
            for row in 0..part.rows.ends.len() {
                for column in 0..part.columns.ends.len() {
                    let Some(pixel) = pixels.next() else { return };
                    let taps = PixelTaps {
                        picture: part.picture,
                        rows: part.rows.taps(row),
                        columns: part.columns.taps(column),
                    };
                    self.pixel(&taps, pictures, pixel);
                }
            }
        }
    }

    fn pixel(&self, taps: &PixelTaps<'_>, pictures: &[f32], pixel: &mut [f32]) {
        let [height, width, channels] = self.from;
        let PixelTaps { picture, rows, columns } = *taps;
        if rows.is_empty() || columns.is_empty() {
            pixel.fill(self.fill);
            return;
        }
        for (channel, value) in pixel.iter_mut().enumerate() {
            let mut sum = 0.0;
            for row in rows {
                let start = (picture * height + row.at as usize) * width;
                let mut along = 0.0;
                for column in columns {
                    let at = (start + column.at as usize) * channels + channel;
                    along += pictures[at] * column.weight;
                }
                sum += along * row.weight;
            }
            *value = sum * self.factor;
        }
    }
}

/// The pixels that one pixel of the result is a sum of.
struct PixelTaps<'a> {
    picture: usize,
    rows: &'a [Tap],
    columns: &'a [Tap],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::DType;

    fn run(kind: Resample, shape: ResampledShape<'_>, parameters: &[&Tensor]) -> Vec<f32> {
        let resampling = Resampling::new(kind, shape, parameters).unwrap();
        let pictures: Vec<f32> =
            (0..shape.from.iter().product()).map(|v: usize| v as f32).collect();
        let mut result = vec![0.0; shape.to.iter().product()];
        resampling.run(&pictures, &mut result);
        result
    }

    #[test]
    fn areas_are_means_of_what_they_cover() {
        let shape = ResampledShape { from: &[1, 2, 3, 1], to: &[1, 1, 2, 1] };
        // Of the rows 0 1 2 and 3 4 5: column 0 and half of column 1; half of column 1 and column
        // 2.
        let means = run(Resample::Area { align_corners: false }, shape, &[]);
        for (mean, sum) in means.iter().zip([0.0 + 0.5 + 3.0 + 2.0, 0.5 + 2.0 + 2.0 + 5.0]) {
            assert!((mean - sum / 3.0_f32).abs() < 1e-6, "{means:?}");
        }
        let whole = ResampledShape { from: &[1, 2, 2, 1], to: &[1, 1, 1, 1] };
        assert_eq!(run(Resample::Area { align_corners: false }, whole, &[]), [1.5]);
    }

    #[test]
    fn kernels_weight_by_distance() {
        let shape = ResampledShape { from: &[1, 1, 4, 1], to: &[1, 1, 2, 1] };
        let triangle = Resample::Kernel { kernel: ResampleKernel::Triangle, antialias: true };
        let factors = |along: f32| Tensor::from_f32(&[2], vec![1.0, along]);
        let none = Tensor::from_f32(&[2], vec![0.0, 0.0]);
        // Twice as wide for half the size: of 0 1 2 3 the first three by 3, 3 and 1.
        let halved = run(triangle, shape, &[&factors(0.5), &none]);
        let expected = [5.0 / 7.0, 3.0 - 5.0 / 7.0_f32];
        assert!(halved.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{halved:?}");
        let beyond = Tensor::from_f32(&[2], vec![0.0, -4.0]);
        assert_eq!(run(triangle, shape, &[&factors(1.0), &beyond]), [0.0, 0.0]);
        let error = Resampling::new(triangle, shape, &[&factors(0.0), &none]).unwrap_err();
        assert_eq!(error, "factors of 1 and 0");
    }

    #[test]
    fn boxes_are_cut_out_and_filled_outside() {
        let shape = ResampledShape { from: &[1, 3, 3, 1], to: &[2, 2, 2, 1] };
        let boxes = Tensor::from_f32(&[2, 4], vec![0.0, 0.0, 1.0, 1.0, -1.0, 0.5, 1.0, 0.5]);
        let of_pictures = Tensor::from_i64(DType::I32, &[2], &[0, 0]);
        let kind = Resample::Boxes { bilinear: true, fill: -7.0 };
        let found = run(kind, shape, &[&boxes, &of_pictures]);
        assert_eq!(found, [0.0, 2.0, 6.0, 8.0, -7.0, -7.0, 7.0, 7.0]);
        let beyond = Tensor::from_i64(DType::I32, &[2], &[0, 1]);
        let error = Resampling::new(kind, shape, &[&boxes, &beyond]).unwrap_err();
        assert_eq!(error, "a box of picture 1 of 1");
    }
}
