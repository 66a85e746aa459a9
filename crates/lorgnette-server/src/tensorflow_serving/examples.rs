//! Examples: the input of classify and regress, features by name.

use bytes::Bytes;

use super::tensors::base64_member;
use crate::failure::{Failure, Outcome};
use crate::json::{Number, Numbers, Value};
use crate::served::{Input, Served};

/// A feature of an example.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Feature {
    Bytes(Vec<Bytes>),
    Floats(Vec<f32>),
    Integers(Vec<i64>),
}

/// An example: its features by name.
pub(crate) type Example = Vec<(String, Feature)>;

/// The feature that TF-Slim's datasets keep a photo in.
const ENCODED: &str = "image/encoded";

/// Reads the examples of a request of classify or regress, each with the features of `context`.
///
/// # Errors
/// If they are missing or a feature is of no type or of two.
pub(super) fn examples(request: &Value) -> Outcome<Vec<Example>> {
    let context = request.get("context").map(example).transpose()?.unwrap_or_default();
    let Some(Value::Array(values)) = request.get("examples") else {
        let message = "When method is classify or regress, key 'examples' is expected and was \
                       not found, or is no list of objects";
        return Err(Failure::invalid(message));
    };
    let mut examples = Vec::with_capacity(values.len());
    for value in values {
        let mut example = example(value)?;
        for (name, feature) in &context {
            if !example.iter().any(|(own, _)| own == name) {
                example.push((name.clone(), feature.clone()));
            }
        }
        examples.push(example);
    }
    Ok(examples)
}

fn example(value: &Value) -> Outcome<Example> {
    let Value::Object(members) = value else {
        return Err(Failure::invalid("Example must be JSON object but got something else"));
    };
    members.iter().map(|(name, value)| Ok((name.clone(), feature(name, value)?))).collect()
}

fn feature(name: &str, value: &Value) -> Outcome<Feature> {
    let values = match value {
        Value::Numbers(Numbers { values, are_integers }) => {
            return Ok(numbers(values, *are_integers));
        }
        Value::Array(values) => values.iter().collect(),
        value => vec![value],
    };
    let mut bytes = Vec::new();
    let (mut floats, mut are_integers) = (Vec::new(), true);
    for value in &values {
        match value {
            Value::String(text) => bytes.push(Bytes::copy_from_slice(text.as_bytes())),
            Value::Number(Number { value, is_integer }) => {
                floats.push(*value);
                are_integers &= is_integer;
            }
            Value::Bool(value) => floats.push(f64::from(u8::from(*value))),
            value => match base64_member(value) {
                Some(photo) => bytes.push(photo?),
                None => {
                    let kind = value.kind();
                    return Err(Failure::invalid(format!("feature '{name}' cannot be {kind}")));
                }
            },
        }
    }
    match (bytes.is_empty(), floats.is_empty()) {
        (false, false) => Err(Failure::invalid(format!(
            "Unexpected element type in feature '{name}': strings and numbers are mixed"
        ))),
        (false, true) => Ok(Feature::Bytes(bytes)),
        _ => Ok(numbers(&floats, are_integers)),
    }
}

/// Integers if each was written as one.
fn numbers(values: &[f64], are_integers: bool) -> Feature {
    match are_integers {
        true => Feature::Integers(values.iter().map(|&value| value as i64).collect()),
        false => Feature::Floats(values.iter().map(|&value| value as f32).collect()),
    }
}

/// The network's input from examples: photos in features of bytes, of which there is one or one is
/// named `image/encoded`; else preprocessed images in features of numbers.
///
/// # Errors
/// If an example has neither.
pub(crate) fn input_of_examples(served: &Served, examples: &[Example]) -> Outcome<Input> {
    let photos: Vec<Bytes> = examples.iter().filter_map(photo).collect();
    if !examples.is_empty() && photos.len() == examples.len() {
        return Ok(Input::Photos(photos));
    }
    let sample: Option<Vec<usize>> = served.input.sample.iter().copied().collect();
    let Some(sample) = sample.filter(|_| served.input.has_batch) else {
        return Err(no_photo(examples));
    };
    let mut values = Vec::new();
    for example in examples {
        let length = sample.iter().product::<usize>();
        let image = example.iter().find_map(|(_, feature)| match feature {
            Feature::Floats(image) if image.len() == length => Some(image),
            _ => None,
        });
        values.extend_from_slice(image.ok_or_else(|| no_photo(examples))?);
    }
    Ok(Input::Floats { shape: [&[examples.len()], &sample[..]].concat(), values })
}

fn photo(example: &Example) -> Option<Bytes> {
    let photos = example.iter().filter_map(|(name, feature)| match feature {
        Feature::Bytes(values) if values.len() == 1 => Some((name.as_str(), &values[0])),
        _ => None,
    });
    let photos: Vec<(&str, &Bytes)> = photos.collect();
    let named = photos.iter().find(|(name, _)| *name == ENCODED);
    match (named, &photos[..]) {
        (Some((_, photo)), _) | (None, [(_, photo)]) => Some((*photo).clone()),
        _ => None,
    }
}

fn no_photo(examples: &[Example]) -> Failure {
    match examples.is_empty() {
        true => Failure::invalid("Input is empty."),
        false => Failure::invalid(
            "an example needs a photo: a file's bytes as {\"b64\": …}, in the feature \
             'image/encoded' if there are several of bytes",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    fn read(text: &str) -> Outcome<Vec<Example>> {
        examples(&parse(text.as_bytes()).expect("it is JSON"))
    }

    #[test]
    fn features_have_the_types_of_their_values() {
        let text = r#"{"context": {"c": true}, "examples": [
            {"a": 1, "b": [1, 2.0], "d": "x", "e": {"b64": "YQ=="}, "f": [{"b64": "YQ"}, "y"]}]}"#;
        let bytes = |texts: &[&'static str]| {
            Feature::Bytes(texts.iter().map(|t| Bytes::from_static(t.as_bytes())).collect())
        };
        let expected = vec![
            ("a".to_owned(), Feature::Integers(vec![1])),
            ("b".to_owned(), Feature::Floats(vec![1.0, 2.0])),
            ("d".to_owned(), bytes(&["x"])),
            ("e".to_owned(), bytes(&["a"])),
            ("f".to_owned(), bytes(&["a", "y"])),
            ("c".to_owned(), Feature::Integers(vec![1])),
        ];
        assert_eq!(read(text), Ok(vec![expected]));
    }

    #[test]
    fn wrong_examples_are_refused() {
        for text in [
            "{}",
            r#"{"examples": 1}"#,
            r#"{"examples": [1]}"#,
            r#"{"examples": [{"a": [1, "x"]}]}"#,
            r#"{"examples": [{"a": null}]}"#,
            r#"{"examples": [{"a": {"b": 1}}]}"#,
            r#"{"examples": [{}], "context": 3}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_photo_is_the_only_feature_of_bytes_or_image_encoded() {
        let photo = |text: &str| photo(&read(text).expect("it is right")[0]);
        assert_eq!(photo(r#"{"examples": [{"a": "x", "n": 3}]}"#), Some("x".into()));
        assert_eq!(photo(r#"{"examples": [{"a": "x", "image/encoded": "y"}]}"#), Some("y".into()));
        assert_eq!(photo(r#"{"examples": [{"a": "x", "b": "y"}]}"#), None);
        assert_eq!(photo(r#"{"examples": [{"n": 3}]}"#), None);
    }
}
