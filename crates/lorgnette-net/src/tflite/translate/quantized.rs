//! Operators on 8-bit integers that stand for real numbers, as nodes of our own with the scales of
//! all that they read and write.

use super::activation::Activation;
use super::window::{self, pair, window};
use super::{
    Attribute, LiteTensor, Outcome, Quantization, Refusal, Rounding, Site, data_movement,
    dtype_value, int, ints, unsupported,
};
use crate::proto::{ListValue, Value, attribute};
use crate::tensor::DType;

/// Translates an operator that reads or writes quantised values.
pub(super) fn translate(builtin: &str, site: &mut Site<'_, '_, '_>) -> Outcome {
    match builtin {
        "CONV_2D" => conv(site),
        "DEPTHWISE_CONV_2D" => depthwise(site),
        "FULLY_CONNECTED" => fully_connected(site),
        "AVERAGE_POOL_2D" => pool(site, "LiteAvgPool"),
        "MAX_POOL_2D" => pool(site, "LiteMaxPool"),
        "ADD" => sum(site, "LiteAdd", "LiteShiftedAdd"),
        "SUB" => sum(site, "LiteSub", "LiteShiftedSub"),
        "MUL" => binary(site, "LiteMul"),
        "PRELU" | "HARD_SWISH" if site.output().dtype == Some(DType::I16) => {
            unsupported("it is not known of int16")
        }
        "PRELU" => prelu(site),
        "RESIZE_BILINEAR" => resize(site, "LiteResizeBilinear"),
        "RESIZE_NEAREST_NEIGHBOR" => resize(site, "LiteResizeNearest"),
        "MEAN" => mean(site),
        "SOFTMAX" => softmax(site),
        "LOGISTIC" => function(site, "LiteLogistic", Activation::None),
        "TANH" => function(site, "LiteTanh", Activation::None),
        "ELU" if site.output().dtype == Some(DType::I8) => {
            function(site, "LiteElu", Activation::None)
        }
        "LEAKY_RELU" => leaky_relu(site),
        "HARD_SWISH" => function(site, "LiteHardSwish", Activation::None),
        "RELU" => function(site, "LiteRequantize", Activation::Relu),
        "RELU6" => function(site, "LiteRequantize", Activation::Relu6),
        "RELU_N1_TO_1" => function(site, "LiteRequantize", Activation::ReluN1To1),
        "QUANTIZE" => quantize(site),
        "DEQUANTIZE" => dequantize(site),
        "CONCATENATION" => concatenation(site),
        "PAD" => pad(site),
        "ARG_MAX" => arg_extreme(site, "ArgMax"),
        "ARG_MIN" => arg_extreme(site, "ArgMin"),
        "RESHAPE" | "SQUEEZE" | "EXPAND_DIMS" | "STRIDED_SLICE" | "SLICE" | "SPLIT" | "SPLIT_V"
        | "PACK" | "UNPACK" | "GATHER" | "MIRROR_PAD" | "PADV2" | "SPACE_TO_DEPTH"
        | "DEPTH_TO_SPACE" | "BATCH_TO_SPACE_ND" | "TRANSPOSE" | "TILE" | "BROADCAST_TO"
        | "REVERSE_V2" | "SHAPE" | "RANK" => {
            data_movement::translate(builtin, site).unwrap_or_else(|| unsupported(""))
        }
        _ => unsupported("its values are quantised, for which it is not known"),
    }
}

/// The one scale of an activation.
fn scale(tensor: &LiteTensor) -> Outcome<(f32, i64)> {
    match &tensor.quantization {
        Some(Quantization { scales, zero_points, .. }) if scales.len() == 1 => {
            Ok((scales[0], zero_points[0]))
        }
        Some(_) => unsupported(format!("'{}' has a scale for each channel", tensor.name)),
        None => unsupported(format!("'{}' has no scale", tensor.name)),
    }
}

