//! Windowed operations on images (convolutions, pools), batch norm and resizing, and their
//! conversion to NHWC.

use lorgnette_kernels::{Binary, Clamp, Padding, PoolKind, Unary};

use super::super::attributes::Attributes;
use super::{Chain, Piece, channels};
use crate::graph::op::{
    Border, Conv, Epilogue, Lrn, Op, Pool, Reduction, Resample, ResampleKernel, Resize,
};
use crate::graph::{Graph, NodeId};
use crate::tensor::{DType, Tensor};

pub(super) fn read(
    op: &str,
    node: Attributes<'_>,
    port: usize,
    inputs: usize,
) -> Option<Result<Piece, String>> {
    let piece = match op {
        "Conv2D" => conv(node).map(|conv| match node.is_nchw() {
            true => Piece::Node(Op::Conv2d(conv)),
            false => Piece::chain(move |chain| by_groups(chain, conv)),
        }),
        "DepthwiseConv2dNative" => conv(node).map(Op::DepthwiseConv2d).map(Piece::Node),
        "MaxPool" => pool(node, PoolKind::Max).map(Op::Pool).map(Piece::Node),
        "MaxPoolV2" => border(node).map(pool_by_inputs),
        "AvgPool" => pool(node, PoolKind::Average).map(Op::Pool).map(Piece::Node),
        "FusedBatchNorm" | "FusedBatchNormV2" | "FusedBatchNormV3" => batch_norm(node, port),
        "BatchNormWithGlobalNormalization" => global_normalization(node),
        "BiasAdd" | "BiasAddV1" => Ok(Piece::Node(Op::Binary(Binary::Add, Clamp::NONE))),
        "LRN" => lrn(node).map(Op::Lrn).map(Piece::Node),
        "ResizeBilinear" | "ResizeNearestNeighbor" => {
            Ok(Piece::Node(Op::Resize(resize(node, op == "ResizeBilinear", "align_corners"))))
        }
        "ResizeBicubic" => {
            Ok(Piece::Node(Op::ResizeBicubic(resize(node, false, "align_corners").how)))
        }
        "ResizeArea" => {
            let align_corners = node.flag("align_corners");
            Ok(Piece::Node(Op::Resample(Resample::Area { align_corners })))
        }
        "ScaleAndTranslate" => scale_and_translate(node),
        "CropAndResize" => crop_and_resize(node).map(Op::Resample).map(Piece::Node),
        _ => return None,
    };
    Some(match piece {
        Ok(Piece::Node(op)) if node.is_nchw() => Ok(channels_last(op, inputs)),
        other => other,
    })
}

/// Reads the parameters of a convolution; its filter is the second input.
pub(super) fn conv(node: Attributes<'_>) -> Result<Conv, String> {
    Ok(Conv {
        stride: node.spatial("strides")?,
        dilation: node.spatial("dilations")?,
        border: border(node)?,
        epilogue: Epilogue::default(),
    })
}

/// A convolution; of each group of channels by itself if the filter has fewer than the picture.
fn by_groups(chain: &mut Chain<'_>, conv: Conv) -> Result<NodeId, String> {
    let (x, filter) = (chain.input(0)?, chain.input(1)?);
    let inputs = channels::of(chain.graph, x).zip(filter_of(chain.graph, filter));
    let groups = match inputs {
        Some((channels, shape)) if shape[2] > 0 && channels % shape[2] == 0 => channels / shape[2],
        _ => 1,
    };
    let Some((_, shape)) = inputs.filter(|(_, shape)| groups > 1 && shape[3] % groups == 0) else {
        return chain.finish(Op::Conv2d(conv), &[x, filter]);
    };
    if groups > MAX_GROUPS && shape[2] > 1 {
        return Err(format!("{groups} groups of channels"));
    }
    let stored = match &chain.graph.node(filter).op {
        Op::Const(tensor) => tensor.clone(),
        Op::Variable(lazy) => lazy.read().map_err(|error| error.to_string())?,
        _ => return Err(format!("{groups} groups of channels with a computed filter")),
    };
    if shape[2] == 1 {
        let by_channel = [shape[0], shape[1], groups, shape[3] / groups];
        let filter = Tensor::from_f32(&by_channel, stored.to_f32());
        let filter = chain.constant("by_channel", filter);
        return chain.finish(Op::DepthwiseConv2d(conv), &[x, filter]);
    }
    let axis = chain.constant("axis", Tensor::from_i64(DType::I32, &[], &[3]));
    let values = stored.to_f32();
    let outputs = shape[3] / groups;
    let mut parts = Vec::with_capacity(groups + 1);
    for index in 0..groups {
        let own = values.chunks_exact(shape[3]);
        let own = own.flat_map(|all| &all[index * outputs..(index + 1) * outputs]);
        let own =
            Tensor::from_f32(&[shape[0], shape[1], shape[2], outputs], own.copied().collect());
        let own = chain.constant(&format!("filter_{index}"), own);
        let split = Op::Split { count: groups, index };
        let part = chain.step(&format!("channels_{index}"), split, &[axis, x])?;
        parts.push(chain.step(
            &format!("group_{index}"),
            Op::Conv2d(conv.clone()),
            &[part, own],
        )?);
    }
    parts.push(axis);
    chain.finish(Op::Concat, &parts)
}

