//! Which values share a block of memory, and where the blocks lie.
//!
//! Reshapes are other names of the same block. The parts of a concatenation along the channels are written straight
//! into it where their only reader is the concatenation. An activation that nothing else reads is changed in place.
//! Pixels whose distance would crowd the cache are laid a little further apart.

use std::ops::Range;

use super::chains::Chains;
use super::memory::{Storage, arrange};
use crate::error::{Error, Result};
use crate::graph::op::Op;
use crate::graph::rearrange::axis;
use crate::graph::shape::Shaped;
use crate::graph::{Node, NodeId};
use crate::tensor::DType;

/// Where each node's value lies.
#[derive(Debug)]
pub(super) struct Layout {
    /// For each node that is computed at run time, its place; `None` for constants, and for what only a chain sees.
    pub(super) places: Vec<Option<Lie>>,
    /// For each node, floats from pixel to pixel.
    pub(super) strides: Vec<usize>,
    /// Floats of the arena.
    pub(super) arena_len: usize,
}

/// A value's place: where it begins and how far its pixels are apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lie {
    /// The first float in the arena.
    pub(super) start: usize,
    /// Floats from pixel to pixel; the number of channels where they touch.
    pub(super) stride: usize,
    /// From the first to the last float.
    pub(super) len: usize,
}

impl Lie {
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

/// Floats from pixel to pixel, a multiple of which crowds L1: half of what its sets take one line of each (64 sets of 64
/// bytes on every x86-64 CPU with AVX2 up to now).
const CROWDING: usize = 512;
/// Floats of a cache line.
const LINE: usize = 16;

/// A node's share of a block before the blocks have places.
#[derive(Clone, Copy, Debug)]
struct Share {
    block: usize,
    offset: usize,
    stride: usize,
}

/// Settles every value's place.
pub(super) fn lay_out(shaped: &Shaped, chains: &Chains, memory_limit: u64) -> Result<Layout> {
    let mut sharing = Sharing::new(shaped, chains);
    for (id, node) in shaped.graph.iter().collect::<Vec<_>>().into_iter().rev() {
        sharing.place(id, node);
    }
    let (ranges, arena_len) = arrange(&sharing.blocks);
    let needed = arena_len as u64 * size_of::<f32>() as u64;
    if needed > memory_limit {
        let what = "running this network at this size".to_owned();
        return Err(Error::Memory { what, needed, limit: memory_limit });
    }
    let lie = |(share, fact): (&Option<Share>, &crate::graph::shape::Fact)| {
        let share = (*share)?;
        let (pixels, channels) = (fact.len().checked_div(fact.channels()).unwrap_or(0), fact.channels());
        let len = pixels.checked_sub(1).map_or(0, |last| last * share.stride + channels);
        Some(Lie { start: ranges[share.block].start + share.offset, stride: share.stride, len })
    };
    let places = sharing.shares.iter().zip(&shaped.facts).map(lie).collect();
    Ok(Layout { places, strides: sharing.strides(), arena_len })
}

struct Sharing<'a> {
    shaped: &'a Shaped,
    chains: &'a Chains,
    uses: Vec<usize>,
    /// Nodes whose values are the network's outputs.
    fetched: Vec<bool>,
    shares: Vec<Option<Share>>,
    blocks: Vec<Storage>,
    /// The last step that reads each node.
    last_read: Vec<usize>,
    /// Nodes some reader of which takes pixels that touch.
    wanted_dense: Vec<bool>,
}

impl<'a> Sharing<'a> {
    fn new(shaped: &'a Shaped, chains: &'a Chains) -> Self {
        let count = shaped.graph.nodes().len();
        let mut sharing = Self {
            shaped,
            chains,
            uses: shaped.graph.uses(),
            fetched: vec![false; count],
            shares: vec![None; count],
            blocks: Vec::new(),
            last_read: (0..count).collect(),
            wanted_dense: vec![false; count],
        };
        for (id, node) in shaped.graph.iter() {
            for input in &node.inputs {
                let read = &mut sharing.last_read[input.index()];
                *read = chains.end(id).index().max(*read);
                sharing.wanted_dense[input.index()] |= !reads_pixels_apart(&node.op, shaped.fact(id).shape.len());
            }
        }
        for output in shaped.graph.outputs() {
            sharing.fetched[output.index()] = true;
            sharing.last_read[output.index()] = count;
        }
        sharing
    }

    /// Gives a node its share; readers have theirs already. Then hands shares on to inputs that can lie within.
    fn place(&mut self, id: NodeId, node: &Node) {
        if self.shaped.graph.is_stored(id) || self.chains.is_inner(id) {
            return;
        }
        let fact = self.shaped.fact(id);
        let share = match self.shares[id.index()] {
            Some(share) => share,
            None => {
                let stride = self.stride(id, node);
                let len = fact.len() / fact.channels().max(1) * stride;
                self.blocks.push(Storage { len, first: id.index(), last: self.last_read[id.index()] });
                Share { block: self.blocks.len() - 1, offset: 0, stride }
            }
        };
        self.shares[id.index()] = Some(share);
        let block = &mut self.blocks[share.block];
        // Inputs are written before the first step.
        let written = if matches!(node.op, Op::Input { .. }) { 0 } else { id.index() };
        block.first = block.first.min(written);
        block.last = block.last.max(self.last_read[id.index()]);
        match &node.op {
            op if is_another_name(op) => self.hand_on(node.inputs[0], share, true),
            Op::Concat => self.hand_to_parts(id, node, share),
            op if changes_in_place(op, fact.shape.len()) && share.stride == self.stride(id, node) => {
                self.hand_on_in_place(id, node, share);
            }
            _ => {}
        }
    }

