//! Prints the limits of this machine as a line of JSON. `bench/compare` runs it before timing, and
//! `bench/roofline.py` relates layers to it.
//!
//!     lorgnette-machine            the relation of two threads, in some thirty milliseconds
//!     lorgnette-machine --limits [--level L] [--threads N]
//!
//! With `--limits` it also measures how fast one thread, and N, multiply and read.

use lorgnette_bench::core_proximity::CoreProximity;
use lorgnette_bench::{peak, read_bandwidth};
use lorgnette_kernels::{Level, ThreadPool};

/// Measurements of a peak, of which the highest counts.
const REPETITIONS: usize = 60;

fn main() {
    let (mut level, mut threads, mut limits) = (Level::best(), 2, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value after an option");
        match argument.as_str() {
            "--limits" => limits = true,
            "--level" => level = value().parse().expect("a level"),
            "--threads" => threads = value().parse().expect("a number of threads"),
            _ => panic!("unknown option {argument}"),
        }
    }
    let CoreProximity { round_trip, one_thread_gflops, two_threads_gflops } =
        CoreProximity::measure(level);
    let core_proximity = format!(
        "\"round_trip_ns\": {}, \"alone_gflops\": {one_thread_gflops:.1}, \
         \"together_gflops\": {two_threads_gflops:.1}",
        round_trip.as_nanos()
    );
    if limits {
        let [one, all] = [1, threads].map(|threads| measure_limits(level, threads));
        println!(r#"{{{core_proximity}, "level": "{level}", "one": {one}, "all": {all}}}"#);
    } else {
        println!("{{{core_proximity}}}");
    }
}

/// Measures a number of threads together.
fn measure_limits(level: Level, threads: usize) -> String {
    let pool = ThreadPool::new(threads);
    let best = |measure: &dyn Fn() -> f64| (0..REPETITIONS).map(|_| measure()).fold(0.0, f64::max);
    let float32 = best(&|| peak::gflops(level, &pool));
    let bf16 = best(&|| peak::bf16_gflops(level, &pool).unwrap_or(0.0));
    let (memory, cache) = (
        read_bandwidth::from_memory(level, &pool),
        read_bandwidth::from_shared_cache(level, &pool),
    );
    format!(
        "{{\"threads\": {threads}, \"float32_gflops\": {float32:.1}, \"bf16_gflops\": {bf16:.1}, \
         \"memory_gb_s\": {memory:.1}, \"shared_cache_gb_s\": {cache:.1}}}"
    )
}
