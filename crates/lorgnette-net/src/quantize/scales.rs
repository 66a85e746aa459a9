//! The scale of every value of a quantised network.
//!
//! TensorFlow Lite's int8 operators that move, join or pool values keep their scale. So the values
//! of such an operator share one, whose range holds all of theirs.

use std::collections::HashMap;

use lorgnette_kernels::Unary;
use lorgnette_kernels::integer::Scale;

use super::RangeRule;
use super::statistics::{Range, Statistics};
use super::trained::Steps;
use crate::graph::op::{Op, PadMode};
use crate::graph::shape::TypedGraph;
use crate::graph::{Node, NodeId};
use crate::import::TrainedRange;
use crate::tensor::DType;

/// int8's smallest and largest value.
const LIMITS: [f32; 2] = [-128.0, 127.0];

/// Returns the scale of int8 for a range; zero is one of its steps.
fn scale_for(range: Range) -> Scale {
    let span = f64::from(range.high) - f64::from(range.low);
    let step = if span > 0.0 && span.is_finite() { span / 255.0 } else { 1.0 };
    // Scales below this make factors that a multiplier cannot hold.
    let step = step.max(1e-9);
    let zero = (f64::from(LIMITS[0]) - f64::from(range.low) / step).round();
    let zero_point = zero.clamp(f64::from(LIMITS[0]), f64::from(LIMITS[1])) as i32;
    Scale { scale: step as f32, zero_point }
}

/// Returns the scale that an operator's int8 result always has.
fn fixed_scale(op: &Op) -> Option<Scale> {
    match op {
        Op::Softmax { log: false } | Op::Unary(Unary::Sigmoid) => {
            Some(Scale { scale: 1.0 / 256.0, zero_point: -128 })
        }
        Op::Unary(Unary::Tanh) => Some(Scale { scale: 1.0 / 128.0, zero_point: 0 }),
        _ => None,
    }
}

/// How the 8-bit integers of a network stand for real numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Integers<'a> {
    /// int8, with a scale for each output channel of weights.
    Int8,
    /// uint8, with the ranges of weights by the name of the filter.
    Uint8(&'a HashMap<String, TrainedRange>),
}

impl Integers<'_> {
    pub(super) fn dtype(self) -> DType {
        match self {
            Self::Int8 => DType::I8,
            Self::Uint8(_) => DType::U8,
        }
    }

    /// Returns the scale for a range; zero is one of its steps.
    pub(super) fn scale_for(self, range: Range) -> Scale {
        let Range { low, high } = range;
        match self {
            Self::Uint8(_) if low < high => {
                let steps = Steps::new(TrainedRange { low, high, is_narrow: false });
                Scale { scale: steps.scale as f32, zero_point: steps.zero_point.into() }
            }
            Self::Uint8(_) => Scale { scale: 1.0, zero_point: 0 },
            Self::Int8 => scale_for(range),
        }
    }

    /// Returns the scale that an operator's result always has.
    pub(super) fn fixed_scale(self, op: &Op) -> Option<Scale> {
        let fixed = fixed_scale(op)?;
        Some(match self {
            Self::Int8 => fixed,
            Self::Uint8(_) => Scale { zero_point: fixed.zero_point + 128, ..fixed },
        })
    }

    /// Returns the byte that stands for a real number.
    pub(super) fn store(self, x: f32, scale: Scale) -> u8 {
        let stored = (x / scale.scale).round() + scale.zero_point as f32;
        match self {
            Self::Int8 => (stored.clamp(-128.0, 127.0) as i8).cast_unsigned(),
            Self::Uint8(_) => stored.clamp(0.0, 255.0) as u8,
        }
    }
}

/// Returns the inputs whose scale a node's result has.
pub(super) fn shared_inputs(node: &Node) -> &[NodeId] {
    match &node.op {
        Op::Concat => node.inputs.split_last().map_or(&[][..], |(_, values)| values),
        Op::Pack { .. } => &node.inputs,
        Op::Split { .. } => node.inputs.get(1..2).unwrap_or_default(),
        Op::Pool(_)
        | Op::Identity
        | Op::Reshape
        | Op::Squeeze { .. }
        | Op::ExpandDims
        | Op::Transpose
        | Op::Slice
        | Op::StridedSlice(_)
        | Op::Resize(_)
        | Op::Pad(PadMode::Constant) => node.inputs.get(..1).unwrap_or_default(),
        _ => &[],
    }
}

/// Returns the range of each observed value, by node.
pub(super) fn ranges(statistics: &[Option<Statistics>], rule: RangeRule) -> Vec<Option<Range>> {
    let range = |statistics: &Statistics| match rule {
        RangeRule::Whole => statistics.whole(),
        RangeRule::Percentile(percentile) => statistics.without_tails(1.0 - percentile / 100.0),
        RangeRule::LeastError => statistics.least_error(),
    };
    statistics.iter().map(|statistics| statistics.as_ref().map(range)).collect()
}

/// Returns the scale of each value whose range is known, by node.
pub(super) fn scales(
    typed: &TypedGraph,
    own: &[Option<Range>],
    integers: Integers<'_>,
) -> Vec<Option<Scale>> {
    let mut leaders: Vec<usize> = (0..own.len()).collect();
    for (id, node) in typed.graph.iter() {
        for input in shared_inputs(node) {
            let both = [leader(&leaders, id.index()), leader(&leaders, input.index())];
            leaders[both[0].max(both[1])] = both[0].min(both[1]);
        }
    }
    let mut ranges: Vec<Option<Range>> = vec![None; own.len()];
    for (index, own) in own.iter().enumerate() {
        if let Some(own) = *own {
            let leader = leader(&leaders, index);
            ranges[leader] = Some(ranges[leader].map_or(own, |range| range.union(own)));
        }
    }
    let is_alone = |index: usize| {
        let first = leader(&leaders, index);
        (0..leaders.len()).filter(|&other| leader(&leaders, other) == first).count() == 1
    };
    let scale = |(id, node): (NodeId, &Node)| {
        let index = id.index();
        own[index]?;
        match integers.fixed_scale(&node.op) {
            Some(fixed) if is_alone(index) => Some(fixed),
            _ => ranges[leader(&leaders, index)].map(|range| integers.scale_for(range)),
        }
    };
    typed.graph.iter().map(scale).collect()
}

/// Returns the value that stands for all of one scale.
fn leader(leaders: &[usize], mut index: usize) -> usize {
    while leaders[index] != index {
        index = leaders[index];
    }
    index
}
