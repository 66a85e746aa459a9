//! QuantizeLinear, DequantizeLinear, and the operators between them.
//!
//! A QuantizeLinear of what a convolution, a product or another known operator computes of
//! dequantised values becomes one operation on integers ([`Translator::fused`]). What is not known
//! that way is computed with real numbers, and rounded as ONNX defines it.

use std::sync::Arc;

use lorgnette_kernels::{Binary, Clamp, Unary};

use super::super::attributes::Attributes;
use super::super::proto::NodeProto;
use super::super::translate::{Translator, Value, picture};
use super::super::weights::{Weight, WeightScale};
use super::Call;
use crate::graph::NodeId;
use crate::graph::op::{Conv, Epilogue, Op};
use crate::graph::quantized::{
    FilterScale, Quantized, QuantizedBinary, QuantizedFunction, QuantizedKind, Scale,
};
use crate::graph::rearrange::places;
use crate::tensor::{DType, Tensor};

/// Operators whose result has the elements of their first input.
const MOVES: &[&str] = &["Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"];

/// A value of 8-bit integers.
#[derive(Clone, Copy, Debug)]
pub(in crate::onnx) struct StoredValue {
    value: Value,
    scale: Scale,
}

/// The integers that a result is rounded to.
#[derive(Clone, Copy)]
struct Target {
    scale: Scale,
    dtype: DType,
    /// The activation before that.
    clamp: Clamp,
}

/// The integers and the scales of the filter of a contraction.
struct StoredFilter {
    tensor: Tensor,
    scale: FilterScale,
}

impl<'a> Translator<'a> {
    pub(super) fn quantize_linear(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let (x, scale) = (call.input(0)?, self.linear_scale(call)?);
        if let Some(weight) = self.constant_weight(call.input_name(0), x) {
            let stored = scale.stored(&weight.to_computed(), self.stored_type(call))?;
            let node = self.add(Op::Const(stored.clone()), &[])?;
            if let Some(name) = call.node.output.first() {
                self.stored_weights.insert(name, Weight::of(stored));
            }
            return Ok(Value::Plain(node));
        }
        let scale = scale.single().ok_or("a computed value with a scale for each channel")?;
        let target = Target { scale, dtype: self.stored_type(call), clamp: Clamp::NONE };
        if !matches!(target.dtype, DType::I8 | DType::U8) {
            return Err(format!("integers of type {}", target.dtype));
        }
        match self.fused(call.input_name(0), target)? {
            Some(value) => Ok(value),
            None => self.each(x, |this, x| this.rounded(x, target)),
        }
    }

    pub(super) fn dequantize_linear(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let (x, scale) = (call.input(0)?, self.linear_scale(call)?);
        let output = call.node.output.first();
        if let Some(weight) = self.constant_weight(call.input_name(0), x) {
            scale.check(&weight.tensor)?;
            let weight = Weight { scale: Some(Arc::new(scale)), ..weight };
            let node = self.add(weight.operand(), &[])?;
            if let Some(name) = output {
                self.real_weights.insert(name, weight);
            }
            return Ok(Value::Plain(node));
        }
        let single = scale.single().ok_or("a computed value with a scale for each channel")?;
        let fact = self.fact(x.node());
        let dtype = fact.dtype;
        match fact.quantization {
            Some(known) if known == single => {
                if let Some(name) = output {
                    self.stored_values.insert(name, StoredValue { value: x, scale: known });
                }
                let op = Op::Quantized(Box::new(Quantized::dequantize(known, dtype)));
                self.each(x, |this, x| this.add(op, &[x]))
            }
            Some(_) => Err("its scale is not that of the integers that it reads".into()),
            None => self.each(x, |this, x| {
                let x = this.add(Op::Cast(DType::F32), &[x])?;
                let zero = this.float(single.zero_point as f32)?;
                let x = this.binary(Binary::Sub, x, zero)?;
                this.scaled(x, single.scale)
            }),
        }
    }

