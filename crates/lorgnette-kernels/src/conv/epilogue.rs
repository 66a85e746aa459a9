//! The epilogue of every convolution: sums are scaled, bias and residual are added, the result is
//! clamped and stored.

use std::ops::Range;

use super::{Residual, panel_width};
use crate::blocks::SharedSlice;
use crate::isa::CACHE_LINE;
use crate::simd::{MAX_LANES, Simd, SimdOp};
use crate::{Clamp, ImageLayout, StorageType};

/// The parameters of an epilogue and its output.
pub(super) struct Epilogue<'a> {
    /// A factor for each output channel.
    pub(super) scale: Option<&'a [f32]>,
    pub(super) bias: Option<&'a [f32]>,
    pub(super) residual: Option<Residual<'a>>,
    pub(super) clamp: Clamp,
    pub(super) output: SharedSlice<'a>,
    /// The output's layout.
    pub(super) layout: ImageLayout,
}

impl Epilogue<'_> {
    /// Stores a tile's sums: `VECS` vectors of channels from the panel's first on, as far as the
    /// output has them, for `ROWS` pixels.
    #[inline(always)]
    pub(super) fn store_tile<S: Simd, const ROWS: usize, const VECS: usize>(
        &self,
        simd: S,
        pixel: usize,
        panel: usize,
        sums: [[S::F; VECS]; ROWS],
    ) {
        let channel = panel * panel_width::<S>();
        let available = self.layout.channels - channel;
        // Rare cases are spilled to memory. Code for them in this function would make the compiler
        // spill all sums in the common cases too, which takes longer than a short tile's products.
        let common = self.scale.is_none()
            && (S::HAS_BF16_ROUNDING || self.layout.storage == StorageType::Float32);
        if common && available >= VECS * S::LANES {
            return self.store_from_registers::<S, ROWS, VECS, false>(simd, pixel, channel, sums);
        }
        if common && available > (VECS - 1) * S::LANES {
            return self.store_from_registers::<S, ROWS, VECS, true>(simd, pixel, channel, sums);
        }
        let mut spilled = [[[0.0; MAX_LANES]; VECS]; ROWS];
        for r in 0..ROWS {
            for v in 0..VECS {
                simd.store_slice(&mut spilled[r][v][..S::LANES], sums[r][v]);
            }
        }
        self.store_spilled(simd, pixel, channel, VECS, spilled.as_flattened());
    }

    /// Stores sums in memory: `vecs` vectors of channels from `channel` on, as far as the output
    /// has them, for each of some pixels.
    #[inline(always)]
    pub(super) fn store_spilled<S: Simd>(
        &self,
        simd: S,
        pixel: usize,
        channel: usize,
        vecs: usize,
        sums: &[[f32; MAX_LANES]],
    ) {
        simd.call(Spilled { epilogue: self, pixel, channel, vecs, sums });
    }

    /// Stores sums whose vectors are whole, except the last if `PARTIAL`.
    #[inline(always)]
    fn store_from_registers<S: Simd, const ROWS: usize, const VECS: usize, const PARTIAL: bool>(
        &self,
        simd: S,
        pixel: usize,
        channel: usize,
        mut sums: [[S::F; VECS]; ROWS],
    ) {
        let channels = channel..self.layout.channels.min(channel + VECS * S::LANES);
        let tile = OutputTile::<PARTIAL> { pixel, channels };
        if let Some(bias) = self.bias {
            tile.add_bias(simd, bias, &mut sums);
        }
        if let Some(residual) = self.residual {
            tile.add_residual(simd, residual, &mut sums);
        }
        let (low, high) = (simd.splat(self.clamp.low), simd.splat(self.clamp.high));
        for r in 0..ROWS {
            for v in 0..VECS {
                sums[r][v] = simd.clamp(low, high, sums[r][v]);
            }
        }
        let (stride, storage) = (self.layout.word_stride(), self.layout.storage);
        let to = self.output.range_ptr(tile.word_range(ROWS, stride, storage));
        // SAFETY: all writes are in the range, and no other tile has these values.
        unsafe {
            match S::HAS_BF16_ROUNDING && storage == StorageType::Bf16 {
                true => tile.write_bf16(simd, to, stride, &sums),
                false => tile.write(simd, to, stride, &sums),
            }
        }
    }

    /// Loads the parameters of one vector of channels.
    #[inline(always)]
    pub(super) fn vector<S: Simd>(&self, simd: S, channel: usize) -> VectorEpilogue<'_, S> {
        let channels = channel..self.layout.channels.min(channel + S::LANES);
        VectorEpilogue {
            epilogue: self,
            scale: self.scale.map(|scale| simd.load_slice(&scale[channels.clone()])),
            bias: self
                .bias
                .map_or(simd.splat(0.0), |bias| simd.load_slice(&bias[channels.clone()])),
            low: simd.splat(self.clamp.low),
            high: simd.splat(self.clamp.high),
            channels,
        }
    }

    /// Prefetches the cache lines of a tile's results and residual.
    #[inline(always)]
    pub(super) fn prefetch<S: Simd, const ROWS: usize, const VECS: usize>(
        &self,
        simd: S,
        pixel: usize,
        panel: usize,
    ) {
        let channel = panel * panel_width::<S>();
        let (stride, storage) = (self.layout.word_stride(), self.layout.storage);
        let mut to = self.output.as_ptr().wrapping_add(pixel * stride + storage.words(channel));
        for _ in 0..ROWS {
            for line in 0..storage.words(VECS * S::LANES).div_ceil(CACHE_LINE) {
                simd.prefetch_write(to.wrapping_add(line * CACHE_LINE));
            }
            to = to.wrapping_add(stride);
        }
        let Some(residual) = self.residual else { return };
        let Residual { values, storage, .. } = residual;
        let stride = residual.word_stride();
        let mut from = values.as_ptr().wrapping_add(pixel * stride + storage.words(channel));
        for _ in 0..ROWS {
            for line in 0..storage.words(VECS * S::LANES).div_ceil(CACHE_LINE) {
                simd.prefetch(from.wrapping_add(line * CACHE_LINE));
            }
            from = from.wrapping_add(stride);
        }
    }
}

