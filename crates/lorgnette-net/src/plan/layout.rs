//! The layout of values in memory: which of them share a block, and the blocks' places.
//!
//! A reshape is an alias of its input. The parts of a concatenation along channels are written
//! directly to their places in it if it is their only reader. An activation whose input has no
//! other reader works in place. Pixels at a stride that would cause cache conflicts are padded.

use std::ops::Range;

use lorgnette_kernels::Level;

use super::concatenation::channel_offsets;
use super::memory::{Block, LINE, assign_ranges};
use super::row_fusion::FusedGroups;
use super::storage_types::{Storage, StorageTypes};
use crate::error::{Error, Result};
use crate::graph::op::Op;
use crate::graph::shape::TypedGraph;
use crate::graph::{Node, NodeId};
use crate::plan::PlanOptions;
use crate::tensor::DType;

/// The place of each node's value.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    storage: &'a StorageTypes,
    /// For each node that is computed at run time, its place; `None` for constants and for values
    /// within a fused group.
    pub(super) slots: Vec<Option<Slot>>,
    /// For each node, the pixel stride and storage type of its value.
    pixel_layouts: Vec<PixelLayout>,
    /// For nodes whose value is float32 but which some readers prefer as bf16, the place of the
    /// rounded copy.
    pub(super) bf16_copies: Vec<Option<Slot>>,
    /// Length of the arena in bytes.
    pub(super) arena_len: usize,
}

/// Pixel stride and storage type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PixelLayout {
    /// Distance between pixels in elements.
    pub(super) stride: usize,
    /// How the values are stored.
    pub(super) storage: Storage,
}

impl PixelLayout {
    /// The bytes of that many pixels of `channels`, up to the last value of the last one.
    fn bytes(self, pixels: usize, channels: usize) -> usize {
        let last = self.storage.pixel_len(channels);
        pixels
            .checked_sub(1)
            .map_or(0, |before| (before * self.stride + last) * self.storage.size())
    }
}

impl Layout<'_> {
    /// The pixel layout of a node's value.
    pub(super) fn pixel_layout(&self, id: NodeId) -> PixelLayout {
        self.pixel_layouts[id.index()]
    }

    /// The pixel layout in which `reader` finds its input.
    pub(super) fn pixel_layout_for(&self, reader: NodeId, input: NodeId) -> PixelLayout {
        self.bf16_copy_for(reader, input).map_or(self.pixel_layout(input), |slot| slot.pixel_layout)
    }

    /// The place where `reader` finds its input; `None` for constants and for values within a fused
    /// group.
    pub(super) fn read(&self, reader: NodeId, input: NodeId) -> Option<&Slot> {
        self.bf16_copy_for(reader, input).or(self.slots[input.index()].as_ref())
    }

    fn bf16_copy_for(&self, reader: NodeId, input: NodeId) -> Option<&Slot> {
        self.bf16_copies[input.index()].as_ref().filter(|_| self.storage.reads_bf16(reader, input))
    }
}

/// The place of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Offset in the arena, in bytes.
    pub(super) start: usize,
    pub(super) pixel_layout: PixelLayout,
    /// Bytes from the first to the last.
    pub(super) len: usize,
}

impl Slot {
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

/// A part of a block, before blocks have places.
#[derive(Clone, Copy, Debug)]
struct Alias {
    block: usize,
    /// In bytes.
    offset: usize,
    pixel_layout: PixelLayout,
}

/// Assigns a place to every value.
pub(super) fn assign_slots<'a>(
    typed: &TypedGraph,
    storage: &'a StorageTypes,
    groups: &FusedGroups,
    options: &PlanOptions,
) -> Result<Layout<'a>> {
    let mut analysis = AliasAnalysis::new(typed, storage, groups, options.level);
    for (id, node) in typed.graph.iter().collect::<Vec<_>>().into_iter().rev() {
        analysis.assign(id, node);
    }
    let (ranges, arena_len) = assign_ranges(&analysis.blocks);
    let needed = arena_len as u64;
    if needed > options.memory_limit {
        let what = "running this network at this size".to_owned();
        return Err(Error::Memory { what, needed, limit: options.memory_limit });
    }
    let slot = |(alias, fact): (&Option<Alias>, &crate::graph::shape::Fact)| {
        let alias = (*alias)?;
        let (pixels, channels) =
            (fact.len().checked_div(fact.channels()).unwrap_or(0), fact.channels());
        let Alias { block, offset, pixel_layout } = alias;
        let len = pixel_layout.bytes(pixels, channels);
        Some(Slot { start: ranges[block].start + offset, pixel_layout, len })
    };
    Ok(Layout {
        slots: analysis.aliases.iter().zip(&typed.facts).map(slot).collect(),
        bf16_copies: analysis.bf16_copies.iter().zip(&typed.facts).map(slot).collect(),
        pixel_layouts: analysis.pixel_layouts(),
        storage,
        arena_len,
    })
}

