//! AMX: eight registers of sixteen rows of 64 bytes, called tiles, and products of such matrices of
//! pairs of bf16, or of fours of bytes.
//!
//! Rust has no stable intrinsics for AMX. Each function here is one block of instructions, from
//! zeroed tiles to stored ones, so that no tile holds values the compiler would have to know of.
//! Only the configuration outlives a block, as long as a [`Tiles`] does.

mod bytes;

use std::marker::PhantomData;

use crate::Level;

pub(crate) use bytes::{ByteFactors, ByteSums, TILE_BYTES};

/// Rows of a tile: pixels.
pub(crate) const TILE_ROWS: usize = 16;
/// Channels of an input tile, in pairs. A second input tile has other channels of the same pixels.
pub(crate) const TILE_DEPTH: usize = 32;
/// Words of a tile.
pub(crate) const TILE_FLOATS: usize = 256;
/// Pixels of a block of sums: two tiles, one below the other.
pub(crate) const BLOCK_ROWS: usize = 2 * TILE_ROWS;
/// Output channels of a block: two tiles, side by side.
pub(crate) const BLOCK_COLUMNS: usize = 32;

/// The sums of a block, `[pixel][output channel]`.
pub(crate) type Sums = [f32; BLOCK_ROWS * BLOCK_COLUMNS];

/// Tiles configured on this thread, released on drop: while they are in use, the system saves and
/// restores all 8 KiB of them at every context switch.
pub(crate) struct Tiles {
    /// Tiles belong to a thread, so the type is not `Send`.
    thread: PhantomData<*const ()>,
}

/// The operand of LDTILECFG: all tiles have sixteen rows of 64 bytes (palette 1).
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static CONFIGURATION: Configuration = {
    let (mut row_bytes, mut rows) = ([0; 16], [0; 16]);
    let mut tile = 0;
    while tile < 8 {
        (row_bytes[tile], rows[tile]) = (64, TILE_ROWS as u8);
        tile += 1;
    }
    Configuration { palette: 1, start_row: 0, reserved: [0; 14], row_bytes, rows }
};

impl Tiles {
    /// Configures tiles on this thread. Panics if the process cannot use AMX.
    pub(crate) fn configure() -> Self {
        assert!(Level::Amx.is_available(), "this process cannot use AMX");
        // SAFETY: the process may use AMX, as just asserted.
        unsafe { Self::configure_unchecked() }
    }

    /// Configures tiles before AMX has been tested.
    ///
    /// # Safety
    /// Caller guarantees that AMX instructions can be executed.
    pub(crate) unsafe fn configure_unchecked() -> Self {
        // SAFETY: the instruction reads the 64 bytes of the configuration; caller guarantees that
        // it exists.
        unsafe {
            std::arch::asm!(
                "ldtilecfg [{}]",
                in(reg) &raw const CONFIGURATION,
                options(readonly, nostack, preserves_flags),
            );
        }
        Self { thread: PhantomData }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: tiles were configured, so the instruction exists; no code relies on their
        // content.
        unsafe { std::arch::asm!("tilerelease", options(nomem, nostack, preserves_flags)) };
    }
}

/// The factors of a block of sums.
#[derive(Clone, Copy)]
pub(crate) struct Factors<'a> {
    /// The first pixel: for each of `steps`, [`TILE_DEPTH`] bf16, or that number of each term,
    /// largest term first.
    pub(crate) pixels: *const f32,
    /// Bytes from pixel to pixel.
    pub(crate) pixel_bytes: usize,
    /// For each tap of the window, the bytes from the first pixel to the pixel under the tap.
    pub(crate) taps: &'a [u32],
    /// Input tiles of each tap.
    pub(crate) steps: usize,
    /// For each tap and step, two tiles of weights for each term.
    pub(crate) weights: *const f32,
    /// Address to prefetch; need not be valid.
    pub(crate) ahead: *const f32,
}

