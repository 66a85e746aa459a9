//! Shapes, and what only moves values about.

use super::activation::Activation;
use super::{Outcome, Site, dtype_value, int, ints, text, unsupported};
use crate::tensor::DType;

pub(super) fn translate(builtin: &str, site: &mut Site<'_, '_, '_>) -> Option<Outcome> {
    if let Some(op) = same(builtin) {
        return Some(site.inputs().and_then(|inputs| site.finish(op, inputs, Vec::new())));
    }
    Some(match builtin {
        "CONCATENATION" => concatenation(site),
        "RESHAPE" => reshape(site),
        "SQUEEZE" => squeeze(site),
        "STRIDED_SLICE" => strided_slice(site),
        "SPLIT" => split(site, "Split"),
        "SPLIT_V" => split(site, "SplitV"),
        "PACK" => pack(site),
        "UNPACK" => unpack(site),
        "GATHER" => gather(site),
        "MIRROR_PAD" => mirror_pad(site),
        "SPACE_TO_DEPTH" => blocks(site, "SpaceToDepth"),
        "DEPTH_TO_SPACE" => blocks(site, "DepthToSpace"),
        "SHAPE" => shape(site),
        "ZEROS_LIKE" => zeros_like(site),
        _ => return None,
    })
}

/// Operators that are TensorFlow's under another name.
fn same(builtin: &str) -> Option<&'static str> {
    Some(match builtin {
        "BATCH_TO_SPACE_ND" => "BatchToSpaceND",
        "BROADCAST_TO" => "BroadcastTo",
        "EXPAND_DIMS" => "ExpandDims",
        "FILL" => "Fill",
        "PAD" => "Pad",
        "PADV2" => "PadV2",
        "RANGE" => "Range",
        "RANK" => "Rank",
        "REVERSE_V2" => "ReverseV2",
        "SLICE" => "Slice",
        "SPACE_TO_BATCH_ND" => "SpaceToBatchND",
        "TILE" => "Tile",
        "TRANSPOSE" => "Transpose",
        _ => return None,
    })
}

fn concatenation(site: &mut Site<'_, '_, '_>) -> Outcome {
    const AXIS: usize = 0;
    const ACTIVATION: usize = 1;
    let (activation, axis) = (Activation::from_options(site, ACTIVATION)?, site.i32(AXIS, 0)?);
    let mut inputs = site.inputs()?;
    if inputs.len() == 1 {
        return site.finish_with(activation, "Identity", inputs, Vec::new());
    }
    inputs.push(site.integers("axis", &[], &[axis])?);
    site.finish_with(activation, "ConcatV2", inputs, Vec::new())
}

/// `x, shape`; in old files the shape is an option.
fn reshape(site: &mut Site<'_, '_, '_>) -> Outcome {
    const NEW_SHAPE: usize = 0;
    let x = site.input(0)?;
    let shape = match site.numbers(1) {
        Some(numbers) => Some(numbers.iter().map(|&n| n as i32).collect()),
        None if site.optional_tensor(1).is_none() => Some(site.i32s(NEW_SHAPE)?),
        None => None,
    };
    let shape = match shape {
        Some(shape) => {
            let shape = for_any_batch(shape, &site.tensor(0)?.shape);
            site.vector("shape", &shape)?
        }
        None => site.input(1)?,
    };
    site.finish("Reshape", vec![x, shape], Vec::new())
}

/// Leaves the first dimension open where it is that of a batch of one.
fn for_any_batch(mut shape: Vec<i32>, x: &[usize]) -> Vec<i32> {
    if shape.len() > 1 && shape[0] == 1 && x.first() == Some(&1) && !shape.contains(&-1) {
        shape[0] = -1;
    }
    shape
}

fn squeeze(site: &mut Site<'_, '_, '_>) -> Outcome {
    const DIMS: usize = 0;
    let (x, dims) = (site.input(0)?, site.i32s(DIMS)?);
    let dims: Vec<i64> = dims.into_iter().map(i64::from).collect();
    site.finish("Squeeze", vec![x], vec![("squeeze_dims", ints(&dims))])
}

fn strided_slice(site: &mut Site<'_, '_, '_>) -> Outcome {
    const OFFSET: usize = 5;
    const MASKS: [&str; 5] =
        ["begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"];
    if site.flag(OFFSET)? {
        return unsupported("ends that count from the beginnings (offset)");
    }
    let mut attributes = Vec::new();
    for (field, name) in MASKS.into_iter().enumerate() {
        attributes.push((name, int(site.i32(field, 0)?)));
    }
    let inputs = site.inputs()?;
    site.finish("StridedSlice", inputs, attributes)
}

/// `axis, x`, or `x, sizes, axis`.
fn split(site: &mut Site<'_, '_, '_>, op: &str) -> Outcome {
    let count = int(site.operator.outputs.len() as i64);
    let inputs = site.inputs()?;
    site.finish(op, inputs, vec![("num_split", count)])?;
    site.name_outputs()
}

fn pack(site: &mut Site<'_, '_, '_>) -> Outcome {
    const AXIS: usize = 1;
    let (inputs, axis) = (site.inputs()?, site.i32(AXIS, 0)?);
    site.finish("Pack", inputs, vec![("axis", int(axis))])
}

fn unpack(site: &mut Site<'_, '_, '_>) -> Outcome {
    const AXIS: usize = 1;
    let (x, axis) = (site.input(0)?, site.i32(AXIS, 0)?);
    let count = int(site.operator.outputs.len() as i64);
    site.finish("Unpack", vec![x], vec![("num", count), ("axis", int(axis))])?;
    site.name_outputs()
}

/// `x, indices`.
fn gather(site: &mut Site<'_, '_, '_>) -> Outcome {
    const AXIS: usize = 0;
    const BATCH_DIMS: usize = 1;
    let (axis, batch_dims) = (site.i32(AXIS, 0)?, site.i32(BATCH_DIMS, 0)?);
    if batch_dims != 0 {
        return unsupported(format!("batch_dims {batch_dims}"));
    }
    let mut inputs = site.inputs()?;
    inputs.push(site.integers("axis", &[], &[axis])?);
    site.finish("GatherV2", inputs, Vec::new())
}

fn mirror_pad(site: &mut Site<'_, '_, '_>) -> Outcome {
    const MODE: usize = 0;
    let mode = match site.u8(MODE)? {
        0 => "REFLECT",
        1 => "SYMMETRIC",
        other => return unsupported(format!("mode {other}")),
    };
    let inputs = site.inputs()?;
    site.finish("MirrorPad", inputs, vec![("mode", text(mode))])
}

fn blocks(site: &mut Site<'_, '_, '_>, op: &str) -> Outcome {
    const BLOCK_SIZE: usize = 0;
    let (x, block_size) = (site.input(0)?, site.i32(BLOCK_SIZE, 0)?);
    site.finish(op, vec![x], vec![("block_size", int(block_size))])
}

fn shape(site: &mut Site<'_, '_, '_>) -> Outcome {
    let (x, dtype) = (site.input(0)?, site.output().dtype.unwrap_or(DType::I32));
    site.finish("Shape", vec![x], vec![("out_type", dtype_value(dtype))])
}

fn zeros_like(site: &mut Site<'_, '_, '_>) -> Outcome {
    let (x, dtype) = (site.input(0)?, site.tensor(0)?.dtype.unwrap_or(DType::F32));
    site.finish("ZerosLike", vec![x], vec![("T", dtype_value(dtype))])
}
