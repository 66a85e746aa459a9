//! MobileNet V1. Howard and others: *MobileNets: efficient convolutional neural networks for mobile
//! vision applications* (2017), table 1.
//!
//! 224 × 224, and 192, 160, 128; Inception's preprocessing. Top-1 / top-5 at full width: 70.9 /
//! 89.9, 70.0 / 89.2, 68.0 / 87.7, 65.2 / 85.8. 1001 classes, 0 is background.

use super::slim::{
    Activation, ArgScope, Atrous, BuildResult, FeatureMap, Normalizer, Slim, Width, avg_pool2d,
    conv2d, depthwise,
};
use super::{Architecture, Published, Setting};
use crate::error::Error;

/// The network of any width, which the file decides.
pub(super) const MOBILENET_V1: Architecture =
    net("mobilenet_v1", FILES_100, |s| mobilenet_v1(s, None));
pub(super) const MOBILENET_V1_075: Architecture =
    net("mobilenet_v1_075", FILES_075, |s| mobilenet_v1(s, Some(0.75)));
pub(super) const MOBILENET_V1_050: Architecture =
    net("mobilenet_v1_050", FILES_050, |s| mobilenet_v1(s, Some(0.5)));
pub(super) const MOBILENET_V1_025: Architecture =
    net("mobilenet_v1_025", FILES_025, |s| mobilenet_v1(s, Some(0.25)));

/// The address of a published file.
macro_rules! models {
    ($file:literal) => {
        concat!(
            "http://download.tensorflow.org/models/mobilenet_v1_2018_08_02/mobilenet_v1_",
            $file,
            ".tgz"
        )
    };
}

const FILES_100: &[Published] = &[
    Published::new(models!("1.0_224"), 224, 70.9, 89.9).with_width(1.0),
    Published::new(models!("1.0_192"), 192, 70.0, 89.2).with_width(1.0),
    Published::new(models!("1.0_160"), 160, 68.0, 87.7).with_width(1.0),
    Published::new(models!("1.0_128"), 128, 65.2, 85.8).with_width(1.0),
];
const FILES_075: &[Published] = &[
    Published::new(models!("0.75_224"), 224, 68.4, 88.2),
    Published::new(models!("0.75_192"), 192, 67.2, 87.3),
    Published::new(models!("0.75_160"), 160, 65.3, 86.0),
    Published::new(models!("0.75_128"), 128, 62.1, 83.9),
];
const FILES_050: &[Published] = &[
    Published::new(models!("0.5_224"), 224, 63.3, 84.9),
    Published::new(models!("0.5_192"), 192, 61.7, 83.6),
    Published::new(models!("0.5_160"), 160, 59.1, 81.9),
    Published::new(models!("0.5_128"), 128, 56.3, 79.4),
];
const FILES_025: &[Published] = &[
    Published::new(models!("0.25_224"), 224, 49.8, 74.2),
    Published::new(models!("0.25_192"), 192, 47.7, 72.3),
    Published::new(models!("0.25_160"), 160, 45.5, 70.3),
    Published::new(models!("0.25_128"), 128, 41.5, 66.3),
];

const fn net(
    name: &'static str,
    published: &'static [Published],
    build_fn: fn(&mut Slim<'_>) -> BuildResult<()>,
) -> Architecture {
    Architecture {
        name,
        family: "MobileNet V1",
        paper: "https://arxiv.org/abs/1704.04861",
        side: 224,
        channels: 3,
        classes: 1001,
        preprocessing: "inception",
        published,
        settings: &[
            Setting::SpatialSqueeze,
            Setting::GlobalPool,
            Setting::OutputStride,
            Setting::DepthMultiplier,
            Setting::MinDepth,
        ],
        build_fn,
    }
}

/// Stride and channels of each depthwise separable convolution.
const SEPARABLE: [(usize, usize); 13] = [
    (1, 64),
    (2, 128),
    (1, 128),
    (2, 256),
    (1, 256),
    (2, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (2, 1024),
    (1, 1024),
];

fn mobilenet_v1(s: &mut Slim<'_>, multiplier: Option<f64>) -> BuildResult<()> {
    let options = s.options();
    let min_depth = options.min_depth.unwrap_or(8);
    let width = |multiplier| Width::Truncated { multiplier, min_depth };
    s.args = ArgScope {
        normalizer: Normalizer::BatchNorm { epsilon: 0.001, scale: true },
        activation: Activation::Relu6,
        width: s.depth_multiplier(multiplier).map_or(Width::Stored, width),
        ..ArgScope::default()
    };
    let net = s.base("MobilenetV1", |s| {
        let mut atrous = Atrous::new(options.output_stride);
        let (stride, _) = atrous.step(2);
        let mut net = s.stem(s.input(), &[conv2d("Conv2d_0", 32, 3).stride(stride)])?;
        for (i, (stride, depth)) in (1..).zip(SEPARABLE) {
            let (stride, rate) = atrous.step(stride);
            let rows = [
                depthwise(format!("Conv2d_{i}_depthwise"), 3).stride(stride).rate(rate),
                conv2d(format!("Conv2d_{i}_pointwise"), depth, 1),
            ];
            net = s.stem(net, &rows)?;
        }
        match options.output_stride {
            None | Some(8 | 16 | 32) => Ok(net),
            Some(other) => {
                Err(Error::Input(format!("output_stride {other}: give 8, 16 or 32")).into())
            }
        }
    })?;
    s.scope("MobilenetV1", |s| logits(s, net))
}

fn logits(s: &mut Slim<'_>, net: FeatureMap) -> BuildResult<()> {
    let net = s.scope("Logits", |s| {
        let net = if s.pools_globally(false) {
            let net = s.global_pool(net, "global_pool");
            s.end_point("global_pool", net)?
        } else {
            let kernel = Slim::reduced_kernel_size(net, [7, 7]);
            s.stem(net, &[avg_pool2d("AvgPool_1a", kernel)])?
        };
        let net = s.features(net)?;
        let net = s.dropout(net, "Dropout_1b");
        let net = s.logits(net, "Conv2d_1c_1x1")?;
        Ok(s.spatial_squeeze(net, "SpatialSqueeze"))
    })?;
    let net = s.end_point("Logits", net)?;
    let net = s.slim_softmax(net, "Predictions");
    s.end_point("Predictions", net)?;
    Ok(())
}
