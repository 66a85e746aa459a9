//! The input as tiles read it: padded, and divided into planes in which every window has stride 1.
//!
//! A window of stride `s` sees, under one tap, every `s`-th pixel of every `s`-th row. These pixels
//! form a plane, one for each remainder (mod `s`) of a tap's distance from the first tap, along
//! rows and columns: 1 plane for stride 1, up to 4 for stride 2. A plane has as many columns as the
//! output plus the taps' reach. There, the pixel under a tap for output pixel `(y, x)` is number `y
//! · columns + x` from the one for the first window. All these positions are equally far apart,
//! across rows too; positions at the end of a row are no output pixels, and their sums are dropped.
//!
//! An image is processed in blocks of rows, so that planes stay in cache and need little memory.

use std::ops::Range;

use super::Bf16Expansion;
use super::taps::Taps;
use crate::blocks::{SharedSlice, chunk};
use crate::conv::ConvShape;
use crate::conv::winograd::{CONFLICT_STRIDE, pad_stride};
use crate::isa::CACHE_LINE;
use crate::simd::{BLOCK_ROWS, PixelConversion, TILE_DEPTH, round_row};
use crate::{ImageLayout, StorageType, ThreadPool, Window};

/// The planes of a convolution.
pub(super) struct Planes {
    /// The input's layout. For pointwise windows all images of the batch are one.
    pub(super) input: ImageLayout,
    pub(super) output: ImageLayout,
    pub(super) window: Window,
    pub(super) taps: Taps,
    /// True if planes have the values of a row of pixels side by side, without padding between
    /// pixels, so that a row of the window can be read as one.
    pub(super) reads_rows: bool,
    /// Bf16 that are read from a position on.
    pub(super) read_len: usize,
    /// Planes along rows and columns: numbers of remainders.
    counts: [usize; 2],
    /// Distance of the last tap from the first, in pixels of a plane.
    reach: [usize; 2],
    /// Columns of a plane.
    pub(super) columns: usize,
    /// Bf16 from pixel to pixel.
    pub(super) step: usize,
    /// Output rows of a block.
    block_rows: usize,
}

/// Some output rows of an image.
pub(super) struct RowBlock {
    pub(super) image: usize,
    pub(super) rows: Range<usize>,
}

/// Target bf16 of a block's planes: the L2 of one or two cores.
const ROW_BLOCK_LEN: usize = 1 << 20;
/// With fewer rows, too many rows would be converted twice.
const MIN_BLOCK_ROWS: usize = 8;

impl Planes {
    pub(super) fn new<P: Bf16Expansion>(shape: &ConvShape) -> Self {
        let ConvShape { mut input, mut output, window } = *shape;
        if window.is_pointwise() {
            for layout in [&mut input, &mut output] {
                *layout = ImageLayout { batch: 1, height: layout.batch * layout.height, ..*layout };
            }
        }
        let taps = Taps::new::<P>(shape);
        let read_len = taps.steps() * P::TERMS * TILE_DEPTH;
        let [rows, columns] = [0, 1].map(|axis| phase_count(&window, axis));
        let [down, across] = [0, 1]
            .map(|axis| (window.kernel[axis] - 1) * window.dilation[axis] / window.stride[axis]);
        let (counts, reach, step) = if P::READS_ROWS {
            // Whole strides for all columns of the last window.
            let across = window.kernel[1].div_ceil(window.stride[1]) - 1;
            ([rows, 1], [down, across], window.stride[1] * input.channels)
        } else {
            let words = pad_stride(read_len / 2, CONFLICT_STRIDE);
            ([rows, columns], [down, across], 2 * words)
        };
        let columns = output.width + reach[1];
        let row = counts[0] * counts[1] * columns * step;
        let block_rows = (ROW_BLOCK_LEN / row.max(1)).max(MIN_BLOCK_ROWS).min(output.height);
        let reads_rows = P::READS_ROWS;
        Self {
            input,
            output,
            window,
            taps,
            reads_rows,
            read_len,
            counts,
            reach,
            columns,
            step,
            block_rows,
        }
    }

