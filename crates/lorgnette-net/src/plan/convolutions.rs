//! The convolutions of a plan as their kernels see them: what benchmarks time one by one.

use lorgnette_kernels::{ConvShape, DepthwiseShape};

use super::kernel::Kernel;
use super::{Plan, Step};

/// A step that is a convolution, or a fully connected layer, which is one of a single pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Convolution {
    /// Every output channel sees every input channel.
    Full(ConvShape),
    /// Every channel sees itself.
    Depthwise(DepthwiseShape),
}

impl Plan {
    /// The convolutions in the order of the steps, each with the shape that its kernel was chosen
    /// for: of one picture, where a batch goes through picture by picture.
    pub fn convolutions(&self) -> impl Iterator<Item = Convolution> {
        let steps = self
            .per_sample
            .as_ref()
            .map_or(&self.steps, |per_sample| &per_sample.sample_plan.steps);
        let kernels = steps.iter().flat_map(Step::kernels);
        kernels.filter_map(|kernel| match kernel {
            Kernel::Conv { shape, .. } => Some(Convolution::Full(*shape)),
            Kernel::Depthwise { shape, .. } => Some(Convolution::Depthwise(*shape)),
            _ => None,
        })
    }
}
