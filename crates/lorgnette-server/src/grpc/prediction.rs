//! `tensorflow.serving.PredictionService` and `ModelService`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use prost::Message as _;

use super::messages::serving as proto;
use super::{unary, unimplemented};
use crate::app::{App, Deadline};
use crate::config::{ModelConfig, ModelSource, VersionPolicy};
use crate::failure::{Code, Failure, Outcome};
use crate::registry::VersionChoice;
use crate::served::{Inference, Input, OutputTensor, Served};
use crate::tensorflow_serving::{
    DataType, Example, Feature, Method, SERVING_DEFAULT, Signature, TensorInfo, check_inputs,
    input_of_examples, outputs, signature, signatures, without_batch,
};

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Path(method): Path<String>,
    request: Request,
) -> Response {
    match method.as_str() {
        "Predict" => unary(&app, request, predict).await,
        "Classify" => unary(&app, request, classify).await,
        "Regress" => unary(&app, request, regress).await,
        "MultiInference" => unary(&app, request, multi_inference).await,
        "GetModelMetadata" => unary(&app, request, metadata).await,
        other => unimplemented(other),
    }
}

pub(super) async fn handle_model(
    State(app): State<Arc<App>>,
    Path(method): Path<String>,
    request: Request,
) -> Response {
    match method.as_str() {
        "GetModelStatus" => unary(&app, request, status).await,
        "HandleReloadConfigRequest" => unary(&app, request, reload).await,
        other => unimplemented(other),
    }
}

/// The model of a request, and the name of its signature.
fn model(app: &App, spec: Option<proto::ModelSpec>) -> Outcome<(Arc<Served>, String)> {
    let spec = spec.ok_or_else(|| Failure::invalid("Missing ModelSpec"))?;
    if spec.name.is_empty() {
        return Err(Failure::invalid("ModelSpec has no name specified."));
    }
    let served = app.registry.find(&spec.name, &version(spec.version_choice)?)?;
    Ok((served, spec.signature_name))
}

fn version(choice: Option<proto::VersionChoice>) -> Outcome<VersionChoice> {
    Ok(match choice {
        None => VersionChoice::Latest,
        Some(proto::VersionChoice::VersionLabel(label)) => VersionChoice::Label(label),
        Some(proto::VersionChoice::Version(proto::Int64Value { value })) => {
            let number = u64::try_from(value);
            VersionChoice::Number(number.map_err(|_| Failure::not_found("a negative version"))?)
        }
    })
}

/// The effective version, and the signature's name.
fn spec(served: &Served, signature_name: &str) -> Option<proto::ModelSpec> {
    let value = served.version as i64;
    Some(proto::ModelSpec {
        name: served.name.clone(),
        version_choice: Some(proto::VersionChoice::Version(proto::Int64Value { value })),
        signature_name: signature_name.to_owned(),
    })
}

async fn predict(
    app: Arc<App>,
    request: proto::PredictRequest,
    deadline: Deadline,
) -> Outcome<proto::PredictResponse> {
    let (served, name) = model(&app, request.model_spec)?;
    let signature = signature(&served, &name, Method::Predict, Code::FailedPrecondition)?;
    let names: Vec<&str> = request.inputs.keys().map(String::as_str).collect();
    check_inputs(&signature, &names)?;
    let tensor = request.inputs.into_values().next().unwrap_or_default();
    let input = without_batch(&served, input(&signature.inputs[0], tensor)?);
    let outputs = outputs(&served, &signature, &request.output_filter)?;
    let inference = app.infer(&served, input, outputs, deadline).await?;
    let name = if name.is_empty() { SERVING_DEFAULT } else { &name };
    let outputs =
        inference.outputs.into_iter().map(|output| (output.name.clone(), tensor_of(output)));
    Ok(proto::PredictResponse { outputs: outputs.collect(), model_spec: spec(&served, name) })
}

