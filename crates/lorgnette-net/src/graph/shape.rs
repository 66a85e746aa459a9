//! Type and shape inference for every operation.

use lorgnette_kernels::{Binary, Padding, Window};

use super::op::{Border, Conv, MatMul, Op, Pool, Resample};
use super::quantized::Scale;
use super::rearrange::{axis, lengths, rearrangement};
use super::{Graph, NodeId};
use crate::tensor::{DType, Tensor, elements};

/// Maximum number of dimensions, as in TensorFlow.
pub(crate) const MAX_RANK: usize = 254;

/// The type and shape of a node's result.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// Element type.
    pub dtype: DType,
    /// Length of each dimension.
    pub shape: Vec<usize>,
    /// The scale of 8-bit integers that stand for real numbers; such values are stored as bytes.
    pub quantization: Option<Scale>,
}

impl Fact {
    pub(crate) fn new(dtype: DType, shape: impl Into<Vec<usize>>) -> Self {
        Self { dtype, shape: shape.into(), quantization: None }
    }

    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Returns true if there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the last dimension: an image's channels, a matrix's columns. 1 for a scalar.
    pub fn channels(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }
}

/// A graph in which the type and shape of every node are known.
#[derive(Clone, Debug)]
pub struct TypedGraph {
    /// The nodes.
    pub graph: Graph,
    /// The facts of the nodes, by index.
    pub facts: Vec<Fact>,
}

impl TypedGraph {
    /// Returns the type and shape of a node's result.
    pub fn fact(&self, id: NodeId) -> &Fact {
        &self.facts[id.index()]
    }
}

/// Infers the type, shape and scale of an operation's result.
pub(crate) fn infer(
    op: &Op,
    inputs: &[&Fact],
    constants: &[Option<&Tensor>],
) -> Result<Fact, String> {
    if let Op::Quantized(quantized) = op {
        let numbers = |i: usize| {
            let tensor = constants.get(i).copied().flatten();
            Ok(tensor.ok_or_else(|| format!("input {i} is computed, not constant"))?.to_i64())
        };
        return quantized.fact(inputs, numbers);
    }
    let quantization = moved_scale(op, inputs, constants)?;
    Ok(Fact { quantization, ..infer_unscaled(op, inputs, constants)? })
}

/// Returns the scale of the quantised values that an operation moves, if there are any.
fn moved_scale(
    op: &Op,
    inputs: &[&Fact],
    constants: &[Option<&Tensor>],
) -> Result<Option<Scale>, String> {
    let mut scales = inputs.iter().filter_map(|fact| fact.quantization);
    let Some(scale) = scales.next() else { return Ok(None) };
    match op {
        // Their results are numbers of other kinds.
        Op::Shape(_) | Op::Size(_) | Op::Rank => return Ok(None),
        Op::Identity | Op::Reshape | Op::Squeeze { .. } | Op::ExpandDims => {}
        Op::Concat | Op::Pack { .. } => {
            if scales.any(|other| other != scale) {
                return Err("it joins values of different quantisation".into());
            }
        }
        _ => {
            let shapes: Vec<&[usize]> = inputs.iter().map(|fact| fact.shape.as_slice()).collect();
            if rearrangement(op, &shapes, constants).is_none() {
                return Err("it computes with real numbers, and its input is quantised".into());
            }
        }
    }
    Ok(Some(scale))
}

