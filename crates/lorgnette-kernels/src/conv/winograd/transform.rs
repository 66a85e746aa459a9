//! One-dimensional transforms F(m, r): `m` outputs of a filter of `r` taps with fewer
//! multiplications.
//!
//! Toom and Cook's method, in Winograd's form for filters: `OUTPUTS` results of a filter of `TAPS`
//! taps are the coefficients of a product of polynomials, which is determined by its values at
//! `OUTPUTS + TAPS − 1` points, so that number of multiplications is enough. A transform is its
//! points: 0, some ±p, and infinity (S. Winograd, *Arithmetic Complexity of Computations*, 1980; A.
//! Lavin and S. Gray, *Fast Algorithms for Convolutional Neural Networks*, 2016). Everything else
//! is computed from them here.
//!
//! With `m(x) = x · ∏ (x² − p²)` and, for one pair, `Q(x²) = ∏ (x² − q²)` over the others:
//! - input: the value at a point is the product of all other points' factors, its coefficients
//!   applied to the input: at 0 those of `m(x) / x`, at infinity those of `m(x)`, at ±p those of `x
//!   · (x ± p) · Q(x²)`;
//! - filter: its polynomial's value at the point, divided by `m'(point)`;
//! - output `j`: the sum over the points of `point^j` times the product there, infinity counting
//!   for the last only.
//!
//! Points near 1 in pairs `p` and `1/p` keep all these numbers near 1, and so the rounding errors
//! small.

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

use crate::simd::Simd;

/// Maximum points of a transform.
pub(super) const MAX_POINTS: usize = 10;
/// Maximum taps of a transform.
pub(super) const MAX_TAPS: usize = 7;
/// Maximum outputs of a transform.
pub(super) const MAX_OUTPUTS: usize = 4;
/// Maximum pairs of points of a transform.
const MAX_PAIRS: usize = (MAX_POINTS - 2) / 2;

/// A one-dimensional transform.
pub(in crate::conv) trait Transform1d: Send + Sync + 'static {
    /// Outputs of one application.
    const OUTPUTS: usize;
    /// Taps of the filter.
    const TAPS: usize;
    /// The points ±p, in addition to 0 and infinity.
    const PAIRS: &'static [f64];
    /// Number of points, which is also the number of inputs.
    const POINTS: usize = Self::OUTPUTS + Self::TAPS - 1;
    /// Coefficients computed from the points.
    const COEFFICIENTS: Coefficients = Coefficients::new(Self::PAIRS);

    /// Transforms the input to its values at the points.
    #[inline(always)]
    fn transform_input<S: Simd>(simd: S, x: [S::F; MAX_POINTS]) -> [S::F; MAX_POINTS] {
        let (n, pairs) = (Self::POINTS, Self::PAIRS.len());
        let mut values = x;
        if n == 1 {
            return values;
        }
        let all = &Self::COEFFICIENTS.all;
        values[0] = simd.mul(simd.splat(all[0]), x[0]);
        values[n - 1] = simd.mul(simd.splat(all[0]), x[1]);
        for k in 1..=pairs {
            values[0] = simd.mul_add(simd.splat(all[k]), x[2 * k], values[0]);
            values[n - 1] = simd.mul_add(simd.splat(all[k]), x[2 * k + 1], values[n - 1]);
        }
        for pair in 0..pairs {
            let others = &Self::COEFFICIENTS.others[pair];
            // The highest coefficient is 1.
            let (mut even, mut odd) = (x[2 * pairs], x[2 * pairs - 1]);
            for k in (0..pairs - 1).rev() {
                even = simd.mul_add(simd.splat(others[k]), x[2 * k + 2], even);
                odd = simd.mul_add(simd.splat(others[k]), x[2 * k + 1], odd);
            }
            let p = Self::COEFFICIENTS.points[pair];
            values[1 + 2 * pair] = simd.mul_add(simd.splat(p), odd, even);
            values[2 + 2 * pair] = simd.mul_add(simd.splat(-p), odd, even);
        }
        values
    }

    /// Transforms the products at the points to outputs.
    #[inline(always)]
    fn transform_output<S: Simd>(simd: S, products: [S::F; MAX_POINTS]) -> [S::F; MAX_OUTPUTS] {
        let (n, pairs) = (Self::POINTS, Self::PAIRS.len());
        let mut outputs = [simd.splat(0.0); MAX_OUTPUTS];
        if n == 1 {
            outputs[0] = products[0];
            return outputs;
        }
        outputs[0] = products[0];
        outputs[Self::OUTPUTS - 1] = products[n - 1];
        for pair in 0..pairs {
            let (plus, minus) = (products[1 + 2 * pair], products[2 + 2 * pair]);
            let (even, odd) = (simd.add(plus, minus), simd.sub(plus, minus));
            for (j, output) in outputs[..Self::OUTPUTS].iter_mut().enumerate() {
                let power = simd.splat(Self::COEFFICIENTS.powers[pair][j]);
                let term = if j % 2 == 0 { even } else { odd };
                let first = pair == 0 && j > 0 && j < Self::OUTPUTS - 1;
                *output = match (first, j) {
                    (true, _) => simd.mul(power, term),
                    (false, 0) => simd.add(term, *output),
                    (false, _) => simd.mul_add(power, term, *output),
                };
            }
        }
        outputs
    }

    /// Returns the factors of the taps in the filter's value at a point.
    fn filter_row(point: usize) -> [f64; MAX_TAPS] {
        let mut row = [0.0; MAX_TAPS];
        if point == Self::POINTS - 1 {
            row[Self::TAPS - 1] = 1.0;
        } else if point == 0 {
            row[0] = 1.0 / product(Self::PAIRS, MAX_PAIRS, 0.0);
        } else {
            let pair = (point - 1) / 2;
            let p = if point % 2 == 1 { Self::PAIRS[pair] } else { -Self::PAIRS[pair] };
            let slope = 2.0 * p * p * product(Self::PAIRS, pair, p);
            for (j, value) in row[..Self::TAPS].iter_mut().enumerate() {
                *value = p.powi(j as i32) / slope;
            }
        }
        row
    }
}

