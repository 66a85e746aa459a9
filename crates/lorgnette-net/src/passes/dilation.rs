//! SpaceToBatchND, a VALID convolution and BatchToSpaceND, as old TensorFlow writes a dilated
//! convolution, become one dilated convolution.

use lorgnette_kernels::Padding;

use super::Rewriter;
use crate::graph::NodeId;
use crate::graph::op::{Border, Op};

pub(super) fn apply(graph: &mut Rewriter) {
    for id in graph.ids() {
        if let Some((op, inputs)) = dilated(graph, id) {
            graph.replace(id, op, inputs);
        }
    }
}

fn dilated(graph: &Rewriter, id: NodeId) -> Option<(Op, Vec<NodeId>)> {
    let gather = graph.node(id);
    let &[inner, block_out, crops] = gather.inputs.as_slice() else { return None };
    if !matches!(gather.op, Op::BatchToSpace) || !graph.is_private(inner) {
        return None;
    }
    let mut op = graph.op(inner).clone();
    let (Op::Conv2d(conv) | Op::DepthwiseConv2d(conv)) = &mut op else { return None };
    if conv.border != Border::Valid || conv.stride != [1, 1] || conv.dilation != [1, 1] {
        return None;
    }
    let spread = graph.node(graph.node(inner).inputs[0]);
    let &[x, block_in, paddings] = spread.inputs.as_slice() else { return None };
    let block = graph.constant(block_in)?;
    if !matches!(spread.op, Op::SpaceToBatch) || graph.constant(block_out)? != block {
        return None;
    }
    let (around, cut) = (graph.constant(paddings)?, graph.constant(crops)?);
    // The crop must undo the rounding up to whole blocks and nothing else.
    if cut[0] != 0.0 || cut[2] != 0.0 || around[1] < cut[1] || around[3] < cut[3] {
        return None;
    }
    conv.dilation = [block[0] as usize, block[1] as usize];
    conv.border = Border::Explicit(Padding {
        top: around[0] as usize,
        bottom: (around[1] - cut[1]) as usize,
        left: around[2] as usize,
        right: (around[3] - cut[3]) as usize,
    });
    let mut inputs = graph.node(inner).inputs.clone();
    inputs[0] = x;
    Some((op, inputs))
}

#[cfg(test)]
mod tests {
    use crate::graph::op::Op;
    use crate::passes::testing::{Sketch, assert_equivalent};

    #[test]
    fn three_nodes_become_one_convolution() {
        let mut s = Sketch::new();
        let x = s.picture("x", [1, 7, 9, 3]);
        let block = s.integers("block", &[2, 2]);
        let paddings = s.matrix_of_integers("paddings", &[[2, 3], [2, 3]]);
        let crops = s.matrix_of_integers("crops", &[[0, 1], [0, 1]]);
        let spread = s.op("spread", Op::SpaceToBatch, &[x, block, paddings]);
        let y = s.valid_conv("conv", spread, [3, 3, 3, 4]);
        let out = s.op("out", Op::BatchToSpace, &[y, block, crops]);
        let after = assert_equivalent(s, &[out], super::apply);
        assert!(matches!(after.op_named("out"), Op::Conv2d(conv) if conv.dilation == [2, 2]));
    }
}
