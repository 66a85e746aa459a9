//! Tensors from JSON.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use super::DataType;
use crate::failure::{Failure, Outcome};
use crate::json::{Number, Numbers, Value};
use crate::served::Input;

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Returns the bytes of `{"b64": "…"}`; `None` for any other value.
///
/// # Errors
/// If the text is not base64.
pub(super) fn base64_member(value: &Value) -> Option<Outcome<Bytes>> {
    let Value::Object(members) = value else { return None };
    match &members[..] {
        [(name, Value::String(text))] if name == "b64" => Some(decode_base64(text)),
        _ => None,
    }
}

/// Decodes base64; white space does not count.
///
/// # Errors
/// If it is not base64.
pub(crate) fn decode_base64(text: &str) -> Outcome<Bytes> {
    let invalid = |_| Failure::invalid("Unable to base64 decode");
    let plain: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    Ok(BASE64.decode(plain).map_err(invalid)?.into())
}

/// Reads a tensor. Objects `{"b64": …}` and strings make a tensor of strings, which are photos;
/// numbers make one of numbers.
///
/// # Errors
/// If lists of one dimension have different lengths, types are mixed, or a number does not fit.
pub(super) fn tensor(value: &Value, data_type: DataType) -> Outcome<Input> {
    let mut reader = Reader {
        data_type,
        shape: Vec::new(),
        is_shape_known: false,
        values: Vec::new(),
        photos: Vec::new(),
    };
    reader.read(value, 0)?;
    if reader.photos.is_empty() {
        if data_type == DataType::String {
            return Err(wrong_type(value, data_type));
        }
        return Ok(Input::Floats { shape: reader.shape, values: reader.values });
    }
    if !reader.values.is_empty() {
        return Err(Failure::invalid("a tensor of strings and numbers"));
    }
    // A scalar, a vector, or one photo in each row.
    match reader.shape[..] {
        [] | [_] | [_, 1] => Ok(Input::Photos(reader.photos)),
        ref shape => Err(Failure::invalid(format!(
            "a tensor of photos has one dimension, not the shape {shape:?}"
        ))),
    }
}

struct Reader {
    data_type: DataType,
    shape: Vec<usize>,
    /// True from the first value on: then all lists have lengths to be.
    is_shape_known: bool,
    values: Vec<f32>,
    photos: Vec<Bytes>,
}

impl Reader {
    fn read(&mut self, value: &Value, level: usize) -> Outcome<()> {
        if let Some(photo) = base64_member(value) {
            self.leaf(level)?;
            self.photos.push(photo?);
            return Ok(());
        }
        match value {
            Value::Array(values) => {
                self.list(values.len(), level)?;
                values.iter().try_for_each(|value| self.read(value, level + 1))?;
                // An empty list ends the shape.
                self.is_shape_known |= values.is_empty();
                Ok(())
            }
            Value::Numbers(Numbers { values, are_integers }) => {
                self.list(values.len(), level)?;
                self.leaf(level + 1)?;
                self.values.reserve(values.len());
                for &value in values {
                    self.number(Number { value, is_integer: *are_integers })?;
                }
                Ok(())
            }
            Value::Number(number) => {
                self.leaf(level)?;
                self.number(*number)
            }
            Value::String(text) => {
                self.leaf(level)?;
                self.photos.push(Bytes::copy_from_slice(text.as_bytes()));
                Ok(())
            }
            Value::Null | Value::Bool(_) | Value::Object(_) => {
                Err(wrong_type(value, self.data_type))
            }
        }
    }

    fn list(&mut self, length: usize, level: usize) -> Outcome<()> {
        if !self.is_shape_known {
            // The first list of each level says how long the others are.
            if level == self.shape.len() {
                self.shape.push(length);
                return Ok(());
            }
        }
        match self.shape.get(level) {
            Some(&expected) if expected == length => Ok(()),
            Some(expected) => Err(Failure::invalid(format!(
                "Encountered list at unexpected size: {length} at level: {level} expected size: \
                 {expected}"
            ))),
            None => Err(Failure::invalid(format!("Encountered list at unexpected level: {level}"))),
        }
    }

