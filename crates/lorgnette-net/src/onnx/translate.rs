//! The graph of an ONNX model, node by node in order.
//!
//! Shapes are followed beside the graph, because what a node becomes depends on the rank of its
//! inputs and on the parameters that are computed of shapes. The graph itself keeps that
//! arithmetic, so that it serves pictures of other sizes as well where the translation did not
//! depend on the size.

use std::collections::{HashMap, HashSet};

use super::operation;
use super::operation::quantized::StoredValue;
use super::order::order;
use super::proto::NodeProto;
use super::weights::{Filter, FilterForm, Weight};
use super::{CHANNELS_LAST, OnnxModel};
use crate::error::{Error, Result, UnsupportedNode};
use crate::graph::evaluate::evaluate;
use crate::graph::op::Op;
use crate::graph::shape::{Fact, infer};
use crate::graph::shape_inference::shape_value;
use crate::graph::{Graph, NodeId};
use crate::source::node_name;
use crate::tensor::{DType, Tensor, elements};

/// A translated model, or the part of it that was asked for.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) graph: Graph,
    /// The shapes of the outputs as the file has them.
    pub(super) shapes: Vec<Vec<usize>>,
}

/// A translated value: a node, and how its dimensions lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// As in the file.
    Plain(NodeId),
    /// Four dimensions, the second of the file's last: `[batch, rows, columns, channels]`.
    ChannelsLast(NodeId),
}

impl Value {
    pub(super) fn node(self) -> NodeId {
        match self {
            Self::Plain(id) | Self::ChannelsLast(id) => id,
        }
    }

    pub(super) fn is_channels_last(self) -> bool {
        matches!(self, Self::ChannelsLast(_))
    }
}

/// The dimensions of a value with channels last, by those of the file's.
pub(super) const TO_LAST: [usize; 4] = [0, 2, 3, 1];
/// The reverse.
pub(super) const TO_FIRST: [usize; 4] = [0, 3, 1, 2];

/// The side of pictures where neither the file nor the caller says one.
const DEFAULT_SIDE: usize = 224;
/// Elements up to which a constant is computed beside the graph.
const MAX_KNOWN: usize = 1 << 16;
/// The same of all constants together.
const MAX_ALL_KNOWN: usize = 4 << 20;
/// Dimensions of a value: networks have up to six.
const MAX_RANK: usize = 32;
/// Index tables count to 2³².
const MAX_ELEMENTS: usize = u32::MAX as usize;

/// A value that is fed.
#[derive(Clone, Debug)]
enum Fed {
    Input { name: String, channels_last: bool, shape: Vec<usize> },
    Constant(Tensor),
}

/// Translates what computes `fetches` from `feeds`.
pub(super) fn translate(
    model: &OnnxModel,
    feeds: &[(&str, &[usize])],
    settings: &[(&str, Tensor)],
    fetches: &[&str],
) -> Result<Translated> {
    let mut fed = HashMap::new();
    for (name, shape) in feeds {
        let (value, channels_last) = model.find(name)?;
        let name = node_name(name).to_owned();
        fed.insert(value, Fed::Input { name, channels_last, shape: shape.to_vec() });
    }
    for (name, tensor) in settings {
        fed.insert(model.find(name)?.0, Fed::Constant(tensor.clone()));
    }
    let wanted: Vec<(&str, bool)> =
        fetches.iter().map(|name| model.find(name)).collect::<Result<_>>()?;
    let values: Vec<&str> = wanted.iter().map(|wanted| wanted.0).collect();
    let nodes = order(model, &values, |value| fed.contains_key(value))?;
    let mut translator = Translator::new(model, fed);
    for node in nodes {
        translator.node(&model.nodes[node])?;
    }
    translator.finish(&wanted)
}

/// The translation of a value.
#[derive(Clone, Copy, Debug)]
enum Slot {
    Value(Value),
    /// A node that it needs is not known.
    Refused,
}

