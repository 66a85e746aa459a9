//! What two threads of this machine are to each other. A virtual machine's two CPUs may be two cores that share a cache, two that do
//! not, or one core's two threads, and may change from one to the other at any time: then so does everyone's speed.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lorgnette_kernels::{Level, Pool};

use crate::peak;

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Company {
    /// How long a cache line takes to the other thread and back.
    pub round_trip: Duration,
    /// Floating-point operations a second of one thread alone, in billions,
    pub alone: f64,
    /// and of two together. On two cores it is twice as much.
    pub together: f64,
}

/// How often something is measured: the fastest counts, for threads are interrupted now and then.
const TURNS: usize = 16;
/// Round trips that are timed together.
const TRIPS: u32 = 1000;

impl Company {
    /// Measures; some thirty milliseconds.
    pub fn measure(level: Level) -> Self {
        let best = |threads| {
            let pool = Pool::new(threads);
            (0..TURNS).map(|_| peak::gflops(level, &pool)).fold(0.0, f64::max)
        };
        Self { together: best(2), alone: best(1), round_trip: round_trip() }
    }
}

/// A line on its own, and none that is fetched with it.
#[repr(align(256))]
struct Ball(AtomicU32);

fn round_trip() -> Duration {
    let ball = Ball(AtomicU32::new(0));
    let wait_for = |value| {
        while ball.0.load(Ordering::Acquire) != value {
            spin_loop();
        }
    };
    let trips = TRIPS * TURNS as u32;
    thread::scope(|scope| {
        scope.spawn(|| {
            for trip in 0..trips {
                wait_for(2 * trip + 1);
                ball.0.store(2 * trip + 2, Ordering::Release);
            }
        });
        let turn = |turn: u32| {
            let start = Instant::now();
            for trip in turn * TRIPS..(turn + 1) * TRIPS {
                ball.0.store(2 * trip + 1, Ordering::Release);
                wait_for(2 * trip + 2);
            }
            start.elapsed() / TRIPS
        };
        (0..TURNS as u32).map(turn).min().expect("there are turns")
    })
}
