//! The kernels of operations that read or write int16.

use bytemuck::{cast_slice, cast_slice_mut};
use bytes::Bytes;
use lorgnette_kernels::integer::{
    ByteGather, IntegerConvShape, IntegerMean, IntegerMul, IntegerPool, IntegerResize, MeanSources,
    Multiplier, OutputRange, Scale, ShiftedAdd, Sigmoid, Stored, WideAdd, WideBias, WideConv,
    WideFactors, WideFilter, WideFunction, WideSoftmax, average_pool, dequantize, integer_binary,
    max_pool, quantize,
};
use lorgnette_kernels::{Level, ThreadPool, Window};

use super::{
    BroadcastSources, IntegerArgs, IntegerType, Operand, StoredFilter, check_factor, check_scale,
    factors, filter_window, four, nearest, output_range,
};
use crate::graph::evaluate::groups;
use crate::graph::op::PoolKind;
use crate::graph::quantized::{
    FilterScale, Quantized, QuantizedBinary, QuantizedFunction, QuantizedKind,
};
use crate::graph::shape::{Fact, resolve};
use crate::tensor::DType;

/// An operation that reads or writes int16.
#[derive(Debug)]
pub(super) enum WideWork {
    Conv(Box<ConvWork>),
    Add { add: WideAdd, sources: BroadcastSources },
    ShiftedAdd { add: ShiftedAdd, sources: BroadcastSources },
    Mul { multiply: IntegerMul, sources: BroadcastSources },
    Pool { shape: IntegerPool, kind: PoolKind },
    Mean { mean: IntegerMean, sources: MeanSources },
    Softmax { softmax: WideSoftmax, columns: usize },
    Sigmoid(Sigmoid),
    Function { function: WideFunction, types: IntegerTypes },
    Resize(IntegerResize),
    Nearest(ByteGather),
    Quantize(Scale),
    Dequantize(Scale),
}

/// The types of the integers that an operation reads and writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct IntegerTypes {
    pub(super) read: IntegerType,
    pub(super) written: IntegerType,
}

/// A convolution or a fully connected layer.
#[derive(Debug)]
pub(super) struct ConvWork {
    is_depthwise: bool,
    shape: IntegerConvShape,
    filter: Bytes,
    bias: Bias,
    factors: Factors,
    /// Products of a run.
    products: u64,
}

/// The factors from sums to results of each output channel.
#[derive(Debug)]
enum Factors {
    Fixed(Vec<Multiplier>),
    Float(Vec<f64>),
}

/// The summands of output channels.
#[derive(Debug)]
enum Bias {
    None,
    Narrow(Vec<i32>),
    Wide(Vec<i64>),
}

