//! `inference.GRPCInferenceService`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::messages::inference::{
    Empty, InferBatchStatistics, InferInputTensor, InferOutputTensor, InferParameter,
    InferStatistics, InferTensorContents, ModelConfig, ModelConfigResponse, ModelIndex,
    ModelInferRequest, ModelInferResponse, ModelInput, ModelMetadataResponse, ModelOutput,
    ModelRequest, ModelStatistics, ModelStatisticsResponse, ModelStreamInferResponse,
    ParameterChoice, ReadyResponse, RepositoryIndexRequest, RepositoryIndexResponse,
    RepositoryModelRequest, ServerLiveResponse, ServerMetadataResponse, StatisticDuration,
    TensorMetadata,
};
use super::{Answers, each, streaming, unary, unimplemented};
use crate::app::{App, Deadline};
use crate::failure::{Code, Failure, Outcome};
use crate::metrics::Total;
use crate::open_inference::{
    Data, Datatype, EXTENSIONS, InferInput, SERVER_NAME, classified, find, index_state,
    named_outputs, version_choice, write_raw_f32, write_strings,
};
use crate::registry::{VersionChoice, VersionState};
use crate::served::Served;

const TYPE_UINT8: i32 = 2;
const TYPE_FP32: i32 = 11;
const FORMAT_NHWC: i32 = 1;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Path(method): Path<String>,
    request: Request,
) -> Response {
    match method.as_str() {
        "ServerLive" => unary(&app, request, server_live).await,
        "ServerReady" => unary(&app, request, server_ready).await,
        "ModelReady" => unary(&app, request, model_ready).await,
        "ServerMetadata" => unary(&app, request, server_metadata).await,
        "ModelMetadata" => unary(&app, request, model_metadata).await,
        "ModelConfig" => unary(&app, request, model_config).await,
        "ModelInfer" => unary(&app, request, model_infer).await,
        "ModelStreamInfer" => streaming(&app, request, stream).await,
        "ModelStatistics" => unary(&app, request, statistics).await,
        "RepositoryIndex" => unary(&app, request, index).await,
        "RepositoryModelLoad" => unary(&app, request, load).await,
        "RepositoryModelUnload" => unary(&app, request, unload).await,
        other => unimplemented(other),
    }
}

async fn model_ready(app: Arc<App>, request: ModelRequest, _: Deadline) -> Outcome<ReadyResponse> {
    let version = version_choice(&request.version);
    let ready = find(&app, &request.name, &version).is_ok();
    if !ready {
        app.registry.statuses(&request.name, &VersionChoice::Latest)?;
    }
    Ok(ReadyResponse { ready })
}

async fn server_live(_: Arc<App>, _: Empty, _: Deadline) -> Outcome<ServerLiveResponse> {
    Ok(ServerLiveResponse { live: true })
}

async fn server_ready(app: Arc<App>, _: Empty, _: Deadline) -> Outcome<ReadyResponse> {
    Ok(ReadyResponse { ready: app.is_ready() })
}

async fn server_metadata(_: Arc<App>, _: Empty, _: Deadline) -> Outcome<ServerMetadataResponse> {
    Ok(ServerMetadataResponse {
        name: SERVER_NAME.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        extensions: EXTENSIONS.map(str::to_owned).to_vec(),
    })
}

async fn model_infer(
    app: Arc<App>,
    request: ModelInferRequest,
    deadline: Deadline,
) -> Outcome<ModelInferResponse> {
    infer(&app, request, deadline).await
}

async fn model_metadata(
    app: Arc<App>,
    request: ModelRequest,
    _: Deadline,
) -> Outcome<ModelMetadataResponse> {
    let served = find(&app, &request.name, &version_choice(&request.version))?;
    let statuses = app.registry.statuses(&request.name, &VersionChoice::Latest)?;
    let available = statuses.iter().rev().filter(|status| status.state == VersionState::Available);
    let output = &served.outputs[0];
    Ok(ModelMetadataResponse {
        name: served.name.clone(),
        versions: available.map(|status| status.version.to_string()).collect(),
        platform: SERVER_NAME.into(),
        inputs: vec![TensorMetadata {
            name: served.input.name.clone(),
            datatype: Datatype::of_input(&served).name().into(),
            shape: served.input.shape(),
        }],
        outputs: vec![TensorMetadata {
            name: output.name.clone(),
            datatype: Datatype::Fp32.name().into(),
            shape: output.shape(),
        }],
    })
}

