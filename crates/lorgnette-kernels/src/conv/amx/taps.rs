//! The taps of a window as tiles read them.

use super::Bf16Expansion;
use crate::conv::ConvShape;
use crate::simd::TILE_DEPTH;

/// The taps of a window. Where a pixel has few channels, a whole row of the window may be one tap,
/// whose channels are those of its pixels side by side: of three channels, a tile would be zeros
/// but for a tenth.
#[derive(Clone, Copy)]
pub(super) struct Taps {
    /// Taps along rows and columns.
    pub(super) grid: [usize; 2],
    /// Input channels of a tap.
    pub(super) channels: usize,
}

impl Taps {
    pub(super) fn new<P: Bf16Expansion>(shape: &ConvShape) -> Self {
        let ([rows, columns], channels) = (shape.window.kernel, shape.input.channels);
        if P::READS_ROWS {
            Self { grid: [rows, 1], channels: columns * channels }
        } else {
            Self { grid: [rows, columns], channels }
        }
    }

    /// Returns the number of taps.
    pub(super) fn count(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// Returns the number of input tiles of a tap.
    pub(super) fn steps(&self) -> usize {
        self.channels.div_ceil(TILE_DEPTH)
    }
}