impl WideWork {
    /// Prepares an operation.
    pub(super) fn new(
        types: IntegerTypes,
        op: &Quantized,
        inputs: &[Operand<'_>],
        filter: Option<&dyn StoredFilter>,
        output: &Fact,
    ) -> Result<Self, String> {
        let missing = || "an input is missing".to_owned();
        let x = inputs.first().ok_or_else(missing)?;
        let scale = |i: usize| op.inputs.get(i).copied().ok_or("an input has no scale");
        let range = output_range::<i16>(op);
        Ok(match &op.kind {
            QuantizedKind::Conv2d(..)
            | QuantizedKind::DepthwiseConv2d(..)
            | QuantizedKind::FullyConnected(_) => {
                let filter = filter.ok_or_else(missing)?;
                Self::Conv(Box::new(ConvWork::new(op, inputs, filter, output)?))
            }
            QuantizedKind::Binary(function) => {
                let sources = BroadcastSources::new(inputs, output)?;
                Self::binary(*function, [scale(0)?.scale, scale(1)?.scale], op, sources)?
            }
            QuantizedKind::Pool(pool) => {
                if scale(0)? != op.output {
                    return Err("a pool whose result has another scale".into());
                }
                let (input_shape, output_shape) = (four(&x.fact.shape)?, four(&output.shape)?);
                let [_, height, width, _] = input_shape;
                let count = pool.kernel[0].min(height) * pool.kernel[1].min(width);
                if pool.kind == PoolKind::Average {
                    check_count(count)?;
                }
                let window =
                    resolve(pool.kernel, pool.stride, [1; 2], pool.border, [height, width])?;
                let shape = IntegerPool { input_shape, output_shape, window, range };
                Self::Pool { shape, kind: pool.kind }
            }
            QuantizedKind::Resize(resize) => {
                if scale(0)? != op.output {
                    return Err("a resize whose result has another scale".into());
                }
                let (input_shape, output_shape) = (four(&x.fact.shape)?, four(&output.shape)?);
                let shape = IntegerResize { input_shape, output_shape, how: resize.how };
                match resize.bilinear {
                    true => Self::Resize(shape),
                    false => Self::Nearest(nearest(&shape, size_of::<i16>())?),
                }
            }
            QuantizedKind::Mean { .. } => {
                let axes = inputs.get(1).ok_or_else(missing)?.value("axes")?.to_i64();
                let (sources, count) = groups(&x.fact.shape, &axes)?;
                check_count(count)?;
                check_factor(f64::from(scale(0)?.scale) / f64::from(op.output.scale))?;
                let mean = IntegerMean::new(count, scale(0)?, op.output.scale, range);
                Self::Mean { mean, sources: MeanSources::new(sources, count) }
            }
            QuantizedKind::Softmax { beta } => {
                check_fraction(op.output)?;
                let input = scale(0)?.scale;
                let softmax = WideSoftmax::new(input, *beta)
                    .ok_or_else(|| format!("a softmax of {beta} times values of scale {input}"))?;
                Self::Softmax { softmax, columns: output.channels().max(1) }
            }
            QuantizedKind::Function(function) => Self::function(*function, types, scale(0)?, op)?,
            QuantizedKind::Quantize { .. } => Self::Quantize(op.output),
            QuantizedKind::Dequantize { .. } => Self::Dequantize(scale(0)?),
            QuantizedKind::DynamicRange(_) => return Err("it reads no integers".into()),
        })
    }

    fn binary(
        function: QuantizedBinary,
        scales: [f32; 2],
        op: &Quantized,
        sources: BroadcastSources,
    ) -> Result<Self, String> {
        let (range, output) = (output_range::<i16>(op), op.output.scale);
        check_factor(2.0 * f64::from(scales[0].max(scales[1])) / f64::from(output))?;
        check_factor(f64::from(scales[0] * scales[1] / output))?;
        let add = WideAdd::new(scales, output, range);
        let shifted = ShiftedAdd::new(scales, output, range)
            .ok_or("a sum by shifts of scales that are no powers of two, or larger than its own");
        Ok(match function {
            QuantizedBinary::Add => Self::Add { add, sources },
            QuantizedBinary::Sub => Self::Add { add: add.subtracting(), sources },
            QuantizedBinary::ShiftedAdd => Self::ShiftedAdd { add: shifted?, sources },
            QuantizedBinary::ShiftedSub => {
                Self::ShiftedAdd { add: shifted?.subtracting(), sources }
            }
            QuantizedBinary::Mul => {
                let multiply = IntegerMul::new(scales, [0; 2], output, range);
                Self::Mul { multiply, sources }
            }
            QuantizedBinary::Prelu => return Err("it is not known of int16".into()),
        })
    }

    fn function(
        function: QuantizedFunction,
        types: IntegerTypes,
        input: Scale,
        op: &Quantized,
    ) -> Result<Self, String> {
        let factor = f64::from(input.scale) / f64::from(op.output.scale);
        let range = match types.written {
            IntegerType::Int8 => output_range::<i8>(op),
            IntegerType::Uint8 => output_range::<u8>(op),
            IntegerType::Int16 => output_range::<i16>(op),
        };
        check_factor(factor)?;
        Ok(match function {
            QuantizedFunction::Requantize => {
                let function = WideFunction::scale(input.zero_point, factor, range);
                Self::Function { function, types }
            }
            QuantizedFunction::LeakyRelu(slope) => {
                // In float32, as TensorFlow Lite computes them.
                let above = f64::from(input.scale / op.output.scale);
                let below = f64::from(input.scale * slope / op.output.scale);
                check_factor(below)?;
                let function = WideFunction::scale(input.zero_point, above, range);
                Self::Function { function: function.with_slope(below), types }
            }
            QuantizedFunction::Logistic | QuantizedFunction::Tanh => {
                check_fraction(op.output)?;
                let is_tanh = function == QuantizedFunction::Tanh;
                let sigmoid = if is_tanh { Sigmoid::tanh } else { Sigmoid::logistic };
                let sigmoid = sigmoid(input.scale)
                    .ok_or_else(|| format!("a function of values of scale {}", input.scale))?;
                Self::Sigmoid(sigmoid)
            }
            QuantizedFunction::Join | QuantizedFunction::HardSwish | QuantizedFunction::Elu => {
                return Err("it is not known of int16".into());
            }
        })
    }

    /// The number of activations that it reads: its first inputs.
    pub(super) fn activations(&self) -> usize {
        match self {
            Self::Add { .. } | Self::ShiftedAdd { .. } | Self::Mul { .. } => 2,
            _ => 1,
        }
    }

    /// The kernel's name in reports.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Conv(conv) if conv.is_depthwise => "depthwise, int16",
            Self::Conv(_) => "direct, int16",
            Self::Add { .. } | Self::ShiftedAdd { .. } => "add, int16",
            Self::Mul { .. } => "multiply, int16",
            Self::Pool { kind: PoolKind::Max, .. } => "max pool, int16",
            Self::Pool { kind: PoolKind::Average, .. } => "average pool, int16",
            Self::Mean { .. } => "mean, int16",
            Self::Softmax { .. } => "softmax, int16",
            Self::Sigmoid(_) => "sigmoid, int16",
            Self::Function { .. } => "requantise, int16",
            Self::Resize(_) | Self::Nearest(_) => "resize, int16",
            Self::Quantize(_) => "quantise, int16",
            Self::Dequantize(_) => "dequantise, int16",
        }
    }

    /// Products of a run.
    pub(super) fn products(&self) -> u64 {
        match self {
            Self::Conv(conv) => conv.products,
            _ => 0,
        }
    }

    /// Bytes of weights that it reads.
    pub(super) fn weight_bytes(&self) -> usize {
        match self {
            Self::Conv(conv) => conv.filter.len(),
            _ => 0,
        }
    }

    /// Computes the output, without allocating.
    pub(super) fn run(&self, level: Level, args: IntegerArgs<'_>, pool: &ThreadPool) {
        let IntegerArgs { inputs, output, .. } = args;
        let first = inputs[0];
        match self {
            Self::Nearest(gather) => gather.run(first, output, pool),
            Self::Quantize(scale) => {
                quantize::<i16>(level, *scale, cast_slice(first), cast_slice_mut(output), pool);
            }
            Self::Dequantize(scale) => {
                dequantize::<i16>(level, *scale, cast_slice(first), cast_slice_mut(output), pool);
            }
            Self::Function { function, types: IntegerTypes { read, written } } => {
                let scaling = Scaling { function, level, input: first, output, pool };
                match read {
                    IntegerType::Int8 => scaling.from::<i8>(*written),
                    IntegerType::Uint8 => scaling.from::<u8>(*written),
                    IntegerType::Int16 => scaling.from::<i16>(*written),
                }
            }
            work => work.run_int16(level, inputs, cast_slice_mut(output), pool),
        }
    }

    /// Computes kernels that read and write int16.
    fn run_int16(&self, level: Level, inputs: [&[u8]; 2], output: &mut [i16], pool: &ThreadPool) {
        let x = cast_slice(inputs[0]);
        match self {
            Self::Conv(conv) => conv.conv().run(level, x, output, pool),
            Self::Add { add, sources } => {
                integer_binary(level, add, sources.operands(inputs.map(cast_slice)), output, pool);
            }
            Self::ShiftedAdd { add, sources } => {
                integer_binary(level, add, sources.operands(inputs.map(cast_slice)), output, pool);
            }
            Self::Mul { multiply, sources } => {
                integer_binary(
                    level,
                    multiply,
                    sources.operands(inputs.map(cast_slice)),
                    output,
                    pool,
                );
            }
            Self::Pool { shape, kind: PoolKind::Max } => max_pool(level, shape, x, output, pool),
            Self::Pool { shape, kind: PoolKind::Average } => {
                average_pool(level, shape, x, output, pool);
            }
            Self::Mean { mean, sources } => mean.run(level, sources, x, output, pool),
            Self::Softmax { softmax, columns } => softmax.run(*columns, x, output, pool),
            Self::Sigmoid(sigmoid) => sigmoid.run(x, output, pool),
            Self::Resize(resize) => resize.run(x, output, pool),
            Self::Nearest(_) | Self::Quantize(_) | Self::Dequantize(_) | Self::Function { .. } => {}
        }
    }
}

