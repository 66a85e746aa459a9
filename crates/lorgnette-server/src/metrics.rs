//! Counters, and their text for Prometheus under three sets of names: Triton's (`nv_…`),
//! TensorFlow Serving's (`:tensorflow:serving:…`) and our own (`lorgnette_…`, in seconds).

mod text;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::failure::Code;

pub(crate) use self::text::write_metrics;

/// All counters of a server.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    models: Mutex<BTreeMap<(String, u64), Arc<ModelMetrics>>>,
    requests: Mutex<BTreeMap<RequestKey, u64>>,
    /// Requests that were refused because a queue or a limit was full.
    pub(crate) refused: AtomicU64,
    /// Connections that are open.
    pub(crate) connections: AtomicU64,
    /// Lines that the access log could not take in time.
    pub(crate) log_lines_dropped: AtomicU64,
}

/// The labels by which HTTP requests are counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RequestKey {
    interface: &'static str,
    method: &'static str,
    status: u16,
}

/// The counters of one version of a model.
#[derive(Debug, Default)]
pub(crate) struct ModelMetrics {
    pub(crate) success: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) cancelled: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) other_failures: AtomicU64,
    pub(crate) inferences: AtomicU64,
    pub(crate) executions: AtomicU64,
    pub(crate) pending: AtomicU64,
    pub(crate) request: Total,
    pub(crate) failed_request: Total,
    pub(crate) queue: Total,
    pub(crate) decode: Total,
    pub(crate) preprocess: Total,
    pub(crate) network: Total,
    pub(crate) output: Total,
    pub(crate) latency: Histogram,
    pub(crate) batches: Mutex<BTreeMap<usize, BatchTotals>>,
    last_inference_ms: AtomicU64,
}

/// A number of events and the time they took.
#[derive(Debug, Default)]
pub(crate) struct Total {
    count: AtomicU64,
    nanoseconds: AtomicU64,
}

/// Requests of one batch size.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BatchTotals {
    pub(crate) count: u64,
    pub(crate) input_ns: u64,
    pub(crate) network_ns: u64,
    pub(crate) output_ns: u64,
}

/// Number of buckets of latencies below infinity: 10 · 1.8^k microseconds, as TensorFlow
/// Serving's.
const BUCKETS: usize = 33;

/// A histogram of latencies.
#[derive(Debug)]
pub(crate) struct Histogram {
    counts: [AtomicU64; BUCKETS + 1],
    total: Total,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: std::array::from_fn(|_| AtomicU64::new(0)), total: Total::default() }
    }
}

/// Where the time of a request went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Times {
    pub(crate) queue: Duration,
    pub(crate) decode: Duration,
    pub(crate) preprocess: Duration,
    pub(crate) network: Duration,
    pub(crate) output: Duration,
}

impl Metrics {
    /// Returns the counters of a version of a model.
    pub(crate) fn model(&self, name: &str, version: u64) -> Arc<ModelMetrics> {
        lock(&self.models).entry((name.to_owned(), version)).or_default().clone()
    }

    /// Returns the counters of all versions of all models, by name and version.
    pub(crate) fn models(&self) -> Vec<((String, u64), Arc<ModelMetrics>)> {
        lock(&self.models).iter().map(|(key, model)| (key.clone(), model.clone())).collect()
    }

    /// Counts an answered request.
    pub(crate) fn count_request(&self, interface: &'static str, method: &'static str, status: u16) {
        *lock(&self.requests).entry(RequestKey { interface, method, status }).or_default() += 1;
    }
}

impl ModelMetrics {
    /// Counts a request of `batch` samples that was answered after `request`.
    pub(crate) fn count_success(&self, batch: usize, times: &Times, request: Duration) {
        self.success.fetch_add(1, Ordering::Relaxed);
        self.inferences.fetch_add(batch as u64, Ordering::Relaxed);
        self.executions.fetch_add(1, Ordering::Relaxed);
        self.request.add(request);
        self.queue.add(times.queue);
        self.decode.add(times.decode);
        self.preprocess.add(times.preprocess);
        self.network.add(times.network);
        self.output.add(times.output);
        self.latency.add(request);
        let mut batches = lock(&self.batches);
        let totals = batches.entry(batch).or_default();
        totals.count += 1;
        totals.input_ns += nanoseconds(times.decode + times.preprocess);
        totals.network_ns += nanoseconds(times.network);
        totals.output_ns += nanoseconds(times.output);
        drop(batches);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_inference_ms.store(now.as_millis() as u64, Ordering::Relaxed);
    }

    /// Counts a request that failed after `request`.
    pub(crate) fn count_failure(&self, code: Code, request: Duration) {
        let counter = match code {
            Code::ResourceExhausted | Code::Unavailable => &self.rejected,
            Code::Cancelled | Code::DeadlineExceeded => &self.cancelled,
            Code::Internal => &self.failed,
            _ => &self.other_failures,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.failed_request.add(request);
    }

    /// The time of the last inference in milliseconds since 1970; 0 before the first.
    pub(crate) fn last_inference_ms(&self) -> u64 {
        self.last_inference_ms.load(Ordering::Relaxed)
    }

    /// Requests that failed for any reason.
    pub(crate) fn failures(&self) -> u64 {
        [&self.rejected, &self.cancelled, &self.failed, &self.other_failures]
            .map(|counter| counter.load(Ordering::Relaxed))
            .iter()
            .sum()
    }

    /// The totals of each batch size.
    pub(crate) fn batches(&self) -> Vec<(usize, BatchTotals)> {
        lock(&self.batches).iter().map(|(&batch, &totals)| (batch, totals)).collect()
    }
}

impl Total {
    pub(crate) fn add(&self, time: Duration) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(nanoseconds(time), Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn nanoseconds(&self) -> u64 {
        self.nanoseconds.load(Ordering::Relaxed)
    }
}

impl Histogram {
    fn add(&self, time: Duration) {
        let microseconds = time.as_secs_f64() * 1e6;
        let bucket = (0..BUCKETS).find(|&k| microseconds <= bucket_limit(k)).unwrap_or(BUCKETS);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.total.add(time);
    }
}

/// The upper limit of a bucket in microseconds.
fn bucket_limit(k: usize) -> f64 {
    10.0 * 1.8f64.powi(k as i32)
}

fn nanoseconds(time: Duration) -> u64 {
    time.as_nanos().min(u128::from(u64::MAX)) as u64
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
