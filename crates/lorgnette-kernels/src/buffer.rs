//! Aligned storage for activations and packed weights.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Zeroed float32 values, aligned to 64 bytes: a cache line and an AVX-512 vector.
///
/// Pages are zeroed by the operating system and take no memory until they are first written.
pub struct Buffer {
    /// The first value, aligned.
    start: NonNull<f32>,
    len: usize,
    /// The allocator's block, which is deallocated on drop.
    block: NonNull<u8>,
    layout: Layout,
}

const ALIGNMENT: usize = 64;

impl Buffer {
    /// Allocates `len` zeros.
    ///
    /// # Errors
    /// If the allocator refuses.
    pub fn zeroed(len: usize) -> Result<Self, OutOfMemory> {
        // For 64-byte alignment the allocator would write the zeros itself. For the alignment of
        // `calloc` they come from the operating system, so the values are aligned within a slightly
        // larger block.
        let refused = OutOfMemory { floats: len };
        let bytes = len
            .checked_mul(size_of::<f32>())
            .and_then(|n| n.checked_add(ALIGNMENT))
            .ok_or(refused)?;
        let layout = Layout::from_size_align(bytes, align_of::<f32>()).map_err(|_| refused)?;
        // SAFETY: the layout's size is at least `ALIGNMENT`, so not zero.
        let block = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(refused)?;
        advise_huge_pages(block, bytes);
        let skip = block.as_ptr().align_offset(ALIGNMENT);
        assert!(skip < ALIGNMENT, "bytes can always be aligned");
        // SAFETY: `skip` is less than the `ALIGNMENT` bytes the block has beyond its floats.
        let start = unsafe { block.add(skip) }.cast::<f32>();
        Ok(Self { start, len, block, layout })
    }
}

/// Size in bytes from which a block is worth large pages.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
const HUGE_PAGE_THRESHOLD: usize = 4 << 20;

/// Asks the system to back a large block by large pages, where it leaves that to programs. Weights
/// are read from front to back once a run; with small pages a core would look up an address every 4
/// KiB, and the first touch would fault as often.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn advise_huge_pages(block: NonNull<u8>, bytes: usize) {
    const PAGE: usize = 4096;
    const MADV_HUGEPAGE: i32 = 14;
    unsafe extern "C" {
        fn madvise(address: *mut std::ffi::c_void, length: usize, advice: i32) -> i32;
    }
    if bytes >= HUGE_PAGE_THRESHOLD {
        let skip = block.as_ptr().align_offset(PAGE);
        let start = block.as_ptr().wrapping_add(skip);
        // SAFETY: whole pages inside the block; the advice changes nothing that a program can
        // observe. A refusal changes nothing either.
        unsafe { madvise(start.cast(), (bytes - skip) / PAGE * PAGE, MADV_HUGEPAGE) };
    }
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
fn advise_huge_pages(_block: NonNull<u8>, _bytes: usize) {}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `start` is aligned and `len` initialised floats follow it, owned by `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: `block` came from `alloc_zeroed` with this layout and is freed once.
        unsafe { dealloc(self.block.as_ptr(), self.layout) }
    }
}

// SAFETY: a buffer owns its values as a `Vec<f32>` does.
unsafe impl Send for Buffer {}
// SAFETY: shared references only allow reading.
unsafe impl Sync for Buffer {}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} floats)", self.len)
    }
}

/// The error of an allocation that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// Number of float32 values requested.
    pub floats: usize,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no memory for {} floats ({} MiB)",
            self.floats,
            self.floats.saturating_mul(4) >> 20
        )
    }
}

impl std::error::Error for OutOfMemory {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_zero_and_aligned() {
        for len in [0, 1, 15, 16, 1000, 1 << 20] {
            let mut buffer = Buffer::zeroed(len).unwrap();
            assert_eq!(buffer.len(), len);
            assert_eq!(buffer.as_ptr() as usize % ALIGNMENT, 0);
            assert!(buffer.iter().all(|&x| x == 0.0));
            buffer.fill(1.0);
        }
    }

    #[test]
    fn refuses_the_impossible() {
        assert_eq!(Buffer::zeroed(usize::MAX).unwrap_err(), OutOfMemory { floats: usize::MAX });
        assert!(Buffer::zeroed(usize::MAX / 8).is_err());
    }
}
