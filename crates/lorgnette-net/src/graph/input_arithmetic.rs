//! The arithmetic on a picture between two nodes of a graph: each channel's factor and summand.

use super::op::{Op, Reduction, SliceMasks};
use super::{Graph, NodeId};
use lorgnette_kernels::{Binary, Unary};

/// The arithmetic that a graph itself does on the picture before its first layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InputArithmetic {
    /// The factor of each channel, in the order in which channels are fed; one if all are alike.
    pub factors: Vec<f64>,
    /// The summand of each channel, after the factor; as many as factors.
    pub summands: Vec<f64>,
    /// The nodes that change values, in the order of computation.
    pub nodes: Vec<String>,
    /// Whether the picture's own mean is subtracted, so that its scale hardly matters.
    pub subtracts_own_mean: bool,
    /// Whether the channels are reversed.
    pub reverses_channels: bool,
    /// Rows and columns after the last resize.
    pub resized: Option<[usize; 2]>,
    /// Whether every operation up to the end is known.
    pub is_complete: bool,
}

/// Follows the only reader of each value from `start`, up to `end` or the first operation that is
/// no arithmetic on single values.
pub(crate) fn input_arithmetic(
    graph: &Graph,
    start: NodeId,
    end: Option<NodeId>,
) -> InputArithmetic {
    let mut walk = Walk {
        graph,
        readers: readers(graph),
        factors: vec![1.0],
        summands: vec![0.0],
        result: InputArithmetic::default(),
    };
    let mut current = start;
    while Some(current) != end {
        let Some(next) = walk.next(current) else { break };
        current = next;
    }
    walk.finish(Some(current) == end)
}

/// Channels of a picture with alpha.
const MAX_CHANNELS: usize = 4;

struct Walk<'a> {
    graph: &'a Graph,
    readers: Vec<Vec<NodeId>>,
    factors: Vec<f64>,
    summands: Vec<f64>,
    result: InputArithmetic,
}

fn readers(graph: &Graph) -> Vec<Vec<NodeId>> {
    let mut readers = vec![Vec::new(); graph.nodes().len()];
    for (id, node) in graph.iter() {
        for input in &node.inputs {
            if readers[input.index()].last() != Some(&id) {
                readers[input.index()].push(id);
            }
        }
    }
    readers
}

