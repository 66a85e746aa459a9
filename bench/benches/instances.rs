//! Throughput of several callers and several instances, on a machine with other work.
//!
//!     cargo bench -p lorgnette-bench --bench instances [-- --seconds S --threads N]
//!
//! Callers that share N threads should have the throughput of one caller with all of them; the
//! difference is the cost of contention.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lorgnette::{Classifier, Model, ModelOptions, Picture};

const PHOTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../photos/chelsea.jpg");
/// Rounds of every case.
const ROUNDS: usize = 5;

struct Case {
    name: String,
    callers: Vec<Classifier>,
    /// Threads that only keep a core busy.
    busy: usize,
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (mut seconds, mut threads) = (0.5, 2);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().expect("a value after an option");
        match argument.as_str() {
            "--seconds" => seconds = value.parse().expect("a number of seconds"),
            "--threads" => threads = value.parse().expect("a number of threads"),
            other => panic!("{other} is no option"),
        }
    }
    let photo = Picture::open(PHOTO).expect("the photo of the README");
    let one = classifier(threads);
    let case =
        |name: &str, callers: Vec<Classifier>, busy| Case { name: name.into(), callers, busy };
    let cases = [
        case(&format!("one caller on {threads} threads"), vec![one.clone()], 0),
        case("two callers of one instance", vec![one.clone(), one.clone()], 0),
        case(
            &format!("two instances on {threads} threads each"),
            vec![one.clone(), classifier(threads)],
            0,
        ),
        case(
            "two instances on half of the threads each",
            vec![classifier(threads.div_ceil(2)), classifier(threads.div_ceil(2))],
            0,
        ),
        case("one caller beside a busy core", vec![one.clone()], 1),
        case("one caller beside as many busy cores as threads", vec![one], threads),
    ];
    let mut rates = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for (case, rates) in cases.iter().zip(&mut rates) {
            rates.push(case.photos_per_second(&photo, Duration::from_secs_f64(seconds)));
        }
    }
    println!("{:52} photos/s   of the first", "");
    for (case, measured) in cases.iter().zip(&rates) {
        let shares = measured.iter().zip(&rates[0]).map(|(rate, first)| rate / first).collect();
        println!("{:52} {:>8.1}   {:>6.2}", case.name, median(measured.clone()), median(shares));
    }
}

fn classifier(threads: usize) -> Classifier {
    let options = ModelOptions { threads: Some(threads), ..ModelOptions::default() };
    Classifier::new(Model::embedded(&options).expect("the embedded network")).expect("a classifier")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Case {
    /// Returns the throughput of all callers together.
    fn photos_per_second(&self, photo: &Picture, time: Duration) -> f64 {
        let (done, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let started = Instant::now();
        thread::scope(|scope| {
            for _ in 0..self.busy {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        spin_loop();
                    }
                });
            }
            for caller in &self.callers {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        caller.classify(photo, 1).expect("an answer");
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            thread::sleep(time);
            over.store(true, Ordering::Relaxed);
        });
        done.into_inner() as f64 / started.elapsed().as_secs_f64()
    }
}
