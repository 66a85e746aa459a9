//! TensorFlow's numbers for element types (`tensorflow/core/framework/types.proto`).

use std::fmt;

use crate::tensor::DType;

/// An element type by its number; any number, since an extra variable of a strange type is no
/// reason to refuse a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element(pub(super) i32);

impl Element {
    /// The type that tensors have for it: a quantised type is its integer. `None` for types without
    /// one, and for text, which checkpoints store in a way of its own.
    pub(super) fn dtype(self) -> Option<DType> {
        DType::from_tensorflow(self.0).filter(|dtype| *dtype != DType::String)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 24] = [
            "invalid",
            "float32",
            "float64",
            "int32",
            "uint8",
            "int16",
            "int8",
            "string",
            "complex64",
            "int64",
            "bool",
            "qint8",
            "quint8",
            "qint32",
            "bfloat16",
            "qint16",
            "quint16",
            "uint16",
            "complex128",
            "float16",
            "resource",
            "variant",
            "uint32",
            "uint64",
        ];
        match usize::try_from(self.0).ok().and_then(|number| NAMES.get(number)) {
            Some(name) => f.write_str(name),
            None => write!(f, "number {}", self.0),
        }
    }
}
