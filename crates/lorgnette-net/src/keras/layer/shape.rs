//! Layers that move, pad, crop and resize.

use serde_json::Value;

use super::super::config::Argument;
use super::super::translate::{Node, Site};
use super::{
    AS_GRAPH, Attribute, Outcome, Refusal, flag, number, numbers, picture, sizes, unsupported,
};
use crate::tensor::DType;

pub(super) fn translate(site: &mut Site<'_, '_>) -> Option<Outcome> {
    Some(match site.layer.class.as_str() {
        "Flatten" => flatten(site),
        "Reshape" => reshape(site),
        "Permute" => permute(site),
        "ZeroPadding2D" => pad(site),
        "Cropping2D" => crop(site),
        "UpSampling2D" => upsample(site),
        "Resizing" => resize(site),
        "CenterCrop" => center_crop(site),
        "RandomCrop" => random_crop(site),
        _ => return None,
    })
}

fn int32() -> Attribute {
    Attribute::Type(DType::I32.tensorflow())
}

fn flatten(site: &mut Site<'_, '_>) -> Outcome {
    let x = site.input()?;
    reshaped(site, &x, &[-1])
}

fn reshape(site: &mut Site<'_, '_>) -> Outcome {
    let x = site.input()?;
    let target = site.layer.config.get("target_shape").and_then(Value::as_array);
    let target: Option<Vec<i64>> =
        target.and_then(|target| target.iter().map(Value::as_i64).collect());
    match target {
        Some(target) => reshaped(site, &x, &target),
        None => unsupported("no target_shape"),
    }
}

/// Gives another shape to each sample of the batch.
fn reshaped(site: &mut Site<'_, '_>, x: &Node, target: &[i64]) -> Outcome {
    let batch = dimensions(site, x, 0, 1)?;
    let target_shape = site.ints("target_shape", target)?;
    let axis = site.int_tensor("axis", &[], &[0])?;
    let attributes = vec![("T", int32()), ("N", Attribute::I(2))];
    let shape = site.add("ConcatV2", &[&batch, &target_shape, &axis], 1, attributes)?;
    site.add("Reshape", &[x, &shape], target.len() + 1, Vec::new())
}

/// Returns the lengths of `x` from dimension `start` to before `end`.
fn dimensions(site: &mut Site<'_, '_>, x: &Node, start: i64, end: i64) -> Outcome {
    let shape = site.add("Shape", &[x], 1, vec![("out_type", int32())])?;
    let bounds =
        [site.ints("start", &[start])?, site.ints("end", &[end])?, site.ints("step", &[1])?];
    let [start, end, step] = &bounds;
    let attributes = vec![("T", int32()), ("Index", int32())];
    site.add("StridedSlice", &[&shape, start, end, step], 1, attributes)
}

fn permute(site: &mut Site<'_, '_>) -> Outcome {
    let x = site.input()?;
    let dims = site.layer.config.get("dims").and_then(Value::as_array);
    let dims: Option<Vec<i64>> = dims.and_then(|dims| dims.iter().map(Value::as_i64).collect());
    let Some(dims) = dims.filter(|dims| dims.len() + 1 == x.rank) else {
        return unsupported("dims of another rank");
    };
    let order: Vec<i64> = std::iter::once(0).chain(dims).collect();
    let order = site.ints("perm", &order)?;
    site.add("Transpose", &[&x, &order], x.rank, Vec::new())
}

/// Reads `[[top, bottom], [left, right]]`, or one number for both sides of a dimension.
fn borders(site: &Site<'_, '_>, name: &str) -> Outcome<[[i64; 2]; 2]> {
    let value = site.layer.config.get(name).unwrap_or(&Value::Null);
    let pair = |value: &Value| match value {
        Value::Array(list) => match list.as_slice() {
            [a, b] => Some([a.as_i64()?, b.as_i64()?]),
            _ => None,
        },
        value => value.as_i64().map(|both| [both; 2]),
    };
    let both = match value {
        Value::Array(list) => match list.as_slice() {
            [rows, columns] => pair(rows).zip(pair(columns)).map(<[_; 2]>::from),
            _ => None,
        },
        value => pair(value).map(|sides| [sides; 2]),
    };
    let small = |borders: &[[i64; 2]; 2]| {
        borders.iter().flatten().all(|border| (0..1 << 20).contains(border))
    };
    both.filter(small).ok_or_else(|| Refusal::Unsupported(format!("{name} {value}")))
}

