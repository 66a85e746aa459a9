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
        let channels = channel..self.channels.min(channel + VECS * S::LANES);
        let count = |v: usize| if BROKEN && v + 1 == VECS { channels.len() - v * S::LANES } else { S::LANES };
        if let Some(bias) = self.bias {
            for v in 0..VECS {
                let bias = simd.load_slice(&bias[channel + v * S::LANES..][..count(v)]);
                for r in 0..ROWS {
                    sums[r][v] = simd.add(sums[r][v], bias);
                }
            }
        }
        if let Some(Residual { values, stride, elements }) = self.residual {
            let from = values[span([pixel, ROWS], channels.clone(), stride, elements)].as_ptr();
            for v in 0..VECS {
                for r in 0..ROWS {
                    let from = from.wrapping_add(r * stride + elements.floats(v * S::LANES));
                    // SAFETY: the row's values lie in the span.
                    let other = unsafe { simd.load_elements(elements, from, count(v)) };
                    sums[r][v] = simd.add(sums[r][v], other);
                }
            }
        }
        let (low, high) = (simd.splat(self.clamp.low), simd.splat(self.clamp.high));
        for r in 0..ROWS {
            for v in 0..VECS {
                sums[r][v] = simd.clamp(low, high, sums[r][v]);
            }
        }
        let Map { stride, elements, .. } = self.map;
        let to = self.output.pointer(span([pixel, ROWS], channels.clone(), stride, elements));
        if S::ROUNDS && elements == Elements::Bf16 {
            for r in 0..ROWS {
                let to = to.wrapping_add(r * stride).cast();
                // SAFETY: the row's values lie in the span, and no other tile has them.
                unsafe {
                    match VECS {
                        2 => simd.store_first_two_bf16(to, [sums[r][0], sums[r][VECS - 1]], S::LANES + count(1)),
                        _ => (0..VECS)
                            .for_each(|v| simd.store_first_bf16(to.wrapping_add(v * S::LANES), sums[r][v], count(v))),
                    }
                }
            }
        } else {
            for r in 0..ROWS {
                for v in 0..VECS {
                    let to = to.wrapping_add(r * stride + v * S::LANES);
                    // SAFETY: the row's values lie in the span, and no other tile has them.
                    unsafe {
                        match BROKEN && v + 1 == VECS {
                            true => simd.store_first(to, sums[r][v], count(v)),
                            false => simd.store(to, sums[r][v]),
                        }
                    }
                }
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
