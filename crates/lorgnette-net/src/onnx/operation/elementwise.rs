//! Functions of each element, or of elements that meet by broadcasting.

use lorgnette_kernels::{Binary, Clamp, Unary};

use super::super::translate::{Translator, Value};
use super::super::weights;
use super::{Call, UNKNOWN};
use crate::graph::NodeId;
use crate::graph::op::Op;
use crate::tensor::{DType, Tensor};

impl<'a> Translator<'a> {
    /// # Errors
    /// [`UNKNOWN`] for an operator that is none of these.
    pub(super) fn elementwise(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        if let Some(function) = unary(call) {
            return self.each(call.input(0)?, |this, x| this.add(Op::Unary(function), &[x]));
        }
        if let Some(function) = binary(&call.node.op_type) {
            return self.broadcast_binary(call, function);
        }
        let attributes = call.attributes;
        match call.node.op_type.as_str() {
            "Relu" => self.clamped(call.input(0)?, Clamp::RELU),
            "Clip" => self.clip(call),
            "Elu" => {
                let alpha = attributes.float("alpha", 1.0);
                self.each(call.input(0)?, |this, x| this.elu(x, alpha, 1.0))
            }
            "Selu" => {
                let alpha = attributes.float("alpha", SELU_ALPHA);
                let gamma = attributes.float("gamma", SELU_GAMMA);
                self.each(call.input(0)?, |this, x| this.elu(x, alpha, gamma))
            }
            "HardSigmoid" => {
                let alpha = attributes.float("alpha", 0.2);
                let beta = attributes.float("beta", 0.5);
                self.each(call.input(0)?, |this, x| this.hard_sigmoid(x, alpha, beta))
            }
            "PRelu" => self.prelu(call),
            "Gelu" => {
                let is_tanh = attributes.text("approximate") == Some("tanh");
                self.each(
                    call.input(0)?,
                    |this, x| if is_tanh { this.gelu_tanh(x) } else { this.gelu(x) },
                )
            }
            "Mish" => self.each(call.input(0)?, |this, x| {
                let softplus = this.add(Op::Unary(Unary::Softplus), &[x])?;
                let tanh = this.add(Op::Unary(Unary::Tanh), &[softplus])?;
                this.binary(Binary::Mul, x, tanh)
            }),
            "Not" => {
                let zero = self.add(Op::Const(Tensor::from_i64(DType::Bool, &[], &[0])), &[])?;
                self.each(call.input(0)?, |this, x| this.binary(Binary::Equal, x, zero))
            }
            "Cast" => self.cast(call),
            "Where" => {
                let nodes = self.aligned(&call.inputs()?)?;
                Ok(nodes.value(self.add(Op::Select, &nodes.nodes)?))
            }
            "Max" => self.chain(call, Binary::Maximum),
            "Min" => self.chain(call, Binary::Minimum),
            "Sum" => self.chain(call, Binary::Add),
            "Mean" => {
                let sum = self.chain(call, Binary::Add)?;
                let count = call.inputs()?.len();
                self.each(sum, |this, x| this.scaled(x, 1.0 / count as f32))
            }
            _ => Err(UNKNOWN.into()),
        }
    }

    /// Applies a function that looks at each element alone, in whatever layout.
    pub(super) fn each(
        &mut self,
        x: Value,
        function: impl FnOnce(&mut Self, NodeId) -> Result<NodeId, String>,
    ) -> Result<Value, String> {
        Ok(match x {
            Value::Plain(id) => Value::Plain(function(self, id)?),
            Value::ChannelsLast(id) => Value::ChannelsLast(function(self, id)?),
        })
    }

    pub(super) fn binary(
        &mut self,
        function: Binary,
        a: NodeId,
        b: NodeId,
    ) -> Result<NodeId, String> {
        self.add(Op::Binary(function, Clamp::NONE), &[a, b])
    }

    fn clamped(&mut self, x: Value, clamp: Clamp) -> Result<Value, String> {
        self.each(x, |this, x| this.add(Op::Clamp(clamp), &[x]))
    }

    fn clip(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let attributes = call.attributes;
        let limit = |this: &Self, name: &str, input: usize, default: f32| match call.optional(input)
        {
            Some(value) => this.number(value),
            None => Ok(attributes.float(name, default)),
        };
        let low = limit(self, "min", 1, f32::NEG_INFINITY)?;
        let high = limit(self, "max", 2, f32::INFINITY)?;
        let x = call.input(0)?;
        if self.dtype(x).is_float() {
            return self.clamped(x, Clamp { low, high });
        }
        let dtype = self.dtype(x);
        let limits = [(Binary::Maximum, low), (Binary::Minimum, high)];
        self.each(x, |this, mut x| {
            for (function, limit) in limits.into_iter().filter(|(_, limit)| limit.is_finite()) {
                let limit =
                    this.add(Op::Const(Tensor::from_i64(dtype, &[], &[limit as i64])), &[])?;
                x = this.binary(function, x, limit)?;
            }
            Ok(x)
        })
    }