pub(super) struct Translator<'a> {
    pub(super) model: &'a OnnxModel,
    fed: HashMap<&'a str, Fed>,
    pub(super) graph: Graph,
    facts: Vec<Fact>,
    /// For each node, its value, where it depends on shapes and small constants alone.
    known: Vec<Option<Tensor>>,
    slots: HashMap<&'a str, Slot>,
    /// For each node that was transposed to the other layout, the result.
    other_layout: HashMap<NodeId, NodeId>,
    filters: HashMap<String, NodeId>,
    /// The integers behind real numbers that a node computes of them, by the name of these.
    pub(super) stored_values: HashMap<&'a str, StoredValue>,
    /// The weights behind real numbers that a node computes of them, by the name of these.
    pub(super) real_weights: HashMap<&'a str, Weight>,
    /// The integers of constants that a node rounds to such.
    pub(super) stored_weights: HashMap<&'a str, Weight>,
    names: HashSet<String>,
    /// For each name that was made unique, how often.
    repeated: HashMap<String, usize>,
    /// Elements that may still be computed beside the graph.
    budget: usize,
    /// The name of the value that is being translated: nodes beside its own have names that begin
    /// so.
    scope: String,
    unsupported: Vec<UnsupportedNode>,
}

/// The reason of a node whose input was refused: it is not reported itself.
const READS_REFUSED: &str = "it reads a node that is not known";

impl<'a> Translator<'a> {
    fn new(model: &'a OnnxModel, fed: HashMap<&'a str, Fed>) -> Self {
        Self {
            model,
            fed,
            graph: Graph::new(),
            facts: Vec::new(),
            known: Vec::new(),
            slots: HashMap::new(),
            other_layout: HashMap::new(),
            filters: HashMap::new(),
            stored_values: HashMap::new(),
            real_weights: HashMap::new(),
            stored_weights: HashMap::new(),
            names: model.names().map(str::to_owned).collect(),
            repeated: HashMap::new(),
            budget: MAX_ALL_KNOWN,
            scope: String::new(),
            unsupported: Vec::new(),
        }
    }

