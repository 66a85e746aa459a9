//! R's arrays, the first dimension of which varies fastest, and TensorFlow's, of which the last one
//! does.

use lorgnette::Picture;
use savvy::{OwnedRealSexp, Sexp, TypedSexp};

use crate::error::Failure;

/// Numbers with their dimensions, in TensorFlow's order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    /// The dimensions; none for a scalar.
    pub(crate) shape: Vec<usize>,
    /// The values, the last dimension varying fastest.
    pub(crate) values: Vec<f32>,
}

impl Array {
    /// Reads R's numbers; `name` is said in errors. A vector without dimensions has one, and is a
    /// scalar if it has one element.
    pub(crate) fn from_r(value: Sexp, name: &str) -> Result<Self, Failure> {
        let dim: Option<Vec<usize>> =
            value.get_dim().map(|dim| dim.iter().map(|&side| side as usize).collect());
        let TypedSexp::Real(numbers) = value.into_typed() else {
            return Err(Failure::new(format!("the value fed to '{name}' is no array of numbers")));
        };
        let values: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
        let shape = match dim {
            Some(dim) => dim,
            None if values.len() == 1 => Vec::new(),
            None => vec![values.len()],
        };
        Ok(Self { values: to_row_major(&values, &shape), shape })
    }
}

/// Reorders values whose first dimension varies fastest so that the last one does.
pub(crate) fn to_row_major<T: Copy>(values: &[T], shape: &[usize]) -> Vec<T> {
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for &side in shape {
        strides.push(stride);
        stride *= side;
    }
    gather(values, shape, &strides)
}

/// Reorders values whose last dimension varies fastest so that the first one does.
pub(crate) fn to_column_major<T: Copy>(values: &[T], shape: &[usize]) -> Vec<T> {
    let reversed: Vec<usize> = shape.iter().rev().copied().collect();
    to_row_major(values, &reversed)
}

/// Visits the elements in order of the last dimension of `shape` first; the distance of neighbours
/// in `values` is given for each dimension.
fn gather<T: Copy>(values: &[T], shape: &[usize], strides: &[usize]) -> Vec<T> {
    let mut gathered = Vec::with_capacity(values.len());
    if values.is_empty() {
        return gathered;
    }
    let mut index = vec![0; shape.len()];
    let mut offset = 0;
    loop {
        gathered.push(values[offset]);
        let mut dimension = shape.len();
        loop {
            if dimension == 0 {
                return gathered;
            }
            dimension -= 1;
            index[dimension] += 1;
            offset += strides[dimension];
            if index[dimension] < shape[dimension] {
                break;
            }
            offset -= strides[dimension] * shape[dimension];
            index[dimension] = 0;
        }
    }
}

/// Makes an R array of values of TensorFlow's order; without dimensions, a vector of one number.
pub(crate) fn to_r(values: &[f32], shape: &[usize]) -> savvy::Result<OwnedRealSexp> {
    let values = to_column_major(values, shape);
    let mut array = OwnedRealSexp::new(values.len())?;
    for (to, from) in array.as_mut_slice().iter_mut().zip(values) {
        *to = f64::from(from);
    }
    if !shape.is_empty() {
        array.set_dim(shape)?;
    }
    Ok(array)
}

/// Makes an R array `[height, width, 3]` of a picture, 0 to 1.
pub(crate) fn pixels(picture: &Picture) -> savvy::Result<OwnedRealSexp> {
    let (height, width) = (picture.height(), picture.width());
    let levels = picture.to_rgb8();
    let mut array = OwnedRealSexp::new(levels.len())?;
    let planes = array.as_mut_slice().chunks_exact_mut(height * width).enumerate();
    for (channel, plane) in planes {
        for (column, values) in plane.chunks_exact_mut(height).enumerate() {
            for (row, value) in values.iter_mut().enumerate() {
                *value = f64::from(levels[3 * (row * width + column) + channel]) / 255.0;
            }
        }
    }
    array.set_dim(&[height, width, 3])?;
    Ok(array)
}
