//! Protocol Buffers as a tree that preserves unknown fields.

/// The kind of a message in a graph, for messages that the tree decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageKind {
    /// `GraphDef`.
    Graph,
    /// `NodeDef`.
    Node,
    /// An entry of a node's map of attributes.
    Entry,
    /// `AttrValue`.
    Attribute,
    /// `AttrValue.ListValue`.
    List,
    /// `TensorProto`.
    Tensor,
    /// `TensorShapeProto`.
    Shape,
    /// `TensorShapeProto.Dim`.
    Dimension,
    /// ONNX's `ModelProto`.
    OnnxModel,
    /// ONNX's `OperatorSetIdProto`.
    OnnxOpset,
    /// ONNX's `GraphProto`.
    OnnxGraph,
    /// ONNX's `NodeProto`.
    OnnxNode,
    /// ONNX's `AttributeProto`.
    OnnxAttribute,
    /// ONNX's `TensorProto`.
    OnnxTensor,
    /// ONNX's `ValueInfoProto`.
    OnnxValue,
    /// ONNX's `TypeProto`, and the tensor type in it.
    OnnxType,
    /// ONNX's `TensorShapeProto`.
    OnnxShape,
    /// ONNX's `TensorShapeProto.Dimension`.
    OnnxDimension,
}

impl MessageKind {
    /// Returns the kind of message in a field, if it contains one.
    fn nested(self, number: u64) -> Option<Self> {
        Some(match (self, number) {
            (Self::Graph, 1) => Self::Node,
            (Self::Node, 5) => Self::Entry,
            (Self::Entry, 2) => Self::Attribute,
            (Self::Attribute, 1) => Self::List,
            (Self::Attribute | Self::List, 7) | (Self::Tensor, 2) => Self::Shape,
            (Self::Attribute | Self::List, 8) => Self::Tensor,
            (Self::Shape, 2) => Self::Dimension,
            (Self::OnnxModel, 7) => Self::OnnxGraph,
            (Self::OnnxModel, 8) => Self::OnnxOpset,
            (Self::OnnxGraph, 1) => Self::OnnxNode,
            (Self::OnnxGraph, 5) | (Self::OnnxAttribute, 5) => Self::OnnxTensor,
            (Self::OnnxGraph, 11 | 12) => Self::OnnxValue,
            (Self::OnnxNode, 5) => Self::OnnxAttribute,
            (Self::OnnxValue, 2) | (Self::OnnxType, 1) => Self::OnnxType,
            (Self::OnnxType, 2) => Self::OnnxShape,
            (Self::OnnxShape, 1) => Self::OnnxDimension,
            _ => return None,
        })
    }
}

/// The fields in the order of the file.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) kind: MessageKind,
    pub(crate) fields: Vec<Field>,
}

/// A field.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) number: u64,
    pub(crate) value: Value,
}

/// A field's value, by wire type.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Varint(u64),
    Eight([u8; 8]),
    Four([u8; 4]),
    Bytes(Vec<u8>),
    Message(Message),
}

impl Message {
    /// Decodes a message; `None` if the bytes are not one.
    pub(crate) fn parse(mut bytes: &[u8], kind: MessageKind) -> Option<Self> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes)?;
            let number = key >> 3;
            let value = match key & 7 {
                0 => Value::Varint(varint(&mut bytes)?),
                1 => Value::Eight(*bytes.split_off(..8)?.first_chunk()?),
                2 => {
                    let length = usize::try_from(varint(&mut bytes)?).ok()?;
                    let content = bytes.split_off(..length)?;
                    let message = kind.nested(number).and_then(|kind| Self::parse(content, kind));
                    message.map_or_else(|| Value::Bytes(content.to_vec()), Value::Message)
                }
                5 => Value::Four(*bytes.split_off(..4)?.first_chunk()?),
                _ => return None,
            };
            fields.push(Field { number, value });
        }
        Some(Self { kind, fields })
    }

    /// Encodes the message.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for Field { number, value } in &self.fields {
            let key = |wire| number << 3 | wire;
            match value {
                Value::Varint(value) => {
                    put_varint(out, key(0));
                    put_varint(out, *value);
                }
                Value::Eight(bytes) => {
                    put_varint(out, key(1));
                    out.extend(bytes);
                }
                Value::Four(bytes) => {
                    put_varint(out, key(5));
                    out.extend(bytes);
                }
                Value::Bytes(content) => {
                    put_varint(out, key(2));
                    put_content(out, content);
                }
                Value::Message(message) => {
                    let mut content = Vec::new();
                    message.write(&mut content);
                    put_varint(out, key(2));
                    put_content(out, &content);
                }
            }
        }
    }

    /// Returns the messages in fields of this number.
    pub(crate) fn children(&self, number: u64) -> impl Iterator<Item = &Self> {
        self.fields.iter().filter(move |field| field.number == number).filter_map(|field| {
            match &field.value {
                Value::Message(message) => Some(message),
                _ => None,
            }
        })
    }

    /// Returns the messages in fields of this number, mutable.
    pub(crate) fn children_mut(&mut self, number: u64) -> impl Iterator<Item = &mut Self> {
        self.fields.iter_mut().filter(move |field| field.number == number).filter_map(|field| {
            match &mut field.value {
                Value::Message(message) => Some(message),
                _ => None,
            }
        })
    }

    /// Calls `visit` with this message and all nested ones.
    pub(crate) fn for_each_message(&mut self, visit: &mut impl FnMut(&mut Self)) {
        visit(self);
        for field in &mut self.fields {
            if let Value::Message(message) = &mut field.value {
                message.for_each_message(visit);
            }
        }
    }

    /// Returns the first text of this field number.
    pub(crate) fn text(&self, number: u64) -> Option<String> {
        let field = self.fields.iter().find(|field| field.number == number)?;
        let Value::Bytes(bytes) = &field.value else { return None };
        String::from_utf8(bytes.clone()).ok()
    }

    /// Sets the first text of this field number, if there is one.
    pub(crate) fn set_text(&mut self, number: u64, text: &str) {
        if let Some(field) = self.fields.iter_mut().find(|field| field.number == number) {
            field.value = Value::Bytes(text.into());
        }
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_content(out: &mut Vec<u8>, content: &[u8]) {
    put_varint(out, content.len() as u64);
    out.extend(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written() {
        // A node called "a" of operation "Relu" with an attribute T = 1 (float), and a field nobody
        // knows.
        let bytes = b"\x0a\x13\x0a\x01a\x12\x04Relu\x2a\x08\x0a\x01T\x12\x03\x30\x81\x01\xa5\x06\x01\x02\x03\x04";
        let message = Message::parse(bytes, MessageKind::Graph).unwrap();
        assert_eq!(message.children(1).next().unwrap().text(2).unwrap(), "Relu");
        let mut written = Vec::new();
        message.write(&mut written);
        assert_eq!(written, bytes);
        assert!(Message::parse(b"\x0a\x05ab", MessageKind::Graph).is_none());
    }
}
