//! CifarNet, the network of TensorFlow's CIFAR-10 tutorial, after Krizhevsky's cuda-convnet
//! (`layers-conv-local-13pct.cfg`).
//!
//! 32 × 32; CifarNet's preprocessing: each picture standardised. Ten classes.

use super::Architecture;
use super::slim::{Activation, BuildResult, FeatureMap, Slim, conv2d, max_pool2d};
use crate::graph::op::{Lrn, Op};

pub(super) const CIFARNET: Architecture = Architecture {
    name: "cifarnet",
    family: "CifarNet",
    paper: "https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf",
    side: 32,
    channels: 3,
    classes: 10,
    preprocessing: "cifarnet",
    published: &[],
    settings: &[],
    build_fn: cifarnet,
};

fn cifarnet(s: &mut Slim<'_>) -> BuildResult<()> {
    s.scope("CifarNet", |s| {
        let net = s.stem(s.input(), &[conv2d("conv1", 64, 5), max_pool2d("pool1", 2)])?;
        let net = norm(s, net, "norm1");
        let net = s.stem(net, &[conv2d("conv2", 64, 5)])?;
        let net = norm(s, net, "norm2");
        let net = s.stem(net, &[max_pool2d("pool2", 2)])?;
        let net = s.flatten(net, "Flatten");
        let net = s.end_point("Flatten", net)?;
        let net = s.fully_connected(net, "fc3", Some(384), Activation::Relu)?;
        let net = s.end_point("fc3", net)?;
        let net = s.dropout(net, "dropout3");
        let net = s.fully_connected(net, "fc4", Some(192), Activation::Relu)?;
        let net = s.end_point("fc4", net)?;
        let net = s.features(net)?;
        let net = s.fully_connected_logits(net, "logits")?;
        let net = s.end_point("Logits", net)?;
        let net = s.slim_softmax(net, "Predictions");
        s.end_point("Predictions", net)
    })?;
    Ok(())
}

/// Local response normalisation over four channels to each side.
fn norm(s: &mut Slim<'_>, net: FeatureMap, name: &str) -> FeatureMap {
    let lrn = Lrn { depth_radius: 4, bias: 1.0, alpha: 0.001 / 9.0, beta: 0.75 };
    FeatureMap { id: s.node(name, Op::Lrn(lrn), &[net.id]), ..net }
}
