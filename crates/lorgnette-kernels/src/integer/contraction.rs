//! Convolutions of 8-bit integers. A fully connected layer is one over a single pixel.

use std::ops::Range;

use super::chunks::for_chunks;
use super::{Byte, Multiplier, OutputRange};
use crate::shape::Window;
use crate::simd::{Simd, SimdOp};
use crate::{Level, ThreadPool};

/// A filter, as TensorFlow Lite stores it.
#[derive(Clone, Copy, Debug)]
pub struct IntegerFilter<'a, W> {
    /// `[output, rows, columns, input]`, or, for a depthwise convolution, `[rows, columns,
    /// output]`.
    pub values: &'a [W],
    /// The stored value that stands for zero.
    pub zero_point: i32,
    /// A summand for each output channel, in the scale of the sums; none if empty.
    pub bias: &'a [i32],
    /// From sums to outputs.
    pub rescale: Rescaling<'a>,
}

/// The factors from sums to outputs, for each output channel.
#[derive(Clone, Copy, Debug)]
pub enum Rescaling<'a> {
    /// Fixed-point numbers, as TensorFlow Lite's reference kernels have them.
    Fixed(&'a [Multiplier]),
    /// float32, as XNNPACK has them: `input_scale · filter_scale / output_scale`.
    Float(&'a [f32]),
}

impl Rescaling<'_> {
    /// Returns the number of channels.
    pub fn channels(&self) -> usize {
        match self {
            Self::Fixed(factors) => factors.len(),
            Self::Float(factors) => factors.len(),
        }
    }
}

/// Returns a sum times a factor, halves to even.
#[inline(always)]
pub(super) fn nearest_even(sum: i32, factor: f32) -> i32 {
    (sum as f32 * factor).round_ties_even() as i32
}

impl<W> IntegerFilter<'_, W> {
    /// Checks that there are factors for all output channels, and biases for all or none.
    pub(super) fn check(&self, outputs: usize) {
        assert_eq!(self.rescale.channels(), outputs, "a factor for each output channel");
        assert!(self.bias.is_empty() || self.bias.len() == outputs, "a bias for each channel");
    }
}

/// The geometry of a convolution.
#[derive(Clone, Copy, Debug)]
pub struct IntegerConvShape {
    /// `[batch, rows, columns, channels]`.
    pub input_shape: [usize; 4],
    /// The stored value that stands for zero in the input, and in the padding around it.
    pub input_zero_point: i32,
    /// The window.
    pub window: Window,
    /// How results are stored.
    pub range: OutputRange,
    /// `[batch, rows, columns, channels]`.
    pub output_shape: [usize; 4],
}

impl IntegerConvShape {
    /// Checks that slices are as long as the shapes say.
    pub(super) fn check(&self, input: usize, output: usize) {
        assert_eq!(input, self.input_shape.iter().product(), "the input's shape");
        assert_eq!(output, self.output_shape.iter().product(), "the output's shape");
        assert_eq!(self.input_shape[0], self.output_shape[0], "the batch");
    }

    /// The first channel of the input pixel under a tap; `None` in the padding.
    #[inline(always)]
    pub(super) fn pixel(&self, pixel: usize, tap: usize) -> Option<usize> {
        let Window { kernel, stride, dilation, padding } = self.window;
        let [_, output_rows, output_columns, _] = self.output_shape;
        let [_, rows, columns, channels] = self.input_shape;
        let (line, x) = (pixel / output_columns, pixel % output_columns);
        let (n, y) = (line / output_rows, line % output_rows);
        let (tap_y, tap_x) = (tap / kernel[1], tap % kernel[1]);
        let row = (y * stride[0] + tap_y * dilation[0]).checked_sub(padding.top)?;
        let column = (x * stride[1] + tap_x * dilation[1]).checked_sub(padding.left)?;
        (row < rows && column < columns).then(|| ((n * rows + row) * columns + column) * channels)
    }
}

/// The geometry of a convolution, and the values it reads and writes.
#[derive(Debug)]
pub struct IntegerConv<'a, T> {
    /// The geometry.
    pub shape: &'a IntegerConvShape,
    /// The input's values.
    pub input: &'a [T],
    /// The output's values.
    pub output: &'a mut [T],
}

/// Output channels whose sums are computed together.
const BLOCK: usize = 64;

/// The sums of some output channels of a pixel.
type Sums = [i32; BLOCK];

/// The parameters that all pixels of a convolution share.
struct Job<'a, T, W> {
    input: &'a [T],
    shape: &'a IntegerConvShape,
    input_zero_point: i16,
    filter_zero_point: i16,
    filter: &'a IntegerFilter<'a, W>,
    products: Products,
}

/// Which input channels an output channel depends on.
#[derive(Clone, Copy)]
enum Products {
    /// Those of its group.
    Grouped {
        /// Input channels of a group.
        inputs: usize,
        /// Output channels of a group.
        outputs: usize,
    },
    /// One, which as many neighbouring output channels share.
    Depthwise { multiplier: usize },
}

impl<'a, T: Byte, W: Byte> Job<'a, T, W> {
    /// Checks that slices are as long as their shapes say.
    fn new(
        conv: IntegerConv<'a, T>,
        filter: &'a IntegerFilter<'a, W>,
        products: Products,
    ) -> (Self, &'a mut [T]) {
        let IntegerConv { shape, input, output } = conv;
        shape.check(input.len(), output.len());
        filter.check(shape.output_shape[3]);
        let job = Self {
            input,
            shape,
            input_zero_point: zero_point(shape.input_zero_point),
            filter_zero_point: zero_point(filter.zero_point),
            filter,
            products,
        };
        (job, output)
    }

