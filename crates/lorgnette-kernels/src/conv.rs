//! Convolutions and fully connected layers.
//!
//! Direct convolutions are one register tile ([`tile`]) of some output pixels by one panel of
//! output channels, with input from three sources:
//! - `direct` reads each tap of each pixel in place, without gathering (implicit GEMM);
//! - `row_im2col` treats a whole row of taps as one, for images of few channels, such as photos;
//! - `gemv` has very few pixels, so that reading the weights takes all the time.
//!
//! All three read the same packed weights and add each output value's products in the same order,
//! tap by tap and channel by channel, so their results are equal bit for bit.
//!
//! [`winograd`] does fewer multiplications for windows of stride 1. Its sums differ, so the choice
//! must depend on the shape only: [`candidates`] estimates each kernel's cost and measures nothing.
//!
//! `amx` multiplies whole tiles of values that are rounded to bf16, or split into two or three of
//! them, where the CPU has the instructions.
//!
//! Two more are less exact, and are candidates only where [`NumericOptions`] allow it: `bf16`
//! multiplies values rounded to pairs of bf16, and [`weight_only`] stores weights in fewer bytes.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[cfg_attr(target_arch = "aarch64", allow(dead_code, reason = "pairs are x86-64's"))]
mod bf16;
mod direct;
#[expect(
    clippy::needless_range_loop,
    reason = "constant indices become registers; iterators became memory"
)]
mod epilogue;
pub(crate) mod pack;

mod gemv;
mod row_im2col;
mod rows;
pub(crate) mod task_grid;
mod tile;
mod weight;
mod weight_only;
#[allow(
    clippy::needless_range_loop,
    reason = "tiles are indexed by row and column; constant indices become registers"
)]
mod winograd;

use std::ops::Range;

use self::weight::{Bf16, F16};
use self::winograd::{F11, F23, F25, F27, F43, F47};
use crate::blocks::assert_float32;
#[cfg(target_arch = "aarch64")]
use crate::simd::Neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use crate::simd::Simd128;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512, Avx512Bf16};
use crate::simd::{Portable, Simd};
use crate::{
    Clamp, ImageLayout, IntegerEpilogue, Level, NumericOptions, PackedLayout, Precision,
    StorageType, ThreadPool, WeightFormat, Window, numerics, reference,
};

/// The geometry of a convolution from `input.channels` to `output.channels`, with one weight for
/// each pair of channels and tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvShape {
    /// The input's layout.
    pub input: ImageLayout,
    /// The output's layout.
    pub output: ImageLayout,
    /// The window. Taps outside the input read zeros.
    pub window: Window,
}

impl ConvShape {
    /// Returns the taps of the window.
    pub fn taps(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    /// Returns the products of one output value, which are the rows of the weights as a matrix.
    pub fn depth(&self) -> usize {
        self.taps() * self.input.channels
    }

    /// Returns the same convolution of a float32 input.
    #[must_use]
    pub fn with_f32_input(&self) -> Self {
        let ImageLayout { channels, stride, storage, .. } = self.input;
        let stride = if storage == StorageType::Float32 { stride } else { channels };
        let input = ImageLayout { storage: StorageType::Float32, stride, ..self.input };
        Self { input, ..*self }
    }

    /// Returns the multiplications of the definition.
    pub fn products(&self) -> u64 {
        (self.output.pixels() * self.output.channels) as u64 * self.depth() as u64
    }

    /// Returns the floating-point operations, two for each product.
    pub fn flops(&self) -> u64 {
        2 * self.products()
    }
}

/// Weights in a file's order.
#[derive(Clone, Copy, Debug)]
pub struct Filter<'a> {
    /// Little-endian float32, `[kernel rows][kernel columns][input channels][output channels]`
    /// (HWIO; for a depthwise convolution `[..][..][input channels][multiplier]`), at any
    /// alignment.
    pub bytes: &'a [u8],
    /// A factor for each output channel, such as a batch normalisation's.
    pub scale: Option<&'a [f32]>,
    /// True if the order is `[output channels][input channels]`; only for 1×1 windows.
    pub transposed: bool,
}