/// A tensor of a request: in `tensor_content`, or in the field of its type, where the last value
/// fills the rest of the shape.
fn input(info: &TensorInfo, tensor: proto::TensorProto) -> Outcome<Input> {
    let shape = tensor.tensor_shape.unwrap_or_default();
    let lengths =
        shape.dim.iter().map(|dim| usize::try_from(dim.size)).collect::<Result<Vec<_>, _>>();
    let shape = lengths.map_err(|_| Failure::invalid("a tensor of unknown shape"))?;
    let elements = shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length));
    let elements = elements.ok_or_else(|| Failure::invalid("a tensor that is too large"))?;
    if tensor.dtype == DataType::String as i32 {
        if !matches!(shape[..], [] | [_] | [_, 1]) || tensor.string_val.len() != elements {
            return Err(Failure::invalid(format!(
                "a tensor of photos has one dimension and a string for each, not the shape \
                 {shape:?} and {} strings",
                tensor.string_val.len()
            )));
        }
        return Ok(Input::Photos(tensor.string_val));
    }
    if info.data_type == DataType::String || tensor.dtype != info.data_type as i32 {
        return Err(Failure::invalid(format!(
            "input '{}' is expected to be of type {}, or DT_STRING for photos, but has type number \
             {}",
            info.alias,
            info.data_type.name(),
            tensor.dtype
        )));
    }
    let content = &tensor.tensor_content;
    let mut values: Vec<f32> = match info.data_type {
        _ if content.is_empty() && info.data_type == DataType::Uint8 => {
            tensor.int_val.iter().map(|&level| level as f32).collect()
        }
        _ if content.is_empty() => tensor.float_val,
        DataType::Uint8 => content.iter().map(|&level| f32::from(level)).collect(),
        _ => content.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
    };
    let is_short = tensor.tensor_content.is_empty() && values.len() < elements;
    if let Some(&last) = values.last().filter(|_| is_short) {
        // Zeros that are left out cost nothing to send: the shape is checked before it costs
        // memory.
        check_shape(info, &shape)?;
        values.resize(elements, last);
    }
    if values.len() != elements {
        return Err(Failure::invalid(format!(
            "input '{}' of shape {shape:?} has {} values",
            info.alias,
            values.len()
        )));
    }
    Ok(Input::Floats { shape, values })
}

/// Maximum elements of a tensor that are repeated from one.
const MAX_REPEATED: usize = 1 << 26;

fn check_shape(info: &TensorInfo, shape: &[usize]) -> Outcome<()> {
    let fits = |(&length, &wanted): (&usize, &i64)| wanted < 0 || wanted as usize == length;
    let elements = shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length));
    let is_right = shape.len() == info.shape.len()
        && shape.iter().zip(&info.shape).all(fits)
        && elements.is_some_and(|elements| elements <= MAX_REPEATED);
    match is_right {
        true => Ok(()),
        false => Err(Failure::invalid(format!(
            "input '{}' has the shape {shape:?}, not {:?}",
            info.alias, info.shape
        ))),
    }
}

/// A tensor of an answer, in `float_val` as TensorFlow Serving's.
fn tensor_of(output: OutputTensor) -> proto::TensorProto {
    let dim = |&length: &usize| proto::Dim { size: length as i64, name: String::new() };
    proto::TensorProto {
        dtype: DataType::Float as i32,
        tensor_shape: Some(proto::TensorShapeProto {
            dim: output.shape.iter().map(dim).collect(),
            unknown_rank: false,
        }),
        float_val: output.values,
        ..Default::default()
    }
}

