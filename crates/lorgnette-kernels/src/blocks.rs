//! Handing out parts of an output to the threads of a pool.

use std::marker::PhantomData;
use std::ops::Range;

use crate::{Map, Pool};

/// About how many values a task of a cheap kernel should write: enough to be worth a task, little enough for L1.
const TASK_VALUES: usize = 8 << 10;

/// Runs `task(pixels, part)` over all pixels of an output in blocks of whole multiples of `unit` pixels, nearly equal and as
/// many for each thread.
///
/// `part` begins at the first of `pixels` and goes up to where the next block begins (or to the last value of all).
pub(crate) fn for_blocks(
    map: &Map,
    unit: usize,
    output: &mut [f32],
    pool: &Pool,
    task: &(dyn Fn(Range<usize>, &mut [f32]) + Sync),
) {
    if map.is_empty() {
        return;
    }
    assert!(map.stride >= map.channels && output.len() >= map.len(), "the output is shorter than its map");
    let (pixels, end) = (map.pixels(), map.len());
    let units = pixels.div_ceil(unit);
    let blocks =
        units.div_ceil((TASK_VALUES / (unit * map.channels)).max(1)).next_multiple_of(pool.threads()).min(units);
    let output = Shared::new(output);
    pool.run(blocks, &|_, index| {
        let block = part(units, blocks, index);
        let range = block.start * unit..pixels.min(block.end * unit);
        let part = range.start * map.stride..end.min(range.end * map.stride);
        // SAFETY: the parts of different indices do not overlap, and each index runs once.
        task(range, unsafe { output.part(part) });
    });
}

/// Part `index` of `0..whole` in `parts` nearly equal ones.
pub(crate) fn part(whole: usize, parts: usize, index: usize) -> Range<usize> {
    whole * index / parts..whole * (index + 1) / parts
}

/// Where pixel number `pixel` lies in a map's slice.
pub(crate) fn place(map: &Map, pixel: usize) -> Range<usize> {
    pixel * map.stride..pixel * map.stride + map.channels
}

/// The values of some pixels as the fewest contiguous stretches, in a slice that begins at the first of them.
#[inline(always)]
pub(crate) fn stretches(map: &Map, pixels: usize) -> impl Iterator<Item = Range<usize>> {
    let dense = map.stride == map.channels;
    let (count, len) = if dense { (1, pixels * map.channels) } else { (pixels, map.channels) };
    let step = map.stride;
    (0..count).map(move |i| i * step..i * step + len)
}

/// Copies some pixels from a map's slice to a slice that begins at the first of them.
pub(crate) fn copy_pixels(map_in: &Map, input: &[f32], pixels: Range<usize>, map_out: &Map, part: &mut [f32]) {
    if map_in.stride == map_in.channels && map_out.stride == map_out.channels {
        let from = pixels.start * map_in.stride..pixels.end * map_in.stride;
        return part[..from.len()].copy_from_slice(&input[from]);
    }
    for (i, pixel) in pixels.enumerate() {
        part[place(map_out, i)].copy_from_slice(&input[place(map_in, pixel)]);
    }
}

/// Panics unless two maps have the same pixels and channels.
pub(crate) fn assert_alike(a: &Map, b: &Map) {
    assert_eq!(Map { stride: 0, ..*a }, Map { stride: 0, ..*b }, "input and output differ in shape");
}

/// A mutable slice that several threads write to, each its own part.
pub(crate) struct Shared<'a> {
    start: *mut f32,
    len: usize,
    owner: PhantomData<&'a mut [f32]>,
}

impl<'a> Shared<'a> {
    pub(crate) fn new(slice: &'a mut [f32]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), owner: PhantomData }
    }

    /// Where the slice begins, for hints.
    #[inline(always)]
    pub(crate) fn start(&self) -> *const f32 {
        self.start
    }

    /// Where a part of the slice begins, to write to what nobody else uses of it.
    pub(crate) fn pointer(&self, range: Range<usize>) -> *mut f32 {
        assert!(range.start <= range.end && range.end <= self.len, "a part lies outside its slice");
        self.start.wrapping_add(range.start)
    }

    /// A part of the slice.
    ///
    /// # Safety
    /// No two parts that are in use at the same time overlap.
    #[inline(always)]
    #[allow(clippy::mut_from_ref, reason = "the caller sees to it that parts do not overlap")]
    pub(crate) unsafe fn part(&self, range: Range<usize>) -> &mut [f32] {
        assert!(range.start <= range.end && range.end <= self.len, "a part lies outside its slice");
        // SAFETY: inside the slice by the assertion; nobody else uses it, as the caller vouches.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }

    /// A part of the slice, to read.
    ///
    /// # Safety
    /// Nobody writes to it while it is in use.
    pub(crate) unsafe fn read(&self, range: Range<usize>) -> &[f32] {
        assert!(range.start <= range.end && range.end <= self.len, "a part lies outside its slice");
        // SAFETY: inside the slice by the assertion; nobody writes to it, as the caller vouches.
        unsafe { std::slice::from_raw_parts(self.start.add(range.start), range.len()) }
    }
}

// SAFETY: `part` and `read` are the only accesses, and their callers see to it that no thread has floats that another writes.
unsafe impl Sync for Shared<'_> {}
