//! A summary of a network as blocks: their layers, output shapes and costs.
//!
//! Nodes belong to the block of their scope. Scopes shared by all nodes are dropped. Blocks are the
//! scopes below them, or one or two levels deeper if that gives too few.

use std::collections::{BTreeMap, HashMap};

use crate::error::Result;
use crate::graph::TensorOrLazy;
use crate::graph::op::{Conv, Op, Pool, PoolKind, Reduction};
use crate::graph::shape::TypedGraph;
use crate::graph::{Node, NodeId};
use crate::network::Network;

/// The blocks of a network for one image size.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The network's name.
    pub name: String,
    /// The blocks in the order of computation; the first is the input.
    pub blocks: Vec<Block>,
}

/// The content of one scope.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// The scope, without the shared scopes.
    pub name: String,
    /// The layers of each branch; one branch where the block does not fork. Empty for blocks that
    /// only move values.
    pub branches: Vec<Branch>,
    /// The shape of the block's output.
    pub shape: Vec<usize>,
    /// Learned parameters: weights, biases, scales and offsets of batch norms, without their
    /// statistics.
    pub parameters: u64,
    /// Multiply-accumulate operations for one image.
    pub macs: u64,
    /// The indices of the blocks that it reads.
    pub inputs: Vec<usize>,
}

/// A sequence of layers.
#[derive(Clone, Debug, Default)]
pub struct Branch {
    /// The scope within the block; empty for layers outside any scope.
    pub name: String,
    /// The layers.
    pub layers: Vec<Layer>,
}

/// A layer of the summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The kind of layer.
    pub kind: LayerKind,
    /// The window, rows and columns.
    pub kernel: [usize; 2],
    /// The vertical stride.
    pub stride: usize,
    /// The vertical dilation.
    pub dilation: usize,
    /// Output channels.
    pub channels: usize,
}

/// The kinds of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The variants are their own description.
pub enum LayerKind {
    Convolution,
    Depthwise,
    FullyConnected,
    MaxPool,
    AveragePool,
    Normalisation,
    Softmax,
}

impl Summary {
    /// Returns the number of learned parameters.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.blocks.iter().map(|block| block.parameters).sum()
    }

    /// Returns the multiply-accumulate operations for one image.
    #[must_use]
    pub fn macs(&self) -> u64 {
        self.blocks.iter().map(|block| block.macs).sum()
    }
}

impl Network {
    /// Summarises the computation of the network's output from an image of `size` (rows and
    /// columns). `depth` is the number of scope levels that make a block; by default it is chosen
    /// so that the number of blocks is moderate.
    ///
    /// # Errors
    /// As for [`Network::signature`]; if the network does not take images of that size.
    pub fn summary(&self, size: [usize; 2], depth: Option<usize>) -> Result<Summary> {
        let signature = self.signature()?;
        let fetch = signature.probabilities.as_deref().unwrap_or(&signature.logits);
        let typed = self.typed(&signature, &[fetch], 1, size)?;
        let live_nodes = live_nodes(&typed);
        let names: Vec<Vec<&str>> =
            typed.graph.nodes().iter().map(|node| node.name.split('/').collect()).collect();
        let shared = shared_scopes(&typed, &live_nodes, &names);
        let block_of = |id: NodeId, depth: usize| block_name(&names[id.index()], &shared, depth);
        let depth = depth.unwrap_or_else(|| choose_depth(&typed, &live_nodes, &block_of)).max(1);
        Ok(Summary {
            name: self.name().to_owned(),
            blocks: SummaryBuilder::new(&typed, &live_nodes).blocks(|id| block_of(id, depth)),
        })
    }
}

/// Returns the nodes that depend on the image.
fn live_nodes(typed: &TypedGraph) -> Vec<NodeId> {
    let mut depends = vec![false; typed.graph.nodes().len()];
    for (id, node) in typed.graph.iter() {
        let reads = node.inputs.iter().any(|input| depends[input.index()]);
        depends[id.index()] =
            matches!(node.op, Op::Input { .. }) || reads && !matches!(node.op, Op::Const(_));
    }
    typed.graph.ids().filter(|id| depends[id.index()]).collect()
}

/// Returns the scopes that most layers share, from the outermost.
fn shared_scopes<'a>(
    typed: &TypedGraph,
    live_nodes: &[NodeId],
    names: &[Vec<&'a str>],
) -> Vec<&'a str> {
    /// The required share in per cent; heads are often outside.
    const SHARED_PERCENT: usize = 60;
    let layers_with_weights: Vec<NodeId> =
        live_nodes.iter().copied().filter(|&id| has_weights(&typed.graph.node(id).op)).collect();
    let mut shared: Vec<&str> = Vec::new();
    loop {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for id in &layers_with_weights {
            let name = &names[id.index()];
            if name.len() > shared.len() + 1 && name.starts_with(&shared) {
                *counts.entry(name[shared.len()]).or_default() += 1;
            }
        }
        match counts.into_iter().max_by_key(|&(name, count)| (count, std::cmp::Reverse(name))) {
            Some((scope, count))
                if 100 * count > SHARED_PERCENT * layers_with_weights.len()
                    && layers_with_weights.len() > 1 =>
            {
                shared.push(scope);
            }
            _ => return shared,
        }
    }
}

