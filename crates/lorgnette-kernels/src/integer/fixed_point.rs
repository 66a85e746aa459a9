//! Fixed-point numbers of 32 bits, as the gemmlowp library defines them.

/// Returns `a · b / 2³¹`, rounded, halves upward, saturated.
///
/// gemmlowp adds a half that depends on the sign and divides towards zero, which is the same.
#[inline(always)]
pub(super) fn doubling_high_product(a: i32, b: i32) -> i32 {
    if a == i32::MIN && b == i32::MIN {
        return i32::MAX;
    }
    ((i64::from(a) * i64::from(b) + (1 << 30)) >> 31) as i32
}

/// Returns `x / 2^exponent`, halves away from zero; `exponent` is from 0 to 31.
#[inline(always)]
pub(super) fn divide_by_power_of_two(x: i32, exponent: i32) -> i32 {
    let mask = ((1u32 << exponent) - 1) as i32;
    let threshold = (mask >> 1) + i32::from(x < 0);
    (x >> exponent) + i32::from(x & mask > threshold)
}

/// Returns `a · b / 2¹⁵`, rounded, halves upward, saturated.
pub(super) fn rounding_doubling_high_product_16(a: i16, b: i16) -> i16 {
    if a == i16::MIN && b == i16::MIN {
        return i16::MAX;
    }
    let product = i32::from(a) * i32::from(b);
    let nudge = if product >= 0 { 1 << 14 } else { 1 - (1 << 14) };
    ((product + nudge) / (1 << 15)) as i16
}

/// Returns `a · b / 2¹⁵` without its fraction, saturated.
pub(super) fn doubling_high_product_16(a: i16, b: i16) -> i16 {
    if a == i16::MIN && b == i16::MIN {
        return i16::MAX;
    }
    (i32::from(a) * i32::from(b) / (1 << 15)) as i16
}

/// Returns `x · 2^exponent`, saturated; `exponent` is from 0 to 31.
pub(super) fn times_power_of_two_16(x: i16, exponent: i32) -> i16 {
    (i64::from(x) << exponent).clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16
}

/// Returns `x · 2^exponent`, saturated.
fn times_power_of_two(x: i32, exponent: u32) -> i32 {
    (i64::from(x) << exponent).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
}

/// Returns `eˣ` with 31 bits after the point, of an `x` up to 0 with 26.
pub(super) fn exp_of_negative(x: i32) -> i32 {
    const QUARTER: i32 = 1 << 24;
    /// `e^(−2^i)` for i from −2, with 31 bits after the point.
    const FACTORS: [i32; 7] =
        [1_672_461_947, 1_302_514_674, 790_015_084, 290_630_308, 39_332_535, 720_401, 242];
    if x == 0 {
        return i32::MAX;
    }
    let within_quarter = (x & (QUARTER - 1)) - QUARTER;
    let mut result = exp_within_quarter(times_power_of_two(within_quarter, 5));
    let remainder = within_quarter.wrapping_sub(x);
    for (i, factor) in FACTORS.into_iter().enumerate() {
        if remainder & (QUARTER << i) != 0 {
            result = doubling_high_product(result, factor);
        }
    }
    result
}

/// Returns `eˣ` for x from −¼ up to 0, by four terms of its series around −⅛; 31 bits after the
/// point.
fn exp_within_quarter(x: i32) -> i32 {
    const EXP_OF_MINUS_EIGHTH: i32 = 1_895_147_668;
    const THIRD: i32 = 715_827_883;
    let x = x.wrapping_add(1 << 28);
    let square = doubling_high_product(x, x);
    let cube = doubling_high_product(square, x);
    let fourth = divide_by_power_of_two(doubling_high_product(square, square), 2);
    let high = doubling_high_product(fourth.wrapping_add(cube), THIRD).wrapping_add(square);
    let terms = divide_by_power_of_two(high, 1);
    EXP_OF_MINUS_EIGHTH
        .wrapping_add(doubling_high_product(EXP_OF_MINUS_EIGHTH, x.wrapping_add(terms)))
}

/// Returns `1 / (1 + x)` for x from 0 to 1, both with 31 bits after the point, by three steps of
/// Newton's method.
pub(super) fn reciprocal_of_one_plus(x: i32) -> i32 {
    /// With 29 bits after the point.
    const FORTY_EIGHT_SEVENTEENTHS: i32 = 1_515_870_810;
    const MINUS_THIRTY_TWO_SEVENTEENTHS: i32 = -1_010_580_540;
    const ONE: i32 = 1 << 29;
    let sum = i64::from(x) + i64::from(i32::MAX);
    let sign = if sum >= 0 { 1 } else { -1 };
    let half_denominator = ((sum + sign) / 2) as i32;
    let product = doubling_high_product(half_denominator, MINUS_THIRTY_TWO_SEVENTEENTHS);
    let mut estimate = FORTY_EIGHT_SEVENTEENTHS.wrapping_add(product);
    for _ in 0..3 {
        let error = ONE.wrapping_sub(doubling_high_product(half_denominator, estimate));
        let correction = times_power_of_two(doubling_high_product(estimate, error), 2);
        estimate = estimate.wrapping_add(correction);
    }
    times_power_of_two(estimate, 1)
}