    /// The type of the integers of a QuantizeLinear.
    fn stored_type(&self, call: Call<'a, '_>) -> DType {
        let declared = call.attributes.int("output_dtype").filter(|number| *number != 0);
        let declared = declared.and_then(|number| super::super::weights::dtype(number as i32));
        let zero_point = call.optional(2).map(|value| self.dtype(value));
        zero_point.or(declared).unwrap_or(DType::U8)
    }

    /// Scales and zero points, inputs number 1 and 2.
    fn linear_scale(&self, call: Call<'a, '_>) -> Result<WeightScale, String> {
        if call.attributes.int("block_size").is_some_and(|size| size != 0) {
            return Err("a scale for each block".into());
        }
        let known = |value: Value| {
            self.known(value.node()).ok_or("a scale that depends on more than the input's size")
        };
        let scales = known(call.input(1)?)?.to_f32();
        if scales.is_empty() || scales.iter().any(|scale| !(scale.is_finite() && *scale > 0.0)) {
            return Err("a scale that is no positive number".into());
        }
        let zero_points = match call.optional(2) {
            Some(value) => known(value)?.to_i64(),
            None => vec![0; scales.len()],
        };
        if zero_points.len() != scales.len() {
            return Err(format!("{} scales and {} zero points", scales.len(), zero_points.len()));
        }
        let rank = self.rank(call.input(0)?);
        let axis = call.attributes.int("axis").unwrap_or(1);
        let axis = if scales.len() == 1 { 0 } else { crate::graph::rearrange::axis(axis, rank)? };
        let zero_points =
            zero_points.into_iter().map(|zero| zero.clamp(-32768, 65535) as i32).collect();
        Ok(WeightScale { scales, zero_points, axis })
    }

    /// The weights that a value is: an initialiser, or another constant.
    fn constant_weight(&self, name: &'a str, value: Value) -> Option<Weight> {
        if self.is_fed(name) {
            return None;
        }
        if let Some(weight) = self.stored_weights.get(name) {
            return Some(weight.clone());
        }
        let name = self.model.behind_identities(name);
        match self.model.initializers.get(name).filter(|_| !self.is_fed(name)) {
            Some(weight) => weight.as_ref().ok().cloned(),
            None => self.known(value.node()).cloned().map(Weight::of),
        }
    }

    /// Real numbers as integers: the nearest, halves to even.
    fn rounded(&mut self, x: NodeId, target: Target) -> Result<NodeId, String> {
        let Target { scale, dtype, clamp } = target;
        let step = self.float(scale.scale)?;
        let x = self.binary(Binary::Div, x, step)?;
        let x = self.add(Op::Unary(Unary::Round), &[x])?;
        let x = self.binary(Binary::Mul, x, step)?;
        let kind = QuantizedKind::Quantize { port: false };
        let op = Quantized { kind, inputs: Vec::new(), output: scale, dtype, clamp };
        self.add(Op::Quantized(Box::new(op)), &[x])
    }

    /// One operation on integers for the value `name` that is rounded to `target`; nothing if it
    /// has to be computed with real numbers.
    fn fused(&mut self, name: &'a str, target: Target) -> Result<Option<Value>, String> {
        let Some(mut node) = self.computed_by(name) else { return Ok(None) };
        let mut target = target;
        if let Some(clamp) = self.activation(node) {
            target.clamp = clamp;
            let before = node.input.first().and_then(|name| self.computed_by(name));
            let Some(before) = before else { return Ok(None) };
            node = before;
        }
        match node.op_type.as_str() {
            "Conv" => self.fused_conv(node, target),
            "Gemm" | "MatMul" => self.fused_product(node, target),
            "Add" => self.fused_binary(node, QuantizedBinary::Add, target),
            "Mul" => self.fused_binary(node, QuantizedBinary::Mul, target),
            "GlobalAveragePool" => self.fused_mean(node, target),
            "Concat" => self.fused_concat(node, target),
            "MaxPool" | "AveragePool" => self.fused_pool(node, target),
            operator if MOVES.contains(&operator) => self.fused_move(node, target),
            _ => Ok(None),
        }
    }

