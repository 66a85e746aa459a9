//! VGG. Simonyan, Zisserman: *Very deep convolutional networks for large-scale image recognition*
//! (2014), table 1, columns A, D and E.
//!
//! 224 × 224; VGG's preprocessing. Top-1 / top-5: VGG-16 71.5 / 89.8, VGG-19 71.1 / 89.8. 1000
//! classes.

use super::slim::{ArgScope, BuildResult, FeatureMap, Kernel, Slim, conv2d, max_pool2d};
use super::{Architecture, Published, Setting};

const fn vgg_net(
    name: &'static str,
    published: &'static [Published],
    build_fn: fn(&mut Slim<'_>) -> BuildResult<()>,
) -> Architecture {
    Architecture {
        name,
        family: "VGG",
        paper: "https://arxiv.org/abs/1409.1556",
        side: 224,
        channels: 3,
        classes: 1000,
        preprocessing: "vgg",
        published,
        settings: SETTINGS,
        build_fn,
    }
}

/// The options of all networks with the tail of [`fully_connected`].
pub(super) const SETTINGS: &[Setting] =
    &[Setting::SpatialSqueeze, Setting::GlobalPool, Setting::FcConvPadding];

// The numbers of convolutions in the five stacks.
pub(super) const VGG_A: Architecture = vgg_net("vgg_a", &[], |s| vgg(s, "vgg_a", [1, 1, 2, 2, 2]));
pub(super) const VGG_16: Architecture =
    vgg_net("vgg_16", VGG_16_FILES, |s| vgg(s, "vgg_16", [2, 2, 3, 3, 3]));
pub(super) const VGG_19: Architecture =
    vgg_net("vgg_19", VGG_19_FILES, |s| vgg(s, "vgg_19", [2, 2, 4, 4, 4]));

const VGG_16_FILES: &[Published] = &[Published {
    bytes: Some(513_324_920),
    ..Published::new(
        "http://download.tensorflow.org/models/vgg_16_2016_08_28.tar.gz",
        224,
        71.5,
        89.8,
    )
}];
const VGG_19_FILES: &[Published] = &[Published::new(
    "http://download.tensorflow.org/models/vgg_19_2016_08_28.tar.gz",
    224,
    71.1,
    89.8,
)];

/// The channels of the five stacks.
const DEPTHS: [usize; 5] = [64, 128, 256, 512, 512];

fn vgg(s: &mut Slim<'_>, name: &'static str, repeats: [usize; 5]) -> BuildResult<()> {
    s.args = ArgScope { collect: true, collect_pools: true, ..ArgScope::default() };
    s.scope(name, |s| {
        let mut net = s.input();
        for (i, (depth, repeats)) in (1..).zip(DEPTHS.into_iter().zip(repeats)) {
            let rows: Vec<_> =
                (1..=repeats).map(|j| conv2d(format!("conv{i}_{j}"), depth, 3)).collect();
            net = s.scope(&format!("conv{i}"), |s| s.layers(net, &rows))?;
            net = s.layer(net, &max_pool2d(format!("pool{i}"), 2))?;
        }
        fully_connected(s, net, 4096, 7)
    })
}

/// The tail of AlexNet, OverFeat and VGG: fully connected layers as convolutions, the first of
/// `kernel`.
pub(super) fn fully_connected(
    s: &mut Slim<'_>,
    net: FeatureMap,
    fc6: usize,
    kernel: impl Into<Kernel>,
) -> BuildResult<()> {
    let net = s.layer(net, &conv2d("fc6", fc6, kernel).padding(s.options().fc_conv_padding))?;
    let net = s.dropout(net, "dropout6");
    let mut net = s.layer(net, &conv2d("fc7", 4096, 1))?;
    if s.pools_globally(false) {
        net = s.global_pool(net, "global_pool");
        net = s.end_point("global_pool", net)?;
    }
    let net = s.features(net)?;
    let net = s.dropout(net, "dropout7");
    let net = s.logits(net, "fc8")?;
    let net = s.spatial_squeeze(net, "fc8/squeezed");
    let net = s.scoped_end_point("fc8", net)?;
    s.softmax(net, "predictions");
    Ok(())
}
