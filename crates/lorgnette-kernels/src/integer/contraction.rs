//! Convolutions of 8-bit integers. A fully connected layer is one over a single pixel.

use super::{Byte, Multiplier, OutputRange};
use crate::shape::Window;

/// A filter, as TensorFlow Lite stores it.
#[derive(Clone, Copy, Debug)]
pub struct IntegerFilter<'a, W> {
    /// `[output, rows, columns, input]`, or, for a depthwise convolution, `[rows, columns,
    /// output]`.
    pub values: &'a [W],
    /// The integer that stands for zero.
    pub zero_point: i32,
    /// A summand for each output channel, in the scale of the sums; none if empty.
    pub bias: &'a [i32],
    /// From sums to outputs, for each output channel.
    pub rescale: &'a [Multiplier],
}

/// The geometry of a convolution, and what is read and written.
#[derive(Debug)]
pub struct IntegerConv<'a, T> {
    /// `[batch, rows, columns, channels]`.
    pub input: &'a [T],
    /// The input's shape.
    pub input_shape: [usize; 4],
    /// The integer that stands for zero in the input. The border around the picture is zero.
    pub input_zero_point: i32,
    /// How the filter moves.
    pub window: Window,
    /// How results are stored.
    pub range: OutputRange,
    /// `[batch, rows, columns, channels]`.
    pub output: &'a mut [T],
    /// The output's shape.
    pub output_shape: [usize; 4],
}

impl<T: Byte> IntegerConv<'_, T> {
    /// Checks that slices are as long as their shapes say.
    fn check<W>(&self, filter: &IntegerFilter<'_, W>, filter_len: usize) {
        let outputs = self.output_shape[3];
        assert_eq!(self.input.len(), self.input_shape.iter().product(), "the input's shape");
        assert_eq!(self.output.len(), self.output_shape.iter().product(), "the output's shape");
        assert_eq!(filter.values.len(), filter_len, "the filter's shape");
        assert_eq!(filter.rescale.len(), outputs, "a factor for each output channel");
        assert!(filter.bias.is_empty() || filter.bias.len() == outputs, "a bias for each channel");
        assert_eq!(self.input_shape[0], self.output_shape[0], "the batch");
    }

    /// The first channel of the pixel that a tap meets; `None` beyond the picture.
    fn pixel(&self, [n, y, x]: [usize; 3], [tap_y, tap_x]: [usize; 2]) -> Option<usize> {
        let Window { stride, dilation, padding, .. } = self.window;
        let [_, rows, columns, channels] = self.input_shape;
        let row = (y * stride[0] + tap_y * dilation[0]).checked_sub(padding.top)?;
        let column = (x * stride[1] + tap_x * dilation[1]).checked_sub(padding.left)?;
        (row < rows && column < columns).then(|| ((n * rows + row) * columns + column) * channels)
    }

    /// Calls `sums` with each pixel of the output and room for its channels' sums, and stores them.
    fn each_pixel<W>(
        self,
        filter: &IntegerFilter<'_, W>,
        sums: impl Fn(&Self, [usize; 3], &mut [i32]),
    ) {
        let [batch, rows, columns, channels] = self.output_shape;
        let mut room = vec![0i32; channels];
        for pixel in 0..batch * rows * columns {
            let place = [pixel / (rows * columns), pixel / columns % rows, pixel % columns];
            room.fill(0);
            if !filter.bias.is_empty() {
                room.copy_from_slice(filter.bias);
            }
            sums(&self, place, &mut room);
            let to = &mut self.output[pixel * channels..][..channels];
            for ((to, &sum), rescale) in to.iter_mut().zip(&room).zip(filter.rescale) {
                *to = self.range.store(rescale.apply(sum));
            }
        }
    }
}

/// Convolves; input channels that are a multiple of the filter's are as many groups.
///
/// # Panics
/// If slices are not as long as shapes say.
pub fn convolve<T: Byte, W: Byte>(conv: IntegerConv<'_, T>, filter: &IntegerFilter<'_, W>) {
    let (channels, outputs) = (conv.input_shape[3], conv.output_shape[3]);
    let [height, width] = conv.window.kernel;
    let taps = height * width;
    let group = filter.values.len().checked_div(taps * outputs).unwrap_or(0);
    conv.check(filter, outputs * taps * group);
    assert!(group > 0 && channels.is_multiple_of(group), "groups of channels");
    let groups = channels / group;
    assert!(outputs.is_multiple_of(groups), "groups of output channels");
    conv.each_pixel(filter, |conv, place, sums| {
        for tap in 0..taps {
            let Some(pixel) = conv.pixel(place, [tap / width, tap % width]) else { continue };
            for (output, sum) in sums.iter_mut().enumerate() {
                let first = pixel + output / (outputs / groups) * group;
                let inputs = &conv.input[first..][..group];
                let weights = &filter.values[(output * taps + tap) * group..][..group];
                let products = inputs.iter().zip(weights).map(|(x, w)| {
                    (x.widen() - conv.input_zero_point) * (w.widen() - filter.zero_point)
                });
                *sum = products.fold(*sum, i32::wrapping_add);
            }
        }
    });
}

/// Convolves each channel with filters of its own, as many as output channels are a multiple.
///
/// # Panics
/// If slices are not as long as shapes say.
pub fn convolve_depthwise<T: Byte, W: Byte>(
    conv: IntegerConv<'_, T>,
    filter: &IntegerFilter<'_, W>,
) {
    let (channels, outputs) = (conv.input_shape[3], conv.output_shape[3]);
    let [height, width] = conv.window.kernel;
    conv.check(filter, height * width * outputs);
    assert!(channels > 0 && outputs.is_multiple_of(channels), "a multiple of the channels");
    let multiplier = outputs / channels;
    conv.each_pixel(filter, |conv, place, sums| {
        for tap in 0..height * width {
            let Some(pixel) = conv.pixel(place, [tap / width, tap % width]) else { continue };
            for (output, sum) in sums.iter_mut().enumerate() {
                let x = conv.input[pixel + output / multiplier].widen() - conv.input_zero_point;
                let w = filter.values[tap * outputs + output].widen() - filter.zero_point;
                *sum = sum.wrapping_add(x * w);
            }
        }
    });
}
