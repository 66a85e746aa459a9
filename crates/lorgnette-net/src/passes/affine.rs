//! Multiplications and additions with one constant for each channel become affine nodes, which are
//! merged into the affine node, convolution or matrix product before them.

use std::sync::Arc;

use lorgnette_kernels::{Binary, Clamp, Unary};

use super::Rewriter;
use crate::graph::NodeId;
use crate::graph::op::{Epilogue, Op};

pub(super) fn apply(graph: &mut Rewriter) {
    for id in graph.ids() {
        if let Some((x, epilogue)) = as_affine(graph, id) {
            graph.replace(id, Op::Affine(epilogue), vec![x]);
        }
    }
    for id in graph.ids() {
        flow_into_input(graph, id);
    }
}

/// The other input and the affine form of `x ∘ constant` or `constant ∘ x`.
fn as_affine(graph: &Rewriter, id: NodeId) -> Option<(NodeId, Epilogue)> {
    let node = graph.node(id);
    if let Op::Unary(Unary::Neg) = node.op {
        let x = *node.inputs.first()?;
        let channels = *graph.shape(x).last()?;
        return graph.reserve(channels).then(|| (x, scaled(vec![-1.0; channels])));
    }
    let &Op::Binary(op, clamp) = &node.op else { return None };
    let &[a, b] = node.inputs.as_slice() else { return None };
    let (x, constant, reversed) = match (per_channel(graph, a, b), per_channel(graph, b, a)) {
        (Some(constant), _) => (a, constant, false),
        (None, Some(constant)) => (b, constant, true),
        _ => return None,
    };
    if !graph.typed().fact(x).dtype.is_float() {
        return None;
    }
    let epilogue = match (op, reversed) {
        (Binary::Add, _) => shifted(constant),
        (Binary::Sub, false) => shifted(constant.iter().map(|v| -v).collect()),
        (Binary::Sub, true) => {
            Epilogue { scale: Some(vec![-1.0; constant.len()].into()), ..shifted(constant) }
        }
        (Binary::Mul, _) => scaled(constant),
        // Multiplying by the reciprocal is exact for powers of two; for others it is within
        // rounding.
        (Binary::Div, false) => scaled(constant.iter().map(|v| 1.0 / v).collect()),
        _ => return None,
    };
    let limits = (clamp != Clamp::NONE).then_some(clamp);
    Some((x, Epilogue { clamp: limits, ..epilogue }))
}

/// The constant's values, one for each channel of `x`, if it varies along no other axis and does
/// not broadcast `x`.
fn per_channel(graph: &Rewriter, x: NodeId, constant: NodeId) -> Option<Vec<f32>> {
    let channels = *graph.shape(x).last()?;
    let shape = graph.shape(constant);
    let leading = shape.len().saturating_sub(1);
    let last = shape.last().copied().unwrap_or(1);
    if shape.len() > graph.shape(x).len()
        || shape[..leading].iter().any(|&n| n != 1)
        || channels == 0
    {
        return None;
    }
    // Nodes that depend on constants alone are folded already; the rest does not matter.
    if matches!(graph.op(x), Op::Const(_)) {
        return None;
    }
    // Twice for a subtraction from the constant.
    if !matches!(graph.op(constant), Op::Const(_))
        || (last != 1 && last != channels)
        || !graph.reserve(2 * channels)
    {
        return None;
    }
    match last {
        1 => Some(vec![graph.constant_number(constant)?; channels]),
        _ => graph.constant(constant),
    }
}

fn scaled(scale: Vec<f32>) -> Epilogue {
    Epilogue { scale: Some(scale.into()), ..Epilogue::default() }
}

fn shifted(shift: Vec<f32>) -> Epilogue {
    Epilogue { shift: Some(shift.into()), ..Epilogue::default() }
}

/// Merges the affine node `id` into the node it reads, if that has no clamp, residual or other
/// reader.
fn flow_into_input(graph: &mut Rewriter, id: NodeId) {
    let Op::Affine(after) = graph.op(id) else { return };
    let input = graph.node(id).inputs[0];
    if !graph.is_private(input) || !graph.takes_epilogue(input) {
        return;
    }
    let mut op = graph.op(input).clone();
    let Some(before) = epilogue_of(&mut op) else { return };
    if before.clamp.is_some() || before.residual {
        return;
    }
    *before = composed(before, after);
    let inputs = graph.node(input).inputs.clone();
    graph.replace(id, op, inputs);
}

