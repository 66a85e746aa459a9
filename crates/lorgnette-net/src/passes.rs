//! Rewrites of a graph to a smaller equivalent one, one in each file, applied in a fixed order.
//!
//! A rewrite replaces the *last* of the nodes it combines, under that node's name, so that inputs
//! stay before their readers and every result that can be fetched keeps its name. Dead nodes are
//! removed at the end. No pass depends on the CPU.

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

use std::cell::Cell;

use crate::graph::op::Op;
use crate::graph::shape::TypedGraph;
use crate::graph::{Node, NodeId};

/// A rewrite of the whole graph.
pub type Pass = fn(&mut Rewriter);

/// The passes, in the order they are applied.
///
/// Dropout and identities go first, since they separate nodes that the others match. Dilation and
/// padding become part of convolutions before bias, scale and activation do. Residuals come last,
/// since an addition of two results must not absorb a constant that belongs to one of them.
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
    apply(typed, |_| true)
}

/// Applies the passes after which every addition of two computed values is still a node.
pub(crate) fn optimise_without_residuals(typed: TypedGraph) -> TypedGraph {
    apply(typed, |name| name != "residual")
}

fn apply(typed: TypedGraph, applies: impl Fn(&str) -> bool) -> TypedGraph {
    let mut rewriter = Rewriter::new(typed);
    for (_, pass) in PASSES.iter().filter(|(name, _)| applies(name)) {
        pass(&mut rewriter);
    }
    rewriter.typed
}

/// A graph that is rewritten, with the readers of each result.
#[derive(Debug)]
pub struct Rewriter {
    typed: TypedGraph,
    uses: Vec<usize>,
    /// The nodes that read each result; some may do so no more.
    readers: Vec<Vec<NodeId>>,
    /// Elements that new constants and epilogues may still have.
    elements_left: Cell<usize>,
    /// Nodes that redirections looked at.
    #[cfg(test)]
    looked_at: usize,
}

impl Rewriter {
    /// Finds the readers of each result.
    pub fn new(typed: TypedGraph) -> Self {
        /// Elements that rewrites may add beside twice those of the constants. The networks of the
        /// zoo need a hundred thousand.
        const MAX_NEW_ELEMENTS: usize = 16 << 20;
        let uses = typed.graph.uses();
        let (mut readers, mut constants) = (vec![Vec::new(); uses.len()], 0_usize);
        for (id, node) in typed.graph.iter() {
            for input in &node.inputs {
                readers[input.index()].push(id);
            }
            if let Op::Const(tensor) = &node.op {
                constants = constants.saturating_add(tensor.bytes().len());
            }
        }
        let elements_left = Cell::new(constants.saturating_add(MAX_NEW_ELEMENTS));
        Self {
            typed,
            uses,
            readers,
            elements_left,
            #[cfg(test)]
            looked_at: 0,
        }
    }

    /// Takes elements from those that rewrites may add; false if there are not so many left, as in
    /// a graph that was made to take memory.
    fn reserve(&self, elements: usize) -> bool {
        let left = self.elements_left.get().checked_sub(elements);
        left.inspect(|&left| self.elements_left.set(left)).is_some()
    }

    /// True if a node or an output reads the result.
    fn is_read(&self, id: NodeId) -> bool {
        self.uses[id.index()] > 0
    }

    /// The graph in its present state.
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

    /// The value of a constant whose elements are all equal.
    fn constant_number(&self, id: NodeId) -> Option<f32> {
        let tensor = self.typed.graph.constant_of(id).filter(|t| t.len() == 1)?;
        tensor.to_f32().first().copied()
    }

    /// True if the result has a single reader, so that it can be merged into it.
    fn is_private(&self, id: NodeId) -> bool {
        self.uses[id.index()] == 1
    }

    /// True if the node's kernel has an epilogue. A product of two computed matrices, or with a
    /// transposed left one, has none.
    fn takes_epilogue(&self, id: NodeId) -> bool {
        match self.op(id) {
            Op::MatMul(product) => {
                !product.transpose_a && self.typed.graph.is_stored(self.node(id).inputs[1])
            }
            _ => true,
        }
    }

