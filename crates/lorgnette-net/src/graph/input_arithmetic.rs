//! The arithmetic on a picture between two nodes of a graph: each channel's factor and summand.

use super::op::{Op, Reduction, Resize};
use super::shape::is_comparison;
use super::{Graph, NodeId};
use lorgnette_kernels::{Binary, Unary};

/// The range that a graph limits values to, in values of the picture that it is fed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputLimits {
    /// The lowest value that is not limited.
    pub low: f64,
    /// The highest value that is not limited.
    pub high: f64,
}

/// The arithmetic that a graph itself does on the picture before its first layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InputArithmetic {
    /// The factor of each channel, in the order in which channels are fed; one if all are alike.
    pub factors: Vec<f64>,
    /// The summand of each channel, after the factor; as many as factors.
    pub summands: Vec<f64>,
    /// The nodes that change values, in the order of computation.
    pub nodes: Vec<String>,
    /// The range that values are limited to, if there are limits on both sides.
    pub limits: Option<InputLimits>,
    /// Whether the picture's own mean, sum or extremes come into it, so that its scale hardly
    /// matters.
    pub normalises_itself: bool,
    /// Whether the channels are reversed.
    pub reverses_channels: bool,
    /// Rows and columns after the last resize.
    pub resized: Option<[usize; 2]>,
    /// The node of the last resize, if it is not the bilinear one of TensorFlow 1.
    pub resizes_otherwise: Option<String>,
    /// Whether every operation up to the end is known.
    pub is_complete: bool,
    /// Whether it starts from integers, which are levels.
    pub starts_from_integers: bool,
}

/// Follows the picture from `start` through every operation that only moves values, or multiplies
/// and adds numbers: up to `end`, or to where layers begin.
pub(crate) fn input_arithmetic(
    graph: &Graph,
    start: NodeId,
    end: Option<NodeId>,
) -> InputArithmetic {
    let mut walk = Walk {
        graph,
        known: vec![None; graph.nodes().len()],
        at_layers: None,
        statistic_of: None,
        limits: InputLimits { low: f64::NEG_INFINITY, high: f64::INFINITY },
        result: InputArithmetic::default(),
    };
    walk.known[start.index()] = Some(Linear::unchanged());
    walk.result.starts_from_integers =
        matches!(&graph.node(start).op, Op::Input { dtype, .. } if !dtype.is_float());
    for (id, node) in graph.iter().skip(start.index() + 1) {
        let linear: Vec<usize> =
            (0..node.inputs.len()).filter(|&i| walk.linear(id, i).is_some()).collect();
        if !linear.is_empty() {
            walk.visit(id, &linear);
        }
        if Some(id) == end {
            break;
        }
    }
    walk.finish(end)
}

/// Channels of a picture with alpha.
const MAX_CHANNELS: usize = 4;

/// Values that follow from those of the picture: `factor * v + summand`.
#[derive(Clone, Debug, PartialEq)]
struct Linear {
    /// One for all channels, or one for each in the order that they have here.
    factors: Vec<f64>,
    summands: Vec<f64>,
    is_reversed: bool,
    /// The number of the first channel, if they are a part of the picture's.
    channel: Option<usize>,
}

impl Linear {
    fn unchanged() -> Self {
        Self { factors: vec![1.0], summands: vec![0.0], is_reversed: false, channel: None }
    }

    fn reversed(mut self) -> Self {
        self.factors.reverse();
        self.summands.reverse();
        self.is_reversed = !self.is_reversed;
        self
    }

    /// Returns `x * factor + summand` of these values, one for all channels or one for each.
    fn applied(&self, factors: &[f64], summands: &[f64]) -> Option<Self> {
        let channels = self.factors.len().max(factors.len()).max(summands.len());
        let mut applied = Self { factors: Vec::new(), summands: Vec::new(), ..*self };
        for i in 0..channels {
            let (a, b) = (at(&self.factors, i)?, at(&self.summands, i)?);
            let (factor, summand) = (at(factors, i)?, at(summands, i)?);
            applied.factors.push(a * factor);
            applied.summands.push(b * factor + summand);
        }
        Some(applied)
    }

