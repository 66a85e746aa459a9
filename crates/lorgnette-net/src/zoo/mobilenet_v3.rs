//! MobileNet V3. Howard and others: *Searching for MobileNetV3* (2019), tables 1 and 2; the
//! minimalistic ones have no squeeze and excitation, no hard swish and no 5 × 5. MobileNet EdgeTPU,
//! Gupta and Akin: *Accelerator-aware neural network design using AutoML* (2020), begins with whole
//! convolutions in place of depthwise ones.
//!
//! 224 × 224; Inception's preprocessing. Top-1: large 75.2, small 67.5, minimalistic 72.3 and 61.9.
//! 1001 classes, 0 is background.

use super::mobilenet::{ExpandedConv, arg_scope, atrous, expanded_conv, logits};
use super::mobilenet_v2::SETTINGS;
use super::slim::Activation::{HardSwish, Relu};
use super::slim::{Activation, BuildResult, FeatureMap, Normalizer, Slim, avg_pool2d, conv2d};
use super::{Architecture, Published};

pub(super) const MOBILENET_V3_LARGE: Architecture =
    net("mobilenet_v3_large", LARGE_FILES, |s| mobilenet_v3(s, LARGE, 960, 1280));
pub(super) const MOBILENET_V3_SMALL: Architecture =
    net("mobilenet_v3_small", SMALL_FILES, |s| mobilenet_v3(s, SMALL, 576, 1024));
pub(super) const MOBILENET_V3_LARGE_MINIMALISTIC: Architecture =
    net("mobilenet_v3_large_minimalistic", LARGE_MINIMALISTIC_FILES, |s| {
        minimalistic(s, LARGE, 960, 1280)
    });
pub(super) const MOBILENET_V3_SMALL_MINIMALISTIC: Architecture =
    net("mobilenet_v3_small_minimalistic", SMALL_MINIMALISTIC_FILES, |s| {
        minimalistic(s, SMALL, 576, 1024)
    });
pub(super) const MOBILENET_EDGETPU: Architecture =
    edgetpu_net("mobilenet_edgetpu", |s| edgetpu(s, None));
pub(super) const MOBILENET_EDGETPU_075: Architecture =
    edgetpu_net("mobilenet_edgetpu_075", |s| edgetpu(s, Some(0.75)));

/// The address of a published file, with its top-1 accuracy.
macro_rules! published {
    ($file:literal, $width:literal, $top1:literal) => {{
        let url = concat!(
            "https://storage.googleapis.com/mobilenet_v3/checkpoints/v3-",
            $file,
            "_",
            $width,
            "_float.tgz"
        );
        Published { top5: None, ..Published::new(url, 224, $top1, 0.0) }.with_width($width)
    }};
}

const LARGE_FILES: &[Published] = &[
    published!("large_224", 1.0, 75.2),
    published!("large_224", 0.75, 73.3).with_build_fn(|s| thinner(s, 0.75, LARGE, [960, 1280])),
];
const SMALL_FILES: &[Published] = &[
    published!("small_224", 1.0, 67.5),
    published!("small_224", 0.75, 65.4).with_build_fn(|s| thinner(s, 0.75, SMALL, [576, 1024])),
];
const LARGE_MINIMALISTIC_FILES: &[Published] = &[published!("large-minimalistic_224", 1.0, 72.3)];
const SMALL_MINIMALISTIC_FILES: &[Published] = &[published!("small-minimalistic_224", 1.0, 61.9)];

