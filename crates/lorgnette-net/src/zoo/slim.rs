//! TF-Slim's layers, scopes and argument scopes: what the zoo's tables are written in.
//!
//! Names are TF-Slim's own: `conv2d` in scope `X` reads the variable `X/weights` and makes the nodes `X/Conv2D`,
//! `X/BatchNorm/FusedBatchNormV3` (or `X/BiasAdd`) and `X/Relu`.

use std::borrow::Cow;
use std::collections::HashMap;

use lorgnette_kernels::{Binary, Clamp, Padding};

use super::variables::Variables;
use super::{Built, Setting, ZooOptions};
use crate::error::{Error, Result, nearest};
use crate::graph::op::{Border, Conv, Epilogue, MatMul, Op, PadMode, Pool, PoolKind, Reduction, SliceMasks};
use crate::graph::{Graph, NodeId};
use crate::tensor::{DType, Tensor};

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

/// What follows a sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Activation {
    None,
    /// None as well, but TF-Slim leaves a node of that name.
    Identity,
    Relu,
    Relu6,
    HardSwish,
}

/// What is done to a sum before its activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Normalizer {
    None,
    Biases,
    /// With `gamma`, or (`scale: false`) without one.
    BatchNorm {
        epsilon: f32,
        scale: bool,
    },
}

/// How many channels a layer of `depth` has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Width {
    /// That many.
    Fixed,
    /// As many as its variable in the file, so that a file of any width is read.
    Stored,
    /// `multiplier` times as many, rounded down: the Inceptions and MobileNet V1.
    Truncated { multiplier: f64, min_depth: usize },
    /// `multiplier` times as many, rounded to a multiple of 8: MobileNet V2 and V3.
    Divisible { multiplier: f64, min_depth: usize },
}

/// What a scope sets for all layers in it, as `arg_scope` does.
#[derive(Clone, Copy, Debug)]
pub(super) struct ArgScope {
    pub(super) padding: Border,
    pub(super) pool_stride: usize,
    pub(super) pool_padding: Border,
    pub(super) normalizer: Normalizer,
    /// What batch norm is like where it is a layer of its own.
    pub(super) layer_norm: Normalizer,
    pub(super) activation: Activation,
    pub(super) width: Width,
    /// Whether convolutions become end points, under their scope's name (`outputs_collections`).
    pub(super) collect: bool,
    /// Whether pools do.
    pub(super) collect_pools: bool,
}

impl Default for ArgScope {
    /// TF-Slim's own defaults.
    fn default() -> Self {
        Self {
            padding: Same,
            pool_stride: 2,
            pool_padding: Valid,
            normalizer: Normalizer::Biases,
            layer_norm: Normalizer::None,
            activation: Activation::Relu,
            width: Width::Fixed,
            collect: false,
            collect_pools: false,
        }
    }
}

/// A row of a table. What it leaves open, the [`ArgScope`] decides.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    scope: Cow<'static, str>,
    kind: Kind,
    kernel: [usize; 2],
    rate: usize,
    stride: Option<usize>,
    padding: Option<Border>,
    activation: Option<Activation>,
    normalizer: Option<Normalizer>,
}

#[derive(Clone, Debug)]
enum Kind {
    Conv {
        depth: Option<usize>,
    },
    /// One filter for each channel.
    Depthwise,
    Pool(PoolKind),
    /// Several layers over the same input, joined.
    Concat(Vec<Layer>),
}

/// A window's rows and columns; one number for a square.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kernel([usize; 2]);

impl From<usize> for Kernel {
    fn from(side: usize) -> Self {
        Self([side; 2])
    }
}

impl From<[usize; 2]> for Kernel {
    fn from(sides: [usize; 2]) -> Self {
        Self(sides)
    }
}

fn layer(scope: impl Into<Cow<'static, str>>, kind: Kind, kernel: impl Into<Kernel>) -> Layer {
    let Kernel(kernel) = kernel.into();
    Layer {
        scope: scope.into(),
        kind,
        kernel,
        rate: 1,
        stride: None,
        padding: None,
        activation: None,
        normalizer: None,
    }
}

/// A convolution to `depth` channels.
pub(super) fn conv2d(scope: impl Into<Cow<'static, str>>, depth: usize, kernel: impl Into<Kernel>) -> Layer {
    layer(scope, Kind::Conv { depth: Some(depth) }, kernel)
}

