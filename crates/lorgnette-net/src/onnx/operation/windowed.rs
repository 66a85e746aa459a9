//! Pools and local response normalisation.

use lorgnette_kernels::Padding;

use super::super::translate::{Translator, Value};
use super::Call;
use crate::graph::NodeId;
use crate::graph::op::{Border, Lrn, Op, PadMode, Pool, PoolKind, Reduction};
use crate::graph::shape::{output_size, resolve};

impl<'a> Translator<'a> {
    pub(super) fn pool(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = self.channels_last(call.input(0)?)?;
        let (pool, x) = self.pool_of(call, x)?;
        Ok(Value::ChannelsLast(self.add(Op::Pool(pool), &[x])?))
    }

    /// The pool of a picture with its channels last, and the picture with what counts of the
    /// padding.
    pub(super) fn pool_of(
        &mut self,
        call: Call<'a, '_>,
        mut x: NodeId,
    ) -> Result<(Pool, NodeId), String> {
        if !call.attributes.has("kernel_shape") {
            return Err("it has no kernel_shape".into());
        }
        let kernel = call.attributes.pair("kernel_shape")?;
        let mut border = self.border(call, x, kernel)?;
        let kind = if call.node.op_type == "MaxPool" { PoolKind::Max } else { PoolKind::Average };
        // Rows and columns behind the picture that are part of it from here on.
        let mut behind = [0, 0];
        let counts_padding =
            kind == PoolKind::Average && call.attributes.flag("count_include_pad", false);
        if counts_padding && border != Border::Valid {
            let size = [self.fact(x).shape[1], self.fact(x).shape[2]];
            let stride = call.attributes.pair("strides")?;
            let dilation = call.attributes.pair("dilations")?;
            let around = resolve(kernel, stride, dilation, border, size)?.padding;
            let Padding { top, bottom, left, right } = around;
            behind = [bottom, right];
            x = self.pad_picture(x, [top, bottom, left, right])?;
            border = Border::Valid;
        }
        let mut pool = Pool {
            kind,
            kernel,
            stride: call.attributes.pair("strides")?,
            dilation: call.attributes.pair("dilations")?,
            border,
        };
        if call.attributes.flag("ceil_mode", false) && border != Border::Same {
            pool.border = self.ceiled(&pool, x, behind)?;
        }
        Ok((pool, x))
    }

    fn pad_picture(&mut self, x: NodeId, around: [usize; 4]) -> Result<NodeId, String> {
        let [top, bottom, left, right] = around.map(|n| n as i64);
        let amounts = [0, 0, top, bottom, left, right, 0, 0];
        let amounts = crate::tensor::Tensor::from_i64(crate::tensor::DType::I64, &[4, 2], &amounts);
        let amounts = self.add(Op::Const(amounts), &[])?;
        self.add(Op::Pad(PadMode::Constant), &[x, amounts])
    }

    /// The border with as much more below and to the right that the last, incomplete window counts.
    /// A window that would begin beyond the picture and what is before it does not count.
    fn ceiled(&self, pool: &Pool, x: NodeId, behind: [usize; 2]) -> Result<Border, String> {
        let size = [self.fact(x).shape[1], self.fact(x).shape[2]];
        let mut window = resolve(pool.kernel, pool.stride, pool.dilation, pool.border, size)?;
        let begin = [window.padding.top, window.padding.left];
        for d in 0..2 {
            let stride = pool.stride[d];
            let more = |extra: usize| {
                let mut padding = window.padding;
                if d == 0 {
                    padding.bottom += extra;
                } else {
                    padding.right += extra;
                };
                padding
            };
            let mut found = more(stride - 1);
            let places =
                output_size(size[d], &lorgnette_kernels::Window { padding: found, ..window }, d);
            let end = size[d] + begin[d] - behind[d];
            if (places - 1) * stride >= end {
                found = more(0);
            }
            window.padding = found;
        }
        Ok(Border::Explicit(window.padding))
    }

    pub(super) fn global_pool(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = self.channels_last(call.input(0)?)?;
        let kind =
            if call.node.op_type == "GlobalMaxPool" { Reduction::Max } else { Reduction::Mean };
        let axes = self.integers(&[1, 2])?;
        Ok(Value::ChannelsLast(self.add(Op::Reduce { kind, keep_dims: true }, &[x, axes])?))
    }

    pub(super) fn lrn(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = self.channels_last(call.input(0)?)?;
        let size = call.attributes.int("size").unwrap_or(0);
        if !(1..1 << 20).contains(&size) || size % 2 == 0 {
            return Err(format!("a size of {size}: only odd ones are known"));
        }
        let attributes = call.attributes;
        let lrn = Lrn {
            depth_radius: (size / 2) as usize,
            // ONNX divides the sum of squares by the number of neighbours, TensorFlow does not.
            alpha: attributes.float("alpha", 1e-4) / size as f32,
            beta: attributes.float("beta", 0.75),
            bias: attributes.float("bias", 1.0),
        };
        Ok(Value::ChannelsLast(self.add(Op::Lrn(lrn), &[x])?))
    }
}
