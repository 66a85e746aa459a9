//! The meaning of a network's output: class scores, probabilities, or classes already chosen, from
//! how the values are computed.

use lorgnette_kernels::{Binary, Clamp, Unary};

use super::input_arithmetic::constant_values;
use super::op::{Op, Reduction};
use super::shape::is_comparison;
use super::{Graph, NodeId};

/// Operations between two nodes of an answer that are followed at most.
const MAX_DEPTH: usize = 48;

/// The scores of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The scores before softmax or sigmoid; the probabilities if there are no such scores.
    pub(crate) logits: NodeId,
    /// The probabilities, if the graph computes them.
    pub(crate) probabilities: Option<NodeId>,
    /// The operation that keeps the scores within a range, if they are no probabilities.
    pub(crate) bounded_by: Option<&'static str>,
}

/// Returns the scores that lead to `end`. The class that ArgMax or TopK chooses is followed back to
/// the scores that it is chosen by. `None` if the output is chosen in another way.
pub(crate) fn answer(graph: &Graph, end: NodeId) -> Option<Answer> {
    let mut scores = end;
    // An ArgMax of a TopK's indices would be two.
    for _ in 0..2 {
        scores = match chosen_from(graph, scores)? {
            Some(source) => source,
            None => break,
        };
    }
    let search = Search { graph };
    let found = search.probability(scores, MAX_DEPTH);
    let Some(Probability { logits, unscaled }) = found else {
        let bounded_by = search.bounded_by(scores);
        return Some(Answer { logits: scores, probabilities: None, bounded_by });
    };
    let probabilities = unscaled.unwrap_or(scores);
    Some(Answer {
        logits: logits.unwrap_or(probabilities),
        probabilities: Some(probabilities),
        bounded_by: None,
    })
}

/// Returns the input of the last convolution or matrix product before the logits.
pub(crate) fn features(graph: &Graph, logits: NodeId) -> Option<NodeId> {
    let search = Search { graph };
    let mut current = search.through(logits);
    for _ in 0..MAX_DEPTH {
        let node = graph.node(current);
        let first = *node.inputs.first()?;
        match &node.op {
            Op::Conv2d(_) | Op::MatMul(_) => return Some(search.through(first)),
            Op::Binary(Binary::Add, _) => {
                let (a, b) = (first, *node.inputs.get(1)?);
                current = search.through(if graph.is_stored(a) { b } else { a });
            }
            Op::Reduce { kind: Reduction::Mean, .. } => current = search.through(first),
            _ => return None,
        }
    }
    None
}

/// Returns the scores that a class is chosen from; `Some(None)` if `end` is no class, `None` if the
/// class is chosen in an unknown way.
fn chosen_from(graph: &Graph, end: NodeId) -> Option<Option<NodeId>> {
    let mut current = end;
    for _ in 0..MAX_DEPTH {
        let node = graph.node(current);
        match &node.op {
            Op::ArgExtreme { smallest: false, .. } | Op::TopK { .. } => {
                return Some(node.inputs.first().copied());
            }
            Op::Reduce { kind: Reduction::Max, .. } => {
                return Some(probabilities_below(graph, current));
            }
            Op::ArgExtreme { smallest: true, .. } => return None,
            Op::Binary(function, _) if is_comparison(*function) => return None,
            op if keeps_values(op) => current = *node.inputs.first()?,
            _ => return Some(None),
        }
    }
    Some(None)
}

/// Returns the probabilities of which a maximum is the best; `None` if it is of anything else, such
/// as of the places of a map.
fn probabilities_below(graph: &Graph, max: NodeId) -> Option<NodeId> {
    let &[values, axes] = graph.node(max).inputs.as_slice() else { return None };
    let is_over_classes = match graph.constant_of(axes)?.to_i64().as_slice() {
        [-1] => true,
        [1] => is_of_products(graph, values),
        _ => false,
    };
    let search = Search { graph };
    let is_of_scores = search.probability(values, MAX_DEPTH).is_some();
    (is_over_classes && is_of_scores).then_some(values)
}

