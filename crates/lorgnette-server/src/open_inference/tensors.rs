//! Tensors of requests and answers, in all forms that REST and gRPC have.

use bytes::Bytes;
use lorgnette::net::scores::top_k;

use super::binary::{read_f32, read_strings};
use crate::failure::{Failure, Outcome};
use crate::json::{Number, Numbers, Value};
use crate::served::{FEATURES, Input, OutputTensor, Served};
use crate::tensorflow_serving::decode_base64;

/// The types of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Bf16,
    Fp32,
    Fp64,
    Bytes,
}

const DATATYPES: [(&str, Datatype, usize); 14] = [
    ("BOOL", Datatype::Bool, 1),
    ("UINT8", Datatype::Uint8, 1),
    ("UINT16", Datatype::Uint16, 2),
    ("UINT32", Datatype::Uint32, 4),
    ("UINT64", Datatype::Uint64, 8),
    ("INT8", Datatype::Int8, 1),
    ("INT16", Datatype::Int16, 2),
    ("INT32", Datatype::Int32, 4),
    ("INT64", Datatype::Int64, 8),
    ("FP16", Datatype::Fp16, 2),
    ("BF16", Datatype::Bf16, 2),
    ("FP32", Datatype::Fp32, 4),
    ("FP64", Datatype::Fp64, 8),
    ("BYTES", Datatype::Bytes, 0),
];

impl Datatype {
    /// Finds a type by its name.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn parse(name: &str) -> Outcome<Self> {
        let found = DATATYPES.iter().find(|(known, ..)| *known == name);
        let names: Vec<&str> = DATATYPES.iter().map(|(name, ..)| *name).collect();
        let names = names.join(", ");
        found
            .map(|(_, datatype, _)| *datatype)
            .ok_or_else(|| Failure::invalid(format!("'{name}' is no datatype: there are {names}")))
    }

    pub(crate) fn name(self) -> &'static str {
        DATATYPES.iter().find(|(_, known, _)| *known == self).map_or("", |(name, ..)| name)
    }

    /// The type of a model's input.
    pub(crate) fn of_input(served: &Served) -> Self {
        if served.input.has_batch { Self::Fp32 } else { Self::Uint8 }
    }
}

/// An input of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InferInput {
    pub(crate) name: String,
    pub(crate) datatype: Datatype,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Data,
}

/// The elements of an input.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    /// Nested or flat lists.
    Json {
        value: Value,
        is_base64: bool,
    },
    /// Little-endian elements; strings behind their lengths.
    Raw(Bytes),
    Floats(Vec<f32>),
    Strings(Vec<Bytes>),
    /// Elements of a type that no model has here.
    Other,
}

impl InferInput {
    /// Checks the input against the model's and converts it.
    ///
    /// # Errors
    /// If name, type, shape or number of elements do not fit.
    pub(crate) fn into_input(self, served: &Served) -> Outcome<Input> {
        let Self { name, datatype, shape, data } = self;
        let node = name.strip_suffix(":0").unwrap_or(&name);
        if node != served.input.name && name != "image_bytes" {
            return Err(Failure::invalid(format!(
                "unexpected inference input '{name}' for model '{}': its input is '{}'",
                served.name, served.input.name
            )));
        }
        let elements =
            shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length));
        let elements = elements.ok_or_else(|| Failure::invalid("a shape that is too large"))?;
        let expected = Datatype::of_input(served);
        if datatype == Datatype::Bytes {
            let photos = photos(&name, data)?;
            check_number(&name, &shape, elements, photos.len())?;
            return match shape[..] {
                [_] | [_, 1] => Ok(Input::Photos(photos)),
                _ => Err(Failure::invalid(format!(
                    "input '{name}': photos have the shape [N] or [N,1], not {shape:?}"
                ))),
            };
        }
        if datatype != expected {
            return Err(Failure::invalid(format!(
                "inference input '{name}' data-type is '{}', but model '{}' expects '{}', or \
                 'BYTES' for photos",
                datatype.name(),
                served.name,
                expected.name()
            )));
        }
        let values = numbers(&name, expected, data)?;
        check_number(&name, &shape, elements, values.len())?;
        let floats = Input::Floats { shape, values };
        Ok(crate::tensorflow_serving::without_batch(served, floats))
    }
}