/// The change of integers of one type to those of another.
struct Scaling<'a> {
    function: &'a WideFunction,
    level: Level,
    input: &'a [u8],
    output: &'a mut [u8],
    pool: &'a ThreadPool,
}

impl Scaling<'_> {
    fn from<T: Stored>(self, written: IntegerType) {
        match written {
            IntegerType::Int8 => self.run::<T, i8>(),
            IntegerType::Uint8 => self.run::<T, u8>(),
            IntegerType::Int16 => self.run::<T, i16>(),
        }
    }

    fn run<T: Stored, U: Stored>(self) {
        let Self { function, level, input, output, pool } = self;
        function.run::<T, U>(level, cast_slice(input), cast_slice_mut(output), pool);
    }
}

/// Checks the number of values of a mean, whose sum has 31 bits.
fn check_count(count: usize) -> Result<(), String> {
    const MAX_COUNT: usize = 1 << 15;
    if (1..=MAX_COUNT).contains(&count) {
        return Ok(());
    }
    Err(format!("a mean of {count} values of int16"))
}

/// Checks that a result has 15 bits after the point.
fn check_fraction(output: Scale) -> Result<(), String> {
    const SCALE: f32 = 1.0 / 32768.0;
    if output == (Scale { scale: SCALE, zero_point: 0 }) {
        return Ok(());
    }
    Err(format!("a result of scale {} where 1/32768 belongs", output.scale))
}

