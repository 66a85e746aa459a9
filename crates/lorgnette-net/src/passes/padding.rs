//! Zero padding before a VALID convolution becomes the convolution's padding.

use lorgnette_kernels::Padding;

use super::Rewriter;
use crate::graph::NodeId;
use crate::graph::op::{Border, Op, PadMode};

pub(super) fn apply(graph: &mut Rewriter) {
    for id in graph.ids() {
        let mut op = graph.op(id).clone();
        let (Op::Conv2d(conv) | Op::DepthwiseConv2d(conv)) = &mut op else { continue };
        let pad = graph.node(id).inputs[0];
        if conv.border != Border::Valid {
            continue;
        }
        if let Some(padding) = zeros_around(graph, pad) {
            conv.border = Border::Explicit(padding);
            let mut inputs = graph.node(id).inputs.clone();
            inputs[0] = graph.node(pad).inputs[0];
            graph.replace(id, op, inputs);
        }
    }
}

/// The rows and columns of zeros that a node adds, if it does nothing else.
fn zeros_around(graph: &Rewriter, id: NodeId) -> Option<Padding> {
    let node = graph.node(id);
    let &Op::Pad(PadMode::Constant) = &node.op else { return None };
    if let Some(&value) = node.inputs.get(2)
        && graph.constant_number(value) != Some(0.0)
    {
        return None;
    }
    let amounts = graph.constant(*node.inputs.get(1)?)?;
    let [0.0, 0.0, top, bottom, left, right, 0.0, 0.0] = amounts[..] else { return None };
    Some(Padding {
        top: top as usize,
        bottom: bottom as usize,
        left: left as usize,
        right: right as usize,
    })
}

#[cfg(test)]
mod tests {
    use crate::graph::op::{Op, PadMode};
    use crate::passes::testing::{Sketch, assert_equivalent};

    #[test]
    fn zeros_become_the_border() {
        let mut s = Sketch::new();
        let x = s.picture("x", [1, 5, 6, 3]);
        let amounts = s.matrix_of_integers("amounts", &[[0, 0], [1, 2], [0, 3], [0, 0]]);
        let padded = s.op("pad", Op::Pad(PadMode::Constant), &[x, amounts]);
        let out = s.valid_conv("out", padded, [3, 3, 3, 4]);
        let after = assert_equivalent(s, &[out], super::apply);
        assert!(!after.names_of_live().contains(&"pad".to_owned()));
    }

    #[test]
    fn other_values_stay_where_they_are() {
        let mut s = Sketch::new();
        let x = s.picture("x", [1, 5, 6, 3]);
        let amounts = s.matrix_of_integers("amounts", &[[0, 0], [1, 1], [1, 1], [0, 0]]);
        let one = s.number("one", 1.0);
        let padded = s.op("pad", Op::Pad(PadMode::Constant), &[x, amounts, one]);
        let out = s.valid_conv("out", padded, [3, 3, 3, 4]);
        let after = assert_equivalent(s, &[out], super::apply);
        assert!(after.names_of_live().contains(&"pad".to_owned()));
    }
}
