//! Dividing a convolution among tasks, so that each finds its input and its weights in its core's
//! cache.

use std::ops::Range;

use crate::blocks::chunk;

/// What a task's input may take of a core's L2; a panel of weights shares it.
const INPUT_BYTES: usize = 448 << 10;
/// Tasks a thread should have, so that the last one to finish is not waited for long.
const TASKS_PER_THREAD: usize = 4;

/// How many times the input's bytes the weights may have for each thread to read all weights for a
/// part of the pixels, and not all pixels for a part of the weights.
const MAX_WEIGHT_INPUT_RATIO: usize = 4;

/// A grid of tasks: blocks of tiles by groups of panels.
pub(super) struct TaskGrid {
    pixels: usize,
    tiles: usize,
    panels: usize,
    blocks: usize,
    groups: usize,
}

impl TaskGrid {
    /// Divides `pixels`, of about `pixel_bytes` of input each, in tiles of at most `tile_rows`, and
    /// `panels` of `panel_bytes`.
    pub(super) fn new(
        [pixels, panels]: [usize; 2],
        [pixel_bytes, panel_bytes]: [usize; 2],
        tile_rows: usize,
        threads: usize,
    ) -> Self {
        let tiles = pixels.div_ceil(tile_rows);
        let target_tasks = if threads == 1 { 1 } else { threads * TASKS_PER_THREAD };
        let max_block_tiles = (INPUT_BYTES / (pixel_bytes * tile_rows).max(1)).max(PANEL_USES);
        let mut blocks = tiles.div_ceil(max_block_tiles);
        // A thread's rows were written by itself, for the most part, and weights are the same for
        // all.
        if panels * panel_bytes <= MAX_WEIGHT_INPUT_RATIO * pixels * pixel_bytes {
            blocks = blocks.next_multiple_of(threads).min(tiles);
        }
        let groups = target_tasks.div_ceil(blocks.max(1)).min(panels);
        // What too few panels cannot give, smaller blocks do.
        let blocks = blocks.max(target_tasks.div_ceil(groups.max(1))).min(tiles);
        Self { pixels, tiles, panels, blocks, groups }
    }

    /// How many tasks there are.
    pub(super) fn tasks(&self) -> usize {
        self.blocks * self.groups
    }

    /// A task's tiles and panels.
    pub(super) fn task(&self, index: usize) -> (Range<usize>, Range<usize>) {
        let (block, group) = (index / self.groups, index % self.groups);
        (chunk(self.tiles, self.blocks, block), chunk(self.panels, self.groups, group))
    }

    /// A tile's pixels: all tiles are of nearly the same size.
    pub(super) fn pixels(&self, tile: usize) -> Range<usize> {
        chunk(self.pixels, self.tiles, tile)
    }
}

/// How many tiles should use a panel once it is in cache, even if their input does not fit beside
/// it.
const PANEL_USES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tile_of_every_panel_is_in_one_task() {
        for (pixels, panels, threads) in
            [(1, 1, 1), (49, 16, 2), (3136, 2, 2), (50_176, 2, 5), (196, 3, 8), (13, 1, 2)]
        {
            let task_grid = TaskGrid::new([pixels, panels], [512, 512 * panels], 14, threads);
            let mut seen = vec![0; pixels * panels];
            for task in 0..task_grid.tasks() {
                let (tiles, task_panels) = task_grid.task(task);
                for (tile, panel) in
                    tiles.flat_map(|tile| task_panels.clone().map(move |panel| (tile, panel)))
                {
                    assert!(task_grid.pixels(tile).len() <= 14);
                    task_grid.pixels(tile).for_each(|pixel| seen[panel * pixels + pixel] += 1);
                }
            }
            assert!(
                seen.iter().all(|&count| count == 1),
                "{pixels} pixels, {panels} panels, {threads} threads"
            );
        }
    }
}
