//! The kernels of quantised operations, with all their parameters.

mod wide;

use std::ops::RangeInclusive;

use bytemuck::{cast_slice, cast_slice_mut};
use bytes::Bytes;
use lorgnette_kernels::fallback::FILL;
use lorgnette_kernels::integer::{
    Byte, ByteGather, ByteTable, DynamicRounding, IntegerAdd, IntegerConv, IntegerConvShape,
    IntegerFilter, IntegerMean, IntegerMul, IntegerOperand, IntegerPool, IntegerPrelu,
    IntegerResize, IntegerSoftmax, MeanSources, Multiplier, OutputRange, PackedConv,
    PackedDepthwise, Rescaling, Scale, SharedPanels, Stored, XnnpackAdd, XnnpackMul, average_pool,
    convolve, convolve_depthwise, copy_rows, dequantize, integer_binary, max_pool, quantize,
    quantize_to_even,
};
use lorgnette_kernels::{IntegerEpilogue, Level, ThreadPool, Window};

use self::wide::{IntegerTypes, WideWork};
use super::{FilterScale, Quantized, QuantizedBinary, QuantizedFunction, QuantizedKind};
use crate::graph::evaluate::{groups, sources};
use crate::graph::op::{Conv, PoolKind};
use crate::graph::rearrange::index;
use crate::graph::shape::{Fact, resolve};
use crate::tensor::{DType, Tensor};

/// A kernel of integers that stand for real numbers.
#[derive(Debug)]
pub(crate) struct IntegerKernel {
    work: Work,
    /// The type of the integers that it reads; of those that it writes, if it reads none.
    stored: IntegerType,
}

/// The type of integers that stand for real numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IntegerType {
    Int8,
    Uint8,
    Int16,
}

impl IntegerType {
    fn new(dtype: DType) -> Result<Self, String> {
        match dtype {
            DType::I8 => Ok(Self::Int8),
            DType::U8 => Ok(Self::Uint8),
            DType::I16 => Ok(Self::Int16),
            other => {
                Err(format!("integers of type {other}, where int8, uint8 and int16 are known"))
            }
        }
    }

    /// Returns the zero points of the type. TensorFlow Lite knows no others of int16.
    fn zero_points(self) -> RangeInclusive<i32> {
        match self {
            Self::Int8 => -128..=127,
            Self::Uint8 => 0..=255,
            Self::Int16 => 0..=0,
        }
    }
}

#[derive(Debug)]
enum Work {
    Conv(Box<ConvWork>),
    Add {
        add: IntegerAdd,
        sources: BroadcastSources,
    },
    Mul {
        multiply: IntegerMul,
        sources: BroadcastSources,
    },
    XnnpackAdd {
        add: XnnpackAdd,
        sources: BroadcastSources,
    },
    XnnpackMul {
        multiply: XnnpackMul,
        sources: BroadcastSources,
    },
    Prelu {
        prelu: IntegerPrelu,
        sources: BroadcastSources,
    },
    Resize(IntegerResize),
    Pool {
        shape: IntegerPool,
        kind: PoolKind,
    },
    Mean {
        mean: IntegerMean,
        sources: MeanSources,
    },
    Softmax {
        softmax: IntegerSoftmax,
        columns: usize,
    },
    Table {
        table: ByteTable,
        name: &'static str,
    },
    Quantize(Scale),
    QuantizeToEven(Scale),
    Dequantize(Scale),
    DynamicRange {
        rounding: DynamicRounding,
        /// Number of all values.
        len: usize,
    },
    Gather(ByteGather),
    /// An operation that reads or writes int16.
    Wide(WideWork),
    /// Rows of bytes, `stride` apart in the output.
    CopyRows {
        row: usize,
        stride: usize,
    },
}

/// For each result of a binary operation, the index of each operand's value; none for operands of
/// the result's shape.
#[derive(Debug)]
struct BroadcastSources([Option<Vec<u32>>; 2]);

/// A convolution or a fully connected layer.
#[derive(Debug)]
struct ConvWork {
    algorithm: ConvAlgorithm,
    /// Products of a run.
    products: u64,
}

#[derive(Debug)]
enum ConvAlgorithm {
    Reference(ReferenceConv),
    Packed(PackedConv),
    PackedDepthwise(PackedDepthwise),
}

/// A convolution by the reference kernels, which read the filter as the file has it.
#[derive(Debug)]
struct ReferenceConv {
    parameters: ConvParameters,
    filter: Bytes,
}

/// All of a convolution but its filter's values.
#[derive(Debug)]
struct ConvParameters {
    is_depthwise: bool,
    shape: IntegerConvShape,
    /// Number of the filter's values.
    filter_len: usize,
    filter_zero_point: i32,
    bias: Vec<i32>,
    factors: Factors,
}

/// The factors from sums to results of each output channel.
#[derive(Debug)]
enum Factors {
    Fixed(Vec<Multiplier>),
    Float(Vec<f32>),
}

