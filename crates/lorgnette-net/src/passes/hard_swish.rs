//! Combines the nodes of MobileNet V3's activation, `x · relu6(x + 3) / 6`.

use lorgnette_kernels::{Binary, Clamp, Unary};

use super::Rewriter;
use crate::graph::NodeId;
use crate::graph::op::Op;

pub(super) fn apply(graph: &mut Rewriter) {
    for id in graph.ids() {
        if let Some(x) = hard_swish_of(graph, id) {
            graph.replace(id, Op::Unary(Unary::HardSwish), vec![x]);
        }
    }
}

/// Returns `x` if the node is `x · (gate / 6)` or `(x · gate) / 6`, where `gate` is `relu6(x + 3)`.
fn hard_swish_of(graph: &Rewriter, id: NodeId) -> Option<NodeId> {
    if let Some((product, true)) = over_six(graph, id) {
        let (a, b) = product_of(graph, product)?;
        return [(a, b), (b, a)]
            .into_iter()
            .find(|&(x, gate)| gate_of(graph, gate) == Some(x))
            .map(|(x, _)| x);
    }
    let (a, b) = product_of(graph, id)?;
    let is_gate = |&(x, gate): &(NodeId, NodeId)| {
        over_six(graph, gate).is_some_and(|(gate, _)| gate_of(graph, gate) == Some(x))
    };
    [(a, b), (b, a)].into_iter().find(is_gate).map(|(x, _)| x)
}

fn product_of(graph: &Rewriter, id: NodeId) -> Option<(NodeId, NodeId)> {
    match (graph.op(id), graph.node(id).inputs.as_slice()) {
        (Op::Binary(Binary::Mul, Clamp::NONE), &[a, b]) => Some((a, b)),
        _ => None,
    }
}

/// Returns `y` if the node is `y / 6` or `y · (1/6)`.
fn over_six(graph: &Rewriter, id: NodeId) -> Option<(NodeId, bool)> {
    let (&Op::Binary(op, Clamp::NONE), &[a, b]) = (graph.op(id), graph.node(id).inputs.as_slice())
    else {
        return None;
    };
    let is = |id: NodeId, value: f32| {
        graph.constant_number(id).is_some_and(|n| (n - value).abs() <= value * 1e-6)
    };
    let y = match op {
        Binary::Mul if is(b, 1.0 / 6.0) => a,
        Binary::Mul if is(a, 1.0 / 6.0) => b,
        Binary::Div if is(b, 6.0) => a,
        _ => return None,
    };
    Some((y, product_of(graph, y).is_some()))
}

/// Returns `x` if the node is `relu6(x + 3)`.
fn gate_of(graph: &Rewriter, id: NodeId) -> Option<NodeId> {
    let (&Op::Clamp(Clamp::RELU6), &[sum]) = (graph.op(id), graph.node(id).inputs.as_slice())
    else {
        return None;
    };
    let (&Op::Binary(Binary::Add, Clamp::NONE), &[a, b]) =
        (graph.op(sum), graph.node(sum).inputs.as_slice())
    else {
        return None;
    };
    let is_three = |id: NodeId| graph.constant_number(id) == Some(3.0);
    if is_three(b) { Some(a) } else { is_three(a).then_some(b) }
}

#[cfg(test)]
mod tests {
    use lorgnette_kernels::{Binary, Clamp, Unary};

    use crate::graph::op::Op;
    use crate::passes::testing::{Sketch, assert_equivalent};

    fn sketch(divide_first: bool) -> (Sketch, crate::graph::NodeId) {
        let mut s = Sketch::new();
        let x = s.picture("x", [1, 3, 3, 8]);
        let (three, sixth) = (s.number("three", 3.0), s.number("sixth", 1.0 / 6.0));
        let sum = s.op("sum", Op::Binary(Binary::Add, Clamp::NONE), &[x, three]);
        let gate = s.op("gate", Op::Clamp(Clamp::RELU6), &[sum]);
        let mul = Op::Binary(Binary::Mul, Clamp::NONE);
        let out = if divide_first {
            let gate = s.op("scaled", mul.clone(), &[gate, sixth]);
            s.op("out", mul, &[x, gate])
        } else {
            let product = s.op("product", mul.clone(), &[x, gate]);
            s.op("out", mul, &[product, sixth])
        };
        (s, out)
    }

    #[test]
    fn both_orders_are_recognised() {
        for divide_first in [true, false] {
            let (s, out) = sketch(divide_first);
            let after = assert_equivalent(s, &[out], super::apply);
            assert!(
                matches!(after.op_named("out"), Op::Unary(Unary::HardSwish)),
                "divide first: {divide_first}"
            );
        }
    }
}
