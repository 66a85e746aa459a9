//! The operations a graph is made of.
//!
//! They are TensorFlow's own, with the many spellings of one thing brought together. Structural
//! parameters (a shape, axes, paddings) are inputs, as in TensorFlow, and constants by the time a
//! plan is made.

use std::sync::Arc;

use lorgnette_kernels::{Binary, Clamp, Padding, Unary};

use crate::lazy_tensor::LazyTensor;
use crate::tensor::{DType, Tensor};

/// What a node computes from its inputs.
///
/// The comments list the inputs. All pictures are NHWC, all filters HWIO.
#[derive(Clone, Debug)]
pub enum Op {
    /// Fed from outside. No inputs. Dimensions that only the feed decides are `None`; so is the
    /// whole shape if not even the rank is known.
    Input {
        /// Type of the elements.
        dtype: DType,
        /// The shape, as far as the graph gives it.
        shape: Option<Vec<Option<usize>>>,
    },
    /// A value from the weights file. No inputs.
    Const(Tensor),
    /// A value that stays in the weights file until it is packed, or something else needs it. No
    /// inputs.
    Variable(LazyTensor),
    /// The value itself. `x`.
    Identity,
    /// `x, filter`, and the residual if the epilogue has one.
    Conv2d(Conv),
    /// `x, filter` (`[height, width, channels, multiplier]`).
    DepthwiseConv2d(Conv),
    /// `a, b`, and the residual if the epilogue has one. Matrices.
    MatMul(MatMul),
    /// `x, scale, offset, mean, variance`: `(x − mean) / √(variance + epsilon) · scale + offset`
    /// for each channel.
    BatchNorm {
        /// Keeps the root from zero.
        epsilon: f32,
    },
    /// `x`: a multiplication and an addition for each channel, then a clamp.
    Affine(Epilogue),
    /// `x`.
    Unary(Unary),
    /// `x`: the clamp activations.
    Clamp(Clamp),
    /// `a, b`, broadcast; then a clamp.
    Binary(Binary, Clamp),
    /// `x`.
    Pool(Pool),
    /// `x, axes`.
    Reduce {
        /// What becomes of the elements.
        kind: Reduction,
        /// Whether reduced dimensions stay, with length 1.
        keep_dims: bool,
    },
    /// `x`, over the last dimension.
    Softmax {
        /// Whether the logarithm is wanted.
        log: bool,
    },
    /// `x`: local response normalisation over neighbouring channels.
    Lrn(Lrn),
    /// `x, [height, width]`.
    Resize(Resize),
    /// `values…, axis`.
    Concat,
    /// `values…` stacked along a new axis.
    Pack {
        /// Where the new axis is; negative counts from the end.
        axis: i64,
    },
    /// `x, paddings ([rank, 2])`, and the value around for [`PadMode::Constant`] (zero if there is
    /// none).
    Pad(PadMode),
    /// `x, shape`; one −1 stands for what is left.
    Reshape,
    /// `x`: dimensions of length 1 removed.
    Squeeze {
        /// Which; all of them if empty.
        axes: Vec<i64>,
    },
    /// `x, axis`: a dimension of length 1 added.
    ExpandDims,
    /// `x`: its shape.
    Shape(DType),
    /// `x`: its number of elements.
    Size(DType),
    /// `x`: its number of dimensions.
    Rank,
    /// `x, permutation`.
    Transpose,
    /// `x, begin, end, strides`.
    StridedSlice(SliceMasks),
    /// `x, begin, size`; a size of −1 goes to the end.
    Slice,
    /// `axis, x`: one of `count` equal parts.
    Split {
        /// How many parts.
        count: usize,
        /// Which of them.
        index: usize,
    },
    /// `x, sizes, axis`: one of the parts.
    SplitV {
        /// Which of them.
        index: usize,
    },
    /// `x`: one slice, its axis removed.
    Unpack {
        /// Along which axis.
        axis: i64,
        /// Which slice.
        index: usize,
    },
    /// `x, indices, axis`.
    Gather,
    /// `x, axes`: back to front along these.
    Reverse,
    /// `x, multiples`.
    Tile,
    /// `x, shape`.
    BroadcastTo,
    /// `x, block ([2]), paddings ([2, 2])`: rows and columns dealt out to the batch.
    SpaceToBatch,
    /// `x, block ([2]), crops ([2, 2])`: the reverse.
    BatchToSpace,
    /// `x`: blocks of channels dealt out to rows and columns, `block` of each.
    DepthToSpace {
        /// Rows and columns that one pixel becomes.
        block: [usize; 2],
        /// Whether a channel's places are next to one another; else a place's channels are.
        by_channel: bool,
    },
    /// `x`: the reverse; a place's channels are next to one another.
    SpaceToDepth {
        /// Rows and columns that become one pixel.
        block: [usize; 2],
    },
    /// `dims, value`.
    Fill,
    /// `start, limit, delta`.
    Range,
    /// `condition, a, b`: a where the condition is true, else b.
    Select,
    /// `x, axis`: where the largest (or smallest) element is.
    ArgExtreme {
        /// Whether the smallest one is looked for.
        smallest: bool,
        /// The type of the answer.
        dtype: DType,
    },
    /// `x, k`: the `k` largest of the last dimension, in descending order; the values, or where
    /// they are.
    TopK {
        /// Whether the positions are wanted.
        indices: bool,
    },
    /// `x`.
    Cast(DType),
    /// `x, lowest, highest`: quantised weights made floats again.
    Dequantize(Dequantize),
    /// `shape`: uniform random numbers from 0 up to, not including, 1. Nothing random is ever run:
    /// dropout that does nothing is removed, and other uses are refused.
    RandomUniform,
}

