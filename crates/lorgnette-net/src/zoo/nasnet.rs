//! NASNet-A. Zoph, Vasudevan, Shlens, Le: *Learning transferable architectures for scalable image
//! recognition* (2017), figure 4.
//!
//! Mobile 224 × 224, large 331 × 331; Inception's preprocessing; 1001 classes, 0 is background.
//! Top-1 / top-5: 74.0 / 91.6, 82.7 / 96.2. Cifar 32 × 32; CifarNet's preprocessing; ten classes.

use Operation::{AvgPool, MaxPool, Nothing, Separable};

use super::slim::{
    Activation, ArgScope, BuildResult, FeatureMap, Layer, Normalizer, Same, Slim, avg_pool2d,
    conv2d, max_pool2d,
};
use super::{Architecture, Published};

pub(super) const NASNET_CIFAR: Architecture = Architecture {
    side: 32,
    classes: 10,
    preprocessing: "cifarnet",
    ..net("nasnet_cifar", 32, &[], nasnet_cifar)
};
pub(super) const NASNET_MOBILE: Architecture = net("nasnet_mobile", 224, MOBILE_FILES, |s| {
    imagenet(
        s,
        Config { cells: 12, filters: 44, stem_filters: 32, skip_reduction_layer_input: false },
    )
});
pub(super) const NASNET_LARGE: Architecture = net("nasnet_large", 331, LARGE_FILES, |s| {
    imagenet(
        s,
        Config { cells: 18, filters: 168, stem_filters: 96, skip_reduction_layer_input: true },
    )
});

const MOBILE_FILES: &[Published] = &[Published::new(
    "https://storage.googleapis.com/download.tensorflow.org/models/nasnet-a_mobile_04_10_2017.tar.gz",
    224,
    74.0,
    91.6,
)];
const LARGE_FILES: &[Published] = &[Published::new(
    "https://storage.googleapis.com/download.tensorflow.org/models/nasnet-a_large_04_10_2017.tar.gz",
    331,
    82.7,
    96.2,
)];

const fn net(
    name: &'static str,
    side: usize,
    published: &'static [Published],
    build_fn: fn(&mut Slim<'_>) -> BuildResult<()>,
) -> Architecture {
    Architecture {
        name,
        family: "NASNet",
        paper: "https://arxiv.org/abs/1707.07012",
        side,
        channels: 3,
        classes: 1001,
        preprocessing: "inception",
        published,
        settings: &[],
        build_fn,
    }
}

/// An operation of a cell on one of its states.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    /// The identity, or the operation that adapts the size.
    Nothing,
    /// Two separable convolutions of this kernel.
    Separable(usize),
    /// A window of 3 × 3.
    AvgPool,
    /// A window of 3 × 3.
    MaxPool,
}

/// Five sums of two states each, and the states to concatenate. State 0 is the cell's input, state
/// 1 the input before it, the others are the sums.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) sums: [[(usize, Operation); 2]; 5],
    pub(super) joined: &'static [usize],
}

const NORMAL: Cell = Cell {
    sums: [
        [(0, Separable(5)), (1, Separable(3))],
        [(1, Separable(5)), (1, Separable(3))],
        [(0, AvgPool), (1, Nothing)],
        [(1, AvgPool), (1, AvgPool)],
        [(0, Separable(3)), (0, Nothing)],
    ],
    joined: &[1, 2, 3, 4, 5, 6],
};

const REDUCTION: Cell = Cell {
    sums: [
        [(0, Separable(5)), (1, Separable(7))],
        [(0, MaxPool), (1, Separable(7))],
        [(0, AvgPool), (1, Separable(5))],
        [(3, Nothing), (2, AvgPool)],
        [(2, Separable(3)), (0, MaxPool)],
    ],
    joined: &[3, 4, 5, 6],
};

/// The sizes of a network of cells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Config {
    pub(super) cells: usize,
    /// Channels of each state; doubled by each reduction.
    pub(super) filters: usize,
    pub(super) stem_filters: usize,
    /// Whether the cell after a reduction reads the state before the reduction's input.
    pub(super) skip_reduction_layer_input: bool,
}

fn nasnet_cifar(s: &mut Slim<'_>) -> BuildResult<()> {
    s.args = arg_scope(1e-5);
    let net = s.layer(s.input(), &conv2d("l1_stem_3x3", 96, 3))?;
    let net = s.batch_norm(net, "l1_stem_bn")?;
    let config =
        Config { cells: 18, filters: 32, stem_filters: 96, skip_reduction_layer_input: false };
    cells(s, config, vec![None, Some(net)])
}

