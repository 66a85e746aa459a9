//! The nodes that each of ONNX's operators becomes.

mod contraction;
mod data_movement;
mod elementwise;
mod normalization;
pub(super) mod quantized;
mod reduction;
mod resampling;
mod shapes;
mod windowed;

use super::attributes::Attributes;
use super::proto::NodeProto;
use super::translate::{Translator, Value};
use super::weights;
use crate::tensor::DType;

/// The reason of a node whose operator is not known.
pub(super) const UNKNOWN: &str = "its operator is not known";

/// Every operator that is known, in alphabetical order.
const KNOWN: &[&str] = &[
    "Abs",
    "Add",
    "And",
    "ArgMax",
    "ArgMin",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Ceil",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "ConvTranspose",
    "DepthToSpace",
    "DequantizeLinear",
    "Div",
    "Dropout",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Expand",
    "Flatten",
    "Floor",
    "Gather",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Greater",
    "GreaterOrEqual",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "InstanceNormalization",
    "LRN",
    "LayerNormalization",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "LogSoftmax",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "Min",
    "Mish",
    "Mod",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "PRelu",
    "Pad",
    "Pow",
    "QuantizeLinear",
    "Range",
    "Reciprocal",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
    "Relu",
    "Reshape",
    "Resize",
    "Round",
    "Selu",
    "Shape",
    "Sigmoid",
    "Sign",
    "Size",
    "Slice",
    "Softmax",
    "Softplus",
    "Softsign",
    "SpaceToDepth",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Tanh",
    "Tile",
    "TopK",
    "Transpose",
    "Unsqueeze",
    "Upsample",
    "Where",
    "Xor",
];

/// Whether a node's operator is known, whatever its inputs are.
pub(super) fn is_known(node: &NodeProto) -> bool {
    is_default(node) && KNOWN.binary_search(&node.op_type.as_str()).is_ok()
}

/// A node to be translated.
#[derive(Clone, Copy)]
pub(super) struct Call<'a, 'b> {
    pub(super) node: &'a NodeProto,
    pub(super) attributes: Attributes<'a>,
    inputs: &'b [Option<Value>],
}

impl<'a> Call<'a, '_> {
    /// An input that the operator cannot do without.
    pub(super) fn input(&self, index: usize) -> Result<Value, String> {
        self.optional(index).ok_or_else(|| format!("input {index} is missing"))
    }

    /// An input that may be absent.
    pub(super) fn optional(&self, index: usize) -> Option<Value> {
        self.inputs.get(index).copied().flatten()
    }

    /// All inputs.
    pub(super) fn inputs(&self) -> Result<Vec<Value>, String> {
        let all: Option<Vec<Value>> = self.inputs.iter().copied().collect();
        all.filter(|inputs| !inputs.is_empty()).ok_or_else(|| "an input is missing".into())
    }

    /// The name of an input.
    pub(super) fn input_name(&self, index: usize) -> &'a str {
        self.node.input.get(index).map_or("", String::as_str)
    }

    /// Integers that are an attribute in older operator sets and an input in newer ones.
    pub(super) fn integers(
        &self,
        translator: &Translator<'_>,
        attribute: &str,
        input: usize,
    ) -> Result<Option<Vec<i64>>, String> {
        if let Some(values) = self.attributes.ints(attribute) {
            return Ok(Some(values.to_vec()));
        }
        self.optional(input).map(|value| translator.numbers(value)).transpose()
    }
}

/// The operator's name, with its domain if that is not ONNX's own.
pub(super) fn shown_operator(node: &NodeProto) -> String {
    if is_default(node) {
        node.op_type.clone()
    } else {
        format!("{}.{}", node.domain, node.op_type)
    }
}

/// Whether a node hands its input on.
pub(super) fn is_identity(node: &NodeProto) -> bool {
    is_default(node) && node.op_type == "Identity"
}

/// Whether a node gives its input as floats of some type.
pub(super) fn is_cast_to_float(node: &NodeProto) -> bool {
    let to = || Attributes(node).int("to").and_then(|to| weights::dtype(i32::try_from(to).ok()?));
    is_default(node) && node.op_type == "Cast" && to().is_some_and(DType::is_float)
}

fn is_default(node: &NodeProto) -> bool {
    node.domain.is_empty() || node.domain == "ai.onnx"
}

/// Adds what a node computes, and gives its outputs.
///
/// # Errors
/// If the operator, or this use of it, is not known, or does not fit its inputs.
pub(super) fn translate<'a>(
    translator: &mut Translator<'a>,
    node: &'a NodeProto,
    inputs: &[Option<Value>],
) -> Result<Vec<Option<Value>>, String> {
    if !is_known(node) {
        return Err(UNKNOWN.into());
    }
    let call = Call { node, attributes: Attributes(node), inputs };
    let t = translator;
    let single = match node.op_type.as_str() {
        "Split" => return Ok(t.split(call)?.into_iter().map(Some).collect()),
        "TopK" => return Ok(t.top_k(call)?.into_iter().map(Some).collect()),
        "MaxPool" if node.output.get(1).is_some_and(|name| !name.is_empty()) => {
            return Err("it also gives the places of the largest values".into());
        }
        "QuantizeLinear" => t.quantize_linear(call),
        "DequantizeLinear" => t.dequantize_linear(call),
        "Conv" => t.conv(call),
        "ConvTranspose" => t.conv_transpose(call),
        "Gemm" => t.gemm(call),
        "MatMul" => t.mat_mul(call),
        "MaxPool" | "AveragePool" => t.pool(call),
        "GlobalAveragePool" | "GlobalMaxPool" => t.global_pool(call),
        "LRN" => t.lrn(call),
        "BatchNormalization" => t.batch_normalization(call),
        "InstanceNormalization" => t.instance_normalization(call),
        "LayerNormalization" => t.layer_normalization(call),
        "Softmax" | "LogSoftmax" => t.softmax(call),
        "Resize" | "Upsample" => t.resize(call),
        "Concat" => t.concat(call),
        "Slice" => t.slice(call),
        "Pad" => t.pad(call),
        "Reshape" => t.reshape(call),
        "Flatten" => t.flatten(call),
        "Squeeze" => t.squeeze(call),
        "Unsqueeze" => t.unsqueeze(call),
        "Transpose" => t.transposition(call),
        "Expand" => t.expand(call),
        "Tile" => t.tile(call),
        "Gather" => t.gather(call),
        "DepthToSpace" | "SpaceToDepth" => t.depth_and_space(call),
        "Identity" | "Dropout" => call.input(0),
        "Constant" => t.constant(call),
        "ConstantOfShape" => t.constant_of_shape(call),
        "Shape" => t.shape_of(call),
        "Size" => t.size_of(call),
        "Range" => t.range(call),
        "ArgMax" | "ArgMin" => t.arg_extreme(call),
        name if name.starts_with("Reduce") => t.reduce(call),
        _ => t.elementwise(call),
    };
    Ok(vec![Some(single?)])
}

#[cfg(test)]
mod tests {
    use super::KNOWN;

    #[test]
    fn operators_are_in_alphabetical_order() {
        assert!(KNOWN.is_sorted());
    }
}