/// The bytes that a kernel works with.
#[derive(Debug)]
pub(crate) struct IntegerArgs<'a> {
    /// The second is empty for kernels of one input.
    pub(crate) inputs: [&'a [u8]; 2],
    pub(crate) output: &'a mut [u8],
    /// [`IntegerKernel::scratch_len`] bytes of any content, aligned to 64.
    pub(crate) scratch: &'a mut [u8],
}

/// An input of an operation.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a> {
    pub(crate) fact: &'a Fact,
    /// Its value, if it is a constant.
    pub(crate) constant: Option<&'a Tensor>,
}

/// The instructions and the epilogue that a kernel is prepared for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) level: Level,
    pub(crate) epilogue: IntegerEpilogue,
}

/// The filter of a convolution or of a fully connected layer.
pub(crate) trait StoredFilter {
    /// Returns the filter as the file has it.
    fn tensor(&self) -> Result<Tensor, String>;

    /// Returns the filter packed, which takes `len` bytes: kept from before, or as `pack` packs it
    /// now. `None` if it is not kept.
    fn packed(&self, len: usize, pack: PackFilter<'_>) -> Result<Option<SharedPanels>, String>;
}

/// Packs a filter into zeros; `None` if that cannot be done.
pub(crate) type PackFilter<'a> = &'a dyn Fn(&Tensor, &mut [u8]) -> Option<()>;

/// A constant in memory, which is packed anew for each kernel.
impl StoredFilter for Operand<'_> {
    fn tensor(&self) -> Result<Tensor, String> {
        self.value("filter").cloned()
    }

    fn packed(&self, _: usize, _: PackFilter<'_>) -> Result<Option<SharedPanels>, String> {
        Ok(None)
    }
}

impl Operand<'_> {
    /// Its value, which must be a constant.
    fn value(&self, what: &str) -> Result<&Tensor, String> {
        self.constant.ok_or_else(|| format!("its {what} is computed, not constant"))
    }
}

impl IntegerKernel {
    /// Prepares an operation. `filter` is its second input, if that is kept packed.
    pub(crate) fn new(
        target: Target,
        op: &Quantized,
        inputs: &[Operand<'_>],
        filter: Option<&dyn StoredFilter>,
        output: &Fact,
    ) -> Result<Self, String> {
        let x = inputs.first().ok_or("its input is missing")?;
        if let QuantizedKind::DynamicRange(how) = op.kind {
            let len = x.fact.len();
            let of_picture = || len / x.fact.shape.first().copied().unwrap_or(1).max(1);
            let (is_symmetric, row) = (how.is_symmetric, how.row.unwrap_or_else(of_picture));
            let work = Work::DynamicRange { rounding: DynamicRounding { is_symmetric, row }, len };
            return Ok(Self { work, stored: IntegerType::Int8 });
        }
        let dtype = match op.kind {
            QuantizedKind::Quantize { .. } => op.dtype,
            _ => x.fact.dtype,
        };
        let (stored, written) = (IntegerType::new(dtype)?, IntegerType::new(op.dtype)?);
        for scale in &op.inputs {
            check_scale(*scale, stored)?;
        }
        check_scale(op.output, written)?;
        check_operands(op, inputs)?;
        let may_convert = matches!(
            op.kind,
            QuantizedKind::Function(QuantizedFunction::Requantize)
                | QuantizedKind::Dequantize { .. }
        );
        if stored != written && !may_convert {
            return Err(format!("it reads {dtype} and writes {}", op.dtype));
        }
        let own = inputs.get(1).map(|operand| operand as &dyn StoredFilter);
        let filter = filter.or(own);
        let work = match stored {
            _ if [stored, written].contains(&IntegerType::Int16) => {
                let types = IntegerTypes { read: stored, written };
                Work::Wide(WideWork::new(types, op, inputs, filter, output)?)
            }
            IntegerType::Uint8 => work::<u8>(target, op, inputs, filter, output)?,
            _ => work::<i8>(target, op, inputs, filter, output)?,
        };
        Ok(Self { work, stored })
    }

    /// Moves runs of integers of a type.
    pub(crate) fn gather(gather: ByteGather, dtype: DType) -> Result<Self, String> {
        let work = Work::Gather(in_bytes(gather, dtype.size())?);
        Ok(Self { work, stored: IntegerType::Uint8 })
    }

    /// Copies rows of `row` bytes to places that are `stride` bytes apart.
    pub(crate) fn copy_rows(row: usize, stride: usize) -> Self {
        Self { work: Work::CopyRows { row, stride }, stored: IntegerType::Uint8 }
    }

    /// The number of activations that it reads: its first inputs.
    pub(crate) fn activations(&self) -> usize {
        match &self.work {
            Work::Wide(work) => work.activations(),
            Work::Add { .. }
            | Work::Mul { .. }
            | Work::XnnpackAdd { .. }
            | Work::XnnpackMul { .. }
            | Work::Prelu { .. } => 2,
            _ => 1,
        }
    }

    /// The kernel's name in reports.
    pub(crate) fn name(&self) -> &'static str {
        match &self.work {
            Work::Conv(conv) => conv.algorithm.name(),
            Work::Add { .. } | Work::XnnpackAdd { .. } => "add, integers",
            Work::Mul { .. } | Work::XnnpackMul { .. } => "multiply, integers",
            Work::Prelu { .. } => "prelu, integers",
            Work::Resize(_) => "resize, integers",
            Work::Pool { kind: PoolKind::Max, .. } => "max pool, integers",
            Work::Pool { kind: PoolKind::Average, .. } => "average pool, integers",
            Work::Mean { .. } => "mean, integers",
            Work::Softmax { .. } => "softmax, integers",
            Work::Table { name, .. } => name,
            Work::Quantize(_) | Work::QuantizeToEven(_) => "quantise",
            Work::Dequantize(_) => "dequantise",
            Work::DynamicRange { .. } => "round to 8 bits",
            Work::Wide(work) => work.name(),
            Work::Gather(_) => "gather, bytes",
            Work::CopyRows { .. } => "copy, bytes",
        }
    }

