//! Resizing by area and cropping by boxes: each value of the result is a weighted sum along rows
//! and columns, in TensorFlow's float32.

use super::op::Resample;
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
    /// Number of weights that a resampling between these shapes keeps at most.
    pub(crate) fn weights(&self) -> usize {
        let (&[_, from_rows, from_columns, _], &[parts, rows, columns, _]) = (self.from, self.to)
        else {
            return 0;
        };
        let sides = from_rows + from_columns + 3 * (rows + columns);
        // A pixel and a weight, and its end.
        3 * parts.saturating_mul(sides)
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
