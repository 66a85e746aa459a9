//! Small graphs for the passes' tests, and a check that a rewrite preserves their results.

use std::collections::HashMap;

use lorgnette_kernels::Clamp;

use super::Rewriter;
use crate::graph::evaluate::interpret;
use crate::graph::op::{Border, Conv, Epilogue, Op};
use crate::graph::shape::TypedGraph;
use crate::graph::shape_inference::infer_shapes;
use crate::graph::{Graph, NodeId};
use crate::tensor::{DType, Tensor};

/// Builds a graph with synthetic weights.
pub(crate) struct Sketch {
    graph: Graph,
}

impl Sketch {
    pub(crate) fn new() -> Self {
        Self { graph: Graph::new() }
    }

    pub(crate) fn op(&mut self, name: &str, op: Op, inputs: &[NodeId]) -> NodeId {
        self.graph.add(name, op, inputs)
    }

    pub(crate) fn picture(&mut self, name: &str, shape: [usize; 4]) -> NodeId {
        let shape = Some(shape.map(Some).to_vec());
        self.graph.add(name, Op::Input { dtype: DType::F32, shape }, &[])
    }

    pub(crate) fn channels(&mut self, name: &str, count: usize) -> NodeId {
        self.graph.constant(name, random_tensor(name, &[count], 0.5, 1.5))
    }

    pub(crate) fn number(&mut self, name: &str, value: f32) -> NodeId {
        self.graph.constant(name, Tensor::scalar(value))
    }

    pub(crate) fn integers(&mut self, name: &str, values: &[i64]) -> NodeId {
        self.graph.constant(name, Tensor::from_i64(DType::I32, &[values.len()], values))
    }

    pub(crate) fn matrix_of_integers(&mut self, name: &str, rows: &[[i64; 2]]) -> NodeId {
        self.graph
            .constant(name, Tensor::from_i64(DType::I32, &[rows.len(), 2], rows.as_flattened()))
    }

    pub(crate) fn relu(&mut self, name: &str, x: NodeId) -> NodeId {
        self.op(name, Op::Clamp(Clamp::RELU), &[x])
    }

    pub(crate) fn conv(&mut self, name: &str, x: NodeId, filter: [usize; 4]) -> NodeId {
        self.conv_with_border(name, x, filter, Border::Same)
    }

    pub(crate) fn valid_conv(&mut self, name: &str, x: NodeId, filter: [usize; 4]) -> NodeId {
        self.conv_with_border(name, x, filter, Border::Valid)
    }

    fn conv_with_border(
        &mut self,
        name: &str,
        x: NodeId,
        filter: [usize; 4],
        border: Border,
    ) -> NodeId {
        let weights = format!("{name}/weights");
        let filter = self.graph.constant(&weights, random_tensor(&weights, &filter, -0.5, 0.5));
        let conv = Conv { stride: [1, 1], dilation: [1, 1], border, epilogue: Epilogue::default() };
        self.op(name, Op::Conv2d(conv), &[x, filter])
    }

    fn typed(mut self, outputs: &[NodeId]) -> TypedGraph {
        self.graph.set_outputs(outputs.to_vec());
        infer_shapes(&self.graph, &HashMap::new()).expect("a sound sketch")
    }

    /// The graph after a pass, including dead nodes.
    pub(crate) fn rewritten(self, outputs: &[NodeId], pass: fn(&mut Rewriter)) -> Rewriter {
        let mut rewriter = Rewriter::new(self.typed(outputs));
        pass(&mut rewriter);
        rewriter
    }
}

impl Rewriter {
    /// The names of the nodes that the outputs depend on, in order, without constants.
    pub(crate) fn names_of_live(&self) -> Vec<String> {
        let needed = self.typed.graph.needed();
        let live = self
            .typed
            .graph
            .iter()
            .filter(|(id, node)| needed[id.index()] && !is_parameter(&node.op, &node.name));
        live.map(|(_, node)| node.name.clone()).collect()
    }

    /// The operation of the node of that name.
    pub(crate) fn op_named(&self, name: &str) -> &Op {
        &self
            .typed
            .graph
            .nodes()
            .iter()
            .find(|node| node.name == name)
            .expect("a node of that name")
            .op
    }
}

fn is_parameter(op: &Op, name: &str) -> bool {
    matches!(op, Op::Const(_)) && !name.ends_with("/weights")
}

/// Applies a pass and checks that the outputs have the same values.
pub(crate) fn assert_equivalent(
    sketch: Sketch,
    outputs: &[NodeId],
    pass: fn(&mut Rewriter),
) -> Rewriter {
    const TOLERANCE: f32 = 1e-5;
    let before = sketch.typed(outputs);
    let inputs: Vec<Tensor> = (before.graph.iter())
        .filter(|(_, node)| matches!(node.op, Op::Input { .. }))
        .map(|(id, node)| random_tensor(&node.name, &before.fact(id).shape, -2.0, 2.0))
        .collect();
    let expected = interpret(&before, &inputs).expect("the sketch runs");
    let mut rewriter = Rewriter::new(before);
    pass(&mut rewriter);
    let actual = interpret(rewriter.typed(), &inputs).expect("the rewritten sketch runs");
    for (expected, actual) in expected.iter().zip(&actual) {
        let (expected, actual) = (expected.to_f32(), actual.to_f32());
        let largest = expected.iter().fold(1e-3f32, |a, v| a.max(v.abs()));
        assert!(expected.len() == actual.len() && expected.iter().any(|v| *v != 0.0));
        assert!(
            expected.iter().zip(&actual).all(|(a, b)| (a - b).abs() <= TOLERANCE * largest),
            "{expected:?}\n{actual:?}"
        );
    }
    rewriter
}

/// Pseudo-random numbers that depend on nothing but the name.
fn random_tensor(name: &str, shape: &[usize], low: f32, high: f32) -> Tensor {
    let mut state = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + (high - low) * (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let count = shape.iter().product();
    Tensor::from_f32(shape, (0..count).map(|_| next()).collect())
}