/// An addend of a convolution's output: the other branch of a residual unit.
#[derive(Clone, Copy, Debug)]
pub struct Residual<'a> {
    /// Values for the output's pixels and channels.
    pub values: &'a [f32],
    /// Elements from pixel to pixel.
    pub stride: usize,
    /// Storage type of the values.
    pub storage: StorageType,
}

impl Residual<'_> {
    /// Returns the layout of the values, for a convolution that writes `output`.
    pub(crate) fn layout(&self, output: &ImageLayout) -> ImageLayout {
        ImageLayout { stride: self.stride, storage: self.storage, ..*output }
    }

    /// Returns the words from pixel to pixel.
    pub(crate) fn word_stride(&self) -> usize {
        self.storage.words(self.stride)
    }
}

/// One run of a convolution: `output = clamp(conv(input) + bias + residual)`.
#[derive(Debug)]
pub struct Conv<'a> {
    /// The geometry.
    pub shape: &'a ConvShape,
    /// The input's values.
    pub input: &'a [f32],
    /// Weights packed by [`ConvKernel::pack`].
    pub packed: &'a [f32],
    /// A bias for each output channel.
    pub bias: Option<&'a [f32]>,
    /// An addend for each output value.
    pub residual: Option<Residual<'a>>,
    /// The range results are limited to.
    pub clamp: Clamp,
    /// The output's values.
    pub output: &'a mut [f32],
    /// [`ConvKernel::scratch_len`] words of any content.
    pub scratch: &'a mut [f32],
}

impl Conv<'_> {
    /// Panics if the shape contradicts itself or a slice is too short for it. The kernels' unsafe
    /// code relies on it.
    fn check(&self, packed_len: usize) {
        let ConvShape { input, output, window } = self.shape;
        assert_float32(input);
        assert!(
            window.fits_within(input, output),
            "a convolution's windows leave the padded image"
        );
        assert!(self.weights_are_countable(), "a convolution has more weights than can be counted");
        let is_long_enough =
            |layout: &ImageLayout, len: usize| layout.has_room_for_pixels() && len >= layout.len();
        assert!(is_long_enough(input, self.input.len()), "a convolution's input is too short");
        assert!(is_long_enough(output, self.output.len()), "a convolution's output is too short");
        assert!(self.packed.len() >= packed_len, "a convolution's packed weights are too short");
        assert!(
            self.bias.is_none_or(|bias| bias.len() >= output.channels),
            "a convolution's bias is too short"
        );
        assert!(
            self.residual.is_none_or(|residual| {
                is_long_enough(&residual.layout(output), residual.values.len())
            }),
            "a convolution's residual is too short"
        );
        assert_eq!(input.batch, output.batch, "a convolution keeps the batch size");
    }

    /// True if the number of weights does not overflow in any layout.
    fn weights_are_countable(&self) -> bool {
        /// Channels that a layout is padded to: panels and tiles have up to 32 of either side.
        const PADDING: usize = 32;
        /// Maximum bytes of a weight: Winograd's transforms have up to four values for one.
        const MAX_BYTES_PER_WEIGHT: usize = 16;
        let ConvShape { input, output, window } = self.shape;
        let [rows, columns] = window.kernel;
        let bytes = [input.channels, output.channels]
            .into_iter()
            .map(|channels| channels.max(1).checked_next_multiple_of(PADDING))
            .chain([Some(rows), Some(columns)])
            .try_fold(MAX_BYTES_PER_WEIGHT, |bytes, number| bytes.checked_mul(number?));
        output.is_empty() || bytes.is_some_and(|bytes| isize::try_from(bytes).is_ok())
    }
}