    /// Computes all pixels.
    fn run(&self, level: Level, output: &mut [T], pool: &ThreadPool) {
        let channels = self.shape.output_shape[3];
        for_chunks(output, channels, pool, &|pixels, output| {
            level.dispatch(Pixels { job: self, pixels, output });
        });
    }

    /// Adds the products of one tap to the sums of output channels.
    #[inline(always)]
    fn add_tap(&self, pixel: usize, tap: usize, outputs: Range<usize>, sums: &mut Sums) {
        let taps = self.shape.window.taps();
        let (x_zero, w_zero) = (self.input_zero_point, self.filter_zero_point);
        match self.products {
            Products::Grouped { inputs, outputs: group_outputs } => {
                for (sum, output) in sums.iter_mut().zip(outputs) {
                    let first = pixel + output / group_outputs * inputs;
                    let values = &self.input[first..first + inputs];
                    let weights = &self.filter.values[(output * taps + tap) * inputs..][..inputs];
                    // One sum for each loop: the compiler turns it into vectors of products.
                    let mut products = 0i32;
                    for (x, w) in values.iter().zip(weights) {
                        let (x, w) = (x.centered(x_zero), w.centered(w_zero));
                        products = products.wrapping_add(i32::from(x) * i32::from(w));
                    }
                    *sum = sum.wrapping_add(products);
                }
            }
            Products::Depthwise { multiplier: 1 } => {
                let values = &self.input[pixel..][outputs.clone()];
                let weights = &self.filter.values[tap * self.shape.output_shape[3]..][outputs];
                for ((sum, x), w) in sums.iter_mut().zip(values).zip(weights) {
                    let (x, w) = (x.centered(x_zero), w.centered(w_zero));
                    *sum = sum.wrapping_add(i32::from(x) * i32::from(w));
                }
            }
            Products::Depthwise { multiplier } => {
                let weights = &self.filter.values[tap * self.shape.output_shape[3]..];
                for (sum, output) in sums.iter_mut().zip(outputs) {
                    let x = self.input[pixel + output / multiplier].centered(x_zero);
                    let w = weights[output].centered(w_zero);
                    *sum = sum.wrapping_add(i32::from(x) * i32::from(w));
                }
            }
        }
    }
}

/// Some pixels of the output.
struct Pixels<'a, T, W> {
    job: &'a Job<'a, T, W>,
    pixels: Range<usize>,
    output: &'a mut [T],
}

impl<T: Byte, W: Byte> SimdOp for Pixels<'_, T, W> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { job, pixels, output } = self;
        let channels = job.shape.output_shape[3];
        let taps = job.shape.window.taps();
        for (pixel, output) in pixels.zip(output.chunks_exact_mut(channels)) {
            for first in (0..channels).step_by(BLOCK) {
                let outputs = first..channels.min(first + BLOCK);
                let mut sums = [0; BLOCK];
                if let Some(bias) = job.filter.bias.get(outputs.clone()) {
                    sums[..bias.len()].copy_from_slice(bias);
                }
                for tap in 0..taps {
                    if let Some(from) = job.shape.pixel(pixel, tap) {
                        job.add_tap(from, tap, outputs.clone(), &mut sums);
                    }
                }
                let results = output[outputs.clone()].iter_mut().zip(&sums);
                match job.filter.rescale {
                    Rescaling::Fixed(factors) => {
                        for ((to, &sum), factor) in results.zip(&factors[outputs]) {
                            *to = job.shape.range.store(factor.apply(sum));
                        }
                    }
                    Rescaling::Float(factors) => {
                        for ((to, &sum), &factor) in results.zip(&factors[outputs]) {
                            *to = job.shape.range.store(nearest_even(sum, factor));
                        }
                    }
                }
            }
        }
    }
}

/// Converts a zero point, which is within the range of an 8-bit type.
fn zero_point(value: i32) -> i16 {
    assert!((-128..=255).contains(&value), "a zero point of {value}");
    value as i16
}

/// Convolves; input channels that are a multiple of the filter's are as many groups.
///
/// # Panics
/// If slices are not as long as shapes say, or a zero point is beyond 8 bits.
pub fn convolve<T: Byte, W: Byte>(
    level: Level,
    conv: IntegerConv<'_, T>,
    filter: &IntegerFilter<'_, W>,
    pool: &ThreadPool,
) {
    let (channels, outputs) = (conv.shape.input_shape[3], conv.shape.output_shape[3]);
    let taps = conv.shape.window.taps();
    let inputs = filter.values.len().checked_div(taps * outputs).unwrap_or(0);
    assert_eq!(filter.values.len(), outputs * taps * inputs, "the filter's shape");
    assert!(inputs > 0 && channels.is_multiple_of(inputs), "groups of channels");
    let groups = channels / inputs;
    assert!(groups > 0 && outputs.is_multiple_of(groups), "groups of output channels");
    let products = Products::Grouped { inputs, outputs: outputs / groups };
    let (job, output) = Job::new(conv, filter, products);
    job.run(level, output, pool);
}

/// Convolves each channel with filters of its own, as many as output channels are a multiple.
///
/// # Panics
/// If slices are not as long as shapes say, or a zero point is beyond 8 bits.
pub fn convolve_depthwise<T: Byte, W: Byte>(
    level: Level,
    conv: IntegerConv<'_, T>,
    filter: &IntegerFilter<'_, W>,
    pool: &ThreadPool,
) {
    let (channels, outputs) = (conv.shape.input_shape[3], conv.shape.output_shape[3]);
    let taps = conv.shape.window.taps();
    assert_eq!(filter.values.len(), taps * outputs, "the filter's shape");
    assert!(channels > 0 && outputs.is_multiple_of(channels), "a multiple of the channels");
    let products = Products::Depthwise { multiplier: outputs / channels };
    let (job, output) = Job::new(conv, filter, products);
    job.run(level, output, pool);
}
