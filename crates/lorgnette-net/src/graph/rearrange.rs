//! Operations that move elements, described by the source of each element of the result.
//!
//! One description serves shape inference, constant folding and the plan's fallback kernel.

use lorgnette_kernels::fallback;

use super::op::{Op, PadMode, SliceMasks};
use super::shape::few_numbers;
use crate::tensor::Tensor;

/// A result that consists of elements of the input.
pub struct Rearrangement {
    /// The shape of the result.
    pub shape: Vec<usize>,
    source: Source,
}

/// Where each element of a result comes from.
enum Source {
    View(View),
    Function(Box<SourceFn>),
}

/// Maps an index of the result to an element of the input; `None` stands for the fill value.
type SourceFn = dyn Fn(&[usize]) -> Option<usize>;

impl Rearrangement {
    fn new(shape: Vec<usize>, source: impl Fn(&[usize]) -> Option<usize> + 'static) -> Self {
        Self { shape, source: Source::Function(Box::new(source)) }
    }

    /// Returns the input element for each element of the result in row-major order; `None` stands
    /// for the fill value.
    pub fn sources(&self) -> Box<dyn Iterator<Item = Option<usize>> + '_> {
        match &self.source {
            Source::View(view) => Box::new(view.places().map(Some)),
            Source::Function(source) => Box::new(at_each_index(&self.shape, source)),
        }
    }

    /// Returns a number of elements that lie one after the other in the input and in the result,
    /// and for each such run of the result the first one's index in the input, or
    /// [`FILL`](fallback::FILL).
    ///
    /// # Errors
    /// If an index is too large for a table.
    pub fn runs(&self) -> Result<(usize, Vec<u32>), String> {
        if let Source::View(view) = &self.source {
            let (run, outer) = view.outer_runs();
            return Ok((run, outer.places().map(index).collect::<Result<_, _>>()?));
        }
        let entry = |source: Option<usize>| source.map_or(Ok(fallback::FILL), index);
        let sources = self.sources().map(entry).collect::<Result<Vec<u32>, _>>()?;
        Ok(fallback::runs(&sources))
    }
}

/// Elements of a tensor at regular distances: those of a result of this shape, in row-major order.
struct View {
    lengths: Vec<usize>,
    offset: i64,
    /// For each dimension, the distance in elements of the tensor.
    steps: Vec<i64>,
}

impl View {
    /// Divides into runs of neighbours as long as the last dimensions have them: their length, and
    /// the view of their first elements.
    fn outer_runs(&self) -> (usize, Self) {
        let mut run = 1;
        let mut outer = self.lengths.len();
        let is_empty = self.lengths.contains(&0);
        while let Some(last) = outer.checked_sub(1).filter(|_| !is_empty)
            && (self.lengths[last] == 1 || self.steps[last] == run as i64)
        {
            outer = last;
            run *= self.lengths[last];
        }
        let (lengths, steps) = (self.lengths[..outer].to_vec(), self.steps[..outer].to_vec());
        (run, Self { lengths, offset: self.offset, steps })
    }

    /// The indices of the elements.
    fn places(&self) -> impl Iterator<Item = usize> + use<> {
        let dimensions: Vec<(usize, i64)> =
            self.lengths.iter().copied().zip(self.steps.iter().copied()).collect();
        let count = self.lengths.iter().product();
        let mut at = vec![0; dimensions.len()];
        let mut place = self.offset;
        (0..count).map(move |_| {
            let here = place;
            for d in (0..at.len()).rev() {
                let (length, step) = dimensions[d];
                at[d] += 1;
                place += step;
                if at[d] < length {
                    break;
                }
                place -= step * length as i64;
                at[d] = 0;
            }
            here as usize
        })
    }
}

/// Returns the value of a function at each index of a shape, in row-major order.
pub fn at_each_index<T>(
    shape: &[usize],
    mut function: impl FnMut(&[usize]) -> T,
) -> impl Iterator<Item = T> {
    let count: usize = shape.iter().product();
    let mut index = vec![0; shape.len()];
    (0..count).map(move |_| {
        let value = function(&index);
        for (position, &length) in index.iter_mut().zip(shape).rev() {
            *position += 1;
            if *position < length {
                break;
            }
            *position = 0;
        }
        value
    })
}

