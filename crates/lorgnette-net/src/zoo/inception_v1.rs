//! Inception V1, GoogLeNet. Szegedy and others: *Going deeper with convolutions* (2014), table 1.
//!
//! 224 × 224; Inception's preprocessing. Top-1 / top-5: 69.8 / 89.6. 1001 classes, 0 is background.

use super::slim::{
    Activation, ArgScope, BuildResult, FeatureMap, Normalizer, Same, Slim, avg_pool2d, conv2d,
    max_pool2d,
};
use super::{Architecture, Published, Setting};

pub(super) const INCEPTION_V1: Architecture = Architecture {
    name: "inception_v1",
    family: "Inception",
    paper: "https://arxiv.org/abs/1409.4842",
    side: 224,
    channels: 3,
    classes: 1001,
    preprocessing: "inception",
    published: &[Published::new(
        "http://download.tensorflow.org/models/inception_v1_2016_08_28.tar.gz",
        224,
        69.8,
        89.6,
    )],
    settings: &[Setting::SpatialSqueeze, Setting::GlobalPool],
    build_fn: inception_v1,
};

/// The settings of all Inceptions: batch norm without gamma, SAME windows of stride 1.
pub(super) const ARG_SCOPE: ArgScope = ArgScope {
    padding: Same,
    pool_stride: 1,
    pool_padding: Same,
    normalizer: Normalizer::BatchNorm { epsilon: 0.001, scale: false },
    layer_norm: Normalizer::None,
    activation: Activation::Relu,
    width: super::slim::Width::Fixed,
    collect: false,
    collect_pools: false,
};

fn inception_v1(s: &mut Slim<'_>) -> BuildResult<()> {
    s.args = ARG_SCOPE;
    let net = s.base("InceptionV1", |s| {
        let net = s.stem(
            s.input(),
            &[
                conv2d("Conv2d_1a_7x7", 64, 7).stride(2),
                max_pool2d("MaxPool_2a_3x3", 3).stride(2),
                conv2d("Conv2d_2b_1x1", 64, 1),
                conv2d("Conv2d_2c_3x3", 192, 3),
                max_pool2d("MaxPool_3a_3x3", 3).stride(2),
            ],
        )?;
        // #1×1, #3×3 reduce, #3×3, #5×5 reduce, #5×5 (3×3 here), pool projection
        let net = mixed(s, net, "Mixed_3b", [64, 96, 128, 16, 32, 32])?;
        let net = mixed(s, net, "Mixed_3c", [128, 128, 192, 32, 96, 64])?;
        let net = s.stem(net, &[max_pool2d("MaxPool_4a_3x3", 3).stride(2)])?;
        let net = mixed(s, net, "Mixed_4b", [192, 96, 208, 16, 48, 64])?;
        let net = mixed(s, net, "Mixed_4c", [160, 112, 224, 24, 64, 64])?;
        let net = mixed(s, net, "Mixed_4d", [128, 128, 256, 24, 64, 64])?;
        let net = mixed(s, net, "Mixed_4e", [112, 144, 288, 32, 64, 64])?;
        let net = mixed(s, net, "Mixed_4f", [256, 160, 320, 32, 128, 128])?;
        let net = s.stem(net, &[max_pool2d("MaxPool_5a_2x2", 2).stride(2)])?;
        let net = mixed(s, net, "Mixed_5b", [256, 160, 320, 32, 128, 128])?;
        mixed(s, net, "Mixed_5c", [384, 192, 384, 48, 128, 128])
    })?;
    s.scope("InceptionV1", |s| s.scope("Logits", |s| logits(s, net)))
}

fn mixed(s: &mut Slim<'_>, net: FeatureMap, scope: &str, depths: [usize; 6]) -> BuildResult {
    let [d1x1, d3x3_reduce, d3x3, d5x5_reduce, d5x5, projection] = depths;
    // One layer of this module is misnamed in every published file.
    let last = if scope == "Mixed_5b" { "Conv2d_0a_3x3" } else { "Conv2d_0b_3x3" };
    s.module(
        net,
        scope,
        &[
            &[conv2d("Conv2d_0a_1x1", d1x1, 1)],
            &[conv2d("Conv2d_0a_1x1", d3x3_reduce, 1), conv2d("Conv2d_0b_3x3", d3x3, 3)],
            &[conv2d("Conv2d_0a_1x1", d5x5_reduce, 1), conv2d(last, d5x5, 3)],
            &[max_pool2d("MaxPool_0a_3x3", 3), conv2d("Conv2d_0b_1x1", projection, 1)],
        ],
    )
}

fn logits(s: &mut Slim<'_>, net: FeatureMap) -> BuildResult<()> {
    let net = if s.pools_globally(false) {
        let net = s.global_pool(net, "global_pool");
        s.end_point("global_pool", net)?
    } else {
        s.stem(net, &[avg_pool2d("AvgPool_0a_7x7", 7).valid()])?
    };
    let net = s.features(net)?;
    let net = s.dropout(net, "Dropout_0b");
    let net = s.logits(net, "Conv2d_0c_1x1")?;
    let net = s.spatial_squeeze(net, "SpatialSqueeze");
    let net = s.end_point("Logits", net)?;
    let net = s.slim_softmax(net, "Predictions");
    s.end_point("Predictions", net)?;
    Ok(())
}
