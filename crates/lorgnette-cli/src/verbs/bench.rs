//! `lorgnette bench`: the time of a forward pass.

use std::fs;
use std::io::{self, IsTerminal as _, Write};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use lorgnette::kernels::Precision;
use lorgnette::net::Plan;
use lorgnette::net::plan::Activations;
use lorgnette::{Model, ModelOptions};
use serde::Serialize;

use crate::Outcome;
use crate::arguments::{Global, NetworkArguments, ReportFormat, Size};
use crate::messages::{Messages, count};
use crate::model;
use crate::stream::{write_json, write_report};

/// Measure how long a network's forward pass takes
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    network: NetworkArguments,

    /// Rows and columns of the input
    #[arg(long, value_name = "N|HxW")]
    size: Option<Size>,

    /// Photos in one forward pass
    #[arg(long, value_name = "N", default_value = "1")]
    batch: NonZeroUsize,

    /// Seconds to measure for
    #[arg(long, value_name = "S", default_value_t = 3.0, value_parser = seconds)]
    seconds: f64,

    /// How to write the result [default: text on a terminal, else json]
    #[arg(long, value_enum)]
    format: Option<ReportFormat>,
}

const EXAMPLES: &str = "\
The input is random numbers in memory: decoding and preprocessing are not
measured.

Examples:
  lorgnette bench
  lorgnette bench vgg_16 --random-weights
  lorgnette bench inception.pb --size 299 --batch 8 --threads 4 --format json";

/// Runs before the measured ones: the first touches new memory, the second warms the caches.
const WARM_UP_RUNS: usize = 2;
/// Minimum number of measured runs.
const MIN_RUNS: usize = 3;

/// The measurement as JSON; its names are part of the command-line contract.
#[derive(Serialize)]
struct Measurement {
    model: String,
    height: usize,
    width: usize,
    batch: usize,
    threads: usize,
    precision: &'static str,
    weights: &'static str,
    min_ms: f64,
    median_ms: f64,
    runs: usize,
    load_s: f64,
    peak_rss_mb: Option<f64>,
    level: &'static str,
}

/// Runs the verb.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    let measurement = measure(arguments, global, messages)?;
    let default = if io::stdout().is_terminal() { ReportFormat::Text } else { ReportFormat::Json };
    write_report(|out| match arguments.format.unwrap_or(default) {
        ReportFormat::Json => write_json(out, &measurement),
        ReportFormat::Text => write_text(out, &measurement),
    })?;
    Ok(Outcome::Done)
}

fn measure(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Measurement> {
    let started = Instant::now();
    let options =
        ModelOptions { size: arguments.size.map(|Size(size)| size), ..global.model_options()? };
    let model = model::open_or_make(&arguments.network, global, &options, messages)?;
    let batch = arguments.batch.get();
    let shape = model::input_shape(&model, arguments.size, batch)?;
    let input = model.signature().input.name.as_str();
    let plan = model.network().plan(&[(input, &shape)], &[model::answer(model.signature())])?;
    let loaded = started.elapsed();
    let mut times = time_runs(&model, &plan, Duration::from_secs_f64(arguments.seconds))?;
    times.sort_unstable();
    let [height, width] = if let [_, height, width, _] | [height, width, _] = shape[..] {
        [height, width]
    } else {
        [0; 2]
    };
    let network_options = model.network().run_options();
    Ok(Measurement {
        model: model.name().to_owned(),
        height,
        width,
        batch,
        threads: network_options.pool.threads(),
        precision: match plan.numerics().compute {
            // The usual name in measurements.
            Precision::Float32 => "f32",
            other => other.name(),
        },
        weights: plan.numerics().weight_storage.name(),
        min_ms: milliseconds(times[0]),
        median_ms: milliseconds(times[times.len() / 2]),
        runs: times.len(),
        load_s: loaded.as_secs_f64(),
        peak_rss_mb: peak_rss_mb(),
        level: network_options.level.name(),
    })
}

/// Measures runs for `min_time`, at least [`MIN_RUNS`] of them.
fn time_runs(model: &Model, plan: &Plan, min_time: Duration) -> Result<Vec<Duration>> {
    let pool = &model.network().run_options().pool;
    let mut activations = plan.activations(pool.threads())?;
    let (mut started, mut times) = (Instant::now(), Vec::new());
    while times.len() < WARM_UP_RUNS + MIN_RUNS || started.elapsed() < min_time {
        fill_with_noise(plan, &mut activations);
        let run_started = Instant::now();
        plan.run(&mut activations, pool);
        times.push(run_started.elapsed());
        if times.len() == WARM_UP_RUNS {
            started = Instant::now();
        }
    }
    Ok(times.split_off(WARM_UP_RUNS))
}

/// Fills the inputs with the same numbers for every run. A run overwrites its inputs, and some CPUs
/// multiply zeros faster.
pub(super) fn fill_with_noise(plan: &Plan, activations: &mut Activations) {
    // Marsaglia's xorshift.
    let mut state = 0x9e37_79b9_u32;
    for port in plan.inputs() {
        for value in activations.input(port) {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            *value = state as f32 / u32::MAX as f32 * 2.0 - 1.0;
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Returns the peak resident memory of this process in MB, on Linux.
fn peak_rss_mb() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = peak.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

fn write_text(out: &mut dyn Write, measurement: &Measurement) -> io::Result<()> {
    let Measurement {
        model,
        height,
        width,
        batch,
        threads,
        precision,
        min_ms,
        median_ms,
        runs,
        load_s,
        ..
    } = measurement;
    let weights = match measurement.weights {
        "float32" => String::new(),
        storage => format!(" with {storage} weights"),
    };
    writeln!(
        out,
        "{model}, {batch} x {height} x {width}, {precision}{weights}, {} on {}",
        measurement.level,
        count(*threads, "thread")
    )?;
    writeln!(
        out,
        "  forward pass  {min_ms:.2} ms at best, {median_ms:.2} ms median of {runs} runs"
    )?;
    writeln!(out, "  loading       {load_s:.3} s")?;
    match measurement.peak_rss_mb {
        Some(peak) => writeln!(out, "  peak memory   {peak:.0} MB"),
        None => Ok(()),
    }
}

/// Parses a number of seconds, up to a day.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "give a number of seconds, up to a day".into())
}
