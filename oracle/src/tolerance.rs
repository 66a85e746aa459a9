//! How far from TensorFlow a number may be: the only place that says so. The limits are those of the reference data
//! (`shared/reference/README.md`); `oracle/compare.py` reads [`ACTIVATION`] from here.

/// A float32 activation: the largest difference, as a share of the tensor's largest magnitude.
pub const ACTIVATION: f32 = 1e-4;
/// A network's input made from the same pixels, as a share of its largest magnitude.
pub const INPUT: f64 = 1e-5;
/// JPEG pixels of one photo against libjpeg-turbo's: mean absolute difference, in levels of 256.
pub const JPEG_MEAN: f64 = 0.4;
/// JPEG pixels against libjpeg-turbo's: no pixel further than this, in levels of 256.
pub const JPEG_MOST: f64 = 8.0;
/// A reported probability of a photo decoded by us; the difference comes from decoding alone.
pub const PROBABILITY: f32 = 0.02;
/// How far apart TensorFlow's probabilities of two classes must be for their order to count.
pub const ORDER: f32 = 0.002;

/// The largest difference as a share of the largest finite magnitude of what was wanted; infinite where the lengths
/// differ or only one side is not a number.
pub fn relative_error(wanted: &[f32], found: &[f32]) -> f32 {
    if wanted.len() != found.len() {
        return f32::INFINITY;
    }
    let largest = wanted.iter().filter(|v| v.is_finite()).fold(f32::MIN_POSITIVE, |a, v| a.max(v.abs()));
    let difference = |(a, b): (&f32, &f32)| match (a - b).abs() {
        _ if a == b || (a.is_nan() && b.is_nan()) => 0.0,
        d if d.is_nan() => f32::INFINITY,
        d => d,
    };
    wanted.iter().zip(found).map(difference).fold(0.0, f32::max) / largest
}