    /// Returns all blocks of rows.
    pub(super) fn row_blocks(&self) -> impl Iterator<Item = RowBlock> + use<> {
        let (height, step) = (self.output.height, self.block_rows);
        (0..self.output.batch).flat_map(move |image| {
            (0..height)
                .step_by(step)
                .map(move |first| RowBlock { image, rows: first..height.min(first + step) })
        })
    }

    /// Returns the number of positions of some output rows, including those between rows.
    pub(super) fn positions(&self, rows: usize) -> usize {
        (rows - 1) * self.columns + self.output.width
    }

    /// Returns the number of pixels of all planes for some output rows.
    pub(super) fn pixels(&self, rows: usize) -> usize {
        self.counts[0] * self.counts[1] * self.plane(rows)
    }

    /// Returns the vectors of bf16 that all planes of an image have.
    pub(super) fn converted_vectors(&self) -> usize {
        let pixels = self.pixels(self.output.height);
        if self.reads_rows {
            (pixels * self.step).div_ceil(TILE_DEPTH)
        } else {
            pixels * self.input.channels.div_ceil(TILE_DEPTH)
        }
    }

    /// Returns the number of pixels of a plane.
    fn plane(&self, rows: usize) -> usize {
        (rows + self.reach[0]) * self.columns
    }

    /// Returns the words for the taps' offsets.
    pub(super) fn taps_len(&self) -> usize {
        (self.window.kernel[0] * self.window.kernel[1]).next_multiple_of(CACHE_LINE)
    }

    /// Returns the bf16 of the planes of a block. A tile at the last position reads pixels beyond
    /// the last one.
    fn planes_len(&self) -> usize {
        (self.pixels(self.block_rows) + BLOCK_ROWS) * self.step + self.read_len
    }

    pub(super) fn scratch_len(&self) -> usize {
        self.taps_len() + self.planes_len().div_ceil(2)
    }

    /// True if 32-bit offsets reach all planes of a block.
    pub(super) fn offsets_fit_u32(&self) -> bool {
        u32::try_from(self.planes_len() * size_of::<u16>()).is_ok()
    }

    /// Returns the distance in pixels from a position to the farthest pixel under a tap.
    pub(super) fn max_tap_offset(&self, row_block: &RowBlock) -> usize {
        let last_plane = (self.counts[0] * self.counts[1] - 1) * self.plane(row_block.rows.len());
        last_plane + self.reach[0] * self.columns + self.reach[1]
    }

