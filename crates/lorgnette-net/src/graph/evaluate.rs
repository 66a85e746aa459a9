//! The reference implementation of every operation. It folds constants, and passes and plans are
//! tested against it. Every float operation is the reference of its kernel.

use bytes::Bytes;
use lorgnette_kernels::fallback::{self, Gathered, Reduction};
use lorgnette_kernels::{
    Affine, Binary, Buffer, Clamp, Conv, ConvShape, Depthwise, DepthwiseShape, Filter, ImageLayout,
    IntegerEpilogue, Level, PoolShape, Residual, StorageType, ThreadPool, Window, reference,
};

use super::op::{self, Dequantize, Epilogue, MatMul, Op, Pool};
use super::quantized::{IntegerArgs, IntegerKernel, Operand, Quantized, Target};
use super::rearrange::{at_each_index, axis, broadcast_to, index, rearrangement, strides};
use super::resample::{ResampledShape, Resampling};
use super::shape::{Fact, TypedGraph, picture, resolve};
use super::{Node, NodeId};
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// Computes every node that the outputs need and returns the outputs. `inputs` are the values of
/// the graph's inputs, in the order of the nodes.
///
/// # Errors
/// If an input is missing, or the graph has a node that only makes sense in training.
pub fn interpret(typed: &TypedGraph, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let needed = typed.graph.needed();
    let mut inputs = inputs.iter();
    let mut values: Vec<Option<Tensor>> = Vec::new();
    for (id, node) in typed.graph.iter() {
        let value = match &node.op {
            Op::Input { .. } => inputs.next().cloned(),
            _ if !needed[id.index()] => None,
            Op::Variable(lazy) => Some(lazy.read()?),
            _ => Some(node_value(node, id, typed, &values)?),
        };
        values.push(value);
    }
    typed
        .graph
        .outputs()
        .iter()
        .map(|id| {
            values[id.index()].clone().ok_or_else(|| Error::Input("an input is missing".into()))
        })
        .collect()
}

fn node_value(
    node: &Node,
    id: NodeId,
    typed: &TypedGraph,
    values: &[Option<Tensor>],
) -> Result<Tensor> {
    let inputs: Option<Vec<&Tensor>> =
        node.inputs.iter().map(|input| values[input.index()].as_ref()).collect();
    let fail = |what| Error::node(&node.name, node.op.name(), what);
    let inputs = inputs.ok_or_else(|| fail("an input has no value".to_owned()))?;
    evaluate(&node.op, &inputs, typed.fact(id)).map_err(fail)
}

/// Computes an operation. `fact` gives the type and shape of the result.
pub(crate) fn evaluate(op: &Op, inputs: &[&Tensor], fact: &Fact) -> Result<Tensor, String> {
    if let Op::Const(tensor) = op {
        return Ok(tensor.clone());
    }
    if let Some(moved) = move_elements(op, inputs, fact) {
        return moved;
    }
    let are_integers = inputs.iter().all(|x| !x.dtype().is_float());
    match op {
        Op::Cast(_) => Ok(cast(inputs[0], fact)),
        Op::Binary(op, Clamp::NONE) if are_integers => integers(*op, inputs, fact),
        Op::Reduce { kind, .. } if are_integers => reduce_integers(*kind, inputs, fact),
        Op::Range => Ok(range(inputs, fact)),
        Op::Quantized(quantized) => quantized_value(quantized, inputs, fact),
        _ => floats(op, inputs, fact)
            .map(|values| Tensor::from_floats(fact.dtype, &fact.shape, values)),
    }
}

