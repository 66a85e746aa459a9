//! Convolutions, fully connected layers and pools.

use serde_json::Value;

use super::super::translate::{Node, Site, ints_value, text_value};
use super::activation::activate;
use super::{Attribute, Outcome, flag, picture, sizes, unsupported};
use crate::tensor::Tensor;

pub(super) fn translate(site: &mut Site<'_, '_>) -> Option<Outcome> {
    Some(match site.layer.class.as_str() {
        "Conv2D" | "Convolution2D" => conv(site),
        "DepthwiseConv2D" => depthwise(site),
        "SeparableConv2D" | "SeparableConvolution2D" => separable(site),
        "Conv2DTranspose" | "Convolution2DTranspose" => transposed(site),
        "Dense" => dense(site),
        "MaxPooling2D" | "MaxPool2D" => pool(site, "MaxPool"),
        "AveragePooling2D" | "AvgPool2D" => pool(site, "AvgPool"),
        "GlobalAveragePooling2D" | "GlobalAvgPool2D" => global_pool(site, "Mean"),
        "GlobalMaxPooling2D" | "GlobalMaxPool2D" => global_pool(site, "Max"),
        _ => return None,
    })
}

/// The bias and the activation that end a layer. `index` is the bias's place among the variables
/// `names`.
fn finish(site: &mut Site<'_, '_>, mut sum: Node, names: &[&str], index: usize) -> Outcome {
    if names.len() > index {
        let bias = site.variable(names, index, None)?;
        sum = site.add("BiasAdd", &[&sum, &bias], sum.rank, Vec::new())?;
    }
    let activation = site.layer.config.get("activation").cloned().unwrap_or(Value::Null);
    activate(site, sum, &activation)
}

/// The attributes of a convolution or pool.
fn window(site: &Site<'_, '_>, padding: &str) -> Outcome<Vec<(&'static str, Attribute)>> {
    let config = &site.layer.config;
    let strides = match config.get("strides") {
        // A pool without strides moves by its own size.
        None | Some(Value::Null) => sizes::<2>(config, "pool_size")?,
        Some(_) => sizes::<2>(config, "strides")?,
    };
    let padding = match padding {
        "same" => "SAME",
        "valid" => "VALID",
        other => return unsupported(format!("padding '{other}'")),
    };
    let [rows, columns] = strides;
    Ok(vec![("strides", ints_value(&[1, rows, columns, 1])), ("padding", text_value(padding))])
}

/// The attributes of a convolution, and its dilations.
fn convolution(site: &Site<'_, '_>) -> Outcome<Vec<(&'static str, Attribute)>> {
    let config = &site.layer.config;
    let padding = config.get("padding").and_then(Value::as_str).unwrap_or("valid");
    let mut attributes = window(site, padding)?;
    if config.contains_key("dilation_rate") {
        let [rows, columns] = sizes::<2>(config, "dilation_rate")?;
        attributes.push(("dilations", ints_value(&[1, rows, columns, 1])));
    }
    Ok(attributes)
}

