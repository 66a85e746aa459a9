//! Classification layers on the features of a network.
//!
//! ```text
//! features [N, (rows, columns,) C] ─▶ mean over places ─▶ (hidden layer, ReLU)
//!     ─▶ scores ─▶ softmax or sigmoid
//! ```
//! The nodes have the names of TensorFlow's `retrain.py`, so that programs which read
//! `final_result:0` find it.

use lorgnette_kernels::{Binary, Clamp, Unary};

use crate::error::{Error, Result};
use crate::graph::op::{MatMul, Op, Reduction};
use crate::graph::{Graph, NodeId};
use crate::tensor::{DType, Tensor};
use crate::weights::Weights;

/// Name of the node with a head's scores.
pub const HEAD_LOGITS: &str = "final_training_ops/Wx_plus_b/add";
/// Name of the node with its probabilities.
pub const HEAD_ANSWER: &str = "final_result";

/// Names of the weights and biases of a hidden layer, and of the last one.
const HIDDEN: [&str; 2] = ["final_training_ops/hidden/weights", "final_training_ops/hidden/biases"];
const LAST: [&str; 2] =
    ["final_training_ops/weights/final_weights", "final_training_ops/biases/final_biases"];

/// One or two fully connected layers on a network's features.
#[derive(Clone, Debug)]
pub struct Head {
    /// The end point that it reads; of a map, the mean over all positions.
    pub features: String,
    /// A layer with ReLU before the last one.
    pub hidden: Option<Layer>,
    /// The layer that computes a score for each class.
    pub last: Layer,
    /// The function from scores to probabilities.
    pub answer: OutputKind,
}

/// A fully connected layer: `y = x · weights + biases`.
#[derive(Clone, Debug)]
pub struct Layer {
    /// `[inputs, outputs]`, float32.
    pub weights: Tensor,
    /// `[outputs]`, float32.
    pub biases: Tensor,
}

/// The function from scores to probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// Classes exclude each other; probabilities sum to 1.
    Softmax,
    /// Classes are independent; any number of them may apply.
    Sigmoid,
}

impl Head {
    /// Number of features that it reads.
    pub fn inputs(&self) -> usize {
        self.hidden.as_ref().unwrap_or(&self.last).weights.shape()[0]
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.last.weights.shape()[1]
    }

    /// Checks that the shapes of its layers agree.
    ///
    /// # Errors
    /// With the shapes that do not.
    pub(crate) fn check(&self) -> Result<()> {
        let mut from = None;
        for layer in self.hidden.iter().chain([&self.last]) {
            let (&[inputs, outputs], &[biases]) = (layer.weights.shape(), layer.biases.shape())
            else {
                return Err(Error::Input(
                    "a layer of a head is a matrix of weights and a vector of biases".into(),
                ));
            };
            if outputs != biases
                || from.is_some_and(|from| from != inputs)
                || layer.weights.is_empty()
            {
                let shapes = (layer.weights.shape(), layer.biases.shape());
                return Err(Error::Input(format!(
                    "a head's layers do not fit one another: {shapes:?}"
                )));
            }
            from = Some(outputs);
        }
        Ok(())
    }

    /// Reads the head that a checkpoint has under these names, for the features of this name;
    /// `None` if it has none. Its probabilities are those of a softmax.
    ///
    /// # Errors
    /// If a variable cannot be read.
    pub(crate) fn in_checkpoint(weights: &Weights, features: &str) -> Result<Option<Self>> {
        let layer = |weights_name: &str, biases_name: &str| -> Result<Option<Layer>> {
            if !weights.contains(weights_name) || !weights.contains(biases_name) {
                return Ok(None);
            }
            let (weights, biases) = (weights.get(weights_name)?, weights.get(biases_name)?);
            Ok(Some(Layer { weights, biases }))
        };
        let hidden = layer(HIDDEN[0], HIDDEN[1])?;
        let Some(last) = layer(LAST[0], LAST[1])? else { return Ok(None) };
        let (features, answer) = (features.to_owned(), OutputKind::Softmax);
        Ok(Some(Self { features, hidden, last, answer }))
    }

    /// The variables by name.
    pub(crate) fn variables(&self) -> Vec<(&'static str, &Tensor)> {
        let hidden = self
            .hidden
            .iter()
            .flat_map(|layer| [(HIDDEN[0], &layer.weights), (HIDDEN[1], &layer.biases)]);
        let last = [(LAST[0], &self.last.weights), (LAST[1], &self.last.biases)];
        hidden.chain(last).collect()
    }

    /// Adds its nodes after `features`, whose result has `rank` dimensions. Returns the nodes of
    /// the scores and the probabilities.
    pub(crate) fn attach(&self, graph: &mut Graph, features: NodeId, rank: usize) -> [NodeId; 2] {
        let mut x = features;
        if rank == 4 {
            let axes = graph
                .constant("final_training_ops/places", Tensor::from_i64(DType::I32, &[2], &[1, 2]));
            let mean = Op::Reduce { kind: Reduction::Mean, keep_dims: false };
            x = graph.add("final_training_ops/mean", mean, &[x, axes]);
        }
        let variables = self.variables();
        let layer = |graph: &mut Graph, x, at: usize, product: &str, sum: &str| {
            let [weights, biases] =
                [0, 1].map(|i| graph.constant(variables[at + i].0, variables[at + i].1.clone()));
            let product = graph.add(product, Op::MatMul(MatMul::default()), &[x, weights]);
            graph.add(sum, Op::Binary(Binary::Add, Clamp::NONE), &[product, biases])
        };
        if self.hidden.is_some() {
            let sum = layer(
                graph,
                x,
                0,
                "final_training_ops/hidden/MatMul",
                "final_training_ops/hidden/add",
            );
            x = graph.add("final_training_ops/hidden/Relu", Op::Clamp(Clamp::RELU), &[sum]);
        }
        let last = variables.len() - 2;
        let logits = layer(graph, x, last, "final_training_ops/Wx_plus_b/MatMul", HEAD_LOGITS);
        let answer = match self.answer {
            OutputKind::Softmax => Op::Softmax { log: false },
            OutputKind::Sigmoid => Op::Unary(Unary::Sigmoid),
        };
        [logits, graph.add(HEAD_ANSWER, answer, &[logits])]
    }
}
