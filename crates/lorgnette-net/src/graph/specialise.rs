//! A graph for inputs of known size: every node gets a type and a shape, and whatever follows from those and from
//! constants alone is computed.

use std::collections::HashMap;

use super::evaluate::evaluate;
use super::op::Op;
use super::shape::{Fact, Shaped, infer};
use super::{Graph, Node, NodeId};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, elements};

/// What constants may grow to when constant nodes are computed, beside the constants there are.
const FOLDING_BYTES: usize = 256 << 20;

/// Fixes the shapes of the inputs and follows them through the graph.
///
/// `sizes` gives shapes by input name; an input that is not in it must have a known shape in the graph, but for the
/// first dimension, which is then 1.
pub fn specialise(graph: &Graph, sizes: &HashMap<String, Vec<usize>>) -> Result<Shaped> {
    let constants: usize =
        graph.nodes().iter().map(|n| if let Op::Const(t) = &n.op { t.bytes().len() } else { 0 }).sum();
    let mut budget = FOLDING_BYTES + 4 * constants;
    let mut shaped = Shaped { graph: Graph::new(), facts: Vec::with_capacity(graph.nodes().len()) };
    for node in graph.nodes() {
        let fact = fact_of(node, &shaped, sizes)?;
        let op = folded(node, &fact, &shaped, &mut budget)?;
        let inputs: &[NodeId] = if matches!(op, Op::Const(_)) { &[] } else { &node.inputs };
        shaped.graph.add(node.name.clone(), op, inputs);
        shaped.facts.push(fact);
    }
    for &id in graph.outputs() {
        if shaped.fact(id).dtype == DType::String {
            return Err(Error::Input(format!("'{}' is text: fetch numbers", graph.node(id).name)));
        }
    }
    shaped.graph.set_outputs(graph.outputs().to_vec());
    Ok(shaped)
}

fn fact_of(node: &Node, shaped: &Shaped, sizes: &HashMap<String, Vec<usize>>) -> Result<Fact> {
    if let Op::Input { dtype, shape } = &node.op {
        let shape = input_shape(&node.name, shape.as_deref(), sizes.get(&node.name))?;
        return Ok(Fact::new(*dtype, shape));
    }
    let facts: Vec<&Fact> = node.inputs.iter().map(|&id| shaped.fact(id)).collect();
    if facts.iter().any(|fact| fact.dtype == DType::String) {
        return Err(Error::node(&node.name, node.op.name(), "it reads text, with which nothing can be computed"));
    }
    let constants: Vec<Option<&Tensor>> = node.inputs.iter().map(|&id| shaped.graph.constant_of(id)).collect();
    let fact = infer(&node.op, &facts, &constants).map_err(|what| Error::node(&node.name, node.op.name(), what))?;
    if elements(&fact.shape).and_then(|n| n.checked_mul(8)).is_none_or(|bytes| bytes > isize::MAX as usize) {
        return Err(Error::node(&node.name, node.op.name(), format!("the result's shape {:?} is absurd", fact.shape)));
    }
    Ok(fact)
}

fn input_shape(name: &str, declared: Option<&[Option<usize>]>, given: Option<&Vec<usize>>) -> Result<Vec<usize>> {
    let shown = |declared: &[Option<usize>]| {
        let dims: Vec<_> = declared.iter().map(|d| d.map_or("?".into(), |d| d.to_string())).collect();
        format!("[{}]", dims.join(", "))
    };
    match (given, declared) {
        (Some(given), None) => Ok(given.clone()),
        (Some(given), Some(declared)) => {
            let fits = |(&g, d): (&usize, &Option<usize>)| d.is_none_or(|d| d == g);
            if given.len() == declared.len() && given.iter().zip(declared).all(fits) {
                return Ok(given.clone());
            }
            Err(Error::Input(format!("input '{name}' takes the shape {}, not {given:?}", shown(declared))))
        }
        (None, Some(declared)) => {
            let known = |(i, d): (usize, &Option<usize>)| if i == 0 { Some(d.unwrap_or(1)) } else { *d };
            declared.iter().enumerate().map(known).collect::<Option<_>>().ok_or_else(|| {
                Error::Input(format!("the size of input '{name}' {} is not known: give one", shown(declared)))
            })
        }
        (None, None) => Err(Error::Input(format!("the shape of input '{name}' is not known: feed it"))),
    }
}

/// The node's operation, or its value if everything it needs is constant.
fn folded(node: &Node, fact: &Fact, shaped: &Shaped, budget: &mut usize) -> Result<Op> {
    let shapes_only = matches!(node.op, Op::Shape(_) | Op::Size(_) | Op::Rank);
    if shapes_only {
        return Ok(Op::Const(shape_value(&node.op, &shaped.fact(node.inputs[0]).shape, fact)));
    }
    let constants: Option<Vec<&Tensor>> = node.inputs.iter().map(|&id| shaped.graph.constant_of(id)).collect();
    let (Some(inputs), false) = (constants, matches!(node.op, Op::Input { .. } | Op::Const(_) | Op::RandomUniform))
    else {
        return Ok(node.op.clone());
    };
    let moves_nothing = matches!(node.op, Op::Identity | Op::Reshape | Op::Squeeze { .. } | Op::ExpandDims);
    let bytes = if moves_nothing { 0 } else { fact.len() * fact.dtype.size() };
    *budget = budget.checked_sub(bytes).ok_or_else(|| Error::Memory {
        what: format!("the constants that '{}' and others make", node.name),
        needed: bytes as u64,
        limit: *budget as u64,
    })?;
    evaluate(&node.op, &inputs, fact).map(Op::Const).map_err(|what| Error::node(&node.name, node.op.name(), what))
}

fn shape_value(op: &Op, shape: &[usize], fact: &Fact) -> Tensor {
    let values: Vec<i64> = match op {
        Op::Shape(_) => shape.iter().map(|&n| n as i64).collect(),
        Op::Size(_) => vec![shape.iter().product::<usize>() as i64],
        _ => vec![shape.len() as i64],
    };
    Tensor::from_i64(fact.dtype, &fact.shape, &values)
}
