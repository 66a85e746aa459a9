//! Whether bytes are an ONNX model, by its outermost fields.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

const IR_VERSION: u32 = 1;
const GRAPH: u32 = 7;
/// The versions of the file format that are out, and a few more.
const KNOWN_VERSIONS: std::ops::RangeInclusive<u64> = 1..=32;

/// Whether `bytes` begin as an ONNX model does: a format version that is a small number, and a
/// graph.
///
/// A GraphDef has a message in field 1; a SavedModel has no field 7.
pub(crate) fn is_onnx(mut bytes: &[u8]) -> bool {
    let (mut version, mut graph) = (false, false);
    while !(bytes.is_empty() || version && graph) {
        let Ok((field, wire)) = decode_key(&mut bytes) else { return false };
        match (field, wire) {
            (IR_VERSION, WireType::Varint) => match decode_varint(&mut bytes) {
                Ok(number) if KNOWN_VERSIONS.contains(&number) => version = true,
                _ => return false,
            },
            (GRAPH, WireType::LengthDelimited) => {
                graph = true;
                // A graph that is cut off is a damaged model, not another format.
                if skip_field(wire, field, &mut bytes, DecodeContext::default()).is_err() {
                    return version;
                }
            }
            (2..=6, WireType::LengthDelimited | WireType::Varint)
            | (8..=26, WireType::LengthDelimited) => {
                if skip_field(wire, field, &mut bytes, DecodeContext::default()).is_err() {
                    return false;
                }
            }
            _ => return false,
        }
    }
    version && graph
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::super::proto::{GraphProto, ModelProto};
    use super::*;

    #[test]
    fn a_model_is_recognised_and_graphs_of_tensorflow_are_not() {
        let graph = Some(GraphProto::default());
        let model =
            ModelProto { ir_version: 8, producer_name: "x".into(), graph, ..ModelProto::default() };
        assert!(is_onnx(&model.encode_to_vec()));
        // A GraphDef of one node, a SavedModel, a checkpoint's end, nothing.
        for other in
            [&b"\x0a\x03\x0a\x01x"[..], b"\x08\x01\x12\x02\x0a\x00", b"\x57\xfb\x80\x8b", b""]
        {
            assert!(!is_onnx(other), "{other:?}");
        }
    }
}
