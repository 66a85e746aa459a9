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

    /// What the other thread makes of what was thrown; `None` if it does not get to it.
    fn catch(&self, thrown: u32) -> Option<u32> {
        /// Looks between two at the clock.
        const LOOKS: usize = 4096;
        let look = || {
            spin_loop();
            Some(self.0.load(Ordering::Acquire)).filter(|value| *value != thrown)
        };
        if let Some(value) = (0..LOOKS).find_map(|_| look()) {
            return Some(value);
        }
        let began = Instant::now();
        while began.elapsed() < LONGEST {
            if let Some(value) = (0..LOOKS).find_map(|_| look()) {
                return Some(value);
            }
        }
        None
    }
}

/// The other thread: throws the ball back until it is told to stop, or nothing comes any more.
fn throw_back(ball: &Ball) {
    let mut caught = ball.catch(0);
    while let Some(value) = caught.filter(|value| *value != THE_END) {
        ball.throw(value + 1);
        caught = ball.catch(value + 1);
    }
}

const THE_END: u32 = u32::MAX;

fn round_trip() -> Duration {
    let (ball, began) = (Ball(AtomicU32::new(0)), Instant::now());
    thread::scope(|scope| {
        scope.spawn(|| throw_back(&ball));
        let mut thrown = 0;
        let mut turn = || {
            let start = Instant::now();
            for _ in 0..TRIPS {
                ball.throw(thrown + 1);
                thrown = ball.catch(thrown + 1)?;
            }
            Some(start.elapsed() / TRIPS)
        };
        // Threads that have to share a CPU wait for each other for long, or for ever.
        let turns = std::iter::from_fn(|| turn().filter(|_| began.elapsed() < LONGEST));
        let fastest = turns.take(THROWS).min().unwrap_or(LONGEST);
        ball.throw(THE_END);
        fastest
    })
}
