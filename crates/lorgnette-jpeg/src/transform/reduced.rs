//! Four, two or one sample a side in place of eight: the upper frequencies are dropped, and the
//! rest goes through a smaller transform (`jidctred.c`, and its SIMD form in jidctred-sse2.asm,
//! which stores sixteen bits between the passes).

use super::{CONSTANT_BITS, PASS_BITS, Rows, to_sample};

/// Bits to the right of the point after the second pass, with the division by eight.
const FINAL_BITS: u32 = CONSTANT_BITS + PASS_BITS + 3;
/// The same after the first pass.
const FIRST_BITS: u32 = CONSTANT_BITS - PASS_BITS;

/// The block at half its size.
#[inline]
pub(super) fn to_four(rows: &Rows<i16>) -> [[u8; 4]; 4] {
    let after_columns = four_pass::<8, { FIRST_BITS + 1 }>(rows);
    samples(&four_pass::<4, { FINAL_BITS + 1 }>(&transposed(&after_columns)))
}

/// The block at a quarter of its size.
#[inline]
pub(super) fn to_two(rows: &Rows<i16>) -> [[u8; 2]; 2] {
    let after_columns = two_pass::<8, { FIRST_BITS + 2 }>(rows);
    samples(&two_pass::<2, { FINAL_BITS + 2 }>(&transposed(&after_columns)))
}

/// The effect of libjpeg's range-limit table on one sample, which no SIMD form computes: only
/// damaged files have more bits (`jdmaster.c`).
pub(super) fn ten_bits(level: i32) -> i32 {
    level << 22 >> 22
}

/// Eight rows of sixteen-bit numbers to four, lane by lane, rounded to drop `SHIFT` bits. The
/// middle row is not read: four samples cannot represent its frequency. Sums of damaged files wrap.
#[inline]
fn four_pass<const LANES: usize, const SHIFT: u32>(r: &[[i16; LANES]; 8]) -> [[i16; LANES]; 4] {
    let mut out = [[0; LANES]; 4];
    for lane in 0..LANES {
        let times = |row: usize, constant: i16| i32::from(constant) * i32::from(r[row][lane]);
        let even = i32::from(r[0][lane]) << (CONSTANT_BITS + 1);
        let tilt = times(2, 15_137) - times(6, 6_270);
        let inner = times(1, 8_697) - times(3, 17_799) + times(5, 11_893) - times(7, 1_730);
        let outer = times(1, 20_995) + times(3, 7_373) - times(5, 4_926) - times(7, 4_176);
        let (upper, lower) = (even.wrapping_add(tilt), even.wrapping_sub(tilt));
        out[0][lane] = rounded::<SHIFT>(upper.wrapping_add(outer));
        out[1][lane] = rounded::<SHIFT>(lower.wrapping_add(inner));
        out[2][lane] = rounded::<SHIFT>(lower.wrapping_sub(inner));
        out[3][lane] = rounded::<SHIFT>(upper.wrapping_sub(outer));
    }
    out
}

/// Eight rows to two, of the first and the odd ones.
#[inline]
fn two_pass<const LANES: usize, const SHIFT: u32>(r: &[[i16; LANES]; 8]) -> [[i16; LANES]; 2] {
    let mut out = [[0; LANES]; 2];
    for lane in 0..LANES {
        let times = |row: usize, constant: i16| i32::from(constant) * i32::from(r[row][lane]);
        let even = i32::from(r[0][lane]) << (CONSTANT_BITS + 2);
        let odd = times(1, 29_692) - times(3, 10_426) + times(5, 6_967) - times(7, 5_906);
        out[0][lane] = rounded::<SHIFT>(even.wrapping_add(odd));
        out[1][lane] = rounded::<SHIFT>(even.wrapping_sub(odd));
    }
    out
}

#[inline]
fn rounded<const SHIFT: u32>(sum: i32) -> i16 {
    // Only sums of damaged files exceed sixteen bits.
    (sum.wrapping_add(1 << (SHIFT - 1)) >> SHIFT).clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// Columns become rows.
#[inline]
fn transposed<const SIDE: usize>(rows: &[[i16; 8]; SIDE]) -> [[i16; SIDE]; 8] {
    let mut out = [[0; SIDE]; 8];
    for (column, out) in out.iter_mut().enumerate() {
        for (value, row) in out.iter_mut().zip(rows) {
            *value = row[column];
        }
    }
    out
}

/// Columns become rows of samples.
#[inline]
fn samples<const SIDE: usize>(columns: &[[i16; SIDE]; SIDE]) -> [[u8; SIDE]; SIDE] {
    let mut out = [[0; SIDE]; SIDE];
    for (y, row) in out.iter_mut().enumerate() {
        for (sample, column) in row.iter_mut().zip(columns) {
            *sample = to_sample(column[y].into());
        }
    }
    out
}
