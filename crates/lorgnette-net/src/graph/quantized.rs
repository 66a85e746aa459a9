//! Operations on 8-bit integers that stand for real numbers, as TensorFlow Lite defines them.
//!
//! An operation has the scales of all that it reads and writes. Nothing that happens to its
//! neighbours changes what it computes.

mod kernel;

pub(crate) use kernel::{IntegerArgs, IntegerKernel, Operand, PackFilter, StoredFilter, Target};

use lorgnette_kernels::Clamp;
pub use lorgnette_kernels::integer::Scale;

use super::op::{Conv, Pool, PoolKind, Resize};
use super::shape::{
    Fact, TypedGraph, broadcast, output_size, picture, pooled_shape, reduced, resolve,
};
use super::{Node, NodeId, Op};
use crate::tensor::{DType, elements};

/// The scales of a filter's output channels: one, or one for each.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterScale {
    /// The real number of one step.
    pub scales: Vec<f32>,
    /// The stored value that stands for zero.
    pub zero_point: i32,
}

/// An operation on 8-bit integers.
#[derive(Clone, Debug)]
pub struct Quantized {
    /// The operation.
    pub kind: QuantizedKind,
    /// The scales of the activations that it reads, in the order of its inputs.
    pub inputs: Vec<Scale>,
    /// The scale of its result.
    pub output: Scale,
    /// The element type of its result.
    pub dtype: DType,
    /// The real range that results are limited to.
    pub clamp: Clamp,
}

/// The operations on integers of 8 and 16 bits. The comments list the inputs.
#[derive(Clone, Debug)]
pub enum QuantizedKind {
    /// `x, filter ([output, rows, columns, input]), bias`, which may be missing.
    Conv2d(Conv, FilterScale),
    /// `x, filter ([1, rows, columns, output]), bias`, which may be missing.
    DepthwiseConv2d(Conv, FilterScale),
    /// `x, weights ([output, input]), bias`, which may be missing. The result has a row for each
    /// `input` values of `x`.
    FullyConnected(FilterScale),
    /// `a, b`: broadcast and combined.
    Binary(QuantizedBinary),
    /// `x`, whose scale the result keeps.
    Pool(Pool),
    /// `x, [height, width]`; the result keeps the scale.
    Resize(Resize),
    /// `x, axes`.
    Mean {
        /// Whether reduced dimensions are kept with length 1.
        keep_dims: bool,
    },
    /// `x`, times `beta`, over the last dimension.
    Softmax {
        /// A factor of the values.
        beta: f32,
    },
    /// `x`: a function of each value.
    Function(QuantizedFunction),
    /// `x`, of float32.
    Quantize {
        /// Whether `x` is an input of the graph, which takes the real numbers of the result.
        port: bool,
    },
    /// `x`, of float32, rounded to the 8-bit integers of a range that its own values have; the
    /// result are the real numbers of these.
    DynamicRange(DynamicRange),
    /// `x`; the result is float32.
    Dequantize {
        /// Whether the result is an output of the graph, which has the real numbers of `x`.
        port: bool,
    },
}

/// How a range is chosen when a network runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DynamicRange {
    /// Whether the range reaches as far below zero as above.
    pub is_symmetric: bool,
    /// The number of neighbouring values that have one range; `None` for those of a picture.
    pub row: Option<usize>,
}

/// A function of two stored values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The variants are their own description.
pub enum QuantizedBinary {
    Add,
    Sub,
    /// An addition of int16 whose scales are powers of two, by shifts.
    ShiftedAdd,
    /// A subtraction of the same.
    ShiftedSub,
    Mul,
    Prelu,
}

/// A function of one stored value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum QuantizedFunction {
    /// The same real number in another scale or type, limited to the operation's range.
    Requantize,
    /// The same real number in the scale of a concatenation, computed in float32.
    Join,
    /// `1 / (1 + e^−x)`.
    Logistic,
    /// The hyperbolic tangent.
    Tanh,
    /// `x · relu6(x + 3) / 6`.
    HardSwish,
    /// `x` where it is positive, else `eˣ − 1`.
    Elu,
    /// `x` where it is positive, else its product with a slope.
    LeakyRelu(f32),
}

impl QuantizedKind {
    /// True if the kernel packs its filter, input number 1, so that the filter itself may stay in
    /// its file.
    pub(crate) fn packs_filter(&self) -> bool {
        matches!(self, Self::Conv2d(..) | Self::FullyConnected(_))
    }
}

