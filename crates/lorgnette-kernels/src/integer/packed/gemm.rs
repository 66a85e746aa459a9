//! Convolutions with a weight for each pair of channels, as products of two matrices.
//!
//! The rows of the left one are the values under each output pixel's window; they are copied
//! together, block by block, or read in place where they are the pixel itself. The right one is
//! packed in panels of output channels, four products of each channel side by side.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::channel_factors::ChannelFactors;
use super::rows::RowCopy;
use super::{Instructions, Limits, ZeroPoints};
use crate::blocks::SharedSlice;
use crate::conv::task_grid::{TaskGrid, Work};
use crate::integer::{Byte, IntegerConvShape, IntegerFilter};
use crate::{Buffer, Level, PackedLayout, ThreadPool, WeightFormat};

/// Output channels of a panel.
pub(super) const PANEL: usize = 32;
/// Neighbouring products of one output channel that most instructions add.
pub(super) const QUAD: usize = 4;
/// The same of those that add most.
pub(super) const MAX_GROUP: usize = 8;
/// Maximum pixels of a tile.
pub(super) const MAX_TILE_ROWS: usize = 14;
/// Bytes to which packed filters are aligned and filled up.
const CACHE_LINE: usize = 64;
/// Bytes between rows that are a multiple of this share few sets of L1.
const CONFLICT_STRIDE: usize = 2048;
/// Bytes that are added to such rows.
const ROW_SKEW: usize = 64;

/// Sums of a tile.
#[repr(align(64))]
pub(super) struct Sums(pub(super) [[i32; PANEL]; MAX_TILE_ROWS]);

/// A convolution, or a fully connected layer, with its filter packed.
#[derive(Debug)]
pub struct PackedConv {
    level: Level,
    instructions: Instructions,
    shape: IntegerConvShape,
    zeros: ZeroPoints,
    limits: Limits,
    /// Products of one output value.
    depth: usize,
    filter: PackedFilter,
    factors: ChannelFactors,
}

/// A packed filter that several convolutions have, or that lies in a file.
pub type SharedPanels = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A filter as [`PackedConv::pack`] writes it: the panels, and behind them little-endian int32
/// numbers, which are the sum of each output channel's stored weights, then what was subtracted
/// from the weights, then zeros to the end of a cache line.
struct PackedFilter(SharedPanels);

impl PackedFilter {
    fn bytes(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl fmt::Debug for PackedFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes().len())
    }
}

/// The lengths of a packed filter.
#[derive(Clone, Copy, Debug)]
struct FilterSize {
    /// Bytes of a panel.
    panel: usize,
    /// Output channels of all panels.
    channels: usize,
}

impl FilterSize {
    /// Returns the size of a filter; `None` if it is beyond what can be counted.
    fn new(instructions: Instructions, shape: &IntegerConvShape) -> Option<Self> {
        let depth = shape.window.taps().checked_mul(shape.input_shape[3])?;
        let row = depth.checked_next_multiple_of(instructions.row_unit())?;
        let panel = row.checked_mul(PANEL)?;
        let channels = shape.output_shape[3].checked_next_multiple_of(PANEL)?;
        Some(Self { panel, channels })
    }

    /// Returns the bytes of all panels.
    fn panels(self) -> Option<usize> {
        self.panel.checked_mul(self.channels / PANEL)
    }

    /// Returns the bytes of the panels and of the numbers behind them.
    fn bytes(self) -> Option<usize> {
        let numbers = (self.channels + 1) * size_of::<i32>();
        self.panels()?.checked_add(numbers.next_multiple_of(CACHE_LINE))
    }
}

/// Returns little-endian numbers.
fn numbers(bytes: &[u8]) -> Vec<i32> {
    bytes.as_chunks::<4>().0.iter().map(|number| i32::from_le_bytes(*number)).collect()
}

/// A tile's arguments. The pointers are valid for its rows, its panel and its results.
pub(super) struct Tile<'a> {
    /// The first pixel's values.
    pub(super) rows: *const u8,
    /// Bytes from one pixel's values to the next one's.
    pub(super) row_stride: usize,
    /// A panel's weights.
    pub(super) weights: *const i8,
    /// Added to the sums of each of the panel's channels.
    pub(super) constants: *const i32,
    /// Products of a pixel, in fours; an even number where an instruction adds eight.
    pub(super) quads: usize,
    /// Where the sums go.
    pub(super) sums: &'a mut Sums,
    /// The tile's first row among those of its block, from which it may read any.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "tiles are x86's"))]
    pub(super) first_row: usize,
    /// Rows of the block.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "tiles are x86's"))]
    pub(super) block_rows: usize,
    /// This thread's registers of tiles, if they are configured.
    #[cfg(target_arch = "x86_64")]
    pub(super) registers: Option<&'a crate::simd::Tiles>,
    /// Results of the tile before that are still to be stored.
    #[cfg(target_arch = "x86_64")]
    pub(super) pending: Option<&'a mut super::vnni::Pending>,
}

