//! Functions of tensors between layers: arithmetic with constants, activations, and the reversal of
//! channels.
//!
//! TensorFlow 2.4 to 2.15 writes them as `TFOpLambda` with a function's name, TensorFlow 2.0 to 2.3
//! as `TensorFlowOpLayer` with a node, Keras 3 as operations of its own classes.

use serde_json::Value;

use super::super::config::Argument;
use super::super::translate::{Node, Site};
use super::activation;
use super::{Attribute, Outcome, number, numbers, unsupported};
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
        "Cast" | "cast" => return site.input(),
        "Identity" | "identity" | "stop_gradient" => return site.input(),
        "Relu" | "nn.relu" => return site.input().and_then(|x| rectified(site, &x)),
        other => {
            let own = other.rsplit('.').next().unwrap_or_default().to_lowercase();
            let x = site.input()?;
            return match activation::named(site, x, &own) {
                Err(super::Refusal::Unsupported(_)) => {
                    unsupported(format!("the function '{name}'"))
                }
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
            config.get("function").and_then(Value::as_str).unwrap_or_default().to_owned()
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

fn constant(site: &mut Site<'_, '_>, value: &Value) -> Outcome<Option<Node>> {
    let Some(numbers) = numbers(value) else { return Ok(None) };
    let values: Vec<f32> = numbers.into_iter().map(|number| number as f32).collect();
    site.floats("y", &values).map(Some)
}

/// A part of a tensor: only the reversal of channels is known.
fn item(site: &mut Site<'_, '_>) -> Outcome {
    let x = site.input()?;
    let named = site.call.named.get("slice_spec").or_else(|| site.call.named.get("key"));
    let given = site.call.arguments.iter().find_map(|argument| match argument {
        Argument::Value(value) => Some(value),
        Argument::Tensor(_) => None,
    });
    let Some(spec) = named.or(given) else { return unsupported("no slice") };
    if !reverses_channels(spec) {
        return unsupported(format!("the slice {spec}"));
    }
    let axis = site.ints("axis", &[x.rank as i64 - 1])?;
    let int32 = Attribute::Type(DType::I32.tensorflow());
    site.add("ReverseV2", &[&x, &axis], x.rank, vec![("Tidx", int32)])
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
        let config = slice.get("config").unwrap_or(slice);
        let [start, stop, step] = match config {
            Value::Array(list) => <&[Value; 3]>::try_from(list.as_slice()).ok()?.each_ref(),
            config => [config.get("start")?, config.get("stop")?, config.get("step")?],
        };
        (start.is_null() && stop.is_null()).then(|| step.as_i64())
    };
    let is_ellipsis = |value: &Value| {
        value.as_str() == Some("...")
            || value.get("class_name").and_then(Value::as_str) == Some("__ellipsis__")
    };
    let is_whole = |value: &Value| matches!(step(value), Some(None | Some(1)));
    let is_all = match others {
        [one] => is_ellipsis(one),
        others => others.len() == 3 && others.iter().all(is_whole),
    };
    is_all && step(last) == Some(Some(-1))
}
