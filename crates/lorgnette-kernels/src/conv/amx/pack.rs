//! Weights as tiles want them: `[panel of 32 output channels][tap][step of 32 input channels][part][tile of 16 output channels]`, each tile being
//! `[pair of input channels][output channel]`. Channels are filled up with zeros.

use std::ops::Range;

use super::Parts;
use crate::Pool;
use crate::conv::pack::{Source, in_panels};
use crate::conv::{ConvShape, Filter};
use crate::simd::{BLOCK_COLUMNS, TILE_DEPTH, TILE_FLOATS};

/// Output channels of a tile.
const TILE_COLUMNS: usize = BLOCK_COLUMNS / 2;
/// Floats of the tiles of one part: those side by side.
const PART: usize = 2 * TILE_FLOATS;

/// How many panels there are.
pub(super) fn panels(shape: &ConvShape) -> usize {
    shape.output.channels.div_ceil(BLOCK_COLUMNS)
}

/// Input tiles of a tap.
pub(super) fn steps(shape: &ConvShape) -> usize {
    shape.input.channels.div_ceil(TILE_DEPTH)
}

/// Floats of one panel.
pub(super) fn panel_len<P: Parts>(shape: &ConvShape) -> usize {
    shape.taps() * steps(shape) * P::COUNT * PART
}

pub(super) fn packed_len<P: Parts>(shape: &ConvShape) -> usize {
    panels(shape) * panel_len::<P>(shape)
}

pub(super) fn pack_rows<P: Parts>(
    shape: &ConvShape,
    filter: &Filter<'_>,
    rows: Range<usize>,
    packed: &mut [f32],
    pool: &Pool,
) {
    let channels = shape.input.channels;
    let source = Source::new(filter, shape.depth(), shape.output.channels);
    let packed = &mut packed[..packed_len::<P>(shape)];
    in_panels(packed, panel_len::<P>(shape), rows, pool, &|panel, k, values| {
        let (tap, channel) = (k / channels, k % channels);
        let mut weights = [0.0; BLOCK_COLUMNS];
        source.copy(k, panel * BLOCK_COLUMNS, &mut weights);
        let step = tap * steps(shape) + channel / TILE_DEPTH;
        let values = &mut values[step * P::COUNT * PART..][..P::COUNT * PART];
        for (column, weight) in weights.into_iter().enumerate() {
            let parts = values.chunks_exact_mut(PART);
            for (part, half) in parts.zip(P::halves(weight)) {
                put(&mut part[place(channel, column)], channel, half);
            }
        }
        if channel + 1 == channels {
            let filled = channel % TILE_DEPTH / 2 + 1;
            values.chunks_exact_mut(TILE_FLOATS).for_each(|tile| tile[filled * TILE_COLUMNS..].fill(0.0));
        }
    });
}

/// Which float of a part's tiles has the weight of an input and an output channel.
fn place(channel: usize, column: usize) -> usize {
    let row = channel % TILE_DEPTH / 2;
    column / TILE_COLUMNS * TILE_FLOATS + row * TILE_COLUMNS + column % TILE_COLUMNS
}

/// Sets the first or the second of a pair; the first comes before the second, which is zero if it does not come.
fn put(pair: &mut f32, channel: usize, half: u16) {
    let half = u32::from(half);
    *pair = f32::from_bits(if channel.is_multiple_of(2) { half } else { pair.to_bits() | half << 16 });
}

/// Both halves of a weight, from its panel; `first` is the first step of its tap.
pub(super) fn halves<P: Parts>(panel: &[f32], first: usize, channel: usize, column: usize) -> [u16; 2] {
    [0, 1].map(|part| {
        let step = (first + channel / TILE_DEPTH) * P::COUNT + part;
        let pair = panel[step * PART + place(channel, column)].to_bits();
        (if channel.is_multiple_of(2) { pair } else { pair >> 16 }) as u16
    })
}
