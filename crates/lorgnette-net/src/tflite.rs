//! TensorFlow Lite files (`.tflite`): read in place, verified, and translated into the nodes
//! TensorFlow has for the same operations. From there on they are graphs like any other.
//!
//! ```text
//! bytes ─▶ FlatBuffer (flatbuffer) ─▶ Model (model, by the numbers of schema)
//!     ─▶ GraphDef (translate)
//! ```

mod builder;
mod flatbuffer;
mod model;
mod schema;
mod translate;
mod write;

use bytes::Bytes;

use self::flatbuffer::FlatBuffer;
use self::model::Model;
pub(crate) use self::write::{NewModel, NewOperator, NewOption, NewQuantization, NewTensor};
use crate::proto;

/// Whether a file says that it is a TensorFlow Lite model.
pub(crate) fn is_tflite(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(schema::FILE_IDENTIFIER)
}

/// Estimates the memory of a model that is read and translated. What is damaged is counted as far
/// as it goes.
pub(crate) fn decoded_bytes(file: &[u8]) -> u64 {
    model::decoded_bytes(&FlatBuffer::new(file)).unwrap_or(0)
}

/// The first subgraph of a TensorFlow Lite model as TensorFlow's nodes. Constants stay slices of
/// `file`.
///
/// # Errors A sentence that says what is damaged. Operators that are not known become nodes that
/// cannot be run, so that a graph is refused only if a fetch needs one.
pub(crate) fn graph_def(file: &Bytes) -> Result<proto::GraphDef, String> {
    let flat = FlatBuffer::new(file);
    let read = || translate::translate(&Model::read(&flat, file)?, file.len());
    read().map_err(|damage| format!("a damaged TensorFlow Lite model: {damage}"))
}
