//! The text format of Prometheus, version 0.0.4.

use std::fmt::{Display, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{BUCKETS, Metrics, ModelMetrics, Total, bucket_limit, lock};
use crate::scheduler::Scheduler;

type Models = Vec<((String, u64), Arc<ModelMetrics>)>;

/// Writes all metrics.
pub(crate) fn write_metrics(metrics: &Metrics, scheduler: &Scheduler) -> String {
    let mut text = Text::default();
    let models = metrics.models();
    text.triton(&models);
    text.tensorflow_serving(&models);
    text.own(&models);
    text.server(metrics, scheduler);
    text.out
}

#[derive(Default)]
struct Text {
    out: String,
}

impl Text {
    fn triton(&mut self, models: &Models) {
        self.counter("nv_inference_request_success", "Number of successful requests");
        self.each(models, "nv_inference_request_success", |model| load(&model.success));
        self.counter("nv_inference_request_failure", "Number of failed requests, by reason");
        for ((name, version), model) in models {
            for (reason, counter) in [
                ("REJECTED", &model.rejected),
                ("CANCELED", &model.cancelled),
                ("BACKEND", &model.failed),
                ("OTHER", &model.other_failures),
            ] {
                let labels = format!("{},reason=\"{reason}\"", triton_labels(name, *version));
                self.value("nv_inference_request_failure", &labels, load(counter));
            }
        }
        self.counter("nv_inference_count", "Number of samples that were computed");
        self.each(models, "nv_inference_count", |model| load(&model.inferences));
        self.counter("nv_inference_exec_count", "Number of runs; a batch counts once");
        self.each(models, "nv_inference_exec_count", |model| load(&model.executions));
        for (name, help, of) in TRITON_TIMES {
            self.counter(name, help);
            self.each(models, name, |model| of(model) / 1000);
        }
        self.gauge("nv_inference_pending_request_count", "Number of requests that wait or run");
        self.each(models, "nv_inference_pending_request_count", |model| load(&model.pending));
        if let Some((used, total)) = memory() {
            self.gauge("nv_cpu_memory_used_bytes", "Memory of the machine in use");
            self.value("nv_cpu_memory_used_bytes", "", used);
            self.gauge("nv_cpu_memory_total_bytes", "Memory of the machine");
            self.value("nv_cpu_memory_total_bytes", "", total);
        }
    }

    fn tensorflow_serving(&mut self, models: &Models) {
        self.counter(":tensorflow:serving:request_count", "Number of requests, by status");
        for ((name, _), model) in models {
            for (status, count) in [("OK", load(&model.success)), ("ERROR", model.failures())] {
                let labels = format!("model_name=\"{}\",status=\"{status}\"", escaped(name));
                self.value(":tensorflow:serving:request_count", &labels, count);
            }
        }
        let name = ":tensorflow:serving:request_latency";
        self.header(name, "histogram", "Latency of requests in microseconds");
        for ((model_name, _), model) in models {
            let labels = format!(
                "model_name=\"{}\",API=\"Predict\",entrypoint=\"REST\"",
                escaped(model_name)
            );
            let mut sum = 0;
            for (k, count) in model.latency.counts[..BUCKETS].iter().enumerate() {
                sum += load(count);
                let limit = bucket_limit(k);
                let labels = format!("{labels},le=\"{limit}\"");
                self.value(&format!("{name}_bucket"), &labels, sum);
            }
            let count = model.latency.total.count();
            self.value(&format!("{name}_bucket"), &format!("{labels},le=\"+Inf\""), count);
            let microseconds = model.latency.total.nanoseconds() as f64 / 1e3;
            self.value(&format!("{name}_sum"), &labels, microseconds);
            self.value(&format!("{name}_count"), &labels, count);
        }
    }

    fn own(&mut self, models: &Models) {
        for (name, help, total) in OWN_TIMES {
            self.header(name, "summary", help);
            for ((model_name, version), model) in models {
                let (labels, total) = (triton_labels(model_name, *version), total(model));
                let seconds = total.nanoseconds() as f64 / 1e9;
                self.value(&format!("{name}_sum"), &labels, seconds);
                self.value(&format!("{name}_count"), &labels, total.count());
            }
        }
    }

    fn server(&mut self, metrics: &Metrics, scheduler: &Scheduler) {
        self.counter("lorgnette_http_requests", "Number of answered requests of HTTP and gRPC");
        for (key, count) in lock(&metrics.requests).iter() {
            let labels = format!(
                "interface=\"{}\",method=\"{}\",status=\"{}\"",
                key.interface, key.method, key.status
            );
            self.value("lorgnette_http_requests", &labels, count);
        }
        self.counter("lorgnette_refused_requests", "Requests refused because a limit was reached");
        self.value("lorgnette_refused_requests", "", load(&metrics.refused));
        self.counter("lorgnette_log_lines_dropped", "Lines that the access log could not take");
        self.value("lorgnette_log_lines_dropped", "", load(&metrics.log_lines_dropped));
        self.gauge("lorgnette_connections", "Open connections");
        self.value("lorgnette_connections", "", load(&metrics.connections));
        self.gauge("lorgnette_queue_length", "Requests that wait for a thread");
        self.value("lorgnette_queue_length", "", scheduler.waiting());
        self.gauge("lorgnette_running_requests", "Requests that are being computed");
        self.value("lorgnette_running_requests", "", scheduler.running());
        self.gauge("lorgnette_threads", "Threads that compute answers");
        self.value("lorgnette_threads", "", scheduler.workers());
        if let Some(bytes) = resident_bytes() {
            self.gauge("process_resident_memory_bytes", "Resident memory of the server");
            self.value("process_resident_memory_bytes", "", bytes);
        }
    }

    fn each(&mut self, models: &Models, name: &str, value: impl Fn(&ModelMetrics) -> u64) {
        for ((model_name, version), model) in models {
            self.value(name, &triton_labels(model_name, *version), value(model));
        }
    }

    fn counter(&mut self, name: &str, help: &str) {
        self.header(name, "counter", help);
    }

    fn gauge(&mut self, name: &str, help: &str) {
        self.header(name, "gauge", help);
    }

    fn header(&mut self, name: &str, kind: &str, help: &str) {
        self.line(&format!("# HELP {name} {help}"));
        self.line(&format!("# TYPE {name} {kind}"));
    }

    fn value(&mut self, name: &str, labels: &str, value: impl Display) {
        let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(self.out, "{name}{braces} {value}");
    }

    fn line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }
}

