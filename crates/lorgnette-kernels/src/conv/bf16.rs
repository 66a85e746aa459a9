//! Convolution of values rounded to bf16, in pairs: one instruction multiplies two input channels
//! for each of sixteen output channels and adds both products to a float32 sum.
//!
//! A pair is as wide as a float32. With the input rounded to pairs of neighbouring channels, and
//! the weights packed the same way, this is the direct convolution of half the channels, run by the
//! same tile with another product. `matrix` is the same where instructions multiply matrices.

#[cfg(target_arch = "aarch64")]
pub(super) mod matrix;

use std::ops::Range;

use super::pack::{self, Source, in_panels};
use super::tile::Job;
use super::{
    Algorithm, Conv, ConvKernel, ConvShape, Filter, direct, direct_cost, gemv, panel_width,
    row_im2col,
};
use crate::blocks::{copy_pixels, for_blocks};
use crate::numerics::f32_to_bf16;
use crate::simd::Simd;
use crate::{
    ImageLayout, NumericOptions, PackedLayout, Padding, Precision, StorageType, ThreadPool,
    WeightFormat, Window,
};

/// Cost of rounding one vector of inputs: it is read, and half of it written.
const ROUNDING_COST: f64 = 2.0;

pub(super) const fn kernel<S: Simd>() -> ConvKernel {
    ConvKernel {
        name: "bf16",
        level: S::LEVEL,
        numerics: NumericOptions { compute: Precision::Bf16, ..super::FLOAT32 },
        algorithm: Algorithm::direct("bf16"),
        layout: PackedLayout::new("pairs of bf16", WeightFormat::Bf16),
        fits: |_| true,
        cost: |shape| direct_cost::<S>(&paired_shape(shape)) + rounding_cost::<S>(shape),
        packed_len: |shape| pack::packed_len::<S>(&paired_shape(shape)),
        scan_weights: None,
        pack_rows: pack_rows::<S>,
        row_block: |_| Some(1),
        scratch_len: |shape, _| {
            let padded_shape = padded_shape(shape);
            let pairs = paired_shape(padded_shape.as_ref().unwrap_or(shape));
            let rounded =
                if padded_shape.is_none() && input_is_bf16(shape) { 0 } else { pairs.input.len() };
            direct::zeros(&pairs) + rounded
        },
        run: run::<S>,
    }
}

/// Returns the cost of rounding the input.
fn rounding_cost<S: Simd>(shape: &ConvShape) -> f64 {
    let inputs = shape.input.pixels() * shape.input.channels.div_ceil(S::LANES);
    if input_is_bf16(shape) { 0.0 } else { ROUNDING_COST * inputs as f64 }
}

/// True if the input is stored as bf16.
fn input_is_bf16(shape: &ConvShape) -> bool {
    shape.input.storage == StorageType::Bf16
}

/// Returns the convolution in which a pair of input channels counts as one.
fn paired_shape(shape: &ConvShape) -> ConvShape {
    let ImageLayout { batch, height, width, channels, .. } = shape.input;
    let pairs = ImageLayout::dense(batch, height, width, StorageType::Bf16.words(channels));
    let input = if input_is_bf16(shape) { shape.input.as_words() } else { pairs };
    ConvShape { input, ..*shape }
}

/// Packs rows of weights. A tap's odd last channel is paired with zero.
fn pack_rows<S: Simd>(
    shape: &ConvShape,
    filter: &Filter<'_>,
    rows: Range<usize>,
    packed: &mut [f32],
    pool: &ThreadPool,
) {
    let (width, channels) = (panel_width::<S>(), shape.input.channels);
    let pairs = paired_shape(shape);
    let source = Source::for_conv(filter, shape);
    let packed = &mut packed[..pack::packed_len::<S>(&pairs)];
    in_panels(packed, pack::panel_len::<S>(&pairs), rows, pool, &|panel, k, values| {
        let (tap, channel) = (k / channels, k % channels);
        let row = tap * pairs.input.channels + channel / 2;
        for (pair, weight) in
            values[row * width..][..width].iter_mut().zip(source.row(k, panel, width))
        {
            let half = u32::from(f32_to_bf16(weight));
            // The first element of a pair comes before the second.
            *pair =
                f32::from_bits(if channel % 2 == 0 { half } else { pair.to_bits() | half << 16 });
        }
    });
}