fn has_weights(op: &Op) -> bool {
    matches!(op, Op::Conv2d(_) | Op::DepthwiseConv2d(_) | Op::MatMul(_))
}

/// Returns the block of a node: up to `depth` scopes below the shared ones; the node's own name if
/// there is none.
fn block_name(name: &[&str], shared: &[&str], depth: usize) -> String {
    let common = name.iter().zip(shared).take_while(|(a, b)| a == b).count();
    // A layer's batch norm belongs to the layer.
    let layer =
        name.iter().position(|&scope| scope == "BatchNorm").map_or(name.len(), |norm| norm + 1);
    let own = &name[common..layer.max(common + 1)];
    let scopes = own.len().saturating_sub(1).max(1).min(own.len());
    own[..scopes.min(depth)].join("/")
}

/// Returns the smallest depth at which no block has too many layers, unless that gives too many
/// blocks.
fn choose_depth(
    typed: &TypedGraph,
    live_nodes: &[NodeId],
    block_of: &impl Fn(NodeId, usize) -> String,
) -> usize {
    const MAX_LAYERS: usize = 12;
    const MAX_BLOCKS: usize = 90;
    const MAX_DEPTH: usize = 3;
    let layers = |depth: usize| {
        let mut layers: HashMap<String, usize> = HashMap::new();
        for &id in live_nodes {
            *layers.entry(block_of(id, depth)).or_default() +=
                usize::from(has_weights(&typed.graph.node(id).op));
        }
        layers
    };
    let mut depth = 1;
    while depth < MAX_DEPTH
        && layers(depth).values().any(|&layers| layers > MAX_LAYERS)
        && layers(depth + 1).len() <= MAX_BLOCKS
    {
        depth += 1;
    }
    depth
}

struct SummaryBuilder<'a> {
    typed: &'a TypedGraph,
    live_nodes: &'a [NodeId],
    blocks: Vec<Block>,
    /// The block of each live node.
    block_index: HashMap<NodeId, usize>,
}

impl<'a> SummaryBuilder<'a> {
    fn new(typed: &'a TypedGraph, live_nodes: &'a [NodeId]) -> Self {
        Self { typed, live_nodes, blocks: Vec::new(), block_index: HashMap::new() }
    }

    fn blocks(mut self, block_of: impl Fn(NodeId) -> String) -> Vec<Block> {
        let mut existing: BTreeMap<String, usize> = BTreeMap::new();
        for &id in self.live_nodes {
            let name = block_of(id);
            let block_index = *existing.entry(name.clone()).or_insert_with(|| {
                self.blocks.push(Block { name: name.clone(), ..Block::default() });
                self.blocks.len() - 1
            });
            self.block_index.insert(id, block_index);
            self.add(id, block_index);
        }
        self.blocks
            .iter_mut()
            .filter(|block| block.branches.is_empty() && block.parameters > 0)
            .for_each(add_norm_layer);
        drop_undrawn(&self.blocks)
    }

    /// Adds a node to its block.
    fn add(&mut self, id: NodeId, block_index: usize) {
        let node = self.typed.graph.node(id);
        let fact = self.typed.fact(id);
        let inputs = node.inputs.iter().filter_map(|input| self.block_index.get(input)).copied();
        let others: Vec<usize> = inputs.filter(|&input| input != block_index).collect();
        let branch = self.branch(node, block_index);
        let macs = macs(self.typed, node, fact.len());
        let parameters =
            if matches!(node.op, Op::Input { .. }) { 0 } else { self.parameters(node) };
        let layer = layer(self.typed, id);
        let block = &mut self.blocks[block_index];
        for other in others {
            if !block.inputs.contains(&other) {
                block.inputs.push(other);
            }
        }
        // Intermediate integer shapes are not the block's shape.
        if fact.dtype.is_float() || block.shape.is_empty() {
            block.shape.clone_from(&fact.shape);
        }
        block.macs += macs;
        block.parameters += parameters;
        if let Some(layer) = layer {
            match block.branches.iter_mut().find(|existing| existing.name == branch) {
                Some(existing) => existing.layers.push(layer),
                None => block.branches.push(Branch { name: branch, layers: vec![layer] }),
            }
        }
    }

    /// Returns the branch of a node within its block, by the usual names of branches.
    fn branch(&self, node: &Node, block_index: usize) -> String {
        let block = &self.blocks[block_index].name;
        let inner = node.name.find(block.as_str()).map_or("", |at| &node.name[at + block.len()..]);
        let is_branch = |scope: &&str| {
            ["Branch_", "shortcut", "comb_iter_", "tower"]
                .iter()
                .any(|prefix| scope.starts_with(prefix))
        };
        let scopes: Vec<&str> = inner.split('/').filter(|scope| !scope.is_empty()).collect();
        let scopes = scopes.split_last().map_or(&[][..], |(_, scopes)| scopes);
        let branch = scopes.iter().find(|scope| is_branch(scope)).copied().unwrap_or_default();
        let side = scopes.iter().find(|scope| ["left", "right"].contains(scope));
        side.map_or_else(|| branch.to_owned(), |side| format!("{branch} {side}"))
    }

