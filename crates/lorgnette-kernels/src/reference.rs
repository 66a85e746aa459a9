//! Reference implementations of every kernel: plain loops, one thread, sums in float64.
//!
//! The fast kernels are tested against these. They also fold constants, where speed does not
//! matter.

mod conv;
mod dynamic_range;
mod elementwise;
mod numerics;
mod pooling;
mod resize;

pub use conv::{conv, depthwise};
pub use dynamic_range::round_to_dynamic_range;
pub use elementwise::{affine, binary, copy_strided, lrn, pad, softmax, unary};
pub use numerics::{round_input, round_weights};
pub use pooling::{global_average_pool, pool_window};
pub use resize::{resize_bicubic, resize_bilinear, resize_nearest};

use crate::ImageLayout;

/// Returns the index of a value in a layout's slice.
fn value_index(layout: &ImageLayout, coordinates: [usize; 4]) -> usize {
    let [n, y, x, c] = coordinates;
    ((n * layout.height + y) * layout.width + x) * layout.stride + c
}

/// Returns the coordinates of every value of a layout, in order.
fn coordinates(layout: &ImageLayout) -> impl Iterator<Item = [usize; 4]> + use<> {
    let ImageLayout { batch, height, width, channels, .. } = *layout;
    let pixels = (0..batch)
        .flat_map(move |n| (0..height).flat_map(move |y| (0..width).map(move |x| [n, y, x])));
    pixels.flat_map(move |[n, y, x]| (0..channels).map(move |c| [n, y, x, c]))
}
