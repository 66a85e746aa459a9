//! TF-Slim's layers, scopes and argument scopes: what the zoo's tables are written in.
//!
//! Names are TF-Slim's own: `conv2d` in scope `X` reads the variable `X/weights` and makes the nodes `X/Conv2D`,
//! `X/BatchNorm/FusedBatchNormV3` (or `X/BiasAdd`) and `X/Relu`.

mod atrous;
mod classifier;
mod layer;

pub(super) use atrous::Atrous;
pub(super) use layer::{
    Activation, ArgScope, Kernel, Layer, Normalizer, Width, avg_pool2d, concat, conv2d, depthwise, max_pool2d,
};

use std::collections::HashMap;

use lorgnette_kernels::{Binary, Clamp, Padding};

use super::variables::Variables;
use super::{Built, ZooOptions};
use crate::error::{Error, Result, nearest};
use crate::graph::op::{Border, Conv, Epilogue, Op, PadMode, Pool, PoolKind, Reduction, SliceMasks};
use crate::graph::{Graph, NodeId};
use crate::tensor::{DType, Tensor};
use layer::Kind;

pub(super) use crate::graph::op::Border::{Same, Valid};

/// Why a table is left before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// Something is wrong with the variables or the options.
    Failed(Error),
    /// The end point asked for is built, and nothing behind it is wanted.
    Reached,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A step of building.
pub(super) type Step<T = Value> = Result<T, Stop>;

/// A picture, or a matrix (then height and width are 1), between two layers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    pub(super) id: NodeId,
    /// Rows, for an input of the expected size; 0 where that is too small.
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
}

/// Where names begin: nodes and variables differ within a scope that is entered a second time.
#[derive(Clone, Debug, Default)]
struct Scope {
    nodes: String,
    variables: String,
}

/// A network being built.
pub(super) struct Slim<'a> {
    variables: &'a dyn Variables,
    options: &'a ZooOptions,
    /// What holds for the layers to come.
    pub(super) args: ArgScope,
    graph: Graph,
    scope: Scope,
    /// How often each node name was asked for.
    names: HashMap<String, usize>,
    input: Value,
    end_points: Vec<(String, NodeId)>,
    features: Option<Value>,
    logits: Option<Value>,
    probabilities: Option<NodeId>,
}

impl<'a> Slim<'a> {
    pub(super) fn new(variables: &'a dyn Variables, options: &'a ZooOptions, side: usize, channels: usize) -> Self {
        let mut graph = Graph::new();
        let shape = Some(vec![None, None, None, Some(channels)]);
        let id = graph.add("input", Op::Input { dtype: DType::F32, shape }, &[]);
        let [height, width] = options.size.unwrap_or([side; 2]);
        Self {
            variables,
            options,
            args: ArgScope::default(),
            graph,
            scope: Scope::default(),
            names: HashMap::from([("input".into(), 1)]),
            input: Value { id, height, width, channels },
            end_points: Vec::new(),
            features: None,
            logits: None,
            probabilities: None,
        }
    }

    /// The network, once its table has come to `end`.
    pub(super) fn finish(self, end: Step<()>) -> Result<Built> {
        if let Err(Stop::Failed(error)) = end {
            return Err(error);
        }
        let mut names = self.end_points.iter().map(|(name, _)| name.as_str());
        if let Some(name) = &self.options.final_endpoint
            && !names.clone().any(|known| known == name)
        {
            return Err(Error::Unknown { kind: "end point", name: name.clone(), nearest: nearest(name, &mut names) });
        }
        let name = |id: NodeId| self.graph.node(id).name.clone();
        Ok(Built {
            input: name(self.input.id),
            logits: self.logits.map(|logits| name(logits.id)),
            probabilities: self.probabilities.map(name),
            features: name(self.features.unwrap_or(self.input).id),
            classes: self.logits.map(|logits| logits.channels),
            end_points: self.end_points,
            graph: self.graph,
        })
    }

    /// The picture.
    pub(super) fn input(&self) -> Value {
        self.input
    }

