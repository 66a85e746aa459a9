//! The memory of the process: one limit that all threads and all stages share.
//!
//! ```text
//! every allocation ─▶ LimitedAllocator ─▶ counted; beyond the limit the program ends
//! a stage that knows what it needs ─▶ check, reserve ─▶ an error in place of that
//! ```
//! A program installs [`LimitedAllocator`] and calls [`set_limit`]. Without them nothing is counted
//! and every check passes: a library does not decide about the memory of its program.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// Bytes that the process may allocate.
static LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);
/// Bytes that it has allocated, but for at most [`MAX_UNCOUNTED`] of each thread.
static USED: AtomicI64 = AtomicI64::new(0);
/// The maximum of [`USED`].
static PEAK: AtomicI64 = AtomicI64::new(0);

/// Bytes that a thread allocates or frees before it adds them to the common count.
const MAX_UNCOUNTED: i64 = 256 << 10;

thread_local! {
    static UNCOUNTED: Cell<i64> = const { Cell::new(0) };
}

/// Sets the bytes that the process may allocate, of which [`LimitedAllocator`] sees to.
pub fn set_limit(bytes: u64) {
    LIMIT.store(bytes, Relaxed);
}

/// Returns the limit of [`set_limit`].
#[must_use]
pub fn limit() -> u64 {
    LIMIT.load(Relaxed)
}

/// Returns the bytes that are allocated now; 0 without [`LimitedAllocator`].
#[must_use]
pub fn used() -> u64 {
    USED.load(Relaxed).max(0) as u64
}

/// Returns the largest number of bytes that was allocated at a time; 0 without
/// [`LimitedAllocator`].
#[must_use]
pub fn peak() -> u64 {
    PEAK.load(Relaxed).max(0) as u64
}

/// Checks that `bytes` more fit within the limit. `what` says what they are for.
///
/// # Errors
/// [`Error::Memory`] if they do not.
pub fn check(what: &str, bytes: u64) -> Result<()> {
    let (limit, needed) = (limit(), used().saturating_add(bytes));
    if needed <= limit {
        return Ok(());
    }
    Err(Error::Memory { what: format!("{what}, with what is in use,"), needed, limit })
}

/// The system's allocator within the limit of [`set_limit`].
///
/// A request that exceeds it ends the process with a message and exit code 2: Rust has no way to
/// refuse memory to code that does not expect it.
#[derive(Debug)]
pub struct LimitedAllocator;

/// Counts bytes that are about to be allocated.
fn take(bytes: usize) {
    let used = count(bytes as i64);
    if used > 0 && used as u64 > LIMIT.load(Relaxed) {
        end_process();
    }
}

/// Counts bytes, negative ones if they are freed; returns those in use, 0 if the common count is
/// unchanged.
fn count(bytes: i64) -> i64 {
    let pending = UNCOUNTED.try_with(|uncounted| {
        let pending = uncounted.get() + bytes;
        let is_due = pending.abs() >= MAX_UNCOUNTED;
        uncounted.set(if is_due { 0 } else { pending });
        if is_due { pending } else { 0 }
    });
    // A thread that ends has no such variable.
    let pending = pending.unwrap_or(bytes);
    if pending == 0 {
        return 0;
    }
    let used = USED.fetch_add(pending, Relaxed) + pending;
    PEAK.fetch_max(used, Relaxed);
    used
}

/// Ends the process with a message. Allocates nothing.
fn end_process() -> ! {
    const MESSAGE: &[u8] =
        b"lorgnette: more memory is needed than the limit allows: raise it with --memory-limit, or \
          give less at a time\n";
    /// Exit code of a program that could not do its work.
    const FAILED: i32 = 2;
    #[cfg(unix)]
    // SAFETY: both calls are allowed at any time; the message is as long as it says.
    unsafe {
        libc::write(libc::STDERR_FILENO, MESSAGE.as_ptr().cast(), MESSAGE.len());
        libc::_exit(FAILED)
    }
    #[cfg(not(unix))]
    {
        let _ = (MESSAGE, FAILED);
        std::process::abort()
    }
}

// SAFETY: every call is forwarded unchanged to the system's allocator.
unsafe impl GlobalAlloc for LimitedAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: the caller's obligations are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: the caller's obligations are those of the system's allocator.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both blocks may exist while one is copied to the other.
        take(size);
        count(-(layout.size() as i64));
        // SAFETY: the caller's obligations are those of the system's allocator.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the caller's obligations are those of the system's allocator.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Bytes that a thread is about to allocate and other threads may not plan with. They are free
/// again when it is dropped.
#[derive(Debug)]
pub struct Reservation {
    bytes: u64,
    thread: ThreadId,
}

/// The reservations of all threads.
#[derive(Debug, Default)]
struct Reservations {
    bytes: u64,
    /// The number of reservations that each thread made.
    of_thread: HashMap<ThreadId, usize>,
}

static RESERVATIONS: LazyLock<Mutex<Reservations>> = LazyLock::new(Mutex::default);
static RELEASED: Condvar = Condvar::new();

/// Reserves memory for work that several threads do at the same time, such as decoding photos.
/// While the others have too much, the call waits; a thread that has reserved memory itself never
/// does. `what` says what it is for.
///
/// # Errors
/// [`Error::Memory`] if half of the limit is not enough, or others do not release theirs.
pub fn reserve(what: &str, bytes: u64) -> Result<Reservation> {
    /// Maximum time to wait for other threads.
    const PATIENCE: Duration = Duration::from_secs(600);
    // The other half is for what is not reserved.
    let limit = limit() / 2;
    if bytes > limit {
        return Err(Error::Memory { what: what.into(), needed: bytes, limit });
    }
    let thread = thread::current().id();
    let mut reservations = reservations();
    // A call that does not wait reads no clock: WebAssembly has none.
    let mut started: Option<Instant> = None;
    while !reservations.has_room(bytes, limit, thread) {
        if started.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
            return Err(Error::Memory { what: what.into(), needed: bytes, limit });
        }
        let waited = RELEASED.wait_timeout(reservations, PATIENCE);
        reservations = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    reservations.bytes += bytes;
    *reservations.of_thread.entry(thread).or_default() += 1;
    Ok(Reservation { bytes, thread })
}

impl Reservations {
    fn has_room(&self, bytes: u64, limit: u64, thread: ThreadId) -> bool {
        self.bytes.saturating_add(bytes) <= limit || self.of_thread.contains_key(&thread)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut reservations = reservations();
        reservations.bytes -= self.bytes;
        if let Some(count) = reservations.of_thread.get_mut(&self.thread) {
            *count -= 1;
            if *count == 0 {
                reservations.of_thread.remove(&self.thread);
            }
        }
        drop(reservations);
        RELEASED.notify_all();
    }
}

fn reservations() -> MutexGuard<'static, Reservations> {
    RESERVATIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

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
}