impl Walk<'_> {
    fn finish(mut self, is_complete: bool) -> InputArithmetic {
        if self.result.reverses_channels {
            self.factors.reverse();
            self.summands.reverse();
        }
        self.result.is_complete = is_complete;
        InputArithmetic { factors: self.factors, summands: self.summands, ..self.result }
    }

    /// Returns the node after `current`, if it is known what that does to each value.
    fn next(&mut self, current: NodeId) -> Option<NodeId> {
        match *self.readers[current.index()].as_slice() {
            [reader] => self.step(current, reader).then_some(reader),
            ref several => {
                let several = several.to_vec();
                self.result.subtracts_own_mean |= several.iter().any(|&id| self.is_mean(id));
                self.by_channel(&several)
            }
        }
    }

    fn is_mean(&self, id: NodeId) -> bool {
        matches!(self.graph.node(id).op, Op::Reduce { kind: Reduction::Mean, .. })
    }

    /// Applies the operation of `reader`; false if it is no arithmetic on single values.
    fn step(&mut self, current: NodeId, reader: NodeId) -> bool {
        let node = self.graph.node(reader);
        let is_first = node.inputs.first() == Some(&current);
        match &node.op {
            Op::Identity | Op::Cast(_) | Op::Squeeze { .. } | Op::Pack { .. } | Op::Clamp(_) => {
                true
            }
            Op::Reshape | Op::ExpandDims | Op::Transpose | Op::Pad(_) | Op::Slice => is_first,
            Op::StridedSlice(masks) => is_first && self.strided_slice(*masks, reader),
            Op::Unary(Unary::Floor | Unary::Round) => true,
            Op::Unary(Unary::Neg) => self.apply(reader, &[-1.0], &[0.0]),
            Op::Resize(_) | Op::ResizeBicubic(_) => {
                let size = node.inputs.get(1).and_then(|&id| self.values(id));
                if let Some(&[rows, columns]) = size.as_deref() {
                    self.result.resized = Some([rows as usize, columns as usize]);
                }
                is_first
            }
            Op::Reverse | Op::Gather => is_first && self.reverse(reader),
            Op::Binary(function, _) => self.binary(*function, current, reader),
            Op::BatchNorm { epsilon } => is_first && self.batch_norm(f64::from(*epsilon), reader),
            _ => false,
        }
    }

    /// A reversal of channels, by `Reverse` or by gathering 2, 1, 0. That of rows or columns
    /// passes.
    fn reverse(&mut self, reader: NodeId) -> bool {
        let node = self.graph.node(reader);
        let numbers = |i: usize| node.inputs.get(i).and_then(|&id| self.values(id));
        let reverses = match node.op {
            Op::Gather => {
                if numbers(1).as_deref() != Some(&[2.0, 1.0, 0.0]) {
                    return false;
                }
                true
            }
            _ => match numbers(1).as_deref() {
                Some(&[axis]) => axis == -1.0 || axis == 3.0,
                _ => false,
            },
        };
        if reverses {
            self.reverse_channels(reader);
        }
        true
    }

    /// A slice with strides: `x[..., ::-1]` reverses channels. Others pass.
    fn strided_slice(&mut self, masks: SliceMasks, reader: NodeId) -> bool {
        /// Dimensions of a batch of pictures.
        const RANK: usize = 4;
        let strides = self.graph.node(reader).inputs.get(3).and_then(|&id| self.values(id));
        let Some(strides) = strides else { return true };
        let covers_channels = strides.len() == RANK
            || (masks.ellipsis != 0 && masks.ellipsis >> (strides.len() - 1) == 0);
        if covers_channels && strides.last() == Some(&-1.0) {
            self.reverse_channels(reader);
        }
        true
    }

    fn reverse_channels(&mut self, reader: NodeId) {
        self.factors.reverse();
        self.summands.reverse();
        self.result.reverses_channels = !self.result.reverses_channels;
        self.result.nodes.push(self.graph.node(reader).name.clone());
    }

    fn binary(&mut self, function: Binary, current: NodeId, reader: NodeId) -> bool {
        let inputs = &self.graph.node(reader).inputs;
        let is_first = inputs[0] == current;
        let other = if is_first { inputs[1] } else { inputs[0] };
        let Some(numbers) = self.values(other).map(|values| self.by_channels(&values)) else {
            return false;
        };
        let negated = || numbers.iter().map(|number| -number).collect::<Vec<_>>();
        let inverse = || numbers.iter().map(|number| 1.0 / number).collect::<Vec<_>>();
        match (function, is_first) {
            (Binary::Add, _) => self.apply(reader, &[1.0], &numbers),
            (Binary::Sub, true) => self.apply(reader, &[1.0], &negated()),
            (Binary::Sub, false) => self.apply(reader, &[-1.0], &numbers),
            (Binary::Mul, _) => self.apply(reader, &numbers, &[0.0]),
            (Binary::Div | Binary::DivNoNan, true) => self.apply(reader, &inverse(), &[0.0]),
            (Binary::Maximum | Binary::Minimum, _) => true,
            _ => false,
        }
    }

    fn batch_norm(&mut self, epsilon: f64, reader: NodeId) -> bool {
        let inputs = &self.graph.node(reader).inputs;
        let values: Option<Vec<Vec<f64>>> = (1..5).map(|i| self.values(*inputs.get(i)?)).collect();
        let Some([scale, offset, mean, variance]) =
            values.as_deref().and_then(|values| values.first_chunk::<4>())
        else {
            return false;
        };
        let at = |values: &[f64], i: usize| values.get(i).or(values.first()).copied();
        let mut factors = Vec::new();
        let mut summands = Vec::new();
        for (i, mean) in mean.iter().enumerate() {
            let (Some(scale), Some(offset)) = (at(scale, i), at(offset, i)) else { return false };
            let Some(variance) = at(variance, i) else { return false };
            let factor = scale / (variance + epsilon).sqrt();
            factors.push(factor);
            summands.push(offset - mean * factor);
        }
        self.apply(reader, &factors, &summands)
    }

    /// Adds `x * factor + summand`, one for all channels or one for each.
    fn apply(&mut self, reader: NodeId, factors: &[f64], summands: &[f64]) -> bool {
        let channels = self.factors.len().max(factors.len()).max(summands.len());
        let at = |values: &[f64], i: usize| match values {
            [one] => Some(*one),
            _ => values.get(i).copied(),
        };
        let mut combined = (Vec::new(), Vec::new());
        for i in 0..channels {
            let terms =
                [at(&self.factors, i), at(&self.summands, i), at(factors, i), at(summands, i)];
            let [Some(a), Some(b), Some(factor), Some(summand)] = terms else { return false };
            combined.0.push(a * factor);
            combined.1.push(b * factor + summand);
        }
        (self.factors, self.summands) = combined;
        self.result.nodes.push(self.graph.node(reader).name.clone());
        true
    }

    /// Follows channels that are taken apart, changed one by one, and put together, perhaps in the
    /// opposite order. Returns the node that puts them together.
    fn by_channel(&mut self, parts: &[NodeId]) -> Option<NodeId> {
        if parts.len() > MAX_CHANNELS {
            return None;
        }
        let mut changes = vec![(1.0, 0.0); parts.len()];
        let mut joined_at = None;
        let mut places = vec![0; parts.len()];
        for &part in parts {
            let (Op::Split { index, .. } | Op::Unpack { index, .. }) = self.graph.node(part).op
            else {
                return None;
            };
            let mut channel = Walk {
                graph: self.graph,
                readers: self.readers.clone(),
                factors: vec![1.0],
                summands: vec![0.0],
                result: InputArithmetic::default(),
            };
            let mut current = part;
            let join = loop {
                let &[reader] = self.readers[current.index()].as_slice() else { return None };
                if matches!(self.graph.node(reader).op, Op::Concat | Op::Pack { .. }) {
                    break reader;
                }
                if !channel.step(current, reader) {
                    return None;
                }
                current = reader;
            };
            if *joined_at.get_or_insert(join) != join || index >= parts.len() {
                return None;
            }
            let inputs = &self.graph.node(join).inputs;
            places[index] = inputs.iter().position(|&input| input == current)?;
            changes[index] = (*channel.factors.first()?, *channel.summands.first()?);
            self.result.nodes.extend(channel.result.nodes);
        }
        let join = joined_at?;
        let (factors, summands): (Vec<f64>, Vec<f64>) = changes.into_iter().unzip();
        self.apply(join, &factors, &summands).then_some(())?;
        if places.len() > 1 && places.is_sorted_by(|a, b| a > b) {
            self.factors.reverse();
            self.summands.reverse();
            self.result.reverses_channels = !self.result.reverses_channels;
        }
        Some(join)
    }

    /// Reduces a constant to one number, or one for each channel. A mean picture becomes its mean.
    fn by_channels(&self, values: &[f64]) -> Vec<f64> {
        if values.len() <= MAX_CHANNELS {
            return values.to_vec();
        }
        vec![values.iter().sum::<f64>() / values.len() as f64]
    }

    /// Returns the values of a constant, possibly computed from others by simple functions.
    fn values(&self, id: NodeId) -> Option<Vec<f64>> {
        const MAX_DEPTH: usize = 8;
        constant_values(self.graph, id, MAX_DEPTH)
    }
}

