//! Smaller graphs of the same meaning: one rewrite a file, applied in a fixed order.
//!
//! A rewrite puts the combined operation in the place of the *last* node it combines, under that
//! node's name, so inputs stay before the nodes that read them and every result that can be fetched
//! keeps its name. What nothing reads any more is swept out at the end. No pass knows the CPU.

mod activation;
mod affine;
mod batch_norm;
mod dead_code;
mod dilation;
mod dropout;
mod hard_swish;
mod identity;
mod padding;
mod residual;
mod transposition;

use crate::graph::op::Op;
use crate::graph::shape::TypedGraph;
use crate::graph::{Node, NodeId};

/// A rewrite of the whole graph.
pub type Pass = fn(&mut Rewriter);

/// The passes, in the order they are applied.
///
/// Dropout and identities go first, since they stand between the nodes that the others look for;
/// windows are made whole (dilation, padding) before sums are attached to them; residuals come
/// last, since an addition of two results must not take in a constant that belongs to one of them.
pub const PASSES: &[(&str, Pass)] = &[
    ("dropout", dropout::apply),
    ("identity", identity::apply),
    ("transposition", transposition::apply),
    ("hard_swish", hard_swish::apply),
    ("dilation", dilation::apply),
    ("padding", padding::apply),
    ("batch_norm", batch_norm::apply),
    ("affine", affine::apply),
    ("activation", activation::apply),
    ("residual", residual::apply),
    ("activation", activation::apply),
    ("dead_code", dead_code::apply),
];

/// Applies all passes.
pub fn optimise(typed: TypedGraph) -> TypedGraph {
    let mut rewriter = Rewriter::new(typed);
    for (_, pass) in PASSES {
        pass(&mut rewriter);
    }
    rewriter.typed
}

/// A graph being rewritten, with how often each result is read.
#[derive(Debug)]
pub struct Rewriter {
    typed: TypedGraph,
    uses: Vec<usize>,
}

impl Rewriter {
    /// Begins.
    pub fn new(typed: TypedGraph) -> Self {
        let uses = typed.graph.uses();
        Self { typed, uses }
    }

    /// The graph as it is now.
    pub fn typed(&self) -> &TypedGraph {
        &self.typed
    }

    fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.typed.graph.nodes().len() as u32).map(NodeId)
    }

    fn node(&self, id: NodeId) -> &Node {
        self.typed.graph.node(id)
    }

    fn op(&self, id: NodeId) -> &Op {
        &self.node(id).op
    }

    fn shape(&self, id: NodeId) -> &[usize] {
        &self.typed.fact(id).shape
    }

    /// The values of a constant.
    fn constant(&self, id: NodeId) -> Option<Vec<f32>> {
        self.typed.graph.constant_of(id).map(crate::tensor::Tensor::to_f32)
    }

    /// The value of a constant that is the same number throughout.
    fn constant_number(&self, id: NodeId) -> Option<f32> {
        let tensor = self.typed.graph.constant_of(id).filter(|t| t.len() == 1)?;
        tensor.to_f32().first().copied()
    }

    /// Whether the result goes to one reader only and so may vanish into it.
    fn is_private(&self, id: NodeId) -> bool {
        self.uses[id.index()] == 1
    }

    /// Whether what follows a node's sum can become part of it: not where both matrices of a product are computed, or
    /// the left one is given column by column, which the plain kernel multiplies.
    fn takes_epilogue(&self, id: NodeId) -> bool {
        match self.op(id) {
            Op::MatMul(product) => {
                !product.transpose_a && self.typed.graph.is_stored(self.node(id).inputs[1])
            }
            _ => true,
        }
    }

    /// Makes the node `id` compute `op` from `inputs`, all of which come before it.
    fn replace(&mut self, id: NodeId, op: Op, inputs: Vec<NodeId>) {
        for input in &inputs {
            self.uses[input.index()] += 1;
        }
        let node = self.typed.graph.node_mut(id);
        node.op = op;
        let old = std::mem::replace(&mut node.inputs, inputs);
        for input in old {
            self.release(input);
        }
    }

    /// Swaps two nodes that follow each other: `first` now computes `op` from `inputs`, and
    /// `second` reads it. Their results change places, and so do their shapes; nobody else may read
    /// `first`.
    fn exchange(
        &mut self,
        first: NodeId,
        op: Op,
        inputs: Vec<NodeId>,
        second: NodeId,
        second_op: Op,
        second_inputs: Vec<NodeId>,
    ) {
        let shape = self.shape(inputs[0]).to_vec();
        // Held, so that nothing is freed on the way.
        let held = inputs.clone();
        held.iter().for_each(|input| self.uses[input.index()] += 1);
        self.replace(second, second_op, second_inputs);
        self.replace(first, op, inputs);
        held.into_iter().for_each(|input| self.release(input));
        self.typed.facts[first.index()].shape = shape;
    }

    /// One reader less; a node that loses its last one reads nothing itself any more and is left as
    /// an empty identity.
    fn release(&mut self, id: NodeId) {
        let mut freed = vec![id];
        while let Some(id) = freed.pop() {
            self.uses[id.index()] -= 1;
            if self.uses[id.index()] == 0 {
                let node = self.typed.graph.node_mut(id);
                node.op = Op::Identity;
                freed.append(&mut node.inputs);
            }
        }
    }

    /// Lets all readers of `from` read `to` instead.
    fn redirect(&mut self, from: NodeId, to: NodeId) {
        let moved = self.uses[from.index()];
        if moved == 0 {
            return;
        }
        self.typed.graph.rename_reads(from, to);
        self.uses[to.index()] += moved;
        self.uses[from.index()] = 1;
        self.release(from);
    }
}

#[cfg(test)]
pub(crate) mod testing;
