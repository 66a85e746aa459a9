//! Shapes, and operations that move values.

use super::super::attributes::Attributes;
use super::Piece;
use crate::graph::op::{Op, PadMode, SliceMasks};
use crate::tensor::{DType, Tensor};

pub(super) fn read(
    op: &str,
    node: Attributes<'_>,
    port: usize,
    inputs: usize,
) -> Option<Result<Piece, String>> {
    let index_type = || node.dtype("out_type").unwrap_or(DType::I32);
    let op = match op {
        "Reshape" => Op::Reshape,
        "Squeeze" => Op::Squeeze { axes: squeeze_axes(node).to_vec() },
        "ExpandDims" => Op::ExpandDims,
        "Shape" => Op::Shape(index_type()),
        "Size" => Op::Size(index_type()),
        "Rank" => Op::Rank,
        "Transpose" => Op::Transpose,
        "StridedSlice" => match masks(node) {
            Ok(masks) => Op::StridedSlice(masks),
            Err(what) => return Some(Err(what)),
        },
        "Slice" => Op::Slice,
        "ConcatV2" => Op::Concat,
        "Concat" => return Some(Ok(old_concat(inputs))),
        "Pack" => Op::Pack { axis: node.int("axis").unwrap_or(0) },
        "Unpack" => Op::Unpack { axis: node.int("axis").unwrap_or(0), index: port },
        "Split" => match node.int("num_split").and_then(|n| usize::try_from(n).ok()) {
            Some(count) => Op::Split { count, index: port },
            None => return Some(Err("it has no num_split".into())),
        },
        "SplitV" => Op::SplitV { index: port },
        "GatherV2" if node.int("batch_dims").unwrap_or(0) == 0 => Op::Gather,
        "Gather" => return Some(Ok(old_gather())),
        "ReverseV2" => Op::Reverse,
        "Tile" => Op::Tile,
        "BroadcastTo" => Op::BroadcastTo,
        "Pad" | "PadV2" => Op::Pad(PadMode::Constant),
        "MirrorPad" => match pad_mode(node) {
            Some(mode) => Op::Pad(mode),
            None => return Some(Err("it has no mode".into())),
        },
        "SpaceToBatchND" => Op::SpaceToBatch,
        "BatchToSpaceND" => Op::BatchToSpace,
        "DepthToSpace" | "SpaceToDepth" => match block(node) {
            Ok(block) if op == "DepthToSpace" => Op::DepthToSpace { block, by_channel: false },
            Ok(block) => Op::SpaceToDepth { block },
            Err(what) => return Some(Err(what)),
        },
        "Fill" => Op::Fill,
        "Range" => Op::Range,
        "ZerosLike" => return Some(Ok(filled_like(0.0, dtype(node)))),
        "OnesLike" => return Some(Ok(filled_like(1.0, dtype(node)))),
        _ => return None,
    };
    Some(Ok(Piece::Node(op)))
}

fn dtype(node: Attributes<'_>) -> DType {
    node.dtype("T").unwrap_or(DType::F32)
}

fn squeeze_axes<'a>(node: Attributes<'a>) -> &'a [i64] {
    match node.ints("squeeze_dims") {
        [] => node.ints("axis"),
        axes => axes,
    }
}

fn masks(node: Attributes<'_>) -> Result<SliceMasks, String> {
    let mask = |name: &str| {
        u64::try_from(node.int(name).unwrap_or(0)).map_err(|_| format!("a negative {name}"))
    };
    let masks = SliceMasks {
        begin: mask("begin_mask")?,
        end: mask("end_mask")?,
        ellipsis: mask("ellipsis_mask")?,
        new_axis: mask("new_axis_mask")?,
        shrink_axis: mask("shrink_axis_mask")?,
    };
    if masks.ellipsis.count_ones() > 1 { Err("more than one ellipsis".into()) } else { Ok(masks) }
}

pub(super) fn pad_mode(node: Attributes<'_>) -> Option<PadMode> {
    match node.text("mode") {
        Some("REFLECT") => Some(PadMode::Reflect),
        Some("SYMMETRIC") => Some(PadMode::Symmetric),
        _ => None,
    }
}

/// Rows and columns of the blocks that become channels.
fn block(node: Attributes<'_>) -> Result<[usize; 2], String> {
    if node.text("data_format").is_some_and(|format| format != "NHWC") {
        return Err("pictures stored channel by channel".into());
    }
    let size =
        node.int("block_size").and_then(|size| usize::try_from(size).ok()).filter(|&size| size > 0);
    size.map(|size| [size; 2]).ok_or_else(|| "it has no block_size".into())
}

/// The form of 2015: the axis comes first.
fn old_concat(inputs: usize) -> Piece {
    Piece::chain(move |chain| {
        let mut reordered = Vec::new();
        for i in 1..inputs {
            reordered.push(chain.input(i)?);
        }
        reordered.push(chain.input(0)?);
        chain.finish(Op::Concat, &reordered)
    })
}

/// The form without an axis: gathers rows.
fn old_gather() -> Piece {
    Piece::chain(|chain| {
        let axis = chain.constant("axis", Tensor::from_i64(DType::I32, &[], &[0]));
        let (x, indices) = (chain.input(0)?, chain.input(1)?);
        chain.finish(Op::Gather, &[x, indices, axis])
    })
}

fn filled_like(value: f32, dtype: DType) -> Piece {
    Piece::chain(move |chain| {
        let x = chain.input(0)?;
        let shape = chain.step("shape", Op::Shape(DType::I32), &[x])?;
        let tensor = if dtype.is_float() {
            Tensor::scalar(value)
        } else {
            Tensor::from_i64(dtype, &[], &[value as i64])
        };
        let value = chain.constant("value", tensor);
        chain.finish(Op::Fill, &[shape, value])
    })
}
