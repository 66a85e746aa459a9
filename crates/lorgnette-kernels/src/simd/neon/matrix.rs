//! Products of matrices: one instruction multiplies eight bytes of two rows, four bf16 or eight
//! 8-bit integers of two pixels, by those of two output channels, and adds the four sums of
//! products.

use std::arch::aarch64::{float32x4_t, int32x4_t};
use std::arch::asm;

/// Pairs of output channels of a tile.
pub(crate) const COLUMN_PAIRS: usize = 8;
/// Maximum pairs of pixels of a tile: 24 of the 32 registers have sums.
pub(crate) const MAX_ROW_PAIRS: usize = 3;

/// Sums of a pair of pixels: for each pair of output channels, both of the first pixel, then both
/// of the second.
pub(crate) type PairSums<V> = [V; COLUMN_PAIRS];

/// Defines the function of a tile. Each pair of pixels is the two pointers' numbers and names, its
/// vector of inputs under two names, and its vectors of sums.
macro_rules! matrix_products {
    (
        $name:ident, $features:literal, $sums:ty;
        $op:literal $type:literal $advance:literal;
        $(
            $r:literal, $i:literal $pi:ident, $j:literal $pj:ident, $d:tt $x:tt,
            $s0:tt $s1:tt $s2:tt $s3:tt $s4:tt $s5:tt $s6:tt $s7:tt;
        )*
    ) => {
        /// Adds the products of `groups` times eight bytes of each pixel.
        ///
        /// # Safety
        /// Caller guarantees the CPU's features, at least one group, eight bytes for each group at
        /// each of `inputs`, and eight vectors of weights for each group.
        #[target_feature(enable = $features)]
        #[inline]
        unsafe fn $name(
            inputs: &[*const u8; 2 * MAX_ROW_PAIRS],
            weights: *const u8,
            groups: usize,
            sums: &mut [PairSums<$sums>; MAX_ROW_PAIRS],
        ) {
            // SAFETY: caller guarantees what is read. Nothing is written to memory.
            unsafe {
                asm!(
                    "2:",
                    $(
                        concat!("ldr ", $d, ", [{", stringify!($pi), "}], #8"),
                        concat!("ld1 {{", $x, ".d}}[1], [{", stringify!($pj), "}], #8"),
                    )*
                    "subs {groups}, {groups}, #1",
                    "ldp q27, q28, [{weights}], #32",
                    $(concat!($op, " ", $s0, ".4s, ", $x, ".", $type, ", v27.", $type),)*
                    $(concat!($op, " ", $s1, ".4s, ", $x, ".", $type, ", v28.", $type),)*
                    "ldp q29, q30, [{weights}], #32",
                    $(concat!($op, " ", $s2, ".4s, ", $x, ".", $type, ", v29.", $type),)*
                    $(concat!($op, " ", $s3, ".4s, ", $x, ".", $type, ", v30.", $type),)*
                    "ldp q27, q28, [{weights}], #32",
                    $(concat!($op, " ", $s4, ".4s, ", $x, ".", $type, ", v27.", $type),)*
                    $(concat!($op, " ", $s5, ".4s, ", $x, ".", $type, ", v28.", $type),)*
                    concat!("ldp q29, q30, [{weights}], #", $advance),
                    $(concat!($op, " ", $s6, ".4s, ", $x, ".", $type, ", v29.", $type),)*
                    $(concat!($op, " ", $s7, ".4s, ", $x, ".", $type, ", v30.", $type),)*
                    "b.ne 2b",
                    $(
                        $pi = inout(reg) inputs[$i] => _,
                        $pj = inout(reg) inputs[$j] => _,
                    )*
                    weights = inout(reg) weights => _,
                    groups = inout(reg) groups => _,
                    $(
                        inout($s0) sums[$r][0],
                        inout($s1) sums[$r][1],
                        inout($s2) sums[$r][2],
                        inout($s3) sums[$r][3],
                        inout($s4) sums[$r][4],
                        inout($s5) sums[$r][5],
                        inout($s6) sums[$r][6],
                        inout($s7) sums[$r][7],
                        out($x) _,
                    )*
                    out("v27") _,
                    out("v28") _,
                    out("v29") _,
                    out("v30") _,
                    options(readonly, nostack),
                );
            }
        }
    };
}

/// Defines the functions of tiles of one to three pairs of pixels, and the one that chooses among
/// them. `$advance` are the bytes from the last two vectors of weights to the next group's.
macro_rules! matrices {
    (
        $any:ident, $features:literal, $sums:ty;
        $op:literal $type:literal $advance:literal;
        $one:ident $two:ident $three:ident
    ) => {
        /// Adds the products of `groups` times eight bytes, for the pairs that `rows` pixels are.
        ///
        /// # Safety
        /// Caller guarantees the CPU's features, eight bytes for each group at each of `inputs`,
        /// and eight vectors of weights for each group.
        #[target_feature(enable = $features)]
        #[inline]
        pub(crate) unsafe fn $any(
            inputs: &[*const u8; 2 * MAX_ROW_PAIRS],
            weights: *const u8,
            groups: usize,
            rows: usize,
            sums: &mut [PairSums<$sums>; MAX_ROW_PAIRS],
        ) {
            if groups == 0 {
                return;
            }
            // SAFETY: caller guarantees it.
            unsafe {
                match rows.div_ceil(2) {
                    1 => $one(inputs, weights, groups, sums),
                    2 => $two(inputs, weights, groups, sums),
                    _ => $three(inputs, weights, groups, sums),
                }
            }
        }

        matrix_products! {
            $one, $features, $sums;
            $op $type $advance;
            0, 0 p0, 1 p1, "d24" "v24",
            "v0" "v1" "v2" "v3" "v4" "v5" "v6" "v7";
        }

        matrix_products! {
            $two, $features, $sums;
            $op $type $advance;
            0, 0 p0, 1 p1, "d24" "v24",
            "v0" "v1" "v2" "v3" "v4" "v5" "v6" "v7";
            1, 2 p2, 3 p3, "d25" "v25",
            "v8" "v9" "v10" "v11" "v12" "v13" "v14" "v15";
        }

        matrix_products! {
            $three, $features, $sums;
            $op $type $advance;
            0, 0 p0, 1 p1, "d24" "v24",
            "v0" "v1" "v2" "v3" "v4" "v5" "v6" "v7";
            1, 2 p2, 3 p3, "d25" "v25",
            "v8" "v9" "v10" "v11" "v12" "v13" "v14" "v15";
            2, 4 p4, 5 p5, "d26" "v26",
            "v16" "v17" "v18" "v19" "v20" "v21" "v22" "v23";
        }
    };
}

// A panel of bf16 has sixteen output channels.
matrices! {
    add_bf16, "neon,bf16", float32x4_t;
    "bfmmla" "8h" "32";
    bf16_1 bf16_2 bf16_3
}
// A panel of bytes has 32, of which a tile computes sixteen.
matrices! {
    add_signed, "neon,i8mm", int32x4_t;
    "smmla" "16b" "160";
    signed_1 signed_2 signed_3
}
// Unsigned bytes of pixels by signed ones of output channels.
matrices! {
    add_unsigned, "neon,i8mm", int32x4_t;
    "usmmla" "16b" "160";
    unsigned_1 unsigned_2 unsigned_3
}
