//! Inception V3. Szegedy, Vanhoucke, Ioffe, Shlens, Wojna: *Rethinking the Inception architecture
//! for computer vision* (2015), table 1 and figures 5 to 7, 10.
//!
//! 299 × 299; Inception's preprocessing. Top-1 / top-5: 78.0 / 93.9. 1001 classes, 0 is background.

use super::inception_v1::ARG_SCOPE;
use super::inception_v2::{SETTINGS, logits, width};
use super::slim::{BuildResult, FeatureMap, Slim, avg_pool2d, concat, conv2d, max_pool2d};
use super::{Architecture, Published};

pub(super) const INCEPTION_V3: Architecture = Architecture {
    name: "inception_v3",
    family: "Inception",
    paper: "https://arxiv.org/abs/1512.00567",
    side: 299,
    channels: 3,
    classes: 1001,
    preprocessing: "inception",
    published: &[Published::new(
        "http://download.tensorflow.org/models/inception_v3_2016_08_28.tar.gz",
        299,
        78.0,
        93.9,
    )
    .with_width(1.0)],
    settings: SETTINGS,
    build_fn: inception_v3,
};

fn inception_v3(s: &mut Slim<'_>) -> BuildResult<()> {
    s.args = ARG_SCOPE;
    s.args.width = width(s);
    let (mixed_6e, net) = s.base("InceptionV3", |s| {
        let net = s.stem(
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
        )?;
        let net = inception_a(s, net, "Mixed_5b", ["Conv2d_0a_1x1", "Conv2d_0b_5x5"], 32)?;
        let net = inception_a(s, net, "Mixed_5c", ["Conv2d_0b_1x1", "Conv_1_0c_5x5"], 64)?;
        let net = inception_a(s, net, "Mixed_5d", ["Conv2d_0a_1x1", "Conv2d_0b_5x5"], 64)?;
        let net = reduction_a(s, net, "Mixed_6a")?;
        let net = inception_b(s, net, "Mixed_6b", 128)?;
        let net = inception_b(s, net, "Mixed_6c", 160)?;
        let net = inception_b(s, net, "Mixed_6d", 160)?;
        let mixed_6e = inception_b(s, net, "Mixed_6e", 192)?;
        let net = reduction_b(s, mixed_6e, "Mixed_7a")?;
        let net = inception_c(s, net, "Mixed_7b", "Conv2d_0b_3x1")?;
        Ok((mixed_6e, inception_c(s, net, "Mixed_7c", "Conv2d_0c_3x1")?))
    })?;
    s.scope("InceptionV3", |s| {
        aux_logits(s, mixed_6e)?;
        logits(s, net, [8, 8])
    })
}