/// Computes an operation on 8-bit integers.
fn quantized_value(
    quantized: &Quantized,
    inputs: &[&Tensor],
    fact: &Fact,
) -> Result<Tensor, String> {
    let facts: Vec<Fact> = inputs.iter().map(|x| Fact::new(x.dtype(), x.shape())).collect();
    let operands: Vec<Operand<'_>> = facts
        .iter()
        .zip(inputs)
        .map(|(fact, constant)| Operand { fact, constant: Some(constant) })
        .collect();
    let target = Target { level: Level::Portable, epilogue: IntegerEpilogue::TfLite };
    let kernel = IntegerKernel::new(target, quantized, &operands, None, fact)?;
    let operands: Vec<Buffer> =
        inputs.iter().take(kernel.activations()).map(|x| aligned(x)).collect::<Result<_, _>>()?;
    let [first, second] = [0, 1].map(|i| operands.get(i).map_or(&[][..], |operand| operand));
    let mut output = Buffer::zeroed(fact.len() * fact.dtype.size()).map_err(|e| e.to_string())?;
    let mut scratch = Buffer::zeroed(kernel.scratch_len(1)).map_err(|e| e.to_string())?;
    let args = IntegerArgs { inputs: [first, second], output: &mut output, scratch: &mut scratch };
    kernel.run(Level::Portable, args, &ThreadPool::new(1));
    let written = Bytes::copy_from_slice(&output);
    Tensor::from_shared(fact.dtype, fact.shape.clone(), written)
        .ok_or_else(|| "its result has another size".into())
}

/// Returns a tensor's numbers, which in a file need not be aligned: floats as float32.
fn aligned(tensor: &Tensor) -> Result<Buffer, String> {
    let floats = tensor.dtype().is_float().then(|| tensor.to_f32());
    let bytes = floats.as_deref().map_or(tensor.bytes(), bytemuck::cast_slice);
    let mut aligned = Buffer::zeroed(bytes.len()).map_err(|error| error.to_string())?;
    aligned.copy_from_slice(bytes);
    Ok(aligned)
}

/// Computes operations that move elements of any type.
fn move_elements(op: &Op, inputs: &[&Tensor], fact: &Fact) -> Option<Result<Tensor, String>> {
    let shapes: Vec<&[usize]> = inputs.iter().map(|x| x.shape()).collect();
    let parameters: Vec<Option<&Tensor>> = inputs.iter().map(|x| Some(*x)).collect();
    if let Some(moves) = rearrangement(op, &shapes, &parameters) {
        let data = if matches!(op, Op::Split { .. }) { 1 } else { 0 };
        let fill = matches!(op, Op::Pad(_))
            .then(|| inputs.get(2))
            .flatten()
            .map(|fill| fill.bytes().to_vec());
        return Some(moves.map(|moves| gather(inputs[data], moves.sources(), fill, fact)));
    }
    let joins = match op {
        Op::Concat => &inputs[..inputs.len() - 1],
        Op::Pack { .. } => inputs,
        Op::Select => &inputs[1..],
        _ => &[],
    };
    if joins.iter().any(|x| x.dtype() != fact.dtype) {
        return Some(Err("it joins values of different types".into()));
    }
    Some(match op {
        Op::Identity | Op::Reshape | Op::Squeeze { .. } | Op::ExpandDims => {
            inputs[0].reshaped(&fact.shape).ok_or_else(|| "the number of elements changes".into())
        }
        Op::Concat => {
            let values = &inputs[..inputs.len() - 1];
            let at = inputs[inputs.len() - 1].to_i64().first().copied().unwrap_or(0);
            axis(at, fact.shape.len())
                .map(|at| concatenate(values, values.iter().map(|x| x.shape()[at]), at, fact))
        }
        Op::Pack { axis: at } => axis(*at, fact.shape.len())
            .map(|at| concatenate(inputs, inputs.iter().map(|_| 1), at, fact)),
        Op::Fill => Ok(gather(inputs[1], (0..fact.len()).map(|_| Some(0)), None, fact)),
        Op::Select => select(inputs, fact),
        _ => return None,
    })
}

fn gather(
    x: &Tensor,
    sources: impl Iterator<Item = Option<usize>>,
    fill: Option<Vec<u8>>,
    fact: &Fact,
) -> Tensor {
    let size = x.dtype().size();
    let fill = fill.filter(|fill| fill.len() == size).unwrap_or_else(|| vec![0; size]);
    let mut bytes = Vec::with_capacity(fact.len() * size);
    for source in sources {
        bytes.extend_from_slice(source.map_or(&fill, |i| &x.bytes()[i * size..][..size]));
    }
    tensor_of(x.dtype(), fact, bytes)
}

