//! The products of register tiles, as instructions in a fixed order.
//!
//! A tile of six pixels by sixteen output channels takes every vector register: 24 vectors of sums,
//! one of inputs for each pixel, two of weights. The compiler would load more weights ahead and
//! spill sums. Of the 222 instructions of an iteration, 192 multiply and add.

use std::arch::aarch64::float32x4_t;
use std::arch::asm;

/// Defines the function of a tile. Each row is its number, its pointer, its vector of inputs under
/// two names, and its four vectors of sums. `$advance` are the bytes from the third vector of
/// weights to the first one of the next lane.
macro_rules! tile_products {
    (
        $name:ident, $features:literal, $sums:ty, $op:literal, $type:literal, $lane:literal,
        $advance:literal, $rows:literal;
        $($r:literal $p:ident $q:tt $x:tt $a:tt $b:tt $c:tt $d:tt;)*
    ) => {
        /// Adds the products of `groups` vectors of inputs.
        ///
        /// # Safety
        /// Caller guarantees the CPU's features, at least one group, `groups` vectors at each of
        /// `inputs`, and four vectors of weights for each of their lanes.
        #[target_feature(enable = $features)]
        #[inline]
        unsafe fn $name(
            inputs: [*const u8; $rows],
            weights: *const u8,
            groups: usize,
            sums: &mut [[$sums; 4]; $rows],
        ) {
            // SAFETY: caller guarantees what is read. Nothing is written to memory.
            unsafe {
                asm!(
                    // Two groups in an iteration; an odd number of them begins in the middle.
                    "tbnz {groups}, #0, 3f",
                    "2:",
                    $(concat!("ldr ", $q, ", [{", stringify!($p), "}], #16"),)*
                    "ldp q30, q31, [{weights}], #32",
                    $(concat!($op, " ", $a, ".4s, v30.", $type, ", ", $x, ".", $lane, "[0]"),)*
                    $(concat!($op, " ", $b, ".4s, v31.", $type, ", ", $x, ".", $lane, "[0]"),)*
                    concat!("ldp q30, q31, [{weights}], #", $advance),
                    $(concat!($op, " ", $c, ".4s, v30.", $type, ", ", $x, ".", $lane, "[0]"),)*
                    $(concat!($op, " ", $d, ".4s, v31.", $type, ", ", $x, ".", $lane, "[0]"),)*
                    "ldp q30, q31, [{weights}], #32",
                    $(concat!($op, " ", $a, ".4s, v30.", $type, ", ", $x, ".", $lane, "[1]"),)*
                    $(concat!($op, " ", $b, ".4s, v31.", $type, ", ", $x, ".", $lane, "[1]"),)*
                    concat!("ldp q30, q31, [{weights}], #", $advance),
                    $(concat!($op, " ", $c, ".4s, v30.", $type, ", ", $x, ".", $lane, "[1]"),)*
                    $(concat!($op, " ", $d, ".4s, v31.", $type, ", ", $x, ".", $lane, "[1]"),)*
                    "ldp q30, q31, [{weights}], #32",
                    $(concat!($op, " ", $a, ".4s, v30.", $type, ", ", $x, ".", $lane, "[2]"),)*
                    $(concat!($op, " ", $b, ".4s, v31.", $type, ", ", $x, ".", $lane, "[2]"),)*
                    concat!("ldp q30, q31, [{weights}], #", $advance),
                    $(concat!($op, " ", $c, ".4s, v30.", $type, ", ", $x, ".", $lane, "[2]"),)*
                    $(concat!($op, " ", $d, ".4s, v31.", $type, ", ", $x, ".", $lane, "[2]"),)*
                    "ldp q30, q31, [{weights}], #32",
                    $(concat!($op, " ", $a, ".4s, v30.", $type, ", ", $x, ".", $lane, "[3]"),)*
                    $(concat!($op, " ", $b, ".4s, v31.", $type, ", ", $x, ".", $lane, "[3]"),)*
                    concat!("ldp q30, q31, [{weights}], #", $advance),
                    $(concat!($op, " ", $c, ".4s, v30.", $type, ", ", $x, ".", $lane, "[3]"),)*
                    $(concat!($op, " ", $d, ".4s, v31.", $type, ", ", $x, ".", $lane, "[3]"),)*
                    "3:",
                    $(concat!("ldr ", $q, ", [{", stringify!($p), "}], #16"),)*
                    "subs {groups}, {groups}, #2",
                    "ldp q30, q31, [{weights}], #32",
                    $(concat!($op, " ", $a, ".4s, v30.", $type, ", ", $x, ".", $lane, "[0]"),)*
                    $(concat!($op, " ", $b, ".4s, v31.", $type, ", ", $x, ".", $lane, "[0]"),)*
                    concat!("ldp q30, q31, [{weights}], #", $advance),
                    $(concat!($op, " ", $c, ".4s, v30.", $type, ", ", $x, ".", $lane, "[0]"),)*
                    $(concat!($op, " ", $d, ".4s, v31.", $type, ", ", $x, ".", $lane, "[0]"),)*
                    "ldp q30, q31, [{weights}], #32",
                    $(concat!($op, " ", $a, ".4s, v30.", $type, ", ", $x, ".", $lane, "[1]"),)*
                    $(concat!($op, " ", $b, ".4s, v31.", $type, ", ", $x, ".", $lane, "[1]"),)*
                    concat!("ldp q30, q31, [{weights}], #", $advance),
                    $(concat!($op, " ", $c, ".4s, v30.", $type, ", ", $x, ".", $lane, "[1]"),)*
                    $(concat!($op, " ", $d, ".4s, v31.", $type, ", ", $x, ".", $lane, "[1]"),)*
                    "ldp q30, q31, [{weights}], #32",
                    $(concat!($op, " ", $a, ".4s, v30.", $type, ", ", $x, ".", $lane, "[2]"),)*
                    $(concat!($op, " ", $b, ".4s, v31.", $type, ", ", $x, ".", $lane, "[2]"),)*
                    concat!("ldp q30, q31, [{weights}], #", $advance),
                    $(concat!($op, " ", $c, ".4s, v30.", $type, ", ", $x, ".", $lane, "[2]"),)*
                    $(concat!($op, " ", $d, ".4s, v31.", $type, ", ", $x, ".", $lane, "[2]"),)*
                    "ldp q30, q31, [{weights}], #32",
                    $(concat!($op, " ", $a, ".4s, v30.", $type, ", ", $x, ".", $lane, "[3]"),)*
                    $(concat!($op, " ", $b, ".4s, v31.", $type, ", ", $x, ".", $lane, "[3]"),)*
                    concat!("ldp q30, q31, [{weights}], #", $advance),
                    $(concat!($op, " ", $c, ".4s, v30.", $type, ", ", $x, ".", $lane, "[3]"),)*
                    $(concat!($op, " ", $d, ".4s, v31.", $type, ", ", $x, ".", $lane, "[3]"),)*
                    "b.gt 2b",
                    $($p = inout(reg) inputs[$r] => _,)*
                    weights = inout(reg) weights => _,
                    groups = inout(reg) groups => _,
                    $(
                        inout($a) sums[$r][0],
                        inout($b) sums[$r][1],
                        inout($c) sums[$r][2],
                        inout($d) sums[$r][3],
                        out($x) _,
                    )*
                    out("v30") _,
                    out("v31") _,
                    options(readonly, nostack),
                );
            }
        }
    };
}

