//! Times a network in float32, in bf16 and in 8-bit integers, in turns in one process, and prints
//! how many times faster than float32 the others are.
//!
//! ```sh
//! lorgnette models quantise resnet_v1_50 --random-weights --net-option num_classes=1000 \
//!     --calibrate photos --min-agreement 0 --out resnet_v1_50.tflite
//! lorgnette-integers resnet_v1_50=resnet_v1_50.tflite... [--threads N] [--rounds N]
//!     [--level L]
//! ```
//!
//! Each line of JSON is a network: milliseconds, at best and as the median, and medians of the
//! ratios of neighbouring runs, which hold on a machine that other work shares.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use lorgnette_kernels::{Level, NumericOptions, Precision, ThreadPool};
use lorgnette_net::plan::Activations;
use lorgnette_net::zoo::{self, Architecture, RandomWeights};
use lorgnette_net::{LoadOptions, Network, Plan, RunOptions};

/// Runs before the measured ones.
const WARM_UP_RUNS: usize = 3;

fn main() {
    let (mut threads, mut rounds, mut level, mut networks) = (2, 100, Level::best(), Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value after an option");
        match argument.as_str() {
            "--threads" => threads = value().parse().expect("a number of threads"),
            "--rounds" => rounds = value().parse().expect("a number of rounds"),
            "--level" => level = value().parse().expect("a level"),
            _ => networks.push(argument),
        }
    }
    let pool = Arc::new(ThreadPool::new(threads));
    for network in &networks {
        let (name, file) = network.split_once('=').expect("NAME=FILE.tflite");
        let net = zoo::find(name).expect("a network of the zoo");
        let run = RunOptions { level, ..RunOptions::with_pool(Arc::clone(&pool)) };
        let mut candidates = vec![Candidate::of_zoo(net, Precision::Float32, run.clone())];
        if Precision::Bf16.is_available(level) {
            candidates.push(Candidate::of_zoo(net, Precision::Bf16, run.clone()));
        }
        let network = Network::open(Path::new(file), LoadOptions::default(), run);
        candidates.push(Candidate::new("int8", net, &network.expect("a .tflite file")));
        println!("{}", compare(name, &mut candidates, rounds, &pool));
    }
}

/// A network in one arithmetic.
struct Candidate {
    name: &'static str,
    plan: Arc<Plan>,
    activations: Activations,
    times: Vec<f64>,
}

impl Candidate {
    fn of_zoo(net: &'static Architecture, compute: Precision, run: RunOptions) -> Self {
        let numerics = NumericOptions { compute, ..NumericOptions::default() };
        let run = RunOptions { numerics, ..run };
        let weights = Arc::new(RandomWeights);
        let network = Network::from_architecture(net, weights, LoadOptions::default(), run);
        Self::new(compute.name(), net, &network.expect("a network of random weights"))
    }

    fn new(name: &'static str, net: &Architecture, network: &Network) -> Self {
        let signature = network.signature().expect("one input and one output");
        let shape = [1, net.side, net.side, net.channels];
        let feeds = [(signature.input.name.as_str(), &shape[..])];
        let plan = network.plan(&feeds, &[&signature.logits]).expect("a plan");
        let threads = network.run_options().pool.threads();
        let activations = plan.activations(threads).expect("memory for activations");
        Self { name, plan, activations, times: Vec::new() }
    }

    fn run(&mut self, pool: &ThreadPool) -> f64 {
        for port in self.plan.inputs() {
            for (i, value) in self.activations.input(port).iter_mut().enumerate() {
                *value = ((i * 7919) % 255) as f32 / 127.5 - 1.0;
            }
        }
        let started = Instant::now();
        self.plan.run(&mut self.activations, pool);
        started.elapsed().as_secs_f64() * 1e3
    }
}

/// Runs all candidates in turns and returns a line of JSON.
fn compare(
    network: &str,
    candidates: &mut [Candidate],
    rounds: usize,
    pool: &ThreadPool,
) -> String {
    for round in 0..WARM_UP_RUNS + rounds {
        for candidate in candidates.iter_mut() {
            let time = candidate.run(pool);
            if round >= WARM_UP_RUNS {
                candidate.times.push(time);
            }
        }
    }
    let float32 = candidates[0].times.clone();
    let fields: Vec<String> = candidates
        .iter()
        .map(|Candidate { name, times, .. }| {
            let ratios = float32.iter().zip(times).map(|(float32, time)| float32 / time);
            format!(
                "\"{name}\": {{\"min_ms\": {:.3}, \"median_ms\": {:.3}, \"times_float32\": {:.3}, \
                 \"times_float32_at_best\": {:.3}}}",
                min(times),
                median(times.clone()),
                median(ratios.collect()),
                min(&float32) / min(times),
            )
        })
        .collect();
    format!(
        "{{\"network\": \"{network}\", \"threads\": {}, {}}}",
        pool.threads(),
        fields.join(", ")
    )
}

fn min(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
