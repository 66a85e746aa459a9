//! The memory that a graph takes when it is decoded, estimated from its encoding: two bytes can be
//! a node of a hundred, and a node's first attribute reserves room for eleven.

/// Bytes of a node in a list that grows, and of its entry in the index of names.
const NODE: u64 = 384;
/// Bytes of the attributes of a node that has one, and of each further one.
const FIRST_ATTRIBUTE: u64 = 3072;
const ATTRIBUTE: u64 = 512;
/// Bytes of a string in a list that grows.
const STRING: u64 = 48;
/// Bytes of a constant, and of each byte of its lists of values.
const TENSOR: u64 = 768;
const LISTED_BYTE: u64 = 64;
/// Bytes for each byte of the description of an operation, of a signature, of a function.
const DESCRIBED_BYTE: u64 = 128;

/// Estimates the memory of a decoded GraphDef. Contents of constants stay in the file.
pub(crate) fn graph_bytes(graph: &[u8]) -> u64 {
    let bytes = |field: Field<'_>| match field.tag {
        1 => node_bytes(field.contents),
        2 => library_bytes(field.contents),
        _ => 0,
    };
    fields(graph).map(bytes).sum()
}

/// Returns true if a GraphDef brings functions.
pub(crate) fn has_functions(graph: &[u8]) -> bool {
    fields(graph).any(|field| field.tag == 2 && !field.contents.is_empty())
}

/// Estimates the memory of the decoded graphs of a SavedModel.
pub(crate) fn saved_model_bytes(model: &[u8]) -> u64 {
    fields(model).filter(|field| field.tag == 2).map(|field| meta_graph_bytes(field.contents)).sum()
}

/// Estimates the memory of the nodes of a library of functions.
fn library_bytes(library: &[u8]) -> u64 {
    let functions = fields(library).filter(|field| field.tag == 1);
    let parts = functions.flat_map(|function| fields(function.contents));
    let bytes = |part: Field<'_>| match part.tag {
        3 => node_bytes(part.contents),
        _ => DESCRIBED_BYTE * part.contents.len() as u64,
    };
    parts.map(bytes).sum()
}

/// Estimates the memory of the decoded graph in a MetaGraphDef.
pub(crate) fn meta_graph_bytes(meta: &[u8]) -> u64 {
    let bytes = |field: Field<'_>| match field.tag {
        2 => graph_bytes(field.contents),
        // The operations, and the signatures.
        1 | 5 => DESCRIBED_BYTE * field.contents.len() as u64,
        _ => 0,
    };
    fields(meta).map(bytes).sum()
}

/// Estimates the memory of a decoded ONNX model. Contents of initialisers stay in the file.
pub(crate) fn onnx_bytes(model: &[u8]) -> u64 {
    let bytes = |field: Field<'_>| match field.tag {
        7 => fields(field.contents).map(|part| onnx_part_bytes(&part)).sum(),
        8 | 14 => 4 * STRING + 2 * field.contents.len() as u64,
        _ => 0,
    };
    fields(model).map(bytes).sum()
}

/// Estimates the memory of a node, an initialiser, an input or an output.
fn onnx_part_bytes(part: &Field<'_>) -> u64 {
    match part.tag {
        1 => NODE + fields(part.contents).map(|field| onnx_node_field_bytes(&field)).sum::<u64>(),
        5 => onnx_tensor_bytes(part.contents),
        11 | 12 => NODE + LISTED_BYTE * part.contents.len() as u64,
        _ => 0,
    }
}

fn onnx_node_field_bytes(field: &Field<'_>) -> u64 {
    let length = field.contents.len() as u64;
    match field.tag {
        1 => 2 * STRING + 2 * length,
        // Outputs are in an index, too.
        2 => 4 * STRING + 3 * length,
        5 => {
            ATTRIBUTE + fields(field.contents).map(|part| onnx_attribute_bytes(&part)).sum::<u64>()
        }
        _ => length,
    }
}

fn onnx_attribute_bytes(part: &Field<'_>) -> u64 {
    let length = part.contents.len() as u64;
    match part.tag {
        1 => length,
        5 => onnx_tensor_bytes(part.contents),
        // Numbers in a list that grows; one alone has no contents.
        7 => 8 + 4 * length,
        8 => 16 * (1 + length),
        // Texts stay in the file; graphs are not read.
        _ => 0,
    }
}

fn onnx_tensor_bytes(tensor: &[u8]) -> u64 {
    let bytes = |field: Field<'_>| {
        let length = field.contents.len() as u64;
        match field.tag {
            // Floating-point numbers, and their bytes.
            4 | 10 => 16 + 4 * length,
            1 | 5 | 7 | 11 => 24 * (1 + length),
            8 => 3 * length,
            13 => 8 * STRING + 2 * length,
            _ => 0,
        }
    };
    TENSOR + fields(tensor).map(bytes).sum::<u64>()
}

fn node_bytes(node: &[u8]) -> u64 {
    let (mut bytes, mut attributes) = (NODE, 0);
    for Field { tag, contents } in fields(node) {
        match tag {
            // Names are in the index, too.
            1 => bytes += 2 * contents.len() as u64,
            3 => bytes += STRING + contents.len() as u64,
            5 => {
                bytes += if attributes == 0 { FIRST_ATTRIBUTE } else { ATTRIBUTE };
                attributes += 1;
                bytes += fields(contents).map(|field| entry_bytes(&field)).sum::<u64>();
            }
            _ => bytes += contents.len() as u64,
        }
    }
    bytes
}

