//! `lorgnette explain`: a network's plan, step by step.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use lorgnette::kernels::Level;
use lorgnette::net::Plan;
use lorgnette::net::plan::{self, StepReport};
use lorgnette::{Model, ModelOptions, PreprocessSource};
use serde::Serialize;

use super::bench::fill_with_noise;
use crate::Outcome;
use crate::arguments::{Global, NetworkArguments, ReportFormat, Size};
use crate::messages::{Messages, count};
use crate::model;
use crate::stream::{write_json, write_report};
use crate::table::{Align, Fit, Table, width};

/// Show the steps of a network's plan, and how long they take
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    network: NetworkArguments,

    /// Rows and columns of the input
    #[arg(long, value_name = "N|HxW")]
    size: Option<Size>,

    /// Run the network and show how long each step takes
    #[arg(long)]
    time: bool,

    /// How to write the plan
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
}

const EXAMPLES: &str = "\
Examples:
  lorgnette explain
  lorgnette explain inception.pb --size 299 --time --threads 1
  lorgnette explain vgg_16 --random-weights --time --precision bf16";

/// Minimum duration of timing.
const TIMED_FOR: Duration = Duration::from_secs(1);
/// Untimed runs that warm the caches.
const WARM_UP_RUNS: usize = 2;
/// Minimum and maximum number of timed runs.
const TIMED_RUNS: std::ops::RangeInclusive<usize> = 5..=1000;
/// The column that is shortened on narrow terminals.
const SCOPE: usize = 1;
/// The columns that are dropped on narrower terminals: alternatives, in and out, weights, output.
const DROPPABLE: [usize; 4] = [4, 7, 6, 2];
const KIB: f64 = 1024.0;

/// The JSON of a plan.
#[derive(Serialize)]
struct Explanation {
    model: String,
    input: Input,
    output: Output,
    features: Option<String>,
    preprocessing: Preprocessing,
    classes: usize,
    labels: String,
    labels_file: Option<String>,
    level: &'static str,
    /// Why AMX is not used although the CPU has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_amx: Option<&'static str>,
    precision: &'static str,
    weights: &'static str,
    threads: usize,
    arena_bytes: usize,
    packed_bytes: usize,
    steps: Vec<Step>,
    total: Total,
}

#[derive(Serialize)]
struct Input {
    name: String,
    shape: Vec<usize>,
    decodes: bool,
}

#[derive(Serialize)]
struct Output {
    logits: String,
    probabilities: Option<String>,
    shape: Vec<usize>,
}

#[derive(Serialize)]
struct Preprocessing {
    style: &'static str,
    mean: Option<[f32; 3]>,
    scale: Option<f32>,
    guessed: bool,
    #[serde(skip)]
    in_words: String,
}

#[derive(Serialize)]
struct Step {
    step: usize,
    name: String,
    shape: Vec<usize>,
    kernel: String,
    /// Steps with the same number form a fused group.
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<usize>,
    /// Number formats of products and of weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    precision: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weights: Option<&'static str>,
    rejected: Vec<Alternative>,
    flops: u64,
    /// Multiplications executed: with Winograd kernels, fewer than half of `flops`.
    multiplications: u64,
    weight_bytes: usize,
    activation_bytes: usize,
    ms: Option<f64>,
    gflop_s: Option<f64>,
    share: Option<f64>,
}

/// A kernel that was not chosen, with its estimated cost relative to the chosen one.
#[derive(Serialize)]
struct Alternative {
    kernel: &'static str,
    cost: f64,
    precision: &'static str,
    multiplications: u64,
}

#[derive(Serialize)]
struct Total {
    flops: u64,
    weight_bytes: usize,
    activation_bytes: usize,
    ms: Option<f64>,
    gflop_s: Option<f64>,
}

/// Explains the plan.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    let options =
        ModelOptions { size: arguments.size.map(|Size(size)| size), ..global.model_options()? };
    let model = model::open_or_make(&arguments.network, global, &options, messages)?;
    let shape = model::input_shape(&model, arguments.size, 1)?;
    let input = model.signature().input.name.as_str();
    let plan = model.network().plan(&[(input, &shape)], &[model::answer(model.signature())])?;
    let times = if arguments.time { time_steps(&model, &plan)? } else { Vec::new() };
    let explanation = Explanation::new(&model, &plan, shape, &times);
    write_report(|out| match arguments.format {
        ReportFormat::Json => write_json(out, &explanation),
        ReportFormat::Text => explanation.write(out),
    })?;
    Ok(Outcome::Done)
}