/// The instructions of a whole block. `$step` is those of one step, which advances through the
/// weights by `$weights` bytes, through a pixel by `$pixel`, and through the prefetched address by
/// `$ahead`. Tiles 0 to 3 are sums, 4 and 5 pixels, 6 and 7 weights.
macro_rules! block {
    (
        $factors:ident, $sums:ident,
        pixel $pixel:literal, weights $weights:literal, ahead $ahead:literal,
        $($step:expr,)*
    ) => {
        std::arch::asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "mov {upper:e}, dword ptr [{taps}]",
            "add {taps}, 4",
            "add {upper}, {pixels}",
            "lea {lower}, [{upper} + 8*{stride}]",
            "lea {lower}, [{lower} + 8*{stride}]",
            "mov {left}, {steps}",
            "3:",
            $($step,)*
            concat!("add {upper}, ", $pixel),
            concat!("add {lower}, ", $pixel),
            concat!("add {weights}, ", $weights),
            concat!("add {ahead}, ", $ahead),
            "sub {left}, 1",
            "jnz 3b",
            "sub {taps_left}, 1",
            "jnz 2b",
            // Rows of the sums are two lines.
            "tilestored [{sums} + 2*{line}], tmm0",
            "tilestored [{sums} + 2*{line} + 64], tmm1",
            "tilestored [{sums} + 2*{line} + 2048], tmm2",
            "tilestored [{sums} + 2*{line} + 2112], tmm3",
            pixels = in(reg) $factors.pixels,
            stride = in(reg) $factors.pixel_bytes,
            taps = inout(reg) $factors.taps.as_ptr() => _,
            taps_left = inout(reg) $factors.taps.len() => _,
            steps = in(reg) $factors.steps,
            left = out(reg) _,
            upper = out(reg) _,
            lower = out(reg) _,
            weights = inout(reg) $factors.weights => _,
            ahead = inout(reg) $factors.ahead => _,
            line = in(reg) 64_usize,
            sums = in(reg) $sums,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
}

/// Loads tiles of pixels and of weights, at offsets in bytes into the step, and adds the products
/// of both of the one with both of the other. A product begins as soon as its own two are loaded.
macro_rules! load_both {
    ($pixels:literal, $weights:literal) => {
        concat!(
            "tileloadd tmm6, [{weights} + {line} + ",
            $weights,
            "]\n",
            "tileloadd tmm4, [{upper} + {stride} + ",
            $pixels,
            "]\n",
            "tdpbf16ps tmm0, tmm4, tmm6\n",
            "tileloadd tmm7, [{weights} + {line} + ",
            $weights,
            " + 1024]\n",
            "tdpbf16ps tmm1, tmm4, tmm7\n",
            "tileloadd tmm5, [{lower} + {stride} + ",
            $pixels,
            "]\n",
            "tdpbf16ps tmm2, tmm5, tmm6\n",
            "tdpbf16ps tmm3, tmm5, tmm7",
        )
    };
}

/// The same with the weights that are loaded already.
macro_rules! load_pixels {
    ($at:literal) => {
        concat!(
            "tileloadd tmm4, [{upper} + {stride} + ",
            $at,
            "]\n",
            "tdpbf16ps tmm0, tmm4, tmm6\n",
            "tdpbf16ps tmm1, tmm4, tmm7\n",
            "tileloadd tmm5, [{lower} + {stride} + ",
            $at,
            "]\n",
            "tdpbf16ps tmm2, tmm5, tmm6\n",
            "tdpbf16ps tmm3, tmm5, tmm7",
        )
    };
}

/// The same with the pixels that are loaded already.
macro_rules! load_weights {
    ($at:literal) => {
        concat!(
            "tileloadd tmm6, [{weights} + {line} + ",
            $at,
            "]\n",
            "tdpbf16ps tmm0, tmm4, tmm6\n",
            "tdpbf16ps tmm2, tmm5, tmm6\n",
            "tileloadd tmm7, [{weights} + {line} + ",
            $at,
            " + 1024]\n",
            "tdpbf16ps tmm1, tmm4, tmm7\n",
            "tdpbf16ps tmm3, tmm5, tmm7",
        )
    };
}

impl Factors<'_> {
    /// Computes sums of products of bf16.
    ///
    /// # Safety
    /// Caller guarantees [`BLOCK_ROWS`] pixels of `steps` tiles behind each tap, and as many
    /// weights.
    pub(crate) unsafe fn multiply(self, _: &Tiles, sums: &mut Sums) {
        assert!(!self.taps.is_empty() && self.steps > 0, "a sum of nothing");
        // SAFETY: caller guarantees pixels and weights; the sums are as long as the stored tiles.
        // Tiles are configured.
        unsafe {
            block!(self, sums, pixel 64, weights 2048, ahead 256,
                "prefetcht1 [{ahead}]",
                "prefetcht1 [{ahead} + 64]",
                "prefetcht1 [{ahead} + 128]",
                "prefetcht1 [{ahead} + 192]",
                load_both!(0, 0),
            );
        }
    }

    /// Computes sums of three products for each pair of values, which are sums of two bf16: the
    /// product of both upper terms, and those of an upper and a lower one. The product of both
    /// lower terms is below the rounding error.
    ///
    /// # Safety
    /// As for `multiply`, with twice as many tiles.
    pub(crate) unsafe fn multiply_bf16x2(self, _: &Tiles, sums: &mut Sums) {
        assert!(!self.taps.is_empty() && self.steps > 0, "a sum of nothing");
        // SAFETY: caller guarantees pixels and weights; the sums are as long as the stored tiles.
        // Tiles are configured.
        unsafe {
            block!(self, sums, pixel 128, weights 4096, ahead 512,
                "prefetcht1 [{ahead}]",
                "prefetcht1 [{ahead} + 64]",
                "prefetcht1 [{ahead} + 128]",
                "prefetcht1 [{ahead} + 192]",
                "prefetcht1 [{ahead} + 256]",
                "prefetcht1 [{ahead} + 320]",
                "prefetcht1 [{ahead} + 384]",
                "prefetcht1 [{ahead} + 448]",
                // Lower parts of pixels, upper ones of weights.
                load_both!(64, 0),
                // Upper parts of both.
                load_pixels!(0),
                // Upper parts of pixels, lower ones of weights.
                load_weights!(2048),
            );
        }
    }

    /// Computes sums of six products for each pair of values, which are sums of three bf16: all
    /// that matter for float32. The smallest come first, where the loaded tiles allow it.
    ///
    /// # Safety
    /// As for `multiply`, with three times as many tiles.
    pub(crate) unsafe fn multiply_bf16x3(self, _: &Tiles, sums: &mut Sums) {
        assert!(!self.taps.is_empty() && self.steps > 0, "a sum of nothing");
        // SAFETY: caller guarantees pixels and weights; the sums are as long as the stored tiles.
        // Tiles are configured.
        unsafe {
            block!(self, sums, pixel 192, weights 6144, ahead 768,
                "prefetcht1 [{ahead}]",
                "prefetcht1 [{ahead} + 64]",
                "prefetcht1 [{ahead} + 128]",
                "prefetcht1 [{ahead} + 192]",
                "prefetcht1 [{ahead} + 256]",
                "prefetcht1 [{ahead} + 320]",
                "prefetcht1 [{ahead} + 384]",
                "prefetcht1 [{ahead} + 448]",
                "prefetcht1 [{ahead} + 512]",
                "prefetcht1 [{ahead} + 576]",
                "prefetcht1 [{ahead} + 640]",
                "prefetcht1 [{ahead} + 704]",
                // Lower parts of pixels, upper ones of weights.
                load_both!(128, 0),
                // Middle parts of pixels, upper ones of weights.
                load_pixels!(64),
                // Middle parts of both.
                load_weights!(2048),
                // Upper parts of pixels, middle ones of weights.
                load_pixels!(0),
                // Upper parts of pixels, lower ones of weights.
                load_weights!(4096),
                // Upper parts of both.
                load_weights!(0),
            );
        }
    }
}
