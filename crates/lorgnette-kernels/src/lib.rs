//! The arithmetic of Lorgnette: slices in, slices out.
//!
//! Everything is float32 in NHWC order (batch, rows, columns, channels). Each fast kernel has a slow, obvious twin in
//! [`mod@reference`] that defines what it computes. All of the project's `unsafe` code for computing is in this crate.

pub mod function;
pub mod shape;

pub use function::{Binary, Unary};
pub use shape::{Clamp, Map, Padding, Window};
