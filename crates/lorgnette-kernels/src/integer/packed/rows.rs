//! The values under the windows of output pixels, copied side by side: the rows of a product of
//! matrices.

use std::ops::Range;

use crate::Level;
use crate::integer::IntegerConvShape;
use crate::simd::{Simd, SimdOp};

/// The rows of some output pixels.
pub(super) struct RowCopy<'a> {
    pub(super) shape: &'a IntegerConvShape,
    pub(super) input: &'a [u8],
    pub(super) pixels: Range<usize>,
    /// The value of padding in rows.
    pub(super) zero: u8,
    /// The bits in which stored values differ from those of rows.
    pub(super) flip: u8,
    /// Bytes from row to row.
    pub(super) row_stride: usize,
    pub(super) rows: &'a mut [u8],
}

/// An output pixel, and the taps of its window that are inside the image.
struct Place {
    image: usize,
    row: usize,
    column: usize,
    down: Range<usize>,
    across: Range<usize>,
}

impl SimdOp for RowCopy<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, _: S) {
        if super::gemm::reads_pixels(self.shape) {
            return self.copy_pixels::<S>();
        }
        let IntegerConvShape { input_shape, output_shape, window, .. } = self.shape;
        let [_, output_rows, output_columns, _] = *output_shape;
        let interior = window.interior_columns(input_shape[2], output_columns);
        let line = self.pixels.start / output_columns;
        let (mut image, mut row) = (line / output_rows, line % output_rows);
        let mut column = self.pixels.start % output_columns;
        let mut down = window.valid_taps(0, input_shape[1], row);
        let rows = std::mem::take(&mut self.rows);
        let (mut pixel, count) = (0, self.pixels.len());
        while pixel < count {
            let first = pixel * self.row_stride;
            if interior.contains(&column) {
                let inside = (interior.end - column).min(count - pixel);
                let across = 0..window.kernel[1];
                let place = Place { image, row, column, down: down.clone(), across };
                let copied = self.copy_neighbours(&place, inside, &mut rows[first..]);
                if copied > 0 {
                    (column, pixel) = (column + copied, pixel + copied);
                } else {
                    self.copy_window::<S>(&place, &mut rows[first..first + self.row_stride]);
                    (column, pixel) = (column + 1, pixel + 1);
                }
            } else {
                let across = window.valid_taps(1, input_shape[2], column);
                let place = Place { image, row, column, down: down.clone(), across };
                self.copy_window::<S>(&place, &mut rows[first..first + self.row_stride]);
                (column, pixel) = (column + 1, pixel + 1);
            }
            if column == output_columns {
                (column, row) = (0, row + 1);
                if row == output_rows {
                    (row, image) = (0, image + 1);
                }
                down = window.valid_taps(0, input_shape[1], row);
            }
        }
    }
}

impl RowCopy<'_> {
    /// Copies pixels that are rows themselves.
    #[inline(always)]
    fn copy_pixels<S: Simd>(self) {
        let channels = self.shape.input_shape[3];
        let input = &self.input[self.pixels.start * channels..self.pixels.end * channels];
        if self.row_stride == channels {
            return copy_flipped::<S>(input, self.rows, self.flip);
        }
        let rows = self.rows.chunks_exact_mut(self.row_stride);
        for (from, to) in input.chunks_exact(channels).zip(rows) {
            copy_flipped::<S>(from, to, self.flip);
        }
    }

    /// Copies the values under one window.
    #[inline(always)]
    fn copy_window<S: Simd>(&self, place: &Place, to: &mut [u8]) {
        let IntegerConvShape { input_shape: [_, rows, columns, channels], window, .. } =
            *self.shape;
        let run_len = window.kernel[1] * channels;
        for tap in 0..window.kernel[0] {
            let run = &mut to[tap * run_len..][..run_len];
            if !place.down.contains(&tap) || place.across.is_empty() {
                run.fill(self.zero);
                continue;
            }
            if place.across != (0..window.kernel[1]) {
                run[..place.across.start * channels].fill(self.zero);
                run[place.across.end * channels..].fill(self.zero);
            }
            let line = place.image * rows + window.input_index(0, place.row, tap);
            let line = &self.input[line * columns * channels..][..columns * channels];
            let first = window.input_index(1, place.column, place.across.start);
            let step = window.dilation[1];
            let inside = place.across.len();
            let (count, len) = if step == 1 { (1, inside * channels) } else { (inside, channels) };
            for i in 0..count {
                let from = &line[(first + i * step) * channels..][..len];
                let to = &mut run[(place.across.start + i) * channels..][..len];
                copy_flipped::<S>(from, to, self.flip);
            }
        }
    }
}

