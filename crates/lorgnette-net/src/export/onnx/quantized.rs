//! Operations on 8-bit integers, in the form that engines call QDQ: an operation of real numbers
//! between a DequantizeLinear of all that it reads and a QuantizeLinear of its result. Engines that
//! know the form compute it with integers.
//!
//! A value that is stored as integers has the name of its real numbers in the file, which
//! DequantizeLinear gives; `NAME/stored` are the integers, and `NAME/real` is what is rounded to
//! them.

use lorgnette_kernels::Clamp;
use lorgnette_kernels::integer::OutputRange;

use super::contraction::window_settings;
use super::emit::{Operator, Setting, integers, node};
use super::layout::TO_FIRST;
use super::translation::Translation;
use super::weights::Content;
use crate::graph::op::{Conv, Reduction};
use crate::graph::quantized::{
    FilterScale, Quantized, QuantizedBinary, QuantizedFunction, QuantizedKind, Scale,
};
use crate::graph::shape::resolve;
use crate::graph::{Node, NodeId, TensorOrLazy};
use crate::tensor::{DType, Tensor};

/// A convolution's filter as the network has it, and what ONNX takes of it.
struct FilterForm {
    /// Dimension `d` of ONNX's filter is dimension `order[d]` of the network's.
    order: [usize; 4],
    kernel: [usize; 2],
    groups: usize,
}

impl<'a> Translation<'a> {
    /// Translates an operation on 8-bit integers.
    pub(super) fn quantized(
        &mut self,
        id: NodeId,
        node: &'a Node,
        quantized: &Quantized,
    ) -> Result<(), String> {
        let x = *node.inputs.first().ok_or("an input is missing")?;
        if [self.source.one.fact(x).dtype, quantized.dtype].contains(&DType::I16) {
            return Err("it computes with int16, which is not exported".into());
        }
        let clamp = remaining_clamp(quantized);
        match &quantized.kind {
            QuantizedKind::Conv2d(conv, filter) => {
                let &[outputs, rows, columns, inputs] = self.shape(node.inputs[1]) else {
                    return Err("the filter is no map".into());
                };
                let channels = self.shape(x).last().copied().unwrap_or(inputs);
                let groups = channels.checked_div(inputs).filter(|&groups| groups > 0);
                let groups = groups.filter(|groups| outputs.is_multiple_of(*groups));
                let groups = groups.ok_or("a filter of other channels than the picture")?;
                let form = FilterForm { order: [0, 3, 1, 2], kernel: [rows, columns], groups };
                let inputs =
                    self.quantized_contraction(id, node, quantized, filter, &form.order)?;
                self.quantized_conv(id, conv, &form, inputs, clamp)
            }
            QuantizedKind::DepthwiseConv2d(conv, filter) => {
                let &[_, rows, columns, _] = self.shape(node.inputs[1]) else {
                    return Err("the filter is no map".into());
                };
                let groups = self.shape(x).last().copied().unwrap_or(1);
                let form = FilterForm { order: [3, 0, 1, 2], kernel: [rows, columns], groups };
                let inputs =
                    self.quantized_contraction(id, node, quantized, filter, &form.order)?;
                self.quantized_conv(id, conv, &form, inputs, clamp)
            }
            QuantizedKind::FullyConnected(filter) => {
                let inputs = self.quantized_contraction(id, node, quantized, filter, &[0, 1])?;
                self.quantized_rows(id, x, node.inputs[1], inputs, clamp)
            }
            QuantizedKind::Binary(function) => {
                self.quantized_binary(id, node, quantized, *function, clamp)
            }
            QuantizedKind::Pool(pool) if clamp == Clamp::NONE => self.pool(id, x, pool),
            QuantizedKind::Pool(_) => Err("the activation of a pool".into()),
            QuantizedKind::Resize(resize) => self.resize(id, node, resize),
            QuantizedKind::Mean { keep_dims } => self.reduce(id, node, Reduction::Mean, *keep_dims),
            QuantizedKind::Softmax { beta: 1.0 } => {
                self.softmax(id, x, false);
                Ok(())
            }
            QuantizedKind::Softmax { beta } => Err(format!("a softmax of {beta} times its values")),
            QuantizedKind::Function(function) => {
                self.quantized_function(id, x, *function, clamp);
                Ok(())
            }
            QuantizedKind::Quantize { .. } => {
                let first = self.is_map(x);
                let real = if first { self.first(x) } else { self.plain(x) };
                self.give_rounded(first, id, real);
                Ok(())
            }
            // Numbers that are not rounded are nearer to the network's own.
            QuantizedKind::DynamicRange(_) | QuantizedKind::Dequantize { .. } => {
                self.names[id.index()] = self.names_of(x);
                Ok(())
            }
        }
    }