/// Returns the strides of a dense row-major tensor, in elements.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for d in (1..shape.len()).rev() {
        strides[d - 1] = strides[d] * shape[d];
    }
    strides
}

/// Returns the source index of each element of a permuted tensor: its dimension `d` is dimension
/// `order[d]` of the source.
pub(crate) fn places(shape: &[usize], order: &[usize]) -> impl Iterator<Item = usize> {
    let strides = strides(shape);
    let lengths = order.iter().map(|&d| shape[d]).collect();
    let steps = order.iter().map(|&d| strides[d] as i64).collect();
    View { lengths, offset: 0, steps }.places()
}

/// Converts an index to an entry of an index table.
pub(crate) fn index(i: usize) -> Result<u32, String> {
    u32::try_from(i)
        .ok()
        .filter(|&i| i != fallback::FILL)
        .ok_or_else(|| "a tensor of more than 2³² elements".into())
}

/// Resolves an axis that may count from the end.
pub fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let from_start = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(from_start)
        .ok()
        .filter(|&a| a < rank)
        .ok_or_else(|| format!("axis {axis} of {rank} dimensions"))
}

/// Returns the rearrangement of `x` by an operation, if it is one. `parameters[i]` is the constant
/// value of input `i`.
pub fn rearrangement(
    op: &Op,
    shapes: &[&[usize]],
    parameters: &[Option<&Tensor>],
) -> Option<Result<Rearrangement, String>> {
    let data = if matches!(op, Op::Split { .. }) { 1 } else { 0 };
    let x = *shapes.get(data)?;
    let constant = |input: usize| -> Result<&Tensor, String> {
        let tensor = parameters.get(input).ok_or("an input is missing")?;
        tensor.ok_or_else(|| format!("input {input} must be a constant here"))
    };
    let numbers = |input: usize| few_numbers(constant(input)?, input);
    let single = |input: usize| {
        constant(input)?.first_i64().ok_or_else(|| format!("input {input} is empty"))
    };
    // As many as there are elements or parts.
    let many = |input: usize| Ok::<_, String>(constant(input)?.to_i64());
    Some(match op {
        Op::Transpose => numbers(1).and_then(|permutation| transpose(x, &permutation)),
        Op::Slice => numbers(1).and_then(|begin| slice(x, &begin, &numbers(2)?)),
        Op::StridedSlice(masks) => numbers(1)
            .and_then(|begin| strided_slice(x, &begin, &numbers(2)?, &numbers(3)?, *masks)),
        Op::Split { count, index } => {
            single(0).and_then(|a| split(x, axis(a, x.len())?, *count, *index))
        }
        Op::SplitV { index } => {
            single(2).and_then(|a| split_v(x, axis(a, x.len())?, &many(1)?, *index))
        }
        Op::Unpack { axis: a, index } => axis(*a, x.len()).and_then(|a| unpack(x, a, *index)),
        Op::Gather => single(2).and_then(|a| gather(x, &many(1)?, shapes[1], axis(a, x.len())?)),
        Op::Reverse => numbers(1).and_then(|axes| reverse(x, &axes)),
        Op::Tile => numbers(1).and_then(|multiples| tile(x, &multiples)),
        Op::BroadcastTo => numbers(1).and_then(|shape| broadcast_to(x, &lengths(&shape)?)),
        Op::Pad(mode) => numbers(1).and_then(|paddings| pad(x, &paddings, *mode)),
        Op::SpaceToBatch => numbers(1).and_then(|block| space_to_batch(x, &block, &numbers(2)?)),
        Op::BatchToSpace => numbers(1).and_then(|block| batch_to_space(x, &block, &numbers(2)?)),
        Op::DepthToSpace { block, by_channel } => depth_to_space(x, *block, *by_channel),
        Op::SpaceToDepth { block } => space_to_depth(x, *block),
        _ => return None,
    })
}

/// Converts lengths of dimensions; negative ones are an error.
pub fn lengths(numbers: &[i64]) -> Result<Vec<usize>, String> {
    numbers
        .iter()
        .map(|&n| usize::try_from(n).map_err(|_| format!("a dimension of length {n}")))
        .collect()
}

/// Creates a view in which each result dimension steps through one input dimension.
fn view(shape: Vec<usize>, offset: i64, steps: Vec<i64>) -> Rearrangement {
    let lengths = shape.clone();
    Rearrangement { shape, source: Source::View(View { lengths, offset, steps }) }
}

