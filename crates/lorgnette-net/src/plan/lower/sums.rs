//! Convolutions and matrix products: the kernel, and the weights to pack for it.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use lorgnette_kernels::general;
use lorgnette_kernels::{
    Buffer, ConvKernel, ConvShape, DepthwiseKernel, DepthwiseShape, Filter, Map, Pool, Window, choose_conv,
    choose_depthwise,
};

use super::super::kernel::Kernel;
use super::super::packing::{Key, Packed, Packing};
use super::{Draft, DraftKernel, Lowering};
use crate::error::{Error, Result};
use crate::graph::Value;
use crate::graph::evaluate::conv_window;
use crate::graph::op::{Conv, Epilogue, MatMul};
use crate::graph::{Node, NodeId};
use crate::stored::Extent;
use crate::tensor::Tensor;

/// A sum whose weights are yet to be packed.
pub(super) enum Sum {
    Conv { kernel: &'static ConvKernel, shape: ConvShape, residual: Option<Map> },
    Depthwise { kernel: &'static DepthwiseKernel, shape: DepthwiseShape },
}

/// Weights to pack.
pub(super) struct Job<'a> {
    filter: Value,
    epilogue: &'a Epilogue,
    transposed: bool,
    len: usize,
    key: Key,
    pack: Packer,
}

/// Input channels beyond which a depthwise convolution is not spread: it takes so many times the multiplications.
const MOST_SPREAD: usize = 8;

enum Packer {
    Conv(&'static ConvKernel, ConvShape),
    /// A depthwise filter, for a plain convolution.
    Spread(&'static ConvKernel, ConvShape),
    Depthwise(&'static DepthwiseKernel, DepthwiseShape),
}

impl<'a> Lowering<'a> {
    /// Adds a job for the weights `filter` and gives its number.
    fn job(&mut self, filter: NodeId, epilogue: &'a Epilogue, transposed: bool, pack: Packer) -> Result<usize, String> {
        let Node { name, op, .. } = self.shaped.graph.node(filter);
        let weights = Value::of(op).ok_or("its filter is computed, not constant")?;
        let (layout, len) = match &pack {
            Packer::Conv(kernel, shape) | Packer::Spread(kernel, shape) => (kernel.layout, (kernel.packed_len)(shape)),
            Packer::Depthwise(kernel, shape) => (kernel.layout, (kernel.packed_len)(shape)),
        };
        let scale = epilogue.scale.as_ref().map(|scale| scale.iter().map(|v| v.to_bits()).collect());
        let spread = if matches!(pack, Packer::Spread(..)) { " spread" } else { "" };
        let layout = format!("{} {layout} {:?} {transposed}{spread}", self.level, weights.shape());
        let key = Key { filter: name.clone(), layout, scale };
        if !self.jobs.iter().any(|job| job.key == key) {
            self.take(len)?;
        }
        self.jobs.push(Job { filter: weights, epilogue, transposed, len, key, pack });
        Ok(self.jobs.len() - 1)
    }

    fn sum(&mut self, id: NodeId, sum: Sum, job: usize, inputs: Vec<NodeId>) {
        for &input in &inputs {
            self.keep_constant(input);
        }
        self.drafts.push(Draft { id, kernel: DraftKernel::Sum(sum, job), inputs, part: None });
    }

    pub(super) fn conv(&mut self, id: NodeId, node: &'a Node, conv: &'a Conv) -> Result<(), String> {
        let (x, filter) = (node.inputs[0], node.inputs[1]);
        let window = conv_window(conv, &self.fact(x).shape, &self.fact(filter).shape)?;
        let shape = ConvShape { input: self.map_for(id, x), output: self.map(id), window };
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
        let kernel = choose_conv(&shape, self.level, self.formats);
        let job = self.job(node.inputs[1], epilogue, transposed, Packer::Conv(kernel, shape))?;
        let mut inputs = vec![node.inputs[0]];
        let residual = epilogue.residual.then(|| node.inputs[2]);
        inputs.extend(residual);
        let residual = residual.map(|residual| self.map_for(id, residual));
        self.sum(id, Sum::Conv { kernel, shape, residual }, job, inputs);
        Ok(())
    }

    pub(super) fn depthwise(&mut self, id: NodeId, node: &'a Node, conv: &'a Conv) -> Result<(), String> {
        let (x, filter) = (node.inputs[0], node.inputs[1]);
        let window = conv_window(conv, &self.fact(x).shape, &self.fact(filter).shape)?;
        let multiplier = self.fact(filter).shape[3];
        let shape = DepthwiseShape { input: self.map_for(id, x), output: self.map(id), window, multiplier };
        if multiplier > 1 && shape.input.channels <= MOST_SPREAD {
            return self.spread(id, node, conv, shape);
        }
        let kernel = choose_depthwise(&shape, self.level);
        let job = self.job(filter, &conv.epilogue, false, Packer::Depthwise(kernel, shape))?;
        self.sum(id, Sum::Depthwise { kernel, shape }, job, vec![x]);
        Ok(())
    }

    /// A depthwise convolution with several filters for each of a few channels, as a plain one whose other weights are
    /// zero: more multiplications, but in the fast kernels.
    fn spread(&mut self, id: NodeId, node: &'a Node, conv: &'a Conv, shape: DepthwiseShape) -> Result<(), String> {
        let DepthwiseShape { input, output, window, .. } = shape;
        let shape = ConvShape { input, output, window };
        let kernel = choose_conv(&shape, self.level, self.formats);
        let job = self.job(node.inputs[1], &conv.epilogue, false, Packer::Spread(kernel, shape))?;
        self.sum(id, Sum::Conv { kernel, shape, residual: None }, job, vec![node.inputs[0]]);
        Ok(())
    }

    /// With constant weights, a 1×1 convolution over the rows; else the plain product.
    pub(super) fn mat_mul(&mut self, id: NodeId, node: &'a Node, product: &'a MatMul) -> Result<(), String> {
        let (a, b) = (node.inputs[0], node.inputs[1]);
        let [rows, columns] = self.fact(id).shape[..] else { return Err("a product of matrices is a matrix".into()) };
        let inner = self.fact(a).len() / rows;
        let constant = self.shaped.graph.is_stored(b);
        if constant && !product.transpose_a {
            // A row is a picture: what is chosen for one must not depend on how many there are.
            let map = |channels| Map::dense(rows, 1, 1, channels);
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
}

impl Sum {
    pub(super) fn kernel(self, job: &Job<'_>, packed: Arc<Packed>) -> Kernel {
        let (bias, clamp) = (job.epilogue.shift.clone(), job.epilogue.limits());
        match self {
            Self::Conv { kernel, shape, residual } => Kernel::Conv { kernel, shape, packed, bias, residual, clamp },
            Self::Depthwise { kernel, shape } => Kernel::Depthwise { kernel, shape, packed, bias, clamp },
        }
    }
}

/// What is read of a file at once where weights are packed: enough that the threads are worth waking, little beside the
/// weights themselves.
const PIECE: usize = 8 << 20;

/// What is done with rows of weights.
#[derive(Clone, Copy)]
enum Pass {
    /// [`ConvKernel::survey_rows`].
    Survey,
    /// [`ConvKernel::pack_rows`].
    Pack,
}

impl Job<'_> {
    /// Whether the whole pool packs these weights together, and not one of its threads.
    fn is_large(&self) -> bool {
        self.len * size_of::<f32>() > PIECE
    }

    /// Reads the weights straight from where they are into their packed place.
    fn run(&self, pool: &Pool) -> Result<Buffer> {
        let mut packed = buffer(self.len)?;
        if let Packer::Spread(kernel, shape) = &self.pack {
            let filter = spread(&self.filter.tensor()?, shape);
            let filter =
                Filter { bytes: &filter.f32_bytes(), scale: self.epilogue.scale.as_deref(), transposed: false };
            kernel.pack(shape, &filter, &mut packed);
            return Ok(packed);
        }
        match &self.filter {
            Value::Here(tensor) => self.pack(tensor, &mut packed, pool),
            Value::Stored(stored) => match stored.extent()?.filter(|_| !self.transposed) {
                Some(extent) => self.pack_in_pieces(&extent, &mut packed, pool)?,
                None => self.pack(&stored.read()?, &mut packed, pool),
            },
        }
        Ok(packed)
    }

    fn pack(&self, weights: &Tensor, packed: &mut [f32], pool: &Pool) {
        let bytes = weights.f32_bytes();
        self.passes().for_each(|pass| self.pass(pass, &bytes, 0..self.rows(), packed, pool));
    }

    /// Packs and verifies a piece of the file after the other, so that no more than one of them is in memory.
    fn pack_in_pieces(&self, extent: &Extent, packed: &mut [f32], pool: &Pool) -> Result<()> {
        let row = (extent.values.len() / self.rows().max(1)).max(1);
        self.passes().try_for_each(|pass| {
            extent.in_pieces(PIECE, row, pool, |piece| {
                self.pass(pass, &extent.values, piece.start / row..piece.end / row, packed, pool);
            })
        })
    }

    /// What is done with all the weights, one after the other.
    fn passes(&self) -> impl Iterator<Item = Pass> + use<> {
        let surveys = match &self.pack {
            Packer::Conv(kernel, _) | Packer::Spread(kernel, _) => kernel.survey_rows.is_some(),
            Packer::Depthwise(..) => false,
        };
        surveys.then_some(Pass::Survey).into_iter().chain([Pass::Pack])
    }

    fn pass(&self, pass: Pass, bytes: &[u8], rows: Range<usize>, packed: &mut [f32], pool: &Pool) {
        let filter = Filter { bytes, scale: self.epilogue.scale.as_deref(), transposed: self.transposed };
        match (&self.pack, pass) {
            (Packer::Conv(kernel, shape) | Packer::Spread(kernel, shape), Pass::Pack) => {
                (kernel.pack_rows)(shape, &filter, rows, packed, pool);
            }
            (Packer::Conv(kernel, shape) | Packer::Spread(kernel, shape), Pass::Survey) => {
                kernel.survey_rows.into_iter().for_each(|survey| survey(shape, &filter, rows.clone(), packed, pool));
            }
            (Packer::Depthwise(kernel, shape), _) => (kernel.pack_rows)(shape, &filter, rows, packed),
        }
    }

    /// Rows of the weights as a matrix.
    fn rows(&self) -> usize {
        match &self.pack {
            Packer::Conv(_, shape) | Packer::Spread(_, shape) => shape.depth(),
            Packer::Depthwise(_, shape) => shape.taps(),
        }
    }
}

/// A depthwise filter `[rows][columns][channels][multiplier]` as a plain one, zero where a channel has no part.
fn spread(filter: &Tensor, shape: &ConvShape) -> Tensor {
    let (inputs, outputs) = (shape.input.channels, shape.output.channels);
    let multiplier = outputs / inputs;
    let [rows, columns] = shape.window.kernel;
    let mut values = vec![0.0; shape.depth() * outputs];
    for (i, value) in filter.to_f32().into_iter().enumerate() {
        let (tap, output) = (i / outputs, i % outputs);
        values[(tap * inputs + output / multiplier) * outputs + output] = value;
    }
    Tensor::from_f32(&[rows, columns, inputs, outputs], values)
}

/// Packs on all threads what `packing` does not hold yet: large weights one after the other, the others at once.
pub(super) fn pack_all(jobs: &[Job<'_>], packing: &Packing, pool: &Pool) -> Result<Vec<Arc<Packed>>> {
    let slots: Vec<_> = jobs.iter().map(|job| packing.slot(job.key.clone(), job.len)).collect();
    let failure = Mutex::new(None);
    let pack = |i: usize| {
        if slots[i].get().is_none() {
            match jobs[i].run(pool) {
                // Whoever else packed the same meanwhile packed the same.
                Ok(packed) => drop(slots[i].set(Arc::new(Packed::Made(packed)))),
                Err(error) => *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error),
            }
        }
    };
    let (large, small): (Vec<usize>, Vec<usize>) = (0..jobs.len()).partition(|&i| jobs[i].is_large());
    large.into_iter().for_each(&pack);
    pool.run(small.len(), &|_, i| pack(small[i]));
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    Ok(slots.iter().map(|slot| slot.get().expect("packed above").clone()).collect())
}

/// Floats for packed weights or constants.
pub(super) fn buffer(len: usize) -> Result<Buffer> {
    let refused = |_| Error::Memory { what: "the packed weights".into(), needed: len as u64 * 4, limit: 0 };
    Buffer::zeroed(len).map_err(refused)
}
