//! The input as tiles read it: padded, and divided so that every window steps by one.
//!
//! A window that steps by `s` sees, under one tap, each `s`-th pixel of each `s`-th row. These are
//! put together in planes, one for each remainder of a tap's distance from the first one by `s`,
//! along rows and columns: 1 for most windows, 4 for those that step by two. In a plane of as many
//! columns as the output has, and those that taps reach to, what is under a tap for output pixel
//! `(y, x)` is pixel `y · columns + x` from where the first window has it. All these positions are
//! equally far apart, from row to row too; those at the end of a row are no output pixels, and what
//! is computed for them is dropped.
//!
//! A picture is taken in bands of rows, so that planes stay in cache, and take little memory.

use std::ops::Range;

use super::{Bf16Expansion, pack};
use crate::blocks::{SharedSlice, chunk};
use crate::conv::ConvShape;
use crate::conv::winograd::{CONFLICT_STRIDE, pad_stride};
use crate::isa::CACHE_LINE;
use crate::simd::{BLOCK_ROWS, PixelConversion};
use crate::{ImageLayout, StorageType, ThreadPool, Window};

/// The planes of a convolution.
pub(super) struct Planes {
    /// What is read and written. Of windows of one tap that see all pixels, all pictures are one.
    pub(super) input: ImageLayout,
    pub(super) output: ImageLayout,
    pub(super) window: Window,
    /// Planes along rows and columns: remainders.
    counts: [usize; 2],
    /// How far the last tap reaches, in pixels of a plane.
    reach: [usize; 2],
    /// Columns of a plane.
    pub(super) columns: usize,
    /// Floats from pixel to pixel.
    pub(super) step: usize,
    /// Output rows of a band.
    block_rows: usize,
}

/// Some output rows of a picture.
pub(super) struct RowBlock {
    pub(super) image: usize,
    pub(super) rows: Range<usize>,
}

/// What the planes of a band should take: the cache of one or two cores.
const ROW_BLOCK_WORDS: usize = 512 << 10;
/// Fewer rows would read too many of their neighbours' again.
const MIN_BLOCK_ROWS: usize = 8;

impl Planes {
    pub(super) fn new<P: Bf16Expansion>(shape: &ConvShape) -> Self {
        let ConvShape { mut input, mut output, window } = *shape;
        if window.is_pointwise() {
            for layout in [&mut input, &mut output] {
                *layout = ImageLayout { batch: 1, height: layout.batch * layout.height, ..*layout };
            }
        }
        let counts = [0, 1].map(|axis| phase_count(&window, axis));
        let reach = [0, 1]
            .map(|axis| (window.kernel[axis] - 1) * window.dilation[axis] / window.stride[axis]);
        let columns = output.width + reach[1];
        let step = pad_stride(pack::steps(shape) * P::TERMS * CACHE_LINE, CONFLICT_STRIDE);
        let row = counts[0] * counts[1] * columns * step;
        let block_rows = (ROW_BLOCK_WORDS / row.max(1)).max(MIN_BLOCK_ROWS).min(output.height);
        Self { input, output, window, counts, reach, columns, step, block_rows }
    }

    /// All bands.
    pub(super) fn row_blocks(&self) -> impl Iterator<Item = RowBlock> + use<> {
        let (height, step) = (self.output.height, self.block_rows);
        let rows =
            move || (0..height).step_by(step).map(move |first| first..height.min(first + step));
        (0..self.output.batch)
            .flat_map(move |image| rows().map(move |rows| RowBlock { image, rows }))
    }

    /// How many positions so many output rows have, those between rows included.
    pub(super) fn positions(&self, rows: usize) -> usize {
        (rows - 1) * self.columns + self.output.width
    }

    /// Pixels of all planes for so many output rows.
    pub(super) fn pixels(&self, rows: usize) -> usize {
        self.counts[0] * self.counts[1] * self.plane(rows)
    }

    /// Pixels of a plane.
    fn plane(&self, rows: usize) -> usize {
        (rows + self.reach[0]) * self.columns
    }

    /// Floats for the taps' offsets.
    pub(super) fn taps_len(&self) -> usize {
        (self.window.kernel[0] * self.window.kernel[1]).next_multiple_of(CACHE_LINE)
    }

    /// Floats of the planes of a band. A block that begins at the last position reads more pixels
    /// than there are.
    fn planes_len(&self) -> usize {
        (self.pixels(self.block_rows) + BLOCK_ROWS) * self.step
    }

    pub(super) fn scratch_len(&self) -> usize {
        self.taps_len() + self.planes_len()
    }

    /// Whether offsets, which are 32 bits, reach all of a band.
    pub(super) fn offsets_fit_u32(&self) -> bool {
        u32::try_from(self.planes_len() * size_of::<f32>()).is_ok()
    }

