//! The products of register tiles, as instructions in a fixed order.
//!
//! A tile of six pixels by sixteen output channels takes every vector register: 24 vectors of sums,
//! one of inputs for each pixel, two of weights. The compiler would load more weights ahead and
//! spill sums. Of the 222 instructions of an iteration, 192 multiply and add.

use std::arch::aarch64::float32x4_t;
use std::arch::asm;

/// The products of one vector of inputs of each row: for each of its lanes four vectors of weights,
/// the sixteen output channels of a panel. A row is its pointer, its vector of inputs under two
/// names, and its four vectors of sums.
macro_rules! products_of_group {
    ($($p:ident $q:tt $x:tt $a:tt $b:tt $c:tt $d:tt;)*) => {
        concat!(
            $("ldr ", $q, ", [{", stringify!($p), "}], #16\n",)*
            ".irp lane, 0, 1, 2, 3\n",
            "ldp q30, q31, [{weights}], #32\n",
            $("fmla ", $a, ".4s, v30.4s, ", $x, ".s[\\lane]\n",)*
            $("fmla ", $b, ".4s, v31.4s, ", $x, ".s[\\lane]\n",)*
            "ldp q30, q31, [{weights}], #32\n",
            $("fmla ", $c, ".4s, v30.4s, ", $x, ".s[\\lane]\n",)*
            $("fmla ", $d, ".4s, v31.4s, ", $x, ".s[\\lane]\n",)*
            ".endr",
        )
    };
}

/// Defines the function of a tile of some rows, each its number and what [`products_of_group`] has.
macro_rules! tile_products {
    (
        $name:ident, $rows:literal;
        $($r:literal $p:ident $q:tt $x:tt $a:tt $b:tt $c:tt $d:tt;)*
    ) => {
        /// Adds the products of `groups` vectors of inputs.
        ///
        /// # Safety
        /// Caller guarantees at least one group, `groups` vectors at each of `inputs`, and four
        /// vectors of weights for each of their lanes.
        #[target_feature(enable = "neon")]
        #[inline]
        unsafe fn $name(
            inputs: [*const u8; $rows],
            weights: *const u8,
            groups: usize,
            sums: &mut [[float32x4_t; 4]; $rows],
        ) {
            // SAFETY: caller guarantees what is read. Nothing is written to memory.
            unsafe {
                asm!(
                    // Two groups in an iteration; an odd number of them begins in the middle.
                    "tbnz {groups}, #0, 3f",
                    "2:",
                    products_of_group!($($p $q $x $a $b $c $d;)*),
                    "3:",
                    "subs {groups}, {groups}, #2",
                    products_of_group!($($p $q $x $a $b $c $d;)*),
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

tile_products! {
    floats_1, 1;
    0 p0 "q24" "v24" "v0" "v1" "v2" "v3";
}
tile_products! {
    floats_2, 2;
    0 p0 "q24" "v24" "v0" "v1" "v2" "v3";
    1 p1 "q25" "v25" "v4" "v5" "v6" "v7";
}
tile_products! {
    floats_3, 3;
    0 p0 "q24" "v24" "v0" "v1" "v2" "v3";
    1 p1 "q25" "v25" "v4" "v5" "v6" "v7";
    2 p2 "q26" "v26" "v8" "v9" "v10" "v11";
}
tile_products! {
    floats_4, 4;
    0 p0 "q24" "v24" "v0" "v1" "v2" "v3";
    1 p1 "q25" "v25" "v4" "v5" "v6" "v7";
    2 p2 "q26" "v26" "v8" "v9" "v10" "v11";
    3 p3 "q27" "v27" "v12" "v13" "v14" "v15";
}
tile_products! {
    floats_5, 5;
    0 p0 "q24" "v24" "v0" "v1" "v2" "v3";
    1 p1 "q25" "v25" "v4" "v5" "v6" "v7";
    2 p2 "q26" "v26" "v8" "v9" "v10" "v11";
    3 p3 "q27" "v27" "v12" "v13" "v14" "v15";
    4 p4 "q28" "v28" "v16" "v17" "v18" "v19";
}
tile_products! {
    floats_6, 6;
    0 p0 "q24" "v24" "v0" "v1" "v2" "v3";
    1 p1 "q25" "v25" "v4" "v5" "v6" "v7";
    2 p2 "q26" "v26" "v8" "v9" "v10" "v11";
    3 p3 "q27" "v27" "v12" "v13" "v14" "v15";
    4 p4 "q28" "v28" "v16" "v17" "v18" "v19";
    5 p5 "q29" "v29" "v20" "v21" "v22" "v23";
}

/// Adds the products of `groups` vectors of inputs of one to six rows, and of the weights of a
/// panel of sixteen output channels.
///
/// # Safety
/// Caller guarantees the CPU's features, at least one group, `groups` vectors at each of `inputs`,
/// and four vectors of weights for each of their lanes.
#[target_feature(enable = "neon")]
#[inline]
pub(crate) unsafe fn add_floats<const ROWS: usize>(
    inputs: &[*const u8; ROWS],
    weights: *const u8,
    groups: usize,
    sums: &mut [[float32x4_t; 4]; ROWS],
) {
    let (rows, sums) = (inputs.as_ptr(), sums.as_mut_ptr());
    // SAFETY: caller guarantees what the functions need; the arrays have `ROWS` elements.
    unsafe {
        match ROWS {
            1 => floats_1(rows.cast::<[_; 1]>().read(), weights, groups, &mut *sums.cast()),
            2 => floats_2(rows.cast::<[_; 2]>().read(), weights, groups, &mut *sums.cast()),
            3 => floats_3(rows.cast::<[_; 3]>().read(), weights, groups, &mut *sums.cast()),
            4 => floats_4(rows.cast::<[_; 4]>().read(), weights, groups, &mut *sums.cast()),
            5 => floats_5(rows.cast::<[_; 5]>().read(), weights, groups, &mut *sums.cast()),
            6 => floats_6(rows.cast::<[_; 6]>().read(), weights, groups, &mut *sums.cast()),
            _ => panic!("a tile of {ROWS} rows does not fit the registers"),
        }
    }
}
