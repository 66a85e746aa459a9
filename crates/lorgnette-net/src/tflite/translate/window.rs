//! Operators that move over a picture: convolutions, fully connected layers, pools, resizing,
//! normalisation.

use super::activation::Activation;
use super::{Attribute, Outcome, Refusal, Site, int, ints, text, unsupported};
use crate::proto::Value;

pub(super) fn translate(builtin: &str, site: &mut Site<'_, '_, '_>) -> Option<Outcome> {
    Some(match builtin {
        "CONV_2D" => conv(site),
        "DEPTHWISE_CONV_2D" => depthwise(site),
        "TRANSPOSE_CONV" => transposed_conv(site),
        "FULLY_CONNECTED" => fully_connected(site),
        "AVERAGE_POOL_2D" => pool(site, "AvgPool"),
        "MAX_POOL_2D" => pool(site, "MaxPool"),
        "L2_POOL_2D" => l2_pool(site),
        "RESIZE_BILINEAR" => resize(site, "ResizeBilinear"),
        "RESIZE_NEAREST_NEIGHBOR" => resize(site, "ResizeNearestNeighbor"),
        "LOCAL_RESPONSE_NORMALIZATION" => local_response_normalization(site),
        "L2_NORMALIZATION" => l2_normalization(site),
        _ => return None,
    })
}

/// The fields of `Conv2DOptions`.
pub(super) mod conv {
    pub(in super::super) const PADDING: usize = 0;
    pub(in super::super) const STRIDES: [usize; 2] = [2, 1];
    pub(in super::super) const ACTIVATION: usize = 3;
    pub(in super::super) const DILATIONS: [usize; 2] = [5, 4];
}

/// The fields of `DepthwiseConv2DOptions`.
pub(super) mod depthwise {
    pub(in super::super) const PADDING: usize = 0;
    pub(in super::super) const STRIDES: [usize; 2] = [2, 1];
    pub(in super::super) const ACTIVATION: usize = 4;
    pub(in super::super) const DILATIONS: [usize; 2] = [6, 5];
}

/// The fields of `FullyConnectedOptions`.
pub(super) mod fully_connected {
    pub(in super::super) const ACTIVATION: usize = 0;
    pub(in super::super) const WEIGHTS_FORMAT: usize = 1;
    pub(in super::super) const KEEP_NUM_DIMS: usize = 2;
    pub(in super::super) const ASYMMETRIC_INPUTS: usize = 3;
}

/// The fields of `Pool2DOptions`.
pub(super) mod pool {
    pub(in super::super) const PADDING: usize = 0;
    pub(in super::super) const STRIDES: [usize; 2] = [2, 1];
    pub(in super::super) const KERNEL: [usize; 2] = [4, 3];
    pub(in super::super) const ACTIVATION: usize = 5;
}

/// How a window moves, as TensorFlow's attributes.
pub(super) fn window(
    site: &Site<'_, '_, '_>,
    padding: usize,
    strides: [usize; 2],
    dilations: Option<[usize; 2]>,
) -> Outcome<Vec<Attribute>> {
    let padding = match site.u8(padding)? {
        0 => "SAME",
        1 => "VALID",
        other => return unsupported(format!("padding {other}")),
    };
    let mut attributes = vec![("padding", text(padding)), ("strides", pair(site, strides, 0)?)];
    if let Some(dilations) = dilations {
        attributes.push(("dilations", pair(site, dilations, 1)?));
    }
    Ok(attributes)
}

/// `[1, vertical, horizontal, 1]` from the fields of a vertical and a horizontal number.
pub(super) fn pair(
    site: &Site<'_, '_, '_>,
    [vertical, horizontal]: [usize; 2],
    default: i32,
) -> Outcome<Value> {
    let numbers = [site.i32(vertical, default)?, site.i32(horizontal, default)?];
    if numbers.iter().any(|&n| n <= 0) {
        return Err(Refusal::Damaged(format!("{} of a window of {numbers:?}", site.operator.code)));
    }
    Ok(ints(&[1, numbers[0].into(), numbers[1].into(), 1]))
}

