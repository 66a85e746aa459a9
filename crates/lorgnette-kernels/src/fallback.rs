//! Rare operations in a general form: an index table says which elements meet.
//!
//! A table is built once, with the plan. These loops run on one thread, except [`gather`]; networks
//! spend almost no time in them.

use crate::ThreadPool;
use crate::blocks::for_blocks;
use crate::function::Binary;
use crate::shape::{Clamp, ImageLayout};

/// The table entry for the fill value.
pub const FILL: u32 = u32::MAX;

/// A table of runs of `run` elements: `output[i · run + j] = input[sources[i] + j]`, or `fill`
/// where the source is [`FILL`].
#[derive(Clone, Copy, Debug)]
pub struct Gather<'a> {
    /// Elements of a run.
    pub run: usize,
    /// Index of each run's first element in the input.
    pub sources: &'a [u32],
    /// The fill value.
    pub fill: f32,
}

/// Copies the runs of a table.
pub fn gather(gather: Gather<'_>, input: &[f32], output: &mut [f32], pool: &ThreadPool) {
    let Gather { run, sources, fill } = gather;
    for_blocks(&ImageLayout::dense(sources.len(), 1, 1, run), 1, output, pool, &|runs, chunk| {
        for (out, &source) in chunk.chunks_exact_mut(run).zip(&sources[runs]) {
            match source {
                FILL => out.fill(fill),
                _ => out.copy_from_slice(&input[source as usize..][..run]),
            }
        }
    });
}

/// Returns the longest run length into which a table of single elements divides, and each run's
/// first element.
pub fn runs(sources: &[u32]) -> (usize, Vec<u32>) {
    let run = sources
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| !follows(pair[0], pair[1]))
        .map(|(i, _)| i + 1)
        .fold(sources.len(), greatest_common_divisor);
    (run.max(1), sources.iter().copied().step_by(run.max(1)).collect())
}

/// True if two entries can be neighbours in a run.
fn follows(one: u32, next: u32) -> bool {
    if one == FILL { next == FILL } else { next != FILL && next == one + 1 }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// One operand of a binary operation: values, and the index of the value for each element of the
/// result.
#[derive(Clone, Copy, Debug)]
pub struct Gathered<'a> {
    /// The values.
    pub values: &'a [f32],
    /// An index for each element of the result.
    pub sources: &'a [u32],
}

impl Gathered<'_> {
    fn at(&self, i: usize) -> f32 {
        self.values[self.sources[i] as usize]
    }
}

/// Computes `output[i] = clamp(op(a, b))` for operands that broadcast in any way.
pub fn binary(op: Binary, a: Gathered<'_>, b: Gathered<'_>, clamp: Clamp, output: &mut [f32]) {
    for (i, out) in output.iter_mut().enumerate() {
        *out = clamp.apply(op.apply(a.at(i), b.at(i)));
    }
}

/// Computes `output[i] = a` where the condition is not 0, else `b`.
pub fn select(condition: Gathered<'_>, a: Gathered<'_>, b: Gathered<'_>, output: &mut [f32]) {
    for (i, out) in output.iter_mut().enumerate() {
        *out = if condition.at(i) != 0.0 { a.at(i) } else { b.at(i) };
    }
}

/// A reduction of a group of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The variants are their own description.
pub enum Reduction {
    Mean,
    Sum,
    Max,
    Min,
    Prod,
    /// 1 if no element is 0.
    All,
    /// 1 if any element is not 0.
    Any,
}

/// Computes `output[i]` as the reduction of `input` at `sources[i * group..][..group]`. Sums are
/// float64.
pub fn reduce(kind: Reduction, sources: &[u32], group: usize, input: &[f32], output: &mut [f32]) {
    for (i, out) in output.iter_mut().enumerate() {
        let values = sources[i * group..][..group].iter().map(|&s| input[s as usize]);
        *out = match kind {
            Reduction::Mean => (values.map(f64::from).sum::<f64>() / group as f64) as f32,
            Reduction::Sum => values.map(f64::from).sum::<f64>() as f32,
            Reduction::Prod => values.map(f64::from).product::<f64>() as f32,
            Reduction::Max => values.fold(f32::NEG_INFINITY, |a, b| Binary::Maximum.apply(a, b)),
            Reduction::Min => values.fold(f32::INFINITY, |a, b| Binary::Minimum.apply(a, b)),
            Reduction::All => f32::from(u8::from(values.into_iter().all(|v| v != 0.0))),
            Reduction::Any => f32::from(u8::from(values.into_iter().any(|v| v != 0.0))),
        };
    }
}

/// Computes `output[i]` as the position in its group of the largest element of `input` at
/// `sources[i * group..][..group]`, or the smallest one; the first of equal ones.
pub fn arg_reduce(
    smallest: bool,
    sources: &[u32],
    group: usize,
    input: &[f32],
    output: &mut [f32],
) {
    for (i, out) in output.iter_mut().enumerate() {
        let values = sources[i * group..][..group].iter().map(|&s| input[s as usize]);
        let mut best = (0, f32::NAN);
        for (at, value) in values.enumerate() {
            let is_better = if smallest { value < best.1 } else { value > best.1 };
            if at == 0 || is_better {
                best = (at, value);
            }
        }
        *out = best.0 as f32;
    }
}

