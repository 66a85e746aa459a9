//! Lowering: the kernel of each operation.

mod contraction;
mod data_movement;
mod elementwise;
mod integer;

use std::collections::HashMap;
use std::ops::Range;

use lorgnette_kernels::{Buffer, ImageLayout, Level, NumericOptions, ThreadPool};

use self::contraction::{GemmLike, PackJob, pack_all};
use super::fused_group::{FusedGroup, Stage};
use super::kernel::Kernel;
use super::layout::{Layout, PixelLayout, is_alias};
use super::row_fusion::FusedGroups;
use super::row_kernel::RowKernel;
use super::weight_cache::{WeightCache, weight_buffer};
use super::{BufferRef, PlanOptions, Step, StepKernel};
use crate::error::{Error, Result, UnsupportedNode};
use crate::graph::evaluate::rows;
use crate::graph::op::{Op, PadMode};
use crate::graph::quantized::IntegerKernel;
use crate::graph::shape::{Fact, TypedGraph};
use crate::graph::{Node, NodeId};

/// A plan's steps.
pub(super) struct Lowered {
    pub(super) steps: Vec<Step>,
    pub(super) constants: Buffer,
    /// The byte offset in `constants` of each constant that a step reads.
    constant_offsets: Vec<Option<usize>>,
    /// The range in `constants` of each constant that a step reads as stored integers.
    byte_constants: Vec<Option<Range<usize>>>,
    /// Bytes of each value as float32.
    lengths: Vec<usize>,
}

impl Lowered {
    /// The place where a node finds its input; `as_bytes` tells how it reads
    /// constants.
    fn buffer_for(
        &self,
        layout: &Layout<'_>,
        reader: NodeId,
        input: NodeId,
        as_bytes: bool,
    ) -> BufferRef {
        if let Some(slot) = layout.read(reader, input) {
            return BufferRef::Arena(slot.range());
        }
        match &self.byte_constants[input.index()] {
            Some(range) if as_bytes => BufferRef::Constant(range.clone()),
            _ => self.buffer_of(layout, input),
        }
    }

    /// The place of a node's value.
    pub(super) fn buffer_of(&self, layout: &Layout<'_>, id: NodeId) -> BufferRef {
        match (&layout.slots[id.index()], self.constant_offsets[id.index()]) {
            (Some(slot), _) => BufferRef::Arena(slot.range()),
            (None, start) => {
                let start = start.unwrap_or(0);
                BufferRef::Constant(start..start + self.lengths[id.index()])
            }
        }
    }
}

/// A graph whose values have their places.
#[derive(Clone, Copy)]
pub(super) struct PlacedGraph<'a> {
    pub(super) typed: &'a TypedGraph,
    pub(super) groups: &'a FusedGroups,
    pub(super) layout: &'a Layout<'a>,
}

/// Chooses a kernel for every operation and packs the weights.
pub(super) fn lower(
    graph: PlacedGraph<'_>,
    weight_cache: &WeightCache,
    options: &PlanOptions,
    pool: &ThreadPool,
) -> Result<Lowered> {
    let PlacedGraph { typed, groups, layout } = graph;
    let mut lowering = Lowering {
        typed,
        groups,
        layout,
        weight_cache,
        level: options.level,
        numerics: options.numerics,
        budget: options.memory_limit.saturating_add(4 * constant_bytes(typed)),
        oom: None,
        failure: None,
        pending_steps: Vec::new(),
        pack_jobs: Vec::new(),
        constants: Vec::new(),
        constant_offsets: vec![None; typed.graph.nodes().len()],
        byte_constants: vec![None; typed.graph.nodes().len()],
    };
    let mut unsupported = Vec::new();
    for (id, node) in typed.graph.iter() {
        if let Err(what) = lowering.lower_node(id, node).and_then(|()| lowering.bf16_copy(id)) {
            if let Some(needed) = lowering.oom {
                let what = format!("what '{}' and others need beside the activations", node.name);
                return Err(Error::Memory { what, needed, limit: options.memory_limit });
            }
            if let Some(failure) = lowering.failure.take() {
                return Err(failure);
            }
            unsupported.push(UnsupportedNode {
                node: node.name.clone(),
                op: node.op.name().into(),
                what,
            });
        }
    }
    for &output in typed.graph.outputs() {
        lowering.place_constant(output);
    }
    if unsupported.is_empty() {
        lowering.finish(pool)
    } else {
        Err(Error::Unsupported(unsupported))
    }
}

/// Bytes of all constants.
fn constant_bytes(typed: &TypedGraph) -> u64 {
    let bytes = |node: &Node| match &node.op {
        Op::Const(tensor) => tensor.bytes().len() as u64,
        Op::Variable(stored) => (stored.len() * stored.dtype().size()) as u64,
        _ => 0,
    };
    typed.graph.nodes().iter().map(bytes).sum()
}

