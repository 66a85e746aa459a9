//! Division of a convolution into tasks whose input and weights fit a core's cache.

use std::ops::Range;

use crate::blocks::chunk;

/// Maximum bytes of a task's input in a core's L2, which a panel of weights shares.
const INPUT_BYTES: usize = 448 << 10;
/// Tasks per thread: enough that the wait for the last one is short.
const TASKS_PER_THREAD: usize = 4;

/// Maximum ratio of weight bytes to input bytes for which each thread reads all weights for a part
/// of the pixels. Beyond it, each thread reads all pixels for a part of the weights.
const MAX_WEIGHT_INPUT_RATIO: usize = 4;

/// The work of a convolution.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    pub(crate) pixels: usize,
    /// Panels of weights.
    pub(crate) panels: usize,
    /// Bytes of input that each pixel adds.
    pub(crate) pixel_bytes: usize,
    /// Bytes of a panel.
    pub(crate) panel_bytes: usize,
}

/// A grid of tasks: blocks of tiles by groups of panels.
pub(crate) struct TaskGrid {
    pixels: usize,
    tiles: usize,
    panels: usize,
    blocks: usize,
    groups: usize,
}

impl TaskGrid {
    /// Divides the work: pixels in tiles of at most `tile_rows`, by panels.
    pub(crate) fn new(work: Work, tile_rows: usize, threads: usize) -> Self {
        let Work { pixels, panels, pixel_bytes, panel_bytes } = work;
        let tiles = pixels.div_ceil(tile_rows);
        let target_tasks = if threads == 1 { 1 } else { threads * TASKS_PER_THREAD };
        let max_block_tiles = (INPUT_BYTES / (pixel_bytes * tile_rows).max(1)).max(PANEL_USES);
        let mut blocks = tiles.div_ceil(max_block_tiles);
        // A thread mostly reads rows that it wrote itself; weights are the same for all threads.
        if panels * panel_bytes <= MAX_WEIGHT_INPUT_RATIO * pixels * pixel_bytes {
            blocks = blocks.next_multiple_of(threads).min(tiles);
        }
        let groups = target_tasks.div_ceil(blocks.max(1)).min(panels);
        // With too few panels, smaller blocks make up the number of tasks.
        let blocks = blocks.max(target_tasks.div_ceil(groups.max(1))).min(tiles);
        Self { pixels, tiles, panels, blocks, groups }
    }

    /// Divides the work where each task copies its pixels' rows together first: each row for all
    /// panels at once, unless the weights are much more than the rows.
    pub(crate) fn for_copied_rows(work: Work, tile_rows: usize, threads: usize) -> Self {
        let Work { pixels, panels, pixel_bytes, panel_bytes } = work;
        let tiles = pixels.div_ceil(tile_rows);
        let max_block_tiles = (INPUT_BYTES / (pixel_bytes * tile_rows).max(1)).max(PANEL_USES);
        let blocks = tiles.div_ceil(max_block_tiles);
        let weights = panels * panel_bytes;
        // Weights that a core's L2 does not keep are read anew for each block.
        let per_thread = if weights > INPUT_BYTES { 1 } else { TASKS_PER_THREAD };
        let target_tasks = if threads == 1 { 1 } else { threads * per_thread };
        if tiles >= threads && weights <= MAX_WEIGHT_INPUT_RATIO * pixels * pixel_bytes {
            let blocks = blocks.max(target_tasks).next_multiple_of(threads).min(tiles);
            return Self { pixels, tiles, panels, blocks, groups: 1 };
        }
        let groups = (threads * TASKS_PER_THREAD).min(panels);
        let groups = if threads == 1 { 1 } else { groups };
        let blocks = blocks.max(target_tasks.div_ceil(groups.max(1))).min(tiles);
        Self { pixels, tiles, panels, blocks, groups }
    }

    /// Returns the number of tasks.
    pub(crate) fn tasks(&self) -> usize {
        self.blocks * self.groups
    }

    /// Returns the largest number of pixels of a task.
    pub(crate) fn max_pixels(&self) -> usize {
        let pixels = |tiles: Range<usize>| match tiles.is_empty() {
            true => 0,
            false => self.pixels(tiles.end - 1).end - self.pixels(tiles.start).start,
        };
        (0..self.blocks)
            .map(|block| pixels(chunk(self.tiles, self.blocks, block)))
            .max()
            .unwrap_or(0)
    }

    /// Returns a task's tiles and panels.
    pub(crate) fn task(&self, index: usize) -> (Range<usize>, Range<usize>) {
        let (block, group) = (index / self.groups, index % self.groups);
        (chunk(self.tiles, self.blocks, block), chunk(self.panels, self.groups, group))
    }

    /// Returns a tile's pixels. All tiles have nearly the same size.
    pub(crate) fn pixels(&self, tile: usize) -> Range<usize> {
        chunk(self.pixels, self.tiles, tile)
    }
}

/// Minimum number of tiles that use a panel once it is in cache, even if their input does not fit
/// with it.
const PANEL_USES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tile_of_every_panel_is_in_one_task() {
        for (pixels, panels, threads) in
            [(1, 1, 1), (49, 16, 2), (3136, 2, 2), (50_176, 2, 5), (196, 3, 8), (13, 1, 2)]
        {
            let (pixel_bytes, panel_bytes) = (512, 512 * panels);
            let work = Work { pixels, panels, pixel_bytes, panel_bytes };
            for grid in [TaskGrid::new, TaskGrid::for_copied_rows] {
                let seen = panels_of_pixels(&grid(work, 14, threads));
                assert!(
                    seen.len() == pixels * panels && seen.iter().all(|&count| count == 1),
                    "{pixels} pixels, {panels} panels, {threads} threads"
                );
            }
        }
    }

    /// Returns how often each pixel of each panel is in a task.
    fn panels_of_pixels(grid: &TaskGrid) -> Vec<usize> {
        let mut seen = vec![0; grid.pixels * grid.panels];
        for task in 0..grid.tasks() {
            let (tiles, panels) = grid.task(task);
            for (tile, panel) in
                tiles.flat_map(|tile| panels.clone().map(move |panel| (tile, panel)))
            {
                assert!(grid.pixels(tile).len() <= 14);
                grid.pixels(tile).for_each(|pixel| seen[panel * grid.pixels + pixel] += 1);
            }
        }
        seen
    }
}
