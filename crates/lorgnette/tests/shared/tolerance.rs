//! How far we may be from TensorFlow: the only place that says so (`shared/reference/README.md`).
#![allow(dead_code, unreachable_pub, reason = "each test crate includes this file and uses some of it")]

/// JPEG pixels of one photo against libjpeg-turbo's: mean absolute difference, in levels of 256.
pub const JPEG_MEAN: f64 = 0.4;
/// JPEG pixels against libjpeg-turbo's: no pixel further than this, in levels of 256.
pub const JPEG_MOST: f64 = 8.0;
/// A network's input made from the same pixels: relative to the largest magnitude of that input.
pub const INPUT: f64 = 1e-5;
