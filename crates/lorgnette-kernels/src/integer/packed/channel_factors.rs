//! The parameters of each output channel, as vectors of each.

use super::super::Multiplier;

/// Turns an output channel's sums into results. The vectors are as long as the padded channels.
#[derive(Debug)]
pub(super) struct ChannelFactors {
    /// Added to a sum.
    pub(super) constants: Vec<i32>,
    /// The factors' mantissas.
    pub(super) mantissas: Vec<i32>,
    /// Bits by which sums are shifted to the left before the multiplication.
    pub(super) left: Vec<i32>,
    /// Bits by which products are shifted to the right.
    pub(super) right: Vec<i32>,
}

impl ChannelFactors {
    /// Returns parameters of nothing.
    pub(super) fn zeroed(channels: usize) -> Self {
        let zeros = || vec![0; channels];
        Self { constants: zeros(), mantissas: zeros(), left: zeros(), right: zeros() }
    }

    /// Sets those of the channel that is stored at `index`.
    pub(super) fn set(&mut self, index: usize, constant: i32, factor: Multiplier) {
        self.constants[index] = constant;
        self.mantissas[index] = factor.mantissa;
        self.left[index] = factor.shift.max(0);
        self.right[index] = (-factor.shift).max(0);
    }
}