/// Returns true for values of a matrix product, a row for each picture.
fn is_of_products(graph: &Graph, values: NodeId) -> bool {
    let mut current = values;
    for _ in 0..MAX_DEPTH {
        let node = graph.node(current);
        let computed = node.inputs.iter().copied().find(|&input| !graph.is_stored(input));
        current = match (&node.op, computed) {
            (Op::MatMul(_), _) => return true,
            (
                Op::Softmax { .. } | Op::Unary(_) | Op::Binary(..) | Op::Identity | Op::Cast(_),
                Some(computed),
            ) => computed,
            _ => return false,
        };
    }
    false
}

/// Returns true for operations that keep, drop, repeat or rearrange the values of their first
/// input.
fn keeps_values(op: &Op) -> bool {
    matches!(
        op,
        Op::Identity
            | Op::Cast(_)
            | Op::Reshape
            | Op::Squeeze { .. }
            | Op::ExpandDims
            | Op::Transpose
            | Op::Slice
            | Op::StridedSlice(_)
            | Op::SplitV { .. }
            | Op::Unpack { .. }
            | Op::Gather
            | Op::Reverse
            | Op::Tile
            | Op::BroadcastTo
    )
}

/// Values that are probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Probability {
    /// The scores that they are computed from.
    logits: Option<NodeId>,
    /// The last node before they are multiplied by a number, such as 100.
    unscaled: Option<NodeId>,
}

impl Probability {
    fn of(logits: Option<NodeId>) -> Self {
        Self { logits, unscaled: None }
    }
}

struct Search<'a> {
    graph: &'a Graph,
}

