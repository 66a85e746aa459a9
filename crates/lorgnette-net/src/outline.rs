//! A network as the blocks that people draw: what is in each, what comes out, what it costs.
//!
//! Nodes belong to the block of their scope. Scopes that all share are left out; the blocks are the scopes below, or those
//! one or two levels further down where that makes too few.

use std::collections::{BTreeMap, HashMap};

use crate::error::Result;
use crate::graph::Value;
use crate::graph::op::{Conv, Op, Pool, PoolKind, Reduction};
use crate::graph::shape::Shaped;
use crate::graph::{Node, NodeId};
use crate::network::Network;

/// The blocks of a network, for one size of picture.
#[derive(Clone, Debug)]
pub struct Outline {
    /// The network's name.
    pub name: String,
    /// In the order they are computed; the first is the input.
    pub blocks: Vec<Block>,
}

/// What stands in one scope.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// Its scope, without what all share.
    pub name: String,
    /// Layers one after the other, for each branch; one branch where it does not fork. Empty for blocks that only move
    /// values.
    pub branches: Vec<Branch>,
    /// The shape of what leaves it.
    pub shape: Vec<usize>,
    /// Weights, biases, factors and offsets of batch norms; not their statistics.
    pub parameters: u64,
    /// Multiplications with an addition, for one picture.
    pub macs: u64,
    /// The blocks that it reads, by their places.
    pub inputs: Vec<usize>,
}

/// Layers one after the other.
#[derive(Clone, Debug, Default)]
pub struct Branch {
    /// Its scope within the block; empty for what is in none.
    pub name: String,
    /// The layers.
    pub layers: Vec<Layer>,
}

/// A layer that is worth drawing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// What it is.
    pub kind: LayerKind,
    /// Rows and columns of its window.
    pub kernel: [usize; 2],
    /// Steps between windows, down.
    pub stride: usize,
    /// Steps between taps, down.
    pub dilation: usize,
    /// Channels that leave it.
    pub channels: usize,
}

/// Kinds of layers.
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

impl Outline {
    /// All parameters.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.blocks.iter().map(|block| block.parameters).sum()
    }

    /// All multiplications with an addition, for one picture.
    #[must_use]
    pub fn macs(&self) -> u64 {
        self.blocks.iter().map(|block| block.macs).sum()
    }
}

impl Network {
    /// The blocks that compute the network's answer from a picture of `size` (rows and columns). `depth` says how many levels
    /// of scopes make a block; without it, as many as give a good picture.
    ///
    /// # Errors
    /// As [`Network::ports`]; if the network does not take pictures of that size.
    pub fn outline(&self, size: [usize; 2], depth: Option<usize>) -> Result<Outline> {
        let ports = self.ports()?;
        let answer = ports.probabilities.as_deref().unwrap_or(&ports.logits);
        let shaped = self.shaped(&ports, &[answer], 1, size)?;
        let alive = alive(&shaped);
        let names: Vec<Vec<&str>> = shaped.graph.nodes().iter().map(|node| node.name.split('/').collect()).collect();
        let shared = shared_scopes(&shaped, &alive, &names);
        let owner = |id: NodeId, depth: usize| block_name(&names[id.index()], &shared, depth);
        let depth = depth.unwrap_or_else(|| good_depth(&shaped, &alive, &owner)).max(1);
        Ok(Outline {
            name: self.name().to_owned(),
            blocks: Drawing::new(&shaped, &alive).blocks(|id| owner(id, depth)),
        })
    }
}

/// The nodes that depend on the picture.
fn alive(shaped: &Shaped) -> Vec<NodeId> {
    let mut depends = vec![false; shaped.graph.nodes().len()];
    for (id, node) in shaped.graph.iter() {
        let reads = node.inputs.iter().any(|input| depends[input.index()]);
        depends[id.index()] = matches!(node.op, Op::Input { .. }) || reads && !matches!(node.op, Op::Const(_));
    }
    shaped.graph.ids().filter(|id| depends[id.index()]).collect()
}

/// The scopes that nearly all layers share, from the outermost.
fn shared_scopes<'a>(shaped: &Shaped, alive: &[NodeId], names: &[Vec<&'a str>]) -> Vec<&'a str> {
    /// Of a hundred layers; heads often stand outside.
    const NEARLY_ALL: usize = 60;
    let sums: Vec<NodeId> = alive.iter().copied().filter(|&id| is_sum(&shaped.graph.node(id).op)).collect();
    let mut shared: Vec<&str> = Vec::new();
    loop {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for id in &sums {
            let name = &names[id.index()];
            if name.len() > shared.len() + 1 && name.starts_with(&shared) {
                *counts.entry(name[shared.len()]).or_default() += 1;
            }
        }
        match counts.into_iter().max_by_key(|&(name, count)| (count, std::cmp::Reverse(name))) {
            Some((scope, count)) if 100 * count > NEARLY_ALL * sums.len() && sums.len() > 1 => shared.push(scope),
            _ => return shared,
        }
    }
}

