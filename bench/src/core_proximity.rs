//! What two threads of this machine are to each other. A virtual machine's two CPUs may be two
//! cores that share a cache, two that do not, or one core's two threads, and may change from one to
//! the other at any time: then so does everyone's speed.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lorgnette_kernels::{Level, ThreadPool};

use crate::peak;

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct CoreProximity {
    /// How long a cache line takes to the other thread and back.
    pub round_trip: Duration,
    /// Floating-point operations a second of one thread alone, in billions,
    pub one_thread_gflops: f64,
    /// and of two together. On two cores it is twice as much.
    pub two_threads_gflops: f64,
}

/// How often multiply-adds are measured: the fastest counts, for threads are interrupted now and
/// then.
const REPETITIONS: usize = 16;
/// Round trips that are timed together, and how often; no more of them after so long.
const ROUND_TRIPS: u32 = 25;
const MAX_REPETITIONS: usize = 400;
const MAX_WAIT: Duration = Duration::from_millis(100);

impl CoreProximity {
    /// Measures; some thirty milliseconds on a machine that has nothing else to do.
    pub fn measure(level: Level) -> Self {
        let best = |threads| {
            let pool = ThreadPool::new(threads);
            (0..REPETITIONS).map(|_| peak::gflops(level, &pool)).fold(0.0, f64::max)
        };
        Self { two_threads_gflops: best(2), one_thread_gflops: best(1), round_trip: round_trip() }
    }
}

/// A line on its own, and none that is fetched with it.
#[repr(align(256))]
struct CacheLine(AtomicU32);

impl CacheLine {
    fn send(&self, value: u32) {
        self.0.store(value, Ordering::Release);
    }

    /// What the other thread makes of what was thrown; `None` if it does not get to it.
    fn receive(&self, sent: u32) -> Option<u32> {
        /// Looks between two at the clock.
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

/// The other thread: throws the ball back until it is told to stop, or nothing comes any more.
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
        // Threads that have to share a CPU wait for each other for long, or for ever.
        let turns = std::iter::from_fn(|| turn().filter(|_| began.elapsed() < MAX_WAIT));
        let fastest = turns.take(MAX_REPETITIONS).min().unwrap_or(MAX_WAIT);
        line.send(STOP);
        fastest
    })
}