async fn model_config(
    app: Arc<App>,
    request: ModelRequest,
    _: Deadline,
) -> Outcome<ModelConfigResponse> {
    let served = find(&app, &request.name, &version_choice(&request.version))?;
    let dims = |shape: Vec<i64>| if served.input.has_batch { shape[1..].to_vec() } else { shape };
    let output = &served.outputs[0];
    let config = ModelConfig {
        name: served.name.clone(),
        platform: SERVER_NAME.into(),
        max_batch_size: i32::try_from(served.max_batch()).unwrap_or(i32::MAX),
        input: vec![ModelInput {
            name: served.input.name.clone(),
            data_type: if served.input.has_batch { TYPE_FP32 } else { TYPE_UINT8 },
            format: FORMAT_NHWC,
            dims: dims(served.input.shape()),
        }],
        output: vec![ModelOutput {
            name: output.name.clone(),
            data_type: TYPE_FP32,
            dims: dims(output.shape()),
        }],
        backend: SERVER_NAME.into(),
    };
    Ok(ModelConfigResponse { config: Some(config) })
}

/// Answers each request of a stream in turn; a failed one is answered too, and leaves the stream
/// open.
fn stream(
    app: Arc<App>,
    requests: tonic::Streaming<ModelInferRequest>,
    _: Deadline,
) -> Answers<ModelStreamInferResponse> {
    each(app.clone(), requests, move |request: ModelInferRequest| {
        let app = app.clone();
        async move {
            let id = request.id.clone();
            let deadline = Deadline(Instant::now() + app.timeout);
            match infer(&app, request, deadline).await {
                Ok(answer) => ModelStreamInferResponse {
                    error_message: String::new(),
                    infer_response: Some(answer),
                },
                Err(failure) => ModelStreamInferResponse {
                    error_message: failure.message,
                    infer_response: Some(ModelInferResponse { id, ..Default::default() }),
                },
            }
        }
    })
}

async fn infer(
    app: &App,
    request: ModelInferRequest,
    Deadline(deadline): Deadline,
) -> Outcome<ModelInferResponse> {
    let ModelInferRequest {
        model_name,
        model_version,
        id,
        parameters,
        inputs,
        outputs,
        raw_input_contents,
    } = request;
    let served = find(app, &model_name, &version_choice(&model_version))?;
    let timeout = parameters.get("timeout").and_then(integer).and_then(|us| u64::try_from(us).ok());
    let deadline = match timeout.filter(|&us| us > 0) {
        Some(timeout) => deadline.min(Instant::now() + Duration::from_micros(timeout)),
        None => deadline,
    };
    let [input] = <[InferInputTensor; 1]>::try_from(inputs).map_err(|inputs| {
        Failure::invalid(format!(
            "expected 1 inputs but got {} inputs for model '{model_name}'. Expected '{}'",
            inputs.len(),
            served.input.name
        ))
    })?;
    let raw = match raw_input_contents.len() {
        0 => None,
        1 if input.contents.is_none() => raw_input_contents.into_iter().next(),
        1 => {
            return Err(Failure::invalid(format!(
                "contents field must not be specified when using raw_input_contents for '{}' for \
                 model '{model_name}'",
                input.name
            )));
        }
        raw => {
            return Err(Failure::invalid(format!(
                "expected 1 raw_input_contents, one for each input, but got {raw} for model \
                 '{model_name}'"
            )));
        }
    };
    let datatype = Datatype::parse(&input.datatype)?;
    let shape = input.shape.iter().map(|&length| usize::try_from(length)).collect::<Result<_, _>>();
    let shape = shape
        .map_err(|_| Failure::invalid(format!("input '{}': a negative length", input.name)))?;
    let data = match raw {
        Some(raw) => Data::Raw(raw),
        None => contents(datatype, input.contents.unwrap_or_default()),
    };
    let input = InferInput { name: input.name, datatype, shape, data }.into_input(&served)?;
    let mut classes = Vec::new();
    for output in &outputs {
        classes.push(match output.parameters.get("classification").map(integer) {
            None => None,
            Some(Some(count @ 1..)) => usize::try_from(count).ok(),
            Some(_) => {
                let message = "output parameter 'classification' must be a positive integer";
                return Err(Failure::invalid(message));
            }
        });
    }
    let specs = named_outputs(&served, outputs.iter().map(|output| &*output.name))?;
    let inference = app.infer(&served, input, specs, Deadline(deadline)).await?;
    let (mut tensors, mut raw_output_contents) = (Vec::new(), Vec::new());
    for (number, output) in inference.outputs.iter().enumerate() {
        let (datatype, shape, raw) = match classes.get(number).copied().flatten() {
            Some(classes) => {
                let (shape, strings) = classified(&served, output, classes);
                (Datatype::Bytes, shape, write_strings(&strings))
            }
            None => (Datatype::Fp32, output.shape.clone(), write_raw_f32(&output.values)),
        };
        tensors.push(InferOutputTensor {
            name: output.name.clone(),
            datatype: datatype.name().into(),
            shape: shape.into_iter().map(|length| length as i64).collect(),
        });
        raw_output_contents.push(raw);
    }
    Ok(ModelInferResponse {
        model_name: served.name.clone(),
        model_version: served.version.to_string(),
        id,
        parameters: BTreeMap::new(),
        outputs: tensors,
        raw_output_contents,
    })
}

