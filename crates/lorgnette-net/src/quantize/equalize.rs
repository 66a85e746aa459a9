//! Equalisation of channels across layers (Nagel et al. 2019, "Data-free quantization through
//! weight equalization and bias correction").
//!
//! Where a value has one reader, channel `c` may be divided by a factor that the reader's weights
//! are multiplied by: the network computes the same, if the activation between them lets factors
//! through, as ReLU does. With a scale for each output channel of the weights, what suffers from
//! unequal channels is the activation: its one scale is that of the largest channel.

use std::sync::Arc;

use lorgnette_kernels::Clamp;

use super::statistics::Statistics;
use crate::error::Result;
use crate::graph::op::{Epilogue, Op};
use crate::graph::shape::TypedGraph;
use crate::graph::{Node, NodeId, TensorOrLazy};
use crate::tensor::Tensor;

/// Factors beyond this would leave too few steps for a channel.
const MAX_FACTOR: f32 = 16.0;

/// Returns the network with equalised channels; `None` if no pair of layers allows it.
pub(super) fn equalized(
    typed: &TypedGraph,
    statistics: &[Option<Statistics>],
) -> Result<Option<TypedGraph>> {
    let mut equal = typed.clone();
    let uses = typed.graph.uses();
    let mut changed = false;
    for (id, node) in typed.graph.iter() {
        let Some(x) = node.inputs.first().copied().filter(|x| uses[x.index()] == 1) else {
            continue;
        };
        if !lets_factors_through(typed, x) || !reads_channels(node) {
            continue;
        }
        let Some(statistics) = &statistics[x.index()] else { continue };
        let filter = equal.graph.node(id).inputs[1];
        let Some(stored) = TensorOrLazy::from_op(&equal.graph.node(filter).op) else { continue };
        // The filter must be this node's own.
        if uses[filter.index()] != 1 {
            continue;
        }
        let filter_tensor = stored.tensor()?;
        let channel = |index: usize| channel_of(&node.op, filter_tensor.shape(), index);
        let mut weights = filter_tensor.to_f32();
        let factors = factors(&statistics.magnitudes, &weights, &channel);
        if factors.iter().all(|&factor| factor == 1.0) {
            continue;
        }
        changed = true;
        for (index, weight) in weights.iter_mut().enumerate() {
            *weight *= factors[channel(index)];
        }
        let tensor = Tensor::from_f32(filter_tensor.shape(), weights);
        equal.graph.node_mut(filter).op = Op::Const(tensor);
        divide(&mut equal.graph.node_mut(x).op, &factors);
    }
    Ok(changed.then_some(equal))
}

/// True if a value's channels may be divided by factors: a sum with an epilogue and ReLU or no
/// activation.
fn lets_factors_through(typed: &TypedGraph, id: NodeId) -> bool {
    let node = typed.graph.node(id);
    let is_output = typed.graph.outputs().contains(&id);
    let epilogue = match &node.op {
        Op::Conv2d(conv) | Op::DepthwiseConv2d(conv) => &conv.epilogue,
        _ => return false,
    };
    let limits = epilogue.limits();
    !is_output && !epilogue.residual && (limits == Clamp::NONE || limits == Clamp::RELU)
}

/// True if a node multiplies each channel of its input by weights.
fn reads_channels(node: &Node) -> bool {
    matches!(node.op, Op::Conv2d(_) | Op::DepthwiseConv2d(_))
}

/// Returns the input channel of a weight.
fn channel_of(op: &Op, shape: &[usize], index: usize) -> usize {
    let (inputs, last) = (shape[2], shape[3]);
    match op {
        Op::DepthwiseConv2d(_) => index % (inputs * last) / last,
        _ => index / last % inputs,
    }
}

/// Returns the factor of each channel: activations and weights share what is unequal between them.
fn factors(activations: &[f32], weights: &[f32], channel: &impl Fn(usize) -> usize) -> Vec<f32> {
    let mut largest = vec![0f32; activations.len()];
    for (index, weight) in weights.iter().enumerate() {
        let largest = &mut largest[channel(index)];
        *largest = largest.max(weight.abs());
    }
    let ratios: Vec<f32> = activations
        .iter()
        .zip(&largest)
        .map(|(x, w)| if *x > 0.0 && *w > 0.0 { (x / w).sqrt() } else { 0.0 })
        .collect();
    let top = ratios.iter().copied().fold(0f32, f32::max);
    // Relative to the channel that is scaled least; dead channels stay as they are.
    let factor = |ratio: &f32| match *ratio {
        0.0 => 1.0,
        ratio => (ratio / top).max(1.0 / MAX_FACTOR),
    };
    ratios.iter().map(factor).collect()
}

/// Divides the channels of a sum.
fn divide(op: &mut Op, factors: &[f32]) {
    let epilogue = match op {
        Op::Conv2d(conv) | Op::DepthwiseConv2d(conv) => &mut conv.epilogue,
        _ => return,
    };
    let Epilogue { scale, shift, .. } = epilogue;
    let old = scale.as_ref().map_or_else(|| vec![1.0; factors.len()], |scale| scale.to_vec());
    *scale = Some(old.iter().zip(factors).map(|(scale, factor)| scale / factor).collect());
    *shift = shift.as_ref().map(|shift| -> Arc<[f32]> {
        shift.iter().zip(factors).map(|(shift, factor)| shift / factor).collect()
    });
}