    /// Makes node `id` compute `op` from `inputs`, all of which precede it.
    fn replace(&mut self, id: NodeId, op: Op, inputs: Vec<NodeId>) {
        for input in &inputs {
            self.uses[input.index()] += 1;
            self.readers[input.index()].push(id);
        }
        let node = self.typed.graph.node_mut(id);
        node.op = op;
        let old = std::mem::replace(&mut node.inputs, inputs);
        for input in old {
            self.release(input);
        }
    }

    /// Moves a transposition behind its only reader: its node now computes the reader's operation
    /// from `sources`, and the reader's node transposes the result. Their shapes are exchanged too.
    fn sink_transposition(&mut self, transposition: NodeId, reader: NodeId, sources: Vec<NodeId>) {
        let shape = self.shape(sources[0]).to_vec();
        let (op, permutation) = (self.op(reader).clone(), self.node(transposition).inputs[1]);
        // Held, so that no node is released meanwhile.
        let held = sources.clone();
        held.iter().for_each(|source| self.uses[source.index()] += 1);
        self.replace(reader, Op::Transpose, vec![transposition, permutation]);
        self.replace(transposition, op, sources);
        held.into_iter().for_each(|source| self.release(source));
        self.typed.facts[transposition.index()].shape = shape;
    }

    /// Removes a reader. A node that loses its last one becomes an identity without inputs.
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

    /// Makes all readers of `from` read `to`.
    fn redirect(&mut self, from: NodeId, to: NodeId) {
        let moved = self.uses[from.index()];
        if moved == 0 {
            return;
        }
        let mut readers = std::mem::take(&mut self.readers[from.index()]);
        readers.retain(|&reader| {
            #[cfg(test)]
            {
                self.looked_at += 1;
            }
            self.typed.graph.redirect_reader(reader, from, to)
        });
        self.readers[to.index()].append(&mut readers);
        self.typed.graph.redirect_outputs(from, to);
        self.uses[to.index()] += moved;
        self.uses[from.index()] = 1;
        self.release(from);
    }
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests {
    use lorgnette_kernels::{Binary, Clamp};

    use super::testing::Sketch;
    use super::{affine, identity};
    use crate::graph::Op;
    use crate::graph::op::Epilogue;

    #[test]
    fn a_redirect_looks_at_readers_alone() {
        let looked_at = |length: usize| {
            let mut s = Sketch::new();
            let mut last = s.picture("x", [1, 1, 1, 1]);
            for number in 0..length {
                last = s.op(&format!("identity{number}"), Op::Identity, &[last]);
            }
            let out = s.relu("out", last);
            let after = s.rewritten(&[out], identity::apply);
            assert_eq!(after.names_of_live(), ["x", "out"]);
            after.looked_at
        };
        assert_eq!([100, 200, 400].map(looked_at), [100, 200, 400]);
    }

    /// Each factor would become a vector of all channels.
    #[test]
    fn new_constants_are_bounded() {
        const CHANNELS: usize = 1 << 20;
        let mut s = Sketch::new();
        let mut last = s.picture("x", [1, 1, 1, CHANNELS]);
        let factor = s.number("factor", 0.5);
        for number in 0..40 {
            let op = Op::Binary(Binary::Mul, Clamp::RELU);
            last = s.op(&format!("mul{number}"), op, &[last, factor]);
        }
        let after = s.rewritten(&[last], affine::apply);
        let elements = |op: &Op| match op {
            Op::Affine(Epilogue { scale: Some(scale), .. }) => scale.len(),
            _ => 0,
        };
        let nodes = after.typed().graph.nodes();
        let elements: usize = nodes.iter().map(|node| elements(&node.op)).sum();
        assert!((CHANNELS..=32 * CHANNELS).contains(&elements), "{elements}");
        assert!(matches!(after.op_named("mul39"), Op::Binary(..)), "it stays what it is");
    }
}