fn pad(site: &mut Site<'_, '_>) -> Outcome {
    let x = picture(site)?;
    let [[top, bottom], [left, right]] = borders(site, "padding")?;
    let paddings = site.int_tensor("paddings", &[4, 2], &[0, 0, top, bottom, left, right, 0, 0])?;
    site.add("Pad", &[&x, &paddings], 4, Vec::new())
}

fn crop(site: &mut Site<'_, '_>) -> Outcome {
    let x = picture(site)?;
    let [[top, bottom], [left, right]] = borders(site, "cropping")?;
    let begin = site.ints("begin", &[0, top, left, 0])?;
    let end = site.ints("end", &[0, -bottom, -right, 0])?;
    let strides = site.ints("strides", &[1; 4])?;
    // A bit for each end that is that of the dimension.
    let mask = 0b1001 | i64::from(bottom == 0) << 1 | i64::from(right == 0) << 2;
    let attributes = vec![
        ("Index", int32()),
        ("begin_mask", Attribute::I(0b1001)),
        ("end_mask", Attribute::I(mask)),
    ];
    site.add("StridedSlice", &[&x, &begin, &end, &strides], 4, attributes)
}

/// An operation that resizes, with its attributes.
struct Interpolation {
    op: &'static str,
    attributes: Vec<(&'static str, Attribute)>,
}

impl Interpolation {
    /// Keras's pixels have their values at their centres.
    fn centred(op: &'static str) -> Self {
        Self { op, attributes: vec![("half_pixel_centers", Attribute::B(true))] }
    }

    /// Reads the layer's interpolation.
    fn of(site: &Site<'_, '_>) -> Outcome<Self> {
        let name = site.layer.config.get("interpolation").and_then(Value::as_str);
        let default = if site.layer.class == "UpSampling2D" { "nearest" } else { "bilinear" };
        Self::named(name.unwrap_or(default))
    }

    fn named(name: &str) -> Outcome<Self> {
        match name {
            "bilinear" => Ok(Self::centred("ResizeBilinear")),
            "nearest" => Ok(Self::centred("ResizeNearestNeighbor")),
            "bicubic" => Ok(Self::centred("ResizeBicubic")),
            "area" => Ok(Self { op: "ResizeArea", attributes: Vec::new() }),
            other => unsupported(format!("the interpolation '{other}'")),
        }
    }

