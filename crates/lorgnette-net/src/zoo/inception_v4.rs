//! Inception V4. Szegedy, Ioffe, Vanhoucke, Alemi: *Inception-v4, Inception-ResNet and the impact
//! of residual connections on learning* (2016), figures 3 to 9.
//!
//! 299 × 299; Inception's preprocessing. Top-1 / top-5: 80.2 / 95.2. 1001 classes, 0 is background.

use super::inception_v1::ARG_SCOPE;
use super::inception_v3::{AuxHead, aux_head};
use super::slim::{BuildResult, FeatureMap, Slim, avg_pool2d, concat, conv2d, max_pool2d};
use super::{Architecture, Published};

pub(super) const INCEPTION_V4: Architecture = Architecture {
    name: "inception_v4",
    family: "Inception",
    paper: "https://arxiv.org/abs/1602.07261",
    side: 299,
    channels: 3,
    classes: 1001,
    preprocessing: "inception",
    published: &[Published::new(
        "http://download.tensorflow.org/models/inception_v4_2016_09_09.tar.gz",
        299,
        80.2,
        95.2,
    )],
    settings: &[],
    build_fn: inception_v4,
};

fn inception_v4(s: &mut Slim<'_>) -> BuildResult<()> {
    s.args = ARG_SCOPE;
    let (mixed_6h, mut net) = s.base("InceptionV4", |s| {
        let mut net = stem(s)?;
        for scope in ["Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_5e"] {
            net = inception_a(s, net, scope)?;
        }
        net = reduction_a(s, net, "Mixed_6a")?;
        for scope in
            ["Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e", "Mixed_6f", "Mixed_6g", "Mixed_6h"]
        {
            net = inception_b(s, net, scope)?;
        }
        let mixed_6h = net;
        net = reduction_b(s, net, "Mixed_7a")?;
        for scope in ["Mixed_7b", "Mixed_7c", "Mixed_7d"] {
            net = inception_c(s, net, scope)?;
        }
        Ok((mixed_6h, net))
    })?;
    s.scope("InceptionV4", |s| {
        let head =
            AuxHead { pool: "AvgPool_1a_5x5", name: |_| "Conv2d_2a".into(), most: usize::MAX };
        aux_head(s, mixed_6h, head, |s, net| {
            let net = s.flatten(net, "Flatten");
            s.fully_connected_logits(net, "Aux_logits")
        })?;
        s.scope("Logits", |s| {
            net = s.global_pool(net, "AvgPool_1a/AvgPool");
            net = s.end_point("global_pool", net)?;
            net = s.features(net)?;
            net = s.dropout(net, "Dropout_1b");
            net = s.flatten(net, "PreLogitsFlatten");
            net = s.end_point("PreLogitsFlatten", net)?;
            net = s.fully_connected_logits(net, "Logits")?;
            net = s.end_point("Logits", net)?;
            net = s.softmax(net, "Predictions");
            s.end_point("Predictions", net)?;
            Ok(())
        })
    })
}

/// 299 × 299 to 35 × 35, figure 3.
fn stem(s: &mut Slim<'_>) -> BuildResult {
    let net = s.stem(
        s.input(),
        &[
            conv2d("Conv2d_1a_3x3", 32, 3).stride(2).valid(),
            conv2d("Conv2d_2a_3x3", 32, 3).valid(),
            conv2d("Conv2d_2b_3x3", 64, 3),
        ],
    )?;
    let net = s.module(
        net,
        "Mixed_3a",
        &[
            &[max_pool2d("MaxPool_0a_3x3", 3).stride(2).valid()],
            &[conv2d("Conv2d_0a_3x3", 96, 3).stride(2).valid()],
        ],
    )?;
    let net = s.module(
        net,
        "Mixed_4a",
        &[
            &[conv2d("Conv2d_0a_1x1", 64, 1), conv2d("Conv2d_1a_3x3", 96, 3).valid()],
            &[
                conv2d("Conv2d_0a_1x1", 64, 1),
                conv2d("Conv2d_0b_1x7", 64, [1, 7]),
                conv2d("Conv2d_0c_7x1", 64, [7, 1]),
                conv2d("Conv2d_1a_3x3", 96, 3).valid(),
            ],
        ],
    )?;
    s.module(
        net,
        "Mixed_5a",
        &[
            &[conv2d("Conv2d_1a_3x3", 192, 3).stride(2).valid()],
            &[max_pool2d("MaxPool_1a_3x3", 3).stride(2).valid()],
        ],
    )
}

