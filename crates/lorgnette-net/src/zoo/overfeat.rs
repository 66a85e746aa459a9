//! OverFeat, the fast model. Sermanet, Eigen, Zhang, Mathieu, Fergus, LeCun: *OverFeat: integrated
//! recognition, localization and detection using convolutional networks* (2013), table 1.
//!
//! 231 × 231; VGG's preprocessing. 1000 classes. Never published trained.

use super::Architecture;
use super::slim::{ArgScope, BuildResult, Slim, conv2d, max_pool2d};
use super::vgg::{SETTINGS, fully_connected};

pub(super) const OVERFEAT: Architecture = Architecture {
    name: "overfeat",
    family: "OverFeat",
    paper: "https://arxiv.org/abs/1312.6229",
    side: 231,
    channels: 3,
    classes: 1000,
    preprocessing: "vgg",
    published: &[],
    settings: SETTINGS,
    build_fn: overfeat,
};

fn overfeat(s: &mut Slim<'_>) -> BuildResult<()> {
    s.args = ArgScope { collect: true, collect_pools: true, ..ArgScope::default() };
    s.scope("overfeat", |s| {
        let net = s.layers(
            s.input(),
            &[
                conv2d("conv1", 64, 11).stride(4).valid(),
                max_pool2d("pool1", 2),
                conv2d("conv2", 256, 5).valid(),
                max_pool2d("pool2", 2),
                conv2d("conv3", 512, 3),
                conv2d("conv4", 1024, 3),
                conv2d("conv5", 1024, 3),
                max_pool2d("pool5", 2),
            ],
        )?;
        fully_connected(s, net, 3072, 6)
    })
}