fn is_sum(op: &Op) -> bool {
    matches!(op, Op::Conv2d(_) | Op::DepthwiseConv2d(_) | Op::MatMul(_))
}

/// The block of a node: the scopes behind those that are shared, at most `depth` of them; the node's own name where it is
/// in none.
fn block_name(name: &[&str], shared: &[&str], depth: usize) -> String {
    let common = name.iter().zip(shared).take_while(|(a, b)| a == b).count();
    // A layer's batch norm is part of the layer.
    let layer = name.iter().position(|&scope| scope == "BatchNorm").map_or(name.len(), |norm| norm + 1);
    let own = &name[common..layer.max(common + 1)];
    let scopes = own.len().saturating_sub(1).max(1).min(own.len());
    own[..scopes.min(depth)].join("/")
}

/// The least depth at which no block has too many layers, unless that makes too many blocks.
fn good_depth(shaped: &Shaped, alive: &[NodeId], owner: &impl Fn(NodeId, usize) -> String) -> usize {
    const MOST_LAYERS: usize = 12;
    const MOST_BLOCKS: usize = 90;
    const DEEPEST: usize = 3;
    let layers = |depth: usize| {
        let mut layers: HashMap<String, usize> = HashMap::new();
        for &id in alive {
            *layers.entry(owner(id, depth)).or_default() += usize::from(is_sum(&shaped.graph.node(id).op));
        }
        layers
    };
    let mut depth = 1;
    while depth < DEEPEST
        && layers(depth).values().any(|&layers| layers > MOST_LAYERS)
        && layers(depth + 1).len() <= MOST_BLOCKS
    {
        depth += 1;
    }
    depth
}

struct Drawing<'a> {
    shaped: &'a Shaped,
    alive: &'a [NodeId],
    blocks: Vec<Block>,
    /// The block of each node that is alive.
    place: HashMap<NodeId, usize>,
}

impl<'a> Drawing<'a> {
    fn new(shaped: &'a Shaped, alive: &'a [NodeId]) -> Self {
        Self { shaped, alive, blocks: Vec::new(), place: HashMap::new() }
    }

    fn blocks(mut self, owner: impl Fn(NodeId) -> String) -> Vec<Block> {
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        for &id in self.alive {
            let name = owner(id);
            let place = *known.entry(name.clone()).or_insert_with(|| {
                self.blocks.push(Block { name: name.clone(), ..Block::default() });
                self.blocks.len() - 1
            });
            self.place.insert(id, place);
            self.add(id, place);
        }
        self.blocks.iter_mut().filter(|block| block.branches.is_empty() && block.parameters > 0).for_each(norm_alone);
        joined(&self.blocks)
    }

    /// Adds a node to its block.
    fn add(&mut self, id: NodeId, place: usize) {
        let node = self.shaped.graph.node(id);
        let fact = self.shaped.fact(id);
        let inputs = node.inputs.iter().filter_map(|input| self.place.get(input)).copied();
        let others: Vec<usize> = inputs.filter(|&input| input != place).collect();
        let branch = self.branch(node, place);
        let macs = macs(self.shaped, node, fact.len());
        let parameters = if matches!(node.op, Op::Input { .. }) { 0 } else { self.parameters(node) };
        let layer = layer(self.shaped, id);
        let block = &mut self.blocks[place];
        for other in others {
            if !block.inputs.contains(&other) {
                block.inputs.push(other);
            }
        }
        // Shapes that are computed on the way say nothing of the picture.
        if fact.dtype.is_float() || block.shape.is_empty() {
            block.shape.clone_from(&fact.shape);
        }
        block.macs += macs;
        block.parameters += parameters;
        if let Some(layer) = layer {
            match block.branches.iter_mut().find(|known| known.name == branch) {
                Some(known) => known.layers.push(layer),
                None => block.branches.push(Branch { name: branch, layers: vec![layer] }),
            }
        }
    }

    /// The branch of a node within its block, by the names that networks give them.
    fn branch(&self, node: &Node, place: usize) -> String {
        let block = &self.blocks[place].name;
        let inner = node.name.find(block.as_str()).map_or("", |at| &node.name[at + block.len()..]);
        let is_branch = |scope: &&str| {
            ["Branch_", "shortcut", "comb_iter_", "tower"].iter().any(|prefix| scope.starts_with(prefix))
        };
        let scopes: Vec<&str> = inner.split('/').filter(|scope| !scope.is_empty()).collect();
        let scopes = scopes.split_last().map_or(&[][..], |(_, scopes)| scopes);
        let branch = scopes.iter().find(|scope| is_branch(scope)).copied().unwrap_or_default();
        let side = scopes.iter().find(|scope| ["left", "right"].contains(scope));
        side.map_or_else(|| branch.to_owned(), |side| format!("{branch} {side}"))
    }