/// Writes the `k` largest of each row of `columns` values in descending order, equal ones by
/// position: the values, or their positions.
///
/// # Panics
/// If `k` is larger than `columns`.
pub fn top_k(columns: usize, k: usize, indices: bool, input: &[f32], output: &mut [f32]) {
    for (row, out) in input.chunks_exact(columns).zip(output.chunks_exact_mut(k)) {
        // Each one is the largest after the previous one in the order (value descending, position).
        let mut last: Option<(f32, usize)> = None;
        for slot in out {
            let after = |&(at, value): &(usize, f32)| {
                last.is_none_or(|(v, p)| value < v || (value == v && at > p))
            };
            let found = row.iter().copied().enumerate().filter(after).fold(
                None,
                |best: Option<(usize, f32)>, next| match best {
                    Some(best) if best.1 >= next.1 => Some(best),
                    _ => Some(next),
                },
            );
            let (at, value) = found.unwrap_or((0, f32::NAN));
            last = Some((value, at));
            *slot = if indices { at as f32 } else { value };
        }
    }
}

/// A product of two computed matrices, each stored in row-major or column-major order.
#[derive(Clone, Copy, Debug)]
pub struct MatMul {
    /// Rows of the left matrix and of the result.
    pub rows: usize,
    /// Columns of the left matrix, rows of the right one.
    pub inner: usize,
    /// Columns of the right matrix and of the result.
    pub columns: usize,
    /// True if the left matrix is in column-major order.
    pub transpose_a: bool,
    /// True if the right matrix is in column-major order.
    pub transpose_b: bool,
}

impl MatMul {
    /// Computes `output[i][j] = Σₖ a[i][k] · b[k][j]`, summed in float64.
    pub fn run(&self, a: &[f32], b: &[f32], output: &mut [f32]) {
        for (at, out) in output.iter_mut().enumerate() {
            let (i, j) = (at / self.columns, at % self.columns);
            *out = (0..self.inner)
                .map(|k| f64::from(a[self.left_index(i, k)]) * f64::from(b[self.right_index(k, j)]))
                .sum::<f64>() as f32;
        }
    }
}

impl MatMul {
    fn left_index(&self, i: usize, k: usize) -> usize {
        if self.transpose_a { k * self.rows + i } else { i * self.inner + k }
    }

    fn right_index(&self, k: usize, j: usize) -> usize {
        if self.transpose_b { j * self.inner + k } else { k * self.columns + j }
    }
}

/// Truncates floats to integers, stored as floats.
pub fn to_int(input: &[f32], output: &mut [f32]) {
    output.iter_mut().zip(input).for_each(|(out, x)| *out = x.trunc());
}

/// Converts numbers to booleans, stored as 0 and 1.
pub fn to_bool(input: &[f32], output: &mut [f32]) {
    output.iter_mut().zip(input).for_each(|(out, &x)| *out = f32::from(u8::from(x != 0.0)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_come_in_order_and_equal_ones_by_position() {
        let x = [1.0, 3.0, 2.0, 3.0];
        let (mut values, mut positions) = ([0.0; 3], [0.0; 3]);
        top_k(4, 3, false, &x, &mut values);
        top_k(4, 3, true, &x, &mut positions);
        assert_eq!((values, positions), ([3.0, 3.0, 2.0], [1.0, 3.0, 2.0]));
    }

    #[test]
    fn reductions_follow_the_table() {
        let (x, mut out) = ([1.0, 2.0, 3.0, 5.0], [0.0; 2]);
        reduce(Reduction::Mean, &[0, 2, 1, 3], 2, &x, &mut out);
        assert_eq!(out, [2.0, 3.5]);
        arg_reduce(false, &[0, 2, 1, 3], 2, &x, &mut out);
        assert_eq!(out, [1.0, 1.0]);
    }

    #[test]
    fn what_stays_together_moves_together() {
        let (x, pool) = ([1.0, 2.0, 3.0, 5.0, 7.0], ThreadPool::new(2));
        let tables: [(&[u32], usize); 6] = [
            (&[3, FILL], 1),
            (&[3, 4, 1, 2, FILL, FILL], 2),
            (&[1, 2, 3, 0, 1, 2], 3),
            (&[0, 1, 2, 3, 1, 2], 2),
            (&[4, 3, 2, 1], 1),
            (&[], 1),
        ];
        for (table, longest) in tables {
            let (run, sources) = runs(table);
            assert_eq!(run, longest, "{table:?}");
            let mut out = vec![0.0; table.len()];
            gather(Gather { run, sources: &sources, fill: 9.0 }, &x, &mut out, &pool);
            let expected: Vec<f32> =
                table.iter().map(|&i| x.get(i as usize).copied().unwrap_or(9.0)).collect();
            assert_eq!(out, expected);
        }
    }
}