/// Returns the values of a node that depends on constants alone.
pub(super) fn constant_values(graph: &Graph, id: NodeId, depth: usize) -> Option<Vec<f64>> {
    /// Elements of a mean picture.
    const MAX_VALUES: usize = 1 << 20;
    let depth = depth.checked_sub(1)?;
    let node = graph.node(id);
    let floats = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
    let input = |i: usize| constant_values(graph, *node.inputs.get(i)?, depth);
    match &node.op {
        Op::Const(tensor) => {
            let is_number = tensor.dtype() != crate::tensor::DType::String;
            (is_number && (1..=MAX_VALUES).contains(&tensor.len())).then(|| floats(tensor.to_f32()))
        }
        Op::Variable(lazy) if (1..=MAX_VALUES).contains(&lazy.len()) => {
            lazy.read().ok().map(|tensor| floats(tensor.to_f32()))
        }
        Op::Identity | Op::Cast(_) | Op::Reshape | Op::ExpandDims | Op::Squeeze { .. } => input(0),
        Op::Unary(function @ (Unary::Neg | Unary::Reciprocal | Unary::Sqrt | Unary::Rsqrt)) => {
            let apply = |value: f64| match function {
                Unary::Neg => -value,
                Unary::Reciprocal => 1.0 / value,
                Unary::Sqrt => value.sqrt(),
                _ => 1.0 / value.sqrt(),
            };
            input(0).map(|values| values.into_iter().map(apply).collect())
        }
        Op::Binary(function, _) => {
            let (a, b) = (input(0)?, input(1)?);
            let count = a.len().max(b.len());
            let at = |values: &[f64], i: usize| {
                values.get(if values.len() == 1 { 0 } else { i }).copied()
            };
            let pair =
                |i: usize| Some(f64::from(function.apply(at(&a, i)? as f32, at(&b, i)? as f32)));
            (0..count).map(pair).collect()
        }
        Op::Pack { .. } if node.inputs.len() <= MAX_CHANNELS => {
            let parts: Option<Vec<Vec<f64>>> = (0..node.inputs.len()).map(input).collect();
            Some(parts?.concat())
        }
        _ => None,
    }
}
