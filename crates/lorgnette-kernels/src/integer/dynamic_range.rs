//! Rounding of real numbers to 8 bits of a range that they have themselves: how TensorFlow Lite
//! computes where the weights alone are integers.

use super::chunks::for_chunks;
use crate::simd::{Simd, SimdOp};
use crate::{Level, ThreadPool};

/// How real numbers are rounded to the steps of a range of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DynamicRounding {
    /// Whether the range reaches as far below zero as above.
    pub is_symmetric: bool,
    /// Number of neighbouring values that have one range.
    pub row: usize,
}

/// The steps of a range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    /// The distance between two steps.
    pub(crate) scale: f32,
    /// The step that stands for zero.
    pub(crate) zero_point: i32,
    /// The first step.
    pub(crate) lowest: i32,
}

const LOWEST: i32 = -128;
const HIGHEST: i32 = 127;

impl Steps {
    /// The last step of every range.
    pub(crate) const HIGHEST: i32 = HIGHEST;
    /// The steps of numbers that are all zero.
    const OF_ZEROS: Self = Self { scale: 1.0, zero_point: 0, lowest: LOWEST };

    /// Returns the steps of numbers of which these are the smallest and the largest, or zero where
    /// that is smaller or larger.
    pub(crate) fn new(is_symmetric: bool, ends: [f32; 2]) -> Self {
        let steps = if is_symmetric { Self::symmetric(ends) } else { Self::asymmetric(ends) };
        // Of the smallest float32 no inverse is finite.
        steps.filter(|steps| (1.0 / steps.scale).is_finite()).unwrap_or(Self::OF_ZEROS)
    }

    /// Returns the steps from the smallest to the largest number; zero is one of them.
    fn asymmetric(ends: [f32; 2]) -> Option<Self> {
        let [low, high] = ends.map(f64::from);
        let (lowest, highest) = (f64::from(LOWEST), f64::from(HIGHEST));
        let scale = (high - low) / (highest - lowest);
        if low == high || !scale.is_finite() {
            return None;
        }
        let (from_low, from_high) = (lowest - low / scale, highest - high / scale);
        // The end that is computed with the smaller error.
        let is_low = lowest.abs() + (low / scale).abs() < highest.abs() + (high / scale).abs();
        let zero_point = if is_low { from_low } else { from_high }.clamp(lowest, highest).round();
        Some(Self { scale: scale as f32, zero_point: zero_point as i32, lowest: LOWEST })
    }

    /// Returns the steps to the largest magnitude on both sides of zero.
    fn symmetric([low, high]: [f32; 2]) -> Option<Self> {
        let magnitude = high.max(-low);
        let is_range = magnitude != 0.0 && magnitude.is_finite();
        let scale = magnitude / HIGHEST as f32;
        is_range.then_some(Self { scale, zero_point: 0, lowest: -HIGHEST })
    }
}

/// Values whose ends are found together.
const PART: usize = 8 << 10;

impl DynamicRounding {
    /// Returns the bytes of scratch for that many values.
    pub fn scratch_len(self, len: usize) -> usize {
        self.rows(len) * self.parts() * size_of::<[f32; 2]>()
    }

    fn rows(self, len: usize) -> usize {
        len.checked_div(self.row).map_or(0, |_| len.div_ceil(self.row))
    }

    /// Parts of a row.
    fn parts(self) -> usize {
        self.row.div_ceil(PART)
    }

    /// Rounds each row of `input` into `output`; the last row may be shorter. NaN stays NaN.
    ///
    /// # Panics
    /// If input and output have different lengths; if scratch is too short, or not aligned to
    /// words.
    pub fn run(
        self,
        level: Level,
        input: &[f32],
        output: &mut [f32],
        scratch: &mut [u8],
        pool: &ThreadPool,
    ) {
        assert_eq!(input.len(), output.len(), "a result for each value");
        let (row, parts) = (self.row, self.parts());
        let scratch = &mut scratch[..self.scratch_len(input.len())];
        let ends: &mut [[f32; 2]] = bytemuck::cast_slice_mut(scratch);
        for_chunks(ends, 1, pool, &|items, ends| {
            for (item, ends) in items.zip(ends) {
                let row_end = ((item / parts + 1) * row).min(input.len());
                let start = (item / parts * row + item % parts * PART).min(row_end);
                let values = &input[start..(start + PART).min(row_end)];
                level.dispatch(FindEnds { values, ends });
            }
        });
        let ends = &*ends;
        for_chunks(output, 1, pool, &|items, output| {
            let mut at = items.start;
            let mut rest = output;
            while !rest.is_empty() {
                let end = ((at / row + 1) * row).min(items.end);
                let (values, later) = rest.split_at_mut(end - at);
                let ends = &ends[at / row * parts..][..parts];
                let steps = Steps::new(self.is_symmetric, joined(ends));
                level.dispatch(Round { steps, input: &input[at..end], output: values });
                (rest, at) = (later, end);
            }
        });
    }
}

/// Returns the ends of a row from those of its parts.
fn joined(parts: &[[f32; 2]]) -> [f32; 2] {
    parts.iter().fold([0.0; 2], |ends, part| [ends[0].min(part[0]), ends[1].max(part[1])])
}

/// Finds the smallest and the largest value, and zero; passes over NaN.
struct FindEnds<'a> {
    values: &'a [f32],
    ends: &'a mut [f32; 2],
}

impl SimdOp for FindEnds<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        const LANES: usize = 32;
        let (mut lows, mut highs) = ([0f32; LANES], [0f32; LANES]);
        let chunks = self.values.chunks_exact(LANES);
        let rest = chunks.remainder();
        for values in chunks {
            extend(&mut lows, &mut highs, values);
        }
        extend(&mut lows, &mut highs, rest);
        let low = lows.into_iter().fold(0f32, f32::min);
        *self.ends = [low, highs.into_iter().fold(0f32, f32::max)];
    }
}

/// Extends the range of each lane to its value.
#[inline(always)]
fn extend(lows: &mut [f32], highs: &mut [f32], values: &[f32]) {
    for ((low, high), &x) in lows.iter_mut().zip(highs).zip(values) {
        *low = if x < *low { x } else { *low };
        *high = if x > *high { x } else { *high };
    }
}

/// Rounds values to steps.
struct Round<'a> {
    steps: Steps,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl SimdOp for Round<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        /// Beyond the steps of all ranges.
        const BEYOND: f32 = 1e3;
        /// The largest float32 below a half: what is just below a half must not reach one.
        const ALMOST_HALF: f32 = 0.499_999_97;
        let Steps { scale, zero_point, lowest } = self.steps;
        let inverse = 1.0 / scale;
        for (rounded, &real) in self.output.iter_mut().zip(self.input) {
            let step = (zero_point as f32 + real * inverse).clamp(-BEYOND, BEYOND);
            let step = (step + ALMOST_HALF.copysign(step)) as i32;
            let step = step.max(lowest).min(HIGHEST);
            let value = scale * (step - zero_point) as f32;
            *rounded = if real.is_nan() { f32::NAN } else { value };
        }
    }
}