    /// Returns the names of a contraction's filter and bias, if it has one.
    fn quantized_contraction(
        &mut self,
        id: NodeId,
        node: &Node,
        quantized: &Quantized,
        scale: &FilterScale,
        order: &[usize],
    ) -> Result<Vec<String>, String> {
        let filter = &self.source.one.graph.node(node.inputs[1]).op;
        let filter = TensorOrLazy::from_op(filter).ok_or("its filter is computed")?;
        let value = filter.tensor().map_err(|error| error.to_string())?;
        let shape: Vec<usize> = order.iter().map(|&d| value.shape()[d]).collect();
        let outputs = shape[0];
        let dtype = value.dtype();
        let content = Content::Stored { value, order: order.to_vec() };
        let stored = Stored { shape, content, dtype };
        let mut names = vec![self.dequantized(id, "weights", stored, scale)];
        let Some(&bias) = node.inputs.get(2) else { return Ok(names) };
        let value = self.stored_constant(bias).ok_or("its bias is computed")?;
        if value.dtype() != DType::I32 || value.len() != outputs {
            return Err(format!("a bias of {} {}", value.len(), value.dtype()));
        }
        let input = quantized.inputs.first().ok_or("its input has no scale")?;
        let scales = scale.scales.iter().map(|scale| scale * input.scale).collect();
        let scale = FilterScale { scales, zero_point: 0 };
        let content = Content::Stored { value, order: vec![0] };
        let stored = Stored { shape: vec![outputs], content, dtype: DType::I32 };
        names.push(self.dequantized(id, "biases", stored, &scale));
        Ok(names)
    }

    fn quantized_conv(
        &mut self,
        id: NodeId,
        conv: &Conv,
        form: &FilterForm,
        filter: Vec<String>,
        clamp: Clamp,
    ) -> Result<(), String> {
        let x = self.node(id).inputs[0];
        let places = self.places(x)?;
        let window = resolve(form.kernel, conv.stride, conv.dilation, conv.border, places)?;
        let mut settings = window_settings(&window);
        settings.push(("dilations", integers(window.dilation)));
        settings.push(("group", Setting::Integer(form.groups as i64)));
        let inputs = [vec![self.first(x)], filter].concat();
        self.result(id, true, Operator { name: "Conv", inputs, settings }, clamp);
        Ok(())
    }

    /// A fully connected layer: a product of matrices, of whose left one a row is as long as a
    /// row of the weights.
    fn quantized_rows(
        &mut self,
        id: NodeId,
        x: NodeId,
        weights: NodeId,
        filter: Vec<String>,
        clamp: Clamp,
    ) -> Result<(), String> {
        let &[_, inner] = self.shape(weights) else {
            return Err("a matrix has two dimensions".into());
        };
        let rows = match self.shape(x) {
            [_, length] if *length == inner => self.plain(x),
            _ => {
                let (from, rows) = (self.elements(x), format!("{}/rows", self.name(id)));
                let shape = self.integers(id, "rows/shape", vec![-1, inner as i64]);
                self.emit(node("Reshape", vec![from, shape], &rows, Vec::new()));
                rows
            }
        };
        let inputs = [vec![rows], filter].concat();
        let settings = vec![("transB", Setting::Integer(1))];
        self.result(id, false, Operator { name: "Gemm", inputs, settings }, clamp);
        Ok(())
    }