/// A convolution to as many channels as the file says.
fn conv2d_as_stored(scope: impl Into<Cow<'static, str>>, kernel: impl Into<Kernel>) -> Layer {
    layer(scope, Kind::Conv { depth: None }, kernel)
}

/// A convolution with one filter for each channel.
pub(super) fn depthwise(scope: impl Into<Cow<'static, str>>, kernel: impl Into<Kernel>) -> Layer {
    layer(scope, Kind::Depthwise, kernel)
}

/// The largest value of each window.
pub(super) fn max_pool2d(scope: impl Into<Cow<'static, str>>, kernel: impl Into<Kernel>) -> Layer {
    layer(scope, Kind::Pool(PoolKind::Max), kernel)
}

/// The mean of each window.
pub(super) fn avg_pool2d(scope: impl Into<Cow<'static, str>>, kernel: impl Into<Kernel>) -> Layer {
    layer(scope, Kind::Pool(PoolKind::Average), kernel)
}

/// Several layers over the same input, their channels joined.
pub(super) fn concat(layers: impl Into<Vec<Layer>>) -> Layer {
    layer("concat", Kind::Concat(layers.into()), 1)
}

impl Layer {
    pub(super) fn stride(mut self, stride: usize) -> Self {
        self.stride = Some(stride);
        self
    }

    pub(super) fn rate(mut self, rate: usize) -> Self {
        self.rate = rate;
        self
    }

    pub(super) fn padding(mut self, padding: Border) -> Self {
        self.padding = Some(padding);
        self
    }

    pub(super) fn valid(self) -> Self {
        self.padding(Valid)
    }

    pub(super) fn activation(mut self, activation: Activation) -> Self {
        self.activation = Some(activation);
        self
    }

    pub(super) fn normalizer(mut self, normalizer: Normalizer) -> Self {
        self.normalizer = Some(normalizer);
        self
    }

    /// A plain sum: no activation, and biases instead of batch norm.
    pub(super) fn linear(self) -> Self {
        self.activation(Activation::None).normalizer(Normalizer::Biases)
    }
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

    /// A matrix product with biases; without `outputs`, to as many as the file says.
    pub(super) fn fully_connected(
        &mut self,
        net: Value,
        scope: &str,
        outputs: Option<usize>,
        activation: Activation,
    ) -> Step {
        let (matrix, shape) = self.variable(&format!("{scope}/weights"), &[Some(net.channels), outputs])?;
        let id = self.node(&format!("{scope}/MatMul"), Op::MatMul(MatMul::default()), &[net.id, matrix]);
        let net = Value { id, height: 1, width: 1, channels: shape[1] };
        let net = self.biases(net, scope)?;
        Ok(self.activate(net, scope, activation))
    }

