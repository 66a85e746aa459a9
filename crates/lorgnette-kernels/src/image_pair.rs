//! The input and the output of kernels that map one image to another.

use crate::ImageLayout;

/// The input and the output of a kernel that maps one image to another.
#[derive(Debug)]
pub struct ImagePair<'a> {
    /// The input's layout.
    pub input_layout: ImageLayout,
    /// The input's values.
    pub input: &'a [f32],
    /// The output's layout.
    pub output_layout: ImageLayout,
    /// The output's values.
    pub output: &'a mut [f32],
}

impl<'a> ImagePair<'a> {
    /// Pairs an input with an output.
    pub fn new(
        input_layout: &ImageLayout,
        input: &'a [f32],
        output_layout: &ImageLayout,
        output: &'a mut [f32],
    ) -> Self {
        Self { input_layout: *input_layout, input, output_layout: *output_layout, output }
    }
}
