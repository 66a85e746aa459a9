//! Inception-ResNet V2. Szegedy, Ioffe, Vanhoucke, Alemi: *Inception-v4, Inception-ResNet and the
//! impact of residual connections on learning* (2016), figures 15 to 19, with the stem of Inception
//! V3.
//!
//! 299 × 299; Inception's preprocessing. Top-1 / top-5: 80.4 / 95.3. 1001 classes, 0 is background.

use super::inception_v1::ARG_SCOPE;
use super::inception_v3::{AuxHead, aux_head};
use super::slim::{BuildResult, FeatureMap, Layer, Slim, avg_pool2d, conv2d, max_pool2d};
use super::{Architecture, Published, Setting};
use crate::error::Error;

pub(super) const INCEPTION_RESNET_V2: Architecture = Architecture {
    name: "inception_resnet_v2",
    family: "Inception-ResNet",
    paper: "https://arxiv.org/abs/1602.07261",
    side: 299,
    channels: 3,
    classes: 1001,
    preprocessing: "inception",
    published: &[Published::new(
        "http://download.tensorflow.org/models/inception_resnet_v2_2016_08_30.tar.gz",
        299,
        80.4,
        95.3,
    )],
    settings: &[Setting::OutputStride],
    build_fn: inception_resnet_v2,
};

fn inception_resnet_v2(s: &mut Slim<'_>) -> BuildResult<()> {
    s.args = ARG_SCOPE;
    let stride = match s.options().output_stride {
        None | Some(16) => 2,
        Some(8) => 1,
        Some(other) => {
            return Err(Error::Input(format!("output_stride {other}: give 8 or 16")).into());
        }
    };
    let (pre_aux, mut net) = s.base("InceptionResnetV2", |s| {
        let net = stem(s)?;
        let net = mixed_5b(s, net)?;
        let net = s.scope("Repeat", |s| repeat(s, net, "block35", 10, block35))?;
        let net = mixed_6a(s, net, stride)?;
        let net = s.scope("Repeat_1", |s| {
            repeat(s, net, "block17", 20, |s, net| block17(s, net, 2 / stride))
        })?;
        let pre_aux = s.end_point("PreAuxLogits", net)?;
        if stride == 1 {
            let what = "output_stride 8 goes no further than the end point PreAuxLogits: make it \
                 the final one";
            return Err(Error::Input(what.into()).into());
        }
        let net = mixed_7a(s, net)?;
        let net = s.scope("Repeat_2", |s| {
            repeat(s, net, "block8", 9, |s, net| {
                let net = block8(s, net, 0.20)?;
                Ok(s.relu(net))
            })
        })?;
        let net = s.scope("Block8", |s| block8(s, net, 1.0))?;
        Ok((pre_aux, s.stem(net, &[conv2d("Conv2d_7b_1x1", 1536, 1)])?))
    })?;
    s.scope("InceptionResnetV2", |s| {
        let head =
            AuxHead { pool: "Conv2d_1a_3x3", name: |_| "Conv2d_2a_5x5".into(), most: usize::MAX };
        aux_head(s, pre_aux, head, |s, net| {
            let net = s.flatten(net, "Flatten");
            s.fully_connected_logits(net, "Logits")
        })?;
        s.scope("Logits", |s| {
            net = s.global_pool(net, "AvgPool_1a_8x8/AvgPool");
            net = s.end_point("global_pool", net)?;
            net = s.features(net)?;
            net = s.flatten(net, "Flatten");
            net = s.dropout(net, "Dropout");
            net = s.end_point("PreLogitsFlatten", net)?;
            net = s.fully_connected_logits(net, "Logits")?;
            net = s.end_point("Logits", net)?;
            net = s.softmax(net, "Predictions");
            s.end_point("Predictions", net)?;
            Ok(())
        })
    })
}

