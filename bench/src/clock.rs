//! Clocks.

use std::time::{Duration, Instant};

/// A clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Wall-clock time.
    Wall,
    /// CPU time of the calling thread (Linux only). Other processes disturb it less, though caches
    /// and memory are still shared with them.
    Thread,
}

impl Clock {
    /// Returns the time that a function takes.
    pub fn time(self, work: impl FnOnce()) -> Duration {
        match self {
            Self::Wall => {
                let started = Instant::now();
                work();
                started.elapsed()
            }
            Self::Thread => {
                let started = on_cpu();
                work();
                on_cpu() - started
            }
        }
    }
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn on_cpu() -> Duration {
    const CLOCK_THREAD_CPUTIME_ID: i32 = 3;
    #[repr(C)]
    struct TimeSpec {
        seconds: i64,
        nanoseconds: i64,
    }
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut TimeSpec) -> i32;
    }
    let mut time = TimeSpec { seconds: 0, nanoseconds: 0 };
    // SAFETY: the structure is the system's `timespec` on 64-bit Linux, and lives for the call.
    let outcome = unsafe { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(outcome, 0, "the system has no clock for threads");
    Duration::new(time.seconds.unsigned_abs(), time.nanoseconds as u32)
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
fn on_cpu() -> Duration {
    panic!("this system has no such clock")
}