/// A function of some rows of a filter and the packed slice.
pub type PackRows = fn(&ConvShape, &Filter<'_>, Range<usize>, &mut [f32], &ThreadPool);

/// An algorithm for a convolution's sums.
#[derive(Clone, Copy, Debug)]
pub struct Algorithm {
    /// Its unique name.
    pub name: &'static str,
    /// The class of its errors.
    pub error_class: ErrorClass,
    /// Multiplications of a run: fewer than the definition's for Winograd, more where values are
    /// split.
    pub products: fn(&ConvShape) -> u64,
}

impl Algorithm {
    /// The definition's products, without splitting.
    const fn direct(name: &'static str) -> Self {
        Self { name, error_class: ErrorClass::F32, products: ConvShape::products }
    }
}

/// The error of a kernel relative to its reference implementation with the kernel's
/// [`NumericOptions`]. Tests and benchmarks have a tolerance for each class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Rounding of float32 sums.
    F32,
    /// Factors are also truncated to 17 of their 24 bits of precision.
    SplitBf16,
}

/// A kernel for convolutions.
#[derive(Clone, Copy, Debug)]
pub struct ConvKernel {
    /// The name `lorgnette explain` prints.
    pub name: &'static str,
    /// The level that it is compiled for.
    pub level: Level,
    /// Its precision, never [`Precision::Auto`], and its storage of weights.
    pub numerics: NumericOptions,
    /// Its algorithm. Kernels of the same level and algorithm give the same bits.
    pub algorithm: Algorithm,
    /// The layout of packed weights.
    pub layout: PackedLayout,
    /// True if it can compute a shape. Only kernels that multiply bf16 read bf16 inputs.
    pub fits: fn(&ConvShape) -> bool,
    /// Estimated cost of one image, in vector multiplications, for comparison with the other
    /// kernels of the level. Depends on the shape only, so that results do not depend on when or
    /// where they were computed.
    pub cost: fn(&ConvShape) -> f64,
    /// Returns the words of packed weights. Depends on the window's size and the numbers of
    /// channels only.
    pub packed_len: fn(&ConvShape) -> usize,
    /// A pass over all rows of the weights, in order, before any of them is packed, on all threads
    /// of the pool. It stores its results in the packed slice.
    pub scan_weights: Option<PackRows>,
    /// Packs some rows of the weights, as a matrix `[taps · input channels][output channels]`, into
    /// a slice of `packed_len`, on all threads of the pool. All rows before them must be packed
    /// already. Depends on the window's size and the numbers of channels only.
    pub pack_rows: PackRows,
    /// Alignment, in output rows, of blocks of rows that are computed separately. `None` where
    /// blocks would cost too much.
    pub row_block: fn(&ConvShape) -> Option<usize>,
    /// Returns the words of scratch for a run on a number of threads.
    pub scratch_len: fn(&ConvShape, usize) -> usize,
    /// Computes the convolution.
    pub run: fn(Conv<'_>, &ThreadPool),
}

impl ConvKernel {
    /// True if this CPU can run it.
    pub fn is_available(&self) -> bool {
        self.level.is_available() && self.numerics.compute.is_available(self.level)
    }

    /// True if its products are of float32.
    fn multiplies_float32(&self) -> bool {
        self.numerics.compute == Precision::Float32
    }