/// Computes the probabilities of the examples of classify or regress.
async fn of_examples(
    app: &App,
    served: &Arc<Served>,
    input: Option<proto::Input>,
    deadline: Deadline,
) -> Outcome<Inference> {
    let (examples, context) = match input.and_then(|input| input.kind) {
        Some(proto::InputKind::ExampleList(list)) => (list.examples, None),
        Some(proto::InputKind::ExampleListWithContext(list)) => (list.examples, list.context),
        None => return Err(Failure::invalid("Input is empty.")),
    };
    let context = context.map(example).unwrap_or_default();
    let examples: Vec<Example> = examples
        .into_iter()
        .map(|own| {
            let mut own = example(own);
            own.extend(context.iter().cloned());
            own
        })
        .collect();
    let input = input_of_examples(served, &examples)?;
    app.infer(served, input, vec![served.outputs[0].clone()], deadline).await
}

fn example(example: proto::Example) -> Example {
    let features = example.features.unwrap_or_default().feature.into_iter();
    let kind = |(name, feature): (String, proto::Feature)| {
        Some((
            name,
            match feature.kind? {
                proto::FeatureKind::Bytes(list) => Feature::Bytes(list.value),
                proto::FeatureKind::Floats(list) => Feature::Floats(list.value),
                proto::FeatureKind::Integers(list) => Feature::Integers(list.value),
            },
        ))
    };
    features.filter_map(kind).collect()
}

fn classifications(served: &Served, inference: &Inference) -> proto::ClassificationResult {
    let values = &inference.outputs[0].values;
    let classes = (values.len() / inference.batch.max(1)).max(1);
    let class = |(index, &score): (usize, &f32)| {
        let label = served.label(index).unwrap_or_default().to_owned();
        proto::Class { label, score }
    };
    let one = |scores: &[f32]| proto::Classifications {
        classes: scores.iter().enumerate().map(class).collect(),
    };
    proto::ClassificationResult { classifications: values.chunks(classes).map(one).collect() }
}

fn regressions(inference: &Inference) -> proto::RegressionResult {
    let values = inference.outputs[0].values.iter();
    let regressions = values.map(|&value| proto::Regression { value }).collect();
    proto::RegressionResult { regressions }
}

async fn classify(
    app: Arc<App>,
    request: proto::ExamplesRequest,
    deadline: Deadline,
) -> Outcome<proto::ClassificationResponse> {
    let (served, name) = model(&app, request.model_spec)?;
    signature(&served, &name, Method::Classify, Code::FailedPrecondition)?;
    let inference = of_examples(&app, &served, request.input, deadline).await?;
    let result = Some(classifications(&served, &inference));
    Ok(proto::ClassificationResponse { result, model_spec: spec(&served, &name) })
}

async fn regress(
    app: Arc<App>,
    request: proto::ExamplesRequest,
    deadline: Deadline,
) -> Outcome<proto::RegressionResponse> {
    let (served, name) = model(&app, request.model_spec)?;
    signature(&served, &name, Method::Regress, Code::FailedPrecondition)?;
    let inference = of_examples(&app, &served, request.input, deadline).await?;
    let result = Some(regressions(&inference));
    Ok(proto::RegressionResponse { result, model_spec: spec(&served, &name) })
}

async fn multi_inference(
    app: Arc<App>,
    request: proto::MultiInferenceRequest,
    deadline: Deadline,
) -> Outcome<proto::MultiInferenceResponse> {
    const MAX_TASKS: usize = 16;
    if request.tasks.is_empty() || request.tasks.len() > MAX_TASKS {
        return Err(Failure::invalid(format!(
            "Inference request must have 1 to {MAX_TASKS} tasks"
        )));
    }
    let mut results = Vec::new();
    for task in request.tasks {
        let (served, name) = model(&app, task.model_spec)?;
        let method = match task.method_name.as_str() {
            name if name == Method::Classify.name() => Method::Classify,
            name if name == Method::Regress.name() => Method::Regress,
            other => {
                let message = format!("Unsupported signature method_name: {other}");
                return Err(Failure::new(Code::Unimplemented, message));
            }
        };
        signature(&served, &name, method, Code::FailedPrecondition)?;
        let inference = of_examples(&app, &served, request.input.clone(), deadline).await?;
        let result = Some(match method {
            Method::Regress => proto::InferenceKind::Regression(regressions(&inference)),
            _ => proto::InferenceKind::Classification(classifications(&served, &inference)),
        });
        results.push(proto::InferenceResult { model_spec: spec(&served, &name), result });
    }
    Ok(proto::MultiInferenceResponse { results })
}