    fn node(&mut self, node: &'a NodeProto) -> Result<()> {
        self.scope = node.output.iter().find(|name| !name.is_empty()).cloned().unwrap_or_default();
        let inputs = self.inputs(node)?;
        let translated = match inputs {
            Some(inputs) => operation::translate(self, node, &inputs),
            None if operation::is_known(node) => Err(READS_REFUSED.to_owned()),
            None => Err(operation::UNKNOWN.to_owned()),
        };
        let values = translated.unwrap_or_else(|what| {
            if what != READS_REFUSED {
                let (name, op) = (shown_name(node), operation::shown_operator(node));
                let what = if what == operation::UNKNOWN { String::new() } else { what };
                self.unsupported.push(UnsupportedNode { node: name, op, what });
            }
            Vec::new()
        });
        for (index, name) in node.output.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            let slot = values.get(index).copied().flatten().map_or(Slot::Refused, Slot::Value);
            // A value that is fed is not computed, whatever else its node computes.
            if self.fed.contains_key(name.as_str()) {
                continue;
            }
            if let Slot::Value(value) = slot {
                self.rename(value.node(), name);
            }
            self.slots.insert(name, slot);
        }
        Ok(())
    }

    /// Gives a node that was added for a value the value's name.
    fn rename(&mut self, id: NodeId, name: &str) {
        if self.graph.node(id).name.starts_with(&format!("{}/", self.scope)) {
            self.graph.node_mut(id).name = name.to_owned();
        }
    }

    /// The inputs of a node, `None` for those it does without; nothing if one of them was refused.
    fn inputs(&mut self, node: &'a NodeProto) -> Result<Option<Vec<Option<Value>>>> {
        let mut inputs = Vec::with_capacity(node.input.len());
        for name in &node.input {
            if name.is_empty() {
                inputs.push(None);
                continue;
            }
            match self.slot(name).map_err(|error| in_node(error, node))? {
                Slot::Value(value) => inputs.push(Some(value)),
                Slot::Refused => return Ok(None),
            }
        }
        Ok(Some(inputs))
    }

    /// Returns the translation of a value. Inputs and initialisers are added when they are first
    /// read.
    fn slot(&mut self, name: &'a str) -> Result<Slot> {
        if let Some(slot) = self.slots.get(name) {
            return Ok(*slot);
        }
        let value = match self.fed.get(name).cloned() {
            Some(fed) => self.fed(name, fed)?,
            None => self.undefined(name)?,
        };
        self.slots.insert(name, Slot::Value(value));
        Ok(Slot::Value(value))
    }

    fn fed(&mut self, value: &str, fed: Fed) -> Result<Value> {
        match fed {
            Fed::Constant(tensor) => {
                let id = self.push(node_name(value).to_owned(), Op::Const(tensor.clone()), &[]);
                Ok(Value::Plain(self.with_fact(
                    id,
                    Fact::new(tensor.dtype(), tensor.shape()),
                    Some(tensor),
                )))
            }
            Fed::Input { name, channels_last, shape } => {
                let declared = self.model.input(value);
                let dtype = declared.map_or(DType::F32, |input| input.dtype);
                let lengths = match (declared, channels_last) {
                    (Some(input), false) => input.shape.clone(),
                    (Some(input), true) => input.channels_last_shape(),
                    (None, _) => None,
                };
                if channels_last && shape.len() != 4 {
                    return Err(Error::Input(format!(
                        "'{name}' has four dimensions, not {shape:?}"
                    )));
                }
                let is_last = channels_last || declared.is_some_and(|input| !input.channels_first);
                let open = opened(lengths, is_last);
                check_shape(&name, open.as_deref(), &shape)?;
                check_volume(&shape)
                    .map_err(|what| Error::Input(format!("input '{name}': {what}")))?;
                Ok(self.add_input(name, dtype, channels_last, open, shape))
            }
        }
    }

    fn add_input(
        &mut self,
        name: String,
        dtype: DType,
        channels_last: bool,
        open: Option<Vec<Option<usize>>>,
        shape: Vec<usize>,
    ) -> Value {
        self.names.insert(name.clone());
        let id = self.push(name, Op::Input { dtype, shape: open }, &[]);
        let id = self.with_fact(id, Fact::new(dtype, shape), None);
        if channels_last { Value::ChannelsLast(id) } else { Value::Plain(id) }
    }

    /// An initialiser, or an input that is not fed.
    fn undefined(&mut self, name: &str) -> Result<Value> {
        if let Some(weight) = self.model.initializers.get(name) {
            let weight =
                weight.as_ref().map_err(|what| Error::node(name, "initializer", what.as_str()))?;
            let op = weight.operand();
            check_volume(weight.tensor.shape())
                .map_err(|what| Error::node(name, "initializer", what))?;
            let known = match &op {
                Op::Const(tensor) if tensor.len() <= MAX_KNOWN => Some(tensor.clone()),
                _ => None,
            };
            let fact =
                Fact::new(super::weights::computed(weight.tensor.dtype()), weight.tensor.shape());
            let id = self.push(name.to_owned(), op, &[]);
            return Ok(Value::Plain(self.with_fact(id, fact, known)));
        }
        let input = self.model.input(name).ok_or_else(|| Error::Format {
            path: self.model.path.clone(),
            what: format!("there is no value '{name}'"),
        })?;
        let declared = input.shape.clone().ok_or_else(|| {
            Error::Input(format!("the shape of input '{name}' is not known: feed it"))
        })?;
        let is_side = |at: usize| declared.len() == 4 && at >= 2;
        let length = |(at, length): (usize, &Option<usize>)| {
            length.unwrap_or(if is_side(at) { DEFAULT_SIDE } else { 1 })
        };
        let shape: Vec<usize> = declared.iter().enumerate().map(length).collect();
        check_volume(&shape).map_err(|what| Error::Input(format!("input '{name}': {what}")))?;
        let (name, dtype) = (node_name(name).to_owned(), input.dtype);
        let open = opened(Some(declared), !input.channels_first);
        Ok(self.add_input(name, dtype, false, open, shape))
    }

    fn push(&mut self, name: String, op: Op, inputs: &[NodeId]) -> NodeId {
        self.graph.add(name, op, inputs)
    }

    fn with_fact(&mut self, id: NodeId, fact: Fact, known: Option<Tensor>) -> NodeId {
        self.facts.push(fact);
        self.known.push(known);
        id
    }

    /// Adds a node whose name begins with that of the value which is being translated.
    ///
    /// # Errors
    /// If the operation does not fit its inputs.
    pub(super) fn add(&mut self, op: Op, inputs: &[NodeId]) -> Result<NodeId, String> {
        let suffix = op.name().to_lowercase();
        let name = self.unique(&suffix);
        self.add_named(name, op, inputs)
    }

    fn add_named(&mut self, name: String, op: Op, inputs: &[NodeId]) -> Result<NodeId, String> {
        let facts: Vec<&Fact> = inputs.iter().map(|&id| self.fact(id)).collect();
        let known: Vec<Option<&Tensor>> = inputs.iter().map(|&id| self.known(id)).collect();
        let fact = infer(&op, &facts, &known)?;
        check_volume(&fact.shape)?;
        let value = self.fold(&op, inputs, &fact);
        let id = self.push(name, op, inputs);
        Ok(self.with_fact(id, fact, value))
    }

    /// The value of a node that depends on shapes and small constants alone.
    fn fold(&mut self, op: &Op, inputs: &[NodeId], fact: &Fact) -> Option<Tensor> {
        if matches!(op, Op::Shape(_) | Op::Size(_) | Op::Rank) {
            return Some(shape_value(op, &self.fact(*inputs.first()?).shape, fact));
        }
        if fact.len() > MAX_KNOWN {
            return None;
        }
        if let Op::Const(tensor) = op {
            return Some(tensor.clone());
        }
        if matches!(
            op,
            Op::Conv2d(_)
                | Op::DepthwiseConv2d(_)
                | Op::MatMul(_)
                | Op::Pool(_)
                | Op::Lrn(_)
                | Op::Resize(_)
                | Op::TopK { .. }
                | Op::Input { .. }
        ) {
            return None;
        }
        let known = inputs.iter().map(|&id| self.known(id).cloned());
        let known: Vec<Tensor> = known.collect::<Option<_>>()?;
        self.budget = self.budget.checked_sub(fact.len())?;
        let known: Vec<&Tensor> = known.iter().collect();
        evaluate(op, &known, fact).ok()
    }

    /// A name of the value's own that no value and no other node has.
    fn unique(&mut self, suffix: &str) -> String {
        let base = format!("{}/{suffix}", self.scope);
        let count = self.repeated.entry(base.clone()).or_default();
        loop {
            let name = if *count == 0 { base.clone() } else { format!("{base}_{count}") };
            *count += 1;
            if self.names.insert(name.clone()) {
                return name;
            }
        }
    }

    pub(super) fn fact(&self, id: NodeId) -> &Fact {
        &self.facts[id.index()]
    }

    /// Whether the caller gives a value.
    pub(super) fn is_fed(&self, name: &str) -> bool {
        self.fed.contains_key(name)
    }

    /// A value that was translated before.
    pub(super) fn value_of(&self, name: &str) -> Option<Value> {
        match self.slots.get(name)? {
            Slot::Value(value) => Some(*value),
            Slot::Refused => None,
        }
    }

    /// The value of a node, where it depends on shapes and small constants alone.
    pub(super) fn known(&self, id: NodeId) -> Option<&Tensor> {
        self.known[id.index()].as_ref()
    }

    /// The integers of a parameter.
    ///
    /// # Errors
    /// If they depend on more than the input's size.
    pub(super) fn numbers(&self, value: Value) -> Result<Vec<i64>, String> {
        let known = self.known(value.node()).filter(|_| !value.is_channels_last());
        Ok(known.ok_or("a parameter depends on more than the input's size")?.to_i64())
    }

    /// The one number of a parameter.
    pub(super) fn number(&self, value: Value) -> Result<f32, String> {
        let known =
            self.known(value.node()).ok_or("a parameter depends on more than the input's size")?;
        known.to_f32().first().copied().ok_or_else(|| "a parameter is empty".into())
    }

    /// The lengths of a value's dimensions, as the file has them.
    pub(super) fn shape(&self, value: Value) -> Vec<usize> {
        let shape = &self.fact(value.node()).shape;
        match value {
            Value::Plain(_) => shape.clone(),
            Value::ChannelsLast(_) => TO_FIRST.map(|d| shape[d]).to_vec(),
        }
    }

    pub(super) fn rank(&self, value: Value) -> usize {
        self.fact(value.node()).shape.len()
    }

    pub(super) fn dtype(&self, value: Value) -> DType {
        self.fact(value.node()).dtype
    }

    /// Adds a constant of integers.
    pub(super) fn integers(&mut self, values: &[i64]) -> Result<NodeId, String> {
        let tensor = Tensor::from_i64(DType::I64, &[values.len()], values);
        self.add(Op::Const(tensor), &[])
    }

    /// Adds a constant of one integer, of no dimensions.
    pub(super) fn integer(&mut self, value: i64) -> Result<NodeId, String> {
        self.add(Op::Const(Tensor::from_i64(DType::I64, &[], &[value])), &[])
    }

    /// Adds a constant of one float.
    pub(super) fn float(&mut self, value: f32) -> Result<NodeId, String> {
        self.add(Op::Const(Tensor::scalar(value)), &[])
    }

    pub(super) fn transpose(&mut self, x: NodeId, order: &[usize]) -> Result<NodeId, String> {
        let order: Vec<i64> = order.iter().map(|&d| d as i64).collect();
        let order = self.integers(&order)?;
        self.add(Op::Transpose, &[x, order])
    }

    /// The node of a value as the file has it.
    pub(super) fn plain(&mut self, value: Value) -> Result<NodeId, String> {
        match value {
            Value::Plain(id) => Ok(id),
            Value::ChannelsLast(id) => self.in_other_layout(id, &TO_FIRST, "channels_first"),
        }
    }

    /// The node of a value of four dimensions with its channels last.
    pub(super) fn channels_last(&mut self, value: Value) -> Result<NodeId, String> {
        match value {
            Value::ChannelsLast(id) => Ok(id),
            Value::Plain(id) if self.rank(value) == 4 => {
                self.in_other_layout(id, &TO_LAST, CHANNELS_LAST)
            }
            Value::Plain(_) => Err(format!(
                "it is known for pictures, [batch, channels, rows, columns], not for {:?}",
                self.shape(value)
            )),
        }
    }

    fn in_other_layout(
        &mut self,
        id: NodeId,
        order: &[usize],
        suffix: &str,
    ) -> Result<NodeId, String> {
        if let Some(&other) = self.other_layout.get(&id) {
            return Ok(other);
        }
        let name = self.graph.node(id).name.clone();
        let scope = std::mem::replace(&mut self.scope, name);
        let transposed = self.transposed(id, order, suffix);
        self.scope = scope;
        let other = transposed?;
        self.other_layout.insert(id, other);
        self.other_layout.insert(other, id);
        Ok(other)
    }

    fn transposed(&mut self, id: NodeId, order: &[usize], suffix: &str) -> Result<NodeId, String> {
        let order: Vec<i64> = order.iter().map(|&d| d as i64).collect();
        let order = self.integers(&order)?;
        let name = self.unique(suffix);
        self.add_named(name, Op::Transpose, &[id, order])
    }

    /// A filter of four dimensions in one of this project's forms. Those of initialisers are made
    /// when they are packed; nodes that read the same one share it.
    pub(super) fn filter(&mut self, weight: &'a str, form: FilterForm) -> Result<NodeId, String> {
        let is_fed = self.fed.contains_key(weight);
        let weight = if is_fed { weight } else { self.model.behind_identities(weight) };
        let key = format!("{weight}/{}", form.suffix());
        if let Some(&id) = self.filters.get(&key) {
            return Ok(id);
        }
        let initializer = || self.model.initializers.get(weight)?.as_ref().ok();
        let source = self.real_weights.get(weight).or_else(initializer);
        let Some(source) = source.filter(|_| !self.fed.contains_key(weight)).cloned() else {
            return self.computed_filter(weight, form);
        };
        let shape = picture(source.tensor.shape()).ok_or_else(|| {
            format!(
                "a filter of shape {:?}, where four dimensions are known",
                source.tensor.shape()
            )
        })?;
        let filter = Filter { weight: source, shape, form };
        let fact = Fact::new(DType::F32, form.shape(shape).ok_or("its filter is absurdly large")?);
        check_volume(&fact.shape)?;
        // Packed filters are shared by name between graphs of other sizes.
        let scope = std::mem::replace(&mut self.scope, weight.to_owned());
        let name = self.unique(&form.suffix());
        self.scope = scope;
        let id = self.push(name, filter.operand(fact.shape.clone()), &[]);
        self.filters.insert(key, id);
        Ok(self.with_fact(id, fact, None))
    }

    /// A filter that a node computes, of initialisers for example.
    fn computed_filter(&mut self, name: &'a str, form: FilterForm) -> Result<NodeId, String> {
        let value = match self.slots.get(name) {
            Some(Slot::Value(value)) => *value,
            _ => return Err("its filter is missing".into()),
        };
        let filter = self.plain(value)?;
        let shape = self.fact(filter).shape.clone();
        match form {
            FilterForm::Grouped { groups: 1, .. } => self.transpose(filter, &[2, 3, 1, 0]),
            FilterForm::Depthwise { channels } => {
                let [first, _, rows, columns] =
                    picture(&shape).ok_or("a filter has four dimensions")?;
                let lengths = [channels, first / channels, rows, columns].map(|n| n as i64);
                let lengths = self.integers(&lengths)?;
                let filter = self.add(Op::Reshape, &[filter, lengths])?;
                self.transpose(filter, &[2, 3, 0, 1])
            }
            _ => Err("its filter is computed, not an initializer".into()),
        }
    }

    fn finish(mut self, wanted: &[(&'a str, bool)]) -> Result<Translated> {
        let mut shapes = Vec::new();
        let mut outputs = Vec::new();
        for &(name, channels_last) in wanted {
            self.scope = name.to_owned();
            let Slot::Value(value) = self.slot(name)? else { continue };
            shapes.push(self.shape(value));
            let node = if channels_last { self.channels_last(value) } else { self.plain(value) };
            outputs.push(node.map_err(|what| Error::Input(format!("'{name}': {what}")))?);
        }
        if !self.unsupported.is_empty() {
            return Err(Error::Unsupported(self.unsupported));
        }
        self.graph.set_outputs(outputs);
        Ok(Translated { graph: self.graph.pruned(), shapes })
    }
}

/// Refuses shapes that no value can have here.
fn check_volume(shape: &[usize]) -> Result<(), String> {
    if shape.len() > MAX_RANK {
        return Err(format!("{} dimensions, where up to {MAX_RANK} are known", shape.len()));
    }
    let volume: Vec<usize> = shape.iter().map(|&n| n.max(1)).collect();
    match elements(&volume) {
        Some(count) if count <= MAX_ELEMENTS => Ok(()),
        _ => Err(format!("the result's shape {shape:?} is absurd")),
    }
}

/// Rows, columns and so on of a shape of four dimensions.
pub(super) fn picture(shape: &[usize]) -> Option<[usize; 4]> {
    shape.try_into().ok()
}

fn shown_name(node: &NodeProto) -> String {
    let output = || node.output.iter().find(|name| !name.is_empty()).cloned().unwrap_or_default();
    if node.name.is_empty() { output() } else { node.name.clone() }
}

fn in_node(error: Error, node: &NodeProto) -> Error {
    match error {
        Error::Format { what, .. } => Error::node(&shown_name(node), &node.op_type, what),
        other => other,
    }
}

/// The lengths that a graph may rely on: of pictures, the number of channels alone.
fn opened(shape: Option<Vec<Option<usize>>>, channels_last: bool) -> Option<Vec<Option<usize>>> {
    let shape = shape?;
    if shape.len() != 4 {
        let batch_is_open =
            |(at, length): (usize, Option<usize>)| if at == 0 { None } else { length };
        return Some(shape.into_iter().enumerate().map(batch_is_open).collect());
    }
    let channels = if channels_last { 3 } else { 1 };
    let open = |(at, length): (usize, Option<usize>)| length.filter(|_| at == channels);
    Some(shape.into_iter().enumerate().map(open).collect())
}

fn check_shape(name: &str, declared: Option<&[Option<usize>]>, given: &[usize]) -> Result<()> {
    let Some(declared) = declared else { return Ok(()) };
    let fits = |(declared, given): (&Option<usize>, &usize)| {
        declared.is_none_or(|length| length == *given)
    };
    if declared.len() == given.len() && declared.iter().zip(given).all(fits) {
        return Ok(());
    }
    let shown = crate::error::display_shape(declared);
    Err(Error::Input(format!("input '{name}' takes the shape {shown}, not {given:?}")))
}