fn tensor_of(dtype: DType, fact: &Fact, bytes: Vec<u8>) -> Tensor {
    Tensor::from_shared(dtype, fact.shape.clone(), bytes.into())
        .expect("as many elements as the shape has")
}

/// Concatenates tensors along axis `at`, along which they have these lengths.
fn concatenate(
    parts: &[&Tensor],
    lengths: impl Iterator<Item = usize>,
    at: usize,
    fact: &Fact,
) -> Tensor {
    let size = fact.dtype.size();
    let inner: usize = fact.shape[at + 1..].iter().product::<usize>() * size;
    let outer: usize = fact.shape[..at].iter().product();
    let rows: Vec<usize> = lengths.map(|length| length * inner).collect();
    let mut bytes = Vec::with_capacity(fact.len() * size);
    for o in 0..outer {
        for (part, &row) in parts.iter().zip(&rows) {
            bytes.extend_from_slice(&part.bytes()[o * row..][..row]);
        }
    }
    tensor_of(fact.dtype, fact, bytes)
}

fn select(inputs: &[&Tensor], fact: &Fact) -> Result<Tensor, String> {
    let condition = inputs[0].to_i64();
    let tables =
        select_sources(&[inputs[0].shape(), inputs[1].shape(), inputs[2].shape()], &fact.shape)?;
    let size = fact.dtype.size();
    let mut bytes = Vec::with_capacity(fact.len() * size);
    for i in 0..fact.len() {
        let side = if condition[tables[0][i] as usize] != 0 { 1 } else { 2 };
        bytes.extend_from_slice(&inputs[side].bytes()[tables[side][i] as usize * size..][..size]);
    }
    Ok(tensor_of(fact.dtype, fact, bytes))
}

/// Returns, for each element of a Select, the source elements of the condition and of both sides.
pub(crate) fn select_sources(
    shapes: &[&[usize]; 3],
    result: &[usize],
) -> Result<[Vec<u32>; 3], String> {
    // TensorFlow's old form has one condition for each row.
    let by_row = shapes[0].len() == 1 && result.len() > 1 && shapes[0][0] == result[0];
    let wide: Vec<usize> = std::iter::once(result.first().copied().unwrap_or(1))
        .chain(result.iter().skip(1).map(|_| 1))
        .collect();
    let condition = if by_row { &wide } else { shapes[0] };
    Ok([sources(condition, result)?, sources(shapes[1], result)?, sources(shapes[2], result)?])
}

/// Returns, for each element of a broadcast result, the source element.
pub(crate) fn sources(shape: &[usize], result: &[usize]) -> Result<Vec<u32>, String> {
    let broadcast = broadcast_to(shape, result)?;
    let count = result.iter().product();
    // Most constants of a network are combined with those of their shape, or with one number.
    if shape == result {
        return (0..count).map(index).collect();
    }
    if shape.iter().all(|&length| length == 1) {
        return Ok(vec![0; count]);
    }
    let mut table = Vec::with_capacity(count);
    for source in broadcast.sources() {
        table.push(index(source.unwrap_or(0))?);
    }
    Ok(table)
}

/// Returns, for each element of a reduction over `axes`, the source elements, one group after the
/// other.
pub(crate) fn groups(shape: &[usize], axes: &[i64]) -> Result<(Vec<u32>, usize), String> {
    let axes: Vec<usize> = axes.iter().map(|&a| axis(a, shape.len())).collect::<Result<_, _>>()?;
    let (reduced_axes, kept_axes): (Vec<usize>, Vec<usize>) =
        (0..shape.len()).partition(|d| axes.contains(d));
    let steps = strides(shape);
    let walk = |dims: &[usize]| -> Vec<usize> {
        let lengths: Vec<usize> = dims.iter().map(|&d| shape[d]).collect();
        let place = |at: &[usize]| at.iter().zip(dims).map(|(i, &d)| i * steps[d]).sum();
        at_each_index(&lengths, place).collect()
    };
    let offsets = walk(&reduced_axes);
    let sources = walk(&kept_axes)
        .into_iter()
        .flat_map(|base| offsets.iter().map(move |offset| index(base + offset)));
    Ok((sources.collect::<Result<_, _>>()?, offsets.len()))
}