/// Estimates the memory of the key or the value of an attribute.
fn entry_bytes(entry: &Field<'_>) -> u64 {
    match entry.tag {
        2 => fields(entry.contents).map(|value| value_bytes(&value)).sum(),
        _ => entry.contents.len() as u64,
    }
}

fn value_bytes(value: &Field<'_>) -> u64 {
    match value.tag {
        // A list, or the lengths of a shape.
        1 | 7 => LISTED_BYTE * value.contents.len() as u64,
        8 => TENSOR + fields(value.contents).map(|field| tensor_bytes(&field)).sum::<u64>(),
        // Texts and functions stay in the file.
        _ => 0,
    }
}

fn tensor_bytes(field: &Field<'_>) -> u64 {
    /// `tensor_content`.
    const CONTENT: u64 = 4;
    match field.tag {
        CONTENT => 0,
        _ => LISTED_BYTE * (field.contents.len() as u64 + 1),
    }
}

/// A field of a protocol buffer; `contents` is empty unless it has a length.
struct Field<'a> {
    tag: u64,
    contents: &'a [u8],
}

/// Iterates over the fields up to the first that is invalid.
fn fields(mut bytes: &[u8]) -> impl Iterator<Item = Field<'_>> {
    std::iter::from_fn(move || {
        let key = varint(&mut bytes)?;
        if key >> 3 == 0 {
            return None;
        }
        let mut contents: &[u8] = &[];
        match key & 7 {
            0 => drop(varint(&mut bytes)?),
            1 => bytes = bytes.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                contents = bytes.get(..length)?;
                bytes = &bytes[length..];
            }
            5 => bytes = bytes.get(4..)?,
            _ => return None,
        }
        Some(Field { tag: key >> 3, contents })
    })
}

/// Takes a number of variable length from the beginning.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for (at, &byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (7 * at).min(63);
        if byte < 0x80 {
            *bytes = &bytes[at + 1..];
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::proto::{GraphDef, NodeDef};

    /// A file of zeros may be larger than the disk.
    #[test]
    fn zeros_are_no_fields() {
        assert_eq!(fields(&[0; 64]).count(), 0);
        assert_eq!(graph_bytes(&[0; 64]), 0);
    }

    #[test]
    fn empty_nodes_take_many_times_their_encoding() {
        let graph = |nodes| GraphDef { node: vec![NodeDef::default(); nodes], versions: None };
        let [few, many] = [1000, 2000].map(|nodes| graph(nodes).encode_to_vec());
        assert_eq!(few.len(), 2000);
        assert!(graph_bytes(&few) >= 1000 * size_of::<NodeDef>() as u64);
        assert_eq!(graph_bytes(&many), 2 * graph_bytes(&few));
        // A SavedModel of one graph, and of a graph of one function with these nodes.
        let field = |tag: u8, contents: &[u8]| {
            let mut field = vec![tag << 3 | 2];
            prost::encoding::encode_varint(contents.len() as u64, &mut field);
            [field, contents.to_vec()].concat()
        };
        let model = |graph: &[u8]| field(2, &field(2, graph));
        assert_eq!(saved_model_bytes(&model(&few)), graph_bytes(&few));
        let node = few[..2].to_vec();
        let function = field(1, &field(3, &node[2..]));
        assert_eq!(saved_model_bytes(&model(&field(2, &function))), NODE);
    }

    #[test]
    fn parts_of_onnx_models_take_at_least_their_types() {
        use crate::onnx::proto::{GraphProto, ModelProto, NodeProto, TensorProto};
        let node = NodeProto {
            input: vec![String::new(); 3],
            attribute: vec![Default::default(); 2],
            ..NodeProto::default()
        };
        let tensor = TensorProto { dims: vec![1; 40], ..TensorProto::default() };
        let graph = |count: usize| GraphProto {
            node: vec![node.clone(); count],
            initializer: vec![tensor.clone(); count],
            ..GraphProto::default()
        };
        let model = |count| {
            ModelProto { graph: Some(graph(count)), ..ModelProto::default() }.encode_to_vec()
        };
        let [few, many] = [1000, 2000].map(|count| onnx_bytes(&model(count)));
        assert!(few > 1000 * (size_of::<NodeProto>() + size_of::<TensorProto>() + 40 * 8) as u64);
        assert_eq!(many, 2 * few);
        // What is a slice of the file takes nothing.
        let whole = TensorProto { raw_data: vec![7; 1 << 20].into(), ..TensorProto::default() };
        let graph = GraphProto { initializer: vec![whole], ..GraphProto::default() };
        let model = ModelProto { graph: Some(graph), ..ModelProto::default() };
        assert_eq!(onnx_bytes(&model.encode_to_vec()), TENSOR);
    }

    #[test]
    fn contents_of_constants_take_nothing() {
        let graph = std::fs::read("../lorgnette/models/mobilenet_v1_1.0_224.pb").unwrap();
        let bytes = graph_bytes(&graph);
        assert!((1 << 20..8 << 20).contains(&bytes), "{bytes} of {}", graph.len());
        // What ends early is counted as far as it goes.
        assert!(graph_bytes(&graph[..graph.len() / 2]) <= bytes);
    }
}
