//! Times every convolution of four networks and adds them up.
//!
//!     cargo bench -p lorgnette-bench --bench networks [-- [--threads N] [--level L] [--precision P] [--weights W]
//!         [--layer PART_OF_NAME] [--all] [--busy] [NETWORK...]]
//!
//! Layers of a network are timed in turns, so that each finds the caches as its predecessor left them. With `--all`, every
//! kernel that can compute a layer is timed, in turns too, and set against what the choice takes it to cost. With `--busy`, and
//! one thread, what counts is the time on the CPU, which the machine's other work disturbs less.

use std::time::Duration;

use lorgnette_bench::clock::Clock;

use lorgnette_bench::layers::{self, Layer};
use lorgnette_bench::peak;
use lorgnette_bench::trial::Trial;
use lorgnette_kernels::{Formats, Level, Pool};

const ROUNDS: usize = 15;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (mut threads, mut level, mut part, mut networks) = (2, Level::best(), String::new(), Vec::new());
    let (mut all, mut busy, mut formats) = (false, false, Formats::default());
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value after an option");
        match argument.as_str() {
            "--threads" => threads = value().parse().expect("a number of threads"),
            "--level" => level = value().parse().expect("a level"),
            "--precision" => formats.precision = value().parse().expect("a precision"),
            "--weights" => formats.weights = value().parse().expect("a format of weights"),
            "--layer" => part = value(),
            "--all" => all = true,
            "--busy" => busy = true,
            _ => networks.push(argument),
        }
    }
    assert!(threads == 1 || !busy, "--busy is for one thread");
    let pool = Pool::new(threads);
    let clock = if busy { Clock::Thread } else { Clock::Wall };
    println!("{level}, {threads} threads");
    for network in ["vgg_16", "resnet_v1_50", "inception_v3", "mobilenet_v1"] {
        if networks.is_empty() || networks.iter().any(|name| name == network) {
            let layers = layers::all().into_iter();
            let layers: Vec<Layer> =
                layers.filter(|layer| layer.network == network && layer.to_string().contains(&part)).collect();
            if all {
                compare_kernels(network, &layers, (level, formats), (&pool, clock));
            } else {
                time_layers(network, &layers, (level, formats), (&pool, clock));
            }
        }
    }
}

fn time_layers(network: &str, layers: &[Layer], (level, formats): (Level, Formats), (pool, clock): (&Pool, Clock)) {
    let mut trials: Vec<Trial> = layers.iter().map(|layer| Trial::new(layer, level, formats, pool)).collect();
    let mut times = vec![Vec::new(); trials.len()];
    let mut peak: f64 = 0.0;
    for _ in 0..ROUNDS {
        peak = peak.max(peak::gflops(level, pool));
        for (trial, times) in trials.iter_mut().zip(&mut times) {
            times.push(clock.time(|| trial.run(pool)));
        }
    }
    println!(
        "\n{network:40}{:>10} {:>5} {:>10} {:>10} {:>9} {:>5}",
        "kernel", "times", "min ms", "median ms", "GFLOP/s", "peak"
    );
    let (mut least, mut usual, mut flops) = (0.0, 0.0, 0);
    for ((layer, trial), times) in layers.iter().zip(&trials).zip(&mut times) {
        times.sort();
        let (min, median) = (ms(times[0]), ms(times[ROUNDS / 2]));
        let rate = layer.flops() as f64 / min / 1e6;
        let name = layer.to_string();
        println!(
            "{name:40}{:>10} {:>5} {min:>10.3} {median:>10.3} {rate:>9.1} {:>4.0}%",
            trial.kernel(),
            layer.count,
            100.0 * rate / peak
        );
        least += min * layer.count as f64;
        usual += median * layer.count as f64;
        flops += layer.flops() * layer.count as u64;
    }
    let rate = flops as f64 / least / 1e6;
    println!("{:56} {least:>10.3} {usual:>10.3} {rate:>9.1} {:>4.0}% of {peak:.0}", "all", 100.0 * rate / peak);
}

/// Every kernel of every layer that has more than one: its time, and beside the chosen one's the measured and the reckoned.
fn compare_kernels(network: &str, layers: &[Layer], (level, formats): (Level, Formats), (pool, clock): (&Pool, Clock)) {
    println!("\n{network:40}{:>24} {:>10} {:>10} {:>10}", "kernel", "min ms", "measured", "reckoned");
    for layer in layers {
        let mut trials = Trial::all(layer, level, formats, pool);
        let mut times = vec![Vec::new(); trials.len()];
        for _ in 0..if trials.len() > 1 { ROUNDS } else { 0 } {
            for ((trial, _), times) in trials.iter_mut().zip(&mut times) {
                times.push(ms(clock.time(|| trial.run(pool))));
            }
        }
        let least: Vec<f64> = times.iter().filter_map(|times| times.iter().copied().reduce(f64::min)).collect();
        for ((trial, cost), min) in trials.iter().zip(&least) {
            let name = layer.to_string();
            println!("{name:40}{:>24} {min:>10.3} {:>10.2} {cost:>10.2}", trial.kernel(), min / least[0]);
        }
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