/// The epilogue of one vector of channels, or of as many of them as the output has.
pub(super) struct VectorEpilogue<'a, S: Simd> {
    epilogue: &'a Epilogue<'a>,
    channels: Range<usize>,
    scale: Option<S::F>,
    bias: S::F,
    low: S::F,
    high: S::F,
}

impl<S: Simd> VectorEpilogue<'_, S> {
    /// Stores a pixel's sums.
    #[inline(always)]
    pub(super) fn store(&self, simd: S, pixel: usize, sums: S::F) {
        let Epilogue { residual, output, layout, .. } = self.epilogue;
        let (first, count) = (self.channels.start, self.channels.len());
        let mut value = match self.scale {
            Some(scale) => simd.mul_add(sums, scale, self.bias),
            None => simd.add(sums, self.bias),
        };
        if let Some(residual) = residual {
            let Residual { values, storage, .. } = residual;
            let at = pixel * residual.word_stride() + storage.words(first);
            let values = &values[at..at + storage.words(count)];
            // SAFETY: the slice has `count` values.
            value = simd.add(value, unsafe { simd.load_typed(*storage, values.as_ptr(), count) });
        }
        let value = simd.clamp(self.low, self.high, value);
        let at = pixel * layout.word_stride() + layout.storage.words(first);
        let to = output.range_ptr(at..at + layout.storage.words(count));
        // SAFETY: the range has room for `count` values, and no other tile has them.
        unsafe { simd.store_typed(layout.storage, to, value, count) };
    }
}

/// Some pixels and channels of the output. The last vector of channels is not whole if `PARTIAL`.
struct OutputTile<const PARTIAL: bool> {
    /// The first pixel.
    pixel: usize,
    channels: Range<usize>,
}

impl<const PARTIAL: bool> OutputTile<PARTIAL> {
    /// Returns the number of channels in vector `v` of `VECS`.
    #[inline(always)]
    fn count<S: Simd, const VECS: usize>(&self, v: usize) -> usize {
        if PARTIAL && v + 1 == VECS { self.channels.len() - v * S::LANES } else { S::LANES }
    }

