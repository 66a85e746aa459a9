//! Layers, family by family. The arithmetic is that of Keras's TensorFlow backend at inference.

mod activation;
mod combine;
mod function;
mod normalise;
mod shape;
mod window;

use serde_json::{Map, Value};

use super::translate::{Node, Site};
use crate::proto::Value as Attribute;

/// Why a layer is not translated.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The file is damaged.
    Damaged(String),
    /// It is sound, and not known; the reason, or nothing if the class as a whole is not known.
    Unsupported(String),
}

impl From<String> for Refusal {
    fn from(what: String) -> Self {
        Self::Damaged(what)
    }
}

/// The result of translating a layer.
type Outcome<T = Node> = Result<T, Refusal>;

fn unsupported<T>(reason: impl Into<String>) -> Outcome<T> {
    Err(Refusal::Unsupported(reason.into()))
}

/// Adds the nodes of a layer and returns its output.
pub(super) fn translate(site: &mut Site<'_, '_>) -> Outcome {
    if site.layer.is_function {
        return function::translate(site);
    }
    if does_nothing(&site.layer.class) {
        return site.input();
    }
    if !site.is_channels_last && takes_channels_first(site) {
        return with_channels_last(site);
    }
    let families = [
        window::translate,
        normalise::translate,
        activation::translate,
        combine::translate,
        shape::translate,
    ];
    for family in families {
        if let Some(outcome) = family(site) {
            return outcome;
        }
    }
    match site.layer.class.as_str() {
        "Lambda" => unsupported(format!("Python code, which is not in the file: {AS_GRAPH}")),
        _ => unsupported(AS_GRAPH),
    }
}

/// The remedy for layers that are not known.
const AS_GRAPH: &str = "export the model with model.export(), whose graph has all its operations";

/// Returns true if the layer takes pictures whose channels come first.
fn takes_channels_first(site: &Site<'_, '_>) -> bool {
    let is_picture = site.input().is_ok_and(|x| x.rank == 4);
    let config = &site.layer.config;
    let has_format = config.get("data_format").and_then(Value::as_str) == Some("channels_first");
    let normalises = site.layer.class.contains("Normalization");
    let axis = config.get("axis").and_then(numbers);
    is_picture && (has_format || (normalises && axis.as_deref() == Some(&[1.0])))
}

/// Adds the nodes of a layer between two transpositions, for pictures whose channels come first.
fn with_channels_last(site: &mut Site<'_, '_>) -> Outcome {
    let x = site.input()?;
    let order = site.ints("channels_last", &[0, 2, 3, 1])?;
    site.inputs = vec![site.add("Transpose", &[&x, &order], 4, Vec::new())?];
    site.is_channels_last = true;
    let value = translate(site)?;
    if value.rank != 4 {
        return Ok(value);
    }
    let order = site.ints("channels_first", &[0, 3, 1, 2])?;
    site.add("Transpose", &[&value, &order], 4, Vec::new())
}

/// Returns true for layers that only training needs.
fn does_nothing(class: &str) -> bool {
    matches!(
        class,
        "Dropout"
            | "SpatialDropout2D"
            | "AlphaDropout"
            | "GaussianDropout"
            | "GaussianNoise"
            | "ActivityRegularization"
            | "RandomFlip"
            | "RandomRotation"
            | "RandomZoom"
            | "RandomTranslation"
            | "RandomShear"
            | "RandomContrast"
            | "RandomBrightness"
            | "RandomHue"
            | "RandomSaturation"
            | "RandomColorJitter"
            | "RandomColorDegeneration"
            | "RandomGrayscale"
            | "RandomPosterization"
            | "RandomSharpness"
            | "RandomInvert"
            | "RandomErasing"
            | "RandomGaussianBlur"
            | "RandomElasticTransform"
            | "RandomPerspective"
            | "RandomHeight"
            | "RandomWidth"
            | "AugMix"
            | "CutMix"
            | "MixUp"
            | "RandAugment"
            | "Identity"
    )
}

/// Reads a flag of a layer's configuration.
fn flag(config: &Map<String, Value>, name: &str, default: bool) -> bool {
    config.get(name).and_then(Value::as_bool).unwrap_or(default)
}

/// Reads a number of a layer's configuration.
fn number(config: &Map<String, Value>, name: &str) -> Option<f64> {
    as_number(config.get(name)?)
}

/// Reads a number, also one in Keras's description of an array.
fn as_number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| match numbers(value).as_deref() {
        Some(&[one]) => Some(one),
        _ => None,
    })
}

/// Reads a list of numbers, of any depth, also in Keras's description of an array.
fn numbers(value: &Value) -> Option<Vec<f64>> {
    match value {
        Value::Number(number) => Some(vec![number.as_f64()?]),
        Value::Array(list) => {
            let parts: Option<Vec<Vec<f64>>> = list.iter().map(numbers).collect();
            Some(parts?.concat())
        }
        Value::Object(described) => {
            let config = described.get("config")?;
            numbers(config.get("value").unwrap_or(config))
        }
        _ => None,
    }
}

/// Reads one whole number, or a list of `N`.
fn sizes<const N: usize>(config: &Map<String, Value>, name: &str) -> Outcome<[i64; N]> {
    let value = config.get(name).unwrap_or(&Value::Null);
    let sizes: Option<Vec<i64>> = match value {
        Value::Array(list) => list.iter().map(Value::as_i64).collect(),
        value => value.as_i64().map(|one| vec![one; N]),
    };
    let small = |sizes: &Vec<i64>| sizes.iter().all(|size| (0..1 << 20).contains(size));
    sizes
        .filter(small)
        .and_then(|sizes| sizes.try_into().ok())
        .ok_or_else(|| Refusal::Unsupported(format!("{name} {value}")))
}

/// Returns an error unless the input is a batch of pictures.
fn picture(site: &Site<'_, '_>) -> Outcome {
    let x = site.input()?;
    match x.rank {
        4 => Ok(x),
        rank => unsupported(format!("an input of {rank} dimensions")),
    }
}
