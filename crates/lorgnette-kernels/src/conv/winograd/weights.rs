//! The filter's values at the points, packed for products: `[panel of output channels][point][input channel][channel of
//! the panel]`. And the way back to the filter, for what products at points cannot give.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::form::{Form, MOST_POINTS, MOST_TAPS};
use crate::Pool;
use crate::conv::pack::Source;
use crate::conv::{ConvShape, Filter, panel_width, split};
use crate::simd::Simd;

/// Points of a two-dimensional form.
pub(super) const fn points<V: Form, H: Form>() -> usize {
    V::POINTS * H::POINTS
}

/// Floats of one panel.
pub(super) fn panel_len<S: Simd, V: Form, H: Form>(shape: &ConvShape) -> usize {
    points::<V, H>() * shape.input.channels * panel_width::<S>()
}

pub(super) fn packed_len<S: Simd, V: Form, H: Form>(shape: &ConvShape) -> usize {
    shape.output.channels.div_ceil(panel_width::<S>()) * panel_len::<S, V, H>(shape)
}

/// Taps wait in the places of the first points until the last tap of their input channel has come.
pub(super) fn pack_rows<S: Simd, V: Form, H: Form>(
    shape: &ConvShape,
    filter: &Filter<'_>,
    rows: Range<usize>,
    packed: &mut [f32],
    pool: &Pool,
) {
    let (width, inputs) = (panel_width::<S>(), shape.input.channels);
    let source = Source::new(filter, shape.depth(), shape.output.channels);
    let panels = packed[..packed_len::<S, V, H>(shape)].chunks_exact_mut(panel_len::<S, V, H>(shape).max(1));
    let panels: Vec<_> = panels.map(Mutex::new).collect();
    let tasks = pool.threads().min(panels.len());
    let last = (V::TAPS * H::TAPS - 1) * inputs;
    pool.run(tasks, &|_, task| {
        for panel in split::part(panels.len(), tasks, task) {
            let mut values = panels[panel].lock().unwrap_or_else(PoisonError::into_inner);
            for k in rows.clone() {
                source.copy(k, panel * width, &mut values[k * width..][..width]);
            }
            for input in rows.start.max(last)..rows.end.max(last) {
                transform::<V, H>(&mut values, input - last, inputs, width);
            }
        }
    });
}

/// Replaces the taps of an input channel by their values at the points, reckoned in float64.
fn transform<V: Form, H: Form>(values: &mut [f32], input: usize, inputs: usize, width: usize) {
    let place = |n: usize, channel: usize| (n * inputs + input) * width + channel;
    let vertical: [_; MOST_POINTS] = std::array::from_fn(|point| V::filter(point.min(V::POINTS - 1)));
    let horizontal: [_; MOST_POINTS] = std::array::from_fn(|point| H::filter(point.min(H::POINTS - 1)));
    for channel in 0..width {
        let mut rows = [[0.0; MOST_TAPS]; MOST_POINTS];
        for (vertical, row) in vertical.iter().zip(&mut rows).take(V::POINTS) {
            for (x, value) in row[..H::TAPS].iter_mut().enumerate() {
                let tap = |y: usize| f64::from(values[place(y * H::TAPS + x, channel)]);
                *value = (0..V::TAPS).map(|y| vertical[y] * tap(y)).sum::<f64>();
            }
        }
        for (y, row) in rows[..V::POINTS].iter().enumerate() {
            for (x, horizontal) in horizontal[..H::POINTS].iter().enumerate() {
                let value: f64 = (0..H::TAPS).map(|tap| horizontal[tap] * row[tap]).sum();
                values[place(y * H::POINTS + x, channel)] = value as f32;
            }
        }
    }
}

/// The taps of a filter by its values at the points: `taps[t] = Σ recovery[t][point] · value[point]`.
pub(super) fn recovery<F: Form>() -> [[f64; MOST_POINTS]; MOST_TAPS] {
    // As many points as there are taps are enough: the simplest of them.
    let chosen: [usize; MOST_TAPS] = std::array::from_fn(|i| if i == 1 { F::POINTS - 1 } else { i.saturating_sub(1) });
    let chosen = &chosen[..F::TAPS];
    // [filter rows of the chosen points | identity], reduced by Gauss and Jordan.
    let mut rows: Vec<Vec<f64>> = chosen
        .iter()
        .map(|&point| {
            F::filter(point)[..F::TAPS]
                .iter()
                .copied()
                .chain((0..F::POINTS).map(|p| f64::from(u8::from(p == point))))
                .collect()
        })
        .collect();
    for column in 0..F::TAPS {
        let pivot = (column..F::TAPS).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()));
        rows.swap(column, pivot.expect("a form has taps"));
        let pivot: Vec<f64> = rows[column].iter().map(|value| value / rows[column][column]).collect();
        for row in &mut rows {
            let factor = row[column];
            row.iter_mut().zip(&pivot).for_each(|(value, pivot)| *value -= factor * pivot);
        }
        rows[column] = pivot;
    }
    let mut recovery = [[0.0; MOST_POINTS]; MOST_TAPS];
    for (taps, row) in recovery.iter_mut().zip(&rows) {
        taps[..F::POINTS].copy_from_slice(&row[F::TAPS..]);
    }
    recovery
}

#[cfg(test)]
mod tests {
    use super::super::form::{F23, F25, F27, F43, F47};
    use super::*;

    fn check<F: Form>() {
        for (tap, row) in recovery::<F>()[..F::TAPS].iter().enumerate() {
            for other in 0..F::TAPS {
                let found: f64 = (0..F::POINTS).map(|point| row[point] * F::filter(point)[other]).sum();
                assert!((found - f64::from(u8::from(tap == other))).abs() < 1e-9, "tap {tap} from {other}: {found}");
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
