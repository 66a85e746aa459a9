//! Convolution with weights kept in fewer bytes, for layers of few pixels, which take as long as reading their weights does.
//! They become float32 in registers; products and sums are float32.
//!
//! ```text
//! packed = [factor of each output channel, if weights are whole numbers][panels, as of float32 but in fewer bytes]
//! ```

use std::ops::Range;

use super::pack::{self, Source, in_panels};
use super::tile::Job;
use super::weight::{Bf16, F16, Weight};
use super::{Arithmetic, Conv, ConvKernel, ConvShape, Filter, direct, panel_width, stream};
use crate::formats::{to_bf16, to_f16};
use crate::simd::Simd;
use crate::{Formats, Pool, Precision, WeightFormat};

/// A form in which weights are kept.
pub(super) trait Stored: Weight {
    /// What it is called.
    const FORMAT: WeightFormat;
    /// The kernel, and its layout.
    const NAME: &'static str;

    /// Puts weights into as many floats as their bytes fill; `factors` are their channels', where there are any.
    fn put(weights: &[f32], factors: &[f32], slots: &mut [f32]);
}

impl Stored for Bf16 {
    const FORMAT: WeightFormat = WeightFormat::Bf16;
    const NAME: &'static str = "bf16 weights";

    fn put(weights: &[f32], _: &[f32], slots: &mut [f32]) {
        put_halves(weights, slots, to_bf16);
    }
}

impl Stored for F16 {
    const FORMAT: WeightFormat = WeightFormat::F16;
    const NAME: &'static str = "f16 weights";

    fn put(weights: &[f32], _: &[f32], slots: &mut [f32]) {
        put_halves(weights, slots, to_f16);
    }
}

impl Stored for i8 {
    const FORMAT: WeightFormat = WeightFormat::Int8;
    const NAME: &'static str = "int8 weights";

    fn put(weights: &[f32], factors: &[f32], slots: &mut [f32]) {
        let (weights, factors) = (weights.chunks_exact(4), factors.chunks_exact(4));
        for ((slot, weights), factors) in slots.iter_mut().zip(weights).zip(factors) {
            let byte = |i: usize| quantised(weights[i], factors[i]) as u8;
            *slot = f32::from_ne_bytes([byte(0), byte(1), byte(2), byte(3)]);
        }
    }
}

fn put_halves(weights: &[f32], slots: &mut [f32], half: impl Fn(f32) -> u16) {
    for (slot, weights) in slots.iter_mut().zip(weights.chunks_exact(2)) {
        let ([a, b], [c, d]) = (half(weights[0]).to_ne_bytes(), half(weights[1]).to_ne_bytes());
        *slot = f32::from_ne_bytes([a, b, c, d]);
    }
}

/// The largest whole number a weight becomes.
const MOST: f32 = 127.0;

/// The nearest multiple of a channel's factor. A channel without one, or whose factor is no number, has zeros.
fn quantised(weight: f32, factor: f32) -> i8 {
    // Not the product with an inverse, which could be infinite.
    (f64::from(weight) / f64::from(factor)).round_ties_even().clamp(-f64::from(MOST), f64::from(MOST)) as i8
}

pub(super) const fn kernel<S: Simd, W: Stored>() -> ConvKernel {
    ConvKernel {
        name: W::NAME,
        level: S::LEVEL,
        formats: Formats { precision: Precision::Float32, weights: W::FORMAT },
        arithmetic: Arithmetic::of_definition(W::NAME),
        layout: W::NAME,
        fits: |_| true,
        cost: cost::<S, W>,
        packed_len: |shape| factors::<S, W>(shape) + panels_len::<S, W>(shape),
        survey_rows: if has_factors::<W>() { Some(survey_rows::<S>) } else { None },
        pack_rows: pack_rows::<S, W>,
        band: |_| None,
        scratch_len: |shape, _| direct::zeros(shape),
        run: run::<S, W>,
    }
}

fn cost<S: Simd, W: Stored>(shape: &ConvShape) -> f64 {
    let weights = shape.depth() * shape.output.channels;
    let products = shape.output.pixels() * shape.depth() * shape.output.channels.div_ceil(S::LANES);
    super::with_reading::<S>(products as f64, weights * size_of::<W>() / size_of::<f32>())
}

const fn has_factors<W: Stored>() -> bool {
    matches!(W::FORMAT, WeightFormat::Int8)
}

/// Floats before the panels: a factor for each of their channels.
fn factors<S: Simd, W: Stored>(shape: &ConvShape) -> usize {
    if has_factors::<W>() { shape.output.channels.next_multiple_of(panel_width::<S>()) } else { 0 }
}

/// Floats that one panel takes.
fn panel_len<S: Simd, W: Stored>(shape: &ConvShape) -> usize {
    pack::panel_len::<S>(shape) * size_of::<W>() / size_of::<f32>()
}

fn panels_len<S: Simd, W: Stored>(shape: &ConvShape) -> usize {
    pack::packed_len::<S>(shape) * size_of::<W>() / size_of::<f32>()
}

/// Finds the channels' factors: the largest magnitude becomes [`MOST`]. A channel with a weight that is not finite has a
/// factor that is not, so that its sums are no numbers.
fn survey_rows<S: Simd>(shape: &ConvShape, filter: &Filter<'_>, rows: Range<usize>, packed: &mut [f32], pool: &Pool) {
    let width = panel_width::<S>();
    let source = Source::of(filter, shape);
    let factors = &mut packed[..factors::<S, i8>(shape)];
    if rows.start == 0 {
        factors.fill(0.0);
    }
    in_panels(factors, width, rows, pool, &|panel, k, factors| {
        for (factor, weight) in factors.iter_mut().zip(source.row(k, panel, width)) {
            let needed = weight.abs() / MOST;
            if needed > *factor || needed.is_nan() {
                *factor = needed;
            }
        }
    });
}

fn pack_rows<S: Simd, W: Stored>(
    shape: &ConvShape,
    filter: &Filter<'_>,
    rows: Range<usize>,
    packed: &mut [f32],
    pool: &Pool,
) {
    let width = panel_width::<S>();
    let slots = width * size_of::<W>() / size_of::<f32>();
    let source = Source::of(filter, shape);
    let (factors, panels) = packed.split_at_mut(factors::<S, W>(shape));
    let factors = &*factors;
    in_panels(&mut panels[..panels_len::<S, W>(shape)], panel_len::<S, W>(shape), rows, pool, &|panel, k, values| {
        let factors = factors.get(panel * width..(panel + 1) * width).unwrap_or_default();
        W::put(&source.row(k, panel, width)[..width], factors, &mut values[k * slots..][..slots]);
    });
}

fn run<S: Simd, W: Stored>(conv: Conv<'_>, pool: &Pool) {
    let shape = conv.shape;
    let factors = factors::<S, W>(shape);
    conv.check(factors + panels_len::<S, W>(shape));
    let (mut job, input, scratch) = Job::new::<S>(conv);
    let (scale, panels) = job.packed.split_at(factors);
    (job.packed, job.scale) = (panels, has_factors::<W>().then_some(scale));
    if shape.output.pixels() <= stream::MOST_PIXELS {
        stream::run::<S, W>(&job, shape, input, scratch, pool);
    } else {
        direct::run::<S, W>(&job, shape, input, scratch, pool);
    }
}