impl Site<'_, '_, '_> {
    /// The scales of the first `count` inputs.
    fn input_scales(&self, count: usize) -> Outcome<Vec<Attribute>> {
        let (mut scales, mut zero_points) = (Vec::new(), Vec::new());
        for i in 0..count {
            let (scale, zero_point) = scale(self.tensor(i)?)?;
            scales.push(scale);
            zero_points.push(zero_point);
        }
        Ok(vec![
            (attribute::INPUT_SCALES, floats(scales)),
            (attribute::INPUT_ZERO_POINTS, ints(&zero_points)),
        ])
    }

    /// The scale and the type of the result.
    fn output_scale(&self) -> Outcome<Vec<Attribute>> {
        scale_of(self.output())
    }

    /// The scales of the filter, input number 1, whose output channels are its dimension
    /// `channels`.
    fn filter_scales(&self, channels: usize) -> Outcome<Vec<Attribute>> {
        let filter = self.tensor(1)?;
        let Some(Quantization { scales, zero_points, dimension }) = &filter.quantization else {
            return unsupported(format!("'{}' has no scale", filter.name));
        };
        if filter.constant.is_none() {
            return unsupported("its filter is computed, not constant");
        }
        if scales.len() > 1 && *dimension != channels {
            return Err(Refusal::Damaged(format!(
                "'{}' has scales along dimension {dimension}",
                filter.name
            )));
        }
        let zero_point = zero_points.first().copied().unwrap_or(0);
        if zero_points.iter().any(|&other| other != zero_point) {
            return unsupported(format!("'{}' has different zero points", filter.name));
        }
        Ok(vec![
            (attribute::FILTER_SCALES, floats(scales.clone())),
            (attribute::FILTER_ZERO_POINT, int(zero_point)),
        ])
    }

    /// Input names, without a trailing one that is left out.
    fn present_inputs(&self) -> Outcome<Vec<String>> {
        let count = (0..self.operator.inputs.len())
            .take_while(|&i| self.optional_tensor(i).is_some())
            .count();
        (0..count).map(|i| self.input(i)).collect()
    }
}

/// The scale and the type of a tensor, as attributes of its node.
pub(super) fn scale_of(tensor: &LiteTensor) -> Outcome<Vec<Attribute>> {
    let (scale, zero_point) = scale(tensor)?;
    let Some(dtype @ (DType::I8 | DType::U8 | DType::I16)) = tensor.dtype else {
        let dtype = tensor.dtype.map_or_else(String::new, |dtype| dtype.to_string());
        return unsupported(format!("'{}' is quantised ({dtype})", tensor.name));
    };
    Ok(vec![
        (attribute::SCALE, Value::F(scale)),
        (attribute::ZERO_POINT, int(zero_point)),
        (attribute::TYPE, dtype_value(dtype)),
    ])
}

/// The real range that an activation leaves.
fn limits(activation: Activation) -> Vec<Attribute> {
    let (low, high) = match activation {
        Activation::None => return Vec::new(),
        Activation::Relu => return vec![(attribute::LOW, Value::F(0.0))],
        Activation::ReluN1To1 => (-1.0, 1.0),
        Activation::Relu6 => (0.0, 6.0),
    };
    vec![(attribute::LOW, Value::F(low)), (attribute::HIGH, Value::F(high))]
}

/// `x, filter, bias`.
fn conv(site: &mut Site<'_, '_, '_>) -> Outcome {
    use window::conv::{ACTIVATION, DILATIONS, PADDING, STRIDES};
    let mut attributes = window(site, PADDING, STRIDES, Some(DILATIONS))?;
    attributes.extend(site.filter_scales(0)?);
    contraction(site, "LiteConv2D", attributes, ACTIVATION)
}

/// `x, filter, bias`.
fn depthwise(site: &mut Site<'_, '_, '_>) -> Outcome {
    use window::depthwise::{ACTIVATION, DILATIONS, PADDING, STRIDES};
    let mut attributes = window(site, PADDING, STRIDES, Some(DILATIONS))?;
    attributes.extend(site.filter_scales(3)?);
    contraction(site, "LiteDepthwiseConv2D", attributes, ACTIVATION)
}

/// `x, weights, bias`.
fn fully_connected(site: &mut Site<'_, '_, '_>) -> Outcome {
    use window::fully_connected::{ACTIVATION, KEEP_NUM_DIMS, WEIGHTS_FORMAT};
    if site.u8(WEIGHTS_FORMAT)? != 0 {
        return unsupported("shuffled weights");
    }
    let attributes = site.filter_scales(0)?;
    let result = &site.output().shape;
    if !(site.flag(KEEP_NUM_DIMS)? && result.len() != 2) {
        return contraction(site, "LiteFullyConnected", attributes, ACTIVATION);
    }
    let dims: Vec<i32> =
        result.iter().enumerate().map(|(d, &n)| if d == 0 { -1 } else { n as i32 }).collect();
    let attributes = contraction_attributes(site, attributes, ACTIVATION)?;
    let inputs = site.present_inputs()?;
    let sum = site.step("sum", "LiteFullyConnected", inputs, attributes)?;
    let shape = site.vector("shape", &dims)?;
    site.finish("Reshape", vec![sum, shape], Vec::new())
}

fn contraction(
    site: &mut Site<'_, '_, '_>,
    op: &str,
    attributes: Vec<Attribute>,
    activation: usize,
) -> Outcome {
    let attributes = contraction_attributes(site, attributes, activation)?;
    let inputs = site.present_inputs()?;
    site.finish(op, inputs, attributes)
}

