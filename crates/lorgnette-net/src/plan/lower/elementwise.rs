//! Functions of one value, of two, of windows and of rows, and reductions.

use lorgnette_kernels::fallback::Reduction;
use lorgnette_kernels::{Binary, Clamp, ImageLayout, PoolShape, Softmax};

use super::super::kernel::Kernel;
use super::super::row_kernel::{AffineStep, RowKernel, UnaryStep};
use super::Lowering;
use crate::graph::evaluate::{groups, pool_shape, select_sources, sources};
use crate::graph::op::{Lrn, Op, Pool, Resample, Resize};
use crate::graph::rearrange::axis;
use crate::graph::resample::{ResampledShape, Resampling};
use crate::graph::{Node, NodeId};
use crate::tensor::{DType, Tensor};

impl Lowering<'_> {
    pub(super) fn elementwise(&mut self, id: NodeId, node: &Node) -> Result<(), String> {
        let x = Self::input(node, 0)?;
        let (from, to) = (self.image_layout_for(id, x)?, self.image_layout(id)?);
        let kernel = match &node.op {
            Op::Affine(epilogue) => {
                let (scale, shift, clamp) =
                    (epilogue.scale.clone(), epilogue.shift.clone(), epilogue.limits());
                Kernel::RowWise(RowKernel::Affine(AffineStep { from, to, scale, shift, clamp }))
            }
            Op::Clamp(clamp) => {
                let (scale, shift, clamp) = (None, None, *clamp);
                Kernel::RowWise(RowKernel::Affine(AffineStep { from, to, scale, shift, clamp }))
            }
            Op::Unary(function) => {
                Kernel::RowWise(RowKernel::Unary(UnaryStep { function: *function, from, to }))
            }
            Op::Cast(DType::Bool) => Kernel::ToBool,
            Op::Cast(to) if to.is_float() => Kernel::Round(*to),
            _ => Kernel::ToInt,
        };
        self.step(id, kernel, &node.inputs);
        Ok(())
    }

    pub(super) fn binary(
        &mut self,
        id: NodeId,
        node: &Node,
        function: Binary,
        clamp: Clamp,
    ) -> Result<(), String> {
        let shape = &self.fact(id).shape;
        let [a, b] = [Self::input(node, 0)?, Self::input(node, 1)?];
        let kernel =
            if shape.len() <= 4 {
                let nhwc = |id: NodeId, ImageLayout { stride, storage, .. }: ImageLayout| {
                    ImageLayout { stride, storage, ..as_nhwc(&self.fact(id).shape) }
                };
                Kernel::Binary {
                    function,
                    a: nhwc(a, self.image_layout_for(id, a)?),
                    b: nhwc(b, self.image_layout_for(id, b)?),
                    to: nhwc(id, self.image_layout(id)?),
                    clamp,
                }
            } else {
                self.reserve(2 * self.fact(id).len())?;
                let table =
                    |id: NodeId| sources(&self.fact(id).shape, shape).map(Vec::into_boxed_slice);
                Kernel::BinaryIndexed { function, a: table(a)?, b: table(b)?, clamp }
            };
        self.step(id, kernel, &[a, b]);
        Ok(())
    }

    pub(super) fn pool(&mut self, id: NodeId, node: &Node, pool: &Pool) -> Result<(), String> {
        let x = Self::input(node, 0)?;
        let shape = pool_shape(pool, &self.fact(x).shape, self.fact(id))?;
        let (input, output) = (self.image_layout_for(id, x)?, self.image_layout(id)?);
        let kernel = RowKernel::Pool(PoolShape { input, output, ..shape });
        self.step(id, Kernel::RowWise(kernel), &[x]);
        Ok(())
    }

    pub(super) fn softmax(&mut self, id: NodeId, node: &Node, log: bool) -> Result<(), String> {
        let x = Self::input(node, 0)?;
        let columns = self.fact(id).channels();
        let rows = self.fact(id).len() / columns;
        self.step(id, Kernel::Softmax(Softmax { rows, columns, log }), &[x]);
        Ok(())
    }

    pub(super) fn lrn(&mut self, id: NodeId, node: &Node, lrn: Lrn) -> Result<(), String> {
        let x = Self::input(node, 0)?;
        let (from, to) = (self.image_layout_for(id, x)?, self.image_layout(id)?);
        self.step(id, Kernel::Lrn { lrn, from, to }, &[x]);
        Ok(())
    }

    pub(super) fn resize(
        &mut self,
        id: NodeId,
        node: &Node,
        resize: &Resize,
    ) -> Result<(), String> {
        let x = Self::input(node, 0)?;
        let (from, to) = (self.image_layout_for(id, x)?, self.image_layout(id)?);
        let Resize { bilinear, how } = *resize;
        self.step(id, Kernel::Resize { bilinear, how, from, to }, &[x]);
        Ok(())
    }

    pub(super) fn resize_bicubic(
        &mut self,
        id: NodeId,
        node: &Node,
        how: lorgnette_kernels::Resize,
    ) -> Result<(), String> {
        let x = Self::input(node, 0)?;
        let (from, to) = (self.image_layout_for(id, x)?, self.image_layout(id)?);
        self.step(id, Kernel::ResizeBicubic { how, from, to }, &[x]);
        Ok(())
    }

    pub(super) fn resample(
        &mut self,
        id: NodeId,
        node: &Node,
        kind: Resample,
    ) -> Result<(), String> {
        let x = Self::input(node, 0)?;
        let shape = ResampledShape { from: &self.fact(x).shape, to: &self.fact(id).shape };
        self.reserve(shape.weights(kind))?;
        let parameters: Option<Vec<&Tensor>> =
            node.inputs[1..].iter().map(|&id| self.typed.graph.constant_of(id)).collect();
        let parameters = parameters.ok_or("its parameters depend on the picture's values")?;
        let resampling = Resampling::new(kind, shape, &parameters)?;
        self.step(id, Kernel::Resample(Box::new(resampling)), &[x]);
        Ok(())
    }

    pub(super) fn reduce(
        &mut self,
        id: NodeId,
        node: &Node,
        kind: Reduction,
    ) -> Result<(), String> {
        let (x, axes) = (Self::input(node, 0)?, self.numbers(Self::input(node, 1)?)?);
        let shape = &self.fact(x).shape;
        let mut reduced_axes: Vec<usize> =
            axes.iter().map(|&a| axis(a, shape.len())).collect::<Result<_, _>>()?;
        reduced_axes.sort_unstable();
        let kernel = if kind == Reduction::Mean && shape.len() == 4 && reduced_axes == [1, 2] {
            Kernel::GlobalAveragePool { from: self.image_layout(x)? }
        } else {
            self.reserve(self.fact(x).len())?;
            let (sources, group) = groups(shape, &axes)?;
            Kernel::Reduce { kind, sources: sources.into(), group }
        };
        self.step(id, kernel, &[x]);
        Ok(())
    }

    pub(super) fn arg_extreme(
        &mut self,
        id: NodeId,
        node: &Node,
        smallest: bool,
    ) -> Result<(), String> {
        let (x, axis) = (Self::input(node, 0)?, self.numbers(Self::input(node, 1)?)?);
        self.reserve(self.fact(x).len())?;
        let (sources, group) = groups(&self.fact(x).shape, &axis[..1])?;
        self.step(id, Kernel::ArgExtreme { smallest, sources: sources.into(), group }, &[x]);
        Ok(())
    }

    pub(super) fn top_k(&mut self, id: NodeId, node: &Node, indices: bool) -> Result<(), String> {
        let x = Self::input(node, 0)?;
        let (columns, k) = (self.fact(x).channels(), self.fact(id).channels());
        self.step(id, Kernel::TopK { columns, k, indices }, &[x]);
        Ok(())
    }

    pub(super) fn select(&mut self, id: NodeId, node: &Node) -> Result<(), String> {
        let inputs = [Self::input(node, 0)?, Self::input(node, 1)?, Self::input(node, 2)?];
        self.reserve(3 * self.fact(id).len())?;
        let shapes = inputs.map(|input| self.fact(input).shape.as_slice());
        let [condition, a, b] =
            select_sources(&shapes, &self.fact(id).shape)?.map(Vec::into_boxed_slice);
        self.step(id, Kernel::Select { condition, a, b }, &inputs);
        Ok(())
    }
}

/// Returns a shape of up to four dimensions as NHWC, with leading ones.
fn as_nhwc(shape: &[usize]) -> ImageLayout {
    let mut four = [1; 4];
    four[4 - shape.len()..].copy_from_slice(shape);
    let [n, h, w, c] = four;
    ImageLayout::dense(n, h, w, c)
}