/// 35 × 35, figure 4.
fn inception_a(s: &mut Slim<'_>, net: FeatureMap, scope: &str) -> BuildResult {
    s.module(
        net,
        scope,
        &[
            &[conv2d("Conv2d_0a_1x1", 96, 1)],
            &[conv2d("Conv2d_0a_1x1", 64, 1), conv2d("Conv2d_0b_3x3", 96, 3)],
            &[
                conv2d("Conv2d_0a_1x1", 64, 1),
                conv2d("Conv2d_0b_3x3", 96, 3),
                conv2d("Conv2d_0c_3x3", 96, 3),
            ],
            &[avg_pool2d("AvgPool_0a_3x3", 3), conv2d("Conv2d_0b_1x1", 96, 1)],
        ],
    )
}

/// 35 × 35 to 17 × 17, figure 7.
fn reduction_a(s: &mut Slim<'_>, net: FeatureMap, scope: &str) -> BuildResult {
    s.module(
        net,
        scope,
        &[
            &[conv2d("Conv2d_1a_3x3", 384, 3).stride(2).valid()],
            &[
                conv2d("Conv2d_0a_1x1", 192, 1),
                conv2d("Conv2d_0b_3x3", 224, 3),
                conv2d("Conv2d_1a_3x3", 256, 3).stride(2).valid(),
            ],
            &[max_pool2d("MaxPool_1a_3x3", 3).stride(2).valid()],
        ],
    )
}

/// 17 × 17, figure 5.
fn inception_b(s: &mut Slim<'_>, net: FeatureMap, scope: &str) -> BuildResult {
    s.module(
        net,
        scope,
        &[
            &[conv2d("Conv2d_0a_1x1", 384, 1)],
            &[
                conv2d("Conv2d_0a_1x1", 192, 1),
                conv2d("Conv2d_0b_1x7", 224, [1, 7]),
                conv2d("Conv2d_0c_7x1", 256, [7, 1]),
            ],
            &[
                conv2d("Conv2d_0a_1x1", 192, 1),
                conv2d("Conv2d_0b_7x1", 192, [7, 1]),
                conv2d("Conv2d_0c_1x7", 224, [1, 7]),
                conv2d("Conv2d_0d_7x1", 224, [7, 1]),
                conv2d("Conv2d_0e_1x7", 256, [1, 7]),
            ],
            &[avg_pool2d("AvgPool_0a_3x3", 3), conv2d("Conv2d_0b_1x1", 128, 1)],
        ],
    )
}

/// 17 × 17 to 8 × 8, figure 8.
fn reduction_b(s: &mut Slim<'_>, net: FeatureMap, scope: &str) -> BuildResult {
    s.module(
        net,
        scope,
        &[
            &[conv2d("Conv2d_0a_1x1", 192, 1), conv2d("Conv2d_1a_3x3", 192, 3).stride(2).valid()],
            &[
                conv2d("Conv2d_0a_1x1", 256, 1),
                conv2d("Conv2d_0b_1x7", 256, [1, 7]),
                conv2d("Conv2d_0c_7x1", 320, [7, 1]),
                conv2d("Conv2d_1a_3x3", 320, 3).stride(2).valid(),
            ],
            &[max_pool2d("MaxPool_1a_3x3", 3).stride(2).valid()],
        ],
    )
}

/// 8 × 8, figure 6.
fn inception_c(s: &mut Slim<'_>, net: FeatureMap, scope: &str) -> BuildResult {
    s.module(
        net,
        scope,
        &[
            &[conv2d("Conv2d_0a_1x1", 256, 1)],
            &[
                conv2d("Conv2d_0a_1x1", 384, 1),
                concat([
                    conv2d("Conv2d_0b_1x3", 256, [1, 3]),
                    conv2d("Conv2d_0c_3x1", 256, [3, 1]),
                ]),
            ],
            &[
                conv2d("Conv2d_0a_1x1", 384, 1),
                conv2d("Conv2d_0b_3x1", 448, [3, 1]),
                conv2d("Conv2d_0c_1x3", 512, [1, 3]),
                concat([
                    conv2d("Conv2d_0d_1x3", 256, [1, 3]),
                    conv2d("Conv2d_0e_3x1", 256, [3, 1]),
                ]),
            ],
            &[avg_pool2d("AvgPool_0a_3x3", 3), conv2d("Conv2d_0b_1x1", 256, 1)],
        ],
    )
}
