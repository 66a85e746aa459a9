//! Mutations of graphs that keep them valid Protocol Buffers, so that they reach the code after the
//! parser.

mod build;
mod onnx;
mod wire;

pub(crate) use build::{Attribute, write_node};

use crate::random::Random;
use wire::{Field, Message, MessageKind, Value};

/// The maximum number of nodes after a graft.
const MAX_NODES: usize = 60;

/// Field numbers of messages with specific mutations.
const NODE: u64 = 1;
const NAME: u64 = 1;
const OP: u64 = 2;
const INPUT: u64 = 3;

/// Applies a few mutations to a graph; `other` provides pieces. Bytes that are not a graph are
/// returned unchanged.
pub(crate) fn mutate(random: &mut Random, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let (Some(mut graph), Some(other)) =
        (Message::parse(bytes, MessageKind::Graph), Message::parse(other, MessageKind::Graph))
    else {
        return bytes.to_vec();
    };
    for _ in 0..=random.below(4) {
        match random.below(12) {
            0 | 1 => rewire(random, &mut graph),
            2 => rename(random, &mut graph),
            3 => change_operation(random, &mut graph, &other),
            4 => graft(random, &mut graph, &other),
            5 => swap_pieces(random, &mut graph, &other),
            _ => change_field(random, &mut graph),
        }
    }
    let mut bytes = Vec::new();
    graph.write(&mut bytes);
    bytes
}

/// As [`mutate`], for ONNX models.
pub(crate) fn mutate_onnx(random: &mut Random, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let (Some(mut model), Some(other)) = (
        Message::parse(bytes, MessageKind::OnnxModel),
        Message::parse(other, MessageKind::OnnxModel),
    ) else {
        return bytes.to_vec();
    };
    for _ in 0..=random.below(4) {
        match random.below(10) {
            0 | 1 => onnx::rewire(random, &mut model),
            2 => onnx::change_operator(random, &mut model, &other),
            3 => onnx::graft(random, &mut model, &other),
            4 => swap_pieces(random, &mut model, &other),
            _ => change_field(random, &mut model),
        }
    }
    let mut bytes = Vec::new();
    model.write(&mut bytes);
    bytes
}

/// Replaces the large constants of a graph by one repeated number, so that a whole network is a
/// small file.
pub(crate) fn without_weights(bytes: &[u8]) -> Vec<u8> {
    const LARGE: usize = 1024;
    const CONTENT: u64 = 4;
    const FLOATS: u64 = 5;
    let mut graph = Message::parse(bytes, MessageKind::Graph).expect("a sound graph");
    graph.for_each_message(&mut |message| {
        let large =
            |field: &Field| matches!(&field.value, Value::Bytes(content) if content.len() > LARGE);
        if message.kind == MessageKind::Tensor
            && message.fields.iter().any(|field| field.number == CONTENT && large(field))
        {
            message.fields.retain(|field| field.number != CONTENT);
            let half = Value::Bytes(0.5f32.to_le_bytes().to_vec());
            message.fields.push(Field { number: FLOATS, value: half });
        }
    });
    let mut bytes = Vec::new();
    graph.write(&mut bytes);
    bytes
}

/// Returns the names of the nodes.
fn names(graph: &Message) -> Vec<String> {
    graph.children(NODE).filter_map(|node| node.text(NAME)).collect()
}

/// Returns a random node.
fn node<'a>(random: &mut Random, graph: &'a mut Message) -> Option<&'a mut Message> {
    let count = graph.children(NODE).count();
    graph.children_mut(NODE).nth(random.below(count))
}

/// Redirects an input to another node, to itself, to a later node or to a missing one: loops, wrong
/// types, missing nodes.
fn rewire(random: &mut Random, graph: &mut Message) {
    let names = names(graph);
    let Some(node) = node(random, graph) else { return };
    if names.is_empty() {
        return;
    }
    let name = random.pick(&names).clone();
    let input = match random.below(8) {
        0 => format!("^{name}"),
        1 => format!("{name}:1"),
        2 => format!("{name}:{}", random.number()),
        3 if random.one_in(4) => "nobody".to_owned(),
        _ => name,
    };
    let value = Value::Bytes(input.into_bytes());
    let inputs: Vec<usize> =
        (0..node.fields.len()).filter(|&i| node.fields[i].number == INPUT).collect();
    if inputs.is_empty() || random.one_in(6) {
        node.fields.push(Field { number: INPUT, value });
    } else {
        node.fields[*random.pick(&inputs)].value = value;
    }
}

/// Renames a node, possibly to the name of a fetched one.
fn rename(random: &mut Random, graph: &mut Message) {
    let names = names(graph);
    if let (Some(node), false) = (node(random, graph), names.is_empty()) {
        let name =
            if random.one_in(2) { random.pick(&names).clone() } else { "renamed:0".to_owned() };
        node.set_text(NAME, &name);
    }
}