fn cast(x: &Tensor, fact: &Fact) -> Tensor {
    match fact.dtype {
        dtype if dtype.is_float() => Tensor::from_floats(dtype, &fact.shape, x.to_f32()),
        DType::Bool => {
            let truth: Vec<i64> = x.to_f32().iter().map(|&v| i64::from(v != 0.0)).collect();
            Tensor::from_i64(DType::Bool, &fact.shape, &truth)
        }
        dtype => Tensor::from_i64(dtype, &fact.shape, &x.to_i64()),
    }
}

fn range(inputs: &[&Tensor], fact: &Fact) -> Tensor {
    if fact.dtype.is_float() {
        let (start, delta) = (inputs[0].to_f32()[0], inputs[2].to_f32()[0]);
        return Tensor::from_f32(
            &fact.shape,
            (0..fact.len()).map(|i| start + i as f32 * delta).collect(),
        );
    }
    let (start, delta) = (inputs[0].to_i64()[0], inputs[2].to_i64()[0]);
    let values: Vec<i64> =
        (0..fact.len() as i64).map(|i| start.wrapping_add(i.wrapping_mul(delta))).collect();
    Tensor::from_i64(fact.dtype, &fact.shape, &values)
}

/// Computes integer arithmetic, as shapes need it.
fn integers(op: Binary, inputs: &[&Tensor], fact: &Fact) -> Result<Tensor, String> {
    let (a, b) = (inputs[0].to_i64(), inputs[1].to_i64());
    let (a_at, b_at) =
        (sources(inputs[0].shape(), &fact.shape)?, sources(inputs[1].shape(), &fact.shape)?);
    let pairs = a_at.iter().zip(&b_at).map(|(&i, &j)| (a[i as usize], b[j as usize]));
    let values: Vec<i64> = pairs.map(|(a, b)| integer(op, a, b)).collect::<Result<_, _>>()?;
    Ok(Tensor::from_i64(fact.dtype, &fact.shape, &values))
}

fn integer(op: Binary, a: i64, b: i64) -> Result<i64, String> {
    if b == 0 && matches!(op, Binary::Div | Binary::DivNoNan | Binary::FloorDiv | Binary::FloorMod)
    {
        return Err("a division by zero".into());
    }
    Ok(match op {
        Binary::Add => a.wrapping_add(b),
        Binary::Sub => a.wrapping_sub(b),
        Binary::Mul => a.wrapping_mul(b),
        Binary::Div | Binary::DivNoNan => a.wrapping_div(b),
        Binary::FloorDiv => {
            a.wrapping_div(b) - i64::from(a.wrapping_rem(b) != 0 && (a < 0) != (b < 0))
        }
        Binary::FloorMod => a.wrapping_rem(b).wrapping_add(b).wrapping_rem(b),
        Binary::Maximum => a.max(b),
        Binary::Minimum => a.min(b),
        Binary::Pow => u32::try_from(b).map_or(0, |b| a.wrapping_pow(b)),
        Binary::SquaredDifference => a.wrapping_sub(b).wrapping_mul(a.wrapping_sub(b)),
        Binary::Greater => i64::from(a > b),
        Binary::GreaterEqual => i64::from(a >= b),
        Binary::Less => i64::from(a < b),
        Binary::LessEqual => i64::from(a <= b),
        Binary::Equal => i64::from(a == b),
        Binary::NotEqual => i64::from(a != b),
        Binary::LogicalAnd => i64::from(a != 0 && b != 0),
        Binary::LogicalOr => i64::from(a != 0 || b != 0),
    })
}