    /// `gamma · x` above zero, `gamma · alpha · (eˣ − 1)` below.
    fn elu(&mut self, x: NodeId, alpha: f32, gamma: f32) -> Result<NodeId, String> {
        if alpha == 1.0 && gamma == 1.0 {
            return self.add(Op::Unary(Unary::Elu), &[x]);
        }
        if (alpha, gamma) == (SELU_ALPHA, SELU_GAMMA) {
            return self.add(Op::Unary(Unary::Selu), &[x]);
        }
        let (above, below) = self.halves(x)?;
        let below = self.add(Op::Unary(Unary::Elu), &[below])?;
        let below = self.scaled(below, alpha)?;
        let sum = self.binary(Binary::Add, above, below)?;
        self.scaled(sum, gamma)
    }

    /// The parts above and below zero: `max(x, 0)` and `min(x, 0)`.
    fn halves(&mut self, x: NodeId) -> Result<(NodeId, NodeId), String> {
        let above = self.add(Op::Clamp(Clamp::RELU), &[x])?;
        let below = self.add(Op::Clamp(Clamp { low: f32::NEG_INFINITY, high: 0.0 }), &[x])?;
        Ok((above, below))
    }

    fn hard_sigmoid(&mut self, x: NodeId, alpha: f32, beta: f32) -> Result<NodeId, String> {
        let scaled = self.scaled(x, alpha)?;
        let beta = self.float(beta)?;
        let sum = self.binary(Binary::Add, scaled, beta)?;
        self.add(Op::Clamp(Clamp { low: 0.0, high: 1.0 }), &[sum])
    }

    fn prelu(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let aligned = self.aligned(&[call.input(0)?, call.input(1)?])?;
        let (above, below) = self.halves(aligned.nodes[0])?;
        let below = self.binary(Binary::Mul, below, aligned.nodes[1])?;
        Ok(aligned.value(self.binary(Binary::Add, above, below)?))
    }

    /// `x · (1 + erf(x / √2)) / 2`.
    fn gelu(&mut self, x: NodeId) -> Result<NodeId, String> {
        let scaled = self.scaled(x, std::f32::consts::FRAC_1_SQRT_2)?;
        let erf = self.add(Op::Unary(Unary::Erf), &[scaled])?;
        self.half_of_one_more(x, erf)
    }

    /// `x · (1 + tanh(√(2/π) · (x + 0.044715 x³))) / 2`.
    fn gelu_tanh(&mut self, x: NodeId) -> Result<NodeId, String> {
        let square = self.add(Op::Unary(Unary::Square), &[x])?;
        let cube = self.binary(Binary::Mul, square, x)?;
        let cube = self.scaled(cube, 0.044_715)?;
        let sum = self.binary(Binary::Add, x, cube)?;
        let scaled = self.scaled(sum, (2.0 / std::f32::consts::PI).sqrt())?;
        let tanh = self.add(Op::Unary(Unary::Tanh), &[scaled])?;
        self.half_of_one_more(x, tanh)
    }

    /// `x · (1 + y) / 2`.
    fn half_of_one_more(&mut self, x: NodeId, y: NodeId) -> Result<NodeId, String> {
        let one = self.float(1.0)?;
        let sum = self.binary(Binary::Add, y, one)?;
        let product = self.binary(Binary::Mul, x, sum)?;
        self.scaled(product, 0.5)
    }

    fn cast(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let to = call.attributes.int("to").and_then(|to| i32::try_from(to).ok());
        let to = to.and_then(weights::dtype).filter(|&dtype| dtype != DType::String);
        let to = weights::computed(to.ok_or("to an element type that is not known")?);
        let x = call.input(0)?;
        if self.dtype(x) == to {
            return Ok(x);
        }
        self.each(x, |this, x| this.add(Op::Cast(to), &[x]))
    }

    fn broadcast_binary(&mut self, call: Call<'a, '_>, function: Binary) -> Result<Value, String> {
        let [a, b] = [call.input(0)?, call.input(1)?];
        if call.node.op_type == "Mod" && call.attributes.flag("fmod", false) {
            return Err("fmod: the remainder has the sign of the dividend".into());
        }
        let exponent =
            self.known(b.node()).filter(|known| known.len() == 1).map(|known| known.to_f32()[0]);
        if function == Binary::Pow && self.dtype(a).is_float() {
            let simple = match exponent {
                Some(2.0) => Some(Unary::Square),
                Some(0.5) => Some(Unary::Sqrt),
                _ => None,
            };
            if let Some(function) = simple {
                return self.each(a, |this, x| this.add(Op::Unary(function), &[x]));
            }
        }
        let aligned = self.aligned(&[a, b])?;
        let mut result = self.binary(function, aligned.nodes[0], aligned.nodes[1])?;
        // Integers are computed as floats where they depend on more than shapes.
        let dtype = self.fact(result).dtype;
        if function == Binary::Div && !dtype.is_float() && self.known(result).is_none() {
            result = self.add(Op::Cast(dtype), &[result])?;
        }
        Ok(aligned.value(result))
    }