    /// Operations of a run; a multiplication and an addition count as two.
    pub(crate) fn operations(&self) -> u64 {
        match &self.work {
            Work::Wide(work) => 2 * work.products(),
            _ => self.conv().map_or(0, |conv| 2 * conv.products),
        }
    }

    /// Bytes of weights that it reads.
    pub(crate) fn weight_bytes(&self) -> usize {
        match &self.work {
            Work::Wide(work) => work.weight_bytes(),
            _ => self.conv().map_or(0, |conv| conv.algorithm.weight_bytes()),
        }
    }

    /// Bytes of scratch for a run on `threads` threads.
    pub(crate) fn scratch_len(&self, threads: usize) -> usize {
        match &self.work {
            Work::Conv(conv) => match &conv.algorithm {
                ConvAlgorithm::Packed(conv) => conv.scratch_len(threads),
                _ => 0,
            },
            Work::DynamicRange { rounding, len } => rounding.scratch_len(*len),
            _ => 0,
        }
    }

    fn conv(&self) -> Option<&ConvWork> {
        match &self.work {
            Work::Conv(conv) => Some(conv),
            _ => None,
        }
    }

    /// Computes the output, without allocating.
    pub(crate) fn run(&self, level: Level, args: IntegerArgs<'_>, pool: &ThreadPool) {
        let first = args.inputs[0];
        match &self.work {
            Work::Table { table, .. } => table.run(first, args.output, pool),
            Work::DynamicRange { rounding, .. } => {
                let IntegerArgs { output, scratch, .. } = args;
                rounding.run(level, cast_slice(first), cast_slice_mut(output), scratch, pool);
            }
            Work::Gather(gather) => gather.run(first, args.output, pool),
            Work::CopyRows { row, stride } => copy_rows(*row, *stride, first, args.output, pool),
            Work::Wide(work) => work.run(level, args, pool),
            work if self.stored == IntegerType::Uint8 => work.run::<u8>(level, args, pool),
            work => work.run::<i8>(level, args, pool),
        }
    }
}

impl Work {
    /// Computes kernels that know the type of their integers.
    fn run<T: Byte>(&self, level: Level, args: IntegerArgs<'_>, pool: &ThreadPool) {
        let IntegerArgs { inputs, output, scratch } = args;
        let [x, y] = inputs.map(cast_slice::<u8, T>);
        match self {
            Self::Conv(conv) => {
                conv.algorithm.run::<T>(level, x, cast_slice_mut(output), scratch, pool);
            }
            Self::Add { add, sources } => {
                let operands = sources.operands([x, y]);
                integer_binary::<T>(level, add, operands, cast_slice_mut(output), pool);
            }
            Self::Mul { multiply, sources } => {
                let operands = sources.operands([x, y]);
                integer_binary::<T>(level, multiply, operands, cast_slice_mut(output), pool);
            }
            Self::XnnpackAdd { add, sources } => {
                let operands = sources.operands([x, y]);
                integer_binary::<T>(level, add, operands, cast_slice_mut(output), pool);
            }
            Self::XnnpackMul { multiply, sources } => {
                let operands = sources.operands([x, y]);
                integer_binary::<T>(level, multiply, operands, cast_slice_mut(output), pool);
            }
            Self::Prelu { prelu, sources } => {
                let operands = sources.operands([x, y]);
                integer_binary::<T>(level, prelu, operands, cast_slice_mut(output), pool);
            }
            Self::Resize(resize) => resize.run::<T>(x, cast_slice_mut(output), pool),
            Self::Pool { shape, kind: PoolKind::Max } => {
                max_pool::<T>(level, shape, x, cast_slice_mut(output), pool);
            }
            Self::Pool { shape, kind: PoolKind::Average } => {
                average_pool::<T>(level, shape, x, cast_slice_mut(output), pool);
            }
            Self::Mean { mean, sources } => {
                mean.run::<T>(level, sources, x, cast_slice_mut(output), pool);
            }
            Self::Softmax { softmax, columns } => {
                softmax.run::<T>(*columns, x, cast_slice_mut(output), pool);
            }
            Self::Quantize(scale) => {
                let reals = cast_slice(inputs[0]);
                quantize::<T>(level, *scale, reals, cast_slice_mut(output), pool);
            }
            Self::QuantizeToEven(scale) => {
                let reals = cast_slice(inputs[0]);
                quantize_to_even::<T>(level, *scale, reals, cast_slice_mut(output), pool);
            }
            Self::Dequantize(scale) => {
                dequantize::<T>(level, *scale, x, cast_slice_mut(output), pool);
            }
            Self::Table { .. }
            | Self::Wide(_)
            | Self::DynamicRange { .. }
            | Self::Gather(_)
            | Self::CopyRows { .. } => {}
        }
    }
}

