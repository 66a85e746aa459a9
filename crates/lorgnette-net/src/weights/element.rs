//! TensorFlow's numbers for element types (`tensorflow/core/framework/types.proto`).

use std::fmt;

use crate::tensor::DType;

/// The number of an element type. Unknown numbers are allowed, because an additional variable of an
/// unknown type is no reason to refuse a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element(pub(super) i32);

impl Element {
    /// Returns the tensor type; a quantised type becomes its integer type. `None` for types without
    /// one, and for text, which checkpoints store in another way.
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