fn integer(parameter: &InferParameter) -> Option<i64> {
    match parameter.choice {
        Some(ParameterChoice::Int64(value)) => Some(value),
        Some(ParameterChoice::Uint64(value)) => i64::try_from(value).ok(),
        _ => None,
    }
}

/// The elements of an input in the field of its type.
fn contents(datatype: Datatype, contents: InferTensorContents) -> Data {
    match datatype {
        Datatype::Fp32 => Data::Floats(contents.fp32_contents),
        Datatype::Bytes => Data::Strings(contents.bytes_contents),
        Datatype::Uint8 if contents.uint_contents.iter().all(|&level| level <= 255) => {
            Data::Floats(contents.uint_contents.iter().map(|&level| level as f32).collect())
        }
        _ => Data::Other,
    }
}

async fn statistics(
    app: Arc<App>,
    request: ModelRequest,
    _: Deadline,
) -> Outcome<ModelStatisticsResponse> {
    let models = if request.name.is_empty() {
        app.registry.available()
    } else {
        vec![find(&app, &request.name, &version_choice(&request.version))?]
    };
    let model_stats = models.iter().map(|served| statistics_of(served)).collect();
    Ok(ModelStatisticsResponse { model_stats })
}

fn statistics_of(served: &Served) -> ModelStatistics {
    let metrics = &served.metrics;
    let total = |total: &Total| duration(total.count(), total.nanoseconds());
    let input_ns = metrics.decode.nanoseconds() + metrics.preprocess.nanoseconds();
    let batch = |(batch, totals): &(usize, crate::metrics::BatchTotals)| InferBatchStatistics {
        batch_size: *batch as u64,
        compute_input: duration(totals.count, totals.input_ns),
        compute_infer: duration(totals.count, totals.network_ns),
        compute_output: duration(totals.count, totals.output_ns),
    };
    ModelStatistics {
        name: served.name.clone(),
        version: served.version.to_string(),
        last_inference: metrics.last_inference_ms(),
        inference_count: metrics.inferences.load(std::sync::atomic::Ordering::Relaxed),
        execution_count: metrics.executions.load(std::sync::atomic::Ordering::Relaxed),
        inference_stats: Some(InferStatistics {
            success: total(&metrics.request),
            fail: total(&metrics.failed_request),
            queue: total(&metrics.queue),
            compute_input: duration(metrics.preprocess.count(), input_ns),
            compute_infer: total(&metrics.network),
            compute_output: total(&metrics.output),
        }),
        batch_stats: metrics.batches().iter().map(batch).collect(),
    }
}

fn duration(count: u64, ns: u64) -> Option<StatisticDuration> {
    Some(StatisticDuration { count, ns })
}

async fn index(
    app: Arc<App>,
    request: RepositoryIndexRequest,
    _: Deadline,
) -> Outcome<RepositoryIndexResponse> {
    let mut models = Vec::new();
    for (name, statuses) in app.registry.index() {
        for status in statuses.iter().rev() {
            let (state, reason) = index_state(status);
            if state == "READY" || !request.ready {
                let (version, state) = (status.version.to_string(), state.into());
                models.push(ModelIndex { name: name.clone(), version, state, reason });
            }
        }
    }
    Ok(RepositoryIndexResponse { models })
}

async fn load(app: Arc<App>, request: RepositoryModelRequest, _: Deadline) -> Outcome<Empty> {
    app.check_model_control()?;
    blocking(move || app.registry.load(&request.model_name)).await
}

async fn unload(app: Arc<App>, request: RepositoryModelRequest, _: Deadline) -> Outcome<Empty> {
    app.check_model_control()?;
    blocking(move || app.registry.unload(&request.model_name)).await
}

/// Loads or unloads, which reads files and computes.
async fn blocking(work: impl FnOnce() -> Outcome<()> + Send + 'static) -> Outcome<Empty> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome
        .unwrap_or_else(|_| Err(Failure::new(Code::Internal, "loading failed")))
        .map(|()| Empty {})
}
