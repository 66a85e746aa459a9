//! Convolutions and fully connected layers.
//!
//! By their definition, convolutions are one register tile ([`tile`]) of some output pixels by one
//! panel of output channels, fed in three ways:
//! - `direct` reads each tap of each pixel where it lies, without gathering (implicit GEMM);
//! - `row_im2col` takes a whole row of taps for one, for pictures of few channels, such as photos;
//! - `gemv` has very few pixels, so that reading the weights is all that counts.
//!
//! All three read the same packed weights and add each output value's products in the same order,
//! tap by tap and channel by channel, so their results are the same to the last bit.
//!
//! [`winograd`] does fewer multiplications where windows step by one. Its sums are others, so where
//! it is chosen must not depend on anything but the shape: [`candidates`] reckons what each kernel
//! costs, and nothing is measured.
//!
//! `amx` multiplies whole tiles of numbers that are rounded to bf16, or split into two or three of
//! them, where the CPU has the instructions.
//!
//! Two more are less exact, and are candidates only where [`NumericOptions`] allow it: `bf16`
//! multiplies numbers rounded to pairs, and [`weight_only`] keeps weights in fewer bytes.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
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
mod task_grid;
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
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512, Avx512Bf16};
use crate::simd::{Portable, Simd};
use crate::{
    Clamp, ImageLayout, Level, NumericOptions, Precision, StorageType, ThreadPool, WeightFormat,
    Window, numerics, reference,
};

/// The geometry of a convolution: `input.channels` and `output.channels` with one weight for each
/// pair and tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvShape {
    /// What is read.
    pub input: ImageLayout,
    /// What is written.
    pub output: ImageLayout,
    /// How the window moves. Taps outside the input read zeros.
    pub window: Window,
}

impl ConvShape {
    /// Taps of the window.
    pub fn taps(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    /// The products of one output value: rows of the weights as a matrix.
    pub fn depth(&self) -> usize {
        self.taps() * self.input.channels
    }

    /// The same convolution of an input that is kept as float32.
    #[must_use]
    pub fn with_f32_input(&self) -> Self {
        let ImageLayout { channels, stride, .. } = self.input;
        Self {
            input: ImageLayout {
                storage: StorageType::Float32,
                stride: stride.max(channels),
                ..self.input
            },
            ..*self
        }
    }

    /// Multiplications of the definition.
    pub fn products(&self) -> u64 {
        (self.output.pixels() * self.output.channels) as u64 * self.depth() as u64
    }

    /// Floating-point operations, two for each product.
    pub fn flops(&self) -> u64 {
        2 * self.products()
    }
}

/// Counts changes of the layouts that kernels want their weights in. Whoever keeps packed weights
/// in a file keeps this number beside them, and does not use them with another.
pub const PACKED_LAYOUTS: u32 = 3;

/// Weights as they lie in a file.
#[derive(Clone, Copy, Debug)]
pub struct Filter<'a> {
    /// Little-endian float32, `[kernel rows][kernel columns][input channels][output channels]`
    /// (HWIO; for a depthwise convolution `[..][..][input channels][multiplier]`), at any
    /// alignment.
    pub bytes: &'a [u8],
    /// A factor for each output channel, such as a batch normalisation's.
    pub scale: Option<&'a [f32]>,
    /// The order is `[output channels][input channels]` instead; only for 1×1 windows.
    pub transposed: bool,
}

/// Something to add to a convolution's output: the other branch of a residual unit.
#[derive(Clone, Copy, Debug)]
pub struct Residual<'a> {
    /// Values of the output's pixels and channels.
    pub values: &'a [f32],
    /// Floats from pixel to pixel.
    pub stride: usize,
    /// What the values are kept as.
    pub storage: StorageType,
}

impl Residual<'_> {
    /// Where the values lie, for a convolution that writes `output`.
    pub(crate) fn layout(&self, output: &ImageLayout) -> ImageLayout {
        ImageLayout { stride: self.stride, storage: self.storage, ..*output }
    }
}

