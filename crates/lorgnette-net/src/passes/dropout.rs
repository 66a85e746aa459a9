//! Removes dropout that has no effect: a comparison or rounding of uniform random numbers whose
//! result is the same for every number in [0, 1).

use std::collections::HashMap;

use lorgnette_kernels::{Binary, Clamp, Unary};

use super::Rewriter;
use crate::graph::NodeId;
use crate::graph::op::Op;
use crate::tensor::Tensor;

pub(super) fn apply(graph: &mut Rewriter) {
    let mut masks = Masks::default();
    for id in graph.ids() {
        if let Some(value) = masks.settle(graph, id) {
            masks.values.insert(id, Some(value));
            masks.settled.push((id, value));
        }
    }
    for id in graph.ids() {
        multiply_by_one(graph, &mut masks, id);
    }
    // Few are still read. A mask takes no memory before: a few bytes can stand for one of any size.
    for (id, value) in masks.settled {
        let shape = graph.shape(id).to_vec();
        let count = shape.iter().product();
        if graph.is_read(id) && graph.reserve(count) {
            let tensor = match graph.typed().fact(id).dtype {
                dtype if dtype.is_float() => Tensor::from_f32(&shape, vec![value; count]),
                dtype => Tensor::from_i64(dtype, &shape, &vec![value as i64; count]),
            };
            graph.replace(id, Op::Const(tensor), Vec::new());
        }
    }
}

/// Nodes whose elements are all equal.
#[derive(Debug, Default)]
struct Masks {
    /// The value of each node that was looked at; `None` if its elements differ.
    values: HashMap<NodeId, Option<f32>>,
    /// Nodes that depend on random numbers without varying, and their values.
    settled: Vec<(NodeId, f32)>,
}

impl Masks {
    /// Returns the constant value of a node that depends on random numbers without varying.
    fn settle(&mut self, graph: &Rewriter, id: NodeId) -> Option<f32> {
        let node = graph.node(id);
        let input = |i: usize| node.inputs.get(i).copied();
        match node.op {
            // ⌊keep_prob + random⌋ is always 1 if keep_prob is 1.
            Op::Unary(Unary::Floor) => {
                let (low, high) = range(graph, input(0)?, 0)?;
                (low.floor() == high.next_down().floor()).then_some(low.floor())
            }
            // random ≥ rate is always true if the rate is 0.
            Op::Binary(op @ (Binary::GreaterEqual | Binary::Less), _) => {
                let ((low, high), limit) = (range(graph, input(0)?, 0)?, number(graph, input(1)?)?);
                let at_least = if low >= limit {
                    Some(true)
                } else if high <= limit {
                    Some(false)
                } else {
                    None
                }?;
                Some(f32::from(u8::from(at_least == (op == Binary::GreaterEqual))))
            }
            // The mask as a number, or after an identity.
            Op::Cast(_) | Op::Identity => {
                let mask = input(0)?;
                let fact = graph.typed().fact(mask);
                let is_mask = fact.len() > 1 || !fact.dtype.is_float();
                if is_mask { self.value(graph, mask) } else { None }
            }
            _ => None,
        }
    }

    /// Returns the value that all elements of a node have. Reads a constant once.
    fn value(&mut self, graph: &Rewriter, id: NodeId) -> Option<f32> {
        *self.values.entry(id).or_insert_with(|| {
            let values = graph.constant(id)?;
            let first = *values.first()?;
            values.iter().all(|value| *value == first).then_some(first)
        })
    }
}

/// The half-open range of a node's values, if they are computed from uniform random numbers by
/// additions and multiplications.
fn range(graph: &Rewriter, id: NodeId, depth: usize) -> Option<(f32, f32)> {
    const MAX_DEPTH: usize = 8;
    let node = graph.node(id);
    if depth > MAX_DEPTH {
        return None;
    }
    let range_of = |i: usize| range(graph, *node.inputs.get(i)?, depth + 1);
    let constant = |i: usize| number(graph, *node.inputs.get(i)?);
    match node.op {
        Op::RandomUniform => Some((0.0, 1.0)),
        Op::Identity => range_of(0),
        Op::Binary(Binary::Add, _) => {
            let ((low, high), c) =
                range_of(0).zip(constant(1)).or_else(|| range_of(1).zip(constant(0)))?;
            Some((low + c, high + c))
        }
        Op::Binary(Binary::Mul, _) => {
            let ((low, high), c) =
                range_of(0).zip(constant(1)).or_else(|| range_of(1).zip(constant(0)))?;
            (c > 0.0).then_some((low * c, high * c))
        }
        _ => None,
    }
}

