//! Convolution with weights stored in fewer bytes, for layers of few pixels, whose time is that of
//! reading the weights. Weights become float32 in registers; products and sums are float32.
//!
//! ```text
//! packed = [scale of each output channel, for integers][panels, as of float32 but in fewer bytes]
//! ```

use std::ops::Range;

use super::pack::{self, Source, in_panels};
use super::tile::Job;
use super::weight::{Bf16, F16, Weight};
use super::{Algorithm, Conv, ConvKernel, ConvShape, Filter, direct, gemv, panel_width};
use crate::numerics::{f32_to_bf16, f32_to_f16};
use crate::simd::Simd;
use crate::{NumericOptions, PackedLayout, ThreadPool, WeightFormat};

/// A storage format of weights.
pub(super) trait WeightOnlyFormat: Weight {
    /// The format's name in options.
    const FORMAT: WeightFormat;
    /// Name of the kernel and of its layout.
    const NAME: &'static str;

    /// Encodes weights into the words that their bytes fill; `scales` has their channels' scales,
    /// if the format has any.
    fn encode(weights: &[f32], scales: &[f32], words: &mut [f32]);
}

impl WeightOnlyFormat for Bf16 {
    const FORMAT: WeightFormat = WeightFormat::Bf16;
    const NAME: &'static str = "bf16 weights";

    fn encode(weights: &[f32], _: &[f32], words: &mut [f32]) {
        encode_16_bit(weights, words, f32_to_bf16);
    }
}

impl WeightOnlyFormat for F16 {
    const FORMAT: WeightFormat = WeightFormat::F16;
    const NAME: &'static str = "f16 weights";

    fn encode(weights: &[f32], _: &[f32], words: &mut [f32]) {
        encode_16_bit(weights, words, f32_to_f16);
    }
}

impl WeightOnlyFormat for i8 {
    const FORMAT: WeightFormat = WeightFormat::Int8;
    const NAME: &'static str = "int8 weights";

    fn encode(weights: &[f32], scales: &[f32], words: &mut [f32]) {
        let (weights, scales) = (weights.chunks_exact(4), scales.chunks_exact(4));
        for ((word, weights), scales) in words.iter_mut().zip(weights).zip(scales) {
            let byte = |i: usize| quantise(weights[i], scales[i]) as u8;
            *word = f32::from_ne_bytes([byte(0), byte(1), byte(2), byte(3)]);
        }
    }
}

fn encode_16_bit(weights: &[f32], words: &mut [f32], half: impl Fn(f32) -> u16) {
    for (word, weights) in words.iter_mut().zip(weights.chunks_exact(2)) {
        let ([a, b], [c, d]) = (half(weights[0]).to_ne_bytes(), half(weights[1]).to_ne_bytes());
        *word = f32::from_ne_bytes([a, b, c, d]);
    }
}

/// Largest integer of a quantised weight.
const MAX_INT8: f32 = 127.0;

/// Returns the nearest multiple of a channel's scale. A channel whose scale is zero or NaN has
/// zeros.
fn quantise(weight: f32, channel_scale: f32) -> i8 {
    // Not a product with the inverse, which could be infinite.
    (f64::from(weight) / f64::from(channel_scale))
        .round_ties_even()
        .clamp(-f64::from(MAX_INT8), f64::from(MAX_INT8)) as i8
}

pub(super) const fn kernel<S: Simd, W: WeightOnlyFormat>() -> ConvKernel {
    ConvKernel {
        name: W::NAME,
        level: S::LEVEL,
        numerics: NumericOptions { weight_storage: W::FORMAT, ..super::FLOAT32 },
        algorithm: Algorithm::direct(W::NAME),
        layout: PackedLayout::new(W::NAME, W::FORMAT),
        fits: |_| true,
        cost: cost::<S, W>,
        packed_len: |shape| scales_len::<S, W>(shape) + panels_len::<S, W>(shape),
        scan_weights: if has_scales::<W>() { Some(scan_weights::<S>) } else { None },
        pack_rows: pack_rows::<S, W>,
        row_block: |_| None,
        scratch_len: |shape, _| direct::zeros(shape),
        run: run::<S, W>,
    }
}