fn run<S: Simd>(conv: Conv<'_>, pool: &ThreadPool) {
    let (shape, padded_shape) = (conv.shape, padded_shape(conv.shape));
    let pairs = paired_shape(padded_shape.as_ref().unwrap_or(shape));
    let Conv { input, scratch, .. } = conv;
    let (zeros, scratch) = scratch.split_at_mut(direct::zeros(&pairs));
    let input = match &padded_shape {
        Some(padded_shape) => pad_and_round(shape, input, &padded_shape.input, scratch, pool),
        None if input_is_bf16(shape) => input,
        None => round_input(&shape.input, input, scratch, pool),
    };
    let conv = Conv { shape: &pairs, input, scratch: zeros, ..conv };
    conv.check(pack::packed_len::<S>(&pairs));
    let (mut job, input, zeros) = Job::new::<S>(conv);
    if padded_shape.is_some() {
        // The taps of a row are contiguous, and none is outside the image.
        let [rows, columns] = pairs.window.kernel;
        (job.taps, job.depth) = ([rows, 1], columns * pairs.input.channels);
    }
    if shape.output.pixels() <= gemv::MAX_PIXELS {
        gemv::run::<S, f32>(&job, &pairs, input, zeros, pool);
    } else {
        direct::run::<S, f32>(&job, &pairs, input, zeros, pool);
    }
}

/// Rounds all pixels into scratch.
fn round_input<'a>(
    layout: &ImageLayout,
    input: &[f32],
    scratch: &'a mut [f32],
    pool: &ThreadPool,
) -> &'a [f32] {
    let pairs = ImageLayout {
        stride: StorageType::Bf16.pixel_len(layout.channels),
        storage: StorageType::Bf16,
        ..*layout
    };
    let rounded = &mut scratch[..pairs.len()];
    for_blocks(&pairs, 1, rounded, pool, &|pixels, chunk| {
        copy_pixels(layout, input, pixels, &pairs, chunk);
    });
    rounded
}

/// Returns the convolution of the explicitly padded image where that pays: with few channels, such
/// as a photo's, the copy is small and single taps are too short for a loop each.
fn padded_shape(shape: &ConvShape) -> Option<ConvShape> {
    let ConvShape { input, window, .. } = *shape;
    let touch = window.kernel[1] > 1 && window.dilation[1] == 1;
    if !touch
        || input.channels > row_im2col::MAX_CHANNELS
        || shape.output.pixels() <= gemv::MAX_PIXELS
    {
        return None;
    }
    let Padding { top, bottom, left, right } = window.padding;
    let (height, width) = (input.height + top + bottom, input.width + left + right);
    // The taps of a row are read without a bounds check.
    assert!(
        (shape.output.width - 1) * window.stride[1] + window.kernel[1] <= width,
        "a window leaves the padded image"
    );
    let stride = StorageType::Bf16.pixel_len(input.channels);
    let input = ImageLayout { height, width, stride, storage: StorageType::Bf16, ..input };
    Some(ConvShape { input, window: Window { padding: Padding::default(), ..window }, ..*shape })
}

/// Rounds all pixels into scratch and surrounds them with zeros.
fn pad_and_round<'a>(
    shape: &ConvShape,
    input: &[f32],
    to: &ImageLayout,
    scratch: &'a mut [f32],
    pool: &ThreadPool,
) -> &'a [f32] {
    let (layout, padding) = (&shape.input, shape.window.padding);
    let (rounded, stride) = (&mut scratch[..to.len()], to.word_stride());
    for_blocks(to, to.width, rounded, pool, &|pixels, chunk| {
        for (row, chunk) in (pixels.start / to.width..).zip(chunk.chunks_mut(to.width * stride)) {
            let (n, y) = (row / to.height, (row % to.height).wrapping_sub(padding.top));
            let (before, rest) = chunk.split_at_mut(padding.left * stride);
            let (inside, behind) = rest.split_at_mut(layout.width * stride);
            before.fill(0.0);
            behind.fill(0.0);
            if y < layout.height {
                let first = (n * layout.height + y) * layout.width;
                copy_pixels(layout, input, first..first + layout.width, to, inside);
            } else {
                inside.fill(0.0);
            }
        }
    });
    rounded
}