impl Search<'_> {
    /// Returns the logits of `id` if its values are probabilities.
    fn probability(&self, id: NodeId, depth: usize) -> Option<Probability> {
        let depth = depth.checked_sub(1)?;
        let node = self.graph.node(id);
        let input = |i: usize| node.inputs.get(i).copied();
        let first = || self.probability(input(0)?, depth);
        match &node.op {
            Op::Softmax { log: false } | Op::Unary(Unary::Sigmoid) => {
                Some(Probability::of(input(0)))
            }
            op if keeps_values(op) => first(),
            Op::Split { .. } => self.probability(input(1)?, depth),
            Op::Reduce { kind: Reduction::Mean | Reduction::Max | Reduction::Min, .. } => first(),
            Op::Clamp(clamp) => first().or_else(|| unit_clamp(*clamp)),
            Op::Pack { .. } | Op::Concat => self.joined(id, depth),
            Op::Unary(Unary::Exp) => self.exponential(input(0)?, depth),
            // Values from 0 to 1 keep that range, and no longer add up to 1.
            Op::Unary(Unary::Sqrt | Unary::Square) => first().map(|_| Probability::of(None)),
            Op::Unary(Unary::Reciprocal) => self.sigmoid_denominator(input(0)?),
            Op::Binary(function, _) => {
                self.binary(id, *function, depth).or_else(|| self.unit_bounds(id))
            }
            _ => None,
        }
    }

    /// Values of a bounded function that sums and products bring to 0 to 1, such as
    /// `(tanh(x / 2) + 1) / 2`.
    fn unit_bounds(&self, id: NodeId) -> Option<Probability> {
        const DEPTH: usize = 8;
        const TOLERANCE: f64 = 1e-6;
        let [low, high] = self.bounds(id, DEPTH)?;
        let is_unit = low.abs() <= TOLERANCE && (high - 1.0).abs() <= TOLERANCE;
        is_unit.then(|| Probability::of(None))
    }

    /// Returns the lowest and the highest value that a node can have; `None` if it has no bounds or
    /// they are not known.
    fn bounds(&self, id: NodeId, depth: usize) -> Option<[f64; 2]> {
        let depth = depth.checked_sub(1)?;
        let node = self.graph.node(self.through(id));
        match &node.op {
            Op::Unary(Unary::Tanh | Unary::Softsign | Unary::Erf) => Some([-1.0, 1.0]),
            Op::Unary(Unary::Sigmoid) => Some([0.0, 1.0]),
            Op::Binary(function, clamp) if *clamp == Clamp::NONE => {
                let (a, b) = (*node.inputs.first()?, *node.inputs.get(1)?);
                let (values, number, is_first) = match self.number(b) {
                    Some(number) => (a, number, true),
                    None => (b, self.number(a)?, false),
                };
                let bounds = self.bounds(values, depth)?;
                let apply = |value: f64| match (function, is_first) {
                    (Binary::Add, _) => Some(value + number),
                    (Binary::Sub, true) => Some(value - number),
                    (Binary::Sub, false) => Some(number - value),
                    (Binary::Mul, _) => Some(value * number),
                    (Binary::Div, true) => Some(value / number),
                    _ => None,
                };
                let (one, other) = (apply(bounds[0])?, apply(bounds[1])?);
                Some([one.min(other), one.max(other)])
            }
            _ => None,
        }
    }

    /// Returns what keeps values within a range, or of length 1, that is no probability.
    fn bounded_by(&self, id: NodeId) -> Option<&'static str> {
        let node = self.graph.node(self.through(id));
        match &node.op {
            Op::Unary(Unary::Tanh) => Some("tanh"),
            Op::Unary(Unary::Softsign) => Some("softsign"),
            Op::Unary(Unary::Erf) => Some("erf"),
            Op::Clamp(clamp) if clamp.low == -1.0 && clamp.high == 1.0 => {
                Some("limits of -1 and 1")
            }
            Op::Binary(Binary::Mul | Binary::Div, _) => {
                let (&a, &b) = (node.inputs.first()?, node.inputs.get(1)?);
                let is_unit = self.is_norm_of(b, a) || self.is_norm_of(a, b);
                is_unit.then_some("a division by its length")
            }
            _ => None,
        }
    }

    /// True if `norm` is the root of the sum of the squares of `values`, or 1 by it.
    fn is_norm_of(&self, norm: NodeId, values: NodeId) -> bool {
        let input = |id: NodeId| self.graph.node(id).inputs.first().map(|&id| self.through(id));
        let root = self.without_epsilon(self.through(norm));
        let is_root = matches!(self.graph.node(root).op, Op::Unary(Unary::Rsqrt | Unary::Sqrt));
        let Some(sum) = input(root).map(|sum| self.without_epsilon(sum)) else { return false };
        let Some(squares) = input(sum) else { return false };
        let is_square = matches!(
            self.graph.node(squares).op,
            Op::Unary(Unary::Square) | Op::Binary(Binary::Mul, _)
        );
        is_root && self.is_sum(sum) && is_square && input(squares) == Some(self.through(values))
    }

    fn binary(&self, id: NodeId, function: Binary, depth: usize) -> Option<Probability> {
        let inputs = &self.graph.node(id).inputs;
        let (a, b) = (*inputs.first()?, *inputs.get(1)?);
        match function {
            Binary::Div | Binary::DivNoNan => {
                if self.is_sum_of(b, a) {
                    return Some(Probability::of(self.exponent(a)));
                }
                if self.number(a) == Some(1.0) {
                    return self.sigmoid_denominator(b);
                }
                self.scaled(a, b, depth)
            }
            Binary::Mul => {
                if self.is_reciprocal_sum(b, a) {
                    return Some(Probability::of(self.exponent(a)));
                }
                if self.is_reciprocal_sum(a, b) {
                    return Some(Probability::of(self.exponent(b)));
                }
                self.scaled(a, b, depth).or_else(|| self.scaled(b, a, depth))
            }
            Binary::Maximum | Binary::Minimum => {
                let (values, limit) = if self.number(b).is_some() { (a, b) } else { (b, a) };
                let within = |limit: f64| (0.0..=1.0).contains(&limit);
                let limit = self.number(limit).filter(|&limit| within(limit))?;
                self.probability(values, depth)
                    .or_else(|| self.unit_limits(values, function, limit))
            }
            Binary::Pow if self.number(b).is_some_and(|exponent| exponent > 0.0) => {
                self.probability(a, depth).map(|_| Probability::of(None))
            }
            // 1 - p, of two classes.
            Binary::Sub if self.number(a) == Some(1.0) => {
                self.probability(b, depth).map(|_| Probability::of(None))
            }
            _ => None,
        }
    }

    /// Probabilities times or by a number: a percentage. Those before it are meant.
    fn scaled(&self, values: NodeId, number: NodeId, depth: usize) -> Option<Probability> {
        self.number(number)?;
        let probability = self.probability(values, depth)?;
        Some(Probability { unscaled: probability.unscaled.or(Some(values)), ..probability })
    }

    /// Limits of 0 and 1, one after the other.
    fn unit_limits(&self, values: NodeId, function: Binary, limit: f64) -> Option<Probability> {
        let node = self.graph.node(values);
        let Op::Binary(inner, _) = node.op else { return None };
        let inner_limit =
            node.inputs.iter().find_map(|&input| self.number(input).map(|n| (input, n)));
        let is_unit = match (function, inner, inner_limit?.1) {
            (Binary::Maximum, Binary::Minimum, high) => limit == 0.0 && high == 1.0,
            (Binary::Minimum, Binary::Maximum, low) => limit == 1.0 && low == 0.0,
            _ => false,
        };
        is_unit.then(|| Probability::of(None))
    }

    /// Probabilities of two or more classes put together.
    fn joined(&self, id: NodeId, depth: usize) -> Option<Probability> {
        const MAX_PARTS: usize = 64;
        let node = self.graph.node(id);
        let parts = match node.op {
            Op::Concat => &node.inputs[..node.inputs.len().saturating_sub(1)],
            _ => &node.inputs[..],
        };
        if parts.is_empty() || parts.len() > MAX_PARTS {
            return None;
        }
        // The search branches here and nowhere else.
        let depth = depth / parts.len().max(2);
        for &part in parts {
            self.probability(part, depth)?;
        }
        match parts {
            &[one] => self.probability(one, depth),
            _ => Some(Probability::of(None)),
        }
    }

    /// `exp` of a log-softmax, or of `x` minus the logarithm of a sum.
    fn exponential(&self, exponent: NodeId, depth: usize) -> Option<Probability> {
        let exponent = self.through(exponent);
        let node = self.graph.node(exponent);
        match node.op {
            Op::Softmax { log: true } => Some(Probability::of(node.inputs.first().copied())),
            Op::Binary(Binary::Sub, _) => {
                let subtracted = *node.inputs.get(1)?;
                let is_log_sum = self.contains_log_sum(subtracted, depth.min(6));
                is_log_sum.then(|| Probability::of(node.inputs.first().copied()))
            }
            _ => None,
        }
    }

    fn contains_log_sum(&self, id: NodeId, depth: usize) -> bool {
        let Some(depth) = depth.checked_sub(1) else { return false };
        let node = self.graph.node(id);
        match node.op {
            Op::Unary(Unary::Log) => {
                let sum = node.inputs.first().map(|&input| self.through(input));
                sum.is_some_and(|sum| self.is_sum(sum))
            }
            Op::Binary(Binary::Add, _) => {
                node.inputs.iter().any(|&input| self.contains_log_sum(input, depth))
            }
            ref op if keeps_values(op) => {
                node.inputs.first().is_some_and(|&input| self.contains_log_sum(input, depth))
            }
            _ => false,
        }
    }

    /// The logits of `1 / (1 + exp(-x))`, given the denominator.
    fn sigmoid_denominator(&self, denominator: NodeId) -> Option<Probability> {
        let node = self.graph.node(denominator);
        let Op::Binary(Binary::Add, _) = node.op else { return None };
        let power = node.inputs.iter().copied().find(|&input| self.number(input) != Some(1.0))?;
        let has_one = node.inputs.iter().any(|&input| self.number(input) == Some(1.0));
        let power = self.graph.node(self.through(power));
        if !has_one || !matches!(power.op, Op::Unary(Unary::Exp)) {
            return None;
        }
        let exponent = self.graph.node(self.through(*power.inputs.first()?));
        match exponent.op {
            Op::Unary(Unary::Neg) => Some(Probability::of(exponent.inputs.first().copied())),
            _ => Some(Probability::of(None)),
        }
    }

    /// The scores that `powers` are powers of, without a maximum that is subtracted.
    fn exponent(&self, powers: NodeId) -> Option<NodeId> {
        let node = self.graph.node(self.through(powers));
        let exponent = match node.op {
            Op::Unary(Unary::Exp) => *node.inputs.first()?,
            _ => return None,
        };
        let shifted = self.graph.node(exponent);
        match (&shifted.op, shifted.inputs.as_slice()) {
            (Op::Binary(Binary::Sub, _), &[scores, max]) => {
                let max = self.graph.node(self.through(max));
                let is_max = matches!(max.op, Op::Reduce { kind: Reduction::Max, .. });
                Some(if is_max { scores } else { exponent })
            }
            _ => Some(exponent),
        }
    }

    /// True if `sum` is the sum of `values`, perhaps kept from zero.
    fn is_sum_of(&self, sum: NodeId, values: NodeId) -> bool {
        let sum = self.without_epsilon(self.through(sum));
        let node = self.graph.node(sum);
        let summed = node.inputs.first().map(|&input| self.through(input));
        self.is_sum(sum) && summed == Some(self.through(values))
    }

    fn is_reciprocal_sum(&self, id: NodeId, values: NodeId) -> bool {
        let node = self.graph.node(self.through(id));
        let input = |i: usize| node.inputs.get(i).copied();
        let denominator = match node.op {
            Op::Unary(Unary::Reciprocal) => input(0),
            Op::Binary(Binary::Pow, _) if input(1).and_then(|n| self.number(n)) == Some(-1.0) => {
                input(0)
            }
            Op::Binary(Binary::Div, _) if input(0).and_then(|n| self.number(n)) == Some(1.0) => {
                input(1)
            }
            _ => None,
        };
        denominator.is_some_and(|denominator| self.is_sum_of(denominator, values))
    }

    fn is_sum(&self, id: NodeId) -> bool {
        matches!(self.graph.node(id).op, Op::Reduce { kind: Reduction::Sum, .. })
    }

    /// Skips a summand or a maximum that is a constant.
    fn without_epsilon(&self, id: NodeId) -> NodeId {
        let node = self.graph.node(id);
        match (&node.op, node.inputs.as_slice()) {
            (Op::Binary(Binary::Add | Binary::Maximum, _), &[a, b]) => {
                if self.number(b).is_some() {
                    self.through(a)
                } else if self.number(a).is_some() {
                    self.through(b)
                } else {
                    id
                }
            }
            _ => id,
        }
    }

    /// Follows operations that keep values.
    fn through(&self, mut id: NodeId) -> NodeId {
        for _ in 0..MAX_DEPTH {
            let node = self.graph.node(id);
            match node.inputs.first() {
                Some(&input) if keeps_values(&node.op) => id = input,
                _ => break,
            }
        }
        id
    }

    /// The value of a constant of one element.
    fn number(&self, id: NodeId) -> Option<f64> {
        const DEPTH: usize = 3;
        match constant_values(self.graph, id, DEPTH)?.as_slice() {
            &[number] => Some(number),
            _ => None,
        }
    }
}

