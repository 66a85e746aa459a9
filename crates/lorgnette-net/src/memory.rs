//! The memory of the process: one limit that all threads and all stages share.
//!
//! ```text
//! every allocation ─▶ LimitedAllocator ─▶ counted; beyond the limit the program ends
//! a stage that knows what it needs ─▶ check, reserve ─▶ an error in place of that
//! work in a Containment ─▶ given up before the limit; the program goes on
//! ```
//! A program installs [`LimitedAllocator`] and calls [`set_limit`]. Without them nothing is counted
//! and every check passes: a library does not decide about the memory of its program.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread, ThreadId};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// Bytes that the process may allocate.
static LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);
/// Bytes that it has allocated, but for at most [`MAX_UNCOUNTED`] of each thread.
static USED: AtomicI64 = AtomicI64::new(0);
/// The maximum of [`USED`].
static PEAK: AtomicI64 = AtomicI64::new(0);

/// Bytes of [`USED`] that others than the allocator take.
static ASIDE: AtomicI64 = AtomicI64::new(0);

/// Bytes that a thread allocates or frees before it adds them to the common count.
const MAX_UNCOUNTED: i64 = 256 << 10;

thread_local! {
    static UNCOUNTED: Cell<i64> = const { Cell::new(0) };
    /// The containment of the work that the thread does; null without one.
    static CONTAINMENT: Cell<*const Containment> = const { Cell::new(std::ptr::null()) };
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

/// Counts `bytes` that the process takes without [`LimitedAllocator`]: pages of the program,
/// libraries with an allocator of their own. A later call replaces them.
pub fn set_aside(bytes: u64) {
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    USED.fetch_add(bytes - ASIDE.swap(bytes, Relaxed), Relaxed);
}

/// Makes the system's allocator give freed memory back at once, so that the process holds little
/// more than [`used`]. glibc keeps what each thread has freed: after maps on eight threads, a
/// hundred mebibytes. Large blocks then cost a system call each, so this is for low limits.
pub fn return_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Bytes from which a block is mapped by itself, and unmapped when it is freed.
        const MIN_MAPPED: libc::c_int = 128 << 10;
        const MAX_ARENAS: libc::c_int = 2;
        for (parameter, value) in [
            (libc::M_MMAP_THRESHOLD, MIN_MAPPED),
            (libc::M_TRIM_THRESHOLD, MIN_MAPPED),
            (libc::M_ARENA_MAX, MAX_ARENAS),
        ] {
            // SAFETY: glibc allows the call at any time; it takes its own lock.
            unsafe { libc::mallopt(parameter, value) };
        }
    }
}

/// Returns the bytes that are allocated now, and those of [`set_aside`]; without
/// [`LimitedAllocator`] only these.
#[must_use]
pub fn used() -> u64 {
    USED.load(Relaxed).max(0) as u64
}

/// Returns the largest number of bytes that was in use at a time, as [`used`] counts them; 0
/// without [`LimitedAllocator`].
#[must_use]
pub fn peak() -> u64 {
    PEAK.load(Relaxed).max(0) as u64
}

/// Checks that `bytes` more fit within the limit. `what` says what they are for.
///
/// # Errors
/// [`Error::Memory`] if they do not.
pub fn check(what: &str, bytes: u64) -> Result<()> {
    let (limit, needed) = (limit_here(), used().saturating_add(bytes));
    if needed <= limit {
        return Ok(());
    }
    Err(Error::Memory { what: format!("{what}, with what is in use,"), needed, limit })
}

/// Memory that grows piece by piece, checked against the limit once a mebibyte.
#[derive(Debug)]
pub(crate) struct Meter {
    what: &'static str,
    /// Bytes since the last check.
    unchecked: Cell<u64>,
}

impl Meter {
    /// Creates a meter; `what` says what the memory is for.
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what, unchecked: Cell::new(0) }
    }

    /// Counts bytes that are about to be allocated.
    ///
    /// # Errors
    /// As [`check`].
    pub(crate) fn add(&self, bytes: u64) -> Result<()> {
        const PIECE: u64 = 1 << 20;
        let unchecked = self.unchecked.get().saturating_add(bytes);
        self.unchecked.set(if unchecked < PIECE { unchecked } else { 0 });
        if unchecked < PIECE { Ok(()) } else { check(self.what, unchecked) }
    }
}

/// The system's allocator within the limit of [`set_limit`].
///
/// A request that exceeds it ends the process with a message and exit code 2: Rust has no way to
/// refuse memory to code that does not expect it.
#[derive(Debug)]
pub struct LimitedAllocator;