/// Adds the bias if there is one, and the activation.
fn with_bias(
    site: &mut Site<'_, '_, '_>,
    sum: String,
    bias: usize,
    activation: Activation,
) -> Outcome {
    if site.optional_tensor(bias).is_none() {
        return site.finish_with(activation, "Identity", vec![sum], Vec::new());
    }
    let bias = site.real(bias)?;
    site.finish_with(activation, "BiasAdd", vec![sum, bias], Vec::new())
}

/// `x, filter ([output, height, width, input]), bias`.
fn conv(site: &mut Site<'_, '_, '_>) -> Outcome {
    use self::conv::{ACTIVATION, DILATIONS, PADDING, STRIDES};
    let attributes = window(site, PADDING, STRIDES, Some(DILATIONS))?;
    let activation = Activation::from_options(site, ACTIVATION)?;
    let (channels, filter) = (last(&site.tensor(0)?.shape), &site.tensor(1)?.shape);
    let [_, _, _, group_channels] = filter[..] else {
        return Err(Refusal::Damaged(format!("a filter of shape {filter:?}")));
    };
    let groups = channels.checked_div(group_channels).unwrap_or(0);
    if groups * group_channels != channels || groups == 0 {
        return Err(Refusal::Damaged(format!(
            "a filter of shape {filter:?} over {channels} channels"
        )));
    }
    let is_symmetric = site.has_one_filter_scale()?;
    let (x, filter) = (site.contracted_input(0, is_symmetric)?, site.real(1)?);
    let order = site.vector("filter/perm", &[1, 2, 3, 0])?;
    let filter = site.step("filter", "Transpose", vec![filter, order], Vec::new())?;
    let sum = match groups {
        1 => site.step("sum", "Conv2D", vec![x, filter], attributes)?,
        _ => grouped(site, x, filter, &attributes, groups)?,
    };
    with_bias(site, sum, 2, activation)
}

/// A convolution of each group of channels, side by side.
fn grouped(
    site: &mut Site<'_, '_, '_>,
    x: String,
    filter: String,
    attributes: &[Attribute],
    groups: usize,
) -> Outcome<String> {
    const MAX_GROUPS: usize = 256;
    if groups > MAX_GROUPS {
        return unsupported(format!("{groups} groups of channels"));
    }
    let axis = site.integers("axis", &[], &[3])?;
    let count = int(groups as i64);
    let x =
        site.step("groups", "Split", vec![axis.clone(), x], vec![("num_split", count.clone())])?;
    let filter =
        site.step("filters", "Split", vec![axis.clone(), filter], vec![("num_split", count)])?;
    let port =
        |name: &str, group: usize| format!("{}:{group}", name.strip_suffix(":0").unwrap_or(name));
    let mut sums = Vec::new();
    for group in 0..groups {
        let inputs = vec![port(&x, group), port(&filter, group)];
        sums.push(site.step(&format!("sum_{group}"), "Conv2D", inputs, attributes.to_vec())?);
    }
    sums.push(axis);
    site.step("sum", "ConcatV2", sums, Vec::new())
}

/// `x, filter ([1, height, width, channels · multiplier]), bias`.
fn depthwise(site: &mut Site<'_, '_, '_>) -> Outcome {
    use self::depthwise::{ACTIVATION, DILATIONS, PADDING, STRIDES};
    let attributes = window(site, PADDING, STRIDES, Some(DILATIONS))?;
    let activation = Activation::from_options(site, ACTIVATION)?;
    let (channels, filter) = (last(&site.tensor(0)?.shape), &site.tensor(1)?.shape);
    let shape = match filter[..] {
        [1, height, width, outputs] if channels > 0 && outputs.is_multiple_of(channels) => {
            [height, width, channels, outputs / channels].map(|n| n as i32)
        }
        _ => {
            return Err(Refusal::Damaged(format!(
                "a depthwise filter of shape {filter:?} over {channels} channels"
            )));
        }
    };
    let is_symmetric = site.has_one_filter_scale()?;
    let (x, filter) = (site.contracted_input(0, is_symmetric)?, site.real(1)?);
    let shape = site.vector("filter/shape", &shape)?;
    let filter = site.step("filter", "Reshape", vec![filter, shape], Vec::new())?;
    let sum = site.step("sum", "DepthwiseConv2dNative", vec![x, filter], attributes)?;
    with_bias(site, sum, 2, activation)
}

