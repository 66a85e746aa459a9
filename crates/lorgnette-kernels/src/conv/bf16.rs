//! Convolution of numbers rounded to bf16, in pairs: one instruction multiplies two channels of each of sixteen output
//! channels and adds both products to a float32 sum.
//!
//! A pair is as wide as a float32. With the input rounded to pairs of neighbouring channels, and the weights packed as
//! such, this is the direct convolution of half as many channels, run by the same tile with another product.

use std::ops::Range;

use super::pack::{self, Source, in_panels};
use super::tile::Job;
use super::{Arithmetic, Conv, ConvKernel, ConvShape, Filter, cost_of_definition, direct, panel_width, stream, strip};
use crate::blocks::{copy_pixels, for_blocks};
use crate::formats::to_bf16;
use crate::simd::Simd;
use crate::{Elements, Formats, Map, Padding, Pool, Precision, WeightFormat, Window};

/// What rounding one vector of inputs costs, in vector multiplications of the convolution: it is read, and half of it
/// written.
const ROUNDING: f64 = 2.0;

pub(super) const fn kernel<S: Simd>() -> ConvKernel {
    ConvKernel {
        name: "bf16",
        level: S::LEVEL,
        formats: Formats { precision: Precision::Bf16, weights: WeightFormat::Float32 },
        arithmetic: Arithmetic::of_definition("bf16"),
        layout: "pairs of bf16",
        fits: |_| true,
        cost: |shape| {
            let inputs = shape.input.pixels() * shape.input.channels.div_ceil(S::LANES);
            let rounding = if is_rounded(shape) { 0.0 } else { ROUNDING * inputs as f64 };
            cost_of_definition::<S>(&in_pairs(shape)) + rounding
        },
        packed_len: |shape| pack::packed_len::<S>(&in_pairs(shape)),
        survey_rows: None,
        pack_rows: pack_rows::<S>,
        band: |_| Some(1),
        scratch_len: |shape, _| {
            let bordered = bordered(shape);
            let pairs = in_pairs(bordered.as_ref().unwrap_or(shape));
            let rounded = if bordered.is_none() && is_rounded(shape) { 0 } else { pairs.input.len() };
            direct::zeros(&pairs) + rounded
        },
        run: run::<S>,
    }
}

/// Whether the input has been rounded by who wrote it.
fn is_rounded(shape: &ConvShape) -> bool {
    shape.input.elements == Elements::Bf16
}

/// The same convolution, a pair of input channels counting as one.
fn in_pairs(shape: &ConvShape) -> ConvShape {
    let Map { batch, height, width, channels, stride, .. } = shape.input;
    let pairs = Map::dense(batch, height, width, Elements::Bf16.floats(channels));
    let stride = if is_rounded(shape) { stride } else { pairs.stride };
    ConvShape { input: Map { stride, ..pairs }, ..*shape }
}

/// A tap's last channel is paired with zero where their number is odd.
fn pack_rows<S: Simd>(shape: &ConvShape, filter: &Filter<'_>, rows: Range<usize>, packed: &mut [f32], pool: &Pool) {
    let (width, channels) = (panel_width::<S>(), shape.input.channels);
    let pairs = in_pairs(shape);
    let source = Source::of(filter, shape);
    let packed = &mut packed[..pack::packed_len::<S>(&pairs)];
    in_panels(packed, pack::panel_len::<S>(&pairs), rows, pool, &|panel, k, values| {
        let (tap, channel) = (k / channels, k % channels);
        let row = tap * pairs.input.channels + channel / 2;
        for (pair, weight) in values[row * width..][..width].iter_mut().zip(source.row(k, panel, width)) {
            let half = u32::from(to_bf16(weight));
            // The first of a pair comes before the second.
            *pair = f32::from_bits(if channel % 2 == 0 { half } else { pair.to_bits() | half << 16 });
        }
    });
}

fn run<S: Simd>(conv: Conv<'_>, pool: &Pool) {
    let (shape, bordered) = (conv.shape, bordered(conv.shape));
    let pairs = in_pairs(bordered.as_ref().unwrap_or(shape));
    let Conv { input, scratch, .. } = conv;
    let (zeros, scratch) = scratch.split_at_mut(direct::zeros(&pairs));
    let input = match &bordered {
        Some(bordered) => surround(shape, input, &bordered.input, scratch, pool),
        None if is_rounded(shape) => input,
        None => round(&shape.input, input, scratch, pool),
    };
    let conv = Conv { shape: &pairs, input, scratch: zeros, ..conv };
    conv.check(pack::packed_len::<S>(&pairs));
    let (mut job, input, zeros) = Job::new::<S>(conv);
    if bordered.is_some() {
        // The taps of a row touch, and none is outside the picture.
        let [rows, columns] = pairs.window.kernel;
        (job.taps, job.depth) = ([rows, 1], columns * pairs.input.channels);
    }
    if shape.output.pixels() <= stream::MOST_PIXELS {
        stream::run::<S, f32>(&job, &pairs, input, zeros, pool);
    } else {
        direct::run::<S, f32>(&job, &pairs, input, zeros, pool);
    }
}

/// Rounds all pixels.
fn round<'a>(map: &Map, input: &[f32], scratch: &'a mut [f32], pool: &Pool) -> &'a [f32] {
    let pairs = Map { stride: Elements::Bf16.floats(map.channels), elements: Elements::Bf16, ..*map };
    let rounded = &mut scratch[..pairs.len()];
    for_blocks(&pairs, 1, rounded, pool, &|pixels, part| copy_pixels(map, input, pixels, &pairs, part));
    rounded
}

/// The convolution of the picture with its padding around it, if that is worth making: where there are few channels, such as a
/// photo's, so that it is small, and single taps are too short to be gone through one by one.
fn bordered(shape: &ConvShape) -> Option<ConvShape> {
    let ConvShape { input, window, .. } = *shape;
    let touch = window.kernel[1] > 1 && window.dilation[1] == 1;
    if !touch || input.channels > strip::MOST_CHANNELS || shape.output.pixels() <= stream::MOST_PIXELS {
        return None;
    }
    let Padding { top, bottom, left, right } = window.padding;
    let (height, width) = (input.height + top + bottom, input.width + left + right);
    // The taps of a row are read without asking again whether they are there.
    assert!((shape.output.width - 1) * window.stride[1] + window.kernel[1] <= width, "a window leaves its picture");
    let stride = Elements::Bf16.floats(input.channels);
    let input = Map { height, width, stride, elements: Elements::Bf16, ..input };
    Some(ConvShape { input, window: Window { padding: Padding::default(), ..window }, ..*shape })
}

/// Rounds all pixels and puts zeros around them.
fn surround<'a>(shape: &ConvShape, input: &[f32], to: &Map, scratch: &'a mut [f32], pool: &Pool) -> &'a [f32] {
    let (map, padding) = (&shape.input, shape.window.padding);
    let rounded = &mut scratch[..to.len()];
    for_blocks(to, to.width, rounded, pool, &|pixels, part| {
        for (row, part) in (pixels.start / to.width..).zip(part.chunks_mut(to.width * to.stride)) {
            let (n, y) = (row / to.height, (row % to.height).wrapping_sub(padding.top));
            let (before, rest) = part.split_at_mut(padding.left * to.stride);
            let (inside, behind) = rest.split_at_mut(map.width * to.stride);
            before.fill(0.0);
            behind.fill(0.0);
            if y < map.height {
                let first = (n * map.height + y) * map.width;
                copy_pixels(map, input, first..first + map.width, to, inside);
            } else {
                inside.fill(0.0);
            }
        }
    });
    rounded
}