/// Counts bytes that are about to be allocated.
fn take(bytes: usize) {
    let containment = Containment::current();
    if let Some(containment) = containment
        && bytes as i64 >= MAX_UNCOUNTED
    {
        return containment.take(bytes as i64);
    }
    // Small ones do not wait.
    let used = count(bytes as i64).max(0) as u64;
    if used > limit() {
        end_process(OVER_LIMIT);
    }
    if let Some(containment) = containment {
        containment.look_at(used);
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

/// The message when the limit is reached.
const OVER_LIMIT: &[u8] =
    b"lorgnette: more memory is needed than the limit allows: raise it with --memory-limit, or \
      give less at a time\n";
/// The message when the system has no more.
const OUT_OF_MEMORY: &[u8] =
    b"lorgnette: more memory is needed than the system gives (ulimit -v): give less at a time\n";

/// Returns the block of an allocation, if the system gave one. Work in a [`Containment`] may see
/// that there is none.
fn given(block: *mut u8) -> *mut u8 {
    if block.is_null() && Containment::current().is_none() {
        end_process(OUT_OF_MEMORY);
    }
    block
}

/// Ends the process with a message. Allocates nothing.
fn end_process(message: &[u8]) -> ! {
    /// Exit code of a program that could not do its work.
    const FAILED: i32 = 2;
    #[cfg(unix)]
    // SAFETY: both calls are allowed at any time; the message is as long as it says.
    unsafe {
        libc::write(libc::STDERR_FILENO, message.as_ptr().cast(), message.len());
        libc::_exit(FAILED)
    }
    #[cfg(not(unix))]
    {
        let _ = (message, FAILED);
        std::process::abort()
    }
}

// SAFETY: every call is forwarded unchanged to the system's allocator.
unsafe impl GlobalAlloc for LimitedAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: the caller's obligations are those of the system's allocator.
        given(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: the caller's obligations are those of the system's allocator.
        given(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both blocks may exist while one is copied to the other.
        take(size);
        count(-(layout.size() as i64));
        // SAFETY: the caller's obligations are those of the system's allocator.
        given(unsafe { System.realloc(block, layout, size) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the caller's obligations are those of the system's allocator.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Work that is given up when it takes too much memory, while the program goes on: a request of a
/// server.
///
/// ```text
/// 3/4 of the limit ─▶ given up: the watcher is woken, checks fail, so that the work soon ends
/// 31/32 of it      ─▶ an allocation waits until others have freed memory
/// ```
/// Memory cannot be refused to Rust code that does not expect it, nor can an allocator unwind. So a
/// thread that no check ends and for which nobody frees enough waits for good. The process ends
/// only if there has been no room for any work for half a minute.
#[derive(Debug)]
pub struct Containment {
    is_given_up: AtomicBool,
    watcher: Thread,
}

impl Containment {
    /// Creates a containment. `watcher` is unparked when the work is given up.
    #[must_use]
    pub fn new(watcher: Thread) -> Self {
        Self { is_given_up: AtomicBool::new(false), watcher }
    }

    /// Returns true if the work was given up.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.is_given_up.load(Relaxed)
    }

    /// Does `work` on the calling thread, contained.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        /// Takes the thread out of the containment again, also when the work panics.
        struct Reset(*const Containment);
        impl Drop for Reset {
            fn drop(&mut self) {
                CONTAINMENT.set(self.0);
            }
        }
        let _reset = Reset(CONTAINMENT.replace(self));
        work()
    }

    /// Returns that of the calling thread.
    fn current<'a>() -> Option<&'a Self> {
        let containment = CONTAINMENT.try_with(Cell::get).unwrap_or(std::ptr::null());
        // SAFETY: `run` borrows what it sets, and resets it before it returns. The reference is
        // used within one call of the allocator, on the thread that is in `run`.
        unsafe { containment.as_ref() }
    }

    /// Gives the work up if so many bytes are too many.
    fn look_at(&self, used: u64) {
        if used > soft_limit() && !self.is_given_up.swap(true, Relaxed) {
            self.watcher.unpark();
        }
    }

    /// Counts bytes that are about to be allocated as soon as they fit. Allocates nothing.
    fn take(&self, bytes: i64) {
        const PAUSE: Duration = Duration::from_millis(10);
        /// Maximum time without room for any work.
        const PATIENCE: Duration = Duration::from_secs(30);
        // The rest is for the threads that say so.
        let most = i64::try_from(limit() / 32 * 31).unwrap_or(i64::MAX);
        let with = |used: i64| used.checked_add(bytes).filter(|&sum| sum <= most);
        let mut full_since: Option<Instant> = None;
        loop {
            match USED.fetch_update(Relaxed, Relaxed, with) {
                Ok(before) => {
                    PEAK.fetch_max(before + bytes, Relaxed);
                    return self.look_at((before + bytes).max(0) as u64);
                }
                Err(_) => self.look_at(u64::MAX),
            }
            let since = full_since.get_or_insert_with(Instant::now);
            if used() <= soft_limit() {
                *since = Instant::now();
            } else if since.elapsed() > PATIENCE {
                end_process(OVER_LIMIT);
            }
            thread::sleep(PAUSE);
        }
    }
}

/// Returns the bytes in use at which contained work is given up.
fn soft_limit() -> u64 {
    limit() / 4 * 3
}

/// Returns the bytes that may be allocated where the calling thread is; none if its work is given
/// up.
fn limit_here() -> u64 {
    match Containment::current() {
        Some(containment) if containment.is_given_up() => 0,
        Some(_) => soft_limit(),
        None => limit(),
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
    use super::*;

    #[test]
    fn checks_fail_where_work_is_given_up() {
        let containment = Containment::new(thread::current());
        assert!(containment.run(|| check("a test", 1)).is_ok());
        containment.is_given_up.store(true, Relaxed);
        let error = containment.run(|| check("a test", 1)).unwrap_err().to_string();
        assert!(error.contains("a test"), "{error}");
        assert!(check("a test", 1).is_ok(), "others go on");
    }
}