    fn quantized_binary(
        &mut self,
        id: NodeId,
        node: &Node,
        quantized: &Quantized,
        function: QuantizedBinary,
        clamp: Clamp,
    ) -> Result<(), String> {
        let name = match function {
            QuantizedBinary::Add | QuantizedBinary::ShiftedAdd => "Add",
            QuantizedBinary::Sub | QuantizedBinary::ShiftedSub => "Sub",
            QuantizedBinary::Mul => "Mul",
            QuantizedBinary::Prelu => "PRelu",
        };
        let (&[a, b], &[a_scale, b_scale]) = (node.inputs.as_slice(), quantized.inputs.as_slice())
        else {
            return Err("it has no two inputs".into());
        };
        let can = |input: NodeId| {
            self.is_map(input) || self.source.one.graph.is_stored(input) && self.is_map(id)
        };
        let first = self.is_map(id) && can(a) && can(b) && (self.is_first(a) || self.is_first(b));
        let inputs = vec![
            self.operand(id, a, "a", a_scale, first)?,
            self.operand(id, b, "b", b_scale, first)?,
        ];
        self.result(id, first, Operator::new(name, inputs), clamp);
        Ok(())
    }

    /// Returns the name of an operand's real numbers, channels first if wanted.
    fn operand(
        &mut self,
        id: NodeId,
        input: NodeId,
        what: &str,
        scale: Scale,
        first: bool,
    ) -> Result<String, String> {
        let Some(value) = self.stored_constant(input) else {
            return Ok(if first { self.first(input) } else { self.plain(input) });
        };
        let dtype = value.dtype();
        let (value, order) = if first {
            let missing = 4usize.checked_sub(value.shape().len()).ok_or("it has more than rows")?;
            let four = [vec![1; missing], value.shape().to_vec()].concat();
            (value.reshaped(&four).ok_or("its shape")?, TO_FIRST.to_vec())
        } else {
            let order = (0..value.shape().len()).collect();
            (value, order)
        };
        let shape = order.iter().map(|&d: &usize| value.shape()[d]).collect();
        let stored = Stored { shape, content: Content::Stored { value, order }, dtype };
        let scale = FilterScale { scales: vec![scale.scale], zero_point: scale.zero_point };
        Ok(self.dequantized(id, what, stored, &scale))
    }

    fn quantized_function(
        &mut self,
        id: NodeId,
        x: NodeId,
        function: QuantizedFunction,
        clamp: Clamp,
    ) {
        let slope = |slope: f32| vec![("alpha", Setting::Float(slope))];
        let (operator, settings) = match function {
            QuantizedFunction::Requantize | QuantizedFunction::Join => {
                if clamp != Clamp::NONE {
                    return self.clamp(id, x, clamp);
                }
                let (first, x) = self.as_is(x);
                return self.give_rounded(first, id, x);
            }
            QuantizedFunction::Logistic => ("Sigmoid", Vec::new()),
            QuantizedFunction::Tanh => ("Tanh", Vec::new()),
            QuantizedFunction::HardSwish => ("HardSwish", Vec::new()),
            QuantizedFunction::Elu => ("Elu", Vec::new()),
            QuantizedFunction::LeakyRelu(alpha) => ("LeakyRelu", slope(alpha)),
        };
        self.each(id, x, operator, settings);
    }

    /// Returns the integers of a constant.
    fn stored_constant(&self, id: NodeId) -> Option<Tensor> {
        self.source.one.graph.constant_of(id).cloned()
    }