fn number(graph: &Rewriter, id: NodeId) -> Option<f32> {
    graph.constant_number(id)
}

/// Matches `x · 1`, and the selection of `x` by a mask that is always true.
fn multiply_by_one(graph: &mut Rewriter, masks: &mut Masks, id: NodeId) {
    let node = graph.node(id);
    let mut all = |input: usize, wanted: f32| {
        node.inputs.get(input).and_then(|&mask| masks.value(graph, mask)) == Some(wanted)
    };
    let kept = match node.op {
        Op::Binary(Binary::Mul, Clamp::NONE) if all(1, 1.0) => Some(0),
        Op::Binary(Binary::Mul, Clamp::NONE) if all(0, 1.0) => Some(1),
        Op::Binary(Binary::Div, Clamp::NONE) if all(1, 1.0) => Some(0),
        Op::Select if all(0, 1.0) => Some(1),
        Op::Select if all(0, 0.0) => Some(2),
        _ => None,
    };
    if let Some(kept) = kept.map(|input| node.inputs[input])
        && graph.shape(kept) == graph.shape(id)
    {
        graph.redirect(id, kept);
    }
}

#[cfg(test)]
mod tests {
    use lorgnette_kernels::{Binary, Clamp, Unary};

    use crate::graph::op::Op;
    use crate::passes::testing::Sketch;

    fn live_after(s: Sketch, out: crate::graph::NodeId) -> Vec<String> {
        s.rewritten(&[out], super::apply).names_of_live()
    }

    #[test]
    fn keeping_everything_is_no_dropout() {
        let mut s = Sketch::new();
        let x = s.picture("x", [1, 1, 1, 8]);
        let shape = s.integers("shape", &[1, 1, 1, 8]);
        let random = s.op("random", Op::RandomUniform, &[shape]);
        let keep = s.number("keep_prob", 1.0);
        let sum = s.op("sum", Op::Binary(Binary::Add, Clamp::NONE), &[keep, random]);
        let mask = s.op("floor", Op::Unary(Unary::Floor), &[sum]);
        let scaled = s.op("div", Op::Binary(Binary::Div, Clamp::NONE), &[x, keep]);
        let out = s.op("mul", Op::Binary(Binary::Mul, Clamp::NONE), &[scaled, mask]);
        assert_eq!(live_after(s, out), ["x"]);
    }

    /// Whatever the masks' size, none is made.
    #[test]
    fn a_mask_takes_no_memory() {
        let mut s = Sketch::new();
        let x = s.picture("x", [1, 30_000, 30_000, 1]);
        let shape = s.integers("shape", &[1, 30_000, 30_000, 1]);
        let random = s.op("random", Op::RandomUniform, &[shape]);
        let floor = s.op("floor", Op::Unary(Unary::Floor), &[random]);
        let zero = s.number("zero", 0.0);
        let mask = s.op("mask", Op::Binary(Binary::GreaterEqual, Clamp::NONE), &[random, zero]);
        let out = s.op("out", Op::Select, &[mask, x, x]);
        let after = s.rewritten(&[out, floor], super::apply);
        assert!(!after.names_of_live().contains(&"mask".to_owned()));
        // One that is itself the answer is left to the planner, which knows the memory limit.
        assert!(matches!(after.op_named("floor"), Op::Unary(Unary::Floor)));
    }

    #[test]
    fn dropout_that_drops_stays() {
        let mut s = Sketch::new();
        let x = s.picture("x", [1, 1, 1, 8]);
        let shape = s.integers("shape", &[1, 1, 1, 8]);
        let random = s.op("random", Op::RandomUniform, &[shape]);
        let rate = s.number("rate", 0.5);
        let mask = s.op("mask", Op::Binary(Binary::GreaterEqual, Clamp::NONE), &[random, rate]);
        let out = s.op("out", Op::Select, &[mask, x, x]);
        assert!(live_after(s, out).contains(&"random".to_owned()));
    }
}
