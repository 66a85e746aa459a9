//! Each operation's kernel.

mod moves;
mod sums;
mod values;

use std::collections::HashMap;

use lorgnette_kernels::{Buffer, Formats, Level, Map, Pool};

use self::sums::{Job, Sum, buffer, pack_all};
use super::chain::{Chain, Link};
use super::chains::Chains;
use super::kernel::Kernel;
use super::layout::{Form, Layout, is_another_name};
use super::packing::Packing;
use super::{Place, PlanOptions, Step};
use crate::error::{Error, Result, UnsupportedNode};
use crate::graph::evaluate::rows;
use crate::graph::op::{Op, PadMode};
use crate::graph::shape::{Fact, Shaped};
use crate::graph::{Node, NodeId};

/// A plan's steps.
pub(super) struct Lowered {
    pub(super) steps: Vec<Step>,
    pub(super) constants: Buffer,
    /// Where in `constants` each constant that a step reads begins.
    constant_places: Vec<Option<usize>>,
    lengths: Vec<usize>,
}

impl Lowered {
    /// Where a node finds the value of its input.
    fn place_for(&self, layout: &Layout, reader: NodeId, input: NodeId) -> Place {
        layout.read(reader, input).map_or_else(|| self.place_of(layout, input), |lie| Place::Arena(lie.range()))
    }

    /// Where a node's value is.
    pub(super) fn place_of(&self, layout: &Layout, id: NodeId) -> Place {
        match (&layout.places[id.index()], self.constant_places[id.index()]) {
            (Some(lie), _) => Place::Arena(lie.range()),
            (None, start) => {
                let start = start.unwrap_or(0);
                Place::Constant(start..start + self.lengths[id.index()])
            }
        }
    }
}

/// Chooses a kernel for every operation and packs the weights.
pub(super) fn lower(
    shaped: &Shaped,
    (chains, layout): (&Chains, &Layout),
    packing: &Packing,
    options: &PlanOptions,
    pool: &Pool,
) -> Result<Lowered> {
    let mut lowering = Lowering {
        shaped,
        chains,
        layout,
        packing,
        level: options.level,
        formats: options.formats,
        spare: options.memory_limit.saturating_add(4 * constant_bytes(shaped)),
        lacking: None,
        drafts: Vec::new(),
        jobs: Vec::new(),
        constants: Vec::new(),
        constant_places: vec![None; shaped.graph.nodes().len()],
    };
    let mut unsupported = Vec::new();
    for (id, node) in shaped.graph.iter() {
        if let Err(what) = lowering.node(id, node).map(|()| lowering.rounded(id)) {
            if let Some(needed) = lowering.lacking {
                let what = format!("what '{}' and others need beside the activations", node.name);
                return Err(Error::Memory { what, needed, limit: options.memory_limit });
            }
            unsupported.push(UnsupportedNode { node: node.name.clone(), op: node.op.name().into(), what });
        }
    }
    for &output in shaped.graph.outputs() {
        lowering.keep_constant(output);
    }
    if unsupported.is_empty() { lowering.finish(pool) } else { Err(Error::Unsupported(unsupported)) }
}

/// Bytes of all constants.
fn constant_bytes(shaped: &Shaped) -> u64 {
    let bytes = |node: &Node| match &node.op {
        Op::Const(tensor) => tensor.bytes().len() as u64,
        Op::Variable(stored) => (stored.len() * stored.dtype().size()) as u64,
        _ => 0,
    };
    shaped.graph.nodes().iter().map(bytes).sum()
}

struct Lowering<'a> {
    shaped: &'a Shaped,
    chains: &'a Chains,
    layout: &'a Layout,
    packing: &'a Packing,
    level: Level,
    formats: Formats,
    /// Bytes that index tables and packed weights may still take: as much as the activations may, and what the weights
    /// take unpacked.
    spare: u64,
    /// What was wanted when there was not enough.
    lacking: Option<u64>,
    drafts: Vec<Draft>,
    jobs: Vec<Job<'a>>,
    /// The constants that steps read as they are.
    constants: Vec<f32>,
    constant_places: Vec<Option<usize>>,
}

/// A step whose weights are yet to be packed.
struct Draft {
    id: NodeId,
    kernel: DraftKernel,
    inputs: Vec<NodeId>,
    /// Where in the node's value the step writes, if not all over it.
    part: Option<std::ops::Range<usize>>,
}

enum DraftKernel {
    Ready(Kernel),
    /// The sum whose weights are that job's.
    Sum(Sum, usize),
}

