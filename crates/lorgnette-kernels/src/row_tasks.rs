//! Division of images into blocks of rows for the threads of a pool, each with its own scratch.

use std::ops::Range;

use crate::blocks::SharedSlice;
use crate::{ImageLayout, ThreadPool};

/// An output divided into contiguous blocks of rows.
#[derive(Debug)]
pub struct RowTasks<'a> {
    /// The output's layout.
    pub layout: &'a ImageLayout,
    /// The output's values.
    pub output: &'a mut [f32],
    /// Blocks of each image.
    pub count: usize,
    /// Alignment, in rows, of each block's start.
    pub row_align: usize,
    /// Scratch of all threads.
    pub scratch: &'a mut [f32],
    /// Words of each thread's scratch.
    pub scratch_per_thread: usize,
}

/// A block of rows of one image.
#[derive(Debug)]
pub struct RowTask<'a> {
    /// The image.
    pub image: usize,
    /// The rows.
    pub rows: Range<usize>,
    /// The output from the first row on.
    pub output: &'a mut [f32],
    /// The thread's scratch, of any content.
    pub scratch: &'a mut [f32],
}

/// A function of a block of rows.
pub type RowFn<'a> = dyn Fn(RowTask<'_>) + Sync + 'a;

impl RowTasks<'_> {
    /// Runs `run_task` once for each block that has rows.
    pub fn run(self, pool: &ThreadPool, run_task: &RowFn<'_>) {
        let Self { layout, output, count, row_align, scratch, scratch_per_thread } = self;
        assert!(
            layout.has_room_for_pixels() && output.len() >= layout.len(),
            "the output is shorter than its layout"
        );
        let (row_len, end, units) =
            (layout.width * layout.word_stride(), layout.len(), layout.height.div_ceil(row_align));
        let (output, scratch) = (SharedSlice::new(output), SharedSlice::new(scratch));
        pool.run(layout.batch * count, &|worker, index| {
            let (image, chunk) = (index / count, index % count);
            let at = |chunk: usize| (units * chunk / count * row_align).min(layout.height);
            let rows = at(chunk)..at(chunk + 1);
            if rows.is_empty() {
                return;
            }
            let first = image * layout.height;
            let words = (first + rows.start) * row_len..((first + rows.end) * row_len).min(end);
            // SAFETY: different blocks have different rows, and each runs once.
            let output = unsafe { output.slice_mut(words) };
            // SAFETY: each worker has its own scratch.
            let scratch = unsafe {
                scratch.slice_mut(worker * scratch_per_thread..(worker + 1) * scratch_per_thread)
            };
            run_task(RowTask { image, rows, output, scratch });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_task() {
        for (batch, height, count, row_align, threads) in
            [(1, 7, 2, 1, 2), (3, 5, 4, 2, 3), (2, 1, 3, 4, 2), (1, 16, 3, 4, 1)]
        {
            let layout = ImageLayout { stride: 3, ..ImageLayout::dense(batch, height, 2, 2) };
            let (mut output, mut scratch) = (vec![0.0; layout.len()], vec![0.0; threads * 2]);
            let tasks = RowTasks {
                layout: &layout,
                output: &mut output,
                count,
                row_align,
                scratch: &mut scratch,
                scratch_per_thread: 2,
            };
            tasks.run(&ThreadPool::new(threads), &|chunk| {
                assert!(chunk.rows.start % row_align == 0 && chunk.scratch.len() == 2);
                for (i, pixel) in chunk.output.chunks_mut(layout.stride).enumerate() {
                    let row = chunk.image * height + chunk.rows.start + i / layout.width;
                    pixel[..layout.channels].iter_mut().for_each(|x| *x += row as f32 + 1.0);
                }
            });
            for (i, pixel) in output.chunks(layout.stride).enumerate() {
                assert_eq!(pixel[..layout.channels], [(i / layout.width) as f32 + 1.0; 2]);
            }
        }
    }
}
