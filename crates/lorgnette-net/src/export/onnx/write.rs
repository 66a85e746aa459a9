//! Writes the file piece by piece: one tensor of the weights is in memory at a time.

use prost::Message as _;

use super::Translated;
use super::proto::{ModelProto, OperatorSetIdProto, StringStringEntryProto, TensorProto};
use super::weights::Weights;
use crate::atomic_file::AtomicFile;
use crate::error::{Error, Result};
use crate::export::{field, heading};

/// The file format version of ONNX 1.10, which all engines in use read.
const IR_VERSION: i64 = 8;
/// The operator set of ONNX 1.13 (2022).
const OPERATOR_SET: i64 = 18;
/// The maximum length of a protocol buffer.
const MAX_BYTES: u64 = i32::MAX as u64;

// Field numbers.
const MODEL_GRAPH: u64 = 7;
const GRAPH_NODE: u64 = 1;
const GRAPH_NAME: u64 = 2;
const GRAPH_INITIALIZER: u64 = 5;
const GRAPH_INPUT: u64 = 11;
const GRAPH_OUTPUT: u64 = 12;
const TENSOR_RAW_DATA: u64 = 9;

/// Writes a network, with `notes` as metadata entries (key and value).
///
/// # Errors
/// If the file exceeds the length limit of a protocol buffer; if a constant cannot be read; if the
/// system refuses.
pub(crate) fn write(
    out: &mut AtomicFile,
    name: &str,
    network: &Translated,
    notes: &[(String, String)],
) -> Result<()> {
    let mut before: Vec<u8> = Vec::new();
    for node in &network.nodes {
        before.extend(field(GRAPH_NODE, &node.encode_to_vec()));
    }
    before.extend(field(GRAPH_NAME, name.as_bytes()));
    for (number, values) in [(GRAPH_INPUT, &network.inputs), (GRAPH_OUTPUT, &network.outputs)] {
        values.iter().for_each(|value| before.extend(field(number, &value.encode_to_vec())));
    }
    let heads: Vec<Vec<u8>> = network.weights.iter().map(head).collect();
    let weights =
        heads.iter().zip(&network.weights).map(|(head, weights)| head.len() + weights.byte_len());
    let length = before.len() + weights.sum::<usize>();
    if length as u64 > MAX_BYTES {
        let what = "an ONNX file ends at 2 GiB".into();
        return Err(Error::Memory { what, needed: length as u64, limit: MAX_BYTES });
    }
    out.append(&model(notes).encode_to_vec())?;
    out.append(&heading(MODEL_GRAPH, length))?;
    out.append(&before)?;
    heads.iter().zip(&network.weights).try_for_each(|(head, weights)| {
        out.append(head)?;
        out.append(&weights.bytes()?)
    })
}

fn model(notes: &[(String, String)]) -> ModelProto {
    ModelProto {
        ir_version: IR_VERSION,
        producer_name: "lorgnette".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPERATOR_SET }],
        metadata_props: notes
            .iter()
            .map(|(key, value): &(String, String)| StringStringEntryProto {
                key: key.clone(),
                value: value.clone(),
            })
            .collect(),
        ..ModelProto::default()
    }
}

/// Encodes the part of a tensor before its elements.
fn head(weights: &Weights) -> Vec<u8> {
    let dims = weights.shape.iter().map(|&length| length as i64).collect();
    let name = weights.name.clone();
    let tensor =
        TensorProto { dims, data_type: weights.data_type(), name, ..TensorProto::default() };
    let head = [tensor.encode_to_vec(), heading(TENSOR_RAW_DATA, weights.byte_len())].concat();
    [heading(GRAPH_INITIALIZER, head.len() + weights.byte_len()), head].concat()
}
