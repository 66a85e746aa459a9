//! Types and shapes of a whole graph for inputs of known size. Values that follow from shapes and
//! constants alone are computed.

use std::collections::HashMap;

use super::evaluate::evaluate;
use super::op::{MatMul, Op, Resample};
use super::quantized::QuantizedKind;
use super::shape::{Fact, MAX_RANK, TypedGraph, infer};
use super::{Graph, Node, NodeId};
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor, elements};

/// The budget for folding constant nodes. Shapes and batch norms need almost nothing of it; a
/// hostile graph must not turn a few bytes into gigabytes or hours.
struct Budget {
    /// Elements of results in memory at once. A result that has been read for the last time is
    /// dropped.
    elements: usize,
    /// Multiplications, or elements read.
    work: usize,
}

impl Budget {
    /// Returns a budget of four million elements plus four times the constants, which weights that
    /// are stored as integers take, and of a few seconds at most.
    fn for_constants(constants: usize) -> Self {
        let scaled = |base: usize, times| constants.saturating_mul(times).saturating_add(base);
        Self { elements: scaled(4 << 20, 4), work: scaled(1 << 30, 8) }
    }
}

/// Sets the shapes of the inputs and infers all others.
///
/// `sizes` gives shapes by input name. Other inputs must have a known shape in the graph, except
/// for the batch, which is then 1. A given image may have another batch, height and width than the
/// graph declares: everything that depends on them is recomputed.
pub fn infer_shapes(graph: &Graph, sizes: &HashMap<String, Vec<usize>>) -> Result<TypedGraph> {
    // A text counts by its content, whatever its shape says.
    let constants = graph
        .nodes()
        .iter()
        .map(|node: &Node| match &node.op {
            Op::Const(tensor) => tensor.len().min(tensor.bytes().len()),
            // An absurd shape is refused when its node is reached.
            Op::Variable(lazy) => elements(lazy.shape()).unwrap_or(0),
            _ => 0,
        })
        .fold(0, usize::saturating_add);
    let mut budget = Budget::for_constants(constants);
    let mut typed =
        TypedGraph { graph: Graph::new(), facts: Vec::with_capacity(graph.nodes().len()) };
    let mut intermediates = Intermediates::new(graph);
    for node in graph.nodes() {
        read_variables(node, &mut typed.graph)?;
        budget.spend_on_indices(node, &typed)?;
        let fact = infer_fact(node, &typed, sizes)?;
        let op = fold_constant(node, &fact, &typed, &mut budget)?;
        let is_folded = matches!(op, Op::Const(_)) && !matches!(node.op, Op::Const(_));
        let inputs: &[NodeId] =
            if matches!(op, Op::Const(_) | Op::Variable(_)) { &[] } else { &node.inputs };
        let id = typed.graph.add(node.name.clone(), op, inputs);
        typed.facts.push(fact);
        if is_folded && !shares_its_input(&node.op) {
            intermediates.fold(id, &node.inputs, &mut typed, &mut budget);
        }
    }
    for &id in graph.outputs() {
        read_variable(id, &mut typed.graph)?;
        if typed.fact(id).dtype == DType::String {
            return Err(Error::Input(format!("'{}' is text: fetch numbers", graph.node(id).name)));
        }
    }
    typed.graph.set_outputs(graph.outputs().to_vec());
    Ok(typed)
}

/// The results of folding that later nodes still read.
struct Intermediates {
    /// How often each node is still to be read.
    unread: Vec<usize>,
    /// Whether each node is the result of folding, with memory of its own.
    is_folded: Vec<bool>,
}

impl Intermediates {
    fn new(graph: &Graph) -> Self {
        Self { unread: graph.uses(), is_folded: vec![false; graph.nodes().len()] }
    }

    /// Notes that `id` is folded from `inputs`, and drops those that no other node reads.
    fn fold(&mut self, id: NodeId, inputs: &[NodeId], typed: &mut TypedGraph, budget: &mut Budget) {
        self.is_folded[id.index()] = true;
        for input in inputs {
            let unread = &mut self.unread[input.index()];
            *unread = unread.saturating_sub(1);
            if *unread == 0 && self.is_folded[input.index()] {
                self.is_folded[input.index()] = false;
                budget.elements = budget.elements.saturating_add(typed.fact(*input).len());
                typed.graph.node_mut(*input).op = Op::Const(Tensor::from_f32(&[0], Vec::new()));
            }
        }
    }
}

/// Returns true for operations whose result has the memory of their input.
fn shares_its_input(op: &Op) -> bool {
    matches!(op, Op::Identity | Op::Reshape | Op::Squeeze { .. } | Op::ExpandDims)
}

