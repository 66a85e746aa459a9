//! AlexNet, version 2. Krizhevsky: *One weird trick for parallelizing convolutional neural
//! networks* (2014), for one GPU, without response normalisation.
//!
//! 224 × 224; VGG's preprocessing. 1000 classes. Never published trained.

use super::Architecture;
use super::slim::{ArgScope, BuildResult, Slim, conv2d, max_pool2d};
use super::vgg::{SETTINGS, fully_connected};

pub(super) const ALEXNET_V2: Architecture = Architecture {
    name: "alexnet_v2",
    family: "AlexNet",
    paper: "https://arxiv.org/abs/1404.5997",
    side: 224,
    channels: 3,
    classes: 1000,
    preprocessing: "vgg",
    published: &[],
    settings: SETTINGS,
    build_fn: alexnet_v2,
};

fn alexnet_v2(s: &mut Slim<'_>) -> BuildResult<()> {
    s.args = ArgScope { collect: true, collect_pools: true, ..ArgScope::default() };
    s.scope("alexnet_v2", |s| {
        let net = s.layers(
            s.input(),
            &[
                conv2d("conv1", 64, 11).stride(4).valid(),
                max_pool2d("pool1", 3),
                conv2d("conv2", 192, 5),
                max_pool2d("pool2", 3),
                conv2d("conv3", 384, 3),
                conv2d("conv4", 384, 3),
                conv2d("conv5", 256, 3),
                max_pool2d("pool5", 3),
            ],
        )?;
        fully_connected(s, net, 4096, 5)
    })
}
