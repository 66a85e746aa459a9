//! Functions of one and two values, reductions, matrix products, softmax.

use lorgnette_kernels::{Binary, Clamp, Unary};

use super::super::attributes::Attributes;
use super::{Chain, Piece};
use crate::graph::op::{Dequantize, MatMul, Op, Reduction};
use crate::tensor::{DType, Tensor};

pub(super) fn read(
    op: &str,
    node: Attributes<'_>,
    port: usize,
    inputs: usize,
) -> Option<Result<Piece, String>> {
    if let Some(function) = unary(op, node) {
        return Some(Ok(Piece::Node(Op::Unary(function))));
    }
    if let Some(function) = binary(op) {
        return Some(Ok(Piece::Node(Op::Binary(function, Clamp::NONE))));
    }
    if let Some(kind) = reduction(op) {
        return Some(Ok(Piece::Node(Op::Reduce { kind, keep_dims: node.flag("keep_dims") })));
    }
    let op = match op {
        "Relu" => Op::Clamp(Clamp::RELU),
        "Relu6" => Op::Clamp(Clamp::RELU6),
        "Softmax" => Op::Softmax { log: false },
        "LogSoftmax" => Op::Softmax { log: true },
        "MatMul" => Op::MatMul(mat_mul(node)),
        "ArgMax" | "ArgMin" => Op::ArgExtreme {
            smallest: op == "ArgMin",
            dtype: node.dtype("output_type").unwrap_or(DType::I64),
        },
        "TopKV2" => Op::TopK { indices: port == 1 },
        "Select" | "SelectV2" => Op::Select,
        "RandomUniform" => Op::RandomUniform,
        "AddN" | "AccumulateNV2" => return Some(Ok(sum(inputs))),
        "LogicalNot" => return Some(Ok(logical_not())),
        "ClipByValue" => return Some(Ok(clip())),
        "FakeQuantWithMinMaxVars" | "FakeQuantWithMinMaxArgs" => return Some(fake_quantize(node)),
        "Dequantize" => return Some(dequantize(node)),
        "Cast" => match node.dtype("DstT") {
            Some(dtype) if dtype != DType::String => Op::Cast(dtype),
            _ => return Some(Err("a cast to a type that is not known".into())),
        },
        _ => return None,
    };
    Some(Ok(Piece::Node(op)))
}

fn unary(op: &str, node: Attributes<'_>) -> Option<Unary> {
    Some(match op {
        "Abs" => Unary::Abs,
        "Ceil" => Unary::Ceil,
        "Elu" => Unary::Elu,
        "Erf" => Unary::Erf,
        "Exp" => Unary::Exp,
        "Floor" => Unary::Floor,
        // The default is that of TensorFlow's op definition.
        "LeakyRelu" => Unary::LeakyRelu(node.float("alpha").unwrap_or(0.2)),
        "Log" => Unary::Log,
        "Log1p" => Unary::Log1p,
        "Neg" => Unary::Neg,
        "Inv" | "Reciprocal" => Unary::Reciprocal,
        "Round" | "Rint" => Unary::Round,
        "Rsqrt" => Unary::Rsqrt,
        "Selu" => Unary::Selu,
        "Sigmoid" => Unary::Sigmoid,
        "Sign" => Unary::Sign,
        "_MklSwish" => Unary::Swish,
        "Softplus" => Unary::Softplus,
        "Softsign" => Unary::Softsign,
        "Sqrt" => Unary::Sqrt,
        "Square" => Unary::Square,
        "Tanh" => Unary::Tanh,
        _ => return None,
    })
}

fn binary(op: &str) -> Option<Binary> {
    Some(match op {
        "Add" | "AddV2" => Binary::Add,
        "Sub" => Binary::Sub,
        "Mul" => Binary::Mul,
        "RealDiv" | "Div" => Binary::Div,
        "DivNoNan" => Binary::DivNoNan,
        "FloorDiv" => Binary::FloorDiv,
        "FloorMod" => Binary::FloorMod,
        "Maximum" => Binary::Maximum,
        "Minimum" => Binary::Minimum,
        "Pow" => Binary::Pow,
        "SquaredDifference" => Binary::SquaredDifference,
        "Greater" => Binary::Greater,
        "GreaterEqual" => Binary::GreaterEqual,
        "Less" => Binary::Less,
        "LessEqual" => Binary::LessEqual,
        "Equal" => Binary::Equal,
        "NotEqual" => Binary::NotEqual,
        "LogicalAnd" => Binary::LogicalAnd,
        "LogicalOr" => Binary::LogicalOr,
        _ => return None,
    })
}

fn reduction(op: &str) -> Option<Reduction> {
    Some(match op {
        "Mean" => Reduction::Mean,
        "Sum" => Reduction::Sum,
        "Max" => Reduction::Max,
        "Min" => Reduction::Min,
        "Prod" => Reduction::Prod,
        "All" => Reduction::All,
        "Any" => Reduction::Any,
        _ => return None,
    })
}