type BuildFn = fn(&mut Slim<'_>) -> BuildResult<()>;

const fn net(
    name: &'static str,
    published: &'static [Published],
    build_fn: BuildFn,
) -> Architecture {
    Architecture {
        name,
        family: "MobileNet V3",
        paper: "https://arxiv.org/abs/1905.02244",
        side: 224,
        channels: 3,
        classes: 1001,
        preprocessing: "inception",
        published,
        settings: SETTINGS,
        build_fn,
    }
}

const fn edgetpu_net(name: &'static str, build_fn: BuildFn) -> Architecture {
    Architecture {
        family: "MobileNet EdgeTPU",
        paper: "https://arxiv.org/abs/2003.02838",
        ..net(name, &[], build_fn)
    }
}

/// A bottleneck: expansion, channels, kernel, stride, squeeze and excitation, non-linearity.
type Row = (f64, usize, usize, usize, bool, Activation);
const SE: bool = true;
const NO: bool = false;

/// Table 1.
const LARGE: &[Row] = &[
    (1.0, 16, 3, 1, NO, Relu),
    (4.0, 24, 3, 2, NO, Relu),
    (3.0, 24, 3, 1, NO, Relu),
    (3.0, 40, 5, 2, SE, Relu),
    (3.0, 40, 5, 1, SE, Relu),
    (3.0, 40, 5, 1, SE, Relu),
    (6.0, 80, 3, 2, NO, HardSwish),
    (2.5, 80, 3, 1, NO, HardSwish),
    (184.0 / 80.0, 80, 3, 1, NO, HardSwish),
    (184.0 / 80.0, 80, 3, 1, NO, HardSwish),
    (6.0, 112, 3, 1, SE, HardSwish),
    (6.0, 112, 3, 1, SE, HardSwish),
    (6.0, 160, 5, 2, SE, HardSwish),
    (6.0, 160, 5, 1, SE, HardSwish),
    (6.0, 160, 5, 1, SE, HardSwish),
];

/// Table 2.
const SMALL: &[Row] = &[
    (1.0, 16, 3, 2, SE, Relu),
    (72.0 / 16.0, 24, 3, 2, NO, Relu),
    (88.0 / 24.0, 24, 3, 1, NO, Relu),
    (4.0, 40, 5, 2, SE, HardSwish),
    (6.0, 40, 5, 1, SE, HardSwish),
    (6.0, 40, 5, 1, SE, HardSwish),
    (3.0, 48, 5, 1, SE, HardSwish),
    (3.0, 48, 5, 1, SE, HardSwish),
    (6.0, 96, 5, 2, SE, HardSwish),
    (6.0, 96, 5, 1, SE, HardSwish),
    (6.0, 96, 5, 1, SE, HardSwish),
];

/// Expansion, channels, kernel, stride, fused, residual.
const EDGETPU: &[(f64, usize, usize, usize, bool, bool)] = &[
    (1.0, 16, 3, 1, true, true),
    (8.0, 32, 3, 2, true, true),
    (4.0, 32, 3, 1, true, true),
    (4.0, 32, 3, 1, true, true),
    (4.0, 32, 3, 1, true, true),
    (8.0, 48, 3, 2, true, true),
    (4.0, 48, 3, 1, true, true),
    (4.0, 48, 3, 1, true, true),
    (4.0, 48, 3, 1, true, true),
    (8.0, 96, 3, 2, false, true),
    (4.0, 96, 3, 1, false, true),
    (4.0, 96, 3, 1, false, true),
    (4.0, 96, 3, 1, false, true),
    (8.0, 96, 3, 1, false, false),
    (4.0, 96, 3, 1, false, true),
    (4.0, 96, 3, 1, false, true),
    (4.0, 96, 3, 1, false, true),
    (8.0, 160, 5, 2, false, true),
    (4.0, 160, 5, 1, false, true),
    (4.0, 160, 5, 1, false, true),
    (4.0, 160, 5, 1, false, true),
    (8.0, 192, 3, 1, false, true),
];

fn mobilenet_v3(s: &mut Slim<'_>, rows: &[Row], conv_1: usize, conv_2: usize) -> BuildResult<()> {
    let blocks: Vec<ExpandedConv> = rows.iter().map(bottleneck).collect();
    searched(s, None, &blocks, HardSwish, [conv_1, conv_2])
}

/// The published files of other widths: the last layer but one keeps its channels, which TF-Slim's
/// factor alone would reduce (its README: 4.0 and 2.0 million parameters).
fn thinner(s: &mut Slim<'_>, multiplier: f64, rows: &[Row], last: [usize; 2]) -> BuildResult<()> {
    let blocks: Vec<ExpandedConv> = rows.iter().map(bottleneck).collect();
    searched(s, Some(multiplier), &blocks, HardSwish, last)
}

fn minimalistic(s: &mut Slim<'_>, rows: &[Row], conv_1: usize, conv_2: usize) -> BuildResult<()> {
    let blocks: Vec<ExpandedConv> = rows
        .iter()
        .map(bottleneck)
        .map(|block| ExpandedConv { kernel: 3, activation: Relu, squeeze_excite: false, ..block })
        .collect();
    searched(s, None, &blocks, Relu, [conv_1, conv_2])
}

fn bottleneck(
    &(expansion, outputs, kernel, stride, squeeze_excite, activation): &Row,
) -> ExpandedConv {
    let (residual, fused) = (true, false);
    ExpandedConv {
        expansion,
        outputs,
        kernel,
        stride,
        rate: 1,
        activation,
        squeeze_excite,
        residual,
        fused,
    }
}

/// The common structure of tables 1 and 2: the pool precedes the last layer but one.
fn searched(
    s: &mut Slim<'_>,
    multiplier: Option<f64>,
    blocks: &[ExpandedConv],
    activation: Activation,
    last: [usize; 2],
) -> BuildResult<()> {
    s.args = arg_scope(s, multiplier, activation);
    s.scope("MobilenetV3", |s| {
        let net = body(s, blocks, 16)?;
        let net = last_convolution(s, net, blocks, last[0])?;
        // The whole map if it is square.
        let pool = if net.height == net.width { [net.height; 2] } else { [7, 7] };
        let pool = Slim::reduced_kernel_size(net, pool);
        let net = if s.pools_globally(true) {
            s.layer(net, &avg_pool2d("AvgPool2D", pool).stride(1))?
        } else {
            net
        };
        let net = s.end_point(&format!("layer_{}", blocks.len() + 3), net)?;
        let row = conv2d("Conv_2", last[1], 1).normalizer(Normalizer::Biases);
        let net = if multiplier.is_some() {
            s.exactly(|s| s.layer(net, &row))?
        } else {
            s.layer(net, &row)?
        };
        let net = s.end_point(&format!("layer_{}", blocks.len() + 4), net)?;
        logits(s, net)
    })
}

fn edgetpu(s: &mut Slim<'_>, multiplier: Option<f64>) -> BuildResult<()> {
    s.args = arg_scope(s, multiplier, Relu);
    let blocks: Vec<ExpandedConv> = EDGETPU
        .iter()
        .map(|&(expansion, outputs, kernel, stride, fused, residual)| {
            let (activation, squeeze_excite) = (Relu, false);
            ExpandedConv {
                expansion,
                outputs,
                kernel,
                stride,
                rate: 1,
                activation,
                squeeze_excite,
                residual,
                fused,
            }
        })
        .collect();
    s.scope("MobilenetEdgeTPU", |s| {
        let net = body(s, &blocks, 32)?;
        // The last layer keeps its channels in the narrower network.
        let net = if multiplier.is_some() {
            s.exactly(|s| last_convolution(s, net, &blocks, 1280))?
        } else {
            last_convolution(s, net, &blocks, 1280)?
        };
        logits(s, net)
    })
}

/// The first convolution and the blocks.
fn body(s: &mut Slim<'_>, blocks: &[ExpandedConv], first: usize) -> BuildResult {
    let mut atrous = atrous(s)?;
    let mut net = s.identity(s.input(), "input");
    let (stride, rate) = atrous.step(2);
    net = s.layer(net, &conv2d("Conv", first, 3).stride(stride).rate(rate))?;
    net = s.end_point("layer_1", net)?;
    for (layer, block) in (2..).zip(blocks) {
        let (stride, rate) = atrous.step(block.stride);
        net = expanded_conv(s, net, layer, &ExpandedConv { stride, rate, ..*block })?;
    }
    Ok(net)
}

/// The 1 × 1 convolution after the blocks.
fn last_convolution(
    s: &mut Slim<'_>,
    net: FeatureMap,
    blocks: &[ExpandedConv],
    depth: usize,
) -> BuildResult {
    let net = s.layer(net, &conv2d("Conv_1", depth, 1))?;
    s.end_point(&format!("layer_{}", blocks.len() + 2), net)
}