fn check_number(name: &str, shape: &[usize], expected: usize, given: usize) -> Outcome<()> {
    match given == expected {
        true => Ok(()),
        false => Err(Failure::invalid(format!(
            "input '{name}' got unexpected number of elements {given}, expecting {expected} for \
             shape {shape:?}"
        ))),
    }
}

fn photos(name: &str, data: Data) -> Outcome<Vec<Bytes>> {
    match data {
        Data::Raw(bytes) => read_strings(name, bytes),
        Data::Strings(strings) => Ok(strings),
        Data::Json { value, is_base64 } => {
            let mut photos = Vec::new();
            collect_strings(name, &value, is_base64, &mut photos)?;
            Ok(photos)
        }
        Data::Floats(_) | Data::Other => Err(wrong_contents(name, Datatype::Bytes)),
    }
}

fn collect_strings(
    name: &str,
    value: &Value,
    is_base64: bool,
    out: &mut Vec<Bytes>,
) -> Outcome<()> {
    match value {
        Value::Array(values) => {
            values.iter().try_for_each(|value| collect_strings(name, value, is_base64, out))
        }
        Value::String(text) if is_base64 => {
            out.push(
                decode_base64(text).map_err(|failure| failure.at(&format!("input '{name}'")))?,
            );
            Ok(())
        }
        Value::String(_) => Err(Failure::invalid(format!(
            "input '{name}': a photo is no text. Send it as binary data, or as base64 with \
             \"parameters\": {{\"content_type\": \"base64\"}}"
        ))),
        _ => Err(Failure::invalid(format!("input '{name}': BYTES are strings in JSON"))),
    }
}

fn numbers(name: &str, datatype: Datatype, data: Data) -> Outcome<Vec<f32>> {
    match data {
        Data::Raw(bytes) if datatype == Datatype::Uint8 => {
            Ok(bytes.iter().map(|&byte| f32::from(byte)).collect())
        }
        Data::Raw(bytes) if bytes.len() % 4 == 0 => Ok(read_f32(&bytes)),
        Data::Raw(bytes) => Err(Failure::invalid(format!(
            "input '{name}': {} bytes are no whole number of FP32",
            bytes.len()
        ))),
        Data::Floats(values) => Ok(values),
        Data::Json { value, .. } => {
            let mut values = Vec::new();
            collect_numbers(name, datatype, &value, &mut values)?;
            Ok(values)
        }
        Data::Strings(_) | Data::Other => Err(wrong_contents(name, datatype)),
    }
}

fn collect_numbers(
    name: &str,
    datatype: Datatype,
    value: &Value,
    out: &mut Vec<f32>,
) -> Outcome<()> {
    let wrong =
        || Failure::invalid(format!("input '{name}': a value that is no {}", datatype.name()));
    let is_level = |value: f64| value.fract() == 0.0 && (0.0..=255.0).contains(&value);
    let fits = |value: f64| datatype == Datatype::Fp32 || is_level(value);
    match value {
        Value::Array(values) => {
            values.iter().try_for_each(|value| collect_numbers(name, datatype, value, out))
        }
        Value::Numbers(Numbers { values, .. }) if values.iter().all(|&value| fits(value)) => {
            out.extend(values.iter().map(|&value| value as f32));
            Ok(())
        }
        Value::Number(Number { value, .. }) if fits(*value) => {
            out.push(*value as f32);
            Ok(())
        }
        _ => Err(wrong()),
    }
}

fn wrong_contents(name: &str, datatype: Datatype) -> Failure {
    let datatype = datatype.name();
    Failure::invalid(format!("input '{name}': the contents are of another type than {datatype}"))
}

/// The best classes of an output, as `value:index:label`, and their shape.
pub(crate) fn classified(
    served: &Served,
    output: &OutputTensor,
    classes: usize,
) -> (Vec<usize>, Vec<String>) {
    let rows = if output.has_batch { output.shape[0] } else { 1 };
    let length = (output.values.len() / rows.max(1)).max(1);
    let has_labels = output.name != FEATURES && length == served.facts().labels().len();
    let mut strings = Vec::new();
    for row in output.values.chunks(length) {
        for ranked in top_k(row, classes) {
            let label = served.label(ranked.index).filter(|_| has_labels);
            let label = label.map(|label| format!(":{label}")).unwrap_or_default();
            strings.push(format!("{:.6}:{}{label}", ranked.score, ranked.index));
        }
    }
    let shape = match output.has_batch {
        true => vec![rows, classes.min(length)],
        false => vec![classes.min(length)],
    };
    (shape, strings)
}
