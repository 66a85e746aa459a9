//! What becomes of sums: bias and residual are added, they are limited to a range and written.

use std::ops::Range;

use super::Job;
use crate::conv::{Residual, panel_width};
use crate::simd::{Kernel, MOST_LANES, Simd};
use crate::{Elements, Map};

impl Job<'_> {
    /// Finishes the sums of some pixels, of `VECS` vectors of channels from the panel's first on, as far as there are so many.
    #[inline(always)]
    pub(in crate::conv) fn finish<S: Simd, const ROWS: usize, const VECS: usize>(
        &self,
        simd: S,
        pixel: usize,
        panel: usize,
        sums: [[S::F; VECS]; ROWS],
    ) {
        let channel = panel * panel_width::<S>();
        let there = self.channels - channel;
        // What is rare is done from memory: whatever else stands beside the usual cases makes the compiler put all sums there,
        // which takes longer than a short tile's products.
        let usual = self.scale.is_none() && (S::ROUNDS || self.map.elements == Elements::Float32);
        if usual && there >= VECS * S::LANES {
            return self.finish_in_registers::<S, ROWS, VECS, false>(simd, pixel, channel, sums);
        }
        if usual && there > (VECS - 1) * S::LANES {
            return self.finish_in_registers::<S, ROWS, VECS, true>(simd, pixel, channel, sums);
        }
        let mut stored = [[[0.0; MOST_LANES]; VECS]; ROWS];
        for r in 0..ROWS {
            for v in 0..VECS {
                simd.store_slice(&mut stored[r][v][..S::LANES], sums[r][v]);
            }
        }
        simd.call(Stored { job: self, pixel, channel, vecs: VECS, sums: stored.as_flattened() });
    }

    /// Finishes sums of whole vectors, or of such whose last is not if it is `BROKEN`.
    #[inline(always)]
    fn finish_in_registers<S: Simd, const ROWS: usize, const VECS: usize, const BROKEN: bool>(
        &self,
        simd: S,
        pixel: usize,
        channel: usize,
        mut sums: [[S::F; VECS]; ROWS],
    ) {
        let tile = Part::<BROKEN> { pixel, channels: channel..self.channels.min(channel + VECS * S::LANES) };
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
        let Map { stride, elements, .. } = self.map;
        let to = self.output.pointer(span([pixel, ROWS], tile.channels.clone(), stride, elements));
        // SAFETY: what is written lies in the span, and no other tile has it.
        unsafe {
            match S::ROUNDS && elements == Elements::Bf16 {
                true => tile.write_halves(simd, to, stride, &sums),
                false => tile.write(simd, to, stride, &sums),
            }
        }
    }

    /// Finishes the sums of a pixel, and of as many channels as there are from `channel` on.
    #[inline(always)]
    fn finish_vector<S: Simd>(&self, simd: S, pixel: usize, channel: usize, sums: S::F) {
        let channels = channel..self.channels.min(channel + S::LANES);
        let bias = self.bias.map_or(simd.splat(0.0), |bias| simd.load_slice(&bias[channels.clone()]));
        let mut value = match self.scale {
            Some(scale) => simd.mul_add(sums, simd.load_slice(&scale[channels.clone()]), bias),
            None => simd.add(sums, bias),
        };
        if let Some(Residual { values, stride, elements }) = self.residual {
            let from = values[span([pixel, 1], channels.clone(), stride, elements)].as_ptr();
            // SAFETY: the values lie in the span.
            value = simd.add(value, unsafe { simd.load_elements(elements, from, channels.len()) });
        }
        let value = simd.clamp(simd.splat(self.clamp.low), simd.splat(self.clamp.high), value);
        let Map { stride, elements, .. } = self.map;
        let to = self.output.pointer(span([pixel, 1], channels.clone(), stride, elements));
        // SAFETY: the values lie in the span, and no other tile has them.
        unsafe { simd.store_elements(elements, to, value, channels.len()) };
    }
}

/// Some pixels and channels of the output. The last vector of channels is not whole if it is `BROKEN`.
struct Part<const BROKEN: bool> {
    /// The first pixel.
    pixel: usize,
    channels: Range<usize>,
}

impl<const BROKEN: bool> Part<BROKEN> {
    /// How many channels vector `v` of so many has.
    #[inline(always)]
    fn count<S: Simd, const VECS: usize>(&self, v: usize) -> usize {
        if BROKEN && v + 1 == VECS { self.channels.len() - v * S::LANES } else { S::LANES }
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
        Residual { values, stride, elements }: Residual<'_>,
        sums: &mut [[S::F; VECS]; ROWS],
    ) {
        let from = values[span([self.pixel, ROWS], self.channels.clone(), stride, elements)].as_ptr();
        for v in 0..VECS {
            for r in 0..ROWS {
                let from = from.wrapping_add(r * stride + elements.floats(v * S::LANES));
                // SAFETY: the row's values lie in the span.
                let other = unsafe { simd.load_elements(elements, from, self.count::<S, VECS>(v)) };
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
                    match BROKEN && v + 1 == VECS {
                        true => simd.store_first(to, sums[r][v], self.count::<S, VECS>(v)),
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
    unsafe fn write_halves<S: Simd, const ROWS: usize, const VECS: usize>(
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
                unsafe { simd.store_first_two_bf16(to, [sums[r][0], sums[r][VECS - 1]], S::LANES + count(1)) };
                continue;
            }
            for v in 0..VECS {
                // SAFETY: the caller vouches for them.
                unsafe { simd.store_first_bf16(to.wrapping_add(v * S::LANES), sums[r][v], count(v)) };
            }
        }
    }
}

/// From the first row's value to the last row's one of some channels; between are those of other tiles.
#[inline(always)]
fn span([pixel, rows]: [usize; 2], channels: Range<usize>, stride: usize, elements: Elements) -> Range<usize> {
    let first = pixel * stride + elements.floats(channels.start);
    first..first + (rows - 1) * stride + elements.floats(channels.len())
}

/// Sums in memory that are finished one by one.
struct Stored<'a> {
    job: &'a Job<'a>,
    pixel: usize,
    /// The first channel.
    channel: usize,
    /// Vectors of a row.
    vecs: usize,
    /// The rows, one after the other.
    sums: &'a [[f32; MOST_LANES]],
}

impl Kernel for Stored<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (pixel, row) in (self.pixel..).zip(self.sums.chunks_exact(self.vecs)) {
            for (v, sums) in row.iter().enumerate() {
                let channel = self.channel + v * S::LANES;
                if channel < self.job.channels {
                    self.job.finish_vector(simd, pixel, channel, simd.load_slice(&sums[..S::LANES]));
                }
            }
        }
    }
}
