//! Upsampling of components to the picture's size: libjpeg's smooth ("fancy") upsampling.
//!
//! A sample is three parts of the nearest sample and one part of the next, with the rounding of
//! `jdsample.c`. Where sampling factors are not 1 or 2, or a row is too short to have neighbours,
//! samples are repeated.

use crate::frame::{Component, Frame};

/// Minimum width of a component that is smoothed horizontally: below it, libjpeg repeats samples.
const MIN_SMOOTHED_WIDTH: usize = 3;

/// Fills `out` with row `y` of a component at the width of the picture.
pub(crate) fn row(frame: &Frame, component: &Component, y: usize, out: &mut Vec<u8>) {
    let across =
        frame.horizontal * frame.block_side / (component.horizontal * component.block_side);
    let down = frame.vertical * frame.block_side / (component.vertical * component.block_side);
    // A picture of one sample a block is not smoothed (`jinit_upsampler`).
    let is_smoothed = frame.block_side > 1;
    let wide = is_smoothed && component.width >= MIN_SMOOTHED_WIDTH;
    out.clear();
    match (across, down) {
        (1, 1) => out.extend_from_slice(samples(component, y)),
        (2, 1) if wide => double_across(samples(component, y), out),
        (1, 2) if is_smoothed => double_down(component, y, out),
        (2, 2) if wide => double_both(component, y, out),
        _ => repeat(samples(component, y / down), across, out),
    }
    out.truncate(frame.width);
}

/// The samples of a row inside the picture.
fn samples(component: &Component, y: usize) -> &[u8] {
    &component.samples[component.block_side * component.blocks_across * y..][..component.width]
}

/// The row that contains an output row, and its nearest neighbour: above for an even row, below for
/// an odd one. At the picture's edges the row itself.
fn near_and_next(component: &Component, y: usize) -> (&[u8], &[u8]) {
    let near = y / 2;
    let next = if y.is_multiple_of(2) {
        near.saturating_sub(1)
    } else {
        (near + 1).min(component.height - 1)
    };
    (samples(component, near), samples(component, next))
}

fn repeat(row: &[u8], times: usize, out: &mut Vec<u8>) {
    out.extend(row.iter().flat_map(|&sample| std::iter::repeat_n(sample, times)));
}

/// `h2v1_fancy_upsample`.
fn double_across(row: &[u8], out: &mut Vec<u8>) {
    let blend =
        |near: u8, next: u8, bias: u16| ((3 * u16::from(near) + u16::from(next) + bias) >> 2) as u8;
    let last = row.len() - 1;
    let [first, inner @ .., end] = output_pairs(out, row.len()) else { return };
    *first = [row[0], blend(row[0], row[1], 2)];
    for (pair, w) in inner.iter_mut().zip(row.windows(3)) {
        *pair = [blend(w[1], w[0], 1), blend(w[1], w[2], 2)];
    }
    *end = [blend(row[last], row[last - 1], 1), row[last]];
}

/// Appends space for two samples of each column. Writing pairs into slices of known length lets the
/// compiler compute eight and more at a time.
fn output_pairs(out: &mut Vec<u8>, columns: usize) -> &mut [[u8; 2]] {
    out.resize(2 * columns, 0);
    out.as_chunks_mut().0
}

/// `h1v2_fancy_upsample`.
fn double_down(component: &Component, y: usize, out: &mut Vec<u8>) {
    let (near, next) = near_and_next(component, y);
    let bias = if y.is_multiple_of(2) { 1 } else { 2 };
    out.extend(
        near.iter()
            .zip(next)
            .map(|(&near, &next)| ((3 * u16::from(near) + u16::from(next) + bias) >> 2) as u8),
    );
}

/// `h2v2_fancy_upsample`: down first, in sixteenths, then across.
fn double_both(component: &Component, y: usize, out: &mut Vec<u8>) {
    /// Columns computed vertically at a time, plus one on either side.
    const COLUMNS: usize = 64;
    let (near, next) = near_and_next(component, y);
    let column = |x: usize| 3 * u16::from(near[x]) + u16::from(next[x]);
    let last = near.len() - 1;
    let [first, inner @ .., end] = output_pairs(out, near.len()) else { return };
    *first = [((4 * column(0) + 8) >> 4) as u8, ((3 * column(0) + column(1) + 7) >> 4) as u8];
    for (part, pairs) in inner.chunks_mut(COLUMNS).enumerate() {
        let mut columns = [0; COLUMNS + 2];
        let samples = near[part * COLUMNS..].iter().zip(&next[part * COLUMNS..]);
        for (column, (&near, &next)) in columns.iter_mut().zip(samples) {
            *column = 3 * u16::from(near) + u16::from(next);
        }
        for (pair, w) in pairs.iter_mut().zip(columns.windows(3)) {
            *pair = [((3 * w[1] + w[0] + 8) >> 4) as u8, ((3 * w[1] + w[2] + 7) >> 4) as u8];
        }
    }
    *end = [
        ((3 * column(last) + column(last - 1) + 8) >> 4) as u8,
        ((4 * column(last) + 7) >> 4) as u8,
    ];
}
