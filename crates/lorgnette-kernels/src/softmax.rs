//! Softmax and its logarithm.

use crate::blocks::for_blocks;
use crate::exponential::exp;
use crate::simd::{Simd, SimdOp};
use crate::{ImageLayout, Level, ThreadPool};

/// The softmax of each row of a dense matrix, `eˣ / Σ eˣ`, or its logarithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softmax {
    /// Rows of the matrix.
    pub rows: usize,
    /// Columns of the matrix.
    pub columns: usize,
    /// True for the logarithm.
    pub log: bool,
}

/// Computes the softmax of each row.
pub fn softmax(
    level: Level,
    softmax: Softmax,
    input: &[f32],
    output: &mut [f32],
    pool: &ThreadPool,
) {
    let Softmax { rows, columns, log } = softmax;
    for_blocks(&ImageLayout::dense(rows, 1, 1, columns), 1, output, pool, &|rows, chunk| {
        chunk.copy_from_slice(&input[rows.start * columns..rows.end * columns]);
        level.dispatch(Rows { columns, log, values: chunk });
    });
}

/// Computes the softmax of each row in place.
pub fn softmax_in_place(level: Level, softmax: Softmax, values: &mut [f32], pool: &ThreadPool) {
    let Softmax { rows, columns, log } = softmax;
    for_blocks(&ImageLayout::dense(rows, 1, 1, columns), 1, values, pool, &|_, chunk| {
        level.dispatch(Rows { columns, log, values: chunk });
    });
}

struct Rows<'a> {
    columns: usize,
    log: bool,
    values: &'a mut [f32],
}

impl SimdOp for Rows<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for row in self.values.chunks_exact_mut(self.columns) {
            // Without the largest value subtracted, eˣ could overflow.
            let largest = fold(row, f32::NEG_INFINITY, |a, b| if b > a { b } else { a });
            row.iter_mut().for_each(|x| *x -= largest);
            if self.log {
                let sum = fold(row, 0.0, |sum, x| sum + exp(x)).ln();
                row.iter_mut().for_each(|x| *x -= sum);
            } else {
                row.iter_mut().for_each(|x| *x = exp(*x));
                let sum = fold(row, 0.0, |sum, x| sum + x);
                row.iter_mut().for_each(|x| *x /= sum);
            }
        }
    }
}

/// Folds a row into sixteen accumulators, at every level, which are then added or, for the largest,
/// folded by `f` too.
#[inline(always)]
fn fold(row: &[f32], start: f32, f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut accumulators = [start; 16];
    let (chunks, rest) = row.as_chunks::<16>();
    for chunk in chunks {
        for (accumulator, x) in accumulators.iter_mut().zip(chunk) {
            *accumulator = f(*accumulator, *x);
        }
    }
    for (accumulator, x) in accumulators.iter_mut().zip(rest) {
        *accumulator = f(*accumulator, *x);
    }
    if start == 0.0 { accumulators.iter().sum() } else { accumulators.into_iter().fold(start, f) }
}