fn infer_unscaled(
    op: &Op,
    inputs: &[&Fact],
    constants: &[Option<&Tensor>],
) -> Result<Fact, String> {
    let x = || inputs.first().copied().ok_or_else(|| "it has no inputs".to_owned());
    let input = |i: usize| inputs.get(i).copied().ok_or_else(|| format!("input {i} is missing"));
    let constant = |i: usize| -> Result<&Tensor, String> {
        let tensor = constants.get(i).ok_or_else(|| format!("input {i} is missing"))?;
        tensor.ok_or_else(|| format!("input {i} depends on more than the input's size"))
    };
    let numbers = |i: usize| few_numbers(constant(i)?, i);
    let single = |i: usize| constant(i)?.first_i64().ok_or_else(|| format!("input {i} is empty"));
    let shapes: Vec<&[usize]> = inputs.iter().map(|fact| fact.shape.as_slice()).collect();
    if let Some(moved) = rearrangement(op, &shapes, constants) {
        let dtype = if matches!(op, Op::Split { .. }) { input(1)?.dtype } else { x()?.dtype };
        return Ok(Fact::new(dtype, moved?.shape));
    }
    Ok(match op {
        Op::Const(tensor) => Fact::new(tensor.dtype(), tensor.shape()),
        Op::Variable(lazy) => Fact::new(lazy.dtype(), lazy.shape()),
        Op::Identity | Op::Affine(_) | Op::Unary(_) | Op::Clamp(_) | Op::BatchNorm { .. } => {
            x()?.clone()
        }
        Op::Softmax { .. } | Op::Lrn(_) => x()?.clone(),
        Op::Conv2d(conv) => convolved(conv, x()?, input(1)?, false)?,
        Op::DepthwiseConv2d(conv) => convolved(conv, x()?, input(1)?, true)?,
        Op::MatMul(product) => multiplied(product, x()?, input(1)?)?,
        Op::Pool(pool) => pooled(pool, x()?)?,
        Op::Binary(op, _) => {
            let shape = broadcast(&x()?.shape, &input(1)?.shape)?;
            Fact::new(if is_comparison(*op) { DType::Bool } else { x()?.dtype }, shape)
        }
        Op::Select => {
            let both = broadcast(&input(1)?.shape, &input(2)?.shape)?;
            Fact::new(input(1)?.dtype, broadcast_condition(&x()?.shape, &both)?)
        }
        Op::Reduce { keep_dims, .. } => {
            Fact::new(x()?.dtype, reduced(&x()?.shape, &numbers(1)?, *keep_dims)?)
        }
        Op::ArgExtreme { dtype, .. } => {
            Fact::new(*dtype, reduced(&x()?.shape, &[single(1)?], false)?)
        }
        Op::TopK { indices } => {
            let mut shape = x()?.shape.clone();
            let last = shape.last_mut().ok_or("a scalar has no largest elements")?;
            *last = usize::try_from(single(1)?)
                .ok()
                .filter(|k| k <= last)
                .ok_or("more elements than there are")?;
            Fact::new(if *indices { DType::I32 } else { x()?.dtype }, shape)
        }
        Op::Resize(_) | Op::ResizeBicubic(_) => {
            let [n, _, _, c] = picture(x()?)?;
            let size = lengths(&numbers(1)?)?;
            let [height, width] = size[..] else { return Err("a size is two numbers".into()) };
            if height == 0 || width == 0 || x()?.is_empty() {
                return Err("a resize from or to nothing".into());
            }
            Fact::new(DType::F32, [n, height, width, c])
        }
        Op::Resample(kind) => {
            let [n, _, _, c] = picture(x()?)?;
            let (n, size) = match kind {
                Resample::Area { .. } => (n, numbers(1)?),
                Resample::Kernel { .. } => (n, numbers(3)?),
                Resample::Boxes { .. } => {
                    let (boxes, of_pictures) = (&input(1)?.shape, &input(2)?.shape);
                    match (boxes.as_slice(), of_pictures.as_slice()) {
                        (&[count, 4], &[of]) if count == of => (count, numbers(3)?),
                        _ => return Err(format!("boxes {boxes:?} of pictures {of_pictures:?}")),
                    }
                }
            };
            let size = lengths(&size)?;
            let [height, width] = size[..] else { return Err("a size is two numbers".into()) };
            if height == 0 || width == 0 || x()?.is_empty() {
                return Err("a resize from or to nothing".into());
            }
            Fact::new(DType::F32, [n, height, width, c])
        }
        Op::Concat => {
            let (values, at) = inputs.split_at(inputs.len().saturating_sub(1));
            let _ = at.first().ok_or("it has no inputs")?;
            concatenated(values, single(inputs.len() - 1)?)?
        }
        Op::Pack { axis } => packed(inputs, *axis)?,
        Op::Reshape => Fact::new(x()?.dtype, reshape(x()?.len(), &numbers(1)?)?),
        Op::Squeeze { axes } => Fact::new(x()?.dtype, squeeze(&x()?.shape, axes)?),
        Op::ExpandDims => {
            let mut shape = x()?.shape.clone();
            shape.insert(axis(single(1)?, shape.len() + 1)?, 1);
            Fact::new(x()?.dtype, shape)
        }
        Op::Shape(dtype) => Fact::new(*dtype, [x()?.shape.len()]),
        Op::Size(dtype) => Fact::new(*dtype, []),
        Op::Rank => Fact::new(DType::I32, []),
        Op::Fill => Fact::new(input(1)?.dtype, lengths(&numbers(0)?)?),
        Op::RandomUniform => Fact::new(DType::F32, lengths(&numbers(0)?)?),
        Op::Range => Fact::new(x()?.dtype, [range_length(constants)?]),
        Op::Cast(dtype) => Fact::new(*dtype, x()?.shape.clone()),
        Op::Dequantize(_) => Fact::new(DType::F32, x()?.shape.clone()),
        Op::Input { .. } | Op::Quantized(_) => {
            return Err("its shape is not inferred here".into());
        }
        // Rearrangements whose inputs are known are settled above.
        Op::DepthToSpace { .. }
        | Op::SpaceToDepth { .. }
        | Op::Transpose
        | Op::StridedSlice(_)
        | Op::Slice
        | Op::Split { .. }
        | Op::SplitV { .. }
        | Op::Unpack { .. }
        | Op::Gather
        | Op::Tile
        | Op::Reverse
        | Op::BroadcastTo
        | Op::Pad(_)
        | Op::SpaceToBatch
        | Op::BatchToSpace => {
            return Err("an input is missing".into());
        }
    })
}

