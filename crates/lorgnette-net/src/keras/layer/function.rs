//! Functions of tensors between layers: arithmetic with constants, activations, parts of tensors
//! and what puts them together, means, and resizes.
//!
//! TensorFlow 2.4 to 2.15 writes them as `TFOpLambda` with a function's name, TensorFlow 2.0 to 2.3
//! as `TensorFlowOpLayer` with a node, Keras 3 as operations of its own classes.

use serde_json::Value;

use super::super::config::Argument;
use super::super::translate::{Node, Site, ints_value};
use super::activation;
use super::{AS_GRAPH, Attribute, Outcome, combine, number, numbers, shape, unsupported};
use crate::tensor::DType;

pub(super) fn translate(site: &mut Site<'_, '_>) -> Outcome {
    let name = function_name(site);
    let op = match name.as_str() {
        "Add" | "AddV2" | "add" | "__operators__.add" | "math.add" => "AddV2",
        "Subtract" | "Sub" | "subtract" | "math.subtract" => "Sub",
        "Multiply" | "Mul" | "multiply" | "math.multiply" => "Mul",
        "TrueDivide" | "Divide" | "RealDiv" | "truediv" | "math.truediv" | "math.divide" => {
            "RealDiv"
        }
        "Maximum" | "math.maximum" => "Maximum",
        "Minimum" | "math.minimum" => "Minimum",
        "BiasAdd" | "nn.bias_add" => "AddV2",
        "GetItem" | "__operators__.getitem" => return item(site),
        "Concatenate" | "concat" => return combine::concatenate(site),
        "Stack" | "stack" => return stack(site),
        "Mean" | "math.reduce_mean" => return mean(site),
        "ExpandDims" | "expand_dims" => return expanded(site),
        "Squeeze" | "squeeze" => return squeezed(site),
        "Resize" | "image.resize" => return shape::resize_function(site),
        "Cast" | "cast" => return site.input(),
        "Identity" | "identity" | "stop_gradient" => return site.input(),
        "Relu" | "nn.relu" => return site.input().and_then(|x| rectified(site, &x)),
        other => {
            let own = other.rsplit('.').next().unwrap_or_default().to_lowercase();
            let unknown = || unsupported(format!("the function '{name}': {AS_GRAPH}"));
            let [x] = site.inputs.as_slice() else { return unknown() };
            return match activation::named(site, x.clone(), &own) {
                Err(super::Refusal::Unsupported(_)) => unknown(),
                outcome => outcome,
            };
        }
    };
    let [a, b] = operands(site, &name)?;
    site.add(op, &[&a, &b], a.rank.max(b.rank), Vec::new())
}

fn function_name(site: &Site<'_, '_>) -> String {
    let config = &site.layer.config;
    match site.layer.class.as_str() {
        "TFOpLambda" | "SlicingOpLambda" => {
            let name = config.get("function").and_then(Value::as_str).unwrap_or_default();
            // Some functions have only the name that they had in TensorFlow 1.
            name.strip_prefix("compat.v1.").unwrap_or(name).to_owned()
        }
        "TensorFlowOpLayer" => node_of(site).unwrap_or_default(),
        class => class.to_owned(),
    }
}

/// Returns the operation of a `TensorFlowOpLayer`, whose node is JSON or a text of it.
fn node_of(site: &Site<'_, '_>) -> Option<String> {
    let node = site.layer.config.get("node_def")?;
    let parsed: Value = match node {
        Value::String(text) => serde_json::from_str(text).ok()?,
        node => node.clone(),
    };
    Some(parsed.get("op")?.as_str()?.to_owned())
}

fn rectified(site: &mut Site<'_, '_>, x: &Node) -> Outcome {
    let named = &site.call.named;
    let slope = number(named, "negative_slope").or_else(|| number(named, "alpha"));
    let max = number(named, "max_value").map(|max| max as f32);
    activation::rectified(site, x, slope.unwrap_or(0.0) as f32, 0.0, max)
}

/// Returns both operands: tensors and constants in the order of the arguments, then those that are
/// named.
fn operands(site: &mut Site<'_, '_>, function: &str) -> Outcome<[Node; 2]> {
    let mut tensors = site.inputs.clone().into_iter();
    let (mut operands, call) = (Vec::new(), site.call);
    for argument in &call.arguments {
        operands.push(match argument {
            Argument::Tensor(_) => tensors.next(),
            Argument::Value(value) => constant(site, value)?,
        });
    }
    for name in ["x", "y", "bias"] {
        if let Some(value) = call.named.get(name) {
            operands.push(constant(site, value)?);
        }
    }
    // Constants by the place of the argument that they are.
    let layer = site.layer;
    let constants = layer.config.get("constants").and_then(Value::as_object);
    for (place, value) in constants.into_iter().flatten() {
        let value = constant(site, value)?;
        let at = place.parse::<usize>().unwrap_or(0).min(operands.len());
        operands.insert(at, value);
    }
    let operands: Option<Vec<Node>> = operands.into_iter().collect();
    match operands.map(<[Node; 2]>::try_from) {
        Some(Ok(operands)) => Ok(operands),
        _ => unsupported(format!("the arguments of '{function}'")),
    }
}

