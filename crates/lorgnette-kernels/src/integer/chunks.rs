//! Division of an output of 8-bit integers among the threads of a pool.

use std::ops::Range;

use crate::ThreadPool;
use crate::blocks::{SharedSlice, chunk};

/// Values of a task: enough to be worth one.
const TASK_VALUES: usize = 8 << 10;

/// A task over some items and their values.
pub(super) type ChunkTask<'a, T> = dyn Fn(Range<usize>, &mut [T]) + Sync + 'a;

/// Runs `task(items, chunk)` over all items of `item_len` values of an output, in nearly equal
/// chunks; a shorter rest at the end is no item.
pub(super) fn for_chunks<T: Send + Sync>(
    output: &mut [T],
    item_len: usize,
    pool: &ThreadPool,
    task: &ChunkTask<'_, T>,
) {
    let items = output.len().checked_div(item_len).unwrap_or(0);
    let chunks =
        (items * item_len).div_ceil(TASK_VALUES).next_multiple_of(pool.threads()).min(items);
    let output = SharedSlice::new(output);
    pool.run(chunks, &|_, index| {
        let items = chunk(items, chunks, index);
        // SAFETY: chunks of different indices do not overlap, and each index runs once.
        let values = unsafe { output.slice_mut(items.start * item_len..items.end * item_len) };
        task(items, values);
    });
}
