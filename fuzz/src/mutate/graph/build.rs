//! Writes nodes from scratch.

use super::wire::{Field, Message, MessageKind, Value};

/// An attribute's value.
pub(crate) enum Attribute<'a> {
    Type(u64),
    Text(&'a str),
    List(&'a [i64]),
    Shape(&'a [i64]),
    /// A constant of equal floats.
    Floats(&'a [i64], f32),
    /// A constant of equal 32-bit integers.
    Numbers(&'a [i64], i64),
}

/// Appends a node to a graph's bytes.
pub(crate) fn write_node(
    out: &mut Vec<u8>,
    name: &str,
    op: &str,
    inputs: &[&str],
    attributes: &[(&str, Attribute<'_>)],
) {
    let mut fields = vec![text(1, name), text(2, op)];
    fields.extend(inputs.iter().map(|input| text(3, input)));
    fields.extend(attributes.iter().map(|(key, value)| {
        message(
            5,
            MessageKind::Entry,
            vec![text(1, key), message(2, MessageKind::Attribute, vec![value.field()])],
        )
    }));
    Message { kind: MessageKind::Graph, fields: vec![message(1, MessageKind::Node, fields)] }
        .write(out);
}

impl Attribute<'_> {
    fn field(&self) -> Field {
        match *self {
            Self::Type(number) => Field { number: 6, value: Value::Varint(number) },
            Self::Text(content) => text(2, content),
            Self::List(numbers) => message(
                1,
                MessageKind::List,
                numbers
                    .iter()
                    .map(|&number: &i64| Field { number: 3, value: Value::Varint(number as u64) })
                    .collect(),
            ),
            Self::Shape(lengths) => shape(7, lengths),
            Self::Floats(lengths, value) => {
                tensor(1, lengths, Field { number: 5, value: Value::Four(value.to_le_bytes()) })
            }
            Self::Numbers(lengths, value) => {
                tensor(3, lengths, Field { number: 7, value: Value::Varint(value as u64) })
            }
        }
    }
}

fn text(number: u64, content: &str) -> Field {
    Field { number, value: Value::Bytes(content.into()) }
}

fn message(number: u64, kind: MessageKind, fields: Vec<Field>) -> Field {
    Field { number, value: Value::Message(Message { kind, fields }) }
}

fn shape(number: u64, lengths: &[i64]) -> Field {
    let size = |&length: &i64| Field { number: 1, value: Value::Varint(length as u64) };
    let dimensions =
        lengths.iter().map(|length| message(2, MessageKind::Dimension, vec![size(length)]));
    message(number, MessageKind::Shape, dimensions.collect())
}

fn tensor(dtype: u64, lengths: &[i64], value: Field) -> Field {
    let dtype = Field { number: 1, value: Value::Varint(dtype) };
    message(8, MessageKind::Tensor, vec![dtype, shape(2, lengths), value])
}
