//! A tile's outputs by their definition, for tiles in which something is not finite: Winograd's
//! sums would spread it over outputs whose windows do not see it. Slow and obvious; such numbers
//! mean that something has gone wrong already.

use super::transform::{MAX_OUTPUTS, MAX_POINTS, Transform1d};
use super::weights::recovery;
use crate::simd::MAX_LANES;

/// What one tile of one vector of channels is computed from.
pub(super) struct Recompute<'a> {
    pub(super) inputs: &'a [f32],
    /// Where the tile's input pixels begin; zeros where there is none.
    pub(super) offsets: &'a [[Option<usize>; MAX_POINTS]; MAX_POINTS],
    /// Input channels.
    pub(super) channels: usize,
    /// The filter's values, `[point][input channel][width]`, from the first channel that is wanted.
    pub(super) panel: &'a [f32],
    pub(super) width: usize,
}

impl Recompute<'_> {
    /// The outputs of the first `lanes` channels.
    pub(super) fn outputs<V: Transform1d, H: Transform1d>(
        &self,
        lanes: usize,
    ) -> [[[f32; MAX_LANES]; MAX_OUTPUTS]; MAX_OUTPUTS] {
        let (vertical, horizontal) = (recovery::<V>(), recovery::<H>());
        let mut outputs = [[[0.0; MAX_LANES]; MAX_OUTPUTS]; MAX_OUTPUTS];
        for channel in 0..self.channels {
            for ty in 0..V::TAPS {
                for tx in 0..H::TAPS {
                    let taps = self.tap::<V, H>(channel, &vertical[ty], &horizontal[tx], lanes);
                    for y in 0..V::OUTPUTS {
                        for x in 0..H::OUTPUTS {
                            let Some(offset) = self.offsets[y + ty][x + tx] else { continue };
                            let input = self.inputs[offset + channel];
                            outputs[y][x]
                                .iter_mut()
                                .zip(&taps)
                                .for_each(|(sum, tap)| *sum += input * tap);
                        }
                    }
                }
            }
        }
        outputs
    }

    /// One tap of one input channel for each output channel, from the values at all points.
    fn tap<V: Transform1d, H: Transform1d>(
        &self,
        channel: usize,
        vertical: &[f64; MAX_POINTS],
        horizontal: &[f64; MAX_POINTS],
        lanes: usize,
    ) -> [f32; MAX_LANES] {
        let mut taps = [0.0_f64; MAX_LANES];
        for y in (0..V::POINTS).filter(|&y| vertical[y] != 0.0) {
            for x in (0..H::POINTS).filter(|&x| horizontal[x] != 0.0) {
                let values = &self.panel
                    [((y * H::POINTS + x) * self.channels + channel) * self.width..][..lanes];
                let factor = vertical[y] * horizontal[x];
                taps.iter_mut()
                    .zip(values)
                    .for_each(|(tap, value)| *tap += factor * f64::from(*value));
            }
        }
        taps.map(|tap| tap as f32)
    }
}