/// The maximum number of groups that are not single channels.
const MAX_GROUPS: usize = 1024;

/// Returns the shape of a filter that is stored.
fn filter_of(graph: &Graph, filter: NodeId) -> Option<[usize; 4]> {
    graph.stored_shape(filter)?.try_into().ok()
}

/// The size is the second input there, and the last here.
fn scale_and_translate(node: Attributes<'_>) -> Result<Piece, String> {
    let kernel = match node.text("kernel_type").unwrap_or("lanczos3") {
        "lanczos1" => ResampleKernel::Lanczos(1),
        "lanczos3" => ResampleKernel::Lanczos(3),
        "lanczos5" => ResampleKernel::Lanczos(5),
        "gaussian" => ResampleKernel::Gaussian,
        "box" => ResampleKernel::Box,
        "triangle" => ResampleKernel::Triangle,
        "keyscubic" => ResampleKernel::KeysCubic,
        "mitchellcubic" => ResampleKernel::MitchellCubic,
        other => return Err(format!("the kernel_type '{other}'")),
    };
    let antialias = !node.is_off("antialias");
    let op = Op::Resample(Resample::Kernel { kernel, antialias });
    Ok(Piece::chain(move |chain| {
        let [x, size] = [chain.input(0)?, chain.input(1)?];
        let [factors, shifts] = [chain.input(2)?, chain.input(3)?];
        chain.finish(op, &[x, factors, shifts, size])
    }))
}

fn crop_and_resize(node: Attributes<'_>) -> Result<Resample, String> {
    let bilinear = match node.text("method") {
        None | Some("bilinear") => true,
        Some("nearest") => false,
        Some(other) => return Err(format!("the method '{other}'")),
    };
    Ok(Resample::Boxes { bilinear, fill: node.float("extrapolation_value").unwrap_or(0.0) })
}

fn border(node: Attributes<'_>) -> Result<Border, String> {
    match node.text("padding") {
        Some("SAME") => Ok(Border::Same),
        Some("VALID") => Ok(Border::Valid),
        Some("EXPLICIT") => explicit(node).map(Border::Explicit),
        other => Err(format!("padding {other:?}")),
    }
}

fn explicit(node: Attributes<'_>) -> Result<Padding, String> {
    let list = node.ints("explicit_paddings");
    let (outer, inner) = match (list, node.is_nchw()) {
        (&[a, b, c, d, top, bottom, left, right], true)
        | (&[a, b, top, bottom, left, right, c, d], false) => {
            ([a, b, c, d], [top, bottom, left, right])
        }
        _ => return Err(format!("explicit_paddings {list:?}")),
    };
    match inner.map(usize::try_from) {
        [Ok(top), Ok(bottom), Ok(left), Ok(right)]
            if outer == [0; 4] && inner.iter().all(|&p| p < 1 << 20) =>
        {
            Ok(Padding { top, bottom, left, right })
        }
        _ => Err(format!("explicit_paddings {list:?}")),
    }
}

pub(super) fn pool(node: Attributes<'_>, kind: PoolKind) -> Result<Pool, String> {
    let (kernel, stride) = (node.spatial("ksize")?, node.spatial("strides")?);
    Ok(Pool { kind, kernel, stride, dilation: [1; 2], border: border(node)? })
}

/// MaxPoolV2: window and strides are inputs.
fn pool_by_inputs(border: Border) -> Piece {
    Piece::chain(move |chain: &mut Chain<'_>| {
        let pair = |numbers: Option<Vec<i64>>| match numbers.as_deref() {
            Some(&[1, y, x, 1]) if y > 0 && x > 0 => Ok([y as usize, x as usize]),
            other => Err(format!("a window or step of {other:?}")),
        };
        let (kernel, stride) = (pair(chain.numbers(1))?, pair(chain.numbers(2))?);
        let x = chain.input(0)?;
        chain.finish(
            Op::Pool(Pool { kind: PoolKind::Max, kernel, stride, dilation: [1; 2], border }),
            &[x],
        )
    })
}

/// FusedBatchNorm in its three versions: `x, scale, offset, mean, variance`. Outputs 1 to 4 repeat
/// the statistics.
fn batch_norm(node: Attributes<'_>, port: usize) -> Result<Piece, String> {
    // TensorFlow's default is true.
    if !node.0.attr.contains_key("is_training") || node.flag("is_training") {
        return match port {
            0 => Ok(own_statistics(node.float("epsilon").unwrap_or(1e-4), node.is_nchw())),
            _ => Err(BATCH_STATISTICS.into()),
        };
    }
    match port {
        0 => Ok(Piece::Node(Op::BatchNorm { epsilon: node.float("epsilon").unwrap_or(1e-4) })),
        1 | 3 => Ok(Piece::Same(3)),
        2 | 4 => Ok(Piece::Same(4)),
        _ => Err(format!("output {port} is not known")),
    }
}