    /// Returns the sum of these values and others of the same picture.
    fn plus(&self, other: &Self) -> Option<Self> {
        let is_alike = (self.is_reversed, self.channel) == (other.is_reversed, other.channel);
        let channels = self.factors.len().max(other.factors.len());
        let mut sum = Self { factors: Vec::new(), summands: Vec::new(), ..*self };
        for i in 0..channels {
            sum.factors.push(at(&self.factors, i)? + at(&other.factors, i)?);
            sum.summands.push(at(&self.summands, i)? + at(&other.summands, i)?);
        }
        is_alike.then_some(sum)
    }

    /// Returns one channel.
    fn channel(&self, index: usize) -> Option<Self> {
        Some(Self {
            factors: vec![at(&self.factors, index)?],
            summands: vec![at(&self.summands, index)?],
            is_reversed: self.is_reversed,
            channel: Some(index),
        })
    }

    /// Returns `count` channels from `first` on, each with its own factor and summand.
    fn channels(&self, first: usize, count: usize) -> Option<Self> {
        let places = first..first + count;
        let factors: Option<Vec<f64>> = places.clone().map(|i| at(&self.factors, i)).collect();
        let summands: Option<Vec<f64>> = places.map(|i| at(&self.summands, i)).collect();
        Some(Self {
            factors: factors?,
            summands: summands?,
            is_reversed: self.is_reversed,
            channel: Some(first),
        })
    }

    /// Returns the weighted sum over channels.
    fn mixed(&self, weights: &[f64]) -> Option<Self> {
        let (mut factor, mut summand) = (0.0, 0.0);
        for (i, weight) in weights.iter().enumerate() {
            factor += at(&self.factors, i)? * weight;
            summand += at(&self.summands, i)? * weight;
        }
        Some(Self { factors: vec![factor], summands: vec![summand], ..Self::unchanged() })
    }

    /// Returns channels that are put together, in order or in the opposite order; pictures that are
    /// alike.
    fn joined(parts: &[&Self]) -> Option<Self> {
        let (&first, rest) = parts.split_first()?;
        if rest.iter().all(|part| *part == first) {
            return Some(Self { channel: None, ..first.clone() });
        }
        let places: Option<Vec<usize>> = parts.iter().map(|part| part.channel).collect();
        let places = places.filter(|places| places.len() <= MAX_CHANNELS)?;
        let joined = Self {
            factors: parts.iter().flat_map(|part| part.factors.iter().copied()).collect(),
            summands: parts.iter().flat_map(|part| part.summands.iter().copied()).collect(),
            is_reversed: first.is_reversed,
            channel: None,
        };
        let are_single = parts.iter().all(|part| part.factors.len() == 1);
        if places.is_sorted_by(|a, b| a < b) {
            Some(joined)
        } else if are_single && places.is_sorted_by(|a, b| a > b) {
            Some(Self { is_reversed: !first.is_reversed, ..joined })
        } else {
            None
        }
    }
}

/// Returns number `i`, or the only one.
fn at(numbers: &[f64], i: usize) -> Option<f64> {
    match numbers {
        [one] => Some(*one),
        _ => numbers.get(i).copied(),
    }
}

/// The values that an operation makes of the picture's.
enum Made {
    /// Others that are linear in them.
    Linear(Linear),
    /// No picture: a size, a mean, a comparison.
    Number,
    /// Anything else, as a layer does.
    Layer,
}

struct Walk<'a> {
    graph: &'a Graph,
    /// The values of each node that is linear in the picture.
    known: Vec<Option<Linear>>,
    /// The values that layers read; the picture's own if they differ.
    at_layers: Option<Linear>,
    /// The values that a mean, a sum or an extreme of the whole picture is of.
    statistic_of: Option<Linear>,
    /// The limits so far, in values of the picture.
    limits: InputLimits,
    result: InputArithmetic,
}