/// The only field of metadata that there is.
const SIGNATURE_DEF: &str = "signature_def";
const SIGNATURE_DEF_MAP: &str = "type.googleapis.com/tensorflow.serving.SignatureDefMap";

async fn metadata(
    app: Arc<App>,
    request: proto::GetModelMetadataRequest,
    _: Deadline,
) -> Outcome<proto::GetModelMetadataResponse> {
    let (served, _) = model(&app, request.model_spec)?;
    if request.metadata_field.is_empty() {
        return Err(Failure::invalid(
            "GetModelMetadataRequest must specify at least one metadata_field",
        ));
    }
    if let Some(other) = request.metadata_field.iter().find(|field| *field != SIGNATURE_DEF) {
        return Err(Failure::invalid(format!("Metadata field {other} is not supported")));
    }
    let signatures = signatures(&served).into_iter();
    let signature_def =
        signatures.map(|signature| (signature.name.into(), signature_def(signature)));
    let map = proto::SignatureDefMap { signature_def: signature_def.collect() };
    let any = proto::Any { type_url: SIGNATURE_DEF_MAP.into(), value: map.encode_to_vec().into() };
    Ok(proto::GetModelMetadataResponse {
        model_spec: spec(&served, ""),
        metadata: BTreeMap::from([(SIGNATURE_DEF.to_owned(), any)]),
    })
}

fn signature_def(signature: Signature) -> proto::SignatureDef {
    let tensors = |tensors: Vec<TensorInfo>| -> BTreeMap<String, proto::TensorInfo> {
        tensors.into_iter().map(|info| (info.alias.clone(), tensor_info(info))).collect()
    };
    proto::SignatureDef {
        inputs: tensors(signature.inputs),
        outputs: tensors(signature.outputs),
        method_name: signature.method.name().into(),
    }
}

fn tensor_info(info: TensorInfo) -> proto::TensorInfo {
    let dim = |&size: &i64| proto::Dim { size, name: String::new() };
    proto::TensorInfo {
        name: info.tensor,
        dtype: info.data_type as i32,
        tensor_shape: Some(proto::TensorShapeProto {
            dim: info.shape.iter().map(dim).collect(),
            unknown_rank: false,
        }),
    }
}

async fn status(
    app: Arc<App>,
    request: proto::GetModelStatusRequest,
    _: Deadline,
) -> Outcome<proto::GetModelStatusResponse> {
    let spec = request.model_spec.ok_or_else(|| Failure::invalid("Missing ModelSpec"))?;
    let statuses = app.registry.statuses(&spec.name, &version(spec.version_choice)?)?;
    let model_version_status = statuses
        .into_iter()
        .map(|status| proto::ModelVersionStatus {
            version: status.version as i64,
            state: status.state as i32,
            status: Some(match status.fault {
                None => proto::StatusProto::default(),
                Some(fault) => proto::StatusProto {
                    error_code: fault.code.grpc() as i32,
                    error_message: fault.message,
                },
            }),
        })
        .collect();
    Ok(proto::GetModelStatusResponse { model_version_status })
}

async fn reload(
    app: Arc<App>,
    request: proto::ReloadConfigRequest,
    _: Deadline,
) -> Outcome<proto::ReloadConfigResponse> {
    app.check_model_control()?;
    let list = request.config.and_then(|config| config.model_config_list).ok_or_else(|| {
        Failure::invalid(
            "ServerConfig type not supported by HandleReloadConfigRequest. Only \
                          ModelConfigList is currently supported",
        )
    })?;
    let models = list.config.into_iter().map(model_config).collect::<Outcome<Vec<_>>>()?;
    let configure = move || app.registry.configure(models);
    let outcome = tokio::task::spawn_blocking(configure).await;
    outcome.unwrap_or_else(|_| Err(Failure::new(Code::Internal, "loading failed")))?;
    Ok(proto::ReloadConfigResponse { status: Some(proto::StatusProto::default()) })
}