pub(super) fn mat_mul(node: Attributes<'_>) -> MatMul {
    MatMul {
        transpose_a: node.flag("transpose_a"),
        transpose_b: node.flag("transpose_b"),
        ..MatMul::default()
    }
}

/// Adds several summands from first to last.
fn sum(inputs: usize) -> Piece {
    let add = || Op::Binary(Binary::Add, Clamp::NONE);
    match inputs {
        1 => Piece::Same(0),
        _ => Piece::chain(move |chain: &mut Chain<'_>| {
            let mut total = chain.input(0)?;
            for i in 1..inputs.saturating_sub(1) {
                let next = chain.input(i)?;
                total = chain.step(&format!("sum_{i}"), add(), &[total, next])?;
            }
            let last = chain.input(inputs.saturating_sub(1))?;
            chain.finish(add(), &[total, last])
        }),
    }
}

fn logical_not() -> Piece {
    Piece::chain(|chain| {
        let no = chain.constant("false", Tensor::from_i64(DType::Bool, &[], &[0]));
        let x = chain.input(0)?;
        chain.finish(Op::Binary(Binary::Equal, Clamp::NONE), &[x, no])
    })
}

/// `x, lowest, highest`.
fn clip() -> Piece {
    Piece::chain(|chain| {
        let (x, low, high) = (chain.input(0)?, chain.input(1)?, chain.input(2)?);
        let limited =
            chain.step("minimum", Op::Binary(Binary::Minimum, Clamp::NONE), &[x, high])?;
        chain.finish(Op::Binary(Binary::Maximum, Clamp::NONE), &[limited, low])
    })
}

fn dequantize(node: Attributes<'_>) -> Result<Piece, String> {
    let mode = match node.text("mode") {
        None | Some("MIN_COMBINED") => Dequantize::MinCombined,
        Some("MIN_FIRST") => Dequantize::MinFirst,
        Some("SCALED") => Dequantize::Scaled,
        Some(other) => return Err(format!("mode {other}")),
    };
    if node.int("axis").is_some_and(|axis| axis != -1) {
        return Err("ranges that differ along an axis".into());
    }
    Ok(Piece::Node(Op::Dequantize(mode)))
}

/// Fake quantisation, as quantisation-aware training leaves it: limits numbers to a range and
/// rounds them to one of its steps. The range is shifted so that zero is a step
/// (`tensorflow/core/kernels/fake_quant_ops_functor.h`).
fn fake_quantize(node: Attributes<'_>) -> Result<Piece, String> {
    let bits = node.int("num_bits").unwrap_or(8);
    if !(2..=16).contains(&bits) {
        return Err(format!("{bits} bits"));
    }
    let lowest = if node.flag("narrow_range") { 1.0 } else { 0.0 };
    let highest = ((1u32 << bits) - 1) as f32;
    let own = node.float("min").zip(node.float("max"));
    let by_attributes = node.0.op == "FakeQuantWithMinMaxArgs";
    Ok(Piece::chain(move |chain: &mut Chain<'_>| {
        let range = if by_attributes {
            Some(own.unwrap_or((-6.0, 6.0)))
        } else {
            chain.number(1).zip(chain.number(2))
        };
        let (min, max) = range.ok_or("its range is computed, not constant")?;
        let step = (max - min) / (highest - lowest);
        let zero = (lowest - min / step).round().clamp(lowest, highest);
        let (low, high) = ((lowest - zero) * step, (highest - zero) * step);
        let x = chain.input(0)?;
        let mut apply = |suffix: &str, op: Op, x, value: Option<f32>| {
            let value =
                value.map(|value| chain.constant(&format!("{suffix}/y"), Tensor::scalar(value)));
            let inputs: Vec<_> = std::iter::once(x).chain(value).collect();
            if suffix.is_empty() {
                chain.finish(op, &inputs)
            } else {
                chain.step(suffix, op, &inputs)
            }
        };
        let x = apply("limited", Op::Clamp(Clamp { low, high }), x, None)?;
        let x = apply("shifted", Op::Binary(Binary::Sub, Clamp::NONE), x, Some(low))?;
        let x = apply("steps", Op::Binary(Binary::Mul, Clamp::NONE), x, Some(1.0 / step))?;
        let x = apply("half", Op::Binary(Binary::Add, Clamp::NONE), x, Some(0.5))?;
        let x = apply("rounded", Op::Unary(Unary::Floor), x, None)?;
        let x = apply("scaled", Op::Binary(Binary::Mul, Clamp::NONE), x, Some(step))?;
        apply("", Op::Binary(Binary::Add, Clamp::NONE), x, Some(low))
    }))
}
