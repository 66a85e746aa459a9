//! Normalisations and softmax.

use lorgnette_kernels::{Binary, Unary};

use super::super::translate::{Translator, Value};
use super::Call;
use crate::graph::NodeId;
use crate::graph::op::{Op, Reduction};
use crate::graph::rearrange::axis;

impl<'a> Translator<'a> {
    pub(super) fn batch_normalization(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        if call.attributes.flag("training_mode", false) || !call.attributes.flag("spatial", true) {
            return Err("it is one for training, or not for each channel".into());
        }
        let x = call.input(0)?;
        let channels_last = self.rank(x) == 4;
        let x = match self.rank(x) {
            4 => self.channels_last(x)?,
            2 => self.plain(x)?,
            rank => return Err(format!("of {rank} dimensions: two and four are known")),
        };
        let mut inputs = vec![x];
        for index in 1..5 {
            inputs.push(self.plain(call.input(index)?)?);
        }
        let epsilon = call.attributes.float("epsilon", 1e-5);
        let result = self.add(Op::BatchNorm { epsilon }, &inputs)?;
        Ok(if channels_last { Value::ChannelsLast(result) } else { Value::Plain(result) })
    }

    pub(super) fn instance_normalization(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = self.channels_last(call.input(0)?)?;
        let [scale, shift] = [self.plain(call.input(1)?)?, self.plain(call.input(2)?)?];
        let axes = self.integers(&[1, 2])?;
        let normal = self.standardized(x, axes, call.attributes.float("epsilon", 1e-5))?;
        let scaled = self.binary(Binary::Mul, normal, scale)?;
        Ok(Value::ChannelsLast(self.binary(Binary::Add, scaled, shift)?))
    }

    pub(super) fn layer_normalization(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = call.input(0)?;
        let rank = self.rank(x);
        let first = axis(call.attributes.int("axis").unwrap_or(-1), rank)?;
        let x = self.plain(x)?;
        let axes: Vec<i64> = (first..rank).map(|d| d as i64).collect();
        let axes = self.integers(&axes)?;
        let mut y = self.standardized(x, axes, call.attributes.float("epsilon", 1e-5))?;
        let scale = self.plain(call.input(1)?)?;
        y = self.binary(Binary::Mul, y, scale)?;
        if let Some(shift) = call.optional(2) {
            let shift = self.plain(shift)?;
            y = self.binary(Binary::Add, y, shift)?;
        }
        Ok(Value::Plain(y))
    }

    /// `(x − mean) / √(variance + epsilon)` over `axes`.
    fn standardized(&mut self, x: NodeId, axes: NodeId, epsilon: f32) -> Result<NodeId, String> {
        let mean = Op::Reduce { kind: Reduction::Mean, keep_dims: true };
        let middle = self.add(mean.clone(), &[x, axes])?;
        let centred = self.binary(Binary::Sub, x, middle)?;
        let squares = self.add(Op::Unary(Unary::Square), &[centred])?;
        let variance = self.add(mean, &[squares, axes])?;
        let epsilon = self.float(epsilon)?;
        let sum = self.binary(Binary::Add, variance, epsilon)?;
        let root = self.add(Op::Unary(Unary::Rsqrt), &[sum])?;
        self.binary(Binary::Mul, centred, root)
    }

    /// Over one axis since operator set 13; before, over all from that axis on as one row.
    pub(super) fn softmax(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = call.input(0)?;
        let shape = self.shape(x);
        let log = call.node.op_type == "LogSoftmax";
        let over_rows = self.model.opset < 13;
        let at = call.attributes.int("axis").unwrap_or(if over_rows { 1 } else { -1 });
        let at = axis(at, shape.len())?;
        let is_one_axis = !over_rows || shape[at + 1..].iter().all(|&length| length == 1);
        let softmax = Op::Softmax { log };
        if !is_one_axis {
            let x = self.plain(x)?;
            let row: usize = shape[at..].iter().product();
            let rows = self.integers(&[-1, row as i64])?;
            let matrix = self.add(Op::Reshape, &[x, rows])?;
            let result = self.add(softmax, &[matrix])?;
            let lengths = self.add(Op::Shape(crate::tensor::DType::I64), &[x])?;
            return Ok(Value::Plain(self.add(Op::Reshape, &[result, lengths])?));
        }
        if shape.len() == 4 && at == 1 {
            let x = self.channels_last(x)?;
            return Ok(Value::ChannelsLast(self.add(softmax, &[x])?));
        }
        self.over_last(x, at, |this, x| this.add(softmax, &[x]))
    }

    /// Applies a function of the last dimension to another one.
    pub(super) fn over_last(
        &mut self,
        x: Value,
        at: usize,
        function: impl FnOnce(&mut Self, NodeId) -> Result<NodeId, String>,
    ) -> Result<Value, String> {
        let x = self.plain(x)?;
        let last = self.fact(x).shape.len() - 1;
        if at == last {
            return Ok(Value::Plain(function(self, x)?));
        }
        let mut order: Vec<usize> = (0..=last).collect();
        order.swap(at, last);
        let turned = self.transpose(x, &order)?;
        let result = function(self, turned)?;
        Ok(Value::Plain(self.transpose(result, &order)?))
    }
}
