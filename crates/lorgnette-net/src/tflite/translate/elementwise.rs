//! Functions of one and two values, comparisons, reductions, conversions.

use super::activation::Activation;
use super::{Outcome, Refusal, Site, dtype_value, unsupported};
use crate::proto::Value;
use crate::tensor::DType;

pub(super) fn translate(builtin: &str, site: &mut Site<'_, '_, '_>) -> Option<Outcome> {
    if let Some(op) = same(builtin) {
        return Some(site.inputs().and_then(|inputs| site.finish(op, inputs, Vec::new())));
    }
    if let Some(op) = reduction(builtin) {
        return Some(reduce(site, op));
    }
    Some(match builtin {
        "ADD" => arithmetic(site, "AddV2"),
        "SUB" => arithmetic(site, "Sub"),
        "MUL" => arithmetic(site, "Mul"),
        "DIV" => arithmetic(site, "RealDiv"),
        "ARG_MAX" => arg_extreme(site, "ArgMax"),
        "ARG_MIN" => arg_extreme(site, "ArgMin"),
        "CAST" => cast(site),
        "DEQUANTIZE" => dequantize(site),
        "FAKE_QUANT" => fake_quantize(site),
        "TOPK_V2" => site.inputs().and_then(|inputs| {
            site.finish("TopKV2", inputs, Vec::new())?;
            site.name_outputs()
        }),
        _ => return None,
    })
}

/// Operators that are TensorFlow's under another name.
fn same(builtin: &str) -> Option<&'static str> {
    Some(match builtin {
        "ABS" => "Abs",
        "ADD_N" => "AddN",
        "CEIL" => "Ceil",
        "EQUAL" => "Equal",
        "EXP" => "Exp",
        "FLOOR" => "Floor",
        "FLOOR_DIV" => "FloorDiv",
        "FLOOR_MOD" => "FloorMod",
        "GREATER" => "Greater",
        "GREATER_EQUAL" => "GreaterEqual",
        "LESS" => "Less",
        "LESS_EQUAL" => "LessEqual",
        "LOG" => "Log",
        "LOGICAL_AND" => "LogicalAnd",
        "LOGICAL_NOT" => "LogicalNot",
        "LOGICAL_OR" => "LogicalOr",
        "MAXIMUM" => "Maximum",
        "MINIMUM" => "Minimum",
        "NEG" => "Neg",
        "NOT_EQUAL" => "NotEqual",
        "POW" => "Pow",
        "ROUND" => "Round",
        "RSQRT" => "Rsqrt",
        "SELECT" => "Select",
        "SELECT_V2" => "SelectV2",
        "SIGN" => "Sign",
        "SQRT" => "Sqrt",
        "SQUARE" => "Square",
        "SQUARED_DIFFERENCE" => "SquaredDifference",
        _ => return None,
    })
}

fn reduction(builtin: &str) -> Option<&'static str> {
    Some(match builtin {
        "MEAN" => "Mean",
        "SUM" => "Sum",
        "REDUCE_MAX" => "Max",
        "REDUCE_MIN" => "Min",
        "REDUCE_PROD" => "Prod",
        "REDUCE_ANY" => "Any",
        "REDUCE_ALL" => "All",
        _ => return None,
    })
}

/// `x, axes`.
fn reduce(site: &mut Site<'_, '_, '_>, op: &str) -> Outcome {
    const KEEP_DIMS: usize = 0;
    let (inputs, keep_dims) = (site.inputs()?, site.flag(KEEP_DIMS)?);
    site.finish(op, inputs, vec![("keep_dims", Value::B(keep_dims))])
}

/// `a, b`, then the fused activation.
fn arithmetic(site: &mut Site<'_, '_, '_>, op: &str) -> Outcome {
    const ACTIVATION: usize = 0;
    let activation = Activation::from_options(site, ACTIVATION)?;
    let inputs = vec![site.real(0)?, site.real(1)?];
    site.finish_with(activation, op, inputs, Vec::new())
}

/// `x, axis`.
fn arg_extreme(site: &mut Site<'_, '_, '_>, op: &str) -> Outcome {
    let (inputs, dtype) = (site.inputs()?, site.output().dtype.unwrap_or(DType::I64));
    site.finish(op, inputs, vec![("output_type", dtype_value(dtype))])
}

fn cast(site: &mut Site<'_, '_, '_>) -> Outcome {
    let Some(dtype) = site.output().dtype else {
        return unsupported("a cast to a type that is not known");
    };
    let x = site.input(0)?;
    site.finish("Cast", vec![x], vec![("DstT", dtype_value(dtype))])
}

/// Weights that are stored as float16 or as integers.
fn dequantize(site: &mut Site<'_, '_, '_>) -> Outcome {
    let value = site.real(0)?;
    site.finish("Identity", vec![value], Vec::new())
}

fn fake_quantize(site: &mut Site<'_, '_, '_>) -> Outcome {
    let [min, max, bits, narrow] = [0, 1, 2, 3];
    let (low, high) = (site.f32(min)?, site.f32(max)?);
    if low.partial_cmp(&high) != Some(std::cmp::Ordering::Less) {
        return Err(Refusal::Damaged(format!("a range from {low} to {high}")));
    }
    let attributes = vec![
        ("min", Value::F(low)),
        ("max", Value::F(high)),
        ("num_bits", Value::I(site.i32(bits, 0)?.into())),
        ("narrow_range", Value::B(site.flag(narrow)?)),
    ];
    let x = site.input(0)?;
    site.finish("FakeQuantWithMinMaxArgs", vec![x], attributes)
}
