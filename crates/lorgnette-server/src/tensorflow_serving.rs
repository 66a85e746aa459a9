//! TensorFlow Serving's interfaces: signatures, and what REST and gRPC have in common.
//!
//! Every model has these signatures:
//!
//! | signature | method | inputs | outputs |
//! |---|---|---|---|
//! | `serving_default` | predict | the graph's input: images, or photos | `probabilities` |
//! | `all_outputs` | predict | the same | `probabilities`, `logits`, `features` |
//! | `image_bytes` | predict | `image_bytes`: photos | `probabilities` |
//! | `classification` | classify | `inputs`: examples with photos | `classes`, `scores` |
//! | `regression` | regress | the same | `outputs`, for networks of one output |

mod answers;
mod examples;
mod metadata;
mod rest;
mod tensors;

pub(crate) use self::examples::{Example, Feature, input_of_examples};
pub(crate) use self::metadata::DataType;
pub(crate) use self::rest::{handle, without_batch};
pub(crate) use self::tensors::decode_base64;

use crate::failure::{Code, Failure, Outcome};
use crate::served::{OutputSpec, PROBABILITIES, Served};

/// The name of the signature that requests have without one.
pub(crate) const SERVING_DEFAULT: &str = "serving_default";
const ALL_OUTPUTS: &str = "all_outputs";
const IMAGE_BYTES: &str = "image_bytes";
const CLASSIFICATION: &str = "classification";
const REGRESSION: &str = "regression";

/// How a signature is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Predict,
    Classify,
    Regress,
}

/// A signature of a model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Signature {
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    pub(crate) inputs: Vec<TensorInfo>,
    pub(crate) outputs: Vec<TensorInfo>,
}

/// A tensor of a signature.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TensorInfo {
    /// The name in requests.
    pub(crate) alias: String,
    /// The name in the graph.
    pub(crate) tensor: String,
    pub(crate) data_type: DataType,
    /// -1 stands for any length.
    pub(crate) shape: Vec<i64>,
}

impl Method {
    /// The name in signatures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Predict => "tensorflow/serving/predict",
            Self::Classify => "tensorflow/serving/classify",
            Self::Regress => "tensorflow/serving/regress",
        }
    }
}

impl TensorInfo {
    fn new(alias: &str, tensor: &str, data_type: DataType, shape: Vec<i64>) -> Self {
        Self { alias: alias.into(), tensor: tensor.into(), data_type, shape }
    }

    fn of_output(output: &OutputSpec) -> Self {
        Self::new(&output.name, &output.name, DataType::Float, output.shape())
    }
}

/// The signatures of a model.
pub(crate) fn signatures(served: &Served) -> Vec<Signature> {
    let input = TensorInfo::new(
        &served.input.name,
        &format!("{}:0", served.input.name),
        if served.input.has_batch { DataType::Float } else { DataType::Uint8 },
        served.input.shape(),
    );
    let photos = |alias: &str| TensorInfo::new(alias, alias, DataType::String, vec![-1]);
    let first = TensorInfo::of_output(&served.outputs[0]);
    let all = served.outputs.iter().map(TensorInfo::of_output).collect();
    let predict = |name, input, outputs| Signature {
        name,
        method: Method::Predict,
        inputs: vec![input],
        outputs,
    };
    let mut signatures = vec![
        predict(SERVING_DEFAULT, input.clone(), vec![first.clone()]),
        predict(ALL_OUTPUTS, input, all),
        predict(IMAGE_BYTES, photos(IMAGE_BYTES), vec![first.clone()]),
    ];
    if first.alias == PROBABILITIES {
        let classes = *first.shape.last().unwrap_or(&-1);
        signatures.push(Signature {
            name: CLASSIFICATION,
            method: Method::Classify,
            inputs: vec![photos("inputs")],
            outputs: vec![
                TensorInfo::new("classes", "classes", DataType::String, vec![-1, classes]),
                TensorInfo::new("scores", "scores", DataType::Float, vec![-1, classes]),
            ],
        });
    }
    if served.outputs[0].sample.iter().product::<usize>() == 1 {
        signatures.push(Signature {
            name: REGRESSION,
            method: Method::Regress,
            inputs: vec![photos("inputs")],
            outputs: vec![TensorInfo::new("outputs", &first.tensor, DataType::Float, vec![-1])],
        });
    }
    signatures
}

/// Finds the signature of a request.
///
/// # Errors
/// `unknown` if there is no signature of that name; [`Code::InvalidArgument`] if it is for another
/// method.
pub(crate) fn signature(
    served: &Served,
    name: &str,
    method: Method,
    unknown: Code,
) -> Outcome<Signature> {
    let name = match (name, method) {
        ("" | SERVING_DEFAULT, Method::Predict) => SERVING_DEFAULT,
        ("" | SERVING_DEFAULT, Method::Classify) => CLASSIFICATION,
        ("" | SERVING_DEFAULT, Method::Regress) => REGRESSION,
        (name, _) => name,
    };
    let mut all = signatures(served);
    let Some(at) = all.iter().position(|signature| signature.name == name) else {
        let message = format!("Serving signature name: \"{name}\" not found in signature def");
        return Err(Failure::new(unknown, message));
    };
    let signature = all.swap_remove(at);
    if signature.method != method {
        let kind = match method {
            Method::Predict => "prediction",
            Method::Classify => "classification",
            Method::Regress => "regression",
        };
        return Err(Failure::invalid(format!(
            "Expected {kind} signature method_name to be {}. Was: {}",
            method.name(),
            signature.method.name()
        )));
    }
    Ok(signature)
}

/// The outputs of a model that a signature answers, cut down to `filter` if that names any.
///
/// # Errors
/// [`Code::InvalidArgument`] for a name that is no output of the signature.
pub(crate) fn outputs(
    served: &Served,
    signature: &Signature,
    filter: &[String],
) -> Outcome<Vec<OutputSpec>> {
    if filter.is_empty() {
        let outputs = signature.outputs.iter().filter_map(|output| served.output(&output.alias));
        return Ok(outputs.cloned().collect());
    }
    let mut outputs = Vec::with_capacity(filter.len());
    for name in filter {
        // All outputs can be asked for by name.
        let output = served.output(name).ok_or_else(|| {
            Failure::invalid(format!(
                "output tensor alias not found in signature: {name}. Outputs expected to be in \
                 the set {{{}}}.",
                names(&signature.outputs)
            ))
        })?;
        outputs.push(output.named(name));
    }
    Ok(outputs)
}

/// Checks the names of a request's inputs.
///
/// # Errors
/// [`Code::InvalidArgument`] in TensorFlow Serving's words.
pub(crate) fn check_inputs(signature: &Signature, given: &[&str]) -> Outcome<()> {
    let is_input = |name: &&str| signature.inputs.iter().any(|input| input.alias == *name);
    let extra: Vec<&str> = given.iter().copied().filter(|name| !is_input(name)).collect();
    let missing: Vec<&str> = signature
        .inputs
        .iter()
        .map(|input| input.alias.as_str())
        .filter(|alias| !given.contains(alias))
        .collect();
    if extra.is_empty() && missing.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid(format!(
        "input size does not match signature: {} != {} len({{{}}}) != len({{{}}}). Sent extra: \
         {{{}}}. Missing but required: {{{}}}.",
        given.len(),
        signature.inputs.len(),
        given.join(","),
        names(&signature.inputs),
        extra.join(","),
        missing.join(",")
    )))
}

fn names(tensors: &[TensorInfo]) -> String {
    tensors.iter().map(|tensor| tensor.alias.as_str()).collect::<Vec<_>>().join(",")
}