impl Quantized {
    /// Returns the operation from integers to the real numbers that they stand for.
    pub(crate) fn dequantize(scale: Scale, dtype: DType) -> Self {
        Self {
            kind: QuantizedKind::Dequantize { port: false },
            inputs: vec![scale],
            output: scale,
            dtype,
            clamp: Clamp::NONE,
        }
    }

    /// Returns the name of the operation in messages and in GraphDefs of our own.
    pub(crate) fn name(&self) -> &'static str {
        match &self.kind {
            QuantizedKind::Conv2d(..) => "LiteConv2D",
            QuantizedKind::DepthwiseConv2d(..) => "LiteDepthwiseConv2D",
            QuantizedKind::FullyConnected(_) => "LiteFullyConnected",
            QuantizedKind::Binary(QuantizedBinary::Add) => "LiteAdd",
            QuantizedKind::Binary(QuantizedBinary::Sub) => "LiteSub",
            QuantizedKind::Binary(QuantizedBinary::ShiftedAdd) => "LiteShiftedAdd",
            QuantizedKind::Binary(QuantizedBinary::ShiftedSub) => "LiteShiftedSub",
            QuantizedKind::Binary(QuantizedBinary::Mul) => "LiteMul",
            QuantizedKind::Binary(QuantizedBinary::Prelu) => "LitePrelu",
            QuantizedKind::Resize(Resize { bilinear: true, .. }) => "LiteResizeBilinear",
            QuantizedKind::Resize(_) => "LiteResizeNearest",
            QuantizedKind::Pool(pool) => match pool.kind {
                PoolKind::Max => "LiteMaxPool",
                PoolKind::Average => "LiteAvgPool",
            },
            QuantizedKind::Mean { .. } => "LiteMean",
            QuantizedKind::Softmax { .. } => "LiteSoftmax",
            QuantizedKind::Function(QuantizedFunction::Requantize) => "LiteRequantize",
            QuantizedKind::Function(QuantizedFunction::Join) => "LiteJoin",
            QuantizedKind::Function(QuantizedFunction::Logistic) => "LiteLogistic",
            QuantizedKind::Function(QuantizedFunction::Tanh) => "LiteTanh",
            QuantizedKind::Function(QuantizedFunction::HardSwish) => "LiteHardSwish",
            QuantizedKind::Function(QuantizedFunction::Elu) => "LiteElu",
            QuantizedKind::Function(QuantizedFunction::LeakyRelu(_)) => "LiteLeakyRelu",
            QuantizedKind::Quantize { .. } => "LiteQuantize",
            QuantizedKind::DynamicRange(_) => "LiteDynamicRange",
            QuantizedKind::Dequantize { .. } => "LiteDequantize",
        }
    }

    /// Returns the number of inputs that the operation takes.
    pub(crate) fn input_count(&self) -> std::ops::RangeInclusive<usize> {
        match &self.kind {
            QuantizedKind::Conv2d(..)
            | QuantizedKind::DepthwiseConv2d(..)
            | QuantizedKind::FullyConnected(_) => 2..=3,
            QuantizedKind::Binary(_) | QuantizedKind::Mean { .. } | QuantizedKind::Resize(_) => {
                2..=2
            }
            QuantizedKind::Pool(_)
            | QuantizedKind::Softmax { .. }
            | QuantizedKind::Function(_)
            | QuantizedKind::Quantize { .. }
            | QuantizedKind::DynamicRange(_)
            | QuantizedKind::Dequantize { .. } => 1..=1,
        }
    }

    /// Infers the type, shape and scale of the result. `numbers` gives the values of a constant
    /// input.
    pub(crate) fn fact(
        &self,
        inputs: &[&Fact],
        numbers: impl Fn(usize) -> Result<Vec<i64>, String>,
    ) -> Result<Fact, String> {
        let input = |i: usize| {
            inputs.get(i).map(|fact| &fact.shape).ok_or_else(|| format!("input {i} is missing"))
        };
        let x = input(0)?;
        let shape = match &self.kind {
            QuantizedKind::Conv2d(conv, _) => {
                let filter = input(1)?;
                convolved(conv, x, filter, filter.first().copied().unwrap_or(0))?
            }
            QuantizedKind::DepthwiseConv2d(conv, _) => {
                let filter = input(1)?;
                convolved(conv, x, filter, filter.last().copied().unwrap_or(0))?
            }
            QuantizedKind::FullyConnected(_) => match (input(1)?.as_slice(), elements(x)) {
                (&[outputs, inner], Some(len)) if inner > 0 && len.is_multiple_of(inner) => {
                    vec![len / inner, outputs]
                }
                (weights, _) => {
                    return Err(format!("weights of shape {weights:?} for values of {x:?}"));
                }
            },
            QuantizedKind::Binary(_) => broadcast(x, input(1)?)?,
            QuantizedKind::Pool(pool) => pooled_shape(pool, picture(inputs[0])?)?,
            QuantizedKind::Resize(_) if inputs[0].is_empty() => {
                return Err("a resize of nothing".into());
            }
            QuantizedKind::Resize(_) => resized(picture(inputs[0])?, &numbers(1)?)?,
            QuantizedKind::Mean { keep_dims } => reduced(x, &numbers(1)?, *keep_dims)?,
            QuantizedKind::Softmax { .. }
            | QuantizedKind::Function(_)
            | QuantizedKind::Quantize { .. }
            | QuantizedKind::DynamicRange(_)
            | QuantizedKind::Dequantize { .. } => x.clone(),
        };
        let gives_reals =
            matches!(self.kind, QuantizedKind::Dequantize { .. } | QuantizedKind::DynamicRange(_));
        let stores_integers = !gives_reals;
        let dtype = if stores_integers { self.dtype } else { DType::F32 };
        Ok(Fact { dtype, shape, quantization: stores_integers.then_some(self.output) })
    }
}