impl ConvWork {
    fn new(
        op: &Quantized,
        inputs: &[Operand<'_>],
        filter: &dyn StoredFilter,
        output: &Fact,
    ) -> Result<Self, String> {
        let [x, weights, ..] = inputs else { return Err("an input is missing".into()) };
        if weights.fact.dtype != DType::I8 {
            let dtype = weights.fact.dtype;
            return Err(format!("a filter of {dtype} for values of {}", x.fact.dtype));
        }
        let input = *op.inputs.first().ok_or("its input has no scale")?;
        let ConvGeometry { shape, scale, is_depthwise, is_fully_connected } =
            ConvGeometry::new(op, inputs, output)?;
        check_scale(Scale { scale: 1.0, zero_point: scale.zero_point }, IntegerType::Int16)?;
        let outputs = output.channels();
        let bias = Bias::new(inputs, outputs)?;
        let factors = if is_fully_connected && !matches!(bias, Bias::Narrow(_)) {
            let make = |input: f32, filter: f32, output: f32| {
                f64::from(input) * f64::from(filter) / f64::from(output)
            };
            Factors::Float(factors(op, scale, outputs, make)?)
        } else {
            let by_channel = !is_fully_connected || scale.scales.len() > 1;
            let make = if by_channel { Multiplier::for_channel } else { Multiplier::for_tensor };
            Factors::Fixed(factors(op, scale, outputs, make)?)
        };
        let largest = scale.scales.iter().fold(0f32, |largest, scale| largest.max(*scale));
        if f64::from(input.scale) * f64::from(largest) >= MAX_FACTOR * f64::from(op.output.scale) {
            return Err(format!("a factor of {MAX_FACTOR} or more from sums to results"));
        }
        let pixels: usize = shape.output_shape[..3].iter().product();
        let filter = filter.tensor()?.shared_bytes().clone();
        let products = (pixels * filter.len()) as u64;
        Ok(Self { is_depthwise, shape, filter, bias, factors, products })
    }

    /// Returns the convolution for the kernel.
    fn conv(&self) -> WideConv<'_> {
        let bias = match &self.bias {
            Bias::None => WideBias::None,
            Bias::Narrow(values) => WideBias::Narrow(values),
            Bias::Wide(values) => WideBias::Wide(values),
        };
        let factors = match &self.factors {
            Factors::Fixed(factors) => WideFactors::Fixed(factors),
            Factors::Float(factors) => WideFactors::Float(factors),
        };
        let filter = WideFilter { values: cast_slice(&self.filter), bias, factors };
        WideConv { shape: &self.shape, is_depthwise: self.is_depthwise, filter }
    }
}

