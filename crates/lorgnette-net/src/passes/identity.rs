//! Removes nodes that change nothing: identities, reshapes to the same shape, empty paddings, pools
//! of one pixel. [`super::affine`] removes `x · 1` and `x + 0`.

use crate::graph::op::{Op, Pool};

use super::Rewriter;
use crate::graph::NodeId;

pub(super) fn apply(graph: &mut Rewriter) {
    for id in graph.ids() {
        if let Some(&input) = graph.node(id).inputs.first()
            && changes_nothing(graph, id)
        {
            graph.redirect(id, input);
        }
    }
}

fn changes_nothing(graph: &Rewriter, id: NodeId) -> bool {
    let input = graph.node(id).inputs[0];
    let same_shape = graph.shape(id) == graph.shape(input);
    let same_type = graph.typed().fact(id).dtype == graph.typed().fact(input).dtype;
    match graph.op(id) {
        Op::Identity => true,
        Op::Reshape
        | Op::Squeeze { .. }
        | Op::Pad(_)
        | Op::Slice
        | Op::StridedSlice(_)
        | Op::BroadcastTo => same_shape && !walks_backwards(graph, id),
        Op::Cast(_) => same_type,
        Op::Pool(Pool { kernel: [1, 1], stride: [1, 1], .. }) => same_shape,
        Op::Concat => graph.node(id).inputs.len() == 2,
        _ => false,
    }
}

/// A slice with a negative stride has the input's shape, but reverses its order.
fn walks_backwards(graph: &Rewriter, id: NodeId) -> bool {
    let node = graph.node(id);
    matches!(node.op, Op::StridedSlice(_))
        && node
            .inputs
            .get(3)
            .and_then(|&step| graph.constant(step))
            .is_none_or(|steps| steps.iter().any(|&s| s < 0.0))
}

#[cfg(test)]
mod tests {
    use crate::graph::op::Op;
    use crate::passes::testing::{Sketch, assert_equivalent};

    #[test]
    fn identities_between_layers_vanish() {
        let mut s = Sketch::new();
        let x = s.picture("x", [1, 4, 5, 3]);
        let a = s.op("a", Op::Identity, &[x]);
        let y = s.relu("y", a);
        let shape = s.integers("shape", &[1, 4, 5, 3]);
        let z = s.op("z", Op::Reshape, &[y, shape]);
        let out = s.relu("out", z);
        let after = assert_equivalent(s, &[out], super::apply);
        assert_eq!(after.names_of_live(), ["x", "y", "out"]);
    }
}