/// `output shape, filter ([output, height, width, input]), x, bias`.
///
/// Each place of a stride's block is a convolution of its own, by the taps that meet it: their
/// filters lie side by side in the channels, which become the block's pixels (Shi et al. 2016).
/// Rows and columns that the padding leaves out are cut away.
fn transposed_conv(site: &mut Site<'_, '_, '_>) -> Outcome {
    const PADDING: usize = 0;
    const STRIDES: [usize; 2] = [2, 1];
    const ACTIVATION: usize = 3;
    let activation = Activation::from_options(site, ACTIVATION)?;
    let stride = [site.i32(STRIDES[0], 0)?, site.i32(STRIDES[1], 0)?];
    let is_same = site.u8(PADDING)? == 0;
    let (filter, input, result) =
        (&site.tensor(1)?.shape, &site.tensor(2)?.shape, &site.output().shape);
    let side = |d: usize| {
        let [kernel, input, result] = [filter, input, result].map(|shape| side_length(shape, d));
        Side::new(kernel?, input?, result?, stride[d], is_same)
    };
    let (Some(rows), Some(columns)) = (&side(0), &side(1)) else {
        let what = format!("{input:?} by a filter of {filter:?} to {result:?}, stride {stride:?}");
        return unsupported(what);
    };
    let (outputs, channels) = (filter[0] as i32, last(filter) as i32);
    let filter = phase_filter(site, [rows, columns], outputs, channels)?;
    let before = [rows.taps - 1, columns.taps - 1].map(i64::from);
    let around = [0, 0, before[0], before[0], before[1], before[1], 0, 0];
    let explicit = vec![("padding", text("EXPLICIT")), ("explicit_paddings", ints(&around))];
    let mut attributes = if before == [0, 0] { vec![("padding", text("VALID"))] } else { explicit };
    attributes.push(("strides", ints(&[1; 4])));
    let x = site.input(2)?;
    let phases = site.step("phases", "Conv2D", vec![x, filter], attributes)?;
    let picture = interleaved(site, phases, [rows, columns], outputs)?;
    let picture = cut(site, picture, rows, columns)?;
    with_bias(site, picture, 3, activation)
}

/// A transposed convolution along rows or columns.
struct Side {
    stride: i32,
    /// Length of the filter.
    kernel: i32,
    /// Taps of the filter that meet one place of the stride's block.
    taps: i32,
    /// Places to leave out at the beginning of what the phases make.
    begin: i32,
    /// Places to leave out at its end.
    end: i32,
}

impl Side {
    /// The side of these lengths; `None` if they contradict one another.
    fn new(kernel: i32, input: i32, result: i32, stride: i32, is_same: bool) -> Option<Self> {
        const MAX_KERNEL: i32 = 1 << 10;
        let sound = 1..=MAX_KERNEL;
        if !sound.contains(&stride) || !sound.contains(&kernel) || input < 1 {
            return None;
        }
        let taps = kernel.div_euclid(stride) + i32::from(kernel % stride != 0);
        let whole = (input - 1).checked_mul(stride)?.checked_add(kernel)?;
        let begin = if is_same { (whole - result).max(0) / 2 } else { 0 };
        let made = input.checked_add(taps - 1)?.checked_mul(stride)?;
        let end = made.checked_sub(begin)?.checked_sub(result).filter(|&end| end >= 0)?;
        Some(Self { stride, kernel, taps, begin, end })
    }
}

/// Returns the rows (`d` is 0) or columns (1) of a tensor of four dimensions.
fn side_length(shape: &[usize], d: usize) -> Option<i32> {
    i32::try_from(*shape.get(d + 1).filter(|_| shape.len() == 4)?).ok()
}