impl Walk<'_> {
    fn finish(mut self, end: Option<NodeId>) -> InputArithmetic {
        let at_end = end.and_then(|end| self.known[end.index()].take());
        self.result.is_complete = at_end.is_some();
        let is_limited = self.limits.low.is_finite() && self.limits.high.is_finite();
        self.result.limits = is_limited.then_some(self.limits);
        self.result.normalises_itself = self.statistic_of.is_some() && self.at_layers.is_some();
        let found =
            at_end.or(self.at_layers).or(self.statistic_of).unwrap_or_else(Linear::unchanged);
        let is_reversed = found.is_reversed;
        // The order in which they are fed.
        let Linear { factors, summands, .. } = if is_reversed { found.reversed() } else { found };
        InputArithmetic { factors, summands, reverses_channels: is_reversed, ..self.result }
    }

    fn linear(&self, id: NodeId, input: usize) -> Option<&Linear> {
        self.known[self.graph.node(id).inputs[input].index()].as_ref()
    }

    /// Notes the values of a node of which the inputs `linear` are linear.
    fn visit(&mut self, id: NodeId, linear: &[usize]) {
        let Some(before) = self.linear(id, linear[0]).cloned() else { return };
        match self.made(id, linear, &before) {
            Made::Linear(after) => {
                let node = self.graph.node(id);
                let is_changed = (&after.factors, &after.summands, after.is_reversed)
                    != (&before.factors, &before.summands, before.is_reversed);
                let is_part = after.channel.is_some() && before.channel.is_none();
                if is_changed && !is_part {
                    self.result.nodes.push(node.name.clone());
                }
                self.known[id.index()] = Some(after);
            }
            Made::Number => {}
            Made::Layer => {
                let is_known = self.at_layers.as_ref().is_none_or(|known| *known == before);
                self.at_layers = Some(if is_known { before } else { Linear::unchanged() });
            }
        }
    }

    fn made(&mut self, id: NodeId, linear: &[usize], x: &Linear) -> Made {
        let node = self.graph.node(id);
        let first = linear[0] == 0;
        let same = || Made::Linear(x.clone());
        let or_layer = |linear: Option<Linear>| linear.map_or(Made::Layer, Made::Linear);
        match &node.op {
            Op::Shape(_) | Op::Size(_) | Op::Rank | Op::ArgExtreme { .. } => Made::Number,
            Op::Identity | Op::Cast(_) | Op::Squeeze { .. } => same(),
            Op::Clamp(clamp) => {
                let (low, high) = (f64::from(clamp.low), f64::from(clamp.high));
                self.limit(id, x, InputLimits { low, high });
                same()
            }
            Op::Reshape
            | Op::ExpandDims
            | Op::Transpose
            | Op::Pad(_)
            | Op::Tile
            | Op::BroadcastTo
                if first =>
            {
                same()
            }
            Op::Unary(Unary::Floor | Unary::Round) => same(),
            Op::Unary(Unary::Neg) => or_layer(x.applied(&[-1.0], &[0.0])),
            Op::Resize(_) | Op::ResizeBicubic(_) | Op::Resample(_) if first => {
                self.note_size(id);
                same()
            }
            Op::Slice | Op::StridedSlice(_) | Op::Reverse | Op::Gather if first => {
                or_layer(self.moved(id, x))
            }
            Op::Split { index, .. } | Op::Unpack { index, .. } if *index < MAX_CHANNELS => {
                or_layer(x.channel(*index))
            }
            Op::SplitV { index } if first => or_layer(self.split(id, x, *index)),
            Op::Concat | Op::Pack { .. } => or_layer(self.joined(id)),
            Op::Select => self.selected(id, linear),
            Op::Reduce { kind, .. } => self.reduced(id, *kind, x),
            Op::MatMul(_) if first => or_layer(self.mixed(id, x)),
            Op::Conv2d(_) | Op::DepthwiseConv2d(_) if first => or_layer(self.pixelwise(id, x)),
            Op::Unary(Unary::Square) => self.squared(id, x),
            Op::Binary(function, _) => self.binary(id, *function, linear),
            Op::BatchNorm { epsilon } if first => {
                or_layer(self.batch_norm(id, f64::from(*epsilon), x))
            }
            _ => Made::Layer,
        }
    }

    /// Notes the limits of values `x`, if they are those of all channels alike.
    fn limit(&mut self, id: NodeId, x: &Linear, limits: InputLimits) {
        let (&[factor], &[summand]) = (x.factors.as_slice(), x.summands.as_slice()) else { return };
        if factor <= 0.0 {
            return;
        }
        self.limits.low = self.limits.low.max((limits.low - summand) / factor);
        self.limits.high = self.limits.high.min((limits.high - summand) / factor);
        self.result.nodes.push(self.graph.node(id).name.clone());
    }

    fn note_size(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        let size = node.inputs.last().and_then(|&id| self.values(id));
        if let Some(&[rows, columns]) = size.as_deref() {
            self.result.resized = Some([rows as usize, columns as usize]);
        }
        let is_plain = match node.op {
            Op::Resize(Resize { bilinear, how }) => bilinear && how == Default::default(),
            _ => false,
        };
        self.result.resizes_otherwise = (!is_plain).then(|| node.name.clone());
    }

    /// A slice, a reversal or a selection. Channels may be reversed, or one of them taken.
    fn moved(&self, id: NodeId, x: &Linear) -> Option<Linear> {
        /// Dimensions of a batch of pictures.
        const RANK: usize = 4;
        let node = self.graph.node(id);
        let numbers = |i: usize| node.inputs.get(i).and_then(|&id| self.values(id));
        match &node.op {
            Op::Reverse => match numbers(1)?.as_slice() {
                [-1.0 | 3.0] => Some(x.clone().reversed()),
                [_] => Some(x.clone()),
                _ => None,
            },
            Op::Gather => (numbers(1)? == [2.0, 1.0, 0.0]).then(|| x.clone().reversed()),
            Op::StridedSlice(masks) => {
                let Some(strides) = numbers(3).filter(|strides| !strides.is_empty()) else {
                    return Some(x.clone());
                };
                let last = strides.len() - 1;
                let covers_channels =
                    strides.len() == RANK || (masks.ellipsis != 0 && masks.ellipsis >> last == 0);
                if covers_channels && strides[last] == -1.0 {
                    return Some(x.clone().reversed());
                }
                let has_bounds = (masks.begin | masks.end) >> last & 1 == 0;
                let is_one = masks.shrink_axis >> last & 1 == 1 || has_bounds;
                let (Some(begin), Some(end), true) =
                    (numbers(1), numbers(2), covers_channels && is_one)
                else {
                    return Some(x.clone());
                };
                few_channels(x, begin[last], end[last] - begin[last])
            }
            Op::Slice => match (numbers(1).as_deref(), numbers(2).as_deref()) {
                (Some(&[_, _, _, begin]), Some(&[_, _, _, count])) => few_channels(x, begin, count),
                _ => Some(x.clone()),
            },
            _ => None,
        }
    }

    /// Part `index` of several lengths: one channel, or a part of the picture.
    fn split(&self, id: NodeId, x: &Linear, index: usize) -> Option<Linear> {
        let inputs = &self.graph.node(id).inputs;
        let sizes = self.values(*inputs.get(1)?)?;
        let axis = self.values(*inputs.get(2)?)?;
        match axis.as_slice() {
            [-1.0 | 3.0] => few_channels(x, sizes.get(..index)?.iter().sum(), *sizes.get(index)?),
            _ => Some(x.clone()),
        }
    }

    fn joined(&self, id: NodeId) -> Option<Linear> {
        let node = self.graph.node(id);
        let count = node.inputs.len() - usize::from(matches!(node.op, Op::Concat));
        let parts: Option<Vec<&Linear>> = (0..count).map(|i| self.linear(id, i)).collect();
        Linear::joined(&parts?)
    }

    /// A choice between the picture and a constant, or between equal values.
    fn selected(&self, id: NodeId, linear: &[usize]) -> Made {
        let inputs = &self.graph.node(id).inputs;
        let is_number = |i: usize| match self.linear(id, i) {
            // As `zeros_like` is made.
            Some(linear) => linear.factors.iter().all(|factor| *factor == 0.0),
            None => self.values(inputs[i]).is_some(),
        };
        let picture = linear.iter().find(|&&i| i > 0 && !is_number(i));
        let Some(x) = picture.and_then(|&i| self.linear(id, i)) else { return Made::Layer };
        let all = (1..3).all(|i| self.linear(id, i) == Some(x) || is_number(i));
        if all { Made::Linear(x.clone()) } else { Made::Layer }
    }

    /// A sum over channels is a mixture; any other reduction is a number of the whole picture.
    fn reduced(&mut self, id: NodeId, kind: Reduction, x: &Linear) -> Made {
        let axes = self.graph.node(id).inputs.get(1).and_then(|&id| self.values(id));
        let is_over_channels = matches!(axes.as_deref(), Some([-1.0 | 3.0]));
        let weight = match kind {
            Reduction::Sum => Some(1.0),
            Reduction::Mean => Some(1.0 / COLOURS as f64),
            _ => None,
        };
        if let Some(weight) = weight.filter(|_| is_over_channels) {
            return x.mixed(&[weight; COLOURS]).map_or(Made::Layer, Made::Linear);
        }
        let is_statistic =
            matches!(kind, Reduction::Mean | Reduction::Sum | Reduction::Max | Reduction::Min);
        if is_statistic && !is_over_channels {
            self.statistic_of.get_or_insert_with(|| x.clone());
        }
        Made::Number
    }

    /// Squares, which are part of a statistic if they are summed.
    fn squared(&mut self, id: NodeId, x: &Linear) -> Made {
        let is_sum =
            |op: &Op| matches!(op, Op::Reduce { kind: Reduction::Sum | Reduction::Mean, .. });
        let mut readers = self.graph.iter().filter(|(_, node)| node.inputs.contains(&id));
        if !readers.any(|(_, node)| is_sum(&node.op)) {
            return Made::Layer;
        }
        self.statistic_of.get_or_insert_with(|| x.clone());
        Made::Number
    }

    /// A product with one weight for each channel, as grey is made, or with a matrix that keeps
    /// channels apart.
    fn mixed(&self, id: NodeId, x: &Linear) -> Option<Linear> {
        let weights = self.values(*self.graph.node(id).inputs.get(1)?)?;
        match weights.len() {
            COLOURS => x.mixed(&weights),
            _ => apart(x, &weights),
        }
    }

    /// A convolution of single pixels that keeps channels apart.
    fn pixelwise(&self, id: NodeId, x: &Linear) -> Option<Linear> {
        let node = self.graph.node(id);
        let filter = *node.inputs.get(1)?;
        let shape = self.graph.stored_shape(filter)?;
        let weights = self.values(filter).filter(|_| shape.starts_with(&[1, 1, COLOURS]))?;
        match &node.op {
            Op::DepthwiseConv2d(conv) if conv.stride == [1, 1] && weights.len() == COLOURS => {
                x.applied(&weights, &[0.0])
            }
            Op::Conv2d(conv) if conv.stride == [1, 1] => apart(x, &weights),
            _ => None,
        }
    }

    fn binary(&mut self, id: NodeId, function: Binary, linear: &[usize]) -> Made {
        if is_comparison(function) {
            return Made::Number;
        }
        let made = match *linear {
            [0, 1] => self.combined(id, function),
            [i] => {
                self.limit_by_constant(id, function, i);
                self.with_constant(id, function, i)
            }
            _ => None,
        };
        made.map_or(Made::Layer, Made::Linear)
    }

    /// Two values of the same picture.
    fn combined(&self, id: NodeId, function: Binary) -> Option<Linear> {
        let (a, b) = (self.linear(id, 0)?, self.linear(id, 1)?);
        match function {
            Binary::Add => a.plus(b),
            Binary::Sub => a.plus(&b.applied(&[-1.0], &[0.0])?),
            _ => None,
        }
    }

    fn limit_by_constant(&mut self, id: NodeId, function: Binary, linear: usize) {
        let constant = self.values(self.graph.node(id).inputs[1 - linear]);
        let (Some(&[limit]), Some(x)) = (constant.as_deref(), self.linear(id, linear).cloned())
        else {
            return;
        };
        match function {
            Binary::Maximum => self.limit(id, &x, InputLimits { low: limit, high: f64::INFINITY }),
            Binary::Minimum => {
                self.limit(id, &x, InputLimits { low: f64::NEG_INFINITY, high: limit });
            }
            // Values below it are their own remainders.
            Binary::FloorMod if linear == 0 && limit > 0.0 => {
                self.limit(id, &x, InputLimits { low: 0.0, high: limit });
            }
            _ => {}
        }
    }

    fn with_constant(&self, id: NodeId, function: Binary, linear: usize) -> Option<Linear> {
        let x = self.linear(id, linear)?;
        let other = self.graph.node(id).inputs[1 - linear];
        let numbers = self.values(other).map(|values| by_channels(&values))?;
        let negated = || numbers.iter().map(|number| -number).collect::<Vec<_>>();
        let inverse = || numbers.iter().map(|number| 1.0 / number).collect::<Vec<_>>();
        match (function, linear) {
            (Binary::Add, _) => x.applied(&[1.0], &numbers),
            (Binary::Sub, 0) => x.applied(&[1.0], &negated()),
            (Binary::Sub, _) => x.applied(&[-1.0], &numbers),
            (Binary::Mul, _) => x.applied(&numbers, &[0.0]),
            (Binary::Div | Binary::DivNoNan, 0) => x.applied(&inverse(), &[0.0]),
            (Binary::Maximum | Binary::Minimum, _) | (Binary::FloorMod, 0) => Some(x.clone()),
            _ => None,
        }
    }

    fn batch_norm(&self, id: NodeId, epsilon: f64, x: &Linear) -> Option<Linear> {
        let inputs = &self.graph.node(id).inputs;
        let values: Option<Vec<Vec<f64>>> = (1..5).map(|i| self.values(*inputs.get(i)?)).collect();
        let values = values?;
        let [scale, offset, mean, variance] = values.first_chunk::<4>()?;
        let mut factors = Vec::new();
        let mut summands = Vec::new();
        for (i, mean) in mean.iter().enumerate() {
            let factor = at(scale, i)? / (at(variance, i)? + epsilon).sqrt();
            factors.push(factor);
            summands.push(at(offset, i)? - mean * factor);
        }
        x.applied(&factors, &summands)
    }

    /// Returns the values of a constant, possibly computed from others by simple functions.
    fn values(&self, id: NodeId) -> Option<Vec<f64>> {
        const MAX_DEPTH: usize = 8;
        constant_values(self.graph, id, MAX_DEPTH)
    }
}

