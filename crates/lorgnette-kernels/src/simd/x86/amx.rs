//! AMX: eight registers of sixteen rows of 64 bytes, called tiles, and products of such matrices of
//! pairs of bf16.
//!
//! Rust has no stable intrinsics for them. Each function here that computes is one block of
//! instructions, from zeroed tiles to stored ones, so that nothing is in a tile that the compiler
//! would have to know of. Only their configuration outlives a block, as long as a [`Tiles`] does.

use std::marker::PhantomData;

use crate::Level;

/// Rows of a tile: pixels.
pub(crate) const TILE_ROWS: usize = 16;
/// Channels of an input tile, in pairs; a second input tile has others of the same pixels.
pub(crate) const TILE_DEPTH: usize = 32;
/// Floats of a tile.
pub(crate) const TILE_FLOATS: usize = 256;
/// Pixels of a block of sums: two tiles, one below the other.
pub(crate) const BLOCK_ROWS: usize = 2 * TILE_ROWS;
/// Output channels of a block: two tiles, side by side.
pub(crate) const BLOCK_COLUMNS: usize = 32;

/// The sums of a block, `[pixel][output channel]`.
pub(crate) type Sums = [f32; BLOCK_ROWS * BLOCK_COLUMNS];

/// Tiles configured on this thread, released when dropped: as long as they are in use, the system
/// saves and restores all 8 KiB of them whenever it takes the core away.
pub(crate) struct Tiles {
    /// They belong to the thread.
    thread: PhantomData<*const ()>,
}

/// What LDTILECFG reads: all tiles have sixteen rows of 64 bytes (palette 1).
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
    /// Tiles for this thread.
    pub(crate) fn configure() -> Self {
        assert!(Level::Amx.is_available(), "this process cannot use AMX");
        // SAFETY: the process may use AMX, as just asserted.
        unsafe { Self::configure_unchecked() }
    }

    /// The same before it is known whether AMX computes as it should.
    ///
    /// # Safety
    /// AMX's instructions can be executed.
    pub(crate) unsafe fn configure_unchecked() -> Self {
        // SAFETY: the instruction reads the 64 bytes of the configuration, and the caller vouches
        // that it exists.
        unsafe {
            std::arch::asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(readonly, nostack, preserves_flags));
        }
        Self { thread: PhantomData }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: tiles were configured, so the instruction exists; nobody expects anything in
        // them.
        unsafe { std::arch::asm!("tilerelease", options(nomem, nostack, preserves_flags)) };
    }
}

/// The factors of a block of sums.
#[derive(Clone, Copy)]
pub(crate) struct Factors<'a> {
    /// The first pixel: for each of `steps`, [`TILE_DEPTH`] bf16, or so many upper parts of numbers
    /// and as many of each other part.
    pub(crate) pixels: *const f32,
    /// Bytes from pixel to pixel.
    pub(crate) pixel_bytes: usize,
    /// For each tap of the window, how many bytes behind the first pixel its pixels begin.
    pub(crate) taps: &'a [u32],
    /// Input tiles of each tap.
    pub(crate) steps: usize,
    /// For each tap and step, two tiles of weights, or two of each of their parts.
    pub(crate) weights: *const f32,
    /// What to bring into cache meanwhile; need not be valid.
    pub(crate) ahead: *const f32,
}

/// The instructions of a whole block. `$step` are those of one step, which go through the weights
/// by `$weights` bytes, through a pixel by `$pixel`, and through what is prefetched by `$ahead`.
/// Tiles 0 to 3 are sums; 4 and 5 pixels, 6 and 7 weights.
macro_rules! block {
    ($factors:ident, $sums:ident, pixel $pixel:literal, weights $weights:literal, ahead $ahead:literal, $($step:expr,)*) => {
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

/// Loads both tiles of pixels, so many bytes into the step.
macro_rules! pixels {
    ($at:literal) => {
        concat!(
            "tileloadd tmm4, [{upper} + {stride} + ",
            $at,
            "]\ntileloadd tmm5, [{lower} + {stride} + ",
            $at,
            "]"
        )
    };
}

/// Loads both tiles of weights, so many bytes into the step.
macro_rules! weights {
    ($at:literal) => {
        concat!(
            "tileloadd tmm6, [{weights} + {line} + ",
            $at,
            "]\ntileloadd tmm7, [{weights} + {line} + ",
            $at,
            " + 1024]"
        )
    };
}

/// Adds the products of both tiles of pixels with both of weights.
macro_rules! products {
    () => {
        "tdpbf16ps tmm0, tmm4, tmm6
         tdpbf16ps tmm1, tmm4, tmm7
         tdpbf16ps tmm2, tmm5, tmm6
         tdpbf16ps tmm3, tmm5, tmm7"
    };
}

impl Factors<'_> {
    /// The sums of one product of bf16 a pair of numbers.
    ///
    /// # Safety
    /// Behind each tap, [`BLOCK_ROWS`] pixels of `steps` tiles can be read, and as many weights.
    pub(crate) unsafe fn multiply(self, _: &Tiles, sums: &mut Sums) {
        assert!(!self.taps.is_empty() && self.steps > 0, "a sum of nothing");
        // SAFETY: the caller vouches for pixels and weights; the sums are as long as what is
        // stored. Tiles are configured.
        unsafe {
            block!(self, sums, pixel 64, weights 2048, ahead 256,
                "prefetcht1 [{ahead}]",
                "prefetcht1 [{ahead} + 64]",
                "prefetcht1 [{ahead} + 128]",
                "prefetcht1 [{ahead} + 192]",
                pixels!(0),
                weights!(0),
                products!(),
            );
        }
    }

    /// The sums of three products a pair of numbers, each the sum of two bf16: that of both upper
    /// parts, and those of an upper and a lower one. That of both lower parts would not count for
    /// more than what rounding has lost already.
    ///
    /// # Safety
    /// As for `multiply`, of twice as many tiles.
    pub(crate) unsafe fn multiply_bf16x2(self, _: &Tiles, sums: &mut Sums) {
        assert!(!self.taps.is_empty() && self.steps > 0, "a sum of nothing");
        // SAFETY: the caller vouches for pixels and weights; the sums are as long as what is
        // stored. Tiles are configured.
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
                pixels!(64),
                weights!(0),
                products!(),
                // Upper parts of both.
                pixels!(0),
                products!(),
                // Upper parts of pixels, lower ones of weights.
                weights!(2048),
                products!(),
            );
        }
    }

    /// The sums of six products a pair of numbers, each the sum of three bf16: all that count for a
    /// float32. The smallest come first, where the tiles at hand allow it.
    ///
    /// # Safety
    /// As for `multiply`, of three times as many tiles.
    pub(crate) unsafe fn multiply_bf16x3(self, _: &Tiles, sums: &mut Sums) {
        assert!(!self.taps.is_empty() && self.steps > 0, "a sum of nothing");
        // SAFETY: the caller vouches for pixels and weights; the sums are as long as what is
        // stored. Tiles are configured.
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
                pixels!(128),
                weights!(0),
                products!(),
                // Middle parts of pixels, upper ones of weights.
                pixels!(64),
                products!(),
                // Middle parts of both.
                weights!(2048),
                products!(),
                // Upper parts of pixels, middle ones of weights.
                pixels!(0),
                products!(),
                // Upper parts of pixels, lower ones of weights.
                weights!(4096),
                products!(),
                // Upper parts of both.
                weights!(0),
                products!(),
            );
        }
    }
}