/// 35 × 35, figure 5. The names of the second branch differ from module to module.
fn inception_a(
    s: &mut Slim<'_>,
    net: FeatureMap,
    scope: &str,
    names: [&'static str; 2],
    projection: usize,
) -> BuildResult {
    s.module(
        net,
        scope,
        &[
            &[conv2d("Conv2d_0a_1x1", 64, 1)],
            &[conv2d(names[0], 48, 1), conv2d(names[1], 64, 5)],
            &[
                conv2d("Conv2d_0a_1x1", 64, 1),
                conv2d("Conv2d_0b_3x3", 96, 3),
                conv2d("Conv2d_0c_3x3", 96, 3),
            ],
            &[avg_pool2d("AvgPool_0a_3x3", 3), conv2d("Conv2d_0b_1x1", projection, 1)],
        ],
    )
}

/// 35 × 35 to 17 × 17, figure 10. Windows are 3 × 3, even where their names differ.
fn reduction_a(s: &mut Slim<'_>, net: FeatureMap, scope: &str) -> BuildResult {
    s.module(
        net,
        scope,
        &[
            &[conv2d("Conv2d_1a_1x1", 384, 3).stride(2).valid()],
            &[
                conv2d("Conv2d_0a_1x1", 64, 1),
                conv2d("Conv2d_0b_3x3", 96, 3),
                conv2d("Conv2d_1a_1x1", 96, 3).stride(2).valid(),
            ],
            &[max_pool2d("MaxPool_1a_3x3", 3).stride(2).valid()],
        ],
    )
}

/// 17 × 17, figure 6.
fn inception_b(s: &mut Slim<'_>, net: FeatureMap, scope: &str, c: usize) -> BuildResult {
    s.module(
        net,
        scope,
        &[
            &[conv2d("Conv2d_0a_1x1", 192, 1)],
            &[
                conv2d("Conv2d_0a_1x1", c, 1),
                conv2d("Conv2d_0b_1x7", c, [1, 7]),
                conv2d("Conv2d_0c_7x1", 192, [7, 1]),
            ],
            &[
                conv2d("Conv2d_0a_1x1", c, 1),
                conv2d("Conv2d_0b_7x1", c, [7, 1]),
                conv2d("Conv2d_0c_1x7", c, [1, 7]),
                conv2d("Conv2d_0d_7x1", c, [7, 1]),
                conv2d("Conv2d_0e_1x7", 192, [1, 7]),
            ],
            &[avg_pool2d("AvgPool_0a_3x3", 3), conv2d("Conv2d_0b_1x1", 192, 1)],
        ],
    )
}

/// 17 × 17 to 8 × 8.
fn reduction_b(s: &mut Slim<'_>, net: FeatureMap, scope: &str) -> BuildResult {
    s.module(
        net,
        scope,
        &[
            &[conv2d("Conv2d_0a_1x1", 192, 1), conv2d("Conv2d_1a_3x3", 320, 3).stride(2).valid()],
            &[
                conv2d("Conv2d_0a_1x1", 192, 1),
                conv2d("Conv2d_0b_1x7", 192, [1, 7]),
                conv2d("Conv2d_0c_7x1", 192, [7, 1]),
                conv2d("Conv2d_1a_3x3", 192, 3).stride(2).valid(),
            ],
            &[max_pool2d("MaxPool_1a_3x3", 3).stride(2).valid()],
        ],
    )
}

/// 8 × 8, figure 7. One layer's name differs from module to module.
fn inception_c(s: &mut Slim<'_>, net: FeatureMap, scope: &str, name: &'static str) -> BuildResult {
    s.module(
        net,
        scope,
        &[
            &[conv2d("Conv2d_0a_1x1", 320, 1)],
            &[
                conv2d("Conv2d_0a_1x1", 384, 1),
                concat([conv2d("Conv2d_0b_1x3", 384, [1, 3]), conv2d(name, 384, [3, 1])]),
            ],
            &[
                conv2d("Conv2d_0a_1x1", 448, 1),
                conv2d("Conv2d_0b_3x3", 384, 3),
                concat([
                    conv2d("Conv2d_0c_1x3", 384, [1, 3]),
                    conv2d("Conv2d_0d_3x1", 384, [3, 1]),
                ]),
            ],
            &[avg_pool2d("AvgPool_0a_3x3", 3), conv2d("Conv2d_0b_1x1", 192, 1)],
        ],
    )
}

fn aux_logits(s: &mut Slim<'_>, net: FeatureMap) -> BuildResult<()> {
    let head = AuxHead {
        pool: "AvgPool_1a_5x5",
        name: |[height, width]| format!("Conv2d_2a_{height}x{width}"),
        most: 5,
    };
    aux_head(s, net, head, |s, net| {
        let net = s.logits(net, "Conv2d_2b_1x1")?;
        Ok(s.spatial_squeeze(net, "SpatialSqueeze"))
    })
}

/// The differences between the auxiliary classifiers of Inception V3, V4 and Inception-ResNet.
#[derive(Clone, Copy)]
pub(super) struct AuxHead {
    /// The scope of the pool.
    pub(super) pool: &'static str,
    /// The scope of the layer over the whole map, given its window.
    pub(super) name: fn([usize; 2]) -> String,
    /// The maximum side of that window.
    pub(super) most: usize,
}

/// Builds the auxiliary classifier, if it is requested and the file has it for maps of this size.
pub(super) fn aux_head(
    s: &mut Slim<'_>,
    net: FeatureMap,
    head: AuxHead,
    classify: impl FnOnce(&mut Slim<'_>, FeatureMap) -> BuildResult,
) -> BuildResult<()> {
    s.scope("AuxLogits", |s| {
        let pool = avg_pool2d(head.pool, 5).stride(3).valid();
        let kernel = s.size_after(net, &pool).map(|side| side.min(head.most));
        let name = (head.name)(kernel);
        let stored_shape = s.stored_shape(&format!("{name}/weights")).unwrap_or_default();
        if !s.options().create_aux_logits
            || s.options().num_classes == Some(0)
            || !stored_shape.starts_with(&kernel)
        {
            return Ok(());
        }
        let rows = [pool, conv2d("Conv2d_1b_1x1", 128, 1), conv2d(name, 768, kernel).valid()];
        let net = s.layers(net, &rows)?;
        let net = classify(s, net)?;
        s.end_point("AuxLogits", net)?;
        Ok(())
    })
}