fn transpose(x: &[usize], permutation: &[i64]) -> Result<Rearrangement, String> {
    let from: Vec<usize> =
        permutation.iter().map(|&p| axis(p, x.len())).collect::<Result<_, _>>()?;
    let mut seen = from.clone();
    seen.sort_unstable();
    if seen != (0..x.len()).collect::<Vec<_>>() {
        return Err(format!("{permutation:?} is not a permutation of {} dimensions", x.len()));
    }
    let steps = strides(x);
    Ok(view(
        from.iter().map(|&d| x[d]).collect(),
        0,
        from.iter().map(|&d| steps[d] as i64).collect(),
    ))
}

fn slice(x: &[usize], begin: &[i64], size: &[i64]) -> Result<Rearrangement, String> {
    if begin.len() != x.len() || size.len() != x.len() {
        return Err(format!("a slice of {} dimensions from a tensor of {}", begin.len(), x.len()));
    }
    let mut shape = Vec::new();
    for ((&length, &b), &s) in x.iter().zip(begin).zip(size) {
        let s = if s == -1 { length as i64 - b } else { s };
        if b < 0 || s < 0 || b.checked_add(s).is_none_or(|end| end > length as i64) {
            return Err(format!("a slice from {b} of {s} from a dimension of {length}"));
        }
        shape.push(s as usize);
    }
    let steps = strides(x);
    let offset = begin.iter().zip(&steps).map(|(&b, &s)| b * s as i64).sum();
    Ok(view(shape, offset, steps.iter().map(|&s| s as i64).collect()))
}

fn strided_slice(
    x: &[usize],
    begin: &[i64],
    end: &[i64],
    step: &[i64],
    masks: SliceMasks,
) -> Result<Rearrangement, String> {
    if begin.len() != end.len() || begin.len() != step.len() || begin.len() > 63 {
        return Err("begin, end and strides differ in length".into());
    }
    let bit = |mask: u64, i: usize| mask >> i & 1 == 1;
    let consumed =
        (0..begin.len()).filter(|&i| !bit(masks.ellipsis, i) && !bit(masks.new_axis, i)).count();
    let whole = x.len().checked_sub(consumed).ok_or("more entries than dimensions")?;
    let x_strides = strides(x);
    let (mut shape, mut steps, mut offset, mut d) = (Vec::new(), Vec::new(), 0i64, 0);
    let keep = |count: usize, d: &mut usize, shape: &mut Vec<usize>, steps: &mut Vec<i64>| {
        for _ in 0..count {
            shape.push(x[*d]);
            steps.push(x_strides[*d] as i64);
            *d += 1;
        }
    };
    let mut rest = whole;
    for i in 0..begin.len() {
        if bit(masks.ellipsis, i) {
            keep(std::mem::take(&mut rest), &mut d, &mut shape, &mut steps);
        } else if bit(masks.new_axis, i) {
            shape.push(1);
            steps.push(0);
        } else {
            let length = x[d] as i64;
            let stride = x_strides[d] as i64;
            d += 1;
            if bit(masks.shrink_axis, i) {
                let at = if begin[i] < 0 { begin[i] + length } else { begin[i] };
                if !(0..length).contains(&at) {
                    return Err(format!("element {} of a dimension of {length}", begin[i]));
                }
                offset += at * stride;
                continue;
            }
            let from = (!bit(masks.begin, i)).then_some(begin[i]);
            let to = (!bit(masks.end, i)).then_some(end[i]);
            let (first, count) = range_of(length, from, to, step[i])?;
            offset += first * stride;
            shape.push(count);
            steps.push(step[i] * stride);
        }
    }
    keep(rest, &mut d, &mut shape, &mut steps);
    Ok(view(shape, offset, steps))
}

/// Returns the first element and the number of elements of `begin:end:step` by Python's rules;
/// either end may be left out.
fn range_of(
    length: i64,
    begin: Option<i64>,
    end: Option<i64>,
    step: i64,
) -> Result<(i64, usize), String> {
    if step == 0 || step.unsigned_abs() > i64::from(i32::MAX) as u64 {
        return Err(format!("a stride of {step}"));
    }
    // Forward slices are within 0..=length, backward ones within -1..=length - 1.
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let place = |at: i64| (if at < 0 { at.saturating_add(length) } else { at }).clamp(low, high);
    let (start, stop) = if step > 0 { (low, high) } else { (high, low) };
    let (first, last) = (begin.map_or(start, place), end.map_or(stop, place));
    let span = if step > 0 { last - first } else { first - last };
    let count = if span <= 0 { 0 } else { (span + step.abs() - 1) / step.abs() };
    Ok((first.max(0), count as usize))
}

