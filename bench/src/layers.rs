//! The convolutions of TF-Slim's networks, from the plans of these networks.

use std::fmt;
use std::sync::Arc;

use lorgnette_kernels::{
    ConvShape, DepthwiseShape, ImageLayout, Level, NumericOptions, StorageType,
};
use lorgnette_net::plan::Convolution;
use lorgnette_net::zoo::{self, RandomWeights};
use lorgnette_net::{Error, LoadOptions, Network, RunOptions};

/// A convolution that occurs in a network.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    /// The kernel's shape.
    pub work: Convolution,
    /// Number of occurrences.
    pub count: usize,
}

impl Layer {
    /// Returns the floating-point operations of one occurrence.
    pub fn flops(&self) -> u64 {
        match &self.work {
            Convolution::Full(shape) => shape.flops(),
            Convolution::Depthwise(shape) => shape.flops(),
        }
    }
}

/// `conv 3x3/1 56x56x256->256`: window, step, input, output channels; where the input or the output
/// is a part of something wider, as those of concatenations are, of how many channels that is; and
/// whether they are kept as bf16.
impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, input, output, window) = match &self.work {
            Convolution::Full(ConvShape { input, output, window }) => {
                ("conv", input, output, window)
            }
            Convolution::Depthwise(DepthwiseShape { input, output, window, .. }) => {
                ("depthwise", input, output, window)
            }
        };
        let [kh, kw] = window.kernel;
        let step = window.stride[0];
        let side = |map: &ImageLayout| match (map.is_dense(), map.storage) {
            (true, StorageType::Float32) => map.channels.to_string(),
            (false, StorageType::Float32) => format!("{} of {}", map.channels, map.stride),
            (true, StorageType::Bf16) => format!("{} bf16", map.channels),
            (false, StorageType::Bf16) => format!("{} of {} bf16", map.channels, map.stride),
        };
        let dilated = if window.dilation == [1, 1] { "" } else { " dilated" };
        write!(
            f,
            "{kind} {kh}x{kw}/{step}{dilated} {}x{}x{}->{}",
            input.height,
            input.width,
            side(input),
            side(output)
        )
    }
}

/// The layers of a network of the zoo at its own size, one picture at a time, in the order in which
/// they first occur: as a plan for these formats has them, with what lies between them kept as bf16
/// where that is so there.
///
/// # Errors
/// If the zoo has no network of this name.
pub fn for_network(
    network: &str,
    level: Level,
    numerics: NumericOptions,
) -> Result<Vec<Layer>, Error> {
    let net = zoo::find(network)?;
    let run = RunOptions { level, numerics, ..RunOptions::with_threads(Some(2)) };
    let weights = Arc::new(RandomWeights);
    let network = Network::from_architecture(net, weights, LoadOptions::default(), run)?;
    let signature = network.signature()?;
    let plan = network.plan(
        &[(&signature.input.name, &[1, net.side, net.side, net.channels])],
        &[&signature.logits],
    )?;
    let mut layers: Vec<Layer> = Vec::new();
    for work in plan.convolutions() {
        match layers.iter_mut().find(|layer| layer.work == work) {
            Some(layer) => layer.count += 1,
            None => layers.push(Layer { work, count: 1 }),
        }
    }
    Ok(layers)
}

/// The names of all networks of the zoo.
pub fn networks() -> impl Iterator<Item = &'static str> {
    zoo::ARCHITECTURES.iter().map(|net| net.name)
}