/// Turns a tile's sums into results.
#[derive(Clone)]
pub(super) struct Epilogue<'a> {
    pub(super) factors: &'a ChannelFactors,
    /// The panel's channels.
    pub(super) channels: Range<usize>,
    pub(super) limits: Limits,
    /// The filter's zero point.
    pub(super) filter_zero: i32,
    /// The sum of each pixel's values; empty if the filter's zero point is 0.
    pub(super) row_sums: &'a [i32],
    /// Where the first pixel's first channel goes.
    pub(super) output: *mut u8,
    /// Bytes from pixel to pixel.
    pub(super) output_stride: usize,
}

impl Epilogue<'_> {
    /// Returns the epilogue of the pixels from number `first` on.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn skipping(&self, first: usize) -> Self {
        Self {
            row_sums: self.row_sums.get(first..).unwrap_or_default(),
            output: self.output.wrapping_add(first * self.output_stride),
            ..self.clone()
        }
    }
}

impl PackedConv {
    /// Returns the layout of packed filters. It is that of this CPU's instructions: a level may
    /// have several.
    pub fn layout(level: Level) -> PackedLayout {
        let name = match Instructions::for_level(level) {
            #[cfg(target_arch = "x86_64")]
            Some(Instructions::Amx) => "panels of 32 channels of four int8, 64 at a time",
            Some(instructions) if instructions.group_len() == MAX_GROUP => {
                "panels of 32 channels of eight int8"
            }
            _ => "panels of 32 channels of four int8",
        };
        let layout = PackedLayout::new(name, WeightFormat::Int8);
        PackedLayout { alignment: CACHE_LINE, ..layout }
    }

    /// Packs a filter; `None` if the level has no instructions for it, or channels are grouped.
    ///
    /// # Panics
    /// If the filter's slices are not as long as the shape says.
    pub fn new<T: Byte>(
        level: Level,
        shape: &IntegerConvShape,
        filter: &IntegerFilter<'_, T>,
    ) -> Option<Self> {
        let mut packed = Buffer::zeroed(Self::packed_len(level, shape)?).ok()?;
        Self::pack(level, shape, filter, &mut packed)?;
        Self::with_panels(level, shape, filter, Arc::new(packed))
    }

    /// Returns the convolution with a filter that [`PackedConv::pack`] packed; `filter.values` are
    /// not read. `None` as of [`PackedConv::new`], or if the packed filter is another shape's.
    ///
    /// # Panics
    /// If the filter's other slices are not as long as the shape says.
    pub fn with_panels<T: Byte>(
        level: Level,
        shape: &IntegerConvShape,
        filter: &IntegerFilter<'_, T>,
        packed: SharedPanels,
    ) -> Option<Self> {
        let instructions = Instructions::for_level(level)?;
        let packed = PackedFilter(packed);
        let (outputs, size) = (shape.output_shape[3], FilterSize::new(instructions, shape)?);
        let bytes = packed.bytes();
        if bytes.len() != size.bytes()? || !can_pack::<T>(shape) {
            return None;
        }
        filter.check(outputs);
        let numbers = numbers(&bytes[size.panels()?..]);
        let (sums, filter_offset) = (&numbers[..size.channels], *numbers.get(size.channels)?);
        let (input, filter_zero) = (shape.input_zero_point, filter.zero_point);
        let zeros = ZeroPoints::with_offset::<T>(instructions, input, filter_zero, filter_offset)?;
        let depth = shape.window.taps() * shape.input_shape[3];
        let mut factors = ChannelFactors::zeroed(size.channels);
        for (output, &sum) in sums[..outputs].iter().enumerate() {
            let bias = filter.bias.get(output).copied().unwrap_or(0);
            factors.set(output, zeros.constant(bias, sum, depth), filter.rescale, output);
        }
        factors.finish(shape.range.zero_point);
        Some(Self {
            level,
            instructions,
            shape: *shape,
            zeros,
            limits: Limits::new::<T>(shape.range),
            depth,
            filter: packed,
            factors,
        })
    }