    /// What was asked for.
    pub(super) fn options(&self) -> &'a ZooOptions {
        self.options
    }

    /// Builds what is in a scope.
    pub(super) fn scope<T>(&mut self, name: &str, body: impl FnOnce(&mut Self) -> Step<T>) -> Step<T> {
        self.scoped(name, name, body)
    }

    /// Builds a network's base, whose nodes (but not variables) have the network's scope twice before them.
    pub(super) fn base<T>(&mut self, name: &str, body: impl FnOnce(&mut Self) -> Step<T>) -> Step<T> {
        self.scoped(&format!("{name}/{name}"), name, body)
    }

    fn scoped<T>(&mut self, nodes: &str, variables: &str, body: impl FnOnce(&mut Self) -> Step<T>) -> Step<T> {
        let inner = Scope { nodes: join(&self.scope.nodes, nodes), variables: join(&self.scope.variables, variables) };
        let outer = std::mem::replace(&mut self.scope, inner);
        let result = body(self);
        self.scope = outer;
        result
    }

    /// Builds layers of as many channels as the table says, whatever the network's width.
    pub(super) fn exactly<T>(&mut self, body: impl FnOnce(&mut Self) -> Step<T>) -> Step<T> {
        let outer = std::mem::replace(&mut self.args.width, Width::Fixed);
        let result = body(self);
        self.args.width = outer;
        result
    }

    /// Names an end point. Building ends here if it is the last one asked for.
    pub(super) fn end_point(&mut self, name: &str, net: Value) -> Step {
        match self.end_points.iter_mut().find(|(known, _)| known == name) {
            Some((_, id)) => *id = net.id,
            None => self.end_points.push((name.to_owned(), net.id)),
        }
        if self.options.final_endpoint.as_deref() != Some(name) {
            return Ok(net);
        }
        self.features = Some(net);
        Err(Stop::Reached)
    }

    /// Names an end point by the scope it is in and `name`.
    pub(super) fn scoped_end_point(&mut self, name: &str, net: Value) -> Step {
        self.end_point(&join(&self.scope.nodes, name), net)
    }

    /// One layer.
    pub(super) fn layer(&mut self, net: Value, row: &Layer) -> Step {
        let scope = row.scope.as_ref();
        let (net, collect) = match &row.kind {
            Kind::Conv { depth } => (self.convolve(net, row, depth.and_then(|d| self.depth(d)))?, self.args.collect),
            Kind::Depthwise => (self.convolve_depthwise(net, row)?, self.args.collect),
            Kind::Pool(kind) => (self.pool(net, row, *kind), self.args.collect_pools),
            Kind::Concat(rows) => {
                let parts: Vec<Value> = rows.iter().map(|row| self.layer(net, row)).collect::<Step<_>>()?;
                (self.concat(scope, &parts), false)
            }
        };
        if collect { self.scoped_end_point(scope, net) } else { Ok(net) }
    }

    /// Layers one after the other.
    pub(super) fn layers(&mut self, net: Value, rows: &[Layer]) -> Step {
        rows.iter().try_fold(net, |net, row| self.layer(net, row))
    }

    /// Layers one after the other, each an end point under its own name.
    pub(super) fn stem(&mut self, net: Value, rows: &[Layer]) -> Step {
        rows.iter().try_fold(net, |net, row| {
            let net = self.layer(net, row)?;
            self.end_point(&row.scope, net)
        })
    }

    /// The scopes `Branch_0`, `Branch_1`, … over the same input, joined.
    pub(super) fn branches(&mut self, net: Value, branches: &[&[Layer]]) -> Step {
        let mut parts = Vec::new();
        for (i, rows) in branches.iter().enumerate() {
            parts.push(self.scope(&format!("Branch_{i}"), |s| s.layers(net, rows))?);
        }
        Ok(self.concat("concat", &parts))
    }

    /// An Inception module: branches in a scope of their own, an end point.
    pub(super) fn module(&mut self, net: Value, scope: &str, branches: &[&[Layer]]) -> Step {
        let net = self.scope(scope, |s| s.branches(net, branches))?;
        self.end_point(scope, net)
    }

    /// A strided convolution whose output does not depend on whether the size is even: padded by hand, then VALID.
    pub(super) fn conv2d_same(&mut self, net: Value, row: Layer) -> Step {
        let stride = row.stride.unwrap_or(1);
        if stride == 1 {
            return self.layer(net, &row.padding(Same));
        }
        let around = (row.kernel[0] - 1) * row.rate;
        let padded = self.pad(net, "Pad", [around / 2, around - around / 2]);
        self.layer(padded, &row.valid())
    }

    /// Zeros above and to the left, below and to the right.
    pub(super) fn pad(&mut self, net: Value, name: &str, [before, after]: [usize; 2]) -> Value {
        let paddings = [0, 0, before, after, before, after, 0, 0].map(|n| n as i64);
        let paddings = self.integers(&format!("{name}/paddings"), &[4, 2], &paddings);
        let id = self.node(name, Op::Pad(PadMode::Constant), &[net.id, paddings]);
        Value { id, height: net.height + before + after, width: net.width + before + after, ..net }
    }

    /// A depthwise convolution and a pointwise one, nothing between. Without a `multiplier`, as the file has it.
    pub(super) fn separable_conv2d(&mut self, net: Value, row: &Layer, multiplier: Option<usize>) -> Step {
        let Kind::Conv { depth } = row.kind else { unreachable!("a separable convolution is a convolution") };
        let (scope, [kh, kw]) = (row.scope.as_ref(), row.kernel);
        let wanted = [Some(kh), Some(kw), Some(net.channels), multiplier];
        let (filter, shape) = self.variable(&format!("{scope}/depthwise_weights"), &wanted)?;
        let conv = self.conv(row);
        let mut net = slid(net, row.kernel, &conv);
        net.channels *= shape[3];
        net.id =
            self.node(&format!("{scope}/separable_conv2d/depthwise"), Op::DepthwiseConv2d(conv), &[net.id, filter]);
        let wanted = [Some(1), Some(1), Some(net.channels), depth.and_then(|d| self.depth(d))];
        let (filter, shape) = self.variable(&format!("{scope}/pointwise_weights"), &wanted)?;
        let point = Conv { stride: [1; 2], dilation: [1; 2], border: Valid, epilogue: Epilogue::default() };
        net.channels = shape[3];
        net.id = self.node(&format!("{scope}/separable_conv2d"), Op::Conv2d(point), &[net.id, filter]);
        self.finish_sum(net, row)
    }

    /// Batch norm as a layer of its own.
    pub(super) fn batch_norm(&mut self, net: Value, scope: &str) -> Step {
        self.normalize(net, scope, self.args.layer_norm)
    }

    fn normalize(&mut self, net: Value, scope: &str, normalizer: Normalizer) -> Step {
        let Normalizer::BatchNorm { epsilon, scale } = normalizer else { return Ok(net) };
        let channels = [Some(net.channels)];
        let gamma = if scale || self.stored(&format!("{scope}/gamma")).is_some() {
            self.variable(&format!("{scope}/gamma"), &channels)?.0
        } else {
            self.constant(&format!("{scope}/Const"), Tensor::from_f32(&[1], vec![1.0]))
        };
        let mut inputs = vec![net.id, gamma];
        for name in ["beta", "moving_mean", "moving_variance"] {
            inputs.push(self.variable(&format!("{scope}/{name}"), &channels)?.0);
        }
        let id = self.node(&format!("{scope}/FusedBatchNormV3"), Op::BatchNorm { epsilon }, &inputs);
        Ok(Value { id, ..net })
    }

    /// An activation as a layer of its own.
    pub(super) fn activate(&mut self, net: Value, scope: &str, activation: Activation) -> Value {
        let id = match activation {
            Activation::None => net.id,
            Activation::Identity => self.node(&join(scope, "Identity"), Op::Identity, &[net.id]),
            Activation::Relu => self.node(&join(scope, "Relu"), Op::Clamp(Clamp::RELU), &[net.id]),
            Activation::Relu6 => self.node(&join(scope, "Relu6"), Op::Clamp(Clamp::RELU6), &[net.id]),
            Activation::HardSwish => {
                let scope = join(scope, "hard_swish");
                let gate = self.hard_gate(net, &scope);
                let product = self.multiply(net, gate, &format!("{scope}/mul"));
                self.scale(product, 1.0 / 6.0, &format!("{scope}/mul_1")).id
            }
        };
        Value { id, ..net }
    }

    /// `relu6(x + 3)`.
    pub(super) fn hard_gate(&mut self, net: Value, scope: &str) -> Value {
        let three = self.constant(&format!("{scope}/add/y"), Tensor::scalar(3.0));
        let id = self.node(&format!("{scope}/add"), Op::Binary(Binary::Add, Clamp::NONE), &[net.id, three]);
        self.activate(Value { id, ..net }, scope, Activation::Relu6)
    }

    /// A rectifier in the current scope.
    pub(super) fn relu(&mut self, net: Value) -> Value {
        self.activate(net, "", Activation::Relu)
    }

    /// Dropout, which does nothing but leave a node.
    pub(super) fn dropout(&mut self, net: Value, scope: &str) -> Value {
        self.identity(net, &format!("{scope}/Identity"))
    }

    /// The value itself under another name.
    pub(super) fn identity(&mut self, net: Value, name: &str) -> Value {
        Value { id: self.node(name, Op::Identity, &[net.id]), ..net }
    }

    pub(super) fn add(&mut self, a: Value, b: Value, name: &str) -> Value {
        Value { id: self.node(name, Op::Binary(Binary::Add, Clamp::NONE), &[a.id, b.id]), ..a }
    }

    pub(super) fn multiply(&mut self, a: Value, b: Value, name: &str) -> Value {
        Value { id: self.node(name, Op::Binary(Binary::Mul, Clamp::NONE), &[a.id, b.id]), ..a }
    }

    /// Times a number.
    pub(super) fn scale(&mut self, net: Value, factor: f32, name: &str) -> Value {
        let factor = self.constant(&format!("{name}/y"), Tensor::scalar(factor));
        Value { id: self.node(name, Op::Binary(Binary::Mul, Clamp::NONE), &[net.id, factor]), ..net }
    }

    /// Channels joined.
    pub(super) fn concat(&mut self, name: &str, parts: &[Value]) -> Value {
        let axis = self.integers(&format!("{name}/axis"), &[], &[3]);
        let inputs: Vec<NodeId> = parts.iter().map(|part| part.id).chain([axis]).collect();
        let id = self.node(name, Op::Concat, &inputs);
        Value { id, channels: parts.iter().map(|part| part.channels).sum(), ..parts[0] }
    }

    /// The picture without its first row and column.
    pub(super) fn without_first_row_and_column(&mut self, net: Value, name: &str) -> Value {
        let ends = [("stack", [0, 1, 1, 0]), ("stack_1", [0; 4]), ("stack_2", [1; 4])];
        let ends = ends.map(|(end, values)| self.integers(&format!("{name}/{end}"), &[4], &values));
        let whole = SliceMasks { begin: 0b1001, end: 0b1111, ..SliceMasks::default() };
        let id = self.node(name, Op::StridedSlice(whole), &[net.id, ends[0], ends[1], ends[2]]);
        Value { id, height: net.height.saturating_sub(1), width: net.width.saturating_sub(1), ..net }
    }

    /// The mean over all pixels, whatever the size: one pixel.
    pub(super) fn global_pool(&mut self, net: Value, name: &str) -> Value {
        self.mean(net, name, true)
    }

    /// The mean over all pixels, as a matrix unless `keep_dims`.
    pub(super) fn mean(&mut self, net: Value, name: &str, keep_dims: bool) -> Value {
        let axes = self.integers(&format!("{name}/reduction_indices"), &[2], &[1, 2]);
        let id = self.node(name, Op::Reduce { kind: Reduction::Mean, keep_dims }, &[net.id, axes]);
        Value { id, height: 1, width: 1, ..net }
    }

    /// The rows and columns that a layer leaves.
    pub(super) fn size_after(&self, net: Value, row: &Layer) -> [usize; 2] {
        let out = slid(net, row.kernel, &self.conv(row));
        [out.height, out.width]
    }

    /// A window no larger than the picture.
    pub(super) fn reduced_kernel_size(net: Value, kernel: [usize; 2]) -> [usize; 2] {
        [net.height.clamp(1, kernel[0]), net.width.clamp(1, kernel[1])]
    }

    /// The shape of a variable in the current scope.
    pub(super) fn stored(&self, name: &str) -> Option<Vec<usize>> {
        self.variables.shape(&join(&self.scope.variables, name))
    }

    /// A node in the current scope.
    pub(super) fn node(&mut self, name: &str, op: Op, inputs: &[NodeId]) -> NodeId {
        let name = join(&self.scope.nodes, name);
        let times = self.names.entry(name.clone()).or_insert(0);
        *times += 1;
        let name = if *times == 1 { name } else { format!("{name}_{}", *times - 1) };
        self.graph.add(name, op, inputs)
    }

    fn constant(&mut self, name: &str, tensor: Tensor) -> NodeId {
        self.node(name, Op::Const(tensor), &[])
    }

    fn integers(&mut self, name: &str, shape: &[usize], values: &[i64]) -> NodeId {
        self.constant(name, Tensor::from_i64(DType::I32, shape, values))
    }

    /// A variable in the current scope, as a constant of the graph under its own name.
    fn variable(&mut self, name: &str, shape: &[Option<usize>]) -> Step<(NodeId, Vec<usize>)> {
        let name = join(&self.scope.variables, name);
        let operand = self.variables.operand(&name, shape)?;
        let shape = match &operand {
            Op::Const(tensor) => tensor.shape().to_vec(),
            Op::Variable(stored) => stored.shape().to_vec(),
            other => unreachable!("{} is no variable", other.name()),
        };
        Ok((self.graph.add(name, operand, &[]), shape))
    }

    /// How many channels a layer of `depth` has; `None` for as many as the file says.
    pub(super) fn depth(&self, depth: usize) -> Option<usize> {
        match self.args.width {
            Width::Fixed => Some(depth),
            Width::Stored => None,
            Width::Truncated { multiplier, min_depth } => Some(((depth as f64 * multiplier) as usize).max(min_depth)),
            Width::Divisible { multiplier, min_depth } => Some(divisible(depth as f64 * multiplier, min_depth)),
        }
    }

    fn conv(&self, row: &Layer) -> Conv {
        Conv {
            stride: [row.stride.unwrap_or(1); 2],
            dilation: [row.rate; 2],
            border: row.padding.unwrap_or(self.args.padding),
            epilogue: Epilogue::default(),
        }
    }

    fn convolve(&mut self, net: Value, row: &Layer, depth: Option<usize>) -> Step {
        let [kh, kw] = row.kernel;
        let wanted = [Some(kh), Some(kw), Some(net.channels), depth];
        let (filter, shape) = self.variable(&format!("{}/weights", row.scope), &wanted)?;
        let conv = self.conv(row);
        let mut out = slid(net, row.kernel, &conv);
        out.channels = shape[3];
        out.id = self.node(&format!("{}/Conv2D", row.scope), Op::Conv2d(conv), &[net.id, filter]);
        self.finish_sum(out, row)
    }

    fn convolve_depthwise(&mut self, net: Value, row: &Layer) -> Step {
        let [kh, kw] = row.kernel;
        let wanted = [Some(kh), Some(kw), Some(net.channels), Some(1)];
        let (filter, _) = self.variable(&format!("{}/depthwise_weights", row.scope), &wanted)?;
        let conv = self.conv(row);
        let mut out = slid(net, row.kernel, &conv);
        out.id = self.node(&format!("{}/depthwise", row.scope), Op::DepthwiseConv2d(conv), &[net.id, filter]);
        self.finish_sum(out, row)
    }

    fn finish_sum(&mut self, net: Value, row: &Layer) -> Step {
        let net = match row.normalizer.unwrap_or(self.args.normalizer) {
            Normalizer::None => net,
            Normalizer::Biases => self.biases(net, &row.scope)?,
            normalizer => self.normalize(net, &format!("{}/BatchNorm", row.scope), normalizer)?,
        };
        Ok(self.activate(net, &row.scope, row.activation.unwrap_or(self.args.activation)))
    }

    fn biases(&mut self, net: Value, scope: &str) -> Step {
        let (biases, _) = self.variable(&format!("{scope}/biases"), &[Some(net.channels)])?;
        let id = self.node(&format!("{scope}/BiasAdd"), Op::Binary(Binary::Add, Clamp::NONE), &[net.id, biases]);
        Ok(Value { id, ..net })
    }

    fn pool(&mut self, net: Value, row: &Layer, kind: PoolKind) -> Value {
        let stride = [row.stride.unwrap_or(self.args.pool_stride); 2];
        let border = row.padding.unwrap_or(self.args.pool_padding);
        let conv = Conv { stride, dilation: [1; 2], border, epilogue: Epilogue::default() };
        let name = if kind == PoolKind::Max { "MaxPool" } else { "AvgPool" };
        let op = Op::Pool(Pool { kind, kernel: row.kernel, stride, border });
        let id = self.node(&join(&row.scope, name), op, &[net.id]);
        Value { id, ..slid(net, row.kernel, &conv) }
    }
}