fn reduce_integers(kind: Reduction, inputs: &[&Tensor], fact: &Fact) -> Result<Tensor, String> {
    let x = inputs[0].to_i64();
    let (sources, group) = groups(inputs[0].shape(), &inputs[1].to_i64())?;
    let values: Vec<i64> = (0..fact.len())
        .map(|i: usize| {
            let values = sources[i * group..][..group].iter().map(|&s| x[s as usize]);
            match kind {
                Reduction::Sum => values.fold(0i64, i64::wrapping_add),
                Reduction::Mean => {
                    values.fold(0i64, i64::wrapping_add).checked_div(group as i64).unwrap_or(0)
                }
                Reduction::Prod => values.fold(1i64, i64::wrapping_mul),
                Reduction::Max => values.max().unwrap_or(i64::MIN),
                Reduction::Min => values.min().unwrap_or(i64::MAX),
                Reduction::All => i64::from(values.into_iter().all(|v| v != 0)),
                Reduction::Any => i64::from(values.into_iter().any(|v| v != 0)),
            }
        })
        .collect();
    Ok(Tensor::from_i64(fact.dtype, &fact.shape, &values))
}

/// Returns the pixels and channels of a dense tensor of any rank.
pub(crate) fn rows(shape: &[usize]) -> ImageLayout {
    let channels = shape.last().copied().unwrap_or(1);
    match *shape {
        [n, h, w, c] => ImageLayout::dense(n, h, w, c),
        _ => ImageLayout::dense(1, 1, shape.iter().product::<usize>() / channels.max(1), channels),
    }
}

fn floats(op: &Op, inputs: &[&Tensor], fact: &Fact) -> Result<Vec<f32>, String> {
    let x = inputs.first().map(|x| x.to_f32()).unwrap_or_default();
    let map = inputs.first().map_or(ImageLayout::dense(0, 0, 0, 0), |x| rows(x.shape()));
    let out_map = rows(&fact.shape);
    let mut out = vec![0.0; fact.len()];
    let target = out.as_mut_slice();
    match op {
        Op::Conv2d(conv) => convolve(conv, inputs, &x, fact, target)?,
        Op::DepthwiseConv2d(conv) => convolve_depthwise(conv, inputs, &x, fact, target)?,
        Op::MatMul(product) => multiply(product, inputs, fact, target)?,
        Op::BatchNorm { epsilon } => normalise(*epsilon, inputs, &x, map, target)?,
        Op::Affine(epilogue) => apply_epilogue(epilogue, &x, map, target),
        Op::Unary(function) => reference::unary(*function, &map, &x, &out_map, target),
        Op::Clamp(clamp) => target.iter_mut().zip(&x).for_each(|(out, &x)| *out = clamp.apply(x)),
        Op::Binary(op, clamp) => {
            let b = inputs[1].to_f32();
            let (a_at, b_at) = (
                sources(inputs[0].shape(), &fact.shape)?,
                sources(inputs[1].shape(), &fact.shape)?,
            );
            let (a, b) =
                (Gathered { values: &x, sources: &a_at }, Gathered { values: &b, sources: &b_at });
            fallback::binary(*op, a, b, *clamp, target);
        }
        Op::Pool(pool) => {
            reference::pool_window(&pool_shape(pool, inputs[0].shape(), fact)?, &x, target);
        }
        Op::Reduce { kind, .. } => {
            let (sources, group) = groups(inputs[0].shape(), &inputs[1].to_i64())?;
            fallback::reduce(*kind, &sources, group, &x, target);
        }
        Op::Softmax { log } => {
            let columns = fact.channels().max(1);
            reference::softmax(fact.len() / columns, columns, &x, target, *log);
        }
        Op::Lrn(lrn) => reference::lrn(*lrn, &map, &x, &out_map, target),
        Op::Resize(op::Resize { bilinear: true, how }) => {
            reference::resize_bilinear(*how, &map, &x, &out_map, target);
        }
        Op::Resize(op::Resize { how, .. }) => {
            reference::resize_nearest(*how, &map, &x, &out_map, target);
        }
        Op::ResizeBicubic(how) => {
            reference::resize_bicubic(*how, &map, &x, &out_map, target);
        }
        Op::Resample(kind) => {
            let shape = ResampledShape { from: inputs[0].shape(), to: &fact.shape };
            Resampling::new(*kind, shape, &inputs[1..])?.run(&x, target);
        }
        Op::ArgExtreme { smallest, .. } => {
            let (sources, group) = groups(inputs[0].shape(), &inputs[1].to_i64()[..1])?;
            fallback::arg_reduce(*smallest, &sources, group, &x, target);
        }
        Op::TopK { indices } => {
            fallback::top_k(
                inputs[0].shape().last().copied().unwrap_or(1),
                fact.channels(),
                *indices,
                &x,
                target,
            );
        }
        Op::Dequantize(mode) => dequantize(*mode, inputs, target)?,
        _ => return Err("it makes sense in training only".into()),
    }
    Ok(out)
}

