//! Numbers as JSON text.

use std::fmt::Write as _;

/// Writes a number as TensorFlow Serving does: with six digits if these give the number back, else
/// with nine; whole numbers end in `.0`.
pub(crate) fn write_tf_f32(out: &mut String, value: f32) {
    if write_special(out, value) {
        return;
    }
    let mut text = general(value, 6);
    if text.parse::<f32>() != Ok(value) {
        text = general(value, 9);
    }
    if !text.contains(['.', 'e']) {
        text.push_str(".0");
    }
    out.push_str(&text);
}

/// Writes the shortest number that gives `value` back.
pub(crate) fn write_f32(out: &mut String, value: f32) {
    if !write_special(out, value) {
        let written = write!(out, "{value:?}");
        debug_assert!(written.is_ok(), "writing to a string does not fail");
    }
}

/// Writes NaN and infinities as bare words; returns false for other numbers.
fn write_special(out: &mut String, value: f32) -> bool {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value == f32::INFINITY {
        out.push_str("Infinity");
    } else if value == f32::NEG_INFINITY {
        out.push_str("-Infinity");
    }
    !value.is_finite()
}

/// Formats a number as C's `%.{digits}g` does.
fn general(value: f32, digits: usize) -> String {
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let scientific = format!("{:.*e}", digits - 1, f64::from(value));
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", without_zeros(mantissa), exponent.abs());
    }
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    without_zeros(&format!("{:.decimals$}", f64::from(value))).to_owned()
}

/// Removes zeros behind a decimal point, and a decimal point without digits.
fn without_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: f32) -> String {
        let mut out = String::new();
        write_tf_f32(&mut out, value);
        out
    }

    #[test]
    fn numbers_are_written_as_tensorflow_serving_writes_them() {
        for (value, text) in [
            (1.0, "1.0"),
            (-2.0, "-2.0"),
            (0.0, "0.0"),
            (0.1, "0.1"),
            (2.5, "2.5"),
            (1e10, "1e+10"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (123_456.0, "123456.0"),
            (1_234_567.0, "1234567.0"),
            (0.123_456_79, "0.123456791"),
            (1.0 / 3.0, "0.333333343"),
            (3.402_823_5e38, "3.40282347e+38"),
            (f32::NAN, "NaN"),
            (f32::INFINITY, "Infinity"),
            (f32::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(written(value), text, "{value:?}");
        }
    }

    #[test]
    fn every_number_comes_back() {
        let mut bits = 1u32;
        for _ in 0..20_000 {
            bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = f32::from_bits(bits);
            if value.is_finite() {
                assert_eq!(written(value).parse::<f32>(), Ok(value));
            }
        }
    }
}
