//! TensorFlow files from networks: a frozen GraphDef, or the variables of a checkpoint.
//!
//! ```text
//! a graph's own nodes, its variables made constants (frozen) ─┬─▶ NodeDefs ─▶ file
//! a network of the zoo, with TF-Slim's nodes (to_graph_def)       ─┘
//! ```

mod display;
mod frozen;
pub(crate) mod onnx;
mod to_graph_def;

pub(crate) use display::{for_display, shapes};
pub(crate) use frozen::{frozen, variables};
pub(crate) use to_graph_def::to_graph_def;

use bytes::Bytes;
use lorgnette_kernels::ThreadPool;
use prost::Message as _;
use prost::encoding::{encode_varint, encoded_len_varint};

use crate::atomic_file::AtomicFile;
use crate::error::{Error, Result};
use crate::graph::TensorOrLazy;
use crate::proto::{
    AttrValue, Dim, GraphDef, NodeDef, TensorProto, TensorShapeProto, Value as Attribute,
    VersionDef,
};
use crate::tensor::DType;

/// A node to be written. A constant's elements are in `value`, not in its definition.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) def: NodeDef,
    pub(crate) value: Option<TensorOrLazy>,
}

/// The graph version that TensorFlow 1.15 writes; every reader of frozen graphs knows it.
const PRODUCER: i32 = 134;
/// The maximum length of a protocol buffer (`CodedInputStream`'s limit, as TensorFlow sets it).
const MAX_BYTES: u64 = i32::MAX as u64;

/// Writes a GraphDef node by node, so that no constant is in memory as a whole.
///
/// # Errors
/// If the file exceeds the length limit of a protocol buffer; if a constant cannot be read; if the
/// system refuses.
pub(crate) fn write_graph(out: &mut AtomicFile, nodes: &[Node], pool: &ThreadPool) -> Result<()> {
    let bytes: u64 = nodes
        .iter()
        .filter_map(|node| node.value.as_ref())
        .map(|value| value.byte_len() as u64)
        .sum();
    if bytes > MAX_BYTES {
        let what = "a GraphDef ends at 2 GiB: write a checkpoint instead".into();
        return Err(Error::Memory { what, needed: bytes, limit: MAX_BYTES });
    }
    for node in nodes {
        match &node.value {
            None => out.append(&field(GRAPH_NODE, &node.def.encode_to_vec()))?,
            Some(value) => write_constant(out, &node.def, value, pool)?,
        }
    }
    let versions = Some(VersionDef { producer: PRODUCER, min_consumer: 0 });
    out.append(&GraphDef { node: Vec::new(), versions }.encode_to_vec())
}

/// Returns a constant of text, which no other node reads.
pub(crate) fn note(name: &str, text: &str) -> Node {
    let dtype = DType::String.tensorflow();
    let tensor = TensorProto {
        dtype,
        tensor_shape: Some(TensorShapeProto::default()),
        string_val: vec![Bytes::copy_from_slice(text.as_bytes())],
        ..TensorProto::default()
    };
    let attribute = |value| AttrValue { value: Some(value) };
    let attr = [
        ("dtype".to_owned(), attribute(Attribute::Type(dtype))),
        ("value".to_owned(), attribute(Attribute::Tensor(Box::new(tensor)))),
    ];
    let def = NodeDef {
        name: name.to_owned(),
        op: "Const".to_owned(),
        attr: attr.into_iter().collect(),
        ..NodeDef::default()
    };
    Node { def, value: None }
}

/// Encodes a GraphDef of a few nodes in memory.
pub(crate) fn graph_def(nodes: Vec<NodeDef>) -> Vec<u8> {
    GraphDef { node: nodes, versions: Some(VersionDef { producer: PRODUCER, min_consumer: 0 }) }
        .encode_to_vec()
}

/// Field numbers of the messages around a constant (`graph.proto`, `node_def.proto`,
/// `attr_value.proto`, `tensor.proto`).
const GRAPH_NODE: u64 = 1;
const NODE_ATTRIBUTE: u64 = 5;
const ENTRY_KEY: u64 = 1;
const ENTRY_VALUE: u64 = 2;
const ATTRIBUTE_TENSOR: u64 = 8;
const TENSOR_CONTENT: u64 = 4;

/// Writes a constant: the enclosing messages, whose lengths include the elements, then the
/// elements.
fn write_constant(
    out: &mut AtomicFile,
    def: &NodeDef,
    value: &TensorOrLazy,
    pool: &ThreadPool,
) -> Result<()> {
    let mut head = TensorProto { dtype: value.dtype().tensorflow(), ..TensorProto::default() };
    head.tensor_shape = Some(shape_proto(value.shape()));
    let elements = value.byte_len();
    let mut parts = head.encode_to_vec();
    parts.extend(heading(TENSOR_CONTENT, elements));
    for (before, number) in [
        (Vec::new(), ATTRIBUTE_TENSOR),
        (field(ENTRY_KEY, b"value"), ENTRY_VALUE),
        (def.encode_to_vec(), NODE_ATTRIBUTE),
    ] {
        let around = match number {
            ATTRIBUTE_TENSOR => [heading(number, parts.len() + elements), parts].concat(),
            _ => [before, heading(number, parts.len() + elements), parts].concat(),
        };
        parts = around;
    }
    out.append(&heading(GRAPH_NODE, parts.len() + elements))?;
    out.append(&parts)?;
    value.each_piece(pool, |piece| out.append(piece))
}

/// Encodes the tag and the length of a length-delimited field.
fn heading(number: u64, length: usize) -> Vec<u8> {
    const BYTES: u64 = 2;
    let mut heading = Vec::with_capacity(2 + encoded_len_varint(length as u64));
    encode_varint(number << 3 | BYTES, &mut heading);
    encode_varint(length as u64, &mut heading);
    heading
}

fn field(number: u64, content: &[u8]) -> Vec<u8> {
    [heading(number, content.len()), content.to_vec()].concat()
}

pub(crate) fn shape_proto(shape: &[usize]) -> TensorShapeProto {
    TensorShapeProto {
        dim: shape.iter().map(|&size| Dim { size: size as i64 }).collect(),
        unknown_rank: false,
    }
}

/// Creates a node without a value.
pub(crate) fn node(
    name: &str,
    op: &str,
    input: Vec<String>,
    attributes: &[(&str, Attribute)],
) -> Node {
    let attr = attributes
        .iter()
        .map(|(key, value): &(&str, Attribute)| {
            ((*key).to_owned(), AttrValue { value: Some(value.clone()) })
        })
        .collect();
    Node {
        def: NodeDef { name: name.into(), op: op.into(), input, attr, ..NodeDef::default() },
        value: None,
    }
}

/// Creates a constant.
pub(crate) fn constant(name: &str, value: TensorOrLazy) -> Node {
    let dtype = [("dtype", Attribute::Type(value.dtype().tensorflow()))];
    Node { value: Some(value), ..node(name, "Const", Vec::new(), &dtype) }
}
