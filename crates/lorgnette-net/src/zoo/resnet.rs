//! ResNet V1. He, Zhang, Ren, Sun: *Deep residual learning for image recognition* (2015), table 1.
//! ResNet V2. The same: *Identity mappings in deep residual networks* (2016), figure 1 (b).
//! The stride of a block is in its last unit, on the 3 × 3.
//!
//! V1: 224 × 224; VGG's preprocessing; 1000 classes. Top-1 / top-5: 75.2 / 92.2, 76.4 / 92.9, 76.8
//! / 93.2 for 50, 101 and 152 layers. V2: 299 × 299; Inception's preprocessing (not TF-Slim's
//! defaults, but what the published files were trained with); 1001 classes, 0 is background. 75.6 /
//! 92.8, 77.0 / 93.7, 77.8 / 94.1.

use super::slim::{
    Activation, ArgScope, Atrous, BuildResult, FeatureMap, Normalizer, Same, Slim, conv2d,
    max_pool2d,
};
use super::{Architecture, Published, Setting};
use crate::error::Error;

/// Units in each of the four blocks.
const UNITS_50: [usize; 4] = [3, 4, 6, 3];
const UNITS_101: [usize; 4] = [3, 4, 23, 3];
const UNITS_152: [usize; 4] = [3, 8, 36, 3];
const UNITS_200: [usize; 4] = [3, 24, 36, 3];

pub(super) const RESNET_V1_50: Architecture =
    v1("resnet_v1_50", V1_50, |s| resnet_v1(s, "resnet_v1_50", UNITS_50));
pub(super) const RESNET_V1_101: Architecture =
    v1("resnet_v1_101", V1_101, |s| resnet_v1(s, "resnet_v1_101", UNITS_101));
pub(super) const RESNET_V1_152: Architecture =
    v1("resnet_v1_152", V1_152, |s| resnet_v1(s, "resnet_v1_152", UNITS_152));
pub(super) const RESNET_V1_200: Architecture =
    v1("resnet_v1_200", &[], |s| resnet_v1(s, "resnet_v1_200", UNITS_200));
pub(super) const RESNET_V2_50: Architecture =
    v2("resnet_v2_50", V2_50, |s| resnet_v2(s, "resnet_v2_50", UNITS_50));
pub(super) const RESNET_V2_101: Architecture =
    v2("resnet_v2_101", V2_101, |s| resnet_v2(s, "resnet_v2_101", UNITS_101));
pub(super) const RESNET_V2_152: Architecture =
    v2("resnet_v2_152", V2_152, |s| resnet_v2(s, "resnet_v2_152", UNITS_152));
pub(super) const RESNET_V2_200: Architecture =
    v2("resnet_v2_200", &[], |s| resnet_v2(s, "resnet_v2_200", UNITS_200));

/// The address of a published file.
macro_rules! models {
    ($file:literal) => {
        concat!("http://download.tensorflow.org/models/", $file)
    };
}

const V1_50: &[Published] =
    &[Published::new(models!("resnet_v1_50_2016_08_28.tar.gz"), 224, 75.2, 92.2)];
const V1_101: &[Published] =
    &[Published::new(models!("resnet_v1_101_2016_08_28.tar.gz"), 224, 76.4, 92.9)];
const V1_152: &[Published] =
    &[Published::new(models!("resnet_v1_152_2016_08_28.tar.gz"), 224, 76.8, 93.2)];
const V2_50: &[Published] =
    &[Published::new(models!("resnet_v2_50_2017_04_14.tar.gz"), 299, 75.6, 92.8)];
const V2_101: &[Published] =
    &[Published::new(models!("resnet_v2_101_2017_04_14.tar.gz"), 299, 77.0, 93.7)];
const V2_152: &[Published] =
    &[Published::new(models!("resnet_v2_152_2017_04_14.tar.gz"), 299, 77.8, 94.1)];

