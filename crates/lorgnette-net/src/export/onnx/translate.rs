//! Translates each operation to ONNX.

use lorgnette_kernels::fallback::Reduction;
use lorgnette_kernels::{Binary, Clamp, Unary};

use super::emit::{Operator, Setting, node};
use super::proto::{
    Dimension, Length, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use super::translation::{Names, Translation};
use super::weights::data_type;
use super::{Source, Translated};
use crate::error::{Error, Result, UnsupportedNode};
use crate::graph::op::{Lrn, Op};
use crate::graph::rearrange::axis;
use crate::graph::{Graph, Node, NodeId};
use crate::tensor::DType;

/// The name of the batch dimension.
const BATCH: &str = "batch";

/// Translates a network without batch norms and identities.
///
/// # Errors
/// [`Error::Unsupported`] with all nodes that have no ONNX equivalent.
pub(crate) fn translate(source: Source<'_>) -> Result<Translated> {
    let graph = &source.one.graph;
    let names = vec![Names::default(); graph.nodes().len()];
    let mut translation =
        Translation { source, names, nodes: Vec::new(), weights: Vec::new(), inputs: Vec::new() };
    let needed = graph.needed();
    let mut unsupported = Vec::new();
    for (id, node) in graph.iter().filter(|(id, _)| needed[id.index()]) {
        if let Err(what) = translation.operation(id, node) {
            unsupported.push(UnsupportedNode {
                node: node.name.clone(),
                op: node.op.name().into(),
                what,
            });
            // Gives the node a name nevertheless, so that its readers report only their own faults.
            translation.names[id.index()].plain = Some(node.name.clone());
        }
    }
    if unsupported.is_empty() {
        Ok(translation.finish(graph))
    } else {
        Err(Error::Unsupported(unsupported))
    }
}

impl<'a> Translation<'a> {
    /// Translates one node. Constants are added when they are read.
    fn operation(&mut self, id: NodeId, node: &'a Node) -> Result<(), String> {
        let x = node.inputs.first().copied();
        let x = || x.ok_or("an input is missing");
        match &node.op {
            Op::Const(_) | Op::Variable(_) => {}
            Op::Quantized(quantized) => self.quantized(id, node, quantized)?,
            op if self.moves_stored_constants(id, node) && !matches!(op, Op::Pad(_)) => {
                return Err("a part of it is a constant of integers".into());
            }
            Op::Input { .. } => self.input(id, node),
            Op::Identity => self.names[id.index()] = self.names_of(x()?),
            Op::Conv2d(conv) => self.conv(id, node, conv)?,
            Op::DepthwiseConv2d(conv) => self.depthwise(id, node, conv)?,
            Op::MatMul(product) => self.mat_mul(id, node, product)?,
            Op::Affine(epilogue) => self.affine(id, x()?, epilogue)?,
            Op::Pool(pool) => self.pool(id, x()?, pool)?,
            Op::Clamp(clamp) => self.clamp(id, x()?, *clamp),
            Op::Unary(function) => self.unary(id, x()?, *function),
            Op::Binary(function, clamp) => self.binary(id, node, *function, *clamp)?,
            Op::Reduce { kind, keep_dims } => self.reduce(id, node, *kind, *keep_dims)?,
            Op::Softmax { log } => self.softmax(id, x()?, *log),
            Op::Lrn(lrn) => self.lrn(id, x()?, lrn),
            Op::Resize(resize) => self.resize(id, node, resize)?,
            Op::ResizeBicubic(how) => self.resize_bicubic(id, node, *how)?,
            Op::Concat => self.concat(id, node)?,
            Op::Reshape | Op::Squeeze { .. } | Op::ExpandDims => self.reshape(id, x()?)?,
            Op::Cast(dtype) => {
                let x = self.plain(x()?);
                self.give(
                    id,
                    "Cast",
                    vec![x],
                    vec![("to", Setting::Integer(data_type(*dtype).into()))],
                );
            }
            _ => self.moved(id, node)?,
        }
        Ok(())
    }

    /// True if a movement of 8-bit integers reads constants of such.
    fn moves_stored_constants(&self, id: NodeId, node: &Node) -> bool {
        let is_stored = |input: &NodeId| {
            let dtype = self.source.one.fact(*input).dtype;
            self.source.one.graph.is_stored(*input) && matches!(dtype, DType::I8 | DType::U8)
        };
        self.source.one.fact(id).quantization.is_some() && node.inputs.iter().any(is_stored)
    }

    /// Returns the names of an identity's input; a constant is named first.
    pub(super) fn names_of(&mut self, x: NodeId) -> Names {
        if self.names[x.index()].plain.is_none() && !self.is_first(x) {
            let _ = self.plain(x);
        }
        self.names[x.index()].clone()
    }

    fn input(&mut self, id: NodeId, node: &Node) {
        self.inputs.push(self.value(id, &node.name));
        self.names[id.index()].plain = Some(node.name.clone());
    }

    fn value(&self, id: NodeId, name: &str) -> ValueInfoProto {
        let dim = self
            .lengths(id)
            .into_iter()
            .map(|length: Option<usize>| Dimension {
                value: Some(length.map_or(Length::Parameter(BATCH.into()), |length| {
                    Length::Value(length as i64)
                })),
            })
            .collect();
        let fact = self.source.one.fact(id);
        let is_real = fact.quantization.is_some();
        let elem_type = data_type(if is_real { DType::F32 } else { fact.dtype });
        let tensor_type =
            Some(TensorTypeProto { elem_type, shape: Some(TensorShapeProto { dim }) });
        ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type }) }
    }

    /// Adds an elementwise operator, which works in any layout.
    pub(super) fn each(
        &mut self,
        id: NodeId,
        x: NodeId,
        operator: &str,
        settings: Vec<(&str, Setting)>,
    ) {
        let (first, x) = self.as_is(x);
        self.give_as(first, id, operator, vec![x], settings);
    }

    pub(super) fn clamp(&mut self, id: NodeId, x: NodeId, clamp: Clamp) {
        if clamp == Clamp::RELU {
            self.each(id, x, "Relu", Vec::new());
            return;
        }
        let limits = self.limits(id, clamp);
        let (first, x) = self.as_is(x);
        self.give_as(first, id, "Clip", [vec![x], limits].concat(), Vec::new());
    }

    /// Returns the limits for Clip; an empty name stands for none.
    pub(super) fn limits(&mut self, id: NodeId, clamp: Clamp) -> Vec<String> {
        [("low", clamp.low), ("high", clamp.high)]
            .map(|(what, limit)| match limit.is_finite() {
                true => self.floats(id, what, Vec::new(), vec![limit]),
                false => String::new(),
            })
            .to_vec()
    }

    fn unary(&mut self, id: NodeId, x: NodeId, function: Unary) {
        let operator = match function {
            Unary::LeakyRelu(slope) => {
                return self.each(id, x, "LeakyRelu", vec![("alpha", Setting::Float(slope))]);
            }
            Unary::Log1p | Unary::Rsqrt | Unary::Square | Unary::Swish => {
                return self.composed(id, x, function);
            }
            Unary::Abs => "Abs",
            Unary::Ceil => "Ceil",
            Unary::Elu => "Elu",
            Unary::Erf => "Erf",
            Unary::Exp => "Exp",
            Unary::Floor => "Floor",
            Unary::Log => "Log",
            Unary::Neg => "Neg",
            Unary::Reciprocal => "Reciprocal",
            Unary::Round => "Round",
            Unary::Selu => "Selu",
            Unary::Sigmoid => "Sigmoid",
            Unary::Sign => "Sign",
            Unary::Softplus => "Softplus",
            Unary::Softsign => "Softsign",
            Unary::Sqrt => "Sqrt",
            Unary::Tanh => "Tanh",
            Unary::HardSwish => "HardSwish",
        };
        self.each(id, x, operator, Vec::new());
    }

    /// Adds functions that take two operators.
    fn composed(&mut self, id: NodeId, x: NodeId, function: Unary) {
        let (first, x) = self.as_is(x);
        let between = format!("{}/between", self.name(id));
        let (before, operator, inputs) = match function {
            Unary::Log1p => {
                let one = self.floats(id, "one", Vec::new(), vec![1.0]);
                (Some(("Add", vec![x, one])), "Log", vec![between.clone()])
            }
            Unary::Rsqrt => (Some(("Sqrt", vec![x])), "Reciprocal", vec![between.clone()]),
            Unary::Swish => (Some(("Sigmoid", vec![x.clone()])), "Mul", vec![x, between.clone()]),
            _ => (None, "Mul", vec![x.clone(), x]),
        };
        if let Some((operator, inputs)) = before {
            self.emit(node(operator, inputs, &between, Vec::new()));
        }
        self.give_as(first, id, operator, inputs, Vec::new());
    }

    fn binary(
        &mut self,
        id: NodeId,
        node: &Node,
        function: Binary,
        clamp: Clamp,
    ) -> Result<(), String> {
        let operator = match function {
            Binary::Add => "Add",
            Binary::Sub => "Sub",
            Binary::Mul => "Mul",
            Binary::Div => "Div",
            Binary::Maximum => "Max",
            Binary::Minimum => "Min",
            Binary::Pow => "Pow",
            Binary::Greater => "Greater",
            Binary::GreaterEqual => "GreaterOrEqual",
            Binary::Less => "Less",
            Binary::LessEqual => "LessOrEqual",
            Binary::Equal => "Equal",
            Binary::LogicalAnd => "And",
            Binary::LogicalOr => "Or",
            _ => return Err("ONNX has no such operator".into()),
        };
        let &[a, b] = node.inputs.as_slice() else { return Err("it has no two inputs".into()) };
        // Channels first if both inputs can be: numbers or maps.
        let can = |input: NodeId| {
            self.is_map(input) || self.shape(input).iter().all(|&length| length == 1)
        };
        let first = self.is_map(id) && can(a) && can(b) && (self.is_first(a) || self.is_first(b));
        let operand = |this: &mut Self, input| {
            if first && this.is_map(input) { this.first(input) } else { this.plain(input) }
        };
        let inputs = vec![operand(self, a), operand(self, b)];
        self.result(id, first, Operator::new(operator, inputs), clamp);
        Ok(())
    }

    /// Adds the clamp of a result, in either layout.
    pub(super) fn result(&mut self, id: NodeId, first: bool, sum: Operator<'_>, clamp: Clamp) {
        if clamp == Clamp::NONE {
            return self.give_as(first, id, sum.name, sum.inputs, sum.settings);
        }
        let whole = format!("{}/sum", self.name(id));
        self.emit(sum.node(&whole));
        let (operator, limits) = if clamp == Clamp::RELU {
            ("Relu", Vec::new())
        } else {
            ("Clip", self.limits(id, clamp))
        };
        let inputs = [vec![whole], limits].concat();
        self.give_as(first, id, operator, inputs, Vec::new());
    }

    pub(super) fn reduce(
        &mut self,
        id: NodeId,
        node: &Node,
        kind: Reduction,
        keep_dims: bool,
    ) -> Result<(), String> {
        let &[x, axes] = node.inputs.as_slice() else { return Err("it has no two inputs".into()) };
        let rank = self.shape(x).len();
        let mut axes: Vec<usize> =
            self.numbers(axes)?.into_iter().map(|at| axis(at, rank)).collect::<Result<_, _>>()?;
        axes.sort_unstable();
        if kind == Reduction::Mean && rank == 4 && axes == [1, 2] {
            self.mean_over_places(id, x, keep_dims);
            return Ok(());
        }
        let operator = match kind {
            Reduction::Mean => "ReduceMean",
            Reduction::Sum => "ReduceSum",
            Reduction::Max => "ReduceMax",
            Reduction::Min => "ReduceMin",
            Reduction::Prod => "ReduceProd",
            Reduction::All | Reduction::Any => return Err("ONNX has no such operator".into()),
        };
        let axes = self.integers(id, "axes", axes.into_iter().map(|at| at as i64).collect());
        let x = self.plain(x);
        self.give(
            id,
            operator,
            vec![x, axes],
            vec![("keepdims", Setting::Integer(keep_dims.into()))],
        );
        Ok(())
    }

    fn mean_over_places(&mut self, id: NodeId, x: NodeId, keep_dims: bool) {
        let x = self.first(x);
        if keep_dims {
            return self.give_first(id, "GlobalAveragePool", vec![x], Vec::new());
        }
        let mean = format!("{}/mean", self.name(id));
        self.emit(node("GlobalAveragePool", vec![x], &mean, Vec::new()));
        self.give(id, "Flatten", vec![mean], vec![("axis", Setting::Integer(1))]);
    }

    pub(super) fn softmax(&mut self, id: NodeId, x: NodeId, log: bool) {
        let axis = if self.is_first(x) { 1 } else { -1 };
        let operator = if log { "LogSoftmax" } else { "Softmax" };
        self.each(id, x, operator, vec![("axis", Setting::Integer(axis))]);
    }

    fn lrn(&mut self, id: NodeId, x: NodeId, lrn: &Lrn) {
        let size = 2 * lrn.depth_radius + 1;
        // ONNX divides the sum of squares by the number of channels, TensorFlow does not.
        let settings = vec![
            ("size", Setting::Integer(size as i64)),
            ("alpha", Setting::Float(lrn.alpha * size as f32)),
            ("beta", Setting::Float(lrn.beta)),
            ("bias", Setting::Float(lrn.bias)),
        ];
        let x = self.first(x);
        self.give_first(id, "LRN", vec![x], settings);
    }

    fn concat(&mut self, id: NodeId, node: &Node) -> Result<(), String> {
        let (&at, values) = node.inputs.split_last().ok_or("it has no inputs")?;
        let at = self.numbers(at)?;
        let at = axis(*at.first().ok_or("it has no axis")?, self.shape(id).len())?;
        let first = self.is_map(id) && values.iter().any(|&value| self.is_first(value));
        if first {
            let inputs = values.iter().map(|&value| self.first(value)).collect();
            self.give_first(
                id,
                "Concat",
                inputs,
                vec![("axis", Setting::Integer([0, 2, 3, 1][at]))],
            );
        } else {
            let inputs = values.iter().map(|&value| self.plain(value)).collect();
            self.give(id, "Concat", inputs, vec![("axis", Setting::Integer(at as i64))]);
        }
        Ok(())
    }

    /// Gives the outputs their requested names.
    fn finish(mut self, graph: &Graph) -> Translated {
        let outputs: Vec<ValueInfoProto> = graph
            .outputs()
            .iter()
            .zip(self.source.outputs)
            .map(|(&id, wanted)| {
                let found = self.plain(id);
                let is_input = self.inputs.iter().any(|input| input.name == found);
                if found != *wanted || is_input {
                    self.emit(node("Identity", vec![found], wanted, Vec::new()));
                }
                self.value(id, wanted)
            })
            .collect();
        Translated { nodes: self.nodes, weights: self.weights, inputs: self.inputs, outputs }
    }
}