    /// The pixels from a position to the farthest that a tap sees.
    pub(super) fn max_tap_offset(&self, row_block: &RowBlock) -> usize {
        let last_plane = (self.counts[0] * self.counts[1] - 1) * self.plane(row_block.rows.len());
        last_plane + self.reach[0] * self.columns + self.reach[1]
    }

    /// For each tap, the bytes from a position to the pixel it sees.
    pub(super) fn offsets<'a>(&self, row_block: &RowBlock, buffer: &'a mut [f32]) -> &'a [u32] {
        let [rows, columns] = self.window.kernel;
        let buffer = &mut buffer[..rows * columns];
        // SAFETY: both are four bytes, aligned alike, and any bits are a number of either.
        let offsets = unsafe {
            std::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast::<u32>(), buffer.len())
        };
        for (tap, offset) in offsets.iter_mut().enumerate() {
            let at = [tap / columns, tap % columns];
            let [y, x] =
                [0, 1].map(|axis| at[axis] * self.window.dilation[axis] / self.window.stride[axis]);
            let plane = at[0] % self.counts[0] * self.counts[1] + at[1] % self.counts[1];
            let pixel = plane * self.plane(row_block.rows.len()) + y * self.columns + x;
            *offset = (pixel * self.step * size_of::<f32>()) as u32;
        }
        offsets
    }

    /// Puts what a band sees into its planes.
    pub(super) fn fill<P: Bf16Expansion>(
        &self,
        row_block: &RowBlock,
        input: &[f32],
        values: &mut [f32],
        pool: &ThreadPool,
    ) {
        let rows = self.counts[0] * self.counts[1] * (row_block.rows.len() + self.reach[0]);
        let row_len = self.columns * self.step;
        let values = SharedSlice::new(values);
        let tasks = rows.min(1 + rows * row_len / TASK_FLOATS);
        pool.run(tasks, &|_, task| {
            for row in chunk(rows, tasks, task) {
                // SAFETY: each row of the planes is one task's.
                let values = unsafe { values.slice_mut(row * row_len..(row + 1) * row_len) };
                self.fill_row::<P>(row_block, row, input, values);
            }
        });
    }

    /// One row of a plane: zeros, pixels, zeros.
    fn fill_row<P: Bf16Expansion>(
        &self,
        row_block: &RowBlock,
        row: usize,
        input: &[f32],
        values: &mut [f32],
    ) {
        let (plane, row) = (
            row / (row_block.rows.len() + self.reach[0]),
            row % (row_block.rows.len() + self.reach[0]),
        );
        let layout = &self.input;
        let y = self.padded_index(0, plane / self.counts[1], row_block.rows.start + row);
        let columns = self.valid_columns(plane % self.counts[1]);
        let Some(y) = y
            .checked_sub(self.window.padding.top)
            .filter(|&y| y < layout.height && !columns.is_empty())
        else {
            return values.fill(0.0);
        };
        let (before, rest) = values.split_at_mut(columns.start * self.step);
        let (output, after) = rest.split_at_mut(columns.len() * self.step);
        before.fill(0.0);
        after.fill(0.0);
        let x =
            self.padded_index(1, plane % self.counts[1], columns.start) - self.window.padding.left;
        let pixel = (row_block.image * layout.height + y) * layout.width + x;
        let (input, stride) =
            (&input[pixel * layout.stride..], self.window.stride[1] * layout.stride);
        let pixels =
            PixelConversion { input, stride, channels: layout.words(), output, step: self.step };
        match layout.storage {
            StorageType::Float32 => P::convert(pixels),
            StorageType::Bf16 => pixels.copy(),
        }
    }

    /// The columns of a plane, with remainder number `x`, that lie in the picture.
    fn valid_columns(&self, x: usize) -> Range<usize> {
        let (left, step) = (self.window.padding.left, self.window.stride[1]);
        let first = self.padded_index(1, x, 0);
        let end = (left + self.input.width).saturating_sub(first).div_ceil(step).min(self.columns);
        left.saturating_sub(first).div_ceil(step).min(end)..end
    }

    /// The row or column of the padded picture that a plane, with remainder number `plane`, has as
    /// number `at`.
    fn padded_index(&self, axis: usize, plane: usize, at: usize) -> usize {
        let (stride, dilation) = (self.window.stride[axis], self.window.dilation[axis]);
        at * stride + plane * dilation % stride
    }
}

/// About how many floats a task puts into planes.
const TASK_FLOATS: usize = 16 << 10;

/// How many remainders the distances of taps have by the window's step. Tap `t` has that of number
/// `t` modulo as many.
fn phase_count(window: &Window, axis: usize) -> usize {
    let (stride, dilation) = (window.stride[axis], window.dilation[axis]);
    let phases =
        (1..=stride).find(|count| (count * dilation).is_multiple_of(stride)).unwrap_or(stride);
    window.kernel[axis].min(phases)
}