/// Reads the variables that a node needs into constants, except filters and right matrices, which
/// are packed later from their file.
fn read_variables(node: &Node, graph: &mut Graph) -> Result<()> {
    let packed = match node.op {
        Op::Conv2d(_) | Op::DepthwiseConv2d(_) => Some(1),
        // A transposed left matrix runs in a kernel that packs nothing.
        Op::MatMul(MatMul { transpose_a: false, .. }) => Some(1),
        Op::Quantized(ref quantized) if quantized.kind.packs_filter() => Some(1),
        _ => None,
    };
    let read = node.inputs.iter().enumerate().filter(|&(i, _)| Some(i) != packed);
    read.map(|(_, &id)| id).try_for_each(|id| read_variable(id, graph))
}

fn read_variable(id: NodeId, graph: &mut Graph) -> Result<()> {
    if let Op::Variable(lazy) = &graph.node(id).op {
        graph.node_mut(id).op = Op::Const(lazy.read()?);
    }
    Ok(())
}

fn infer_fact(
    node: &Node,
    typed: &TypedGraph,
    sizes: &HashMap<String, Vec<usize>>,
) -> Result<Fact> {
    /// Index tables have 32-bit entries.
    const MAX_ELEMENTS: usize = u32::MAX as usize;
    let fact = match &node.op {
        Op::Input { dtype, shape } => {
            Fact::new(*dtype, input_shape(&node.name, shape.as_deref(), sizes.get(&node.name))?)
        }
        _ => infer_result(node, typed)?,
    };
    // Chains of nodes that each add a dimension would take memory by the square of their number.
    if fact.shape.len() > MAX_RANK {
        let what = format!("the result has {} dimensions of at most {MAX_RANK}", fact.shape.len());
        return Err(Error::node(&node.name, node.op.name(), what));
    }
    let volume: Vec<usize> = fact.shape.iter().map(|&n| n.max(1)).collect();
    if elements(&volume).is_none_or(|count| count > MAX_ELEMENTS) {
        return Err(Error::node(
            &node.name,
            node.op.name(),
            format!("the result's shape {:?} is absurd", fact.shape),
        ));
    }
    Ok(fact)
}

fn infer_result(node: &Node, typed: &TypedGraph) -> Result<Fact> {
    let facts: Vec<&Fact> = node.inputs.iter().map(|&id| typed.fact(id)).collect();
    if facts.iter().any(|fact| fact.dtype == DType::String) {
        return Err(Error::node(
            &node.name,
            node.op.name(),
            "it reads text, with which nothing can be computed",
        ));
    }
    let constants: Vec<Option<&Tensor>> =
        node.inputs.iter().map(|&id| typed.graph.constant_of(id)).collect();
    infer(&node.op, &facts, &constants)
        .map_err(|what| Error::node(&node.name, node.op.name(), what))
}

fn input_shape(
    name: &str,
    declared: Option<&[Option<usize>]>,
    given: Option<&Vec<usize>>,
) -> Result<Vec<usize>> {
    let display = |declared: &[Option<usize>]| {
        let dims: Vec<_> =
            declared.iter().map(|d| d.map_or("?".into(), |d| d.to_string())).collect();
        format!("[{}]", dims.join(", "))
    };
    match (given, declared) {
        (Some(given), None) => Ok(given.clone()),
        (Some(given), Some(declared)) => {
            let is_picture = declared.len() == 4;
            let free = |i: usize| i == 0 || (is_picture && i < 3);
            if given.len() == declared.len()
                && given.iter().zip(declared).enumerate().all(
                    |(i, (&g, d)): (usize, (&usize, &Option<usize>))| {
                        free(i) || d.is_none_or(|d| d == g)
                    },
                )
            {
                return Ok(given.clone());
            }
            Err(Error::Input(format!(
                "input '{name}' takes the shape {}, not {given:?}",
                display(declared)
            )))
        }
        (None, Some(declared)) => declared
            .iter()
            .enumerate()
            .map(|(i, d): (usize, &Option<usize>)| if i == 0 { Some(d.unwrap_or(1)) } else { *d })
            .collect::<Option<_>>()
            .ok_or_else(|| {
                Error::Input(format!(
                    "the size of input '{name}' {} is not known: give one",
                    display(declared)
                ))
            }),
        (None, None) => {
            Err(Error::Input(format!("the shape of input '{name}' is not known: feed it")))
        }
    }
}

/// Returns the node's operation, or its value if all its inputs are constant.
fn fold_constant(node: &Node, fact: &Fact, typed: &TypedGraph, budget: &mut Budget) -> Result<Op> {
    let shapes_only = matches!(node.op, Op::Shape(_) | Op::Size(_) | Op::Rank);
    if shapes_only {
        return Ok(Op::Const(shape_value(&node.op, &typed.fact(node.inputs[0]).shape, fact)));
    }
    let constants: Option<Vec<&Tensor>> =
        node.inputs.iter().map(|&id| typed.graph.constant_of(id)).collect();
    let (Some(inputs), false) = (
        constants,
        matches!(node.op, Op::Input { .. } | Op::Const(_) | Op::Variable(_) | Op::RandomUniform),
    ) else {
        return Ok(node.op.clone());
    };
    if !shares_its_input(&node.op) {
        budget.spend(node, &inputs, fact)?;
    }
    evaluate(&node.op, &inputs, fact)
        .map(Op::Const)
        .map_err(|what| Error::node(&node.name, node.op.name(), what))
}

