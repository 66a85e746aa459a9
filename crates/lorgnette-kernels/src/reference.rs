//! The definition of every kernel: plain loops, no threads, sums in double precision.
//!
//! The fast kernels are tested against these. They are also what to call where speed does not matter, such as for folding
//! constants.

mod conv;
mod elements;
mod formats;
mod pooling;
mod resize;

pub use conv::{conv, depthwise};
pub use elements::{affine, binary, copy_map, lrn, pad, softmax, unary};
pub use formats::{kept, multiplied};
pub use pooling::{mean_hw, pool_window};
pub use resize::{resize_bilinear, resize_nearest};

use crate::Map;

/// Where a value lies in a map's slice.
fn at(map: &Map, [n, y, x, c]: [usize; 4]) -> usize {
    ((n * map.height + y) * map.width + x) * map.stride + c
}

/// The coordinates of every value of a map, in order.
fn coordinates(map: &Map) -> impl Iterator<Item = [usize; 4]> + use<> {
    let Map { batch, height, width, channels, .. } = *map;
    let pixels = (0..batch).flat_map(move |n| (0..height).flat_map(move |y| (0..width).map(move |x| [n, y, x])));
    pixels.flat_map(move |[n, y, x]| (0..channels).map(move |c| [n, y, x, c]))
}