type BuildFn = fn(&mut Slim<'_>) -> BuildResult<()>;

const fn v1(
    name: &'static str,
    published: &'static [Published],
    build_fn: BuildFn,
) -> Architecture {
    Architecture {
        name,
        family: "ResNet V1",
        paper: "https://arxiv.org/abs/1512.03385",
        side: 224,
        channels: 3,
        classes: 1000,
        preprocessing: "vgg",
        published,
        settings: &[Setting::SpatialSqueeze, Setting::GlobalPool, Setting::OutputStride],
        build_fn,
    }
}

const fn v2(
    name: &'static str,
    published: &'static [Published],
    build_fn: BuildFn,
) -> Architecture {
    Architecture {
        family: "ResNet V2",
        paper: "https://arxiv.org/abs/1603.05027",
        side: 299,
        classes: 1001,
        preprocessing: "inception",
        ..v1(name, published, build_fn)
    }
}

const BATCH_NORM: Normalizer = Normalizer::BatchNorm { epsilon: 1e-5, scale: true };

fn resnet_v1(s: &mut Slim<'_>, name: &str, units: [usize; 4]) -> BuildResult<()> {
    let root = conv2d("conv1", 64, 7).stride(2);
    let version = Version { root, bottleneck: bottleneck_v1, last: |_, net| Ok(net) };
    resnet(s, name, units, version)
}

fn resnet_v2(s: &mut Slim<'_>, name: &str, units: [usize; 4]) -> BuildResult<()> {
    // The first unit normalises and activates the root's output; the last is followed by neither.
    let root = conv2d("conv1", 64, 7).stride(2).linear();
    let last = |s: &mut Slim<'_>, net| batch_norm_relu(s, net, "postnorm");
    resnet(s, name, units, Version { root, bottleneck: bottleneck_v2, last })
}

/// The parameters of a unit.
#[derive(Clone, Copy)]
struct Unit {
    depth: usize,
    stride: usize,
    rate: usize,
}

/// The differences between ResNet V1 and V2.
struct Version {
    /// The first layer.
    root: super::slim::Layer,
    bottleneck: fn(&mut Slim<'_>, FeatureMap, Unit) -> BuildResult,
    /// Follows the last unit.
    last: fn(&mut Slim<'_>, FeatureMap) -> BuildResult,
}

fn resnet(s: &mut Slim<'_>, name: &str, units: [usize; 4], version: Version) -> BuildResult<()> {
    s.args = ArgScope {
        normalizer: BATCH_NORM,
        layer_norm: BATCH_NORM,
        pool_padding: Same,
        collect: true,
        ..ArgScope::default()
    };
    s.scope(name, |s| {
        let mut net = s.conv2d_same(s.input(), version.root)?;
        net = s.layer(net, &max_pool2d("pool1", 3))?;
        net = stack_blocks_dense(s, net, units, version.bottleneck)?;
        net = (version.last)(s, net)?;
        if s.pools_globally(true) {
            net = s.global_pool(net, "pool5");
            net = s.end_point("global_pool", net)?;
        }
        net = s.features(net)?;
        net = s.logits(net, "logits")?;
        net = s.scoped_end_point("logits", net)?;
        if s.options().spatial_squeeze {
            net = s.spatial_squeeze(net, "SpatialSqueeze");
            net = s.scoped_end_point("spatial_squeeze", net)?;
        }
        net = s.slim_softmax(net, "predictions");
        s.end_point("predictions", net)?;
        Ok(())
    })
}

/// Four blocks of 256, 512, 1024 and 2048 channels; all but the last halve height and width.
fn stack_blocks_dense(
    s: &mut Slim<'_>,
    mut net: FeatureMap,
    units: [usize; 4],
    bottleneck: fn(&mut Slim<'_>, FeatureMap, Unit) -> BuildResult,
) -> BuildResult {
    // The root already has a stride of 4.
    let wanted = match s.options().output_stride {
        Some(stride) if stride == 0 || stride % 4 != 0 => {
            return Err(
                Error::Input(format!("output_stride {stride}: give a multiple of 4")).into()
            );
        }
        stride => stride.map(|stride| stride / 4),
    };
    let mut atrous = Atrous::new(wanted);
    for (block, (units, depth)) in (1..).zip(units.into_iter().zip([256, 512, 1024, 2048])) {
        let block = format!("block{block}");
        net = s.scope(&block, |s| {
            (1..=units).try_fold(net, |net, unit| {
                let last = unit == units && depth < 2048;
                let (stride, rate) = atrous.step(if last { 2 } else { 1 });
                s.scope(&format!("unit_{unit}"), |s| {
                    bottleneck(s, net, Unit { depth, stride, rate })
                })
            })
        })?;
        net = s.scoped_end_point(&block, net)?;
    }
    atrous.finish(4)?;
    Ok(net)
}

/// Batch norm after each convolution, activation after the addition.
fn bottleneck_v1(s: &mut Slim<'_>, net: FeatureMap, unit: Unit) -> BuildResult {
    let net = s.scope("bottleneck_v1", |s| {
        let shortcut = if net.channels == unit.depth {
            subsample(s, net, unit.stride)?
        } else {
            let row = conv2d("shortcut", unit.depth, 1).stride(unit.stride);
            s.layer(net, &row.activation(Activation::None))?
        };
        let net = s.layer(net, &conv2d("conv1", unit.depth / 4, 1))?;
        let net = s.conv2d_same(
            net,
            conv2d("conv2", unit.depth / 4, 3).stride(unit.stride).rate(unit.rate),
        )?;
        let net = s.layer(net, &conv2d("conv3", unit.depth, 1).activation(Activation::None))?;
        let net = s.add(shortcut, net, "add");
        Ok(s.relu(net))
    })?;
    s.scoped_end_point("bottleneck_v1", net)
}

/// Batch norm and activation before each convolution; nothing after the addition.
fn bottleneck_v2(s: &mut Slim<'_>, net: FeatureMap, unit: Unit) -> BuildResult {
    let net = s.scope("bottleneck_v2", |s| {
        let preact = batch_norm_relu(s, net, "preact")?;
        let shortcut = if net.channels == unit.depth {
            subsample(s, net, unit.stride)?
        } else {
            s.layer(preact, &conv2d("shortcut", unit.depth, 1).stride(unit.stride).linear())?
        };
        let net = s.layer(preact, &conv2d("conv1", unit.depth / 4, 1))?;
        let net = s.conv2d_same(
            net,
            conv2d("conv2", unit.depth / 4, 3).stride(unit.stride).rate(unit.rate),
        )?;
        let net = s.layer(net, &conv2d("conv3", unit.depth, 1).linear())?;
        Ok(s.add(shortcut, net, "add"))
    })?;
    s.scoped_end_point("bottleneck_v2", net)
}

/// Takes every `stride`th row and column.
fn subsample(s: &mut Slim<'_>, net: FeatureMap, stride: usize) -> BuildResult {
    if stride == 1 { Ok(net) } else { s.layer(net, &max_pool2d("shortcut", 1).stride(stride)) }
}

fn batch_norm_relu(s: &mut Slim<'_>, net: FeatureMap, scope: &str) -> BuildResult {
    let net = s.batch_norm(net, scope)?;
    Ok(s.activate(net, scope, Activation::Relu))
}
