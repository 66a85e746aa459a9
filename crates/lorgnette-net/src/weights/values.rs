//! The values of a V1 slice as little-endian bytes.
//!
//! TensorFlow writes them to the `_val` list of their type (`TENSOR_PROTO_EXTRACT_TYPE` and `Fill`
//! in `tensorflow/core/util/saved_tensor_slice_util.h`), all of them: unlike the lists of a graph's
//! constants, those of a checkpoint do not repeat their last value. `tensor_content` is read too,
//! for other writers.

use bytes::{Bytes, BytesMut};

use super::proto::TensorProto;
use super::varint;
use crate::tensor::DType;

/// Returns `count` values of type `dtype`: a slice of the message wherever it is little-endian.
pub(super) fn little_endian(
    proto: &TensorProto,
    dtype: DType,
    count: usize,
) -> Result<Bytes, String> {
    if !proto.tensor_content.is_empty() {
        return fixed(std::slice::from_ref(&proto.tensor_content), dtype, count);
    }
    match dtype {
        DType::F32 => fixed(&proto.float_val, dtype, count),
        DType::F64 => fixed(&proto.double_val, dtype, count),
        DType::F16 | DType::BF16 => varints(&proto.half_val, dtype, count),
        DType::I64 => varints(&proto.int64_val, dtype, count),
        DType::U32 => varints(&proto.uint32_val, dtype, count),
        DType::U64 => varints(&proto.uint64_val, dtype, count),
        DType::Bool => varints(&proto.bool_val, dtype, count),
        DType::I8 | DType::U8 | DType::I16 | DType::U16 | DType::I32 => {
            varints(&proto.int_val, dtype, count)
        }
        DType::String => Err("is text".into()),
    }
}

/// Returns the minimum size in bytes of a value of this type in a message.
pub(super) fn min_size(dtype: DType) -> usize {
    if matches!(dtype, DType::F32 | DType::F64) { dtype.size() } else { 1 }
}

fn fixed(runs: &[Bytes], dtype: DType, count: usize) -> Result<Bytes, String> {
    let actual: usize = runs.iter().map(Bytes::len).sum();
    let expected = count * dtype.size();
    if actual != expected {
        return Err(format!("has {actual} bytes of values where {count} of them take {expected}"));
    }
    if let [run] = runs {
        return Ok(run.clone());
    }
    let mut joined = BytesMut::with_capacity(expected);
    for run in runs {
        joined.extend_from_slice(run);
    }
    Ok(joined.freeze())
}

/// Negative numbers are written in ten bytes, as 64 bits; the value is in the lowest bits.
fn varints(runs: &[Bytes], dtype: DType, count: usize) -> Result<Bytes, String> {
    let actual: usize =
        runs.iter().map(|run| run.iter().filter(|&&byte| byte < 0x80).count()).sum();
    if actual != count {
        return Err(format!("has {actual} values where its shape takes {count}"));
    }
    let size = dtype.size();
    let mut bytes = Vec::with_capacity(count * size);
    for run in runs {
        let mut rest: &[u8] = run;
        while !rest.is_empty() {
            let value = varint::take(&mut rest)
                .ok_or("has a value that is no number of at most 64 bits")?;
            bytes.extend_from_slice(&value.to_le_bytes()[..size]);
        }
    }
    Ok(bytes.into())
}
