//! Convolutions, fully connected layers and affine functions of channels.

use lorgnette_kernels::Padding;

use super::super::scales::Integers;
use super::super::trained::Steps;
use super::{Emitter, Operation, Outcome, activation, unsupported};
use crate::graph::op::{Border, Conv, Epilogue, MatMul};
use crate::graph::shape::resolve;
use crate::graph::{Node, NodeId};
use crate::tensor::DType;
use crate::tflite::{NewOption, NewQuantization, NewTensor};

/// Padding by TensorFlow's rule, or none.
const SAME: u8 = 0;
const VALID: u8 = 1;

/// Weights by output channel.
struct Weights {
    /// The shape in the file.
    shape: Vec<usize>,
    /// The dimension of the output channels.
    dimension: usize,
    /// In the file's order.
    values: Vec<f32>,
    bias: Vec<f32>,
}

impl Emitter<'_> {
    pub(super) fn convolution(
        &mut self,
        id: NodeId,
        node: &Node,
        conv: &Conv,
        is_depthwise: bool,
    ) -> Outcome {
        let &[x, filter] = node.inputs.as_slice() else { return unsupported("its residual") };
        let Some(activation) = activation(conv.epilogue.limits()) else {
            return unsupported("its activation");
        };
        if self.scales_rounded_weights(&conv.epilogue) {
            return unsupported("a factor behind weights that are rounded");
        }
        let filter = self.constant(filter)?;
        let &[rows, columns, inputs, last] = filter.shape() else {
            return unsupported("its filter has not four dimensions");
        };
        let outputs = if is_depthwise { inputs * last } else { last };
        let values = scaled(filter.to_f32(), outputs, &conv.epilogue);
        let weights = if is_depthwise {
            Weights {
                shape: vec![1, rows, columns, outputs],
                dimension: 3,
                values,
                bias: bias(&conv.epilogue, outputs),
            }
        } else {
            Weights {
                shape: vec![outputs, rows, columns, inputs],
                dimension: 0,
                values: output_first(&values, outputs),
                bias: bias(&conv.epilogue, outputs),
            }
        };
        let stores = self.stores(id, node);
        let size = [rows, columns];
        let (padding, input) = self.padded(x, node, conv, size, stores)?;
        let mut tensors = vec![input];
        tensors.extend(self.weights(x, node, &weights, stores)?);
        let int = |n: usize| NewOption::Int(n as i32);
        let [stride_h, stride_w] = conv.stride;
        let [dilation_h, dilation_w] = conv.dilation;
        let mut fields =
            vec![(0, NewOption::Choice(padding)), (1, int(stride_w)), (2, int(stride_h))];
        let operation = if is_depthwise {
            fields.extend([
                (3, int(last)),
                (4, NewOption::Choice(activation)),
                (5, int(dilation_w)),
                (6, int(dilation_h)),
            ]);
            Operation::new("DEPTHWISE_CONV_2D", 3, Some((2, fields)))
        } else {
            fields.extend([
                (3, NewOption::Choice(activation)),
                (4, int(dilation_w)),
                (5, int(dilation_h)),
            ]);
            Operation::new("CONV_2D", 3, Some((1, fields)))
        };
        self.finish(id, operation, tensors, stores)
    }

    pub(super) fn fully_connected(&mut self, id: NodeId, node: &Node, product: &MatMul) -> Outcome {
        let &[x, matrix] = node.inputs.as_slice() else { return unsupported("its residual") };
        let Some(activation) = activation(product.epilogue.limits()) else {
            return unsupported("its activation");
        };
        if product.transpose_a {
            return unsupported("its left matrix is transposed");
        }
        if self.scales_rounded_weights(&product.epilogue) {
            return unsupported("a factor behind weights that are rounded");
        }
        let matrix = self.constant(matrix)?;
        let &[rows, columns] = matrix.shape() else { return unsupported("its right matrix") };
        let (inputs, outputs) = if product.transpose_b { (columns, rows) } else { (rows, columns) };
        let values = matrix.to_f32();
        let mut values = if product.transpose_b { values } else { output_first(&values, outputs) };
        if let Some(scale) = &product.epilogue.scale {
            for (row, scale) in values.chunks_exact_mut(inputs.max(1)).zip(scale.iter()) {
                row.iter_mut().for_each(|value| *value *= scale);
            }
        }
        let weights = Weights {
            shape: vec![outputs, inputs],
            dimension: 0,
            values,
            bias: bias(&product.epilogue, outputs),
        };
        let stores = self.stores(id, node);
        let mut tensors = vec![self.value(x, stores)?];
        tensors.extend(self.weights(x, node, &weights, stores)?);
        let options = vec![(0, NewOption::Choice(activation))];
        let operation = Operation::new("FULLY_CONNECTED", 12, Some((8, options)));
        self.finish(id, operation, tensors, stores)
    }

    /// A factor and a summand for each channel: a depthwise convolution of single pixels.
    pub(super) fn affine(&mut self, id: NodeId, node: &Node, epilogue: &Epilogue) -> Outcome {
        let &[x] = node.inputs.as_slice() else { return unsupported("its inputs") };
        let channels = self.shape(id).last().copied().unwrap_or(1);
        let limits = epilogue.limits();
        let activation = match activation(limits) {
            Some(activation) if self.shape(id).len() == 4 => activation,
            _ => return self.affine_of_reals(id, node, epilogue),
        };
        let stores = self.stores(id, node);
        let weights = Weights {
            shape: vec![1, 1, 1, channels],
            dimension: 3,
            values: scaled(vec![1.0; channels], channels, epilogue),
            bias: bias(epilogue, channels),
        };
        let mut tensors = vec![self.value(x, stores)?];
        tensors.extend(self.weights(x, node, &weights, stores)?);
        let one = || NewOption::Int(1);
        let fields = vec![
            (0, NewOption::Choice(VALID)),
            (1, one()),
            (2, one()),
            (3, one()),
            (4, NewOption::Choice(activation)),
        ];
        let operation = Operation::new("DEPTHWISE_CONV_2D", 3, Some((2, fields)));
        self.finish(id, operation, tensors, stores)
    }

    /// Adds a contraction's filter and bias.
    fn weights(
        &mut self,
        x: NodeId,
        node: &Node,
        weights: &Weights,
        stores: bool,
    ) -> Outcome<[usize; 2]> {
        let (name, bias_name) = (format!("{}/weights", node.name), format!("{}/bias", node.name));
        let outputs = weights.bias.len();
        if !stores {
            let filter = self.floats(&name, &weights.shape, &weights.values);
            return Ok([filter, self.floats(&bias_name, &[outputs], &weights.bias)]);
        }
        let input_scale = self.scale(x)?.scale;
        if let Integers::Uint8(trained) = self.source.integers {
            let filter = node.inputs.get(1).map(|filter| self.source.typed.graph.node(*filter));
            let range = filter.and_then(|filter| trained.get(&filter.name));
            let range =
                *range.ok_or_else(|| "its weights have no range of their own".to_owned())?;
            return Ok(self.trained_weights(node, weights, Steps::new(range), input_scale));
        }
        let scales = weights.scales(input_scale);
        let stored = weights.stored(&scales);
        let mut bias = weights.bias.clone();
        let means = &self.source.means[x.index()];
        if let Some(means) = means.as_ref().filter(|_| self.source.options.correct_bias) {
            weights.correct(&mut bias, &stored, &scales, means);
        }
        let quantization = |scales: Vec<f32>, dimension: usize| {
            Some(NewQuantization { scales, zero_point: 0, dimension })
        };
        let bias_scales: Vec<f32> = scales.iter().map(|scale| scale * input_scale).collect();
        let bias_bytes = bias
            .iter()
            .zip(&bias_scales)
            .flat_map(|(bias, scale)| ((bias / scale).round() as i32).to_le_bytes())
            .collect();
        let name = self.fresh(&name);
        let filter = self.tensor(NewTensor {
            name,
            dtype: DType::I8,
            shape: weights.shape.clone(),
            constant: Some(stored.iter().map(|x| x.cast_unsigned()).collect()),
            quantization: quantization(scales, weights.dimension),
        });
        let name = self.fresh(&bias_name);
        let bias = self.tensor(NewTensor {
            name,
            dtype: DType::I32,
            shape: vec![outputs],
            constant: Some(bias_bytes),
            quantization: quantization(bias_scales, 0),
        });
        Ok([filter, bias])
    }

    /// Adds a filter of uint8 with one scale, and its bias.
    fn trained_weights(
        &mut self,
        node: &Node,
        weights: &Weights,
        steps: Steps,
        input_scale: f32,
    ) -> [usize; 2] {
        let scale = input_scale * steps.scale as f32;
        let bias = weights.bias.iter().flat_map(|bias| {
            let stored = (f64::from(*bias) / f64::from(scale)).round() as i32;
            stored.to_le_bytes()
        });
        let quantization = |scale: f32, zero_point: u8| {
            let zero_point = zero_point.into();
            Some(NewQuantization { scales: vec![scale], zero_point, dimension: 0 })
        };
        let bias = NewTensor {
            name: self.fresh(&format!("{}/bias", node.name)),
            dtype: DType::I32,
            shape: vec![weights.bias.len()],
            constant: Some(bias.collect()),
            quantization: quantization(scale, 0),
        };
        let filter = NewTensor {
            name: self.fresh(&format!("{}/weights", node.name)),
            dtype: DType::U8,
            shape: weights.shape.clone(),
            constant: Some(weights.values.iter().map(|weight| steps.store(*weight)).collect()),
            quantization: quantization(steps.scale as f32, steps.zero_point),
        };
        [self.tensor(filter), self.tensor(bias)]
    }

    /// True if rounded weights would be multiplied by factors, which are no steps of theirs.
    fn scales_rounded_weights(&self, epilogue: &Epilogue) -> bool {
        matches!(self.source.integers, Integers::Uint8(_)) && epilogue.scale.is_some()
    }

    /// Returns how a convolution is padded, and its input: with its padding around it, where
    /// TensorFlow Lite has no name for that.
    fn padded(
        &mut self,
        x: NodeId,
        node: &Node,
        conv: &Conv,
        kernel: [usize; 2],
        stores: bool,
    ) -> Outcome<(u8, usize)> {
        let input = self.value(x, stores)?;
        let explicit = match conv.border {
            Border::Same => return Ok((SAME, input)),
            Border::Valid => return Ok((VALID, input)),
            Border::Explicit(padding) => padding,
        };
        let &[batch, height, width, channels] = self.shape(x) else {
            return unsupported("its input is no picture");
        };
        let same =
            resolve(kernel, conv.stride, conv.dilation, Border::Same, [height, width])?.padding;
        if explicit == Padding::default() {
            return Ok((VALID, input));
        }
        if explicit == same {
            return Ok((SAME, input));
        }
        let Padding { top, bottom, left, right } = explicit;
        let around = [0, 0, top, bottom, left, right, 0, 0].map(|n| n as i32);
        let paddings = self.integers(&format!("{}/paddings", node.name), &[4, 2], &around);
        let shape = vec![batch, height + top + bottom, width + left + right, channels];
        let name = self.fresh(&format!("{}/padded", node.name));
        let model = &self.model.tensors[input];
        let tensor = NewTensor { name, shape, constant: None, ..model.clone() };
        let padded = self.tensor(tensor);
        self.operator(
            "PAD",
            if stores { 2 } else { 1 },
            vec![input, paddings],
            padded,
            Some((22, Vec::new())),
        );
        Ok((VALID, padded))
    }
}