    /// Resizes `x` to `size`, rows and columns.
    fn add(self, site: &mut Site<'_, '_>, x: &Node, size: &Node) -> Outcome {
        site.add(self.op, &[x, size], 4, self.attributes)
    }
}

fn upsample(site: &mut Site<'_, '_>) -> Outcome {
    let x = picture(site)?;
    let interpolation = Interpolation::of(site)?;
    let factors = sizes::<2>(&site.layer.config, "size")?;
    let size = dimensions(site, &x, 1, 3)?;
    let factors = site.ints("factors", &factors)?;
    let size = site.add("Mul", &[&size, &factors], 1, vec![("T", int32())])?;
    interpolation.add(site, &x, &size)
}

/// Rows and columns that a layer's configuration asks for, each at least 1.
struct TargetSize {
    height: i64,
    width: i64,
}

impl TargetSize {
    fn of(site: &Site<'_, '_>) -> Outcome<Self> {
        let [height] = sizes::<1>(&site.layer.config, "height")?;
        let [width] = sizes::<1>(&site.layer.config, "width")?;
        match height > 0 && width > 0 {
            true => Ok(Self { height, width }),
            false => unsupported(format!("a picture of {height}x{width} pixels")),
        }
    }
}

fn resize(site: &mut Site<'_, '_>) -> Outcome {
    let mut x = picture(site)?;
    let has = |name: &str| flag(&site.layer.config, name, false);
    let (crops, pads) = (has("crop_to_aspect_ratio"), has("pad_to_aspect_ratio"));
    if has("antialias") {
        return unsupported("antialias");
    }
    let interpolation = Interpolation::of(site)?;
    let target = TargetSize::of(site)?;
    if crops {
        x = crop_to_aspect_ratio(site, &x, &target)?;
    } else if pads {
        x = pad_to_aspect_ratio(site, &x, &target)?;
    }
    let size = site.ints("size", &[target.height, target.width])?;
    interpolation.add(site, &x, &size)
}

/// `tf.image.resize` and `keras.ops.image.resize`.
pub(super) fn resize_function(site: &mut Site<'_, '_>) -> Outcome {
    let x = picture(site)?;
    let options =
        ["antialias", "preserve_aspect_ratio", "crop_to_aspect_ratio", "pad_to_aspect_ratio"];
    for option in options {
        if site.setting(option).and_then(Value::as_bool) == Some(true) {
            return unsupported(format!("{option}: {AS_GRAPH}"));
        }
    }
    let first = site.call.arguments.iter().find_map(|argument| match argument {
        Argument::Value(value) => Some(value),
        Argument::Tensor(_) => None,
    });
    let size = site.setting("size").or(first).and_then(numbers);
    let Some(&[rows, columns]) = size.as_deref() else {
        return unsupported(format!("its size: {AS_GRAPH}"));
    };
    let is_length = |length: f64| (1.0..(1 << 20) as f64).contains(&length);
    if !is_length(rows) || !is_length(columns) {
        return unsupported(format!("a picture of {rows}x{columns} pixels"));
    }
    let method = site.setting("method").or_else(|| site.setting("interpolation"));
    let method = method.and_then(Value::as_str).unwrap_or("bilinear").to_owned();
    let size = site.ints("size", &[rows as i64, columns as i64])?;
    Interpolation::named(&method)?.add(site, &x, &size)
}

/// Adds an operation on int32.
fn integers(site: &mut Site<'_, '_>, op: &str, inputs: &[&Node]) -> Outcome {
    site.add(op, inputs, 1, vec![("T", int32())])
}

/// Converts between int32 and float32.
fn cast(site: &mut Site<'_, '_>, x: &Node, from: DType, to: DType) -> Outcome {
    let kind = |dtype: DType| Attribute::Type(dtype.tensorflow());
    site.add("Cast", &[x], 1, vec![("SrcT", kind(from)), ("DstT", kind(to))])
}

/// Divides int32 in float32 and drops the fraction, as Keras does.
fn divided(site: &mut Site<'_, '_>, x: &Node, divisors: &[f32]) -> Outcome {
    let x = cast(site, x, DType::I32, DType::F32)?;
    let divisors = site.float_tensor("divisors", &[divisors.len()], divisors)?;
    let quotients = site.add("RealDiv", &[&x, &divisors], 1, Vec::new())?;
    cast(site, &quotients, DType::F32, DType::I32)
}

/// Returns the rows that the width has in the target's aspect ratio, and the columns that the
/// height has.
fn in_aspect_ratio(site: &mut Site<'_, '_>, x: &Node, target: &TargetSize) -> Outcome {
    let size = dimensions(site, x, 1, 3)?;
    let axes = site.ints("axes", &[0])?;
    let attributes = vec![("T", int32()), ("Tidx", int32())];
    let turned = site.add("ReverseV2", &[&size, &axes], 1, attributes)?;
    let factors = site.ints("factors", &[target.height, target.width])?;
    let products = integers(site, "Mul", &[&turned, &factors])?;
    divided(site, &products, &[target.width as f32, target.height as f32])
}

/// Returns a list for rows and columns with `other` for batch and channels.
fn of_picture(site: &mut Site<'_, '_>, rows_and_columns: &Node, other: i64) -> Outcome {
    let other = site.ints("other", &[other])?;
    let axis = site.int_tensor("axis", &[], &[0])?;
    let attributes = vec![("T", int32()), ("N", Attribute::I(3))];
    site.add("ConcatV2", &[&other, rows_and_columns, &other, &axis], 1, attributes)
}

/// Cuts out `size`, rows and columns, from `begin` on.
fn cut(site: &mut Site<'_, '_>, x: &Node, begin: &Node, size: &Node) -> Outcome {
    let begin = of_picture(site, begin, 0)?;
    let size = of_picture(site, size, -1)?;
    site.add("Slice", &[x, &begin, &size], 4, vec![("Index", int32())])
}

/// Cuts out the largest part around the centre that has the target's aspect ratio.
fn crop_to_aspect_ratio(site: &mut Site<'_, '_>, x: &Node, target: &TargetSize) -> Outcome {
    let whole = dimensions(site, x, 1, 3)?;
    let fitting = in_aspect_ratio(site, x, target)?;
    let fitting = integers(site, "Minimum", &[&whole, &fitting])?;
    let one = site.ints("one", &[1])?;
    let fitting = integers(site, "Maximum", &[&fitting, &one])?;
    let rest = integers(site, "Sub", &[&whole, &fitting])?;
    let begin = divided(site, &rest, &[2.0, 2.0])?;
    cut(site, x, &begin, &fitting)
}

/// Surrounds a picture with equal borders of the fill value, up to the target's aspect ratio.
fn pad_to_aspect_ratio(site: &mut Site<'_, '_>, x: &Node, target: &TargetSize) -> Outcome {
    let config = &site.layer.config;
    let mode = config.get("fill_mode").and_then(Value::as_str).unwrap_or("constant");
    if mode != "constant" {
        return unsupported(format!("the fill_mode '{mode}'"));
    }
    let fill = number(config, "fill_value").unwrap_or(0.0) as f32;
    let whole = dimensions(site, x, 1, 3)?;
    let padded = in_aspect_ratio(site, x, target)?;
    let padded = integers(site, "Maximum", &[&whole, &padded])?;
    let rest = integers(site, "Sub", &[&padded, &whole])?;
    let border = divided(site, &rest, &[2.0, 2.0])?;
    let borders = of_picture(site, &border, 0)?;
    let column = site.ints("column", &[4, 1])?;
    let borders = site.add("Reshape", &[&borders, &column], 2, vec![("T", int32())])?;
    let axis = site.int_tensor("axis", &[], &[1])?;
    let attributes = vec![("T", int32()), ("N", Attribute::I(2))];
    let borders = site.add("ConcatV2", &[&borders, &borders, &axis], 2, attributes)?;
    let fill = site.floats("fill_value", &[fill])?;
    site.add("PadV2", &[x, &borders, &fill], 4, Vec::new())
}

/// Cuts out the middle. A picture that is smaller than it, which Keras enlarges, cannot be cut: its
/// shapes are refused.
fn center_crop(site: &mut Site<'_, '_>) -> Outcome {
    let x = picture(site)?;
    let target = TargetSize::of(site)?;
    let whole = dimensions(site, &x, 1, 3)?;
    let size = site.ints("size", &[target.height, target.width])?;
    let rest = integers(site, "Sub", &[&whole, &size])?;
    let two = site.ints("two", &[2])?;
    let begin = integers(site, "FloorDiv", &[&rest, &two])?;
    cut(site, &x, &begin, &size)
}

/// Crops and resizes as Keras 2 and 3.0 do at inference; Keras 3.8 and later leave the picture as
/// it is.
fn random_crop(site: &mut Site<'_, '_>) -> Outcome {
    let x = picture(site)?;
    let target = TargetSize::of(site)?;
    let version = site.translator.version;
    match (version.is_keras_3(), version.minor) {
        (true, 8..) => Ok(x),
        (true, 1..) => unsupported("its crop at inference differs between versions of Keras"),
        _ => {
            let x = crop_to_aspect_ratio(site, &x, &target)?;
            let size = site.ints("size", &[target.height, target.width])?;
            Interpolation::centred("ResizeBilinear").add(site, &x, &size)
        }
    }
}
