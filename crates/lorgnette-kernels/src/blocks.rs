//! Handing out parts of an output to the threads of a pool.

use std::marker::PhantomData;
use std::ops::Range;

use crate::halves::{narrow, narrow_pixels, widen};
use crate::{Elements, Map, Pool};

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
    assert!(map.stride >= map.floats() && output.len() >= map.len(), "the output is shorter than its map");
    let (pixels, end) = (map.pixels(), map.len());
    let units = pixels.div_ceil(unit);
    let blocks =
        units.div_ceil((TASK_VALUES / (unit * map.floats())).max(1)).next_multiple_of(pool.threads()).min(units);
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
    pixel * map.stride..pixel * map.stride + map.floats()
}

/// The values of some pixels as the fewest contiguous stretches, in a slice that begins at the first of them.
#[inline(always)]
pub(crate) fn stretches(map: &Map, pixels: usize) -> impl Iterator<Item = Range<usize>> {
    let (count, len) = if map.is_dense() { (1, pixels * map.floats()) } else { (pixels, map.floats()) };
    let step = map.stride;
    (0..count).map(move |i| i * step..i * step + len)
}

/// Copies some pixels from a map's slice to a slice that begins at the first of them, as elements of the other map.
pub(crate) fn copy_pixels(map_in: &Map, input: &[f32], pixels: Range<usize>, map_out: &Map, part: &mut [f32]) {
    let copy = match (map_in.elements, map_out.elements) {
        (Elements::Float32, Elements::Bf16) => narrow,
        (Elements::Bf16, Elements::Float32) => widen,
        _ => |from: &[f32], to: &mut [f32]| to.copy_from_slice(from),
    };
    let paired = map_in.elements == map_out.elements || map_in.channels.is_multiple_of(2);
    if map_in.is_dense() && map_out.is_dense() {
        let to = &mut part[..pixels.len() * map_out.stride];
        let from = &input[pixels.start * map_in.stride..pixels.end * map_in.stride];
        match map_in.elements {
            _ if paired => return copy(from, to),
            Elements::Float32 => return narrow_pixels(from, map_in.channels, to),
            Elements::Bf16 => {}
        }
    }
    for (i, pixel) in pixels.enumerate() {
        copy(&input[place(map_in, pixel)], &mut part[place(map_out, i)]);
    }
}

/// The most values of a pixel that operations by element can write as bf16.
pub const MOST_NARROWED: usize = 4096;

/// Changes some pixels on their way from a map's slice to one that begins at the first of them: `change` is given a number of
/// them at a time, where they lie, and their values as float32.
pub(crate) fn through_float32(
    map_in: &Map,
    input: &[f32],
    pixels: Range<usize>,
    (map_out, part): (&Map, &mut [f32]),
    change: impl Fn(Range<usize>, &Map, &mut [f32]),
) {
    if map_out.elements == Elements::Float32 {
        copy_pixels(map_in, input, pixels.clone(), map_out, part);
        return change(pixels, map_out, part);
    }
    let mut room = [0.0; MOST_NARROWED];
    let at_once = MOST_NARROWED / map_out.channels;
    assert!(at_once > 0, "a pixel has too many values to be kept as bf16");
    for first in pixels.clone().step_by(at_once) {
        let some = first..pixels.end.min(first + at_once);
        let dense = Map { stride: map_out.channels, elements: Elements::Float32, ..*map_out };
        let values = &mut room[..some.len() * dense.channels];
        copy_pixels(map_in, input, some.clone(), &dense, values);
        change(some.clone(), &dense, values);
        let part = &mut part[(first - pixels.start) * map_out.stride..];
        copy_pixels(&dense, values, 0..some.len(), map_out, part);
    }
}

/// Panics unless two maps have the same pixels and channels.
pub(crate) fn assert_alike(a: &Map, b: &Map) {
    let shape = |map: &Map| Map { stride: 0, elements: Elements::Float32, ..*map };
    assert_eq!(shape(a), shape(b), "input and output differ in shape");
}

/// Panics unless a map's values are float32, for a kernel that reads no others.
pub(crate) fn assert_float32(map: &Map) {
    assert_eq!(map.elements, Elements::Float32, "this kernel takes float32 alone");
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
