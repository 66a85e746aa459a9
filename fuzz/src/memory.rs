//! An allocator that counts, so that a case's peak can be held against its bound.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::watchdog;

/// More than any case may ever hold: beyond it the allocator refuses, before the machine suffers.
const MAX_LIVE_BYTES: usize = 6 << 30;

/// Bytes held by the process.
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// The most of them since [`Measure::start`].
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counted.
pub(crate) struct Counting;

/// Notes that so many bytes more are wanted; false if that is too many.
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

// SAFETY: every call is passed on to the system's allocator as it came, or refused with a null
// pointer.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !take(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promises are the system allocator's conditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !take(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promises are the system allocator's conditions.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !take(size) {
            return std::ptr::null_mut();
        }
        // Old and new block are both held while one is copied to the other.
        give(layout.size());
        // SAFETY: the caller's promises are the system allocator's conditions.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        give(layout.size());
        // SAFETY: the caller's promises are the system allocator's conditions.
        unsafe { System.dealloc(block, layout) }
    }
}

/// The memory one case takes.
pub(crate) struct Measure {
    before: usize,
}

impl Measure {
    /// Begins with what is held now as nothing.
    pub(crate) fn start() -> Self {
        let before = LIVE.load(Relaxed);
        PEAK.store(before, Relaxed);
        Self { before }
    }

    /// The most bytes held at once since the start.
    pub(crate) fn peak(&self) -> usize {
        PEAK.load(Relaxed).saturating_sub(self.before)
    }
}
