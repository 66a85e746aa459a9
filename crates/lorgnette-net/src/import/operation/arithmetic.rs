//! Functions of one and two values, reductions, matrix products, softmax.

use lorgnette_kernels::{Binary, Clamp, Unary};

use super::super::attributes::Attributes;
use super::{Chain, Piece};
use crate::graph::NodeId;
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
        "IsFinite" => return Some(Ok(is_finite())),
        "ClipByValue" => return Some(Ok(clip())),
        op if op.starts_with("StatelessRandom") => {
            return Some(Err(
                "it draws random numbers: an augmentation that was exported with the \
                             model, whose answers differ from run to run"
                    .into(),
            ));
        }
        "Erfc" => return Some(Ok(complementary_error())),
        "FakeQuantWithMinMaxVars"
        | "FakeQuantWithMinMaxArgs"
        | "FakeQuantWithMinMaxVarsPerChannel" => return Some(fake_quantize(node)),
        "QuantizeAndDequantizeV2" | "QuantizeAndDequantizeV3" | "QuantizeAndDequantizeV4" => {
            return Some(quantize_and_dequantize(node));
        }
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

/// Compares magnitudes with the largest number: false for infinities and for NaN.
fn is_finite() -> Piece {
    Piece::chain(|chain| {
        let largest = chain.constant("largest", Tensor::from_f32(&[], vec![f32::MAX]));
        let x = chain.input(0)?;
        let magnitude = chain.step("magnitude", Op::Unary(Unary::Abs), &[x])?;
        chain.finish(Op::Binary(Binary::LessEqual, Clamp::NONE), &[magnitude, largest])
    })
}