impl BroadcastSources {
    fn new(inputs: &[Operand<'_>], output: &Fact) -> Result<Self, String> {
        let table = |operand: &Operand<'_>| {
            let shape = &operand.fact.shape;
            (*shape != output.shape).then(|| sources(shape, &output.shape)).transpose()
        };
        match inputs {
            [a, b] => Ok(Self([table(a)?, table(b)?])),
            _ => Err(format!("{} operands where two belong", inputs.len())),
        }
    }

    fn operands<'a, T>(&'a self, values: [&'a [T]; 2]) -> [IntegerOperand<'a, T>; 2] {
        let [a, b] = &self.0;
        [
            IntegerOperand { values: values[0], sources: a.as_deref() },
            IntegerOperand { values: values[1], sources: b.as_deref() },
        ]
    }
}

impl ConvAlgorithm {
    /// Packs the filter where the level has a kernel for it.
    fn new<T: Byte>(level: Level, parameters: ConvParameters, filter: Bytes) -> Self {
        let values = parameters.filter::<T>(cast_slice(&filter));
        if parameters.is_depthwise {
            if let Some(packed) = PackedDepthwise::new(level, &parameters.shape, &values) {
                return Self::PackedDepthwise(packed);
            }
        } else if let Some(packed) = PackedConv::new(level, &parameters.shape, &values) {
            return Self::Packed(packed);
        }
        Self::Reference(ReferenceConv { parameters, filter })
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Reference(conv) if conv.parameters.is_depthwise => "depthwise, integers",
            Self::Reference(_) => "direct, integers",
            Self::Packed(conv) => conv.name(),
            Self::PackedDepthwise(conv) => conv.name(),
        }
    }

    fn weight_bytes(&self) -> usize {
        match self {
            Self::Reference(conv) => {
                conv.filter.len() + size_of_val(conv.parameters.bias.as_slice())
            }
            Self::Packed(conv) => conv.weight_bytes(),
            Self::PackedDepthwise(conv) => conv.weight_bytes(),
        }
    }

    fn run<T: Byte>(
        &self,
        level: Level,
        input: &[T],
        output: &mut [T],
        scratch: &mut [u8],
        pool: &ThreadPool,
    ) {
        match self {
            Self::Packed(packed) => packed.run(input, output, scratch, pool),
            Self::PackedDepthwise(packed) => packed.run(input, output, pool),
            Self::Reference(reference) => {
                let ReferenceConv { parameters, filter } = reference;
                let filter = parameters.filter::<T>(cast_slice(filter));
                let conv = IntegerConv { shape: &parameters.shape, input, output };
                if parameters.is_depthwise {
                    convolve_depthwise(level, conv, &filter, pool);
                } else {
                    convolve(level, conv, &filter, pool);
                }
            }
        }
    }
}

impl ConvParameters {
    /// Returns the filter of these values.
    fn filter<'a, T: Byte>(&'a self, values: &'a [T]) -> IntegerFilter<'a, T> {
        IntegerFilter {
            values,
            zero_point: self.filter_zero_point,
            bias: &self.bias,
            rescale: match &self.factors {
                Factors::Fixed(factors) => Rescaling::Fixed(factors),
                Factors::Float(factors) => Rescaling::Float(factors),
            },
        }
    }
}

/// Checks that a scale is positive and a zero point within the type.
fn check_scale(scale: Scale, stored: IntegerType) -> Result<(), String> {
    let Scale { scale, zero_point } = scale;
    if scale.is_finite() && scale > 0.0 && stored.zero_points().contains(&zero_point) {
        return Ok(());
    }
    Err(format!("a quantisation of scale {scale} and zero point {zero_point}"))
}