    /// Adds integers and the real numbers that they stand for; returns the name of these. With
    /// several scales each is for an index of the first dimension.
    fn dequantized(
        &mut self,
        id: NodeId,
        what: &str,
        stored: Stored,
        scale: &FilterScale,
    ) -> String {
        let Stored { shape, content, dtype } = stored;
        let count = scale.scales.len();
        let of_each = if count == 1 { Vec::new() } else { vec![count] };
        let mut inputs = vec![self.weight(id, &format!("{what}/stored"), shape, content)];
        inputs.push(self.floats(
            id,
            &format!("{what}/scale"),
            of_each.clone(),
            scale.scales.clone(),
        ));
        // Of int32 it is always 0.
        if dtype != DType::I32 {
            let name = format!("{what}/zero_point");
            let zero_points = vec![scale.zero_point.into(); count];
            let value = Tensor::from_i64(dtype, &of_each, &zero_points);
            inputs.push(self.zero_point(id, &name, value));
        }
        let real = format!("{}/{what}", self.name(id));
        let axis = vec![("axis", Setting::Integer(0))];
        self.emit(node("DequantizeLinear", inputs, &real, axis));
        real
    }

    fn zero_point(&mut self, id: NodeId, what: &str, value: Tensor) -> String {
        let shape = value.shape().to_vec();
        let content = Content::Stored { value, order: (0..shape.len()).collect() };
        self.weight(id, what, shape, content)
    }

    /// Adds the value `id`, in either layout: the real numbers `from` rounded to its integers.
    pub(super) fn give_rounded(&mut self, first: bool, id: NodeId, from: String) {
        let name = if first { self.first_name(id) } else { self.name(id) };
        self.rounded(id, from, &name);
        let names = &mut self.names[id.index()];
        if first {
            names.first = Some(name);
        } else {
            names.plain = Some(name);
        }
    }

    /// Adds the pair that rounds the real numbers `from` to the integers of the value `id`; `to` is
    /// the name of the numbers that these stand for.
    ///
    /// Signed integers become unsigned, 128 more, which stand for the same numbers: ONNX Runtime
    /// 1.32 leaves layers in float that read signed ones, where a shortcut changes their type.
    pub(super) fn rounded(&mut self, id: NodeId, from: String, to: &str) {
        let fact = self.source.one.fact(id);
        let Some(Scale { scale, zero_point }) = fact.quantization else { return };
        let (dtype, zero_point) = match fact.dtype {
            DType::I8 => (DType::U8, zero_point + 128),
            dtype => (dtype, zero_point),
        };
        let zero_point = Tensor::from_i64(dtype, &[], &[zero_point.into()]);
        let parameters = [
            self.floats(id, "quantization/scale", Vec::new(), vec![scale]),
            self.zero_point(id, "quantization/zero_point", zero_point),
        ];
        let stored = format!("{to}/stored");
        let inputs = |x: String| [vec![x], parameters.to_vec()].concat();
        self.emit(node("QuantizeLinear", inputs(from), &stored, Vec::new()));
        self.emit(node("DequantizeLinear", inputs(stored), to, Vec::new()));
    }
}

/// Integers of the file.
struct Stored {
    shape: Vec<usize>,
    content: Content,
    dtype: DType,
}

/// Returns what an activation limits beyond the limits of the integers themselves.
fn remaining_clamp(quantized: &Quantized) -> Clamp {
    let Quantized { output: Scale { scale, zero_point }, clamp, dtype, .. } = quantized;
    let whole = match dtype {
        DType::I8 => OutputRange::new::<i8>(*zero_point),
        _ => OutputRange::new::<u8>(*zero_point),
    };
    let left = whole.with_activation(*scale, clamp.low, clamp.high);
    Clamp {
        low: if left.low == whole.low { f32::NEG_INFINITY } else { clamp.low },
        high: if left.high == whole.high { f32::INFINITY } else { clamp.high },
    }
}