/// `1 − erf(x)`.
fn complementary_error() -> Piece {
    Piece::chain(|chain| {
        let one = chain.constant("one", Tensor::scalar(1.0));
        let x = chain.input(0)?;
        let erf = chain.step("erf", Op::Unary(Unary::Erf), &[x])?;
        chain.finish(Op::Binary(Binary::Sub, Clamp::NONE), &[one, erf])
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
/// (`tensorflow/core/kernels/fake_quant_ops_functor.h`). One range for all, or one for each
/// channel.
fn fake_quantize(node: Attributes<'_>) -> Result<Piece, String> {
    let bits = node.int("num_bits").unwrap_or(8);
    if !(2..=16).contains(&bits) {
        return Err(format!("{bits} bits"));
    }
    let levels = Levels {
        lowest: if node.flag("narrow_range") { 1.0 } else { 0.0 },
        highest: ((1u32 << bits) - 1) as f32,
    };
    let own = node.float("min").zip(node.float("max"));
    let by_attributes = node.0.op == "FakeQuantWithMinMaxArgs";
    Ok(Piece::chain(move |chain: &mut Chain<'_>| {
        let ranges = if by_attributes {
            let (min, max) = own.unwrap_or((-6.0, 6.0));
            Some((vec![min], vec![max]))
        } else {
            chain.stored_values(1).zip(chain.stored_values(2))
        };
        let (min, max) = ranges.ok_or("its range is computed, not constant")?;
        if min.len() != max.len() || min.is_empty() {
            return Err(format!("{} minima and {} maxima", min.len(), max.len()));
        }
        let steps: Vec<Steps> =
            min.iter().zip(&max).map(|(&min, &max)| levels.steps(min, max)).collect();
        quantize(chain, &steps)
    }))
}

/// `x, low, high`: limits numbers to a range around zero and rounds them to one of its steps. The
/// range is widened on one side so that zero is a step, as TensorFlow does. There is one range, or
/// one for each index of the last dimension.
fn quantize_and_dequantize(node: Attributes<'_>) -> Result<Piece, String> {
    let own_bits = node.int("num_bits");
    if !node.flag("range_given") {
        return Err("its range is that of the values".into());
    }
    let axis = node.int("axis").filter(|&axis| axis != -1);
    let is_signed = !node.0.attr.contains_key("signed_input") || node.flag("signed_input");
    let is_narrow = node.flag("narrow_range");
    let rounds_up = node.text("round_mode") == Some("HALF_UP");
    Ok(Piece::chain(move |chain: &mut Chain<'_>| {
        let given_bits = chain.numbers(3).and_then(|bits| bits.first().copied());
        let bits = own_bits.or(given_bits).unwrap_or(8);
        if !(2..=16).contains(&bits) {
            return Err(format!("{bits} bits"));
        }
        let x = chain.input(0)?;
        if axis.is_some_and(|axis| !is_last_axis(chain, x, axis)) {
            return Err("it has a range for each index of another dimension than the last".into());
        }
        let half = (1_i64 << (bits - 1)) as f32;
        let integers = match is_signed {
            true if is_narrow => Levels { lowest: 1.0 - half, highest: half - 1.0 },
            true => Levels { lowest: -half, highest: half - 1.0 },
            false => Levels { lowest: 0.0, highest: 2.0 * half - 1.0 },
        };
        let steps = around_zero(chain, &integers, axis.is_some())?;
        round_to(chain, x, &steps, rounds_up)
    }))
}

/// True if `axis` is the last dimension of a value that is stored, perhaps behind its conversions.
fn is_last_axis(chain: &Chain<'_>, value: NodeId, axis: i64) -> bool {
    let shape = chain.graph.stored_shape(value);
    shape.is_some_and(|shape| usize::try_from(axis).is_ok_and(|axis| axis + 1 == shape.len()))
}

/// Reads the ranges, of which the side with the longer steps decides.
fn around_zero(
    chain: &Chain<'_>,
    integers: &Levels,
    are_several: bool,
) -> Result<Vec<Steps>, String> {
    let ranges = chain.stored_values(1).zip(chain.stored_values(2));
    let (mut lows, mut highs) = ranges.ok_or("its range is computed, not constant")?;
    if !are_several {
        lows.truncate(1);
        highs.truncate(1);
    }
    if lows.len() != highs.len() || lows.is_empty() {
        return Err(format!("{} minima and {} maxima", lows.len(), highs.len()));
    }
    let steps = lows.iter().zip(&highs).map(|(low, high)| {
        let step = (low / integers.lowest).max(high / integers.highest);
        match step > 0.0 && step.is_finite() {
            true => Ok(Steps { low: integers.lowest * step, high: integers.highest * step, step }),
            false => Err(format!("a range from {low} to {high}")),
        }
    });
    steps.collect()
}

/// Limits `x` to the ranges and rounds it to their steps, of which zero is one.
fn round_to(
    chain: &mut Chain<'_>,
    x: NodeId,
    steps: &[Steps],
    rounds_up: bool,
) -> Result<NodeId, String> {
    let times = Op::Binary(Binary::Mul, Clamp::NONE);
    let limited = limited(chain, x, steps)?;
    let inverse = constant_of(chain, "steps", steps, |steps| 1.0 / steps.step);
    let mut scaled = chain.step("steps", times.clone(), &[limited, inverse])?;
    let function = if rounds_up { Unary::Floor } else { Unary::Round };
    if rounds_up {
        let half = chain.constant("half/y", Tensor::scalar(0.5));
        scaled = chain.step("half", Op::Binary(Binary::Add, Clamp::NONE), &[scaled, half])?;
    }
    let rounded = chain.step("rounded", Op::Unary(function), &[scaled])?;
    let step = constant_of(chain, "", steps, |steps| steps.step);
    chain.finish(times, &[rounded, step])
}

/// The integers of a fake quantisation.
struct Levels {
    lowest: f32,
    highest: f32,
}

/// The numbers that a channel is rounded to: from `low` to `high` in steps of `step`.
struct Steps {
    low: f32,
    high: f32,
    step: f32,
}

impl Levels {
    fn steps(&self, min: f32, max: f32) -> Steps {
        let step = (max - min) / (self.highest - self.lowest);
        if step == 0.0 {
            return Steps { low: 0.0, high: 0.0, step: 1.0 };
        }
        let zero = (self.lowest - min / step).round().clamp(self.lowest, self.highest);
        Steps { low: (self.lowest - zero) * step, high: (self.highest - zero) * step, step }
    }
}

/// Adds a constant of one number for all, or of one for each index of the last dimension.
fn constant_of(
    chain: &mut Chain<'_>,
    name: &str,
    steps: &[Steps],
    value: fn(&Steps) -> f32,
) -> NodeId {
    let values: Vec<f32> = steps.iter().map(value).collect();
    let tensor = match values[..] {
        [one] => Tensor::scalar(one),
        _ => Tensor::from_f32(&[values.len()], values),
    };
    chain.constant(&format!("{name}/y"), tensor)
}

/// Limits `x` to the ranges.
fn limited(chain: &mut Chain<'_>, x: NodeId, steps: &[Steps]) -> Result<NodeId, String> {
    if let [Steps { low, high, .. }] = *steps {
        return chain.step("limited", Op::Clamp(Clamp { low, high }), &[x]);
    }
    let binary = |function| Op::Binary(function, Clamp::NONE);
    let high = constant_of(chain, "minimum", steps, |steps| steps.high);
    let x = chain.step("minimum", binary(Binary::Minimum), &[x, high])?;
    let low = constant_of(chain, "limited", steps, |steps| steps.low);
    chain.step("limited", binary(Binary::Maximum), &[x, low])
}

fn quantize(chain: &mut Chain<'_>, steps: &[Steps]) -> Result<NodeId, String> {
    let binary = |function| Op::Binary(function, Clamp::NONE);
    let input = chain.input(0)?;
    let mut x = limited(chain, input, steps)?;
    let low = constant_of(chain, "shifted", steps, |steps| steps.low);
    x = chain.step("shifted", binary(Binary::Sub), &[x, low])?;
    let inverse = constant_of(chain, "steps", steps, |steps| 1.0 / steps.step);
    x = chain.step("steps", binary(Binary::Mul), &[x, inverse])?;
    let half = constant_of(chain, "half", steps, |_| 0.5);
    x = chain.step("half", binary(Binary::Add), &[x, half])?;
    x = chain.step("rounded", Op::Unary(Unary::Floor), &[x])?;
    let step = constant_of(chain, "scaled", steps, |steps| steps.step);
    x = chain.step("scaled", binary(Binary::Mul), &[x, step])?;
    let low = constant_of(chain, "", steps, |steps| steps.low);
    chain.finish(binary(Binary::Add), &[x, low])
}