/// Returns the geometry of a convolution between dense tensors.
pub(crate) fn conv_window(
    conv: &op::Conv,
    x: &[usize],
    filter: &[usize],
) -> Result<Window, String> {
    resolve([filter[0], filter[1]], conv.stride, conv.dilation, conv.border, [x[1], x[2]])
}

fn convolve(
    conv: &op::Conv,
    inputs: &[&Tensor],
    x: &[f32],
    fact: &Fact,
    out: &mut [f32],
) -> Result<(), String> {
    let window = conv_window(conv, inputs[0].shape(), inputs[1].shape())?;
    let shape = ConvShape { input: rows(inputs[0].shape()), output: rows(&fact.shape), window };
    contract(&shape, &conv.epilogue, inputs, x, false, out);
    Ok(())
}

/// Computes a convolution, or a matrix product as one, by the reference kernel.
fn contract(
    shape: &ConvShape,
    epilogue: &Epilogue,
    inputs: &[&Tensor],
    x: &[f32],
    transposed: bool,
    out: &mut [f32],
) {
    let kernel = lorgnette_kernels::CONV_KERNELS.last().expect("the reference is in the table");
    let bytes = inputs[1].f32_bytes();
    let mut packed = vec![0.0; (kernel.packed_len)(shape)];
    kernel.pack(
        shape,
        &Filter { bytes: &bytes, scale: epilogue.scale.as_deref(), transposed },
        &mut packed,
    );
    let other = epilogue.residual.then(|| inputs[2].to_f32());
    let (stride, storage) = (shape.output.channels, StorageType::Float32);
    let residual = other.as_ref().map(|values| Residual { values, stride, storage });
    let bias = epilogue.shift.as_deref();
    let conv = Conv {
        shape,
        input: x,
        packed: &packed,
        bias,
        residual,
        clamp: epilogue.limits(),
        output: out,
        scratch: &mut [],
    };
    (kernel.run)(conv, &ThreadPool::new(1));
}

fn convolve_depthwise(
    conv: &op::Conv,
    inputs: &[&Tensor],
    x: &[f32],
    fact: &Fact,
    out: &mut [f32],
) -> Result<(), String> {
    let window = conv_window(conv, inputs[0].shape(), inputs[1].shape())?;
    let multiplier = inputs[1].shape()[3];
    let shape = DepthwiseShape {
        input: rows(inputs[0].shape()),
        output: rows(&fact.shape),
        window,
        multiplier,
    };
    let kernel =
        lorgnette_kernels::DEPTHWISE_KERNELS.last().expect("the reference is in the table");
    let bytes = inputs[1].f32_bytes();
    let mut packed = vec![0.0; (kernel.packed_len)(&shape)];
    let filter = Filter { bytes: &bytes, scale: conv.epilogue.scale.as_deref(), transposed: false };
    kernel.pack(&shape, &filter, &mut packed);
    let bias = conv.epilogue.shift.as_deref();
    let run = Depthwise {
        shape: &shape,
        input: x,
        packed: &packed,
        bias,
        clamp: conv.epilogue.limits(),
        output: out,
    };
    (kernel.run)(run, &ThreadPool::new(1));
    Ok(())
}

