//! Which values share a block of memory, and where the blocks lie.
//!
//! Reshapes are other names of the same block. The parts of a concatenation along the channels are written straight
//! into it where their only reader is the concatenation. An activation that nothing else reads is changed in place.
//! Pixels whose distance would crowd the cache are laid a little further apart.

use std::collections::HashSet;
use std::ops::Range;

use lorgnette_kernels::Elements;

use super::chains::Chains;
use super::memory::{Storage, arrange};
use crate::error::{Error, Result};
use crate::graph::op::Op;
use crate::graph::rearrange::axis;
use crate::graph::shape::Shaped;
use crate::graph::{Node, NodeId};
use crate::plan::PlanOptions;
use crate::plan::elements::Wanted;
use crate::tensor::DType;

/// Where each node's value lies.
#[derive(Debug)]
pub(super) struct Layout {
    /// For each node that is computed at run time, its place; `None` for constants, and for what only a chain sees.
    pub(super) places: Vec<Option<Lie>>,
    /// For each node, floats from pixel to pixel, and what its value is kept as.
    forms: Vec<Form>,
    /// For nodes whose value is float32 there, and which some readers want as bf16, where the rounded copy lies.
    pub(super) rounded: Vec<Option<Lie>>,
    /// The pairs of reader and input of which the reader takes the rounded copy.
    from_rounded: HashSet<(NodeId, NodeId)>,
    /// Floats of the arena.
    pub(super) arena_len: usize,
}

/// How a value's pixels are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Floats from pixel to pixel.
    pub(super) stride: usize,
    /// What the values are kept as.
    pub(super) elements: Elements,
}

impl Layout {
    /// How a node's value is kept.
    pub(super) fn form(&self, id: NodeId) -> Form {
        self.forms[id.index()]
    }

    /// How `reader` finds the value of its input.
    pub(super) fn form_for(&self, reader: NodeId, input: NodeId) -> Form {
        self.rounded_for(reader, input).map_or(self.form(input), |lie| lie.form)
    }

    /// Where `reader` finds the value of its input; `None` for constants, and for what only a chain sees.
    pub(super) fn read(&self, reader: NodeId, input: NodeId) -> Option<&Lie> {
        self.rounded_for(reader, input).or(self.places[input.index()].as_ref())
    }

    fn rounded_for(&self, reader: NodeId, input: NodeId) -> Option<&Lie> {
        self.rounded[input.index()].as_ref().filter(|_| self.from_rounded.contains(&(reader, input)))
    }
}

/// A value's place: where it begins and how far its pixels are apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lie {
    /// The first float in the arena.
    pub(super) start: usize,
    pub(super) form: Form,
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
    form: Form,
}

/// Settles every value's place.
pub(super) fn lay_out(shaped: &Shaped, chains: &Chains, options: &PlanOptions) -> Result<Layout> {
    let wanted = Wanted { shaped, level: options.level, formats: options.formats };
    let mut sharing = Sharing::new(shaped, chains, wanted);
    for (id, node) in shaped.graph.iter().collect::<Vec<_>>().into_iter().rev() {
        sharing.place(id, node);
    }
    let (ranges, arena_len) = arrange(&sharing.blocks);
    let needed = arena_len as u64 * size_of::<f32>() as u64;
    if needed > options.memory_limit {
        let what = "running this network at this size".to_owned();
        return Err(Error::Memory { what, needed, limit: options.memory_limit });
    }
    let lie = |(share, fact): (&Option<Share>, &crate::graph::shape::Fact)| {
        let share = (*share)?;
        let (pixels, channels) = (fact.len().checked_div(fact.channels()).unwrap_or(0), fact.channels());
        let Share { block, offset, form } = share;
        let len = pixels.checked_sub(1).map_or(0, |last| last * form.stride + form.elements.floats(channels));
        Some(Lie { start: ranges[block].start + offset, form, len })
    };
    Ok(Layout {
        places: sharing.shares.iter().zip(&shaped.facts).map(lie).collect(),
        rounded: sharing.rounded.iter().zip(&shaped.facts).map(lie).collect(),
        forms: sharing.forms(),
        from_rounded: sharing.from_rounded,
        arena_len,
    })
}

struct Sharing<'a> {
    shaped: &'a Shaped,
    chains: &'a Chains,
    wanted: Wanted<'a>,
    uses: Vec<usize>,
    /// Nodes whose values are the network's outputs.
    fetched: Vec<bool>,
    shares: Vec<Option<Share>>,
    rounded: Vec<Option<Share>>,
    from_rounded: HashSet<(NodeId, NodeId)>,
    /// Nodes some reader of which takes float32, and some bf16.
    read_as: [Vec<bool>; 2],
    blocks: Vec<Storage>,
    /// The last step that reads each node.
    last_read: Vec<usize>,
    /// Nodes some reader of which takes pixels that touch.
    wanted_dense: Vec<bool>,
}

