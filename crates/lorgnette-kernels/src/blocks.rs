//! Division of an output into blocks of pixels for the threads of a pool.

use std::marker::PhantomData;
use std::ops::Range;

use crate::bf16::{bf16_to_f32_slice, f32_pixels_to_bf16, f32_to_bf16_slice};
use crate::{ImageLayout, ImagePair, StorageType, ThreadPool};

/// Target number of values that a task of a cheap kernel writes: enough to be worth a task, few
/// enough for L1.
const TASK_VALUES: usize = 8 << 10;

/// A task over a block of pixels and their words.
pub(crate) type PixelTask<'a> = dyn Fn(Range<usize>, &mut [f32]) + Sync + 'a;

/// Runs `task(pixels, chunk)` over all pixels of an output, in nearly equal blocks of multiples of
/// `unit` pixels, the same number for each thread.
///
/// `chunk` begins at the first of `pixels` and ends where the next block begins, or after the last
/// value.
pub(crate) fn for_blocks(
    layout: &ImageLayout,
    unit: usize,
    output: &mut [f32],
    pool: &ThreadPool,
    task: &PixelTask<'_>,
) {
    if layout.is_empty() {
        return;
    }
    assert!(
        layout.has_room_for_pixels() && output.len() >= layout.len(),
        "the output is shorter than its layout"
    );
    let (pixels, end) = (layout.pixels(), layout.len());
    let units = pixels.div_ceil(unit);
    let blocks = units
        .div_ceil((TASK_VALUES / (unit * layout.words())).max(1))
        .next_multiple_of(pool.threads())
        .min(units);
    let output = SharedSlice::new(output);
    pool.run(blocks, &|_, index| {
        let block = chunk(units, blocks, index);
        let range = block.start * unit..pixels.min(block.end * unit);
        let chunk = range.start * layout.word_stride()..end.min(range.end * layout.word_stride());
        // SAFETY: chunks of different indices do not overlap, and each index runs once.
        task(range, unsafe { output.slice_mut(chunk) });
    });
}

/// Returns range `index` of `0..len` divided into `chunks` nearly equal ranges.
pub(crate) fn chunk(len: usize, chunks: usize, index: usize) -> Range<usize> {
    // The product has more than 32 bits for large photos.
    let start = |index: usize| (len as u64 * index as u64 / chunks as u64) as usize;
    start(index)..start(index + 1)
}

/// Returns the words of pixel number `pixel`.
pub(crate) fn pixel_range(layout: &ImageLayout, pixel: usize) -> Range<usize> {
    let start = pixel * layout.word_stride();
    start..start + layout.words()
}

/// Returns the words of some pixels as the smallest number of contiguous runs, in a slice that
/// begins at the first of them.
#[inline(always)]
pub(crate) fn contiguous_runs(
    layout: &ImageLayout,
    pixels: usize,
) -> impl Iterator<Item = Range<usize>> {
    let (count, len) =
        if layout.is_dense() { (1, pixels * layout.words()) } else { (pixels, layout.words()) };
    let step = layout.word_stride();
    (0..count).map(move |i| i * step..i * step + len)
}

/// Copies some pixels to a slice that begins at the first of them, and converts them to the
/// output's storage type.
pub(crate) fn copy_pixels(
    input_layout: &ImageLayout,
    input: &[f32],
    pixels: Range<usize>,
    output_layout: &ImageLayout,
    chunk: &mut [f32],
) {
    let copy = match (input_layout.storage, output_layout.storage) {
        (StorageType::Float32, StorageType::Bf16) => f32_to_bf16_slice,
        (StorageType::Bf16, StorageType::Float32) => bf16_to_f32_slice,
        _ => |from: &[f32], to: &mut [f32]| to.copy_from_slice(from),
    };
    let paired =
        input_layout.storage == output_layout.storage || input_layout.channels.is_multiple_of(2);
    if input_layout.is_dense() && output_layout.is_dense() {
        let to = &mut chunk[..pixels.len() * output_layout.word_stride()];
        let stride = input_layout.word_stride();
        let from = &input[pixels.start * stride..pixels.end * stride];
        match input_layout.storage {
            _ if paired => return copy(from, to),
            StorageType::Float32 => return f32_pixels_to_bf16(from, input_layout.channels, to),
            StorageType::Bf16 => {}
        }
    }
    for (i, pixel) in pixels.enumerate() {
        copy(&input[pixel_range(input_layout, pixel)], &mut chunk[pixel_range(output_layout, i)]);
    }
}

