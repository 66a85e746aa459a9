//! PNASNet-5. Liu and others: *Progressive neural architecture search* (2017), figure 1.
//!
//! Mobile 224 × 224, large 331 × 331; Inception's preprocessing. Top-1 / top-5: 74.2 / 91.9, 82.9 /
//! 96.2. 1001 classes, 0 is background.

use super::nasnet::Operation::{MaxPool, Nothing, Separable};
use super::nasnet::{Cell, Config, cell, final_layer, imagenet_stem, last, reductions};
use super::slim::{BuildResult, Slim};
use super::{Architecture, Published};

pub(super) const PNASNET_MOBILE: Architecture = net("pnasnet_mobile", 224, MOBILE_FILES, |s| {
    pnasnet(s, Config { cells: 9, filters: 54, stem_filters: 32, skip_reduction_layer_input: true })
});
pub(super) const PNASNET_LARGE: Architecture = net("pnasnet_large", 331, LARGE_FILES, |s| {
    pnasnet(
        s,
        Config { cells: 12, filters: 216, stem_filters: 96, skip_reduction_layer_input: true },
    )
});

const MOBILE_FILES: &[Published] = &[Published::new(
    "https://storage.googleapis.com/download.tensorflow.org/models/pnasnet-5_mobile_2017_12_13.tar.gz",
    224,
    74.2,
    91.9,
)];
const LARGE_FILES: &[Published] = &[Published::new(
    "https://storage.googleapis.com/download.tensorflow.org/models/pnasnet-5_large_2017_12_13.tar.gz",
    331,
    82.9,
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
        family: "PNASNet",
        paper: "https://arxiv.org/abs/1712.00559",
        side,
        channels: 3,
        classes: 1001,
        preprocessing: "inception",
        published,
        settings: &[],
        build_fn,
    }
}

/// The only cell: with stride 2 it reduces.
const CELL: Cell = Cell {
    sums: [
        [(1, Separable(5)), (1, MaxPool)],
        [(0, Separable(7)), (0, MaxPool)],
        [(0, Separable(5)), (0, Separable(3))],
        [(4, Separable(3)), (0, MaxPool)],
        [(1, Separable(3)), (0, Nothing)],
    ],
    joined: &[2, 3, 4, 5, 6],
};

fn pnasnet(s: &mut Slim<'_>, config: Config) -> BuildResult<()> {
    let mut outputs = imagenet_stem(s, config, &CELL)?;
    let mut net = last(&outputs);
    net = s.end_point("Stem", net)?;
    let mut filters = config.filters;
    for number in 0..config.cells {
        let reduces = reductions(config.cells).contains(&number);
        let stride = if reduces { 2 } else { 1 };
        filters *= stride;
        let previous = outputs[outputs.len() - 2];
        net =
            s.scope(&format!("cell_{number}"), |s| cell(s, &CELL, net, previous, filters, stride))?;
        net = s.end_point(&format!("Cell_{number}"), net)?;
        outputs.push(Some(net));
    }
    final_layer(s, net)
}