/// A metric's name, its help, and its value.
type Time = (&'static str, &'static str, fn(&ModelMetrics) -> u64);
/// The same with the total that it is of.
type TotalTime = (&'static str, &'static str, fn(&ModelMetrics) -> &Total);

/// Triton's sums of times, in nanoseconds here and in microseconds there.
const TRITON_TIMES: [Time; 5] = [
    ("nv_inference_request_duration_us", "Time of requests in microseconds", |model| {
        model.request.nanoseconds()
    }),
    ("nv_inference_queue_duration_us", "Time in the queue in microseconds", |model| {
        model.queue.nanoseconds()
    }),
    ("nv_inference_compute_input_duration_us", "Decoding and preprocessing", |model| {
        model.decode.nanoseconds() + model.preprocess.nanoseconds()
    }),
    ("nv_inference_compute_infer_duration_us", "Time of the network", |model| {
        model.network.nanoseconds()
    }),
    ("nv_inference_compute_output_duration_us", "Time of the outputs", |model| {
        model.output.nanoseconds()
    }),
];

const OWN_TIMES: [TotalTime; 5] = [
    ("lorgnette_request_seconds", "Time of requests", |model| &model.request),
    ("lorgnette_queue_seconds", "Time in the queue", |model| &model.queue),
    ("lorgnette_decode_seconds", "Time of decoding photos", |model| &model.decode),
    ("lorgnette_preprocess_seconds", "Time of resizing and scaling photos", |model| {
        &model.preprocess
    }),
    ("lorgnette_network_seconds", "Time of the network", |model| &model.network),
];

fn triton_labels(name: &str, version: u64) -> String {
    format!("model=\"{}\",version=\"{version}\"", escaped(name))
}

/// Escapes the value of a label.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Used and total memory of the machine in bytes, on Linux.
fn memory() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
    };
    let (total, available) = (field("MemTotal:")?, field("MemAvailable:")?);
    Some((total.saturating_sub(available), total))
}

/// Resident memory of this process in bytes, on Linux.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
}
