//! The exponential and related functions without branches or calls, so that compilers vectorise
//! loops over them.
//!
//! eˣ = 2ⁿ · eʳ with n the integer nearest to x / ln 2 and |r| ≤ ln 2 / 2, where the Taylor series
//! converges in seven terms.

/// Beyond these, eˣ is 0 or infinite in float32.
const MIN_ARGUMENT: f32 = -104.0;
const MAX_ARGUMENT: f32 = 89.0;

/// ln 2 in two parts, the first with so few digits that its products with integers are exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// 1.5 · 2²³: adding it to a small number rounds to an integer, which then occupies the lowest
/// bits.
const ROUNDING_SHIFT: f32 = 12_582_912.0;

/// `eˣ`, with a relative error of about 1e-7.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let (n, r) = reduce(x);
    // In two steps, because 2ⁿ alone may be too large or too small for a float32 where eˣ is not.
    (1.0 + exp_m1_of_small(r)) * power_of_two(n >> 1) * power_of_two(n - (n >> 1))
}

/// `eˣ − 1`, accurate near 0 too.
#[inline(always)]
pub(crate) fn exp_m1(x: f32) -> f32 {
    let (n, r) = reduce(x);
    let half = power_of_two(n >> 1);
    let other = power_of_two(n - (n >> 1));
    exp_m1_of_small(r) * half * other + (half * other - 1.0)
}

/// `1/(1 + e⁻ˣ)`
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `tanh x = (e²ˣ − 1)/(e²ˣ + 1)`
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    // Beyond 10 the result is ±1 to the last bit; there the quotient would become ∞/∞.
    let expm1 = exp_m1(2.0 * limit(x, -10.0, 10.0));
    expm1 / (expm1 + 2.0)
}

#[inline(always)]
fn reduce(x: f32) -> (i32, f32) {
    let x = limit(x, MIN_ARGUMENT, MAX_ARGUMENT);
    let shifted = x * std::f32::consts::LOG2_E + ROUNDING_SHIFT;
    let n = shifted - ROUNDING_SHIFT;
    (shifted.to_bits() as i32 - ROUNDING_SHIFT.to_bits() as i32, (x - n * LN2_HIGH) - n * LN2_LOW)
}

#[inline(always)]
fn exp_m1_of_small(r: f32) -> f32 {
    let tail = 1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0));
    r + r * r * (1.0 / 2.0 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * tail)))
}

/// `2ⁿ` for −126 ≤ n ≤ 127; anything for other n, which only a NaN leads to.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) << 23) as u32)
}

/// `x` limited to a range; a NaN stays a NaN.
#[inline(always)]
fn limit(x: f32, low: f32, high: f32) -> f32 {
    crate::Clamp { low, high }.apply(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error of `fast` against `exact` over many numbers, relative to the exact value.
    fn worst(range: std::ops::Range<f32>, fast: fn(f32) -> f32, exact: fn(f64) -> f64) -> f64 {
        let steps = 400_000;
        let at = |i| range.start + (range.end - range.start) * (i as f32 / steps as f32);
        let error = |x: f32| {
            ((f64::from(fast(x)) - exact(f64::from(x))) / exact(f64::from(x)).abs().max(1e-37))
                .abs()
        };
        (0..=steps).map(|i| error(at(i))).fold(0.0, f64::max)
    }

    #[test]
    fn agree_with_double_precision() {
        assert!(worst(-87.0..88.7, exp, f64::exp) < 3e-7);
        assert!(worst(-50.0..88.0, exp_m1, f64::exp_m1) < 3e-7);
        assert!(worst(-0.01..0.01, exp_m1, f64::exp_m1) < 3e-7);
        assert!(worst(-80.0..80.0, sigmoid, |x| 1.0 / (1.0 + (-x).exp())) < 4e-7);
        assert!(worst(-12.0..12.0, tanh, f64::tanh) < 4e-7);
        assert!(worst(-0.01..0.01, tanh, f64::tanh) < 4e-7);
    }

    #[test]
    fn know_their_limits() {
        assert_eq!((exp(f32::NEG_INFINITY), exp(-200.0), exp(0.0)), (0.0, 0.0, 1.0));
        assert_eq!((exp(f32::INFINITY), exp(88.73)), (f32::INFINITY, f32::INFINITY));
        assert_eq!((sigmoid(f32::NEG_INFINITY), sigmoid(f32::INFINITY)), (0.0, 1.0));
        assert_eq!((tanh(f32::NEG_INFINITY), tanh(f32::INFINITY), tanh(0.0)), (-1.0, 1.0, 0.0));
        assert!([exp, exp_m1, sigmoid, tanh].iter().all(|f| f(f32::NAN).is_nan()));
    }
}