/// The epilogue of an operation that an affine node can be merged into.
pub(super) fn epilogue_of(op: &mut Op) -> Option<&mut Epilogue> {
    match op {
        Op::Conv2d(conv) | Op::DepthwiseConv2d(conv) => Some(&mut conv.epilogue),
        Op::MatMul(product) => Some(&mut product.epilogue),
        Op::Affine(epilogue) => Some(epilogue),
        _ => None,
    }
}

/// `after(before(x))`.
fn composed(before: &Epilogue, after: &Epilogue) -> Epilogue {
    let product = |a: &Option<Arc<[f32]>>, b: &Option<Arc<[f32]>>| match (a, b) {
        (Some(a), Some(b)) => Some(a.iter().zip(b.iter()).map(|(a, b)| a * b).collect()),
        (one, None) | (None, one) => one.clone(),
    };
    let moved = before
        .shift
        .as_ref()
        .map(|shift| product(&Some(shift.clone()), &after.scale).expect("one of two"));
    let shift = match (moved, &after.shift) {
        (Some(a), Some(b)) => Some(a.iter().zip(b.iter()).map(|(a, b)| a + b).collect()),
        (one, None) => one,
        (None, one) => one.clone(),
    };
    Epilogue {
        scale: product(&before.scale, &after.scale),
        shift,
        residual: false,
        clamp: after.clamp,
    }
}

#[cfg(test)]
mod tests {
    use lorgnette_kernels::{Binary, Clamp};

    use crate::graph::op::Op;
    use crate::passes::testing::{Sketch, assert_equivalent};

    #[test]
    fn decomposed_batch_norm_flows_into_the_convolution() {
        let mut s = Sketch::new();
        let x = s.picture("x", [1, 5, 5, 3]);
        let y = s.conv("conv", x, [3, 3, 3, 4]);
        let (scale, shift, bias) =
            (s.channels("scale", 4), s.channels("shift", 4), s.channels("bias", 4));
        let y = s.op("bias_add", Op::Binary(Binary::Add, Clamp::NONE), &[y, bias]);
        let y = s.op("mul", Op::Binary(Binary::Mul, Clamp::NONE), &[y, scale]);
        let out = s.op("out", Op::Binary(Binary::Sub, Clamp::RELU), &[y, shift]);
        let after = assert_equivalent(s, &[out], super::apply);
        assert!(matches!(after.op_named("out"), Op::Conv2d(_)));
        assert_eq!(after.names_of_live().len(), 3, "the input, the filter and one convolution");
    }

    #[test]
    fn constants_on_the_left_keep_their_side() {
        let mut s = Sketch::new();
        let x = s.picture("x", [1, 2, 2, 4]);
        let (a, b) = (s.channels("a", 4), s.number("b", 0.25));
        let y = s.op("y", Op::Binary(Binary::Sub, Clamp::NONE), &[a, x]);
        let out = s.op("out", Op::Binary(Binary::Div, Clamp::NONE), &[y, b]);
        assert_equivalent(s, &[out], super::apply);
    }

    #[test]
    fn a_result_read_twice_is_left_alone() {
        let mut s = Sketch::new();
        let x = s.picture("x", [1, 5, 5, 3]);
        let y = s.conv("conv", x, [1, 1, 3, 4]);
        let scale = s.channels("scale", 4);
        let out = s.op("out", Op::Binary(Binary::Mul, Clamp::NONE), &[y, scale]);
        let after = assert_equivalent(s, &[out, y], super::apply);
        assert!(matches!(after.op_named("out"), Op::Affine(_)));
    }

    #[test]
    fn a_constant_that_widens_the_picture_is_no_affine() {
        let mut s = Sketch::new();
        let x = s.picture("x", [1, 3, 3, 1]);
        let wide = s.channels("wide", 4);
        let out = s.op("out", Op::Binary(Binary::Mul, Clamp::NONE), &[x, wide]);
        let after = assert_equivalent(s, &[out], super::apply);
        assert!(matches!(after.op_named("out"), Op::Binary(..)));
    }
}
