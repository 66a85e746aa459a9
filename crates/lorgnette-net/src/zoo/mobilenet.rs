//! The parts that MobileNet V2 and V3 share: expanded convolutions, squeeze and excitation, the
//! end.

use super::slim::{
    Activation, ArgScope, Atrous, BuildResult, FeatureMap, Normalizer, Slim, Width, conv2d,
    depthwise, divisible,
};
use crate::error::Error;

/// Batch norm, and the width: by `depth_multiplier`, otherwise the network's own, otherwise the
/// file's.
pub(super) fn arg_scope(s: &Slim<'_>, multiplier: Option<f64>, activation: Activation) -> ArgScope {
    let min_depth = s.options().min_depth.unwrap_or(8);
    let width = |multiplier| Width::Divisible { multiplier, min_depth };
    ArgScope {
        normalizer: Normalizer::BatchNorm { epsilon: 0.001, scale: true },
        activation,
        width: s.depth_multiplier(multiplier).map_or(Width::Stored, width),
        ..ArgScope::default()
    }
}

/// Limits strides by `output_stride`.
pub(super) fn atrous(s: &Slim<'_>) -> Result<Atrous, Error> {
    match s.options().output_stride {
        Some(stride) if stride == 0 || (stride > 1 && stride % 2 == 1) => {
            Err(Error::Input(format!("output_stride {stride}: give 1 or a multiple of 2")))
        }
        stride => Ok(Atrous::new(stride)),
    }
}

/// An inverted residual: expansion, depthwise convolution, projection.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpandedConv {
    pub(super) expansion: f64,
    pub(super) outputs: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) rate: usize,
    pub(super) activation: Activation,
    pub(super) squeeze_excite: bool,
    pub(super) residual: bool,
    /// Whether the expansion has the kernel and the depthwise convolution is absent.
    pub(super) fused: bool,
}

/// Builds `expanded_conv`, `expanded_conv_1`, …: layer number `layer` and its end points.
pub(super) fn expanded_conv(
    s: &mut Slim<'_>,
    net: FeatureMap,
    layer: usize,
    block: &ExpandedConv,
) -> BuildResult {
    let inner = |name: &str| format!("layer_{layer}/{name}");
    let scope =
        if layer == 2 { "expanded_conv".into() } else { format!("expanded_conv_{}", layer - 2) };
    let net = s.scope(&scope, |s| {
        let input = s.identity(net, "input");
        let mut net = input;
        let expanded = divisible(net.channels as f64 * block.expansion, 8);
        if block.expansion != 1.0 && expanded > net.channels {
            let kernel = if block.fused { block.kernel } else { 1 };
            let mut row = conv2d("expand", expanded, kernel).activation(block.activation);
            if block.fused {
                row = row.stride(block.stride).rate(block.rate);
            }
            net = s.exactly(|s| s.layer(net, &row))?;
            net = s.identity(net, "expansion_output");
            net = s.end_point(&inner("expansion_output"), net)?;
        }
        if !block.fused {
            let row = depthwise("depthwise", block.kernel).stride(block.stride).rate(block.rate);
            net = s.layer(net, &row.activation(block.activation))?;
            net = s.identity(net, "depthwise_output");
            net = s.end_point(&inner("depthwise_output"), net)?;
        }
        if block.squeeze_excite {
            net = squeeze_excite(s, net)?;
        }
        net =
            s.layer(net, &conv2d("project", block.outputs, 1).activation(Activation::Identity))?;
        if block.residual && block.stride == 1 && net.channels == input.channels {
            net = s.add(net, input, "add");
        }
        Ok(s.identity(net, "output"))
    })?;
    s.end_point(&inner("output"), net)?;
    s.end_point(&format!("layer_{layer}"), net)
}

/// Hu, Shen, Sun: *Squeeze-and-excitation networks* (2017), with a piecewise linear gate.
fn squeeze_excite(s: &mut Slim<'_>, net: FeatureMap) -> BuildResult {
    s.scope("squeeze_excite", |s| {
        let squeezed = s.mean(net, "Mean", true);
        let depth = divisible(net.channels as f64 / 4.0, 8);
        let rows = [
            conv2d("Conv", depth, 1).linear().activation(Activation::Relu),
            conv2d("Conv_1", net.channels, 1).linear(),
        ];
        let gate = s.exactly(|s| s.layers(squeezed, &rows))?;
        let gate = s.hard_gate(gate, "Conv_1");
        // A sixth to five digits, as in TF-Slim.
        let gate = s.scale(gate, 0.16667, "Conv_1/mul");
        Ok(s.multiply(net, gate, "mul"))
    })
}

/// The end of MobileNet V2 and V3.
pub(super) fn logits(s: &mut Slim<'_>, net: FeatureMap) -> BuildResult<()> {
    let mut net = s.identity(net, "embedding");
    net = s.scope("Logits", |s| {
        if s.pools_globally(true) {
            net = s.global_pool(net, "AvgPool");
            net = s.end_point("global_pool", net)?;
        }
        net = s.features(net)?;
        net = s.dropout(net, "Dropout");
        net = s.logits(net, "Conv2d_1c_1x1")?;
        net = s.spatial_squeeze(net, "Squeeze");
        net = s.identity(net, "output");
        s.logits_are(net);
        Ok(net)
    })?;
    net = s.end_point("Logits", net)?;
    net = s.slim_softmax(net, "Predictions");
    s.end_point("Predictions", net)?;
    Ok(())
}
