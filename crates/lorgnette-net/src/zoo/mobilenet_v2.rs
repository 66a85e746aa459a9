//! MobileNet V2. Sandler, Howard, Zhu, Zhmoginov, Chen: *MobileNetV2: inverted residuals and linear
//! bottlenecks* (2018), table 2.
//!
//! 224 × 224; Inception's preprocessing. Top-1 / top-5: width 1.0 71.9 / 91.0, 1.4 74.9 / 92.5,
//! 0.35 60.3 / 82.9. 1001 classes, 0 is background. Published files have moving averages of the
//! variables, which give better accuracy.

use super::mobilenet::{ExpandedConv, arg_scope, atrous, expanded_conv, logits};
use super::slim::{Activation, BuildResult, Slim, conv2d};
use super::{Architecture, Published, Setting};

/// The network of any width, which the file decides.
pub(super) const MOBILENET_V2: Architecture = net("mobilenet_v2", FILES, |s| mobilenet_v2(s, None));
pub(super) const MOBILENET_V2_140: Architecture =
    net("mobilenet_v2_140", FILES_140, |s| mobilenet_v2(s, Some(1.4)));
pub(super) const MOBILENET_V2_035: Architecture =
    net("mobilenet_v2_035", FILES_035, |s| mobilenet_v2(s, Some(0.35)));

/// The address of a published file.
macro_rules! models {
    ($file:literal) => {
        concat!(
            "https://storage.googleapis.com/mobilenet_v2/checkpoints/mobilenet_v2_",
            $file,
            ".tgz"
        )
    };
}

const FILES_140: &[Published] = &[Published::new(models!("1.4_224"), 224, 74.9, 92.5)];
/// Other widths too, since the network supports any. Widths below 1 were trained with all channels
/// in the last layer, which a factor alone does not express.
const FILES: &[Published] = &[
    Published::new(models!("1.0_224"), 224, 71.9, 91.0).with_width(1.0),
    Published::new(models!("1.0_192"), 192, 70.7, 90.1).with_width(1.0),
    Published::new(models!("1.0_160"), 160, 68.8, 89.0).with_width(1.0),
    Published::new(models!("1.0_128"), 128, 65.3, 86.9).with_width(1.0),
    Published::new(models!("1.0_96"), 96, 60.3, 83.2).with_width(1.0),
    Published::new(models!("1.3_224"), 224, 74.4, 92.1).with_width(1.3),
    Published::new(models!("0.75_224"), 224, 69.8, 89.6)
        .with_build_fn(|s| mobilenet_v2(s, Some(0.75))),
    Published::new(models!("0.75_192"), 192, 68.7, 88.9)
        .with_build_fn(|s| mobilenet_v2(s, Some(0.75))),
    Published::new(models!("0.75_160"), 160, 66.4, 87.3)
        .with_build_fn(|s| mobilenet_v2(s, Some(0.75))),
    Published::new(models!("0.75_128"), 128, 63.2, 85.3)
        .with_build_fn(|s| mobilenet_v2(s, Some(0.75))),
    Published::new(models!("0.75_96"), 96, 58.8, 81.6)
        .with_build_fn(|s| mobilenet_v2(s, Some(0.75))),
    Published::new(models!("0.5_224"), 224, 65.4, 86.4)
        .with_build_fn(|s| mobilenet_v2(s, Some(0.5))),
    Published::new(models!("0.5_192"), 192, 63.9, 85.4)
        .with_build_fn(|s| mobilenet_v2(s, Some(0.5))),
    Published::new(models!("0.5_160"), 160, 61.0, 83.2)
        .with_build_fn(|s| mobilenet_v2(s, Some(0.5))),
    Published::new(models!("0.5_128"), 128, 57.7, 80.8)
        .with_build_fn(|s| mobilenet_v2(s, Some(0.5))),
    Published::new(models!("0.5_96"), 96, 51.2, 75.8).with_build_fn(|s| mobilenet_v2(s, Some(0.5))),
];
const FILES_035: &[Published] = &[
    Published::new(models!("0.35_224"), 224, 60.3, 82.9),
    Published::new(models!("0.35_192"), 192, 58.2, 81.2),
    Published::new(models!("0.35_160"), 160, 55.7, 79.1),
    Published::new(models!("0.35_128"), 128, 50.8, 75.0),
    Published::new(models!("0.35_96"), 96, 45.5, 70.4),
];

const fn net(
    name: &'static str,
    published: &'static [Published],
    build_fn: fn(&mut Slim<'_>) -> BuildResult<()>,
) -> Architecture {
    Architecture {
        name,
        family: "MobileNet V2",
        paper: "https://arxiv.org/abs/1801.04381",
        side: 224,
        channels: 3,
        classes: 1001,
        preprocessing: "inception",
        published,
        settings: SETTINGS,
        build_fn,
    }
}

/// The options of MobileNet V2 and V3. (TF-Slim always pools globally and squeezes; maps of classes
/// do not.)
pub(super) const SETTINGS: &[Setting] = &[
    Setting::SpatialSqueeze,
    Setting::GlobalPool,
    Setting::OutputStride,
    Setting::DepthMultiplier,
    Setting::MinDepth,
];

/// Expansion t, channels c, repeats n, stride s of the first.
const BOTTLENECKS: [(f64, usize, usize, usize); 7] = [
    (1.0, 16, 1, 1),
    (6.0, 24, 2, 2),
    (6.0, 32, 3, 2),
    (6.0, 64, 4, 2),
    (6.0, 96, 3, 1),
    (6.0, 160, 3, 2),
    (6.0, 320, 1, 1),
];

fn mobilenet_v2(s: &mut Slim<'_>, multiplier: Option<f64>) -> BuildResult<()> {
    s.args = arg_scope(s, multiplier, Activation::Relu6);
    let mut atrous = atrous(s)?;
    s.scope("MobilenetV2", |s| {
        let mut net = s.identity(s.input(), "input");
        let (stride, rate) = atrous.step(2);
        net = s.layer(net, &conv2d("Conv", 32, 3).stride(stride).rate(rate))?;
        net = s.end_point("layer_1", net)?;
        let rows = BOTTLENECKS
            .iter()
            .flat_map(|&(t, c, n, s)| (0..n).map(move |i| (t, c, if i == 0 { s } else { 1 })));
        for (layer, (expansion, outputs, stride)) in (2..).zip(rows) {
            let (stride, rate) = atrous.step(stride);
            let block = ExpandedConv {
                expansion,
                outputs,
                kernel: 3,
                stride,
                rate,
                activation: Activation::Relu6,
                squeeze_excite: false,
                residual: true,
                fused: false,
            };
            net = expanded_conv(s, net, layer, &block)?;
        }
        let last = conv2d("Conv_1", 1280, 1);
        // The last layer keeps its channels in the narrower networks.
        let thinner = multiplier.is_some_and(|multiplier| multiplier < 1.0);
        net = if thinner { s.exactly(|s| s.layer(net, &last))? } else { s.layer(net, &last)? };
        net = s.end_point("layer_19", net)?;
        logits(s, net)
    })
}
