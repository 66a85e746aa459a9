//! Removes transpositions that cancel out, as between the layers of a graph with channels first.
//! Each is moved past the activation or addition that follows it until it meets the next one.

use lorgnette_kernels::Clamp;

use super::Rewriter;
use crate::graph::NodeId;
use crate::graph::op::Op;

pub(super) fn apply(graph: &mut Rewriter) {
    for id in graph.ids() {
        sink(graph, id);
        cancel(graph, id);
    }
}

/// The permutation of a transposition.
fn order(graph: &Rewriter, id: NodeId) -> Option<Vec<f32>> {
    let node = graph.node(id);
    if !matches!(node.op, Op::Transpose) {
        return None;
    }
    graph.constant(*node.inputs.get(1)?)
}

/// Two transpositions whose product is the identity become their input.
fn cancel(graph: &mut Rewriter, id: NodeId) {
    let Some(second) = order(graph, id) else { return };
    let inner = graph.node(id).inputs[0];
    let Some(first) = order(graph, inner) else { return };
    let undone =
        second.iter().enumerate().all(|(d, &from)| first.get(from as usize) == Some(&(d as f32)));
    if undone {
        let source = graph.node(inner).inputs[0];
        graph.redirect(id, source);
    }
}

/// `f(transpose(x))` becomes `transpose(f(x))` if `f` is elementwise.
fn sink(graph: &mut Rewriter, id: NodeId) {
    let node = graph.node(id);
    let transposed: Vec<NodeId> = match node.op {
        Op::Clamp(_) | Op::Unary(_) => node.inputs.clone(),
        Op::Binary(_, Clamp::NONE) if node.inputs[0] != node.inputs[1] => node.inputs.clone(),
        _ => return,
    };
    let orders: Option<Vec<_>> = transposed
        .iter()
        .map(|&input| order(graph, input).filter(|_| graph.is_private(input)))
        .collect();
    let Some(orders) = orders.filter(|orders| orders.windows(2).all(|pair| pair[0] == pair[1]))
    else {
        return;
    };
    let sources: Vec<NodeId> =
        transposed.iter().map(|&input| graph.node(input).inputs[0]).collect();
    if orders.is_empty()
        || sources.iter().any(|&source| graph.shape(source) != graph.shape(sources[0]))
    {
        return;
    }
    // The last transposition is replaced by the function; both sources precede it.
    let place = *transposed.iter().max().expect("at least one input");
    graph.sink_transposition(place, id, sources);
}

#[cfg(test)]
mod tests {
    use lorgnette_kernels::{Binary, Clamp};

    use crate::graph::NodeId;
    use crate::graph::op::Op;
    use crate::passes::testing::{Sketch, assert_equivalent};

    const TO_NCHW: [i64; 4] = [0, 3, 1, 2];
    const TO_NHWC: [i64; 4] = [0, 2, 3, 1];

    fn transpose(s: &mut Sketch, name: &str, x: NodeId, order: [i64; 4]) -> NodeId {
        let permutation = s.integers(&format!("{name}/perm"), &order);
        s.op(name, Op::Transpose, &[x, permutation])
    }

    #[test]
    fn a_shortcut_between_two_layers_needs_no_transposition() {
        let mut s = Sketch::new();
        let x = s.picture("x", [1, 3, 5, 2]);
        let other = s.picture("other", [1, 3, 5, 2]);
        let a = transpose(&mut s, "a", x, TO_NCHW);
        let b = transpose(&mut s, "b", other, TO_NCHW);
        let sum = s.op("sum", Op::Binary(Binary::Add, Clamp::NONE), &[a, b]);
        let relu = s.relu("relu", sum);
        let out = transpose(&mut s, "out", relu, TO_NHWC);
        let after = assert_equivalent(s, &[out], super::apply);
        assert!(
            after.names_of_live().iter().all(|name| !matches!(after.op_named(name), Op::Transpose))
        );
    }

    #[test]
    fn the_same_order_twice_is_another_order() {
        let mut s = Sketch::new();
        let x = s.picture("x", [2, 3, 4, 5]);
        let a = transpose(&mut s, "a", x, TO_NCHW);
        let out = transpose(&mut s, "out", a, TO_NCHW);
        let after = assert_equivalent(s, &[out], super::apply);
        assert!(matches!(after.op_named("out"), Op::Transpose));
    }
}
