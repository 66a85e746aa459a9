//! Activations, by name and as layers.

use serde_json::Value;

use super::super::translate::{Node, Site};
use super::{Attribute, Outcome, as_number, number, unsupported};

pub(super) fn translate(site: &mut Site<'_, '_>) -> Option<Outcome> {
    let class = site.layer.class.as_str();
    let named = match class {
        "Activation" => {
            let activation = site.layer.config.get("activation").cloned().unwrap_or(Value::Null);
            return Some(site.input().and_then(|x| activate(site, x, &activation)));
        }
        "Softmax" => softmax_layer,
        "ReLU" => relu_layer,
        "LeakyReLU" => leaky,
        "PReLU" => prelu,
        "ELU" => elu,
        _ => return None,
    };
    Some(named(site))
}

/// Applies the activation that a configuration names; none if it is null.
pub(super) fn activate(site: &mut Site<'_, '_>, x: Node, activation: &Value) -> Outcome {
    let name = match activation {
        Value::Null => return Ok(x),
        Value::String(name) => name.as_str(),
        Value::Object(described) => {
            let function = described.get("config").and_then(Value::as_str);
            function.or_else(|| described.get("class_name")?.as_str()).unwrap_or_default()
        }
        _ => "",
    };
    named(site, x, name)
}

/// Applies an activation by its name.
pub(super) fn named(site: &mut Site<'_, '_>, x: Node, name: &str) -> Outcome {
    let is_keras_3 = site.translator.version.is_keras_3();
    let op = match name {
        "linear" => return Ok(x),
        "relu" => "Relu",
        "relu6" => "Relu6",
        "elu" => "Elu",
        "selu" => "Selu",
        "sigmoid" => "Sigmoid",
        "softplus" => "Softplus",
        "softsign" => "Softsign",
        "tanh" => "Tanh",
        "exponential" | "exp" => "Exp",
        "softmax" => return softmax(site, &x, "Softmax"),
        "log_softmax" => return softmax(site, &x, "LogSoftmax"),
        "swish" | "silu" => return gated(site, &x, "Sigmoid"),
        "gelu" => return gelu(site, &x),
        "mish" => {
            let soft = unary(site, &x, "Softplus")?;
            let gate = unary(site, &soft, "Tanh")?;
            return site.add("Mul", &[&x, &gate], x.rank, Vec::new());
        }
        "hard_sigmoid" if is_keras_3 => return hard_sigmoid(site, &x, 1.0 / 6.0),
        "hard_sigmoid" => return hard_sigmoid(site, &x, 0.2),
        "hard_swish" | "hard_silu" => {
            let gate = hard_sigmoid(site, &x, 1.0 / 6.0)?;
            return site.add("Mul", &[&x, &gate], x.rank, Vec::new());
        }
        "leaky_relu" => return leaky_by(site, &x, 0.2),
        other => return unsupported(format!("the activation '{other}'")),
    };
    unary(site, &x, op)
}

fn unary(site: &mut Site<'_, '_>, x: &Node, op: &str) -> Outcome {
    site.add(op, &[x], x.rank, Vec::new())
}

fn softmax(site: &mut Site<'_, '_>, x: &Node, op: &str) -> Outcome {
    match x.rank {
        0 | 1 => unsupported("a softmax over the batch"),
        _ => unary(site, x, op),
    }
}

/// `x · gate(x)`.
fn gated(site: &mut Site<'_, '_>, x: &Node, gate: &str) -> Outcome {
    let gate = unary(site, x, gate)?;
    site.add("Mul", &[x, &gate], x.rank, Vec::new())
}

/// `x · ½ · (1 + erf(x / √2))`.
fn gelu(site: &mut Site<'_, '_>, x: &Node) -> Outcome {
    let factor = site.floats("gelu/inverse", &[std::f32::consts::FRAC_1_SQRT_2])?;
    let scaled = site.add("Mul", &[x, &factor], x.rank, Vec::new())?;
    let erf = unary(site, &scaled, "Erf")?;
    let one = site.floats("gelu/one", &[1.0])?;
    let gate = site.add("AddV2", &[&erf, &one], x.rank, Vec::new())?;
    let half = site.floats("gelu/half", &[0.5])?;
    let halved = site.add("Mul", &[x, &half], x.rank, Vec::new())?;
    site.add("Mul", &[&halved, &gate], x.rank, Vec::new())
}