    /// Returns the words from the first row's first value to the last row's last one.
    #[inline(always)]
    fn word_range(&self, rows: usize, stride: usize, storage: StorageType) -> Range<usize> {
        let first = self.pixel * stride + storage.words(self.channels.start);
        first..first + (rows - 1) * stride + storage.words(self.channels.len())
    }

    #[inline(always)]
    fn add_bias<S: Simd, const ROWS: usize, const VECS: usize>(
        &self,
        simd: S,
        bias: &[f32],
        sums: &mut [[S::F; VECS]; ROWS],
    ) {
        for v in 0..VECS {
            let first = self.channels.start + v * S::LANES;
            let bias = simd.load_slice(&bias[first..][..self.count::<S, VECS>(v)]);
            for r in 0..ROWS {
                sums[r][v] = simd.add(sums[r][v], bias);
            }
        }
    }

    #[inline(always)]
    fn add_residual<S: Simd, const ROWS: usize, const VECS: usize>(
        &self,
        simd: S,
        residual: Residual<'_>,
        sums: &mut [[S::F; VECS]; ROWS],
    ) {
        let Residual { values, storage, .. } = residual;
        let stride = residual.word_stride();
        let from = values[self.word_range(ROWS, stride, storage)].as_ptr();
        for v in 0..VECS {
            for r in 0..ROWS {
                let from = from.wrapping_add(r * stride + storage.words(v * S::LANES));
                // SAFETY: the row's values are in the range.
                let other = unsafe { simd.load_typed(storage, from, self.count::<S, VECS>(v)) };
                sums[r][v] = simd.add(sums[r][v], other);
            }
        }
    }

    /// Writes float32.
    ///
    /// # Safety
    /// Caller guarantees that the tile's values can be written from `to` on, `stride` words from
    /// row to row.
    #[inline(always)]
    unsafe fn write<S: Simd, const ROWS: usize, const VECS: usize>(
        &self,
        simd: S,
        to: *mut f32,
        stride: usize,
        sums: &[[S::F; VECS]; ROWS],
    ) {
        for r in 0..ROWS {
            for v in 0..VECS {
                let to = to.wrapping_add(r * stride + v * S::LANES);
                // SAFETY: caller guarantees the values.
                unsafe {
                    match PARTIAL && v + 1 == VECS {
                        true => simd.store_partial(to, sums[r][v], self.count::<S, VECS>(v)),
                        false => simd.store(to, sums[r][v]),
                    }
                }
            }
        }
    }

    /// Writes bf16. Two vectors are rounded and stored as one, which is faster.
    ///
    /// # Safety
    /// As for `write`.
    #[inline(always)]
    unsafe fn write_bf16<S: Simd, const ROWS: usize, const VECS: usize>(
        &self,
        simd: S,
        to: *mut f32,
        stride: usize,
        sums: &[[S::F; VECS]; ROWS],
    ) {
        for r in 0..ROWS {
            let to = to.wrapping_add(r * stride).cast::<u16>();
            if VECS == 2 {
                let count = S::LANES + self.count::<S, VECS>(1);
                let pair = [sums[r][0], sums[r][VECS - 1]];
                // SAFETY: caller guarantees the values.
                unsafe { simd.store_partial_pair_bf16(to, pair, count) };
                continue;
            }
            for v in 0..VECS {
                let (to, count) = (to.wrapping_add(v * S::LANES), self.count::<S, VECS>(v));
                // SAFETY: caller guarantees the values.
                unsafe { simd.store_partial_bf16(to, sums[r][v], count) };
            }
        }
    }
}

/// Sums in memory, stored one vector at a time.
struct Spilled<'a> {
    epilogue: &'a Epilogue<'a>,
    pixel: usize,
    /// The first channel.
    channel: usize,
    /// Vectors of a row.
    vecs: usize,
    /// The rows, one after the other.
    sums: &'a [[f32; MAX_LANES]],
}

impl SimdOp for Spilled<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for v in 0..self.vecs {
            let channel = self.channel + v * S::LANES;
            if channel >= self.epilogue.layout.channels {
                return;
            }
            let vector = self.epilogue.vector(simd, channel);
            for (pixel, row) in (self.pixel..).zip(self.sums.chunks_exact(self.vecs)) {
                vector.store(simd, pixel, simd.load_slice(&row[v][..S::LANES]));
            }
        }
    }
}