/// Returns the shape of a picture that is resized to `[height, width]`.
fn resized([n, _, _, channels]: [usize; 4], size: &[i64]) -> Result<Vec<usize>, String> {
    let side = |length: i64| usize::try_from(length).ok().filter(|&length| length > 0);
    match size {
        &[height, width] => match (side(height), side(width)) {
            (Some(height), Some(width)) => Ok(vec![n, height, width, channels]),
            _ => Err(format!("a size of {height} × {width}")),
        },
        _ => Err(format!("a size of {} numbers", size.len())),
    }
}

/// Returns the shape of a convolution's result of `outputs` channels.
fn convolved(
    conv: &Conv,
    x: &[usize],
    filter: &[usize],
    outputs: usize,
) -> Result<Vec<usize>, String> {
    let (&[n, height, width, _], &[_, rows, columns, _]) = (x, filter) else {
        return Err(format!("a picture of shape {x:?} and a filter of {filter:?}"));
    };
    let window =
        resolve([rows, columns], conv.stride, conv.dilation, conv.border, [height, width])?;
    Ok(vec![n, output_size(height, &window, 0), output_size(width, &window, 1), outputs])
}

/// Returns the type, shape and scale that the graph's input or output of a node has for callers:
/// those of the integers, where the node itself has their real numbers.
pub(crate) fn port_fact(typed: &TypedGraph, id: NodeId) -> Fact {
    let node = typed.graph.node(id);
    if let Op::Quantized(quantized) = &node.op
        && matches!(quantized.kind, QuantizedKind::Dequantize { port: true })
    {
        return typed.fact(node.inputs[0]).clone();
    }
    let reads = |(_, reader): &(NodeId, &Node)| match &reader.op {
        Op::Quantized(quantized) => {
            matches!(quantized.kind, QuantizedKind::Quantize { port: true })
                && reader.inputs[0] == id
        }
        _ => false,
    };
    match typed.graph.iter().find(reads) {
        Some((reader, _)) => typed.fact(reader).clone(),
        None => typed.fact(id).clone(),
    }
}

/// Adds, for each output of the graph that is quantised, a node with its real numbers in its place.
pub(crate) fn with_real_outputs(mut typed: TypedGraph) -> TypedGraph {
    let mut outputs = typed.graph.outputs().to_vec();
    for output in &mut outputs {
        let fact = typed.fact(*output);
        let Some(scale) = fact.quantization else { continue };
        let quantized = Quantized {
            kind: QuantizedKind::Dequantize { port: true },
            ..Quantized::dequantize(scale, fact.dtype)
        };
        let real = Fact { dtype: DType::F32, quantization: None, ..fact.clone() };
        let name = format!("{}/real", typed.graph.node(*output).name);
        *output = typed.graph.add(name, Op::Quantized(Box::new(quantized)), &[*output]);
        typed.facts.push(real);
    }
    typed.graph.set_outputs(outputs);
    typed
}