    /// Elements of the stored inputs that training learns.
    fn parameters(&self, node: &Node) -> u64 {
        // A batch norm's mean and variance are statistics.
        let learned = if matches!(node.op, Op::BatchNorm { .. }) { 3 } else { node.inputs.len() };
        let stored = node.inputs[..learned.min(node.inputs.len())].iter().map(|&input| self.shaped.graph.node(input));
        let is_weight = |value: &Value| value.dtype().is_float() && value.shape() != [1] && !value.shape().is_empty();
        let values = stored.filter_map(|node| Value::of(&node.op)).filter(is_weight);
        values.map(|value| value.shape().iter().product::<usize>() as u64).sum()
    }
}

/// A block whose parameters are a batch norm's, with no layer that it belongs to.
fn norm_alone(block: &mut Block) {
    let channels = block.shape.last().copied().unwrap_or(1);
    let norm = Layer { kind: LayerKind::Normalisation, kernel: [1, 1], stride: 1, dilation: 1, channels };
    block.branches.push(Branch { name: String::new(), layers: vec![norm] });
}

/// Blocks that do nothing but hand on or reshape, such as squeezes at the end, without those that nobody would draw.
fn joined(blocks: &[Block]) -> Vec<Block> {
    let is_input = |place: usize| blocks[place].inputs.is_empty();
    let is_drawn = |place: usize| !blocks[place].branches.is_empty() || is_input(place);
    // Where the value of a block that is not drawn comes from.
    let mut stands_for: Vec<Vec<usize>> = Vec::new();
    let mut places = vec![usize::MAX; blocks.len()];
    let mut drawn: Vec<Block> = Vec::new();
    for (place, block) in blocks.iter().enumerate() {
        let mut inputs: Vec<usize> =
            block.inputs.iter().flat_map(|&input| stands_for.get(input).cloned().unwrap_or_default()).collect();
        inputs.sort_unstable();
        inputs.dedup();
        if is_drawn(place) {
            places[place] = drawn.len();
            drawn.push(Block { inputs, ..block.clone() });
            stands_for.push(vec![places[place]]);
        } else {
            stands_for.push(inputs);
        }
    }
    drawn
}

/// Multiplications of a node: for each value of the result, one for each weight that has a part in it.
pub(crate) fn macs(shaped: &Shaped, node: &Node, values: usize) -> u64 {
    let filter = |at: usize| shaped.fact(node.inputs[at]).shape.as_slice();
    let each: usize = match &node.op {
        Op::Conv2d(_) => filter(1)[..3].iter().product(),
        Op::DepthwiseConv2d(_) => filter(1)[..2].iter().product(),
        Op::MatMul(product) => filter(0)[usize::from(!product.transpose_a)],
        _ => 0,
    };
    each as u64 * values as u64
}

/// A node as a layer, if it is worth drawing.
fn layer(shaped: &Shaped, id: NodeId) -> Option<Layer> {
    let node = shaped.graph.node(id);
    let channels = shaped.fact(id).channels();
    let plain = |kind| Layer { kind, kernel: [1, 1], stride: 1, dilation: 1, channels };
    let slid = |kind, conv: &Conv| {
        let filter = &shaped.fact(node.inputs[1]).shape;
        Layer { kind, kernel: [filter[0], filter[1]], stride: conv.stride[0], dilation: conv.dilation[0], channels }
    };
    Some(match &node.op {
        Op::Conv2d(conv) => slid(LayerKind::Convolution, conv),
        Op::DepthwiseConv2d(conv) => slid(LayerKind::Depthwise, conv),
        Op::MatMul(_) => plain(LayerKind::FullyConnected),
        Op::Pool(Pool { kernel: [1, 1], stride: [1, 1], .. }) => return None,
        Op::Pool(Pool { kind, kernel, stride, .. }) => {
            let kind = if *kind == PoolKind::Max { LayerKind::MaxPool } else { LayerKind::AveragePool };
            Layer { kernel: *kernel, stride: stride[0], ..plain(kind) }
        }
        Op::Reduce { kind: Reduction::Mean, .. } => {
            let from = &shaped.fact(node.inputs[0]).shape;
            let kernel = if from.len() == 4 { [from[1], from[2]] } else { [1, 1] };
            Layer { kernel, ..plain(LayerKind::AveragePool) }
        }
        Op::Lrn(_) => plain(LayerKind::Normalisation),
        Op::Softmax { .. } => plain(LayerKind::Softmax),
        _ => return None,
    })
}
