//! The operations of a graph.
//!
//! They are TensorFlow's own; variants of one operation are unified. Structural parameters (shapes,
//! axes, paddings) are inputs, as in TensorFlow, and are constants when a plan is made.

use std::sync::Arc;

use lorgnette_kernels::{Binary, Clamp, Padding, Unary};

use super::quantized::Quantized;
use crate::lazy_tensor::LazyTensor;
use crate::tensor::{DType, Tensor};

/// An operation.
///
/// The comments list the inputs. All images are NHWC, all filters HWIO.
#[derive(Clone, Debug)]
pub enum Op {
    /// A fed value. No inputs. `None` stands for dimensions that only the feed decides, or for the
    /// whole shape if the rank is unknown.
    Input {
        /// Element type.
        dtype: DType,
        /// The shape, as far as the graph gives it.
        shape: Option<Vec<Option<usize>>>,
    },
    /// A value from the weights file. No inputs.
    Const(Tensor),
    /// A value that stays in the weights file until it is packed or another operation needs it. No
    /// inputs.
    Variable(LazyTensor),
    /// `x`, unchanged.
    Identity,
    /// `x, filter`, and the residual if the epilogue has one.
    Conv2d(Conv),
    /// `x, filter` (`[height, width, channels, multiplier]`).
    DepthwiseConv2d(Conv),
    /// `a, b`, and the residual if the epilogue has one. All are matrices.
    MatMul(MatMul),
    /// `x, scale, offset, mean, variance`: `(x − mean) / √(variance + epsilon) · scale + offset`
    /// for each channel.
    BatchNorm {
        /// Keeps the square root above zero.
        epsilon: f32,
    },
    /// `x`: multiplies and adds per channel, then clamps.
    Affine(Epilogue),
    /// `x`.
    Unary(Unary),
    /// `x`: the activations that are clamps.
    Clamp(Clamp),
    /// `a, b`: broadcast, combined, then clamped.
    Binary(Binary, Clamp),
    /// `x`.
    Pool(Pool),
    /// `x, axes`.
    Reduce {
        /// The reduction.
        kind: Reduction,
        /// Whether reduced dimensions are kept with length 1.
        keep_dims: bool,
    },
    /// `x`, over the last dimension.
    Softmax {
        /// Whether to compute the logarithm.
        log: bool,
    },
    /// `x`: local response normalisation over adjacent channels.
    Lrn(Lrn),
    /// `x, [height, width]`.
    Resize(Resize),
    /// `x, [height, width]`: bicubic interpolation, with this mapping of coordinates.
    ResizeBicubic(lorgnette_kernels::Resize),
    /// `x, [height, width]`; or `x, boxes ([n, 4]), pictures ([n]), [height, width]`; or `x,
    /// factors ([2]), shifts ([2]), [height, width]`.
    Resample(Resample),
    /// `values…, axis`.
    Concat,
    /// `values…`: stacked along a new axis.
    Pack {
        /// The new axis; negative values count from the end.
        axis: i64,
    },
    /// `x, paddings ([rank, 2])`, and the fill value for [`PadMode::Constant`] (zero if absent).
    Pad(PadMode),
    /// `x, shape`; one −1 stands for the remaining elements.
    Reshape,
    /// `x`: removes dimensions of length 1.
    Squeeze {
        /// The dimensions; all of length 1 if empty.
        axes: Vec<i64>,
    },
    /// `x, axis`: inserts a dimension of length 1.
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
    /// `x, begin, size`; a size of −1 reaches to the end.
    Slice,
    /// `axis, x`: one of `count` equal parts.
    Split {
        /// The number of parts.
        count: usize,
        /// The index of the part.
        index: usize,
    },
    /// `x, sizes, axis`: one of the parts.
    SplitV {
        /// The index of the part.
        index: usize,
    },
    /// `x`: one slice, its axis removed.
    Unpack {
        /// The axis.
        axis: i64,
        /// The index of the slice.
        index: usize,
    },
    /// `x, indices, axis`.
    Gather,
    /// `x, axes`: reversed along these axes.
    Reverse,
    /// `x, multiples`.
    Tile,
    /// `x, shape`.
    BroadcastTo,
    /// `x, block ([2]), paddings ([2, 2])`: moves rows and columns to the batch.
    SpaceToBatch,
    /// `x, block ([2]), crops ([2, 2])`: the inverse.
    BatchToSpace,
    /// `x`: moves channels to rows and columns, in blocks of `block`.
    DepthToSpace {
        /// The rows and columns that one pixel becomes.
        block: [usize; 2],
        /// Whether the positions of a channel are adjacent; otherwise the channels of a position
        /// are.
        by_channel: bool,
    },
    /// `x`: the inverse; the channels of a position are adjacent.
    SpaceToDepth {
        /// The rows and columns that become one pixel.
        block: [usize; 2],
    },
    /// `dims, value`.
    Fill,
    /// `start, limit, delta`.
    Range,
    /// `condition, a, b`: `a` where the condition is true, `b` elsewhere.
    Select,
    /// `x, axis`: the index of the largest (or smallest) element.
    ArgExtreme {
        /// Whether to find the smallest element.
        smallest: bool,
        /// The type of the result.
        dtype: DType,
    },
    /// `x, k`: the `k` largest elements of the last dimension in descending order, or their
    /// indices.
    TopK {
        /// Whether to return the indices.
        indices: bool,
    },
    /// `x`.
    Cast(DType),
    /// `x, lowest, highest`: converts quantised weights to floats.
    Dequantize(Dequantize),
    /// An operation on 8-bit integers; [`QuantizedKind`](super::quantized::QuantizedKind) lists the
    /// inputs.
    Quantized(Box<Quantized>),
    /// `shape`: uniform random numbers in [0, 1). Never executed: dropout without effect is
    /// removed, and other uses are refused.
    RandomUniform,
}