    /// Returns the bytes of a packed filter; `None` if the level has no instructions for it.
    pub fn packed_len(level: Level, shape: &IntegerConvShape) -> Option<usize> {
        FilterSize::new(Instructions::for_level(level)?, shape)?.bytes()
    }

    /// Packs a filter's weights for any convolution of that depth and number of output channels,
    /// into zeros of [`PackedConv::packed_len`] bytes; `None` as of [`PackedConv::new`], or if
    /// there are fewer.
    pub fn pack<T: Byte>(
        level: Level,
        shape: &IntegerConvShape,
        filter: &IntegerFilter<'_, T>,
        packed: &mut [u8],
    ) -> Option<()> {
        let instructions = Instructions::for_level(level)?;
        let (group_len, size) = (instructions.group_len(), FilterSize::new(instructions, shape)?);
        let depth = shape.window.taps() * shape.input_shape[3];
        let is_whole = Some(filter.values.len()) == depth.checked_mul(shape.output_shape[3]);
        if !is_whole || !can_pack::<T>(shape) {
            return None;
        }
        let (input, filter_zero) = (shape.input_zero_point, filter.zero_point);
        let zeros = ZeroPoints::new(instructions, input, filter_zero, filter.values)?;
        let packed = packed.get_mut(..size.bytes()?)?;
        let (panels, behind) = packed.split_at_mut(size.panels()?);
        let behind = behind.as_chunks_mut::<4>().0;
        behind[size.channels] = zeros.filter_offset.to_le_bytes();
        let channels = filter.values.chunks_exact(depth).zip(behind);
        for (output, (weights, sum_of_channel)) in channels.enumerate() {
            let panel = &mut panels[output / PANEL * size.panel..][..size.panel];
            let mut sum = 0i32;
            for (group, weights) in weights.chunks(group_len).enumerate() {
                for (i, weight) in weights.iter().enumerate() {
                    let weight = weight.widen() - zeros.filter_offset;
                    sum = sum.wrapping_add(weight);
                    panel[(group * PANEL + output % PANEL) * group_len + i] = weight as u8;
                }
            }
            *sum_of_channel = sum.to_le_bytes();
        }
        Some(())
    }