/// How a convolution moves.
#[derive(Clone, Debug)]
pub struct Conv {
    /// Steps between windows, (vertical, horizontal).
    pub stride: [usize; 2],
    /// Steps between taps.
    pub dilation: [usize; 2],
    /// What is around the picture.
    pub border: Border,
    /// What happens to each sum.
    pub epilogue: Epilogue,
}

/// A matrix product.
#[derive(Clone, Debug, Default)]
pub struct MatMul {
    /// The left matrix is given column by column.
    pub transpose_a: bool,
    /// The right matrix is given column by column.
    pub transpose_b: bool,
    /// What happens to each sum.
    pub epilogue: Epilogue,
}

/// What happens to a sum before it is stored: `clamp(sum · scale[c] + shift[c] + residual)`.
#[derive(Clone, Debug, Default)]
pub struct Epilogue {
    /// A factor for each channel (the filter is multiplied by it when it is packed).
    pub scale: Option<Arc<[f32]>>,
    /// A summand for each channel.
    pub shift: Option<Arc<[f32]>>,
    /// Whether the node's last input is added.
    pub residual: bool,
    /// The activation; `None` is no limit.
    pub clamp: Option<Clamp>,
}

impl Epilogue {
    /// The activation as a clamp.
    pub fn limits(&self) -> Clamp {
        self.clamp.unwrap_or(Clamp::NONE)
    }
}

/// What a convolution or pool finds beyond the edge of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Border {
    /// As many zeros as make the output `⌈input / stride⌉`, the odd one below and to the right.
    Same,
    /// Nothing: windows stay inside.
    Valid,
    /// So many zeros.
    Explicit(Padding),
}

/// A pooling window.
#[derive(Clone, Debug)]
pub struct Pool {
    /// What becomes of the window.
    pub kind: PoolKind,
    /// Its rows and columns.
    pub kernel: [usize; 2],
    /// Steps between windows.
    pub stride: [usize; 2],
    /// Steps between taps.
    pub dilation: [usize; 2],
    /// What is around the picture; never counted.
    pub border: Border,
}

pub use lorgnette_kernels::fallback::Reduction;
pub use lorgnette_kernels::{Lrn, PoolKind};

/// How a picture is resized.
#[derive(Clone, Copy, Debug)]
pub struct Resize {
    /// Weighted from four pixels, or the nearest one.
    pub bilinear: bool,
    /// Which place of the input a place of the output corresponds to.
    pub how: lorgnette_kernels::Resize,
}

/// What a padding is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PadMode {
    /// One value.
    Constant,
    /// The picture mirrored, the edge not repeated.
    Reflect,
    /// The picture mirrored, the edge repeated.
    Symmetric,
    /// The value at the edge.
    Edge,
}

/// Bit masks of StridedSlice; bit `i` is for entry `i` of `begin`, `end`, `strides`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SliceMasks {
    /// `begin` does not count: from the start.
    pub begin: u64,
    /// `end` does not count: to the end.
    pub end: u64,
    /// The entry stands for as many whole dimensions as there are left.
    pub ellipsis: u64,
    /// The entry inserts a dimension of length 1.
    pub new_axis: u64,
    /// The entry selects one element and removes the dimension.
    pub shrink_axis: u64,
}

/// How quantised numbers are spread between lowest and highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // TensorFlow's own names.
pub enum Dequantize {
    MinCombined,
    MinFirst,
    Scaled,
}