    /// Writes, for each tap, the bytes from a position to the pixel under the tap.
    pub(super) fn offsets<'a>(&self, row_block: &RowBlock, buffer: &'a mut [f32]) -> &'a [u32] {
        let columns = self.taps.grid[1];
        let buffer = &mut buffer[..self.taps.count()];
        // SAFETY: both types have four bytes and the same alignment, and all bits are valid for
        // both.
        let offsets = unsafe {
            std::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast::<u32>(), buffer.len())
        };
        for (tap, offset) in offsets.iter_mut().enumerate() {
            let at = [tap / columns, tap % columns];
            let [y, x] =
                [0, 1].map(|axis| at[axis] * self.window.dilation[axis] / self.window.stride[axis]);
            let plane = at[0] % self.counts[0] * self.counts[1] + at[1] % self.counts[1];
            let pixel = plane * self.plane(row_block.rows.len()) + y * self.columns + x;
            *offset = (pixel * self.step * size_of::<u16>()) as u32;
        }
        offsets
    }

    /// Converts the input of a block into its planes.
    pub(super) fn fill<P: Bf16Expansion>(
        &self,
        row_block: &RowBlock,
        input: &[f32],
        values: &mut [u16],
        pool: &ThreadPool,
    ) {
        let rows = self.counts[0] * self.counts[1] * (row_block.rows.len() + self.reach[0]);
        let row_len = self.columns * self.step;
        // Tiles of the last positions read beyond the last row.
        values[rows * row_len..][..self.read_len].fill(0);
        let values = SharedSlice::new(values);
        let tasks = rows.min(1 + rows * row_len / TASK_LEN);
        pool.run(tasks, &|_, task| {
            for row in chunk(rows, tasks, task) {
                // SAFETY: each row of the planes belongs to one task.
                let values = unsafe { values.slice_mut(row * row_len..(row + 1) * row_len) };
                self.fill_row::<P>(row_block, row, input, values);
            }
        });
    }

    /// Writes one row of a plane: zeros, pixels, zeros.
    fn fill_row<P: Bf16Expansion>(
        &self,
        row_block: &RowBlock,
        row: usize,
        input: &[f32],
        values: &mut [u16],
    ) {
        let (plane, row) = (
            row / (row_block.rows.len() + self.reach[0]),
            row % (row_block.rows.len() + self.reach[0]),
        );
        let layout = &self.input;
        let y = self.padded_index(0, plane / self.counts[1], row_block.rows.start + row);
        let Some(y) = y.checked_sub(self.window.padding.top).filter(|&y| y < layout.height) else {
            return values.fill(0);
        };
        let pixel = (row_block.image * layout.height + y) * layout.width;
        if self.reads_rows {
            return self.fill_dense_row(&input[pixel * layout.word_stride()..], values);
        }
        let columns = self.valid_columns(plane % self.counts[1]);
        if columns.is_empty() {
            return values.fill(0);
        }
        let (before, rest) = values.split_at_mut(columns.start * self.step);
        let (output, after) = rest.split_at_mut(columns.len() * self.step);
        before.fill(0);
        after.fill(0);
        let x =
            self.padded_index(1, plane % self.counts[1], columns.start) - self.window.padding.left;
        let pixel = pixel + x;
        let (input, stride) =
            (&input[pixel * layout.word_stride()..], self.window.stride[1] * layout.word_stride());
        let (output, step) = (bytemuck::cast_slice_mut(output), self.step / 2);
        let pixels = PixelConversion { input, stride, channels: layout.words(), output, step };
        match layout.storage {
            StorageType::Float32 => P::convert(pixels),
            StorageType::Bf16 => pixels.copy(),
        }
    }

    /// Writes one row of a plane whose pixels are side by side; `input` begins with that row.
    fn fill_dense_row(&self, input: &[f32], values: &mut [u16]) {
        let ImageLayout { width, channels, storage, .. } = self.input;
        let padding = (self.window.padding.left * channels).min(values.len());
        let (before, rest) = values.split_at_mut(padding);
        let (output, after) = rest.split_at_mut((width * channels).min(rest.len()));
        before.fill(0);
        after.fill(0);
        if storage == StorageType::Float32 && self.input.word_stride() == channels {
            return round_row(&input[..output.len()], output);
        }
        let pixels = output.chunks_mut(channels).zip(input.chunks(self.input.word_stride()));
        for (output, input) in pixels {
            match storage {
                StorageType::Float32 => round_row(&input[..output.len()], output),
                StorageType::Bf16 => {
                    output.copy_from_slice(&bytemuck::cast_slice(input)[..output.len()]);
                }
            }
        }
    }

    /// Returns the columns of a plane, with remainder number `x`, that are inside the image.
    fn valid_columns(&self, x: usize) -> Range<usize> {
        let (left, step) = (self.window.padding.left, self.window.stride[1]);
        let first = self.padded_index(1, x, 0);
        let end = (left + self.input.width).saturating_sub(first).div_ceil(step).min(self.columns);
        left.saturating_sub(first).div_ceil(step).min(end)..end
    }

    /// Returns the row or column of the padded image that is number `at` in a plane with remainder
    /// number `plane`.
    fn padded_index(&self, axis: usize, plane: usize, at: usize) -> usize {
        let (stride, dilation) = (self.window.stride[axis], self.window.dilation[axis]);
        at * stride + plane * dilation % stride
    }
}

/// Target number of bf16 that a task converts.
const TASK_LEN: usize = 32 << 10;

/// Returns the number of different remainders of the taps' distances by the window's stride. Tap
/// `t` has remainder number `t` modulo that number.
fn phase_count(window: &Window, axis: usize) -> usize {
    let (stride, dilation) = (window.stride[axis], window.dilation[axis]);
    let phases =
        (1..=stride).find(|count| (count * dilation).is_multiple_of(stride)).unwrap_or(stride);
    window.kernel[axis].min(phases)
}