/// `∏ (x² − q²)` over all pairs but `excluded`.
fn product(pairs: &[f64], excluded: usize, x: f64) -> f64 {
    let others = pairs.iter().enumerate().filter(|(i, _)| *i != excluded);
    others.map(|(_, q)| x * x - q * q).product()
}

/// A transform's coefficients, rounded once to float32.
pub(in crate::conv) struct Coefficients {
    /// The coefficients of `∏ (y − p²)`, lowest first.
    all: [f32; MAX_PAIRS + 1],
    /// The coefficients of the product over the other pairs, for each pair.
    others: [[f32; MAX_PAIRS + 1]; MAX_PAIRS],
    points: [f32; MAX_PAIRS],
    powers: [[f32; MAX_OUTPUTS]; MAX_PAIRS],
}

impl Coefficients {
    const fn new(pairs: &[f64]) -> Self {
        let mut result = Self {
            all: coefficients(pairs, MAX_PAIRS),
            others: [[0.0; MAX_PAIRS + 1]; MAX_PAIRS],
            points: [0.0; MAX_PAIRS],
            powers: [[0.0; MAX_OUTPUTS]; MAX_PAIRS],
        };
        let mut i = 0;
        while i < pairs.len() {
            result.others[i] = coefficients(pairs, i);
            result.points[i] = pairs[i] as f32;
            let (mut power, mut j) = (1.0, 0);
            while j < MAX_OUTPUTS {
                result.powers[i][j] = power as f32;
                power *= pairs[i];
                j += 1;
            }
            i += 1;
        }
        result
    }
}

/// The coefficients of `∏ (y − q²)` over all pairs but `excluded`, lowest first.
const fn coefficients(pairs: &[f64], excluded: usize) -> [f32; MAX_PAIRS + 1] {
    let mut exact = [0.0; MAX_PAIRS + 1];
    exact[0] = 1.0;
    let mut i = 0;
    while i < pairs.len() {
        if i != excluded {
            let mut k = MAX_PAIRS;
            while k > 0 {
                exact[k] = exact[k - 1] - pairs[i] * pairs[i] * exact[k];
                k -= 1;
            }
            exact[0] *= -pairs[i] * pairs[i];
        }
        i += 1;
    }
    let mut rounded = [0.0; MAX_PAIRS + 1];
    let mut k = 0;
    while k <= MAX_PAIRS {
        rounded[k] = exact[k] as f32;
        k += 1;
    }
    rounded
}

macro_rules! transforms {
    ($($(#[$doc:meta])* $name:ident: F($outputs:literal, $taps:literal) at $pairs:expr;)*) => {
        $($(#[$doc])* pub(in crate::conv) struct $name;

        impl Transform1d for $name {
            const OUTPUTS: usize = $outputs;
            const TAPS: usize = $taps;
            const PAIRS: &'static [f64] = &$pairs;
        })*
    };
}

transforms! {
    /// The identity, along an axis where the window has one tap.
    F11: F(1, 1) at [];
    F23: F(2, 3) at [1.0];
    F43: F(4, 3) at [FRAC_1_SQRT_2, SQRT_2];
    F25: F(2, 5) at [FRAC_1_SQRT_2, SQRT_2];
    F27: F(2, 7) at [1.0 / 1.8, 1.0, 1.8];
    F47: F(4, 7) at [1.0 / 2.5, 1.0 / 1.2, 1.2, 2.5];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Portable;

    /// Filters random inputs both ways, in the first lane.
    fn check<F: Transform1d>() {
        let (simd, mut state) = (Portable, 1_u32);
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1 << 23) - 1.0
        };
        for _ in 0..100 {
            let x: [f64; MAX_POINTS] = std::array::from_fn(|_| f64::from(random() as f32));
            let filter: [f64; MAX_TAPS] = std::array::from_fn(|_| random());
            let values = F::transform_input(simd, x.map(|x| simd.splat(x as f32)));
            let mut products = values;
            for (point, product) in products[..F::POINTS].iter_mut().enumerate() {
                let row = F::filter_row(point);
                let at_point: f64 = (0..F::TAPS).map(|tap| row[tap] * filter[tap]).sum();
                *product = simd.mul(*product, simd.splat(at_point as f32));
            }
            let outputs = F::transform_output(simd, products);
            for j in 0..F::OUTPUTS {
                let expected: f64 = (0..F::TAPS).map(|tap| x[j + tap] * filter[tap]).sum();
                let found = f64::from(outputs[j][0]);
                assert!(
                    (found - expected).abs() < 1e-5,
                    "{found} instead of {expected}: output {j} of F({}, {})",
                    F::OUTPUTS,
                    F::TAPS
                );
            }
        }
    }

    #[test]
    fn every_transform_filters() {
        check::<F11>();
        check::<F23>();
        check::<F43>();
        check::<F25>();
        check::<F27>();
        check::<F47>();
    }
}
