//! The convolutions of a plan, for benchmarks that time them one by one.

use lorgnette_kernels::{ConvShape, DepthwiseShape};

use super::row_kernel::RowKernel;
use super::{Plan, Step};

/// The shape of a convolution, or of a fully connected layer as a convolution of one pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Convolution {
    /// Every output channel depends on every input channel.
    Full(ConvShape),
    /// Every output channel depends on one input channel.
    Depthwise(DepthwiseShape),
}

impl Plan {
    /// The convolutions in the order of the steps, with the shapes that their kernels were chosen
    /// for. If a batch is computed picture by picture, those of one picture.
    pub fn convolutions(&self) -> impl Iterator<Item = Convolution> {
        let steps = self
            .per_sample
            .as_ref()
            .map_or(&self.steps, |per_sample| &per_sample.sample_plan.steps);
        let kernels = steps.iter().flat_map(Step::row_kernels);
        kernels.filter_map(|kernel| match kernel {
            RowKernel::Conv(step) => Some(Convolution::Full(step.shape)),
            RowKernel::Depthwise(step) => Some(Convolution::Depthwise(step.shape)),
            RowKernel::Pool(_) | RowKernel::Affine(_) | RowKernel::Unary(_) => None,
        })
    }
}
