//! Times every convolution of networks and adds them up.
//!
//!     cargo bench -p lorgnette-bench --bench networks [-- [--threads N] [--level L]
//!         [--precision P] [--weights W]
//!         [--layer PART_OF_NAME] [--all] [--busy] [--rounds N] [NETWORK... | --zoo]]
//!
//! Networks of the zoo, by TF-Slim's names; four by default, all 38 with `--zoo`. Layers are taken
//! from the plans that the program itself would run, so no shape is missing. A kernel is timed only
//! after its answer was compared with the reference's on the same data: if they differ, the
//! benchmark ends with the names of layer and kernel. With `--rounds 0` it only compares.
//!
//! Layers of a network are timed in turns, so that each finds the caches as its predecessor left
//! them. With `--all`, every kernel that can compute a layer is timed, in turns too, and compared
//! with its estimated cost. With `--busy` and one thread, CPU time is measured, which other work
//! disturbs less.

use std::time::Duration;

use lorgnette_bench::clock::Clock;

use lorgnette_bench::layers::{self, Layer};
use lorgnette_bench::peak;
use lorgnette_bench::trial::Trial;
use lorgnette_kernels::{Level, NumericOptions, ThreadPool};

const ROUNDS: usize = 15;
const USUAL: [&str; 4] = ["vgg_16", "resnet_v1_50", "inception_v3", "mobilenet_v1"];

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (mut threads, mut level, mut part, mut networks) =
        (2, Level::best(), String::new(), Vec::new());
    let (mut all, mut busy, mut rounds) = (false, false, ROUNDS);
    let mut numerics = NumericOptions::default();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value after an option");
        match argument.as_str() {
            "--threads" => threads = value().parse().expect("a number of threads"),
            "--level" => level = value().parse().expect("a level"),
            "--precision" => numerics.compute = value().parse().expect("a precision"),
            "--weights" => numerics.weight_storage = value().parse().expect("a format of weights"),
            "--layer" => part = value(),
            "--all" => all = true,
            "--busy" => busy = true,
            "--rounds" => rounds = value().parse().expect("a number of rounds"),
            "--zoo" => networks.extend(layers::networks().map(str::to_owned)),
            _ => networks.push(argument),
        }
    }
    assert!(threads == 1 || !busy, "--busy is for one thread");
    let pool = ThreadPool::new(threads);
    let clock = if busy { Clock::Thread } else { Clock::Wall };
    println!("{level}, {threads} threads");
    if networks.is_empty() {
        networks.extend(USUAL.map(str::to_owned));
    }
    let bench = Bench { level, numerics, pool, clock, rounds };
    for network in &networks {
        let layers =
            layers::for_network(network, level, numerics).unwrap_or_else(|error| panic!("{error}"));
        let layers: Vec<Layer> =
            layers.into_iter().filter(|layer| layer.to_string().contains(&part)).collect();
        match (rounds, all) {
            (0, _) => bench.check_layers(network, &layers),
            (_, true) => bench.compare_kernels(network, &layers),
            (_, false) => bench.time_layers(network, &layers),
        }
    }
}

/// The settings of a measurement.
struct Bench {
    level: Level,
    numerics: NumericOptions,
    pool: ThreadPool,
    clock: Clock,
    rounds: usize,
}

impl Bench {
    fn time_layers(&self, network: &str, layers: &[Layer]) {
        let Self { level, numerics, pool, clock, rounds } = self;
        let mut trials: Vec<Trial> =
            layers.iter().map(|layer| Trial::new(layer, *level, *numerics, pool)).collect();
        let mut times = vec![Vec::new(); trials.len()];
        let mut peak: f64 = 0.0;
        for _ in 0..*rounds {
            peak = peak.max(peak::gflops(*level, pool));
            for (trial, times) in trials.iter_mut().zip(&mut times) {
                times.push(clock.time(|| trial.run(pool)));
            }
        }
        println!("\n{network:48}{:>20} times     min ms  median ms   GFLOP/s  peak", "kernel");
        let mut all = Total::default();
        for ((layer, trial), times) in layers.iter().zip(&trials).zip(&mut times) {
            times.sort();
            let (min, median) = (ms(times[0]), ms(times[rounds / 2]));
            println!(
                "{:48}{:>20} {}",
                layer.to_string(),
                trial.kernel(),
                all.add(layer, min, median, peak)
            );
        }
        println!("{:68} {}", "all", all.line(peak));
    }

    /// Prints every kernel of every layer that has more than one: its time, and relative to the
    /// chosen one's the measured and the estimated cost.
    fn compare_kernels(&self, network: &str, layers: &[Layer]) {
        println!(
            "\n{network:48}{:>20} {:>10} {:>10} {:>10}",
            "kernel", "min ms", "measured", "reckoned"
        );
        for layer in layers {
            let mut trials = Trial::all(layer, self.level, self.numerics, &self.pool);
            let mut times = vec![Vec::new(); trials.len()];
            for _ in 0..if trials.len() > 1 { self.rounds } else { 0 } {
                for ((trial, _), times) in trials.iter_mut().zip(&mut times) {
                    times.push(ms(self.clock.time(|| trial.run(&self.pool))));
                }
            }
            let min_times: Vec<f64> =
                times.iter().filter_map(|times| times.iter().copied().reduce(f64::min)).collect();
            for ((trial, cost), min) in trials.iter().zip(&min_times) {
                let name = layer.to_string();
                println!(
                    "{name:48}{:>20} {min:>10.3} {:>10.2} {cost:>10.2}",
                    trial.kernel(),
                    min / min_times[0]
                );
            }
        }
    }

    /// Compares every kernel that can compute a layer with the reference; times nothing.
    fn check_layers(&self, network: &str, layers: &[Layer]) {
        let kernels: usize = layers
            .iter()
            .map(|layer| Trial::all(layer, self.level, self.numerics, &self.pool).len())
            .sum();
        println!(
            "{network:32} {:>4} layers, {kernels:>4} kernels of them agree with their twins",
            layers.len()
        );
    }
}

/// Sums of the layers of a network.
#[derive(Default)]
struct Total {
    min_time: f64,
    usual: f64,
    flops: u64,
}

impl Total {
    /// Adds a layer's times, in milliseconds, for each occurrence; returns its own line.
    fn add(&mut self, layer: &Layer, min: f64, median: f64, peak: f64) -> String {
        let count = layer.count as f64;
        self.min_time += min * count;
        self.usual += median * count;
        self.flops += layer.flops() * layer.count as u64;
        format!("{:>5} {}", layer.count, figures(min, median, layer.flops(), peak))
    }

    fn line(&self, peak: f64) -> String {
        format!("{:>5} {} of {peak:.0}", "", figures(self.min_time, self.usual, self.flops, peak))
    }
}

fn figures(min: f64, median: f64, flops: u64, peak: f64) -> String {
    let rate = flops as f64 / min / 1e6;
    format!("{min:>10.3} {median:>10.3} {rate:>9.1} {:>4.0}%", 100.0 * rate / peak)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
