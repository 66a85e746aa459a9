//! LeNet. LeCun, Bottou, Bengio, Haffner: *Gradient-based learning applied to document recognition*
//! (1998).
//!
//! 28 × 28, one channel; LeNet's preprocessing: (v − 128) / 128. Ten digits.

use super::Architecture;
use super::slim::{Activation, BuildResult, Slim, conv2d, max_pool2d};

pub(super) const LENET: Architecture = Architecture {
    name: "lenet",
    family: "LeNet",
    paper: "http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf",
    side: 28,
    channels: 1,
    classes: 10,
    preprocessing: "lenet",
    published: &[],
    settings: &[],
    build_fn: lenet,
};

fn lenet(s: &mut Slim<'_>) -> BuildResult<()> {
    let logits = s.scope("LeNet", |s| {
        let net = s.stem(
            s.input(),
            &[
                conv2d("conv1", 32, 5),
                max_pool2d("pool1", 2),
                conv2d("conv2", 64, 5),
                max_pool2d("pool2", 2),
            ],
        )?;
        let net = s.flatten(net, "Flatten");
        let net = s.end_point("Flatten", net)?;
        let net = s.fully_connected(net, "fc3", Some(1024), Activation::Relu)?;
        let net = s.end_point("fc3", net)?;
        let net = s.features(net)?;
        let net = s.dropout(net, "dropout3");
        let net = s.end_point("dropout3", net)?;
        let net = s.fully_connected_logits(net, "fc4")?;
        s.end_point("Logits", net)
    })?;
    let predictions = s.slim_softmax(logits, "Predictions");
    s.end_point("Predictions", predictions)?;
    Ok(())
}