    /// Counts the elements of the stored inputs that training learns.
    fn parameters(&self, node: &Node) -> u64 {
        // A batch norm's mean and variance are statistics.
        let learned = if matches!(node.op, Op::BatchNorm { .. }) { 3 } else { node.inputs.len() };
        let stored = node.inputs[..learned.min(node.inputs.len())]
            .iter()
            .map(|&input| self.typed.graph.node(input));
        let values = stored.filter_map(|node| TensorOrLazy::from_op(&node.op)).filter(
            |value: &TensorOrLazy| {
                value.dtype().is_float() && value.shape() != [1] && !value.shape().is_empty()
            },
        );
        values.map(|value| value.shape().iter().product::<usize>() as u64).sum()
    }
}

/// Adds a layer to a block whose only parameters are a batch norm's.
fn add_norm_layer(block: &mut Block) {
    let channels = block.shape.last().copied().unwrap_or(1);
    let norm =
        Layer { kind: LayerKind::Normalisation, kernel: [1, 1], stride: 1, dilation: 1, channels };
    block.branches.push(Branch { name: String::new(), layers: vec![norm] });
}

/// Drops blocks that only forward or reshape values, such as squeezes at the end.
fn drop_undrawn(blocks: &[Block]) -> Vec<Block> {
    let is_input = |block_index: usize| blocks[block_index].inputs.is_empty();
    let is_drawn =
        |block_index: usize| !blocks[block_index].branches.is_empty() || is_input(block_index);
    // The drawn blocks from which each block's value comes.
    let mut drawn_sources: Vec<Vec<usize>> = Vec::new();
    let mut new_indices = vec![usize::MAX; blocks.len()];
    let mut drawn: Vec<Block> = Vec::new();
    for (block_index, block) in blocks.iter().enumerate() {
        let mut inputs: Vec<usize> = block
            .inputs
            .iter()
            .flat_map(|&input| drawn_sources.get(input).cloned().unwrap_or_default())
            .collect();
        inputs.sort_unstable();
        inputs.dedup();
        if is_drawn(block_index) {
            new_indices[block_index] = drawn.len();
            drawn.push(Block { inputs, ..block.clone() });
            drawn_sources.push(vec![new_indices[block_index]]);
        } else {
            drawn_sources.push(inputs);
        }
    }
    drawn
}

/// Counts a node's multiplications: one for each value of the result and each weight that
/// contributes to it.
pub(crate) fn macs(typed: &TypedGraph, node: &Node, values: usize) -> u64 {
    let filter = |at: usize| typed.fact(node.inputs[at]).shape.as_slice();
    let each: usize = match &node.op {
        Op::Conv2d(_) => filter(1)[..3].iter().product(),
        Op::DepthwiseConv2d(_) => filter(1)[..2].iter().product(),
        Op::MatMul(product) => filter(0)[usize::from(!product.transpose_a)],
        _ => 0,
    };
    each as u64 * values as u64
}

/// Returns a node as a layer of the summary, if it is one.
fn layer(typed: &TypedGraph, id: NodeId) -> Option<Layer> {
    let node = typed.graph.node(id);
    let channels = typed.fact(id).channels();
    let plain = |kind| Layer { kind, kernel: [1, 1], stride: 1, dilation: 1, channels };
    let windowed = |kind, conv: &Conv| {
        let filter = &typed.fact(node.inputs[1]).shape;
        Layer {
            kind,
            kernel: [filter[0], filter[1]],
            stride: conv.stride[0],
            dilation: conv.dilation[0],
            channels,
        }
    };
    Some(match &node.op {
        Op::Conv2d(conv) => windowed(LayerKind::Convolution, conv),
        Op::DepthwiseConv2d(conv) => windowed(LayerKind::Depthwise, conv),
        Op::MatMul(_) => plain(LayerKind::FullyConnected),
        Op::Pool(Pool { kernel: [1, 1], stride: [1, 1], .. }) => return None,
        Op::Pool(Pool { kind, kernel, stride, .. }) => {
            let kind =
                if *kind == PoolKind::Max { LayerKind::MaxPool } else { LayerKind::AveragePool };
            Layer { kernel: *kernel, stride: stride[0], ..plain(kind) }
        }
        Op::Reduce { kind: Reduction::Mean, .. } => {
            let from = &typed.fact(node.inputs[0]).shape;
            let kernel = if from.len() == 4 { [from[1], from[2]] } else { [1, 1] };
            Layer { kernel, ..plain(LayerKind::AveragePool) }
        }
        Op::Lrn(_) => plain(LayerKind::Normalisation),
        Op::Softmax { .. } => plain(LayerKind::Softmax),
        _ => return None,
    })
}