/// Maximum number of channels for which elementwise operations write bf16.
pub const MAX_BF16_ELEMENTWISE_CHANNELS: usize = 4096;

/// Applies `transform` in float32 while copying `pixels`; the pair's output begins at the first of
/// them. `transform` gets blocks of pixels, their layout and their values.
pub(crate) fn via_f32(
    images: ImagePair<'_>,
    pixels: Range<usize>,
    transform: impl Fn(Range<usize>, &ImageLayout, &mut [f32]),
) {
    let ImagePair { input_layout, input, output_layout, output } = images;
    if output_layout.storage == StorageType::Float32 {
        copy_pixels(&input_layout, input, pixels.clone(), &output_layout, output);
        return transform(pixels, &output_layout, output);
    }
    let mut buffer = [0.0; MAX_BF16_ELEMENTWISE_CHANNELS];
    let block_pixels = MAX_BF16_ELEMENTWISE_CHANNELS / output_layout.channels;
    assert!(block_pixels > 0, "a pixel has too many values to be stored as bf16");
    let dense = ImageLayout {
        stride: output_layout.channels,
        storage: StorageType::Float32,
        ..output_layout
    };
    for first in pixels.clone().step_by(block_pixels) {
        let block = first..pixels.end.min(first + block_pixels);
        let values = &mut buffer[..block.len() * dense.channels];
        copy_pixels(&input_layout, input, block.clone(), &dense, values);
        transform(block.clone(), &dense, values);
        let output = &mut output[(first - pixels.start) * output_layout.word_stride()..];
        copy_pixels(&dense, values, 0..block.len(), &output_layout, output);
    }
}

/// Panics unless two layouts have the same pixels and channels.
pub(crate) fn assert_same_shape(a: &ImageLayout, b: &ImageLayout) {
    let shape =
        |layout: &ImageLayout| ImageLayout { stride: 0, storage: StorageType::Float32, ..*layout };
    assert_eq!(shape(a), shape(b), "input and output differ in shape");
}

/// Panics unless a layout's values are float32.
pub(crate) fn assert_float32(layout: &ImageLayout) {
    assert_eq!(layout.storage, StorageType::Float32, "this kernel takes float32 alone");
}

/// A mutable slice of which several threads write disjoint ranges.
pub(crate) struct SharedSlice<'a, T = f32> {
    start: *mut T,
    len: usize,
    owner: PhantomData<&'a mut [T]>,
}

impl<'a, T> SharedSlice<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), owner: PhantomData }
    }

    /// Returns the start of the slice, for prefetches.
    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *const T {
        self.start
    }

    /// Returns the start of a range, to write values that no other thread uses.
    pub(crate) fn range_ptr(&self, range: Range<usize>) -> *mut T {
        assert!(range.start <= range.end && range.end <= self.len, "a range is outside its slice");
        self.start.wrapping_add(range.start)
    }

    /// Returns a range to write.
    ///
    /// # Safety
    /// Caller guarantees that no other range in use at the same time overlaps it.
    #[inline(always)]
    #[allow(clippy::mut_from_ref, reason = "caller guarantees that ranges do not overlap")]
    pub(crate) unsafe fn slice_mut(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "a range is outside its slice");
        // SAFETY: inside the slice by the assertion; caller guarantees that no other thread uses
        // it.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }

    /// Returns a range to read.
    ///
    /// # Safety
    /// Caller guarantees that no thread writes to it while it is in use.
    pub(crate) unsafe fn slice(&self, range: Range<usize>) -> &[T] {
        assert!(range.start <= range.end && range.end <= self.len, "a range is outside its slice");
        // SAFETY: inside the slice by the assertion; caller guarantees that no thread writes to it.
        unsafe { std::slice::from_raw_parts(self.start.add(range.start), range.len()) }
    }
}

// SAFETY: `range_ptr`, `slice_mut` and `slice` are the only accesses, and their callers guarantee
// that no thread uses what another writes.
unsafe impl<T: Send + Sync> Sync for SharedSlice<'_, T> {}