/// Channels of a colour picture.
const COLOURS: usize = 3;

/// Returns the one or two channels that a slice of `count` channels from `begin` takes; all
/// channels if it takes more, as of a picture with alpha.
fn few_channels(x: &Linear, begin: f64, count: f64) -> Option<Linear> {
    if begin < 0.0 || x.channel.is_some() {
        return Some(x.clone());
    }
    match count {
        1.0 => x.channel(begin as usize),
        2.0 => x.channels(begin as usize, 2),
        _ => Some(x.clone()),
    }
}

/// Returns the product with a matrix that gives each channel a factor, in order or in the opposite
/// order; `None` if it mixes channels.
fn apart(x: &Linear, matrix: &[f64]) -> Option<Linear> {
    let (rows, rest) = matrix.as_chunks::<COLOURS>();
    let &[a, b, c] = rows else { return None };
    let is_only = |row: [f64; COLOURS], place: usize| {
        row.iter().enumerate().all(|(at, weight)| (at == place) == (*weight != 0.0))
    };
    let are_only = |places: [usize; COLOURS]| {
        is_only(a, places[0]) && is_only(b, places[1]) && is_only(c, places[2])
    };
    if !rest.is_empty() {
        None
    } else if are_only([0, 1, 2]) {
        x.applied(&[a[0], b[1], c[2]], &[0.0])
    } else if are_only([2, 1, 0]) {
        x.clone().reversed().applied(&[c[0], b[1], a[2]], &[0.0])
    } else {
        None
    }
}