/// The filter's taps by the place of the block that they meet: `[taps, taps, input, block ·
/// output]`.
fn phase_filter(
    site: &mut Site<'_, '_, '_>,
    sides: [&Side; 2],
    outputs: i32,
    channels: i32,
) -> Outcome<String> {
    let [rows, columns] = sides;
    let mut filter = site.real(1)?;
    let missing = [rows, columns].map(|side| side.taps * side.stride - side.kernel);
    if missing != [0, 0] {
        let around =
            site.integers("filter/paddings", &[4, 2], &[0, 0, 0, missing[0], 0, missing[1], 0, 0])?;
        filter = site.step("filter/whole", "Pad", vec![filter, around], Vec::new())?;
    }
    let blocks = [outputs, rows.taps, rows.stride, columns.taps, columns.stride, channels];
    let blocks = site.vector("filter/blocks/shape", &blocks)?;
    let filter = site.step("filter/blocks", "Reshape", vec![filter, blocks], Vec::new())?;
    let order = site.vector("filter/perm", &[1, 3, 5, 2, 4, 0])?;
    let filter = site.step("filter/ordered", "Transpose", vec![filter, order], Vec::new())?;
    let phases = (rows.stride * columns.stride).checked_mul(outputs);
    let Some(phases) = phases else {
        return Err(Refusal::Damaged(format!("a transposed filter of {outputs} output channels")));
    };
    let shape = [rows.taps, columns.taps, channels, phases];
    let shape = site.vector("filter/shape", &shape)?;
    let filter = site.step("filter/phases", "Reshape", vec![filter, shape], Vec::new())?;
    let axes = site.vector("filter/axes", &[0, 1])?;
    site.step("filter", "ReverseV2", vec![filter, axes], Vec::new())
}

/// The channels of each pixel as a block of pixels.
fn interleaved(
    site: &mut Site<'_, '_, '_>,
    x: String,
    sides: [&Side; 2],
    outputs: i32,
) -> Outcome<String> {
    match sides.map(|side| side.stride) {
        [1, 1] => Ok(x),
        [rows, columns] if rows == columns => {
            site.step("blocks", "DepthToSpace", vec![x], vec![("block_size", int(rows))])
        }
        [rows, columns] => unsupported(format!("{rows} × {columns} steps with {outputs} channels")),
    }
}

/// A picture without the places at its edges that the padding leaves out.
fn cut(site: &mut Site<'_, '_, '_>, x: String, rows: &Side, columns: &Side) -> Outcome<String> {
    let (begins, ends) = ([rows.begin, columns.begin], [rows.end, columns.end]);
    if begins == [0, 0] && ends == [0, 0] {
        return Ok(x);
    }
    let begin = site.vector("begin", &[0, begins[0], begins[1], 0])?;
    let end = site.vector("end", &[0, -ends[0], -ends[1], 0])?;
    let strides = site.vector("strides", &[1; 4])?;
    let to_the_end = |d: usize| i64::from(ends[d] == 0) << (d + 1);
    let end_mask = 0b1001 | to_the_end(0) | to_the_end(1);
    let masks = vec![("begin_mask", int(0b1001)), ("end_mask", int(end_mask))];
    site.step("cut", "StridedSlice", vec![x, begin, end, strides], masks)
}

/// `x, weights ([output, input]), bias`.
fn fully_connected(site: &mut Site<'_, '_, '_>) -> Outcome {
    use self::fully_connected::{ACTIVATION, ASYMMETRIC_INPUTS, KEEP_NUM_DIMS, WEIGHTS_FORMAT};
    let activation = Activation::from_options(site, ACTIVATION)?;
    if site.u8(WEIGHTS_FORMAT)? != 0 {
        return unsupported("shuffled weights");
    }
    let [_, inner] = site.tensor(1)?.shape[..] else {
        return Err(Refusal::Damaged(format!("weights of shape {:?}", site.tensor(1)?.shape)));
    };
    let is_symmetric = !site.flag(ASYMMETRIC_INPUTS)?;
    let (mut x, weights) = (site.contracted_input(inner, is_symmetric)?, site.real(1)?);
    let rank = site.tensor(0)?.shape.len();
    if rank != 2 || last(&site.tensor(0)?.shape) != inner {
        let shape = site.vector("rows/shape", &[-1, inner as i32])?;
        x = site.step("rows", "Reshape", vec![x, shape], Vec::new())?;
    }
    let sum =
        site.step("sum", "MatMul", vec![x, weights], vec![("transpose_b", Value::B(true))])?;
    let result = &site.output().shape;
    if !(site.flag(KEEP_NUM_DIMS)? && result.len() != 2) {
        return with_bias(site, sum, 2, activation);
    }
    let dims: Vec<i32> =
        result.iter().enumerate().map(|(d, &n)| if d == 0 { -1 } else { n as i32 }).collect();
    let shape = site.vector("shape", &dims)?;
    let sum = site.step("dimensions", "Reshape", vec![sum, shape], Vec::new())?;
    with_bias(site, sum, 2, activation)
}

