//! Options of decoding.

use crate::transform::Transform;

/// Options of [`Decoder::decode`](crate::Decoder::decode).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecodeOptions {
    /// The inverse cosine transform. Default: [`Transform::Fast`], as in TensorFlow.
    pub transform: Transform,
    /// Rows and columns that suffice. The file is decoded at the smallest of full, half, quarter
    /// and eighth size (rounded up) that has as many of both, or at full size if none has.
    /// Default: none, full size.
    ///
    /// The pixels equal those of TensorFlow's `decode_jpeg` with this `ratio`. A reduced size
    /// saves most of the arithmetic and memory.
    pub min_size: Option<[usize; 2]>,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self { transform: Transform::Fast, min_size: None }
    }
}
