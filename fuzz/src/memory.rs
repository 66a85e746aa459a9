//! A counting allocator, so that a case's peak can be compared with its bound.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::watchdog;

/// The maximum for the process: the allocator refuses more, before the machine runs out of memory.
const MAX_LIVE_BYTES: usize = 6 << 30;

/// Bytes allocated by the process.
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// The peak since [`Measure::start`].
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator with a counter.
pub(crate) struct Counting;

/// Adds bytes to the count; returns false if they exceed the maximum.
fn take(bytes: usize) -> bool {
    let live = LIVE.fetch_add(bytes, Relaxed).saturating_add(bytes);
    if live > MAX_LIVE_BYTES {
        LIVE.fetch_sub(bytes, Relaxed);
        watchdog::announce("asks for too much memory");
        return false;
    }
    PEAK.fetch_max(live, Relaxed);
    true
}

fn give(bytes: usize) {
    LIVE.fetch_sub(bytes, Relaxed);
}

// SAFETY: every call is forwarded unchanged to the system's allocator, or refused with a null
// pointer.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !take(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's obligations are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !take(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's obligations are those of the system's allocator.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !take(size) {
            return std::ptr::null_mut();
        }
        // Both blocks exist while one is copied to the other.
        give(layout.size());
        // SAFETY: the caller's obligations are those of the system's allocator.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        give(layout.size());
        // SAFETY: the caller's obligations are those of the system's allocator.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Measures the memory of one case.
pub(crate) struct Measure {
    before: usize,
}

impl Measure {
    /// Starts a measurement relative to the present allocation.
    pub(crate) fn start() -> Self {
        let before = LIVE.load(Relaxed);
        PEAK.store(before, Relaxed);
        Self { before }
    }

    /// Returns the peak in bytes since the start.
    pub(crate) fn peak(&self) -> usize {
        PEAK.load(Relaxed).saturating_sub(self.before)
    }
}