struct AliasAnalysis<'a> {
    typed: &'a TypedGraph,
    storage: &'a StorageTypes,
    groups: &'a FusedGroups,
    level: Level,
    uses: Vec<usize>,
    /// Nodes whose values are the network's outputs.
    fetched: Vec<bool>,
    aliases: Vec<Option<Alias>>,
    bf16_copies: Vec<Option<Alias>>,
    blocks: Vec<Block>,
    /// The last step that reads each node.
    last_read: Vec<usize>,
    /// Whether some reader of a node needs pixels without padding.
    needs_dense: Vec<bool>,
}

impl<'a> AliasAnalysis<'a> {
    fn new(
        typed: &'a TypedGraph,
        storage: &'a StorageTypes,
        groups: &'a FusedGroups,
        level: Level,
    ) -> Self {
        let node_count = typed.graph.nodes().len();
        let mut analysis = Self {
            typed,
            storage,
            groups,
            level,
            uses: typed.graph.uses(),
            fetched: vec![false; node_count],
            aliases: vec![None; node_count],
            bf16_copies: vec![None; node_count],
            blocks: Vec::new(),
            last_read: (0..node_count).collect(),
            needs_dense: vec![false; node_count],
        };
        for (id, node) in typed.graph.iter() {
            for input in &node.inputs {
                let read = &mut analysis.last_read[input.index()];
                *read = groups.last_node(id).index().max(*read);
                analysis.needs_dense[input.index()] |=
                    !accepts_padded_pixels(&node.op, typed.fact(id).shape.len());
            }
        }
        for output in typed.graph.outputs() {
            analysis.fetched[output.index()] = true;
            analysis.last_read[output.index()] = node_count;
        }
        analysis
    }

    /// Assigns an alias to a node, whose readers have theirs already, and propagates it to inputs
    /// that can share the block.
    fn assign(&mut self, id: NodeId, node: &Node) {
        if self.typed.graph.is_stored(id) || self.groups.is_inner(id) {
            return;
        }
        let fact = self.typed.fact(id);
        let alias = match self.aliases[id.index()] {
            Some(alias) => alias,
            None => self.allocate(id, self.pixel_layout(id, node)),
        };
        self.aliases[id.index()] = Some(alias);
        if self.storage.has_bf16_copy(id) {
            let storage = Storage::BF16;
            let stride = storage.pixel_len(fact.channels());
            self.bf16_copies[id.index()] = Some(self.allocate(id, PixelLayout { stride, storage }));
        }
        let block = &mut self.blocks[alias.block];
        // Inputs are written before the first step.
        let written = if matches!(node.op, Op::Input { .. }) { 0 } else { id.index() };
        block.first = block.first.min(written);
        block.last = block.last.max(self.last_read[id.index()]);
        match &node.op {
            op if is_alias(op) => self.propagate_alias(node.inputs[0], alias, true),
            Op::Concat => self.propagate_to_parts(id, node, alias),
            op if can_run_in_place(op, fact.shape.len())
                && alias.pixel_layout.storage == Storage::FLOAT32
                && alias.pixel_layout == self.pixel_layout(id, node) =>
            {
                self.propagate_in_place(id, node, alias);
            }
            _ => {}
        }
    }

    /// Adds a block for a node.
    fn allocate(&mut self, id: NodeId, pixel_layout: PixelLayout) -> Alias {
        let fact = self.typed.fact(id);
        let pixels = fact.len() / fact.channels().max(1);
        let len = pixels * pixel_layout.stride * pixel_layout.storage.size();
        self.blocks.push(Block { len, first: id.index(), last: self.last_read[id.index()] });
        Alias { block: self.blocks.len() - 1, offset: 0, pixel_layout }
    }

    /// The pixel layout of a value with its own block.
    ///
    /// A convolution's tile reads the same channels of many pixels in turn. If the stride is a
    /// multiple of the conflict stride, these map to one or two sets of L1 and evict each other.
    fn pixel_layout(&self, id: NodeId, node: &Node) -> PixelLayout {
        let (fact, storage) = (self.typed.fact(id), self.storage.get(id));
        let dense = self.fetched[id.index()] || self.needs_dense[id.index()];
        let pixel_len = storage.pixel_len(fact.channels());
        let l1_conflict_stride = self.level.isa().caches.l1_conflict_stride;
        let conflicts = fact.shape.len() == 4
            && (pixel_len * storage.size()).is_multiple_of(l1_conflict_stride)
            && fact.len() > fact.channels();
        let padded = conflicts && !dense && can_write_padded_pixels(&node.op);
        let padding = if padded { LINE / storage.size() } else { 0 };
        PixelLayout { stride: pixel_len + padding, storage }
    }

