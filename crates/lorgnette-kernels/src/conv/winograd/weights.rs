//! The filter's values at the points, packed for matrix products: `[panel of output
//! channels][point][input channel][channel of the panel]`, and the inverse transform to the
//! filter's taps.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::transform::{MAX_POINTS, MAX_TAPS, Transform1d};
use crate::ThreadPool;
use crate::blocks::chunk;
use crate::conv::pack::Source;
use crate::conv::{ConvShape, Filter, panel_width};
use crate::simd::{Simd, SimdOp};

/// Returns the points of a two-dimensional transform.
pub(super) const fn points<V: Transform1d, H: Transform1d>() -> usize {
    V::POINTS * H::POINTS
}

/// Returns the words of one panel.
pub(super) fn panel_len<S: Simd, V: Transform1d, H: Transform1d>(shape: &ConvShape) -> usize {
    points::<V, H>() * shape.input.channels * panel_width::<S>()
}

pub(super) fn packed_len<S: Simd, V: Transform1d, H: Transform1d>(shape: &ConvShape) -> usize {
    shape.output.channels.div_ceil(panel_width::<S>()) * panel_len::<S, V, H>(shape)
}

/// Packs rows of weights. Taps are stored in the first points' rows until the last tap of their
/// input channel has come.
pub(super) fn pack_rows<S: Simd, V: Transform1d, H: Transform1d>(
    shape: &ConvShape,
    filter: &Filter<'_>,
    rows: Range<usize>,
    packed: &mut [f32],
    pool: &ThreadPool,
) {
    let (width, inputs) = (panel_width::<S>(), shape.input.channels);
    let source = Source::for_conv(filter, shape);
    let panels =
        packed[..packed_len::<S, V, H>(shape)].chunks_exact_mut(panel_len::<S, V, H>(shape).max(1));
    let panels: Vec<_> = panels.map(Mutex::new).collect();
    let tasks = pool.threads().min(panels.len());
    let last = (V::TAPS * H::TAPS - 1) * inputs;
    pool.run(tasks, &|_, task| {
        for panel in chunk(panels.len(), tasks, task) {
            let mut values = panels[panel].lock().unwrap_or_else(PoisonError::into_inner);
            for k in rows.clone() {
                source.copy(k, panel * width, &mut values[k * width..][..width]);
            }
            let complete = rows.start.max(last) - last..rows.end.max(last) - last;
            S::dispatch(FilterTransform {
                values: &mut values,
                complete,
                inputs,
                width,
                transforms: PhantomData::<(V, H)>,
            });
        }
    });
}

/// Output channels that are transformed together.
const CHUNK: usize = 8;

/// Replaces the taps of some input channels by their values at the points, computed in float64.
struct FilterTransform<'a, V, H> {
    values: &'a mut [f32],
    complete: Range<usize>,
    inputs: usize,
    width: usize,
    transforms: PhantomData<(V, H)>,
}

impl<V: Transform1d, H: Transform1d> SimdOp for FilterTransform<'_, V, H> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let vertical: [_; MAX_POINTS] =
            std::array::from_fn(|point| V::filter_row(point.min(V::POINTS - 1)));
        let horizontal: [_; MAX_POINTS] =
            std::array::from_fn(|point| H::filter_row(point.min(H::POINTS - 1)));
        for input in self.complete {
            for first in (0..self.width).step_by(CHUNK) {
                let offset = |n: usize| (n * self.inputs + input) * self.width + first;
                let mut rows = [[[0.0; CHUNK]; MAX_TAPS]; MAX_POINTS];
                for (row, vertical) in rows.iter_mut().zip(&vertical).take(V::POINTS) {
                    for (x, sums) in row.iter_mut().enumerate().take(H::TAPS) {
                        for (y, factor) in vertical.iter().enumerate().take(V::TAPS) {
                            let taps = &self.values[offset(y * H::TAPS + x)..][..CHUNK];
                            sums.iter_mut()
                                .zip(taps)
                                .for_each(|(sum, tap)| *sum += factor * f64::from(*tap));
                        }
                    }
                }
                for (y, row) in rows.iter().enumerate().take(V::POINTS) {
                    for (x, horizontal) in horizontal.iter().enumerate().take(H::POINTS) {
                        let mut sums = [0.0; CHUNK];
                        for (taps, factor) in row.iter().zip(horizontal).take(H::TAPS) {
                            sums.iter_mut().zip(taps).for_each(|(sum, tap)| *sum += factor * tap);
                        }
                        let values = &mut self.values[offset(y * H::POINTS + x)..][..CHUNK];
                        values.iter_mut().zip(sums).for_each(|(value, sum)| *value = sum as f32);
                    }
                }
            }
        }
    }
}

/// Returns the matrix that recovers a filter's taps from its values at the points: `taps[t] = Σ
/// recovery[t][point] · value[point]`.
pub(super) fn recovery<F: Transform1d>() -> [[f64; MAX_POINTS]; MAX_TAPS] {
    // One point for each tap is enough: the simplest of them.
    let chosen: [usize; MAX_TAPS] =
        std::array::from_fn(|i| if i == 1 { F::POINTS - 1 } else { i.saturating_sub(1) });
    let chosen = &chosen[..F::TAPS];
    // [filter rows of the chosen points | identity], reduced by Gauss-Jordan elimination.
    let mut rows: Vec<Vec<f64>> = chosen
        .iter()
        .map(|&point| {
            F::filter_row(point)[..F::TAPS]
                .iter()
                .copied()
                .chain((0..F::POINTS).map(|p| f64::from(u8::from(p == point))))
                .collect()
        })
        .collect();
    for column in 0..F::TAPS {
        let pivot = (column..F::TAPS)
            .max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()));
        rows.swap(column, pivot.expect("a form has taps"));
        let pivot: Vec<f64> =
            rows[column].iter().map(|value| value / rows[column][column]).collect();
        for row in &mut rows {
            let factor = row[column];
            row.iter_mut().zip(&pivot).for_each(|(value, pivot)| *value -= factor * pivot);
        }
        rows[column] = pivot;
    }
    let mut recovery = [[0.0; MAX_POINTS]; MAX_TAPS];
    for (taps, row) in recovery.iter_mut().zip(&rows) {
        taps[..F::POINTS].copy_from_slice(&row[F::TAPS..]);
    }
    recovery
}

#[cfg(test)]
mod tests {
    use super::super::transform::{F23, F25, F27, F43, F47};
    use super::*;

    fn check<F: Transform1d>() {
        for (tap, row) in recovery::<F>()[..F::TAPS].iter().enumerate() {
            for other in 0..F::TAPS {
                let found: f64 =
                    (0..F::POINTS).map(|point| row[point] * F::filter_row(point)[other]).sum();
                assert!(
                    (found - f64::from(u8::from(tap == other))).abs() < 1e-9,
                    "tap {tap} from {other}: {found}"
                );
            }
        }
    }

    #[test]
    fn taps_are_recovered() {
        check::<F23>();
        check::<F43>();
        check::<F25>();
        check::<F27>();
        check::<F47>();
    }
}
