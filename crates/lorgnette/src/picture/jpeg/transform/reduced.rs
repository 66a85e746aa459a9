//! Four, two or one sample on a side in place of eight: the upper frequencies are left out, and what is left is folded into a smaller
//! transform (`jidctred.c`, and its SIMD form in jidctred-sse2.asm, which keeps sixteen bits between the passes).

use super::{CONSTANT_BITS, PASS_BITS, Rows, to_sample};

/// Bits to the right of the point after the second pass, with the division by eight.
const FINAL_BITS: u32 = CONSTANT_BITS + PASS_BITS + 3;
/// The same after the first pass.
const FIRST_BITS: u32 = CONSTANT_BITS - PASS_BITS;

/// The block at half its size.
pub(super) fn to_four(rows: &Rows<i32>) -> [[u8; 4]; 4] {
    let between = four_pass::<8, { FIRST_BITS + 1 }>(rows);
    transposed(&four_pass::<4, { FINAL_BITS + 1 }>(&narrowed(&between))).map(|row| row.map(to_sample))
}

/// The block at a quarter of its size.
pub(super) fn to_two(rows: &Rows<i32>) -> [[u8; 2]; 2] {
    let between = two_pass::<8, { FIRST_BITS + 2 }>(rows);
    transposed(&two_pass::<2, { FINAL_BITS + 2 }>(&narrowed(&between))).map(|row| row.map(to_sample))
}

/// What libjpeg's table of limits makes of one sample, which no SIMD form computes: only damaged files have more bits (`jdmaster.c`).
pub(super) fn ten_bits(level: i32) -> i32 {
    level << 22 >> 22
}

/// Eight rows of sixteen-bit numbers to four, lane by lane, rounded to drop `SHIFT` bits. The middle row, whose frequency four samples
/// cannot have, is not read. Sums of damaged files wrap.
#[inline]
fn four_pass<const LANES: usize, const SHIFT: u32>(r: &[[i32; LANES]; 8]) -> [[i32; LANES]; 4] {
    let mut out = [[0; LANES]; 4];
    for lane in 0..LANES {
        let even = r[0][lane] << (CONSTANT_BITS + 1);
        let tilt = 15_137 * r[2][lane] - 6_270 * r[6][lane];
        let inner = 8_697 * r[1][lane] - 17_799 * r[3][lane] + 11_893 * r[5][lane] - 1_730 * r[7][lane];
        let outer = 20_995 * r[1][lane] + 7_373 * r[3][lane] - 4_926 * r[5][lane] - 4_176 * r[7][lane];
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
fn two_pass<const LANES: usize, const SHIFT: u32>(r: &[[i32; LANES]; 8]) -> [[i32; LANES]; 2] {
    let mut out = [[0; LANES]; 2];
    for lane in 0..LANES {
        let even = r[0][lane] << (CONSTANT_BITS + 2);
        let odd = 29_692 * r[1][lane] - 10_426 * r[3][lane] + 6_967 * r[5][lane] - 5_906 * r[7][lane];
        out[0][lane] = rounded::<SHIFT>(even.wrapping_add(odd));
        out[1][lane] = rounded::<SHIFT>(even.wrapping_sub(odd));
    }
    out
}

#[inline]
fn rounded<const SHIFT: u32>(sum: i32) -> i32 {
    sum.wrapping_add(1 << (SHIFT - 1)) >> SHIFT
}

/// Columns become rows, held to sixteen bits, which only damaged files leave.
#[inline]
fn narrowed<const SIDE: usize>(rows: &[[i32; 8]; SIDE]) -> [[i32; SIDE]; 8] {
    std::array::from_fn(|column| rows.map(|row| row[column].clamp(i16::MIN.into(), i16::MAX.into())))
}

#[inline]
fn transposed<const SIDE: usize>(rows: &[[i32; SIDE]; SIDE]) -> [[i32; SIDE]; SIDE] {
    std::array::from_fn(|column| rows.map(|row| row[column]))
}
