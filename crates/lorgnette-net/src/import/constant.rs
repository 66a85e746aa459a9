//! Converts a TensorProto to a [`Tensor`], from each of the encodings that TensorFlow's tools
//! write.

use bytes::Bytes;

use crate::proto::TensorProto;
use crate::tensor::{DType, Tensor, elements};

/// The limit for constants that are written as one repeated value: a few bytes must not become
/// gigabytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expansion {
    /// The remaining bytes.
    pub(crate) left: usize,
}

impl Expansion {
    /// Allows 32 MiB plus sixteen times the file.
    pub(crate) fn for_file(bytes: usize) -> Self {
        Self { left: (32 << 20) + 16 * bytes }
    }

    fn take(&mut self, bytes: usize) -> Result<(), String> {
        self.left = self
            .left
            .checked_sub(bytes)
            .ok_or("the constants are larger than a file of this size may hold")?;
        Ok(())
    }
}

/// Decodes a constant. Its content shares the buffer from which the message was decoded.
pub(crate) fn tensor(proto: &TensorProto, expansion: &mut Expansion) -> Result<Tensor, String> {
    let dtype = DType::from_tensorflow(proto.dtype)
        .ok_or_else(|| format!("element type {} is not known", proto.dtype))?;
    let shape = shape(proto)?;
    if dtype == DType::String {
        let text = proto.string_val.first().cloned().unwrap_or_default();
        return Tensor::from_shared(dtype, shape, text)
            .ok_or_else(|| "the shape's product overflows".into());
    }
    let count = elements(&shape).ok_or("the shape's product overflows")?;
    let expected = count.checked_mul(dtype.size()).ok_or("the shape's product overflows")?;
    let bytes = match proto.tensor_content.is_empty() {
        false => proto.tensor_content.clone(),
        true => {
            // Computation takes four bytes an element, however few the type has itself.
            expansion.take(
                count.checked_mul(dtype.size().max(4)).ok_or("the shape's product overflows")?,
            )?;
            repeat_last(listed_values(proto, dtype), expected, dtype.size())
        }
    };
    let found = bytes.len();
    Tensor::from_shared(dtype, shape.clone(), bytes).ok_or_else(|| {
        format!("{found} bytes of values where shape {shape:?} of {dtype:?} takes {expected}")
    })
}

fn shape(proto: &TensorProto) -> Result<Vec<usize>, String> {
    let dims = proto.tensor_shape.iter().flat_map(|shape| &shape.dim);
    dims.map(|dim| {
        usize::try_from(dim.size).map_err(|_| format!("dimension {} in a constant", dim.size))
    })
    .collect()
}

/// Returns the bytes of the type's value list.
fn listed_values(proto: &TensorProto, dtype: DType) -> Vec<u8> {
    fn low<const N: usize>(values: impl Iterator<Item = [u8; N]>, size: usize) -> Vec<u8> {
        values.flat_map(|bytes| bytes.into_iter().take(size)).collect()
    }
    let size = dtype.size();
    match dtype {
        DType::F32 => low(proto.float_val.iter().map(|v| v.to_le_bytes()), size),
        DType::F64 => low(proto.double_val.iter().map(|v| v.to_le_bytes()), size),
        DType::F16 | DType::BF16 => low(proto.half_val.iter().map(|v| v.to_le_bytes()), size),
        DType::I64 => low(proto.int64_val.iter().map(|v| v.to_le_bytes()), size),
        DType::U32 => low(proto.uint32_val.iter().map(|v| v.to_le_bytes()), size),
        DType::U64 => low(proto.uint64_val.iter().map(|v| v.to_le_bytes()), size),
        DType::Bool => proto.bool_val.iter().map(|&v| u8::from(v)).collect(),
        DType::I32 | DType::U8 | DType::I8 | DType::U16 | DType::I16 => {
            low(proto.int_val.iter().map(|v| v.to_le_bytes()), size)
        }
        DType::String => Vec::new(),
    }
}

/// Repeats the last value up to the expected size; without any value, fills with zeros as
/// TensorFlow does.
fn repeat_last(mut listed_values: Vec<u8>, expected: usize, size: usize) -> Bytes {
    if listed_values.is_empty() {
        return vec![0; expected].into();
    }
    if listed_values.len() < expected {
        let last = listed_values[listed_values.len() - size..].to_vec();
        let missing = expected - listed_values.len();
        listed_values.extend(last.iter().cycle().take(missing));
    }
    listed_values.into()
}
