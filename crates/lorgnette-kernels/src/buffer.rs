//! Aligned storage for activations and packed weights: bytes, with views as numbers.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use bytemuck::Pod;

/// Bytes that are zero at first, aligned to 64: a cache line and an AVX-512 vector.
///
/// Pages are zeroed by the operating system and take no memory until they are first written.
pub struct Buffer {
    /// The first byte, aligned.
    start: NonNull<u8>,
    /// Length in bytes.
    len: usize,
    /// The allocator's block, which is deallocated on drop.
    block: NonNull<u8>,
    layout: Layout,
}

const ALIGNMENT: usize = 64;

impl Buffer {
    /// Allocates zeros for `count` values of a type.
    ///
    /// # Errors
    /// If the allocator refuses.
    pub fn for_values<T: Pod>(count: usize) -> Result<Self, OutOfMemory> {
        Self::zeroed(count.saturating_mul(size_of::<T>()))
    }

    /// Allocates `len` bytes of zeros.
    ///
    /// # Errors
    /// If the allocator refuses.
    pub fn zeroed(len: usize) -> Result<Self, OutOfMemory> {
        // For 64-byte alignment the allocator would write the zeros itself. For the alignment of
        // `calloc` they come from the operating system, so the values are aligned within a slightly
        // larger block.
        let refused = OutOfMemory { bytes: len };
        let bytes = len.checked_add(ALIGNMENT).ok_or(refused)?;
        let layout = Layout::from_size_align(bytes, align_of::<f32>()).map_err(|_| refused)?;
        // SAFETY: the layout's size is at least `ALIGNMENT`, so not zero.
        let block = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(refused)?;
        advise_huge_pages(block, bytes);
        let skip = block.as_ptr().align_offset(ALIGNMENT);
        assert!(skip < ALIGNMENT, "bytes can always be aligned");
        // SAFETY: `skip` is less than the `ALIGNMENT` bytes the block has beyond its content.
        let start = unsafe { block.add(skip) };
        Ok(Self { start, len, block, layout })
    }

    /// Returns the content as values of a type.
    ///
    /// # Panics
    /// If the length is not a multiple of the type's size.
    pub fn values<T: Pod>(&self) -> &[T] {
        bytemuck::cast_slice(self)
    }

    /// Returns the content as values of a type, to be changed.
    ///
    /// # Panics
    /// If the length is not a multiple of the type's size.
    pub fn values_mut<T: Pod>(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(self)
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
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `len` initialised bytes follow `start`, owned by `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
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

// SAFETY: a buffer owns its bytes as a `Vec<u8>` does.
unsafe impl Send for Buffer {}
// SAFETY: shared references only allow reading.
unsafe impl Sync for Buffer {}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.len)
    }
}

/// The error of an allocation that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// Number of bytes requested.
    pub bytes: usize,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no memory for {} bytes ({} MiB)", self.bytes, self.bytes >> 20)
    }
}

impl std::error::Error for OutOfMemory {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_zero_and_aligned() {
        for count in [0, 1, 15, 16, 1000, 1 << 20] {
            let mut buffer = Buffer::for_values::<f32>(count).unwrap();
            assert_eq!((buffer.len(), buffer.values::<f32>().len()), (4 * count, count));
            assert_eq!(buffer.as_ptr() as usize % ALIGNMENT, 0);
            assert!(buffer.values::<f32>().iter().all(|&x| x == 0.0));
            buffer.values_mut::<f32>().fill(1.0);
            assert!(buffer.as_chunks().0.iter().all(|&x| f32::from_ne_bytes(x) == 1.0));
        }
    }

    #[test]
    fn refuses_the_impossible() {
        assert_eq!(Buffer::zeroed(usize::MAX).unwrap_err(), OutOfMemory { bytes: usize::MAX });
        assert!(Buffer::zeroed(usize::MAX / 2).is_err());
        assert!(Buffer::for_values::<f32>(usize::MAX / 2).is_err());
    }
}