impl Budget {
    fn spend(&mut self, node: &Node, inputs: &[&Tensor], fact: &Fact) -> Result<()> {
        self.elements = self.elements.checked_sub(fact.len()).ok_or_else(|| Error::Memory {
            what: format!("the constants that '{}' and others make", node.name),
            needed: fact.len() as u64 * 4,
            limit: self.elements as u64 * 4,
        })?;
        self.spend_work(node, work(&node.op, inputs, fact))
    }

    /// Spends the numbers that the shape of a node's result depends on, where their number is not
    /// that of dimensions.
    fn spend_on_indices(&mut self, node: &Node, typed: &TypedGraph) -> Result<()> {
        if !matches!(node.op, Op::Gather | Op::SplitV { .. }) {
            return Ok(());
        }
        let indices = node.inputs.get(1).and_then(|&id| typed.graph.constant_of(id));
        self.spend_work(node, indices.map_or(0, Tensor::len))
    }

    fn spend_work(&mut self, node: &Node, work: usize) -> Result<()> {
        self.work = self.work.checked_sub(work).ok_or_else(|| {
            Error::node(&node.name, node.op.name(), "too much work on mere constants")
        })?;
        Ok(())
    }
}

/// Estimates the multiplications, or the elements read.
fn work(op: &Op, inputs: &[&Tensor], fact: &Fact) -> usize {
    let length = |i: usize| inputs.get(i).map_or(1, |x| x.len());
    let each = match op {
        Op::Conv2d(_) | Op::MatMul(_) => length(1) / fact.channels().max(1),
        Op::DepthwiseConv2d(_) => inputs[1].shape()[..2].iter().product(),
        Op::Pool(pool) => pool.kernel[0].saturating_mul(pool.kernel[1]).min(length(0)),
        Op::Lrn(_) => fact.channels(),
        Op::ResizeBicubic(_) => 16,
        Op::Resample(Resample::Kernel { .. }) => length(0),
        Op::Resample(_) => 9,
        Op::Quantized(quantized) => match &quantized.kind {
            QuantizedKind::Pool(pool) => {
                pool.kernel[0].saturating_mul(pool.kernel[1]).min(length(0))
            }
            _ => (length(1) / fact.channels().max(1)).max(1),
        },
        _ => 1,
    };
    let read_elements: usize = inputs.iter().map(|x| x.len()).sum();
    fact.len().saturating_mul(each).saturating_add(read_elements)
}

/// Returns the value of a shape, a number of elements or a number of dimensions.
pub(crate) fn shape_value(op: &Op, shape: &[usize], fact: &Fact) -> Tensor {
    let values: Vec<i64> = match op {
        Op::Shape(_) => shape.iter().map(|&n| n as i64).collect(),
        Op::Size(_) => vec![shape.iter().product::<usize>() as i64],
        _ => vec![shape.len() as i64],
    };
    Tensor::from_i64(fact.dtype, &fact.shape, &values)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain of nodes, each of which adds a dimension.
    fn expanded(length: usize) -> Result<TypedGraph> {
        let mut graph = Graph::new();
        let axis = graph.constant("axis", Tensor::from_i64(DType::I32, &[], &[0]));
        let shape = Some(vec![Some(1)]);
        let mut last = graph.add("x", Op::Input { dtype: DType::F32, shape }, &[]);
        for number in 0..length {
            last = graph.add(format!("expand{number}"), Op::ExpandDims, &[last, axis]);
        }
        graph.set_outputs(vec![last]);
        infer_shapes(&graph, &HashMap::new())
    }

    #[test]
    fn dimensions_are_bounded() {
        expanded(MAX_RANK - 1).unwrap();
        let error = expanded(MAX_RANK).unwrap_err().to_string();
        assert!(error.contains("expand253") && error.contains("255 dimensions"), "{error}");
    }

    /// Eight million numbers, of which an axis is the first.
    #[test]
    fn a_long_constant_is_no_shape_and_its_first_number_an_axis() {
        let mut graph = Graph::new();
        let numbers = graph.constant("n", Tensor::from_i64(DType::I32, &[2000], &[0; 2000]));
        let shape = Some(vec![Some(1); 2]);
        let x = graph.add("x", Op::Input { dtype: DType::F32, shape }, &[]);
        let expanded = graph.add("expanded", Op::ExpandDims, &[x, numbers]);
        graph.set_outputs(vec![expanded]);
        infer_shapes(&graph, &HashMap::new()).unwrap();
        let reshaped = graph.add("reshaped", Op::Reshape, &[x, numbers]);
        graph.set_outputs(vec![reshaped]);
        let error = infer_shapes(&graph, &HashMap::new()).unwrap_err().to_string();
        assert!(error.contains("2000 numbers"), "{error}");
    }
}
