//! Depthwise convolution: each input channel has its own windows.

mod columns;

use std::ops::Range;

use crate::blocks::assert_float32;
use crate::conv::{Filter, pack};
#[cfg(target_arch = "aarch64")]
use crate::simd::Neon;
use crate::simd::Portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use crate::simd::Simd128;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512, Avx512Bf16};
use crate::{Clamp, ImageLayout, Level, PackedLayout, ThreadPool, WeightFormat, Window, reference};

/// The geometry of a depthwise convolution. Output channel `c · multiplier + m` is window `m` of
/// input channel `c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DepthwiseShape {
    /// The input's layout.
    pub input: ImageLayout,
    /// The output's layout, with `input.channels · multiplier` channels.
    pub output: ImageLayout,
    /// The window. Taps outside the input read zeros.
    pub window: Window,
    /// Output channels for each input channel.
    pub multiplier: usize,
}

impl DepthwiseShape {
    /// Returns the taps of the window.
    pub fn taps(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    /// Returns the floating-point operations, two for each product.
    pub fn flops(&self) -> u64 {
        2 * (self.output.pixels() * self.output.channels * self.taps()) as u64
    }
}

/// One run of a depthwise convolution: `output = clamp(depthwise(input) + bias)`.
#[derive(Debug)]
pub struct Depthwise<'a> {
    /// The geometry.
    pub shape: &'a DepthwiseShape,
    /// The input's values.
    pub input: &'a [f32],
    /// Weights packed by [`DepthwiseKernel::pack`].
    pub packed: &'a [f32],
    /// A bias for each output channel.
    pub bias: Option<&'a [f32]>,
    /// The range results are limited to.
    pub clamp: Clamp,
    /// The output's values.
    pub output: &'a mut [f32],
}

impl Depthwise<'_> {
    /// Panics if the shape contradicts itself or a slice is too short for it. The kernels' unsafe
    /// code relies on it.
    fn check(&self, packed_len: usize) {
        let DepthwiseShape { input, output, window, multiplier } = self.shape;
        assert_float32(input);
        assert_eq!(
            input.channels.checked_mul(*multiplier),
            Some(output.channels),
            "a depthwise convolution's channels do not match"
        );
        assert_eq!(input.batch, output.batch, "a depthwise convolution keeps the batch size");
        assert!(
            window.fits_within(input, output),
            "a depthwise convolution's windows leave the padded image"
        );
        let weights = window.kernel.into_iter().try_fold(output.channels, usize::checked_mul);
        assert!(weights.is_some(), "a depthwise convolution has more weights than can be counted");
        assert!(
            input.has_room_for_pixels() && self.input.len() >= input.len(),
            "a depthwise input is too short"
        );
        assert!(
            output.has_room_for_pixels() && self.output.len() >= output.len(),
            "a depthwise output is too short"
        );
        assert!(
            self.packed.len() >= packed_len,
            "a depthwise convolution's packed weights are too short"
        );
        assert!(
            self.bias.is_none_or(|bias| bias.len() >= output.channels),
            "a depthwise bias is too short"
        );
    }
}

/// A kernel for depthwise convolutions.
#[derive(Clone, Copy, Debug)]
pub struct DepthwiseKernel {
    /// The name `lorgnette explain` prints.
    pub name: &'static str,
    /// The level that it is compiled for.
    pub level: Level,
    /// The layout of packed weights.
    pub layout: PackedLayout,
    /// True if it can compute a shape.
    pub fits: fn(&DepthwiseShape) -> bool,
    /// Returns the words of packed weights. Depends on the window's size and the numbers of
    /// channels only.
    pub packed_len: fn(&DepthwiseShape) -> usize,
    /// Packs some rows of the weights, `[taps][output channels]`, into a slice of `packed_len`.
    /// Each output channel is multiplied by the filter's scale.
    pub pack_rows: fn(&DepthwiseShape, &Filter<'_>, Range<usize>, &mut [f32]),
    /// Computes the convolution.
    pub run: fn(Depthwise<'_>, &ThreadPool),
}

impl DepthwiseKernel {
    /// Packs all weights.
    pub fn pack(&self, shape: &DepthwiseShape, filter: &Filter<'_>, packed: &mut [f32]) {
        (self.pack_rows)(shape, filter, 0..shape.taps(), packed);
    }
}

/// All kernels, best first within a level, the reference last. Selection, tests and benchmarks use
/// this table.
pub static DEPTHWISE_KERNELS: &[DepthwiseKernel] = &[
    #[cfg(target_arch = "x86_64")]
    columns::kernel::<Avx512Bf16>(),
    #[cfg(target_arch = "x86_64")]
    columns::kernel::<Avx512>(),
    #[cfg(target_arch = "x86_64")]
    columns::kernel::<Avx2>(),
    #[cfg(target_arch = "aarch64")]
    columns::kernel::<Neon>(),
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    columns::kernel::<Simd128>(),
    columns::kernel::<Portable>(),
    REFERENCE,
];

const REFERENCE: DepthwiseKernel = DepthwiseKernel {
    name: "reference",
    level: Level::Portable,
    layout: PackedLayout::new("hwc", WeightFormat::Float32),
    fits: |_| true,
    packed_len,
    pack_rows,
    run: |depthwise, _| reference::depthwise(depthwise),
};

/// Returns the best kernel of a level for a shape.
pub fn choose_depthwise(shape: &DepthwiseShape, level: Level) -> &'static DepthwiseKernel {
    DEPTHWISE_KERNELS
        .iter()
        .find(|kernel| kernel.level == level.base_isa() && (kernel.fits)(shape))
        .unwrap_or(&DEPTHWISE_KERNELS[DEPTHWISE_KERNELS.len() - 1])
}

/// Weights keep their order, `[tap][output channel]`.
fn packed_len(shape: &DepthwiseShape) -> usize {
    shape.taps() * shape.output.channels
}

fn pack_rows(shape: &DepthwiseShape, filter: &Filter<'_>, rows: Range<usize>, packed: &mut [f32]) {
    assert!(!filter.transposed, "a depthwise filter is never transposed");
    pack::plain(shape.taps(), shape.output.channels, filter, rows, packed);
}