impl<'a> Lowering<'a> {
    fn fact(&self, id: NodeId) -> &'a Fact {
        self.shaped.fact(id)
    }

    /// The value's pixels and channels, and where they are written.
    fn map(&self, id: NodeId) -> Map {
        self.map_in(id, self.layout.form(id))
    }

    /// The value's pixels and channels, and where a node that reads it finds them.
    fn map_for(&self, reader: NodeId, id: NodeId) -> Map {
        self.map_in(id, self.layout.form_for(reader, id))
    }

    fn map_in(&self, id: NodeId, Form { stride, elements }: Form) -> Map {
        Map { stride, elements, ..rows(&self.fact(id).shape) }
    }

    fn step(&mut self, id: NodeId, kernel: Kernel, inputs: &[NodeId]) {
        for &input in inputs {
            self.keep_constant(input);
        }
        self.drafts.push(Draft { id, kernel: DraftKernel::Ready(kernel), inputs: inputs.to_vec(), part: None });
    }

    /// Takes the memory of an index table or of packed weights, before they are made.
    fn take(&mut self, entries: usize) -> Result<(), String> {
        let bytes = entries as u64 * 4;
        let left = self.spare.checked_sub(bytes).ok_or("it takes too much memory");
        self.spare = left.inspect_err(|_| self.lacking = Some(bytes))?;
        Ok(())
    }

    /// Makes sure that a constant which is read as it is lies where steps can read it.
    fn keep_constant(&mut self, id: NodeId) {
        if let (Some(tensor), None) = (self.shaped.graph.constant_of(id), self.constant_places[id.index()]) {
            self.constant_places[id.index()] = Some(self.constants.len());
            self.constants.extend(tensor.to_f32());
        }
    }

    fn node(&mut self, id: NodeId, node: &'a Node) -> Result<(), String> {
        if self.fact(id).is_empty() {
            return Ok(());
        }
        match &node.op {
            Op::Input { .. } | Op::Const(_) | Op::Variable(_) => Ok(()),
            op if is_another_name(op) => self.another_name(id, node),
            Op::Conv2d(conv) => self.conv(id, node, conv),
            Op::DepthwiseConv2d(conv) => self.depthwise(id, node, conv),
            Op::MatMul(product) => self.mat_mul(id, node, product),
            Op::Affine(_) | Op::Clamp(_) | Op::Unary(_) | Op::Cast(_) => self.each_value(id, node),
            Op::Binary(function, clamp) => self.binary(id, node, *function, *clamp),
            Op::Pool(_) | Op::Softmax { .. } | Op::Lrn(_) | Op::Resize(_) => self.neighbours(id, node),
            Op::Reduce { kind, .. } => self.reduce(id, node, *kind),
            Op::ArgExtreme { smallest, .. } => self.arg_extreme(id, node, *smallest),
            Op::TopK { indices } => self.top_k(id, node, *indices),
            Op::Select => self.select(id, node),
            Op::Concat => self.concat(id, node),
            Op::Pack { axis } => self.stack(id, node, *axis),
            Op::Pad(PadMode::Constant) if self.is_plain_pad(node) => self.pad(id, node),
            Op::RandomUniform => Err("random numbers that reach the output: the graph is one for training".into()),
            Op::BatchNorm { .. } => Err("its statistics are computed, not constant".into()),
            _ => self.rearrange(id, node),
        }
    }

    /// A node's input number `i`.
    fn input(node: &Node, i: usize) -> Result<NodeId, String> {
        node.inputs.get(i).copied().ok_or_else(|| "an input is missing".into())
    }

    fn numbers(&self, id: NodeId) -> Result<Vec<i64>, String> {
        Ok(self.shaped.graph.constant_of(id).ok_or("a parameter is computed, not constant")?.to_i64())
    }

    /// Packs the weights, on all threads, and completes the steps.
    fn finish(self, pool: &Pool) -> Result<Lowered> {
        let packed = pack_all(&self.jobs, self.packing, pool)?;
        let mut constants = buffer(self.constants.len())?;
        constants.copy_from_slice(&self.constants);
        let mut lowered = Lowered {
            steps: Vec::with_capacity(self.drafts.len()),
            constants,
            constant_places: self.constant_places,
            lengths: self.shaped.facts.iter().map(Fact::len).collect(),
        };
        let mut open = HashMap::new();
        for draft in self.drafts {
            let kernel = match draft.kernel {
                DraftKernel::Ready(kernel) => kernel,
                DraftKernel::Sum(sum, job) => sum.kernel(&self.jobs[job], packed[job].clone()),
            };
            let (id, end) = (draft.id, self.chains.end(draft.id));
            let (name, shape) = (self.shaped.graph.node(id).name.clone(), self.shaped.fact(id).shape.clone());
            let places = draft.inputs.iter().map(|&input| lowered.place_for(self.layout, id, input));
            // What is written elsewhere, such as a rounded copy, is no link.
            let (kernel, inputs) = match self.chains.band(end).filter(|_| draft.part.is_none()) {
                None => (kernel, places.collect()),
                Some(band) => {
                    let draft: &mut ChainDraft = open.entry(end).or_default();
                    draft.link(name.clone(), shape.clone(), kernel, places);
                    if id != end {
                        continue;
                    }
                    let ChainDraft { links, inputs } = std::mem::take(draft);
                    (Kernel::Chain(Chain::new(links, band)), inputs)
                }
            };
            let Place::Arena(whole) = lowered.place_of(self.layout, id) else {
                unreachable!("steps write to the arena")
            };
            let elements = self.layout.form(id).elements;
            let output = draft.part.unwrap_or(whole);
            lowered.steps.push(Step { name, kernel, inputs, output, shape, elements });
        }
        Ok(lowered)
    }
}

/// The links of a chain so far, and what they read that is not another's.
#[derive(Default)]
struct ChainDraft {
    links: Vec<Link>,
    inputs: Vec<Place>,
}

impl ChainDraft {
    fn link(&mut self, name: String, shape: Vec<usize>, kernel: Kernel, places: impl Iterator<Item = Place>) {
        // The first link reads its first input from outside; all read what they add from there.
        let before = self.inputs.len();
        self.inputs.extend(places.skip(usize::from(!self.links.is_empty())));
        let residual = kernel.residual().map(|_| self.inputs.len() - 1);
        debug_assert!(self.inputs.len() - before <= 2, "a link reads one value and adds another");
        self.links.push(Link::new(name, shape, kernel, residual));
    }
}
