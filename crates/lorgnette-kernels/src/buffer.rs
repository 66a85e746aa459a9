//! Aligned storage for activations and packed weights: bytes, with views as numbers.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

use bytemuck::Pod;

/// Bytes that are zero at first, aligned to 64: a cache line and an AVX-512 vector.
///
/// Pages are zeroed by the operating system and take no memory until they are first written.
pub struct Buffer {
    /// The first byte, aligned.
    start: NonNull<u8>,
    /// Length in bytes.
    len: usize,
    /// The block that the bytes are in.
    _block: Arc<Block>,
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
        let (block, start) = Block::zeroed(len)?;
        Ok(Self { start, len, _block: Arc::new(block) })
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

/// Room for several buffers side by side, so that large pages serve small ones too. It is given
/// back when the last buffer is dropped.
#[derive(Debug)]
pub struct BufferRegion {
    block: Arc<Block>,
    /// The first byte that no buffer has.
    free: NonNull<u8>,
    /// Bytes from there on.
    len: usize,
}

impl BufferRegion {
    /// Allocates room for buffers of these lengths, in any order.
    ///
    /// # Errors
    /// If the allocator refuses.
    pub fn for_lengths(lengths: impl IntoIterator<Item = usize>) -> Result<Self, OutOfMemory> {
        let padded = |len: usize| len.checked_next_multiple_of(ALIGNMENT).unwrap_or(usize::MAX);
        let len = lengths.into_iter().map(padded).fold(0, usize::saturating_add);
        let (block, free) = Block::zeroed(len)?;
        Ok(Self { block: Arc::new(block), free, len })
    }

    /// Takes `len` bytes of zeros; `None` if there is no room for them.
    pub fn take(&mut self, len: usize) -> Option<Buffer> {
        let padded =
            len.checked_next_multiple_of(ALIGNMENT).filter(|&padded| padded <= self.len)?;
        let buffer = Buffer { start: self.free, len, _block: Arc::clone(&self.block) };
        // SAFETY: the block has `self.len` bytes from there on.
        self.free = unsafe { self.free.add(padded) };
        self.len -= padded;
        Some(buffer)
    }
}

// SAFETY: a region owns the bytes that no buffer has.
unsafe impl Send for BufferRegion {}

/// A block of the allocator, deallocated on drop.
#[derive(Debug)]
struct Block {
    address: NonNull<u8>,
    layout: Layout,
}

impl Block {
    /// Allocates a block with `len` bytes of zeros in it; returns also the first one, aligned to
    /// 64, and to a large page where the bytes are worth one.
    fn zeroed(len: usize) -> Result<(Self, NonNull<u8>), OutOfMemory> {
        // For an alignment of its own the allocator would write the zeros itself. For that of
        // `calloc` they come from the operating system, so the bytes are aligned within a larger
        // block.
        let is_advised = ADVISES_HUGE_PAGES && len >= HUGE_PAGE;
        let alignment = if is_advised { HUGE_PAGE } else { ALIGNMENT };
        let refused = OutOfMemory { bytes: len };
        let bytes = len.checked_add(alignment).ok_or(refused)?;
        let layout = Layout::from_size_align(bytes, align_of::<f32>()).map_err(|_| refused)?;
        // SAFETY: the layout's size is at least `ALIGNMENT`, so not zero.
        let address = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(refused)?;
        let block = Self { address, layout };
        let skip = address.as_ptr().align_offset(alignment);
        assert!(skip < alignment, "bytes can always be aligned");
        // SAFETY: `skip` is less than the `alignment` bytes the block has beyond its content.
        let start = unsafe { address.add(skip) };
        advise_huge_pages(start, len / HUGE_PAGE * HUGE_PAGE);
        Ok((block, start))
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the address came from `alloc_zeroed` with this layout and is freed once.
        unsafe { dealloc(self.address.as_ptr(), self.layout) }
    }
}

// SAFETY: a block is only an address and a layout; the bytes belong to buffers and regions.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

/// Bytes of a large page: of x86-64, and of Arm with small ones of 4 KiB.
const HUGE_PAGE: usize = 2 << 20;
/// True if the system takes such advice. Elsewhere an alignment to large pages would only cost
/// memory.
const ADVISES_HUGE_PAGES: bool = cfg!(all(target_os = "linux", target_pointer_width = "64"));

/// Asks the system to back whole large pages by such, where it leaves that to programs. Weights are
/// read from front to back once a run; with small pages a core would look up an address every 4
/// KiB, and the first touch would fault as often. What is less than a large page stays as it is, so
/// that no memory is taken beyond the bytes.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn advise_huge_pages(start: NonNull<u8>, bytes: usize) {
    const MADV_HUGEPAGE: i32 = 14;
    unsafe extern "C" {
        fn madvise(address: *mut std::ffi::c_void, length: usize, advice: i32) -> i32;
    }
    if bytes > 0 {
        // SAFETY: whole pages inside a block; the advice changes nothing that a program can
        // observe. A refusal changes nothing either.
        unsafe { madvise(start.as_ptr().cast(), bytes, MADV_HUGEPAGE) };
    }
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
fn advise_huge_pages(_start: NonNull<u8>, _bytes: usize) {}

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
    fn buffers_of_a_region_are_side_by_side() {
        let lengths = [100, 0, 3 << 20, 64];
        let mut region = BufferRegion::for_lengths(lengths).unwrap();
        let mut buffers: Vec<Buffer> = lengths.map(|len| region.take(len).unwrap()).into();
        assert!(region.take(1).is_none());
        drop(region);
        for (i, buffer) in buffers.iter_mut().enumerate() {
            assert!(buffer.len() == lengths[i] && buffer.iter().all(|&byte| byte == 0));
            assert_eq!(buffer.as_ptr() as usize % ALIGNMENT, 0);
            buffer.fill(i as u8 + 1);
        }
        assert_eq!(buffers[2].as_ptr() as usize - buffers[0].as_ptr() as usize, 128);
        let last = buffers.pop().unwrap();
        drop(buffers);
        assert!(last.iter().all(|&byte| byte == 4));
    }

    #[test]
    fn refuses_the_impossible() {
        assert!(BufferRegion::for_lengths([1, usize::MAX]).is_err());
        assert_eq!(Buffer::zeroed(usize::MAX).unwrap_err(), OutOfMemory { bytes: usize::MAX });
        assert!(Buffer::zeroed(usize::MAX / 2).is_err());
        assert!(Buffer::for_values::<f32>(usize::MAX / 2).is_err());
    }
}