/// Returns the numbers of a constant that has one or two for each dimension. A few bytes can stand
/// for a constant of any length, which many nodes may read.
pub(crate) fn few_numbers(tensor: &Tensor, input: usize) -> Result<Vec<i64>, String> {
    const MAX_NUMBERS: usize = 4 * MAX_RANK;
    match tensor.len() {
        0..=MAX_NUMBERS => Ok(tensor.to_i64()),
        count => Err(format!("input {input} has {count} numbers, more than there are dimensions")),
    }
}

/// Returns true if the result is boolean.
pub(crate) fn is_comparison(op: Binary) -> bool {
    use Binary::{Equal, Greater, GreaterEqual, Less, LessEqual, LogicalAnd, LogicalOr, NotEqual};
    matches!(
        op,
        Greater | GreaterEqual | Less | LessEqual | Equal | NotEqual | LogicalAnd | LogicalOr
    )
}

/// Returns batch, height, width and channels.
pub(crate) fn picture(fact: &Fact) -> Result<[usize; 4], String> {
    fact.shape
        .as_slice()
        .try_into()
        .map_err(|_| format!("a picture has four dimensions, not {:?}", fact.shape))
}

fn convolved(conv: &Conv, x: &Fact, filter: &Fact, depthwise: bool) -> Result<Fact, String> {
    let [n, height, width, channels] = picture(x)?;
    let [kh, kw, cin, last] =
        picture(filter).map_err(|_| format!("the filter's shape {:?}", filter.shape))?;
    if cin != channels || filter.is_empty() {
        return Err(format!("a filter of shape {:?} over {channels} channels", filter.shape));
    }
    let out =
        if depthwise { channels.checked_mul(last).ok_or("the shape overflows")? } else { last };
    let window = resolve([kh, kw], conv.stride, conv.dilation, conv.border, [height, width])?;
    Ok(Fact::new(
        DType::F32,
        [n, output_size(height, &window, 0), output_size(width, &window, 1), out],
    ))
}

fn pooled(pool: &Pool, x: &Fact) -> Result<Fact, String> {
    Ok(Fact::new(DType::F32, pooled_shape(pool, picture(x)?)?))
}

/// Returns the shape of a pool's result.
pub(crate) fn pooled_shape(pool: &Pool, picture: [usize; 4]) -> Result<Vec<usize>, String> {
    let [n, height, width, channels] = picture;
    let window = resolve(pool.kernel, pool.stride, pool.dilation, pool.border, [height, width])?;
    Ok(vec![n, output_size(height, &window, 0), output_size(width, &window, 1), channels])
}

