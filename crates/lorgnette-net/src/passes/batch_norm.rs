//! Batch normalisation with constant statistics becomes a multiplication and an addition for each
//! channel.
//!
//! Ioffe and Szegedy 2015; at inference `γ (x − μ) / √(σ² + ε) + β = x · s + (β − μ · s)` with `s =
//! γ / √(σ² + ε)`.

use super::Rewriter;
use crate::graph::NodeId;
use crate::graph::op::{Epilogue, Op};

pub(super) fn apply(graph: &mut Rewriter) {
    for id in graph.ids() {
        if let Some(epilogue) = as_affine(graph, id) {
            let x = graph.node(id).inputs[0];
            graph.replace(id, Op::Affine(epilogue), vec![x]);
        }
    }
}

fn as_affine(graph: &Rewriter, id: NodeId) -> Option<Epilogue> {
    let node = graph.node(id);
    let Op::BatchNorm { epsilon } = node.op else { return None };
    let channels = *graph.shape(id).last()?;
    if !graph.reserve(2 * channels) {
        return None;
    }
    let parameter = |i: usize| {
        let id = *node.inputs.get(i)?;
        match graph.typed().graph.constant_of(id)?.len() {
            count if count == channels => graph.constant(id),
            1 => Some(vec![graph.constant_number(id)?; channels]),
            _ => None,
        }
    };
    let (gamma, beta, mean, variance) =
        (parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?);
    let scale: Vec<f32> =
        gamma.iter().zip(&variance).map(|(g, v)| g * (1.0 / (v + epsilon).sqrt())).collect();
    let shift = (0..channels).map(|c| beta[c] - mean[c] * scale[c]).collect();
    Some(Epilogue { scale: Some(scale.into()), shift: Some(shift), ..Epilogue::default() })
}

#[cfg(test)]
mod tests {
    use crate::graph::op::Op;
    use crate::passes::testing::{Sketch, assert_equivalent};

    #[test]
    fn constant_statistics_become_an_affine_node() {
        let mut s = Sketch::new();
        let x = s.picture("x", [2, 3, 3, 4]);
        let parameters = ["gamma", "beta", "mean", "variance"].map(|name| s.channels(name, 4));
        let inputs = [&[x][..], &parameters].concat();
        let out = s.op("out", Op::BatchNorm { epsilon: 0.001 }, &inputs);
        let after = assert_equivalent(s, &[out], super::apply);
        assert!(matches!(after.op_named("out"), Op::Affine(_)));
    }
}