/// Defines the functions of tiles of one to six rows, and the one that chooses among them.
macro_rules! tiles {
    (
        $any:ident, $features:literal, $sums:ty, $op:literal, $type:literal, $lane:literal,
        $advance:literal;
        $one:ident $two:ident $three:ident $four:ident $five:ident $six:ident
    ) => {
        /// Adds the products of `groups` vectors of inputs of one to six rows.
        ///
        /// # Safety
        /// Caller guarantees the CPU's features, at least one group, `groups` vectors at each of
        /// `inputs`, and four vectors of weights for each of their lanes.
        #[target_feature(enable = $features)]
        #[inline]
        pub(crate) unsafe fn $any<const ROWS: usize>(
            inputs: &[*const u8; ROWS],
            weights: *const u8,
            groups: usize,
            sums: &mut [[$sums; 4]; ROWS],
        ) {
            let (rows, sums) = (inputs.as_ptr(), sums.as_mut_ptr());
            // SAFETY: caller guarantees what the functions need; the arrays have `ROWS` elements.
            unsafe {
                match ROWS {
                    1 => $one(rows.cast::<[_; 1]>().read(), weights, groups, &mut *sums.cast()),
                    2 => $two(rows.cast::<[_; 2]>().read(), weights, groups, &mut *sums.cast()),
                    3 => $three(rows.cast::<[_; 3]>().read(), weights, groups, &mut *sums.cast()),
                    4 => $four(rows.cast::<[_; 4]>().read(), weights, groups, &mut *sums.cast()),
                    5 => $five(rows.cast::<[_; 5]>().read(), weights, groups, &mut *sums.cast()),
                    6 => $six(rows.cast::<[_; 6]>().read(), weights, groups, &mut *sums.cast()),
                    _ => panic!("a tile of {ROWS} rows does not fit the registers"),
                }
            }
        }

        tile_products! {
            $one, $features, $sums, $op, $type, $lane, $advance, 1;
            0 p0 "q24" "v24" "v0" "v1" "v2" "v3";
        }
        tile_products! {
            $two, $features, $sums, $op, $type, $lane, $advance, 2;
            0 p0 "q24" "v24" "v0" "v1" "v2" "v3";
            1 p1 "q25" "v25" "v4" "v5" "v6" "v7";
        }
        tile_products! {
            $three, $features, $sums, $op, $type, $lane, $advance, 3;
            0 p0 "q24" "v24" "v0" "v1" "v2" "v3";
            1 p1 "q25" "v25" "v4" "v5" "v6" "v7";
            2 p2 "q26" "v26" "v8" "v9" "v10" "v11";
        }
        tile_products! {
            $four, $features, $sums, $op, $type, $lane, $advance, 4;
            0 p0 "q24" "v24" "v0" "v1" "v2" "v3";
            1 p1 "q25" "v25" "v4" "v5" "v6" "v7";
            2 p2 "q26" "v26" "v8" "v9" "v10" "v11";
            3 p3 "q27" "v27" "v12" "v13" "v14" "v15";
        }
        tile_products! {
            $five, $features, $sums, $op, $type, $lane, $advance, 5;
            0 p0 "q24" "v24" "v0" "v1" "v2" "v3";
            1 p1 "q25" "v25" "v4" "v5" "v6" "v7";
            2 p2 "q26" "v26" "v8" "v9" "v10" "v11";
            3 p3 "q27" "v27" "v12" "v13" "v14" "v15";
            4 p4 "q28" "v28" "v16" "v17" "v18" "v19";
        }
        tile_products! {
            $six, $features, $sums, $op, $type, $lane, $advance, 6;
            0 p0 "q24" "v24" "v0" "v1" "v2" "v3";
            1 p1 "q25" "v25" "v4" "v5" "v6" "v7";
            2 p2 "q26" "v26" "v8" "v9" "v10" "v11";
            3 p3 "q27" "v27" "v12" "v13" "v14" "v15";
            4 p4 "q28" "v28" "v16" "v17" "v18" "v19";
            5 p5 "q29" "v29" "v20" "v21" "v22" "v23";
        }
    };
}

// A panel of floats has sixteen output channels.
tiles! {
    add_floats, "neon", float32x4_t, "fmla", "4s", "s", "32";
    floats_1 floats_2 floats_3 floats_4 floats_5 floats_6
}
