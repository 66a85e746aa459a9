//! Functions of one and two values, reductions, softmax, normalisation.

use lorgnette_kernels::{Binary, Clamp, Lrn, Unary};

use super::{Emitter, Operation, Options, Outcome, activation, unsupported};
use crate::graph::op::{Epilogue, Reduction};
use crate::graph::{Node, NodeId};
use crate::tensor::DType;
use crate::tflite::{NewOption, NewTensor};

impl Emitter<'_> {
    pub(super) fn binary(
        &mut self,
        id: NodeId,
        node: &Node,
        function: Binary,
        clamp: Clamp,
    ) -> Outcome {
        let &[a, b] = node.inputs.as_slice() else { return unsupported("its inputs") };
        let fused = |number: u8, activation: u8| -> Options {
            Some((number, vec![(0, NewOption::Choice(activation))]))
        };
        let Some(activation) = activation(clamp) else { return unsupported("its activation") };
        let (builtin, has_int8, options) = match function {
            Binary::Add => ("ADD", true, fused(11, activation)),
            Binary::Sub => ("SUB", true, fused(28, activation)),
            Binary::Mul => ("MUL", true, fused(21, activation)),
            Binary::Div => ("DIV", false, fused(29, activation)),
            _ if clamp != Clamp::NONE => return unsupported("its activation"),
            Binary::Maximum => ("MAXIMUM", false, Some((39, Vec::new()))),
            Binary::Minimum => ("MINIMUM", false, Some((39, Vec::new()))),
            Binary::Pow => ("POW", false, Some((56, Vec::new()))),
            Binary::SquaredDifference => ("SQUARED_DIFFERENCE", false, Some((76, Vec::new()))),
            _ => return unsupported("its function"),
        };
        let stores = has_int8 && self.stores(id, node);
        let inputs = vec![self.value(a, stores)?, self.value(b, stores)?];
        self.finish(id, Operation::new(builtin, 2, options), inputs, stores)
    }

    /// Limits of values. Of an activation without an operator, the real numbers are limited.
    pub(super) fn clamp(&mut self, id: NodeId, node: &Node, clamp: Clamp) -> Outcome {
        let &[x] = node.inputs.as_slice() else { return unsupported("its inputs") };
        let builtin = match activation(clamp) {
            Some(1) => "RELU",
            Some(2) => "RELU_N1_TO_1",
            Some(3) => "RELU6",
            _ => {
                let x = self.real(x)?;
                return self.limited(id, x, clamp);
            }
        };
        let stores = self.stores(id, node);
        let x = self.value(x, stores)?;
        self.finish(id, Operation::new(builtin, 2, None), vec![x], stores)
    }

    /// Adds a node's result: a tensor of real numbers within limits.
    fn limited(&mut self, id: NodeId, x: usize, clamp: Clamp) -> Outcome {
        let name = self.source.typed.graph.node(id).name.clone();
        let options = || Some((39, Vec::new()));
        let low = self.floats(&format!("{name}/low"), &[], &[clamp.low]);
        let high = self.floats(&format!("{name}/high"), &[], &[clamp.high]);
        let raised = self.of_reals(id, "raised");
        self.operator("MAXIMUM", 1, vec![x, low], raised, options());
        self.finish(id, Operation::new("MINIMUM", 1, options()), vec![raised, high], false)
    }

    /// Adds a tensor of real numbers of a node's shape.
    fn of_reals(&mut self, id: NodeId, what: &str) -> usize {
        let name = format!("{}/{what}", self.source.typed.graph.node(id).name);
        let (name, shape) = (self.fresh(&name), self.shape(id).to_vec());
        let dtype = DType::F32;
        self.tensor(NewTensor { name, dtype, shape, constant: None, quantization: None })
    }

    /// A factor and a summand for each channel, of real numbers.
    pub(super) fn affine_of_reals(
        &mut self,
        id: NodeId,
        node: &Node,
        epilogue: &Epilogue,
    ) -> Outcome {
        let none = || Some((21, vec![(0, NewOption::Choice(0))]));
        let channels = self.shape(id).last().copied().unwrap_or(1);
        let mut x = self.real(node.inputs[0])?;
        if let Some(scale) = &epilogue.scale {
            let factor = self.floats(&format!("{}/factor", node.name), &[channels], scale);
            let product = self.of_reals(id, "product");
            self.operator("MUL", 1, vec![x, factor], product, none());
            x = product;
        }
        let shift = epilogue.shift.as_ref().map_or_else(|| vec![0.0; channels], |s| s.to_vec());
        let shift = self.floats(&format!("{}/summand", node.name), &[channels], &shift);
        let limits = epilogue.limits();
        let add = |activation: u8| Some((11, vec![(0, NewOption::Choice(activation))]));
        if let Some(activation) = activation(limits) {
            let operation = Operation::new("ADD", 1, add(activation));
            return self.finish(id, operation, vec![x, shift], false);
        }
        let sum = self.of_reals(id, "sum");
        self.operator("ADD", 1, vec![x, shift], sum, add(0));
        self.limited(id, sum, limits)
    }

    pub(super) fn unary(&mut self, id: NodeId, node: &Node, function: Unary) -> Outcome {
        let &[x] = node.inputs.as_slice() else { return unsupported("its inputs") };
        let (builtin, has_int8, options): (_, _, Options) = match function {
            Unary::Sigmoid => ("LOGISTIC", true, None),
            Unary::Tanh => ("TANH", true, None),
            Unary::HardSwish => ("HARD_SWISH", true, None),
            Unary::Abs => ("ABS", false, None),
            Unary::Ceil => ("CEIL", false, None),
            Unary::Elu => ("ELU", false, None),
            Unary::Exp => ("EXP", false, None),
            Unary::Floor => ("FLOOR", false, None),
            Unary::Log => ("LOG", false, None),
            Unary::Neg => ("NEG", false, None),
            Unary::Round => ("ROUND", false, None),
            Unary::Rsqrt => ("RSQRT", false, None),
            Unary::Sqrt => ("SQRT", false, None),
            Unary::Square => ("SQUARE", false, None),
            _ => return unsupported("its function"),
        };
        let stores = has_int8 && self.stores(id, node);
        let x = self.value(x, stores)?;
        // HARD_SWISH has int8 in its first version.
        let version = if builtin == "HARD_SWISH" { 1 } else { 2 };
        self.finish(id, Operation::new(builtin, version, options), vec![x], stores)
    }

    pub(super) fn reduce(
        &mut self,
        id: NodeId,
        node: &Node,
        kind: Reduction,
        keep_dims: bool,
    ) -> Outcome {
        let &[x, _] = node.inputs.as_slice() else { return unsupported("its inputs") };
        let (builtin, has_int8) = match kind {
            Reduction::Mean => ("MEAN", true),
            Reduction::Sum => ("SUM", false),
            Reduction::Max => ("REDUCE_MAX", false),
            Reduction::Min => ("REDUCE_MIN", false),
            _ => return unsupported("its reduction"),
        };
        let axes = self.numbers(node, 1)?;
        let axes = self.integers(&format!("{}/axes", node.name), &[axes.len()], &axes);
        let stores = has_int8 && self.stores(id, node);
        let x = self.value(x, stores)?;
        let options = Some((27, vec![(0, NewOption::Flag(keep_dims))]));
        self.finish(id, Operation::new(builtin, 2, options), vec![x, axes], stores)
    }

    pub(super) fn softmax(&mut self, id: NodeId, node: &Node, log: bool) -> Outcome {
        let &[x] = node.inputs.as_slice() else { return unsupported("its inputs") };
        let stores = !log && self.stores(id, node);
        let x = self.value(x, stores)?;
        let operation = match log {
            true => Operation::new("LOG_SOFTMAX", 1, Some((36, Vec::new()))),
            false => Operation::new("SOFTMAX", 2, Some((9, vec![(0, NewOption::Float(1.0))]))),
        };
        self.finish(id, operation, vec![x], stores)
    }

    pub(super) fn lrn(&mut self, id: NodeId, node: &Node, lrn: Lrn) -> Outcome {
        let Lrn { depth_radius, bias, alpha, beta } = lrn;
        let x = self.real(node.inputs[0])?;
        let fields = vec![
            (0, NewOption::Int(depth_radius as i32)),
            (1, NewOption::Float(bias)),
            (2, NewOption::Float(alpha)),
            (3, NewOption::Float(beta)),
        ];
        let operation = Operation::new("LOCAL_RESPONSE_NORMALIZATION", 1, Some((13, fields)));
        self.finish(id, operation, vec![x], false)
    }
}
