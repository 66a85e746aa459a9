//! The definition of every kernel: plain loops, no threads, sums in double precision.
//!
//! The fast kernels are tested against these. They are also what to call where speed does not
//! matter, such as for folding constants.

mod conv;
mod elementwise;
mod numerics;
mod pooling;
mod resize;

pub use conv::{conv, depthwise};
pub use elementwise::{affine, binary, copy_strided, lrn, pad, softmax, unary};
pub use numerics::{round_input, round_weights};
pub use pooling::{global_average_pool, pool_window};
pub use resize::{resize_bilinear, resize_nearest};

use crate::ImageLayout;

/// Where a value lies in a layout's slice.
fn value_index(layout: &ImageLayout, [n, y, x, c]: [usize; 4]) -> usize {
    ((n * layout.height + y) * layout.width + x) * layout.stride + c
}

/// The coordinates of every value of a layout, in order.
fn coordinates(layout: &ImageLayout) -> impl Iterator<Item = [usize; 4]> + use<> {
    let ImageLayout { batch, height, width, channels, .. } = *layout;
    let pixels = (0..batch)
        .flat_map(move |n| (0..height).flat_map(move |y| (0..width).map(move |x| [n, y, x])));
    pixels.flat_map(move |[n, y, x]| (0..channels).map(move |c| [n, y, x, c]))
}