fn cost<S: Simd, W: WeightOnlyFormat>(shape: &ConvShape) -> f64 {
    let weights = shape.depth() * shape.output.channels;
    let products = shape.output.pixels() * shape.depth() * shape.output.channels.div_ceil(S::LANES);
    super::with_weight_loads::<S>(products as f64, weights * size_of::<W>() / size_of::<f32>())
}

const fn has_scales<W: WeightOnlyFormat>() -> bool {
    matches!(W::FORMAT, WeightFormat::Int8)
}

/// Returns the words before the panels: a scale for each of their channels.
fn scales_len<S: Simd, W: WeightOnlyFormat>(shape: &ConvShape) -> usize {
    if has_scales::<W>() { shape.output.channels.next_multiple_of(panel_width::<S>()) } else { 0 }
}

/// Returns the words of one panel.
fn panel_len<S: Simd, W: WeightOnlyFormat>(shape: &ConvShape) -> usize {
    pack::panel_len::<S>(shape) * size_of::<W>() / size_of::<f32>()
}

fn panels_len<S: Simd, W: WeightOnlyFormat>(shape: &ConvShape) -> usize {
    pack::packed_len::<S>(shape) * size_of::<W>() / size_of::<f32>()
}

/// Finds the channels' scales: the largest magnitude becomes [`MAX_INT8`]. A channel with a weight
/// that is not finite has such a scale, so that its sums are NaN.
fn scan_weights<S: Simd>(
    shape: &ConvShape,
    filter: &Filter<'_>,
    rows: Range<usize>,
    packed: &mut [f32],
    pool: &ThreadPool,
) {
    let width = panel_width::<S>();
    let source = Source::for_conv(filter, shape);
    let scales = &mut packed[..scales_len::<S, i8>(shape)];
    if rows.start == 0 {
        scales.fill(0.0);
    }
    in_panels(scales, width, rows, pool, &|panel, k, scales| {
        for (channel_scale, weight) in scales.iter_mut().zip(source.row(k, panel, width)) {
            let min_scale = weight.abs() / MAX_INT8;
            if min_scale > *channel_scale || min_scale.is_nan() {
                *channel_scale = min_scale;
            }
        }
    });
}

fn pack_rows<S: Simd, W: WeightOnlyFormat>(
    shape: &ConvShape,
    filter: &Filter<'_>,
    rows: Range<usize>,
    packed: &mut [f32],
    pool: &ThreadPool,
) {
    let width = panel_width::<S>();
    let words = width * size_of::<W>() / size_of::<f32>();
    let source = Source::for_conv(filter, shape);
    let (scales, panels) = packed.split_at_mut(scales_len::<S, W>(shape));
    let scales = &*scales;
    in_panels(
        &mut panels[..panels_len::<S, W>(shape)],
        panel_len::<S, W>(shape),
        rows,
        pool,
        &|panel, k, values| {
            let scales = scales.get(panel * width..(panel + 1) * width).unwrap_or_default();
            W::encode(
                &source.row(k, panel, width)[..width],
                scales,
                &mut values[k * words..][..words],
            );
        },
    );
}

fn run<S: Simd, W: WeightOnlyFormat>(conv: Conv<'_>, pool: &ThreadPool) {
    let shape = conv.shape;
    let scales_len = scales_len::<S, W>(shape);
    conv.check(scales_len + panels_len::<S, W>(shape));
    let (mut job, input, scratch) = Job::new::<S>(conv);
    let (scale, panels) = job.packed.split_at(scales_len);
    job.packed = panels;
    job.epilogue.scale = has_scales::<W>().then_some(scale);
    if shape.output.pixels() <= gemv::MAX_PIXELS {
        gemv::run::<S, W>(&job, shape, input, scratch, pool);
    } else {
        direct::run::<S, W>(&job, shape, input, scratch, pool);
    }
}