/// One run of a convolution: `output = clamp(conv(input) + bias + residual)`.
#[derive(Debug)]
pub struct Conv<'a> {
    /// The geometry.
    pub shape: &'a ConvShape,
    /// The input's values.
    pub input: &'a [f32],
    /// Weights as [`ConvKernel::pack`] left them.
    pub packed: &'a [f32],
    /// A summand for each output channel.
    pub bias: Option<&'a [f32]>,
    /// A summand for each output value.
    pub residual: Option<Residual<'a>>,
    /// The range results are limited to.
    pub clamp: Clamp,
    /// The output's values.
    pub output: &'a mut [f32],
    /// [`ConvKernel::scratch_len`] floats of any content.
    pub scratch: &'a mut [f32],
}

impl Conv<'_> {
    /// Panics if the shape contradicts itself, or a slice is too short for it; the kernels' unsafe
    /// code relies on it.
    fn check(&self, packed_len: usize) {
        let ConvShape { input, output, window } = self.shape;
        assert_float32(input);
        assert!(window.fits_within(input, output), "a convolution's windows leave its picture");
        assert!(self.weights_are_countable(), "a convolution has more weights than can be counted");
        let is_long_enough = |layout: &ImageLayout, len: usize| {
            layout.stride >= layout.words() && len >= layout.len()
        };
        assert!(is_long_enough(input, self.input.len()), "a convolution's input is too short");
        assert!(is_long_enough(output, self.output.len()), "a convolution's output is too short");
        assert!(self.packed.len() >= packed_len, "a convolution's packed weights are too short");
        assert!(
            self.bias.is_none_or(|bias| bias.len() >= output.channels),
            "a convolution's bias is too short"
        );
        let fits = |residual: Residual<'_>| {
            is_long_enough(&residual.layout(output), residual.values.len())
        };
        assert!(self.residual.is_none_or(fits), "a convolution's residual is too short");
        assert_eq!(input.batch, output.batch, "a convolution keeps the number of pictures");
    }

    /// Whether there can be so many weights, in any layout.
    fn weights_are_countable(&self) -> bool {
        /// Bytes of a weight at most, with what fills up a layout beside it: of the values at
        /// points of Winograd's forms, four for a weight; of tiles, 32 by 32 channels of three
        /// parts for one.
        const MAX_BYTES_PER_WEIGHT: usize = 8 << 10;
        let ConvShape { input, output, window } = self.shape;
        let [rows, columns] = window.kernel;
        let numbers = [rows, columns, input.channels.max(1), output.channels.max(1)];
        let bytes = numbers.into_iter().try_fold(MAX_BYTES_PER_WEIGHT, usize::checked_mul);
        output.is_empty() || bytes.is_some_and(|bytes| isize::try_from(bytes).is_ok())
    }
}

/// A function of some rows of a filter and the slice that is packed.
pub type PackRows = fn(&ConvShape, &Filter<'_>, Range<usize>, &mut [f32], &ThreadPool);

/// A way to come by a convolution's sums.
#[derive(Clone, Copy, Debug)]
pub struct Algorithm {
    /// Its name: no two have the same.
    pub name: &'static str,
    /// What is lost on the way.
    pub error_class: ErrorClass,
    /// Multiplications of a run: fewer than the definition's by Winograd's forms, more where
    /// numbers are split.
    pub products: fn(&ConvShape) -> u64,
}

impl Algorithm {
    /// The definition's products, each of whole numbers.
    const fn direct(name: &'static str) -> Self {
        Self { name, error_class: ErrorClass::F32, products: ConvShape::products }
    }
}

/// What sets a kernel's answers apart from those of its slow twin, which has the same numbers in
/// the kernel's [`NumericOptions`]. Tests and benchmarks allow so much and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Sums are rounded, as float32 is.
    F32,
    /// Factors are cut as well: each keeps 17 of its 24 binary digits.
    SplitBf16,
}

