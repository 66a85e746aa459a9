//! Depthwise convolutions, four taps of 64 channels at a time.

use std::ops::Range;

use super::channel_factors::ChannelFactors;
use super::{Instructions, Limits, ZeroPoints};
use crate::integer::chunks::for_chunks;
use crate::integer::{Byte, IntegerConvShape, IntegerFilter};
use crate::shape::Window;
use crate::{Buffer, Level, ThreadPool};

/// Channels that are computed together.
pub(super) const BLOCK: usize = 64;
/// Taps whose products are added by one instruction.
pub(super) const TAP_GROUP: usize = 4;
/// Maximum taps of a window, in whole groups.
const MAX_TAPS: usize = 64;

/// A depthwise convolution of one filter a channel, with its filters packed.
#[derive(Debug)]
pub struct PackedDepthwise {
    shape: IntegerConvShape,
    zeros: ZeroPoints,
    limits: Limits,
    is_signed: bool,
    weights: Buffer,
    factors: ChannelFactors,
    /// A pixel of zeros, as they are stored: the input's zero point.
    padding: Vec<u8>,
    /// A pixel that adds nothing, for the taps that complete a group.
    blank: Vec<u8>,
    /// Where each tap's pixel is, from the first tap's pixel on.
    offsets: Vec<usize>,
}

/// A pixel's arguments.
#[derive(Clone, Copy)]
pub(super) struct DepthwisePixel<'a> {
    /// For each tap, in whole groups, `channels` values.
    pub(super) taps: &'a [*const u8],
    /// For each block and each group of taps, four vectors.
    pub(super) weights: *const i8,
    pub(super) factors: &'a ChannelFactors,
    pub(super) channels: usize,
    pub(super) zeros: ZeroPoints,
    pub(super) limits: Limits,
    /// Whether results are int8.
    pub(super) is_signed: bool,
}

/// Returns the place of a channel's 32-bit lane among all: the order in which the bytes of four
/// taps are brought together.
fn lane(channel: usize) -> usize {
    let (block, inner) = (channel / BLOCK, channel % BLOCK);
    block * BLOCK + inner % 16 / 4 * 16 + inner / 16 * 4 + inner % 4
}

impl PackedDepthwise {
    /// Packs filters; `None` if the level has no instructions for them, or a channel has several.
    ///
    /// # Panics
    /// If the filter's slices are not as long as the shape says.
    pub fn new<T: Byte>(
        level: Level,
        shape: &IntegerConvShape,
        filter: &IntegerFilter<'_, T>,
    ) -> Option<Self> {
        if !has_kernel(level) {
            return None;
        }
        let zeros = ZeroPoints::new::<T>(shape.input_zero_point, filter.zero_point)?;
        let (channels, taps) = (shape.input_shape[3], shape.window.taps());
        let fits = channels == shape.output_shape[3]
            && (1..=MAX_TAPS).contains(&taps)
            && filter.values.len() == taps.checked_mul(channels)?
            && channels > 0;
        if !fits {
            return None;
        }
        filter.check(channels);
        let padded = channels.next_multiple_of(BLOCK);
        let mut packed = Self {
            shape: *shape,
            zeros,
            limits: Limits::new(shape.range),
            is_signed: T::MIN < 0,
            weights: Buffer::zeroed(padded * taps.next_multiple_of(TAP_GROUP)).ok()?,
            factors: ChannelFactors::zeroed(padded),
            padding: vec![zeros.input as u8 ^ zeros.flip; channels],
            blank: vec![zeros.flip; channels],
            offsets: tap_offsets(shape),
        };
        packed.pack(filter);
        Some(packed)
    }

    fn pack<T: Byte>(&mut self, filter: &IntegerFilter<'_, T>) {
        let (channels, taps) = (self.shape.input_shape[3], self.shape.window.taps());
        let groups = taps.div_ceil(TAP_GROUP);
        for channel in 0..channels {
            let lane = lane(channel);
            let (block, lane_of_block) = (lane / BLOCK, lane % BLOCK);
            let mut sum = 0i32;
            for tap in 0..taps {
                let stored = filter.values[tap * channels + channel].widen() as u8;
                let weight = stored ^ self.zeros.filter_flip;
                sum += i32::from(weight.cast_signed());
                let group = block * groups + tap / TAP_GROUP;
                let at = (group * BLOCK + lane_of_block) * TAP_GROUP + tap % TAP_GROUP;
                self.weights[at] = weight;
            }
            let bias = filter.bias.get(channel).copied().unwrap_or(0);
            let constant = self.zeros.constant(bias, sum, taps);
            self.factors.set(lane, constant, filter.rescale[channel]);
        }
    }

