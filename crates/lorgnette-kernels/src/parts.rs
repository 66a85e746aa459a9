//! Handing out rows of pictures to the threads of a pool, each with room of its own.

use std::ops::Range;

use crate::blocks::Shared;
use crate::{Map, Pool};

/// Rows of an output in contiguous parts.
#[derive(Debug)]
pub struct Parts<'a> {
    /// Where the output's values lie.
    pub map: &'a Map,
    /// The output.
    pub output: &'a mut [f32],
    /// How many parts each picture has.
    pub count: usize,
    /// Rows, at a multiple of which each part begins.
    pub unit: usize,
    /// Room for all threads.
    pub scratch: &'a mut [f32],
    /// The floats of it that are each thread's own.
    pub own_len: usize,
}

/// Rows of one picture.
#[derive(Debug)]
pub struct Part<'a> {
    /// The picture.
    pub picture: usize,
    /// Its rows.
    pub rows: Range<usize>,
    /// The output from the first of them on.
    pub output: &'a mut [f32],
    /// The thread's own room, of any content.
    pub scratch: &'a mut [f32],
}

impl Parts<'_> {
    /// Runs `task` once for each part that has rows.
    pub fn run(self, pool: &Pool, task: &(dyn Fn(Part<'_>) + Sync)) {
        let Self { map, output, count, unit, scratch, own_len } = self;
        assert!(map.stride >= map.floats() && output.len() >= map.len(), "the output is shorter than its map");
        let (row_len, end, units) = (map.width * map.stride, map.len(), map.height.div_ceil(unit));
        let (output, scratch) = (Shared::new(output), Shared::new(scratch));
        pool.run(map.batch * count, &|worker, index| {
            let (picture, part) = (index / count, index % count);
            let at = |part: usize| (units * part / count * unit).min(map.height);
            let rows = at(part)..at(part + 1);
            if rows.is_empty() {
                return;
            }
            let first = picture * map.height;
            let floats = (first + rows.start) * row_len..((first + rows.end) * row_len).min(end);
            // SAFETY: different parts have different rows, and each runs once.
            let output = unsafe { output.part(floats) };
            // SAFETY: each worker has its own room.
            let scratch = unsafe { scratch.part(worker * own_len..(worker + 1) * own_len) };
            task(Part { picture, rows, output, scratch });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_part() {
        for (batch, height, count, unit, threads) in
            [(1, 7, 2, 1, 2), (3, 5, 4, 2, 3), (2, 1, 3, 4, 2), (1, 16, 3, 4, 1)]
        {
            let map = Map { stride: 3, ..Map::dense(batch, height, 2, 2) };
            let (mut output, mut scratch) = (vec![0.0; map.len()], vec![0.0; threads * 2]);
            let parts = Parts { map: &map, output: &mut output, count, unit, scratch: &mut scratch, own_len: 2 };
            parts.run(&Pool::new(threads), &|part| {
                assert!(part.rows.start % unit == 0 && part.scratch.len() == 2);
                for (i, pixel) in part.output.chunks_mut(map.stride).enumerate() {
                    let row = part.picture * height + part.rows.start + i / map.width;
                    pixel[..map.channels].iter_mut().for_each(|x| *x += row as f32 + 1.0);
                }
            });
            for (i, pixel) in output.chunks(map.stride).enumerate() {
                assert_eq!(pixel[..map.channels], [(i / map.width) as f32 + 1.0; 2]);
            }
        }
    }
}
