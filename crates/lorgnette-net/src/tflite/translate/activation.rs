//! Activations: operators of their own, and those fused into others.

use super::{Attribute, Outcome, Refusal, Site, unsupported};
use crate::proto::Value;

/// The activation after a sum in the same operator (`ActivationFunctionType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activation {
    None,
    Relu,
    ReluN1To1,
    Relu6,
}

impl Activation {
    /// The activation in a field of an operator's options.
    pub(super) fn from_options(site: &Site<'_, '_, '_>, field: usize) -> Outcome<Self> {
        Ok(match site.u8(field)? {
            0 => Self::None,
            1 => Self::Relu,
            2 => Self::ReluN1To1,
            3 => Self::Relu6,
            // LiteRT takes these numbers, and does as if there were none.
            4 => return unsupported("the fused activation TANH, which LiteRT leaves out"),
            other => return unsupported(format!("fused activation {other}")),
        })
    }
}

pub(super) fn translate(builtin: &str, site: &mut Site<'_, '_, '_>) -> Option<Outcome> {
    Some(match builtin {
        "RELU" => site.activate_input(Activation::Relu),
        "RELU6" => site.activate_input(Activation::Relu6),
        "RELU_N1_TO_1" => site.activate_input(Activation::ReluN1To1),
        "RELU_0_TO_1" => site.input(0).and_then(|x| site.clip(x, 0.0, 1.0)),
        "TANH" => site.input(0).and_then(|x| site.finish("Tanh", vec![x], Vec::new())),
        "LOGISTIC" => site.input(0).and_then(|x| site.finish("Sigmoid", vec![x], Vec::new())),
        "ELU" => site.input(0).and_then(|x| site.finish("Elu", vec![x], Vec::new())),
        "LEAKY_RELU" => leaky_relu(site),
        "PRELU" => prelu(site),
        "HARD_SWISH" => hard_swish(site),
        "GELU" => gelu(site),
        "SOFTMAX" => softmax(site),
        "LOG_SOFTMAX" => site.input(0).and_then(|x| site.finish("LogSoftmax", vec![x], Vec::new())),
        _ => return None,
    })
}

impl Site<'_, '_, '_> {
    fn activate_input(&mut self, activation: Activation) -> Outcome {
        let x = self.input(0)?;
        self.activate(activation, x)
    }

    /// Adds the node of the result: the activation of `x`.
    fn activate(&mut self, activation: Activation, x: String) -> Outcome {
        match activation {
            Activation::None => self.finish("Identity", vec![x], Vec::new()),
            Activation::Relu => self.finish("Relu", vec![x], Vec::new()),
            Activation::ReluN1To1 => self.clip(x, -1.0, 1.0),
            Activation::Relu6 => self.finish("Relu6", vec![x], Vec::new()),
        }
    }

    /// Adds the node of an operation, and that of the activation behind it if there is one.
    pub(super) fn finish_with(
        &mut self,
        activation: Activation,
        op: &str,
        inputs: Vec<String>,
        attributes: Vec<Attribute>,
    ) -> Outcome {
        if activation == Activation::None {
            return self.finish(op, inputs, attributes);
        }
        let value = self.step("linear", op, inputs, attributes)?;
        self.activate(activation, value)
    }

    fn clip(&mut self, x: String, low: f32, high: f32) -> Outcome {
        let (low, high) = (self.scalar("low", low)?, self.scalar("high", high)?);
        self.finish("ClipByValue", vec![x, low, high], Vec::new())
    }
}

fn leaky_relu(site: &mut Site<'_, '_, '_>) -> Outcome {
    const ALPHA: usize = 0;
    let (x, alpha) = (site.input(0)?, site.f32(ALPHA)?);
    site.finish("LeakyRelu", vec![x], vec![("alpha", Value::F(alpha))])
}

/// `x` where it is positive, else `alpha · x`, alpha being a tensor.
fn prelu(site: &mut Site<'_, '_, '_>) -> Outcome {
    let (x, alpha) = (site.input(0)?, site.real(1)?);
    let zero = site.scalar("zero", 0.0)?;
    let positive = site.step("positive", "Relu", vec![x.clone()], Vec::new())?;
    let negative = site.step("negative", "Minimum", vec![x, zero], Vec::new())?;
    let scaled = site.step("scaled", "Mul", vec![negative, alpha], Vec::new())?;
    site.finish("AddV2", vec![positive, scaled], Vec::new())
}

/// `x · relu6(x + 3) / 6`, in the pieces that a pass joins.
fn hard_swish(site: &mut Site<'_, '_, '_>) -> Outcome {
    let x = site.input(0)?;
    let (three, sixth) = (site.scalar("three", 3.0)?, site.scalar("sixth", 1.0 / 6.0)?);
    let shifted = site.step("shifted", "AddV2", vec![x.clone(), three], Vec::new())?;
    let gate = site.step("gate", "Relu6", vec![shifted], Vec::new())?;
    let gate = site.step("hard_sigmoid", "Mul", vec![gate, sixth], Vec::new())?;
    site.finish("Mul", vec![x, gate], Vec::new())
}

/// `x / 2 · (1 + erf(x / √2))`, or its approximation by a hyperbolic tangent.
fn gelu(site: &mut Site<'_, '_, '_>) -> Outcome {
    const APPROXIMATE: usize = 0;
    let x = site.input(0)?;
    let inner = match site.flag(APPROXIMATE)? {
        false => {
            let root = site.scalar("root", std::f32::consts::FRAC_1_SQRT_2)?;
            let scaled = site.step("scaled", "Mul", vec![x.clone(), root], Vec::new())?;
            site.step("erf", "Erf", vec![scaled], Vec::new())?
        }
        true => approximate_erf(site, &x)?,
    };
    let (one, half) = (site.scalar("one", 1.0)?, site.scalar("half", 0.5)?);
    let gate = site.step("gate", "AddV2", vec![inner, one], Vec::new())?;
    let halved = site.step("halved", "Mul", vec![x, half], Vec::new())?;
    site.finish("Mul", vec![halved, gate], Vec::new())
}

/// `tanh(√(2/π) · (x + 0.044715 x³))`.
fn approximate_erf(site: &mut Site<'_, '_, '_>, x: &str) -> Outcome<String> {
    let x = x.to_owned();
    let (cubic, factor) = (site.scalar("cubic", 0.044_715)?, site.scalar("factor", 0.797_884_6)?);
    let square = site.step("square", "Square", vec![x.clone()], Vec::new())?;
    let cube = site.step("cube", "Mul", vec![square, x.clone()], Vec::new())?;
    let cube = site.step("scaled_cube", "Mul", vec![cube, cubic], Vec::new())?;
    let sum = site.step("sum", "AddV2", vec![x, cube], Vec::new())?;
    let sum = site.step("scaled", "Mul", vec![sum, factor], Vec::new())?;
    site.step("tanh", "Tanh", vec![sum], Vec::new())
}

fn softmax(site: &mut Site<'_, '_, '_>) -> Outcome {
    const BETA: usize = 0;
    let (mut x, beta) = (site.input(0)?, site.f32(BETA)?);
    if !beta.is_finite() {
        return Err(Refusal::Damaged(format!("a softmax with a beta of {beta}")));
    }
    if beta != 1.0 {
        let beta = site.scalar("beta", beta)?;
        x = site.step("scaled", "Mul", vec![x, beta], Vec::new())?;
    }
    site.finish("Softmax", vec![x], Vec::new())
}
