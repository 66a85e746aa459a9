//! The products of register tiles, as instructions in a fixed order.
//!
//! A tile of five pixels by sixteen output channels has twenty vectors of sums, one of inputs for
//! each pixel, and four of weights, which one instruction loads. The compiler would load weights
//! one by one, and more of them ahead, and spill sums. Of the 180 instructions of an iteration, 160
//! multiply and add; with six pixels there would be room for two vectors of weights, and it would
//! be 192 of 222.
//!
//! Products of floats and of bytes differ in the instruction alone: a lane of the inputs is one
//! float, or four bytes, and so is a lane of weights.

use std::arch::aarch64::{float32x4_t, int32x4_t};
use std::arch::asm;

/// The products of one vector of inputs of each row: for each of its lanes four vectors of weights,
/// those of sixteen output channels. A row is its pointer, its vector of inputs under two names,
/// and its four vectors of sums.
macro_rules! products_of_group {
    (
        $op:literal $type:literal $lane:literal;
        $($p:ident $q:tt $x:tt $a:tt $b:tt $c:tt $d:tt;)*
    ) => {
        concat!(
            $("ldr ", $q, ", [{", stringify!($p), "}], #16\n",)*
            ".irp lane, 0, 1, 2, 3\n",
            "ld1 {{v28.4s, v29.4s, v30.4s, v31.4s}}, [{weights}], {step}\n",
            $($op, " ", $a, ".4s, v28.", $type, ", ", $x, ".", $lane, "[\\lane]\n",)*
            $($op, " ", $b, ".4s, v29.", $type, ", ", $x, ".", $lane, "[\\lane]\n",)*
            $($op, " ", $c, ".4s, v30.", $type, ", ", $x, ".", $lane, "[\\lane]\n",)*
            $($op, " ", $d, ".4s, v31.", $type, ", ", $x, ".", $lane, "[\\lane]\n",)*
            ".endr",
        )
    };
}

/// Defines the function of a tile of some rows, each its number and what [`products_of_group`] has.
/// `$step` are the bytes from a lane's weights to the next one's.
macro_rules! tile_products {
    (
        $name:ident, $features:literal, $sums:ty, $step:literal, $rows:literal;
        $op:literal $type:literal $lane:literal;
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
                    products_of_group!($op $type $lane; $($p $q $x $a $b $c $d;)*),
                    "3:",
                    "subs {groups}, {groups}, #2",
                    products_of_group!($op $type $lane; $($p $q $x $a $b $c $d;)*),
                    "b.gt 2b",
                    $($p = inout(reg) inputs[$r] => _,)*
                    weights = inout(reg) weights => _,
                    step = in(reg) $step,
                    groups = inout(reg) groups => _,
                    $(
                        inout($a) sums[$r][0],
                        inout($b) sums[$r][1],
                        inout($c) sums[$r][2],
                        inout($d) sums[$r][3],
                        out($x) _,
                    )*
                    out("v28") _,
                    out("v29") _,
                    out("v30") _,
                    out("v31") _,
                    options(readonly, nostack),
                );
            }
        }
    };
}

/// Defines the functions of tiles of one to five rows, and the one that chooses among them.
macro_rules! tiles {
    (
        $any:ident, $features:literal, $sums:ty, $step:literal;
        $op:literal $type:literal $lane:literal;
        $one:ident $two:ident $three:ident $four:ident $five:ident
    ) => {
        /// Adds the products of `groups` vectors of inputs of one to five rows with the weights of
        /// sixteen output channels.
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
                    _ => panic!("a tile of {ROWS} rows does not fit the registers"),
                }
            }
        }

        tile_products! {
            $one, $features, $sums, $step, 1;
            $op $type $lane;
            0 p0 "q20" "v20" "v0" "v1" "v2" "v3";
        }

        tile_products! {
            $two, $features, $sums, $step, 2;
            $op $type $lane;
            0 p0 "q20" "v20" "v0" "v1" "v2" "v3";
            1 p1 "q21" "v21" "v4" "v5" "v6" "v7";
        }

        tile_products! {
            $three, $features, $sums, $step, 3;
            $op $type $lane;
            0 p0 "q20" "v20" "v0" "v1" "v2" "v3";
            1 p1 "q21" "v21" "v4" "v5" "v6" "v7";
            2 p2 "q22" "v22" "v8" "v9" "v10" "v11";
        }

        tile_products! {
            $four, $features, $sums, $step, 4;
            $op $type $lane;
            0 p0 "q20" "v20" "v0" "v1" "v2" "v3";
            1 p1 "q21" "v21" "v4" "v5" "v6" "v7";
            2 p2 "q22" "v22" "v8" "v9" "v10" "v11";
            3 p3 "q23" "v23" "v12" "v13" "v14" "v15";
        }

        tile_products! {
            $five, $features, $sums, $step, 5;
            $op $type $lane;
            0 p0 "q20" "v20" "v0" "v1" "v2" "v3";
            1 p1 "q21" "v21" "v4" "v5" "v6" "v7";
            2 p2 "q22" "v22" "v8" "v9" "v10" "v11";
            3 p3 "q23" "v23" "v12" "v13" "v14" "v15";
            4 p4 "q24" "v24" "v16" "v17" "v18" "v19";
        }
    };
}

// A panel of floats has sixteen output channels.
tiles! {
    add_floats, "neon", float32x4_t, 64_usize;
    "fmla" "4s" "s";
    floats_1 floats_2 floats_3 floats_4 floats_5
}
// A panel of bytes has 32, of which a tile computes sixteen.
tiles! {
    add_bytes, "neon,dotprod", int32x4_t, 128_usize;
    "sdot" "16b" "4b";
    bytes_1 bytes_2 bytes_3 bytes_4 bytes_5
}