impl Weights {
    /// Returns the output channel of a weight, and the input channel of so many that it is for.
    fn channels(&self, index: usize, inputs: usize) -> [usize; 2] {
        let outputs = self.bias.len().max(1);
        if self.dimension == 0 {
            [index / (self.values.len() / outputs).max(1), index % inputs.max(1)]
        } else {
            // Each input channel has as many neighbouring output channels.
            let output = index % outputs;
            [output, output * inputs / outputs]
        }
    }

    /// Returns the scale of each output channel: its largest weight is 127 steps.
    fn scales(&self, input_scale: f32) -> Vec<f32> {
        /// Largest magnitude of a bias in steps: half of what int32 holds, for sums have room too.
        const MAX_BIAS: f32 = (1 << 30) as f32;
        let mut largest = vec![0f32; self.bias.len()];
        for (index, weight) in self.values.iter().enumerate() {
            let largest = &mut largest[self.channels(index, 1)[0]];
            *largest = largest.max(weight.abs());
        }
        let scale = |(largest, bias): (&f32, &f32)| {
            let for_weights = if *largest > 0.0 { largest / 127.0 } else { 1e-9 };
            for_weights.max(bias.abs() / input_scale / MAX_BIAS).max(1e-9)
        };
        largest.iter().zip(&self.bias).map(scale).collect()
    }

