//! The limit of a process's memory. A test that sets it needs a process of its own: every other
//! test in the process would have that limit.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use lorgnette_net::memory::{reserve, set_limit};

#[test]
fn threads_that_reserve_together_stay_within_the_limit() {
    let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    set_limit(200);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let _reservation = reserve("a test", 40).unwrap();
                most.fetch_max(running.fetch_add(1, Relaxed) + 1, Relaxed);
                thread::sleep(Duration::from_millis(20));
                running.fetch_sub(1, Relaxed);
            });
        }
    });
    assert!(most.into_inner() <= 2, "100 bytes are reserved in pieces of 40");
    let first = reserve("a test", 90).unwrap();
    // A thread does not wait for itself.
    drop((reserve("a test", 90).unwrap(), first));
    let error = reserve("a test", 101).unwrap_err().to_string();
    set_limit(u64::MAX);
    assert!(error.contains("a test"), "{error}");
}