impl Op {
    /// How many inputs the operation takes.
    pub fn input_count(&self) -> std::ops::RangeInclusive<usize> {
        const ANY: usize = 1 << 16;
        match self {
            Self::Input { .. } | Self::Const(_) | Self::Variable(_) => 0..=0,
            Self::Identity | Self::Affine(_) | Self::Unary(_) | Self::Clamp(_) | Self::Pool(_) => {
                1..=1
            }
            Self::Softmax { .. }
            | Self::Lrn(_)
            | Self::Squeeze { .. }
            | Self::Cast(_)
            | Self::Unpack { .. } => 1..=1,
            Self::Shape(_) | Self::Size(_) | Self::Rank | Self::RandomUniform => 1..=1,
            Self::DepthToSpace { .. } | Self::SpaceToDepth { .. } => 1..=1,
            Self::Conv2d(Conv { epilogue, .. }) | Self::MatMul(MatMul { epilogue, .. }) => {
                let inputs = 2 + usize::from(epilogue.residual);
                inputs..=inputs
            }
            Self::DepthwiseConv2d(_) | Self::Binary(..) | Self::Reduce { .. } | Self::Resize(_) => {
                2..=2
            }
            Self::Reshape
            | Self::ExpandDims
            | Self::Transpose
            | Self::Split { .. }
            | Self::Tile
            | Self::Reverse => 2..=2,
            Self::BroadcastTo | Self::Fill | Self::ArgExtreme { .. } | Self::TopK { .. } => 2..=2,
            Self::Slice
            | Self::SplitV { .. }
            | Self::Gather
            | Self::SpaceToBatch
            | Self::BatchToSpace => 3..=3,
            Self::Range | Self::Select | Self::Dequantize(_) => 3..=3,
            Self::Pad(_) => 2..=3,
            Self::StridedSlice(_) => 4..=4,
            Self::BatchNorm { .. } => 5..=5,
            Self::Concat => 2..=ANY,
            Self::Pack { .. } => 1..=ANY,
        }
    }

    /// TensorFlow's name for the operation, as error messages and `explain` show it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Input { .. } => "Placeholder",
            Self::Const(_) => "Const",
            Self::Variable(_) => "VariableV2",
            Self::Identity => "Identity",
            Self::Conv2d(_) => "Conv2D",
            Self::DepthwiseConv2d(_) => "DepthwiseConv2dNative",
            Self::MatMul(_) => "MatMul",
            Self::BatchNorm { .. } => "FusedBatchNorm",
            Self::Affine(_) => "Affine",
            Self::Unary(_) => "Unary",
            Self::Clamp(_) => "Relu",
            Self::Binary(..) => "Binary",
            Self::Pool(Pool { kind: PoolKind::Max, .. }) => "MaxPool",
            Self::Pool(_) => "AvgPool",
            Self::Reduce { .. } => "Reduce",
            Self::Softmax { .. } => "Softmax",
            Self::Lrn(_) => "LRN",
            Self::Resize(_) => "Resize",
            Self::Concat => "Concat",
            Self::Pack { .. } => "Pack",
            Self::Pad(_) => "Pad",
            Self::Reshape => "Reshape",
            Self::Squeeze { .. } => "Squeeze",
            Self::ExpandDims => "ExpandDims",
            Self::Shape(_) => "Shape",
            Self::Size(_) => "Size",
            Self::Rank => "Rank",
            Self::Transpose => "Transpose",
            Self::StridedSlice(_) => "StridedSlice",
            Self::Slice => "Slice",
            Self::Split { .. } => "Split",
            Self::SplitV { .. } => "SplitV",
            Self::Unpack { .. } => "Unpack",
            Self::Gather => "Gather",
            Self::Reverse => "ReverseV2",
            Self::Tile => "Tile",
            Self::BroadcastTo => "BroadcastTo",
            Self::SpaceToBatch => "SpaceToBatchND",
            Self::BatchToSpace => "BatchToSpaceND",
            Self::DepthToSpace { .. } => "DepthToSpace",
            Self::SpaceToDepth { .. } => "SpaceToDepth",
            Self::Fill => "Fill",
            Self::Range => "Range",
            Self::Select => "Select",
            Self::ArgExtreme { .. } => "ArgMax",
            Self::TopK { .. } => "TopKV2",
            Self::Cast(_) => "Cast",
            Self::Dequantize(_) => "Dequantize",
            Self::RandomUniform => "RandomUniform",
        }
    }
}