fn imagenet(s: &mut Slim<'_>, config: Config) -> BuildResult<()> {
    let outputs = imagenet_stem(s, config, &REDUCTION)?;
    cells(s, config, outputs)
}

/// The cells after the stem, with a reduction before the second and the last third.
fn cells(
    s: &mut Slim<'_>,
    config: Config,
    mut outputs: Vec<Option<FeatureMap>>,
) -> BuildResult<()> {
    let mut net = last(&outputs);
    net = s.end_point("Stem", net)?;
    let mut filters = config.filters;
    for number in 0..config.cells {
        let mut previous = outputs[outputs.len() - 2];
        if let Some(i) = reductions(config.cells).iter().position(|&at| at == number) {
            filters *= 2;
            let scope = format!("reduction_cell_{i}");
            net = s.scope(&scope, |s| cell(s, &REDUCTION, net, previous, filters, 2))?;
            net = s.end_point(&format!("Reduction_Cell_{i}"), net)?;
            outputs.push(Some(net));
            if !config.skip_reduction_layer_input {
                previous = outputs[outputs.len() - 2];
            }
        }
        net =
            s.scope(&format!("cell_{number}"), |s| cell(s, &NORMAL, net, previous, filters, 1))?;
        net = s.end_point(&format!("Cell_{number}"), net)?;
        outputs.push(Some(net));
    }
    final_layer(s, net)
}

/// Returns the cells before which the image is reduced.
pub(super) fn reductions(cells: usize) -> [usize; 2] {
    [cells / 3, 2 * cells / 3]
}

/// A convolution and two reducing cells. Returns the outputs so far; there is none before the
/// first.
pub(super) fn imagenet_stem(
    s: &mut Slim<'_>,
    config: Config,
    stem_cell: &Cell,
) -> BuildResult<Vec<Option<FeatureMap>>> {
    s.args = arg_scope(0.001);
    let net = s.layer(s.input(), &conv2d("conv0", config.stem_filters, 3).stride(2).valid())?;
    let mut net = s.batch_norm(net, "conv0_bn")?;
    let mut outputs = vec![None, Some(net)];
    for (i, filters) in [config.filters / 4, config.filters / 2].into_iter().enumerate() {
        let previous = outputs[outputs.len() - 2];
        net =
            s.scope(&format!("cell_stem_{i}"), |s| cell(s, stem_cell, net, previous, filters, 2))?;
        outputs.push(Some(net));
    }
    Ok(outputs)
}

/// Returns the output of the last layer.
pub(super) fn last(outputs: &[Option<FeatureMap>]) -> FeatureMap {
    outputs.last().copied().flatten().expect("a stem leaves something")
}

/// Convolutions without biases; batch norms are separate layers.
fn arg_scope(epsilon: f32) -> ArgScope {
    ArgScope {
        pool_padding: Same,
        normalizer: Normalizer::None,
        activation: Activation::None,
        layer_norm: Normalizer::BatchNorm { epsilon, scale: true },
        ..ArgScope::default()
    }
}

/// A convolution and batch norm.
fn conv_bn(s: &mut Slim<'_>, net: FeatureMap, row: &Layer, scope: &str) -> BuildResult {
    let net = s.layer(net, row)?;
    s.batch_norm(net, scope)
}

pub(super) fn cell(
    s: &mut Slim<'_>,
    cell: &Cell,
    net: FeatureMap,
    previous: Option<FeatureMap>,
    filters: usize,
    stride: usize,
) -> BuildResult {
    let previous = match previous {
        Some(previous) => reduce_prev_layer(s, previous, net, filters)?,
        None => net,
    };
    let net = s.relu(net);
    let net = conv_bn(s, net, &conv2d("1x1", filters, 1), "beginning_bn")?;
    let mut states = vec![net, previous];
    for (i, sides) in cell.sums.iter().enumerate() {
        let sum = s.scope(&format!("comb_iter_{i}"), |s| {
            let [left, right] = sides.map(|(state, operation)| {
                // Only the cell's inputs still have the large size.
                Side { net: states[state], operation, stride: if state < 2 { stride } else { 1 } }
            });
            let left = s.scope("left", |s| apply(s, left, filters))?;
            let right = s.scope("right", |s| apply(s, right, filters))?;
            Ok(s.add(left, right, "combine/add"))
        })?;
        states.push(sum);
    }
    s.scope("cell_output", |s| join(s, &states, cell.joined))
}

