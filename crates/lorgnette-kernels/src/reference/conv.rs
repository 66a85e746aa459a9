//! Convolutions by their definition.

use super::{coordinates, value_index};
use crate::{Conv, Depthwise, ImageLayout, Window};

/// Computes a convolution; `packed` has the weights as `[kernel rows][kernel columns][input
/// channels][output channels]`, and `scratch` is not used.
pub fn conv(conv: Conv<'_>) {
    let Conv { shape, input, packed, bias, residual, clamp, output, .. } = conv;
    let (layout, out) = (&shape.input, &shape.output);
    for coords @ [n, oy, ox, o] in coordinates(out) {
        let mut sum = bias.map_or(0.0, |bias| f64::from(bias[o]));
        for (tap, [y, x]) in taps(layout, &shape.window, [oy, ox]) {
            for c in 0..layout.channels {
                let weight = packed[(tap * layout.channels + c) * out.channels + o];
                sum += f64::from(input[value_index(layout, [n, y, x, c])]) * f64::from(weight);
            }
        }
        if let Some(residual) = residual {
            let layout = ImageLayout { stride: residual.stride, ..*out };
            sum += f64::from(residual.values[value_index(&layout, coords)]);
        }
        output[value_index(out, coords)] = clamp.apply(sum as f32);
    }
}

/// Computes a depthwise convolution; `packed` has the weights as `[kernel rows][kernel
/// columns][input channels][multiplier]`.
pub fn depthwise(depthwise: Depthwise<'_>) {
    let Depthwise { shape, input, packed, bias, clamp, output } = depthwise;
    let (layout, out) = (&shape.input, &shape.output);
    for coords @ [n, oy, ox, o] in coordinates(out) {
        let mut sum = bias.map_or(0.0, |bias| f64::from(bias[o]));
        for (tap, [y, x]) in taps(layout, &shape.window, [oy, ox]) {
            let weight = packed[tap * out.channels + o];
            sum += f64::from(input[value_index(layout, [n, y, x, o / shape.multiplier])])
                * f64::from(weight);
        }
        output[value_index(out, coords)] = clamp.apply(sum as f32);
    }
}

/// Returns the taps of a window inside the image: (index of the tap, input coordinates).
pub(super) fn taps(
    layout: &ImageLayout,
    window: &Window,
    output: [usize; 2],
) -> impl Iterator<Item = (usize, [usize; 2])> + use<> {
    let (window, size) = (*window, [layout.height, layout.width]);
    let before = [window.padding.top, window.padding.left];
    (0..window.kernel[0] * window.kernel[1]).filter_map(move |tap| {
        let k = [tap / window.kernel[1], tap % window.kernel[1]];
        let along = |axis: usize| {
            let padded = output[axis] * window.stride[axis] + k[axis] * window.dilation[axis];
            padded.checked_sub(before[axis]).filter(|&at| at < size[axis])
        };
        Some((tap, [along(0)?, along(1)?]))
    })
}
