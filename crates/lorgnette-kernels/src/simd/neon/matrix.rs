//! Products of matrices of bf16: one instruction multiplies four input channels of two pixels by
//! those of two output channels, and adds the four sums of products.

use std::arch::aarch64::float32x4_t;
use std::arch::asm;

/// Pairs of output channels of a panel.
pub(crate) const COLUMN_PAIRS: usize = 8;
/// Maximum pairs of pixels of a tile: 24 of the 32 registers have sums.
pub(crate) const MAX_ROW_PAIRS: usize = 3;

/// Sums of a pair of pixels: for each pair of output channels, both of the first pixel, then both
/// of the second.
pub(crate) type PairSums = [float32x4_t; COLUMN_PAIRS];

/// Defines the function of a tile. Each pair of pixels is the two pointers' numbers and names, its
/// vector of inputs under two names, and its vectors of sums.
macro_rules! matrix_products {
    (
        $name:ident;
        $(
            $r:literal, $i:literal $pi:ident, $j:literal $pj:ident, $d:tt $x:tt,
            $s0:tt $s1:tt $s2:tt $s3:tt $s4:tt $s5:tt $s6:tt $s7:tt;
        )*
    ) => {
        /// Adds the products of `quads` times four input channels.
        ///
        /// # Safety
        /// Caller guarantees the CPU's features, at least one quad, four bf16 for each quad at each
        /// of `inputs`, and eight vectors of weights for each quad.
        #[target_feature(enable = "neon,bf16")]
        #[inline]
        pub(crate) unsafe fn $name(
            inputs: &[*const f32; 2 * MAX_ROW_PAIRS],
            weights: *const f32,
            quads: usize,
            sums: &mut [PairSums; MAX_ROW_PAIRS],
        ) {
            // SAFETY: caller guarantees what is read. Nothing is written to memory.
            unsafe {
                asm!(
                    "2:",
                    $(
                        concat!("ldr ", $d, ", [{", stringify!($pi), "}], #8"),
                        concat!("ld1 {{", $x, ".d}}[1], [{", stringify!($pj), "}], #8"),
                    )*
                    "subs {quads}, {quads}, #1",
                    "ldp q27, q28, [{weights}], #32",
                    $(concat!("bfmmla ", $s0, ".4s, ", $x, ".8h, v27.8h"),)*
                    $(concat!("bfmmla ", $s1, ".4s, ", $x, ".8h, v28.8h"),)*
                    "ldp q29, q30, [{weights}], #32",
                    $(concat!("bfmmla ", $s2, ".4s, ", $x, ".8h, v29.8h"),)*
                    $(concat!("bfmmla ", $s3, ".4s, ", $x, ".8h, v30.8h"),)*
                    "ldp q27, q28, [{weights}], #32",
                    $(concat!("bfmmla ", $s4, ".4s, ", $x, ".8h, v27.8h"),)*
                    $(concat!("bfmmla ", $s5, ".4s, ", $x, ".8h, v28.8h"),)*
                    "ldp q29, q30, [{weights}], #32",
                    $(concat!("bfmmla ", $s6, ".4s, ", $x, ".8h, v29.8h"),)*
                    $(concat!("bfmmla ", $s7, ".4s, ", $x, ".8h, v30.8h"),)*
                    "b.ne 2b",
                    $(
                        $pi = inout(reg) inputs[$i] => _,
                        $pj = inout(reg) inputs[$j] => _,
                    )*
                    weights = inout(reg) weights => _,
                    quads = inout(reg) quads => _,
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

matrix_products! {
    one_pair;
    0, 0 p0, 1 p1, "d24" "v24",
    "v0" "v1" "v2" "v3" "v4" "v5" "v6" "v7";
}
matrix_products! {
    two_pairs;
    0, 0 p0, 1 p1, "d24" "v24",
    "v0" "v1" "v2" "v3" "v4" "v5" "v6" "v7";
    1, 2 p2, 3 p3, "d25" "v25",
    "v8" "v9" "v10" "v11" "v12" "v13" "v14" "v15";
}
matrix_products! {
    three_pairs;
    0, 0 p0, 1 p1, "d24" "v24",
    "v0" "v1" "v2" "v3" "v4" "v5" "v6" "v7";
    1, 2 p2, 3 p3, "d25" "v25",
    "v8" "v9" "v10" "v11" "v12" "v13" "v14" "v15";
    2, 4 p4, 5 p5, "d26" "v26",
    "v16" "v17" "v18" "v19" "v20" "v21" "v22" "v23";
}