struct Lowering<'a> {
    typed: &'a TypedGraph,
    groups: &'a FusedGroups,
    layout: &'a Layout<'a>,
    weight_cache: &'a WeightCache,
    level: Level,
    numerics: NumericOptions,
    /// Bytes that are left for index tables and packed weights, of the memory limit and the size of
    /// the constants.
    budget: u64,
    /// The bytes that were needed when the budget was exceeded.
    oom: Option<u64>,
    /// Why a filter that a kernel needs could not be read.
    failure: Option<Error>,
    pending_steps: Vec<PendingStep>,
    pack_jobs: Vec<PackJob<'a>>,
    /// The bytes of the constants that steps read unpacked.
    constants: Vec<u8>,
    constant_offsets: Vec<Option<usize>>,
    byte_constants: Vec<Option<Range<usize>>>,
}

/// A step whose weights are not packed yet.
struct PendingStep {
    id: NodeId,
    kernel: PendingKernel,
    inputs: Vec<NodeId>,
    /// The range that the step writes, if not the node's whole value.
    part: Option<Range<usize>>,
}

enum PendingKernel {
    Ready(Kernel),
    Integer(IntegerKernel),
    /// A kernel whose weights the job of that number packs.
    GemmLike(GemmLike, usize),
}

impl<'a> Lowering<'a> {
    fn fact(&self, id: NodeId) -> &'a Fact {
        self.typed.fact(id)
    }

    /// The layout in which a value is written.
    fn image_layout(&self, id: NodeId) -> Result<ImageLayout, String> {
        self.image_layout_with(id, self.layout.pixel_layout(id))
    }

    /// The layout in which `reader` finds a value.
    fn image_layout_for(&self, reader: NodeId, id: NodeId) -> Result<ImageLayout, String> {
        self.image_layout_with(id, self.layout.pixel_layout_for(reader, id))
    }

    fn image_layout_with(
        &self,
        id: NodeId,
        PixelLayout { stride, storage }: PixelLayout,
    ) -> Result<ImageLayout, String> {
        let storage = storage.real()?;
        Ok(ImageLayout { stride, storage, ..rows(&self.fact(id).shape) })
    }

    fn step(&mut self, id: NodeId, kernel: Kernel, inputs: &[NodeId]) {
        for &input in inputs {
            self.place_constant(input);
        }
        self.pending_steps.push(PendingStep {
            id,
            kernel: PendingKernel::Ready(kernel),
            inputs: inputs.to_vec(),
            part: None,
        });
    }

    /// Takes the memory of an index table or of packed weights off the budget, before they are
    /// made.
    fn reserve(&mut self, entries: usize) -> Result<(), String> {
        let bytes = entries as u64 * 4;
        let left = self.budget.checked_sub(bytes).ok_or("it takes too much memory");
        self.budget = left.inspect_err(|_| self.oom = Some(bytes))?;
        Ok(())
    }

    /// Adds a constant to those that steps read, once.
    fn place_constant(&mut self, id: NodeId) {
        if let (Some(tensor), None) =
            (self.typed.graph.constant_of(id), self.constant_offsets[id.index()])
        {
            self.constant_offsets[id.index()] = Some(self.constants.len());
            self.constants.extend(bytemuck::cast_slice::<f32, u8>(&tensor.to_f32()));
        }
    }

    fn lower_node(&mut self, id: NodeId, node: &'a Node) -> Result<(), String> {
        if self.fact(id).is_empty() {
            return Ok(());
        }
        match &node.op {
            Op::Input { .. } | Op::Const(_) | Op::Variable(_) => Ok(()),
            Op::Quantized(quantized) => self.quantized(id, node, quantized),
            _ if self.fact(id).quantization.is_some() => self.move_bytes(id, node),
            op if is_alias(op) => self.alias(id, node),
            Op::Conv2d(conv) => self.conv(id, node, conv),
            Op::DepthwiseConv2d(conv) => self.depthwise(id, node, conv),
            Op::MatMul(product) => self.mat_mul(id, node, product),
            Op::Affine(_) | Op::Clamp(_) | Op::Unary(_) | Op::Cast(_) => self.elementwise(id, node),
            Op::Binary(function, clamp) => self.binary(id, node, *function, *clamp),
            Op::Pool(pool) => self.pool(id, node, pool),
            Op::Softmax { log } => self.softmax(id, node, *log),
            Op::Lrn(lrn) => self.lrn(id, node, *lrn),
            Op::Resize(resize) => self.resize(id, node, resize),
            Op::ResizeBicubic(how) => self.resize_bicubic(id, node, *how),
            Op::Resample(kind) => self.resample(id, node, *kind),
            Op::Reduce { kind, .. } => self.reduce(id, node, *kind),
            Op::ArgExtreme { smallest, .. } => self.arg_extreme(id, node, *smallest),
            Op::TopK { indices } => self.top_k(id, node, *indices),
            Op::Select => self.select(id, node),
            Op::Concat => self.concat(id, node),
            Op::Pack { axis } => self.pack(id, node, *axis),
            Op::Pad(PadMode::Constant) if self.is_spatial_pad(node) => self.pad(id, node),
            Op::RandomUniform => {
                Err("random numbers that reach the output: the graph is one for training".into())
            }
            Op::BatchNorm { .. } => Err("its statistics are computed, not constant".into()),
            _ => self.rearrange(id, node),
        }
    }

    /// The input `i` of a node.
    fn input(node: &Node, i: usize) -> Result<NodeId, String> {
        node.inputs.get(i).copied().ok_or_else(|| "an input is missing".into())
    }

    fn numbers(&self, id: NodeId) -> Result<Vec<i64>, String> {
        Ok(self
            .typed
            .graph
            .constant_of(id)
            .ok_or("a parameter is computed, not constant")?
            .to_i64())
    }

    /// Packs the weights on all threads and completes the steps.
    fn finish(self, pool: &ThreadPool) -> Result<Lowered> {
        let packed = pack_all(&self.pack_jobs, self.weight_cache, pool)?;
        let mut constants = weight_buffer(self.constants.len())?;
        constants.copy_from_slice(&self.constants);
        let mut lowered = Lowered {
            steps: Vec::with_capacity(self.pending_steps.len()),
            constants,
            constant_offsets: self.constant_offsets,
            byte_constants: self.byte_constants,
            lengths: self.typed.facts.iter().map(|fact| fact.len() * size_of::<f32>()).collect(),
        };
        let mut open_groups = HashMap::new();
        for pending in self.pending_steps {
            let kernel = match pending.kernel {
                PendingKernel::Ready(kernel) => StepKernel::Single(kernel),
                PendingKernel::Integer(kernel) => StepKernel::Integer(kernel),
                PendingKernel::GemmLike(sum, job) => {
                    StepKernel::Single(sum.kernel(&self.pack_jobs[job], packed[job].clone()))
                }
            };
            let as_bytes = matches!(kernel, StepKernel::Integer(_));
            let (id, last_node) = (pending.id, self.groups.last_node(pending.id));
            let (name, shape) =
                (self.typed.graph.node(id).name.clone(), self.typed.fact(id).shape.clone());
            let buffers = pending
                .inputs
                .iter()
                .map(|&input| lowered.buffer_for(self.layout, id, input, as_bytes));
            // A step that writes elsewhere, such as a rounded copy, is no stage.
            let row_block = self.groups.row_block(last_node).filter(|_| pending.part.is_none());
            let (kernel, inputs) = match (kernel, row_block) {
                (StepKernel::Single(Kernel::RowWise(kernel)), Some(row_block)) => {
                    let group: &mut PendingGroup = open_groups.entry(last_node).or_default();
                    group.push(name.clone(), shape.clone(), kernel, buffers);
                    if id != last_node {
                        continue;
                    }
                    let PendingGroup { stages, inputs } = std::mem::take(group);
                    (StepKernel::Group(FusedGroup::new(stages, row_block)), inputs)
                }
                (kernel, _) => (kernel, buffers.collect()),
            };
            let slot = self.layout.slots[id.index()].as_ref().expect("a step's result has a slot");
            let slot_range = slot.range();
            let storage = self.layout.pixel_layout(id).storage;
            let output = pending.part.unwrap_or(slot_range);
            lowered.steps.push(Step { name, kernel, inputs, output, shape, storage });
        }
        Ok(lowered)
    }
}

/// The stages of a group so far, and their inputs from outside.
#[derive(Default)]
struct PendingGroup {
    stages: Vec<Stage>,
    inputs: Vec<BufferRef>,
}

impl PendingGroup {
    fn push(
        &mut self,
        name: String,
        shape: Vec<usize>,
        kernel: RowKernel,
        buffers: impl Iterator<Item = BufferRef>,
    ) {
        // The first stage reads its first input from outside; all read their addends from outside.
        let before = self.inputs.len();
        self.inputs.extend(buffers.skip(usize::from(!self.stages.is_empty())));
        let residual = kernel.residual().map(|_| self.inputs.len() - 1);
        debug_assert!(self.inputs.len() - before <= 2, "a link reads one value and adds another");
        self.stages.push(Stage::new(name, shape, kernel, residual));
    }
}