fn pool(site: &mut Site<'_, '_, '_>, op: &str) -> Outcome {
    let mut attributes = window(site, self::pool::PADDING, self::pool::STRIDES, None)?;
    attributes.push(("ksize", pair(site, self::pool::KERNEL, 0)?));
    let (activation, x) = (Activation::from_options(site, self::pool::ACTIVATION)?, site.input(0)?);
    site.finish_with(activation, op, vec![x], attributes)
}

/// The root of the mean square.
fn l2_pool(site: &mut Site<'_, '_, '_>) -> Outcome {
    let mut attributes = window(site, self::pool::PADDING, self::pool::STRIDES, None)?;
    attributes.push(("ksize", pair(site, self::pool::KERNEL, 0)?));
    let (activation, x) = (Activation::from_options(site, self::pool::ACTIVATION)?, site.input(0)?);
    let squares = site.step("squares", "Square", vec![x], Vec::new())?;
    let means = site.step("means", "AvgPool", vec![squares], attributes)?;
    site.finish_with(activation, "Sqrt", vec![means], Vec::new())
}

fn resize(site: &mut Site<'_, '_, '_>, op: &str) -> Outcome {
    let (attributes, inputs) = (resize_flags(site, op == "ResizeBilinear")?, site.inputs()?);
    site.finish(op, inputs, attributes)
}

/// How coordinates are mapped, as TensorFlow's attributes.
pub(super) fn resize_flags(site: &Site<'_, '_, '_>, is_bilinear: bool) -> Outcome<Vec<Attribute>> {
    // ResizeBilinearOptions begins with two fields that are no longer used.
    let first = if is_bilinear { 2 } else { 0 };
    let flags = [site.flag(first)?, site.flag(first + 1)?];
    let [align_corners, half_pixel_centers] = flags.map(Value::B);
    Ok(vec![("align_corners", align_corners), ("half_pixel_centers", half_pixel_centers)])
}

fn local_response_normalization(site: &mut Site<'_, '_, '_>) -> Outcome {
    let [radius, bias, alpha, beta] = [0, 1, 2, 3];
    let attributes = vec![
        ("depth_radius", int(site.i32(radius, 0)?)),
        ("bias", Value::F(site.f32(bias)?)),
        ("alpha", Value::F(site.f32(alpha)?)),
        ("beta", Value::F(site.f32(beta)?)),
    ];
    let x = site.input(0)?;
    site.finish("LRN", vec![x], attributes)
}

/// `x / max(|x|, 1e-6)` over the last dimension.
fn l2_normalization(site: &mut Site<'_, '_, '_>) -> Outcome {
    const ACTIVATION: usize = 0;
    const EPSILON: f32 = 1e-6;
    let (activation, x) = (Activation::from_options(site, ACTIVATION)?, site.input(0)?);
    let (axis, epsilon) = (site.vector("axis", &[-1])?, site.scalar("epsilon", EPSILON)?);
    let squares = site.step("squares", "Square", vec![x.clone()], Vec::new())?;
    let sum = site.step("sum", "Sum", vec![squares, axis], vec![("keep_dims", Value::B(true))])?;
    let norm = site.step("norm", "Sqrt", vec![sum], Vec::new())?;
    let norm = site.step("divisor", "Maximum", vec![norm, epsilon], Vec::new())?;
    site.finish_with(activation, "RealDiv", vec![x, norm], Vec::new())
}

/// The last dimension; 0 for a scalar.
fn last(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(0)
}