const BATCH_STATISTICS: &str =
    "it uses the statistics of the batch (is_training): export it for inference";

/// Layer normalisation as tf_keras computes it: a batch norm by its own statistics, without scale
/// and offset, of what was reshaped so that each position is a channel.
fn own_statistics(epsilon: f32, is_nchw: bool) -> Piece {
    Piece::chain(move |chain: &mut Chain<'_>| {
        let is_filled = |chain: &Chain<'_>, input: usize, wanted: f32| {
            let Some(&id) = chain.inputs.get(input) else { return false };
            let node = chain.graph.node(id);
            let value = node.inputs.get(1).and_then(|&value| chain.graph.constant_of(value));
            matches!(node.op, Op::Fill) && value.is_some_and(|value| value.to_f32() == [wanted])
        };
        if !is_filled(chain, 1, 1.0) || !is_filled(chain, 2, 0.0) {
            return Err(BATCH_STATISTICS.into());
        }
        let axes: [i64; 3] = if is_nchw { [0, 2, 3] } else { [0, 1, 2] };
        let axes = chain.constant("axes", Tensor::from_i64(DType::I32, &[3], &axes));
        let mean = || Op::Reduce { kind: Reduction::Mean, keep_dims: true };
        let binary = |function| Op::Binary(function, Clamp::NONE);
        let x = chain.input(0)?;
        let average = chain.step("mean", mean(), &[x, axes])?;
        let centred = chain.step("centred", binary(Binary::Sub), &[x, average])?;
        let squares = chain.step("squares", Op::Unary(Unary::Square), &[centred])?;
        let variance = chain.step("variance", mean(), &[squares, axes])?;
        let epsilon = chain.constant("epsilon", Tensor::scalar(epsilon));
        let shifted = chain.step("shifted", binary(Binary::Add), &[variance, epsilon])?;
        let factor = chain.step("factor", Op::Unary(Unary::Rsqrt), &[shifted])?;
        chain.finish(binary(Binary::Mul), &[centred, factor])
    })
}

/// The form of 2015: `x, mean, variance, beta, gamma`; an attribute tells whether gamma counts.
fn global_normalization(node: Attributes<'_>) -> Result<Piece, String> {
    let epsilon = node.float("variance_epsilon").ok_or("it has no variance_epsilon")?;
    let scaled = node.flag("scale_after_normalization");
    Ok(Piece::chain(move |chain: &mut Chain<'_>| {
        let inputs = [0, 1, 2, 3].map(|i| chain.input(i));
        let [x, mean, variance, beta] = inputs;
        let gamma =
            if scaled { chain.input(4)? } else { chain.constant("one", Tensor::scalar(1.0)) };
        chain.finish(Op::BatchNorm { epsilon }, &[x?, gamma, beta?, mean?, variance?])
    }))
}

fn lrn(node: Attributes<'_>) -> Result<Lrn, String> {
    // The defaults of TensorFlow's op definition.
    Ok(Lrn {
        depth_radius: usize::try_from(node.int("depth_radius").unwrap_or(5))
            .map_err(|_| "a negative depth_radius")?,
        bias: node.float("bias").unwrap_or(1.0),
        alpha: node.float("alpha").unwrap_or(1.0),
        beta: node.float("beta").unwrap_or(0.5),
    })
}

pub(super) fn resize(node: Attributes<'_>, bilinear: bool, align_corners: &str) -> Resize {
    let how = lorgnette_kernels::Resize {
        align_corners: node.flag(align_corners),
        half_pixel_centers: node.flag("half_pixel_centers"),
    };
    Resize { bilinear, how }
}

/// Wraps an operation in two transpositions, for graphs that store images channels first.
fn channels_last(op: Op, inputs: usize) -> Piece {
    Piece::chain(move |chain| {
        let x = chain.input(0)?;
        let there = transposed(chain, "nhwc", x, [0, 2, 3, 1], false)?;
        let mut all = vec![there];
        for i in 1..inputs {
            all.push(chain.input(i)?);
        }
        let y = chain.step("channels_last", op, &all)?;
        transposed(chain, "nchw", y, [0, 3, 1, 2], true)
    })
}

fn transposed(
    chain: &mut Chain<'_>,
    name: &str,
    x: NodeId,
    order: [i64; 4],
    last: bool,
) -> Result<NodeId, String> {
    let order = chain.constant(&format!("{name}/perm"), Tensor::from_i64(DType::I32, &[4], &order));
    if last {
        chain.finish(Op::Transpose, &[x, order])
    } else {
        chain.step(name, Op::Transpose, &[x, order])
    }
}
