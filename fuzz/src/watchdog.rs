//! Watches the running case for a hang.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::capture;
use crate::targets::{NAMES, Target};

/// The time limit of a case. The slowest valid ones take a few seconds; the rest is a margin for
/// busy machines.
pub(crate) const MAX_CASE_TIME: Duration = Duration::from_secs(30);

static SEED: AtomicU64 = AtomicU64::new(0);
static NUMBER: AtomicU64 = AtomicU64::new(0);
/// The index of the running case's target, counted from 1; 0 between cases.
static TARGET: AtomicUsize = AtomicUsize::new(0);
/// Milliseconds after [`BEGIN`].
static STARTED: AtomicU64 = AtomicU64::new(0);
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Marks a case as running until it is dropped.
pub(crate) struct Running;

impl Running {
    pub(crate) fn start(seed: u64, target: usize, number: u64) -> Self {
        SEED.store(seed, Relaxed);
        NUMBER.store(number, Relaxed);
        STARTED.store(BEGIN.elapsed().as_millis() as u64, Relaxed);
        TARGET.store(target + 1, Relaxed);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        TARGET.store(0, Relaxed);
    }
}

/// Prints `what` about the running case, if there is one, without allocating.
pub(crate) fn announce(what: &str) {
    let (target, number, seed) = (TARGET.load(Relaxed), NUMBER.load(Relaxed), SEED.load(Relaxed));
    if target > 0 {
        let name = NAMES[target - 1];
        capture::report(format_args!("target {name}, case {number} of seed {seed} {what}"));
    }
}

/// Ends the process if a case exceeds its time, after `save` has stored its input.
pub(crate) fn guard(
    targets: Arc<Vec<Box<dyn Target>>>,
    save: impl Fn(&dyn Target, &str, u64, u64) + Send + 'static,
) {
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_millis(500));
            let target = TARGET.load(Relaxed);
            let since =
                BEGIN.elapsed().saturating_sub(Duration::from_millis(STARTED.load(Relaxed)));
            if target == 0 || since < MAX_CASE_TIME {
                continue;
            }
            announce("does not come back");
            save(
                targets[target - 1].as_ref(),
                NAMES[target - 1],
                SEED.load(Relaxed),
                NUMBER.load(Relaxed),
            );
            std::process::exit(1);
        }
    });
}