/// Reduces a constant to one number, or one for each channel. A mean picture becomes its mean.
fn by_channels(values: &[f64]) -> Vec<f64> {
    if values.len() <= MAX_CHANNELS {
        return values.to_vec();
    }
    vec![values.iter().sum::<f64>() / values.len() as f64]
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
        // A mean that is repeated for every pixel is that of each.
        Op::Identity
        | Op::Cast(_)
        | Op::Reshape
        | Op::ExpandDims
        | Op::Squeeze { .. }
        | Op::Tile
        | Op::BroadcastTo => input(0),
        // One number for each channel, wherever its axis is.
        Op::Transpose => input(0).filter(|values| values.len() <= MAX_CHANNELS),
        // All alike, as `zeros_like` makes them.
        Op::Fill => input(1),
        Op::Unary(function) => {
            let function = real_function(*function)?;
            input(0).map(|values| values.into_iter().map(function).collect())
        }
        Op::Reduce { kind, .. } => {
            let values = input(0)?;
            let is_row = is_row(graph, *node.inputs.first()?);
            is_row.then(|| reduced(*kind, &values)).flatten().map(|value| vec![value])
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

/// Returns the function of real numbers that an operation is; `None` for those that constants are
/// not computed by.
fn real_function(function: Unary) -> Option<fn(f64) -> f64> {
    Some(match function {
        Unary::Neg => |value| -value,
        Unary::Reciprocal => |value| 1.0 / value,
        Unary::Sqrt => f64::sqrt,
        Unary::Rsqrt => |value| 1.0 / value.sqrt(),
        Unary::Square => |value| value * value,
        Unary::Exp => f64::exp,
        Unary::Log => f64::ln,
        Unary::Abs => f64::abs,
        _ => return None,
    })
}

/// True if a value is a constant of at most one dimension, so that a reduction is one of all of it.
fn is_row(graph: &Graph, id: NodeId) -> bool {
    match &graph.node(id).op {
        Op::Const(tensor) => tensor.shape().len() <= 1,
        Op::Identity | Op::Cast(_) | Op::Unary(_) => {
            graph.node(id).inputs.first().is_some_and(|&input| {
                matches!(&graph.node(input).op, Op::Const(tensor) if tensor.shape().len() <= 1)
            })
        }
        _ => false,
    }
}

fn reduced(kind: Reduction, values: &[f64]) -> Option<f64> {
    let sum: f64 = values.iter().sum();
    match kind {
        Reduction::Sum => Some(sum),
        Reduction::Mean => Some(sum / values.len() as f64),
        Reduction::Max => values.iter().copied().reduce(f64::max),
        Reduction::Min => values.iter().copied().reduce(f64::min),
        _ => None,
    }
}
