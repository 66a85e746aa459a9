//! Rewrites a classification network as a fully convolutional one, which answers for every position
//! of a picture of any size.
//!
//! Operations that reduce the map to one position become sliding windows: a fully connected layer
//! becomes a convolution, a global pool a pool of the map's size. Where the map would become
//! coarser than requested, strides become dilations (à trous), as with TF-Slim's `output_stride`.
//!
//! The sizes of those windows follow from the shapes at the size the network was trained for. The
//! rewritten graph takes pictures of other sizes.

mod geometry;
mod main_path;
mod quantized;

pub use geometry::ReceptiveField;
pub(crate) use geometry::fields;

use std::collections::HashMap;
use std::str::FromStr;

use lorgnette_kernels::Padding;

use crate::error::{Error, Result};
use crate::graph::op::{Border, Conv, MatMul, Op, PadMode, Pool, PoolKind, Reduction};
use crate::graph::shape::TypedGraph;
use crate::graph::{Graph, Node, NodeId};
use crate::tensor::{DType, Tensor};
use main_path::MainPath;

/// Options of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenseOptions {
    /// The values that the classification layers read beyond the edge of the features.
    pub padding: MapPadding,
    /// Maximum distance between cells in pixels, a power of two; the network's stride if not given.
    pub output_stride: Option<usize>,
    /// Maximum side of the mean over the features, in cells of the network's own stride; default:
    /// the side that the network was trained with, 7 for MobileNet V1. A narrower mean answers for
    /// smaller things, and less surely.
    pub max_mean_side: Option<usize>,
    /// Maximum side of a second mean over the features, whose scores are another output. Only with
    /// [`MapPadding::Same`], where its cells are those of the first.
    pub second_mean_side: Option<usize>,
    /// Whether the means over the features taper: cells count less towards the sides, where other
    /// things are seen. Only with [`MapPadding::Same`].
    pub tapers: bool,
}

/// Side of the mean that a mean tapers by.
const TAPER_SIDE: usize = 3;

impl DenseOptions {
    /// The network's own stride and mean.
    #[must_use]
    pub const fn new(padding: MapPadding) -> Self {
        Self {
            padding,
            output_stride: None,
            max_mean_side: None,
            second_mean_side: None,
            tapers: false,
        }
    }
}

/// The values that the classification layers read beyond the edge of the features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapPadding {
    /// Padding: zeros for a fully connected layer, excluded positions for a pool. There is a cell
    /// for each position of the features, up to the picture's border.
    Same,
    /// No padding: each cell is the answer for a window within the picture.
    Valid,
}

impl FromStr for MapPadding {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "same" => Ok(Self::Same),
            "valid" => Ok(Self::Valid),
            _ => Err(format!("{name:?} is no padding: choose one of same, valid")),
        }
    }
}

/// A network rewritten to compute a map.
#[derive(Debug)]
pub(crate) struct DenseGraph {
    pub(crate) graph: Graph,
    /// The node that the picture is fed to.
    pub(crate) input: NodeId,
    /// Whether channels are weighted by means over the whole picture (squeeze and excitation).
    pub(crate) has_global_context: bool,
    /// Whether the classification layers read a mean over the features.
    pub(crate) averages: bool,
}

/// Rewrites a network with one output, its scores. `typed` is `graph` with the shapes of the size
/// it was trained for; its nodes are the same, in the same order.
pub(crate) fn rewrite(
    graph: &Graph,
    typed: &TypedGraph,
    dense: DenseOptions,
) -> Result<DenseGraph> {
    let main_path = MainPath::new(typed);
    let no_input = || Error::Input("the answer does not depend on the picture".into());
    let start = main_path.start.ok_or_else(no_input)?;
    let mut rewriter = Rewriter {
        typed,
        main_path,
        dense,
        states: vec![MapState::default(); graph.nodes().len()],
        has_global_context: false,
        averages: false,
        second: HashMap::new(),
        out: Graph::new(),
        rewritten: Vec::with_capacity(graph.nodes().len()),
    };
    for (id, node) in graph.iter() {
        let rewritten = rewriter
            .node(id, node)
            .map_err(|what| Error::node(&node.name, node.op.name(), what))?;
        rewriter.rewritten.push(rewritten);
    }
    let mut outputs: Vec<NodeId> =
        graph.outputs().iter().map(|id| rewriter.rewritten[id.index()]).collect();
    let input = rewriter.rewritten[start.index()];
    let Rewriter { out: mut graph, has_global_context, averages, second, .. } = rewriter;
    let second = outputs.first().and_then(|scores| second.get(scores)).copied();
    outputs.extend(second);
    graph.set_outputs(outputs);
    Ok(DenseGraph { graph, input, has_global_context, averages })
}

