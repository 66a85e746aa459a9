//! The relation of two threads of this machine. The two CPUs of a virtual machine may be two cores
//! that share a cache, two that do not, or two threads of one core, and may change at any time,
//! which changes all measurements.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lorgnette_kernels::{Level, ThreadPool};

use crate::peak;

/// The measurements.
#[derive(Clone, Copy, Debug)]
pub struct CoreProximity {
    /// Round-trip time of a cache line to the other thread and back.
    pub round_trip: Duration,
    /// GFLOP/s of one thread alone.
    pub one_thread_gflops: f64,
    /// GFLOP/s of two threads together; twice as much on two cores.
    pub two_threads_gflops: f64,
}

/// Measurements of multiply-adds, of which the fastest counts, because threads are interrupted.
const REPETITIONS: usize = 16;
/// Round trips timed together, their repetitions, and a time limit.
const ROUND_TRIPS: u32 = 25;
const MAX_REPETITIONS: usize = 400;
const MAX_WAIT: Duration = Duration::from_millis(100);

impl CoreProximity {
    /// Measures in some thirty milliseconds on an idle machine.
    pub fn measure(level: Level) -> Self {
        let best = |threads| {
            let pool = ThreadPool::new(threads);
            (0..REPETITIONS).map(|_| peak::gflops(level, &pool)).fold(0.0, f64::max)
        };
        Self { two_threads_gflops: best(2), one_thread_gflops: best(1), round_trip: round_trip() }
    }
}

/// A cache line without neighbours that are prefetched with it.
#[repr(align(256))]
struct CacheLine(AtomicU32);

impl CacheLine {
    fn send(&self, value: u32) {
        self.0.store(value, Ordering::Release);
    }

    /// Returns the other thread's answer to a value; `None` if it does not come.
    fn receive(&self, sent: u32) -> Option<u32> {
        /// Polls between two readings of the clock.
        const POLLS: usize = 4096;
        let poll = || {
            spin_loop();
            Some(self.0.load(Ordering::Acquire)).filter(|value| *value != sent)
        };
        if let Some(value) = (0..POLLS).find_map(|_| poll()) {
            return Some(value);
        }
        let began = Instant::now();
        while began.elapsed() < MAX_WAIT {
            if let Some(value) = (0..POLLS).find_map(|_| poll()) {
                return Some(value);
            }
        }
        None
    }
}

/// Runs the other thread: it answers until it is told to stop or values stop coming.
fn echo(line: &CacheLine) {
    let mut received = line.receive(0);
    while let Some(value) = received.filter(|value| *value != STOP) {
        line.send(value + 1);
        received = line.receive(value + 1);
    }
}

const STOP: u32 = u32::MAX;

fn round_trip() -> Duration {
    let (line, began) = (CacheLine(AtomicU32::new(0)), Instant::now());
    thread::scope(|scope| {
        scope.spawn(|| echo(&line));
        let mut sent = 0;
        let mut turn = || {
            let start = Instant::now();
            for _ in 0..ROUND_TRIPS {
                line.send(sent + 1);
                sent = line.receive(sent + 1)?;
            }
            Some(start.elapsed() / ROUND_TRIPS)
        };
        // Threads that share a CPU may wait for each other for very long.
        let turns = std::iter::from_fn(|| turn().filter(|_| began.elapsed() < MAX_WAIT));
        let fastest = turns.take(MAX_REPETITIONS).min().unwrap_or(MAX_WAIT);
        line.send(STOP);
        fastest
    })
}
