//! Products of tiles of bytes, exact in 32 bits.

use super::{BLOCK_COLUMNS, BLOCK_ROWS, Tiles};

/// Bytes of a pixel in an input tile.
pub(crate) const TILE_BYTES: usize = 64;

/// The sums of a block, `[pixel][output channel]`.
pub(crate) type ByteSums = [[i32; BLOCK_COLUMNS]; BLOCK_ROWS];

/// The factors of a block of sums.
#[derive(Clone, Copy)]
pub(crate) struct ByteFactors {
    /// The first pixel: for each of `steps`, [`TILE_BYTES`] unsigned bytes.
    pub(crate) pixels: *const u8,
    /// Bytes from pixel to pixel.
    pub(crate) pixel_bytes: usize,
    /// Input tiles; not zero.
    pub(crate) steps: usize,
    /// For each four bytes of a pixel, four of each output channel.
    pub(crate) weights: *const i8,
    /// Added to the sums of each output channel.
    pub(crate) constants: *const i32,
}

impl ByteFactors {
    /// Computes sums of products of unsigned by signed bytes. Tiles 0 to 3 are sums, 4 and 5
    /// pixels, 6 and 7 weights.
    ///
    /// # Safety
    /// Caller guarantees [`BLOCK_ROWS`] pixels of `steps` tiles, as many weights of
    /// [`BLOCK_COLUMNS`] channels, and their constants.
    pub(crate) unsafe fn multiply(self, _: &Tiles, sums: &mut ByteSums) {
        assert!(self.steps > 0, "a sum of nothing");
        let lower = self.pixels.wrapping_add(BLOCK_ROWS / 2 * self.pixel_bytes);
        // SAFETY: caller guarantees pixels, weights and constants; the sums are as long as the
        // stored tiles. Tiles are configured.
        unsafe {
            std::arch::asm!(
                // All rows of a stride of zero are the same.
                "tileloadd tmm0, [{constants} + {none}]",
                "tileloadd tmm1, [{constants} + {none} + 64]",
                "tileloadd tmm2, [{constants} + {none}]",
                "tileloadd tmm3, [{constants} + {none} + 64]",
                "2:",
                // Rows of weights are two lines. A product begins as soon as its own two are
                // loaded.
                "tileloadd tmm6, [{weights} + 2*{line}]",
                "tileloadd tmm4, [{upper} + {stride}]",
                "tdpbusd tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{weights} + 2*{line} + 64]",
                "tdpbusd tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{lower} + {stride}]",
                "tdpbusd tmm2, tmm5, tmm6",
                "tdpbusd tmm3, tmm5, tmm7",
                "add {upper}, 64",
                "add {lower}, 64",
                "add {weights}, 2048",
                "sub {left}, 1",
                "jnz 2b",
                // So are those of sums.
                "tilestored [{sums} + 2*{line}], tmm0",
                "tilestored [{sums} + 2*{line} + 64], tmm1",
                "tilestored [{sums} + 2*{line} + 2048], tmm2",
                "tilestored [{sums} + 2*{line} + 2112], tmm3",
                constants = in(reg) self.constants,
                none = in(reg) 0_usize,
                upper = inout(reg) self.pixels => _,
                lower = inout(reg) lower => _,
                stride = in(reg) self.pixel_bytes,
                weights = inout(reg) self.weights => _,
                left = inout(reg) self.steps => _,
                line = in(reg) 64_usize,
                sums = in(reg) sums,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}