/// Adapts the output before last to the size of the last.
fn reduce_prev_layer(
    s: &mut Slim<'_>,
    previous: FeatureMap,
    net: FeatureMap,
    filters: usize,
) -> BuildResult {
    if previous.width != net.width {
        let previous = s.relu(previous);
        return factorized_reduction(s, previous, filters, 2);
    }
    if previous.channels == filters {
        return Ok(previous);
    }
    let previous = s.relu(previous);
    conv_bn(s, previous, &conv2d("prev_1x1", filters, 1), "prev_bn")
}

/// One side of a sum.
#[derive(Clone, Copy)]
struct Side {
    net: FeatureMap,
    operation: Operation,
    stride: usize,
}

fn apply(s: &mut Slim<'_>, side: Side, filters: usize) -> BuildResult {
    let Side { net, operation, stride } = side;
    let pool = match operation {
        Separable(kernel) => return stacked_separable_conv(s, net, kernel, stride, filters),
        Nothing if stride == 1 && net.channels == filters => return Ok(net),
        Nothing => {
            let net = s.relu(net);
            return conv_bn(s, net, &conv2d("1x1", filters, 1).stride(stride), "bn_1");
        }
        AvgPool => avg_pool2d("AvgPool2D", 3),
        MaxPool => max_pool2d("MaxPool2D", 3),
    };
    let net = s.layer(net, &pool.stride(stride))?;
    if net.channels == filters {
        Ok(net)
    } else {
        conv_bn(s, net, &conv2d("1x1", filters, 1), "bn_1")
    }
}

fn stacked_separable_conv(
    s: &mut Slim<'_>,
    mut net: FeatureMap,
    kernel: usize,
    stride: usize,
    filters: usize,
) -> BuildResult {
    for (i, stride) in [(1, stride), (2, 1)] {
        net = s.relu(net);
        let row =
            conv2d(format!("separable_{kernel}x{kernel}_{i}"), filters, kernel).stride(stride);
        net = s.separable_conv2d(net, &row, Some(1))?;
        net = s.batch_norm(net, &format!("bn_sep_{kernel}x{kernel}_{i}"))?;
    }
    Ok(net)
}

/// Half of the channels from the even pixels, half from the odd ones.
fn factorized_reduction(
    s: &mut Slim<'_>,
    net: FeatureMap,
    filters: usize,
    stride: usize,
) -> BuildResult {
    if stride == 1 {
        return conv_bn(s, net, &conv2d("path_conv", filters, 1), "path_bn");
    }
    let every_other = avg_pool2d("", 1).stride(stride).valid();
    let first = s.layers(net, &[every_other.clone(), conv2d("path1_conv", filters / 2, 1)])?;
    let padded = s.pad(net, "Pad", [0, 1]);
    let shifted = s.without_first_row_and_column(padded, "strided_slice");
    let second =
        s.layers(shifted, &[every_other, conv2d("path2_conv", filters - filters / 2, 1)])?;
    let joined = s.concat("concat", &[first, second]);
    s.batch_norm(joined, "final_path_bn")
}

/// Concatenates states, after adapting those of another size to the last.
fn join(s: &mut Slim<'_>, states: &[FeatureMap], joined: &[usize]) -> BuildResult {
    let form = states[states.len() - 1];
    let mut parts = Vec::new();
    for &i in joined {
        let state = states[i];
        let stride = if state.width == form.width { 1 } else { 2 };
        let fits = stride == 1 && state.channels == form.channels;
        parts.push(if fits {
            state
        } else {
            s.scope(&format!("reduction_{i}"), |s: &mut Slim<'_>| {
                factorized_reduction(s, state, form.channels, stride)
            })?
        });
    }
    Ok(s.concat("concat", &parts))
}

/// Global average pooling and a matrix product.
pub(super) fn final_layer(s: &mut Slim<'_>, net: FeatureMap) -> BuildResult<()> {
    s.scope("final_layer", |s| {
        let net = s.relu(net);
        let net = s.mean(net, "Mean", false);
        let net = s.end_point("global_pool", net)?;
        let net = s.features(net)?;
        let net = s.dropout(net, "dropout");
        let net = s.fully_connected_logits(net, "FC")?;
        let net = s.end_point("Logits", net)?;
        let net = s.softmax(net, "predictions");
        s.end_point("Predictions", net)?;
        Ok(())
    })
}
