//! Operations on activations of int16 with weights of int8, byte for byte as TensorFlow Lite's
//! reference kernels have them. Sums of products have 64 bits, and zero points are 0.

mod elementwise;
mod function;
mod lookup;

use std::ops::Range;

pub use elementwise::{ShiftedAdd, WideAdd};
pub use function::WideFunction;
pub use lookup::{Sigmoid, WideSoftmax};

use super::chunks::for_chunks;
use super::{IntegerConvShape, Multiplier};
use crate::simd::{Simd, SimdOp};
use crate::{Level, ThreadPool};

/// A filter of int8.
#[derive(Clone, Copy, Debug)]
pub struct WideFilter<'a> {
    /// `[output, rows, columns, input]`, or, for a depthwise convolution, `[rows, columns,
    /// output]`.
    pub values: &'a [i8],
    /// A summand for each output channel, in the scale of the sums.
    pub bias: WideBias<'a>,
    /// From sums to outputs, for each output channel.
    pub factors: WideFactors<'a>,
}

/// The factors from sums to outputs.
#[derive(Clone, Copy, Debug)]
pub enum WideFactors<'a> {
    /// Fixed-point numbers, as convolutions have them.
    Fixed(&'a [Multiplier]),
    /// float64, as fully connected layers have them for sums of 64 bits; halves away from zero.
    Float(&'a [f64]),
}

impl WideFactors<'_> {
    /// Returns the number of channels.
    fn len(self) -> usize {
        match self {
            Self::Fixed(factors) => factors.len(),
            Self::Float(factors) => factors.len(),
        }
    }
}

/// The summands of output channels. Their type decides how sums are rescaled.
#[derive(Clone, Copy, Debug)]
pub enum WideBias<'a> {
    /// No summands; sums have 64 bits.
    None,
    /// Summands, and with them sums, of 32 bits, which wrap.
    Narrow(&'a [i32]),
    /// Summands of 64 bits.
    Wide(&'a [i64]),
}

impl WideBias<'_> {
    /// Returns the number of summands; `None` without any.
    fn len(self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Narrow(values) => Some(values.len()),
            Self::Wide(values) => Some(values.len()),
        }
    }
}

/// A convolution, depthwise or not. A fully connected layer is one over a single pixel.
#[derive(Clone, Copy, Debug)]
pub struct WideConv<'a> {
    /// The geometry; the input's zero point is 0.
    pub shape: &'a IntegerConvShape,
    /// Whether each output channel depends on one input channel.
    pub is_depthwise: bool,
    /// The filter.
    pub filter: WideFilter<'a>,
}

impl WideConv<'_> {
    /// Computes all pixels.
    ///
    /// # Panics
    /// If slices are not as long as shapes say, or the channels are not those of the filter.
    pub fn run(&self, level: Level, input: &[i16], output: &mut [i16], pool: &ThreadPool) {
        self.shape.check(input.len(), output.len());
        let (channels, outputs) = (self.shape.input_shape[3], self.shape.output_shape[3]);
        let WideFilter { values, bias, factors } = self.filter;
        assert_eq!(values.len(), outputs * self.products(), "the filter's shape");
        assert_eq!(factors.len(), outputs, "a factor for each output channel");
        assert!(bias.len().is_none_or(|len| len == outputs), "a bias for each channel");
        let groups = self.groups();
        assert!(groups > 0 && channels.is_multiple_of(groups), "groups of channels");
        assert!(outputs.is_multiple_of(groups), "groups of output channels");
        for_chunks(output, outputs, pool, &|pixels, output| {
            level.dispatch(Pixels { conv: self, input, pixels, output });
        });
    }

    /// Products of one output value.
    fn products(&self) -> usize {
        self.filter.values.len().checked_div(self.shape.output_shape[3]).unwrap_or(0)
    }

    /// Groups of input channels that output channels depend on.
    fn groups(&self) -> usize {
        let channels = self.shape.input_shape[3];
        let taps = self.shape.window.taps();
        let inputs =
            if self.is_depthwise { 1 } else { self.products().checked_div(taps).unwrap_or(0) };
        channels.checked_div(inputs).unwrap_or(0)
    }

    /// Returns a sum as it is stored.
    #[inline(always)]
    fn result(&self, output: usize, sum: i64) -> i16 {
        let WideFilter { bias, factors, .. } = self.filter;
        let sum = match bias {
            WideBias::None => sum,
            WideBias::Wide(bias) => sum.wrapping_add(bias[output]),
            WideBias::Narrow(bias) => i64::from((sum as i32).wrapping_add(bias[output])),
        };
        self.shape.range.store(match (factors, bias) {
            (WideFactors::Float(factors), _) => (sum as f64 * factors[output]).round() as i32,
            (WideFactors::Fixed(factors), WideBias::Narrow(_)) => factors[output].apply(sum as i32),
            (WideFactors::Fixed(factors), _) => factors[output].apply_wide(sum),
        })
    }
}

/// Some pixels of the output.
struct Pixels<'a> {
    conv: &'a WideConv<'a>,
    input: &'a [i16],
    pixels: Range<usize>,
    output: &'a mut [i16],
}

impl SimdOp for Pixels<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { conv, input, pixels, output } = self;
        let (shape, values) = (conv.shape, conv.filter.values);
        let (channels, outputs) = (shape.input_shape[3], shape.output_shape[3]);
        let (taps, groups) = (shape.window.taps(), conv.groups());
        let (inputs, group_outputs) = (channels / groups, outputs / groups);
        for (pixel, results) in pixels.zip(output.chunks_exact_mut(outputs)) {
            for (output, result) in results.iter_mut().enumerate() {
                let mut sum = 0i64;
                for tap in 0..taps {
                    let Some(from) = shape.pixel(pixel, tap) else { continue };
                    let from = from + output / group_outputs * inputs;
                    sum += if conv.is_depthwise {
                        i64::from(input[from]) * i64::from(values[tap * outputs + output])
                    } else {
                        let weights = &values[(output * taps + tap) * inputs..][..inputs];
                        products(&input[from..from + inputs], weights)
                    };
                }
                *result = conv.result(output, sum);
            }
        }
    }
}

/// Returns the sum of the products of as many values and weights.
#[inline(always)]
fn products(values: &[i16], weights: &[i8]) -> i64 {
    /// Products of 16 and 8 bits whose sum has 31.
    const BLOCK: usize = 256;
    let blocks = values.chunks(BLOCK).zip(weights.chunks(BLOCK));
    let sum = |(values, weights): (&[i16], &[i8])| {
        // A loop: the compiler turns it into vectors of products.
        let mut sum = 0i32;
        for (x, w) in values.iter().zip(weights) {
            sum += i32::from(*x) * i32::from(*w);
        }
        i64::from(sum)
    };
    blocks.map(sum).sum()
}