/// The median time of each step.
fn time_steps(model: &Model, plan: &Plan) -> Result<Vec<Duration>> {
    let pool = &model.network().run_options().pool;
    let mut activations = plan.activations(pool.threads())?;
    let mut time = || {
        fill_with_noise(plan, &mut activations);
        plan.run_timed(&mut activations, pool)
    };
    for _ in 0..WARM_UP_RUNS {
        time();
    }
    let (started, mut runs) = (Instant::now(), Vec::new());
    while runs.len() < *TIMED_RUNS.start()
        || (started.elapsed() < TIMED_FOR && runs.len() < *TIMED_RUNS.end())
    {
        runs.push(time());
    }
    let median = |step: usize| {
        let mut times: Vec<Duration> = runs.iter().map(|run| run[step]).collect();
        times.sort_unstable();
        times[times.len() / 2]
    };
    Ok((0..runs[0].len()).map(median).collect())
}

impl Explanation {
    fn new(model: &Model, plan: &Plan, shape: Vec<usize>, times: &[Duration]) -> Self {
        let (signature, preprocess) = (model.signature(), model.preprocess());
        let options = model.network().run_options();
        let reports = plan.report(times);
        let total = Total::from_reports(&reports);
        let style = if signature.input.takes_decoded_image {
            "graph"
        } else {
            preprocess.preprocessing.name()
        };
        Self {
            model: model.name().to_owned(),
            input: Input {
                name: signature.input.name.clone(),
                shape,
                decodes: signature.input.takes_decoded_image,
            },
            output: Output {
                logits: signature.logits.clone(),
                probabilities: signature.probabilities.clone(),
                shape: plan.outputs()[0].fact.shape.clone(),
            },
            features: signature.features.clone(),
            preprocessing: Preprocessing {
                style,
                mean: preprocess.mean,
                scale: preprocess.scale,
                guessed: model.preprocess_source() == PreprocessSource::Assumed,
                in_words: model::describe_preprocessing(model),
            },
            classes: model.labels().len(),
            labels: model::describe_labels(model.labels()),
            labels_file: model.labels_file().map(|file| file.display().to_string()),
            level: plan.level().name(),
            not_amx: Level::Amx.unavailable_reason(),
            precision: plan.numerics().compute.name(),
            weights: plan.numerics().weight_storage.name(),
            threads: options.pool.threads(),
            arena_bytes: plan.activation_bytes(options.pool.threads()),
            packed_bytes: model.network().packed_bytes(),
            steps: (1..)
                .zip(reports)
                .map(|(number, report)| Step::new(number, report, total.ms))
                .collect(),
            total,
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.write_head(out)?;
        self.table().write(out, Fit { width: width(), elastic: SCOPE, droppable: &DROPPABLE })?;
        if self.steps.iter().any(|step| step.chain.is_some()) {
            writeln!(
                out,
                "\n┌ │ └  layers that go through the picture together, some rows at a time"
            )?;
        }
        let (arena, packed) = (mib(self.arena_bytes), mib(self.packed_bytes));
        writeln!(
            out,
            "\nmemory: {arena:.1} MiB activations in one arena, {packed:.1} MiB packed weights"
        )
    }

    fn write_head(&self, out: &mut dyn Write) -> io::Result<()> {
        let answer = self.output.probabilities.as_ref().unwrap_or(&self.output.logits);
        let not_amx = self.not_amx.map_or_else(String::new, |why| format!(" (not amx: {why})"));
        let numerics = self.numerics();
        writeln!(
            out,
            "{}, {}{not_amx}{numerics} on {}",
            self.model,
            self.level,
            count(self.threads, "thread")
        )?;
        writeln!(out, "  input          {} {}", self.input.name, shape_text(&self.input.shape))?;
        writeln!(out, "  preprocessing  {}", self.preprocessing.in_words)?;
        writeln!(out, "  output         {answer} {}", shape_text(&self.output.shape))?;
        if let Some(features) = &self.features {
            writeln!(out, "  features       {features}")?;
        }
        write!(out, "  labels         {}", self.labels)?;
        match &self.labels_file {
            Some(file) => writeln!(out, ", from {file}\n"),
            None => writeln!(out, "\n"),
        }
    }

    /// Number formats other than float32 that were requested.
    fn numerics(&self) -> String {
        let precision =
            (self.precision != "float32").then(|| format!(", precision {}", self.precision));
        let weights = (self.weights != "float32").then(|| format!(", {} weights", self.weights));
        [precision, weights].into_iter().flatten().collect()
    }

    fn table(&self) -> Table {
        let timed = self.total.ms.is_some();
        let mut columns = vec![
            ("step", Align::Right),
            ("scope", Align::Left),
            ("output", Align::Left),
            ("kernel", Align::Left),
            ("rejected, at so\nmany times the cost", Align::Left),
            ("MFLOP", Align::Right),
            ("weights\nKiB", Align::Right),
            ("in+out\nKiB", Align::Right),
        ];
        if timed {
            columns.extend([
                ("ms", Align::Right),
                ("GFLOP/s", Align::Right),
                ("share", Align::Right),
            ]);
        }
        let mut table = Table::new(&columns);
        for (i, step) in self.steps.iter().enumerate() {
            let is_linked = |other: Option<&Step>| {
                step.chain.is_some() && other.is_some_and(|other| other.chain == step.chain)
            };
            let before = i.checked_sub(1).and_then(|before| self.steps.get(before));
            table.row(step.cells(bracket(is_linked(before), is_linked(self.steps.get(i + 1)))));
        }
        table.total(self.total.cells());
        table
    }
}

impl Alternative {
    fn new(other: &plan::Alternative) -> Self {
        let plan::Alternative { kernel, cost, numerics, products } = *other;
        Self { kernel, cost, precision: numerics.compute.name(), multiplications: products }
    }
}

impl Step {
    fn new(step: usize, report: StepReport, total_ms: Option<f64>) -> Self {
        let StepReport {
            name,
            kernel,
            numerics,
            alternatives: rejected,
            shape,
            flops,
            products,
            group: chain,
            time,
            ..
        } = report;
        let rejected = rejected.iter().map(Alternative::new).collect();
        let ms = time.map(milliseconds);
        let share = ms.zip(total_ms).map(|(ms, total)| if total > 0.0 { ms / total } else { 0.0 });
        let gflop_s = rate(flops, ms);
        let (precision, weights) = numerics
            .map(|numerics| (numerics.compute.name(), numerics.weight_storage.name()))
            .unzip();
        Self {
            step,
            name,
            shape,
            kernel,
            chain,
            precision,
            weights,
            rejected,
            flops,
            multiplications: products,
            weight_bytes: report.weight_bytes,
            activation_bytes: report.activation_bytes,
            ms,
            gflop_s,
            share,
        }
    }