    /// The pixel layouts of all values.
    fn pixel_layouts(&self) -> Vec<PixelLayout> {
        let pixel_layout = |(id, node): (NodeId, &Node)| {
            let own = || self.pixel_layout(id, node);
            self.aliases[id.index()].map_or_else(own, |alias| alias.pixel_layout)
        };
        self.typed.graph.iter().map(pixel_layout).collect()
    }

    /// Gives `input` the reader's alias, if it has none yet.
    fn propagate_alias(&mut self, input: NodeId, alias: Alias, is_same_value: bool) {
        let has_slot = !self.typed.graph.is_stored(input) && !self.groups.is_inner(input);
        let free = has_slot && self.aliases[input.index()].is_none();
        let channels = self.typed.fact(input).channels();
        if free && (is_same_value || self.uses[input.index()] == 1) {
            // An alias may have another number of channels; its pixels have no padding.
            let PixelLayout { stride, storage } = alias.pixel_layout;
            let stride = if is_same_value { storage.pixel_len(channels) } else { stride };
            let pixel_layout = PixelLayout { stride, storage };
            self.aliases[input.index()] = Some(Alias { pixel_layout, ..alias });
        }
    }

    fn propagate_to_parts(&mut self, id: NodeId, node: &Node, alias: Alias) {
        // Kernels of integers write pixels without padding.
        if matches!(alias.pixel_layout.storage, Storage::Integers(_)) {
            return;
        }
        let Some(offsets) = channel_offsets(self.typed, id, node) else { return };
        for (&input, offset) in node.inputs.iter().zip(offsets) {
            let part = self.typed.graph.node(input);
            let fits = alias.pixel_layout.storage == self.storage.get(input);
            if can_write_padded_pixels(&part.op) && fits && !self.fetched[input.index()] {
                let offset = alias.offset + offset * alias.pixel_layout.storage.size();
                self.propagate_alias(input, Alias { offset, ..alias }, false);
            }
        }
    }

    fn propagate_in_place(&mut self, id: NodeId, node: &Node, alias: Alias) {
        let input = node.inputs[0];
        let same = self.typed.fact(input).shape == self.typed.fact(id).shape;
        let node = self.typed.graph.node(input);
        let is_input = matches!(node.op, Op::Input { .. });
        let fits = alias.pixel_layout == self.pixel_layout(input, node);
        if same && fits && !is_input && !self.fetched[input.index()] && !is_alias(&node.op) {
            self.propagate_alias(input, alias, false);
        }
    }
}

/// True if the operation's result is its input under another shape.
pub(super) fn is_alias(op: &Op) -> bool {
    // Integers are floats at run time; all that occur there are small enough to be exact.
    let widens = matches!(op, Op::Cast(DType::F32 | DType::F64));
    widens || matches!(op, Op::Identity | Op::Reshape | Op::Squeeze { .. } | Op::ExpandDims)
}

/// True if the operation's kernel can overwrite its first input.
fn can_run_in_place(op: &Op, rank: usize) -> bool {
    match op {
        Op::Affine(_) | Op::Clamp(_) | Op::Unary(_) | Op::Softmax { .. } => true,
        // Above four dimensions it reads through index tables.
        Op::Binary(..) => rank <= 4,
        _ => false,
    }
}

/// True if the operation's kernel can write padded pixels.
fn can_write_padded_pixels(op: &Op) -> bool {
    matches!(
        op,
        Op::Conv2d(_)
            | Op::DepthwiseConv2d(_)
            | Op::Pool(_)
            | Op::Affine(_)
            | Op::Clamp(_)
            | Op::Unary(_)
            | Op::Concat
    )
}

/// True if the operation's kernel can read padded pixels.
fn accepts_padded_pixels(op: &Op, rank: usize) -> bool {
    match op {
        Op::Binary(..) => rank <= 4,
        Op::Conv2d(_)
        | Op::DepthwiseConv2d(_)
        | Op::Pool(_)
        | Op::Affine(_)
        | Op::Clamp(_)
        | Op::Unary(_) => true,
        Op::Lrn(_) | Op::Resize(_) | Op::ResizeBicubic(_) | Op::Concat => true,
        _ => false,
    }
}