    /// Returns the name in reports.
    pub fn name(&self) -> &'static str {
        match self.instructions {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => "direct, integers, avx2",
            #[cfg(target_arch = "x86_64")]
            Instructions::AvxVnni => "direct, integers, avx-vnni",
            #[cfg(target_arch = "x86_64")]
            Instructions::Vnni => "direct, integers, vnni",
            #[cfg(target_arch = "x86_64")]
            Instructions::Amx => "direct, integers, amx",
            #[cfg(target_arch = "aarch64")]
            Instructions::NeonDot => "direct, integers, dotprod",
            #[cfg(target_arch = "aarch64")]
            Instructions::NeonMatrix => "direct, integers, i8mm",
        }
    }

    /// Returns the bytes of the packed filter and of what it takes beside it.
    pub fn weight_bytes(&self) -> usize {
        self.filter.bytes().len() + self.factors.bytes()
    }

    fn panel_bytes(&self) -> usize {
        PANEL * self.row_bytes()
    }

    /// Returns the bytes of a row, which has any values behind its own to a whole unit: their
    /// weights are zero.
    fn row_bytes(&self) -> usize {
        self.depth.next_multiple_of(self.instructions.row_unit())
    }

    fn pixels(&self) -> usize {
        self.shape.output_shape[..3].iter().product()
    }

    /// True if the values under a window are those of a pixel, as they are stored.
    fn reads_in_place(&self) -> bool {
        let channels = self.shape.input_shape[3];
        reads_pixels(&self.shape)
            && self.zeros.flip == 0
            && channels.is_multiple_of(self.instructions.row_unit())
            && !channels.is_multiple_of(CONFLICT_STRIDE)
    }

    /// Returns the bytes from one copied row to the next.
    fn row_stride(&self) -> usize {
        let row = self.row_bytes();
        if row.is_multiple_of(CONFLICT_STRIDE) { row + ROW_SKEW } else { row }
    }

    /// Returns the sum of a row's values.
    fn sum(&self, row: &[u8]) -> i32 {
        match self.instructions {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the instructions are only chosen where the CPU has them.
            Instructions::Vnni | Instructions::Amx => unsafe { super::vnni::sum(row) },
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 | Instructions::AvxVnni => row.iter().map(|&x| i32::from(x)).sum(),
            #[cfg(target_arch = "aarch64")]
            Instructions::NeonDot | Instructions::NeonMatrix => match self.zeros.is_signed {
                true => row.iter().map(|&x| i32::from(x.cast_signed())).sum(),
                false => row.iter().map(|&x| i32::from(x)).sum(),
            },
            #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
            other => match other {},
        }
    }

    fn grid(&self, threads: usize) -> TaskGrid {
        let work = Work {
            pixels: self.pixels(),
            panels: self.shape.output_shape[3].div_ceil(PANEL),
            pixel_bytes: self.row_stride(),
            panel_bytes: self.panel_bytes(),
        };
        TaskGrid::for_copied_rows(work, tile_rows(self.instructions), threads)
    }

    /// Returns the bytes of rows and of their sums for each thread.
    fn thread_scratch(&self, grid: &TaskGrid) -> [usize; 2] {
        let rows = grid.max_pixels();
        let copied = if self.reads_in_place() { 0 } else { rows * self.row_stride() };
        let sums = if self.zeros.filter == 0 { 0 } else { rows * size_of::<i32>() };
        [copied.next_multiple_of(64), sums.next_multiple_of(64)]
    }

    /// Returns the bytes of scratch, aligned to 64, of a run on a number of threads.
    pub fn scratch_len(&self, threads: usize) -> usize {
        self.thread_scratch(&self.grid(threads)).iter().sum::<usize>() * threads
    }

    /// Computes all pixels.
    ///
    /// # Panics
    /// If slices are not as long as the shape says, or scratch is too short or not aligned to
    /// words.
    pub fn run<T: Byte>(
        &self,
        input: &[T],
        output: &mut [T],
        scratch: &mut [u8],
        pool: &ThreadPool,
    ) {
        self.shape.check(input.len(), output.len());
        let (input, output) = (bytemuck::cast_slice(input), bytemuck::cast_slice_mut(output));
        let grid = self.grid(pool.threads());
        let [row_bytes, sum_bytes] = self.thread_scratch(&grid);
        let (output, scratch) = (SharedSlice::new(output), SharedSlice::new(scratch));
        let panels = self.filter.bytes();
        pool.run(grid.tasks(), &|worker, index| {
            let start = worker * (row_bytes + sum_bytes);
            // SAFETY: each worker has a part of its own.
            let (rows, sums) = unsafe {
                let end = start + row_bytes + sum_bytes;
                scratch.slice_mut(start..end).split_at_mut(row_bytes)
            };
            let task = Task { conv: self, grid: &grid, panels, input, output: &output };
            task.run(index, rows, bytemuck::cast_slice_mut(sums));
        });
    }
}

/// True if a convolution computes anything, and its limits are of the type.
fn can_pack<T: Byte>(shape: &IntegerConvShape) -> bool {
    let is_empty =
        shape.window.taps() == 0 || shape.input_shape[3] == 0 || shape.output_shape[3] == 0;
    !is_empty && shape.range.is_of::<T>()
}

/// True if the values under each window are those of the pixel at its place.
pub(super) fn reads_pixels(shape: &IntegerConvShape) -> bool {
    shape.window.is_pointwise() && shape.input_shape[1..3] == shape.output_shape[1..3]
}

/// Pixels of the largest tile.
fn tile_rows(instructions: Instructions) -> usize {
    match instructions {
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => super::avx2::TILE_ROWS,
        #[cfg(target_arch = "x86_64")]
        Instructions::AvxVnni => super::avx_vnni::TILE_ROWS,
        #[cfg(target_arch = "x86_64")]
        Instructions::Vnni => MAX_TILE_ROWS,
        #[cfg(target_arch = "x86_64")]
        Instructions::Amx => super::amx::TILE_ROWS,
        #[cfg(target_arch = "aarch64")]
        Instructions::NeonDot => super::neon::DOT_ROWS,
        #[cfg(target_arch = "aarch64")]
        Instructions::NeonMatrix => super::neon::MATRIX_ROWS,
    }
}

/// The data that the tasks of a run share.
struct Task<'a> {
    conv: &'a PackedConv,
    grid: &'a TaskGrid,
    /// The packed filter.
    panels: &'a [u8],
    input: &'a [u8],
    output: &'a SharedSlice<'a, u8>,
}