/// Adds a constant in the shape that it has in the file.
fn constant(site: &mut Site<'_, '_>, value: &Value) -> Outcome<Option<Node>> {
    let Some(numbers) = numbers(value) else { return Ok(None) };
    let shape = nested_lengths(value);
    if shape.iter().product::<usize>() != numbers.len() {
        return unsupported("an array whose rows differ in length");
    }
    let values: Vec<f32> = numbers.into_iter().map(|number| number as f32).collect();
    site.float_tensor("y", &shape, &values).map(Some)
}

/// Returns the lengths of nested lists, also in Keras's description of an array.
fn nested_lengths(value: &Value) -> Vec<usize> {
    match value {
        Value::Array(list) => {
            let inner = list.first().map(nested_lengths).unwrap_or_default();
            std::iter::once(list.len()).chain(inner).collect()
        }
        Value::Object(described) => match described.get("config") {
            Some(config) => nested_lengths(config.get("value").unwrap_or(config)),
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Puts tensors side by side along a new axis.
fn stack(site: &mut Site<'_, '_>) -> Outcome {
    let inputs = site.inputs.clone();
    let rank = inputs.first().map_or(0, |input| input.rank);
    if inputs.iter().any(|input| input.rank != rank) {
        return unsupported("tensors of different ranks");
    }
    let axis = axes(site)?.first().copied().unwrap_or(0);
    let attributes = vec![("N", Attribute::I(inputs.len() as i64)), ("axis", Attribute::I(axis))];
    let all: Vec<&Node> = inputs.iter().collect();
    site.add("Pack", &all, rank + 1, attributes)
}

/// A mean over some axes, or over all.
fn mean(site: &mut Site<'_, '_>) -> Outcome {
    let x = site.input()?;
    let mut over = axes(site)?;
    if over.is_empty() {
        over = (0..x.rank as i64).collect();
    }
    let keeps = ["keepdims", "keep_dims"]
        .iter()
        .any(|name| site.setting(name).and_then(Value::as_bool) == Some(true));
    let rank = if keeps { x.rank } else { x.rank.saturating_sub(over.len()) };
    let attributes = vec![("Tidx", int32()), ("keep_dims", Attribute::B(keeps))];
    let over = site.ints("axes", &over)?;
    site.add("Mean", &[&x, &over], rank, attributes)
}

fn expanded(site: &mut Site<'_, '_>) -> Outcome {
    let x = site.input()?;
    let &[axis] = axes(site)?.as_slice() else { return unsupported("several axes") };
    let axis = site.int_tensor("axis", &[], &[axis])?;
    site.add("ExpandDims", &[&x, &axis], x.rank + 1, vec![("Tdim", int32())])
}

fn squeezed(site: &mut Site<'_, '_>) -> Outcome {
    let x = site.input()?;
    let axes = axes(site)?;
    if axes.is_empty() {
        return unsupported("a squeeze of whatever axes have length 1");
    }
    let rank = x.rank.saturating_sub(axes.len());
    site.add("Squeeze", &[&x], rank, vec![("squeeze_dims", ints_value(&axes))])
}

fn int32() -> Attribute {
    Attribute::Type(DType::I32.tensorflow())
}

/// Reads one axis or several; none if there is no such setting.
fn axes(site: &Site<'_, '_>) -> Outcome<Vec<i64>> {
    let Some(value) = site.setting("axis").filter(|value| !value.is_null()) else {
        return Ok(Vec::new());
    };
    match numbers(value) {
        Some(axes) => Ok(axes.into_iter().map(|axis| axis as i64).collect()),
        None => unsupported(format!("the axis {value}")),
    }
}

/// A part of a tensor.
fn item(site: &mut Site<'_, '_>) -> Outcome {
    let x = site.input()?;
    let named = site.call.named.get("slice_spec").or_else(|| site.call.named.get("key"));
    let given = site.call.arguments.iter().find_map(|argument| match argument {
        Argument::Value(value) => Some(value),
        Argument::Tensor(_) => None,
    });
    let Some(spec) = named.or(given) else { return unsupported("no slice") };
    if reverses_channels(spec) {
        let axis = site.ints("axis", &[x.rank as i64 - 1])?;
        return site.add("ReverseV2", &[&x, &axis], x.rank, vec![("Tidx", int32())]);
    }
    let Some(parts) = slice_parts(spec).filter(|parts| parts.len() <= MAX_SLICE_PARTS) else {
        return unsupported(format!("the slice {spec}: {AS_GRAPH}"));
    };
    sliced(site, &x, &parts)
}

/// Dimensions that a slice tells of.
const MAX_SLICE_PARTS: usize = 16;

/// The slice of one dimension, or of several.
#[derive(Clone, Copy, Debug, PartialEq)]
enum SlicePart {
    /// `...`: all dimensions that no other part is of.
    Ellipsis,
    /// A new dimension of length 1.
    NewAxis,
    /// One place; the dimension is gone.
    At(i64),
    /// From a place to before another, in steps.
    Range { start: Option<i64>, stop: Option<i64>, step: i64 },
}

/// Adds a slice as TensorFlow has it: places, and a bit for each part that has none.
fn sliced(site: &mut Site<'_, '_>, x: &Node, parts: &[SlicePart]) -> Outcome {
    let (mut begin, mut end, mut strides) = (Vec::new(), Vec::new(), Vec::new());
    let (mut begin_mask, mut end_mask) = (0, 0);
    let (mut ellipsis_mask, mut new_axis_mask, mut shrink_axis_mask) = (0, 0, 0);
    let mut rank = x.rank;
    for (place, part) in parts.iter().enumerate() {
        let bit = 1_i64 << place;
        let (mut from, mut to, mut by) = (0, 0, 1);
        match *part {
            SlicePart::Ellipsis => ellipsis_mask |= bit,
            SlicePart::NewAxis => {
                new_axis_mask |= bit;
                rank += 1;
            }
            SlicePart::At(at) => {
                (from, to) = (at, at + 1);
                shrink_axis_mask |= bit;
                rank = rank.saturating_sub(1);
            }
            SlicePart::Range { start, stop, step } => {
                begin_mask |= if start.is_none() { bit } else { 0 };
                end_mask |= if stop.is_none() { bit } else { 0 };
                (from, to, by) = (start.unwrap_or(0), stop.unwrap_or(0), step);
            }
        }
        begin.push(from);
        end.push(to);
        strides.push(by);
    }
    let bounds =
        [site.ints("begin", &begin)?, site.ints("end", &end)?, site.ints("strides", &strides)?];
    let [begin, end, strides] = &bounds;
    let attributes = vec![
        ("Index", int32()),
        ("begin_mask", Attribute::I(begin_mask)),
        ("end_mask", Attribute::I(end_mask)),
        ("ellipsis_mask", Attribute::I(ellipsis_mask)),
        ("new_axis_mask", Attribute::I(new_axis_mask)),
        ("shrink_axis_mask", Attribute::I(shrink_axis_mask)),
    ];
    site.add("StridedSlice", &[x, begin, end, strides], rank, attributes)
}

/// Reads a slice of one dimension, or a list of them.
fn slice_parts(spec: &Value) -> Option<Vec<SlicePart>> {
    let list = match spec {
        Value::Object(described) => described.get("items").and_then(Value::as_array),
        Value::Array(list) => Some(list),
        _ => None,
    };
    match list {
        Some(list) => list.iter().map(slice_part).collect(),
        None => slice_part(spec).map(|part| vec![part]),
    }
}

fn slice_part(value: &Value) -> Option<SlicePart> {
    if is_ellipsis(value) {
        return Some(SlicePart::Ellipsis);
    }
    if value.is_null() {
        return Some(SlicePart::NewAxis);
    }
    // Beyond them no tensor has places.
    let small = |at: i64| (-(1 << 20)..1 << 20).contains(&at);
    if let Some(at) = value.as_i64() {
        return small(at).then_some(SlicePart::At(at));
    }
    let [start, stop, step] = range_of(value)?;
    let place = |value: &Value| match value.is_null() {
        true => Some(None),
        false => value.as_i64().filter(|at| small(*at)).map(Some),
    };
    let step = place(step)?.unwrap_or(1);
    Some(SlicePart::Range { start: place(start)?, stop: place(stop)?, step }).filter(|_| step != 0)
}

/// Returns the start, stop and step of a slice.
fn range_of(slice: &Value) -> Option<[&Value; 3]> {
    match slice.get("config").unwrap_or(slice) {
        Value::Array(list) => Some(<&[Value; 3]>::try_from(list.as_slice()).ok()?.each_ref()),
        config => Some([config.get("start")?, config.get("stop")?, config.get("step")?]),
    }
}

fn is_ellipsis(value: &Value) -> bool {
    value.as_str() == Some("...")
        || value.get("class_name").and_then(Value::as_str) == Some("__ellipsis__")
}

/// Returns true for `[..., ::-1]` and `[:, :, :, ::-1]`.
fn reverses_channels(spec: &Value) -> bool {
    let list = match spec {
        Value::Object(described) => described.get("items").or_else(|| described.get("config")),
        spec => Some(spec),
    };
    let Some([others @ .., last]) = list.and_then(Value::as_array).map(Vec::as_slice) else {
        return false;
    };
    let step = |slice: &Value| -> Option<Option<i64>> {
        let [start, stop, step] = range_of(slice)?;
        (start.is_null() && stop.is_null()).then(|| step.as_i64())
    };
    let is_whole = |value: &Value| matches!(step(value), Some(None | Some(1)));
    let is_all = match others {
        [one] => is_ellipsis(one),
        others => others.len() == 3 && others.iter().all(is_whole),
    };
    is_all && step(last) == Some(Some(-1))
}
