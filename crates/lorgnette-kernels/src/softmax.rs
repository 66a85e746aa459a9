//! Softmax and its logarithm.

use crate::blocks::for_blocks;
use crate::exponential::exp;
use crate::simd::{Kernel, Simd};
use crate::{Level, Map, Pool};

/// The softmax of each row of a dense matrix, `eˣ / Σ eˣ`, or with `log` its logarithm.
pub fn softmax(level: Level, rows: usize, columns: usize, input: &[f32], output: &mut [f32], log: bool, pool: &Pool) {
    for_blocks(&Map::dense(rows, 1, 1, columns), 1, output, pool, &|rows, part| {
        part.copy_from_slice(&input[rows.start * columns..rows.end * columns]);
        level.dispatch(Rows { columns, log, values: part });
    });
}

/// As [`softmax`], in place.
pub fn softmax_in_place(level: Level, rows: usize, columns: usize, values: &mut [f32], log: bool, pool: &Pool) {
    for_blocks(&Map::dense(rows, 1, 1, columns), 1, values, pool, &|_, part| {
        level.dispatch(Rows { columns, log, values: part });
    });
}

struct Rows<'a> {
    columns: usize,
    log: bool,
    values: &'a mut [f32],
}

impl Kernel for Rows<'_> {
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

/// Folds a row in sixteen strands, at every level, which are then folded by addition or, for the largest, by `f` too.
#[inline(always)]
fn fold(row: &[f32], start: f32, f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut strands = [start; 16];
    let (chunks, rest) = row.as_chunks::<16>();
    for chunk in chunks {
        for (strand, x) in strands.iter_mut().zip(chunk) {
            *strand = f(*strand, *x);
        }
    }
    for (strand, x) in strands.iter_mut().zip(rest) {
        *strand = f(*strand, *x);
    }
    if start == 0.0 { strands.iter().sum() } else { strands.into_iter().fold(start, f) }
}