    /// A picture's pixels and channels in one row.
    pub(super) fn flatten(&mut self, net: Value, scope: &str) -> Value {
        let shape = self.node(&format!("{scope}/flatten/Shape"), Op::Shape(DType::I32), &[net.id]);
        let ends = [("stack", 0), ("stack_1", 1), ("stack_2", 1)];
        let ends = ends.map(|(name, at)| self.integers(&format!("{scope}/flatten/strided_slice/{name}"), &[1], &[at]));
        let first = SliceMasks { shrink_axis: 1, ..SliceMasks::default() };
        let inputs = [shape, ends[0], ends[1], ends[2]];
        let batch = self.node(&format!("{scope}/flatten/strided_slice"), Op::StridedSlice(first), &inputs);
        let rest = self.integers(&format!("{scope}/flatten/Reshape/shape/1"), &[], &[-1]);
        let shape = self.node(&format!("{scope}/flatten/Reshape/shape"), Op::Pack { axis: 0 }, &[batch, rest]);
        let id = self.node(&format!("{scope}/flatten/Reshape"), Op::Reshape, &[net.id, shape]);
        Value { id, height: 1, width: 1, channels: net.height * net.width * net.channels }
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

    /// What classification starts from: the input of the last layer. Building ends here if no classes are wanted.
    pub(super) fn features(&mut self, net: Value) -> Step {
        self.features = Some(net);
        if self.options.num_classes == Some(0) { Err(Stop::Reached) } else { Ok(net) }
    }

    /// The last layer as a convolution of size 1: one value for each class and pixel.
    pub(super) fn logits(&mut self, net: Value, scope: &'static str) -> Step {
        let row = conv2d_as_stored(scope, 1).linear().padding(Same);
        let net = self.convolve(net, &row, self.options.num_classes)?;
        self.logits = Some(net);
        Ok(net)
    }

    /// The last layer as a matrix product.
    pub(super) fn fully_connected_logits(&mut self, net: Value, scope: &str) -> Step {
        let net = self.fully_connected(net, scope, self.options.num_classes, Activation::None)?;
        self.logits = Some(net);
        Ok(net)
    }

    /// The logits under another name.
    pub(super) fn logits_are(&mut self, net: Value) {
        self.logits = Some(net);
    }

    /// The logits without rows and columns, unless `spatial_squeeze` is off.
    pub(super) fn spatial_squeeze(&mut self, net: Value, name: &str) -> Value {
        if !self.options.spatial_squeeze {
            return net;
        }
        let id = self.node(name, Op::Squeeze { axes: vec![1, 2] }, &[net.id]);
        let net = Value { id, height: 1, width: 1, ..net };
        self.logits = Some(net);
        net
    }

    /// Probabilities by one softmax.
    pub(super) fn softmax(&mut self, net: Value, name: &str) -> Value {
        let id = self.node(name, Op::Softmax { log: false }, &[net.id]);
        self.probabilities = Some(id);
        Value { id, ..net }
    }

    /// Probabilities in TF-Slim's way: made a matrix, softmax, given the old shape again.
    pub(super) fn slim_softmax(&mut self, net: Value, scope: &str) -> Value {
        let rows = self.integers(&format!("{scope}/Reshape/shape"), &[2], &[-1, net.channels as i64]);
        let matrix = self.node(&format!("{scope}/Reshape"), Op::Reshape, &[net.id, rows]);
        let softmax = self.node(&format!("{scope}/Softmax"), Op::Softmax { log: false }, &[matrix]);
        let shape = self.node(&format!("{scope}/Shape"), Op::Shape(DType::I32), &[net.id]);
        let id = self.node(&format!("{scope}/Reshape_1"), Op::Reshape, &[softmax, shape]);
        self.probabilities = Some(id);
        Value { id, ..net }
    }

    /// Whether to pool over the whole picture, where the network leaves it open.
    pub(super) fn pools_globally(&self, by_default: bool) -> bool {
        self.options.global_pool.unwrap_or(by_default)
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
        let tensor = self.variables.variable(&name, shape)?;
        let shape = tensor.shape().to_vec();
        Ok((self.graph.constant(name, tensor), shape))
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

/// Strides until the wanted ratio of input to output size is reached, and holes between taps from then on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Atrous {
    wanted: Option<usize>,
    reached: usize,
    rate: usize,
}

impl Atrous {
    pub(super) fn new(wanted: Option<usize>) -> Self {
        Self { wanted, reached: 1, rate: 1 }
    }

    /// The stride and rate of a layer whose stride in the table is `stride`.
    pub(super) fn step(&mut self, stride: usize) -> (usize, usize) {
        if self.wanted == Some(self.reached) {
            let rate = self.rate;
            self.rate *= stride;
            return (1, rate);
        }
        self.reached *= stride;
        (stride, 1)
    }

    /// Whether the ratio was reached exactly.
    ///
    /// # Errors
    /// [`Error::Input`] if not.
    pub(super) fn finish(&self, scale: usize) -> Result<()> {
        match self.wanted {
            Some(wanted) if wanted != self.reached => {
                let what = format!("{} {} cannot be reached", Setting::OutputStride, wanted * scale);
                Err(Error::Input(format!("{what}: the strides multiply to {}", self.reached * scale)))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_round_as_tf_slim_rounds_them() {
        assert_eq!([11.2, 16.8, 18.0, 22.4, 44.8, 1.0].map(|v| divisible(v, 8)), [16, 16, 24, 24, 48, 8]);
    }

    #[test]
    fn strides_become_rates_where_the_output_stride_is_reached() {
        let mut atrous = Atrous::new(Some(4));
        let steps = [2, 1, 2, 1, 2, 2, 1].map(|stride| atrous.step(stride));
        assert_eq!(steps, [(2, 1), (1, 1), (2, 1), (1, 1), (1, 1), (1, 2), (1, 4)]);
        assert!(atrous.finish(1).is_ok());
        assert!(Atrous::new(Some(3)).finish(1).is_err());
    }
}