/// The parameters of a convolution.
#[derive(Clone, Debug)]
pub struct Conv {
    /// Stride, (vertical, horizontal).
    pub stride: [usize; 2],
    /// Dilation, (vertical, horizontal).
    pub dilation: [usize; 2],
    /// The padding.
    pub border: Border,
    /// The epilogue.
    pub epilogue: Epilogue,
}

/// The parameters of a matrix product.
#[derive(Clone, Debug, Default)]
pub struct MatMul {
    /// Whether the left matrix is stored by columns.
    pub transpose_a: bool,
    /// Whether the right matrix is stored by columns.
    pub transpose_b: bool,
    /// The epilogue.
    pub epilogue: Epilogue,
}

/// The operations on a sum before it is stored: `clamp(sum · scale[c] + shift[c] + residual)`.
#[derive(Clone, Debug, Default)]
pub struct Epilogue {
    /// A factor per channel; the filter is multiplied by it when it is packed.
    pub scale: Option<Arc<[f32]>>,
    /// A summand per channel.
    pub shift: Option<Arc<[f32]>>,
    /// Whether the node's last input is added.
    pub residual: bool,
    /// The activation; `None` has no limits.
    pub clamp: Option<Clamp>,
}

impl Epilogue {
    /// Returns the activation as a clamp.
    pub fn limits(&self) -> Clamp {
        self.clamp.unwrap_or(Clamp::NONE)
    }
}

/// The padding of a convolution or pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Border {
    /// Zeros such that the output size is `⌈input / stride⌉`; an odd one goes below and to the
    /// right.
    Same,
    /// None: windows stay inside.
    Valid,
    /// This number of zeros.
    Explicit(Padding),
}

/// The parameters of a pool.
#[derive(Clone, Debug)]
pub struct Pool {
    /// The reduction of a window.
    pub kind: PoolKind,
    /// Window size, (vertical, horizontal).
    pub kernel: [usize; 2],
    /// Stride, (vertical, horizontal).
    pub stride: [usize; 2],
    /// Dilation, (vertical, horizontal).
    pub dilation: [usize; 2],
    /// The padding; it does not count.
    pub border: Border,
}