/// Gives a node the operation of a node of either graph.
fn change_operation(random: &mut Random, graph: &mut Message, other: &Message) {
    let operations_of = |graph: &Message| -> Vec<String> {
        graph.children(NODE).filter_map(|node| node.text(OP)).collect()
    };
    let operations = [operations_of(graph), operations_of(other)].concat();
    if let (Some(node), false) = (node(random, graph), operations.is_empty()) {
        let operation: &String = random.pick(&operations);
        node.set_text(OP, operation);
    }
}

/// Adds the other graph's nodes under new names, and connects nodes of both graphs.
fn graft(random: &mut Random, graph: &mut Message, other: &Message) {
    const MARK: &str = "grafted/";
    if graph.children(NODE).count() + other.children(NODE).count() > MAX_NODES {
        return;
    }
    for node in other.children(NODE) {
        let mut node = node.clone();
        for field in node.fields.iter_mut().filter(|field| matches!(field.number, NAME | INPUT)) {
            if let Value::Bytes(text) = &mut field.value {
                let at = usize::from(text.first() == Some(&b'^'));
                text.splice(at..at, MARK.bytes());
            }
        }
        let at = random.below(graph.fields.len() + 1);
        graph.fields.insert(at, Field { number: NODE, value: Value::Message(node) });
    }
    for _ in 0..=random.below(3) {
        rewire(random, graph);
    }
}

/// Replaces a message by one of the same kind from the other graph: an attribute, a tensor, a
/// shape.
fn swap_pieces(random: &mut Random, graph: &mut Message, other: &Message) {
    let mut pieces = Vec::new();
    other.clone().for_each_message(&mut |message| {
        let is_whole = matches!(message.kind, MessageKind::OnnxModel | MessageKind::OnnxGraph);
        if !is_whole && !matches!(message.kind, MessageKind::Graph | MessageKind::Node) {
            pieces.push(message.clone());
        }
    });
    if pieces.is_empty() {
        return;
    }
    let piece = random.pick(&pieces);
    let mut alike = 0;
    graph.for_each_message(&mut |message| alike += usize::from(message.kind == piece.kind));
    let mut left = random.below(alike);
    graph.for_each_message(&mut |message| {
        if message.kind == piece.kind {
            if left == 0 {
                *message = piece.clone();
            }
            left = left.wrapping_sub(1);
        }
    });
}

/// Changes one field: a number, a dimension, an enumeration, a text; or removes, duplicates or
/// moves it.
fn change_field(random: &mut Random, graph: &mut Message) {
    let mut fields = 0;
    graph.for_each_message(&mut |message| fields += message.fields.len());
    let mut left = random.below(fields);
    let mut done = false;
    graph.for_each_message(&mut |message| {
        if done {
            return;
        }
        if left < message.fields.len() {
            done = true;
            change(random, &mut message.fields, left);
        } else {
            left -= message.fields.len();
        }
    });
}

fn change(random: &mut Random, fields: &mut Vec<Field>, at: usize) {
    let count = fields.len();
    match random.below(16) {
        0 => drop(fields.remove(at)),
        1 => fields.insert(random.below(count + 1), fields[at].clone()),
        2 => fields.swap(at, random.below(count)),
        3 => fields[at].number = 1 + random.below(18) as u64,
        _ => change_value(random, &mut fields[at].value),
    }
}

fn change_value(random: &mut Random, value: &mut Value) {
    match value {
        Value::Varint(number) if random.one_in(3) => *number ^= 1 << random.below(8),
        Value::Varint(number) => *number = random.number() as u64,
        Value::Eight(bytes) => *bytes = random.number().to_le_bytes(),
        Value::Four(bytes) => *bytes = random.float().to_le_bytes(),
        // The sizes, axes and paddings of operations are constants of four or eight bytes a number.
        Value::Bytes(bytes)
            if bytes.len() >= 4 && bytes.len().is_multiple_of(4) && !random.one_in(4) =>
        {
            change_element(random, bytes);
        }
        Value::Bytes(bytes) => super::scramble(random, bytes, b"SAMEVALIDNCHWNHWC"),
        Value::Message(message) if message.fields.is_empty() || random.one_in(4) => {
            message.fields.clear();
        }
        Value::Message(message) => {
            let at = random.below(message.fields.len());
            change(random, &mut message.fields, at);
        }
    }
}

fn change_element(random: &mut Random, bytes: &mut [u8]) {
    let size = if bytes.len().is_multiple_of(8) && random.one_in(3) { 8 } else { 4 };
    let at = size * random.below(bytes.len() / size);
    let number = if random.one_in(4) {
        u64::from(random.float().to_bits()).to_le_bytes()
    } else {
        random.number().to_le_bytes()
    };
    bytes[at..at + size].copy_from_slice(&number[..size]);
}
