//! Each operation's kernel.

use std::sync::Arc;

use lorgnette_kernels::general::{self, FILL, Reduction};
use lorgnette_kernels::{
    Binary, Buffer, Clamp, ConvKernel, ConvShape, DepthwiseKernel, DepthwiseShape, Filter, Level, Map, Padding, Pool,
    Window, choose_conv, choose_depthwise,
};

use super::kernel::Kernel;
use super::layout::{Layout, channel_offsets, is_another_name};
use super::packing::{Key, Packing};
use super::{Place, Step};
use crate::error::{Error, Result, UnsupportedNode};
use crate::graph::evaluate::{conv_window, groups, index, pool_shape, rows, select_sources, sources};
use crate::graph::op::{Conv, Epilogue, MatMul, Op, PadMode};
use crate::graph::rearrange::{axis, rearrangement};
use crate::graph::specialise::{Fact, Shaped};
use crate::graph::{Node, NodeId};
use crate::tensor::{DType, Tensor};

/// A plan's steps.
pub(super) struct Lowered {
    pub(super) steps: Vec<Step>,
    pub(super) constants: Buffer,
    /// Where in `constants` each constant that a step reads begins.
    constant_places: Vec<Option<usize>>,
    lengths: Vec<usize>,
}

impl Lowered {
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
pub(super) fn lower(shaped: &Shaped, layout: &Layout, packing: &Packing, level: Level, pool: &Pool) -> Result<Lowered> {
    let mut lowering = Lowering {
        shaped,
        layout,
        packing,
        level,
        drafts: Vec::new(),
        jobs: Vec::new(),
        constants: Vec::new(),
        constant_places: vec![None; shaped.graph.nodes().len()],
    };
    let mut unsupported = Vec::new();
    for (id, node) in shaped.graph.iter() {
        if let Err(what) = lowering.node(id, node) {
            unsupported.push(UnsupportedNode { node: node.name.clone(), op: node.op.name().into(), what });
        }
    }
    for &output in shaped.graph.outputs() {
        lowering.keep_constant(output);
    }
    if unsupported.is_empty() { lowering.finish(pool) } else { Err(Error::Unsupported(unsupported)) }
}

struct Lowering<'a> {
    shaped: &'a Shaped,
    layout: &'a Layout,
    packing: &'a Packing,
    level: Level,
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

enum Sum {
    Conv { kernel: &'static ConvKernel, shape: ConvShape, residual: Option<usize> },
    Depthwise { kernel: &'static DepthwiseKernel, shape: DepthwiseShape },
}

/// Weights to pack.
struct Job<'a> {
    filter: &'a Tensor,
    epilogue: &'a Epilogue,
    transposed: bool,
    len: usize,
    key: Key,
    pack: Packer,
}

enum Packer {
    Conv(&'static ConvKernel, ConvShape),
    Depthwise(&'static DepthwiseKernel, DepthwiseShape),
}

impl<'a> Lowering<'a> {
    fn fact(&self, id: NodeId) -> &'a Fact {
        self.shaped.fact(id)
    }

    /// The value's pixels and channels, and where they lie.
    fn map(&self, id: NodeId) -> Map {
        let dense = rows(&self.fact(id).shape);
        let stride = self.layout.places[id.index()].as_ref().map_or(dense.channels, |lie| lie.stride);
        Map { stride, ..dense }
    }

    fn step(&mut self, id: NodeId, kernel: Kernel, inputs: &[NodeId]) {
        for &input in inputs {
            self.keep_constant(input);
        }
        self.drafts.push(Draft { id, kernel: DraftKernel::Ready(kernel), inputs: inputs.to_vec(), part: None });
    }

    /// Makes sure that a constant which is read as it is lies where steps can read it.
    fn keep_constant(&mut self, id: NodeId) {
        if let (Some(tensor), None) = (self.shaped.graph.constant_of(id), self.constant_places[id.index()]) {
            self.constant_places[id.index()] = Some(self.constants.len());
            self.constants.extend(tensor.to_f32());
        }
    }

    fn node(&mut self, id: NodeId, node: &'a Node) -> Result<(), String> {
        let x = node.inputs.first().copied();
        let input = |i: usize| node.inputs.get(i).copied().ok_or("an input is missing");
        if self.fact(id).is_empty() {
            return Ok(());
        }
        match &node.op {
            Op::Input { .. } | Op::Const(_) => {}
            op if is_another_name(op) => self.another_name(id, input(0)?),
            Op::Conv2d(conv) => self.conv(id, node, conv)?,
            Op::DepthwiseConv2d(conv) => self.depthwise(id, node, conv)?,
            Op::MatMul(product) => self.mat_mul(id, node, product)?,
            Op::Affine(epilogue) => {
                let (scale, shift, clamp) = (epilogue.scale.clone(), epilogue.shift.clone(), epilogue.limits());
                let kernel = Kernel::Affine { from: self.map(input(0)?), to: self.map(id), scale, shift, clamp };
                self.step(id, kernel, &node.inputs);
            }
            Op::Clamp(clamp) => {
                let (from, to) = (self.map(input(0)?), self.map(id));
                self.step(id, Kernel::Affine { from, to, scale: None, shift: None, clamp: *clamp }, &node.inputs);
            }
            Op::Unary(function) => {
                let kernel = Kernel::Unary { function: *function, from: self.map(input(0)?), to: self.map(id) };
                self.step(id, kernel, &node.inputs);
            }
            Op::Binary(function, clamp) => self.binary(id, node, *function, *clamp)?,
            Op::Pool(pool) => {
                let shape = pool_shape(pool, &self.fact(input(0)?).shape, self.fact(id))?;
                let (from, to) = (self.map(input(0)?), self.map(id));
                let kernel = Kernel::Pool(lorgnette_kernels::PoolShape { input: from, output: to, ..shape });
                self.step(id, kernel, &node.inputs);
            }
            Op::Reduce { kind, .. } => self.reduce(id, input(0)?, input(1)?, *kind)?,
            Op::Softmax { log } => {
                let columns = self.fact(id).channels();
                let rows = self.fact(id).len() / columns;
                self.step(id, Kernel::Softmax { rows, columns, log: *log }, &node.inputs);
            }
            Op::Lrn(lrn) => {
                let kernel = Kernel::Lrn { lrn: *lrn, from: self.map(input(0)?), to: self.map(id) };
                self.step(id, kernel, &node.inputs);
            }
            Op::Resize(resize) => {
                let (from, to) = (self.map(input(0)?), self.map(id));
                let kernel = Kernel::Resize { bilinear: resize.bilinear, how: resize.how, from, to };
                self.step(id, kernel, &[input(0)?]);
            }
            Op::Concat => self.concat(id, node)?,
            Op::Pack { axis: at } => {
                let at = axis(*at, self.fact(id).shape.len())?;
                self.join(id, &node.inputs, at, &vec![1; node.inputs.len()]);
            }
            Op::Select => {
                let shapes = [0, 1, 2].map(|i| self.fact(node.inputs[i]).shape.as_slice());
                let [condition, a, b] = select_sources(&shapes, &self.fact(id).shape)?.map(Vec::into_boxed_slice);
                self.step(id, Kernel::Select { condition, a, b }, &node.inputs);
            }
            Op::ArgExtreme { smallest, .. } => {
                let (sources, group) = groups(&self.fact(input(0)?).shape, &self.numbers(input(1)?)?[..1])?;
                let kernel = Kernel::ArgExtreme { smallest: *smallest, sources: sources.into(), group };
                self.step(id, kernel, &[input(0)?]);
            }
            Op::TopK { indices } => {
                let (columns, k) = (self.fact(input(0)?).channels(), self.fact(id).channels());
                self.step(id, Kernel::TopK { columns, k, indices: *indices }, &[input(0)?]);
            }
            Op::Cast(DType::Bool) => self.step(id, Kernel::Truth, &node.inputs),
            Op::Cast(to) if to.is_float() => self.step(id, Kernel::Round(*to), &node.inputs),
            Op::Cast(_) => self.step(id, Kernel::Truncate, &node.inputs),
            Op::Pad(PadMode::Constant) if self.is_plain_pad(node) => self.pad(id, node)?,
            Op::RandomUniform => return Err("random numbers that reach the output: the graph is one for training".into()),
            Op::BatchNorm { .. } => return Err("its statistics are computed, not constant".into()),
            _ => self.rearrange(id, node, x)?,
        }
        Ok(())
    }

    /// A value that lies where its input does, or is copied from there.
    fn another_name(&mut self, id: NodeId, input: NodeId) {
        let start = |id: NodeId| self.layout.places[id.index()].as_ref().map(|lie| lie.start);
        if start(id) != start(input) {
            // The shapes differ; the values, in a row, do not.
            let row = Map::dense(1, 1, 1, self.fact(id).len());
            self.step(id, Kernel::Copy { from: row, to: row }, &[input]);
        }
    }

    fn numbers(&self, id: NodeId) -> Result<Vec<i64>, String> {
        Ok(self.shaped.graph.constant_of(id).ok_or("a parameter is computed, not constant")?.to_i64())
    }

    /// Adds a job for the weights `filter` and gives its number.
    fn job(&mut self, filter: NodeId, epilogue: &'a Epilogue, transposed: bool, pack: Packer) -> Result<usize, String> {
        let name = &self.shaped.graph.node(filter).name;
        let tensor = self.shaped.graph.constant_of(filter).ok_or("its filter is computed, not constant")?;
        let (layout, len) = match &pack {
            Packer::Conv(kernel, shape) => (kernel.layout, (kernel.packed_len)(shape)),
            Packer::Depthwise(kernel, shape) => (kernel.layout, (kernel.packed_len)(shape)),
        };
        let scale = epilogue.scale.as_ref().map(|scale| scale.iter().map(|v| v.to_bits()).collect());
        let layout = format!("{} {layout} {:?} {transposed}", self.level, tensor.shape());
        let key = Key { filter: name.clone(), layout, scale };
        self.jobs.push(Job { filter: tensor, epilogue, transposed, len, key, pack });
        Ok(self.jobs.len() - 1)
    }

    fn sum(&mut self, id: NodeId, sum: Sum, job: usize, inputs: Vec<NodeId>) {
        for &input in &inputs {
            self.keep_constant(input);
        }
        self.drafts.push(Draft { id, kernel: DraftKernel::Sum(sum, job), inputs, part: None });
    }

    fn conv(&mut self, id: NodeId, node: &'a Node, conv: &'a Conv) -> Result<(), String> {
        let (x, filter) = (node.inputs[0], node.inputs[1]);
        let window = conv_window(conv, &self.fact(x).shape, &self.fact(filter).shape)?;
        let shape = ConvShape { input: self.map(x), output: self.map(id), window };
        self.conv_step(id, node, shape, &conv.epilogue, false)
    }

    fn conv_step(
        &mut self,
        id: NodeId,
        node: &'a Node,
        shape: ConvShape,
        epilogue: &'a Epilogue,
        transposed: bool,
    ) -> Result<(), String> {
        let kernel = choose_conv(&shape, self.level);
        let job = self.job(node.inputs[1], epilogue, transposed, Packer::Conv(kernel, shape))?;
        let mut inputs = vec![node.inputs[0]];
        let residual = epilogue.residual.then(|| node.inputs[2]);
        inputs.extend(residual);
        let residual = residual.map(|id| self.map(id).stride);
        self.sum(id, Sum::Conv { kernel, shape, residual }, job, inputs);
        Ok(())
    }

    fn depthwise(&mut self, id: NodeId, node: &'a Node, conv: &'a Conv) -> Result<(), String> {
        let (x, filter) = (node.inputs[0], node.inputs[1]);
        let window = conv_window(conv, &self.fact(x).shape, &self.fact(filter).shape)?;
        let multiplier = self.fact(filter).shape[3];
        let shape = DepthwiseShape { input: self.map(x), output: self.map(id), window, multiplier };
        let kernel = choose_depthwise(&shape, self.level);
        let job = self.job(filter, &conv.epilogue, false, Packer::Depthwise(kernel, shape))?;
        self.sum(id, Sum::Depthwise { kernel, shape }, job, vec![x]);
        Ok(())
    }

    /// With constant weights, a 1×1 convolution over the rows; else the plain product.
    fn mat_mul(&mut self, id: NodeId, node: &'a Node, product: &'a MatMul) -> Result<(), String> {
        let (a, b) = (node.inputs[0], node.inputs[1]);
        let [rows, columns] = self.fact(id).shape[..] else { return Err("a product of matrices is a matrix".into()) };
        let inner = self.fact(a).len() / rows;
        let constant = self.shaped.graph.constant_of(b).is_some();
        if constant && !product.transpose_a {
            let map = |channels| Map::dense(1, 1, rows, channels);
            let shape = ConvShape { input: map(inner), output: map(columns), window: Window::POINT };
            return self.conv_step(id, node, shape, &product.epilogue, product.transpose_b);
        }
        let (transpose_a, transpose_b) = (product.transpose_a, product.transpose_b);
        self.step(id, Kernel::MatMul(general::MatMul { rows, inner, columns, transpose_a, transpose_b }), &[a, b]);
        let Epilogue { scale, shift, residual, .. } = &product.epilogue;
        if scale.is_some() || shift.is_some() || *residual || product.epilogue.clamp.is_some() {
            return Err("a computed right matrix with more than the product".into());
        }
        Ok(())
    }

    fn binary(&mut self, id: NodeId, node: &Node, function: Binary, clamp: Clamp) -> Result<(), String> {
        let shape = &self.fact(id).shape;
        let [a, b] = [node.inputs[0], node.inputs[1]];
        let kernel = if shape.len() <= 4 {
            let map = |id: NodeId, fact: &Fact| Map { stride: self.map(id).stride, ..wide(&fact.shape) };
            Kernel::Binary { function, a: map(a, self.fact(a)), b: map(b, self.fact(b)), to: map(id, self.fact(id)), clamp }
        } else {
            let table = |id: NodeId| sources(&self.fact(id).shape, shape).map(Vec::into_boxed_slice);
            Kernel::BinaryIndexed { function, a: table(a)?, b: table(b)?, clamp }
        };
        self.step(id, kernel, &[a, b]);
        Ok(())
    }

    fn reduce(&mut self, id: NodeId, x: NodeId, axes: NodeId, kind: Reduction) -> Result<(), String> {
        let axes = self.numbers(axes)?;
        let shape = &self.fact(x).shape;
        let mut over: Vec<usize> = axes.iter().map(|&a| axis(a, shape.len())).collect::<Result<_, _>>()?;
        over.sort_unstable();
        let kernel = if kind == Reduction::Mean && shape.len() == 4 && over == [1, 2] {
            Kernel::MeanOverPixels { from: self.map(x) }
        } else {
            let (sources, group) = groups(shape, &axes)?;
            Kernel::Reduce { kind, sources: sources.into(), group }
        };
        self.step(id, kernel, &[x]);
        Ok(())
    }

    fn concat(&mut self, id: NodeId, node: &Node) -> Result<(), String> {
        let (at, parts) = node.inputs.split_last().ok_or("it joins nothing")?;
        let at = axis(self.numbers(*at)?[0], self.fact(id).shape.len())?;
        let lengths: Vec<usize> = parts.iter().map(|part| self.fact(*part).shape[at]).collect();
        if let Some(offsets) = channel_offsets(self.shaped, id, node) {
            self.join_channels(id, parts, &offsets);
        } else {
            self.join(id, parts, at, &lengths);
        }
        Ok(())
    }

    /// Copies the parts that could not be written to their places at once.
    fn join_channels(&mut self, id: NodeId, parts: &[NodeId], offsets: &[usize]) {
        let place = self.layout.places[id.index()].clone().expect("a concatenation is computed");
        for (&part, offset) in parts.iter().zip(offsets) {
            let there = self.layout.places[part.index()].as_ref();
            let in_place = there.is_some_and(|lie| lie.start == place.start + offset && lie.stride == place.stride);
            if in_place || self.fact(part).is_empty() {
                continue;
            }
            let from = self.map(part);
            let to = Map { stride: place.stride, ..from };
            self.copy(id, part, from, to, *offset);
        }
    }

    /// Copies parts of `lengths` along axis `at` next to one another.
    fn join(&mut self, id: NodeId, parts: &[NodeId], at: usize, lengths: &[usize]) {
        let shape = &self.fact(id).shape;
        let outer: usize = shape[..at].iter().product();
        let inner: usize = shape[at + 1..].iter().product();
        let stride = shape[at] * inner;
        let mut offset = 0;
        for (&part, length) in parts.iter().zip(lengths) {
            let channels = length * inner;
            if channels > 0 {
                let from = Map::dense(1, 1, outer, channels);
                self.copy(id, part, from, Map { stride, ..from }, offset);
            }
            offset += channels;
        }
    }

    fn copy(&mut self, id: NodeId, part: NodeId, from: Map, to: Map, offset: usize) {
        self.keep_constant(part);
        let start = self.layout.places[id.index()].as_ref().map_or(0, |lie| lie.start) + offset;
        let part_range = Some(start..start + to.len());
        self.drafts.push(Draft { id, kernel: DraftKernel::Ready(Kernel::Copy { from, to }), inputs: vec![part], part: part_range });
    }

    /// Whether a padding goes around pictures, not around the batch.
    fn is_plain_pad(&self, node: &Node) -> bool {
        let around = node.inputs.get(1).and_then(|&id| self.numbers(id).ok());
        self.fact(node.inputs[0]).shape.len() == 4 && around.is_some_and(|p| p.len() == 8 && p[..2] == [0, 0])
    }

    fn pad(&mut self, id: NodeId, node: &Node) -> Result<(), String> {
        let p: Vec<usize> = self.numbers(node.inputs[1])?.iter().map(|&n| n as usize).collect();
        let pad = lorgnette_kernels::Pad {
            around: Padding { top: p[2], bottom: p[3], left: p[4], right: p[5] },
            channels: [p[6], p[7]],
            value: self.fill(node)?,
        };
        let kernel = Kernel::Pad { pad, from: self.map(node.inputs[0]), to: self.map(id) };
        self.step(id, kernel, &node.inputs[..1]);
        Ok(())
    }

    fn fill(&self, node: &Node) -> Result<f32, String> {
        match node.inputs.get(2) {
            Some(&value) if matches!(node.op, Op::Pad(_)) => {
                let value = self.shaped.graph.constant_of(value).ok_or("its fill value is computed, not constant")?;
                value.to_f32().first().copied().ok_or_else(|| "its fill value is empty".into())
            }
            _ => Ok(0.0),
        }
    }

    /// Whatever else moves values about, by an index table.
    fn rearrange(&mut self, id: NodeId, node: &Node, first: Option<NodeId>) -> Result<(), String> {
        let shapes: Vec<&[usize]> = node.inputs.iter().map(|&input| self.fact(input).shape.as_slice()).collect();
        let parameters: Vec<Option<&Tensor>> = node.inputs.iter().map(|&input| self.shaped.graph.constant_of(input)).collect();
        let moved = rearrangement(&node.op, &shapes, &parameters).ok_or("it cannot run on computed values")??;
        let entry = |source: Option<usize>| source.map_or(Ok(FILL), index);
        let sources = moved.sources().map(entry).collect::<Result<_, _>>()?;
        let data = if matches!(node.op, Op::Split { .. }) { node.inputs.get(1).copied() } else { first };
        let fill = self.fill(node)?;
        self.step(id, Kernel::Gather { sources, fill }, &[data.ok_or("an input is missing")?]);
        Ok(())
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
        for draft in self.drafts {
            let kernel = match draft.kernel {
                DraftKernel::Ready(kernel) => kernel,
                DraftKernel::Sum(sum, job) => sum.kernel(&self.jobs[job], packed[job].clone()),
            };
            let Place::Arena(whole) = lowered.place_of(self.layout, draft.id) else {
                unreachable!("steps write to the arena")
            };
            lowered.steps.push(Step {
                name: self.shaped.graph.node(draft.id).name.clone(),
                kernel,
                inputs: draft.inputs.iter().map(|&input| lowered.place_of(self.layout, input)).collect(),
                output: draft.part.unwrap_or(whole),
                shape: self.shaped.fact(draft.id).shape.clone(),
            });
        }
        Ok(lowered)
    }
}

impl Sum {
    fn kernel(self, job: &Job<'_>, packed: Arc<Buffer>) -> Kernel {
        let (bias, clamp) = (job.epilogue.shift.clone(), job.epilogue.limits());
        match self {
            Self::Conv { kernel, shape, residual } => Kernel::Conv { kernel, shape, packed, bias, residual, clamp },
            Self::Depthwise { kernel, shape } => Kernel::Depthwise { kernel, shape, packed, bias, clamp },
        }
    }
}

impl Job<'_> {
    /// Reads the weights straight from where they are into their packed place.
    fn run(&self) -> Result<Buffer> {
        let mut packed = buffer(self.len)?;
        let bytes = self.filter.f32_bytes();
        let filter = Filter { bytes: &bytes, scale: self.epilogue.scale.as_deref(), transposed: self.transposed };
        match &self.pack {
            Packer::Conv(kernel, shape) => (kernel.pack)(shape, &filter, &mut packed),
            Packer::Depthwise(kernel, shape) => (kernel.pack)(shape, &filter, &mut packed),
        }
        Ok(packed)
    }
}

fn pack_all(jobs: &[Job<'_>], packing: &Packing, pool: &Pool) -> Result<Vec<Arc<Buffer>>> {
    let slots: Vec<_> = jobs.iter().map(|job| packing.slot(job.key.clone())).collect();
    let failure = std::sync::Mutex::new(None);
    pool.run(jobs.len(), &|_, i| {
        if slots[i].get().is_none() {
            match jobs[i].run() {
                // Whoever else packed the same meanwhile packed the same.
                Ok(packed) => drop(slots[i].set(Arc::new(packed))),
                Err(error) => *failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error),
            }
        }
    });
    if let Some(error) = failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        return Err(error);
    }
    Ok(slots.iter().map(|slot| slot.get().expect("packed above").clone()).collect())
}

fn buffer(len: usize) -> Result<Buffer> {
    let refused = |_| Error::Memory { what: "the packed weights".into(), needed: len as u64 * 4, limit: 0 };
    Buffer::zeroed(len).map_err(refused)
}

/// A shape of up to four dimensions as a picture's, with ones before it.
fn wide(shape: &[usize]) -> Map {
    let mut four = [1; 4];
    four[4 - shape.len()..].copy_from_slice(shape);
    let [n, h, w, c] = four;
    Map::dense(n, h, w, c)
}