pub use lorgnette_kernels::fallback::Reduction;
pub use lorgnette_kernels::{Lrn, PoolKind};

/// The parameters of a resize.
#[derive(Clone, Copy, Debug)]
pub struct Resize {
    /// Bilinear interpolation; otherwise the nearest neighbour.
    pub bilinear: bool,
    /// The mapping of output to input coordinates.
    pub how: lorgnette_kernels::Resize,
}

/// Another way to resize: by weighted sums of pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resample {
    /// The mean of the area that each pixel of the result covers.
    Area {
        /// Whether the centres of the corner pixels of input and output coincide.
        align_corners: bool,
    },
    /// Boxes, each cut out and resized.
    Boxes {
        /// Bilinear interpolation; otherwise the nearest neighbour.
        bilinear: bool,
        /// The value outside the picture.
        fill: f32,
    },
    /// Pixels weighted by a function of their distance, as `tf.image.resize` with `antialias` does.
    Kernel {
        /// The function.
        kernel: ResampleKernel,
        /// Whether it is widened where the picture becomes smaller.
        antialias: bool,
    },
}

/// A function of a distance in pixels, by which they are weighted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResampleKernel {
    /// A sinc in the window of another, as wide as so many pixels.
    Lanczos(u8),
    /// A bell with a deviation of half a pixel.
    Gaussian,
    /// The nearest pixels alike.
    Box,
    /// Linear.
    Triangle,
    /// Cubic, by Keys.
    KeysCubic,
    /// Cubic, by Mitchell and Netravali.
    MitchellCubic,
}

/// The content of a padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PadMode {
    /// A constant.
    Constant,
    /// The image mirrored without its edge.
    Reflect,
    /// The image mirrored with its edge.
    Symmetric,
    /// The value at the edge.
    Edge,
}

/// Bit masks of StridedSlice; bit `i` is for entry `i` of `begin`, `end`, `strides`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SliceMasks {
    /// Ignores `begin`: the slice starts at the first element.
    pub begin: u64,
    /// Ignores `end`: the slice reaches to the last element.
    pub end: u64,
    /// The entry stands for all dimensions that no other entry covers.
    pub ellipsis: u64,
    /// The entry inserts a dimension of length 1.
    pub new_axis: u64,
    /// The entry selects one element and removes the dimension.
    pub shrink_axis: u64,
}

/// The mapping of quantised numbers to the range from lowest to highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // TensorFlow's own names.
pub enum Dequantize {
    MinCombined,
    MinFirst,
    Scaled,
}

impl Op {
    /// Returns the number of inputs that the operation takes.
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
            Self::DepthwiseConv2d(_)
            | Self::Binary(..)
            | Self::Reduce { .. }
            | Self::Resize(_)
            | Self::ResizeBicubic(_)
            | Self::Resample(Resample::Area { .. })
            | Self::Reshape
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
            Self::StridedSlice(_)
            | Self::Resample(Resample::Boxes { .. } | Resample::Kernel { .. }) => 4..=4,
            Self::BatchNorm { .. } => 5..=5,
            Self::Quantized(quantized) => quantized.input_count(),
            Self::Concat => 2..=ANY,
            Self::Pack { .. } => 1..=ANY,
        }
    }

    /// Returns TensorFlow's name of the operation, as error messages and `explain` show it.
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
            Self::ResizeBicubic(_) => "ResizeBicubic",
            Self::Resample(Resample::Area { .. }) => "ResizeArea",
            Self::Resample(Resample::Boxes { .. }) => "CropAndResize",
            Self::Resample(Resample::Kernel { .. }) => "ScaleAndTranslate",
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
            Self::Quantized(quantized) => quantized.name(),
            Self::RandomUniform => "RandomUniform",
        }
    }
}