/// Values between 0 and 1 are probabilities of independent classes.
fn unit_clamp(clamp: Clamp) -> Option<Probability> {
    let is_unit = clamp.low == 0.0 && clamp.high == 1.0;
    is_unit.then_some(Probability::of(None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{DType, Tensor};

    /// A graph of logits to which nodes are added.
    struct Sketch {
        graph: Graph,
        logits: NodeId,
    }

    impl Sketch {
        fn new() -> Self {
            let mut graph = Graph::new();
            let op = Op::Input { dtype: DType::F32, shape: None };
            let logits = graph.add("logits", op, &[]);
            Self { graph, logits }
        }

        fn add(&mut self, op: Op, inputs: &[NodeId]) -> NodeId {
            let name = format!("node_{}", self.graph.nodes().len());
            self.graph.add(name, op, inputs)
        }

        fn number(&mut self, value: f32) -> NodeId {
            self.graph.constant("number", Tensor::scalar(value))
        }

        fn binary(&mut self, function: Binary, a: NodeId, b: NodeId) -> NodeId {
            self.add(Op::Binary(function, Clamp::NONE), &[a, b])
        }

        fn sum(&mut self, x: NodeId) -> NodeId {
            let axis = self.number(1.0);
            self.add(Op::Reduce { kind: Reduction::Sum, keep_dims: true }, &[x, axis])
        }

        fn exp(&mut self, x: NodeId) -> NodeId {
            self.add(Op::Unary(Unary::Exp), &[x])
        }

        #[track_caller]
        fn assert(&self, end: NodeId, logits: NodeId, probabilities: Option<NodeId>) {
            let expected = Answer { logits, probabilities, bounded_by: None };
            assert_eq!(answer(&self.graph, end), Some(expected));
        }
    }

    #[test]
    fn a_softmax_is_found_behind_what_keeps_its_values() {
        let mut sketch = Sketch::new();
        let softmax = sketch.add(Op::Softmax { log: false }, &[sketch.logits]);
        let mut end = softmax;
        for op in [Op::Identity, Op::Cast(DType::F32), Op::Squeeze { axes: vec![] }] {
            end = sketch.add(op, &[end]);
        }
        let [begin, size] = [0.0, 1.0].map(|value| sketch.number(value));
        end = sketch.add(Op::Slice, &[end, begin, size]);
        end = sketch.add(Op::Transpose, &[end, begin]);
        end = sketch.add(Op::Reduce { kind: Reduction::Mean, keep_dims: false }, &[end, begin]);
        end = sketch.binary(Binary::Minimum, end, size);
        end = sketch.binary(Binary::Maximum, end, begin);
        sketch.assert(end, sketch.logits, Some(end));
        let hundred = sketch.number(100.0);
        let percent = sketch.binary(Binary::Mul, end, hundred);
        sketch.assert(percent, sketch.logits, Some(end));
        let top = sketch.add(Op::TopK { indices: true }, &[softmax, size]);
        sketch.assert(top, sketch.logits, Some(softmax));
    }

    #[test]
    fn a_softmax_written_out_is_one() {
        let mut sketch = Sketch::new();
        let axis = sketch.number(1.0);
        let max = sketch
            .add(Op::Reduce { kind: Reduction::Max, keep_dims: true }, &[sketch.logits, axis]);
        let shifted = sketch.binary(Binary::Sub, sketch.logits, max);
        let powers = sketch.exp(shifted);
        let sum = sketch.sum(powers);
        let quotient = sketch.binary(Binary::Div, powers, sum);
        sketch.assert(quotient, sketch.logits, Some(quotient));
        let reciprocal = sketch.add(Op::Unary(Unary::Reciprocal), &[sum]);
        let product = sketch.binary(Binary::Mul, powers, reciprocal);
        sketch.assert(product, sketch.logits, Some(product));
        let log_sum = sketch.add(Op::Unary(Unary::Log), &[sum]);
        let log_probabilities = sketch.binary(Binary::Sub, shifted, log_sum);
        let again = sketch.exp(log_probabilities);
        sketch.assert(again, shifted, Some(again));
        // The logarithms themselves are scores before softmax.
        sketch.assert(log_probabilities, log_probabilities, None);
    }

    #[test]
    fn a_sigmoid_written_out_is_one() {
        let mut sketch = Sketch::new();
        let minus = sketch.add(Op::Unary(Unary::Neg), &[sketch.logits]);
        let power = sketch.exp(minus);
        let one = sketch.number(1.0);
        let denominator = sketch.binary(Binary::Add, one, power);
        let sigmoid = sketch.binary(Binary::Div, one, denominator);
        sketch.assert(sigmoid, sketch.logits, Some(sigmoid));
        let other = sketch.binary(Binary::Sub, one, sigmoid);
        let both = sketch.add(Op::Pack { axis: 1 }, &[other, sigmoid]);
        sketch.assert(both, both, Some(both));
        // (tanh(x / 2) + 1) / 2, and a tanh that is shifted only.
        let tanh = sketch.add(Op::Unary(Unary::Tanh), &[sketch.logits]);
        let shifted = sketch.binary(Binary::Add, tanh, one);
        let half = sketch.number(0.5);
        let sigmoid = sketch.binary(Binary::Mul, half, shifted);
        sketch.assert(sigmoid, sigmoid, Some(sigmoid));
        sketch.assert(shifted, shifted, None);
    }

    #[test]
    fn bounded_scores_are_no_probabilities() {
        let mut sketch = Sketch::new();
        let tanh = sketch.add(Op::Unary(Unary::Tanh), &[sketch.logits]);
        let tanh = sketch.add(Op::Reshape, &[tanh]);
        let square = sketch.add(Op::Unary(Unary::Square), &[sketch.logits]);
        let (sum, small) = (sketch.sum(square), sketch.number(1e-12));
        let sum = sketch.binary(Binary::Maximum, sum, small);
        let inverse = sketch.add(Op::Unary(Unary::Rsqrt), &[sum]);
        let unit = sketch.binary(Binary::Mul, sketch.logits, inverse);
        let scaled = sketch.binary(Binary::Mul, sketch.logits, small);
        for (end, bounded_by) in [
            (tanh, Some("tanh")),
            (unit, Some("a division by its length")),
            (scaled, None),
            (sketch.logits, None),
        ] {
            let expected = Answer { logits: end, probabilities: None, bounded_by };
            assert_eq!(answer(&sketch.graph, end), Some(expected));
        }
    }

    #[test]
    fn scores_and_unknown_choices_are_told_apart() {
        let mut sketch = Sketch::new();
        let axis = sketch.number(1.0);
        let best = Op::ArgExtreme { smallest: false, dtype: DType::I64 };
        let best = sketch.add(best, &[sketch.logits, axis]);
        sketch.assert(best, sketch.logits, None);
        let worst = Op::ArgExtreme { smallest: true, dtype: DType::I64 };
        let worst = sketch.add(worst, &[sketch.logits, axis]);
        assert_eq!(answer(&sketch.graph, worst), None);
        // The best probability, and the largest of some scores.
        let softmax = sketch.add(Op::Softmax { log: false }, &[sketch.logits]);
        let max = Op::Reduce { kind: Reduction::Max, keep_dims: false };
        let classes = sketch.number(-1.0);
        let last = sketch.add(max.clone(), &[softmax, classes]);
        sketch.assert(last, sketch.logits, Some(softmax));
        let of_scores = sketch.add(max, &[sketch.logits, classes]);
        sketch.assert(of_scores, of_scores, None);
        let half = sketch.number(0.5);
        let compared = sketch.binary(Binary::Greater, sketch.logits, half);
        assert_eq!(answer(&sketch.graph, compared), None);
        let relu = sketch.add(Op::Clamp(Clamp::RELU), &[sketch.logits]);
        sketch.assert(relu, relu, None);
    }
}
