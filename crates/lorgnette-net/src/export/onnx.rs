//! Networks as ONNX, which other engines read: operator set 18, float32, pictures as they are fed to TensorFlow
//! (`[batch, rows, columns, channels]`), any number of them where the network allows it.
//!
//! ```text
//! Shaped, rewritten (batch norms folded, identities gone) ─▶ Translation: NodeProtos, weights ─▶ file
//! ```
//! ONNX's convolutions and pools want channels first. So a map's value is kept channels first from the first convolution
//! on, and turned only where an operation needs it as TensorFlow has it: [`layout`] says which names a value has in
//! which order, and adds a transposition where one is asked for that is not there. Most networks have a single one, of
//! the picture. Weights are turned when they are written, one at a time.

mod emit;
mod layout;
mod moves;
mod proto;
mod sums;
mod translate;
mod weights;
mod write;

pub(crate) use translate::translate;
pub(crate) use write::write;

use crate::graph::shape::Shaped;

/// A network to be translated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    /// For one picture.
    pub(crate) one: &'a Shaped,
    /// For two: what differs is the batch's. Without it the file is for one picture.
    pub(crate) two: Option<&'a Shaped>,
    /// What the outputs are to be called.
    pub(crate) outputs: &'a [String],
}

/// A network in ONNX's terms.
#[derive(Debug)]
pub(crate) struct Translated {
    pub(crate) nodes: Vec<proto::NodeProto>,
    pub(crate) weights: Vec<weights::Weights>,
    pub(crate) inputs: Vec<proto::ValueInfoProto>,
    pub(crate) outputs: Vec<proto::ValueInfoProto>,
}