/// Returns a window with its border in pixels, for an image of `size`. Fails if no window fits.
pub(crate) fn resolve(
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    border: Border,
    size: [usize; 2],
) -> Result<Window, String> {
    const MAX_LENGTH: usize = 1 << 20;
    let all = kernel.iter().chain(&stride).chain(&dilation);
    if all.clone().any(|&n| n == 0 || n > MAX_LENGTH) || size.iter().any(|&n| n > MAX_LENGTH << 8) {
        return Err(format!(
            "a window of {kernel:?}, stride {stride:?}, dilation {dilation:?} over {size:?}"
        ));
    }
    let extent = |d: usize| (kernel[d] - 1) * dilation[d] + 1;
    let same = |d: usize| {
        (size[d].div_ceil(stride[d]).saturating_sub(1) * stride[d] + extent(d))
            .saturating_sub(size[d])
    };
    let padding = match border {
        Border::Valid => Padding::default(),
        Border::Explicit(padding) => padding,
        Border::Same => {
            let (v, h) = (same(0), same(1));
            Padding { top: v / 2, bottom: v - v / 2, left: h / 2, right: h - h / 2 }
        }
    };
    let padded = [size[0] + padding.top + padding.bottom, size[1] + padding.left + padding.right];
    if (0..2).any(|d| size[d] == 0 || padded[d] < extent(d)) {
        return Err(format!(
            "the picture, {} × {}, is too small for a window of {} × {}",
            size[0],
            size[1],
            extent(0),
            extent(1)
        ));
    }
    Ok(Window { kernel, stride, dilation, padding })
}

/// Returns the number of positions of a window along dimension `d` (0 is vertical).
pub(crate) fn output_size(length: usize, window: &Window, d: usize) -> usize {
    let margins = if d == 0 {
        window.padding.top + window.padding.bottom
    } else {
        window.padding.left + window.padding.right
    };
    (length + margins - (window.kernel[d] - 1) * window.dilation[d] - 1) / window.stride[d] + 1
}

fn multiplied(product: &MatMul, a: &Fact, b: &Fact) -> Result<Fact, String> {
    let matrix = |fact: &Fact, transposed: bool| match fact.shape[..] {
        [rows, columns] if transposed => Ok([columns, rows]),
        [rows, columns] => Ok([rows, columns]),
        _ => Err(format!("a matrix has two dimensions, not {:?}", fact.shape)),
    };
    let ([rows, inner], [other, columns]) =
        (matrix(a, product.transpose_a)?, matrix(b, product.transpose_b)?);
    if inner != other {
        return Err(format!("matrices of {:?} and {:?} do not multiply", a.shape, b.shape));
    }
    Ok(Fact::new(DType::F32, [rows, columns]))
}

/// Returns the shape to which both broadcast.
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], d: usize| {
        if d + shape.len() < rank { 1 } else { shape[d + shape.len() - rank] }
    };
    (0..rank)
        .map(|d| match (at(a, d), at(b, d)) {
            (m, n) if m == n || n == 1 => Ok(m),
            (1, n) => Ok(n),
            _ => Err(format!("shapes {a:?} and {b:?} do not broadcast")),
        })
        .collect()
}

/// TensorFlow's old `Select` takes a vector of conditions, one for each row.
fn broadcast_condition(condition: &[usize], values: &[usize]) -> Result<Vec<usize>, String> {
    match condition {
        [rows] if values.len() > 1 && values[0] == *rows => Ok(values.to_vec()),
        _ => broadcast(condition, values),
    }
}

pub(crate) fn reduced(
    shape: &[usize],
    axes: &[i64],
    keep_dims: bool,
) -> Result<Vec<usize>, String> {
    let axes: Vec<usize> = axes.iter().map(|&a| axis(a, shape.len())).collect::<Result<_, _>>()?;
    Ok(shape
        .iter()
        .enumerate()
        .filter_map(|(d, &n): (usize, &usize)| match (axes.contains(&d), keep_dims) {
            (false, _) => Some(n),
            (true, true) => Some(1),
            (true, false) => None,
        })
        .collect())
}

