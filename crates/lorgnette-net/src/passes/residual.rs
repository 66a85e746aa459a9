//! Merges the addition of a shortcut into the convolution or matrix product before it.

use lorgnette_kernels::{Binary, Clamp};

use super::Rewriter;
use crate::graph::NodeId;
use crate::graph::op::Op;

pub(super) fn apply(graph: &mut Rewriter) {
    for id in graph.ids() {
        let &Op::Binary(Binary::Add, clamp) = graph.op(id) else { continue };
        let &[a, b] = graph.node(id).inputs.as_slice() else { continue };
        if a == b || graph.shape(a) != graph.shape(b) {
            continue;
        }
        // The later of the two absorbs the addition, since its result is still in the cache.
        let later_first = if a > b { [(a, b), (b, a)] } else { [(b, a), (a, b)] };
        if let Some(&(sum, other)) = later_first.iter().find(|(sum, _)| can_take(graph, *sum)) {
            take_in(graph, id, sum, other, clamp);
        }
    }
}

fn can_take(graph: &Rewriter, id: NodeId) -> bool {
    let epilogue = match graph.op(id) {
        Op::Conv2d(conv) => &conv.epilogue,
        Op::MatMul(product) => &product.epilogue,
        _ => return false,
    };
    graph.is_private(id)
        && graph.takes_epilogue(id)
        && epilogue.clamp.is_none()
        && !epilogue.residual
}

fn take_in(graph: &mut Rewriter, id: NodeId, sum: NodeId, other: NodeId, clamp: Clamp) {
    let mut op = graph.op(sum).clone();
    let epilogue = super::affine::epilogue_of(&mut op).expect("convolutions and products have one");
    epilogue.residual = true;
    epilogue.clamp = (clamp != Clamp::NONE).then_some(clamp);
    let mut inputs = graph.node(sum).inputs.clone();
    inputs.push(other);
    graph.replace(id, op, inputs);
}

#[cfg(test)]
mod tests {
    use lorgnette_kernels::{Binary, Clamp};

    use crate::graph::op::Op;
    use crate::passes::testing::{Sketch, assert_equivalent};

    #[test]
    fn a_shortcut_joins_the_later_convolution() {
        let mut s = Sketch::new();
        let x = s.picture("x", [1, 5, 5, 4]);
        let shortcut = s.conv("shortcut", x, [1, 1, 4, 4]);
        let y = s.conv("conv", x, [3, 3, 4, 4]);
        let out = s.op("out", Op::Binary(Binary::Add, Clamp::RELU), &[shortcut, y]);
        let after = assert_equivalent(s, &[out], super::apply);
        assert!(matches!(after.op_named("out"), Op::Conv2d(conv) if conv.epilogue.residual));
        assert!(!after.names_of_live().contains(&"conv".to_owned()));
    }

    #[test]
    fn twice_the_same_is_no_shortcut() {
        let mut s = Sketch::new();
        let x = s.picture("x", [1, 5, 5, 4]);
        let y = s.conv("conv", x, [3, 3, 4, 4]);
        let out = s.op("out", Op::Binary(Binary::Add, Clamp::NONE), &[y, y]);
        assert_equivalent(s, &[out], super::apply);
    }
}
