//! Depthwise convolutions, four taps of 64 channels at a time.

use super::channel_factors::ChannelFactors;
use super::{Instructions, Limits, ZeroPoints};
use crate::integer::chunks::for_chunks;
use crate::integer::{Byte, IntegerConvShape, IntegerFilter};
use crate::{Buffer, Level, ThreadPool};

/// Channels that are computed together.
pub(super) const BLOCK: usize = 64;
/// Taps whose products are added by one instruction.
pub(super) const TAP_GROUP: usize = 4;
/// Maximum taps of a window, in whole groups.
const MAX_TAPS: usize = 64;
/// Rows and columns of the windows for which a group is the taps of a column.
pub(super) const COLUMN_ROWS: usize = 3;
/// Maximum neighbouring pixels that are computed together.
pub(super) const MAX_COLUMN_PIXELS: usize = 4;
/// Maximum distance of such windows.
const MAX_COLUMN_STRIDE: usize = 2;
/// Maximum columns under the windows of neighbouring pixels.
const MAX_COLUMNS: usize = (MAX_COLUMN_PIXELS - 1) * MAX_COLUMN_STRIDE + COLUMN_ROWS;

/// A depthwise convolution of one filter a channel, with its filters packed.
#[derive(Debug)]
pub struct PackedDepthwise {
    shape: IntegerConvShape,
    zeros: ZeroPoints,
    limits: Limits,
    /// For each block, each group of taps and each set, four vectors.
    weights: Buffer,
    /// Weights whose distance from zero does not fit int8 are sums of two.
    weight_sets: usize,
    factors: ChannelFactors,
    /// A pixel of zeros, as they are stored: the input's zero point.
    padding: Vec<u8>,
    /// True if a group is a column of taps.
    by_columns: bool,
    /// True if two neighbouring pixels are also computed as one of twice the channels, a whole
    /// block.
    by_pairs: bool,
}

/// The parameters that all pixels share.
#[derive(Clone, Copy)]
pub(super) struct DepthwiseParameters<'a> {
    /// For each block, each group of taps and each set, four vectors.
    pub(super) weights: *const i8,
    pub(super) weight_sets: usize,
    pub(super) factors: &'a ChannelFactors,
    pub(super) channels: usize,
    /// The bits in which stored activations differ from unsigned ones.
    pub(super) flip: u8,
    pub(super) limits: Limits,
}

