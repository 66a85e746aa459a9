//! Merges clamps (ReLU, ReLU6 and similar) into the node before them, if that has an epilogue. Two
//! consecutive clamps become one.

use lorgnette_kernels::{Binary, Clamp};

use super::Rewriter;
use super::affine::epilogue_of;
use crate::graph::NodeId;
use crate::graph::op::Op;

pub(super) fn apply(graph: &mut Rewriter) {
    for id in graph.ids() {
        if let Some(clamp) = limit_by_constant(graph, id) {
            graph.replace(id, Op::Clamp(clamp.1), vec![clamp.0]);
        }
        attach(graph, id);
    }
}

/// `Maximum` or `Minimum` with a number, as clamps in hard sigmoids are written.
fn limit_by_constant(graph: &Rewriter, id: NodeId) -> Option<(NodeId, Clamp)> {
    let node = graph.node(id);
    let &Op::Binary(op @ (Binary::Maximum | Binary::Minimum), Clamp::NONE) = &node.op else {
        return None;
    };
    let &[a, b] = node.inputs.as_slice() else { return None };
    let (x, limit) = match (graph.constant_number(a), graph.constant_number(b)) {
        (None, Some(limit)) => (a, limit),
        (Some(limit), None) => (b, limit),
        _ => return None,
    };
    let clamp = match op {
        Binary::Maximum => Clamp { low: limit, ..Clamp::NONE },
        _ => Clamp { high: limit, ..Clamp::NONE },
    };
    (graph.shape(x) == graph.shape(id) && !limit.is_nan()).then_some((x, clamp))
}

fn attach(graph: &mut Rewriter, id: NodeId) {
    let &Op::Clamp(outer) = graph.op(id) else { return };
    let input = graph.node(id).inputs[0];
    let is_alike = graph.shape(input) == graph.shape(id);
    if !graph.is_private(input) || !is_alike || !graph.takes_epilogue(input) {
        return;
    }
    let mut op = graph.op(input).clone();
    match &mut op {
        Op::Binary(_, inner) | Op::Clamp(inner) => *inner = narrowed(*inner, outer),
        other => match epilogue_of(other) {
            Some(epilogue) => epilogue.clamp = Some(narrowed(epilogue.limits(), outer)),
            None => return,
        },
    }
    let inputs = graph.node(input).inputs.clone();
    graph.replace(id, op, inputs);
}

/// `outer(inner(x))` as one clamp.
fn narrowed(inner: Clamp, outer: Clamp) -> Clamp {
    Clamp { low: outer.apply(inner.low), high: outer.apply(inner.high) }
}

#[cfg(test)]
mod tests {
    use lorgnette_kernels::{Binary, Clamp};

    use crate::graph::op::Op;
    use crate::passes::testing::{Sketch, assert_equivalent};

    #[test]
    fn relu_joins_the_convolution() {
        let mut s = Sketch::new();
        let x = s.picture("x", [1, 5, 5, 3]);
        let y = s.conv("conv", x, [3, 3, 3, 4]);
        let out = s.relu("out", y);
        let after = assert_equivalent(s, &[out], super::apply);
        assert!(
            matches!(after.op_named("out"), Op::Conv2d(conv) if conv.epilogue.clamp == Some(Clamp::RELU))
        );
    }

    #[test]
    fn clamps_after_clamps_narrow() {
        let mut s = Sketch::new();
        let x = s.picture("x", [1, 2, 2, 8]);
        let (low, high) = (s.number("low", -0.5), s.number("high", 0.3));
        let y = s.op("max", Op::Binary(Binary::Maximum, Clamp::NONE), &[x, low]);
        let y = s.op("min", Op::Binary(Binary::Minimum, Clamp::NONE), &[y, high]);
        let out = s.relu("out", y);
        let after = assert_equivalent(s, &[out], super::apply);
        assert_eq!(after.names_of_live(), ["x", "out"]);
    }

    #[test]
    fn limits_that_exclude_each_other_keep_their_order() {
        let mut s = Sketch::new();
        let x = s.picture("x", [1, 2, 2, 8]);
        let (low, high) = (s.number("low", 0.5), s.number("high", 0.1));
        let y = s.op("max", Op::Binary(Binary::Maximum, Clamp::NONE), &[x, low]);
        let out = s.op("out", Op::Binary(Binary::Minimum, Clamp::NONE), &[y, high]);
        assert_equivalent(s, &[out], super::apply);
    }
}