/// Rows of the windows whose values are copied in pieces of a fixed length.
const MAX_SHORT_ROWS: usize = 8;
/// Maximum bytes of such a piece.
const MAX_PIECE: usize = 64;

impl RowCopy<'_> {
    /// Copies the values under the windows of neighbouring pixels, whose columns are inside the
    /// image, to the rows that `to` begins with. Returns how many pixels it copied; the row behind
    /// them may be changed.
    #[inline(always)]
    fn copy_neighbours(&self, first: &Place, count: usize, to: &mut [u8]) -> usize {
        let IntegerConvShape { input_shape: [_, rows, columns, channels], window, .. } =
            *self.shape;
        let [height, width] = window.kernel;
        let len = width * channels;
        let is_whole = first.down == (0..height) && height <= MAX_SHORT_ROWS;
        if len > MAX_PIECE || !is_whole || window.dilation[1] != 1 {
            return 0;
        }
        let mut starts = [0; MAX_SHORT_ROWS];
        for (tap, start) in starts.iter_mut().enumerate().take(height) {
            let line = first.image * rows + window.input_index(0, first.row, tap);
            *start = (line * columns + window.input_index(1, first.column, 0)) * channels;
        }
        let step = window.stride[1] * channels;
        let pieces = Pieces { starts: &starts[..height], step, len, count };
        match len {
            ..=16 => self.copy_pieces::<16>(&pieces, to),
            17..=32 => self.copy_pieces::<32>(&pieces, to),
            _ => self.copy_pieces::<MAX_PIECE>(&pieces, to),
        }
    }

    /// Copies pieces of `N` bytes; what is behind a piece's own is overwritten by the next one.
    #[inline(always)]
    fn copy_pieces<const N: usize>(&self, pieces: &Pieces<'_>, to: &mut [u8]) -> usize {
        for pixel in 0..pieces.count {
            for (tap, start) in pieces.starts.iter().enumerate() {
                let from = &self.input[start + pixel * pieces.step..];
                let to = &mut to[pixel * self.row_stride + tap * pieces.len..];
                let (Some(from), Some(to)) = (from.first_chunk::<N>(), to.first_chunk_mut::<N>())
                else {
                    return pixel;
                };
                *to = flipped(*from, self.flip);
            }
        }
        pieces.count
    }
}

/// The values under the windows of neighbouring pixels.
struct Pieces<'a> {
    /// Where the rows under the first window begin in the input.
    starts: &'a [usize],
    /// Bytes from pixel to pixel of the input.
    step: usize,
    /// Bytes of a row of a window.
    len: usize,
    /// Pixels.
    count: usize,
}

/// Copies bytes with some bits changed.
#[inline(always)]
fn copy_flipped<S: Simd>(from: &[u8], to: &mut [u8], flip: u8) {
    #[cfg(target_arch = "x86_64")]
    if S::LEVEL == Level::Avx512 {
        assert!(to.len() >= from.len(), "a copy's length");
        // SAFETY: the level has the instructions, and both slices have the length.
        unsafe {
            super::vnni::copy_flipped(from.as_ptr(), to.as_mut_ptr(), from.len(), flip);
        }
        return;
    }
    match from.len() {
        64.. => copy_blocks::<64>(from, to, flip),
        16.. => copy_blocks::<16>(from, to, flip),
        4.. => copy_blocks::<4>(from, to, flip),
        _ => {
            for (to, from) in to.iter_mut().zip(from) {
                *to = from ^ flip;
            }
        }
    }
}

/// Copies at least `N` bytes in blocks of `N`, of which the last two may overlap.
#[inline(always)]
fn copy_blocks<const N: usize>(from: &[u8], to: &mut [u8], flip: u8) {
    let to = &mut to[..from.len()];
    for (from, to) in from.chunks_exact(N).zip(to.chunks_exact_mut(N)) {
        copy_block::<N>(from, to, flip);
    }
    if !from.len().is_multiple_of(N) {
        let last = from.len() - N;
        copy_block::<N>(&from[last..], &mut to[last..], flip);
    }
}

/// Copies `N` bytes.
#[inline(always)]
fn copy_block<const N: usize>(from: &[u8], to: &mut [u8], flip: u8) {
    let from = from.first_chunk::<N>().expect("a whole block");
    *to.first_chunk_mut::<N>().expect("a whole block") = flipped(*from, flip);
}

/// Returns bytes with some bits changed.
#[inline(always)]
fn flipped<const N: usize>(mut block: [u8; N], flip: u8) -> [u8; N] {
    for byte in &mut block {
        *byte ^= flip;
    }
    block
}