    /// Floats from pixel to pixel of a value that has a block of its own.
    ///
    /// A tile of a convolution reads the same channels of many pixels in turn. Where pixels are a multiple of
    /// [`CROWDING`] apart, those lie in one or two sets of L1 and push each other out.
    fn stride(&self, id: NodeId, node: &Node) -> usize {
        let (fact, dense) = (self.shaped.fact(id), self.fetched[id.index()] || self.wanted_dense[id.index()]);
        let crowded = fact.shape.len() == 4 && fact.channels().is_multiple_of(CROWDING) && fact.len() > fact.channels();
        let apart = crowded && !dense && writes_pixels_apart(&node.op);
        fact.channels() + if apart { LINE } else { 0 }
    }

    /// Floats from pixel to pixel of every value.
    fn strides(&self) -> Vec<usize> {
        let stride = |(id, node): (NodeId, &Node)| {
            self.shares[id.index()].map_or_else(|| self.stride(id, node), |share| share.stride)
        };
        self.shaped.graph.iter().map(stride).collect()
    }

    /// Lets `input` lie in the reader's share, if it has no share yet.
    fn hand_on(&mut self, input: NodeId, share: Share, always: bool) {
        let somewhere = !self.shaped.graph.is_stored(input) && !self.chains.is_inner(input);
        let free = somewhere && self.shares[input.index()].is_none();
        let channels = self.shaped.fact(input).channels();
        if free && (always || self.uses[input.index()] == 1) {
            // Another name may have other channels: its own pixels touch.
            let stride = if always { channels } else { share.stride };
            self.shares[input.index()] = Some(Share { stride, ..share });
        }
    }

    fn hand_to_parts(&mut self, id: NodeId, node: &Node, share: Share) {
        let Some(offsets) = channel_offsets(self.shaped, id, node) else { return };
        for (&input, offset) in node.inputs.iter().zip(offsets) {
            let writes_apart = writes_pixels_apart(&self.shaped.graph.node(input).op);
            if writes_apart && !self.fetched[input.index()] {
                self.hand_on(input, Share { offset: share.offset + offset, ..share }, false);
            }
        }
    }

    fn hand_on_in_place(&mut self, id: NodeId, node: &Node, share: Share) {
        let input = node.inputs[0];
        let same = self.shaped.fact(input).shape == self.shaped.fact(id).shape;
        let node = self.shaped.graph.node(input);
        let given = matches!(node.op, Op::Input { .. });
        let fits = share.stride == self.stride(input, node);
        if same && fits && !given && !self.fetched[input.index()] && !is_another_name(&node.op) {
            self.hand_on(input, share, false);
        }
    }
}

/// Whether the operation's result is its input under another shape.
pub(super) fn is_another_name(op: &Op) -> bool {
    // Whole numbers are kept as floats at run time; every one that occurs there is small enough to be exact.
    let widens = matches!(op, Op::Cast(DType::F32 | DType::F64));
    widens || matches!(op, Op::Identity | Op::Reshape | Op::Squeeze { .. } | Op::ExpandDims)
}

/// Whether the operation's kernel can work on its first input's own memory.
fn changes_in_place(op: &Op, rank: usize) -> bool {
    match op {
        Op::Affine(_) | Op::Clamp(_) | Op::Unary(_) | Op::Softmax { .. } => true,
        // Beyond pictures, it reads through index tables.
        Op::Binary(..) => rank <= 4,
        _ => false,
    }
}

/// Whether the operation's kernel can leave room between pixels.
fn writes_pixels_apart(op: &Op) -> bool {
    matches!(
        op,
        Op::Conv2d(_) | Op::DepthwiseConv2d(_) | Op::Pool(_) | Op::Affine(_) | Op::Clamp(_) | Op::Unary(_) | Op::Concat
    )
}

/// Whether the operation's kernel can read inputs that have room between pixels.
fn reads_pixels_apart(op: &Op, rank: usize) -> bool {
    match op {
        Op::Binary(..) => rank <= 4,
        Op::Conv2d(_) | Op::DepthwiseConv2d(_) | Op::Pool(_) | Op::Affine(_) | Op::Clamp(_) | Op::Unary(_) => true,
        Op::Lrn(_) | Op::Resize(_) | Op::Concat => true,
        _ => false,
    }
}

/// Where each part of a concatenation begins within a pixel, if it joins channels.
pub(super) fn channel_offsets(shaped: &Shaped, id: NodeId, node: &Node) -> Option<Vec<usize>> {
    let (at, parts) = node.inputs.split_last()?;
    let rank = shaped.fact(id).shape.len();
    let at = axis(*shaped.graph.constant_of(*at)?.to_i64().first()?, rank).ok()?;
    let begin = |sum: &mut usize, part: &NodeId| {
        let offset = *sum;
        *sum += shaped.fact(*part).channels();
        Some(offset)
    };
    (at + 1 == rank).then(|| parts.iter().scan(0, begin).collect())
}
