//! Weights packed for tiles: `[panel of 32 output channels][tap][step of 32 input
//! channels][term][tile of 16 output channels]`, each tile `[pair of input channels][output
//! channel]`. Channels are padded with zeros.

use std::ops::Range;

use super::Bf16Expansion;
use super::taps::Taps;
use crate::ThreadPool;
use crate::conv::pack::{Source, in_panels};
use crate::conv::{ConvShape, Filter};
use crate::numerics::bf16_to_f32;
use crate::simd::{BLOCK_COLUMNS, TILE_DEPTH, TILE_FLOATS};

/// Output channels of a tile.
const TILE_COLUMNS: usize = BLOCK_COLUMNS / 2;
/// Words of the two tiles of one term, side by side.
const TERM_WORDS: usize = 2 * TILE_FLOATS;

/// Returns the number of panels.
pub(super) fn panels(shape: &ConvShape) -> usize {
    shape.output.channels.div_ceil(BLOCK_COLUMNS)
}

/// Returns the words of one panel of weights of `terms` terms.
pub(super) fn panel_len(taps: Taps, terms: usize) -> usize {
    taps.count() * taps.steps() * terms * TERM_WORDS
}

pub(super) fn packed_len<P: Bf16Expansion>(shape: &ConvShape) -> usize {
    panels(shape) * panel_len(Taps::new::<P>(shape), P::TERMS)
}

pub(super) fn pack_rows<P: Bf16Expansion>(
    shape: &ConvShape,
    filter: &Filter<'_>,
    rows: Range<usize>,
    packed: &mut [f32],
    pool: &ThreadPool,
) {
    let taps = Taps::new::<P>(shape);
    let channels = taps.channels;
    let source = Source::for_conv(filter, shape);
    let packed = &mut packed[..packed_len::<P>(shape)];
    in_panels(packed, panel_len(taps, P::TERMS), rows, pool, &|panel, k, values| {
        let (tap, channel) = (k / channels, k % channels);
        let step = tap * taps.steps() + channel / TILE_DEPTH;
        let values = &mut values[step * P::TERMS * TERM_WORDS..][..P::TERMS * TERM_WORDS];
        for (column, weight) in source.row(k, panel, BLOCK_COLUMNS).into_iter().enumerate() {
            let terms = values.chunks_exact_mut(TERM_WORDS);
            for (values, term) in terms.zip(P::weight(weight)) {
                set_pair_element(&mut values[tile_offset(channel, column)], channel, term);
            }
        }
        if channel + 1 == channels {
            let filled = channel % TILE_DEPTH / 2 + 1;
            values
                .chunks_exact_mut(TILE_FLOATS)
                .for_each(|tile| tile[filled * TILE_COLUMNS..].fill(0.0));
        }
    });
}

/// Returns the word that holds the weight of an input and an output channel, within one term.
fn tile_offset(channel: usize, column: usize) -> usize {
    let row = channel % TILE_DEPTH / 2;
    column / TILE_COLUMNS * TILE_FLOATS + row * TILE_COLUMNS + column % TILE_COLUMNS
}

/// Sets the first or the second element of a pair. The first must come before the second; it clears
/// the second.
fn set_pair_element(pair: &mut f32, channel: usize, number: u16) {
    let bits = u32::from(number);
    *pair =
        f32::from_bits(if channel.is_multiple_of(2) { bits } else { pair.to_bits() | bits << 16 });
}

/// Returns a weight from its panel, the sum of `count` terms; `first` is the first step of its tap.
pub(super) fn weight(
    panel: &[f32],
    count: usize,
    first: usize,
    channel: usize,
    column: usize,
) -> f32 {
    let tile = (first + channel / TILE_DEPTH) * count;
    // The smallest first, so that the sum is exact.
    (0..count)
        .rev()
        .map(|term| {
            let at = (tile + term) * TERM_WORDS + tile_offset(channel, column);
            let pair = panel[at].to_bits();
            bf16_to_f32((if channel.is_multiple_of(2) { pair } else { pair >> 16 }) as u16)
        })
        .sum()
}