/// The rewritten form of a node's result.
#[derive(Clone, Debug)]
struct MapState {
    /// Distance between positions in the original network, in pixels.
    original_stride: [usize; 2],
    /// The factor by which positions are closer now.
    rate: [usize; 2],
    /// Whether it was one position and is a map now.
    collapsed: bool,
    /// The shape of the map that was flattened to a vector and is not any more: height, width,
    /// channels.
    flattened: Option<[usize; 3]>,
}

impl Default for MapState {
    fn default() -> Self {
        Self { original_stride: [1; 2], rate: [1; 2], collapsed: false, flattened: None }
    }
}

struct Rewriter<'a> {
    typed: &'a TypedGraph,
    main_path: MainPath,
    dense: DenseOptions,
    states: Vec<MapState>,
    has_global_context: bool,
    averages: bool,
    /// For each node of `out` that depends on the mean over the features, the node that does so on
    /// the second mean.
    second: HashMap<NodeId, NodeId>,
    out: Graph,
    /// The rewritten form of each original node.
    rewritten: Vec<NodeId>,
}

impl Rewriter<'_> {
    /// Adds the rewritten form of a node.
    fn node(&mut self, id: NodeId, node: &Node) -> Result<NodeId, String> {
        if Some(id) == self.main_path.start {
            return Ok(self.out.add(
                node.name.clone(),
                Op::Input { dtype: DType::F32, shape: None },
                &[],
            ));
        }
        let inputs: Vec<NodeId> =
            node.inputs.iter().map(|input| self.rewritten[input.index()]).collect();
        if !self.main_path.after_input[id.index()] {
            return Ok(self.out.add(node.name.clone(), node.op.clone(), &inputs));
        }
        self.states[id.index()] = self.merge_states(node);
        let was_collapsed = self.states[id.index()].collapsed;
        let (op, inputs) = self.rewrite_node(id, node, inputs)?;
        let is_head = self.states[id.index()].collapsed && !was_collapsed;
        let added = self.add(node.name.clone(), op.clone(), &inputs, is_head);
        if let Some(op) = self.second_op(op, is_head, &inputs) {
            let inputs: Vec<NodeId> =
                inputs.iter().map(|input| *self.second.get(input).unwrap_or(input)).collect();
            let second = self.add(format!("{}/second", node.name), op, &inputs, is_head);
            self.second.insert(added, second);
        }
        Ok(added)
    }

    /// Adds an operation. The mean over the features, if it is to taper, becomes one over a shorter
    /// side and a mean over that.
    fn add(&mut self, name: String, op: Op, inputs: &[NodeId], is_head: bool) -> NodeId {
        match op {
            Op::Pool(pool) if self.dense.tapers && self.is_mean(&pool, is_head) => {
                let inner = pool.kernel.map(|side| side.saturating_sub(TAPER_SIDE - 1).max(1));
                let outer = std::array::from_fn(|axis| pool.kernel[axis] - inner[axis] + 1);
                let first = Op::Pool(Pool { kernel: inner, ..pool.clone() });
                let first = self.out.add(format!("{name}/inner"), first, inputs);
                self.out.add(name, Op::Pool(Pool { kernel: outer, ..pool }), &[first])
            }
            op => self.out.add(name, op, inputs),
        }
    }

    /// The operation on the second mean, or that second mean, of one that reads `inputs`; `None` if
    /// there is none. `is_head` says that it made one position of the map and slides now.
    fn second_op(&self, op: Op, is_head: bool, inputs: &[NodeId]) -> Option<Op> {
        let side = self.dense.second_mean_side?;
        match op {
            Op::Pool(pool) if self.is_mean(&pool, is_head) => {
                Some(Op::Pool(Pool { kernel: narrowed(pool.kernel, side), ..pool }))
            }
            op => inputs.iter().any(|input| self.second.contains_key(input)).then_some(op),
        }
    }

    /// True if a pool is the mean over the features and may be another: with padding, its cells
    /// stay those that they are.
    fn is_mean(&self, pool: &Pool, is_head: bool) -> bool {
        is_head && pool.kind == PoolKind::Average && self.dense.padding == MapPadding::Same
    }

    /// The form of a node that changes nothing.
    fn merge_states(&self, node: &Node) -> MapState {
        let mut joined = MapState::default();
        for state in self.live_inputs(node).map(|input| &self.states[input.index()]) {
            for axis in 0..2 {
                joined.original_stride[axis] =
                    joined.original_stride[axis].max(state.original_stride[axis]);
                joined.rate[axis] = joined.rate[axis].max(state.rate[axis]);
            }
            joined.collapsed |= state.collapsed;
            joined.flattened = joined.flattened.or(state.flattened);
        }
        joined
    }

    fn live_inputs<'n>(&'n self, node: &'n Node) -> impl Iterator<Item = NodeId> + 'n {
        node.inputs.iter().copied().filter(|input| self.main_path.after_input[input.index()])
    }

    fn rewrite_node(
        &mut self,
        id: NodeId,
        node: &Node,
        mut inputs: Vec<NodeId>,
    ) -> Result<(Op, Vec<NodeId>), String> {
        let scaled = self.states[id.index()].rate != [1; 2];
        let op = match &node.op {
            Op::Conv2d(conv) => {
                let kernel = self.kernel(node);
                Op::Conv2d(self.convolution(id, node, conv, kernel)?)
            }
            Op::DepthwiseConv2d(conv) => {
                let kernel = self.kernel(node);
                Op::DepthwiseConv2d(self.convolution(id, node, conv, kernel)?)
            }
            Op::Pool(pool) => match self.pool_form(id, node, pool) {
                PoolForm::Window(pool) => Op::Pool(pool),
                PoolForm::Global(axes) => {
                    let mean = Op::Reduce { kind: Reduction::Mean, keep_dims: true };
                    return Ok((mean, vec![inputs[0], axes]));
                }
            },
            Op::Reduce { kind, .. } if self.reduces_height_and_width(node) => {
                if self.main_path.on[id.index()] {
                    Op::Pool(self.sliding_pool(id, node, *kind)?)
                } else {
                    self.has_global_context = true;
                    node.op.clone()
                }
            }
            Op::Reshape | Op::Squeeze { .. } | Op::ExpandDims if self.only_reshapes(id, node) => {
                inputs.truncate(1);
                Op::Identity
            }
            Op::MatMul(product) => return self.fully_connected(id, node, product, &inputs),
            Op::Pad(PadMode::Constant) if scaled => {
                inputs[1] = self.scaled_constant(id, node, 1)?;
                node.op.clone()
            }
            Op::StridedSlice(_) if scaled => {
                inputs[1] = self.scaled_constant(id, node, 1)?;
                node.op.clone()
            }
            Op::SpaceToBatch | Op::BatchToSpace | Op::Slice | Op::Pad(_) if scaled => {
                return Err("it cannot be made finer: take the network's own output stride".into());
            }
            Op::Quantized(quantized) => return self.quantized(id, node, quantized, inputs),
            other => other.clone(),
        };
        Ok((op, inputs))
    }

    /// A convolution: it slides if it covered the whole map, and is dilated where strides before it
    /// were removed.
    fn convolution(
        &mut self,
        id: NodeId,
        node: &Node,
        conv: &Conv,
        kernel: [usize; 2],
    ) -> Result<Conv, String> {
        let state = self.states[id.index()].clone();
        let dilation = [conv.dilation[0] * state.rate[0], conv.dilation[1] * state.rate[1]];
        if self.collapses(id, node, kernel, conv.border) {
            self.states[id.index()].collapsed = true;
            return Ok(Conv {
                stride: [1, 1],
                dilation,
                border: self.head_border(),
                epilogue: conv.epilogue.clone(),
            });
        }
        let stride = self.stride(id, conv.stride);
        Ok(Conv {
            stride,
            dilation,
            border: scale_border(conv.border, state.rate),
            epilogue: conv.epilogue.clone(),
        })
    }

    /// Rows and columns of a filter.
    fn kernel(&self, node: &Node) -> [usize; 2] {
        let filter = &self.typed.fact(node.inputs[1]).shape;
        [filter[0], filter[1]]
    }

    fn pool_form(&mut self, id: NodeId, node: &Node, pool: &Pool) -> PoolForm {
        let rate = self.states[id.index()].rate;
        let dilation = [pool.dilation[0] * rate[0], pool.dilation[1] * rate[1]];
        if self.collapses(id, node, pool.kernel, pool.border) {
            self.states[id.index()].collapsed = true;
            self.averages |= pool.kind == PoolKind::Average;
            let (kernel, border) = (self.head_window(pool.kind, pool.kernel), self.head_border());
            let (kind, stride) = (pool.kind, [1, 1]);
            return PoolForm::Window(Pool { kind, kernel, stride, dilation, border });
        }
        // A pool over the whole map on a branch weights channels (squeeze and excitation); it stays
        // global.
        if pool.kind == PoolKind::Average && self.covers_map(id, node, pool.kernel, pool.border) {
            self.has_global_context = true;
            let name = format!("{}/axes", node.name);
            let axes = Tensor::from_i64(DType::I32, &[2], &[1, 2]);
            return PoolForm::Global(self.out.constant(name, axes));
        }
        let stride = self.stride(id, pool.stride);
        let border = scale_border(pool.border, rate);
        PoolForm::Window(Pool { stride, dilation, border, ..pool.clone() })
    }

    /// The stride of a window and the rate after it.
    fn stride(&mut self, id: NodeId, stride: [usize; 2]) -> [usize; 2] {
        let state = &mut self.states[id.index()];
        std::array::from_fn(|axis| {
            state.original_stride[axis] *= stride[axis];
            let finest = self.dense.output_stride.unwrap_or(usize::MAX);
            if stride[axis] > 1 && state.original_stride[axis] / state.rate[axis] > finest {
                state.rate[axis] *= stride[axis];
                return 1;
            }
            stride[axis]
        })
    }

    /// Rows and columns of the pool over the features.
    fn head_window(&self, kind: PoolKind, trained: [usize; 2]) -> [usize; 2] {
        let max_side = self.dense.max_mean_side.filter(|_| kind == PoolKind::Average);
        max_side.map_or(trained, |max_side| narrowed(trained, max_side))
    }

    fn head_border(&self) -> Border {
        match self.dense.padding {
            MapPadding::Same => Border::Same,
            MapPadding::Valid => Border::Valid,
        }
    }

    /// True if every path through the network passes this window and it covers the whole map once.
    fn collapses(&self, id: NodeId, node: &Node, kernel: [usize; 2], border: Border) -> bool {
        self.main_path.on[id.index()] && self.covers_map(id, node, kernel, border)
    }

    fn covers_map(&self, id: NodeId, node: &Node, kernel: [usize; 2], border: Border) -> bool {
        let (from, to) = (&self.typed.fact(node.inputs[0]).shape, &self.typed.fact(id).shape);
        let inside =
            matches!(border, Border::Valid) || border == Border::Explicit(Padding::default());
        from.len() == 4 && inside && kernel != [1, 1] && from[1..3] == kernel && to[1..3] == [1, 1]
    }

    /// True if a reduction is over height and width.
    fn reduces_height_and_width(&self, node: &Node) -> bool {
        let rank = self.typed.fact(node.inputs[0]).shape.len() as i64;
        let axes =
            self.typed.graph.constant_of(node.inputs[1]).map(Tensor::to_i64).unwrap_or_default();
        let mut axes: Vec<i64> =
            axes.into_iter().map(|axis| if axis < 0 { axis + rank } else { axis }).collect();
        axes.sort_unstable();
        rank == 4 && axes == [1, 2]
    }

    fn sliding_pool(&mut self, id: NodeId, node: &Node, kind: Reduction) -> Result<Pool, String> {
        let kind = match kind {
            Reduction::Mean => PoolKind::Average,
            Reduction::Max => PoolKind::Max,
            _ => {
                return Err(
                    "it is neither a mean nor a maximum over the map, and cannot slide".into()
                );
            }
        };
        let from = &self.typed.fact(node.inputs[0]).shape;
        let kernel = self.head_window(kind, [from[1], from[2]]);
        self.states[id.index()].collapsed = true;
        self.averages |= kind == PoolKind::Average;
        let dilation = self.states[id.index()].rate;
        Ok(Pool { kind, kernel, stride: [1, 1], dilation, border: self.head_border() })
    }

    /// True if a node only removes or adds the height and width of a single position. Records the
    /// map that it flattens.
    fn only_reshapes(&mut self, id: NodeId, node: &Node) -> bool {
        let (from, to) = (&self.typed.fact(node.inputs[0]).shape, &self.typed.fact(id).shape);
        let state = &self.states[id.index()];
        if state.collapsed || state.flattened.is_some() {
            return from.last() == to.last();
        }
        match (from.as_slice(), to.as_slice()) {
            (&[_, 1, 1, channels], &[.., last])
                if last == channels && self.main_path.on[id.index()] =>
            {
                self.states[id.index()].collapsed = true;
                true
            }
            (&[_, height, width, channels], &[_, all])
                if self.main_path.on[id.index()] && all == height * width * channels =>
            {
                self.states[id.index()].flattened = Some([height, width, channels]);
                true
            }
            _ => false,
        }
    }

    /// A fully connected layer as a convolution, over the map that was flattened or over one
    /// position.
    fn fully_connected(
        &mut self,
        id: NodeId,
        node: &Node,
        product: &MatMul,
        inputs: &[NodeId],
    ) -> Result<(Op, Vec<NodeId>), String> {
        let matrix = &self.typed.fact(node.inputs[1]).shape;
        let is_layer = !self.main_path.after_input[node.inputs[1].index()] && !product.transpose_a;
        let ([rows, columns], true) = (matrix[..].try_into().unwrap_or([0; 2]), is_layer) else {
            return Err("it is no fully connected layer, and cannot slide".into());
        };
        let (inner, outer) = if product.transpose_b { (columns, rows) } else { (rows, columns) };
        let [height, width, channels] =
            self.states[id.index()].flattened.take().unwrap_or([1, 1, inner]);
        self.states[id.index()].collapsed = true;
        let mut filter = inputs[1];
        let constant = |out: &mut Graph, what: &str, values: &[i64]| {
            out.constant(
                format!("{}/{what}", node.name),
                Tensor::from_i64(DType::I32, &[values.len()], values),
            )
        };
        if product.transpose_b {
            let permutation = constant(&mut self.out, "permutation", &[1, 0]);
            filter = self.out.add(
                format!("{}/transposed", node.name),
                Op::Transpose,
                &[filter, permutation],
            );
        }
        let shape =
            constant(&mut self.out, "shape", &[height, width, channels, outer].map(|n| n as i64));
        filter = self.out.add(format!("{}/filter", node.name), Op::Reshape, &[filter, shape]);
        let border = if [height, width] == [1, 1] { Border::Valid } else { self.head_border() };
        let dilation = self.states[id.index()].rate;
        let conv = Conv { stride: [1, 1], dilation, border, epilogue: product.epilogue.clone() };
        Ok((Op::Conv2d(conv), [&[inputs[0], filter], &inputs[2..]].concat()))
    }

    /// The constant that a node reads, its entries for height and width multiplied by the rate:
    /// paddings, or the start of a slice.
    fn scaled_constant(&mut self, id: NodeId, node: &Node, input: usize) -> Result<NodeId, String> {
        let tensor =
            self.typed.graph.constant_of(node.inputs[input]).ok_or("an input is not constant")?;
        let rate = self.states[id.index()].rate;
        let each = tensor.len() / 4;
        let scale = |at: usize| if (1..3).contains(&at) { rate[at - 1] as i64 } else { 1 };
        let values: Vec<i64> = tensor
            .to_i64()
            .iter()
            .enumerate()
            .map(|(i, value)| value * scale(i / each.max(1)))
            .collect();
        let scaled = Tensor::from_i64(tensor.dtype(), tensor.shape(), &values);
        Ok(self.out.constant(format!("{}/scaled", node.name), scaled))
    }
}

/// The rewritten form of a pool.
enum PoolForm {
    Window(Pool),
    /// A mean over the whole map, along these axes.
    Global(NodeId),
}

/// Rows and columns of a window whose sides are `max_side` at most, and not 0.
fn narrowed(window: [usize; 2], max_side: usize) -> [usize; 2] {
    window.map(|side| side.min(max_side.max(1)))
}

/// The padding for a map whose positions are closer.
fn scale_border(border: Border, [down, across]: [usize; 2]) -> Border {
    match border {
        Border::Explicit(Padding { top, bottom, left, right }) => Border::Explicit(Padding {
            top: top * down,
            bottom: bottom * down,
            left: left * across,
            right: right * across,
        }),
        other => other,
    }
}