    fn stored(&self, scales: &[f32]) -> Vec<i8> {
        let store = |(index, weight): (usize, &f32)| {
            let stored = (weight / scales[self.channels(index, 1)[0]]).round();
            stored.clamp(-127.0, 127.0) as i8
        };
        self.values.iter().enumerate().map(store).collect()
    }

    /// Takes from each bias what the rounding of the weights adds to its channel's results, for
    /// inputs of these means (Nagel et al. 2019, "Data-free quantization").
    fn correct(&self, bias: &mut [f32], stored: &[i8], scales: &[f32], means: &[f32]) {
        let mut errors = vec![0f64; bias.len()];
        for (index, (weight, stored)) in self.values.iter().zip(stored).enumerate() {
            let [output, input] = self.channels(index, means.len());
            let mean = means.get(input).copied().map_or(0.0, f64::from);
            let rounded = f64::from(*stored) * f64::from(scales[output]);
            errors[output] += (rounded - f64::from(*weight)) * mean;
        }
        for (bias, error) in bias.iter_mut().zip(errors) {
            *bias -= error as f32;
        }
    }
}

/// Multiplies values, output channel by output channel, by an epilogue's factors.
fn scaled(mut values: Vec<f32>, outputs: usize, epilogue: &Epilogue) -> Vec<f32> {
    if let Some(scale) = &epilogue.scale {
        for row in values.chunks_exact_mut(outputs.max(1)) {
            for (value, scale) in row.iter_mut().zip(scale.iter()) {
                *value *= scale;
            }
        }
    }
    values
}

fn bias(epilogue: &Epilogue, outputs: usize) -> Vec<f32> {
    epilogue.shift.as_ref().map_or_else(|| vec![0.0; outputs], |shift| shift.to_vec())
}

/// Turns a matrix whose last dimension is the output channel.
fn output_first(values: &[f32], outputs: usize) -> Vec<f32> {
    let rows = values.len().checked_div(outputs).unwrap_or(0);
    let column = |output: usize| (0..rows).map(move |row| values[row * outputs + output]);
    (0..outputs).flat_map(column).collect()
}
