//! Quantised operations of TensorFlow Lite, as nodes of our own: what they have beside their inputs
//! is in attributes.

use lorgnette_kernels::{Clamp, PoolKind};

use super::super::attributes::Attributes;
use super::{Chain, Piece, window};
use crate::graph::op::{Op, Pool};
use crate::graph::quantized::{
    DynamicRange, FilterScale, Quantized, QuantizedBinary, QuantizedFunction, QuantizedKind, Scale,
};
use crate::proto::attribute;
use crate::tensor::DType;

/// The attribute of a resize that is TensorFlow's.
const ALIGN_CORNERS: &str = "align_corners";

/// True for the operations of 8-bit integers, which are ours and not TensorFlow's.
pub(crate) fn is_quantized_operation(op: &str) -> bool {
    op.starts_with(PREFIX)
}

/// The beginning of the operations' names.
const PREFIX: &str = "Lite";

pub(super) fn read(
    op: &str,
    node: Attributes<'_>,
    _: usize,
    _: usize,
) -> Option<Result<Piece, String>> {
    let op = op.strip_prefix(PREFIX)?;
    if op == "DynamicRange" {
        return Some(Ok(Piece::Node(Op::Quantized(Box::new(dynamic_range(node))))));
    }
    let kind = kind(op, node)?;
    Some(kind.and_then(|kind| quantized(kind, node)).map(|op| Piece::Node(Op::Quantized(op))))
}

/// Returns the steps of a placeholder of 8-bit integers; `None` for other nodes.
pub(super) fn placeholder(op: &str, node: Attributes<'_>) -> Option<Piece> {
    if op == "Placeholder" { quantized_input(node) } else { None }
}

/// Returns the steps of an input of 8-bit integers, which callers feed with real numbers; `None`
/// for other inputs.
pub(in crate::import) fn quantized_input(node: Attributes<'_>) -> Option<Piece> {
    let output = scale(node)?;
    let quantize = Quantized {
        kind: QuantizedKind::Quantize { port: true },
        inputs: Vec::new(),
        output,
        dtype: node.dtype(attribute::TYPE)?,
        clamp: Clamp::NONE,
    };
    let shape = node.shape("shape").filter(|shape| !shape.is_empty());
    Some(Piece::chain(move |chain: &mut Chain<'_>| {
        let real = chain.finish(Op::Input { dtype: DType::F32, shape }, &[])?;
        chain.step("quantized", Op::Quantized(Box::new(quantize)), &[real])
    }))
}

/// Returns the scale of a node's result, if it is quantised.
pub(in crate::import) fn scale(node: Attributes<'_>) -> Option<Scale> {
    let zero_point = i32::try_from(node.int(attribute::ZERO_POINT)?).ok()?;
    Some(Scale { scale: node.float(attribute::SCALE)?, zero_point })
}

fn kind(op: &str, node: Attributes<'_>) -> Option<Result<QuantizedKind, String>> {
    let function = |function| Ok(QuantizedKind::Function(function));
    let binary = |binary| Ok(QuantizedKind::Binary(binary));
    Some(match op {
        "Conv2D" => {
            window::conv(node).and_then(|conv| Ok(QuantizedKind::Conv2d(conv, filter_scale(node)?)))
        }
        "DepthwiseConv2D" => window::conv(node)
            .and_then(|conv| Ok(QuantizedKind::DepthwiseConv2d(conv, filter_scale(node)?))),
        "FullyConnected" => filter_scale(node).map(QuantizedKind::FullyConnected),
        "Add" => binary(QuantizedBinary::Add),
        "Sub" => binary(QuantizedBinary::Sub),
        "ShiftedAdd" => binary(QuantizedBinary::ShiftedAdd),
        "ShiftedSub" => binary(QuantizedBinary::ShiftedSub),
        "Mul" => binary(QuantizedBinary::Mul),
        "Prelu" => binary(QuantizedBinary::Prelu),
        "ResizeBilinear" => Ok(QuantizedKind::Resize(window::resize(node, true, ALIGN_CORNERS))),
        "ResizeNearest" => Ok(QuantizedKind::Resize(window::resize(node, false, ALIGN_CORNERS))),
        "MaxPool" => pool(node, PoolKind::Max),
        "AvgPool" => pool(node, PoolKind::Average),
        "Mean" => Ok(QuantizedKind::Mean { keep_dims: node.flag(attribute::KEEP_DIMS) }),
        "Softmax" => {
            Ok(QuantizedKind::Softmax { beta: node.float(attribute::BETA).unwrap_or(1.0) })
        }
        "Requantize" => function(QuantizedFunction::Requantize),
        "Join" => function(QuantizedFunction::Join),
        "Logistic" => function(QuantizedFunction::Logistic),
        "Tanh" => function(QuantizedFunction::Tanh),
        "HardSwish" => function(QuantizedFunction::HardSwish),
        "Elu" => function(QuantizedFunction::Elu),
        "LeakyRelu" => {
            function(QuantizedFunction::LeakyRelu(node.float(attribute::SLOPE).unwrap_or(0.0)))
        }
        "Quantize" => Ok(QuantizedKind::Quantize { port: false }),
        "Dequantize" => Ok(QuantizedKind::Dequantize { port: false }),
        _ => return None,
    })
}

/// Returns an operation of real numbers, which have no scale.
fn dynamic_range(node: Attributes<'_>) -> Quantized {
    let row = node.int(attribute::ROW).and_then(|row| usize::try_from(row).ok());
    let is_symmetric = node.flag(attribute::IS_SYMMETRIC);
    let how = DynamicRange { is_symmetric, row: row.filter(|&row| row > 0) };
    let kind = QuantizedKind::DynamicRange(how);
    let no_scale = Scale { scale: 1.0, zero_point: 0 };
    Quantized { kind, ..Quantized::dequantize(no_scale, DType::F32) }
}

fn pool(node: Attributes<'_>, kind: PoolKind) -> Result<QuantizedKind, String> {
    window::pool(node, kind).map(|pool: Pool| QuantizedKind::Pool(pool))
}

fn filter_scale(node: Attributes<'_>) -> Result<FilterScale, String> {
    let zero_point = node.int(attribute::FILTER_ZERO_POINT).unwrap_or(0);
    let zero_point = i32::try_from(zero_point).map_err(|_| "a filter's zero point")?;
    Ok(FilterScale { scales: node.floats(attribute::FILTER_SCALES).to_vec(), zero_point })
}

fn quantized(kind: QuantizedKind, node: Attributes<'_>) -> Result<Box<Quantized>, String> {
    let scales = node.floats(attribute::INPUT_SCALES);
    let zero_points = node.ints(attribute::INPUT_ZERO_POINTS);
    if scales.len() != zero_points.len() {
        return Err(format!("{} scales and {} zero points", scales.len(), zero_points.len()));
    }
    let input = |(&scale, &zero_point): (&f32, &i64)| {
        let zero_point = i32::try_from(zero_point).map_err(|_| "an input's zero point")?;
        Ok(Scale { scale, zero_point })
    };
    let inputs = scales.iter().zip(zero_points).map(input).collect::<Result<_, String>>()?;
    let clamp = Clamp {
        low: node.float(attribute::LOW).unwrap_or(f32::NEG_INFINITY),
        high: node.float(attribute::HIGH).unwrap_or(f32::INFINITY),
    };
    let output = scale(node).ok_or("its result has no scale")?;
    let dtype = node.dtype(attribute::TYPE).ok_or("its result has no type")?;
    Ok(Box::new(Quantized { kind, inputs, output, dtype, clamp }))
}