    /// Returns the name in reports.
    pub fn name(&self) -> &'static str {
        "depthwise, integers, vnni"
    }

    /// Returns the bytes of the packed filters and of what they take beside them.
    pub fn weight_bytes(&self) -> usize {
        self.weights.len() + 4 * size_of::<i32>() * self.factors.constants.len()
    }

    /// Computes all pixels.
    ///
    /// # Panics
    /// If slices are not as long as the shape says.
    pub fn run<T: Byte>(&self, input: &[T], output: &mut [T], pool: &ThreadPool) {
        self.shape.check(input.len(), output.len());
        let (input, output) = (bytemuck::cast_slice(input), bytemuck::cast_slice_mut(output));
        for_chunks(output, self.shape.output_shape[3], pool, &|pixels, output| {
            self.pixels(input, pixels, output);
        });
    }

    fn pixels(&self, input: &[u8], pixels: Range<usize>, output: &mut [u8]) {
        let channels = self.shape.input_shape[3];
        let taps = self.offsets.len();
        let mut pointers = [self.blank.as_ptr(); MAX_TAPS];
        for (pixel, output) in pixels.zip(output.chunks_exact_mut(channels)) {
            self.find_taps(input, pixel, &mut pointers[..taps]);
            let args = DepthwisePixel {
                taps: &pointers[..taps.next_multiple_of(TAP_GROUP)],
                weights: self.weights.as_ptr().cast(),
                factors: &self.factors,
                channels,
                zeros: self.zeros,
                limits: self.limits,
                is_signed: self.is_signed,
            };
            #[cfg(target_arch = "x86_64")]
            // SAFETY: filters are only packed where the CPU has the instructions; each pointer has
            // a pixel's channels, and so has the output.
            unsafe {
                super::vnni::depthwise(&args, output.as_mut_ptr());
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = (args, output);
        }
    }

    /// Finds the values under a pixel's window.
    fn find_taps(&self, input: &[u8], pixel: usize, taps: &mut [*const u8]) {
        let IntegerConvShape { input_shape, output_shape, window, .. } = &self.shape;
        let [_, rows, columns, channels] = *input_shape;
        let [_, output_rows, output_columns, _] = *output_shape;
        let (line, x) = (pixel / output_columns, pixel % output_columns);
        let (n, y) = (line / output_rows, line % output_rows);
        let (down, across) = (window.valid_taps(0, rows, y), window.valid_taps(1, columns, x));
        let [kernel_rows, kernel_columns] = window.kernel;
        if down == (0..kernel_rows) && across == (0..kernel_columns) {
            let (row, column) = (window.input_index(0, y, 0), window.input_index(1, x, 0));
            let first = ((n * rows + row) * columns + column) * channels;
            let reach = self.offsets.last().map_or(0, |offset| offset + channels);
            let values = input[first..first + reach].as_ptr();
            for (tap, offset) in taps.iter_mut().zip(&self.offsets) {
                *tap = values.wrapping_add(*offset);
            }
            return;
        }
        for (i, tap) in taps.iter_mut().enumerate() {
            let (tap_y, tap_x) = (i / kernel_columns, i % kernel_columns);
            *tap = if down.contains(&tap_y) && across.contains(&tap_x) {
                let row = window.input_index(0, y, tap_y);
                let column = window.input_index(1, x, tap_x);
                input[((n * rows + row) * columns + column) * channels..][..channels].as_ptr()
            } else {
                self.padding.as_ptr()
            };
        }
    }
}

/// True if the level has a kernel for depthwise convolutions.
fn has_kernel(level: Level) -> bool {
    Instructions::for_level(level).is_some_and(|instructions| match instructions {
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => false,
        #[cfg(target_arch = "x86_64")]
        Instructions::Vnni => true,
    })
}

/// Returns the bytes from the first tap's pixel to each tap's.
fn tap_offsets(shape: &IntegerConvShape) -> Vec<usize> {
    let [_, _, columns, channels] = shape.input_shape;
    let Window { kernel, dilation, .. } = shape.window;
    (0..kernel[0])
        .flat_map(|y| (0..kernel[1]).map(move |x| (y, x)))
        .map(|(y, x)| (y * dilation[0] * columns + x * dilation[1]) * channels)
        .collect()
}
