//! The messages of checkpoints, by their field numbers in
//! `tensorflow/core/util/saved_tensor_slice.proto`, `tensorflow/core/protobuf/tensor_bundle.proto`
//! and `tensorflow/core/framework/{tensor,tensor_shape,tensor_slice,versions}.proto`.
//!
//! Other fields are skipped when reading. Bytes are slices of the decoded buffer. Messages and
//! packed lists that are declared as bytes here are slices too; the wire format does not
//! distinguish them.

use bytes::Bytes;

use crate::tensor::elements;

/// A value of a V1 table: `meta` under the empty key, `data` under all others.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SavedTensorSlices {
    #[prost(message, optional, tag = "1")]
    pub(super) meta: Option<SavedTensorSliceMeta>,
    #[prost(message, optional, tag = "2")]
    pub(super) data: Option<SavedSlice>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SavedTensorSliceMeta {
    #[prost(message, repeated, tag = "1")]
    pub(super) tensor: Vec<SavedSliceMeta>,
    #[prost(message, optional, tag = "2")]
    pub(super) versions: Option<VersionDef>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SavedSliceMeta {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, optional, tag = "2")]
    pub(super) shape: Option<TensorShapeProto>,
    #[prost(int32, tag = "3")]
    pub(super) dtype: i32,
    #[prost(message, repeated, tag = "4")]
    pub(super) slice: Vec<TensorSliceProto>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SavedSlice {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, optional, tag = "2")]
    pub(super) slice: Option<TensorSliceProto>,
    #[prost(message, optional, tag = "3")]
    pub(super) data: Option<TensorProto>,
}

/// The values of a slice. Each list has the packed runs in which it was written, usually one.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TensorProto {
    #[prost(int32, tag = "1")]
    pub(super) dtype: i32,
    #[prost(bytes = "bytes", tag = "4")]
    pub(super) tensor_content: Bytes,
    #[prost(bytes = "bytes", repeated, tag = "5")]
    pub(super) float_val: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "6")]
    pub(super) double_val: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "7")]
    pub(super) int_val: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "10")]
    pub(super) int64_val: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "11")]
    pub(super) bool_val: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "13")]
    pub(super) half_val: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "16")]
    pub(super) uint32_val: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "17")]
    pub(super) uint64_val: Vec<Bytes>,
}

/// The value under the empty key of a V2 index.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct BundleHeader {
    #[prost(int32, tag = "1")]
    pub(super) num_shards: i32,
    /// 0 little, 1 big.
    #[prost(int32, tag = "2")]
    pub(super) endianness: i32,
    #[prost(message, optional, tag = "3")]
    pub(super) version: Option<VersionDef>,
}

/// The value under all other keys of a V2 index. The entry of a variable in slices lists them and
/// has no bytes; each slice has its own entry.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct BundleEntry {
    #[prost(int32, tag = "1")]
    pub(super) dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) shape: Option<TensorShapeProto>,
    #[prost(int32, tag = "3")]
    pub(super) shard_id: i32,
    #[prost(int64, tag = "4")]
    pub(super) offset: i64,
    #[prost(int64, tag = "5")]
    pub(super) size: i64,
    #[prost(fixed32, tag = "6")]
    pub(super) crc32c: u32,
    #[prost(message, repeated, tag = "7")]
    pub(super) slices: Vec<TensorSliceProto>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct VersionDef {
    /// The format version of the writer.
    #[prost(int32, tag = "1")]
    pub(super) producer: i32,
    /// The oldest reader version that may read it.
    #[prost(int32, tag = "2")]
    pub(super) min_consumer: i32,
}

impl VersionDef {
    /// The only version of both formats so far.
    pub(super) const KNOWN: i32 = 1;

    /// Refuses files that require a later reader.
    pub(super) fn check(versions: Option<&Self>) -> Result<(), String> {
        match versions.map_or(0, |versions| versions.min_consumer) {
            known if known <= Self::KNOWN => Ok(()),
            newer => Err(format!(
                "it needs a reader of version {newer}; this is one of version {}",
                Self::KNOWN
            )),
        }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TensorShapeProto {
    #[prost(message, repeated, tag = "2")]
    dim: Vec<Dim>,
    #[prost(bool, tag = "3")]
    unknown_rank: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Dim {
    #[prost(int64, tag = "1")]
    size: i64,
}

impl TensorShapeProto {
    /// TensorFlow's own limit (`TensorShapeRep::MaxDimensions`).
    const MAX_DIMENSIONS: usize = 254;

    /// Converts a shape to its message.
    pub(super) fn from_shape(shape: &[usize]) -> Self {
        Self {
            dim: shape.iter().map(|&length| Dim { size: length as i64 }).collect(),
            unknown_rank: false,
        }
    }

    /// Returns the lengths; an absent message is a scalar's. The error names the fault of an
    /// invalid shape.
    pub(super) fn lengths(shape: Option<&Self>) -> Result<Vec<usize>, String> {
        let Some(shape) = shape else {
            return Ok(Vec::new());
        };
        if shape.unknown_rank || shape.dim.len() > Self::MAX_DIMENSIONS {
            return Err(format!("has {} dimensions or an unknown number of them", shape.dim.len()));
        }
        let lengths: Vec<usize> = shape
            .dim
            .iter()
            .map(|dim: &Dim| {
                usize::try_from(dim.size).map_err(|_| format!("has a dimension of {}", dim.size))
            })
            .collect::<Result<_, _>>()?;
        // The widest element has eight bytes: no later product overflows.
        match elements(&lengths).and_then(|count| count.checked_mul(8)) {
            Some(_) => Ok(lengths),
            None => Err(format!("has the absurd shape {lengths:?}")),
        }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TensorSliceProto {
    #[prost(message, repeated, tag = "1")]
    pub(super) extent: Vec<Extent>,
}

/// A slice's range in one dimension; the whole dimension if the length is absent.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Extent {
    #[prost(int64, tag = "1")]
    pub(super) start: i64,
    /// Part of a `oneof`, so zero is written.
    #[prost(int64, optional, tag = "2")]
    pub(super) length: Option<i64>,
}