    fn chain(&mut self, call: Call<'a, '_>, function: Binary) -> Result<Value, String> {
        let aligned = self.aligned(&call.inputs()?)?;
        let mut nodes = aligned.nodes.iter().copied();
        let first = nodes.next().ok_or("it has no inputs")?;
        let all = nodes.try_fold(first, |sum, next| self.binary(function, sum, next))?;
        Ok(aligned.value(all))
    }

    /// Nodes of values that are to meet by broadcasting, all in one layout: channels last if one of
    /// them is.
    pub(super) fn aligned(&mut self, values: &[Value]) -> Result<Aligned, String> {
        let rank = values.iter().map(|&value| self.rank(value)).max().unwrap_or(0);
        let channels_last = rank == 4 && values.iter().any(|value| value.is_channels_last());
        let mut nodes = Vec::with_capacity(values.len());
        for &value in values {
            nodes.push(match channels_last {
                true => self.broadcast_last(value)?,
                false => self.plain(value)?,
            });
        }
        // A vector of conditions is one for each row in TensorFlow's oldest Select.
        let widened = !channels_last && rank > 1;
        if let Some(first) = nodes.first_mut().filter(|_| widened) {
            while self.fact(*first).shape.len() < rank && self.fact(*first).dtype == DType::Bool {
                let axis = self.integer(0)?;
                *first = self.add(Op::ExpandDims, &[*first, axis])?;
            }
        }
        Ok(Aligned { nodes, channels_last })
    }

    /// A value of up to four dimensions, to be broadcast with one that has its channels last.
    fn broadcast_last(&mut self, value: Value) -> Result<NodeId, String> {
        let Value::Plain(mut id) = value else { return Ok(value.node()) };
        if self.fact(id).len() == 1 && self.rank(value) <= 1 {
            return Ok(id);
        }
        while self.fact(id).shape.len() < 4 {
            let axis = self.integer(0)?;
            id = self.add(Op::ExpandDims, &[id, axis])?;
        }
        self.channels_last(Value::Plain(id))
    }
}

/// Nodes in one layout.
pub(super) struct Aligned {
    pub(super) nodes: Vec<NodeId>,
    channels_last: bool,
}

impl Aligned {
    /// The result of the nodes.
    pub(super) fn value(&self, id: NodeId) -> Value {
        if self.channels_last { Value::ChannelsLast(id) } else { Value::Plain(id) }
    }
}

// The defaults of the operator.
const SELU_ALPHA: f32 = 1.673_263_2;
const SELU_GAMMA: f32 = 1.050_701;

fn unary(call: Call<'_, '_>) -> Option<Unary> {
    Some(match call.node.op_type.as_str() {
        "Abs" => Unary::Abs,
        "Ceil" => Unary::Ceil,
        "Erf" => Unary::Erf,
        "Exp" => Unary::Exp,
        "Floor" => Unary::Floor,
        "HardSwish" => Unary::HardSwish,
        "LeakyRelu" => Unary::LeakyRelu(call.attributes.float("alpha", 0.01)),
        "Log" => Unary::Log,
        "Neg" => Unary::Neg,
        "Reciprocal" => Unary::Reciprocal,
        "Round" => Unary::Round,
        "Sigmoid" => Unary::Sigmoid,
        "Sign" => Unary::Sign,
        "Softplus" => Unary::Softplus,
        "Softsign" => Unary::Softsign,
        "Sqrt" => Unary::Sqrt,
        "Tanh" => Unary::Tanh,
        _ => return None,
    })
}

fn binary(operator: &str) -> Option<Binary> {
    Some(match operator {
        "Add" => Binary::Add,
        "Sub" => Binary::Sub,
        "Mul" => Binary::Mul,
        "Div" => Binary::Div,
        "Pow" => Binary::Pow,
        "Mod" => Binary::FloorMod,
        "Greater" => Binary::Greater,
        "GreaterOrEqual" => Binary::GreaterEqual,
        "Less" => Binary::Less,
        "LessOrEqual" => Binary::LessEqual,
        "Equal" => Binary::Equal,
        "And" => Binary::LogicalAnd,
        "Or" => Binary::LogicalOr,
        "Xor" => Binary::NotEqual,
        _ => return None,
    })
}