    /// Packs all weights on the calling thread.
    pub fn pack(&self, shape: &ConvShape, filter: &Filter<'_>, packed: &mut [f32]) {
        for rows in self.scan_weights.into_iter().chain([self.pack_rows]) {
            rows(shape, filter, 0..shape.depth(), packed, &ThreadPool::new(1));
        }
    }
}

/// All kernels: those of single levels, those of every level, the reference.
macro_rules! kernels {
    ($($(#[$cfg:meta])* $level:ty,)*) => {
        &[
            #[cfg(target_arch = "x86_64")]
            amx::kernel::<amx::Bf16x2>(),
            #[cfg(target_arch = "x86_64")]
            amx::kernel::<amx::Bf16x3>(),
            #[cfg(target_arch = "x86_64")]
            amx::kernel::<amx::Bf16>(),
            #[cfg(target_arch = "x86_64")]
            amx::kernel::<amx::Bf16Rows>(),
            #[cfg(target_arch = "x86_64")]
            bf16::kernel::<Avx512Bf16>(),
            #[cfg(target_arch = "aarch64")]
            bf16::matrix::kernel(),
            $(
                $(#[$cfg])* gemv::kernel::<$level>(),
                $(#[$cfg])* row_im2col::kernel::<$level>(),
                $(#[$cfg])* direct::kernel::<$level>(),
                $(#[$cfg])* winograd::kernel::<$level, F43, F43>("winograd 4x4"),
                $(#[$cfg])* winograd::kernel::<$level, F23, F23>("winograd 2x2"),
                $(#[$cfg])* winograd::kernel::<$level, F25, F25>("winograd 2x2 of 5x5"),
                $(#[$cfg])* winograd::kernel::<$level, F27, F27>("winograd 2x2 of 7x7"),
                $(#[$cfg])* winograd::kernel::<$level, F11, F43>("winograd 1x4"),
                $(#[$cfg])* winograd::kernel::<$level, F43, F11>("winograd 4x1"),
                $(#[$cfg])* winograd::kernel::<$level, F11, F47>("winograd 1x4 of 1x7"),
                $(#[$cfg])* winograd::kernel::<$level, F47, F11>("winograd 4x1 of 7x1"),
                $(#[$cfg])* winograd::kernel::<$level, F11, F27>("winograd 1x2 of 1x7"),
                $(#[$cfg])* winograd::kernel::<$level, F27, F11>("winograd 2x1 of 7x1"),
                $(#[$cfg])* weight_only::kernel::<$level, Bf16>(),
                $(#[$cfg])* weight_only::kernel::<$level, F16>(),
                $(#[$cfg])* weight_only::kernel::<$level, i8>(),
            )*
            REFERENCE,
        ]
    };
}

/// All kernels, best first within a level and algorithm, the reference last. Selection, tests and
/// benchmarks use this table.
pub static CONV_KERNELS: &[ConvKernel] = kernels![
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
    Portable,
];

const REFERENCE: ConvKernel = ConvKernel {
    name: "reference",
    level: Level::Portable,
    numerics: FLOAT32,
    algorithm: Algorithm::direct("float64"),
    layout: PackedLayout::new("hwio", WeightFormat::Float32),
    fits: |_| true,
    cost: |_| f64::INFINITY,
    packed_len: |shape| shape.taps() * shape.input.channels * shape.output.channels,
    scan_weights: None,
    pack_rows: |shape, filter, rows, packed, _| {
        pack::plain(shape.depth(), shape.output.channels, filter, rows, packed);
    },
    row_block: |_| Some(1),
    scratch_len: |_, _| 0,
    run: |conv, _| reference::conv(conv),
};

/// Float32 arithmetic and storage of weights.
const FLOAT32: NumericOptions = NumericOptions {
    compute: Precision::Float32,
    weight_storage: WeightFormat::Float32,
    epilogue: IntegerEpilogue::TfLite,
};

/// Maximum cost relative to float32 at which [`Precision::Auto`] takes bf16.
const AUTO_BF16_MAX_COST: f64 = 0.75;

/// Returns the kernels of a level that can compute a shape with the allowed numeric options, each
/// with its cost, best first.
///
/// The algorithm is chosen for one image, so that an image's result does not depend on the batch.
/// Among kernels of the same algorithm, the table's order decides.
pub fn candidates(
    shape: &ConvShape,
    level: Level,
    numerics: NumericOptions,
) -> Vec<(&'static ConvKernel, f64)> {
    let single_image = ConvShape {
        input: ImageLayout { batch: shape.input.batch.min(1), ..shape.input },
        output: ImageLayout { batch: shape.output.batch.min(1), ..shape.output },
        ..*shape
    };
    let weights = if single_image.output.pixels() <= gemv::MAX_PIXELS {
        numerics.weight_storage
    } else {
        WeightFormat::Float32
    };
    let rounds = numerics.compute != Precision::Float32 && numerics::has_bf16();
    let mut found: Vec<_> = CONV_KERNELS
        .iter()
        .filter(|kernel| kernel.level == level || kernel.level == level.base_isa())
        .filter(|kernel| kernel.numerics.weight_storage == weights)
        .filter(|kernel| rounds || kernel.multiplies_float32())
        .filter(|kernel| {
            shape.input.storage == StorageType::Float32 || !kernel.multiplies_float32()
        })
        .filter(|kernel| (kernel.fits)(shape))
        .map(|kernel| (kernel, (kernel.cost)(&single_image)))
        .collect();
    found.sort_by(|a, b| a.1.total_cmp(&b.1));
    if numerics.compute == Precision::Auto {
        let exact = found.iter().find(|(kernel, _)| kernel.multiplies_float32());
        let max_cost = exact.map_or(f64::INFINITY, |(_, cost)| AUTO_BF16_MAX_COST * cost);
        found.retain(|(kernel, cost)| kernel.multiplies_float32() || *cost <= max_cost);
    }
    found
}

/// Returns the best kernel of a level for a shape with the allowed numeric options.
pub fn choose_conv(
    shape: &ConvShape,
    level: Level,
    numerics: NumericOptions,
) -> &'static ConvKernel {
    candidates(shape, level, numerics)
        .first()
        .map_or(&CONV_KERNELS[CONV_KERNELS.len() - 1], |best| best.0)
}

/// Returns the storage type that a convolution prefers for its input: bf16 where it would round all
/// of it anyway, and the input is large enough that its producer should do it.
///
/// Depends on the shape only, neither on the storage type in `shape` nor on the batch.
pub fn preferred_input_storage(
    shape: &ConvShape,
    level: Level,
    numerics: NumericOptions,
) -> StorageType {
    let with_storage =
        |storage| ConvShape { input: ImageLayout { storage, ..shape.input }, ..*shape };
    // With few channels or few pixels, the kernel makes its own copy.
    let copied = shape.input.channels <= row_im2col::MAX_CHANNELS;
    let worthwhile = !copied && shape.input.height * shape.input.width > gemv::MAX_PIXELS;
    let rounded = candidates(&with_storage(StorageType::Bf16), level, numerics);
    let (Some((_, rounded)), true) = (rounded.first(), worthwhile) else {
        return StorageType::Float32;
    };
    let others = candidates(&with_storage(StorageType::Float32), level, numerics);
    let exact = others.iter().find(|(kernel, _)| kernel.multiplies_float32());
    let worthwhile = match (numerics.compute, exact) {
        (Precision::Auto, Some((_, exact))) => *rounded <= AUTO_BF16_MAX_COST * exact,
        _ => others.first().is_none_or(|(_, other)| rounded < other),
    };
    if worthwhile { StorageType::Bf16 } else { StorageType::Float32 }
}

/// The algorithm of the definition: products added tap by tap and channel by channel.
const DIRECT: Algorithm = Algorithm::direct("definition");

/// Estimates the cost of a direct convolution; see [`ConvKernel::cost`].
fn direct_cost<S: Simd>(shape: &ConvShape) -> f64 {
    let products = shape.output.pixels() * shape.depth() * shape.output.channels.div_ceil(S::LANES);
    with_weight_loads::<S>(products as f64, shape.depth() * shape.output.channels)
}

/// Estimates the cost of vector multiplications together with reading weights from memory once,
/// which they mostly hide or are hidden by. Fitted to `cargo bench -p lorgnette-bench --bench
/// networks -- --all`, with one exception: there, small filters stay in cache from run to run; in a
/// network, all other layers run in between.
fn with_weight_loads<S: Simd>(products: f64, weights: usize) -> f64 {
    /// Share of the lesser of the two that is not hidden.
    const UNHIDDEN_SHARE: f64 = 0.3;
    let load_cost = S::LEVEL.isa().weight_load_cost * weights as f64;
    products.max(load_cost) + UNHIDDEN_SHARE * products.min(load_cost)
}

/// Returns the output channels of a panel of packed weights.
const fn panel_width<S: Simd>() -> usize {
    S::PANEL_VECTORS * S::LANES
}
