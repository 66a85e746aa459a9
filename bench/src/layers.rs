//! The convolutions of TF-Slim's networks, as plans of these networks have them.

use std::fmt;
use std::sync::Arc;

use lorgnette_kernels::{ConvShape, DepthwiseShape, Level, Map, Pool};
use lorgnette_net::plan::Convolution;
use lorgnette_net::zoo::{self, MadeUp};
use lorgnette_net::{Error, Network, Options};

/// A convolution that occurs in a network.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    /// What is computed.
    pub work: Convolution,
    /// How often it occurs.
    pub count: usize,
}

impl Layer {
    /// Floating-point operations of one occurrence.
    pub fn flops(&self) -> u64 {
        match &self.work {
            Convolution::Full(shape) => shape.flops(),
            Convolution::Depthwise(shape) => shape.flops(),
        }
    }
}

/// `conv 3x3/1 56x56x256->256`: window, step, input, output channels; and where the input or the output is a part of something wider,
/// as those of concatenations are, of how many channels that is.
impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, input, output, window) = match &self.work {
            Convolution::Full(ConvShape { input, output, window }) => ("conv", input, output, window),
            Convolution::Depthwise(DepthwiseShape { input, output, window, .. }) => {
                ("depthwise", input, output, window)
            }
        };
        let [kh, kw] = window.kernel;
        let step = window.stride[0];
        let side = |map: &Map| match map.stride == map.channels {
            true => map.channels.to_string(),
            false => format!("{} of {}", map.channels, map.stride),
        };
        let dilated = if window.dilation == [1, 1] { "" } else { " dilated" };
        write!(f, "{kind} {kh}x{kw}/{step}{dilated} {}x{}x{}->{}", input.height, input.width, side(input), side(output))
    }
}

/// The layers of a network of the zoo at its own size, one picture at a time, in the order in which they first occur.
///
/// # Errors
/// If the zoo has no network of this name.
pub fn of(network: &str, level: Level) -> Result<Vec<Layer>, Error> {
    let net = zoo::find(network)?;
    let options = Options { level, pool: Arc::new(Pool::new(2)), ..Options::default() };
    let network = Network::of_net(net, Arc::new(MadeUp), options)?;
    let ports = network.ports()?;
    let plan = network.plan(&[(&ports.input.name, &[1, net.side, net.side, net.channels])], &[&ports.logits])?;
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
    zoo::NETS.iter().map(|net| net.name)
}