    fn leaf(&mut self, level: usize) -> Outcome<()> {
        self.is_shape_known = true;
        match level == self.shape.len() {
            true => Ok(()),
            false => Err(Failure::invalid(format!(
                "Encountered value at unexpected level: {level} expected level: {}",
                self.shape.len()
            ))),
        }
    }

    fn number(&mut self, number: Number) -> Outcome<()> {
        let fits = match self.data_type {
            DataType::Float => true,
            DataType::Uint8 => number.is_integer && (0.0..=255.0).contains(&number.value),
            DataType::String => false,
        };
        if !fits {
            return Err(wrong_type(&Value::Number(number), self.data_type));
        }
        self.values.push(number.value as f32);
        Ok(())
    }
}

fn wrong_type(value: &Value, data_type: DataType) -> Failure {
    let (shown, kind) = match value {
        Value::Number(Number { value, is_integer: false }) => {
            (format!("{value:?}"), "a decimal number")
        }
        Value::Number(Number { value, .. }) => (format!("{value}"), "a number"),
        Value::Bool(value) => (value.to_string(), "a bool"),
        other => (String::from("…"), other.kind()),
    };
    let expected = match data_type {
        DataType::Float => "float",
        DataType::Uint8 => "uint8",
        DataType::String => "string",
    };
    Failure::invalid(format!("JSON Value: {shown} ({kind}) is not of expected type: {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    fn read(text: &str, data_type: DataType) -> Outcome<Input> {
        tensor(&parse(text.as_bytes()).expect("it is JSON"), data_type)
    }

    #[test]
    fn nested_lists_are_tensors() {
        let tensor = read("[[[1, 2.5], [3, 4]], [[5, 6], [7, 8]]]", DataType::Float);
        let values = vec![1.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        assert_eq!(tensor, Ok(Input::Floats { shape: vec![2, 2, 2], values }));
        let scalar = read("7", DataType::Float);
        assert_eq!(scalar, Ok(Input::Floats { shape: vec![], values: vec![7.0] }));
    }

    #[test]
    fn lists_of_different_lengths_are_refused() {
        for text in
            ["[[1, 2], [3]]", "[[1], 2]", "[1, [2]]", "[[], [1]]", "[[1], []]", "[[[1]], [2]]"]
        {
            assert!(read(text, DataType::Float).is_err(), "{text}");
        }
    }

    #[test]
    fn no_value_makes_it_panic() {
        let text = br#"[[[1, 2.5], [3, 4]], [[5, 6], [{"b64": "YQ=="}, "x"]], [], true]"#;
        crate::mutation::mutations(text, 20_000, |mutant| {
            if let Ok(value) = parse(mutant) {
                for data_type in [DataType::Float, DataType::Uint8, DataType::String] {
                    let _ = tensor(&value, data_type);
                }
            }
        });
    }

    #[test]
    fn photos_are_base64_with_or_without_padding() {
        let photos = |texts: &[&str]| {
            Ok(Input::Photos(texts.iter().map(|t| Bytes::copy_from_slice(t.as_bytes())).collect()))
        };
        assert_eq!(read(r#"{"b64": "aGFsbG8="}"#, DataType::Float), photos(&["hallo"]));
        let two = r#"[{"b64": "aGFs\nbG8"}, {"b64": "YQ=="}]"#;
        assert_eq!(read(two, DataType::String), photos(&["hallo", "a"]));
        assert_eq!(read(r#"[["x"], ["y"]]"#, DataType::String), photos(&["x", "y"]));
        for wrong in
            [r#"{"b64": "a"}"#, r#"{"b64": "!!!!"}"#, r#"[{"b64": "YQ=="}, 1]"#, r#"{"b64": 1}"#]
        {
            assert!(read(wrong, DataType::Float).is_err(), "{wrong}");
        }
    }

    #[test]
    fn integers_are_floats_but_floats_are_no_integers() {
        assert!(read("[1, 2]", DataType::Float).is_ok());
        assert!(read("[1, 2]", DataType::Uint8).is_ok());
        for wrong in ["[1.0]", "[256]", "[-1]", "[NaN]"] {
            assert!(read(wrong, DataType::Uint8).is_err(), "{wrong}");
        }
        for wrong in ["[true]", "[null]", "{\"a\": 1}"] {
            assert!(read(wrong, DataType::Float).is_err(), "{wrong}");
        }
        assert!(read("[1]", DataType::String).is_err());
    }
}