fn model_config(config: proto::ModelConfig) -> Outcome<ModelConfig> {
    crate::config::check_name(&config.name).map_err(Failure::invalid)?;
    let number = |value: i64| {
        u64::try_from(value).map_err(|_| Failure::invalid(format!("{value} is no version")))
    };
    let policy = match config.model_version_policy.and_then(|policy| policy.policy_choice) {
        None => VersionPolicy::default(),
        Some(proto::PolicyChoice::All(_)) => VersionPolicy::All,
        Some(proto::PolicyChoice::Latest(latest)) => {
            VersionPolicy::Latest(latest.num_versions.max(1) as usize)
        }
        Some(proto::PolicyChoice::Specific(specific)) => VersionPolicy::Specific(
            specific.versions.into_iter().map(number).collect::<Outcome<_>>()?,
        ),
    };
    let labels = config.version_labels.into_iter();
    let labels = labels.map(|(label, version)| Ok((label, number(version)?)));
    Ok(ModelConfig {
        name: config.name,
        source: ModelSource::Path(PathBuf::from(config.base_path)),
        policy,
        labels: labels.collect::<Outcome<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn tensor(dtype: i32, shape: &[i64]) -> proto::TensorProto {
        let dim = |&size: &i64| proto::Dim { size, name: String::new() };
        let shape =
            proto::TensorShapeProto { dim: shape.iter().map(dim).collect(), unknown_rank: false };
        proto::TensorProto { dtype, tensor_shape: Some(shape), ..Default::default() }
    }

    fn info() -> TensorInfo {
        TensorInfo {
            alias: "x".into(),
            tensor: "x:0".into(),
            data_type: DataType::Float,
            shape: vec![-1, 3],
        }
    }

    #[test]
    fn tensors_come_as_content_as_values_or_as_one_value() {
        let floats =
            |values: &[f32]| Ok(Input::Floats { shape: vec![2, 3], values: values.to_vec() });
        let all = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0];
        let content: Vec<u8> = all.iter().flat_map(|value| value.to_le_bytes()).collect();
        let content = proto::TensorProto { tensor_content: content.into(), ..tensor(1, &[2, 3]) };
        assert_eq!(input(&info(), content), floats(&all));
        let values = proto::TensorProto { float_val: all.to_vec(), ..tensor(1, &[2, 3]) };
        assert_eq!(input(&info(), values), floats(&all));
        let one = proto::TensorProto { float_val: vec![7.0, 8.0], ..tensor(1, &[2, 3]) };
        assert_eq!(input(&info(), one), floats(&[7.0, 8.0, 8.0, 8.0, 8.0, 8.0]));
        let photo = proto::TensorProto { string_val: vec!["a".into()], ..tensor(7, &[1]) };
        assert_eq!(input(&info(), photo), Ok(Input::Photos(vec![Bytes::from_static(b"a")])));
    }

    #[test]
    fn tensors_that_lie_are_refused() {
        let one = |shape: &[i64]| proto::TensorProto { float_val: vec![7.0], ..tensor(1, shape) };
        for tensor in [
            tensor(1, &[2, 3]),
            tensor(3, &[2, 3]),
            tensor(7, &[2]),
            one(&[-1, 3]),
            one(&[1 << 40, 3]),
            one(&[i64::MAX, i64::MAX]),
            one(&[2, 4]),
            proto::TensorProto { float_val: vec![7.0; 7], ..tensor(1, &[2, 3]) },
            proto::TensorProto { tensor_content: vec![0; 23].into(), ..tensor(1, &[2, 3]) },
        ] {
            let refused = input(&info(), tensor.clone());
            assert!(refused.is_err(), "{tensor:?}");
        }
    }
}
