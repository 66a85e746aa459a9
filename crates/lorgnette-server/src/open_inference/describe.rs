//! Descriptions of the server and its models: metadata, configuration, statistics, index.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::tensors::Datatype;
use crate::app::App;
use crate::metrics::Total;
use crate::registry::{VersionState, VersionStatus};
use crate::served::{OutputSpec, Served};

/// The server's name in its metadata.
pub(crate) const SERVER_NAME: &str = "lorgnette";

/// The extensions of the protocol that are supported.
pub(crate) const EXTENSIONS: [&str; 6] = [
    "classification",
    "model_repository",
    "model_repository(unload_dependents)",
    "statistics",
    "binary_tensor_data",
    "parameters",
];

/// Answers `/v2`.
pub(super) fn server() -> String {
    let version = env!("CARGO_PKG_VERSION");
    json!({"name": SERVER_NAME, "version": version, "extensions": EXTENSIONS}).to_string()
}

/// Answers `/v2/models/M`. The outputs are those of a request that names none; the further ones are
/// in the parameters.
pub(super) fn model(app: &App, served: &Served) -> String {
    let statuses = app.registry.index();
    let statuses = statuses.iter().find(|(name, _)| *name == served.name);
    let available = statuses.map_or(&[][..], |(_, statuses)| statuses);
    let versions: Vec<String> = available
        .iter()
        .rev()
        .filter(|status| status.state == VersionState::Available)
        .map(|status| status.version.to_string())
        .collect();
    let further: Vec<&str> = served.outputs[1..].iter().map(|output| &*output.name).collect();
    json!({
        "name": served.name,
        "versions": versions,
        "platform": SERVER_NAME,
        "inputs": [{
            "name": served.input.name,
            "datatype": Datatype::of_input(served).name(),
            "shape": served.input.shape(),
        }],
        "outputs": [output(&served.outputs[0])],
        "parameters": {"further_outputs": further.join(",")},
    })
    .to_string()
}

fn output(output: &OutputSpec) -> Value {
    json!({"name": output.name, "datatype": Datatype::Fp32.name(), "shape": output.shape()})
}

/// Answers `/v2/models/M/config`, as far as clients read it.
pub(super) fn config(served: &Served) -> String {
    let dims = |shape: Vec<i64>| if served.input.has_batch { shape[1..].to_vec() } else { shape };
    let output = &served.outputs[0];
    json!({
        "name": served.name,
        "platform": SERVER_NAME,
        "backend": SERVER_NAME,
        "max_batch_size": served.max_batch(),
        "input": [{
            "name": served.input.name,
            "data_type": format!("TYPE_{}", Datatype::of_input(served).name()),
            "format": "FORMAT_NHWC",
            "dims": dims(served.input.shape()),
        }],
        "output": [{
            "name": output.name,
            "data_type": "TYPE_FP32",
            "dims": dims(output.shape()),
        }],
    })
    .to_string()
}

/// Answers `/v2/models/M/stats`.
pub(super) fn statistics(models: &[Arc<Served>]) -> String {
    let models: Vec<Value> = models.iter().map(|served| statistics_of(served)).collect();
    json!({"model_stats": models}).to_string()
}

fn statistics_of(served: &Served) -> Value {
    let metrics = &served.metrics;
    let total = |total: &Total| json!({"count": total.count(), "ns": total.nanoseconds()});
    let none = json!({"count": 0, "ns": 0});
    let input_ns = metrics.decode.nanoseconds() + metrics.preprocess.nanoseconds();
    let batches: Vec<Value> = metrics
        .batches()
        .iter()
        .map(|(batch, totals)| {
            let part = |ns: u64| json!({"count": totals.count, "ns": ns});
            json!({
                "batch_size": batch,
                "compute_input": part(totals.input_ns),
                "compute_infer": part(totals.network_ns),
                "compute_output": part(totals.output_ns),
            })
        })
        .collect();
    json!({
        "name": served.name,
        "version": served.version.to_string(),
        "last_inference": metrics.last_inference_ms(),
        "inference_count": metrics.inferences.load(Ordering::Relaxed),
        "execution_count": metrics.executions.load(Ordering::Relaxed),
        "inference_stats": {
            "success": total(&metrics.request),
            "fail": total(&metrics.failed_request),
            "queue": total(&metrics.queue),
            "compute_input": {"count": metrics.preprocess.count(), "ns": input_ns},
            "compute_infer": total(&metrics.network),
            "compute_output": total(&metrics.output),
            "cache_hit": none,
            "cache_miss": none,
        },
        "batch_stats": batches,
    })
}

/// Answers `/v2/repository/index`.
pub(super) fn index(models: &[(String, Vec<VersionStatus>)], only_ready: bool) -> String {
    let mut entries = Vec::new();
    for (name, statuses) in models {
        for status in statuses.iter().rev() {
            let (state, reason) = index_state(status);
            if state == "READY" || !only_ready {
                let version = status.version.to_string();
                let mut entry = json!({"name": name, "version": version, "state": state});
                if !reason.is_empty() {
                    entry["reason"] = Value::String(reason);
                }
                entries.push(entry);
            }
        }
        if statuses.is_empty() && !only_ready {
            entries.push(json!({"name": name}));
        }
    }
    Value::Array(entries).to_string()
}

/// A version's state in Triton's words, and the reason.
pub(crate) fn index_state(status: &VersionStatus) -> (&'static str, String) {
    let reason = status.fault.as_ref().map(|fault| fault.message.clone());
    match status.state {
        VersionState::Start | VersionState::Loading => ("LOADING", String::new()),
        VersionState::Available => ("READY", String::new()),
        VersionState::Unloading => ("UNLOADING", String::new()),
        VersionState::End => ("UNAVAILABLE", reason.unwrap_or_else(|| "unloaded".into())),
    }
}
