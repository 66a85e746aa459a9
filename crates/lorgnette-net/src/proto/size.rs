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

/// Estimates the memory of a decoded GraphDef. Contents of constants stay in the file.
pub(crate) fn graph_bytes(graph: &[u8]) -> u64 {
    let bytes = |field: Field<'_>| match field.tag {
        1 => node_bytes(field.contents),
        2 => library_bytes(field.contents),
        _ => 0,
    };
    fields(graph).map(bytes).sum()
}

/// Estimates the memory of the decoded graphs of a SavedModel.
pub(crate) fn saved_model_bytes(model: &[u8]) -> u64 {
    fields(model).filter(|field| field.tag == 2).map(|field| meta_graph_bytes(field.contents)).sum()
}

/// Estimates the memory of the nodes of a library of functions.
fn library_bytes(library: &[u8]) -> u64 {
    let functions = fields(library).filter(|field| field.tag == 1);
    let nodes = functions.flat_map(|function| fields(function.contents));
    nodes.filter(|field| field.tag == 3).map(|node| node_bytes(node.contents)).sum()
}

/// Estimates the memory of the decoded graph in a MetaGraphDef.
pub(crate) fn meta_graph_bytes(meta: &[u8]) -> u64 {
    fields(meta).filter(|field| field.tag == 2).map(|field| graph_bytes(field.contents)).sum()
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
    fn contents_of_constants_take_nothing() {
        let graph = std::fs::read("../lorgnette/models/mobilenet_v1_1.0_224.pb").unwrap();
        let bytes = graph_bytes(&graph);
        assert!((1 << 20..8 << 20).contains(&bytes), "{bytes} of {}", graph.len());
        // What ends early is counted as far as it goes.
        assert!(graph_bytes(&graph[..graph.len() / 2]) <= bytes);
    }
}