/// A value's size after a window moved over it.
fn slid(net: Value, kernel: [usize; 2], conv: &Conv) -> Value {
    let along = |length: usize, d: usize| {
        let (stride, reach) = (conv.stride[d], (kernel[d] - 1) * conv.dilation[d] + 1);
        match conv.border {
            Same => length.div_ceil(stride),
            Valid => (length + stride).saturating_sub(reach) / stride,
            Border::Explicit(Padding { top, bottom, left, right }) => {
                let margins = if d == 0 { top + bottom } else { left + right };
                (length + margins + stride).saturating_sub(reach) / stride
            }
        }
    };
    Value { height: along(net.height, 0), width: along(net.width, 1), ..net }
}

/// A number of channels as a multiple of 8, at least `min_depth`, and not more than a tenth below `value`.
pub(super) fn divisible(value: f64, min_depth: usize) -> usize {
    let rounded = ((value + 4.0) as usize / 8 * 8).max(min_depth);
    if (rounded as f64) < 0.9 * value { rounded + 8 } else { rounded }
}

fn join(scope: &str, name: &str) -> String {
    match (scope, name) {
        ("", name) => name.to_owned(),
        (scope, "") => scope.to_owned(),
        (scope, name) => format!("{scope}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_round_as_tf_slim_rounds_them() {
        assert_eq!([11.2, 16.8, 18.0, 22.4, 44.8, 1.0].map(|v| divisible(v, 8)), [16, 16, 24, 24, 48, 8]);
    }
}