/// A way to compute convolutions.
#[derive(Clone, Copy, Debug)]
pub struct ConvKernel {
    /// The name `lorgnette explain` prints.
    pub name: &'static str,
    /// The level it is compiled for.
    pub level: Level,
    /// What it multiplies, never [`Precision::Auto`], and what it keeps weights as.
    pub numerics: NumericOptions,
    /// How it comes by its sums: kernels of the same level and arithmetic give the same bits.
    pub algorithm: Algorithm,
    /// How it wants weights: kernels of the same level and layout can share packed weights.
    pub layout: &'static str,
    /// Whether it can compute a shape. Inputs that are kept as bf16 are for kernels that multiply
    /// such numbers.
    pub fits: fn(&ConvShape) -> bool,
    /// What one picture costs, for comparison with the other kernels of the level: about as many as
    /// vector multiplications take the time. Depends on the shape alone, so that no answer depends
    /// on when or where it was computed.
    pub cost: fn(&ConvShape) -> f64,
    /// The floats packed weights take. Depends only on the window's size and the numbers of
    /// channels.
    pub packed_len: fn(&ConvShape) -> usize,
    /// What must have seen all rows of the weights before any of them is reordered, in their order,
    /// on all threads of the pool; it notes in the slice what it needs.
    pub scan_weights: Option<PackRows>,
    /// Reorders some rows of the weights, seen as a matrix `[taps · input channels][output
    /// channels]`, into a slice of `packed_len`, on all threads of the pool; all rows before them
    /// must have come already. Depends only on the window's size and the numbers of channels.
    pub pack_rows: PackRows,
    /// Rows of the output that are computed together, where a picture may be given in bands of
    /// rows: a band then begins at a multiple of them. `None` where that would cost too much.
    pub row_block: fn(&ConvShape) -> Option<usize>,
    /// The floats of scratch a run needs with a pool of so many threads.
    pub scratch_len: fn(&ConvShape, usize) -> usize,
    /// Computes.
    pub run: fn(Conv<'_>, &ThreadPool),
}

impl ConvKernel {
    /// Whether this CPU can run it.
    pub fn is_available(&self) -> bool {
        self.level.is_available() && self.numerics.compute.is_available(self.level)
    }

    /// Reorders all weights, on the calling thread.
    pub fn pack(&self, shape: &ConvShape, filter: &Filter<'_>, packed: &mut [f32]) {
        for rows in self.scan_weights.into_iter().chain([self.pack_rows]) {
            rows(shape, filter, 0..shape.depth(), packed, &ThreadPool::new(1));
        }
    }
}

/// All kernels: those that some CPUs have alone, those that every level has, the reference.
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
            bf16::kernel::<Avx512Bf16>(),
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

/// All kernels, best first within a level and arithmetic, the reference last. Drives choice, tests
/// and benchmarks.
pub static CONV_KERNELS: &[ConvKernel] = kernels![
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
];

const REFERENCE: ConvKernel = ConvKernel {
    name: "reference",
    level: Level::Portable,
    numerics: FLOAT32,
    algorithm: Algorithm::direct("float64"),
    layout: "hwio",
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

/// The formats of kernels that compute in float32 and keep weights so.
const FLOAT32: NumericOptions =
    NumericOptions { compute: Precision::Float32, weight_storage: WeightFormat::Float32 };

/// The part of float32's cost up to which [`Precision::Auto`] takes bf16.
const AUTO_BF16_MAX_COST: f64 = 0.75;

/// The kernels of a level that can compute a shape in formats that are allowed, each with what it
/// costs, best first.
///
/// The arithmetic is chosen for one picture, so that a picture's answer does not depend on the
/// others of its batch; among kernels of the same arithmetic, the table's order decides.
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
    let allowed = |kernel: &ConvKernel| {
        kernel.numerics.weight_storage == weights
            && (rounds || kernel.numerics.compute == Precision::Float32)
    };
    let matches_level =
        |kernel: &ConvKernel| kernel.level == level || kernel.level == level.base_isa();
    let reads = |kernel: &ConvKernel| {
        shape.input.storage == StorageType::Float32 || kernel.numerics.compute != Precision::Float32
    };
    let is_candidate = |kernel: &&ConvKernel| {
        matches_level(kernel) && allowed(kernel) && reads(kernel) && (kernel.fits)(shape)
    };
    let mut found: Vec<_> = CONV_KERNELS
        .iter()
        .filter(is_candidate)
        .map(|kernel| (kernel, (kernel.cost)(&single_image)))
        .collect();
    found.sort_by(|a, b| a.1.total_cmp(&b.1));
    if numerics.compute == Precision::Auto {
        let exact = found.iter().find(|(kernel, _)| kernel.numerics.compute == Precision::Float32);
        let max_cost = exact.map_or(f64::INFINITY, |(_, cost)| AUTO_BF16_MAX_COST * cost);
        found.retain(|(kernel, cost)| {
            kernel.numerics.compute == Precision::Float32 || *cost <= max_cost
        });
    }
    found
}

/// The best kernel of a level for a shape, in formats that are allowed.
pub fn choose_conv(
    shape: &ConvShape,
    level: Level,
    numerics: NumericOptions,
) -> &'static ConvKernel {
    candidates(shape, level, numerics)
        .first()
        .map_or(&CONV_KERNELS[CONV_KERNELS.len() - 1], |best| best.0)
}

