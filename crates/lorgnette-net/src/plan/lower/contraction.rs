//! Convolutions and matrix products: their kernels and the packing of their weights.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use lorgnette_kernels::fallback;
use lorgnette_kernels::{
    Buffer, ConvKernel, ConvShape, DepthwiseKernel, DepthwiseShape, Filter, ImageLayout,
    PackedLayout, ThreadPool, Window, choose_conv, choose_depthwise,
};

use super::super::kernel::Kernel;
use super::super::row_kernel::{ConvStep, DepthwiseStep, RowKernel};
use super::super::weight_cache::{PackedWeights, WeightCache, WeightKey};
use super::{Lowering, PendingKernel, PendingStep};
use crate::error::Result;
use crate::graph::TensorOrLazy;
use crate::graph::evaluate::conv_window;
use crate::graph::op::{Conv, Epilogue, MatMul};
use crate::graph::{Node, NodeId};
use crate::lazy_tensor::ByteRange;
use crate::program_pages;
use crate::tensor::Tensor;

/// A kernel whose weights are not packed yet.
pub(super) enum GemmLike {
    Conv { kernel: &'static ConvKernel, shape: ConvShape, residual: Option<ImageLayout> },
    Depthwise { kernel: &'static DepthwiseKernel, shape: DepthwiseShape },
}

/// Weights to pack.
pub(super) struct PackJob<'a> {
    filter: TensorOrLazy,
    epilogue: &'a Epilogue,
    transposed: bool,
    /// Words of the packed weights.
    len: usize,
    layout: PackedLayout,
    key: WeightKey,
    pack: Packer,
}

/// Maximum input channels of a depthwise convolution that is computed as a dense one, which takes
/// this many times the multiplications.
const MAX_DENSIFIED_CHANNELS: usize = 8;

enum Packer {
    Conv(&'static ConvKernel, ConvShape),
    /// A depthwise filter as that of a dense convolution.
    DepthwiseAsDense(&'static ConvKernel, ConvShape),
    Depthwise(&'static DepthwiseKernel, DepthwiseShape),
}

impl<'a> Lowering<'a> {
    /// Adds a job for the weights `filter` and returns its number.
    fn pack_job(
        &mut self,
        filter: NodeId,
        epilogue: &'a Epilogue,
        transposed: bool,
        pack: Packer,
    ) -> Result<usize, String> {
        let Node { name, op, .. } = self.typed.graph.node(filter);
        let weights = TensorOrLazy::from_op(op).ok_or("its filter is computed, not constant")?;
        let (layout, len) = match &pack {
            Packer::Conv(kernel, shape) | Packer::DepthwiseAsDense(kernel, shape) => {
                (kernel.layout, (kernel.packed_len)(shape))
            }
            Packer::Depthwise(kernel, shape) => (kernel.layout, (kernel.packed_len)(shape)),
        };
        let scale =
            epilogue.scale.as_ref().map(|scale| scale.iter().map(|v| v.to_bits()).collect());
        let depthwise_as_dense =
            if matches!(pack, Packer::DepthwiseAsDense(..)) { " spread" } else { "" };
        let name_of_layout = format!(
            "{} {layout} {:?} {transposed}{depthwise_as_dense}",
            self.level,
            weights.shape()
        );
        let key = WeightKey { filter: name.clone(), layout: name_of_layout, scale };
        if !self.pack_jobs.iter().any(|pack_job| pack_job.key == key) {
            self.reserve(len)?;
        }
        self.pack_jobs.push(PackJob {
            filter: weights,
            epilogue,
            transposed,
            len,
            layout,
            key,
            pack,
        });
        Ok(self.pack_jobs.len() - 1)
    }

    fn sum(&mut self, id: NodeId, sum: GemmLike, pack_job: usize, inputs: Vec<NodeId>) {
        for &input in &inputs {
            self.place_constant(input);
        }
        self.pending_steps.push(PendingStep {
            id,
            kernel: PendingKernel::GemmLike(sum, pack_job),
            inputs,
            part: None,
        });
    }

    pub(super) fn conv(
        &mut self,
        id: NodeId,
        node: &'a Node,
        conv: &'a Conv,
    ) -> Result<(), String> {
        let (x, filter) = (node.inputs[0], node.inputs[1]);
        let window = conv_window(conv, &self.fact(x).shape, &self.fact(filter).shape)?;
        let shape = ConvShape {
            input: self.image_layout_for(id, x)?,
            output: self.image_layout(id)?,
            window,
        };
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
        let kernel = choose_conv(&shape, self.level, self.numerics);
        let pack_job =
            self.pack_job(node.inputs[1], epilogue, transposed, Packer::Conv(kernel, shape))?;
        let mut inputs = vec![node.inputs[0]];
        let residual = epilogue.residual.then(|| node.inputs[2]);
        inputs.extend(residual);
        let residual = residual.map(|residual| self.image_layout_for(id, residual)).transpose()?;
        self.sum(id, GemmLike::Conv { kernel, shape, residual }, pack_job, inputs);
        Ok(())
    }

    pub(super) fn depthwise(
        &mut self,
        id: NodeId,
        node: &'a Node,
        conv: &'a Conv,
    ) -> Result<(), String> {
        let (x, filter) = (node.inputs[0], node.inputs[1]);
        let window = conv_window(conv, &self.fact(x).shape, &self.fact(filter).shape)?;
        let multiplier = self.fact(filter).shape[3];
        let shape = DepthwiseShape {
            input: self.image_layout_for(id, x)?,
            output: self.image_layout(id)?,
            window,
            multiplier,
        };
        if multiplier > 1 && shape.input.channels <= MAX_DENSIFIED_CHANNELS {
            return self.depthwise_as_dense(id, node, conv, shape);
        }
        let kernel = choose_depthwise(&shape, self.level);
        let pack_job =
            self.pack_job(filter, &conv.epilogue, false, Packer::Depthwise(kernel, shape))?;
        self.sum(id, GemmLike::Depthwise { kernel, shape }, pack_job, vec![x]);
        Ok(())
    }

    /// Computes a depthwise convolution with several filters for each of a few channels as a dense
    /// one whose other weights are zero: more multiplications, but in faster kernels.
    fn depthwise_as_dense(
        &mut self,
        id: NodeId,
        node: &'a Node,
        conv: &'a Conv,
        shape: DepthwiseShape,
    ) -> Result<(), String> {
        let DepthwiseShape { input, output, window, .. } = shape;
        let shape = ConvShape { input, output, window };
        let kernel = choose_conv(&shape, self.level, self.numerics);
        let pack_job = self.pack_job(
            node.inputs[1],
            &conv.epilogue,
            false,
            Packer::DepthwiseAsDense(kernel, shape),
        )?;
        self.sum(
            id,
            GemmLike::Conv { kernel, shape, residual: None },
            pack_job,
            vec![node.inputs[0]],
        );
        Ok(())
    }

    /// With constant weights, a 1×1 convolution over the rows; otherwise a product of two computed
    /// matrices.
    pub(super) fn mat_mul(
        &mut self,
        id: NodeId,
        node: &'a Node,
        product: &'a MatMul,
    ) -> Result<(), String> {
        let (a, b) = (node.inputs[0], node.inputs[1]);
        let [rows, columns] = self.fact(id).shape[..] else {
            return Err("a product of matrices is a matrix".into());
        };
        let inner = self.fact(a).len() / rows;
        let constant = self.typed.graph.is_stored(b);
        if constant && !product.transpose_a {
            // Each row is a picture of its own, so that the choice of kernel does not depend on
            // their number.
            let map = |channels| ImageLayout::dense(rows, 1, 1, channels);
            let shape =
                ConvShape { input: map(inner), output: map(columns), window: Window::POINTWISE };
            return self.conv_step(id, node, shape, &product.epilogue, product.transpose_b);
        }
        let (transpose_a, transpose_b) = (product.transpose_a, product.transpose_b);
        self.step(
            id,
            Kernel::MatMul(fallback::MatMul { rows, inner, columns, transpose_a, transpose_b }),
            &[a, b],
        );
        let Epilogue { scale, shift, residual, .. } = &product.epilogue;
        if scale.is_some() || shift.is_some() || *residual || product.epilogue.clamp.is_some() {
            return Err("a computed right matrix with more than the product".into());
        }
        Ok(())
    }
}

impl GemmLike {
    pub(super) fn kernel(self, pack_job: &PackJob<'_>, packed: Arc<PackedWeights>) -> Kernel {
        let (bias, clamp) = (pack_job.epilogue.shift.clone(), pack_job.epilogue.limits());
        Kernel::RowWise(match self {
            Self::Conv { kernel, shape, residual } => {
                RowKernel::Conv(ConvStep { kernel, shape, packed, bias, residual, clamp })
            }
            Self::Depthwise { kernel, shape } => {
                RowKernel::Depthwise(DepthwiseStep { kernel, shape, packed, bias, clamp })
            }
        })
    }
}

/// Bytes of a file that are packed at a time: enough to be worth a parallel region, few compared
/// with the weights.
const PIECE_BYTES: usize = 8 << 20;

/// A pass over the weights.
#[derive(Clone, Copy)]
enum Pass {
    /// [`ConvKernel::scan_weights`].
    Scan,
    /// [`ConvKernel::pack_rows`].
    Pack,
}

impl PackJob<'_> {
    /// Returns the bytes of the packed weights.
    fn bytes(&self) -> usize {
        self.len * size_of::<f32>()
    }

    /// True if all threads pack these weights together.
    fn is_large(&self) -> bool {
        self.bytes() > PIECE_BYTES
    }

    /// Packs the weights directly from their source.
    fn run(&self, weight_cache: &WeightCache, pool: &ThreadPool) -> Result<Buffer> {
        let mut buffer = weight_cache.buffer(self.bytes())?;
        let packed = buffer.values_mut();
        if let Packer::DepthwiseAsDense(kernel, shape) = &self.pack {
            let filter = depthwise_as_dense(&self.filter.tensor()?, shape);
            let filter = Filter {
                bytes: &filter.f32_bytes(),
                scale: self.epilogue.scale.as_deref(),
                transposed: false,
            };
            kernel.pack(shape, &filter, packed);
            return Ok(buffer);
        }
        match &self.filter {
            TensorOrLazy::Tensor(tensor) => {
                self.pack(tensor, packed, pool);
                program_pages::release(tensor.bytes());
            }
            TensorOrLazy::Lazy(lazy) => match lazy.byte_range()?.filter(|_| !self.transposed) {
                Some(byte_range) => self.pack_in_pieces(&byte_range, packed, pool)?,
                None => self.pack(&lazy.read()?, packed, pool),
            },
        }
        Ok(buffer)
    }

    fn pack(&self, weights: &Tensor, packed: &mut [f32], pool: &ThreadPool) {
        let bytes = weights.f32_bytes();
        self.passes().for_each(|pass| self.pass(pass, &bytes, 0..self.rows(), packed, pool));
    }

    /// Verifies and packs the file in pieces, so that no more than one of them is in memory.
    fn pack_in_pieces(
        &self,
        byte_range: &ByteRange,
        packed: &mut [f32],
        pool: &ThreadPool,
    ) -> Result<()> {
        let row = (byte_range.values.len() / self.rows().max(1)).max(1);
        self.passes().try_for_each(|pass| {
            byte_range.in_pieces(PIECE_BYTES, row, pool, |piece| {
                self.pass(
                    pass,
                    &byte_range.values,
                    piece.start / row..piece.end / row,
                    packed,
                    pool,
                );
            })
        })
    }

    /// The passes over all weights, in order.
    fn passes(&self) -> impl Iterator<Item = Pass> + use<> {
        let scans = match &self.pack {
            Packer::Conv(kernel, _) | Packer::DepthwiseAsDense(kernel, _) => {
                kernel.scan_weights.is_some()
            }
            Packer::Depthwise(..) => false,
        };
        scans.then_some(Pass::Scan).into_iter().chain([Pass::Pack])
    }

    fn pass(
        &self,
        pass: Pass,
        bytes: &[u8],
        rows: Range<usize>,
        packed: &mut [f32],
        pool: &ThreadPool,
    ) {
        let filter =
            Filter { bytes, scale: self.epilogue.scale.as_deref(), transposed: self.transposed };
        match (&self.pack, pass) {
            (Packer::Conv(kernel, shape) | Packer::DepthwiseAsDense(kernel, shape), Pass::Pack) => {
                (kernel.pack_rows)(shape, &filter, rows, packed, pool);
            }
            (Packer::Conv(kernel, shape) | Packer::DepthwiseAsDense(kernel, shape), Pass::Scan) => {
                kernel
                    .scan_weights
                    .into_iter()
                    .for_each(|survey| survey(shape, &filter, rows.clone(), packed, pool));
            }
            (Packer::Depthwise(kernel, shape), _) => {
                (kernel.pack_rows)(shape, &filter, rows, packed);
            }
        }
    }

    /// The number of rows of the weights as a matrix.
    fn rows(&self) -> usize {
        match &self.pack {
            Packer::Conv(_, shape) | Packer::DepthwiseAsDense(_, shape) => shape.depth(),
            Packer::Depthwise(_, shape) => shape.taps(),
        }
    }
}

/// Returns a depthwise filter `[rows][columns][channels][multiplier]` as a dense one, with zeros
/// between channels that are not connected.
fn depthwise_as_dense(filter: &Tensor, shape: &ConvShape) -> Tensor {
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

/// Packs the weights that `weight_cache` does not have: large ones one after the other on all
/// threads, the others in parallel.
pub(super) fn pack_all(
    pack_jobs: &[PackJob<'_>],
    weight_cache: &WeightCache,
    pool: &ThreadPool,
) -> Result<Vec<Arc<PackedWeights>>> {
    let cells: Vec<_> = pack_jobs
        .iter()
        .map(|pack_job| weight_cache.cell(pack_job.key.clone(), pack_job.layout, pack_job.bytes()))
        .collect();
    let missing = pack_jobs.iter().zip(&cells).filter(|(_, cell)| cell.get().is_none());
    weight_cache.reserve(missing.map(|(pack_job, _)| pack_job.bytes()))?;
    let failure = Mutex::new(None);
    let pack = |i: usize| {
        if cells[i].get().is_none() {
            match pack_jobs[i].run(weight_cache, pool) {
                // A plan that packed the same weights meanwhile has the same result.
                Ok(packed) => drop(cells[i].set(Arc::new(PackedWeights::Owned(packed)))),
                Err(error) => *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error),
            }
        }
    };
    let (large, small): (Vec<usize>, Vec<usize>) =
        (0..pack_jobs.len()).partition(|&i| pack_jobs[i].is_large());
    large.into_iter().for_each(&pack);
    pool.run(small.len(), &|_, i| pack(small[i]));
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    Ok(cells.iter().map(|cell| cell.get().expect("packed above").clone()).collect())
}