/// A sequence of blocks, numbered from 1.
fn repeat(
    s: &mut Slim<'_>,
    net: FeatureMap,
    block: &str,
    times: usize,
    build: impl Fn(&mut Slim<'_>, FeatureMap) -> BuildResult,
) -> BuildResult {
    (1..=times).try_fold(net, |net, i| s.scope(&format!("{block}_{i}"), |s| build(s, net)))
}

/// 299 × 299 to 35 × 35.
fn stem(s: &mut Slim<'_>) -> BuildResult {
    s.stem(
        s.input(),
        &[
            conv2d("Conv2d_1a_3x3", 32, 3).stride(2).valid(),
            conv2d("Conv2d_2a_3x3", 32, 3).valid(),
            conv2d("Conv2d_2b_3x3", 64, 3),
            max_pool2d("MaxPool_3a_3x3", 3).stride(2).valid(),
            conv2d("Conv2d_3b_1x1", 80, 1).valid(),
            conv2d("Conv2d_4a_3x3", 192, 3).valid(),
            max_pool2d("MaxPool_5a_3x3", 3).stride(2).valid(),
        ],
    )
}

/// 35 × 35, as in Inception V3.
fn mixed_5b(s: &mut Slim<'_>, net: FeatureMap) -> BuildResult {
    s.module(
        net,
        "Mixed_5b",
        &[
            &[conv2d("Conv2d_1x1", 96, 1)],
            &[conv2d("Conv2d_0a_1x1", 48, 1), conv2d("Conv2d_0b_5x5", 64, 5)],
            &[
                conv2d("Conv2d_0a_1x1", 64, 1),
                conv2d("Conv2d_0b_3x3", 96, 3),
                conv2d("Conv2d_0c_3x3", 96, 3),
            ],
            &[avg_pool2d("AvgPool_0a_3x3", 3), conv2d("Conv2d_0b_1x1", 64, 1)],
        ],
    )
}

/// 35 × 35, figure 16.
fn block35(s: &mut Slim<'_>, net: FeatureMap) -> BuildResult {
    let net = residual(
        s,
        net,
        0.17,
        &[
            &[conv2d("Conv2d_1x1", 32, 1)],
            &[conv2d("Conv2d_0a_1x1", 32, 1), conv2d("Conv2d_0b_3x3", 32, 3)],
            &[
                conv2d("Conv2d_0a_1x1", 32, 1),
                conv2d("Conv2d_0b_3x3", 48, 3),
                conv2d("Conv2d_0c_3x3", 64, 3),
            ],
        ],
    )?;
    Ok(s.relu(net))
}

/// 35 × 35 to 17 × 17, figure 7.
fn mixed_6a(s: &mut Slim<'_>, net: FeatureMap, stride: usize) -> BuildResult {
    s.module(
        net,
        "Mixed_6a",
        &[
            &[conv2d("Conv2d_1a_3x3", 384, 3).stride(stride).valid()],
            &[
                conv2d("Conv2d_0a_1x1", 256, 1),
                conv2d("Conv2d_0b_3x3", 256, 3),
                conv2d("Conv2d_1a_3x3", 384, 3).stride(stride).valid(),
            ],
            &[max_pool2d("MaxPool_1a_3x3", 3).stride(stride).valid()],
        ],
    )
}

/// 17 × 17, figure 17.
fn block17(s: &mut Slim<'_>, net: FeatureMap, rate: usize) -> BuildResult {
    let net = residual(
        s,
        net,
        0.10,
        &[
            &[conv2d("Conv2d_1x1", 192, 1)],
            &[
                conv2d("Conv2d_0a_1x1", 128, 1),
                conv2d("Conv2d_0b_1x7", 160, [1, 7]).rate(rate),
                conv2d("Conv2d_0c_7x1", 192, [7, 1]).rate(rate),
            ],
        ],
    )?;
    Ok(s.relu(net))
}

/// 17 × 17 to 8 × 8, figure 18.
fn mixed_7a(s: &mut Slim<'_>, net: FeatureMap) -> BuildResult {
    s.module(
        net,
        "Mixed_7a",
        &[
            &[conv2d("Conv2d_0a_1x1", 256, 1), conv2d("Conv2d_1a_3x3", 384, 3).stride(2).valid()],
            &[conv2d("Conv2d_0a_1x1", 256, 1), conv2d("Conv2d_1a_3x3", 288, 3).stride(2).valid()],
            &[
                conv2d("Conv2d_0a_1x1", 256, 1),
                conv2d("Conv2d_0b_3x3", 288, 3),
                conv2d("Conv2d_1a_3x3", 320, 3).stride(2).valid(),
            ],
            &[max_pool2d("MaxPool_1a_3x3", 3).stride(2).valid()],
        ],
    )
}

/// 8 × 8, figure 19, without the activation: the last of these blocks has none.
fn block8(s: &mut Slim<'_>, net: FeatureMap, scale: f32) -> BuildResult {
    residual(
        s,
        net,
        scale,
        &[
            &[conv2d("Conv2d_1x1", 192, 1)],
            &[
                conv2d("Conv2d_0a_1x1", 192, 1),
                conv2d("Conv2d_0b_1x3", 224, [1, 3]),
                conv2d("Conv2d_0c_3x1", 256, [3, 1]),
            ],
        ],
    )
}

/// Scales the branches' result and adds it to their input.
fn residual(s: &mut Slim<'_>, net: FeatureMap, scale: f32, branches: &[&[Layer]]) -> BuildResult {
    let mixed = s.branches(net, branches)?;
    let up = s.layer(mixed, &conv2d("Conv2d_1x1", net.channels, 1).linear())?;
    let up = s.scale(up, scale, "mul");
    Ok(s.add(net, up, "add"))
}
