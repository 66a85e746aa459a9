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

/// How often multiply-adds are measured: the fastest counts, for threads are interrupted now and then.
const TURNS: usize = 16;
/// Round trips that are timed together, and how often; no more of them after so long.
const TRIPS: u32 = 25;
const THROWS: usize = 400;
const LONGEST: Duration = Duration::from_millis(100);

impl Company {
    /// Measures; some thirty milliseconds on a machine that has nothing else to do.
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

impl Ball {
    fn throw(&self, value: u32) {
        self.0.store(value, Ordering::Release);
    }

    /// What the other thread makes of what was thrown.
    fn catch(&self, thrown: u32) -> u32 {
        loop {
            let value = self.0.load(Ordering::Acquire);
            if value != thrown {
                return value;
            }
            spin_loop();
        }
    }
}

fn round_trip() -> Duration {
    const THE_END: u32 = u32::MAX;
    let (ball, began) = (Ball(AtomicU32::new(0)), Instant::now());
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut value = ball.catch(0);
            while value != THE_END {
                ball.throw(value + 1);
                value = ball.catch(value + 1);
            }
        });
        let mut thrown = 0;
        let mut turn = || {
            let start = Instant::now();
            for _ in 0..TRIPS {
                ball.throw(thrown + 1);
                thrown = ball.catch(thrown + 1);
            }
            start.elapsed() / TRIPS
        };
        let mut fastest = turn();
        // Threads that have to share a CPU wait for each other for long.
        for _ in (1..THROWS).take_while(|_| began.elapsed() < LONGEST) {
            fastest = fastest.min(turn());
        }
        ball.throw(THE_END);
        fastest
    })
}
