//! Descriptions of layers: the rows of the zoo's tables, and the settings that scopes apply to
//! them.

use std::borrow::Cow;

use crate::graph::op::{Border, PoolKind};
use Border::{Same, Valid};

/// The activation after a convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::zoo) enum Activation {
    None,
    /// No activation, but TF-Slim leaves a node of that name.
    Identity,
    Relu,
    Relu6,
    HardSwish,
}

/// The normalisation between a convolution and its activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::zoo) enum Normalizer {
    None,
    Biases,
    /// With `gamma`, or without it (`scale: false`).
    BatchNorm {
        epsilon: f32,
        scale: bool,
    },
}

/// The rule for the channels of a layer of `depth`.
#[derive(Clone, Copy, Debug)]
pub(in crate::zoo) enum Width {
    /// Exactly `depth`.
    Fixed,
    /// The number in the file, so that a file of any width is read.
    Stored,
    /// `multiplier · depth`, rounded down: the Inceptions and MobileNet V1.
    Truncated { multiplier: f64, min_depth: usize },
    /// `multiplier · depth`, rounded to a multiple of 8: MobileNet V2 and V3.
    Divisible { multiplier: f64, min_depth: usize },
}

/// The settings of a scope for all its layers, as with `arg_scope`.
#[derive(Clone, Copy, Debug)]
pub(in crate::zoo) struct ArgScope {
    pub(in crate::zoo) padding: Border,
    pub(in crate::zoo) pool_stride: usize,
    pub(in crate::zoo) pool_padding: Border,
    pub(in crate::zoo) normalizer: Normalizer,
    /// The batch norm that is a layer of its own.
    pub(in crate::zoo) layer_norm: Normalizer,
    pub(in crate::zoo) activation: Activation,
    pub(in crate::zoo) width: Width,
    /// Whether convolutions become end points under their scope's name (`outputs_collections`).
    pub(in crate::zoo) collect: bool,
    /// Whether pools become end points.
    pub(in crate::zoo) collect_pools: bool,
}

impl Default for ArgScope {
    /// TF-Slim's own defaults.
    fn default() -> Self {
        Self {
            padding: Same,
            pool_stride: 2,
            pool_padding: Valid,
            normalizer: Normalizer::Biases,
            layer_norm: Normalizer::None,
            activation: Activation::Relu,
            width: Width::Fixed,
            collect: false,
            collect_pools: false,
        }
    }
}

/// A row of a table. The [`ArgScope`] decides what it leaves open.
#[derive(Clone, Debug)]
pub(in crate::zoo) struct Layer {
    pub(super) scope: Cow<'static, str>,
    pub(super) kind: LayerKind,
    pub(super) kernel: [usize; 2],
    pub(super) rate: usize,
    pub(super) stride: Option<usize>,
    pub(super) padding: Option<Border>,
    pub(super) activation: Option<Activation>,
    pub(super) normalizer: Option<Normalizer>,
}

#[derive(Clone, Debug)]
pub(super) enum LayerKind {
    Conv {
        depth: Option<usize>,
    },
    /// A depthwise convolution.
    Depthwise,
    Pool(PoolKind),
    /// Several layers over the same input, concatenated.
    Concat(Vec<Layer>),
}

/// The rows and columns of a window; one number for a square.
#[derive(Clone, Copy, Debug)]
pub(in crate::zoo) struct Kernel([usize; 2]);

impl From<usize> for Kernel {
    fn from(side: usize) -> Self {
        Self([side; 2])
    }
}

impl From<[usize; 2]> for Kernel {
    fn from(sides: [usize; 2]) -> Self {
        Self(sides)
    }
}

fn layer(scope: impl Into<Cow<'static, str>>, kind: LayerKind, kernel: impl Into<Kernel>) -> Layer {
    let Kernel(kernel) = kernel.into();
    Layer {
        scope: scope.into(),
        kind,
        kernel,
        rate: 1,
        stride: None,
        padding: None,
        activation: None,
        normalizer: None,
    }
}

/// A convolution to `depth` channels.
pub(in crate::zoo) fn conv2d(
    scope: impl Into<Cow<'static, str>>,
    depth: usize,
    kernel: impl Into<Kernel>,
) -> Layer {
    layer(scope, LayerKind::Conv { depth: Some(depth) }, kernel)
}

/// A convolution to the number of channels in the file.
pub(super) fn conv2d_as_stored(
    scope: impl Into<Cow<'static, str>>,
    kernel: impl Into<Kernel>,
) -> Layer {
    layer(scope, LayerKind::Conv { depth: None }, kernel)
}

/// A depthwise convolution.
pub(in crate::zoo) fn depthwise(
    scope: impl Into<Cow<'static, str>>,
    kernel: impl Into<Kernel>,
) -> Layer {
    layer(scope, LayerKind::Depthwise, kernel)
}

/// Max pooling.
pub(in crate::zoo) fn max_pool2d(
    scope: impl Into<Cow<'static, str>>,
    kernel: impl Into<Kernel>,
) -> Layer {
    layer(scope, LayerKind::Pool(PoolKind::Max), kernel)
}

/// Average pooling.
pub(in crate::zoo) fn avg_pool2d(
    scope: impl Into<Cow<'static, str>>,
    kernel: impl Into<Kernel>,
) -> Layer {
    layer(scope, LayerKind::Pool(PoolKind::Average), kernel)
}

/// Several layers over the same input, their channels concatenated.
pub(in crate::zoo) fn concat(layers: impl Into<Vec<Layer>>) -> Layer {
    layer("concat", LayerKind::Concat(layers.into()), 1)
}

impl Layer {
    pub(in crate::zoo) fn stride(mut self, stride: usize) -> Self {
        self.stride = Some(stride);
        self
    }

    pub(in crate::zoo) fn rate(mut self, rate: usize) -> Self {
        self.rate = rate;
        self
    }

    pub(in crate::zoo) fn padding(mut self, padding: Border) -> Self {
        self.padding = Some(padding);
        self
    }

    pub(in crate::zoo) fn valid(self) -> Self {
        self.padding(Valid)
    }

    pub(in crate::zoo) fn activation(mut self, activation: Activation) -> Self {
        self.activation = Some(activation);
        self
    }

    pub(in crate::zoo) fn normalizer(mut self, normalizer: Normalizer) -> Self {
        self.normalizer = Some(normalizer);
        self
    }

    /// No activation, and biases instead of batch norm.
    pub(in crate::zoo) fn linear(self) -> Self {
        self.activation(Activation::None).normalizer(Normalizer::Biases)
    }
}
