//! JSON as TensorFlow Serving and Triton read and write it.
//!
//! Both accept and write `NaN` and infinities, and tell `1` from `1.0`, which no JSON library does.
//! Arrays of numbers are kept as packed numbers, so that a tensor takes 8 bytes a value.

mod numbers;
mod parse;

pub(crate) use self::numbers::{write_f32, write_tf_f32};
pub(crate) use self::parse::{parse, parse_prefix};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    /// An array of which at least one element is no number, or an empty one.
    Array(Vec<Value>),
    /// An array of numbers, at least one.
    Numbers(Numbers),
    /// Members in the order of the text; names may repeat.
    Object(Vec<(String, Value)>),
}

/// A number, and whether it was written as an integer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Number {
    pub(crate) value: f64,
    pub(crate) is_integer: bool,
}

/// An array of numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Numbers {
    pub(crate) values: Vec<f64>,
    /// True if each was written as an integer.
    pub(crate) are_integers: bool,
}

impl Value {
    /// Returns the member of that name; the last one if there are several.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns an integer from 0 up to 2⁵³.
    pub(crate) fn as_index(&self) -> Option<u64> {
        match self {
            Self::Number(Number { value, is_integer: true }) => index(*value),
            _ => None,
        }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns an array of integers from 0 up to 2⁵³.
    pub(crate) fn as_indices(&self) -> Option<Vec<u64>> {
        match self {
            Self::Numbers(Numbers { values, are_integers: true }) => {
                values.iter().map(|&value| index(value)).collect()
            }
            Self::Array(values) if values.is_empty() => Some(Vec::new()),
            _ => None,
        }
    }

    /// The value's kind, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a bool",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) | Self::Numbers(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

fn index(value: f64) -> Option<u64> {
    const MAX: f64 = (1u64 << 53) as f64;
    (0.0..=MAX).contains(&value).then_some(value as u64)
}

/// Writes a JSON string with its quotes.
pub(crate) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if u32::from(control) < 0x20 => {
                out.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Returns a JSON string with its quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_string(&mut out, text);
    out
}