    fn cells(&self, bracket: &str) -> Vec<String> {
        let kernel = format!("{bracket}{}", self.kernel);
        let mut cells =
            vec![self.step.to_string(), self.name.clone(), shape_text(&self.shape), kernel];
        let rejected: Vec<String> = self
            .rejected
            .iter()
            .map(|other| format!("{} {:.1}", other.kernel, other.cost))
            .collect();
        cells.push(rejected.join(", "));
        cells.extend(sizes(self.flops, self.weight_bytes, self.activation_bytes));
        if let (Some(ms), Some(share)) = (self.ms, self.share) {
            cells.extend([
                format!("{ms:.3}"),
                rate_cell(self.gflop_s),
                format!("{:.1} %", share * 100.0),
            ]);
        }
        cells
    }
}

impl Total {
    fn from_reports(reports: &[StepReport]) -> Self {
        let flops = reports.iter().map(|report| report.flops).sum();
        let time: Option<Duration> = reports.iter().map(|report| report.time).sum();
        let ms = time.filter(|_| !reports.is_empty()).map(milliseconds);
        Self {
            flops,
            weight_bytes: reports.iter().map(|report| report.weight_bytes).sum(),
            activation_bytes: reports.iter().map(|report| report.activation_bytes).sum(),
            ms,
            gflop_s: rate(flops, ms),
        }
    }

    fn cells(&self) -> Vec<String> {
        let mut cells =
            vec![String::new(), "total".into(), String::new(), String::new(), String::new()];
        cells.extend(sizes(self.flops, self.weight_bytes, self.activation_bytes));
        if let Some(ms) = self.ms {
            cells.extend([format!("{ms:.3}"), rate_cell(self.gflop_s), String::new()]);
        }
        cells
    }
}

/// The bracket's character at a step of a fused group, linked with the steps above or below.
fn bracket(above: bool, below: bool) -> &'static str {
    match (above, below) {
        (false, true) => "┌ ",
        (true, true) => "│ ",
        (true, false) => "└ ",
        (false, false) => "",
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// GFLOP per second; `None` for steps without arithmetic.
fn rate(flops: u64, ms: Option<f64>) -> Option<f64> {
    ms.filter(|&ms| ms > 0.0 && flops > 0).map(|ms| flops as f64 / ms / 1e6)
}

fn rate_cell(gflop_s: Option<f64>) -> String {
    gflop_s.map_or_else(String::new, |rate| format!("{rate:.1}"))
}

fn sizes(flops: u64, weight_bytes: usize, activation_bytes: usize) -> [String; 3] {
    let kib = |bytes: usize| format!("{:.0}", bytes as f64 / KIB);
    [format!("{:.2}", flops as f64 / 1e6), kib(weight_bytes), kib(activation_bytes)]
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / KIB / KIB
}

/// `1x224x224x3`.
fn shape_text(shape: &[usize]) -> String {
    let sides: Vec<String> = shape.iter().map(ToString::to_string).collect();
    if sides.is_empty() { "scalar".into() } else { sides.join("x") }
}