/// What a convolution in these formats takes its input as: bf16 where it would round all of it to
/// such numbers anyway, and there is enough of it that this is better done where it comes from.
///
/// Depends on the shape alone: neither on what the shape's input is kept as, nor on the number of
/// pictures.
pub fn preferred_input_storage(
    shape: &ConvShape,
    level: Level,
    numerics: NumericOptions,
) -> StorageType {
    let with_storage =
        |storage| ConvShape { input: ImageLayout { storage, ..shape.input }, ..*shape };
    // Of few channels, and few pixels, the kernel makes a copy of its own as it wants it.
    let copied = shape.input.channels <= row_im2col::MAX_CHANNELS;
    let worthwhile = !copied && shape.input.height * shape.input.width > gemv::MAX_PIXELS;
    let rounded = candidates(&with_storage(StorageType::Bf16), level, numerics);
    let (Some((_, rounded)), true) = (rounded.first(), worthwhile) else {
        return StorageType::Float32;
    };
    let others = candidates(&with_storage(StorageType::Float32), level, numerics);
    let exact = others.iter().find(|(kernel, _)| kernel.numerics.compute == Precision::Float32);
    let worthwhile = match (numerics.compute, exact) {
        (Precision::Auto, Some((_, exact))) => *rounded <= AUTO_BF16_MAX_COST * exact,
        _ => others.first().is_none_or(|(_, other)| rounded < other),
    };
    if worthwhile { StorageType::Bf16 } else { StorageType::Float32 }
}

/// The arithmetic of the definition: products added tap by tap and channel by channel.
const DIRECT: Algorithm = Algorithm::direct("definition");

/// What a convolution by its definition costs; see [`ConvKernel::cost`].
fn direct_cost<S: Simd>(shape: &ConvShape) -> f64 {
    let products = shape.output.pixels() * shape.depth() * shape.output.channels.div_ceil(S::LANES);
    with_weight_loads::<S>(products as f64, shape.depth() * shape.output.channels)
}

/// What vector multiplications cost together with reading so many weights from memory once, which
/// they hide for the most part or are hidden by. Fitted to `cargo bench -p lorgnette-bench --bench
/// networks -- --all`, but for one thing: there, small filters stay in cache from run to run; in a
/// network, all others come between.
fn with_weight_loads<S: Simd>(products: f64, weights: usize) -> f64 {
    /// The part of the lesser of the two that is not hidden.
    const UNHIDDEN_SHARE: f64 = 0.3;
    let load_cost = S::LEVEL.isa().weight_load_cost * weights as f64;
    products.max(load_cost) + UNHIDDEN_SHARE * products.min(load_cost)
}

/// Output channels of a panel of packed weights.
const fn panel_width<S: Simd>() -> usize {
    2 * S::LANES
}