fn concatenated(values: &[&Fact], at: i64) -> Result<Fact, String> {
    let first = values.first().ok_or("it joins nothing")?;
    let at = axis(at, first.shape.len())?;
    let mut shape = first.shape.clone();
    for value in &values[1..] {
        if value.shape.len() != shape.len()
            || !(0..shape.len()).all(|d: usize| d == at || value.shape[d] == shape[d])
        {
            return Err(format!(
                "shapes {:?} and {:?} do not join along axis {at}",
                first.shape, value.shape
            ));
        }
        shape[at] = shape[at].checked_add(value.shape[at]).ok_or("the shape overflows")?;
    }
    Ok(Fact::new(first.dtype, shape))
}

fn packed(inputs: &[&Fact], at: i64) -> Result<Fact, String> {
    let first = inputs.first().ok_or("it stacks nothing")?;
    if let Some(other) = inputs.iter().find(|input| input.shape != first.shape) {
        return Err(format!("shapes {:?} and {:?} do not stack", first.shape, other.shape));
    }
    let mut shape = first.shape.clone();
    shape.insert(axis(at, shape.len() + 1)?, inputs.len());
    Ok(Fact::new(first.dtype, shape))
}

fn reshape(count: usize, wanted: &[i64]) -> Result<Vec<usize>, String> {
    let fail = || format!("{count} elements do not take the shape {wanted:?}");
    let known: Vec<usize> =
        lengths(&wanted.iter().copied().filter(|&n| n != -1).collect::<Vec<_>>())?;
    let product = elements(&known).ok_or_else(fail)?;
    let unknown_count = wanted.len() - known.len();
    let rest = match (unknown_count, product) {
        (0, _) if product == count => 0,
        (1, 1..) if count.is_multiple_of(product) => count / product,
        _ => return Err(fail()),
    };
    Ok(wanted.iter().map(|&n| if n == -1 { rest } else { n as usize }).collect())
}

fn squeeze(shape: &[usize], axes: &[i64]) -> Result<Vec<usize>, String> {
    let chosen: Vec<usize> =
        axes.iter().map(|&a| axis(a, shape.len())).collect::<Result<_, _>>()?;
    if let Some(&d) = chosen.iter().find(|&&d| shape[d] != 1) {
        return Err(format!(
            "dimension {d} of {shape:?} has not the length 1 and cannot be removed"
        ));
    }
    Ok(shape
        .iter()
        .enumerate()
        .filter_map(|(d, &n): (usize, &usize)| {
            (if chosen.is_empty() { n != 1 } else { !chosen.contains(&d) }).then_some(n)
        })
        .collect())
}

fn range_length(constants: &[Option<&Tensor>]) -> Result<usize, String> {
    let [Some(start), Some(limit), Some(delta)] = constants else {
        return Err("the range depends on more than the input's size".into());
    };
    let value = |t: &Tensor| {
        let value = if t.dtype().is_float() {
            t.to_f32().first().map(|&v| f64::from(v))
        } else {
            t.to_i64().first().map(|&v| v as f64)
        };
        value.ok_or("an end of the range is empty")
    };
    let count = ((value(limit)? - value(start)?) / value(delta)?).ceil();
    if !count.is_finite() || count > f64::from(u32::MAX) {
        return Err("the range has no end".into());
    }
    Ok(count.max(0.0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_puts_the_odd_pixel_below_and_right() {
        let window = resolve([3, 3], [2, 2], [1, 1], Border::Same, [224, 225]).unwrap();
        assert_eq!(window.padding, Padding { top: 0, bottom: 1, left: 1, right: 1 });
        assert_eq!((output_size(224, &window, 0), output_size(225, &window, 1)), (112, 113));
    }

    #[test]
    fn shapes_broadcast_from_the_right() {
        assert_eq!(broadcast(&[2, 1, 3], &[4, 1]).unwrap(), [2, 4, 3]);
        assert!(broadcast(&[2, 3], &[2]).is_err());
    }

    #[test]
    fn one_dimension_of_a_reshape_may_be_left_open() {
        assert_eq!(reshape(24, &[-1, 6]).unwrap(), [4, 6]);
        assert!(reshape(24, &[-1, 5]).is_err());
        assert!(reshape(0, &[-1, 0]).is_err());
    }
}