/// The input of neighbouring pixels.
#[derive(Clone, Copy)]
pub(super) struct ColumnArgs<'a> {
    /// For each column under the windows, the values of its three rows.
    pub(super) columns: &'a [[*const u8; COLUMN_ROWS]],
    /// Columns from window to window: 1 or 2.
    pub(super) stride: usize,
    /// Pixels: 1, 2 or 4.
    pub(super) pixels: usize,
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
        let instructions = Instructions::for_level(level).filter(|&found| has_kernel(found))?;
        if !shape.range.is_of::<T>() {
            return None;
        }
        let (channels, taps) = (shape.input_shape[3], shape.window.taps());
        let fits = channels == shape.output_shape[3]
            && (1..=MAX_TAPS).contains(&taps)
            && filter.values.len() == taps.checked_mul(channels)?
            && channels > 0;
        if !fits {
            return None;
        }
        filter.check(channels);
        let (input, filter_zero) = (shape.input_zero_point, filter.zero_point);
        let mut zeros = ZeroPoints::new(instructions, input, filter_zero, filter.values)?;
        // Two int8 have every sum but this one.
        const MAX_DISTANCE: i32 = 255;
        let is_far = |weight: &T| weight.widen() - filter.zero_point == MAX_DISTANCE;
        if filter.values.iter().any(is_far) {
            return None;
        }
        let weight_sets = if zeros.filter == 0 { 1 } else { 2 };
        zeros = ZeroPoints { filter: 0, filter_offset: filter.zero_point, ..zeros };
        let window = shape.window;
        let by_columns = window.kernel == [COLUMN_ROWS; 2]
            && window.dilation[1] == 1
            && (1..=MAX_COLUMN_STRIDE).contains(&window.stride[1]);
        let by_pairs = by_columns && window.stride[1] == 1 && 2 * channels == BLOCK;
        let padded = channels.next_multiple_of(BLOCK);
        let bytes = padded * taps.next_multiple_of(TAP_GROUP) * weight_sets;
        let mut packed = Self {
            shape: *shape,
            zeros,
            limits: Limits::new::<T>(shape.range),
            weights: Buffer::zeroed(bytes).ok()?,
            weight_sets,
            factors: ChannelFactors::zeroed(padded),
            padding: vec![zeros.input as u8 ^ zeros.flip; padded],
            by_columns,
            by_pairs,
        };
        packed.pack(filter);
        Some(packed)
    }

    fn pack<T: Byte>(&mut self, filter: &IntegerFilter<'_, T>) {
        let (channels, taps) = (self.shape.input_shape[3], self.shape.window.taps());
        let groups = taps.div_ceil(TAP_GROUP);
        // The second pixel of a pair has the same filters.
        let copies = if self.by_pairs { 2 } else { 1 };
        for (place, channel) in (0..copies * channels).map(|place| (place, place % channels)) {
            let lane = lane(place);
            let (block, lane_of_block) = (lane / BLOCK, lane % BLOCK);
            let mut sum = 0i32;
            for tap in 0..taps {
                // Its place among the taps of all groups.
                let slot = match self.by_columns {
                    true => tap % COLUMN_ROWS * TAP_GROUP + tap / COLUMN_ROWS,
                    false => tap,
                };
                let weight =
                    filter.values[tap * channels + channel].widen() - self.zeros.filter_offset;
                sum += weight;
                let first = weight.clamp(-128, 127);
                for (set, part) in [first, weight - first].iter().enumerate() {
                    if set < self.weight_sets {
                        let group = block * groups + slot / TAP_GROUP;
                        let vectors = (group * self.weight_sets + set) * BLOCK + lane_of_block;
                        self.weights[vectors * TAP_GROUP + slot % TAP_GROUP] = *part as u8;
                    }
                }
            }
            let bias = filter.bias.get(channel).copied().unwrap_or(0);
            let constant = self.zeros.constant(bias, sum, taps);
            self.factors.set(lane, constant, filter.rescale, channel);
        }
        self.factors.finish(self.shape.range.zero_point);
    }

    /// Returns the name in reports.
    pub fn name(&self) -> &'static str {
        "depthwise, integers, vnni"
    }

    /// Returns the bytes of the packed filters and of what they take beside them.
    pub fn weight_bytes(&self) -> usize {
        self.weights.len() + self.factors.bytes()
    }

    /// Computes all pixels.
    ///
    /// # Panics
    /// If slices are not as long as the shape says.
    pub fn run<T: Byte>(&self, input: &[T], output: &mut [T], pool: &ThreadPool) {
        self.shape.check(input.len(), output.len());
        let (input, output) = (bytemuck::cast_slice(input), bytemuck::cast_slice_mut(output));
        let [_, _, columns, channels] = self.shape.output_shape;
        for_chunks(output, columns * channels, pool, &|lines, output| {
            for (line, output) in lines.zip(output.chunks_exact_mut(columns * channels)) {
                if self.by_columns {
                    self.line_by_columns(input, line, output);
                } else {
                    self.line(input, line, output);
                }
            }
        });
    }

    fn parameters(&self) -> DepthwiseParameters<'_> {
        DepthwiseParameters {
            weights: self.weights.as_ptr().cast(),
            weight_sets: self.weight_sets,
            factors: &self.factors,
            channels: self.shape.input_shape[3],
            flip: self.zeros.flip,
            limits: self.limits,
        }
    }

    /// Computes a line of pixels, each by itself.
    fn line(&self, input: &[u8], line: usize, output: &mut [u8]) {
        let window = self.shape.window;
        let taps = window.taps();
        let mut starts = [None; MAX_TAPS];
        let starts = &mut starts[..window.kernel[0]];
        for (tap, start) in starts.iter_mut().enumerate() {
            *start = self.row_start(line, tap);
        }
        let mut pointers = [self.padding.as_ptr(); MAX_TAPS];
        let parameters = self.parameters();
        for (x, output) in output.chunks_exact_mut(parameters.channels).enumerate() {
            self.find_taps(input, starts, x, &mut pointers[..taps]);
            let pointers = &pointers[..taps.next_multiple_of(TAP_GROUP)];
            #[cfg(target_arch = "x86_64")]
            // SAFETY: filters are only packed where the CPU has the instructions; each pointer has
            // a pixel's channels, and so has the output.
            unsafe {
                super::vnni::depthwise_pixel(&parameters, pointers, output.as_mut_ptr());
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = (pointers, output);
        }
    }

    /// Finds the values under a pixel's window, whose rows begin at `starts`.
    fn find_taps(&self, input: &[u8], starts: &[Option<usize>], x: usize, taps: &mut [*const u8]) {
        let IntegerConvShape { input_shape, window, .. } = &self.shape;
        let across = window.valid_taps(1, input_shape[2], x);
        for (start, taps) in starts.iter().zip(taps.chunks_exact_mut(window.kernel[1])) {
            for (tap_x, tap) in taps.iter_mut().enumerate() {
                let pixel = start.filter(|_| across.contains(&tap_x));
                let at = pixel.map(|start| start + window.input_index(1, x, tap_x));
                *tap = self.pixel(input, at);
            }
        }
    }

    /// Returns the index of the first pixel of the row under a tap; `None` in the padding.
    fn row_start(&self, line: usize, tap: usize) -> Option<usize> {
        let IntegerConvShape { input_shape, output_shape, window, .. } = &self.shape;
        let [_, rows, columns, _] = *input_shape;
        let (n, y) = (line / output_shape[1], line % output_shape[1]);
        let is_inside = window.valid_taps(0, rows, y).contains(&tap);
        is_inside.then(|| (n * rows + window.input_index(0, y, tap)) * columns)
    }

    /// Returns a pixel's values, or those of the padding.
    fn pixel(&self, input: &[u8], index: Option<usize>) -> *const u8 {
        let channels = self.shape.input_shape[3];
        match index {
            Some(index) => input[index * channels..][..channels].as_ptr(),
            None => self.padding.as_ptr(),
        }
    }

    /// Computes a line of pixels, several neighbours at a time.
    fn line_by_columns(&self, input: &[u8], line: usize, output: &mut [u8]) {
        let IntegerConvShape { input_shape, output_shape, window, .. } = &self.shape;
        let (channels, stride, end) = (input_shape[3], window.stride[1], output_shape[2]);
        let starts = [0, 1, 2].map(|tap| self.row_start(line, tap));
        let interior = window.interior_columns(input_shape[2], end);
        let mut columns = [[self.padding.as_ptr(); COLUMN_ROWS]; MAX_COLUMNS];
        let mut x = 0;
        while x < end {
            if self.by_pairs && interior.contains(&x) {
                let pairs = [0, 1, 2, 2, MAX_COLUMN_PIXELS]
                    [((interior.end.min(end) - x) / 2).min(MAX_COLUMN_PIXELS)];
                if pairs > 0 {
                    let output = &mut output[x * channels..(x + 2 * pairs) * channels];
                    self.interior_pairs(input, starts, x, output);
                    x += 2 * pairs;
                    continue;
                }
            }
            let pixels = [1, 1, 2, 2, MAX_COLUMN_PIXELS][(end - x).min(MAX_COLUMN_PIXELS)];
            let columns = &mut columns[..(pixels - 1) * stride + COLUMN_ROWS];
            if interior.contains(&x) && interior.contains(&(x + pixels - 1)) {
                self.interior_columns(input, starts, x, columns, 1);
            } else {
                self.find_columns(input, starts, x, columns);
            }
            let args = ColumnArgs { columns, stride, pixels };
            let output = &mut output[x * channels..(x + pixels) * channels];
            #[cfg(target_arch = "x86_64")]
            // SAFETY: filters are only packed where the CPU has the instructions; each pointer has
            // a pixel's channels, and the output has the pixels'.
            unsafe {
                super::vnni::depthwise_columns(&self.parameters(), args, output.as_mut_ptr());
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = (args, output);
            x += pixels;
        }
    }

    /// Computes pairs of pixels from output column `x` on, whose windows are inside the image and
    /// step by one: as pixels of twice the channels whose windows step by two.
    fn interior_pairs(
        &self,
        input: &[u8],
        starts: [Option<usize>; COLUMN_ROWS],
        x: usize,
        output: &mut [u8],
    ) {
        let mut columns = [[self.padding.as_ptr(); COLUMN_ROWS]; MAX_COLUMNS];
        let pairs = output.len() / BLOCK;
        let columns = &mut columns[..(pairs - 1) * 2 + COLUMN_ROWS];
        self.interior_columns(input, starts, x, columns, 2);
        let args = ColumnArgs { columns, stride: 2, pixels: pairs };
        let parameters = DepthwiseParameters { channels: BLOCK, ..self.parameters() };
        #[cfg(target_arch = "x86_64")]
        // SAFETY: filters are only packed where the CPU has the instructions; each pointer has two
        // pixels' channels, and the output has the pairs.
        unsafe {
            super::vnni::depthwise_columns(&parameters, args, output.as_mut_ptr());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (parameters, args, output);
    }

    /// Finds the columns under windows from output column `x` on that are inside the image, each of
    /// which has the values of so many pixels.
    fn interior_columns(
        &self,
        input: &[u8],
        starts: [Option<usize>; COLUMN_ROWS],
        x: usize,
        columns: &mut [[*const u8; COLUMN_ROWS]],
        pixels: usize,
    ) {
        let channels = self.shape.input_shape[3];
        let len = (columns.len() + pixels - 1) * channels;
        let first = self.shape.window.input_index(1, x, 0);
        for (row, start) in starts.into_iter().enumerate() {
            let (values, step) = match start {
                Some(start) => (&input[(start + first) * channels..][..len], channels),
                None => (&self.padding[..], 0),
            };
            for (i, column) in columns.iter_mut().enumerate() {
                column[row] = values.as_ptr().wrapping_add(i * step);
            }
        }
    }

    /// Finds the columns under windows from output column `x` on.
    fn find_columns(
        &self,
        input: &[u8],
        starts: [Option<usize>; COLUMN_ROWS],
        x: usize,
        columns: &mut [[*const u8; COLUMN_ROWS]],
    ) {
        let (width, window) = (self.shape.input_shape[2], &self.shape.window);
        for (i, column) in columns.iter_mut().enumerate() {
            let at = (x * window.stride[1] + i).checked_sub(window.padding.left);
            let at = at.filter(|&at| at < width);
            for (to, start) in column.iter_mut().zip(starts) {
                *to = self.pixel(input, start.zip(at).map(|(start, at)| start + at));
            }
        }
    }
}

/// True if there is a kernel of these instructions for depthwise convolutions.
fn has_kernel(instructions: Instructions) -> bool {
    match instructions {
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 | Instructions::AvxVnni => false,
        #[cfg(target_arch = "x86_64")]
        Instructions::Vnni | Instructions::Amx => true,
        #[cfg(target_arch = "aarch64")]
        Instructions::NeonDot | Instructions::NeonMatrix => false,
    }
}