fn part(x: &[usize], axis: usize, first: usize, length: usize) -> Rearrangement {
    let mut shape = x.to_vec();
    shape[axis] = length;
    let steps = strides(x);
    view(shape, (first * steps[axis]) as i64, steps.iter().map(|&s| s as i64).collect())
}

fn split(x: &[usize], axis: usize, count: usize, index: usize) -> Result<Rearrangement, String> {
    if count == 0 || index >= count || !x[axis].is_multiple_of(count) {
        return Err(format!("a dimension of {} does not split into {count} equal parts", x[axis]));
    }
    let length = x[axis] / count;
    Ok(part(x, axis, index * length, length))
}

fn split_v(x: &[usize], axis: usize, sizes: &[i64], index: usize) -> Result<Rearrangement, String> {
    let known: i64 = sizes
        .iter()
        .filter(|&&s| s >= 0)
        .try_fold(0i64, |sum, &s| sum.checked_add(s))
        .ok_or("sizes overflow")?;
    let sizes: Vec<i64> =
        sizes.iter().map(|&s| if s == -1 { x[axis] as i64 - known } else { s }).collect();
    let sizes = lengths(&sizes)?;
    if index >= sizes.len()
        || sizes.iter().try_fold(0usize, |sum, &s| sum.checked_add(s)) != Some(x[axis])
    {
        return Err(format!("parts of {sizes:?} do not make a dimension of {}", x[axis]));
    }
    Ok(part(x, axis, sizes[..index].iter().sum(), sizes[index]))
}

fn unpack(x: &[usize], axis: usize, index: usize) -> Result<Rearrangement, String> {
    if index >= x[axis] {
        return Err(format!("slice {index} of a dimension of {}", x[axis]));
    }
    let mut steps = strides(x);
    let offset = index * steps.remove(axis);
    let mut shape = x.to_vec();
    shape.remove(axis);
    Ok(view(shape, offset as i64, steps.iter().map(|&s| s as i64).collect()))
}

fn gather(
    x: &[usize],
    indices: &[i64],
    indices_shape: &[usize],
    axis: usize,
) -> Result<Rearrangement, String> {
    if let Some(outside) = indices.iter().find(|&&i| i < 0 || i >= x[axis] as i64) {
        return Err(format!("element {outside} of a dimension of {}", x[axis]));
    }
    let shape = [&x[..axis], indices_shape, &x[axis + 1..]].concat();
    let (x_strides, chosen, chosen_strides) =
        (strides(x), indices.to_vec(), strides(indices_shape));
    let middle = axis..axis + indices_shape.len();
    Ok(Rearrangement::new(shape, move |index| {
        let dot = |a: &[usize], b: &[usize]| a.iter().zip(b).map(|(i, s)| i * s).sum::<usize>();
        let which = chosen[dot(&index[middle.clone()], &chosen_strides)] as usize;
        Some(
            dot(&index[..axis], &x_strides)
                + which * x_strides[axis]
                + dot(&index[middle.end..], &x_strides[axis + 1..]),
        )
    }))
}

fn reverse(x: &[usize], axes: &[i64]) -> Result<Rearrangement, String> {
    let mut steps: Vec<i64> = strides(x).into_iter().map(|step| step as i64).collect();
    let mut offset = 0;
    for &a in axes {
        let d = axis(a, x.len())?;
        offset += steps[d] * (x[d] as i64 - 1);
        steps[d] = -steps[d];
    }
    Ok(view(x.to_vec(), offset, steps))
}

fn tile(x: &[usize], multiples: &[i64]) -> Result<Rearrangement, String> {
    if multiples.len() != x.len() {
        return Err(format!("{} multiples for {} dimensions", multiples.len(), x.len()));
    }
    let multiples = lengths(multiples)?;
    let shape = x
        .iter()
        .zip(&multiples)
        .map(|(&length, &times): (&usize, &usize)| {
            length.checked_mul(times).ok_or("the shape overflows")
        })
        .collect::<Result<_, _>>()?;
    let (x, steps) = (x.to_vec(), strides(x));
    Ok(Rearrangement::new(shape, move |index| {
        Some(index.iter().zip(&x).zip(&steps).map(|((&i, &length), &step)| i % length * step).sum())
    }))
}