    /// The node of ONNX's own operators that computes a value, unless that is fed.
    fn computed_by(&self, name: &str) -> Option<&'a NodeProto> {
        let node = &self.model.nodes[*self.model.producers.get(name)?];
        let is_first = node.output.first().is_some_and(|output| output == name);
        (!self.is_fed(name) && is_first && super::is_default(node)).then_some(node)
    }

    /// The limits of an activation.
    fn activation(&self, node: &'a NodeProto) -> Option<Clamp> {
        let limit = |index: usize, name: &str, default: f32| match node.input.get(index) {
            Some(input) if !input.is_empty() => {
                let value = self.known(self.value_of(input)?.node())?;
                value.to_f32().first().copied()
            }
            _ => Some(Attributes(node).float(name, default)),
        };
        match node.op_type.as_str() {
            "Relu" => Some(Clamp::RELU),
            "Clip" => Some(Clamp {
                low: limit(1, "min", f32::NEG_INFINITY)?,
                high: limit(2, "max", f32::INFINITY)?,
            }),
            _ => None,
        }
    }

    /// The integers of an input that are stored in the target's type.
    fn stored_input(
        &self,
        node: &'a NodeProto,
        index: usize,
        target: Target,
    ) -> Option<StoredValue> {
        let name = node.input.get(index)?;
        let stored = *self.stored_values.get(name.as_str())?;
        let has_type = self.dtype(stored.value) == target.dtype;
        (has_type && !self.is_fed(name)).then_some(stored)
    }

    /// The weights of an input, with one scale or one for each index of `axis`, as integers of the
    /// target's type; its dimensions are permuted by `order`.
    fn stored_filter(
        &self,
        node: &'a NodeProto,
        axis: usize,
        order: &[usize],
        target: Target,
    ) -> Option<StoredFilter> {
        let weight = self.real_weights.get(node.input.get(1)?.as_str())?;
        let (scale, dtype) = (weight.scale.as_ref()?, weight.tensor.dtype());
        if !matches!(dtype, DType::I8 | DType::U8) || weight.tensor.shape().len() != order.len() {
            return None;
        }
        let mut zero_point = *scale.zero_points.first()?;
        let is_even = scale.zero_points.iter().all(|&other| other == zero_point);
        if !is_even || scale.scales.len() > 1 && scale.axis != axis {
            return None;
        }
        let flip = if dtype == target.dtype { 0 } else { 0x80 };
        if flip != 0 {
            zero_point += if dtype == DType::I8 { 128 } else { -128 };
        }
        let tensor = permuted(&weight.tensor, order, flip, target.dtype)?;
        Some(StoredFilter {
            tensor,
            scale: FilterScale { scales: scale.scales.clone(), zero_point },
        })
    }

    /// The bias of a contraction, input number 2: nothing in it if there is none, `None` if it is
    /// not of int32 in the steps of the products.
    fn stored_bias(
        &mut self,
        node: &'a NodeProto,
        filter: &FilterScale,
        input: Scale,
    ) -> Result<Option<Vec<NodeId>>, String> {
        /// Relative difference of scales that mean the same.
        const TOLERANCE: f32 = 1e-5;
        let Some(name) = node.input.get(2).filter(|name| !name.is_empty()) else {
            return Ok(Some(Vec::new()));
        };
        let Some(weight) = self.real_weights.get(name.as_str()) else { return Ok(None) };
        let Some(scale) = &weight.scale else { return Ok(None) };
        let of = |scales: &[f32], channel: usize| {
            scales.get(channel).or(scales.first()).copied().unwrap_or(0.0)
        };
        let is_in_steps = |channel: usize| {
            let product = input.scale * of(&filter.scales, channel);
            (of(&scale.scales, channel) - product).abs() <= TOLERANCE * product
        };
        let fits = weight.tensor.dtype() == DType::I32
            && scale.zero_points.iter().all(|&zero| zero == 0)
            && (0..weight.tensor.len()).all(is_in_steps);
        if !fits {
            return Ok(None);
        }
        let bias = Op::Const(weight.tensor.clone());
        Ok(Some(vec![self.add(bias, &[])?]))
    }

    fn fused_conv(&mut self, node: &'a NodeProto, target: Target) -> Result<Option<Value>, String> {
        let Some(input) = self.stored_input(node, 0, target) else { return Ok(None) };
        let call = Call { node, attributes: Attributes(node), inputs: &[] };
        let x = self.channels_last(input.value)?;
        let weight = node.input.get(1).and_then(|name| self.real_weights.get(name.as_str()));
        let shape = weight.map(|weight| weight.tensor.shape());
        let Some([outputs, part, rows, columns]) = shape.and_then(picture) else {
            return Ok(None);
        };
        let channels = self.fact(x).channels();
        let groups = call.attributes.int("group").unwrap_or(1);
        let Ok(groups) = usize::try_from(groups) else { return Ok(None) };
        let is_depthwise = groups > 1 && groups == channels && part == 1;
        let fits = groups > 0
            && part.checked_mul(groups) == Some(channels)
            && outputs.is_multiple_of(groups)
            && outputs > 0;
        let order: &[usize] = if is_depthwise { &[1, 2, 3, 0] } else { &[0, 2, 3, 1] };
        let filter = self.stored_filter(node, 0, order, target).filter(|_| fits);
        let Some(StoredFilter { tensor, scale }) = filter else { return Ok(None) };
        let Some(bias) = self.stored_bias(node, &scale, input.scale)? else { return Ok(None) };
        let conv = Conv {
            stride: call.attributes.pair("strides")?,
            dilation: call.attributes.pair("dilations")?,
            border: self.border(call, x, [rows, columns])?,
            epilogue: Epilogue::default(),
        };
        let kind = if is_depthwise {
            QuantizedKind::DepthwiseConv2d(conv, scale)
        } else {
            QuantizedKind::Conv2d(conv, scale)
        };
        let filter = self.add(Op::Const(tensor), &[])?;
        let inputs = [vec![x, filter], bias].concat();
        Ok(Some(Value::ChannelsLast(self.integers_of(kind, &[input.scale], &inputs, target)?)))
    }

    fn fused_product(
        &mut self,
        node: &'a NodeProto,
        target: Target,
    ) -> Result<Option<Value>, String> {
        let Some(input) = self.stored_input(node, 0, target) else { return Ok(None) };
        let attributes = Attributes(node);
        let is_plain = !attributes.flag("transA", false)
            && attributes.float("alpha", 1.0) == 1.0
            && attributes.float("beta", 1.0) == 1.0;
        let (axis, order) =
            if attributes.flag("transB", false) { (0, [0, 1]) } else { (1, [1, 0]) };
        let is_plain = is_plain && self.rank(input.value) == 2;
        let filter = self.stored_filter(node, axis, &order, target).filter(|_| is_plain);
        let Some(StoredFilter { tensor, scale }) = filter else { return Ok(None) };
        if self.shape(input.value)[1] != tensor.shape()[1] {
            return Ok(None);
        }
        let Some(bias) = self.stored_bias(node, &scale, input.scale)? else { return Ok(None) };
        if bias.iter().any(|&bias| self.fact(bias).shape != tensor.shape()[..1]) {
            return Ok(None);
        }
        let x = self.plain(input.value)?;
        let filter = self.add(Op::Const(tensor), &[])?;
        let inputs = [vec![x, filter], bias].concat();
        let kind = QuantizedKind::FullyConnected(scale);
        Ok(Some(Value::Plain(self.integers_of(kind, &[input.scale], &inputs, target)?)))
    }

    fn fused_binary(
        &mut self,
        node: &'a NodeProto,
        function: QuantizedBinary,
        target: Target,
    ) -> Result<Option<Value>, String> {
        let inputs = [0, 1].map(|index| self.stored_input(node, index, target));
        let [Some(a), Some(b)] = inputs else { return Ok(None) };
        let aligned = self.aligned(&[a.value, b.value])?;
        let kind = QuantizedKind::Binary(function);
        let sum = self.integers_of(kind, &[a.scale, b.scale], &aligned.nodes, target)?;
        Ok(Some(aligned.value(sum)))
    }

    fn fused_mean(&mut self, node: &'a NodeProto, target: Target) -> Result<Option<Value>, String> {
        let Some(input) = self.stored_input(node, 0, target) else { return Ok(None) };
        if target.clamp != Clamp::NONE || self.rank(input.value) != 4 {
            return Ok(None);
        }
        let x = self.channels_last(input.value)?;
        let axes = self.integers(&[1, 2])?;
        let kind = QuantizedKind::Mean { keep_dims: true };
        Ok(Some(Value::ChannelsLast(self.integers_of(kind, &[input.scale], &[x, axes], target)?)))
    }

    /// Parts of another scale take that of the whole first.
    fn fused_concat(
        &mut self,
        node: &'a NodeProto,
        target: Target,
    ) -> Result<Option<Value>, String> {
        let count = node.input.len();
        let parts: Option<Vec<StoredValue>> =
            (0..count).map(|index| self.stored_input(node, index, target)).collect();
        let Some(parts) = parts.filter(|_| target.clamp == Clamp::NONE) else { return Ok(None) };
        let mut inputs = Vec::with_capacity(count);
        for StoredValue { value, scale } in parts {
            let value = match scale == target.scale {
                true => value,
                false => self.each(value, |this, x| {
                    let kind = QuantizedKind::Function(QuantizedFunction::Join);
                    this.integers_of(kind, &[scale], &[x], target)
                })?,
            };
            inputs.push(Some(value));
        }
        let call = Call { node, attributes: Attributes(node), inputs: &inputs };
        self.concat(call).map(Some)
    }

    /// A movement of integers that keep their scale.
    fn fused_move(&mut self, node: &'a NodeProto, target: Target) -> Result<Option<Value>, String> {
        let input = self.stored_input(node, 0, target).filter(|x| x.scale == target.scale);
        let Some(input) = input else { return Ok(None) };
        let mut inputs = vec![Some(input.value)];
        for name in &node.input[1..] {
            inputs.push(self.value_of(name));
        }
        let moved = super::translate(self, node, &inputs)?;
        let moved = moved.first().copied().flatten();
        Ok(moved.filter(|_| target.clamp == Clamp::NONE))
    }

    /// A pool of integers that keep their scale.
    fn fused_pool(&mut self, node: &'a NodeProto, target: Target) -> Result<Option<Value>, String> {
        let input = self.stored_input(node, 0, target).filter(|x| x.scale == target.scale);
        let counts_padding = Attributes(node).flag("count_include_pad", false);
        let Some(input) = input.filter(|_| !counts_padding) else { return Ok(None) };
        let call = Call { node, attributes: Attributes(node), inputs: &[] };
        let x = self.channels_last(input.value)?;
        let (pool, x) = self.pool_of(call, x)?;
        if pool.dilation != [1, 1] {
            return Ok(None);
        }
        let kind = QuantizedKind::Pool(pool);
        Ok(Some(Value::ChannelsLast(self.integers_of(kind, &[input.scale], &[x], target)?)))
    }

    /// Adds an operation on integers.
    fn integers_of(
        &mut self,
        kind: QuantizedKind,
        scales: &[Scale],
        inputs: &[NodeId],
        target: Target,
    ) -> Result<NodeId, String> {
        let Target { scale, dtype, clamp } = target;
        let op = Quantized { kind, inputs: scales.to_vec(), output: scale, dtype, clamp };
        self.add(Op::Quantized(Box::new(op)), inputs)
    }
}

/// Bytes with some bits changed and dimensions permuted: dimension `d` is dimension `order[d]` of
/// the tensor's.
fn permuted(tensor: &Tensor, order: &[usize], flip: u8, dtype: DType) -> Option<Tensor> {
    let (shape, bytes) = (tensor.shape(), tensor.bytes());
    let moved = order.iter().map(|&d| shape[d]).collect();
    let result: Vec<u8> = places(shape, order).map(|place| bytes[place] ^ flip).collect();
    Tensor::from_shared(dtype, moved, result.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_permuted_and_flipped() {
        let tensor = Tensor::from_i64(DType::I8, &[2, 3], &[-128, -1, 0, 1, 2, 127]);
        let turned = permuted(&tensor, &[1, 0], 0x80, DType::U8).unwrap();
        assert_eq!(turned.shape(), [3, 2]);
        assert_eq!(turned.to_i64(), [0, 129, 127, 130, 128, 255]);
    }
}
