//! Values at the border of the integers, and values that only move.

use super::chunks::for_chunks;
use super::table::Scale;
use super::{Byte, OutputRange};
use crate::ThreadPool;
use crate::fallback::FILL;

/// Stores real numbers: the nearest steps, halves away from zero, within the type's range.
///
/// # Panics
/// If there are fewer numbers than results.
pub fn quantize<T: Byte>(to: Scale, input: &[f32], output: &mut [T], pool: &ThreadPool) {
    let range = OutputRange::new::<T>(to.zero_point);
    for_chunks(output, 1, pool, &|items, chunk| {
        for (stored, real) in chunk.iter_mut().zip(&input[items]) {
            *stored = range.store((real / to.scale).round() as i32);
        }
    });
}

/// Returns to real numbers: `scale · (stored − zero_point)`.
///
/// # Panics
/// If there are fewer values than results.
pub fn dequantize<T: Byte>(from: Scale, input: &[T], output: &mut [f32], pool: &ThreadPool) {
    for_chunks(output, 1, pool, &|items, chunk| {
        for (real, stored) in chunk.iter_mut().zip(&input[items]) {
            *real = from.scale * (stored.widen() - from.zero_point) as f32;
        }
    });
}

/// A movement of bytes: for each run of the output, its place in the input.
#[derive(Clone, Debug)]
pub struct ByteGather {
    /// Bytes of a run.
    pub run: usize,
    /// The index of each run's first byte; [`FILL`] for a run of `fill`.
    pub sources: Vec<u32>,
    /// The value where there is no source.
    pub fill: u8,
}

impl ByteGather {
    /// Copies the runs.
    ///
    /// # Panics
    /// If a source is beyond the input.
    pub fn run(&self, input: &[u8], output: &mut [u8], pool: &ThreadPool) {
        for_chunks(output, self.run, pool, &|items, chunk| {
            for (to, &source) in chunk.chunks_exact_mut(self.run).zip(&self.sources[items]) {
                match source {
                    FILL => to.fill(self.fill),
                    source => to.copy_from_slice(&input[source as usize..][..self.run]),
                }
            }
        });
    }
}