/// Repeats `x` to fill `shape` by the rules of broadcasting.
pub fn broadcast_to(x: &[usize], shape: &[usize]) -> Result<Rearrangement, String> {
    let missing = shape.len().checked_sub(x.len()).ok_or("broadcast to fewer dimensions")?;
    if x.iter().zip(&shape[missing..]).any(|(&from, &to)| from != to && from != 1) {
        return Err(format!("{x:?} does not broadcast to {shape:?}"));
    }
    let own = strides(x)
        .into_iter()
        .zip(x)
        .map(|(stride, &length)| if length == 1 { 0 } else { stride as i64 });
    let steps = std::iter::repeat_n(0, missing).chain(own).collect();
    Ok(view(shape.to_vec(), 0, steps))
}

fn pad(x: &[usize], paddings: &[i64], mode: PadMode) -> Result<Rearrangement, String> {
    if paddings.len() != 2 * x.len() {
        return Err(format!("{} paddings for {} dimensions", paddings.len() / 2, x.len()));
    }
    let paddings = lengths(paddings)?;
    let reach = |length: usize| match mode {
        PadMode::Constant => usize::MAX,
        PadMode::Edge if length > 0 => usize::MAX,
        PadMode::Edge => 0,
        PadMode::Reflect => length.saturating_sub(1),
        PadMode::Symmetric => length,
    };
    let mut shape = Vec::new();
    for (&length, pair) in x.iter().zip(paddings.chunks(2)) {
        if pair.iter().any(|&p| p > reach(length)) {
            return Err(format!("a padding of {pair:?} around a dimension of {length}"));
        }
        let padded = length.checked_add(pair[0]).and_then(|l| l.checked_add(pair[1]));
        shape.push(padded.ok_or("the shape overflows")?);
    }
    let (x, steps) = (x.to_vec(), strides(x));
    Ok(Rearrangement::new(shape, move |index| {
        let mut source = 0;
        for (d, &i) in index.iter().enumerate() {
            let at = i as i64 - paddings[2 * d] as i64;
            source += mirrored(at, x[d] as i64, mode)? * steps[d];
        }
        Some(source)
    }))
}

/// Returns the source position of `at`, which may be outside `0..length`.
fn mirrored(at: i64, length: i64, mode: PadMode) -> Option<usize> {
    let repeat = i64::from(mode == PadMode::Symmetric);
    let inside = match at {
        _ if (0..length).contains(&at) => at,
        _ if mode == PadMode::Constant => return None,
        _ if mode == PadMode::Edge => at.clamp(0, length - 1),
        _ if at < 0 => -at - repeat,
        _ => 2 * (length - 1) - at + repeat,
    };
    Some(inside as usize)
}

/// Returns block sizes and the margins before and after, for the two spatial dimensions.
fn blocks(x: &[usize], block: &[i64], margins: &[i64]) -> Result<(Vec<usize>, Vec<usize>), String> {
    let (block, margins) = (lengths(block)?, lengths(margins)?);
    if x.len() != 4 || block.len() != 2 || margins.len() != 4 || block.contains(&0) {
        return Err("only blocks of rows and columns of four-dimensional tensors are known".into());
    }
    if block.iter().chain(&margins).any(|&n| n > 1 << 20) {
        return Err(format!("blocks of {block:?} with margins of {margins:?}"));
    }
    Ok((block, margins))
}

fn space_to_batch(x: &[usize], block: &[i64], paddings: &[i64]) -> Result<Rearrangement, String> {
    let (block, paddings) = blocks(x, block, paddings)?;
    let padded = [x[1] + paddings[0] + paddings[1], x[2] + paddings[2] + paddings[3]];
    if !padded[0].is_multiple_of(block[0]) || !padded[1].is_multiple_of(block[1]) {
        return Err(format!("a padded picture of {padded:?} in blocks of {block:?}"));
    }
    let batch = x[0].checked_mul(block[0] * block[1]).ok_or("the shape overflows")?;
    let shape = vec![batch, padded[0] / block[0], padded[1] / block[1], x[3]];
    let (x, steps) = (x.to_vec(), strides(x));
    Ok(Rearrangement::new(shape, move |index| {
        let (within, n) = (index[0] / x[0], index[0] % x[0]);
        let y = (index[1] * block[0] + within / block[1])
            .checked_sub(paddings[0])
            .filter(|&y| y < x[1])?;
        let column = (index[2] * block[1] + within % block[1])
            .checked_sub(paddings[2])
            .filter(|&c| c < x[2])?;
        Some(n * steps[0] + y * steps[1] + column * steps[2] + index[3])
    }))
}

