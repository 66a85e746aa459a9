//! ONNX initialisers: constants, transposed and scaled as they are written.

use std::sync::Arc;

use crate::error::Result;
use crate::graph::TensorOrLazy;
use crate::graph::rearrange::places;
use crate::tensor::{DType, Tensor};

/// A constant of the file.
#[derive(Debug)]
pub(crate) struct Weights {
    pub(crate) name: String,
    /// The shape in the file.
    pub(crate) shape: Vec<usize>,
    pub(crate) content: Content,
}

/// The source of the elements.
#[derive(Debug)]
pub(crate) enum Content {
    Floats(Vec<f32>),
    Integers(Vec<i64>),
    /// A constant of the network, its dimensions permuted by `order`, then scaled.
    Turned {
        value: TensorOrLazy,
        order: Vec<usize>,
        scale: Option<Scale>,
    },
    /// Integers as they are, their dimensions permuted by `order`.
    Stored {
        value: Tensor,
        order: Vec<usize>,
    },
}

/// A factor for each output channel of a contraction.
#[derive(Debug)]
pub(crate) struct Scale {
    pub(crate) factors: Arc<[f32]>,
    /// The number of consecutive elements, in the file's order, that share one factor.
    pub(crate) run: usize,
}

/// ONNX's numbers of types (`TensorProto.DataType`).
pub(crate) const FLOAT: i32 = 1;
pub(crate) const UINT8: i32 = 2;
pub(crate) const INT8: i32 = 3;
pub(crate) const INT32: i32 = 6;
pub(crate) const INT64: i32 = 7;
pub(crate) const BOOL: i32 = 9;

impl Weights {
    pub(crate) fn data_type(&self) -> i32 {
        match &self.content {
            Content::Integers(_) => INT64,
            Content::Floats(_) => FLOAT,
            Content::Turned { value, .. } => data_type(value.dtype()),
            Content::Stored { value, .. } => match value.dtype() {
                DType::I8 => INT8,
                DType::U8 => UINT8,
                other => data_type(other),
            },
        }
    }

    /// Returns the size of the elements in bytes.
    pub(crate) fn byte_len(&self) -> usize {
        let size = match self.data_type() {
            INT64 => 8,
            BOOL | INT8 | UINT8 => 1,
            _ => 4,
        };
        self.shape.iter().product::<usize>() * size
    }

    /// Returns the elements, little-endian.
    ///
    /// # Errors
    /// If the constant cannot be read.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        Ok(match &self.content {
            Content::Floats(values) => {
                values.iter().flat_map(|value| value.to_le_bytes()).collect()
            }
            Content::Integers(values) => {
                values.iter().flat_map(|value| value.to_le_bytes()).collect()
            }
            Content::Turned { value, order, scale } => {
                turned(&value.tensor()?, order, scale.as_ref())
            }
            Content::Stored { value, order } => {
                let size = value.dtype().size();
                let bytes = value.bytes();
                places(value.shape(), order)
                    .flat_map(|place| &bytes[place * size..][..size])
                    .copied()
                    .collect()
            }
        })
    }
}

/// Returns the type of a value in the file. All floats become float32, the type of computation.
pub(crate) fn data_type(dtype: DType) -> i32 {
    match dtype {
        DType::Bool => BOOL,
        DType::I64 => INT64,
        dtype if dtype.is_float() => FLOAT,
        _ => INT32,
    }
}

fn turned(tensor: &Tensor, order: &[usize], scale: Option<&Scale>) -> Vec<u8> {
    let places = || places(tensor.shape(), order);
    match data_type(tensor.dtype()) {
        FLOAT => {
            let values = tensor.to_f32();
            let factor = |at: usize| {
                scale.map_or(1.0, |scale| scale.factors[at / scale.run % scale.factors.len()])
            };
            places()
                .enumerate()
                .flat_map(|(at, place)| (values[place] * factor(at)).to_le_bytes())
                .collect()
        }
        INT64 => {
            let values = tensor.to_i64();
            places().flat_map(|place| values[place].to_le_bytes()).collect()
        }
        BOOL => {
            let values = tensor.to_i64();
            places().map(|place| u8::from(values[place] != 0)).collect()
        }
        _ => {
            let values = tensor.to_i64();
            places().flat_map(|place| (values[place] as i32).to_le_bytes()).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_turned_and_scaled() {
        // [1, 2, 1, 3]: a 1 × 2 window, three output channels.
        let tensor = Tensor::from_f32(&[1, 2, 1, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let scale = Scale { factors: vec![1.0, 10.0, 100.0].into(), run: 2 };
        let bytes = turned(&tensor, &[3, 2, 0, 1], Some(&scale));
        let values: Vec<f32> =
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(values, [1.0, 4.0, 20.0, 50.0, 300.0, 600.0]);
    }
}
