//! Maps of quantised networks: the same rewrites, of operations on integers.

use lorgnette_kernels::Clamp;

use super::{PoolForm, Rewriter};
use crate::graph::op::{Border, Conv, Epilogue, Op, Pool, PoolKind, Reduction};
use crate::graph::quantized::{Quantized, QuantizedFunction, QuantizedKind};
use crate::graph::{Node, NodeId};
use crate::tensor::{DType, Tensor};

impl Rewriter<'_> {
    /// The form of an operation on integers.
    pub(super) fn quantized(
        &mut self,
        id: NodeId,
        node: &Node,
        quantized: &Quantized,
        inputs: Vec<NodeId>,
    ) -> Result<(Op, Vec<NodeId>), String> {
        let of_kind =
            |kind: QuantizedKind| Op::Quantized(Box::new(Quantized { kind, ..quantized.clone() }));
        let kind = match &quantized.kind {
            QuantizedKind::Conv2d(conv, scale) => {
                let kernel = self.filter_size(node);
                QuantizedKind::Conv2d(self.convolution(id, node, conv, kernel)?, scale.clone())
            }
            QuantizedKind::DepthwiseConv2d(conv, scale) => {
                let kernel = self.filter_size(node);
                let conv = self.convolution(id, node, conv, kernel)?;
                QuantizedKind::DepthwiseConv2d(conv, scale.clone())
            }
            QuantizedKind::FullyConnected(scale) => {
                let (conv, filter) = self.fully_connected_integers(id, node, inputs[1])?;
                let kind = QuantizedKind::Conv2d(conv, scale.clone());
                return Ok((of_kind(kind), [&[inputs[0], filter], &inputs[2..]].concat()));
            }
            QuantizedKind::Pool(pool) => match self.pool_form(id, node, pool) {
                PoolForm::Window(pool) if pool.dilation != [1, 1] => return Err(finer()),
                PoolForm::Window(pool) => QuantizedKind::Pool(pool),
                PoolForm::Global(axes) => {
                    let kind = QuantizedKind::Mean { keep_dims: true };
                    return Ok((of_kind(kind), vec![inputs[0], axes]));
                }
            },
            QuantizedKind::Mean { .. } if self.reduces_height_and_width(node) => {
                if self.main_path.on[id.index()] {
                    return self.sliding_mean(id, node, quantized, inputs[0]);
                }
                self.has_global_context = true;
                quantized.kind.clone()
            }
            other => other.clone(),
        };
        Ok((of_kind(kind), inputs))
    }

    /// Rows and columns of a filter of integers.
    fn filter_size(&self, node: &Node) -> [usize; 2] {
        match self.typed.fact(node.inputs[1]).shape[..] {
            [_, rows, columns, _] => [rows, columns],
            _ => [1, 1],
        }
    }

    /// A mean over the whole map as a pool that slides, and the change to the mean's scale.
    fn sliding_mean(
        &mut self,
        id: NodeId,
        node: &Node,
        quantized: &Quantized,
        input: NodeId,
    ) -> Result<(Op, Vec<NodeId>), String> {
        let pool = self.sliding_pool(id, node, Reduction::Mean)?;
        if pool.dilation != [1, 1] {
            return Err(finer());
        }
        debug_assert!(pool.kind == PoolKind::Average, "a mean is a mean");
        let scale = *quantized.inputs.first().ok_or("its input has no scale")?;
        let mean = Quantized {
            kind: QuantizedKind::Pool(pool),
            output: scale,
            clamp: Clamp::NONE,
            ..quantized.clone()
        };
        let mean = Op::Quantized(Box::new(mean));
        if scale == quantized.output {
            return Ok((mean, vec![input]));
        }
        let mean = self.out.add(format!("{}/sliding", node.name), mean, &[input]);
        let kind = QuantizedKind::Function(QuantizedFunction::Requantize);
        Ok((Op::Quantized(Box::new(Quantized { kind, ..quantized.clone() })), vec![mean]))
    }

    /// A fully connected layer as a convolution and its filter.
    fn fully_connected_integers(
        &mut self,
        id: NodeId,
        node: &Node,
        weights: NodeId,
    ) -> Result<(Conv, NodeId), String> {
        let &[outputs, inner] = self.typed.fact(node.inputs[1]).shape.as_slice() else {
            return Err("its weights are no matrix".into());
        };
        let flattened = self.states[id.index()].flattened.take();
        let [height, width, channels] = flattened.unwrap_or([1, 1, inner]);
        self.states[id.index()].collapsed = true;
        let shape = [outputs, height, width, channels];
        let filter = match self.reshaped_weights(node, weights, &shape) {
            Some(op) => {
                self.out.node_mut(weights).op = op;
                weights
            }
            None => {
                let shape = Tensor::from_i64(DType::I32, &[4], &shape.map(|n| n as i64));
                let shape = self.out.constant(format!("{}/shape", node.name), shape);
                self.out.add(format!("{}/filter", node.name), Op::Reshape, &[weights, shape])
            }
        };
        let is_point = [height, width] == [1, 1];
        let border = if is_point { Border::Valid } else { self.head_border() };
        let dilation = self.states[id.index()].rate;
        let conv = Conv { stride: [1, 1], dilation, border, epilogue: Epilogue::default() };
        Ok((conv, filter))
    }
}

impl Rewriter<'_> {
    /// Returns stored weights under another shape, unless `node` is not their only reader. They
    /// keep their name, by which packed weights are found.
    fn reshaped_weights(&self, node: &Node, weights: NodeId, shape: &[usize]) -> Option<Op> {
        if self.typed.graph.uses()[node.inputs[1].index()] != 1 {
            return None;
        }
        match &self.out.node(weights).op {
            Op::Const(tensor) => {
                let bytes = tensor.shared_bytes().clone();
                Tensor::from_shared(tensor.dtype(), shape.to_vec(), bytes).map(Op::Const)
            }
            Op::Variable(lazy) => lazy.reshaped(shape.to_vec()).map(Op::Variable),
            _ => None,
        }
    }
}

/// The error of a map that integer pools cannot be made finer for.
fn finer() -> String {
    "a pool of integers cannot be made finer: take the network's own output stride".into()
}

/// Returns the window of an operation on integers, as `[rows, columns]` and how it moves.
pub(super) fn window(node: &Node, filter: &[usize]) -> Option<([usize; 2], Conv)> {
    let Op::Quantized(quantized) = &node.op else { return None };
    let conv = |pool: &Pool| Conv {
        stride: pool.stride,
        dilation: pool.dilation,
        border: pool.border,
        epilogue: Epilogue::default(),
    };
    match &quantized.kind {
        QuantizedKind::Conv2d(conv, _) | QuantizedKind::DepthwiseConv2d(conv, _) => {
            let &[_, rows, columns, _] = filter else { return None };
            Some(([rows, columns], conv.clone()))
        }
        QuantizedKind::Pool(pool) => Some((pool.kernel, conv(pool))),
        _ => None,
    }
}