/// The names of a layer's variables; the last is the bias, if it has one.
fn variables(site: &Site<'_, '_>, own: &[&'static str]) -> Vec<&'static str> {
    let bias = flag(&site.layer.config, "use_bias", true).then_some("bias");
    own.iter().copied().chain(bias).collect()
}

fn conv(site: &mut Site<'_, '_>) -> Outcome {
    let x = picture(site)?;
    let attributes = convolution(site)?;
    let names = variables(site, &["kernel"]);
    let groups = site.layer.config.get("groups").and_then(Value::as_i64).unwrap_or(1);
    // A group of each channel is a depthwise convolution.
    let by_channel = |shape: &[usize]| match *shape {
        [rows, columns, 1, outputs] if groups > 1 && outputs as i64 % groups == 0 => {
            Some(vec![rows, columns, groups as usize, outputs / groups as usize])
        }
        _ => None,
    };
    let is_depthwise = by_channel(site.weight(&names, 0)?.shape()).is_some();
    let filter = site.variable(&names, 0, is_depthwise.then_some(&by_channel))?;
    let sum = match groups {
        _ if is_depthwise => site.add("DepthwiseConv2dNative", &[&x, &filter], 4, attributes)?,
        1 => site.add("Conv2D", &[&x, &filter], 4, attributes)?,
        2..=1024 => grouped(site, &x, &filter, groups, &attributes)?,
        _ => return unsupported(format!("{groups} groups")),
    };
    finish(site, sum, &names, 1)
}

/// A convolution of each group of channels by itself.
fn grouped(
    site: &mut Site<'_, '_>,
    x: &Node,
    filter: &Node,
    groups: i64,
    attributes: &[(&'static str, Attribute)],
) -> Outcome {
    let axis = site.int_tensor("channels", &[], &[3])?;
    let count = || vec![("num_split", Attribute::I(groups))];
    let pictures = site.add("Split", &[&axis, x], 4, count())?;
    let filters = site.add("Split", &[&axis, filter], 4, count())?;
    let mut parts = Vec::new();
    for group in 0..groups {
        let part = |split: &Node| match group {
            0 => split.clone(),
            _ => Node { name: format!("{}:{group}", split.name), rank: 4 },
        };
        let (picture, filter) = (part(&pictures), part(&filters));
        parts.push(site.add("Conv2D", &[&picture, &filter], 4, attributes.to_vec())?);
    }
    let inputs: Vec<&Node> = parts.iter().chain([&axis]).collect();
    let count = vec![("N", Attribute::I(groups))];
    site.add("ConcatV2", &inputs, 4, count)
}

fn depthwise(site: &mut Site<'_, '_>) -> Outcome {
    let x = picture(site)?;
    let attributes = convolution(site)?;
    // Keras 2 calls it depthwise_kernel, Keras 3 kernel.
    let own = if site.translator.version.is_keras_3() { "kernel" } else { "depthwise_kernel" };
    let names = variables(site, &[own]);
    let filter = site.variable(&names, 0, None)?;
    let sum = site.add("DepthwiseConv2dNative", &[&x, &filter], 4, attributes)?;
    finish(site, sum, &names, 1)
}

fn separable(site: &mut Site<'_, '_>) -> Outcome {
    let x = picture(site)?;
    let attributes = convolution(site)?;
    let names = variables(site, &["depthwise_kernel", "pointwise_kernel"]);
    let (by_channel, across) = (site.variable(&names, 0, None)?, site.variable(&names, 1, None)?);
    let each = site.add("DepthwiseConv2dNative", &[&x, &by_channel], 4, attributes)?;
    let whole = vec![("strides", ints_value(&[1; 4])), ("padding", text_value("VALID"))];
    let sum = site.add("Conv2D", &[&each, &across], 4, whole)?;
    finish(site, sum, &names, 2)
}

/// A transposed convolution: a convolution of the pixels with zeros between them, by the filter
/// turned around.
fn transposed(site: &mut Site<'_, '_>) -> Outcome {
    let x = picture(site)?;
    let config = &site.layer.config;
    if config.get("output_padding").is_some_and(|padding| !padding.is_null()) {
        return unsupported("output_padding");
    }
    if config.contains_key("dilation_rate") && sizes::<2>(config, "dilation_rate")? != [1, 1] {
        return unsupported("dilation_rate");
    }
    let is_same = match config.get("padding").and_then(Value::as_str).unwrap_or("valid") {
        "same" => true,
        "valid" => false,
        other => return unsupported(format!("padding '{other}'")),
    };
    let strides = sizes::<2>(config, "strides")?;
    let names = variables(site, &["kernel"]);
    let kernel = site.weight(&names, 0)?;
    let &[rows, columns, ..] = kernel.shape() else {
        return Err(site.wrong_shape("kernel", kernel.shape()));
    };
    let (shape, values) =
        turned(&kernel).ok_or_else(|| site.wrong_shape("kernel", kernel.shape()))?;
    let spread = with_zeros(site, x, strides)?;
    let mut paddings = vec![0, 0];
    for (size, stride) in [rows, columns].into_iter().zip(strides) {
        let size = size as i64;
        let beyond = (size - stride).max(0);
        let before = if is_same { beyond / 2 } else { 0 };
        // The zeros behind the last pixel are padding already.
        paddings.extend([size - 1 - before, if is_same { before } else { beyond }]);
    }
    paddings.extend([0, 0]);
    let paddings = site.int_tensor("paddings", &[4, 2], &paddings)?;
    let padded = site.add("Pad", &[&spread, &paddings], 4, Vec::new())?;
    let filter = site.float_tensor("kernel", &shape, &values)?;
    let whole = vec![("strides", ints_value(&[1; 4])), ("padding", text_value("VALID"))];
    let sum = site.add("Conv2D", &[&padded, &filter], 4, whole)?;
    finish(site, sum, &names, 1)
}

/// Returns a filter `[rows, columns, out, in]` upside down and from right to left, as `[rows,
/// columns, in, out]`: its shape and its values.
fn turned(kernel: &Tensor) -> Option<([usize; 4], Vec<f32>)> {
    let &[rows, columns, outputs, inputs] = kernel.shape() else { return None };
    let values = kernel.to_f32();
    let mut turned = Vec::with_capacity(values.len());
    let matrix = outputs * inputs;
    for pixel in (0..rows * columns).rev() {
        let own = values.get(pixel * matrix..(pixel + 1) * matrix)?;
        for input in 0..inputs {
            turned.extend((0..outputs).map(|output| own[output * inputs + input]));
        }
    }
    Some(([rows, columns, inputs, outputs], turned))
}

/// Puts zeros behind each pixel, so that pixels are as far apart as `strides`.
fn with_zeros(site: &mut Site<'_, '_>, x: Node, strides: [i64; 2]) -> Outcome {
    const MAX_COPIES: i64 = 64;
    let copies = strides[0] * strides[1];
    if copies == 1 {
        return Ok(x);
    }
    if !(1..=MAX_COPIES).contains(&copies) {
        return unsupported(format!("strides {strides:?}"));
    }
    let zeros = site.add("ZerosLike", &[&x], 4, Vec::new())?;
    let axis = site.int_tensor("batch", &[], &[0])?;
    let mut parts = vec![&x];
    parts.resize(copies as usize, &zeros);
    parts.push(&axis);
    let stacked = site.add("ConcatV2", &parts, 4, vec![("N", Attribute::I(copies))])?;
    let block = site.ints("block_shape", &strides)?;
    let crops = site.int_tensor("crops", &[2, 2], &[0; 4])?;
    site.add("BatchToSpaceND", &[&stacked, &block, &crops], 4, Vec::new())
}

/// A fully connected layer; of pictures, for each pixel, as a convolution of one pixel.
fn dense(site: &mut Site<'_, '_>) -> Outcome {
    let x = site.input()?;
    let names = variables(site, &["kernel"]);
    let sum = match x.rank {
        2 => {
            let matrix = site.variable(&names, 0, None)?;
            site.add("MatMul", &[&x, &matrix], 2, Vec::new())?
        }
        4 => {
            let as_filter = |shape: &[usize]| match *shape {
                [inputs, outputs] => Some(vec![1, 1, inputs, outputs]),
                _ => None,
            };
            let filter = site.variable(&names, 0, Some(&as_filter))?;
            let whole = vec![("strides", ints_value(&[1; 4])), ("padding", text_value("VALID"))];
            site.add("Conv2D", &[&x, &filter], 4, whole)?
        }
        rank => return unsupported(format!("an input of {rank} dimensions")),
    };
    finish(site, sum, &names, 1)
}

fn pool(site: &mut Site<'_, '_>, op: &str) -> Outcome {
    let x = picture(site)?;
    let config = &site.layer.config;
    let padding = config.get("padding").and_then(Value::as_str).unwrap_or("valid");
    let mut attributes = window(site, padding)?;
    let [rows, columns] = sizes::<2>(config, "pool_size")?;
    attributes.push(("ksize", ints_value(&[1, rows, columns, 1])));
    site.add(op, &[&x], 4, attributes)
}

fn global_pool(site: &mut Site<'_, '_>, op: &str) -> Outcome {
    let x = picture(site)?;
    let keep_dims = flag(&site.layer.config, "keepdims", false);
    let axes = site.ints("axes", &[1, 2])?;
    let rank = if keep_dims { 4 } else { 2 };
    site.add(op, &[&x, &axes], rank, vec![("keep_dims", Attribute::B(keep_dims))])
}