/// Factors from here on would shift sums of 64 bits beyond what TensorFlow Lite says of them.
const MAX_FACTOR: f64 = 128.0;

impl Bias {
    fn new(inputs: &[Operand<'_>], outputs: usize) -> Result<Self, String> {
        let Some(bias) = inputs.get(2) else { return Ok(Self::None) };
        let bias = bias.value("bias")?;
        match bias.dtype() {
            _ if bias.len() != outputs => Err(format!("a bias of {} values", bias.len())),
            DType::I64 => Ok(Self::Wide(bias.to_i64())),
            DType::I32 => {
                Ok(Self::Narrow(bias.to_i64().into_iter().map(|value| value as i32).collect()))
            }
            dtype => Err(format!("a bias of {dtype}")),
        }
    }
}

/// The geometry of a convolution or of a fully connected layer.
struct ConvGeometry<'a> {
    shape: IntegerConvShape,
    scale: &'a FilterScale,
    is_depthwise: bool,
    is_fully_connected: bool,
}

impl<'a> ConvGeometry<'a> {
    fn new(op: &'a Quantized, inputs: &[Operand<'_>], output: &Fact) -> Result<Self, String> {
        let missing = || "an input is missing".to_owned();
        let (x, weights) =
            (inputs.first().ok_or_else(missing)?, inputs.get(1).ok_or_else(missing)?);
        let range: OutputRange = output_range::<i16>(op);
        let (conv, scale, is_depthwise) = match &op.kind {
            QuantizedKind::Conv2d(conv, scale) => (conv, scale, false),
            QuantizedKind::DepthwiseConv2d(conv, scale) => (conv, scale, true),
            QuantizedKind::FullyConnected(scale) => {
                let &[rows, outputs] = output.shape.as_slice() else {
                    return Err("its result is no matrix".into());
                };
                let inner = weights.fact.len().checked_div(outputs).unwrap_or(0);
                let shape = IntegerConvShape {
                    input_shape: [rows, 1, 1, inner],
                    input_zero_point: 0,
                    window: Window::POINTWISE,
                    range,
                    output_shape: [rows, 1, 1, outputs],
                };
                return Ok(Self { shape, scale, is_depthwise: false, is_fully_connected: true });
            }
            _ => return Err("it is no convolution".into()),
        };
        let shape = IntegerConvShape {
            input_shape: four(&x.fact.shape)?,
            input_zero_point: 0,
            window: filter_window(conv, inputs, is_depthwise)?,
            range,
            output_shape: four(&output.shape)?,
        };
        Ok(Self { shape, scale, is_depthwise, is_fully_connected: false })
    }
}
