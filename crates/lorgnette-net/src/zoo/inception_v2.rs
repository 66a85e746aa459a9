//! Inception V2, BN-Inception. Ioffe, Szegedy: *Batch normalization: accelerating deep network
//! training by reducing internal covariate shift* (2015), figure 5. The first layer is a separable
//! convolution.
//!
//! 224 × 224; Inception's preprocessing. Top-1 / top-5: 73.9 / 91.8. 1001 classes, 0 is background.

use super::inception_v1::ARG_SCOPE;
use super::slim::{
    BuildResult, FeatureMap, Layer, Normalizer, Slim, Width, avg_pool2d, conv2d, max_pool2d,
};
use super::{Architecture, Published, Setting};

pub(super) const INCEPTION_V2: Architecture = Architecture {
    name: "inception_v2",
    family: "Inception",
    paper: "https://arxiv.org/abs/1502.03167",
    side: 224,
    channels: 3,
    classes: 1001,
    preprocessing: "inception",
    published: &[Published::new(
        "http://download.tensorflow.org/models/inception_v2_2016_08_28.tar.gz",
        224,
        73.9,
        91.8,
    )
    .with_width(1.0)],
    settings: SETTINGS,
    build_fn: inception_v2,
};

pub(super) const SETTINGS: &[Setting] =
    &[Setting::SpatialSqueeze, Setting::GlobalPool, Setting::DepthMultiplier, Setting::MinDepth];

/// The pool of a module.
type Pool = fn() -> Layer;
const AVG: Pool = || avg_pool2d("AvgPool_0a_3x3", 3);
const MAX: Pool = || max_pool2d("MaxPool_0a_3x3", 3);

fn inception_v2(s: &mut Slim<'_>) -> BuildResult<()> {
    s.args = ARG_SCOPE;
    s.args.width = width(s);
    let net = s.base("InceptionV2", |s| {
        let net = first_layer(s)?;
        let net = s.stem(
            net,
            &[
                max_pool2d("MaxPool_2a_3x3", 3).stride(2),
                conv2d("Conv2d_2b_1x1", 64, 1),
                conv2d("Conv2d_2c_3x3", 192, 3),
                max_pool2d("MaxPool_3a_3x3", 3).stride(2),
            ],
        )?;
        // #1×1, #3×3 reduce, #3×3, double #3×3 reduce, double #3×3, pool, projection
        let net = mixed(s, net, "Mixed_3b", [64, 64, 64, 64, 96, 32], AVG)?;
        let net = mixed(s, net, "Mixed_3c", [64, 64, 96, 64, 96, 64], AVG)?;
        let net = reduction(s, net, "Mixed_4a", [128, 160, 64, 96])?;
        let net = mixed(s, net, "Mixed_4b", [224, 64, 96, 96, 128, 128], AVG)?;
        let net = mixed(s, net, "Mixed_4c", [192, 96, 128, 96, 128, 128], AVG)?;
        let net = mixed(s, net, "Mixed_4d", [160, 128, 160, 128, 160, 96], AVG)?;
        let net = mixed(s, net, "Mixed_4e", [96, 128, 192, 160, 192, 96], AVG)?;
        let net = reduction(s, net, "Mixed_5a", [128, 192, 192, 256])?;
        let net = mixed(s, net, "Mixed_5b", [352, 192, 320, 160, 224, 128], AVG)?;
        mixed(s, net, "Mixed_5c", [352, 192, 320, 192, 224, 128], MAX)
    })?;
    s.scope("InceptionV2", |s| logits(s, net, [7, 7]))
}

/// The width of the file, or the width by a factor.
pub(super) fn width(s: &Slim<'_>) -> Width {
    let min_depth = s.options().min_depth.unwrap_or(16);
    s.depth_multiplier(None)
        .map_or(Width::Stored, |multiplier| Width::Truncated { multiplier, min_depth })
}

fn first_layer(s: &mut Slim<'_>) -> BuildResult {
    let row = conv2d("Conv2d_1a_7x7", 64, 7).stride(2).normalizer(Normalizer::Biases);
    // No more than the pointwise convolution can make independent.
    let multiplier = s.depth(64).map(|depth| (depth / 3).min(8));
    let net = s.separable_conv2d(s.input(), &row, multiplier)?;
    s.end_point("Conv2d_1a_7x7", net)
}

fn mixed(
    s: &mut Slim<'_>,
    net: FeatureMap,
    scope: &str,
    depths: [usize; 6],
    pool: Pool,
) -> BuildResult {
    let [d1x1, d3x3_reduce, d3x3, double_reduce, double, projection] = depths;
    s.module(
        net,
        scope,
        &[
            &[conv2d("Conv2d_0a_1x1", d1x1, 1)],
            &[conv2d("Conv2d_0a_1x1", d3x3_reduce, 1), conv2d("Conv2d_0b_3x3", d3x3, 3)],
            &[
                conv2d("Conv2d_0a_1x1", double_reduce, 1),
                conv2d("Conv2d_0b_3x3", double, 3),
                conv2d("Conv2d_0c_3x3", double, 3),
            ],
            &[pool(), conv2d("Conv2d_0b_1x1", projection, 1)],
        ],
    )
}

/// A module that halves height and width.
fn reduction(s: &mut Slim<'_>, net: FeatureMap, scope: &str, depths: [usize; 4]) -> BuildResult {
    let [d3x3_reduce, d3x3, double_reduce, double] = depths;
    s.module(
        net,
        scope,
        &[
            &[conv2d("Conv2d_0a_1x1", d3x3_reduce, 1), conv2d("Conv2d_1a_3x3", d3x3, 3).stride(2)],
            &[
                conv2d("Conv2d_0a_1x1", double_reduce, 1),
                conv2d("Conv2d_0b_3x3", double, 3),
                conv2d("Conv2d_1a_3x3", double, 3).stride(2),
            ],
            &[max_pool2d("MaxPool_1a_3x3", 3).stride(2)],
        ],
    )
}

/// The end of Inception V2 and V3: a pool of `kernel`, smaller for small images, and the logits.
pub(super) fn logits(s: &mut Slim<'_>, net: FeatureMap, kernel: [usize; 2]) -> BuildResult<()> {
    let net = s.scope("Logits", |s| {
        let net = if s.pools_globally(false) {
            let net = s.global_pool(net, "global_pool");
            s.end_point("global_pool", net)?
        } else {
            let [height, width] = Slim::reduced_kernel_size(net, kernel);
            let pool = avg_pool2d(format!("AvgPool_1a_{height}x{width}"), [height, width])
                .stride(2)
                .valid();
            let net = s.layer(net, &pool)?;
            s.end_point("AvgPool_1a", net)?
        };
        let net = s.features(net)?;
        let net = s.dropout(net, "Dropout_1b");
        let net = s.end_point("PreLogits", net)?;
        let net = s.logits(net, "Conv2d_1c_1x1")?;
        Ok(s.spatial_squeeze(net, "SpatialSqueeze"))
    })?;
    let net = s.end_point("Logits", net)?;
    let net = s.slim_softmax(net, "Predictions");
    s.end_point("Predictions", net)?;
    Ok(())
}
