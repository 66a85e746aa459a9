//! Fused operations of TensorFlow's optimisers: Grappler's `_Fused…`, and optimize_for_inference's
//! resizes and paddings in convolutions. They are split again; our own passes fuse for our own
//! kernels.

use lorgnette_kernels::{Binary, Clamp, Unary};

use super::super::attributes::Attributes;
use super::{Chain, Piece, arithmetic, structure, window};
use crate::graph::NodeId;
use crate::graph::op::{Op, PadMode};

pub(super) fn read(
    op: &str,
    node: Attributes<'_>,
    _port: usize,
    _inputs: usize,
) -> Option<Result<Piece, String>> {
    Some(match op {
        _ if node.is_nchw() && op.starts_with("_Fused") => {
            Err("pictures stored channel by channel".into())
        }
        "_FusedConv2D" => window::conv(node).and_then(|conv| with_epilogue(Op::Conv2d(conv), node)),
        "_FusedDepthwiseConv2dNative" => {
            window::conv(node).and_then(|conv| with_epilogue(Op::DepthwiseConv2d(conv), node))
        }
        "_FusedMatMul" => with_epilogue(Op::MatMul(arithmetic::mat_mul(node)), node),
        "_FusedBatchNormEx" => batch_norm(node),
        "FusedPadConv2D" => padded(node, false),
        "FusedResizeAndPadConv2D" => padded(node, true),
        _ => return None,
    })
}

/// An operation that follows a fused sum.
#[derive(Clone, Copy)]
enum After {
    Add,
    BatchNorm(f32),
    Clamp(Clamp),
    Unary(Unary),
}

fn after(name: &str, node: Attributes<'_>) -> Result<After, String> {
    Ok(match name {
        "BiasAdd" | "Add" => After::Add,
        "FusedBatchNorm" => After::BatchNorm(node.float("epsilon").unwrap_or(1e-4)),
        "Relu" => After::Clamp(Clamp::RELU),
        "Relu6" => After::Clamp(Clamp::RELU6),
        "Elu" => After::Unary(Unary::Elu),
        "_MklSwish" => After::Unary(Unary::Swish),
        "_FusedHardSwish" => After::Unary(Unary::HardSwish),
        "Sigmoid" => After::Unary(Unary::Sigmoid),
        "Tanh" => After::Unary(Unary::Tanh),
        "LeakyRelu" => After::Unary(Unary::LeakyRelu(node.float("leakyrelu_alpha").unwrap_or(0.2))),
        other => return Err(format!("fused with {other}")),
    })
}

/// Imports a convolution or product and the operations of `fused_ops`, whose arguments start at
/// input 2.
fn with_epilogue(sum: Op, node: Attributes<'_>) -> Result<Piece, String> {
    let steps: Vec<After> = node
        .texts("fused_ops")
        .into_iter()
        .map(|name| after(name, node))
        .collect::<Result<_, _>>()?;
    if steps.is_empty() {
        return Ok(Piece::Node(sum));
    }
    Ok(Piece::chain(move |chain: &mut Chain<'_>| {
        let (x, filter) = (chain.input(0)?, chain.input(1)?);
        let mut value = chain.step("sum", sum, &[x, filter])?;
        let mut argument = 2;
        for (i, step) in steps.iter().enumerate() {
            let count = match step {
                After::Add => 1,
                After::BatchNorm(_) => 4,
                After::Clamp(_) | After::Unary(_) => 0,
            };
            let mut inputs = vec![value];
            for _ in 0..count {
                inputs.push(chain.input(argument)?);
                argument += 1;
            }
            value = appended(chain, *step, &inputs, i, i + 1 == steps.len())?;
        }
        Ok(value)
    }))
}

fn appended(
    chain: &mut Chain<'_>,
    step: After,
    inputs: &[NodeId],
    index: usize,
    last: bool,
) -> Result<NodeId, String> {
    let op = match step {
        After::Add => Op::Binary(Binary::Add, Clamp::NONE),
        After::BatchNorm(epsilon) => Op::BatchNorm { epsilon },
        After::Clamp(clamp) => Op::Clamp(clamp),
        After::Unary(function) => Op::Unary(function),
    };
    if last { chain.finish(op, inputs) } else { chain.step(&format!("fused_{index}"), op, inputs) }
}

/// Imports a batch norm with an optional summand and an optional activation.
fn batch_norm(node: Attributes<'_>) -> Result<Piece, String> {
    if node.flag("is_training") {
        return Err(
            "it uses the statistics of the batch (is_training): export it for inference".into()
        );
    }
    let epsilon = node.float("epsilon").unwrap_or(1e-4);
    let side = node.int("num_side_inputs").unwrap_or(0) > 0;
    let clamp = match node.text("activation_mode") {
        None | Some("Identity") => Clamp::NONE,
        Some("Relu") => Clamp::RELU,
        Some(other) => return Err(format!("activation_mode {other}")),
    };
    Ok(Piece::chain(move |chain: &mut Chain<'_>| {
        let inputs: Vec<NodeId> = (0..5).map(|i| chain.input(i)).collect::<Result<_, _>>()?;
        let mut value = chain.step("batch_norm", Op::BatchNorm { epsilon }, &inputs)?;
        if side {
            let other = chain.input(5)?;
            value = chain.step("side", Op::Binary(Binary::Add, Clamp::NONE), &[value, other])?;
        }
        chain.finish(Op::Clamp(clamp), &[value])
    }))
}

/// `x, (size,) paddings, filter`: an optional resize, mirror padding, then a convolution.
fn padded(node: Attributes<'_>, resized: bool) -> Result<Piece, String> {
    let mode = structure::pad_mode(node).unwrap_or(PadMode::Constant);
    let conv = window::conv(node)?;
    let resize = window::resize(node, true, "resize_align_corners");
    Ok(Piece::chain(move |chain: &mut Chain<'_>| {
        let (mut x, shift) = (chain.input(0)?, usize::from(resized));
        if resized {
            let size = chain.input(1)?;
            x = chain.step("resize", Op::Resize(resize), &[x, size])?;
        }
        let (paddings, filter) = (chain.input(1 + shift)?, chain.input(2 + shift)?);
        x = chain.step("pad", Op::Pad(mode), &[x, paddings])?;
        chain.finish(Op::Conv2d(conv), &[x, filter])
    }))
}
