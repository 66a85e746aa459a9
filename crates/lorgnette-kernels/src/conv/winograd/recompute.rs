//! A tile's outputs by their definition, for tiles with values that are not finite: Winograd's sums
//! would spread them over outputs whose windows do not see them. Such values are rare, so the code
//! is simple and slow.

use super::transform::{MAX_OUTPUTS, MAX_POINTS, Transform1d};
use super::weights::recovery;
use crate::simd::MAX_LANES;

/// The inputs of one tile's outputs in one vector of channels.
pub(super) struct Recompute<'a> {
    pub(super) inputs: &'a [f32],
    /// Word offsets of the tile's input pixels; `None` stands for zeros.
    pub(super) offsets: &'a [[Option<usize>; MAX_POINTS]; MAX_POINTS],
    /// Input channels.
    pub(super) channels: usize,
    /// The filter's values, `[point][input channel][width]`, from the first output channel on.
    pub(super) panel: &'a [f32],
    pub(super) width: usize,
}

impl Recompute<'_> {
    /// Returns the outputs of the first `lanes` channels.
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

    /// Recovers one tap of one input channel for each output channel from the values at all points.
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