/// `min(max(x · slope + ½, 0), 1)`; by a sixth, `relu6(x + 3) / 6`.
fn hard_sigmoid(site: &mut Site<'_, '_>, x: &Node, slope: f32) -> Outcome {
    if slope != 0.2 {
        let three = site.floats("hard/three", &[3.0])?;
        let shifted = site.add("AddV2", &[x, &three], x.rank, Vec::new())?;
        let clipped = unary(site, &shifted, "Relu6")?;
        let sixth = site.floats("hard/sixth", &[slope])?;
        return site.add("Mul", &[&clipped, &sixth], x.rank, Vec::new());
    }
    let slope = site.floats("hard/slope", &[slope])?;
    let scaled = site.add("Mul", &[x, &slope], x.rank, Vec::new())?;
    let half = site.floats("hard/half", &[0.5])?;
    let shifted = site.add("AddV2", &[&scaled, &half], x.rank, Vec::new())?;
    clipped(site, &shifted, 0.0, 1.0)
}

fn clipped(site: &mut Site<'_, '_>, x: &Node, low: f32, high: f32) -> Outcome {
    let high = site.floats("clip/high", &[high])?;
    let limited = site.add("Minimum", &[x, &high], x.rank, Vec::new())?;
    let low = site.floats("clip/low", &[low])?;
    site.add("Maximum", &[&limited, &low], x.rank, Vec::new())
}

fn softmax_layer(site: &mut Site<'_, '_>) -> Outcome {
    let x = site.input()?;
    let axis = site.layer.config.get("axis").and_then(as_number).unwrap_or(-1.0);
    if axis != -1.0 && axis != x.rank as f64 - 1.0 {
        return unsupported(format!("a softmax over axis {axis} of {} dimensions", x.rank));
    }
    softmax(site, &x, "Softmax")
}

/// Rectifies with a threshold, a slope below it and a maximum.
fn relu_layer(site: &mut Site<'_, '_>) -> Outcome {
    let x = site.input()?;
    let config = &site.layer.config;
    let value = |name: &str| number(config, name).unwrap_or(0.0) as f32;
    let (slope, threshold) = (value("negative_slope"), value("threshold"));
    let max = number(config, "max_value").map(|max| max as f32);
    rectified(site, &x, slope, threshold, max)
}

/// Rectifies as Keras's `relu` does.
pub(super) fn rectified(
    site: &mut Site<'_, '_>,
    x: &Node,
    slope: f32,
    threshold: f32,
    max: Option<f32>,
) -> Outcome {
    if threshold != 0.0 {
        return unsupported(format!("a threshold of {threshold}"));
    }
    if slope != 0.0 {
        let value = leaky_by(site, x, slope)?;
        let Some(max) = max else { return Ok(value) };
        let max = site.floats("max_value", &[max])?;
        return site.add("Minimum", &[&value, &max], x.rank, Vec::new());
    }
    match max {
        None => unary(site, x, "Relu"),
        Some(6.0) => unary(site, x, "Relu6"),
        Some(max) => clipped(site, x, 0.0, max),
    }
}

fn leaky(site: &mut Site<'_, '_>) -> Outcome {
    let x = site.input()?;
    let config = &site.layer.config;
    // Keras 2 calls it alpha.
    let slope = number(config, "negative_slope").or_else(|| number(config, "alpha"));
    leaky_by(site, &x, slope.unwrap_or(0.3) as f32)
}

fn leaky_by(site: &mut Site<'_, '_>, x: &Node, slope: f32) -> Outcome {
    site.add("LeakyRelu", &[x], x.rank, vec![("alpha", Attribute::F(slope))])
}

/// `relu(x) − alpha · relu(−x)`.
fn prelu(site: &mut Site<'_, '_>) -> Outcome {
    let x = site.input()?;
    let alpha = site.variable(&["alpha"], 0, None)?;
    let positive = unary(site, &x, "Relu")?;
    let negated = unary(site, &x, "Neg")?;
    let negative = unary(site, &negated, "Relu")?;
    let scaled = site.add("Mul", &[&negative, &alpha], x.rank, Vec::new())?;
    site.add("Sub", &[&positive, &scaled], x.rank, Vec::new())
}

fn elu(site: &mut Site<'_, '_>) -> Outcome {
    let x = site.input()?;
    let alpha = number(&site.layer.config, "alpha").unwrap_or(1.0) as f32;
    if alpha == 1.0 {
        return unary(site, &x, "Elu");
    }
    // alpha · elu(−relu(−x)) + relu(x).
    let negated = unary(site, &x, "Neg")?;
    let below = unary(site, &negated, "Relu")?;
    let below = unary(site, &below, "Neg")?;
    let curved = unary(site, &below, "Elu")?;
    let alpha = site.floats("alpha", &[alpha])?;
    let scaled = site.add("Mul", &[&curved, &alpha], x.rank, Vec::new())?;
    let positive = unary(site, &x, "Relu")?;
    site.add("AddV2", &[&positive, &scaled], x.rank, Vec::new())
}
