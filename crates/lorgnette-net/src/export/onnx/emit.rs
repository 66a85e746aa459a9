//! ONNX's nodes and attributes.

use super::proto::{AttributeProto, NodeProto};

/// An attribute's value.
pub(super) enum Setting {
    Float(f32),
    Integer(i64),
    Integers(Vec<i64>),
    Text(&'static str),
}

/// Creates a node of an operator.
/// An operator with its inputs and attributes, before its output has a name.
pub(super) struct Operator<'a> {
    pub(super) name: &'a str,
    pub(super) inputs: Vec<String>,
    pub(super) settings: Vec<(&'a str, Setting)>,
}

impl<'a> Operator<'a> {
    /// An operator without attributes.
    pub(super) fn new(name: &'a str, inputs: Vec<String>) -> Self {
        Self { name, inputs, settings: Vec::new() }
    }

    pub(super) fn node(self, output: &str) -> NodeProto {
        node(self.name, self.inputs, output, self.settings)
    }
}

pub(super) fn node(
    operator: &str,
    inputs: Vec<String>,
    output: &str,
    settings: Vec<(&str, Setting)>,
) -> NodeProto {
    NodeProto {
        input: inputs,
        output: vec![output.to_owned()],
        name: output.to_owned(),
        op_type: operator.to_owned(),
        attribute: settings.into_iter().map(|(name, value)| attribute(name, value)).collect(),
        ..NodeProto::default()
    }
}

fn attribute(name: &str, value: Setting) -> AttributeProto {
    // The numbers of AttributeProto.AttributeType.
    let (float, integer, text, integers) = (1, 2, 3, 7);
    let empty = AttributeProto { name: name.to_owned(), ..AttributeProto::default() };
    match value {
        Setting::Float(f) => AttributeProto { f: Some(f), r#type: float, ..empty },
        Setting::Integer(i) => AttributeProto { i: Some(i), r#type: integer, ..empty },
        Setting::Integers(ints) => AttributeProto { ints, r#type: integers, ..empty },
        Setting::Text(s) => AttributeProto { s: Some(s.as_bytes().into()), r#type: text, ..empty },
    }
}

/// Converts lengths to an attribute of integers.
pub(super) fn integers(values: impl IntoIterator<Item = usize>) -> Setting {
    Setting::Integers(values.into_iter().map(|value| value as i64).collect())
}