fn batch_to_space(x: &[usize], block: &[i64], crops: &[i64]) -> Result<Rearrangement, String> {
    let (block, crops) = blocks(x, block, crops)?;
    let area = block[0] * block[1];
    let whole =
        |length: usize, block: usize| length.checked_mul(block).ok_or("the shape overflows");
    let cropped = |length: usize, crop: &[usize]| {
        length.checked_sub(crop[0] + crop[1]).ok_or("crops larger than the picture")
    };
    if !x[0].is_multiple_of(area) {
        return Err(format!("a batch of {} from blocks of {block:?}", x[0]));
    }
    let batch = x[0] / area;
    let height = cropped(whole(x[1], block[0])?, &crops[..2])?;
    let shape = vec![batch, height, cropped(whole(x[2], block[1])?, &crops[2..])?, x[3]];
    let steps = strides(x);
    Ok(Rearrangement::new(shape, move |index| {
        let (y, column) = (index[1] + crops[0], index[2] + crops[2]);
        let within = y % block[0] * block[1] + column % block[1];
        Some(
            (within * batch + index[0]) * steps[0]
                + y / block[0] * steps[1]
                + column / block[1] * steps[2]
                + index[3],
        )
    }))
}

/// Returns the four lengths of an image batch.
fn picture(x: &[usize]) -> Result<[usize; 4], String> {
    x.try_into().map_err(|_| format!("a picture has four dimensions, not {x:?}"))
}

fn depth_to_space(
    x: &[usize],
    block: [usize; 2],
    by_channel: bool,
) -> Result<Rearrangement, String> {
    let [batch, rows, columns, depth] = picture(x)?;
    let area =
        block[0].checked_mul(block[1]).filter(|&area| area > 0 && depth.is_multiple_of(area));
    let area = area.ok_or_else(|| format!("{depth} channels do not make blocks of {block:?}"))?;
    let channels = depth / area;
    let lengths = [rows.checked_mul(block[0]), columns.checked_mul(block[1])];
    let [Some(height), Some(width)] = lengths else { return Err("the shape overflows".into()) };
    let step = strides(x);
    // Of a place in a block and of a channel.
    let (place, channel) = if by_channel { (1, area) } else { (channels, 1) };
    let lengths = vec![batch, rows, block[0], columns, block[1], channels];
    let steps = [step[0], step[1], block[1] * place, step[2], place, channel];
    let steps = steps.map(|step| step as i64).to_vec();
    let shape = vec![batch, height, width, channels];
    Ok(Rearrangement { shape, source: Source::View(View { lengths, offset: 0, steps }) })
}