fn contraction_attributes(
    site: &Site<'_, '_, '_>,
    mut attributes: Vec<Attribute>,
    activation: usize,
) -> Outcome<Vec<Attribute>> {
    attributes.extend(site.input_scales(1)?);
    attributes.extend(site.output_scale()?);
    attributes.extend(limits(Activation::from_options(site, activation)?));
    Ok(attributes)
}

fn pool(site: &mut Site<'_, '_, '_>, op: &str) -> Outcome {
    use window::pool::{ACTIVATION, KERNEL, PADDING, STRIDES};
    let mut attributes = window(site, PADDING, STRIDES, None)?;
    attributes.push(("ksize", pair(site, KERNEL, 0)?));
    attributes.extend(site.input_scales(1)?);
    attributes.extend(site.output_scale()?);
    attributes.extend(limits(Activation::from_options(site, ACTIVATION)?));
    let x = site.input(0)?;
    site.finish(op, vec![x], attributes)
}

/// `a, b`: a sum or a difference, by shifts if the file asks for it and the scales allow it.
fn sum(site: &mut Site<'_, '_, '_>, general: &str, shifted: &str) -> Outcome {
    const SHIFTS_INT16: usize = 1;
    let asks = site.options().map_or(Ok(true), |options| options.flag_or_true(SHIFTS_INT16))?;
    let tensors = [site.tensor(0)?, site.tensor(1)?, site.output()];
    let mut is_shifted = asks && site.output().dtype == Some(DType::I16);
    for tensor in tensors {
        let (scale, zero_point) = scale(tensor)?;
        let is_power = scale.is_normal() && scale.to_bits() & ((1 << 23) - 1) == 0;
        is_shifted &= is_power && zero_point == 0;
    }
    binary(site, if is_shifted { shifted } else { general })
}

/// `a, b`.
fn binary(site: &mut Site<'_, '_, '_>, op: &str) -> Outcome {
    const ACTIVATION: usize = 0;
    let mut attributes = site.input_scales(2)?;
    attributes.extend(site.output_scale()?);
    attributes.extend(limits(Activation::from_options(site, ACTIVATION)?));
    let inputs = site.inputs()?;
    site.finish(op, inputs, attributes)
}

/// `x, axes`.
fn mean(site: &mut Site<'_, '_, '_>) -> Outcome {
    const KEEP_DIMS: usize = 0;
    let mut attributes = site.input_scales(1)?;
    attributes.extend(site.output_scale()?);
    attributes.push((attribute::KEEP_DIMS, Value::B(site.flag(KEEP_DIMS)?)));
    let inputs = site.inputs()?;
    site.finish("LiteMean", inputs, attributes)
}

fn softmax(site: &mut Site<'_, '_, '_>) -> Outcome {
    const BETA: usize = 0;
    let mut attributes = site.input_scales(1)?;
    attributes.extend(site.output_scale()?);
    attributes.push((attribute::BETA, Value::F(site.f32(BETA)?)));
    let x = site.input(0)?;
    site.finish("LiteSoftmax", vec![x], attributes)
}

/// A function of each value.
fn function(site: &mut Site<'_, '_, '_>, op: &str, activation: Activation) -> Outcome {
    let mut attributes = site.input_scales(1)?;
    attributes.extend(site.output_scale()?);
    attributes.extend(limits(activation));
    let x = site.input(0)?;
    site.finish(op, vec![x], attributes)
}

fn leaky_relu(site: &mut Site<'_, '_, '_>) -> Outcome {
    const ALPHA: usize = 0;
    let slope = site.f32(ALPHA)?;
    if !(slope >= 0.0 && slope.is_finite()) {
        return unsupported(format!("a slope of {slope}"));
    }
    let mut attributes = site.input_scales(1)?;
    attributes.extend(site.output_scale()?);
    attributes.push((attribute::SLOPE, Value::F(slope)));
    let x = site.input(0)?;
    site.finish("LiteLeakyRelu", vec![x], attributes)
}

/// `x, slopes`.
fn prelu(site: &mut Site<'_, '_, '_>) -> Outcome {
    let mut attributes = site.input_scales(2)?;
    attributes.extend(site.output_scale()?);
    let inputs = site.inputs()?;
    site.finish("LitePrelu", inputs, attributes)
}

/// `x, [height, width]`.
fn resize(site: &mut Site<'_, '_, '_>, op: &str) -> Outcome {
    let mut attributes = window::resize_flags(site, op == "LiteResizeBilinear")?;
    attributes.extend(site.input_scales(1)?);
    attributes.extend(site.output_scale()?);
    let inputs = site.inputs()?;
    site.finish(op, inputs, attributes)
}

/// Real numbers, or integers of another scale, to integers.
fn quantize(site: &mut Site<'_, '_, '_>) -> Outcome {
    if site.tensor(0)?.is_quantized() {
        return function(site, "LiteRequantize", Activation::None);
    }
    let (x, attributes) = (site.real(0)?, site.output_scale()?);
    site.finish("LiteQuantize", vec![x], attributes)
}