impl Task<'_> {
    /// Computes some pixels of some panels.
    fn run(&self, index: usize, copied: &mut [u8], sums: &mut [i32]) {
        let (conv, (tiles, panels)) = (self.conv, self.grid.task(index));
        if tiles.is_empty() || panels.is_empty() {
            return;
        }
        let pixels = self.grid.pixels(tiles.start).start..self.grid.pixels(tiles.end - 1).end;
        let (rows, row_stride) = if conv.reads_in_place() {
            (&self.input[pixels.start * conv.depth..pixels.end * conv.depth], conv.depth)
        } else {
            let row_stride = conv.row_stride();
            let rows = &mut copied[..pixels.len() * row_stride];
            conv.level.dispatch(RowCopy {
                shape: &conv.shape,
                input: self.input,
                pixels: pixels.clone(),
                zero: conv.zeros.input as u8,
                flip: conv.zeros.flip,
                row_stride,
                rows,
            });
            (&copied[..pixels.len() * row_stride], row_stride)
        };
        let row_bytes = conv.row_bytes();
        if conv.zeros.filter != 0 {
            for (sum, row) in sums.iter_mut().zip(rows.chunks(row_stride)) {
                *sum = conv.sum(&row[..conv.depth]);
            }
        }
        #[cfg(target_arch = "x86_64")]
        let registers = (conv.instructions == Instructions::Amx
            && pixels.len() >= super::amx::TILE_ROWS)
            .then(crate::simd::Tiles::configure);
        #[cfg(target_arch = "x86_64")]
        let mut pending = super::vnni::Pending::none(&conv.factors, conv.limits, row_bytes / QUAD);
        // The sums of a tile are kept while those of the next one are added.
        let mut sums_of_tiles = [const { Sums([[0; PANEL]; MAX_TILE_ROWS]) }; 2];
        let mut turn = 0;
        for panel in panels {
            for tile in tiles.clone() {
                let tile = self.grid.pixels(tile);
                let at = tile.start - pixels.start..tile.end - pixels.start;
                let first_row = at.start;
                let rows = &rows[first_row * row_stride..];
                let row_sums = if conv.zeros.filter == 0 { &[][..] } else { &sums[at] };
                assert!(rows.len() >= (tile.len() - 1) * row_stride + row_bytes, "a tile's rows");
                let mut args = Tile {
                    rows: rows.as_ptr(),
                    row_stride,
                    weights: self.panels[panel * conv.panel_bytes()..][..conv.panel_bytes()]
                        .as_ptr()
                        .cast(),
                    constants: conv.factors.constants[panel * PANEL..][..PANEL].as_ptr(),
                    quads: row_bytes / QUAD,
                    sums: &mut sums_of_tiles[turn],
                    first_row,
                    block_rows: pixels.len(),
                    #[cfg(target_arch = "x86_64")]
                    registers: registers.as_ref(),
                    #[cfg(target_arch = "x86_64")]
                    pending: Some(&mut pending),
                };
                self.tile(&mut args, tile, panel, row_sums);
                turn = 1 - turn;
            }
        }
        #[cfg(target_arch = "x86_64")]
        // SAFETY: results only wait where the CPU has the instructions.
        unsafe {
            pending.finish();
        }
    }

    /// Computes the products of a tile and stores its results.
    fn tile(&self, tile: &mut Tile<'_>, pixels: Range<usize>, panel: usize, row_sums: &[i32]) {
        let (conv, outputs) = (self.conv, self.conv.shape.output_shape[3]);
        let channels = panel * PANEL..outputs.min((panel + 1) * PANEL);
        let first = pixels.start * outputs + channels.start;
        let last = (pixels.end - 1) * outputs + channels.end;
        let epilogue = Epilogue {
            factors: &conv.factors,
            channels,
            limits: conv.limits,
            filter_zero: conv.zeros.filter,
            row_sums,
            output: self.output.range_ptr(first..last),
            output_stride: outputs,
        };
        match conv.instructions {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the instructions are only chosen where the CPU has them; the slices were
            // checked against the tile, and no other tile has its results.
            Instructions::Avx2 => unsafe { super::avx2::tile(tile, pixels.len(), &epilogue) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Instructions::AvxVnni => unsafe {
                super::avx_vnni::tile(tile, pixels.len(), &epilogue);
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Instructions::Vnni => unsafe { super::vnni::tile(tile, pixels.len(), &epilogue) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above; all rows of the block are there.
            Instructions::Amx => unsafe { super::amx::tile(tile, pixels.len(), &epilogue) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Instructions::NeonDot => unsafe {
                super::neon::dot_tile(tile, pixels.len(), &epilogue);
            },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Instructions::NeonMatrix => unsafe {
                super::neon::matrix_tile(tile, pixels.len(), conv.zeros.is_signed, &epilogue);
            },
            #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
            other => match other {},
        }
    }
}
