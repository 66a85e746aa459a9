//! Layers that move, pad, crop and resize.

use serde_json::Value;

use super::super::translate::{Node, Site};
use super::{Attribute, Outcome, Refusal, flag, picture, sizes, unsupported};
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

/// The operation of an interpolation; Keras's pixels have their values at their centres.
fn interpolation(site: &Site<'_, '_>) -> Outcome<&'static str> {
    let name = site.layer.config.get("interpolation").and_then(Value::as_str);
    let default = if site.layer.class == "Resizing" { "bilinear" } else { "nearest" };
    match name.unwrap_or(default) {
        "bilinear" => Ok("ResizeBilinear"),
        "nearest" => Ok("ResizeNearestNeighbor"),
        "bicubic" => Ok("ResizeBicubic"),
        other => unsupported(format!("the interpolation '{other}'")),
    }
}

fn upsample(site: &mut Site<'_, '_>) -> Outcome {
    let x = picture(site)?;
    let op = interpolation(site)?;
    let factors = sizes::<2>(&site.layer.config, "size")?;
    let size = dimensions(site, &x, 1, 3)?;
    let factors = site.ints("factors", &factors)?;
    let size = site.add("Mul", &[&size, &factors], 1, vec![("T", int32())])?;
    site.add(op, &[&x, &size], 4, vec![("half_pixel_centers", Attribute::B(true))])
}

fn resize(site: &mut Site<'_, '_>) -> Outcome {
    let x = picture(site)?;
    for other in ["crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"] {
        if flag(&site.layer.config, other, false) {
            return unsupported(other);
        }
    }
    let op = interpolation(site)?;
    let [height] = sizes::<1>(&site.layer.config, "height")?;
    let [width] = sizes::<1>(&site.layer.config, "width")?;
    let size = site.ints("size", &[height, width])?;
    site.add(op, &[&x, &size], 4, vec![("half_pixel_centers", Attribute::B(true))])
}