fn dequantize(site: &mut Site<'_, '_, '_>) -> Outcome {
    let real = site.dequantized_input(0)?;
    site.finish("Identity", vec![real], Vec::new())
}

impl Site<'_, '_, '_> {
    /// The real numbers of a quantised input.
    fn dequantized_input(&mut self, i: usize) -> Outcome<String> {
        let mut attributes = self.input_scales(i + 1)?;
        attributes.extend(scale_of(self.tensor(i)?)?);
        let x = self.input(i)?;
        self.step("real", "LiteDequantize", vec![x], attributes)
    }
}

/// `x, axis`: the order of integers is that of their real numbers.
fn arg_extreme(site: &mut Site<'_, '_, '_>, op: &str) -> Outcome {
    let dtype = site.output().dtype.unwrap_or(DType::I64);
    let (x, axis) = (site.dequantized_input(0)?, site.input(1)?);
    site.finish(op, vec![x, axis], vec![("output_type", dtype_value(dtype))])
}

impl Site<'_, '_, '_> {
    /// The input of a contraction of real numbers. Where its weights alone are integers, the input
    /// is rounded to 8 bits first: each picture, or each `row` of values, with a range of its own.
    pub(super) fn contracted_input(&mut self, row: usize, is_symmetric: bool) -> Outcome<String> {
        let (x, tensor, weights) = (self.input(0)?, self.tensor(0)?, self.tensor(1)?);
        let is_hybrid = weights.dtype == Some(DType::I8)
            && weights.is_quantized()
            && weights.constant.is_some()
            && tensor.dtype == Some(DType::F32);
        if !is_hybrid {
            return Ok(x);
        }
        let rounding = Rounding { input: x.clone(), row, is_symmetric };
        if let Some(rounded) = self.translator.rounded.get(&rounding) {
            return Ok(rounded.clone());
        }
        let attributes = vec![
            (attribute::IS_SYMMETRIC, Value::B(is_symmetric)),
            (attribute::ROW, int(row as i64)),
        ];
        let rounded = self.step("rounded", "LiteDynamicRange", vec![x], attributes)?;
        self.translator.rounded.insert(rounding, rounded.clone());
        Ok(rounded)
    }

    /// True if the weights, input number 1, have one scale.
    pub(super) fn has_one_filter_scale(&self) -> Outcome<bool> {
        let quantization = &self.tensor(1)?.quantization;
        Ok(quantization.as_ref().is_some_and(|quantization| quantization.scales.len() == 1))
    }
}

/// Parts of another scale take that of the whole first.
fn concatenation(site: &mut Site<'_, '_, '_>) -> Outcome {
    const AXIS: usize = 0;
    const ACTIVATION: usize = 1;
    if Activation::from_options(site, ACTIVATION)? != Activation::None {
        return unsupported("an activation of quantised values");
    }
    let (axis, whole) = (site.i32(AXIS, 0)?, scale(site.output())?);
    let mut inputs = Vec::new();
    for i in 0..site.operator.inputs.len() {
        let (part, mut input) = (site.tensor(i)?, site.input(i)?);
        if scale(part)? != whole {
            if part.dtype != Some(DType::U8) {
                return unsupported(format!("'{}' has another scale than the whole", part.name));
            }
            let (scale, zero_point) = scale(part)?;
            let mut attributes = vec![
                (attribute::INPUT_SCALES, floats(vec![scale])),
                (attribute::INPUT_ZERO_POINTS, ints(&[zero_point])),
            ];
            attributes.extend(site.output_scale()?);
            input = site.step(&format!("part_{i}"), "LiteJoin", vec![input], attributes)?;
        }
        inputs.push(input);
    }
    if inputs.len() == 1 {
        return site.finish("Identity", inputs, Vec::new());
    }
    inputs.push(site.integers("axis", &[], &[axis])?);
    site.finish("ConcatV2", inputs, Vec::new())
}

/// `x, paddings`: surrounded with what stands for zero.
fn pad(site: &mut Site<'_, '_, '_>) -> Outcome {
    let (_, zero_point) = scale(site.output())?;
    let mut inputs = site.inputs()?;
    if inputs.len() == 2 {
        let Some(dtype) = site.output().dtype else { return unsupported("") };
        let name = site.fresh("zero");
        let value = zero_point.to_le_bytes()[..dtype.size()].to_vec().into();
        site.translator.constant(name.clone(), dtype, &[], value)?;
        inputs.push(super::reference(&name));
    }
    site.finish("PadV2", inputs, Vec::new())
}

fn floats(values: Vec<f32>) -> Value {
    Value::List(ListValue { f: values, ..ListValue::default() })
}