impl<'a> Sharing<'a> {
    fn new(shaped: &'a Shaped, chains: &'a Chains, wanted: Wanted<'a>) -> Self {
        let count = shaped.graph.nodes().len();
        let mut sharing = Self {
            shaped,
            chains,
            wanted,
            uses: shaped.graph.uses(),
            fetched: vec![false; count],
            shares: vec![None; count],
            rounded: vec![None; count],
            from_rounded: HashSet::new(),
            read_as: [vec![false; count], vec![false; count]],
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
        if self.shaped.graph.is_stored(id) {
            return;
        }
        let fact = self.shaped.fact(id);
        if self.chains.is_inner(id) {
            return self.note_reads(id, node, self.elements(id, node));
        }
        let share = match self.shares[id.index()] {
            Some(share) => share,
            None => self.own(id, self.form(id, node, self.elements(id, node))),
        };
        self.shares[id.index()] = Some(share);
        if share.form.elements == Elements::Float32 && self.read_as[Elements::Bf16 as usize][id.index()] {
            let stride = Elements::Bf16.floats(fact.channels());
            self.rounded[id.index()] = Some(self.own(id, Form { stride, elements: Elements::Bf16 }));
        }
        self.note_reads(id, node, share.form.elements);
        let block = &mut self.blocks[share.block];
        // Inputs are written before the first step.
        let written = if matches!(node.op, Op::Input { .. }) { 0 } else { id.index() };
        block.first = block.first.min(written);
        block.last = block.last.max(self.last_read[id.index()]);
        match &node.op {
            op if is_another_name(op) => self.hand_on(node.inputs[0], share, true),
            Op::Concat => self.hand_to_parts(id, node, share),
            op if changes_in_place(op, fact.shape.len()) && share.form == self.form(id, node, Elements::Float32) => {
                self.hand_on_in_place(id, node, share);
            }
            _ => {}
        }
    }

    /// A block of a node's own.
    fn own(&mut self, id: NodeId, form: Form) -> Share {
        let fact = self.shaped.fact(id);
        let len = fact.len() / fact.channels().max(1) * form.stride;
        self.blocks.push(Storage { len, first: id.index(), last: self.last_read[id.index()] });
        Share { block: self.blocks.len() - 1, offset: 0, form }
    }

    /// What a value that has a block of its own is kept as: bf16 where all readers want it so.
    fn elements(&self, id: NodeId, node: &Node) -> Elements {
        let [float32, bf16] = [Elements::Float32, Elements::Bf16].map(|e| self.read_as[e as usize][id.index()]);
        let fits = !self.fetched[id.index()] && self.wanted.can_be_written(id, node);
        if bf16 && !float32 && fits { Elements::Bf16 } else { Elements::Float32 }
    }

    /// Notes what a node, kept as such elements itself, wants its inputs as.
    fn note_reads(&mut self, id: NodeId, node: &Node, own: Elements) {
        for (i, input) in node.inputs.iter().enumerate() {
            let first = node.inputs[..i].iter().all(|other| other != input);
            let as_bf16 = first && self.wanted.of_input(id, node, i, own) == Elements::Bf16;
            if as_bf16 {
                self.from_rounded.insert((id, *input));
            }
            if first {
                self.read_as[usize::from(as_bf16)][input.index()] = true;
            }
        }
    }

    /// Floats from pixel to pixel of a value that has a block of its own.
    ///
    /// A tile of a convolution reads the same channels of many pixels in turn. Where pixels are a multiple of
    /// [`CROWDING`] apart, those lie in one or two sets of L1 and push each other out.
    fn form(&self, id: NodeId, node: &Node, elements: Elements) -> Form {
        let (fact, dense) = (self.shaped.fact(id), self.fetched[id.index()] || self.wanted_dense[id.index()]);
        let floats = elements.floats(fact.channels());
        let crowded = fact.shape.len() == 4 && floats.is_multiple_of(CROWDING) && fact.len() > fact.channels();
        let apart = crowded && !dense && writes_pixels_apart(&node.op);
        Form { stride: floats + if apart { LINE } else { 0 }, elements }
    }

    /// How every value is kept.
    fn forms(&self) -> Vec<Form> {
        let form = |(id, node): (NodeId, &Node)| {
            let own = || self.form(id, node, self.elements(id, node));
            self.shares[id.index()].map_or_else(own, |share| share.form)
        };
        self.shaped.graph.iter().map(form).collect()
    }

    /// Lets `input` lie in the reader's share, if it has no share yet.
    fn hand_on(&mut self, input: NodeId, share: Share, always: bool) {
        let somewhere = !self.shaped.graph.is_stored(input) && !self.chains.is_inner(input);
        let free = somewhere && self.shares[input.index()].is_none();
        let channels = self.shaped.fact(input).channels();
        if free && (always || self.uses[input.index()] == 1) {
            // Another name may have other channels: its own pixels touch.
            let stride = if always { channels } else { share.form.stride };
            let form = Form { stride, ..share.form };
            self.shares[input.index()] = Some(Share { form, ..share });
        }
    }

    fn hand_to_parts(&mut self, id: NodeId, node: &Node, share: Share) {
        let Some(offsets) = channel_offsets(self.shaped, id, node) else { return };
        for (&input, offset) in node.inputs.iter().zip(offsets) {
            let part = self.shaped.graph.node(input);
            let fits = share.form.elements == Elements::Float32 || self.wanted.can_be_written(input, part);
            if writes_pixels_apart(&part.op) && fits && !self.fetched[input.index()] {
                let offset = share.offset + share.form.elements.floats(offset);
                self.hand_on(input, Share { offset, ..share }, false);
            }
        }
    }

    fn hand_on_in_place(&mut self, id: NodeId, node: &Node, share: Share) {
        let input = node.inputs[0];
        let same = self.shaped.fact(input).shape == self.shaped.fact(id).shape;
        let node = self.shaped.graph.node(input);
        let given = matches!(node.op, Op::Input { .. });
        let fits = share.form == self.form(input, node, Elements::Float32);
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
