//! What becomes of sums: bias and residual are added, they are limited to a range and written.

use std::ops::Range;

use super::Job;
use crate::conv::{Residual, panel_width};
use crate::simd::{MAX_LANES, Simd, SimdOp};
use crate::{ImageLayout, StorageType};

impl Job<'_> {
    /// Finishes the sums of some pixels, of `VECS` vectors of channels from the panel's first on,
    /// as far as there are so many.
    #[inline(always)]
    pub(in crate::conv) fn store_tile<S: Simd, const ROWS: usize, const VECS: usize>(
        &self,
        simd: S,
        pixel: usize,
        panel: usize,
        sums: [[S::F; VECS]; ROWS],
    ) {
        let channel = panel * panel_width::<S>();
        let available = self.channels - channel;
        // What is rare is done from memory: whatever else stands beside the usual cases makes the
        // compiler put all sums there, which takes longer than a short tile's products.
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
        simd.call(Spilled { job: self, pixel, channel, vecs: VECS, sums: spilled.as_flattened() });
    }

    /// Finishes sums of whole vectors, or of such whose last is not if it is `PARTIAL`.
    #[inline(always)]
    fn store_from_registers<S: Simd, const ROWS: usize, const VECS: usize, const PARTIAL: bool>(
        &self,
        simd: S,
        pixel: usize,
        channel: usize,
        mut sums: [[S::F; VECS]; ROWS],
    ) {
        let tile = OutputTile::<PARTIAL> {
            pixel,
            channels: channel..self.channels.min(channel + VECS * S::LANES),
        };
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
        let ImageLayout { stride, storage, .. } = self.layout;
        let to = self.output.range_ptr(word_range(
            [pixel, ROWS],
            tile.channels.clone(),
            stride,
            storage,
        ));
        // SAFETY: what is written lies in the span, and no other tile has it.
        unsafe {
            match S::HAS_BF16_ROUNDING && storage == StorageType::Bf16 {
                true => tile.write_bf16(simd, to, stride, &sums),
                false => tile.write(simd, to, stride, &sums),
            }
        }
    }

    /// Finishes the sums of a pixel, and of as many channels as there are from `channel` on.
    #[inline(always)]
    fn store_vector<S: Simd>(&self, simd: S, pixel: usize, channel: usize, sums: S::F) {
        let channels = channel..self.channels.min(channel + S::LANES);
        let bias =
            self.bias.map_or(simd.splat(0.0), |bias| simd.load_slice(&bias[channels.clone()]));
        let mut value = match self.scale {
            Some(scale) => simd.mul_add(sums, simd.load_slice(&scale[channels.clone()]), bias),
            None => simd.add(sums, bias),
        };
        if let Some(Residual { values, stride, storage }) = self.residual {
            let from = values[word_range([pixel, 1], channels.clone(), stride, storage)].as_ptr();
            // SAFETY: the values lie in the span.
            value = simd.add(value, unsafe { simd.load_typed(storage, from, channels.len()) });
        }
        let value = simd.clamp(simd.splat(self.clamp.low), simd.splat(self.clamp.high), value);
        let ImageLayout { stride, storage, .. } = self.layout;
        let to = self.output.range_ptr(word_range([pixel, 1], channels.clone(), stride, storage));
        // SAFETY: the values lie in the span, and no other tile has them.
        unsafe { simd.store_typed(storage, to, value, channels.len()) };
    }
}

/// Some pixels and channels of the output. The last vector of channels is not whole if it is
/// `PARTIAL`.
struct OutputTile<const PARTIAL: bool> {
    /// The first pixel.
    pixel: usize,
    channels: Range<usize>,
}

impl<const PARTIAL: bool> OutputTile<PARTIAL> {
    /// How many channels vector `v` of so many has.
    #[inline(always)]
    fn count<S: Simd, const VECS: usize>(&self, v: usize) -> usize {
        if PARTIAL && v + 1 == VECS { self.channels.len() - v * S::LANES } else { S::LANES }
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
        Residual { values, stride, storage }: Residual<'_>,
        sums: &mut [[S::F; VECS]; ROWS],
    ) {
        let from =
            values[word_range([self.pixel, ROWS], self.channels.clone(), stride, storage)].as_ptr();
        for v in 0..VECS {
            for r in 0..ROWS {
                let from = from.wrapping_add(r * stride + storage.words(v * S::LANES));
                // SAFETY: the row's values lie in the span.
                let other = unsafe { simd.load_typed(storage, from, self.count::<S, VECS>(v)) };
                sums[r][v] = simd.add(sums[r][v], other);
            }
        }
    }

    /// Writes float32.
    ///
    /// # Safety
    /// The part's values can be written from `to` on, `stride` floats from row to row.
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
                // SAFETY: the caller vouches for them.
                unsafe {
                    match PARTIAL && v + 1 == VECS {
                        true => simd.store_partial(to, sums[r][v], self.count::<S, VECS>(v)),
                        false => simd.store(to, sums[r][v]),
                    }
                }
            }
        }
    }

    /// Writes bf16; two vectors make one, which is quicker to write.
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
        let count = |v| self.count::<S, VECS>(v);
        for r in 0..ROWS {
            let to = to.wrapping_add(r * stride).cast::<u16>();
            if VECS == 2 {
                // SAFETY: the caller vouches for them.
                unsafe {
                    simd.store_partial_pair_bf16(
                        to,
                        [sums[r][0], sums[r][VECS - 1]],
                        S::LANES + count(1),
                    )
                };
                continue;
            }
            for v in 0..VECS {
                // SAFETY: the caller vouches for them.
                unsafe {
                    simd.store_partial_bf16(to.wrapping_add(v * S::LANES), sums[r][v], count(v))
                };
            }
        }
    }
}

/// From the first row's value to the last row's one of some channels; between are those of other
/// tiles.
#[inline(always)]
fn word_range(
    [pixel, rows]: [usize; 2],
    channels: Range<usize>,
    stride: usize,
    storage: StorageType,
) -> Range<usize> {
    let first = pixel * stride + storage.words(channels.start);
    first..first + (rows - 1) * stride + storage.words(channels.len())
}

/// Sums in memory that are finished one by one.
struct Spilled<'a> {
    job: &'a Job<'a>,
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
        for (pixel, row) in (self.pixel..).zip(self.sums.chunks_exact(self.vecs)) {
            for (v, sums) in row.iter().enumerate() {
                let channel = self.channel + v * S::LANES;
                if channel < self.job.channels {
                    self.job.store_vector(simd, pixel, channel, simd.load_slice(&sums[..S::LANES]));
                }
            }
        }
    }
}