fn multiply(
    product: &MatMul,
    inputs: &[&Tensor],
    fact: &Fact,
    out: &mut [f32],
) -> Result<(), String> {
    let a = if product.transpose_a { transposed(inputs[0]) } else { inputs[0].to_f32() };
    let [m, n] = fact.shape[..] else { return Err("a product of matrices is a matrix".into()) };
    let inner = a.len().checked_div(m).unwrap_or(0);
    let shape = ConvShape {
        input: ImageLayout::dense(1, 1, m, inner),
        output: ImageLayout::dense(1, 1, m, n),
        window: Window::POINTWISE,
    };
    contract(&shape, &product.epilogue, inputs, &a, product.transpose_b, out);
    Ok(())
}

fn transposed(x: &Tensor) -> Vec<f32> {
    let (values, [rows, columns]) = (x.to_f32(), [x.shape()[0], x.shape()[1]]);
    (0..columns)
        .flat_map(|c| (0..rows).map(move |r| (r, c)))
        .map(|(r, c)| values[r * columns + c])
        .collect()
}

fn normalise(
    epsilon: f32,
    inputs: &[&Tensor],
    x: &[f32],
    map: ImageLayout,
    out: &mut [f32],
) -> Result<(), String> {
    let parameters: Vec<Vec<f32>> = inputs[1..].iter().map(|p| p.to_f32()).collect();
    let [gamma, beta, mean, variance] = &parameters[..] else {
        return Err("five inputs belong to it".into());
    };
    let at =
        |values: &[f32], c: usize| f64::from(if values.len() == 1 { values[0] } else { values[c] });
    if parameters.iter().any(|p| p.len() != 1 && p.len() != map.channels) {
        return Err("its statistics are of another number of channels".into());
    }
    for (i, (out, &x)) in out.iter_mut().zip(x).enumerate() {
        let c = i % map.channels;
        let root = (at(variance, c) + f64::from(epsilon)).sqrt();
        *out = ((f64::from(x) - at(mean, c)) / root * at(gamma, c) + at(beta, c)) as f32;
    }
    Ok(())
}

fn apply_epilogue(epilogue: &Epilogue, x: &[f32], map: ImageLayout, out: &mut [f32]) {
    reference::affine(Affine {
        input_layout: map,
        input: x,
        scale: epilogue.scale.as_deref(),
        shift: epilogue.shift.as_deref(),
        clamp: epilogue.limits(),
        output_layout: map,
        output: out,
    });
}

/// Returns the geometry of a pool between dense tensors.
pub(crate) fn pool_shape(pool: &Pool, x: &[usize], fact: &Fact) -> Result<PoolShape, String> {
    let window = resolve(pool.kernel, pool.stride, pool.dilation, pool.border, [x[1], x[2]])?;
    let [..] = picture(fact)?;
    Ok(PoolShape { input: rows(x), output: rows(&fact.shape), window, kind: pool.kind })
}

/// Converts quantised integers of 8, 16 or 32 bits to floats
/// (`tensorflow/core/kernels/dequantize_op.cc`).
fn dequantize(mode: Dequantize, inputs: &[&Tensor], out: &mut [f32]) -> Result<(), String> {
    let x = inputs[0];
    let bits = 8 * x.dtype().size() as i32;
    let signed = matches!(x.dtype(), DType::I8 | DType::I16 | DType::I32);
    let number = |i: usize| {
        inputs[i].to_f32().first().map(|&v| f64::from(v)).ok_or("an end of its range is missing")
    };
    let (low, high) = (number(1)?, number(2)?);
    let steps = 2f64.powi(bits) - 1.0;
    let lowest = if signed { -(2f64.powi(bits - 1)) } else { 0.0 };
    for (out, q) in out.iter_mut().zip(x.to_i64()) {
        let q = q as f64;
        *out = match mode {
            Dequantize::MinCombined => (q - lowest) * ((high - low) / steps) + low,
            Dequantize::MinFirst => {
                let step = (high - low) / steps;
                (q - lowest) * step + (low / step).round() * step
            }
            Dequantize::Scaled => {
                let largest = 2f64.powi(bits - i32::from(signed)) - 1.0;
                let factor =
                    if signed { (low / -largest).max(high / largest) } else { high / largest };
                q * factor
            }
        } as f32;
    }
    Ok(())
}