/// Checks that activations are bytes of one type, or real numbers where integers are made of them.
fn check_operands(op: &Quantized, inputs: &[Operand<'_>]) -> Result<(), String> {
    let makes_integers = matches!(op.kind, QuantizedKind::Quantize { .. });
    let count = if matches!(op.kind, QuantizedKind::Binary(_)) { 2 } else { 1 };
    for operand in &inputs[..count.min(inputs.len())] {
        let is_real = operand.constant.is_none() && operand.fact.quantization.is_none();
        let has_right_type = makes_integers || operand.fact.dtype == inputs[0].fact.dtype;
        if is_real != makes_integers && operand.constant.is_none() || !has_right_type {
            let dtype = operand.fact.dtype;
            return Err(format!("it reads {dtype} that is not quantised as it takes it"));
        }
    }
    Ok(())
}

/// Checks a factor that becomes a [`Multiplier`].
fn check_factor(factor: f64) -> Result<(), String> {
    if (0.0..f64::from(1 << 30)).contains(&factor) {
        return Ok(());
    }
    Err(format!("scales that differ by a factor of {factor}"))
}

/// Returns the limits of results of a type.
fn output_range<T: Stored>(op: &Quantized) -> OutputRange {
    let Quantized { output, clamp, .. } = op;
    OutputRange::new::<T>(output.zero_point).with_activation(output.scale, clamp.low, clamp.high)
}

/// Prepares an operation on integers of one type.
fn work<T: Byte>(
    target: Target,
    op: &Quantized,
    inputs: &[Operand<'_>],
    filter: Option<&dyn StoredFilter>,
    output: &Fact,
) -> Result<Work, String> {
    let Target { level, epilogue } = target;
    let missing = || "an input is missing".to_owned();
    let stored = || filter.ok_or_else(missing);
    let x = inputs.first().ok_or_else(missing)?;
    let scale = |i: usize| op.inputs.get(i).copied().ok_or("an input has no scale");
    let range = output_range::<T>(op);
    Ok(match &op.kind {
        QuantizedKind::Conv2d(conv, scale) => {
            let mut conv_parameters = parameters::<T>(epilogue, op, inputs, output, scale)?;
            conv_parameters.shape.window = filter_window(conv, inputs, false)?;
            conv_work::<T>(level, conv_parameters, stored()?)?
        }
        QuantizedKind::DepthwiseConv2d(conv, scale) => {
            // XNNPACK takes one filter a channel.
            let has_one_filter = x.fact.channels() == output.channels();
            let epilogue = if has_one_filter { epilogue } else { IntegerEpilogue::TfLite };
            let mut conv_parameters = parameters::<T>(epilogue, op, inputs, output, scale)?;
            conv_parameters.shape.window = filter_window(conv, inputs, true)?;
            conv_parameters.is_depthwise = true;
            conv_work::<T>(level, conv_parameters, stored()?)?
        }
        QuantizedKind::FullyConnected(scale) => {
            let mut conv_parameters = parameters::<T>(epilogue, op, inputs, output, scale)?;
            let &[rows, outputs] = output.shape.as_slice() else {
                return Err("its result is no matrix".into());
            };
            let inner = conv_parameters.filter_len.checked_div(outputs).unwrap_or(0);
            conv_parameters.shape.input_shape = [rows, 1, 1, inner];
            conv_parameters.shape.output_shape = [rows, 1, 1, outputs];
            conv_work::<T>(level, conv_parameters, stored()?)?
        }
        QuantizedKind::Binary(function) => {
            let scales = [scale(0)?, scale(1)?];
            let sources = BroadcastSources::new(inputs, output)?;
            binary_work(*function, epilogue, scales, BinaryResult { sources, op, range })?
        }
        QuantizedKind::Pool(pool) => {
            if scale(0)? != op.output {
                return Err("a pool whose result has another scale".into());
            }
            let (input_shape, output_shape) = (four(&x.fact.shape)?, four(&output.shape)?);
            let [_, height, width, _] = input_shape;
            let window = resolve(pool.kernel, pool.stride, [1; 2], pool.border, [height, width])?;
            let shape = IntegerPool { input_shape, output_shape, window, range };
            Work::Pool { shape, kind: pool.kind }
        }
        QuantizedKind::Resize(resize) => {
            if scale(0)? != op.output {
                return Err("a resize whose result has another scale".into());
            }
            let (input_shape, output_shape) = (four(&x.fact.shape)?, four(&output.shape)?);
            let shape = IntegerResize { input_shape, output_shape, how: resize.how };
            if resize.bilinear { Work::Resize(shape) } else { Work::Gather(nearest(&shape, 1)?) }
        }
        QuantizedKind::Mean { .. } => {
            const MAX_COUNT: usize = 1 << 23;
            let axes = inputs.get(1).ok_or_else(missing)?.value("axes")?.to_i64();
            let (sources, count) = groups(&x.fact.shape, &axes)?;
            if !(1..=MAX_COUNT).contains(&count) {
                return Err(format!("a mean of {count} values"));
            }
            check_factor(f64::from(scale(0)?.scale) / f64::from(op.output.scale))?;
            let mut mean = IntegerMean::new(count, scale(0)?, op.output.scale, range);
            if epilogue == IntegerEpilogue::Xnnpack {
                mean = mean.with_xnnpack_rounding(scale(0)?.scale, op.output.scale);
            }
            Work::Mean { mean, sources: MeanSources::new(sources, count) }
        }
        QuantizedKind::Softmax { beta } => {
            let columns = output.channels().max(1);
            softmax_work::<T>(*beta, scale(0)?, op.output, columns)?
        }
        QuantizedKind::Function(function) => {
            let input = scale(0)?;
            check_factor(f64::from(input.scale) / f64::from(op.output.scale))?;
            function_work::<T>(*function, epilogue, input, op)?
        }
        QuantizedKind::Quantize { port: false } if epilogue == IntegerEpilogue::Xnnpack => {
            Work::QuantizeToEven(op.output)
        }
        QuantizedKind::Quantize { .. } => Work::Quantize(op.output),
        QuantizedKind::Dequantize { .. } => Work::Dequantize(scale(0)?),
        QuantizedKind::DynamicRange(_) => return Err("it reads no integers".into()),
    })
}

/// The result of a binary operation.
struct BinaryResult<'a> {
    sources: BroadcastSources,
    op: &'a Quantized,
    range: OutputRange,
}

/// Prepares a binary operation on values of these scales.
fn binary_work(
    function: QuantizedBinary,
    epilogue: IntegerEpilogue,
    [a, b]: [Scale; 2],
    result: BinaryResult<'_>,
) -> Result<Work, String> {
    let BinaryResult { sources, op, range } = result;
    let (scales, zero_points) = ([a.scale, b.scale], [a.zero_point, b.zero_point]);
    let output_scale = op.output.scale;
    check_factor(2.0 * f64::from(a.scale.max(b.scale)) / f64::from(output_scale))?;
    check_factor(f64::from(a.scale * b.scale / output_scale))?;
    let add = IntegerAdd::new(scales, zero_points, output_scale, range);
    let is_xnnpack = epilogue == IntegerEpilogue::Xnnpack;
    Ok(match function {
        QuantizedBinary::Add | QuantizedBinary::Sub => {
            let subtracts = function == QuantizedBinary::Sub;
            let signed = [a.scale, if subtracts { -b.scale } else { b.scale }];
            match XnnpackAdd::new(signed, zero_points, output_scale, range) {
                Some(add) if is_xnnpack => Work::XnnpackAdd { add, sources },
                _ if subtracts => Work::Add { add: add.subtracting(), sources },
                _ => Work::Add { add, sources },
            }
        }
        QuantizedBinary::ShiftedAdd | QuantizedBinary::ShiftedSub => {
            return Err("it is known of int16 alone".into());
        }
        QuantizedBinary::Mul => match XnnpackMul::new(scales, zero_points, output_scale, range) {
            Some(multiply) if is_xnnpack => Work::XnnpackMul { multiply, sources },
            _ => {
                let multiply = IntegerMul::new(scales, zero_points, output_scale, range);
                Work::Mul { multiply, sources }
            }
        },
        QuantizedBinary::Prelu => {
            check_factor(f64::from(a.scale / output_scale))?;
            let prelu = IntegerPrelu::new(scales, zero_points, output_scale, range);
            Work::Prelu { prelu, sources }
        }
    })
}

/// Chooses the algorithm of a convolution.
fn conv_work<T: Byte>(
    level: Level,
    parameters: ConvParameters,
    filter: &dyn StoredFilter,
) -> Result<Work, String> {
    let pixels: usize = parameters.shape.output_shape[..3].iter().product();
    let products = (pixels * parameters.filter_len) as u64;
    let algorithm = match kept_packed::<T>(level, &parameters, filter)? {
        Some(packed) => ConvAlgorithm::Packed(packed),
        None => ConvAlgorithm::new::<T>(level, parameters, filter.tensor()?.shared_bytes().clone()),
    };
    Ok(Work::Conv(Box::new(ConvWork { algorithm, products })))
}

/// Returns a convolution whose packed filter is kept for other plans and for files; `None` for
/// those that are packed each time: depthwise filters, those of groups of channels, and small ones.
fn kept_packed<T: Byte>(
    level: Level,
    parameters: &ConvParameters,
    filter: &dyn StoredFilter,
) -> Result<Option<PackedConv>, String> {
    /// Below this a filter is packed within a millisecond.
    const MIN_BYTES: usize = 64 << 10;
    let ConvParameters { shape, filter_len, is_depthwise, .. } = parameters;
    let depth = shape.window.taps().checked_mul(shape.input_shape[3]);
    let is_whole =
        depth.and_then(|depth| depth.checked_mul(shape.output_shape[3])) == Some(*filter_len);
    if *is_depthwise || !is_whole || *filter_len < MIN_BYTES {
        return Ok(None);
    }
    let Some(len) = PackedConv::packed_len(level, shape) else { return Ok(None) };
    let pack = |tensor: &Tensor, packed: &mut [u8]| {
        let values = parameters.filter::<T>(cast_slice(tensor.bytes()));
        PackedConv::pack(level, shape, &values, packed)
    };
    let packed = filter.packed(len, &pack)?;
    let without_values = parameters.filter::<T>(&[]);
    Ok(packed.and_then(|packed| PackedConv::with_panels(level, shape, &without_values, packed)))
}

/// Returns a convolution of a pointwise window, with the parameters that do not depend on that.
fn parameters<T: Byte>(
    epilogue: IntegerEpilogue,
    op: &Quantized,
    inputs: &[Operand<'_>],
    output: &Fact,
    scale: &FilterScale,
) -> Result<ConvParameters, String> {
    let (Some(x), Some(filter)) = (inputs.first(), inputs.get(1)) else {
        return Err("an input is missing".into());
    };
    let input = *op.inputs.first().ok_or("its input has no scale")?;
    let (dtype, outputs) = (filter.fact.dtype, output.channels());
    if dtype != x.fact.dtype {
        return Err(format!("a filter of {dtype} for values of {}", x.fact.dtype));
    }
    let filter_type = IntegerType::new(dtype)?;
    check_scale(Scale { scale: 1.0, zero_point: scale.zero_point }, filter_type)?;
    let bias = match inputs.get(2) {
        None => Vec::new(),
        Some(bias) => {
            let bias = bias.value("bias")?;
            if bias.dtype() != DType::I32 || bias.len() != outputs {
                return Err(format!("a bias of {} {}", bias.len(), bias.dtype()));
            }
            bias.to_i64().into_iter().map(|value| value as i32).collect()
        }
    };
    let range = output_range::<T>(op);
    let is_fully_connected = matches!(op.kind, QuantizedKind::FullyConnected(_));
    let no_shape = [0; 4];
    let shape = IntegerConvShape {
        input_shape: if is_fully_connected { no_shape } else { four(&x.fact.shape)? },
        input_zero_point: input.zero_point,
        window: Window::POINTWISE,
        range,
        output_shape: if is_fully_connected { no_shape } else { four(&output.shape)? },
    };
    Ok(ConvParameters {
        is_depthwise: false,
        shape,
        filter_len: filter.fact.len(),
        filter_zero_point: scale.zero_point,
        bias,
        factors: match epilogue {
            IntegerEpilogue::TfLite => {
                // int8 convolutions have factors in float64, whether their filter has one scale or
                // many.
                let by_channel = T::MIN < 0 && !is_fully_connected || scale.scales.len() > 1;
                let make =
                    if by_channel { Multiplier::for_channel } else { Multiplier::for_tensor };
                Factors::Fixed(factors(op, scale, outputs, make)?)
            }
            IntegerEpilogue::Xnnpack => {
                let make = |input: f32, filter: f32, output: f32| input * filter / output;
                Factors::Float(factors(op, scale, outputs, make)?)
            }
        },
    })
}

/// Returns the factor from sums to results of each output channel, made of the scales of the
/// input, the filter and the output.
fn factors<F: Clone>(
    op: &Quantized,
    filter: &FilterScale,
    outputs: usize,
    make: impl Fn(f32, f32, f32) -> F,
) -> Result<Vec<F>, String> {
    let input = op.inputs.first().map_or(1.0, |input| input.scale);
    let factor = |scale: f32| {
        check_scale(Scale { scale, zero_point: 0 }, IntegerType::Int8)?;
        check_factor(f64::from(input) * f64::from(scale) / f64::from(op.output.scale))?;
        Ok(make(input, scale, op.output.scale))
    };
    match filter.scales[..] {
        [scale] => Ok(vec![factor(scale)?; outputs]),
        ref scales if scales.len() == outputs => scales.iter().copied().map(factor).collect(),
        ref scales => Err(format!("{} scales for {outputs} output channels", scales.len())),
    }
}

/// Returns the window of a filter, whose rows and columns are its middle dimensions.
fn filter_window(
    conv: &Conv,
    inputs: &[Operand<'_>],
    is_depthwise: bool,
) -> Result<Window, String> {
    let [x, filter, ..] = inputs else { return Err("an input is missing".into()) };
    let [_, height, width, channels] = four(&x.fact.shape)?;
    let [first, rows, columns, last] = four(&filter.fact.shape)?;
    let fits = if is_depthwise {
        first == 1 && channels > 0 && last.is_multiple_of(channels)
    } else {
        // Several groups of channels have filters of their own.
        last > 0
            && channels.is_multiple_of(last)
            && channels > 0
            && first.is_multiple_of(channels / last)
    };
    if !fits || first == 0 || last == 0 {
        return Err(format!("a filter of shape {:?} for {channels} channels", filter.fact.shape));
    }
    resolve([rows, columns], conv.stride, conv.dilation, conv.border, [height, width])
}

fn softmax_work<T: Byte>(
    beta: f32,
    input: Scale,
    output: Scale,
    columns: usize,
) -> Result<Work, String> {
    const OUTPUT_SCALE: f32 = 1.0 / 256.0;
    let factor = f64::from(beta) * f64::from(input.scale) * f64::from(1 << 26);
    if factor <= 1.0 || !factor.is_finite() {
        return Err(format!("a softmax of {beta} times values of scale {}", input.scale));
    }
    if output != (Scale { scale: OUTPUT_SCALE, zero_point: T::MIN }) {
        return Err(format!(
            "a softmax with a result of scale {} and zero point {}",
            output.scale, output.zero_point
        ));
    }
    Ok(Work::Softmax { softmax: IntegerSoftmax::new(input.scale, beta), columns })
}

fn function_work<T: Byte>(
    function: QuantizedFunction,
    epilogue: IntegerEpilogue,
    input: Scale,
    op: &Quantized,
) -> Result<Work, String> {
    if epilogue == IntegerEpilogue::Xnnpack
        && let Some(table) = xnnpack_function::<T>(function, input, op)
    {
        let name = match function {
            QuantizedFunction::LeakyRelu(_) => "leaky relu, integers",
            _ => "requantise",
        };
        return Ok(Work::Table { table, name });
    }
    let (table, name) = match function {
        QuantizedFunction::Requantize => {
            let scale = op.output.scale;
            let table = if op.dtype == DType::I8 {
                ByteTable::requantize::<T, i8>(input, scale, output_range::<i8>(op))
            } else {
                ByteTable::requantize::<T, u8>(input, scale, output_range::<u8>(op))
            };
            (table, "requantise")
        }
        QuantizedFunction::Join => (ByteTable::join::<T>(input, op.output), "requantise"),
        QuantizedFunction::Logistic => {
            let logistic = |x: f32| 1.0 / (1.0 + (-x).exp());
            (ByteTable::function::<T>(logistic, input, op.output), "logistic, integers")
        }
        QuantizedFunction::Tanh => {
            (ByteTable::function::<T>(f32::tanh, input, op.output), "tanh, integers")
        }
        QuantizedFunction::Elu => {
            let elu = |x: f32| if x > 0.0 { x } else { x.exp_m1() };
            (ByteTable::function::<T>(elu, input, op.output), "elu, integers")
        }
        QuantizedFunction::LeakyRelu(slope) => {
            check_factor(f64::from(input.scale * slope / op.output.scale))?;
            (ByteTable::leaky_relu::<T>(slope, input, op.output), "leaky relu, integers")
        }
        QuantizedFunction::HardSwish => {
            check_factor(f64::from(input.scale) * 32768.0 / 384.0)?;
            (ByteTable::hard_swish::<T>(input, op.output), "hard swish, integers")
        }
    };
    Ok(Work::Table { table, name })
}

/// Returns the table of a function that XNNPACK rounds otherwise.
fn xnnpack_function<T: Byte>(
    function: QuantizedFunction,
    input: Scale,
    op: &Quantized,
) -> Option<ByteTable> {
    let slope = match function {
        QuantizedFunction::Requantize => 1.0,
        QuantizedFunction::LeakyRelu(slope) => slope,
        _ => return None,
    };
    // It changes scales, not types.
    if (op.dtype == DType::I8) != (T::MIN < 0) {
        return None;
    }
    let range = output_range::<T>(op);
    let factor = input.scale / op.output.scale;
    ByteTable::xnnpack_scale::<T>(input, [factor, factor * slope], range)
}

fn four(shape: &[usize]) -> Result<[usize; 4], String> {
    shape.try_into().map_err(|_| format!("a shape of {shape:?}, where a batch of pictures belongs"))
}

/// Returns the movement of whole pixels, of values of `size` bytes, to the places they are nearest
/// to.
fn nearest(shape: &IntegerResize, size: usize) -> Result<ByteGather, String> {
    let IntegerResize { input_shape, output_shape, how } = *shape;
    let [_, height, width, channels] = input_shape;
    let [batch, rows, columns, _] = output_shape;
    let mut sources = Vec::with_capacity(batch * rows * columns);
    for n in 0..batch {
        for y in 0..rows {
            let y = how.nearest(height, rows, y);
            for x in 0..columns {
                let x = how.nearest(width, columns, x);
                sources.push(index(((n * height + y) * width + x) * channels)?);
            }
        }
    }
    in_bytes(ByteGather { run: channels, sources, fill: [0; 2] }, size)
}

/// Returns a movement of values of `size` bytes, whose runs and sources count values.
fn in_bytes(gather: ByteGather, size: usize) -> Result<ByteGather, String> {
    let place = |source: u32| if source == FILL { Ok(FILL) } else { index(source as usize * size) };
    let sources = gather.sources.into_iter().map(place).collect::<Result<_, _>>()?;
    Ok(ByteGather { run: gather.run * size, sources, ..gather })
}
