//! ONNX files from networks: operator set 18, float32 or [8-bit integers](quantized), images in
//! TensorFlow's layout (`[batch, rows, columns, channels]`), any batch size where the network
//! allows it.
//!
//! ```text
//! Shaped, rewritten (batch norms folded, identities gone) ─▶ Translation: NodeProtos, weights
//!     ─▶ file
//! ```
//! ONNX's convolutions and pools take channels first. Values stay channels first from the first
//! convolution on, and are transposed only for an operation that needs TensorFlow's layout.
//! [`layout`] keeps the names of a value in each layout and adds the missing transpositions. Most
//! networks need a single one, of the image. Weights are transposed when they are written, one at a
//! time.

mod contraction;
mod data_movement;
mod emit;
mod layout;
mod quantized;
mod translate;
mod translation;
mod weights;
mod write;

pub(crate) use translate::translate;
pub(crate) use write::write;

use crate::graph::shape::TypedGraph;
use crate::onnx::proto;

/// A network to be translated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    /// The network at batch size 1.
    pub(crate) one: &'a TypedGraph,
    /// The network at batch size 2: lengths that differ are the batch. Without it the file has
    /// batch size 1.
    pub(crate) two: Option<&'a TypedGraph>,
    /// The names of the outputs in the file.
    pub(crate) outputs: &'a [String],
}

/// A network as ONNX messages.
#[derive(Debug)]
pub(crate) struct Translated {
    pub(crate) nodes: Vec<proto::NodeProto>,
    pub(crate) weights: Vec<weights::Weights>,
    pub(crate) inputs: Vec<proto::ValueInfoProto>,
    pub(crate) outputs: Vec<proto::ValueInfoProto>,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::*;
    use crate::passes::optimise;
    use crate::zoo::{self, RandomWeights};
    use crate::{LoadOptions, Network, RunOptions};

    /// A network of the zoo with random weights, for images of its published size or of `side`.
    fn translated(net: &str, side: Option<usize>) -> Translated {
        let net = zoo::find(net).unwrap();
        let network = Network::from_architecture(
            net,
            Arc::new(RandomWeights),
            LoadOptions::default(),
            RunOptions::with_threads(Some(1)),
        )
        .unwrap();
        let signature = network.signature().unwrap();
        let outputs = [signature.logits.clone(), signature.probabilities.clone().unwrap()];
        let fetches = outputs.each_ref().map(String::as_str);
        let side = side.unwrap_or(net.side);
        let [one, two] = [1, 2]
            .map(|batch| optimise(network.typed(&signature, &fetches, batch, [side; 2]).unwrap()));
        translate(Source { one: &one, two: Some(&two), outputs: &outputs }).unwrap()
    }

    #[test]
    fn what_a_node_reads_is_there_before_it_and_has_one_name() {
        for net in ["lenet", "mobilenet_v3_small", "resnet_v2_50", "inception_v1"] {
            let found = translated(net, None);
            let mut known: HashSet<&str> =
                found.inputs.iter().map(|input| input.name.as_str()).collect();
            assert!(found.weights.iter().all(|weights| known.insert(&weights.name)), "{net}");
            for node in &found.nodes {
                let missing = node
                    .input
                    .iter()
                    .find(|name| !name.is_empty() && !known.contains(name.as_str()));
                assert_eq!(missing, None, "{net}: {}", node.name);
                assert!(node.output.iter().all(|name| known.insert(name)), "{net}: {}", node.name);
            }
            assert!(
                found.outputs.iter().all(|output| known.contains(output.name.as_str())),
                "{net}"
            );
        }
    }

    #[test]
    fn only_the_picture_is_turned() {
        for (net, transpositions) in
            [("mobilenet_v2_035", 1), ("resnet_v1_50", 1), ("inception_v3", 1), ("lenet", 2)]
        {
            let found = translated(net, None);
            let turned = found.nodes.iter().filter(|node| node.op_type == "Transpose").count();
            assert_eq!(turned, transpositions, "{net}");
        }
    }

    #[test]
    fn the_batch_is_open() {
        let found = translated("mobilenet_v1_025", Some(96));
        let of = |value: &proto::ValueInfoProto| {
            value.r#type.clone().unwrap().tensor_type.unwrap().shape.unwrap().dim
        };
        let batch = Some(proto::Length::Parameter("batch".into()));
        assert!(found.inputs.iter().chain(&found.outputs).all(|value| of(value)[0].value == batch));
        let side = |at: usize| of(&found.inputs[0])[at].value.clone();
        assert_eq!(
            [side(1), side(2)],
            [Some(proto::Length::Value(96)), Some(proto::Length::Value(96))]
        );
    }
}