fn space_to_depth(x: &[usize], block: [usize; 2]) -> Result<Rearrangement, String> {
    let [batch, rows, columns, channels] = picture(x)?;
    if block.contains(&0) || !rows.is_multiple_of(block[0]) || !columns.is_multiple_of(block[1]) {
        return Err(format!("{rows} × {columns} pixels do not divide into blocks of {block:?}"));
    }
    let depth = block[0].checked_mul(block[1]).and_then(|area| area.checked_mul(channels));
    let shape =
        vec![batch, rows / block[0], columns / block[1], depth.ok_or("the shape overflows")?];
    let step = strides(x);
    let lengths = vec![batch, shape[1], shape[2], block[0], block[1], channels];
    let steps = [step[0], step[1] * block[0], step[2] * block[1], step[1], step[2], 1];
    let steps = steps.map(|step| step as i64).to_vec();
    Ok(Rearrangement { shape, source: Source::View(View { lengths, offset: 0, steps }) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_a_transposition() {
        assert_eq!(places(&[2, 3], &[1, 0]).collect::<Vec<_>>(), [0, 3, 1, 4, 2, 5]);
        assert_eq!(places(&[], &[]).collect::<Vec<_>>(), [0]);
    }

    fn sources(r: Result<Rearrangement, String>) -> (Vec<usize>, Vec<Option<usize>>) {
        let r = r.unwrap();
        let sources: Vec<_> = r.sources().collect();
        let (run, starts) = r.runs().unwrap();
        let start_of_run = |source: &Option<usize>| source.map_or(fallback::FILL, |at| at as u32);
        assert!(starts.into_iter().eq(sources.iter().step_by(run).map(start_of_run)));
        assert_eq!(sources.len() % run, 0);
        (r.shape, sources)
    }

    #[test]
    fn slices_follow_pythons_rules() {
        let masks = SliceMasks::default();
        assert_eq!(
            sources(strided_slice(&[6], &[-1], &[-7], &[-2], masks)).1,
            [Some(5), Some(3), Some(1)]
        );
        let both = SliceMasks { begin: 1, end: 1, ..masks };
        assert_eq!(
            sources(strided_slice(&[3], &[9], &[9], &[-1], both)).1,
            [Some(2), Some(1), Some(0)]
        );
        let shrink = SliceMasks { shrink_axis: 1, ..masks };
        assert_eq!(
            sources(strided_slice(&[4], &[-1], &[0], &[1], shrink)),
            (vec![], vec![Some(3)])
        );
        let inner = SliceMasks { ellipsis: 1, new_axis: 2, ..masks };
        assert_eq!(
            strided_slice(&[4, 5], &[0, 0], &[0, 0], &[1, 1], inner).unwrap().shape,
            [4, 5, 1]
        );
    }

    #[test]
    fn blocks_go_there_and_back() {
        let x = [2, 3, 5, 2];
        let there = space_to_batch(&x, &[2, 3], &[0, 1, 1, 0]).unwrap();
        let back = batch_to_space(&there.shape, &[2, 3], &[0, 1, 1, 0]).unwrap();
        let there: Vec<_> = there.sources().collect();
        assert_eq!(back.shape, x);
        assert!(back.sources().enumerate().all(|(i, from)| there[from.unwrap()] == Some(i)));
    }

    #[test]
    fn blocks_of_pixels_become_channels_and_back() {
        // Of two rows and four columns with one channel, blocks of two by two.
        let (shape, depth) = sources(space_to_depth(&[1, 2, 4, 1], [2, 2]));
        assert_eq!(shape, [1, 1, 2, 4]);
        assert_eq!(depth, [0, 1, 4, 5, 2, 3, 6, 7].map(Some));
        let (shape, space) = sources(depth_to_space(&[1, 1, 2, 4], [2, 2], false));
        assert_eq!(shape, [1, 2, 4, 1]);
        assert_eq!(space, [0, 1, 4, 5, 2, 3, 6, 7].map(Some));
        // Two channels, the places of one beside one another.
        let (_, space) = sources(depth_to_space(&[1, 1, 1, 8], [2, 2], true));
        assert_eq!(space, [0, 4, 1, 5, 2, 6, 3, 7].map(Some));
    }

    #[test]
    fn runs_are_what_lies_together() {
        let runs = |r: Result<Rearrangement, String>| r.unwrap().runs().unwrap();
        assert_eq!(runs(slice(&[3, 4], &[1, 0], &[2, 4])), (8, vec![4]));
        assert_eq!(runs(slice(&[3, 4], &[0, 1], &[3, 2])), (2, vec![1, 5, 9]));
        assert_eq!(runs(slice(&[3, 4], &[0, 1], &[0, 2])), (1, vec![]));
        assert_eq!(runs(depth_to_space(&[1, 1, 1, 8], [2, 2], false)), (8, vec![0]));
        assert_eq!(
            runs(pad(&[2], &[1, 1], PadMode::Constant)),
            (1, vec![fallback::FILL, 0, 1, fallback::FILL])
        );
    }

    #[test]
    fn mirrors_repeat_the_edge_or_not() {
        let row =
            |mode| sources(pad(&[3], &[2, 2], mode)).1.into_iter().flatten().collect::<Vec<_>>();
        assert_eq!(row(PadMode::Reflect), [2, 1, 0, 1, 2, 1, 0]);
        assert_eq!(row(PadMode::Symmetric), [1, 0, 0, 1, 2, 2, 1]);
        assert_eq!(row(PadMode::Constant), [0, 1, 2]);
        assert!(pad(&[3], &[3, 0], PadMode::Reflect).is_err());
    }
}
